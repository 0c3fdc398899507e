//! Layer 6: the foreign MTA that demo, tests and the load generator play.
//!
//! An [`Endpoint`] drives any number of associations, called and calling, over one engine; a [`Script`]
//! says what it sends and hears what became of it. It keeps no store: what it confirms is gone with it.

mod manifest;
pub mod receive;
pub mod send;
pub mod template;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::association::{Association, Outgoing};
use crate::base::buffer::Lease;
use crate::base::clock::{Instant, Now};
use crate::base::limits::APDU_SIZE_MAX;
use crate::io::{Completion, Engine, Listener, Operation, Outcome, Token};
use crate::osi::rtse::{AbortReason, RefuseReason, TransferRefusal, external};
use crate::osi::stack::recovery::ResumeResponse;
use crate::osi::stack::{Indication, Stack, StackConfig};
use crate::p1::bind::{self, Bind, BindError, Mode};

/// What a script wants to do on an association that may send.
#[derive(Debug)]
pub enum Next {
    /// Transfer this MTS-APDU; the number comes back with what became of it.
    Transfer {
        /// The script's own word.
        number: u64,
        /// The octets.
        apdu: Lease,
    },
    /// Nothing before this time.
    Wait(Instant),
    /// Nothing until something is received or confirmed.
    Idle,
    /// Nothing ever again: release.
    Done,
}

/// What a foreign MTA does.
pub trait Script {
    /// An association is up and may send.
    fn next(&mut self, association: usize, now: Now) -> Next;

    /// The partner has confirmed a transfer.
    fn confirmed(&mut self, number: u64, now: Now);

    /// A transfer ended without confirmation and will be asked for again through [`Script::next`];
    /// `in_doubt` when its end may have reached the partner.
    fn returned(&mut self, number: u64, in_doubt: bool);

    /// An MTS-APDU came in; it is confirmed when this returns.
    fn received(&mut self, apdu: &[u8], now: Now);

    /// Something worth a line to a person.
    fn note(&mut self, line: &str);

    /// Whether the endpoint can stop.
    fn is_finished(&self) -> bool;
}

/// Who the endpoint is.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Our MTA name and password.
    pub local: (String, String),
    /// The partner's, checked when it calls or answers; `None` accepts anyone.
    pub remote: Option<(String, String)>,
    /// Our side of the stack.
    pub stack: Arc<StackConfig>,
    /// Whom to call, and how many associations; `None` only listens.
    pub call: Option<(SocketAddr, usize)>,
    /// How long to wait before calling again after a failure.
    pub retry_delay: Duration,
}

fn shown((mta_name, password): &(String, String)) -> Bind<'_> {
    Bind::Simple { mta_name: mta_name.as_bytes(), password: password.as_bytes() }
}

/// Where a connection of the endpoint is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Connecting,
    Binding,
    Bound,
    Releasing,
    Closing,
    Gone,
}

struct Peer {
    stage: Stage,
    calling: bool,
    generation: u32,
    association: Option<Association>,
    outgoing: Outgoing,
    sending: Option<u64>,
    transfer: Vec<u8>,
    wake_at: Option<Instant>,
    dirty: bool,
}

impl Peer {
    fn new(calling: bool, stage: Stage) -> Peer {
        Peer {
            stage,
            calling,
            generation: 0,
            association: None,
            outgoing: Outgoing::default(),
            sending: None,
            transfer: Vec::new(),
            wake_at: None,
            dirty: false,
        }
    }
}

/// How long a finished endpoint waits for its callers to release.
const RELEASE_PATIENCE: Duration = Duration::from_millis(500);

const LISTENER: Token = Token(u64::MAX - 1);

/// A foreign MTA over one engine.
pub struct Endpoint<E: Engine, S: Script> {
    engine: E,
    config: EndpointConfig,
    /// What it does; read it for results.
    pub script: S,
    peers: Vec<Peer>,
    now: Now,
    completions: Vec<Completion<E::Detached>>,
    /// When callers that have not released by themselves are aborted.
    patience_ends: Option<Instant>,
}

