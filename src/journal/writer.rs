//! The writer's side: blocks appended to segments, segments sealed, and the oldest removed.
//!
//! Nothing is synchronised: what is written stands in the page cache, which a kill of the process does not
//! touch. A kill loses what shards had not handed over, at most `JOURNAL_DELAY_MS`; a power failure may also
//! lose, or tear, what the kernel had not written yet.
//!
//! Invariants: all files together, an index counted before it is made, stay within `size_max`; a segment that
//! ends before the configured time is removed, and none is longer than a thirtieth of that time; the keys of a
//! block are taken when it is written, so that sealing only sorts them.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use super::block::{Buffer, records};
use super::error::{Error, at};
use super::index::{self, Index, Span, entry};
use super::key::Keys;
use super::segment::{Location, Reading, SEGMENT_HEADER_SIZE, segment_header};
use crate::base::clock::WallTime;
use crate::base::limits::JOURNAL_SEGMENT_SIZE;

/// Where a journal is, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its directory, its own.
    pub directory: PathBuf,
    /// How long events are kept.
    pub keep: Duration,
    /// How large it becomes at most, octets; the oldest events go before their time then.
    pub size_max: u64,
}

impl Config {
    /// A segment is a sixteenth of all, if that is less than the usual.
    fn segment_size(&self) -> u64 {
        (self.size_max / 16).min(JOURNAL_SEGMENT_SIZE)
    }
}

/// A segment that has its index.
#[derive(Debug)]
struct Sealed {
    location: Location,
    /// Of both files, octets.
    size: u64,
    latest: WallTime,
}

/// The segment being written.
#[derive(Debug)]
struct Current {
    location: Location,
    file: File,
    begun: WallTime,
    size: u64,
    span: Span,
}

/// A journal being written.
#[derive(Debug)]
pub(super) struct Writer {
    config: Config,
    sealed: VecDeque<Sealed>,
    current: Option<Current>,
    /// Index entries of the current segment, in no order.
    entries: Vec<u64>,
    next_number: u64,
    /// Whether the size, and not the time, has made segments go.
    told_of_size: bool,
}

impl Writer {
    /// Takes up a journal, or begins one: what a crash left is cut off where it is torn, and sealed, but for
    /// the last segment, which is continued.
    pub(super) fn open(config: Config) -> Result<Writer, Error> {
        let locations = Location::all(&config.directory)?;
        let mut writer = Writer {
            config,
            sealed: VecDeque::new(),
            current: None,
            entries: Vec::new(),
            next_number: locations.last().map_or(1, |location| location.number + 1),
            told_of_size: false,
        };
        for location in locations {
            if let Some(index) = Index::open(&location.index)? {
                let events = std::fs::metadata(&location.events).map_err(at(&location.events))?;
                let (size, latest) = (index.size + events.len(), index.span.latest);
                writer.sealed.push_back(Sealed { location, size, latest });
                continue;
            }
            writer.seal()?;
            writer.take_up(location)?;
        }
        Ok(writer)
    }

    /// Continues a segment that has no index, after its last whole block.
    fn take_up(&mut self, location: Location) -> Result<(), Error> {
        let Some(mut reading) = Reading::open(&location.events)? else {
            tracing::warn!(file = %location.events.display(), "a journal segment without a whole header is removed");
            return std::fs::remove_file(&location.events).map_err(at(&location.events));
        };
        let (mut offset, mut span) = (SEGMENT_HEADER_SIZE, Span::NONE);
        while let Some(block) = reading.block(offset, |_| true)? {
            span.extend(block.header.earliest, block.header.latest);
            add_entries(offset, records(block.records), &mut self.entries);
            offset = block.next;
        }
        let file =
            File::options().write(true).open(&location.events).map_err(at(&location.events))?;
        let torn = reading.size()?.saturating_sub(offset);
        if torn > 0 {
            tracing::warn!(
                file = %location.events.display(),
                offset,
                octets = torn,
                "the journal's last block was torn by a crash: cut off"
            );
            file.set_len(offset).map_err(at(&location.events))?;
        }
        self.current = Some(Current { location, file, begun: reading.begun, size: offset, span });
        Ok(())
    }

