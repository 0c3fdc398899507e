//! An APDU becomes a record: decided on, described, appended. It came in over an association, was submitted, or
//! originates here; the ways are one from here on.
//!
//! Nothing is acknowledged and nothing queued here: that follows the commit ([`super::commit`]).

use smallvec::SmallVec;

use super::Shard;
use super::commit::{Pending, Source};
use super::kept::Kept;
use super::queue::{Attempt, Queued, whole_seconds};
use crate::base::clock::WallTime;
use crate::base::limits::ATTEMPT_AHEAD_COUNT;
use crate::io::Engine;
use crate::mta::activity::NameReference;
use crate::mta::decide::{Hop, Target, decide};
use crate::mta::metadata::{self, Metadata};
use crate::p1;
use crate::p1::scan::{ApduKind, Priority};
use crate::routing::{ConnectorIndex, LinkState};
use crate::store::{self, Chunks, NewMessage, Settlement};

/// Why an APDU was not admitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdmissionError {
    /// An O/R name that must be routed is malformed.
    #[error("the MTS-APDU is malformed: {0}")]
    Apdu(#[from] p1::Error),
    /// The log cannot take it now.
    #[error("the store refuses: {0}")]
    Store(#[from] store::Error),
}

/// An APDU to be admitted; the shard's scan speaks of it.
pub(super) struct Arrival<'a> {
    /// Who hears when it is durable.
    pub(super) source: Source,
    /// The connector it came in by; `None`: it originates here.
    pub(super) inbound: Option<ConnectorIndex>,
    /// When it came in.
    pub(super) arrived: WallTime,
    /// The APDU, or a beginning that holds its envelope.
    pub(super) head: &'a [u8],
    /// The octets to be stored, behind those of `streamed`.
    pub(super) octets: &'a [u8],
    /// What of a large body is in that log.
    pub(super) streamed: Option<(&'a mut Chunks, &'a mut Kept)>,
    /// Where the APDU stands in what is stored.
    pub(super) apdu_start: u32,
    /// How long it is, octets.
    pub(super) apdu_size: u32,
    /// What it takes the place of.
    pub(super) origin: Origin<'a>,
}

/// What an APDU takes the place of, and what it takes over; nothing, by default.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Origin<'a> {
    /// The slot of the log for it.
    pub(super) log: usize,
    /// Targets of others in that log that are settled in the same commit group.
    pub(super) settled: &'a [Settlement],
    /// Where its recipients go; `None`: that is decided.
    pub(super) targets: Option<&'a [Target]>,
    /// When it expires, if that is earlier than what is decided.
    pub(super) expires_at: Option<WallTime>,
    /// How many took each other's place until this one did.
    pub(super) derivation_count: u8,
}

/// What became of an APDU that is well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Its record is on its way to the disk, and its source will hear of it.
    Appended,
    /// None of its recipients is ours: there is nothing to store.
    NotOurs,
}

