//! A shard's timers: one entry a subject, re-armed lazily.
//!
//! Whoever owns a deadline keeps it in his own state and moves it freely; the entry here fires at the
//! deadline it was made with, and its subject then says whether a later one still holds. So extending a
//! deadline, which happens at every activity, costs nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::clock::Instant;

/// Pending timers, soonest first.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Timers {
    /// Arms a timer for `subject`.
    pub fn arm(&mut self, deadline: Instant, subject: u64) {
        self.heap.push(Reverse((deadline, subject)));
    }

    /// When the next one fires.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// The subject of a timer that is due, if any; it is armed no more.
    pub fn pop_due(&mut self, now: Instant) -> Option<u64> {
        let Reverse((deadline, _)) = self.heap.peek()?;
        if *deadline > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, subject))| subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_in_order_and_not_before_time() {
        let mut timers = Timers::default();
        timers.arm(Instant(20), 2);
        timers.arm(Instant(10), 1);
        assert_eq!(timers.next_deadline(), Some(Instant(10)));
        assert_eq!(timers.pop_due(Instant(9)), None);
        assert_eq!(timers.pop_due(Instant(15)), Some(1));
        assert_eq!(timers.pop_due(Instant(15)), None);
    }
}
