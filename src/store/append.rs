//! Requests that append: messages, chunks of large bodies, outcomes. `note` has those for notes.
//!
//! Invariant: a refused request changes nothing, save that the group open so far may be closed.

use super::commit::{ClosedGroup, Commit};
use super::error::Error;
use super::footer::Footer;
use super::format::{
    CHUNK_POSITION_SIZE, ChunkPosition, GroupHead, HEADER_BLOCK_SIZE, RECORD_HEADER_SIZE,
    RecordHeader, RecordKind, blocks,
};
use super::group::GROUP_OVERHEAD_SIZE;
use super::log::Log;
use super::message::{Message, TargetState};
use super::{Appended, MessageReference, Outcome};
use crate::base::buffer::Lease;
use crate::base::limits::{
    APDU_SIZE_MAX, CHUNK_COUNT_MAX, CHUNK_SIZE, METADATA_SIZE_MAX, SETTLED_SIZE_MIN,
};

/// The chunks of a body under transfer. Give it to [`Log::append_chunked_request`] or, when the transfer
/// comes to nothing, to [`Log::abandon`]; dropped, it keeps its segments until the log is opened anew.
#[derive(Debug, Default)]
pub struct Chunks {
    key: u64,
    positions: Vec<ChunkPosition>,
    size: usize,
}

impl Chunks {
    /// Octets so far.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Chunks so far.
    pub fn count(&self) -> usize {
        self.positions.len()
    }
}

/// A message to be appended, but for its body.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    /// What the caller keeps beside the body.
    pub metadata: &'a [u8],
    /// How many targets it has, at least one.
    pub target_count: u16,
    /// A bit for each of the first 64 targets that is attempted at once.
    pub attempted: u64,
}

/// What becomes of a target of a stored message because another one takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// The message.
    pub reference: MessageReference,
    /// Which of its targets.
    pub target: u16,
    /// What became of it.
    pub outcome: Outcome,
}

impl Log {
    /// Appends a message whose body is at most `CHUNK_SIZE` octets, given in pieces. `attempted` has a
    /// bit for each of the first 64 targets that is attempted at once. [`super::Confirm::Committed`]
    /// follows with `ticket`.
    ///
    /// # Errors
    /// `Full`, `Busy`, `Closed`: refuse for now. `TooLarge`; `Target` when there are no targets.
    pub fn append_request(
        &mut self,
        ticket: u64,
        metadata: &[u8],
        target_count: u16,
        attempted: u64,
        body: &[&[u8]],
    ) -> Result<Appended, Error> {
        let message = NewMessage { metadata, target_count, attempted };
        self.append_message(ticket, &message, Vec::new(), body, &[])
    }

    /// Appends a message that takes the place of targets of others in this log: after a crash either it is
    /// there and these targets have their outcomes, or neither, for all stands in one group. Its body is what
    /// `chunks` have, which are taken unless there is an error, and at most `CHUNK_SIZE` octets behind them,
    /// given in pieces; the returned lease is on these. [`super::Confirm::Committed`] follows with `ticket`
    /// for all together. One that is smaller than its part of what it settles is taken when the log is full,
    /// as outcomes are, while these have half a segment left: it makes room again.
    ///
    /// # Errors
    /// As [`Log::append_request`]; and `Unknown` or `Target` when a target is not live.
    pub fn append_settling_request(
        &mut self,
        ticket: u64,
        message: &NewMessage<'_>,
        chunks: &mut Chunks,
        body: &[&[u8]],
        settled: &[Settlement],
    ) -> Result<Appended, Error> {
        // The positions are copied: that is little beside the body, and an error leaves them whole.
        let positions = chunks.positions.clone();
        let appended = self.append_message(ticket, message, positions, body, settled)?;
        *chunks = Chunks::default();
        Ok(appended)
    }

