//! Notes: what the log's user wants to outlive the segments that say it.
//!
//! The metadata of a message is gone when its segment is used again, and the log cannot know what in it
//! still matters. So with each segment that is begun the log asks for a note ([`Log::wants_note`]), opaque
//! octets that sum up all of the log before it, and recycles no segment until such a note in a later one is
//! durable. A note is dead from the start, holds no segment, and is itself summed up by the next.
//!
//! The log does not stall for want of it. In every segment room is kept for its note until it comes, and
//! what is kept grows from [`LogConfig::note_size_max`](super::LogConfig) and the segment's size; where a
//! segment has no such room, because one huge record filled it or an earlier version wrote it, the note
//! goes into the next, as an outcome would.

use std::collections::VecDeque;

use super::append::check_size;
use super::error::Error;
use super::footer::Footer;
use super::format::{RecordHeader, RecordKind, blocks};
use super::group::GROUP_OVERHEAD_SIZE;
use super::log::Log;
use crate::base::limits::{NOTE_SEGMENT_SHARE, NOTE_SIZE_MAX};

/// How much a note says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteScope {
    /// Something more, beside what stands before it.
    Addition,
    /// All that still matters of the log before it.
    Summary,
}

impl NoteScope {
    fn encode(self) -> u16 {
        u16::from(self == NoteScope::Summary)
    }

    pub(super) fn decode(target: u16) -> NoteScope {
        if target == 1 { NoteScope::Summary } else { NoteScope::Addition }
    }
}

/// Where the summaries stand.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The generation that holds the newest durable one; 0: there is none.
    durable: u32,
    /// Those that are not: generation and group, oldest first.
    under_way: VecDeque<(u32, u64)>,
}

impl Notes {
    fn newest(&self) -> u32 {
        self.under_way.back().map_or(self.durable, |(generation, _)| *generation)
    }

    /// All groups up to this one are durable.
    pub(super) fn confirm(&mut self, confirmed: u64) {
        while let Some((generation, _)) = self.under_way.pop_front_if(|note| note.1 <= confirmed) {
            self.durable = generation;
        }
    }

    /// One was found at opening, by which it is durable.
    pub(super) fn found(&mut self, generation: u32, scope: NoteScope) {
        if scope == NoteScope::Summary {
            self.durable = generation;
        }
    }
}

fn header(size: usize, scope: NoteScope) -> RecordHeader {
    RecordHeader {
        target: scope.encode(),
        metadata_size: size as u32,
        ..RecordHeader::new(RecordKind::Note)
    }
}

impl Log {
    /// Whether a summary is asked for: a segment has been begun that has none. The answer is a
    /// [`Log::note_request`].
    #[inline]
    pub fn wants_note(&self) -> bool {
        self.failure.is_none() && self.active.is_some_and(|active| self.lacks_note(active))
    }

    /// Octets that a note may have.
    pub fn note_size_max(&self) -> usize {
        self.active.map_or(0, |active| self.note_size_max_in(active))
    }

    /// Appends a note, of at most [`Log::note_size_max`] octets. Confirmed when a ticket is given. A
    /// summary counts all that was appended before it.
    ///
    /// # Errors
    /// `Full`: even the reserve is used up. `TooLarge`; also where the note would have to go into a segment
    /// with less room for one, and [`Log::note_size_max`] says less from then on. `Closed`.
    pub fn note_request(
        &mut self,
        ticket: Option<u64>,
        octets: &[u8],
        scope: NoteScope,
    ) -> Result<(), Error> {
        check_size("a note", octets.len(), NOTE_SIZE_MAX)?;
        let header = header(octets.len(), scope);
        let (segment, offset) = self.place(&header, true)?;
        self.push(segment, offset, &header, octets, &[], &[]);
        if let Some(ticket) = ticket {
            self.note_ticket(ticket);
        }
        let generation = self.segments[segment].generation;
        if scope == NoteScope::Summary && self.notes.newest() < generation {
            self.notes.under_way.push_back((generation, self.next_sequence - 1));
        }
        Ok(())
    }

    /// Whether what a segment said stands in a later one.
    pub(super) fn is_summed_up(&self, generation: u32) -> bool {
        self.config.note_size_max == 0 || generation < self.notes.durable
    }

    /// The oldest segment has nothing before it to be summed up.
    #[inline]
    fn lacks_note(&self, segment: usize) -> bool {
        self.config.note_size_max > 0
            && self.order.front() != Some(&segment)
            && self.notes.newest() < self.segments[segment].generation
    }

    fn note_size_max_in(&self, segment: usize) -> usize {
        let share = self.segments[segment].size / NOTE_SEGMENT_SHARE;
        self.config.note_size_max.min(NOTE_SIZE_MAX).min(share as usize)
    }

    /// Where groups must end in a segment, octets, when a record of `kind` adds `entry_size` octets to its
    /// footer: before the room that is kept for its note.
    pub(super) fn limit(&self, segment: usize, kind: RecordKind, entry_size: usize) -> u64 {
        let (mut footer, mut group) = (entry_size, 0);
        if kind != RecordKind::Note && self.lacks_note(segment) {
            let note = header(self.note_size_max_in(segment), NoteScope::Summary);
            footer += Footer::entry_size(&note);
            group = blocks(GROUP_OVERHEAD_SIZE + note.padded_size());
        }
        self.segments[segment].limit_with(footer).saturating_sub(group as u64)
    }
}
