//! Layer 6: the foreign MTA that demo, tests and the load generator play.
//!
//! An [`Endpoint`] drives any number of associations, called and calling, over one engine, in the
//! application context and dialogue mode of its [`StackConfig`]; a [`Script`] says what it sends and hears
//! what became of it. It keeps no store: what it confirms is gone with it. What a broken connection left is
//! remembered in memory ([`memory`]) and resumed on the next one.
//!
//! - [`converse`]: what the partner says, and what is answered.
//! - [`turn`]: what is sent next, and whose turn it is.
//! - [`fault`]: the misbehaviour that it can be asked for.

mod converse;
pub mod fault;
mod manifest;
mod memory;
mod peer;
pub mod receive;
pub mod send;
pub mod template;
mod turn;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::association::{Association, session_reference};
use crate::base::buffer::Lease;
use crate::base::clock::{Instant, Now};
use crate::io::{Completion, Engine, Listener, Operation, Outcome, Socket, Token};
use crate::osi::rtse::TransferRefusal;
use crate::osi::stack::{Stack, StackConfig};
use crate::p1::bind::{self, Bind};
use converse::mode;
use fault::Fault;
use memory::Memory;
use peer::{Peer, Stage};

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

/// What a foreign MTA does; unless it says otherwise, it sends nothing, takes all, and never ends.
pub trait Script {
    /// An association is up and may send.
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        Next::Idle
    }

    /// The partner has confirmed a transfer.
    fn confirmed(&mut self, _number: u64, _now: Now) {}

    /// A transfer ended without confirmation and will be asked for again through [`Script::next`];
    /// `in_doubt` when its end may have reached the partner.
    fn returned(&mut self, _number: u64, _in_doubt: bool) {}

    /// An MTS-APDU came in; it is confirmed when this returns.
    fn received(&mut self, apdu: &[u8], now: Now);

    /// Whether an MTS-APDU that came in whole is refused instead, for now or for good.
    fn refusal(&mut self, _apdu: &[u8], _now: Now) -> Option<TransferRefusal> {
        None
    }

    /// Something worth a line to a person.
    fn note(&mut self, _line: &str) {}

    /// Whether the endpoint can stop.
    fn is_finished(&self) -> bool {
        false
    }
}

/// Who the endpoint is.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Our MTA name and password.
    pub local: (String, String),
    /// The partner's, checked when it calls or answers; `None` accepts anyone.
    pub remote: Option<(String, String)>,
    /// Our side of the stack: as caller its application context and dialogue mode, as called those that it
    /// accepts.
    pub stack: Arc<StackConfig>,
    /// Whom to call, and how many associations; `None` only listens.
    pub call: Option<(SocketAddr, usize)>,
    /// How long to wait before calling again after a failure.
    pub retry_delay: Duration,
}

fn shown((mta_name, password): &(String, String)) -> Bind<'_> {
    Bind::Simple { mta_name: mta_name.as_bytes(), password: password.as_bytes() }
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
    memory: Memory,
    fault: Option<Fault>,
    /// Associations called so far.
    call_count: u64,
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
            memory: Memory::default(),
            fault: None,
            call_count: 0,
        }
    }

    /// The same endpoint, misbehaving.
    pub fn with_fault(self, fault: Option<Fault>) -> Endpoint<E, S> {
        Endpoint { fault, ..self }
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
            Ok(Outcome::Connected(socket)) => self.connected(index, socket),
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

    fn connected(&mut self, index: usize, socket: Socket) {
        let config = self.config.stack.clone();
        self.call_count += 1;
        let numbers = (index as u32, self.call_count);
        let reference = session_reference(&self.config.local.0, self.now.wall, numbers);
        let recovered = self.memory.to_recover();
        let stack = match &recovered {
            Some(recovered) => Stack::initiator_recovering(config, recovered.clone(), reference),
            None => {
                let mode = mode(config.application_context.is_x410_mode());
                let mut argument = Vec::new();
                bind::encode_bind_argument(mode, &shown(&self.config.local), &mut argument);
                Stack::initiator_of(config, &argument, reference)
            }
        };
        let token = self.token(index);
        let peer = &mut self.peers[index];
        peer.association = Some(Association::new(socket, stack));
        peer.stage = Stage::Binding;
        peer.recovering = recovered;
        peer.dirty = true;
        self.engine.submit(token, Operation::Receive { socket });
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

    /// The association is over: what it left is remembered, or goes back to the script.
    fn give_up(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        let all_given = peer.outgoing.is_complete();
        peer.outgoing.clear();
        let stack = peer.association.as_ref().map(|association| &association.stack);
        if let (true, Some(stack)) = (std::mem::take(&mut peer.is_up), stack) {
            self.memory.break_off(stack, peer.completed, std::mem::take(&mut peer.transfer));
        }
        let forgets = self.fault == Some(Fault::Forget);
        let resumption = stack.filter(|_| !forgets).and_then(Stack::transfer_resumption);
        if let Some(transfer) = peer.sending.take()
            && let Some(transfer) = self.memory.interrupt(transfer, resumption)
        {
            self.script.returned(transfer.number, all_given);
        }
        if let Some(mut transfer) = peer.ready.take() {
            let resumption = transfer.resumption.take();
            if let Some(transfer) = self.memory.interrupt(transfer, resumption) {
                self.script.returned(transfer.number, false);
            }
        }
    }

    /// The connection is no more; a calling one is tried again while the script has work.
    fn gone(&mut self, index: usize) {
        self.give_up(index);
        let peer = &mut self.peers[index];
        if peer.calling && !self.script.is_finished() {
            *peer = peer.renewed(Stage::Waiting);
            peer.wake_at = Some(self.now.instant + self.config.retry_delay);
        } else {
            *peer = peer.renewed(Stage::Gone);
        }
    }
}
