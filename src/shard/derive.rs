//! What takes the place of a target: at the shard whose log holds the APDU, one that is derived from it is made
//! and appended, and settles the target in the same commit group.
//!
//! ```text
//! waiting --a place is free--> Reading --derived--> Writing --all in the log--> Committing --durable--> queued
//!                                 |                    ^  |
//!                                 |                    +--+ the log has no room: tried again each turn
//!                                 +--> settled without one; queued as it is; held, when it cannot be read
//! ```
//!
//! What is derived is decided on like what came in ([`super::admit`]; [`super::derived`] brings it there), so chains of redirection, expansion
//! and report need nothing of their own; [`DERIVATION_COUNT_MAX`] ends those that would go on for ever. The
//! target keeps its place in the store until then: what is lost in a crash is made again. Of a large APDU
//! that is passed on but for its envelope, a chunk at a time is in memory.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use slab::Slab;
use smallvec::SmallVec;

use super::Shard;
use super::derived::Part;
use super::mail::Mail;
use super::queue::{Attempt, Queued};
use super::token::Subject;
use crate::base::buffer::Lease;
use crate::base::clock::{Instant, WallTime};
use crate::base::limits::{
    DERIVATION_COUNT_MAX, DERIVING_COPIES_COUNT_MAX, DERIVING_COUNT_MAX,
    DERIVING_RESIDENT_COUNT_MAX, ENVELOPE_SIZE_MAX, EXTERNAL_OVERHEAD_SIZE_MAX, FETCH_SIZE,
};
use crate::io::Engine;
use crate::mta::decide::{Decision, Hop, Target, decide};
use crate::mta::derive::{Derivation, Verdict};
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::{ApduKind, Progress, scan, scan_prefix};
use crate::store::Outcome;

/// How soon a log that had no room is asked again.
const STALLED_RETRY: Duration = Duration::from_millis(50);

/// What is to be done about a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// This takes its place.
    Derive(Derivation),
    /// The same APDU takes its place, for these targets.
    Restate(Vec<Target>),
    /// Its recipients are decided on anew: no connector is known for them.
    Decide,
}

/// Targets that something takes the place of.
#[derive(Default)]
pub(crate) struct Derivations {
    /// Those that end something, and are small: the log takes them when it takes nothing else.
    ends: VecDeque<(Task, Queued)>,
    waiting: VecDeque<(Task, Queued)>,
    /// Each is taken out while it goes on.
    working: Slab<Option<Box<Work>>>,
    /// Those that can go on, by slot.
    ready: Vec<usize>,
    /// Those that the log had no room for, and when it is asked again.
    stalled: Vec<usize>,
    stalled_until: Instant,
    /// Whether it is being asked again, for all of them.
    pub(super) is_asked_again: bool,
    /// Reads under way.
    fetch_count: usize,
    resident_count: usize,
}

impl Derivations {
    /// Whether there is nothing to do now.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.ready.is_empty()
            && (self.stalled.is_empty() || self.stalled_until > now)
            && !self.has_place()
    }

    /// Whether one that waits may begin.
    fn has_place(&self) -> bool {
        !self.ends.is_empty() && self.working.len() < DERIVING_COUNT_MAX
            || !self.waiting.is_empty() && self.working.len() < DERIVING_COPIES_COUNT_MAX
    }

    /// The next that may begin.
    fn pop(&mut self) -> Option<(Task, Queued)> {
        let ends = (self.working.len() < DERIVING_COUNT_MAX).then(|| self.ends.pop_front());
        ends.flatten().or_else(|| {
            let place = self.working.len() < DERIVING_COPIES_COUNT_MAX;
            place.then(|| self.waiting.pop_front()).flatten()
        })
    }

    /// Whether a delivery is to be reported.
    pub(super) fn has_delivered(&self) -> bool {
        let waiting = self.ends.iter().chain(&self.waiting).map(|(task, _)| task);
        let working = self.working.iter().filter_map(|(_, work)| Some(&work.as_ref()?.task));
        let is_delivery = |task: &Task| {
            matches!(task, Task::Derive(Derivation::Report(Verdict::Delivery { .. })))
        };
        waiting.chain(working).any(is_delivery)
    }

    /// When the log is asked again, if it had no room.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.stalled.is_empty()).then_some(self.stalled_until)
    }

    /// Whether the store is being read.
    pub(super) fn is_fetching(&self) -> bool {
        self.fetch_count > 0
    }

    /// Lets go of committed buffers: they are fetched when they are needed.
    pub(super) fn release_buffers(&mut self) {
        let all = self.ends.iter_mut().chain(&mut self.waiting);
        all.for_each(|(_, queued)| queued.release_buffers());
        self.resident_count = 0;
    }
}

