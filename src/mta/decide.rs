//! Where each recipient of an APDU goes next (X.411 14.3, the routing decision (unverified)).
//!
//! Pure: the same APDU, routing snapshot and link states give the same decision. Only recipients that
//! are our responsibility are decided on; the others belong to another MTA.

use super::derive::{Derivation, Verdict};
use super::policy::Policy;
use crate::base::clock::WallTime;
use crate::base::limits::TRACE_ELEMENT_COUNT_MAX;
use crate::p1::Error;
use crate::p1::domain::{GlobalDomainIdentifier, GlobalDomainIdentifierView};
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::{ApduKind, Responsibility, Scan};
use crate::routing::{Address, Candidate, ConnectorIndex, LinkStates, Table};

/// What the decision is made by.
pub struct Context<'a> {
    /// Our domain.
    pub domain: &'a GlobalDomainIdentifier,
    /// Our MTA name, as internal trace has it.
    pub mta_name: &'a str,
    /// The compiled address spaces.
    pub table: &'a Table,
    /// Which connectors work now.
    pub links: &'a LinkStates,
    /// What is to be known of each connector, by index.
    pub connector: &'a dyn Fn(ConnectorIndex) -> ConnectorFacts<'a>,
    /// The policy.
    pub policy: &'a Policy,
    /// The time.
    pub now: WallTime,
    /// How long the whole APDU is, octets.
    pub apdu_size: usize,
}

/// What a decision must know of a connector.
#[derive(Debug, Clone, Copy)]
pub struct ConnectorFacts<'a> {
    /// The partner's domain, if a message that was there must not go there again.
    pub domain: Option<&'a GlobalDomainIdentifier>,
    /// Largest MTS-APDU that goes there, octets.
    pub message_size_max: usize,
    /// Whether it delivers here, and so answers probes.
    pub is_local: bool,
    /// The content types that it takes; none: any.
    pub content_types: Option<&'a [AcceptedContentType]>,
}

/// A content type that a connector takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AcceptedContentType {
    /// By number: 2 interpersonal messaging of 1984, 22 of 1988.
    BuiltIn(i64),
    /// By object identifier, its content octets.
    Extended(Box<[u8]>),
}

/// Where some recipients go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hop {
    /// Over a connector.
    Connector(ConnectorIndex),
    /// Nowhere as it is: something takes its place.
    Derive(Derivation),
}

/// One next hop with its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where to.
    pub hop: Hop,
    /// Recipients by index in the envelope; for a report, none.
    pub recipients: Vec<u16>,
}

/// A decision; reuse one, its vectors keep their memory.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    targets: Vec<Target>,
    spare: Vec<Vec<u16>>,
    /// The hash of each trace element's domain, the oldest first: read once, compared for each route.
    visited: Vec<u64>,
    deferred_until: Option<WallTime>,
    expires_at: WallTime,
}

impl Decision {
    /// The next hops, each once, in the order of their first recipients.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Whether all recipients that are ours go the same way.
    pub fn is_undivided(&self) -> bool {
        self.targets.len() == 1
    }

    /// Until when the APDU waits before it goes anywhere.
    pub fn deferred_until(&self) -> Option<WallTime> {
        self.deferred_until
    }

    /// When it expires where it waits.
    pub fn expires_at(&self) -> WallTime {
        self.expires_at
    }

    fn clear(&mut self) {
        for target in self.targets.drain(..) {
            self.spare.push(target.recipients);
        }
    }

    fn add(&mut self, hop: Hop, recipient: Option<u16>) {
        let position =
            self.targets.iter().position(|target| target.hop == hop).unwrap_or_else(|| {
                let mut recipients = self.spare.pop().unwrap_or_default();
                recipients.clear();
                self.targets.push(Target { hop, recipients });
                self.targets.len() - 1
            });
        self.targets[position].recipients.extend(recipient);
    }
}

