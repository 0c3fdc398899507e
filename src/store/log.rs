//! A log: its state, and which segment is written, prepared, or recycled.
//!
//! Invariants:
//! - `order` holds the segments in use by consecutive generations, oldest first; those behind the active
//!   one are prepared: their headers are durable or under way, and they hold no group.
//! - Only one header is under way at a time, so that after a crash generations have no gap.
//! - The oldest segment alone is recycled, and where notes are kept only when one in a later segment is
//!   durable.
//! - Messages fill at most `segment_count_max - 1` segments; behind them one is always kept, or made,
//!   for the outcomes that free the others, and for messages that settle larger ones.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use slab::Slab;

use super::commit::{ClosedGroup, Commit, FooterPiece, UnderWay};
use super::error::Error;
use super::footer::FooterBuffers;
use super::format::{CHUNK_POSITION_SIZE, HEADER_BLOCK_SIZE, SegmentHeader};
use super::group::GroupWriter;
use super::message::Extended;
use super::note::Notes;
use super::segment::Segment;
use super::{Confirm, LogConfig, Superblock};
use crate::base::buffer::{Fill, Pool};
use crate::base::clock::Instant;
use crate::base::durations::Stages;
use crate::base::limits::{
    CHUNK_COUNT_MAX, CHUNK_SIZE, METADATA_SIZE_MAX, SEGMENT_SIZE_MIN, SPARE_SEGMENT_COUNT,
    STORE_BLOCK_SIZE,
};
use crate::io::{Haste, Operation};

/// Size of one fetch buffer, octets: the largest record and what blocks add on both sides.
const FETCH_BUFFER_SIZE: usize =
    CHUNK_SIZE + METADATA_SIZE_MAX + CHUNK_COUNT_MAX * CHUNK_POSITION_SIZE + 3 * STORE_BLOCK_SIZE;

/// What a log has done and holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records appended since opening.
    pub records: u64,
    /// Octets of metadata and bodies appended since opening.
    pub octets_appended: u64,
    /// Octets given to the disk since opening, with padding, headers and footers.
    pub octets_written: u64,
    /// Groups made durable since opening.
    pub commits: u64,
    /// Segments overwritten since opening.
    pub segments_recycled: u64,
    /// Segments that have a file.
    pub segments: u64,
    /// Messages with an open target.
    pub live_messages: u64,
}

/// Groups and operations under way for which memory is set aside at once.
const GROUP_COUNT_EXPECTED: usize = 64;
/// Tickets not yet confirmed for which memory is set aside at once.
const TICKET_COUNT_EXPECTED: usize = 1024;

/// One log of a store, owned by one shard.
pub struct Log {
    pub(super) number: u16,
    pub(super) directory: PathBuf,
    pub(super) uuid: [u8; 16],
    pub(super) incarnation: u64,
    pub(super) config: LogConfig,

    pub(super) segments: Vec<Segment>,
    pub(super) order: VecDeque<usize>,
    /// Segments with a file and without a generation.
    pub(super) fresh: Vec<usize>,
    /// File names without a usable file.
    pub(super) blank_names: Vec<u32>,
    pub(super) next_name: u32,
    pub(super) active: Option<usize>,
    pub(super) header_under_way: bool,
    pub(super) creating: bool,
    /// Whether the segment that is being made is waited for.
    haste: Haste,
    /// The last attempt to make a segment failed; nothing more is tried until somebody needs one.
    pub(super) growth_refused: bool,

    pub(super) extended: Slab<Extended>,
    pub(super) writer: GroupWriter,
    pub(super) group_open: bool,
    pub(super) footer_buffers: FooterBuffers,
    pub(super) fetch_buffers: Pool,
    header_buffers: Pool,

    pub(super) next_sequence: u64,
    pub(super) confirmed: u64,
    pub(super) commits: VecDeque<Commit>,
    pub(super) closed_groups: VecDeque<ClosedGroup>,
    /// Pieces of footers, which wait for one another.
    pub(super) footer_pieces: VecDeque<FooterPiece>,
    pub(super) footer_under_way: bool,
    pub(super) commits_under_way: usize,
    pub(super) tickets: VecDeque<u64>,
    pub(super) open_ticket_count: usize,

    pub(super) under_way: Slab<UnderWay>,
    pub(super) operations: VecDeque<(u32, Operation)>,
    pub(super) confirms: VecDeque<Confirm>,
    pub(super) failure: Option<std::io::ErrorKind>,
    pub(super) counters: Counters,
    /// The time, and where it is written down how long commits take.
    pub(super) now: Instant,
    pub(super) group_begun: Instant,
    pub(super) stages: Arc<Stages>,
    pub(super) next_transfer_key: u64,
    pub(super) notes: Notes,
}

