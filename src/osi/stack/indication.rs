//! What the stack tells its user, and what the user configures.

use super::ApplicationContext;
use super::recovery::{PartialTransfer, ResumeIndication, TransferResumption};
use crate::osi::error::{Error, Layer};
use crate::osi::presentation::{Contexts, PresentationConfig};
use crate::osi::rtse::external::{self, Enclosure};
use crate::osi::rtse::{DialogueMode, RtseConfig, TransferRefusal, Turn};
use crate::osi::session::{SessionConfig, SessionConnectionIdentifier};
use crate::osi::transport::TransportConfig;
use smallvec::SmallVec;
use std::ops::Range;

/// One side's parameters, layer by layer. The defaults have no selectors and bind to anything.
#[derive(Debug, Clone)]
pub struct StackConfig {
    /// What an initiator speaks.
    pub application_context: ApplicationContext,
    /// What a called side takes; a caller that offers another one is refused.
    pub accepted_application_contexts: Vec<ApplicationContext>,
    /// X.224.
    pub transport: TransportConfig,
    /// X.225.
    pub session: SessionConfig,
    /// X.226.
    pub presentation: PresentationConfig,
    /// X.228.
    pub rtse: RtseConfig,
}

impl Default for StackConfig {
    fn default() -> Self {
        StackConfig {
            application_context: ApplicationContext::MtsTransfer,
            accepted_application_contexts: vec![ApplicationContext::MtsTransfer],
            transport: TransportConfig::default(),
            session: SessionConfig::default(),
            presentation: PresentationConfig::default(),
            rtse: RtseConfig::default(),
        }
    }
}

/// Something the peer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indication<'i> {
    /// To the called side: a caller wants to bind. Answer with `bind_accept` or `bind_reject`.
    Bind(Box<BindIndication>),
    /// To the called side: a caller wants to recover the association of an earlier session connection.
    /// Answer with `recover_accept`, or with `bind_reject` and `CannotRecover`.
    Recover(Box<RecoverIndication>),
    /// To the caller: the bind result's octets, as they stand in the RTOAC.
    BindConfirm(Vec<u8>),
    /// To the caller: the association is recovered.
    RecoverConfirm,
    /// To the caller: there is no association.
    BindRefused(Box<BindRefusal>),
    /// The peer begins a transfer.
    TransferStart,
    /// The peer goes on with a transfer that was broken off or interrupted. Answer with
    /// `transfer_resume_response` before the next call of `poll_indication`: data may follow at once.
    TransferResume(Box<ResumeIndication>),
    /// The next octets of the transferred value, however they were cut on the way.
    TransferData(&'i [u8]),
    /// All octets of the transfer were handed out. Answer with `transfer_response` when it is safe, or
    /// with `transfer_refuse`.
    TransferEnd,
    /// The peer gave up the transfer it had begun: what came of it is void.
    TransferDiscarded,
    /// The peer interrupted its transfer: it may resume it, here or on another connection. It ends
    /// like this too when we refused it for now.
    TransferInterrupted(Box<PartialTransfer>),
    /// The peer has taken our transfer and is responsible for it.
    TransferConfirm,
    /// The peer did not take our transfer, and is not responsible for it.
    TransferRefused(TransferRefusal),
    /// The peer does not know the transfer that we resumed, and has nothing of it: it may be transferred
    /// anew.
    TransferResumeRefused,
    /// Our transfer is interrupted, at our request or because the peer could not take it for now; it
    /// may be resumed.
    TransferInterruptConfirm(Box<TransferResumption>),
    /// Our transfer is given up at our request: the peer is not responsible for it.
    TransferDiscardConfirm,
    /// The peer wants the turn, with this priority; 0 is the highest.
    TurnPlease(u8),
    /// The turn is ours now.
    TurnGiven,
    /// The peer wants to release the association. Answer with `release_response`.
    Release,
    /// The association is released: send what is left and close.
    ReleaseConfirm,
    /// The association was aborted: close.
    Abort(AbortIndication),
}

