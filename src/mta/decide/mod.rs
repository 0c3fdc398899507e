//! What becomes of each recipient of an APDU (X.411 section 4, the main module (unverified)).
//!
//! In this order: what an originator demands and we cannot do ([`criticality`]), loops (`loops`),
//! recipients that stand for others (`special`), then the route (`route`). What stands against the whole
//! APDU is the answer for every recipient; what stands against one may send it to the alternate recipient
//! that the originator named.
//!
//! Pure: the same APDU, routing snapshot, link states and time give the same decision. Only recipients
//! that are our responsibility are decided on, each in exactly one target; the others belong to another
//! MTA. A decision allocates nothing once its vectors have grown. A value that cannot be read in an
//! extension is as if the extension were absent, but for histories: where one cannot be read, nothing is
//! redirected or expanded.

use super::derive::{Derivation, Verdict};
use super::policy::{Deferral, Policy};
use crate::base::clock::WallTime;
use crate::p1::Error;
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::{ApduKind, Priority, Recipient, Responsibility, Scan};
use crate::p1::time::wall_time;
use crate::routing::{ConnectorIndex, LinkStates, Table};

pub mod criticality;
mod extensions;
mod loops;
mod route;
mod special;

use extensions::{EnvelopeExtensions, RecipientExtensions};
use loops::Trace;
use route::Route;

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

    /// When it expires where it waits: the policy's time after it came in or may be delivered, or its
    /// latest-delivery-time, whichever is earlier.
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

/// Decides on every recipient of ours, or on those among `only`, which are in ascending order. An APDU of
/// whose recipients none is ours gives no target.
///
/// # Errors
/// When an O/R name that must be read is malformed.
pub fn decide(
    apdu: &[u8],
    scan: &Scan,
    context: &Context<'_>,
    only: Option<&[u16]>,
    decision: &mut Decision,
) -> Result<(), Error> {
    decision.clear();
    let mut visited = std::mem::take(&mut decision.visited);
    let extensions = EnvelopeExtensions::read(apdu, scan);
    let trace = Trace::read(apdu, scan, &mut visited);
    let subject = Subject { apdu, scan, context, extensions: &extensions, trace: &trace };
    subject.set_times(decision);
    let outcome = subject.decide(only, decision);
    decision.visited = visited;
    outcome
}

/// The APDU that is decided on, with what is read of it once.
struct Subject<'a, 'c> {
    apdu: &'a [u8],
    scan: &'a Scan,
    context: &'a Context<'c>,
    extensions: &'a EnvelopeExtensions<'a>,
    trace: &'a Trace<'a>,
}

impl Subject<'_, '_> {
    /// Deferral and expiry. Only messages are deferred; a report expires as what is not urgent.
    fn set_times(&self, decision: &mut Decision) {
        let Subject { apdu, scan, context, .. } = *self;
        let is_held = scan.kind == ApduKind::Message && context.policy.deferral == Deferral::Hold;
        decision.deferred_until = scan
            .deferred_delivery_time
            .filter(|_| is_held)
            .and_then(|time| wall_time(time.octets(apdu)))
            .filter(|time| *time > context.now);
        let priority = match scan.kind {
            ApduKind::Report => Priority::NonUrgent,
            ApduKind::Message | ApduKind::Probe => scan.priority,
        };
        let from = decision.deferred_until.unwrap_or(context.now);
        let expires_at = context.policy.expiry.at(priority, from);
        let latest = self.extensions.latest_delivery_time.unwrap_or(expires_at);
        decision.expires_at = expires_at.min(latest);
    }

    fn decide(&self, only: Option<&[u16]>, decision: &mut Decision) -> Result<(), Error> {
        let against_all = self.against_all();
        if self.scan.kind == ApduKind::Report {
            decision.add(self.hop_of_report(against_all)?, None);
            return Ok(());
        }
        let mut one = |index: usize, recipient: &Recipient| {
            if recipient.responsibility() == Responsibility::Responsible {
                let hop = match against_all {
                    Some(why) => undeliverable(why),
                    None => self.hop(recipient)?,
                };
                decision.add(hop, Some(index as u16));
            }
            Ok(())
        };
        let recipients = &self.scan.recipients;
        match only {
            None => recipients.iter().enumerate().try_for_each(|(index, it)| one(index, it)),
            Some(only) => only.iter().map(|index| usize::from(*index)).try_for_each(|index| {
                recipients.get(index).map_or(Ok(()), |recipient| one(index, recipient))
            }),
        }
    }