impl Log {
    pub(super) fn empty(
        directory: PathBuf,
        superblock: &Superblock,
        number: u16,
        config: LogConfig,
    ) -> Result<Log, Error> {
        let minimum = [
            ("segment_size", config.segment_size, SEGMENT_SIZE_MIN),
            ("segment_count_max", config.segment_count_max as u64, SPARE_SEGMENT_COUNT as u64 + 1),
            ("group_buffer_count", config.group_buffer_count as u64, 2),
            ("fetch_buffer_count", config.fetch_buffer_count as u64, 1),
        ];
        if let Some((what, found, minimum)) = minimum.into_iter().find(|(_, n, min)| n < min) {
            return Err(Error::Configuration { what, found, minimum });
        }
        let segment_size =
            config.segment_size.next_multiple_of(STORE_BLOCK_SIZE as u64).min(u64::from(u32::MAX));
        Ok(Log {
            number,
            directory,
            uuid: superblock.uuid,
            incarnation: superblock.incarnation,
            config: LogConfig { segment_size, ..config },
            segments: Vec::new(),
            order: VecDeque::new(),
            fresh: Vec::new(),
            blank_names: Vec::new(),
            next_name: 0,
            active: None,
            header_under_way: false,
            creating: false,
            haste: Haste::default(),
            growth_refused: false,
            extended: Slab::new(),
            writer: GroupWriter::new(config.group_buffer_count),
            group_open: false,
            footer_buffers: FooterBuffers::new(),
            fetch_buffers: Pool::new(FETCH_BUFFER_SIZE, config.fetch_buffer_count),
            header_buffers: Pool::new(HEADER_BLOCK_SIZE as usize, 2),
            next_sequence: 1,
            confirmed: 0,
            commits: VecDeque::with_capacity(GROUP_COUNT_EXPECTED),
            closed_groups: VecDeque::with_capacity(GROUP_COUNT_EXPECTED),
            footer_pieces: VecDeque::with_capacity(GROUP_COUNT_EXPECTED),
            footer_under_way: false,
            commits_under_way: 0,
            tickets: VecDeque::with_capacity(TICKET_COUNT_EXPECTED),
            open_ticket_count: 0,
            under_way: Slab::with_capacity(GROUP_COUNT_EXPECTED),
            operations: VecDeque::with_capacity(GROUP_COUNT_EXPECTED),
            confirms: VecDeque::with_capacity(TICKET_COUNT_EXPECTED),
            failure: None,
            counters: Counters::default(),
            now: Instant::default(),
            group_begun: Instant::default(),
            stages: Arc::default(),
            next_transfer_key: 0,
            notes: Notes::default(),
        })
    }

    /// Has it written down in `stages` how long commits take.
    pub fn record_stages(&mut self, stages: &Arc<Stages>) {
        self.stages = Arc::clone(stages);
    }

    /// The time, for what follows.
    #[inline]
    pub fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// The log's number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// What the log has done and holds.
    pub fn counters(&self) -> Counters {
        Counters { segments: self.segments.len() as u64, ..self.counters }
    }

    pub(super) fn segment_path(&self, name: u32) -> PathBuf {
        self.directory.join(format!("log-{:02}-{name:06}.seg", self.number))
    }

    /// The segment that carries `generation`.
    pub(super) fn segment_of(&self, generation: u32) -> Option<usize> {
        let oldest = self.segments.get(*self.order.front()?)?.generation;
        self.order.get(generation.checked_sub(oldest)? as usize).copied()
    }

    /// Segments ready behind the active one.
    pub(super) fn prepared_count(&self) -> usize {
        let Some(active) = self.active else { return self.order.len() };
        let newest = self.order.back().map_or(0, |newest| self.segments[*newest].generation);
        (newest - self.segments[active].generation) as usize
    }

    /// Whether messages can be taken: segments are ready, and one is left for outcomes. At first it takes
    /// some operations until a new log is.
    pub fn is_ready(&self) -> bool {
        let kept = SPARE_SEGMENT_COUNT - 1 + usize::from(self.active.is_none());
        let prepared = self.prepared_count();
        self.failure.is_none() && prepared >= kept && self.has_room_for_messages(prepared)
    }

    /// Whether segments that hold something are fewer than the bound. Outcomes may have gone beyond it,
    /// so those that hold nothing any more and wait to be recycled are not counted.
    fn has_room_for_messages(&self, prepared: usize) -> bool {
        let in_use = self.order.len() - prepared;
        let bound = self.config.segment_count_max;
        in_use < bound
            || in_use - self.order.iter().take_while(|it| self.is_recyclable(**it)).count() < bound
    }

    fn is_recyclable(&self, index: usize) -> bool {
        self.active != Some(index)
            && self.segments[index].is_free(self.confirmed)
            && self.is_summed_up(self.segments[index].generation)
    }

    /// Whether segments are being made ready.
    pub fn is_preparing(&self) -> bool {
        self.header_under_way || self.creating
    }

