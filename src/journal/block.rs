//! Blocks: the records of one shard's buffer behind a header, as they are written and checked.
//!
//! ```text
//! magic (4)  size of the records (4)  CRC32C of all the rest (4)  count of records (4)
//! shard (2)  zero (6)  earliest time, ms (8)  latest time, ms (8)  records
//! ```
//!
//! Invariant: a block whose CRC holds is whole; a torn or foreign one is never taken for one.

use super::event::{Event, Record};
use crate::base::clock::WallTime;
use crate::base::limits::{JOURNAL_BUFFER_SIZE, JOURNAL_EVENT_SIZE_MAX};

/// Size of a block's header, octets.
pub(super) const BLOCK_HEADER_SIZE: usize = 40;
/// Largest block, octets.
pub(super) const BLOCK_SIZE_MAX: usize =
    BLOCK_HEADER_SIZE + JOURNAL_BUFFER_SIZE + JOURNAL_EVENT_SIZE_MAX;

const MAGIC: [u8; 4] = *b"P1JB";

/// A block being filled, its header's room in front. It never grows.
#[derive(Debug)]
pub(super) struct Buffer {
    octets: Vec<u8>,
    count: u32,
    shard: u16,
    earliest: WallTime,
    latest: WallTime,
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        let mut octets = Vec::with_capacity(BLOCK_SIZE_MAX);
        octets.resize(BLOCK_HEADER_SIZE, 0);
        Buffer { octets, count: 0, shard: 0, earliest: WallTime(0), latest: WallTime(0) }
    }

    /// Makes it empty, for a shard's next records.
    pub(super) fn begin(&mut self, shard: u16) {
        self.octets.truncate(BLOCK_HEADER_SIZE);
        self.count = 0;
        self.shard = shard;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it is to be handed over.
    pub(super) fn is_full(&self) -> bool {
        self.octets.len() >= BLOCK_HEADER_SIZE + JOURNAL_BUFFER_SIZE
    }

    /// How many records are in it.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Adds a record, if the buffer is not full; gives `event` with the recipients that did not fit.
    pub(super) fn push<'a>(&mut self, record: &Record<'a>) -> Option<Event<'a>> {
        let time = record.time;
        if self.is_empty() {
            (self.earliest, self.latest) = (time, time);
        }
        self.earliest = self.earliest.min(time);
        self.latest = self.latest.max(time);
        self.count += 1;
        let recipients = record.put(&mut self.octets);
        debug_assert!(self.octets.len() <= BLOCK_SIZE_MAX);
        (!recipients.is_empty()).then_some(Event::FurtherRecipients { recipients })
    }

    /// The whole block, its header completed.
    pub(super) fn block(&mut self) -> &[u8] {
        let size = (self.octets.len() - BLOCK_HEADER_SIZE) as u32;
        self.octets[0..4].copy_from_slice(&MAGIC);
        self.octets[4..8].copy_from_slice(&size.to_le_bytes());
        self.octets[12..16].copy_from_slice(&self.count.to_le_bytes());
        self.octets[16..18].copy_from_slice(&self.shard.to_le_bytes());
        self.octets[24..32].copy_from_slice(&self.earliest.0.to_le_bytes());
        self.octets[32..40].copy_from_slice(&self.latest.0.to_le_bytes());
        let crc = checksum(&self.octets);
        self.octets[8..12].copy_from_slice(&crc.to_le_bytes());
        &self.octets
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        records(&self.octets[BLOCK_HEADER_SIZE..])
    }
}

/// Of a block with its header: everything but the checksum itself.
fn checksum(block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&block[..8]), &block[12..])
}

/// The records that octets consist of, up to the first that cannot be read.
pub(super) fn records(mut octets: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (record, rest) = Record::read(octets)?;
        octets = rest;
        Some(record)
    })
}

/// What a block's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    /// Octets of its records.
    pub(super) size: usize,
    pub(super) shard: u16,
    pub(super) earliest: WallTime,
    pub(super) latest: WallTime,
}

impl BlockHeader {
    /// Reads a header; `None` when it is none.
    pub(super) fn read(header: &[u8; BLOCK_HEADER_SIZE]) -> Option<BlockHeader> {
        let u32_at = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|index| header[at + index]));
        let time_at = |at: usize| {
            WallTime(i64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|index| header[at + index])))
        };
        let size = u32_at(4) as usize;
        let sound = header[..4] == MAGIC && size <= BLOCK_SIZE_MAX - BLOCK_HEADER_SIZE;
        sound.then(|| BlockHeader {
            size,
            shard: u16::from_le_bytes([header[16], header[17]]),
            earliest: time_at(24),
            latest: time_at(32),
        })
    }
}

/// Whether a block with its header is as it was written.
pub(super) fn is_whole(block: &[u8]) -> bool {
    let stored = block.get(8..12).and_then(|crc| crc.try_into().ok());
    block.len() >= BLOCK_HEADER_SIZE && stored.map(u32::from_le_bytes) == Some(checksum(block))
}
