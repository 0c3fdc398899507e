//! Why what comes in is not taken, from a partner or a delivery point, and whose fault that is.

use super::admit::AdmissionError;
use crate::base::fault::Fault;
use crate::{ber, p1, store};

/// Why a transfer was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    /// More octets than one APDU may have.
    #[error("the transfer exceeds {0} octets")]
    TooLong(usize),
    /// What encloses the APDU is malformed.
    #[error("the transferred value is malformed: {0}")]
    External(crate::osi::error::Error),
    /// The APDU is malformed.
    #[error("the MTS-APDU is malformed: {0}")]
    Apdu(#[from] p1::Error),
    /// The value that was streamed is not well-formed.
    #[error("the transferred value is malformed: {0}")]
    Encoding(#[from] ber::Error),
    /// What encloses the MTS-APDU has more or less in it than one element.
    #[error("the transfer holds more or less than one MTS-APDU")]
    Enclosure,
    /// The value ended before its own length said so.
    #[error("the transfer ends inside the MTS-APDU")]
    Incomplete,
    /// The log cannot take it now.
    #[error("the store refuses: {0}")]
    Store(#[from] store::Error),
}

impl From<AdmissionError> for IntakeError {
    fn from(error: AdmissionError) -> IntakeError {
        match error {
            AdmissionError::Apdu(error) => IntakeError::Apdu(error),
            AdmissionError::Store(error) => IntakeError::Store(error),
        }
    }
}

impl IntakeError {
    /// Whose fault it is.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            IntakeError::TooLong(_) | IntakeError::Store(_) => Fault::LocalLimit,
            IntakeError::External(error) => error.fault(),
            IntakeError::Apdu(error) => error.fault(),
            IntakeError::Encoding(error) => error.fault(),
            IntakeError::Incomplete | IntakeError::Enclosure => Fault::PeerViolated,
        }
    }
}
