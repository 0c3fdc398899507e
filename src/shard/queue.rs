//! A connector's messages waiting to be sent: by reference, a queue a priority.
//!
//! Urgent messages go first, then normal ones; but of each [`PRIORITY_TURN_COUNT`] taken while one of a lower
//! priority waits, one is the oldest of these: nothing waits for ever behind an endless load, and nothing
//! urgent waits for more than one transfer in so many. Where that one may not be sent yet, another goes
//! and the turn is kept.
//!
//! What has expired is searched for, at most once a second and in time for the whole queue: see
//! [`PriorityQueue::take_expired`].

use std::collections::VecDeque;
use std::time::Duration;

use super::kept::Kept;
use crate::base::buffer::Lease;
use crate::base::clock::{Instant, Now, WallTime};
use crate::base::limits::{
    EXPIRY_SWEEP_COUNT_PER_INTERVAL, EXPIRY_SWEEP_INTERVAL_MS, PRIORITY_TURN_COUNT,
};
use crate::connector::Traffic;
use crate::connector::associations::Waiting;
use crate::p1::scan::Priority;
use crate::store::MessageReference;

/// Messages of a connector in use for which memory is set aside at once.
const MESSAGE_COUNT_EXPECTED: usize = 1024;

/// One message waiting for one next hop.
#[derive(Debug)]
pub(crate) struct Queued {
    /// Where it is stored.
    pub(crate) reference: MessageReference,
    /// Its transfer octets in the buffer they were committed from; `None`: to be fetched.
    pub(crate) resident: Option<Lease>,
    /// Of a large message the chunks that are still in such buffers, from the first on.
    pub(crate) kept: Option<Box<Kept>>,
    /// When it came in.
    pub(crate) arrived: WallTime,
    /// The recipients that go this way, by index; `None`: all that are ours.
    pub(crate) recipients: Option<Box<Box<[u16]>>>,
    /// The stored transfer octets, how many.
    pub(crate) body_size: u32,
    /// Where the MTS-APDU stands in them.
    pub(crate) apdu_start: u32,
    /// How long the MTS-APDU is, octets.
    pub(crate) apdu_size: u32,
    /// Which of the message's targets this is.
    pub(crate) target: u16,
    /// Whether the mark that says "attempted" is durable.
    pub(crate) attempt: Attempt,
    /// Its priority; a report goes first, as an urgent message does.
    pub(crate) priority: Priority,
    /// How often in a row the partner refused it.
    pub(crate) refusal_count: u16,
    /// When it expires where it waits, seconds since 1970.
    pub(crate) expires_at_s: u32,
    /// When it came into its queue, microseconds of the monotonic clock, the low 32 bits.
    pub(crate) queued_at_us: u32,
    /// How many APDUs took each other's place until this one did.
    pub(crate) derivation_count: u8,
    /// Whether the partner may have it already.
    pub(crate) in_doubt: bool,
}

/// From when on a time in the queue is told by civil time, milliseconds: half of what the other tells.
const LONG_AGO_MS: u64 = u32::MAX as u64 / 2000;

fn microseconds(time: Instant) -> u32 {
    (time.0 / 1000) as u32
}

/// A time in whole seconds since 1970, the next one where it has a fraction; the last that there is for
/// what lies beyond.
pub(crate) fn whole_seconds(time: WallTime) -> u32 {
    u32::try_from(time.0.div_euclid(1000) + i64::from(time.0.rem_euclid(1000) > 0))
        .unwrap_or(if time.0 < 0 { 0 } else { u32::MAX })
}

impl Queued {
    /// When it expires.
    pub(crate) fn expires_at(&self) -> WallTime {
        WallTime(i64::from(self.expires_at_s) * 1000)
    }

    /// It comes into its queue.
    pub(crate) fn note_queued(&mut self, now: Now) {
        self.queued_at_us = microseconds(now.instant);
    }

    /// When it came into its queue; by civil time where that is too long ago to be told otherwise.
    pub(crate) fn queued_at(&self, now: Now) -> Instant {
        let arrived_ms = u64::try_from(now.wall.0.saturating_sub(self.arrived.0)).unwrap_or(0);
        let waited = match arrived_ms < LONG_AGO_MS {
            true => {
                let waited = microseconds(now.instant).wrapping_sub(self.queued_at_us);
                Duration::from_micros(waited.into())
            }
            false => Duration::from_millis(arrived_ms),
        };
        now.instant - waited
    }

    /// Lets go of the committed buffers: it is fetched when it is sent.
    pub(crate) fn release_buffers(&mut self) {
        self.resident = None;
        self.kept = None;
    }

