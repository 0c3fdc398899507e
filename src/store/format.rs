//! The octets on disk, format version 2. All numbers are little-endian.
//!
//! ```text
//! segment  = header (one block)  group*  unused  footer (sealed segments only, ends with the segment)
//! group    = head  record*  tail  zeros up to the next block
//! record   = record header  metadata  chunk positions  body  zeros up to 8 octets
//! footer   = entry*  zeros  trailer (the segment's last octets)
//! entry    = offset of the record in the segment (8)  record header  metadata  chunk positions
//! ```
//!
//! A record's CRC32C covers its header and body. A group's tail carries a CRC32C over the head, the
//! CRCs of all its records in order, and the tail, so that every octet is checked and bodies only once.
//! The head comes before what it announces because records are leased while their group still grows.
//!
//! Version 2 knows notes; all else is as in version 1, whose stores are read and gone on with. A reader of
//! version 1 would take a group with a note for the end of its log. So the superblock, written anew at
//! every opening, says 2 from then on, and such a reader refuses the store.

use crate::base::limits::STORE_BLOCK_SIZE;

/// The newest format that is read, and the one that is written.
pub(super) const FORMAT_VERSION: u32 = 2;

pub(super) const SUPERBLOCK_MAGIC: [u8; 8] = *b"P1RELAYS";
pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"P1RELAYL";
const GROUP_MAGIC: u32 = u32::from_le_bytes(*b"P1Gr");
const FOOTER_MAGIC: u32 = u32::from_le_bytes(*b"P1Ft");

/// Where the first group of a segment stands, octets.
pub(super) const HEADER_BLOCK_SIZE: u64 = STORE_BLOCK_SIZE as u64;
/// Octets of a segment's header that are not zero.
pub(super) const SEGMENT_HEADER_SIZE: usize = 64;
pub(super) const GROUP_HEAD_SIZE: usize = 40;
pub(super) const RECORD_HEADER_SIZE: usize = 32;
pub(super) const CHUNK_POSITION_SIZE: usize = 12;
pub(super) const FOOTER_ENTRY_SIZE: usize = 8 + RECORD_HEADER_SIZE;
pub(super) const FOOTER_TRAILER_SIZE: usize = 64;

/// `size` rounded up to whole blocks.
pub(super) const fn blocks(size: usize) -> usize {
    size.next_multiple_of(STORE_BLOCK_SIZE)
}

fn take<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    take(octets, at).map(u16::from_le_bytes)
}

pub(super) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    take(octets, at).map(u32::from_le_bytes)
}

pub(super) fn u64_at(octets: &[u8], at: usize) -> Option<u64> {
    take(octets, at).map(u64::from_le_bytes)
}

pub(super) fn put(into: &mut [u8], at: usize, octets: &[u8]) {
    into[at..at + octets.len()].copy_from_slice(octets);
}

/// What identifies a segment and its place in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) uuid: [u8; 16],
    pub(super) log: u16,
    /// Counts the segments of a log in the order in which they were taken into use.
    pub(super) generation: u32,
    /// The oldest generation that had to exist when this header was written.
    pub(super) oldest: u32,
    pub(super) size: u64,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_SIZE] {
        let mut octets = [0; SEGMENT_HEADER_SIZE];
        put(&mut octets, 0, &SEGMENT_MAGIC);
        put(&mut octets, 8, &FORMAT_VERSION.to_le_bytes());
        put(&mut octets, 16, &self.uuid);
        put(&mut octets, 32, &self.log.to_le_bytes());
        put(&mut octets, 36, &self.generation.to_le_bytes());
        put(&mut octets, 40, &self.oldest.to_le_bytes());
        put(&mut octets, 48, &self.size.to_le_bytes());
        let crc = crc32c::crc32c(&octets[16..]);
        put(&mut octets, 12, &crc.to_le_bytes());
        octets
    }

    /// What stands behind magic and version; `None` when the CRC does not hold.
    pub(super) fn decode(octets: &[u8]) -> Option<SegmentHeader> {
        let crc = crc32c::crc32c(octets.get(16..SEGMENT_HEADER_SIZE)?);
        let header = SegmentHeader {
            uuid: take(octets, 16)?,
            log: u16_at(octets, 32)?,
            generation: u32_at(octets, 36)?,
            oldest: u32_at(octets, 40)?,
            size: u64_at(octets, 48)?,
        };
        (u32_at(octets, 12)? == crc).then_some(header)
    }
}