/// How far a derivation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The subject is read, and what becomes of it found.
    Reading,
    /// What is derived goes into the log.
    Writing,
    /// It is on its way to the disk.
    Committing,
}

/// One derivation under way.
pub(super) struct Work {
    pub(super) task: Task,
    pub(super) queued: Queued,
    pub(super) stage: Stage,
    /// Stored octets of the subject, from the first on.
    pub(super) head: Vec<u8>,
    /// Of the subject's stored octets, how many have been read.
    pub(super) read_size: usize,
    /// Of the subject's stored octets, up to where they are wanted.
    pub(super) read_end: usize,
    /// What is derived; the first settles the subject, and has what is read of it from here on.
    pub(super) parts: SmallVec<[Part; 1]>,
}

impl Work {
    fn new(task: Task, queued: Queued) -> Work {
        Work {
            task,
            read_end: queued.body_size as usize,
            queued,
            stage: Stage::Reading,
            head: Vec::new(),
            read_size: 0,
            parts: SmallVec::new(),
        }
    }
}

/// What is to happen next to a derivation.
pub(super) enum Step {
    /// More of the subject is needed.
    Fetch,
    /// The log has no room.
    Stall,
    /// It is on its way to the disk.
    Wait,
    /// Nothing is derived: the target has this outcome.
    Settle(Outcome),
    /// It goes the way that was found for it, at this time if it is deferred.
    Queue(Hop, Option<WallTime>),
    /// It cannot be read.
    Hold(String),
    /// The target is settled already.
    Drop,
}

impl<E: Engine> Shard<E> {
    /// Has something take the place of a target of our log.
    pub(super) fn derive_request(&mut self, task: Task, mut queued: Queued) {
        self.counters.deriving.add(1);
        queued.kept = None;
        if queued.resident.is_some() {
            if self.derivations.resident_count < DERIVING_RESIDENT_COUNT_MAX {
                self.derivations.resident_count += 1;
            } else {
                queued.resident = None;
            }
        }
        let into = match task {
            Task::Derive(Derivation::Report(_) | Derivation::Discard(_)) => {
                &mut self.derivations.ends
            }
            Task::Derive(_) | Task::Restate(_) | Task::Decide => &mut self.derivations.waiting,
        };
        into.push_back((task, queued));
    }

    /// Gives a target that a connector cannot serve back to its home shard. Its mark is withdrawn: it was not
    /// sent, or not taken.
    pub(super) fn return_home(&mut self, mut queued: Queued, task: Task) {
        queued.release_buffers();
        let home = self.home(queued.reference);
        if queued.attempt != Attempt::Unmarked {
            queued.attempt = Attempt::Unmarked;
            let (reference, target) = (queued.reference, queued.target);
            self.tell(home, Mail::Outcome { reference, target, outcome: Outcome::Deferred });
        }
        self.counters.queued.subtract(1);
        self.tell(home, Mail::Derive { queued, task });
    }

    /// Begins what there is a place for, and goes on with what waited for the log.
    pub(super) fn derive_waiting(&mut self) {
        let now = self.now.instant;
        // What was delivered is not begun again at the next start, where that can be avoided.
        let ends = self.is_stopping() && !self.derivations.has_delivered();
        if self.derivations.is_idle(now) || ends {
            return;
        }
        if self.derivations.stalled_until <= now {
            let stalled = std::mem::take(&mut self.derivations.stalled);
            self.derivations.is_asked_again = !stalled.is_empty();
            self.derivations.ready.extend(stalled);
        }
        self.begin_waiting();
        self.derivations.is_asked_again = false;
    }

    fn begin_waiting(&mut self) {
        loop {
            while let Some(slot) = self.derivations.ready.pop() {
                self.proceed(slot);
            }
            let Some((task, mut queued)) = self.derivations.pop() else { return };
            let resident = queued.resident.take();
            let mut work = Work::new(task, queued);
            if let Some(octets) = resident {
                self.derivations.resident_count = self.derivations.resident_count.saturating_sub(1);
                work.read_size = octets.len();
                work.head.extend_from_slice(&octets);
            }
            let slot = self.derivations.working.insert(Some(Box::new(work)));
            self.derivations.ready.push(slot);
        }
    }

    /// Octets of a subject have been read; `None`: they cannot be.
    pub(super) fn derivation_fetched(&mut self, slot: usize, octets: Option<Lease>) {
        let fetch_count = &mut self.derivations.fetch_count;
        *fetch_count = fetch_count.saturating_sub(1);
        let Some(Some(work)) = self.derivations.working.get_mut(slot) else { return };
        let Some(octets) = octets else {
            let Some(work) = self.derivations.working.remove(slot) else { return };
            return self.finish(*work, Step::Hold("the store cannot be read".to_owned()));
        };
        let wanted = work.read_end.saturating_sub(work.read_size).min(octets.len());
        work.read_size += octets.len();
        let into = match (work.stage, work.parts.first_mut()) {
            (Stage::Writing, Some(part)) => &mut part.staging,
            _ => &mut work.head,
        };
        into.extend_from_slice(octets.get(..wanted).unwrap_or_default());
        self.derivations.ready.push(slot);
    }