impl<E: Engine, S: Script> Endpoint<E, S> {
    /// An endpoint that calls, if it is to call, at its first turn.
    pub fn new(engine: E, config: EndpointConfig, script: S) -> Endpoint<E, S> {
        let count = config.call.map_or(0, |(_, count)| count);
        let peers = (0..count).map(|_| Peer::new(true, Stage::Waiting)).collect();
        let now = engine.now();
        Endpoint {
            engine,
            config,
            script,
            peers,
            now,
            completions: Vec::new(),
            patience_ends: None,
        }
    }

    /// Listens; gives the bound address.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
        let (listener, bound) = self.engine.listen(address)?;
        self.engine.submit(LISTENER, Operation::Accept { listener });
        Ok((listener, bound))
    }

    /// The engine, for its counters and waker.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// Associations that are up.
    pub fn bound_count(&self) -> usize {
        self.peers.iter().filter(|peer| peer.stage == Stage::Bound).count()
    }

    /// Turns until the script is finished and every connection closed, or `deadline` has passed; says
    /// whether it finished.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn run(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        loop {
            if self.turn(deadline)? {
                return Ok(true);
            }
            if deadline.is_some_and(|deadline| self.now.instant >= deadline) {
                return Ok(false);
            }
        }
    }

    /// One turn; waits until `deadline` at most. True when all is over.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn turn(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        self.wake_peers();
        // The script may have been told to stop since the last turn.
        self.settle();
        let soonest = self
            .peers
            .iter()
            .filter_map(|peer| peer.wake_at)
            .chain(deadline)
            .chain(self.patience_ends)
            .min();
        let mut completions = std::mem::take(&mut self.completions);
        self.engine.poll(soonest, &mut completions)?;
        self.now = self.engine.now();
        for completion in completions.drain(..) {
            self.completed(completion);
        }
        self.completions = completions;
        self.settle();
        Ok(self.script.is_finished()
            && self.peers.iter().all(|peer| matches!(peer.stage, Stage::Gone | Stage::Waiting)))
    }

    /// Releases what a finished script needs no more, and sends what there is to send.
    fn settle(&mut self) {
        if self.script.is_finished() && self.patience_ends.is_none() {
            self.patience_ends = Some(self.now.instant + RELEASE_PATIENCE);
        }
        for index in 0..self.peers.len() {
            self.release_if_finished(index);
            if std::mem::take(&mut self.peers[index].dirty) {
                self.flush(index);
            }
        }
    }

    fn wake_peers(&mut self) {
        for index in 0..self.peers.len() {
            let peer = &mut self.peers[index];
            if peer.wake_at.is_some_and(|at| at > self.now.instant) {
                continue;
            }
            let was_waiting = peer.wake_at.take().is_some();
            match peer.stage {
                Stage::Waiting => self.call(index),
                Stage::Bound if was_waiting => self.send_next(index),
                _ => {}
            }
            if std::mem::take(&mut self.peers[index].dirty) {
                self.flush(index);
            }
        }
    }

    fn token(&self, index: usize) -> Token {
        Token(u64::from(self.peers[index].generation) << 32 | index as u64)
    }

    fn call(&mut self, index: usize) {
        let Some((address, _)) = self.config.call else { return };
        if self.script.is_finished() {
            return;
        }
        self.peers[index].stage = Stage::Connecting;
        let token = self.token(index);
        self.engine.submit(token, Operation::Connect { address });
    }

    fn completed(&mut self, completion: Completion<E::Detached>) {
        let Completion { token, result, .. } = completion;
        if token == LISTENER {
            if let Ok(Outcome::Accepted(socket, _)) = result {
                let mut peer = Peer::new(false, Stage::Binding);
                peer.association =
                    Some(Association::new(socket, Stack::responder(self.config.stack.clone())));
                self.peers.push(peer);
                let token = self.token(self.peers.len() - 1);
                self.engine.submit(token, Operation::Receive { socket });
            }
            return;
        }
        let index = token.0 as u32 as usize;
        if self.peers.get(index).is_none_or(|peer| u64::from(peer.generation) != token.0 >> 32) {
            return;
        }
        match result {
            Ok(Outcome::Connected(socket)) => {
                let mut argument = Vec::new();
                bind::encode_bind_argument(Mode::Normal, &shown(&self.config.local), &mut argument);
                let stack = Stack::initiator(self.config.stack.clone(), &argument);
                let peer = &mut self.peers[index];
                peer.association = Some(Association::new(socket, stack));
                peer.stage = Stage::Binding;
                peer.dirty = true;
                self.engine.submit(token, Operation::Receive { socket });
            }
            Ok(Outcome::Received(octets)) if octets.is_empty() => self.close(index),
            Ok(Outcome::Received(octets)) => self.received(index, &octets),
            Ok(Outcome::Sent(transmit)) => {
                if let Some(association) = &mut self.peers[index].association {
                    association.sent(transmit);
                }
                self.peers[index].dirty = true;
            }
            Ok(Outcome::Closed) => self.gone(index),
            Ok(_) => {}
            Err(error) => {
                if self.peers[index].association.is_none() {
                    self.script.note(&format!("no connection: {error}"));
                    self.gone(index);
                } else {
                    self.close(index);
                }
            }
        }
    }

    fn received(&mut self, index: usize, octets: &Lease) {
        let mut input: &[u8] = octets;
        while !matches!(self.peers[index].stage, Stage::Closing | Stage::Gone) {
            let Some(association) = &mut self.peers[index].association else { return };
            match association.stack.poll_indication(&mut input) {
                Ok(Some(indication)) => self.indicated(index, indication),
                Ok(None) => break,
                Err(error) => {
                    self.script.note(&format!("protocol error: {error}"));
                    self.peers[index].stage = Stage::Closing;
                }
            }
        }
        let peer = &mut self.peers[index];
        if let (Some(association), Some(_)) = (&mut peer.association, peer.sending) {
            peer.outgoing.proceed(&mut association.stack);
        }
        peer.dirty = true;
    }

    fn indicated(&mut self, index: usize, indication: Indication<'_>) {
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        let stack = &mut association.stack;
        match indication {
            Indication::TransferStart
            | Indication::TransferDiscarded
            | Indication::TransferInterrupted(_) => peer.transfer.clear(),
            Indication::TransferResume(_) => {
                stack.transfer_resume_response(ResumeResponse::Unrecognized);
            }
            Indication::TransferData(octets) => {
                if peer.transfer.len() + octets.len() > APDU_SIZE_MAX {
                    stack.transfer_refuse(TransferRefusal::Permanent);
                } else {
                    peer.transfer.extend_from_slice(octets);
                }
            }
            Indication::TransferEnd => match external::unwrap(&peer.transfer) {
                Ok(range) => {
                    self.script.received(&peer.transfer[range], self.now);
                    stack.transfer_response();
                }
                Err(error) => {
                    self.script.note(&format!("malformed transfer: {error}"));
                    stack.transfer_refuse(TransferRefusal::Permanent);
                }
            },
            Indication::TransferConfirm => {
                peer.outgoing.clear();
                if let Some(number) = peer.sending.take() {
                    self.script.confirmed(number, self.now);
                }
                self.send_next(index);
            }
            refused @ (Indication::TransferRefused(_)
            | Indication::TransferInterruptConfirm(_)
            | Indication::TransferDiscardConfirm
            | Indication::TransferResumeRefused) => {
                self.script.note(&format!("transfer refused: {refused:?}"));
                peer.outgoing.clear();
                if let Some(number) = peer.sending.take() {
                    self.script.returned(number, false);
                }
                peer.wake_at = Some(self.now.instant + self.config.retry_delay);
            }
            Indication::Bind(argument) => {
                let argument = bind::decode_bind_argument(Mode::Normal, &argument.bind_argument);
                let accepted = match (&self.config.remote, argument) {
                    (None, Ok(_)) => true,
                    (Some(remote), Ok(argument)) => argument == shown(remote),
                    (_, Err(_)) => false,
                };
                let mut answer = Vec::new();
                if accepted {
                    bind::encode_bind_result(Mode::Normal, &shown(&self.config.local), &mut answer);
                    stack.bind_accept(&answer);
                    peer.stage = Stage::Bound;
                } else {
                    self.script.note("bind refused: wrong name or password");
                    bind::encode_bind_error(BindError::AuthenticationError, &mut answer);
                    stack.bind_reject(RefuseReason::ValidationFailure, &answer);
                    peer.stage = Stage::Closing;
                }
            }
            Indication::Recover(_) => {
                stack.bind_reject(RefuseReason::CannotRecover, &[]);
                peer.stage = Stage::Closing;
            }
            Indication::BindConfirm(_) | Indication::RecoverConfirm => {
                peer.stage = Stage::Bound;
                self.send_next(index);
            }
            Indication::BindRefused(refusal) => {
                self.script.note(&format!(
                    "bind refused by the partner: {}: {}",
                    refusal.layer.as_str(),
                    refusal.text
                ));
                peer.stage = Stage::Closing;
            }
            Indication::TurnPlease(_) => {
                stack.turn_give_request();
            }
            Indication::TurnGiven => self.send_next(index),
            Indication::Release => {
                stack.release_response();
                peer.stage = Stage::Releasing;
            }
            Indication::ReleaseConfirm => peer.stage = Stage::Closing,
            Indication::Abort(abort) => {
                self.script.note(&format!(
                    "aborted by the partner: {}: {}",
                    abort.layer.as_str(),
                    abort.text
                ));
                peer.stage = Stage::Closing;
            }
        }
    }

    fn send_next(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        if peer.stage != Stage::Bound || peer.sending.is_some() || !association.stack.holds_turn() {
            return;
        }
        match self.script.next(index, self.now) {
            Next::Transfer { number, apdu } => {
                let header = association.stack.negotiated().wrap_header(apdu.len());
                let header = Lease::copied(&header);
                peer.sending = Some(number);
                peer.outgoing.start(&mut association.stack, [header, apdu], 0);
                peer.dirty = true;
            }
            Next::Wait(at) => peer.wake_at = Some(at),
            Next::Idle => {}
            Next::Done => self.release(index),
        }
    }

    /// Only the caller may release; a called association is given time for that, then aborted.
    fn release_if_finished(&mut self, index: usize) {
        let impatient = self.patience_ends.is_some_and(|end| end <= self.now.instant);
        if self.script.is_finished() && (self.peers[index].calling || impatient) {
            self.release(index);
        }
    }

    fn release(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        if peer.stage != Stage::Bound || peer.sending.is_some() || !association.stack.is_idle() {
            return;
        }
        if peer.calling {
            association.stack.release_request();
            peer.stage = Stage::Releasing;
        } else {
            association.stack.abort_request(AbortReason::TemporaryProblem);
            peer.stage = Stage::Closing;
        }
        peer.dirty = true;
    }

    fn flush(&mut self, index: usize) {
        let token = self.token(index);
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        association.flush(&mut self.engine, token);
        if peer.stage == Stage::Releasing && association.stack.is_closed() {
            peer.stage = Stage::Closing;
        }
        if peer.stage == Stage::Closing && association.is_flushed() {
            self.close(index);
        }
    }

    fn close(&mut self, index: usize) {
        let token = self.token(index);
        let peer = &mut self.peers[index];
        if peer.stage == Stage::Gone {
            return;
        }
        if let Some(association) = &peer.association {
            let socket = association.socket();
            self.engine.submit(token, Operation::Close { socket });
        }
        self.give_up(index);
        self.peers[index].stage = Stage::Gone;
    }

    fn give_up(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        let in_doubt = peer.outgoing.is_complete();
        peer.outgoing.clear();
        if let Some(number) = peer.sending.take() {
            self.script.returned(number, in_doubt);
        }
    }

    /// The connection is no more; a calling one is tried again while the script has work.
    fn gone(&mut self, index: usize) {
        self.give_up(index);
        let peer = &mut self.peers[index];
        peer.association = None;
        peer.generation += 1;
        peer.transfer.clear();
        if peer.calling && !self.script.is_finished() {
            peer.stage = Stage::Waiting;
            peer.wake_at = Some(self.now.instant + self.config.retry_delay);
        } else {
            peer.stage = Stage::Gone;
        }
    }
}
