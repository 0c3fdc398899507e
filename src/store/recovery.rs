//! Opening a log: which segments belong to it, where it ends, and what is live.
//!
//! The walk goes through the segments by generation. A sealed segment with a whole footer is taken from
//! that, and its bodies are not looked at; any other is walked group by group. The first group that does
//! not verify, or breaks the rule of incarnation and sequence, is where the log ended: nothing behind it
//! was confirmed. That is checked too: a group behind the end which says that more had been confirmed
//! means damage, and the log does not open.

use std::io;
use std::path::{Path, PathBuf};

use smallvec::SmallVec;

use super::error::Error;
use super::format::{
    CHUNK_POSITION_SIZE, ChunkPosition, FOOTER_ENTRY_SIZE, FooterTrailer, GROUP_HEAD_SIZE,
    GroupHead, HEADER_BLOCK_SIZE, RECORD_HEADER_SIZE, RecordHeader, RecordKind,
    SEGMENT_HEADER_SIZE, SEGMENT_MAGIC, SegmentHeader, u64_at, verify_group,
};
use super::log::Log;
use super::message::{Message, TargetState};
use super::note::NoteScope;
use super::segment::Segment;
use super::superblock::check_identity;
use super::{LogConfig, MessageReference, Outcome, Superblock};
use crate::base::limits::{
    COMMIT_IN_FLIGHT_COUNT_MAX, GROUP_BUFFER_SIZE, SEGMENT_SIZE_MIN, SPARE_SEGMENT_COUNT,
    STORE_BLOCK_SIZE,
};
use crate::io::Engine;

/// Called with what a log holds.
type Visit<'a> = &'a mut dyn FnMut(Entry<'_>);

/// A message that was live when its log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredMessage {
    /// Its name, as it was.
    pub reference: MessageReference,
    /// As it was appended.
    pub metadata: Vec<u8>,
    /// Octets, chunks included.
    pub body_size: u64,
    /// Its targets' states, by index; `Attempted` is in doubt.
    pub targets: SmallVec<[TargetState; 8]>,
}

