//! The protocol machines composed for application context mts-transfer: normal mode, ACSE, RTSE.
//!
//! Sans-IO: received octets go in through [`Stack::poll_indication`], octets to send come out of
//! [`Stack::poll_transmit`]: ask for them after each indication and each request. The protocols of class
//! 0 and above it have no timers of their own; how long a peer may be silent is the caller's to say, who
//! then aborts.
//!
//! A request that the state does not have has no effect and returns `false`: it crossed something of
//! the peer's. Minor synchronization points are confirmed by the stack, once the octets before them
//! were handed out; responsibility passes only with [`Stack::transfer_response`]. The X.410-1984
//! mode is another composition of the same transport and session machines.

mod bind;
mod indication;
mod receive;

pub use indication::*;

use super::error::{Error, Remedy};
use super::presentation::data::DataReader;
use super::presentation::{Contexts, ppdu};
use super::rtse::transfer::Outgoing;
use super::rtse::{AbortReason, DialogueMode, TransferRefusal};
use super::session::machine::{Event as SessionEvent, State as SessionState};
use super::session::{self, Session, SessionConnectionIdentifier};
use super::transport::machine::State as TransportState;
use super::transport::{Transport, data_header};
use super::{Step, acse, presentation, rtse};
use crate::base::buffer::Lease;
use crate::base::limits::TRANSFER_SIZE_MAX;
use crate::base::transmit::Transmit;
use std::sync::Arc;

/// Control octets kept for the next transmission beyond this are given back, octets.
const CONTROL_CAPACITY_KEPT: usize = 256;
/// Transport disconnect bits of an abort by a session user (PI 17): release, user abort.
const USER_ABORT: u8 = 0x03;
/// DR reason: normal disconnect initiated by the session entity.
const NORMAL_DISCONNECT: u8 = 0x80;
/// DR reason: protocol error.
const PROTOCOL_ERROR: u8 = 0x85;

/// One end of an association over one connection.
#[derive(Debug)]
pub struct Stack {
    config: Arc<StackConfig>,
    transport: Transport,
    session: Session,
    presentation: presentation::machine::State,
    acse: acse::machine::State,
    rtse: rtse::machine::State,
    contexts: Contexts,
    /// What is only needed until the association stands.
    binding: Option<Box<bind::Binding>>,
    checkpoint_size_kib: u32,
    window_size: u32,
    dialogue_mode: DialogueMode,
    data: DataReader,
    /// The DATA TRANSFER under way is dropped.
    data_dropped: bool,
    outgoing: Outgoing,
    /// Framed octets that go before anything of `outgoing`.
    control: Vec<u8>,
    minor_sync_confirm: Option<u32>,
    refusal: TransferRefusal,
    /// The peer's activity was indicated to the user.
    transfer_indicated: bool,
}

impl Stack {
    fn new(config: Arc<StackConfig>) -> Stack {
        Stack {
            config,
            transport: Transport::new(),
            session: Session::new(),
            presentation: presentation::machine::State::Idle,
            acse: acse::machine::State::Unassociated,
            rtse: rtse::machine::State::Unassociated,
            contexts: Contexts::PROPOSED,
            binding: None,
            checkpoint_size_kib: 0,
            window_size: 1,
            dialogue_mode: DialogueMode::Monologue,
            data: DataReader::new(),
            data_dropped: false,
            outgoing: Outgoing::default(),
            control: Vec::new(),
            minor_sync_confirm: None,
            refusal: TransferRefusal::Temporary,
            transfer_indicated: false,
        }
    }

    /// The calling side. `bind_argument` goes into the RTORQ as it stands, wrapper included.
    pub fn initiator(config: Arc<StackConfig>, bind_argument: &[u8]) -> Stack {
        Stack::initiator_of(config, bind_argument, SessionConnectionIdentifier::default())
    }

    /// The calling side, with references for the session connection (X.225 connection identifier):
    /// encoded values, unique to the caller.
    pub fn initiator_of(
        config: Arc<StackConfig>,
        bind_argument: &[u8],
        identifier: SessionConnectionIdentifier,
    ) -> Stack {
        let mut stack = Stack::new(config);
        stack.transport.connect_request(&stack.config.transport, &mut stack.control);
        stack.binding = Some(Box::new(bind::Binding::calling(bind_argument, identifier)));
        stack
    }

    /// The called side.
    pub fn responder(config: Arc<StackConfig>) -> Stack {
        Stack::new(config)
    }

