//! What is derived, from its octets to its records.
//!
//! An APDU may have two take its place: beside the copy to a list's members the report that the list was
//! reached. All records, and the outcome of the subject's target, stand in one commit group; what of them
//! is larger than a record goes into the log ahead, chunk by chunk.

use std::ops::Range;

use super::Shard;
use super::admit::{Admission, AdmissionError, Arrival, Origin};
use super::commit::Source;
use super::derive::{Stage, Step, Task, Work};
use super::kept::Kept;
use super::track::Subject;
use crate::base::limits::{
    CHUNK_SIZE, ENVELOPE_SIZE_MAX, EXTERNAL_OVERHEAD_SIZE_MAX, METADATA_SIZE_MAX,
};
use crate::io::Engine;
use crate::mta::derive::{Acting, Derivation, Derived, Verdict, companion, derive, needs_content};
use crate::mta::metadata::{NAME_SIZE_MAX, identifier_text};
use crate::p1;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::patch::Patched;
use crate::p1::scan::{ApduKind, Responsibility, Scan, scan, scan_prefix};
use crate::store::{self, Chunks, Outcome, Settlement};

const EXPIRED: Derivation =
    Derivation::Report(Verdict::NonDelivery(NonDelivery::MAXIMUM_TIME_EXPIRED));

/// A chunk in a record's list takes no more, octets.
const CHUNK_LISTED_SIZE: usize = 16;

/// The outcome of a target whose place is taken so.
fn settles(derivation: Derivation) -> Outcome {
    match derivation {
        EXPIRED => Outcome::Expired,
        Derivation::Report(Verdict::Delivery { .. }) => Outcome::Transferred,
        Derivation::Report(Verdict::NonDelivery(_)) => Outcome::Returned,
        _ => Outcome::Discarded,
    }
}

/// One APDU that is derived.
pub(super) struct Part {
    /// How; `None`: it is the subject itself, for other targets.
    derivation: Option<Derivation>,
    /// Its octets, as far as they are not in the log.
    pub(super) staging: Vec<u8>,
    pub(super) chunks: Chunks,
    /// Its beginning, once that is in the log.
    lead: Vec<u8>,
    apdu_start: u32,
    apdu_size: u32,
}

impl Part {
    pub(super) fn new(
        derivation: Option<Derivation>,
        staging: Vec<u8>,
        apdu_start: u32,
        apdu_size: u32,
    ) -> Part {
        let chunks = Chunks::default();
        Part { derivation, staging, chunks, lead: Vec::new(), apdu_start, apdu_size }
    }

    /// The APDU, or a beginning that holds its envelope.
    fn head(&self) -> &[u8] {
        let octets = if self.chunks.count() > 0 { &self.lead } else { &self.staging };
        let start = self.apdu_start as usize;
        let end = octets.len().min(start + self.apdu_size as usize);
        octets.get(start..end).unwrap_or_default()
    }
}