/// A caller's wish to bind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BindIndication {
    /// Transport selectors, empty when absent.
    pub calling_transport_selector: Vec<u8>,
    /// As above.
    pub called_transport_selector: Vec<u8>,
    /// Session selectors, empty when absent.
    pub calling_session_selector: Vec<u8>,
    /// As above.
    pub called_session_selector: Vec<u8>,
    /// Presentation selectors, empty when absent.
    pub calling_presentation_selector: Vec<u8>,
    /// As above.
    pub called_presentation_selector: Vec<u8>,
    /// References of the session connection, opaque.
    pub session_connection_identifier: SessionConnectionIdentifier,
    /// What the caller speaks.
    pub application_context: ApplicationContext,
    /// Dialogue mode that the caller proposes.
    pub dialogue_mode: DialogueMode,
    /// Who has the turn first.
    pub initial_turn: Turn,
    /// The bind argument's octets, as they stand in the RTORQ.
    pub bind_argument: Vec<u8>,
}

/// A caller's wish to recover an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverIndication {
    /// The session connection that it ran over.
    pub recovered: SessionConnectionIdentifier,
    /// The caller, as in a bind but without an argument.
    pub caller: BindIndication,
}

/// Why there is no association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindRefusal {
    /// Who refused.
    pub layer: Layer,
    /// The reason in that layer's own code; 0 where it has none.
    pub reason: u32,
    /// The reason in words.
    pub text: &'static str,
    /// Whether the refusal says that a later attempt may succeed.
    pub transient: bool,
    /// The bind error's octets, as they stand in the RTORJ; empty when there are none.
    pub bind_error: Vec<u8>,
}

/// How the association ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortIndication {
    /// Whose abort it is: RTSE's is the peer's user or its RTSE.
    pub layer: Layer,
    /// The reason in that layer's own code, where it gave one.
    pub reason: Option<u32>,
    /// The reason in words.
    pub text: &'static str,
}

/// What holds on an established association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// Largest TPDU, octets.
    pub tpdu_size: usize,
    /// Largest TSDU that we send, octets; 0 is unlimited.
    pub tsdu_size_max: u16,
    /// Session protocol version.
    pub session_version: u8,
    /// Data between two synchronization points, units of 1,024 octets; 0: there are none.
    pub checkpoint_size_kib: u32,
    /// Synchronization points that may be unconfirmed.
    pub window_size: u32,
    /// Who may send.
    pub dialogue_mode: DialogueMode,
    /// What is spoken.
    pub application_context: ApplicationContext,
    /// Presentation context identifiers; none in X.410 mode.
    pub contexts: Option<Contexts>,
}

impl Negotiated {
    /// The octets in front of an MTS-APDU of `apdu_size` octets in its transfer; nothing goes behind it,
    /// and in X.410 mode nothing before it.
    pub fn wrap_header(&self, apdu_size: usize) -> SmallVec<[u8; 24]> {
        self.contexts
            .map(|contexts| external::wrap_header(contexts.mtse, apdu_size))
            .unwrap_or_default()
    }

    /// What encloses the MTS-APDU in a transfer whose first octets are `prefix`; `None` when more octets
    /// are needed.
    ///
    /// # Errors
    /// As [`external::unwrap_prefix`].
    pub fn unwrap_prefix(&self, prefix: &[u8]) -> Result<Option<Enclosure>, Error> {
        match self.contexts {
            Some(_) => external::unwrap_prefix(prefix),
            None => Ok(Some(Enclosure::default())),
        }
    }

    /// Where the MTS-APDU stands in the complete octets of a transfer.
    ///
    /// # Errors
    /// As [`external::unwrap`].
    pub fn unwrap(&self, transfer: &[u8]) -> Result<Range<usize>, Error> {
        match self.contexts {
            Some(_) => external::unwrap(transfer),
            None => Ok(0..transfer.len()),
        }
    }
}