    /// What it asks of an association.
    pub(crate) fn traffic(&self) -> Traffic {
        match self.priority {
            Priority::Urgent => Traffic::Urgent,
            Priority::Normal | Priority::NonUrgent => Traffic::Ordinary,
        }
    }
}

/// Whether a restart would know that this target may have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Not marked.
    Unmarked,
    /// The mark is on its way to the disk.
    Requested,
    /// The mark is durable: the message may be sent.
    Marked,
}

/// The three queues of a connector, urgent first.
#[derive(Debug, Default)]
pub(crate) struct PriorityQueue {
    urgent: VecDeque<Queued>,
    normal: VecDeque<Queued>,
    non_urgent: VecDeque<Queued>,
    /// MTS-APDUs of all three, octets.
    size: u64,
    /// Messages taken in a row while one of a lower priority waited.
    preferred_count: u32,
    /// Nothing that waits expires before this, seconds since 1970; 0: nothing waits, or it is not known.
    first_expiry_s: u32,
    /// When it may be searched again.
    next_sweep: Instant,
}

impl PriorityQueue {
    fn of(&mut self, priority: Priority) -> &mut VecDeque<Queued> {
        match priority {
            Priority::Urgent => &mut self.urgent,
            Priority::Normal => &mut self.normal,
            Priority::NonUrgent => &mut self.non_urgent,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.urgent.len() + self.normal.len() + self.non_urgent.len()
    }

    /// Octets of the MTS-APDUs that wait.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Makes room for what a connector in use usually holds, so that its queue does not grow under load.
    pub(crate) fn set_memory_aside(&mut self) {
        let missing = MESSAGE_COUNT_EXPECTED.saturating_sub(self.normal.len());
        self.normal.reserve(missing);
    }

    /// Adds behind its equals.
    pub(crate) fn push(&mut self, queued: Queued) {
        self.count_in(&queued);
        self.of(queued.priority).push_back(queued);
    }

    /// Puts back a message whose transfer failed, in front of its equals.
    pub(crate) fn push_front(&mut self, queued: Queued) {
        self.count_in(&queued);
        self.of(queued.priority).push_front(queued);
    }

    fn count_in(&mut self, queued: &Queued) {
        self.first_expiry_s = match self.len() {
            0 => queued.expires_at_s,
            _ => self.first_expiry_s.min(queued.expires_at_s),
        };
        self.size += u64::from(queued.apdu_size);
    }

    /// The priority of the first message, by priority alone.
    fn first(&self) -> Option<Priority> {
        [Priority::Urgent, Priority::Normal, Priority::NonUrgent]
            .into_iter()
            .find(|&priority| !self.waiting_with(priority).is_empty())
    }

    /// The oldest first message of a priority below this one.
    fn below(&self, priority: Priority) -> Option<Priority> {
        let below: &[Priority] = match priority {
            Priority::Urgent => &[Priority::Normal, Priority::NonUrgent],
            Priority::Normal => &[Priority::NonUrgent],
            Priority::NonUrgent => &[],
        };
        let arrived = |&priority: &Priority| {
            self.waiting_with(priority).front().map(|queued| (queued.arrived, priority))
        };
        let oldest = below.iter().filter_map(arrived).min_by_key(|(arrived, _)| arrived.0);
        oldest.map(|(_, priority)| priority)
    }

    fn waiting_with(&self, priority: Priority) -> &VecDeque<Queued> {
        match priority {
            Priority::Urgent => &self.urgent,
            Priority::Normal => &self.normal,
            Priority::NonUrgent => &self.non_urgent,
        }
    }

    /// The attempt mark of the next message, by priority alone.
    pub(crate) fn head_attempt(&self) -> Option<Attempt> {
        Some(self.waiting_with(self.first()?).front()?.attempt)
    }

    /// What waits, by what it asks of an association.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting {
            urgent: self.urgent.len() as u32,
            ordinary: (self.normal.len() + self.non_urgent.len()) as u32,
        }
    }

    /// The next message, if its attempt mark is durable, and if it is urgent where `ordinary` is false.
    pub(crate) fn pop_marked(&mut self, ordinary: bool) -> Option<Queued> {
        if !ordinary && self.urgent.is_empty() {
            return None;
        }
        let first = self.first()?;
        let below = if ordinary { self.below(first) } else { None };
        let turn = below.filter(|_| self.preferred_count + 1 >= PRIORITY_TURN_COUNT);
        let queued = match turn.and_then(|priority| self.pop_marked_with(priority)) {
            Some(queued) => {
                self.preferred_count = 0;
                queued
            }
            None => {
                let queued = self.pop_marked_with(first)?;
                self.preferred_count = match below {
                    Some(_) => self.preferred_count.saturating_add(1),
                    None => 0,
                };
                queued
            }
        };
        self.size -= u64::from(queued.apdu_size);
        Some(queued)
    }

    fn pop_marked_with(&mut self, priority: Priority) -> Option<Queued> {
        self.of(priority).pop_front_if(|queued| queued.attempt == Attempt::Marked)
    }

    /// The first `count` unmarked messages, and those of lower priorities whose turn comes among them, now on
    /// their way to be marked, each given to `request`.
    pub(crate) fn mark_ahead(&mut self, count: usize, mut request: impl FnMut(&Queued)) {
        let turns = count / PRIORITY_TURN_COUNT as usize + 1;
        let mut left = count;
        for queue in [&mut self.urgent, &mut self.normal, &mut self.non_urgent] {
            let ahead = left.max(turns);
            left = left.saturating_sub(queue.len());
            for queued in queue.iter_mut().take(ahead) {
                if queued.attempt == Attempt::Unmarked {
                    queued.attempt = Attempt::Requested;
                    request(queued);
                }
            }
        }
    }

    /// When it is to be searched for what has expired, if anything waits.
    pub(crate) fn sweep_due(&self) -> Option<(WallTime, Instant)> {
        let at = WallTime(i64::from(self.first_expiry_s) * 1000);
        (self.len() > 0).then_some((at, self.next_sweep))
    }

    /// Takes out what has expired at `wall`. The longer the queue, the later the next search, so that they
    /// cost a bounded share of the time.
    pub(crate) fn take_expired(
        &mut self,
        wall: WallTime,
        now: Instant,
        mut expired: impl FnMut(Queued),
    ) {
        let intervals = self.len() / EXPIRY_SWEEP_COUNT_PER_INTERVAL + 1;
        let interval = Duration::from_millis(EXPIRY_SWEEP_INTERVAL_MS);
        self.next_sweep = now + interval.saturating_mul(intervals as u32);
        let mut first_expiry_s = u32::MAX;
        let mut size = 0;
        for queue in [&mut self.urgent, &mut self.normal, &mut self.non_urgent] {
            for _ in 0..queue.len() {
                let Some(queued) = queue.pop_front() else { break };
                if queued.expires_at() <= wall {
                    size += u64::from(queued.apdu_size);
                    expired(queued);
                } else {
                    first_expiry_s = first_expiry_s.min(queued.expires_at_s);
                    queue.push_back(queued);
                }
            }
        }
        self.first_expiry_s = first_expiry_s;
        self.size -= size;
    }

    /// The messages whose mark is durable or on its way.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = &Queued> {
        let queues = [&self.urgent, &self.normal, &self.non_urgent];
        queues.into_iter().flatten().filter(|queued| queued.attempt != Attempt::Unmarked)
    }

    /// Lets go of all committed buffers.
    pub(crate) fn release_buffers(&mut self) {
        for queued in
            [&mut self.urgent, &mut self.normal, &mut self.non_urgent].into_iter().flatten()
        {
            queued.release_buffers();
        }
    }

    /// Notes that a target's mark is durable.
    pub(crate) fn marked(&mut self, reference: MessageReference, target: u16) {
        let queues = [&mut self.urgent, &mut self.normal, &mut self.non_urgent];
        let mut waiting = queues.into_iter().flatten();
        if let Some(queued) =
            waiting.find(|queued| queued.reference == reference && queued.target == target)
        {
            queued.attempt = Attempt::Marked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: MessageReference = MessageReference { generation: 0, index: 0, log: 0 };

    fn queued(target: u16, priority: Priority, attempt: Attempt) -> Queued {
        Queued {
            reference: REFERENCE,
            resident: None,
            kept: None,
            arrived: WallTime(0),
            recipients: None,
            body_size: 0,
            apdu_start: 0,
            apdu_size: 0,
            target,
            attempt,
            priority,
            refusal_count: 0,
            expires_at_s: u32::MAX,
            queued_at_us: 0,
            derivation_count: 0,
            in_doubt: false,
        }
    }

    fn arrived_at(time: i64, priority: Priority) -> Queued {
        let queued = queued(time as u16, priority, Attempt::Marked);
        Queued { arrived: WallTime(time), ..queued }
    }

    /// How many of `count` taken are of this priority, while urgent and normal ones come without end.
    fn taken_under_load(count: usize, priority: Priority) -> usize {
        let mut queue = PriorityQueue::default();
        for time in 0..count as i64 {
            queue.push(arrived_at(time, Priority::NonUrgent));
            queue.push(arrived_at(time, Priority::Normal));
        }
        let taken = (0..count).filter(|time| {
            queue.push(arrived_at(*time as i64, Priority::Urgent));
            queue.pop_marked(true).is_some_and(|queued| queued.priority == priority)
        });
        taken.count()
    }

    #[test]
    fn nothing_starves_and_urgent_gives_way_once_in_so_many() {
        let turns = PRIORITY_TURN_COUNT as usize;
        let urgent = taken_under_load(10 * turns, Priority::Urgent);
        assert_eq!(urgent, 10 * (turns - 1));
        let normal = taken_under_load(10 * turns, Priority::Normal);
        let non_urgent = taken_under_load(10 * turns, Priority::NonUrgent);
        assert_eq!((normal, non_urgent), (5, 5));
    }

    #[test]
    fn a_lower_turn_that_is_not_marked_is_kept_and_holds_nobody_up() {
        let mut queue = PriorityQueue::default();
        queue.push(queued(999, Priority::NonUrgent, Attempt::Unmarked));
        for target in 0..2 * PRIORITY_TURN_COUNT as u16 {
            queue.push(queued(target, Priority::Urgent, Attempt::Marked));
        }
        for _ in 0..PRIORITY_TURN_COUNT + 3 {
            assert_eq!(queue.pop_marked(true).unwrap().priority, Priority::Urgent);
        }
        let mut asked = Vec::new();
        queue.mark_ahead(4, |queued| asked.push(queued.target));
        assert_eq!(asked, [999]);
        queue.marked(REFERENCE, 999);
        assert_eq!(queue.pop_marked(true).unwrap().target, 999);
        assert_eq!(queue.pop_marked(true).unwrap().priority, Priority::Urgent);
    }

    #[test]
    fn what_has_expired_is_taken_out_in_order_and_the_rest_stays() {
        let mut queue = PriorityQueue::default();
        let expiring = |target: u16, expires_at_s: u32| Queued {
            expires_at_s,
            apdu_size: 10,
            ..queued(target, Priority::Normal, Attempt::Unmarked)
        };
        for target in [1, 2, 3, 4] {
            queue.push(expiring(target, 100 * u32::from(target % 2 + 1)));
        }
        assert_eq!(queue.sweep_due().unwrap().0, WallTime(100_000));
        let mut out = Vec::new();
        queue.take_expired(WallTime(100_000), Instant(0), |queued| out.push(queued.target));
        assert_eq!(out, [2, 4]);
        assert_eq!((queue.len(), queue.size()), (2, 20));
        let interval = Duration::from_millis(EXPIRY_SWEEP_INTERVAL_MS);
        assert_eq!(queue.sweep_due(), Some((WallTime(200_000), Instant(0) + interval)));
        queue.take_expired(WallTime(200_000), Instant(0), |queued| out.push(queued.target));
        assert_eq!((out, queue.len()), (vec![2, 4, 1, 3], 0));
        assert_eq!(queue.sweep_due(), None);
    }

    #[test]
    fn times_are_rounded_up_and_stay_in_range() {
        let seconds = [(0, 0), (1, 1), (1000, 1), (-1, 0), (i64::MAX, u32::MAX), (i64::MIN, 0)];
        for (time, expected) in seconds {
            assert_eq!(whole_seconds(WallTime(time)), expected, "{time}");
        }
    }

    #[test]
    fn urgent_goes_first_and_nothing_goes_unmarked() {
        let mut queue = PriorityQueue::default();
        queue.push(queued(1, Priority::Normal, Attempt::Marked));
        queue.push(queued(2, Priority::Urgent, Attempt::Unmarked));
        assert!(queue.pop_marked(true).is_none());
        let mut asked = Vec::new();
        queue.mark_ahead(8, |queued| asked.push(queued.target));
        queue.mark_ahead(8, |queued| asked.push(queued.target));
        assert_eq!(asked, [2]);
        queue.marked(REFERENCE, 2);
        assert_eq!(queue.pop_marked(false).map(|queued| queued.target), Some(2));
        assert!(queue.pop_marked(false).is_none());
        assert_eq!(queue.pop_marked(true).map(|queued| queued.target), Some(1));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Queued>() <= 96, "{} octets", size_of::<Queued>());
    }
}