    /// Makes sure that messages appended from here on, before the next [`Log::poll_operation`], stand in one
    /// group: `count` of them with so many octets of metadata and of bodies in all, and an outcome for each.
    ///
    /// # Errors
    /// As [`Log::append_request`].
    pub fn together_request(
        &mut self,
        count: usize,
        metadata_size: usize,
        body_size: usize,
    ) -> Result<(), Error> {
        let header = RecordHeader {
            metadata_size: metadata_size as u32,
            body_size: body_size as u32,
            ..RecordHeader::new(RecordKind::Message)
        };
        let mut following = Following::default();
        for _ in 0..count {
            following.add(&RecordHeader::new(RecordKind::Message));
            following.add(&RecordHeader::new(RecordKind::Outcome));
        }
        self.place_with(&header, false, following).map(drop)
    }

    /// Appends one chunk, not empty and at most `CHUNK_SIZE` octets, of a large body; the lease is on
    /// the chunk in the group buffer.
    ///
    /// # Errors
    /// `Full`, `Busy`, `Closed`: refuse for now. `TooLarge` beyond `APDU_SIZE_MAX` in all.
    pub fn chunk_request(&mut self, chunks: &mut Chunks, octets: &[u8]) -> Result<Lease, Error> {
        check_size("a chunk", octets.len(), CHUNK_SIZE)?;
        check_size("a body", chunks.size + octets.len(), APDU_SIZE_MAX)?;
        check_size("a list of chunks", chunks.count() + 1, CHUNK_COUNT_MAX)?;
        if chunks.positions.is_empty() {
            self.next_transfer_key += 1;
            chunks.key = self.next_transfer_key;
        }
        let header = RecordHeader {
            body_size: octets.len() as u32,
            generation: chunks.positions.len() as u32,
            extra: chunks.key,
            ..RecordHeader::new(RecordKind::Chunk)
        };
        let (segment, offset) = self.place(&header, false)?;
        let lease = self.push(segment, offset, &header, &[], &[], &[octets]);
        let generation = self.segments[segment].generation;
        self.segments[segment].live_count += 1;
        chunks.positions.push(ChunkPosition { generation, offset, size: octets.len() as u32 });
        chunks.size += octets.len();
        Ok(lease)
    }

    /// Appends the message that closes its chunks; `last`, at most `CHUNK_SIZE` octets, is the rest of
    /// the body, and what the returned lease is on. The chunks are taken, unless there is an error.
    ///
    /// # Errors
    /// As [`Log::append_request`].
    pub fn append_chunked_request(
        &mut self,
        ticket: u64,
        metadata: &[u8],
        target_count: u16,
        attempted: u64,
        chunks: &mut Chunks,
        last: &[u8],
    ) -> Result<Appended, Error> {
        let message = NewMessage { metadata, target_count, attempted };
        self.append_settling_request(ticket, &message, chunks, &[last], &[])
    }

    /// Lets go of chunks whose transfer came to nothing.
    pub fn abandon(&mut self, chunks: Chunks) {
        self.release_chunks(&chunks.positions, 0);
        self.prepare();
    }

    /// Appends an outcome of a target; confirmed when a ticket is given.
    ///
    /// # Errors
    /// `Unknown`: the message is not, or no longer, live. `Target`: no such target, or it has its final
    /// outcome. `Full`: even the reserve is used up. `Closed`.
    pub fn outcome_request(
        &mut self,
        ticket: Option<u64>,
        reference: MessageReference,
        target: u16,
        outcome: Outcome,
    ) -> Result<(), Error> {
        let settlement = Settlement { reference, target, outcome };
        let (home, index) = self.find_open(&settlement)?;
        let header = outcome_header(&settlement);
        let (segment, offset) = self.place(&header, true)?;
        self.push(segment, offset, &header, &[], &[], &[]);
        if let Some(ticket) = ticket {
            self.note_ticket(ticket);
        }
        self.settle(home, index, target, outcome, self.next_sequence - 1);
        Ok(())
    }

