//! The octets that leave: the stored APDU with our trace added and responsibility set.
//!
//! [`prepare`] covers the envelope; the content follows unchanged.
//!
//! Only what the relay owns changes (X.411 12.2.1.1 (unverified)): one element is added to the trace
//! when the APDU came in from another domain; internal trace is taken off where it leaves our domain and
//! added to where it stays; the responsibility bits of recipients that go another way are cleared.

use super::quirks::{BilateralInformation, InternalTrace, Quirks};
use crate::base::clock::WallTime;
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::patch::{InternalTraceChange, Patched, RelayChanges, patch};
use crate::p1::scan::{Responsibility, Scan};
use crate::p1::time::wall_time;
use crate::p1::trace::{Supplied, encode_internal_trace_element, encode_trace_element};

/// Who relays, to whom.
pub struct Relay<'a> {
    /// Our domain.
    pub domain: &'a GlobalDomainIdentifier,
    /// Our MTA name.
    pub mta_name: &'a str,
    /// When the APDU came in.
    pub arrived: WallTime,
    /// Whether a message that came in before its deferred-delivery-time has waited for it here.
    pub defers: bool,
    /// Whether the partner stands in our domain.
    pub is_internal: bool,
    /// What the partner wants otherwise.
    pub quirks: &'a Quirks,
}

/// Patches a scanned APDU, or its beginning, for one next hop. `serves` says whether a recipient, by
/// index, goes this way. `elements` is working memory.
pub fn prepare(
    apdu: &[u8],
    scan: &Scan,
    relay: &Relay<'_>,
    serves: impl Fn(usize) -> bool,
    elements: &mut Vec<u8>,
    patched: &mut Patched,
) {
    elements.clear();
    let came_from_outside =
        !scan.trace.last().is_some_and(|last| relay.domain.is_named_by(last.domain.octets(apdu)));
    let deferred = scan.deferred_delivery_time.filter(|_| relay.defers);
    let supplied = Supplied {
        time_format: relay.quirks.time_format,
        deferred: deferred
            .and_then(|time| wall_time(time.octets(apdu)))
            .filter(|time| *time > relay.arrived),
        ..Supplied::relayed(relay.arrived)
    };
    if came_from_outside {
        encode_trace_element(relay.domain, supplied, elements);
    }
    let split = elements.len();
    if relay.is_internal {
        encode_internal_trace_element(relay.domain, relay.mta_name, supplied, elements);
    }
    let (trace_element, internal_element) = elements.split_at(split);
    let responsibility = |recipient: usize| {
        let ours = scan.recipients.get(recipient).map(|recipient| recipient.responsibility());
        if ours == Some(Responsibility::Responsible) && serves(recipient) {
            Responsibility::Responsible
        } else {
            Responsibility::NotResponsible
        }
    };
    let changes = RelayChanges {
        trace_element: came_from_outside.then_some(trace_element),
        internal_trace: match (relay.quirks.internal_trace, relay.is_internal) {
            (InternalTrace::Strip, _) | (InternalTrace::Automatic, false) => {
                InternalTraceChange::Strip
            }
            (_, true) => InternalTraceChange::Append(internal_element),
            (InternalTrace::Keep, false) => InternalTraceChange::Keep,
        },
        strip_bilateral_information: relay.quirks.bilateral_information
            == BilateralInformation::Strip,
        responsibility: Some(&responsibility),
    };
    patch(&apdu[..scan.envelope_end() as usize], scan, &changes, patched);
}
