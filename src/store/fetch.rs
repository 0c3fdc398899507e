//! Reading bodies back: through the ring, into leased buffers, verified whole.
//!
//! A record is always read from its header on, so that its CRC32C is checked before anybody sees an
//! octet of it. A segment is not recycled while a read of it is under way.

use std::io;

use super::commit::UnderWay;
use super::error::Error;
use super::format::{CHUNK_POSITION_SIZE, RECORD_HEADER_SIZE, RecordHeader};
use super::log::Log;
use super::{Confirm, MessageReference};
use crate::base::buffer::Fill;
use crate::base::limits::STORE_BLOCK_SIZE;
use crate::io::Operation;

/// A read under way.
pub(super) struct Fetch {
    ticket: u64,
    segment: usize,
    /// Of the record in the segment, octets.
    offset: u64,
    /// Of the record in the buffer, octets.
    record: usize,
    /// From where in the record's body, and how many octets.
    skip: usize,
    size: usize,
}

impl Log {
    /// Reads the body of a live, committed message from `offset` on: at most `size` octets, and not
    /// beyond the chunk that holds `offset`. [`Confirm::Fetched`] or [`Confirm::FetchFailed`] follows
    /// with `ticket`; repeat from where it ended.
    ///
    /// # Errors
    /// `Unknown`; `NotCommitted`; `TooLarge` when `offset` lies behind the body; `Busy` when every fetch
    /// buffer is in use.
    pub fn fetch_request(
        &mut self,
        ticket: u64,
        reference: MessageReference,
        offset: u64,
        size: usize,
    ) -> Result<(), Error> {
        let (home, index) = self.find(reference)?;
        let message = self.segments[home].messages[index];
        let mut skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let body_size = message.body_size as usize;
        if skip > body_size {
            let what = "an offset in a body";
            return Err(Error::TooLarge { what, size: skip, maximum: body_size });
        }
        let chunks = message.extended(&self.extended).map_or(&[][..], |apart| &apart.chunks);
        let mut chunk_total = 0;
        let mut part = None;
        for chunk in chunks {
            let chunk_size = chunk.size as usize;
            if part.is_none() && skip < chunk_size {
                let segment = self.segment_of(chunk.generation);
                let segment = segment.ok_or(Error::Unknown(reference))?;
                part = Some((segment, chunk.offset, RECORD_HEADER_SIZE, chunk_size));
            } else if part.is_none() {
                skip -= chunk_size;
            }
            chunk_total += chunk_size;
        }
        let description = message.metadata_size as usize + chunks.len() * CHUNK_POSITION_SIZE;
        let (segment, record_offset, description, part_size) = part.unwrap_or((
            home,
            message.offset,
            RECORD_HEADER_SIZE + description,
            body_size - chunk_total,
        ));
        let start = u64::from(record_offset);
        let end = start + (description + part_size) as u64;
        if end > self.segments[segment].confirmed_end {
            return Err(Error::NotCommitted(reference));
        }
        let block = STORE_BLOCK_SIZE as u64;
        let first = start / block * block;
        let read_size = (end.next_multiple_of(block) - first) as usize;
        let into = self.fetch_buffers.take().ok_or(Error::Busy)?;
        let fetch = Fetch {
            ticket,
            segment,
            offset: start,
            record: (start - first) as usize,
            skip,
            size: size.min(part_size - skip),
        };
        self.segments[segment].under_way_count += 1;
        let file = self.segments[segment].file;
        let token = self.under_way.insert(UnderWay::Fetch(fetch)) as u32;
        let operation = Operation::Read { file, offset: first, size: read_size, into };
        self.operations.push_back((token, operation));
        Ok(())
    }

    pub(super) fn fetched(&mut self, fetch: Fetch, result: io::Result<Fill>) {
        let segment = &mut self.segments[fetch.segment];
        segment.under_way_count -= 1;
        let name = segment.name;
        let Fetch { ticket, offset, .. } = fetch;
        let octets = match result {
            Err(source) => Err(Error::Io { file: self.segment_path(name), source }),
            Ok(fill) => RecordHeader::verified(fill.octets(), fetch.record)
                .and_then(|header| {
                    let body = fetch.record + RECORD_HEADER_SIZE + header.description_size();
                    let start = body + fetch.skip;
                    let inside = fetch.skip + fetch.size <= header.body_size as usize;
                    inside.then(|| fill.lease(start..start + fetch.size))
                })
                .ok_or_else(|| Error::Damaged {
                    file: self.segment_path(name),
                    offset,
                    what: "the record's CRC does not hold",
                }),
        };
        self.confirms.push_back(match octets {
            Ok(octets) => Confirm::Fetched { ticket, octets },
            Err(error) => Confirm::FetchFailed { ticket, error },
        });
    }
}