    /// The segment of a message and its place in it, where the target has no final outcome.
    fn find_open(&self, settlement: &Settlement) -> Result<(usize, usize), Error> {
        let (home, index) = self.find(settlement.reference)?;
        let target = settlement.target;
        let state = self.segments[home].messages[index].state(target, &self.extended);
        match state {
            None | Some(TargetState::Final) => Err(Error::Target { target }),
            Some(TargetState::Pending | TargetState::Attempted) => Ok((home, index)),
        }
    }

    /// The state of a target; `None` when message or target is not known.
    pub fn target_state(&self, reference: MessageReference, target: u16) -> Option<TargetState> {
        let (home, index) = self.find(reference).ok()?;
        self.segments[home].messages[index].state(target, &self.extended)
    }

    fn append_message(
        &mut self,
        ticket: u64,
        message: &NewMessage<'_>,
        chunks: Vec<ChunkPosition>,
        body: &[&[u8]],
        settled: &[Settlement],
    ) -> Result<Appended, Error> {
        let &NewMessage { metadata, target_count, attempted } = message;
        let size: usize = body.iter().map(|piece| piece.len()).sum();
        let chunked: usize = chunks.iter().map(|chunk| chunk.size as usize).sum();
        check_size("metadata", metadata.len(), METADATA_SIZE_MAX)?;
        check_size("a body in one record", size, CHUNK_SIZE)?;
        check_size("a body", chunked + size, APDU_SIZE_MAX)?;
        if target_count == 0 {
            return Err(Error::Target { target: 0 });
        }
        let header = RecordHeader {
            target: target_count,
            metadata_size: metadata.len() as u32,
            chunk_count: chunks.len() as u32,
            body_size: size as u32,
            extra: attempted,
            ..RecordHeader::new(RecordKind::Message)
        };
        let mut outcomes = Following::default();
        for settlement in settled {
            self.find_open(settlement)?;
            outcomes.add(&outcome_header(settlement));
        }
        let taken_size = header.padded_size() + outcomes.padded_size + chunked;
        let urgent = taken_size <= self.freed_size(settled) && self.leaves_reserve(taken_size);
        let (segment, offset) = self.place_with(&header, urgent, outcomes)?;
        let lease = self.push(segment, offset, &header, metadata, &chunks, body);
        for settlement in settled {
            let &Settlement { target, outcome, .. } = settlement;
            // One that is named twice has its outcome.
            let Ok((home, index)) = self.find_open(settlement) else { continue };
            let offset = self.next_offset(segment);
            self.push(segment, offset, &outcome_header(settlement), &[], &[], &[]);
            self.settle(home, index, target, outcome, self.next_sequence - 1);
        }
        self.note_ticket(ticket);
        let message = Message::new(
            offset,
            header.metadata_size,
            (chunked + size) as u32,
            target_count,
            attempted,
            chunks,
            &mut self.extended,
        );
        Ok(Appended { reference: self.enter(segment, message), body: lease })
    }

    /// Octets of the log that settled targets will have freed once the others of their messages are settled
    /// too: of each message a share for each of its targets, so that what takes their places in the reserve
    /// is in all less than the messages that fill the log, but for those that are smaller than a report.
    fn freed_size(&self, settled: &[Settlement]) -> usize {
        let share = |(index, settlement): (usize, &Settlement)| {
            let (home, place) = self.find(settlement.reference).ok()?;
            if settled.iter().take(index).any(|earlier| {
                (earlier.reference, earlier.target) == (settlement.reference, settlement.target)
            }) {
                return None;
            }
            let message = self.segments.get(home)?.messages.get(place)?;
            let size =
                RECORD_HEADER_SIZE + message.metadata_size as usize + message.body_size as usize;
            let share = size.checked_div(usize::from(message.target_count))?;
            Some(share.max(SETTLED_SIZE_MIN))
        };
        settled.iter().enumerate().filter_map(share).sum()
    }

