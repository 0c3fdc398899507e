//! An APDU becomes a record: decided on, described, appended. It came in over an association or originates
//! here; the ways are one from here on.
//!
//! Nothing is acknowledged and nothing queued here: that follows the commit ([`super::commit`]).

use smallvec::SmallVec;

use super::Shard;
use super::commit::{Pending, Source};
use super::kept::Kept;
use super::queue::{Attempt, Queued};
use crate::base::clock::WallTime;
use crate::base::limits::ATTEMPT_AHEAD_COUNT;
use crate::io::Engine;
use crate::mta::activity::NameReference;
use crate::mta::decide::{Context, Hop, decide};
use crate::mta::metadata::{self, Metadata};
use crate::p1;
use crate::p1::scan::{ApduKind, Priority};
use crate::routing::{ConnectorIndex, LinkState};
use crate::store::{self, Chunks};

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
    /// What of a large body is in the log.
    pub(super) streamed: Option<(&'a mut Chunks, &'a mut Kept)>,
    /// Where the APDU stands in what is stored.
    pub(super) apdu_start: u32,
    /// How long it is, octets.
    pub(super) apdu_size: u32,
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
        let Arrival { apdu_start, apdu_size, .. } = arrival;
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let context = Context {
            domain: &snapshot.settings.domain,
            table: &snapshot.table,
            links: &snapshot.links,
            connector: &|connector| snapshot.connector(connector).facts(),
            policy: &snapshot.settings.policy,
            now: self.now.wall,
            apdu_size: apdu_size as usize,
        };
        decide(head, &self.scan, &context, None, &mut self.decision)?;
        let inbound = inbound.map_or("", |connector| snapshot.connector(connector).name.as_str());
        let identifier = self.scan.mts_identifier.element.octets(head);
        let target_count = self.decision.targets().len() as u16;
        if target_count == 0 {
            tracing::warn!(mts_identifier = %metadata::identifier_text(identifier), inbound, "no recipient is ours: nothing to relay");
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
            },
            activity,
            target_count,
            &mut self.metadata,
        );
        let undivided = self.decision.is_undivided();
        let mut attempted = 0;
        for (index, target) in self.decision.targets().iter().enumerate() {
            let name = match target.hop {
                Hop::Connector(connector) => {
                    // Where no association is open it may be long until it is sent.
                    let soon = snapshot.links.state(connector) == LinkState::Open
                        && (snapshot.links.queued(connector) as usize) < ATTEMPT_AHEAD_COUNT;
                    attempted |= u64::from(soon) << index.min(63);
                    Some(snapshot.connector(connector).name.as_str())
                }
                Hop::Derive(derivation) => {
                    tracing::warn!(mts_identifier = %metadata::identifier_text(identifier), inbound, ?derivation, "held");
                    None
                }
            };
            let recipients = (!undivided).then_some(&target.recipients[..]);
            metadata::write_target(name, recipients, &mut self.metadata);
        }
        let entry = self.pending.vacant_entry();
        let ticket = entry.key() as u64;
        let log = &mut self.logs[0];
        let (metadata, mut body_size) = (&self.metadata[..], octets.len());
        let appended = match &mut streamed {
            None => log.append_request(ticket, metadata, target_count, attempted, &[octets])?,
            Some((chunks, _)) => {
                body_size += chunks.size();
                log.append_chunked_request(
                    ticket,
                    metadata,
                    target_count,
                    attempted,
                    chunks,
                    octets,
                )?
            }
        };
        let resident = streamed.is_none();
        let mut kept = streamed.map(|(_, kept)| {
            kept.keep(appended.body.clone());
            std::mem::replace(kept, Kept::new(&self.kept_total))
        });
        let queued = |(index, target): (usize, &crate::mta::decide::Target)| {
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
            };
            (target.hop, queued)
        };
        let targets: SmallVec<[(Hop, Queued); 1]> =
            self.decision.targets().iter().enumerate().map(queued).collect();
        entry.insert(Pending::Admission { source, apdu_size, targets });
        Ok(Admission::Appended)
    }
}
