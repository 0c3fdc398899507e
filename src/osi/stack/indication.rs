//! What the stack tells its user, and what the user configures.

use crate::osi::error::Layer;
use crate::osi::presentation::{Contexts, PresentationConfig};
use crate::osi::rtse::{DialogueMode, RtseConfig, TransferRefusal};
use crate::osi::session::{SessionConfig, SessionConnectionIdentifier};
use crate::osi::transport::TransportConfig;

/// One side's parameters, layer by layer. The defaults have no selectors and bind to anything.
#[derive(Debug, Clone, Default)]
pub struct StackConfig {
    /// X.224.
    pub transport: TransportConfig,
    /// X.225.
    pub session: SessionConfig,
    /// X.226.
    pub presentation: PresentationConfig,
    /// X.228.
    pub rtse: RtseConfig,
}

/// Something the peer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indication<'i> {
    /// To the called side: a caller wants to bind. Answer with `bind_accept` or `bind_reject`.
    Bind(Box<BindIndication>),
    /// To the caller: the bind result's octets, as they stand in the RTOAC.
    BindConfirm(Vec<u8>),
    /// To the caller: there is no association.
    BindRefused(Box<BindRefusal>),
    /// The peer begins a transfer.
    TransferStart,
    /// The next octets of the transferred value, however they were cut on the way.
    TransferData(&'i [u8]),
    /// All octets of the transfer were handed out. Answer with `transfer_response` when it is safe, or
    /// with `transfer_refuse`.
    TransferEnd,
    /// The peer gave up the transfer it had begun: what came of it is void.
    TransferDiscarded,
    /// The peer has taken our transfer and is responsible for it.
    TransferConfirm,
    /// The peer did not take our transfer, and is not responsible for it.
    TransferRefused(TransferRefusal),
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
    /// Dialogue mode that the caller proposes.
    pub dialogue_mode: DialogueMode,
    /// The bind argument's octets, as they stand in the RTORQ.
    pub bind_argument: Vec<u8>,
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
    /// Presentation context identifiers; `mtse` goes around each MTS-APDU.
    pub contexts: Contexts,
}