    /// What was derived is durable, and its subject's target settled.
    pub(super) fn derivation_committed(&mut self, slot: u32) {
        let Some(Some(work)) = self.derivations.working.try_remove(slot as usize) else { return };
        self.counters.deriving.subtract(1);
        self.count_derived(&work);
    }

    fn proceed(&mut self, slot: usize) {
        let place = self.derivations.working.get_mut(slot);
        let Some(mut work) = place.and_then(Option::take) else { return };
        let step = loop {
            let step = match work.stage {
                Stage::Reading => self.read_subject(&mut work),
                Stage::Writing => self.write_derived(slot, &mut work),
                Stage::Committing => Step::Wait,
            };
            // What has been found out is acted upon at once.
            if !matches!((&step, work.stage), (Step::Wait, Stage::Reading | Stage::Writing)) {
                break step;
            }
        };
        match step {
            Step::Fetch => {
                let (reference, offset) = (work.queued.reference, work.read_size as u64);
                let size = work.read_end.saturating_sub(work.read_size).min(FETCH_SIZE);
                self.derivations.working[slot] = Some(work);
                self.derivations.fetch_count += 1;
                let transfer = Subject::Derivation(slot as u32).to_word();
                let owner = self.index;
                let mail = Mail::FetchRequest { owner, transfer, reference, offset, size };
                self.tell(owner, mail);
            }
            Step::Stall => {
                self.derivations.working[slot] = Some(work);
                if self.derivations.stalled.is_empty() {
                    self.derivations.stalled_until = self.now.instant + STALLED_RETRY;
                    self.release_buffers();
                }
                self.derivations.stalled.push(slot);
            }
            Step::Wait => self.derivations.working[slot] = Some(work),
            step => {
                self.derivations.working.remove(slot);
                self.finish(*work, step);
            }
        }
    }

    /// Ends a derivation that derives nothing.
    fn finish(&mut self, work: Work, step: Step) {
        let Work { queued, parts, task, .. } = work;
        let (reference, target) = (queued.reference, queued.target);
        let log = self.log_of(reference);
        for part in parts.into_iter().filter(|part| part.chunks.count() > 0) {
            if let Some(log) = self.logs.get_mut(log) {
                log.abandon(part.chunks);
            }
        }
        self.counters.deriving.subtract(1);
        match step {
            Step::Settle(outcome) => {
                let home = self.home(reference);
                self.tell(home, Mail::Outcome { reference, target, outcome });
            }
            Step::Queue(hop, None) => self.queue(hop, queued),
            Step::Queue(hop, Some(until)) => self.queue_deferred(until, hop, queued),
            Step::Hold(why) => {
                tracing::error!(
                    ?reference,
                    target,
                    ?task,
                    why,
                    "a stored message stays as it is, held for the operator"
                );
                self.counters.held_unreadable.add(1);
                self.track_held(&queued, &why);
                self.held.push(queued);
            }
            Step::Fetch | Step::Stall | Step::Wait | Step::Drop => {}
        }
    }

    /// With the beginning of the subject, or all that is needed of it: finds what becomes of it.
    /// [`Step::Wait`]: the stage is another one.
    fn read_subject(&mut self, work: &mut Work) -> Step {
        let start = work.queued.apdu_start as usize;
        let whole = work.head.len() >= work.queued.body_size as usize;
        let end = work.head.len().min(start + work.queued.apdu_size as usize);
        if work.head.is_empty() {
            return Step::Fetch;
        }
        let Some(apdu) = work.head.get(start..end) else {
            return Step::Hold("it is shorter than its metadata says".to_owned());
        };
        let scanned = match whole {
            true => scan(apdu, &mut self.scan).map(|()| Progress::Complete),
            false => scan_prefix(apdu, &mut self.scan),
        };
        match scanned {
            Ok(Progress::Complete) => {}
            Ok(Progress::NeedMore)
                if !whole && work.head.len() < ENVELOPE_SIZE_MAX + EXTERNAL_OVERHEAD_SIZE_MAX =>
            {
                return Step::Fetch;
            }
            Ok(Progress::NeedMore) => return Step::Hold("its envelope is too long".to_owned()),
            Err(error) => return Step::Hold(error.to_string()),
        }
        if work.task == Task::Decide
            && let Err(step) = self.decide_again(work, start..end)
        {
            return step;
        }
        match work.task {
            Task::Derive(derivation) => {
                let derivation = bounded(derivation, self.scan.kind, work.queued.derivation_count);
                work.task = Task::Derive(derivation);
                match (self.derive_from(work, start..end, whole), derivation) {
                    (Ok(step), _) => step,
                    (Err(error), Derivation::Report(_) | Derivation::Discard(_)) => {
                        Step::Hold(error.to_string())
                    }
                    (Err(error), _) => {
                        tracing::warn!(reference = ?work.queued.reference, ?derivation, %error, "nothing of the kind can be made of it");
                        work.parts.clear();
                        work.task = Task::Derive(instead_of(derivation, self.scan.kind));
                        Step::Wait
                    }
                }
            }
            Task::Restate(_) | Task::Decide => {
                let Queued { apdu_start, apdu_size, .. } = work.queued;
                let octets = std::mem::take(&mut work.head);
                work.parts.push(Part::new(None, octets, apdu_start, apdu_size));
                work.stage = Stage::Writing;
                Step::Wait
            }
        }
    }

