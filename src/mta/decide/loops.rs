//! Where an APDU has been, by its trace, and whether it goes round (X.411 14.3, loop detection
//! (unverified)).
//!
//! Three things are a loop: our domain entered again after another one, unless it is said to be split;
//! our own MTA in the internal trace too often; too many elements of trace. What was there before the last
//! redirection or expansion of a list counts for the last alone: the APDU has another goal since.

use super::Context;
use crate::base::limits::{OWN_MTA_PASSAGE_COUNT_MAX, TRACE_ELEMENT_COUNT_MAX};
use crate::p1::domain::{GlobalDomainIdentifier, GlobalDomainIdentifierView};
use crate::p1::scan::{InternalTraceElement, Scan, TraceElement};

/// Where an APDU has been.
pub(super) struct Trace<'a> {
    apdu: &'a [u8],
    element_count: usize,
    /// The elements since the APDU has its goal, the oldest first.
    elements: &'a [TraceElement],
    /// The hash of each one's domain: read once, compared for each route.
    hashes: &'a [u64],
    internal: &'a [InternalTraceElement],
}

/// Other-actions redirected and dl-operation.
const HAS_ANOTHER_GOAL: u8 = 0xc0;

impl<'a> Trace<'a> {
    /// Reads the domains, with `hashes` as memory.
    pub(super) fn read(apdu: &'a [u8], scan: &'a Scan, hashes: &'a mut Vec<u64>) -> Trace<'a> {
        let since = scan
            .trace
            .iter()
            .rposition(|element| element.supplied.other_actions & HAS_ANOTHER_GOAL != 0);
        let elements = &scan.trace[since.map_or(0, |index| index + 1)..];
        let internal = &scan.internal_trace_elements;
        let internal_since = internal
            .iter()
            .rposition(|element| element.supplied.other_actions & HAS_ANOTHER_GOAL != 0);
        hashes.clear();
        hashes.extend(elements.iter().map(|element| {
            // A domain that cannot be read is no domain of ours or a partner's, whatever hash it gets.
            GlobalDomainIdentifierView::decode(element.domain.octets(apdu))
                .map_or(0, |view| view.hash())
        }));
        Trace {
            apdu,
            element_count: scan.trace.len(),
            elements,
            hashes,
            internal: &internal[internal_since.map_or(0, |index| index + 1)..],
        }
    }

    /// Whether the APDU was in a domain.
    pub(super) fn has_visited(&self, domain: &GlobalDomainIdentifier) -> bool {
        self.visits(domain).any(|visit| visit)
    }

    /// Whether it goes round. Equal neighbours are no loop: the last elements may be our own domain's.
    pub(super) fn has_looped(&self, context: &Context<'_>) -> bool {
        let domain = context.domain;
        self.element_count >= TRACE_ELEMENT_COUNT_MAX
            || self.visits(domain).rev().skip_while(|visit| *visit).any(|visit| visit)
                && !context.policy.split_domains.contains(domain)
            || self.own_passage_count(context) >= OWN_MTA_PASSAGE_COUNT_MAX
    }

    /// How often this MTA stands in the internal trace.
    fn own_passage_count(&self, context: &Context<'_>) -> usize {
        let is_own = |element: &&InternalTraceElement| {
            element.mta_name.octets(self.apdu).eq_ignore_ascii_case(context.mta_name.as_bytes())
                && context.domain.is_named_by(element.domain.octets(self.apdu))
        };
        self.internal.iter().filter(is_own).count()
    }

    /// For each element, the oldest first, whether it is this domain's.
    fn visits(&self, domain: &GlobalDomainIdentifier) -> impl DoubleEndedIterator<Item = bool> {
        self.hashes.iter().zip(self.elements).map(|(hash, element)| {
            *hash == domain.hash() && domain.is_named_by(element.domain.octets(self.apdu))
        })
    }
}