/// What a log holds of something that need not live any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The metadata of a message, live or dead.
    Message(&'a [u8]),
    /// A note.
    Note(&'a [u8]),
}

/// How far the walk has come.
struct Walk {
    /// The sequence number of the next group; unknown before the first.
    expected: Option<u64>,
    /// Of the last group.
    incarnation: u64,
    /// The store's, now.
    incarnation_max: u64,
    ended: bool,
}

impl Walk {
    /// Whether a group comes next.
    fn takes(&self, sequence: u64, incarnation: u64) -> bool {
        self.expected.is_none_or(|expected| expected == sequence)
            && (self.incarnation..=self.incarnation_max).contains(&incarnation)
    }
}

/// A segment file that was found.
struct Found<I> {
    header: SegmentHeader,
    index: usize,
    image: I,
    /// Where each message's metadata stands in the image.
    metadata_at: Vec<usize>,
}

impl Log {
    /// Opens log `number`, or makes it, and finds its live messages in the order in which they were
    /// appended. Blocks; then give its operations to the engine ([`Log::poll_operation`]).
    ///
    /// # Errors
    /// `Io`; `Configuration`; `Foreign`, `NewerFormat`, `Damaged` name file, found and expected.
    pub fn open<E: Engine>(
        engine: &mut E,
        directory: &Path,
        superblock: &Superblock,
        number: u16,
        config: &LogConfig,
    ) -> Result<(Log, Vec<RecoveredMessage>), Error> {
        Log::open_visiting(engine, directory, superblock, number, config, &mut |_| ())
    }

    /// As [`Log::open`], and shows `visit` every message and note that the log holds, in the order in
    /// which they were appended.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_visiting<E: Engine>(
        engine: &mut E,
        directory: &Path,
        superblock: &Superblock,
        number: u16,
        config: &LogConfig,
        visit: Visit<'_>,
    ) -> Result<(Log, Vec<RecoveredMessage>), Error> {
        let mut log = Log::empty(directory.to_owned(), superblock, number, *config)?;
        let mut found = log.find_segments(engine)?;
        log.check_generations(&found)?;
        log.order.extend(found.iter().map(|found| found.index));
        let mut walk =
            Walk { expected: None, incarnation: 0, incarnation_max: log.incarnation, ended: false };
        for segment in &mut found {
            log.walk_segment(segment, &mut walk, visit)?;
        }
        log.next_sequence = walk.expected.unwrap_or(1);
        log.confirmed = log.next_sequence - 1;
        let recovered = log.recovered(&found)?;
        for index in 0..log.segments.len() {
            log.write_footer_if_confirmed(index);
        }
        while log.segments.len() < SPARE_SEGMENT_COUNT {
            let name = log.take_name();
            let path = log.segment_path(name);
            let size = log.config.segment_size;
            let file = engine.create_file(&path, size).map_err(failed(&path))?;
            log.segments.push(Segment::fresh(file, name, size));
            log.fresh.push(log.segments.len() - 1);
        }
        log.prepare();
        Ok((log, recovered))
    }

    /// Opens and classes every file of this log; those with a generation are returned, oldest first.
    fn find_segments<E: Engine>(&mut self, engine: &mut E) -> Result<Vec<Found<E::Image>>, Error> {
        let names = engine.list_files(&self.directory).map_err(failed(&self.directory))?;
        let prefix = format!("log-{:02}-", self.number);
        let mut found = Vec::new();
        for name in &names {
            let digits = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".seg"));
            let Some(name) = digits.and_then(|digits| digits.parse::<u32>().ok()) else { continue };
            self.next_name = self.next_name.max(name.saturating_add(1));
            let path = self.segment_path(name);
            let file = engine.open_file(&path).map_err(failed(&path))?;
            let image = engine.map_file(file).map_err(failed(&path))?;
            let size = image.len() as u64;
            let start = image.get(..SEGMENT_HEADER_SIZE).unwrap_or(&image);
            if start.iter().all(|octet| *octet == 0) {
                // Made, and never taken into use; perhaps not even made to the end.
                if size >= SEGMENT_SIZE_MIN && size == self.config.segment_size {
                    self.segments.push(Segment::fresh(file, name, size));
                    self.fresh.push(self.segments.len() - 1);
                } else {
                    self.blank_names.push(name);
                }
                continue;
            }
            check_identity(&path, start, &SEGMENT_MAGIC)?;
            let header = SegmentHeader::decode(start).ok_or_else(|| Error::Damaged {
                file: path.clone(),
                offset: 0,
                what: "the segment header's CRC does not hold",
            })?;
            self.check_header(&path, &header, size)?;
            let mut segment = Segment::fresh(file, name, size);
            segment.renew(header.generation);
            segment.header_durable = true;
            self.segments.push(segment);
            let index = self.segments.len() - 1;
            found.push(Found { header, index, image, metadata_at: Vec::new() });
        }
        found.sort_by_key(|found| found.header.generation);
        Ok(found)
    }

    fn check_header(&self, path: &Path, header: &SegmentHeader, size: u64) -> Result<(), Error> {
        let differing = [
            ("store UUID", hexadecimal(&header.uuid), hexadecimal(&self.uuid)),
            ("log number", header.log.to_string(), self.number.to_string()),
            ("size", size.to_string(), header.size.to_string()),
        ];
        match differing.into_iter().find(|(_, found, expected)| found != expected) {
            None => Ok(()),
            Some((what, found, expected)) => {
                Err(Error::Foreign { file: path.to_owned(), what, found, expected })
            }
        }
    }

    /// Every generation from the oldest that the newest knows of must be there, once.
    fn check_generations<I>(&self, found: &[Found<I>]) -> Result<(), Error> {
        let Some(newest) = found.last() else { return Ok(()) };
        let expected = newest.header.oldest..=newest.header.generation;
        let generations = found.iter().map(|found| found.header.generation);
        if generations.eq(expected) {
            return Ok(());
        }
        Err(Error::Damaged {
            file: self.segment_path(self.segments[newest.index].name),
            offset: 0,
            what: "the log lacks a segment that this one follows",
        })
    }

    fn walk_segment<I: std::ops::Deref<Target = [u8]>>(
        &mut self,
        found: &mut Found<I>,
        walk: &mut Walk,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let generation = found.header.generation;
        if let Some((trailer, start, end)) = FooterTrailer::decode(&found.image, generation) {
            if walk.ended || !walk.takes(trailer.first_sequence, trailer.incarnation) {
                let what = "a sealed segment does not follow the one before";
                return Err(self.damaged(found.index, start, what));
            }
            self.restore_footer(found, start..end, visit)?;
            let segment = &mut self.segments[found.index];
            segment.sealed = true;
            segment.footer = None;
            segment.note_group(trailer.first_sequence, trailer.incarnation);
            segment.note_group(trailer.last_sequence, trailer.incarnation);
            segment.end = start as u64;
            segment.confirmed_end = start as u64;
            walk.expected = Some(trailer.last_sequence.saturating_add(1));
            walk.incarnation = trailer.incarnation;
            self.take_as_active(found.index);
            return Ok(());
        }
        let mut at = HEADER_BLOCK_SIZE as usize;
        while !walk.ended {
            let group = found.image.get(at..).and_then(|octets| verify_group(octets, generation));
            let Some(group) = group else { break };
            let head = group.head;
            if !walk.takes(head.sequence, head.incarnation) {
                break;
            }
            let records = at + GROUP_HEAD_SIZE..at + group.records_end;
            self.restore_group(found, records, visit)?;
            at += group.padded_size;
            walk.expected = Some(head.sequence.saturating_add(1));
            walk.incarnation = head.incarnation;
            let segment = &mut self.segments[found.index];
            segment.note_group(head.sequence, head.incarnation);
            segment.end = at as u64;
            segment.confirmed_end = at as u64;
        }
        self.check_end(found, at, walk)?;
        if at == HEADER_BLOCK_SIZE as usize {
            // Nothing here: the log ended before this segment.
            walk.ended = true;
        } else {
            self.take_as_active(found.index);
        }
        Ok(())
    }

    fn take_as_active(&mut self, index: usize) {
        if let Some(former) = self.active.replace(index) {
            self.segments[former].sealed = true;
        }
    }

    /// Whether a group behind the end speaks of more than was found.
    fn check_end<I: std::ops::Deref<Target = [u8]>>(
        &self,
        found: &Found<I>,
        end: usize,
        walk: &Walk,
    ) -> Result<(), Error> {
        let Some(expected) = walk.expected else { return Ok(()) };
        let reach = end + GROUP_BUFFER_SIZE * (COMMIT_IN_FLIGHT_COUNT_MAX + 1);
        let limit = found.image.len().min(reach);
        for at in (end..limit).step_by(STORE_BLOCK_SIZE) {
            let head = found.image.get(at..).and_then(GroupHead::decode);
            let head = head.filter(|head| head.generation == found.header.generation);
            if head.is_some_and(|head| head.confirmed >= expected) {
                return Err(Error::Damaged {
                    file: self.segment_path(self.segments[found.index].name),
                    offset: end as u64,
                    what: "a confirmed group is missing before a later one",
                });
            }
        }
        Ok(())
    }

    fn restore_footer<I: std::ops::Deref<Target = [u8]>>(
        &mut self,
        found: &mut Found<I>,
        entries: std::ops::Range<usize>,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let mut at = entries.start;
        while at < entries.end {
            let entry = found.image.get(at..entries.end).unwrap_or(&[]);
            let offset = u64_at(entry, 0).and_then(|offset| u32::try_from(offset).ok());
            let header = entry.get(8..).and_then(RecordHeader::decode);
            let (Some(offset), Some(header)) = (offset, header) else {
                return Err(self.damaged(found.index, at, "a footer entry does not parse"));
            };
            let size = FOOTER_ENTRY_SIZE + header.description_size();
            if entry.len() < size {
                return Err(self.damaged(found.index, at, "a footer entry is cut short"));
            }
            self.restore_record(found, offset, &header, at + FOOTER_ENTRY_SIZE, visit)?;
            at += size;
        }
        Ok(())
    }

    fn restore_group<I: std::ops::Deref<Target = [u8]>>(
        &mut self,
        found: &mut Found<I>,
        records: std::ops::Range<usize>,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let mut at = records.start;
        while at < records.end {
            let header = found.image.get(at..).and_then(RecordHeader::decode);
            let Some(header) = header else {
                return Err(self.damaged(found.index, at, "a record does not parse"));
            };
            let description = at + RECORD_HEADER_SIZE;
            if header.kind != RecordKind::Chunk
                && let Some(footer) = &mut self.segments[found.index].footer
            {
                let end = description + header.description_size();
                let octets = found.image.get(description..end).unwrap_or(&[]);
                footer.add(&mut self.footer_buffers, at as u32, &header, &[octets]);
            }
            self.restore_record(found, at as u32, &header, description, visit)?;
            at += header.padded_size();
        }
        Ok(())
    }

    /// Takes up a record again; `description` is where its metadata stands in the image.
    fn restore_record<I: std::ops::Deref<Target = [u8]>>(
        &mut self,
        found: &mut Found<I>,
        offset: u32,
        header: &RecordHeader,
        description: usize,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let metadata = description..description + header.metadata_size as usize;
        let metadata = found.image.get(metadata).unwrap_or(&[]);
        match header.kind {
            RecordKind::Message => {
                visit(Entry::Message(metadata));
                let at = description + header.metadata_size as usize;
                let end = description + header.description_size();
                let positions = found.image.get(at..end).unwrap_or(&[]);
                let positions = positions.chunks_exact(CHUNK_POSITION_SIZE);
                let chunks: Vec<ChunkPosition> =
                    positions.filter_map(ChunkPosition::decode).collect();
                for chunk in &chunks {
                    // Where it is missing, the message's last outcome is still to be read.
                    if let Some(segment) = self.segment_of(chunk.generation) {
                        self.segments[segment].live_count += 1;
                    }
                }
                let chunked = chunks.iter().fold(0u32, |sum, chunk| sum.saturating_add(chunk.size));
                let message = Message::new(
                    offset,
                    header.metadata_size,
                    chunked.saturating_add(header.body_size),
                    header.target,
                    header.extra,
                    chunks,
                    &mut self.extended,
                );
                self.enter(found.index, message);
                found.metadata_at.push(description);
            }
            RecordKind::Outcome => {
                let Some(outcome) = Outcome::decode(header.outcome) else {
                    let at = offset as usize;
                    return Err(self.damaged(found.index, at, "an outcome of no known kind"));
                };
                // The message's segment may have been recycled since.
                if let Some(segment) = self.segment_of(header.generation) {
                    self.settle(segment, header.extra as usize, header.target, outcome, 0);
                }
            }
            RecordKind::Note => {
                visit(Entry::Note(metadata));
                let generation = self.segments[found.index].generation;
                self.notes.found(generation, NoteScope::decode(header.target));
            }
            RecordKind::Chunk | RecordKind::Tail => {}
        }
        Ok(())
    }

    fn recovered<I: std::ops::Deref<Target = [u8]>>(
        &self,
        found: &[Found<I>],
    ) -> Result<Vec<RecoveredMessage>, Error> {
        let mut recovered = Vec::with_capacity(self.counters.live_messages as usize);
        for found in found {
            let segment = &self.segments[found.index];
            for (index, (message, at)) in
                segment.messages.iter().zip(&found.metadata_at).enumerate()
            {
                if !message.live {
                    continue;
                }
                let chunks =
                    message.extended(&self.extended).map_or(&[][..], |apart| &apart.chunks);
                if chunks.iter().any(|chunk| self.segment_of(chunk.generation).is_none()) {
                    let at = message.offset as usize;
                    return Err(self.damaged(found.index, at, "a live message lacks a chunk"));
                }
                let metadata = found.image.get(*at..*at + message.metadata_size as usize);
                let state = |target| message.state(target, &self.extended);
                recovered.push(RecoveredMessage {
                    reference: MessageReference {
                        generation: segment.generation,
                        index: index as u32,
                        log: self.number,
                    },
                    metadata: metadata.unwrap_or(&[]).to_vec(),
                    body_size: u64::from(message.body_size),
                    targets: (0..message.target_count).filter_map(state).collect(),
                });
            }
        }
        Ok(recovered)
    }

    fn damaged(&self, index: usize, offset: usize, what: &'static str) -> Error {
        let file = self.segment_path(self.segments[index].name);
        Error::Damaged { file, offset: offset as u64, what }
    }
}

fn failed(file: &Path) -> impl FnOnce(io::Error) -> Error {
    let file: PathBuf = file.to_owned();
    move |source| Error::Io { file, source }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
