//! What became of every message: when it was due, whether it was confirmed, how often it arrived.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use p1relay::endpoint::send::new_histogram;

use super::Plan;

/// Counts of one run. Messages are numbered from 1.
pub(crate) struct Tally {
    /// The clock's reading of this turn.
    now: Instant,
    plan: Plan,
    /// When the first message was due.
    started: Option<Instant>,
    next_number: u64,
    /// When each message was due, by number.
    due: Vec<Instant>,
    /// When the last octets of each message were written, by number.
    written: Vec<Instant>,
    arrived: Vec<bool>,
    /// Different messages that have arrived.
    pub(crate) arrived_count: u64,
    /// Messages whose transfer was confirmed.
    pub(crate) confirmed_count: u64,
    /// Arrivals of a message that had arrived before, or was never sent.
    pub(crate) duplicate_count: u64,
    /// From due to arrived, of measured messages.
    pub(crate) latency_ns: Histogram<u64>,
    /// From the last octets written to the first octets arrived, of measured messages.
    pub(crate) wire_latency_ns: Histogram<u64>,
    /// From due to confirmed, of measured messages.
    pub(crate) acknowledged_ns: Histogram<u64>,
}

impl Tally {
    pub(super) fn new(plan: Plan) -> Tally {
        let now = Instant::now();
        let count = (plan.warm_up + plan.messages) as usize + 1;
        Tally {
            now,
            plan,
            started: None,
            next_number: 1,
            due: vec![now; count],
            written: vec![now; count],
            arrived: vec![false; count],
            arrived_count: 0,
            confirmed_count: 0,
            duplicate_count: 0,
            latency_ns: new_histogram(),
            wire_latency_ns: new_histogram(),
            acknowledged_ns: new_histogram(),
        }
    }

    /// Reads the clock for this turn.
    pub(super) fn tick(&mut self) {
        self.now = Instant::now();
    }

    /// The clock's reading of this turn.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Octets of these messages are about to be written; they are forgotten from the list.
    pub(super) fn written(&mut self, numbers: &mut Vec<u64>) {
        if numbers.is_empty() {
            return;
        }
        let now = Instant::now();
        for number in numbers.drain(..) {
            if let Some(place) = self.written.get_mut(number as usize) {
                *place = now;
            }
        }
    }

    /// Messages that have come as far as they can: arrived, or confirmed where there is no sink.
    pub(super) fn passed_count(&self) -> u64 {
        if self.plan.arrive { self.arrived_count } else { self.confirmed_count }
    }

    /// The number of the next message, if it is due, or how long until it is.
    pub(super) fn next_due(&mut self) -> Result<u64, Duration> {
        let started = *self.started.get_or_insert(self.now);
        if let Some(rate) = self.plan.rate {
            let due = started + Duration::from_secs_f64((self.next_number - 1) as f64 / rate);
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                return Err(wait);
            }
            if let Some(place) = self.due.get_mut(self.next_number as usize) {
                *place = due;
            }
        } else if let Some(place) = self.due.get_mut(self.next_number as usize) {
            *place = self.now;
        }
        Ok(self.next_number)
    }

    /// The message of [`Tally::next_due`] leaves.
    pub(super) fn left(&mut self) {
        self.next_number += 1;
    }

    pub(super) fn confirmed(&mut self, number: u64) {
        self.confirmed_count += 1;
        let elapsed = self.elapsed_ns(number);
        if number > self.plan.warm_up {
            self.acknowledged_ns.saturating_record(elapsed);
        }
    }

    /// A message has arrived whose first octets came in at `began`.
    pub(super) fn arrived(&mut self, number: u64, began: Instant) {
        match self.arrived.get_mut(number as usize) {
            Some(arrived) if !*arrived && number < self.next_number => *arrived = true,
            _ => {
                self.duplicate_count += 1;
                return;
            }
        }
        self.arrived_count += 1;
        let elapsed = self.elapsed_ns(number);
        if number > self.plan.warm_up {
            self.latency_ns.saturating_record(elapsed);
            let written = self.written.get(number as usize).copied().unwrap_or(began);
            let on_the_way = began.saturating_duration_since(written).as_nanos() as u64;
            self.wire_latency_ns.saturating_record(on_the_way);
        }
    }

    fn elapsed_ns(&self, number: u64) -> u64 {
        let due = self.due.get(number as usize).copied().unwrap_or(self.now);
        self.now.saturating_duration_since(due).as_nanos() as u64
    }

    /// Messages that were confirmed and have not arrived.
    pub(crate) fn lost_count(&self) -> u64 {
        self.confirmed_count.saturating_sub(self.arrived_count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_counted_apart_from_once() {
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut tally =
            Tally::new(Plan { warm_up: 1, messages: 2, arrive: true, rate: None, deadline });
        for number in 1..=3 {
            assert_eq!(tally.next_due(), Ok(number));
            tally.left();
        }
        for number in [1, 2, 2, 9] {
            tally.arrived(number, deadline);
        }
        (1..=3).for_each(|number| tally.confirmed(number));
        assert_eq!((tally.arrived_count, tally.duplicate_count, tally.lost_count()), (2, 2, 1));
        assert_eq!((tally.latency_ns.len(), tally.acknowledged_ns.len()), (1, 2));
    }

    #[test]
    fn a_rate_spreads_what_is_due() {
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut tally =
            Tally::new(Plan { warm_up: 0, messages: 2, arrive: true, rate: Some(0.001), deadline });
        assert_eq!(tally.next_due(), Ok(1));
        tally.left();
        assert!(tally.next_due().is_err_and(|wait| wait > Duration::from_secs(900)));
    }
}