    /// Reads on in received octets: advances `input`, and returns the next indication, or `None` when
    /// `input` is used up. What is left of a PDU is kept inside, within bounds.
    ///
    /// # Errors
    /// When the connection cannot go on; transmit what there is and close it.
    pub fn poll_indication<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Indication<'i>>, Error> {
        let result = self.read(input);
        if let Err(error) = &result {
            *input = &[];
            if self.session.state() == SessionState::AwaitTransportDisconnect {
                // What follows our abort means nothing any more.
                self.close();
                return Ok(None);
            }
            self.fail(error);
        }
        result
    }

    /// Appends everything there is to send; `false` when that is nothing.
    pub fn poll_transmit(&mut self, transmit: &mut Transmit) -> bool {
        let before = transmit.size();
        if let Some(serial) = self.minor_sync_confirm.take() {
            self.push_tsdu(&session::minor_sync_ack(serial));
        }
        transmit.push_owned(&self.control);
        self.control.clear();
        self.control.shrink_to(CONTROL_CAPACITY_KEPT);
        if self.rtse == rtse::machine::State::Sending
            && self.outgoing.transmit(&mut self.session, &self.transport, transmit)
        {
            self.rtse_request(rtse::machine::Event::TransferSent);
        }
        transmit.size() > before
    }

    /// Begins a transfer of `size` octets, at most `TRANSFER_SIZE_MAX`; needs the turn and no other
    /// transfer under way.
    pub fn transfer_request(&mut self, size: usize) -> bool {
        let taken = size <= TRANSFER_SIZE_MAX
            && self
                .request(rtse::machine::Event::TransferRequest, SessionEvent::ActivityStartRequest);
        if taken {
            let context = self.contexts.rtse;
            self.outgoing.start(size, self.checkpoint_size_kib, self.window_size, context);
        }
        taken
    }

    /// Octets of the transfer that are taken now: at most window + 1 checkpoint intervals are
    /// outstanding, and what waits here is bounded.
    pub fn transfer_wanted(&self) -> usize {
        match self.rtse {
            rtse::machine::State::Sending => {
                self.outgoing.wanted(self.session.serial_number_confirmed())
            }
            _ => 0,
        }
    }

    /// The next octets of the transfer, at most [`Stack::transfer_wanted`]. The activity end goes out
    /// behind the last ones.
    pub fn transfer_data(&mut self, lease: Lease) {
        if self.rtse_request(rtse::machine::Event::TransferData) {
            self.outgoing.give(lease);
        }
    }

    /// Takes responsibility for the transfer that ended: acknowledges the activity end.
    pub fn transfer_response(&mut self) -> bool {
        let taken =
            self.request(rtse::machine::Event::TransferResponse, SessionEvent::ActivityEndResponse);
        if taken {
            // It confirms the synchronization points before it, too.
            self.minor_sync_confirm = None;
            self.push_tsdu(&session::activity_end_ack(self.session.serial_number_last()));
        }
        taken
    }

    /// Refuses the transfer under way, or just ended, by an exception report; the peer then gives it
    /// up, which is indicated as [`Indication::TransferDiscarded`].
    pub fn transfer_refuse(&mut self, refusal: TransferRefusal) -> bool {
        let taken = self
            .request(rtse::machine::Event::TransferRefusal, SessionEvent::ExceptionReportRequest);
        if taken {
            self.minor_sync_confirm = None;
            self.data_dropped = true;
            self.push_tsdu(&session::exception_data(refusal.report_reason()));
        }
        taken
    }

    /// Asks for the turn; priority 0 is the highest.
    pub fn turn_please_request(&mut self, priority: u8) -> bool {
        let taken = self.dialogue_mode == DialogueMode::TwoWayAlternate
            && self
                .request(rtse::machine::Event::TurnPleaseRequest, SessionEvent::TokenPleaseRequest);
        if taken {
            let rttp = ppdu::user_data(self.contexts.rtse, &rtse::apdu::rttp(priority));
            self.push_tsdu(&Session::token_please(&rttp));
        }
        taken
    }

    /// Gives the turn to the peer.
    pub fn turn_give_request(&mut self) -> bool {
        let taken = self.dialogue_mode == DialogueMode::TwoWayAlternate
            && self
                .request(rtse::machine::Event::TurnGiveRequest, SessionEvent::ControlGiveRequest);
        if taken {
            self.push_tsdu(&session::GIVE_TOKENS_CONFIRM);
        }
        taken
    }

    /// Releases the association; needs the turn and no transfer under way.
    pub fn release_request(&mut self) -> bool {
        let taken = self.request(rtse::machine::Event::CloseRequest, SessionEvent::ReleaseRequest);
        if taken {
            self.acse_request(acse::machine::Event::ReleaseRequest);
            let user_data = ppdu::user_data(self.contexts.acse, &acse::apdu::rlrq());
            self.push_tsdu(&Session::finish(&user_data));
        }
        taken
    }

    /// Agrees to the peer's release.
    pub fn release_response(&mut self) -> bool {
        let taken =
            self.request(rtse::machine::Event::CloseResponse, SessionEvent::ReleaseResponse);
        if taken {
            self.acse_request(acse::machine::Event::ReleaseResponse);
            self.presentation_request(presentation::machine::Event::CloseRequest);
            let user_data = ppdu::user_data(self.contexts.acse, &acse::apdu::rlre());
            self.push_tsdu(&Session::disconnect(&user_data));
        }
        taken
    }

    /// Aborts the association, whatever its state.
    pub fn abort_request(&mut self, reason: AbortReason) {
        self.remedy(Remedy::TransferAbort(reason as u8));
    }

    /// Whether this side may send.
    pub fn holds_turn(&self) -> bool {
        matches!(
            self.session.state(),
            SessionState::QuietWithTurn
                | SessionState::Sending
                | SessionState::AwaitActivityEndAck
                | SessionState::AwaitDiscardAck
        )
    }

    /// Whether the association stands and nothing is under way.
    pub fn is_idle(&self) -> bool {
        matches!(self.session.state(), SessionState::QuietWithTurn | SessionState::QuietWithoutTurn)
    }

    /// Whether it is all over: transmit what there is and close the connection.
    pub fn is_closed(&self) -> bool {
        self.session.state() == SessionState::Closed
            || self.transport.state() == TransportState::Closed
    }

    /// The state, for logs.
    pub fn state_name(&self) -> &'static str {
        match (self.transport.state(), self.session.state()) {
            (TransportState::Open, SessionState::Idle) => "awaiting session connect",
            (TransportState::Open, session) => session.name(),
            (transport, _) => transport.name(),
        }
    }

    /// What holds on this association.
    pub fn negotiated(&self) -> Negotiated {
        Negotiated {
            tpdu_size: self.transport.tpdu_size(),
            tsdu_size_max: self.session.tsdu_size_send(),
            session_version: self.session.version(),
            checkpoint_size_kib: self.checkpoint_size_kib,
            window_size: self.window_size,
            dialogue_mode: self.dialogue_mode,
            contexts: self.contexts,
        }
    }

    fn push_tsdu(&mut self, tsdu: &[u8]) {
        self.transport.push_tsdu(tsdu, &mut self.control);
    }

    /// Takes a local request in both machines, if both have it.
    fn request(&mut self, rtse: rtse::machine::Event, session: SessionEvent) -> bool {
        let Step::Next(next) = rtse::machine::step(self.rtse, rtse) else { return false };
        let taken = self.session.request(session);
        if taken {
            self.rtse = next;
        }
        taken
    }

    fn rtse_request(&mut self, event: rtse::machine::Event) -> bool {
        let Step::Next(next) = rtse::machine::step(self.rtse, event) else { return false };
        self.rtse = next;
        true
    }

    fn acse_request(&mut self, event: acse::machine::Event) {
        if let Step::Next(next) = acse::machine::step(self.acse, event) {
            self.acse = next;
        }
    }

    fn presentation_request(&mut self, event: presentation::machine::Event) {
        if let Step::Next(next) = presentation::machine::step(self.presentation, event) {
            self.presentation = next;
        }
    }

    /// Everything above transport is over.
    fn close_association(&mut self) {
        self.rtse_request(rtse::machine::Event::AbortRequest);
        self.acse_request(acse::machine::Event::AbortRequest);
        self.presentation_request(presentation::machine::Event::CloseRequest);
        self.outgoing.clear();
        self.data.reset();
        self.minor_sync_confirm = None;
        self.binding = None;
    }

    /// Everything is over, without a word.
    fn close(&mut self) {
        self.close_association();
        self.session.request(SessionEvent::TransportDisconnect);
        self.transport.close();
    }

    fn fail(&mut self, error: &Error) {
        if self.session.state() == SessionState::AwaitConnectResponse {
            return self.refuse_bind(error);
        }
        self.remedy(error.remedy());
    }

    /// Tells the peer what is wrong, in the words of the highest layer that is connected.
    fn remedy(&mut self, remedy: Remedy) {
        if self.is_closed() || self.session.state() == SessionState::AwaitTransportDisconnect {
            return self.close();
        }
        // A TSDU that is half sent is ended, so that what follows can be framed.
        if self.outgoing.tsdu_open() {
            self.control.extend_from_slice(&data_header(0, true));
        }
        let session_connected = self.session.state() != SessionState::Idle;
        let reference = (self.contexts.rtse, self.contexts);
        let (bits, user_data) = match remedy {
            Remedy::Silence => return self.close(),
            Remedy::TpduError(cause) => {
                self.transport.error_request(cause, &mut self.control);
                return self.close();
            }
            Remedy::Disconnect(reason) => {
                self.transport.disconnect_request(reason, &mut self.control);
                return self.close();
            }
            _ if !session_connected => {
                if self.transport.state() == TransportState::Open {
                    self.transport.disconnect_request(PROTOCOL_ERROR, &mut self.control);
                }
                return self.close();
            }
            Remedy::SessionAbort(bits) => (bits, Vec::new()),
            Remedy::PresentationAbort(reason) => (USER_ABORT, ppdu::arp(reason)),
            Remedy::AssociationAbort => {
                let abrt = acse::apdu::abrt(reference.0, None);
                (USER_ABORT, ppdu::aru(&reference.1, &abrt))
            }
            Remedy::TransferAbort(reason) => {
                let rtab = rtse::apdu::rtab(reason);
                let abrt = acse::apdu::abrt(reference.0, Some(&rtab));
                (USER_ABORT, ppdu::aru(&reference.1, &abrt))
            }
        };
        let abort = self.session.abort(bits, &user_data);
        self.push_tsdu(&abort);
        self.session.request(SessionEvent::AbortRequest);
        self.close_association();
    }
}
