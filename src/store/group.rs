//! The group being gathered: records one after the other in a leased buffer, then its tail.
//!
//! Several groups follow each other in one buffer, each at a block boundary, so that small commits do
//! not hold a whole buffer each. Invariant: between groups the buffer is filled up to a whole block.

use super::format::{
    CHUNK_POSITION_SIZE, ChunkPosition, GROUP_HEAD_SIZE, GroupHead, RECORD_HEADER_SIZE,
    RecordHeader, RecordKind, blocks, put,
};
use crate::base::buffer::{Fill, Lease, Pool};
use crate::base::limits::GROUP_BUFFER_SIZE;

/// Octets of a group that are not records, before padding.
pub(super) const GROUP_OVERHEAD_SIZE: usize = GROUP_HEAD_SIZE + RECORD_HEADER_SIZE;

pub(super) struct GroupWriter {
    pool: Pool,
    fill: Option<Fill>,
    /// Where the open group starts in the buffer.
    start: usize,
    chain: u32,
    record_count: u32,
}

impl GroupWriter {
    pub(super) fn new(buffer_count: usize) -> GroupWriter {
        GroupWriter {
            pool: Pool::new(GROUP_BUFFER_SIZE, buffer_count),
            fill: None,
            start: 0,
            chain: 0,
            record_count: 0,
        }
    }

    /// Octets of the open group with a tail, without padding.
    pub(super) fn size(&self) -> usize {
        let filled = self.fill.as_ref().map_or(0, Fill::filled);
        filled - self.start + RECORD_HEADER_SIZE
    }

    /// Whether the open group can take a record of `padded_size` octets.
    pub(super) fn has_room(&self, padded_size: usize) -> bool {
        let room = self.fill.as_ref().map_or(0, Fill::remaining);
        padded_size + RECORD_HEADER_SIZE <= room
    }

    /// Makes sure that a group with one record of `padded_size` octets fits. With `urgent`, a buffer is
    /// made where the pool has none left.
    pub(super) fn reserve(&mut self, padded_size: usize, urgent: bool) -> bool {
        let needed = blocks(GROUP_OVERHEAD_SIZE + padded_size);
        if self.fill.as_ref().is_some_and(|fill| fill.remaining() >= needed) {
            return true;
        }
        match self.pool.take() {
            Some(fill) => self.fill = Some(fill),
            None if urgent => self.fill = Some(Fill::with_capacity(needed)),
            None => return false,
        }
        true
    }

    /// Begins a group; room has been reserved.
    pub(super) fn begin(&mut self, head: &GroupHead) {
        let octets = head.encode();
        let Some(fill) = &mut self.fill else { return };
        self.start = fill.filled();
        fill.append(&octets);
        self.chain = crc32c::crc32c(&octets[..32]);
        self.record_count = 0;
    }

    /// Appends a record and gives a lease on its body; room has been reserved.
    pub(super) fn push(
        &mut self,
        header: &RecordHeader,
        metadata: &[u8],
        chunks: &[ChunkPosition],
        body: &[&[u8]],
    ) -> Lease {
        let (size, padded_size) = (header.record_size(), header.padded_size());
        let fill = self.fill.get_or_insert_with(|| Fill::with_capacity(blocks(padded_size)));
        let start = fill.filled();
        let record = &mut fill.spare_mut()[..padded_size];
        put(record, 0, &header.encode());
        let mut at = RECORD_HEADER_SIZE;
        put(record, at, metadata);
        at += metadata.len();
        for chunk in chunks {
            put(record, at, &chunk.encode());
            at += CHUNK_POSITION_SIZE;
        }
        let body_start = start + at;
        for piece in body {
            put(record, at, piece);
            at += piece.len();
        }
        record[size..].fill(0);
        let crc = crc32c::crc32c(&record[4..size]).to_le_bytes();
        put(record, 0, &crc);
        fill.advance(padded_size);
        self.chain = crc32c::crc32c_append(self.chain, &crc);
        self.record_count += 1;
        fill.lease(body_start..start + at)
    }

    /// Closes the open group with its tail and gives it whole, padded to blocks.
    pub(super) fn finish(&mut self, sequence: u64) -> Lease {
        let size = self.size();
        let fill = self.fill.get_or_insert_with(|| Fill::with_capacity(blocks(size)));
        let tail = RecordHeader {
            body_size: size as u32,
            generation: self.record_count,
            extra: sequence,
            ..RecordHeader::new(RecordKind::Tail)
        };
        let mut octets = tail.encode();
        let crc = crc32c::crc32c_append(self.chain, &octets[4..]);
        put(&mut octets, 0, &crc.to_le_bytes());
        fill.append(&octets);
        let padding = blocks(size) - size;
        fill.spare_mut()[..padding].fill(0);
        fill.advance(padding);
        let lease = fill.lease(self.start..fill.filled());
        if fill.remaining() == 0 {
            self.fill = None;
        }
        lease
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::verify_group;
    use super::*;

    #[test]
    fn a_group_verifies_and_any_changed_octet_shows() {
        let mut writer = GroupWriter::new(1);
        for sequence in 1..3 {
            let head = GroupHead { generation: 1, incarnation: 2, sequence, confirmed: 0 };
            let header = RecordHeader {
                metadata_size: 3,
                body_size: 5,
                ..RecordHeader::new(RecordKind::Message)
            };
            assert!(writer.reserve(header.padded_size(), false));
            writer.begin(&head);
            let body = writer.push(&header, b"abc", &[], &[b"he", b"llo"]);
            assert_eq!(&body[..], b"hello");
            assert!(writer.has_room(header.padded_size()));
            let group = writer.finish(sequence);
            let verified = verify_group(&group, 1).unwrap();
            assert_eq!((verified.head, verified.padded_size), (head, 4096));
            assert!(verify_group(&group, 2).is_none());
            let covered = verified.records_end + RECORD_HEADER_SIZE;
            for at in (0..covered).filter(|at| !(36..40).contains(at)) {
                let mut changed = group.to_vec();
                changed[at] ^= 0x10;
                assert!(verify_group(&changed, 1).is_none(), "octet {at}");
            }
        }
    }

    #[test]
    fn leases_hold_their_buffer() {
        let mut writer = GroupWriter::new(1);
        let record = GROUP_BUFFER_SIZE - GROUP_OVERHEAD_SIZE;
        assert!(writer.reserve(record, false));
        writer.begin(&GroupHead { generation: 1, incarnation: 1, sequence: 1, confirmed: 0 });
        let group = writer.finish(1);
        assert!(!writer.reserve(record, false));
        assert!(writer.reserve(8, true), "what remains of the buffer, or a buffer of its own");
        writer.fill = None;
        drop(group);
        assert!(writer.reserve(record, false));
    }
}