impl<E: Engine> Shard<E> {
    /// Derives what takes the place of a target, from the subject of which the shard's scan speaks.
    ///
    /// # Errors
    /// When the subject cannot be read.
    pub(super) fn derive_from(
        &mut self,
        work: &mut Work,
        apdu: Range<usize>,
        whole: bool,
    ) -> Result<Step, p1::Error> {
        let Task::Derive(derivation) = work.task else { return Ok(Step::Drop) };
        let apdu = &work.head[apdu];
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let settings = &snapshot.settings;
        let acting = Acting {
            domain: &settings.domain,
            mta_name: &settings.mta_name,
            policy: &settings.policy,
            now: self.now.wall,
            arrived: work.queued.arrived,
            local_identifier: "",
            supplementary_information: "",
        };
        let beside = companion(&self.scan, derivation, &acting);
        let all = [Some(derivation), beside];
        let all = all.into_iter().flatten();
        // What is derived beside another is kept in memory.
        let needs_whole = |derivation: Derivation| {
            matches!(derivation, Derivation::OwnerReport(_))
                || needs_content(&self.scan, derivation, &settings.policy)
        };
        if !whole && all.clone().any(needs_whole) {
            return Ok(Step::Fetch);
        }
        let responsible = |index: &usize| {
            self.scan.recipients[*index].responsibility() == Responsibility::Responsible
        };
        let recipients: Vec<u16> = match work.queued.recipients.as_deref() {
            Some(recipients) => recipients.to_vec(),
            None => {
                let all = (0..self.scan.recipients.len()).filter(responsible);
                all.map(|index| index as u16).collect()
            }
        };
        let identifier = identifier_text(self.scan.mts_identifier.element.octets(apdu));
        let subject = Subject { apdu, scan: &self.scan, recipients: &recipients };
        if derivation == EXPIRED {
            self.tracker.expired(self.now, subject);
        }
        let envelope_end = self.scan.envelope_end() as usize;
        work.read_end = work.read_size;
        let mut patched = Patched::new();
        for derivation in all {
            let issued = self.identifiers.next_identifier();
            let acting = Acting { local_identifier: issued.as_str(), ..acting };
            let mut out = Vec::new();
            let derived =
                derive(apdu, &self.scan, &recipients, derivation, &acting, &mut out, &mut patched)?;
            let mut apdu_size = out.len() as u32;
            match derived {
                Derived::Nothing => continue,
                Derived::Whole => {}
                Derived::Patched => {
                    patched.write_to(&apdu[..envelope_end], &mut out);
                    let growth = out.len() as i64 - envelope_end as i64;
                    apdu_size = (i64::from(work.queued.apdu_size) + growth) as u32;
                    out.extend_from_slice(&apdu[envelope_end..]);
                    let end = work.queued.apdu_start + work.queued.apdu_size;
                    work.read_end = work.read_end.max(end as usize);
                }
            }
            tracing::info!(
                mts_identifier = identifier,
                ?derivation,
                recipient_count = recipients.len(),
                "an MTS-APDU takes the place of these recipients"
            );
            self.tracker.derived(self.now, subject, derivation, &acting, &out);
            work.parts.push(Part::new(Some(derivation), out, 0, apdu_size));
        }
        if work.parts.is_empty() {
            if self.scan.kind == ApduKind::Report {
                self.counters.reports_discarded.add(1);
                let why = match derivation {
                    Derivation::Report(Verdict::NonDelivery(why)) | Derivation::Discard(why) => why,
                    _ => NonDelivery::TRANSFER_FAILURE,
                };
                tracing::warn!(mts_identifier = identifier, %why, "a report that cannot go on is discarded");
            } else {
                tracing::info!(
                    mts_identifier = identifier,
                    ?derivation,
                    "nothing takes the place of these recipients"
                );
            }
            return Ok(Step::Settle(match settles(derivation) {
                Outcome::Returned => Outcome::Discarded,
                outcome => outcome,
            }));
        }
        work.head = Vec::new();
        work.stage = Stage::Writing;
        Ok(Step::Wait)
    }

    /// Moves what is derived to the log, but for what the records take along.
    pub(super) fn write_derived(&mut self, slot: usize, work: &mut Work) -> Step {
        let slot_of_log = self.log_of(work.queued.reference);
        let Some(log) = self.logs.get_mut(slot_of_log) else { return Step::Drop };
        let missing = work.read_end > work.read_size;
        for (index, part) in work.parts.iter_mut().enumerate() {
            let more = missing && index == 0;
            while part.staging.len() > CHUNK_SIZE || (more && part.staging.len() == CHUNK_SIZE) {
                if part.lead.is_empty() {
                    let room = ENVELOPE_SIZE_MAX + EXTERNAL_OVERHEAD_SIZE_MAX;
                    part.lead.extend_from_slice(&part.staging[..part.staging.len().min(room)]);
                }
                match log.chunk_request(&mut part.chunks, &part.staging[..CHUNK_SIZE]) {
                    Ok(_) => _ = part.staging.drain(..CHUNK_SIZE),
                    Err(store::Error::Busy | store::Error::Full) => return Step::Stall,
                    Err(error) => return Step::Hold(error.to_string()),
                }
            }
        }
        if missing { Step::Fetch } else { self.append_derived(slot, work, slot_of_log) }
    }

    fn append_derived(&mut self, slot: usize, work: &mut Work, log: usize) -> Step {
        // What goes into the log's reserve goes together: alone, each would take a block of it.
        if !self.logs[log].is_ready() && !self.derivations.is_asked_again {
            return Step::Stall;
        }
        if work.parts.len() > 1 {
            let body_size = work.parts.iter().map(|part| part.staging.len()).sum();
            let metadata_size = work.parts.iter().map(|part| self.metadata_size_max(part)).sum();
            let count = work.parts.len();
            match self.logs[log].together_request(count, metadata_size, body_size) {
                Ok(()) => {}
                Err(store::Error::Busy | store::Error::Full) => return Step::Stall,
                Err(error) => return Step::Hold(error.to_string()),
            }
        }
        let mut parts = std::mem::take(&mut work.parts);
        for (index, part) in parts.iter_mut().enumerate() {
            let step = self.append_part(slot, work, part, index, log);
            if let (0, step @ (Step::Stall | Step::Settle(_) | Step::Drop | Step::Hold(_))) =
                (index, step)
            {
                work.parts = parts;
                return step;
            }
        }
        work.parts = parts;
        work.stage = Stage::Committing;
        Step::Wait
    }