/// The start of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupHead {
    pub(super) generation: u32,
    pub(super) incarnation: u64,
    pub(super) sequence: u64,
    /// All groups up to this one were durable when this one was begun.
    pub(super) confirmed: u64,
}

impl GroupHead {
    pub(super) fn encode(&self) -> [u8; GROUP_HEAD_SIZE] {
        let mut octets = [0; GROUP_HEAD_SIZE];
        put(&mut octets, 0, &GROUP_MAGIC.to_le_bytes());
        put(&mut octets, 4, &self.generation.to_le_bytes());
        put(&mut octets, 8, &self.incarnation.to_le_bytes());
        put(&mut octets, 16, &self.sequence.to_le_bytes());
        put(&mut octets, 24, &self.confirmed.to_le_bytes());
        let crc = crc32c::crc32c(&octets[..32]);
        put(&mut octets, 32, &crc.to_le_bytes());
        octets
    }

    pub(super) fn decode(octets: &[u8]) -> Option<GroupHead> {
        let head = GroupHead {
            generation: u32_at(octets, 4)?,
            incarnation: u64_at(octets, 8)?,
            sequence: u64_at(octets, 16)?,
            confirmed: u64_at(octets, 24)?,
        };
        let sound = u32_at(octets, 0)? == GROUP_MAGIC
            && u32_at(octets, 32)? == crc32c::crc32c(octets.get(..32)?);
        sound.then_some(head)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordKind {
    Message = 1,
    Chunk = 2,
    Outcome = 3,
    Tail = 4,
    Note = 5,
}

/// The fixed part of a record; what a field holds depends on the kind.
///
/// | field | message | chunk | outcome | tail | note |
/// |---|---|---|---|---|---|
/// | `target` | target count | | target index | | 1: it sums up the log before it |
/// | `metadata_size` | of the metadata | | | | of the note |
/// | `chunk_count` | chunk positions | | | | |
/// | `generation` | | index in the transfer | of the message | records in the group | |
/// | `extra` | attempted targets, a bit each | transfer key | index of the message | sequence | |
/// | `body_size` | of the body's last part | of the chunk | | of the group without padding | |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) kind: RecordKind,
    pub(super) outcome: u8,
    pub(super) target: u16,
    pub(super) metadata_size: u32,
    pub(super) chunk_count: u32,
    pub(super) body_size: u32,
    pub(super) generation: u32,
    pub(super) extra: u64,
}

impl RecordHeader {
    pub(super) fn new(kind: RecordKind) -> RecordHeader {
        RecordHeader {
            kind,
            outcome: 0,
            target: 0,
            metadata_size: 0,
            chunk_count: 0,
            body_size: 0,
            generation: 0,
            extra: 0,
        }
    }

    /// Octets of metadata and chunk positions.
    pub(super) fn description_size(&self) -> usize {
        self.metadata_size as usize + self.chunk_count as usize * CHUNK_POSITION_SIZE
    }

    /// Octets up to the padding.
    pub(super) fn record_size(&self) -> usize {
        let body = if self.kind == RecordKind::Tail { 0 } else { self.body_size as usize };
        RECORD_HEADER_SIZE + self.description_size() + body
    }

    /// Octets with the padding.
    pub(super) fn padded_size(&self) -> usize {
        self.record_size().next_multiple_of(8)
    }