    /// Decides again on a target whose connector is not known: either it goes one way, or the same APDU takes
    /// its place with a target for each way.
    ///
    /// # Errors
    /// What is to happen next, if that is not to derive.
    fn decide_again(&mut self, work: &mut Work, apdu: Range<usize>) -> Result<(), Step> {
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let connector = |connector| snapshot.connector(connector).facts();
        let apdu_size = work.queued.apdu_size as usize;
        let context = snapshot.context(&connector, self.now.wall, apdu_size);
        let only = work.queued.recipients.as_deref().map(|recipients| &recipients[..]);
        let mut decision = Decision::default();
        decide(&work.head[apdu], &self.scan, &context, only, &mut decision)
            .map_err(|error| Step::Hold(error.to_string()))?;
        match decision.targets() {
            [] => Err(Step::Settle(Outcome::Discarded)),
            [Target { hop: hop @ Hop::Connector(_), .. }] => {
                Err(Step::Queue(*hop, decision.deferred_until()))
            }
            [Target { hop: Hop::Derive(derivation), .. }] => {
                work.task = Task::Derive(*derivation);
                Ok(())
            }
            several => {
                work.task = Task::Restate(several.to_vec());
                Ok(())
            }
        }
    }
}

/// What becomes of a target where a copy cannot be made: it would be longer than an envelope may be, or a part
/// that it goes by is malformed. The originator is told; of a report, nobody is.
fn instead_of(derivation: Derivation, kind: ApduKind) -> Derivation {
    let why = match derivation {
        Derivation::Expansion(_) => NonDelivery::DL_EXPANSION_FAILURE,
        _ => NonDelivery::TRANSFER_FAILURE,
    };
    match kind {
        ApduKind::Report => Derivation::Discard(why),
        ApduKind::Message | ApduKind::Probe => Derivation::Report(Verdict::NonDelivery(why)),
    }
}

/// What is derived where as many have taken each other's place as may: a message loops then, and a report is
/// not passed on.
fn bounded(derivation: Derivation, kind: ApduKind, count: u8) -> Derivation {
    let ends = matches!(derivation, Derivation::Report(_) | Derivation::Discard(_));
    match kind {
        _ if ends || count < DERIVATION_COUNT_MAX => derivation,
        ApduKind::Report => Derivation::Discard(NonDelivery::LOOP_DETECTED),
        ApduKind::Message | ApduKind::Probe => {
            Derivation::Report(Verdict::NonDelivery(NonDelivery::LOOP_DETECTED))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_copied_is_reported_and_a_report_is_not() {
        for derivation in [Derivation::Redirection(0), Derivation::Expansion(0)] {
            for kind in [ApduKind::Message, ApduKind::Probe] {
                assert!(matches!(instead_of(derivation, kind), Derivation::Report(_)));
            }
            let ended = instead_of(derivation, ApduKind::Report);
            assert!(matches!(ended, Derivation::Discard(_)));
        }
    }

    #[test]
    fn a_chain_ends_in_a_report_and_a_report_in_nothing() {
        let report = |why| Derivation::Report(Verdict::NonDelivery(why));
        let (last, beyond) = (DERIVATION_COUNT_MAX - 1, DERIVATION_COUNT_MAX);
        for copy in [Derivation::Redirection(0), Derivation::Expansion(3), Derivation::Copy] {
            assert_eq!(bounded(copy, ApduKind::Message, last), copy);
            let ended = bounded(copy, ApduKind::Message, beyond);
            assert_eq!(ended, report(NonDelivery::LOOP_DETECTED));
            let ended = bounded(copy, ApduKind::Report, beyond);
            assert_eq!(ended, Derivation::Discard(NonDelivery::LOOP_DETECTED));
        }
        let expired = report(NonDelivery::MAXIMUM_TIME_EXPIRED);
        assert_eq!(bounded(expired, ApduKind::Message, u8::MAX), expired);
    }
}
