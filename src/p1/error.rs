//! What can be wrong with a P1 encoding or with what is to become one.

use crate::base::fault::Fault;
use crate::ber;

/// Clauses cited by errors: where the ASN.1 of the field stands.
pub(super) mod clause {
    /// Envelopes, trace and bind.
    pub(in crate::p1) const MTA: &str = "X.411 MTAAbstractService";
    /// Common parameters, O/R names and extension fields.
    pub(in crate::p1) const MTS: &str = "X.411 MTSAbstractService";
    /// Interpersonal messages.
    pub(in crate::p1) const IPMS: &str = "X.420 IPMSInformationObjects";
}

/// A P1 encoding that cannot be read. Offsets count octets from the start of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The encoding itself is wrong, or ends too early.
    #[error(transparent)]
    Encoding(#[from] ber::Error),
    /// A mandatory field is absent from the element that starts at `offset`.
    #[error("octet {offset}: {field} is absent ({clause})")]
    Absent {
        /// Where the incomplete element starts.
        offset: u32,
        /// The field.
        field: &'static str,
        /// The ASN.1 module that demands it.
        clause: &'static str,
    },
    /// A field appears a second time.
    #[error("octet {offset}: {field} appears twice ({clause})")]
    Repeated {
        /// Where the second one starts.
        offset: u32,
        /// The field.
        field: &'static str,
        /// The ASN.1 module that forbids it.
        clause: &'static str,
    },
    /// A field holds a value that it may not hold.
    #[error("octet {offset}: {field} is not valid ({clause})")]
    Invalid {
        /// Where the field starts.
        offset: u32,
        /// The field.
        field: &'static str,
        /// The ASN.1 module that forbids it.
        clause: &'static str,
    },
    /// More of a repeated field than a bound of ours allows.
    #[error("octet {offset}: more than {maximum} of {field}")]
    TooMany {
        /// Where the first one too many starts.
        offset: u32,
        /// The field.
        field: &'static str,
        /// The bound.
        maximum: usize,
    },
    /// The outermost tag is none of message, probe and report.
    #[error("octet 0: neither message, probe nor report ({})", clause::MTA)]
    UnknownApdu,
}

impl Error {
    /// Whose fault it is.
    pub const fn fault(&self) -> Fault {
        match self {
            Error::Encoding(error) => error.fault(),
            Error::TooMany { .. } => Fault::LocalLimit,
            Error::UnknownApdu => Fault::PeerUnsupported,
            Error::Absent { .. } | Error::Repeated { .. } | Error::Invalid { .. } => {
                Fault::PeerViolated
            }
        }
    }

    /// Where it was found, in octets.
    pub const fn offset(&self) -> u32 {
        match self {
            Error::Encoding(error) => error.offset,
            Error::Absent { offset, .. }
            | Error::Repeated { offset, .. }
            | Error::Invalid { offset, .. }
            | Error::TooMany { offset, .. } => *offset,
            Error::UnknownApdu => 0,
        }
    }
}
