//! What can go wrong in the OSI stack, whose fault it is, and what is sent to the peer about it.
//!
//! One enum for the sans-IO stack; [`Layer`] says which protocol machine refused. The mapping to wire
//! reasons is `Error::remedy`, the one place where it is made.

use crate::base::fault::Fault;
use crate::ber::ErrorKind;

/// The protocol whose rules were broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// RFC 1006.
    Tpkt,
    /// X.224 class 0.
    Transport,
    /// X.225.
    Session,
    /// X.226.
    Presentation,
    /// X.227.
    Acse,
    /// X.228.
    Rtse,
}

impl Layer {
    /// The name used in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Layer::Tpkt => "tpkt",
            Layer::Transport => "transport",
            Layer::Session => "session",
            Layer::Presentation => "presentation",
            Layer::Acse => "acse",
            Layer::Rtse => "rtse",
        }
    }
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first octet of a TPKT is not 3 (RFC 1006 section 6).
    #[error("tpkt: version {version} instead of 3")]
    TpktVersion {
        /// What stood there.
        version: u8,
    },
    /// A TPKT too short to hold a TPDU (RFC 1006 section 6).
    #[error("tpkt: length {length} is below 7")]
    TpktLength {
        /// The length field.
        length: u16,
    },
    /// A PDU of a kind that the protocol machine does not know.
    #[error("{}: unknown PDU {code}", layer.as_str())]
    PduUnknown {
        /// Whose PDU.
        layer: Layer,
        /// TPDU code or SPDU identifier.
        code: u8,
    },
    /// A known PDU whose parameters are malformed or contradict what was negotiated.
    #[error("{}: {what}", layer.as_str())]
    PduInvalid {
        /// Whose PDU.
        layer: Layer,
        /// What is wrong, in words.
        what: &'static str,
    },
    /// A PDU that may not come in this state.
    #[error("{}: {pdu} may not come in state {state}", layer.as_str())]
    PduUnexpected {
        /// Whose PDU.
        layer: Layer,
        /// The event of the machine's table.
        pdu: &'static str,
        /// The state of the machine's table.
        state: &'static str,
    },
    /// A PDU that is not well-formed BER.
    #[error("{}: {fault}", layer.as_str())]
    Ber {
        /// Whose PDU.
        layer: Layer,
        /// What is wrong.
        fault: ErrorKind,
    },
    /// A control PDU larger than `CONTROL_PDU_SIZE_MAX`.
    #[error("{}: a control PDU of more than {size_max} octets", layer.as_str())]
    PduTooLong {
        /// Whose PDU.
        layer: Layer,
        /// The bound.
        size_max: usize,
    },
    /// The peer proposed something lawful that is not offered here.
    #[error("{}: {what}", layer.as_str())]
    Unsupported {
        /// Who cannot agree.
        layer: Layer,
        /// What was asked for, in words.
        what: &'static str,
        /// The reason that goes to the peer, in the layer's own code.
        reason: u8,
    },
}

/// What is sent to the peer about an error before the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing: the octets cannot be framed any more.
    Silence,
    /// An ERROR TPDU with this reject cause (X.224 13.12 (unverified)).
    TpduError(u8),
    /// A DISCONNECT REQUEST TPDU with this reason.
    Disconnect(u8),
    /// A session provider abort with these bits of the transport disconnect parameter (PI 17).
    SessionAbort(u8),
    /// A presentation provider abort with this Abort-reason (X.226).
    PresentationAbort(u8),
    /// An association abort by the ACSE service provider.
    AssociationAbort,
    /// An RTAB with this abort reason (X.228), in normal mode inside an association abort.
    TransferAbort(u8),
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Error::TpktVersion { .. }
            | Error::TpktLength { .. }
            | Error::PduUnknown { .. }
            | Error::PduInvalid { .. }
            | Error::PduUnexpected { .. }
            | Error::Ber { .. } => Fault::PeerViolated,
            Error::PduTooLong { .. } => Fault::LocalLimit,
            Error::Unsupported { .. } => Fault::PeerUnsupported,
        }
    }

    /// The layer that refused.
    pub fn layer(&self) -> Layer {
        match self {
            Error::TpktVersion { .. } | Error::TpktLength { .. } => Layer::Tpkt,
            Error::PduUnknown { layer, .. }
            | Error::PduInvalid { layer, .. }
            | Error::PduUnexpected { layer, .. }
            | Error::Ber { layer, .. }
            | Error::PduTooLong { layer, .. }
            | Error::Unsupported { layer, .. } => *layer,
        }
    }

    /// What to tell the peer, once the layers below are connected.
    pub(super) fn remedy(&self) -> Remedy {
        match (self.layer(), self) {
            (Layer::Tpkt, _) => Remedy::Silence,
            (Layer::Transport, Error::Unsupported { reason, .. }) => Remedy::Disconnect(*reason),
            (Layer::Transport, Error::PduUnknown { .. } | Error::PduUnexpected { .. }) => {
                Remedy::TpduError(2)
            }
            (Layer::Transport, _) => Remedy::TpduError(3),
            (Layer::Session, Error::PduTooLong { .. }) => Remedy::SessionAbort(0x11),
            (Layer::Session, _) => Remedy::SessionAbort(0x05),
            (Layer::Presentation, Error::PduUnexpected { .. }) => Remedy::PresentationAbort(2),
            (Layer::Presentation, Error::PduUnknown { .. }) => Remedy::PresentationAbort(1),
            (Layer::Presentation, Error::PduInvalid { .. }) => Remedy::PresentationAbort(6),
            (Layer::Presentation, _) => Remedy::PresentationAbort(0),
            (Layer::Acse, _) => Remedy::AssociationAbort,
            (Layer::Rtse, Error::PduTooLong { .. }) => Remedy::TransferAbort(0),
            (Layer::Rtse, _) => Remedy::TransferAbort(4),
        }
    }
}