    /// Appends what a shard has recorded.
    pub(super) fn append(&mut self, buffer: &mut Buffer, now: WallTime) -> Result<(), Error> {
        let octets = buffer.block();
        let size = octets.len() as u64;
        let full = |current: &Current| current.size + size > self.config.segment_size();
        if self.current.as_ref().is_some_and(full) {
            self.seal()?;
        }
        if self.current.is_none() {
            self.begin(now)?;
        }
        self.make_room(size);
        let Some(current) = &mut self.current else { return Ok(()) };
        let offset = current.size;
        current.file.write_all_at(octets, offset).map_err(at(&current.location.events))?;
        current.size += size;
        let header = octets.first_chunk().and_then(super::block::BlockHeader::read);
        if let Some(header) = header {
            current.span.extend(header.earliest, header.latest);
        }
        add_entries(offset, buffer.records(), &mut self.entries);
        Ok(())
    }

    fn begin(&mut self, now: WallTime) -> Result<(), Error> {
        let location = Location::of(&self.config.directory, self.next_number);
        let path = &location.events;
        let file = File::options().write(true).create_new(true).open(path).map_err(at(path))?;
        self.next_number += 1;
        file.write_all_at(&segment_header(now), 0).map_err(at(path))?;
        let (size, span) = (SEGMENT_HEADER_SIZE, Span::NONE);
        self.current = Some(Current { location, file, begun: now, size, span });
        Ok(())
    }

    /// Gives the current segment its index; the next block begins another.
    fn seal(&mut self) -> Result<(), Error> {
        let Some(current) = self.current.take_if(|current| current.size > SEGMENT_HEADER_SIZE)
        else {
            return Ok(());
        };
        self.entries.sort_unstable();
        self.entries.dedup();
        let written = index::write(&current.location.index, current.span, &self.entries);
        self.entries.clear();
        let sealed = Sealed {
            size: current.size + *written.as_ref().unwrap_or(&0),
            latest: current.span.latest,
            location: current.location,
        };
        // Without its index it is read from front to back, and sealed at the next start.
        self.sealed.push_back(sealed);
        written.map(drop)
    }

    /// Removes the oldest segments until so many octets more are within the bound.
    fn make_room(&mut self, size: u64) {
        let current = self.current.as_ref().map_or(0, |current| current.size);
        let unsealed = current + 8 * self.entries.len() as u64 + size;
        while self.sealed.iter().map(|it| it.size).sum::<u64>() + unsealed > self.config.size_max {
            let Some(oldest) = self.sealed.pop_front() else { return };
            if !std::mem::replace(&mut self.told_of_size, true) {
                tracing::warn!(
                    size_max_mib = self.config.size_max >> 20,
                    "the journal is full before its time: the oldest events go; enlarge [tracking] size_max_mib to keep them for all of keep_days"
                );
            }
            remove(&oldest.location);
        }
    }

    /// Seals what has been written long enough, and removes what has been kept long enough.
    pub(super) fn keep_to_time(&mut self, now: WallTime) -> Result<(), Error> {
        let keep = self.config.keep.as_millis() as i64;
        if self.current.as_ref().is_some_and(|it| now.0 - it.begun.0 > keep / 30) {
            self.seal()?;
        }
        while let Some(oldest) = self.sealed.pop_front_if(|it| now.0 - it.latest.0 > keep) {
            remove(&oldest.location);
            self.told_of_size = false;
        }
        Ok(())
    }
}

/// Adds the entries of a block that stands at `offset`, each once.
fn add_entries<'a>(
    offset: u64,
    records: impl Iterator<Item = super::event::Record<'a>>,
    entries: &mut Vec<u64>,
) {
    let start = entries.len();
    let mut keys = Keys::default();
    for record in records {
        keys.of(&record, |hash| entries.push(entry(hash, offset)));
    }
    entries[start..].sort_unstable();
    let mut kept = start;
    for at in start..entries.len() {
        if kept == start || entries[kept - 1] != entries[at] {
            entries[kept] = entries[at];
            kept += 1;
        }
    }
    entries.truncate(kept);
}

/// Removes a segment, its index first: without that, it is still a segment.
fn remove(location: &Location) {
    for path in [&location.index, &location.events] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), %error, "an old journal file cannot be removed");
            }
            _ => {}
        }
    }
}
