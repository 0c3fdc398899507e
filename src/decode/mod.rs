//! Octets of P1 conversations as readable PDUs: RFC 1006, X.224, X.225, X.226, X.227, X.228, X.411, X.420.
//!
//! Pure and tolerant: everything is shown, what is malformed is said where it stands, nothing panics, and
//! what is held is bounded. [`Conversation`] takes both directions of a connection; [`mts_apdu`] one bare
//! APDU. The ASN.1 stands in tables (`p1`, `extension`, `p1_1984`, `ipm`, `upper`) that one walk (`walk`) follows.

mod codes;
mod conversation;
mod extension;
mod ipm;
mod node;
mod object_identifier;
mod p1;
mod p1_1984;
mod schema;
mod session;
mod transport;
mod upper;
mod walk;

pub use conversation::{Conversation, Direction, is_tpkt};
pub use node::Node;

use crate::p1::non_delivery::{DIAGNOSTICS, REASONS};
use schema::Field;

/// Which Recommendation's names an MTS-APDU is read by: the tags are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edition {
    /// X.411 of 1984: UserMPDU, DeliveryReportMPDU, ProbeMPDU.
    Of1984,
    /// X.411 of 1988 and later: message, report, probe.
    #[default]
    Of1988,
}

fn apdus(edition: Edition) -> &'static [Field] {
    match edition {
        Edition::Of1984 => p1_1984::MPDU,
        Edition::Of1988 => p1::MTS_APDU,
    }
}

/// A bare MTS-APDU in words, or the EXTERNAL around one that normal mode transfers, and whatever follows it.
pub fn mts_apdu(octets: &[u8], edition: Edition) -> Vec<Node> {
    const EXTERNAL: u8 = 0x28;
    let fields = match octets.first() {
        Some(&EXTERNAL) => upper::TRANSFERRED,
        _ => apdus(edition),
    };
    walk::Walker::new().elements("p1", octets, 0..octets.len(), fields)
}

/// The name of a standard extension field, by its number (X.411 MTSAbstractService).
pub fn extension_name(number: i64) -> Option<&'static str> {
    extension::EXTENSIONS.iter().find(|(known, _)| *known == number).map(|(_, field)| field.name)
}

/// The numbers of an object identifier's content octets, with points; `None` when they are none.
pub fn object_identifier_text(content: &[u8]) -> Option<String> {
    object_identifier::numbers(content)
}

/// What a diagnostic or reason code of a report means (X.411 NonDeliveryReasonCode and
/// NonDeliveryDiagnosticCode): `loop-detected (3)`.
pub fn report_words(reason: i64, diagnostic: Option<i64>) -> String {
    let reason = schema::named(REASONS, reason);
    match diagnostic {
        Some(diagnostic) => format!("{reason}, {}", schema::named(DIAGNOSTICS, diagnostic)),
        None => reason,
    }
}
