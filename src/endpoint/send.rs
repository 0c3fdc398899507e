//! A script that sends: so many messages, as fast as confirmations come or at a fixed rate.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::manifest::Manifest;
use super::template::Template;
use super::{Next, Script};
use crate::base::buffer::Lease;
use crate::base::clock::{Instant, Now};

/// What is sent.
pub enum Source {
    /// Made from a template.
    Template(Box<Template>),
    /// The same octets again and again.
    Replay(Lease),
}

/// Sends messages numbered from 1.
pub struct Sender {
    source: Source,
    count: u64,
    next_number: u64,
    confirmed_count: u64,
    /// Time between the starts of two messages; `None`: as fast as confirmations come.
    interval: Option<Duration>,
    started: Option<Instant>,
    /// Messages whose transfer ended without confirmation, to be sent again as they were, with the time
    /// when each was first due.
    again: VecDeque<(u64, Instant)>,
    due: HashMap<u64, Instant>,
    manifest: Option<Manifest>,
    /// The last message that the manifest lists.
    listed_number: u64,
    /// From the scheduled start of a transfer to its confirmation, nanoseconds: a late start counts.
    pub latency_ns: Histogram<u64>,
    /// Numbers of messages that may have arrived without a confirmation and were sent again.
    pub in_doubt: Vec<u64>,
    /// Lines for a person, the oldest first.
    pub notes: Vec<String>,
    /// When the last confirmation came.
    pub last_confirmed: Option<Instant>,
}

impl Sender {
    /// Sends `count` messages, `rate` of them a second, or as fast as they are confirmed.
    pub fn new(source: Source, count: u64, rate: Option<f64>) -> Sender {
        Sender {
            source,
            count,
            next_number: 1,
            confirmed_count: 0,
            interval: rate.map(|rate| Duration::from_secs_f64(1.0 / rate.max(0.001))),
            started: None,
            again: VecDeque::new(),
            due: HashMap::new(),
            manifest: None,
            listed_number: 0,
            latency_ns: new_histogram(),
            in_doubt: Vec::new(),
            notes: Vec::new(),
            last_confirmed: None,
        }
    }

    /// Also lists each message once, when it is first sent.
    pub fn with_manifest(mut self, out: Box<dyn Write + Send>) -> Sender {
        self.manifest = Some(Manifest::new(out));
        self
    }

    /// Writes out what the manifest still holds.
    ///
    /// # Errors
    /// The first error of writing it.
    pub fn finish_manifest(&mut self) -> anyhow::Result<()> {
        self.manifest.as_mut().map_or(Ok(()), Manifest::finish)
    }

    /// Messages confirmed so far.
    pub fn confirmed_count(&self) -> u64 {
        self.confirmed_count
    }

    /// When the first message was due.
    pub fn started(&self) -> Option<Instant> {
        self.started
    }

    /// Starts nothing more; the endpoint finishes with what is under way.
    pub fn stop(&mut self) {
        self.count = self.confirmed_count + self.due.len() as u64;
        self.next_number = self.count + 1;
        self.again.clear();
    }

    /// The next message and when it is due, or when to ask again.
    fn next_due(&mut self, now: Instant) -> Result<(u64, Instant), Next> {
        let started = *self.started.get_or_insert(now);
        if let Some(next) = self.again.pop_front() {
            return Ok(next);
        }
        if self.next_number > self.count {
            return Err(Next::Idle);
        }
        let elapsed = |interval: Duration| interval.mul_f64((self.next_number - 1) as f64);
        let due = self.interval.map_or(now, |interval| started + elapsed(interval));
        if due > now {
            return Err(Next::Wait(due));
        }
        self.next_number += 1;
        Ok((self.next_number - 1, due))
    }
}

/// Latencies above this count as this: an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// A histogram of nanoseconds to three digits.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_NS_MAX, 3)
        .expect("bound and digits are within the library's range")
}

impl Script for Sender {
    fn next(&mut self, _association: usize, now: Now) -> Next {
        let (number, due) = match self.next_due(now.instant) {
            Ok(next) => next,
            Err(later) => return later,
        };
        let first = self.listed_number < number;
        self.due.insert(number, due);
        let apdu = match &mut self.source {
            Source::Template(template) => template.instance(number, due.0),
            Source::Replay(apdu) => apdu.clone(),
        };
        if let Some(manifest) = self.manifest.as_mut().filter(|_| first) {
            self.listed_number = number;
            manifest.add(&apdu);
        }
        Next::Transfer { number, apdu }
    }

    fn confirmed(&mut self, number: u64, now: Now) {
        self.confirmed_count += 1;
        self.last_confirmed = Some(now.instant);
        if let Some(due) = self.due.remove(&number) {
            self.latency_ns.saturating_record(now.instant.since(due).as_nanos() as u64);
        }
    }

    fn returned(&mut self, number: u64, in_doubt: bool) {
        if in_doubt {
            self.in_doubt.push(number);
        }
        if let Some(due) = self.due.remove(&number) {
            self.again.push_back((number, due));
        }
    }

    fn received(&mut self, _apdu: &[u8], _now: Now) {}

    fn note(&mut self, line: &str) {
        self.notes.push(line.to_owned());
    }

    fn is_finished(&self) -> bool {
        self.confirmed_count >= self.count
    }
}
