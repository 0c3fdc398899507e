//! X.228: reliable transfer with checkpoints, turn, interrupt, resumption, recovery, abort.
//!
//! `transfer::Outgoing` cuts an APDU of known size into RTTRs of the negotiated checkpoint size, as
//! far as the window allows; [`external`] is the wrapper that normal mode puts around an MTS-APDU.

pub(super) mod apdu;
pub mod external;
pub mod machine;
pub(super) mod transfer;

use super::error::{Error, Layer};
use crate::ber::ErrorKind;

pub use super::session::Turn;

/// Who may send (X.228 dialogue-mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DialogueMode {
    /// The side that has the turn first.
    #[default]
    Monologue,
    /// Either side, in turns.
    TwoWayAlternate,
}

/// One side's RTSE parameters.
#[derive(Debug, Clone)]
pub struct RtseConfig {
    /// Most data between two minor synchronization points, units of 1,024 octets; 0: none are sent.
    pub checkpoint_size_kib: u32,
    /// Most minor synchronization points that may be unconfirmed; at least 1.
    pub window_size: u32,
    /// Proposed by the caller; a called side accepts either.
    pub dialogue_mode: DialogueMode,
    /// Settled by the caller; a called side accepts either.
    pub initial_turn: Turn,
}

impl Default for RtseConfig {
    fn default() -> Self {
        RtseConfig {
            checkpoint_size_kib: 30,
            window_size: 5,
            dialogue_mode: DialogueMode::Monologue,
            initial_turn: Turn::Initiator,
        }
    }
}

/// Why a receiver does not take a transfer, or a sender had to give it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferRefusal {
    /// It may be tried again.
    Temporary,
    /// It will fail again.
    Permanent,
}

impl TransferRefusal {
    /// The reason of an S-U-EXCEPTION-REPORT: local SS-user error, or unrecoverable procedural error.
    pub(super) fn report_reason(self) -> u8 {
        match self {
            TransferRefusal::Temporary => 5,
            TransferRefusal::Permanent => 6,
        }
    }

    /// What a peer's report means for the transfer.
    pub(super) fn from_report_reason(reason: u8) -> TransferRefusal {
        match reason {
            6 => TransferRefusal::Permanent,
            _ => TransferRefusal::Temporary,
        }
    }
}

/// Why a called side refuses an association (X.228 RefuseReason). Only X.410 mode has a field for it; in
/// normal mode the bind error says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefuseReason {
    /// rtsBusy: a later attempt may succeed.
    Busy = 0,
    /// cannotRecover: the association that was to be recovered is not known.
    CannotRecover = 1,
    /// validationFailure: name or password, or something else of the bind.
    ValidationFailure = 2,
    /// unacceptableDialogueMode.
    UnacceptableDialogueMode = 3,
}

/// What a refuse reason in an RTORJ means.
pub fn refuse_reason_text(reason: u32) -> &'static str {
    match reason {
        0 => "the peer is busy",
        1 => "the association cannot be recovered",
        2 => "name, password or parameters not accepted",
        3 => "dialogue mode not accepted",
        _ => "unknown reason",
    }
}

/// Why an association is aborted (X.228 AbortReason).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AbortReason {
    /// localSystemProblem.
    LocalSystemProblem = 0,
    /// unrecognizedActivity: the activity that was to be resumed is not known.
    UnrecognizedActivity = 2,
    /// temporaryProblem: no association for a while.
    TemporaryProblem = 3,
    /// protocolError.
    ProtocolError = 4,
    /// permanentProblem.
    PermanentProblem = 5,
    /// userError.
    UserError = 6,
    /// transferCompleted: the activity that was to be discarded is completed.
    TransferCompleted = 7,
}

/// What an abort reason in an RTAB means.
pub fn abort_reason_text(reason: u32) -> &'static str {
    match reason {
        0 => "local system problem",
        1 => "invalid parameter",
        2 => "unrecognized activity",
        3 => "temporary problem",
        4 => "protocol error",
        5 => "permanent problem",
        6 => "user error",
        7 => "transfer completed",
        _ => "unknown reason",
    }
}

fn ber(fault: ErrorKind) -> Error {
    Error::Ber { layer: Layer::Rtse, fault }
}

fn invalid(what: &'static str) -> Error {
    Error::PduInvalid { layer: Layer::Rtse, what }
}
