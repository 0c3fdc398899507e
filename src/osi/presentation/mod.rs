//! X.226, normal mode: context negotiation, presentation data values, aborts.
//!
//! [`Contexts`] holds the identifiers that the initiator chose, whatever they are; [`data`] reads data
//! transfer where it lies.

pub mod data;
pub mod machine;
pub(super) mod ppdu;

use super::error::{Error, Layer};
use crate::ber::ErrorKind;

/// Identifies an application entity (X.226); empty means absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct PresentationSelector(pub Vec<u8>);

/// One side's presentation parameters.
#[derive(Debug, Clone, Default)]
pub struct PresentationConfig {
    /// Sent by the caller; a called side ignores it.
    pub calling_selector: PresentationSelector,
    /// Sent by the caller; a called side refuses another one, unless its own is empty. Sent back as
    /// the responding selector.
    pub called_selector: PresentationSelector,
}

/// Contents of the object identifiers used here.
pub(super) mod oid {
    /// ACSE abstract syntax, 2.2.1.0.1.
    pub(crate) const ACSE: &[u8] = &[0x52, 1, 0, 1];
    /// MTA-RTSE abstract syntax, 2.6.0.2.12.
    pub(crate) const MTA_RTSE: &[u8] = &[0x56, 0, 2, 12];
    /// MTSE abstract syntax, 2.6.0.2.7.
    pub(crate) const MTSE: &[u8] = &[0x56, 0, 2, 7];
    /// BER transfer syntax, 2.1.1.
    pub(crate) const BER: &[u8] = &[0x51, 1];
    /// Application context mts-transfer, 2.6.0.1.6.
    pub(crate) const MTS_TRANSFER: &[u8] = &[0x56, 0, 1, 6];
}

/// Presentation context identifiers of one connection, as the initiator assigned them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contexts {
    /// For ACSE.
    pub acse: u32,
    /// For RTSE.
    pub rtse: u32,
    /// For the message transfer service element: the indirect reference around an MTS-APDU.
    pub mtse: u32,
}

impl Contexts {
    /// What an initiator of ours assigns.
    pub const PROPOSED: Contexts = Contexts { acse: 1, rtse: 3, mtse: 5 };
}

pub(super) fn ber(fault: ErrorKind) -> Error {
    Error::Ber { layer: Layer::Presentation, fault }
}

fn invalid(what: &'static str) -> Error {
    Error::PduInvalid { layer: Layer::Presentation, what }
}