    /// Whether outcomes alone still have half a segment when so much more is written.
    fn leaves_reserve(&self, size: usize) -> bool {
        let Some(active) = self.active.and_then(|active| self.segments.get(active)) else {
            return false;
        };
        let written = match self.prepared_count() {
            0 => active.end as usize + if self.group_open { self.writer.size() } else { 0 },
            _ => HEADER_BLOCK_SIZE as usize,
        };
        written + size <= active.size as usize / 2
    }

    /// Counts a message in; its chunks are counted already.
    pub(super) fn enter(&mut self, segment: usize, message: Message) -> MessageReference {
        let log = self.number;
        let segment = &mut self.segments[segment];
        let index = segment.messages.len() as u32;
        segment.messages.push(message);
        segment.live_count += 1;
        self.counters.live_messages += 1;
        MessageReference { generation: segment.generation, index, log }
    }

    /// The segment and place in it of a live message.
    pub(super) fn find(&self, reference: MessageReference) -> Result<(usize, usize), Error> {
        let found = || {
            let segment = self.segment_of(reference.generation)?;
            let message = self.segments[segment].messages.get(reference.index as usize)?;
            let live = message.live && reference.log == self.number;
            live.then_some((segment, reference.index as usize))
        };
        found().ok_or(Error::Unknown(reference))
    }

    /// Notes an outcome that stands in group `sequence`; when it ends the message, what held its
    /// segments is let go.
    pub(super) fn settle(
        &mut self,
        segment: usize,
        index: usize,
        target: u16,
        outcome: Outcome,
        sequence: u64,
    ) {
        let home = &mut self.segments[segment];
        let Some(message) = home.messages.get_mut(index) else { return };
        let Some(chunks) = message.settle(target, outcome, &mut self.extended) else { return };
        home.live_count -= 1;
        home.last_death = home.last_death.max(sequence);
        self.counters.live_messages -= 1;
        self.release_chunks(&chunks, sequence);
    }

    fn release_chunks(&mut self, chunks: &[ChunkPosition], sequence: u64) {
        for chunk in chunks {
            if let Some(segment) = self.segment_of(chunk.generation) {
                let segment = &mut self.segments[segment];
                segment.live_count = segment.live_count.saturating_sub(1);
                segment.last_death = segment.last_death.max(sequence);
            }
        }
    }

    pub(super) fn note_ticket(&mut self, ticket: u64) {
        self.tickets.push_back(ticket);
        self.open_ticket_count += 1;
    }

    /// Makes room for a record in the open group, in a new one, or in the next segment; returns the
    /// segment and the record's offset.
    pub(super) fn place(
        &mut self,
        header: &RecordHeader,
        urgent: bool,
    ) -> Result<(usize, u32), Error> {
        self.place_with(header, urgent, Following::default())
    }

    /// As [`Log::place`], with room in the same group for the records that follow.
    fn place_with(
        &mut self,
        header: &RecordHeader,
        urgent: bool,
        following: Following,
    ) -> Result<(usize, u32), Error> {
        if let Some(error) = self.failure {
            return Err(Error::Closed(error));
        }
        let entry_size = following.entry_size
            + match header.kind {
                RecordKind::Chunk | RecordKind::Tail => 0,
                RecordKind::Message | RecordKind::Outcome | RecordKind::Note => {
                    Footer::entry_size(header)
                }
            };
        let padded_size = header.padded_size() + following.padded_size;
        if !urgent && !self.is_ready() {
            self.growth_refused = false;
            self.prepare();
            return Err(Error::Full);
        }
        loop {
            let Some(active) = self.active else {
                self.switch_segment(urgent)?;
                continue;
            };
            if self.segments[active].sealed {
                self.switch_segment(urgent)?;
                continue;
            }
            let limit = self.limit(active, header.kind, entry_size);
            let start = self.segments[active].end;
            if self.group_open {
                let end = start + blocks(self.writer.size() + padded_size) as u64;
                if end <= limit && self.writer.has_room(padded_size) {
                    return Ok((active, self.next_offset(active)));
                }
                self.close_group();
                continue;
            }
            let end = start + blocks(GROUP_OVERHEAD_SIZE + padded_size) as u64;
            // Where even an empty segment has no room for it and a note, it has the segment to itself.
            let limit = if start == HEADER_BLOCK_SIZE {
                self.segments[active].limit_with(entry_size)
            } else {
                limit
            };
            if end > limit {
                if start == HEADER_BLOCK_SIZE {
                    let maximum = (limit - HEADER_BLOCK_SIZE) as usize;
                    return Err(Error::TooLarge { what: "a record", size: padded_size, maximum });
                }
                self.switch_segment(urgent)?;
                continue;
            }
            if !self.writer.reserve(padded_size, urgent) {
                return Err(Error::Busy);
            }
            let segment = &mut self.segments[active];
            segment.note_group(self.next_sequence, self.incarnation);
            self.writer.begin(&GroupHead {
                generation: segment.generation,
                incarnation: self.incarnation,
                sequence: self.next_sequence,
                confirmed: self.confirmed,
            });
            self.next_sequence += 1;
            self.group_open = true;
            self.group_begun = self.now;
        }
    }