    /// Seals the active segment and goes on to the next prepared one. Messages leave the last to
    /// outcomes (`urgent`).
    pub(super) fn switch_segment(&mut self, urgent: bool) -> Result<usize, Error> {
        let kept = if urgent { 0 } else { SPARE_SEGMENT_COUNT - 1 };
        if self.prepared_count() <= kept {
            self.growth_refused = false;
            self.prepare();
            return Err(Error::Full);
        }
        let next = match self.active {
            None => self.order.front().copied(),
            Some(active) => self.segment_of(self.segments[active].generation + 1),
        };
        let next = next.ok_or(Error::Full)?;
        if let Some(active) = self.active {
            self.segments[active].sealed = true;
            self.write_footer_if_confirmed(active);
        }
        self.active = Some(next);
        self.prepare();
        Ok(next)
    }

    /// Recycles, takes or makes a segment when too few are ready. The bound on segments holds for
    /// messages; outcomes go beyond it where nothing else would make room again.
    pub(super) fn prepare(&mut self) {
        let bounded = self.segments.len() < self.config.segment_count_max;
        let wanted = SPARE_SEGMENT_COUNT + usize::from(self.active.is_none());
        let prepared = self.prepared_count();
        if prepared >= wanted || self.header_under_way || self.failure.is_some() {
            return;
        }
        let oldest = self.order.front().copied();
        if let Some(index) = oldest.filter(|index| self.is_recyclable(*index)) {
            self.order.pop_front();
            self.counters.segments_recycled += 1;
            self.write_header(index, oldest);
        } else if let Some(index) = self.fresh.pop() {
            self.write_header(index, None);
        } else if (bounded || prepared < SPARE_SEGMENT_COUNT - 1)
            && !self.creating
            && !self.growth_refused
        {
            self.creating = true;
            self.hurry_if_needed();
            let name = self.take_name();
            let token = self.under_way.insert(UnderWay::Create { name }) as u32;
            let (path, size) = (self.segment_path(name), self.config.segment_size);
            let haste = self.haste.clone();
            self.operations.push_back((token, Operation::CreateFile { path, size, haste }));
        }
    }

    /// A segment that is being made may take its time until the active one is half full: commits go to the
    /// same disk.
    pub(super) fn hurry_if_needed(&self) {
        if self.creating {
            let is_half_full = self.active.is_some_and(|active| {
                let segment = &self.segments[active];
                segment.end > segment.size / 2
            });
            self.haste.set(is_half_full || !self.is_ready());
        }
    }

    pub(super) fn take_name(&mut self) -> u32 {
        self.blank_names.pop().unwrap_or_else(|| {
            self.next_name += 1;
            self.next_name - 1
        })
    }

    /// Gives a segment the next generation.
    fn write_header(&mut self, index: usize, recycled: Option<usize>) {
        let last = match (self.order.back(), recycled) {
            (Some(newest), _) => self.segments[*newest].generation,
            (None, Some(recycled)) => self.segments[recycled].generation,
            (None, None) => 0,
        };
        let generation = last + 1;
        let oldest = self.order.front().map_or(generation, |i| self.segments[*i].generation);
        let segment = &mut self.segments[index];
        segment.renew(generation);
        segment.under_way_count += 1;
        let header = SegmentHeader {
            uuid: self.uuid,
            log: self.number,
            generation,
            oldest,
            size: segment.size,
        };
        let (file, size) = (segment.file, HEADER_BLOCK_SIZE as usize);
        let mut fill = self.header_buffers.take().unwrap_or_else(|| Fill::with_capacity(size));
        fill.append(&header.encode());
        let rest = size - fill.filled();
        fill.spare_mut()[..rest].fill(0);
        fill.advance(rest);
        let octets = fill.lease(0..size);
        self.order.push_back(index);
        self.header_under_way = true;
        self.counters.octets_written += size as u64;
        let token = self.under_way.insert(UnderWay::Header { segment: index }) as u32;
        self.operations
            .push_back((token, Operation::Write { file, offset: 0, octets, durable: true }));
    }

    /// Has the footer of a sealed segment written once all its groups are confirmed.
    pub(super) fn write_footer_if_confirmed(&mut self, index: usize) {
        let segment = &mut self.segments[index];
        let Some((first, last)) = segment.sequences else { return };
        if !segment.sealed || last > self.confirmed || self.failure.is_some() {
            return;
        }
        let Some(footer) = segment.footer.take() else { return };
        let mut offset = segment.size - footer.size_with(0) as u64;
        let pieces = footer.finish(
            &mut self.footer_buffers,
            segment.generation,
            (first, last),
            segment.incarnation,
        );
        for octets in pieces {
            segment.under_way_count += 1;
            self.counters.octets_written += octets.len() as u64;
            let size = octets.len() as u64;
            self.footer_pieces.push_back(FooterPiece { segment: index, offset, octets });
            offset += size;
        }
    }
}
