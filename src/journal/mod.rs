//! Layer 3: the journal, what happened to each message, probe and report, kept for a time to be searched.
//!
//! - [`event`]: what can happen, and its record; [`lists`]: the recipients in it.
//! - [`recorder`]: the shard's side; [`writer`]: the files' side, on a thread of its own.
//! - `block`, `segment`, `index`, `key`: what stands in the files.
//! - [`search`]: events by identifier, address, content-identifier, connector and time, while the relay runs.
//!
//! A relay without its journal relays as well: a disk that is full or slow costs events, which are counted,
//! never messages.

#[doc(hidden)]
pub mod bench;
mod block;
mod error;
pub mod event;
mod fields;
mod index;
mod key;
pub mod lists;
pub mod recorder;
pub mod search;
mod segment;
#[cfg(test)]
mod tests;
pub mod writer;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::FlockOperation;

pub use error::Error;
pub use event::{Envelope, Event, Record, Refuser, Verdict};
pub use lists::{Indices, Recipients};
pub use recorder::Recorder;
pub use search::{Found, Query, search};
pub use writer::Config;

use crate::base::clock::WallTime;
use block::Buffer;
use error::at;
use recorder::Exchange;
use writer::Writer;

/// By how much the writer's thread is nicer than the shards.
const NICENESS: i32 = 5;
/// How often the writer looks whether something is too old.
const AGE_CHECK: Duration = Duration::from_secs(10);

/// A journal being written by a thread of its own, which ends when this is dropped and all is written.
#[derive(Debug)]
pub struct Journal {
    exchange: Arc<Exchange>,
    thread: Option<JoinHandle<()>>,
    /// Held while the directory is ours.
    _lock: OwnedFd,
}

impl Journal {
    /// Starts it, for so many recorders; `clock` tells the writer the time.
    ///
    /// # Errors
    /// When the directory cannot be made or taken. What is wrong with files in it is logged later, and costs
    /// events.
    pub fn start(
        config: Config,
        recorder_count: u16,
        clock: fn() -> WallTime,
    ) -> Result<Journal, Error> {
        let directory = &config.directory;
        std::fs::create_dir_all(directory).map_err(at(directory))?;
        let lock = lock(directory)?;
        let exchange = Arc::new(Exchange::new(recorder_count));
        let path = directory.clone();
        let writing = Arc::clone(&exchange);
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let thread = thread.spawn(move || write(config, &writing, clock)).map_err(at(&path))?;
        // The writer may be told of its buffers from the first on.
        let _ = exchange.writer.set(thread.thread().clone());
        Ok(Journal { exchange, thread: Some(thread), _lock: lock })
    }

    /// A shard's way into it.
    pub fn recorder(&self, shard: u16) -> Recorder {
        Recorder::new(Arc::clone(&self.exchange), shard)
    }

    /// Events that the disk did not take.
    pub fn lost_count(&self) -> u64 {
        self.exchange.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.exchange.stop.store(true, Ordering::Release);
        self.exchange.wake();
        // A writer that panicked has said so, and holds nothing that could be saved.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(directory: &Path) -> Result<OwnedFd, Error> {
    let path = directory.join("lock");
    let file = File::options().create(true).append(true).open(&path).map_err(at(&path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file.into()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Taken { directory: directory.to_owned() }),
        Err(error) => Err(at(&path)(error.into())),
    }
}

/// The writer's thread.
fn write(config: Config, exchange: &Exchange, clock: fn() -> WallTime) {
    // It often shares a core with a shard, whose messages wait for nobody's journal. That this is not
    // granted costs some latency, nothing else.
    let _ = rustix::process::nice(NICENESS);
    let mut writer = None;
    let mut losses = Losses::default();
    loop {
        // What is handed over before this is set is written before the end.
        let stop = exchange.stop.load(Ordering::Acquire);
        if writer.is_none() {
            writer = losses.noting(Writer::open(config.clone()));
        }
        while let Some(mut buffer) = exchange.full.pop() {
            let count = u64::from(buffer.count());
            if losses.append(writer.as_mut(), &mut buffer, clock()).is_none() {
                losses.unrecorded += count;
                exchange.lost.fetch_add(count, Ordering::Relaxed);
            }
            // There is room for every buffer that exists.
            let _ = exchange.empty.push(buffer);
        }
        if let Some(writer) = &mut writer {
            losses.noting(writer.keep_to_time(clock()));
        }
        if stop {
            return;
        }
        std::thread::park_timeout(AGE_CHECK);
    }
}

/// What the disk did not take.
#[derive(Debug, Default)]
struct Losses {
    /// Events since the last one that tells of it.
    unrecorded: u64,
    /// Whether the log has been told.
    told: bool,
}

impl Losses {
    fn noting<T>(&mut self, outcome: Result<T, Error>) -> Option<T> {
        outcome
            .inspect_err(|error| {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::error!(%error, "the journal cannot be written; events are lost until it can, messages are not");
                }
            })
            .ok()
    }

    /// Writes a block, behind an event that tells of those lost before. `None`: it was not written.
    fn append(
        &mut self,
        writer: Option<&mut Writer>,
        buffer: &mut Buffer,
        now: WallTime,
    ) -> Option<()> {
        let writer = writer?;
        if self.unrecorded > 0 {
            let mut told = Buffer::new();
            let event = Event::Lost { count: self.unrecorded };
            told.push(&Record { time: now, identifier: &[], event });
            self.noting(writer.append(&mut told, now))?;
            tracing::info!(lost = self.unrecorded, "the journal is written again");
            *self = Losses::default();
        }
        self.noting(writer.append(buffer, now))
    }
}
