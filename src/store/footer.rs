//! A segment's footer, gathered while the segment is written: what reopening reads instead of bodies.
//!
//! It goes to disk only once every group of the segment is confirmed. So a footer that verifies speaks
//! only of durable groups, and none is left over from beyond a recovery's end.

use smallvec::SmallVec;

use super::format::{
    FOOTER_ENTRY_SIZE, FOOTER_TRAILER_SIZE, FooterTrailer, RecordHeader, blocks, put,
};
use crate::base::buffer::{Fill, Lease, Pool};
use crate::base::limits::FOOTER_BUFFER_SIZE;

/// Buffers that the pool keeps; a footer that needs more takes buffers of its own.
const FOOTER_BUFFER_COUNT: usize = 32;

pub(super) struct FooterBuffers(Pool);

impl FooterBuffers {
    pub(super) fn new() -> FooterBuffers {
        FooterBuffers(Pool::new(FOOTER_BUFFER_SIZE, FOOTER_BUFFER_COUNT))
    }
}

/// The entries of one segment so far.
#[derive(Default)]
pub(super) struct Footer {
    fills: SmallVec<[Fill; 16]>,
    size: usize,
    /// Of the entries in the first `summed_count` buffers.
    crc: u32,
    summed_count: usize,
}

impl Footer {
    /// Octets of the footer on disk once `more` entry octets are added.
    pub(super) fn size_with(&self, more: usize) -> usize {
        blocks(self.size + more + FOOTER_TRAILER_SIZE)
    }

    /// Octets of an entry.
    pub(super) fn entry_size(header: &RecordHeader) -> usize {
        FOOTER_ENTRY_SIZE + header.description_size()
    }

    /// Adds the record at `offset`; `description` is its metadata and chunk positions, in pieces.
    pub(super) fn add(
        &mut self,
        buffers: &mut FooterBuffers,
        offset: u32,
        header: &RecordHeader,
        description: &[&[u8]],
    ) {
        let mut entry = [0; FOOTER_ENTRY_SIZE];
        put(&mut entry, 0, &u64::from(offset).to_le_bytes());
        put(&mut entry, 8, &header.encode());
        self.entry(buffers, &entry);
        for piece in description {
            self.entry(buffers, piece);
        }
    }

    /// Adds to the description of the last record.
    pub(super) fn add_more(&mut self, buffers: &mut FooterBuffers, octets: &[u8]) {
        self.entry(buffers, octets);
    }

    fn entry(&mut self, buffers: &mut FooterBuffers, octets: &[u8]) {
        self.size += octets.len();
        self.append(buffers, octets);
    }

    /// Brings the checksum up to date: a whole buffer at a time, which costs less than entry by entry.
    fn sum_up(&mut self) {
        for fill in &self.fills[self.summed_count..] {
            self.crc = crc32c::crc32c_append(self.crc, fill.octets());
        }
        self.summed_count = self.fills.len();
    }

    fn append(&mut self, buffers: &mut FooterBuffers, mut octets: &[u8]) {
        while !octets.is_empty() {
            if self.fills.last().is_none_or(|fill| fill.remaining() == 0) {
                self.sum_up();
                let fill = buffers.0.take();
                self.fills.push(fill.unwrap_or_else(|| Fill::with_capacity(FOOTER_BUFFER_SIZE)));
            }
            let Some(fill) = self.fills.last_mut() else { return };
            let count = fill.append(octets);
            octets = &octets[count..];
        }
    }

    /// Pads the footer, closes it with the trailer, and gives it in pieces of whole blocks, in order.
    pub(super) fn finish(
        mut self,
        buffers: &mut FooterBuffers,
        generation: u32,
        (first_sequence, last_sequence): (u64, u64),
        incarnation: u64,
    ) -> impl Iterator<Item = Lease> {
        self.sum_up();
        let trailer = FooterTrailer {
            generation,
            crc: self.crc,
            first_sequence,
            last_sequence,
            incarnation,
            entries_size: self.size as u64,
        };
        let mut padding = self.size_with(0) - self.size - FOOTER_TRAILER_SIZE;
        while padding > 0 {
            let count = padding.min(64);
            self.append(buffers, &[0; 64][..count]);
            padding -= count;
        }
        self.append(buffers, &trailer.encode());
        self.fills.into_iter().map(|fill| fill.lease(0..fill.filled()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::RecordKind;
    use super::*;

    fn written(entry_count: usize) -> Vec<u8> {
        let mut buffers = FooterBuffers::new();
        let mut footer = Footer::default();
        let header = RecordHeader { metadata_size: 100, ..RecordHeader::new(RecordKind::Message) };
        for offset in 0..entry_count {
            footer.add(&mut buffers, offset as u32, &header, &[&[1; 60], &[2; 40]]);
        }
        let size = footer.size_with(0);
        let octets: Vec<u8> =
            footer.finish(&mut buffers, 5, (1, 9), 2).flat_map(|lease| lease.to_vec()).collect();
        assert_eq!(octets.len(), size);
        octets
    }

    #[test]
    fn footers_of_any_size_verify() {
        for entry_count in [0, 1, 29, 28, 1872, 1873, 1874, 4000] {
            let octets = written(entry_count);
            assert!(octets.len().is_multiple_of(4096));
            let (trailer, start, end) = FooterTrailer::decode(&octets, 5).unwrap();
            assert_eq!((trailer.first_sequence, trailer.last_sequence), (1, 9));
            assert_eq!((start, end - start), (0, entry_count * 140));
            assert!(FooterTrailer::decode(&octets, 6).is_none());
        }
    }
}