    /// The header with its CRC still zero.
    pub(super) fn encode(&self) -> [u8; RECORD_HEADER_SIZE] {
        let mut octets = [0; RECORD_HEADER_SIZE];
        octets[4] = self.kind as u8;
        octets[5] = self.outcome;
        put(&mut octets, 6, &self.target.to_le_bytes());
        put(&mut octets, 8, &self.metadata_size.to_le_bytes());
        put(&mut octets, 12, &self.chunk_count.to_le_bytes());
        put(&mut octets, 16, &self.body_size.to_le_bytes());
        put(&mut octets, 20, &self.generation.to_le_bytes());
        put(&mut octets, 24, &self.extra.to_le_bytes());
        octets
    }

    pub(super) fn decode(octets: &[u8]) -> Option<RecordHeader> {
        let kind = match octets.get(4)? {
            1 => RecordKind::Message,
            2 => RecordKind::Chunk,
            3 => RecordKind::Outcome,
            4 => RecordKind::Tail,
            5 => RecordKind::Note,
            _ => return None,
        };
        Some(RecordHeader {
            kind,
            outcome: *octets.get(5)?,
            target: u16_at(octets, 6)?,
            metadata_size: u32_at(octets, 8)?,
            chunk_count: u32_at(octets, 12)?,
            body_size: u32_at(octets, 16)?,
            generation: u32_at(octets, 20)?,
            extra: u64_at(octets, 24)?,
        })
    }

    /// The record that starts at `at`, if it lies inside `octets` and its CRC holds.
    pub(super) fn verified(octets: &[u8], at: usize) -> Option<RecordHeader> {
        let header = RecordHeader::decode(octets.get(at..)?)?;
        let covered = octets.get(at + 4..at.checked_add(header.record_size())?)?;
        (u32_at(octets, at)? == crc32c::crc32c(covered)).then_some(header)
    }
}

/// Where a chunk of a large body stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkPosition {
    pub(super) generation: u32,
    pub(super) offset: u32,
    pub(super) size: u32,
}

impl ChunkPosition {
    pub(super) fn encode(&self) -> [u8; CHUNK_POSITION_SIZE] {
        let mut octets = [0; CHUNK_POSITION_SIZE];
        put(&mut octets, 0, &self.generation.to_le_bytes());
        put(&mut octets, 4, &self.offset.to_le_bytes());
        put(&mut octets, 8, &self.size.to_le_bytes());
        octets
    }

    pub(super) fn decode(octets: &[u8]) -> Option<ChunkPosition> {
        Some(ChunkPosition {
            generation: u32_at(octets, 0)?,
            offset: u32_at(octets, 4)?,
            size: u32_at(octets, 8)?,
        })
    }
}

/// A group that verifies: its head, and its size without and with padding.
#[derive(Debug, Clone, Copy)]
pub(super) struct VerifiedGroup {
    pub(super) head: GroupHead,
    pub(super) records_end: usize,
    pub(super) padded_size: usize,
}

/// Checks the group at the start of `octets` to its last octet.
pub(super) fn verify_group(octets: &[u8], generation: u32) -> Option<VerifiedGroup> {
    let head = GroupHead::decode(octets).filter(|head| head.generation == generation)?;
    let mut chain = u32_at(octets, 32)?;
    let mut at = GROUP_HEAD_SIZE;
    let mut record_count = 0;
    loop {
        let header = RecordHeader::decode(octets.get(at..)?)?;
        if header.kind == RecordKind::Tail {
            let tail = octets.get(at + 4..at + RECORD_HEADER_SIZE)?;
            let size = at + RECORD_HEADER_SIZE;
            let sound = u32_at(octets, at)? == crc32c::crc32c_append(chain, tail)
                && header.body_size as usize == size
                && header.extra == head.sequence
                && header.generation == record_count;
            let padded_size = blocks(size);
            let sound = sound && padded_size <= octets.len();
            return sound.then_some(VerifiedGroup { head, records_end: at, padded_size });
        }
        let header = RecordHeader::verified(octets, at)?;
        chain = crc32c::crc32c_append(chain, octets.get(at..at + 4)?);
        at = at.checked_add(header.padded_size())?;
        record_count += 1;
    }
}