/// Decides on every recipient of ours, or on those among `only`. An APDU of whose recipients none is ours gives no target.
///
/// # Errors
/// When an O/R name that must be routed is malformed.
pub fn decide(
    apdu: &[u8],
    scan: &Scan,
    context: &Context<'_>,
    only: Option<&[u16]>,
    decision: &mut Decision,
) -> Result<(), Error> {
    decision.clear();
    decision.deferred_until = None;
    decision.expires_at = context.policy.expiry.at(scan.priority, context.now);
    let mut visited = std::mem::take(&mut decision.visited);
    visited.clear();
    visited.extend(scan.trace.iter().map(|element| {
        // A domain that cannot be read is no domain of ours or a partner's, whatever hash it gets.
        GlobalDomainIdentifierView::decode(element.domain.octets(apdu))
            .map_or(0, |view| view.hash())
    }));
    let trace = Trace { apdu, scan, hashes: &visited };
    let outcome = decide_by(&trace, context, only, decision);
    decision.visited = visited;
    outcome
}

fn decide_by(
    trace: &Trace<'_>,
    context: &Context<'_>,
    only: Option<&[u16]>,
    decision: &mut Decision,
) -> Result<(), Error> {
    let Trace { apdu, scan, .. } = *trace;
    let looped = trace.has_looped(context.domain);
    if scan.kind == ApduKind::Report {
        let hop = route(scan.report_destination_name.octets(apdu), trace, context, looped)?;
        decision.add(hop, None);
        return Ok(());
    }
    for (index, recipient) in scan.recipients.iter().enumerate() {
        let asked = only.is_none_or(|only| only.contains(&(index as u16)));
        if asked && recipient.responsibility() == Responsibility::Responsible {
            let hop = route(recipient.or_name.octets(apdu), trace, context, looped)?;
            decision.add(hop, Some(index as u16));
        }
    }
    Ok(())
}

fn route(
    or_name: &[u8],
    trace: &Trace<'_>,
    context: &Context<'_>,
    looped: bool,
) -> Result<Hop, Error> {
    if looped {
        return Ok(undeliverable(NonDelivery::LOOP_DETECTED));
    }
    let address = Address::read(or_name)?;
    let mut matched = false;
    let chosen = context.table.lookup_accepted(&address, |candidates| {
        matched = true;
        choose(candidates, context.links, |candidate| {
            (context.connector)(candidate.connector)
                .domain
                .is_some_and(|domain| domain != context.domain && trace.has_visited(domain))
        })
    });
    Ok(match chosen {
        Some(connector) => Hop::Connector(connector),
        None if matched => undeliverable(NonDelivery::LOOP_DETECTED),
        None => undeliverable(NonDelivery::UNRECOGNISED_OR_NAME),
    })
}

fn undeliverable(why: NonDelivery) -> Hop {
    Hop::Derive(Derivation::Report(Verdict::NonDelivery(why)))
}

/// Among equally specific routes that make no loop: links that work first, then the cheapest.
fn choose(
    candidates: &[Candidate],
    links: &LinkStates,
    loops: impl Fn(&Candidate) -> bool,
) -> Option<ConnectorIndex> {
    candidates
        .iter()
        .filter(|candidate| !loops(candidate))
        .min_by_key(|candidate| {
            let retrying = links.state(candidate.connector) == crate::routing::LinkState::Retrying;
            (retrying, candidate.cost)
        })
        .map(|candidate| candidate.connector)
}

/// Where an APDU has been, by its trace.
struct Trace<'a> {
    apdu: &'a [u8],
    scan: &'a Scan,
    hashes: &'a [u64],
}

impl Trace<'_> {
    fn has_visited(&self, domain: &GlobalDomainIdentifier) -> bool {
        self.visits(domain).any(|visit| visit)
    }

    /// Whether the trace shows our domain left and entered again, or too many transfers (X.411 14.3.1
    /// (unverified)). Equal neighbours are no loop: the last elements may be our own domain's.
    fn has_looped(&self, domain: &GlobalDomainIdentifier) -> bool {
        self.hashes.len() >= TRACE_ELEMENT_COUNT_MAX
            || self.visits(domain).rev().skip_while(|visit| *visit).any(|visit| visit)
    }

    /// For each element, the oldest first, whether it is this domain's.
    fn visits(&self, domain: &GlobalDomainIdentifier) -> impl DoubleEndedIterator<Item = bool> {
        self.hashes.iter().zip(&self.scan.trace).map(|(hash, element)| {
            *hash == domain.hash() && domain.is_named_by(element.domain.octets(self.apdu))
        })
    }
}
