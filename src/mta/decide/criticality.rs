//! Which extensions this MTA can do what is demanded of a transfer by (X.411 9.1, criticality mechanism).
//!
//! An extension field that is critical for transfer and that we do not support keeps the message or probe
//! from being transferred: unsupported-critical-function, for all recipients where it stands in the
//! envelope, for one where it stands in that one's fields. What is not critical for transfer passes
//! untouched, known or not.
//!
//! The numbers are those of the modules MTSAbstractService and MTAAbstractService of 1999; which of them
//! stand in transfer envelopes is MessageTransferExtensions and its like there.

use crate::p1::scan::{Extension, ExtensionId};

/// What this MTA does with a standard extension at transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Acts by it.
    Honoured,
    /// Passes it on: only submission or delivery asks for anything.
    Relayed,
    /// Not known, or out of place in a transfer envelope.
    Unsupported,
}

/// What this MTA does with the standard extension of this number.
pub const fn support(number: i64) -> Support {
    match number {
        // recipient-reassignment-prohibited, originator-requested-alternate-recipient,
        // dl-expansion-prohibited, conversion-with-loss-prohibited,
        // latest-delivery-time
        1..=5
        // redirection-history, dl-expansion-history
        | 25 | 26
        // internal-trace-information
        | 38
        // dl-exempted-recipients
        | 42 => Support::Honoured,
        // Delivery methods, physical delivery, certificates, token, checks, security label
        6..=20
        // proof-of-delivery-request, content-correlator, probe-origin-authentication-check
        | 22..=24
        // physical-forwarding-address, recipient-certificate, proof-of-delivery, the history, names and
        // certificate of a report, report-origin-authentication-check
        | 27..=33
        // reporting-MTA-name, multiple-originator-certificates, blind-copy-recipients
        | 39..=41
        // body-part-encryption-token, forwarded-content-token, certificate-selectors and their override
        | 43..=46 => Support::Relayed,
        // 21 and 34 to 36 belong to submission and the message store, 37 to delivery.
        _ => Support::Unsupported,
    }
}

/// Whether a transfer must not go on because of this field.
pub(super) fn is_unsupported(extension: &Extension) -> bool {
    extension.criticality.for_transfer()
        && match extension.id {
            ExtensionId::Standard(number) => support(number) == Support::Unsupported,
            ExtensionId::Private(_) => true,
        }
}