    /// What the metadata and the list of chunks of a part cannot exceed, octets.
    fn metadata_size_max(&self, part: &Part) -> usize {
        let mut found = Scan::new();
        // What cannot be scanned is not appended.
        let _ = scan_prefix(part.head(), &mut found);
        let target_count =
            (self.snapshot.settings.connectors.len() + 1).min(found.recipients.len());
        let names = (target_count.max(1) + 2) * (NAME_SIZE_MAX + 8);
        let size =
            256 + names + 2 * found.recipients.len() + CHUNK_LISTED_SIZE * part.chunks.count();
        size.min(2 * METADATA_SIZE_MAX)
    }

    /// Appends one of them; the first settles the subject's target.
    fn append_part(
        &mut self,
        slot: usize,
        work: &Work,
        part: &mut Part,
        index: usize,
        log: usize,
    ) -> Step {
        let streamed = part.chunks.count() > 0;
        let scanned = match streamed {
            true => scan_prefix(part.head(), &mut self.scan).map(drop),
            false => scan(part.head(), &mut self.scan),
        };
        if let Err(error) = scanned {
            return Step::Hold(format!("what takes its place is malformed: {error}"));
        }
        let outcome = part.derivation.map_or(Outcome::Discarded, settles);
        let originated = matches!(part.derivation, Some(Derivation::Report(_)));
        let (reference, target) = (work.queued.reference, work.queued.target);
        let settled = [Settlement { reference, target, outcome }];
        let Part { staging, chunks, lead, apdu_start, apdu_size, .. } = part;
        let head = if streamed { &lead[..] } else { &staging[..] };
        // What went ahead into the log is fetched when it is sent.
        let mut kept = Kept::new(&self.kept_total);
        kept.clear();
        let arrival = Arrival {
            source: match index {
                0 => Source::Derivation(slot as u32),
                _ => Source::Nobody,
            },
            inbound: None,
            arrived: if originated { self.now.wall } else { work.queued.arrived },
            head: head.get(*apdu_start as usize..).unwrap_or_default(),
            octets: staging,
            streamed: streamed.then_some((chunks, &mut kept)),
            apdu_start: *apdu_start,
            apdu_size: *apdu_size,
            origin: Origin {
                log,
                settled: if index == 0 { &settled } else { &[] },
                targets: match &work.task {
                    Task::Restate(targets) => Some(targets),
                    Task::Derive(_) | Task::Decide => None,
                },
                expires_at: (!originated).then(|| work.queued.expires_at()),
                derivation_count: match part.derivation {
                    // At most once in a chain.
                    Some(Derivation::Report(_)) => 0,
                    Some(_) => work.queued.derivation_count.saturating_add(1),
                    None => work.queued.derivation_count,
                },
            },
        };
        match self.admit(arrival, std::iter::empty()) {
            Ok(Admission::Appended) => Step::Wait,
            Ok(Admission::NotOurs) => Step::Settle(outcome),
            Err(AdmissionError::Store(store::Error::Busy | store::Error::Full)) => Step::Stall,
            Err(AdmissionError::Store(
                error @ (store::Error::Unknown(_) | store::Error::Target { .. }),
            )) => {
                tracing::error!(%error, "a target whose place something takes is settled already");
                Step::Drop
            }
            Err(error) => {
                tracing::error!(%error, "what is derived cannot be stored");
                Step::Hold(error.to_string())
            }
        }
    }

    /// Counts what is durable.
    pub(super) fn count_derived(&self, work: &Work) {
        for part in &work.parts {
            match part.derivation {
                Some(Derivation::Report(verdict)) => self.count_report(verdict),
                Some(Derivation::AlternateRecipient | Derivation::Redirection(_)) => {
                    self.counters.redirected.add(1);
                }
                Some(Derivation::Expansion(_)) => self.counters.expanded.add(1),
                Some(Derivation::Copy | Derivation::OwnerReport(_) | Derivation::Discard(_))
                | None => {}
            }
        }
    }

    fn count_report(&self, verdict: Verdict) {
        let counters = &self.counters;
        let counter = match verdict {
            Verdict::Delivery { .. } => &counters.reports_delivery,
            Verdict::NonDelivery(why) => match (why.reason, why.diagnostic) {
                (_, Some(0)) => &counters.reports_unrecognised,
                (_, Some(3)) => &counters.reports_loop,
                (_, Some(5)) => &counters.reports_expired,
                (_, Some(7 | 18 | 47)) => &counters.reports_unsuitable,
                (0, _) | (_, Some(49)) => &counters.reports_transfer,
                _ => &counters.reports_other,
            },
        };
        counter.add(1);
    }
}
