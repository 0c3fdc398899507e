//! The shard's side: events go into a buffer of the shard's own, and full buffers to the writer.
//!
//! Buffers go to and fro over two lock-free queues. Recording copies, and does nothing else: no allocation,
//! no lock, no wait, and one wake of the writer for each buffer. Where no buffer has come back, events are
//! counted as lost, and the count is the first event when one has: a shard never waits for the journal.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crossbeam::queue::ArrayQueue;

use super::block::Buffer;
use super::event::{Event, Record};
use crate::base::clock::{Instant, Now};
use crate::base::limits::{JOURNAL_BUFFER_COUNT, JOURNAL_DELAY_MS};

/// What recorders and writer share.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Filled, on their way to the writer.
    pub(super) full: ArrayQueue<Buffer>,
    /// Written, on their way back.
    pub(super) empty: ArrayQueue<Buffer>,
    /// Events that the writer could not write.
    pub(super) lost: AtomicU64,
    /// Set once: write what is there, and end.
    pub(super) stop: AtomicBool,
    /// Whom a full buffer wakes.
    pub(super) writer: OnceLock<Thread>,
}

impl Exchange {
    pub(super) fn new(recorder_count: u16) -> Exchange {
        let count = JOURNAL_BUFFER_COUNT * usize::from(recorder_count.max(1));
        let empty = ArrayQueue::new(count);
        for _ in 0..count {
            // There is room for all of them.
            let _ = empty.push(Buffer::new());
        }
        Exchange {
            full: ArrayQueue::new(count),
            empty,
            lost: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            writer: OnceLock::new(),
        }
    }

    pub(super) fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}

/// One shard's way into the journal. What is in it when it is dropped is written too.
#[derive(Debug)]
pub struct Recorder {
    exchange: Arc<Exchange>,
    shard: u16,
    buffer: Option<Buffer>,
    /// When the buffer is handed over, however little is in it.
    due: Option<Instant>,
    /// Lost since the last event that tells of it.
    lost: u64,
    lost_total: u64,
}

impl Recorder {
    pub(super) fn new(exchange: Arc<Exchange>, shard: u16) -> Recorder {
        Recorder { exchange, shard, buffer: None, due: None, lost: 0, lost_total: 0 }
    }

    /// Records an event of the message with this MTS-identifier element.
    #[inline]
    pub fn record(&mut self, now: Now, identifier: &[u8], event: &Event<'_>) {
        let mut event = *event;
        loop {
            let Some(buffer) = self.buffer(now) else {
                self.lost += 1;
                self.lost_total += 1;
                return;
            };
            let rest = buffer.push(&Record { time: now.wall, identifier, event });
            if buffer.is_full() {
                self.hand_over();
            }
            match rest {
                None => return,
                Some(rest) => event = rest,
            }
        }
    }

    /// The buffer with room, if there is one.
    fn buffer(&mut self, now: Now) -> Option<&mut Buffer> {
        if self.buffer.is_none() {
            let mut buffer = self.exchange.empty.pop()?;
            buffer.begin(self.shard);
            if self.lost > 0 {
                let count = std::mem::take(&mut self.lost);
                let event = Event::Lost { count };
                buffer.push(&Record { time: now.wall, identifier: &[], event });
            }
            self.buffer = Some(buffer);
            self.due = Some(now.instant + Duration::from_millis(JOURNAL_DELAY_MS));
        }
        self.buffer.as_mut()
    }

    /// When [`Recorder::turn`] is to be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Hands over what has waited long enough; to be called once a turn of the shard's loop.
    #[inline]
    pub fn turn(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.due = None;
        let Some(buffer) = self.buffer.take() else { return };
        // There is room for every buffer that exists.
        let _ = self.exchange.full.push(buffer);
        self.exchange.wake();
    }

    /// Events lost so far since no buffer was free.
    pub fn lost_count(&self) -> u64 {
        self.lost_total
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.hand_over();
    }
}
