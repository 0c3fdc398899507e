//! X.227: association establishment, release and abort, kernel functional unit.
//!
//! Titles, qualifiers and invocation identifiers of the peer are tolerated and not looked at; the
//! application context decides.

pub(super) mod apdu;
pub mod machine;

use super::error::{Error, Layer};
use crate::ber::ErrorKind;

fn ber(fault: ErrorKind) -> Error {
    Error::Ber { layer: Layer::Acse, fault }
}

fn invalid(what: &'static str) -> Error {
    Error::PduInvalid { layer: Layer::Acse, what }
}