/// The end of a footer: what the segment holds and that the footer is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FooterTrailer {
    pub(super) generation: u32,
    /// Of the entries.
    pub(super) crc: u32,
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
    /// Of the last group.
    pub(super) incarnation: u64,
    /// Of all entries, octets.
    pub(super) entries_size: u64,
}

impl FooterTrailer {
    pub(super) fn encode(&self) -> [u8; FOOTER_TRAILER_SIZE] {
        let mut octets = [0; FOOTER_TRAILER_SIZE];
        put(&mut octets, 0, &FOOTER_MAGIC.to_le_bytes());
        put(&mut octets, 8, &self.generation.to_le_bytes());
        put(&mut octets, 12, &self.crc.to_le_bytes());
        put(&mut octets, 16, &self.first_sequence.to_le_bytes());
        put(&mut octets, 24, &self.last_sequence.to_le_bytes());
        put(&mut octets, 32, &self.incarnation.to_le_bytes());
        put(&mut octets, 40, &self.entries_size.to_le_bytes());
        let crc = crc32c::crc32c(&octets[8..]);
        put(&mut octets, 4, &crc.to_le_bytes());
        octets
    }

    /// The trailer and the entries of a sealed segment, if its footer is whole.
    pub(super) fn decode(segment: &[u8], generation: u32) -> Option<(FooterTrailer, usize, usize)> {
        let at = segment.len().checked_sub(FOOTER_TRAILER_SIZE)?;
        let octets = segment.get(at..)?;
        let trailer = FooterTrailer {
            generation: u32_at(octets, 8)?,
            crc: u32_at(octets, 12)?,
            first_sequence: u64_at(octets, 16)?,
            last_sequence: u64_at(octets, 24)?,
            incarnation: u64_at(octets, 32)?,
            entries_size: u64_at(octets, 40)?,
        };
        if u32_at(octets, 0)? != FOOTER_MAGIC
            || u32_at(octets, 4)? != crc32c::crc32c(octets.get(8..)?)
            || trailer.generation != generation
        {
            return None;
        }
        let size = usize::try_from(trailer.entries_size).ok()?;
        let start = segment.len().checked_sub(blocks(size.checked_add(FOOTER_TRAILER_SIZE)?))?;
        let entries = segment.get(start..start + size)?;
        (crc32c::crc32c(entries) == trailer.crc).then_some((trailer, start, start + size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_a_flipped_bit_is_seen() {
        let header =
            SegmentHeader { uuid: [7; 16], log: 3, generation: 9, oldest: 4, size: 1 << 20 };
        let mut octets = header.encode();
        assert_eq!(SegmentHeader::decode(&octets), Some(header));
        octets[40] ^= 1;
        assert_eq!(SegmentHeader::decode(&octets), None);

        let head = GroupHead { generation: 1, incarnation: 2, sequence: 3, confirmed: 2 };
        let mut octets = head.encode();
        assert_eq!(GroupHead::decode(&octets), Some(head));
        octets[24] ^= 1;
        assert_eq!(GroupHead::decode(&octets), None);
    }

    #[test]
    fn no_octets_make_verifying_panic() {
        let mut octets = GroupHead { generation: 1, incarnation: 1, sequence: 1, confirmed: 0 }
            .encode()
            .to_vec();
        octets.extend([0xFF; 64]);
        for kind in 0..=6 {
            octets[GROUP_HEAD_SIZE + 4] = kind;
            for size in 0..octets.len() {
                assert!(verify_group(&octets[..size], 1).is_none());
                assert!(FooterTrailer::decode(&octets[..size], 1).is_none());
            }
        }
    }
}
