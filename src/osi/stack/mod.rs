//! The protocol machines composed for one application context: transport, session, what stands above
//! it by mode (`upper`), RTSE.
//!
//! Sans-IO: received octets go in through [`Stack::poll_indication`], octets to send come out of
//! [`Stack::poll_transmit`]: ask for them after each indication and each request. The protocols of class
//! 0 and above it have no timers of their own; how long a peer may be silent is the caller's to say, who
//! then aborts.
//!
//! A request that the state does not have has no effect and returns `false`: it crossed something of
//! the peer's. Minor synchronization points are confirmed by the stack, once the octets before them
//! were handed out; responsibility passes only with [`Stack::transfer_response`]. What a relay must keep
//! for that to hold over broken connections stands in [`recovery`].

mod bind;
mod context;
mod indication;
mod normal;
mod receive;
pub mod recovery;
mod transfer;
mod upper;

pub use context::ApplicationContext;
pub use indication::*;

use super::error::{Error, Remedy};
use super::rtse::transfer::Outgoing;
use super::rtse::{AbortReason, DialogueMode};
use super::session::machine::{Event as SessionEvent, State as SessionState};
use super::session::{self, Session, SessionConnectionIdentifier};
use super::transport::machine::State as TransportState;
use super::transport::{Transport, data_header};
use super::{Step, rtse};
use crate::base::transmit::Transmit;
use recovery::Incoming;
use std::sync::Arc;
use upper::Upper;

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
    upper: Upper,
    rtse: rtse::machine::State,
    /// What is only needed until the association stands.
    binding: Option<Box<bind::Binding>>,
    checkpoint_size_kib: u32,
    window_size: u32,
    dialogue_mode: DialogueMode,
    /// The DATA TRANSFER under way is dropped.
    data_dropped: bool,
    outgoing: Outgoing,
    incoming: Incoming,
    /// What our transfer goes on from, if it was resumed.
    resumed: Option<Box<recovery::TransferResumption>>,
    /// Framed octets that go before anything of `outgoing`.
    control: Vec<u8>,
    minor_sync_confirm: Option<u32>,
    giving_up: transfer::GivingUp,
    /// The peer's activity was indicated to the user.
    transfer_indicated: bool,
}

impl Stack {
    fn new(config: Arc<StackConfig>) -> Stack {
        Stack {
            upper: Upper::new(config.application_context),
            config,
            transport: Transport::new(),
            session: Session::new(),
            rtse: rtse::machine::State::Unassociated,
            binding: None,
            checkpoint_size_kib: 0,
            window_size: 1,
            dialogue_mode: DialogueMode::Monologue,
            data_dropped: false,
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            resumed: None,
            control: Vec::new(),
            minor_sync_confirm: None,
            giving_up: transfer::GivingUp::Requested,
            transfer_indicated: false,
        }
    }

    /// The calling side. `bind_argument` goes into the RTORQ as it stands: with its wrapper in normal
    /// mode, without one in X.410 mode.
    pub fn initiator(config: Arc<StackConfig>, bind_argument: &[u8]) -> Stack {
        Stack::initiator_of(config, bind_argument, SessionConnectionIdentifier::default())
    }

    /// The calling side, with references for the session connection: without them, what is broken off
    /// cannot be resumed on another one.
    pub fn initiator_of(
        config: Arc<StackConfig>,
        bind_argument: &[u8],
        identifier: SessionConnectionIdentifier,
    ) -> Stack {
        Stack::calling(config, bind::Binding::calling(bind_argument, identifier))
    }

    /// The calling side, which recovers the association that ran over the session connection
    /// `recovered`, on a new one whose references are `identifier`. There is no bind: answered by
    /// [`Indication::RecoverConfirm`] or [`Indication::BindRefused`].
    pub fn initiator_recovering(
        config: Arc<StackConfig>,
        recovered: SessionConnectionIdentifier,
        identifier: SessionConnectionIdentifier,
    ) -> Stack {
        Stack::calling(config, bind::Binding::recovering(recovered, identifier))
    }

    fn calling(config: Arc<StackConfig>, binding: bind::Binding) -> Stack {
        let mut stack = Stack::new(config);
        stack.transport.connect_request(&stack.config.transport, &mut stack.control);
        stack.binding = Some(Box::new(binding));
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
            self.push_tsdu(&session::activity::minor_sync_ack(serial));
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

    /// Asks for the turn; priority 0 is the highest.
    pub fn turn_please_request(&mut self, priority: u8) -> bool {
        let taken = self.dialogue_mode == DialogueMode::TwoWayAlternate
            && self
                .request(rtse::machine::Event::TurnPleaseRequest, SessionEvent::TokenPleaseRequest);
        if taken {
            let rttp = self.upper.token_please(priority);
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
            self.push_tsdu(&session::activity::GIVE_TOKENS_CONFIRM);
        }
        taken
    }

    /// Releases the association; needs the turn and no transfer under way.
    pub fn release_request(&mut self) -> bool {
        let taken = self.request(rtse::machine::Event::CloseRequest, SessionEvent::ReleaseRequest);
        if taken {
            let user_data = self.upper.release_request();
            self.push_tsdu(&Session::finish(&user_data));
        }
        taken
    }

    /// Agrees to the peer's release.
    pub fn release_response(&mut self) -> bool {
        let taken =
            self.request(rtse::machine::Event::CloseResponse, SessionEvent::ReleaseResponse);
        if taken {
            let user_data = self.upper.release_response();
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
                | SessionState::AwaitInterruptAck
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
            application_context: self.upper.context(),
            contexts: self.upper.contexts(),
        }
    }

    /// The references of the session connection, empty until a called side has seen its CN.
    pub fn session_connection_identifier(&self) -> &SessionConnectionIdentifier {
        self.session.identifier()
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

    /// Everything above transport is over.
    fn close_association(&mut self) {
        self.rtse_request(rtse::machine::Event::AbortRequest);
        self.upper.close();
        self.outgoing.clear();
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
            remedy => (USER_ABORT, self.upper.abort(remedy)),
        };
        let abort = self.session.abort(bits, &user_data);
        self.push_tsdu(&abort);
        self.session.request(SessionEvent::AbortRequest);
        self.close_association();
    }
}