    /// What stands against the whole APDU.
    fn against_all(&self) -> Option<NonDelivery> {
        let Subject { context, .. } = *self;
        let is_report = self.scan.kind == ApduKind::Report;
        if self.trace.has_looped(context) {
            return Some(NonDelivery::LOOP_DETECTED);
        }
        // A report with a demand that we do not know goes on: nobody could be told that it did not.
        if self.extensions.is_unsupported && !is_report {
            return Some(NonDelivery::UNSUPPORTED_CRITICAL_FUNCTION);
        }
        let latest = self.extensions.latest_delivery_time;
        latest.filter(|time| *time <= context.now).map(|_| NonDelivery::MAXIMUM_TIME_EXPIRED)
    }

    fn hop_of_report(&self, against: Option<NonDelivery>) -> Result<Hop, Error> {
        let discard = |why| Hop::Derive(Derivation::Discard(why));
        if let Some(why) = against {
            return Ok(discard(why));
        }
        let destination = self.scan.report_destination_name.octets(self.apdu);
        if let Some(list) = self.context.policy.lists.find(destination)? {
            return Ok(Hop::Derive(Derivation::Expansion(list as u16)));
        }
        Ok(self.route(destination)?.map_or_else(discard, |route| Hop::Connector(route.connector)))
    }

    #[inline]
    fn hop(&self, recipient: &Recipient) -> Result<Hop, Error> {
        let extensions = RecipientExtensions::read(self.apdu, self.scan, recipient);
        let or_name = recipient.or_name.octets(self.apdu);
        match self.hop_or_obstacle(recipient, or_name, &extensions)? {
            Ok(hop) => Ok(hop),
            Err(_) if extensions.has_unused_alternate(or_name) => {
                Ok(Hop::Derive(Derivation::AlternateRecipient))
            }
            Err(why) => Ok(undeliverable(why)),
        }
    }

    #[inline]
    fn hop_or_obstacle(
        &self,
        recipient: &Recipient,
        or_name: &[u8],
        extensions: &RecipientExtensions<'_>,
    ) -> Result<Result<Hop, NonDelivery>, Error> {
        if extensions.is_unsupported {
            return Ok(Err(NonDelivery::UNSUPPORTED_CRITICAL_FUNCTION));
        }
        let policy = self.context.policy;
        if let Some(index) = policy.redirections.find(or_name)? {
            return Ok(self.redirection(index, extensions));
        }
        if let Some(index) = policy.lists.find(or_name)? {
            return self.expansion(index);
        }
        let Route { connector, is_local } = match self.route(or_name)? {
            Ok(route) => route,
            Err(why) => return Ok(Err(why)),
        };
        if !is_local {
            return Ok(Ok(Hop::Connector(connector)));
        }
        if recipient.explicit_conversion.is_some() {
            return Ok(Err(NonDelivery::CONVERSION_IMPRACTICAL));
        }
        Ok(Ok(match self.scan.kind {
            ApduKind::Probe => self.deliverable(type_of_local_user(self.context.domain)),
            ApduKind::Message | ApduKind::Report => Hop::Connector(connector),
        }))
    }

    /// What a probe is answered where a message would be delivered.
    fn deliverable(&self, type_of_mts_user: u8) -> Hop {
        let at = self.context.now;
        Hop::Derive(Derivation::Report(Verdict::Delivery { at, type_of_mts_user }))
    }
}

/// TypeOfMTSUser of a recipient in our domain: private where that is, else public.
pub fn type_of_local_user(domain: &GlobalDomainIdentifier) -> u8 {
    u8::from(domain.view().private_domain.is_some())
}

fn undeliverable(why: NonDelivery) -> Hop {
    Hop::Derive(Derivation::Report(Verdict::NonDelivery(why)))
}
