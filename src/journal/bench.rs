//! A recorder and the writer on one thread, each turned by hand: for `benches/instructions.rs`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::recorder::Exchange;
use super::writer::Writer;
use super::{Config, Error, Recorder};
use crate::base::clock::{Now, WallTime};
use crate::base::limits::JOURNAL_DELAY_MS;

/// A journal without its thread.
#[derive(Debug)]
pub struct ByHand {
    exchange: Arc<Exchange>,
    /// The shard's side.
    pub recorder: Recorder,
    writer: Writer,
}

impl ByHand {
    /// One in a directory that is there and empty.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(directory: &Path) -> Result<ByHand, Error> {
        let config = Config {
            directory: directory.to_owned(),
            keep: Duration::from_secs(3600),
            size_max: 1 << 30,
        };
        let exchange = Arc::new(Exchange::new(1));
        let recorder = Recorder::new(Arc::clone(&exchange), 0);
        Ok(ByHand { exchange, recorder, writer: Writer::open(config)? })
    }

    /// Has the recorder hand over what it has.
    pub fn hand_over(&mut self, now: Now) {
        self.recorder.turn(now.instant + Duration::from_millis(JOURNAL_DELAY_MS));
    }

    /// Writes what was handed over; gives how many events that were.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&mut self, now: WallTime) -> Result<u32, Error> {
        let mut count = 0;
        while let Some(mut buffer) = self.exchange.full.pop() {
            count += buffer.count();
            self.writer.append(&mut buffer, now)?;
            // There is room for every buffer that exists.
            let _ = self.exchange.empty.push(buffer);
        }
        Ok(count)
    }
}