impl<E: Engine> Shard<E> {
    /// Decides on an APDU and appends it; `activity` names the activity that brought it.
    ///
    /// # Errors
    /// Where nothing was appended; what is in the log of it stays with the caller.
    pub(super) fn admit<'n>(
        &mut self,
        arrival: Arrival<'_>,
        activity: impl Iterator<Item = NameReference<'n>>,
    ) -> Result<Admission, AdmissionError> {
        let Arrival { source, inbound, arrived, head, octets, mut streamed, .. } = arrival;
        let Arrival { apdu_start, apdu_size, origin, .. } = arrival;
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let decided = origin.targets.is_none();
        if decided {
            let connector = |connector| snapshot.connector(connector).facts();
            let context = snapshot.context(&connector, self.now.wall, apdu_size as usize);
            decide(head, &self.scan, &context, None, &mut self.decision)?;
        }
        let targets = origin.targets.unwrap_or(self.decision.targets());
        let expires_at = match (decided, origin.expires_at) {
            (true, None) => self.decision.expires_at(),
            (true, Some(at)) => at.min(self.decision.expires_at()),
            (false, at) => at.unwrap_or(self.now.wall),
        };
        let deferred_until =
            self.decision.deferred_until().filter(|until| decided && *until > self.now.wall);
        let inbound = inbound.map_or("", |connector| snapshot.connector(connector).name.as_str());
        let identifier = self.scan.mts_identifier.element.octets(head);
        let is_submitted = matches!(source, Source::Submission { .. });
        let target_count = targets.len() as u16;
        if target_count == 0 {
            tracing::warn!(mts_identifier = %metadata::identifier_text(identifier), inbound, "no recipient is ours: nothing to relay");
            let (now, size) = (self.now, apdu_size as usize);
            let decided = (targets, &*snapshot);
            self.tracker.taken_in(now, (inbound, is_submitted), head, &self.scan, size, decided);
            return Ok(Admission::NotOurs);
        }
        let priority = match self.scan.kind {
            // X.411 gives reports no priority; nobody should wait for one behind a queue.
            ApduKind::Report => Priority::Urgent,
            ApduKind::Message | ApduKind::Probe => self.scan.priority,
        };
        self.metadata.clear();
        let kind = self.scan.kind;
        let revision = snapshot.revision;
        metadata::write(
            &Metadata {
                kind,
                priority,
                arrived,
                revision,
                apdu_start,
                apdu_size,
                inbound,
                identifier,
                expires_at: Some(expires_at),
                deferred_until,
                derivation_count: origin.derivation_count,
            },
            activity,
            target_count,
            &mut self.metadata,
        );
        // Targets that are given have the recipients that they name, even where there is but one.
        let undivided = decided && targets.len() == 1;
        let mut attempted = 0;
        for (index, target) in targets.iter().enumerate() {
            let name = match target.hop {
                Hop::Connector(connector) => {
                    // Where no association is open it may be long until it is sent; and while the relay stops
                    // marks are withdrawn, not made.
                    let soon = deferred_until.is_none()
                        && !self.is_stopping()
                        && snapshot.links.state(connector) == LinkState::Open
                        && (snapshot.links.queued(connector) as usize) < ATTEMPT_AHEAD_COUNT;
                    attempted |= u64::from(soon) << index.min(63);
                    Some(snapshot.connector(connector).name.as_str())
                }
                Hop::Derive(_) => None,
            };
            let recipients = (!undivided).then_some(&target.recipients[..]);
            metadata::write_target(name, recipients, &mut self.metadata);
        }
        let entry = self.pending.vacant_entry();
        let ticket = entry.key() as u64;
        let log = self.logs.get_mut(origin.log).ok_or(store::Error::Full)?;
        let message = NewMessage { metadata: &self.metadata, target_count, attempted };
        let mut none = Chunks::default();
        let chunks = streamed.as_mut().map_or(&mut none, |(chunks, _)| chunks);
        let body_size = chunks.size() + octets.len();
        let appended =
            log.append_settling_request(ticket, &message, chunks, &[octets], origin.settled)?;
        let (now, size, decided) = (self.now, apdu_size as usize, (targets, &*snapshot));
        match source {
            Source::Association(_) | Source::Submission { .. } => {
                self.tracker.taken_in(
                    now,
                    (inbound, is_submitted),
                    head,
                    &self.scan,
                    size,
                    decided,
                );
            }
            Source::Derivation(_) => self.tracker.decided(now, identifier, targets, &snapshot),
            Source::Nobody => {}
        }
        let resident = streamed.is_none();
        let mut kept = streamed.map(|(_, kept)| {
            kept.keep(appended.body.clone());
            std::mem::replace(kept, Kept::new(&self.kept_total))
        });
        let queued = |(index, target): (usize, &Target)| {
            let queued = Queued {
                reference: appended.reference,
                resident: resident.then(|| appended.body.clone()),
                // The first of several targets has them, the others fetch.
                kept: kept.take().map(Box::new),
                arrived,
                recipients: (!undivided)
                    .then(|| Box::new(target.recipients.clone().into_boxed_slice())),
                body_size: body_size as u32,
                apdu_start,
                apdu_size,
                target: index as u16,
                attempt: match index < 63 && attempted >> index & 1 == 1 {
                    true => Attempt::Marked,
                    false => Attempt::Unmarked,
                },
                priority,
                refusal_count: 0,
                expires_at_s: whole_seconds(expires_at),
                queued_at_us: 0,
                derivation_count: origin.derivation_count,
                in_doubt: false,
            };
            (target.hop, queued)
        };
        let targets: SmallVec<[(Hop, Queued); 1]> =
            targets.iter().enumerate().map(queued).collect();
        entry.insert(Pending::Admission { source, apdu_size, deferred_until, targets });
        Ok(Admission::Appended)
    }
}