    /// Where the next record of the open group goes.
    fn next_offset(&self, segment: usize) -> u32 {
        self.segments[segment].end as u32 + (self.writer.size() - RECORD_HEADER_SIZE) as u32
    }

    pub(super) fn push(
        &mut self,
        segment: usize,
        offset: u32,
        header: &RecordHeader,
        metadata: &[u8],
        chunks: &[ChunkPosition],
        body: &[&[u8]],
    ) -> Lease {
        let lease = self.writer.push(header, metadata, chunks, body);
        if header.kind != RecordKind::Chunk
            && let Some(footer) = &mut self.segments[segment].footer
        {
            footer.add(&mut self.footer_buffers, offset, header, &[metadata]);
            for chunk in chunks {
                footer.add_more(&mut self.footer_buffers, &chunk.encode());
            }
        }
        self.counters.records += 1;
        self.counters.octets_appended +=
            (header.description_size() + header.body_size as usize) as u64;
        lease
    }

    /// Closes the open group, which then waits for its turn to be written.
    pub(super) fn close_group(&mut self) {
        let Some(active) = self.active.filter(|_| self.group_open) else { return };
        let sequence = self.next_sequence - 1;
        let octets = self.writer.finish(sequence);
        let segment = &mut self.segments[active];
        let offset = segment.end;
        segment.end += octets.len() as u64;
        self.group_open = false;
        self.commits.push_back(Commit {
            sequence,
            segment: active,
            end: segment.end,
            ticket_count: std::mem::take(&mut self.open_ticket_count),
            begun: self.group_begun,
            submitted: self.now,
            written: None,
        });
        self.closed_groups.push_back(ClosedGroup { segment: active, sequence, offset, octets });
        self.hurry_if_needed();
    }
}

/// Records that must stand in the same group as the one before them.
#[derive(Debug, Clone, Copy, Default)]
struct Following {
    /// Octets in the group.
    padded_size: usize,
    /// Octets in the footer.
    entry_size: usize,
}

impl Following {
    fn add(&mut self, header: &RecordHeader) {
        self.padded_size += header.padded_size();
        self.entry_size += Footer::entry_size(header);
    }
}

fn outcome_header(settlement: &Settlement) -> RecordHeader {
    RecordHeader {
        outcome: settlement.outcome as u8,
        target: settlement.target,
        generation: settlement.reference.generation,
        extra: u64::from(settlement.reference.index),
        ..RecordHeader::new(RecordKind::Outcome)
    }
}

const _: () = assert!(CHUNK_POSITION_SIZE * CHUNK_COUNT_MAX <= METADATA_SIZE_MAX);

pub(super) fn check_size(what: &'static str, size: usize, maximum: usize) -> Result<(), Error> {
    if size > maximum { Err(Error::TooLarge { what, size, maximum }) } else { Ok(()) }
}
