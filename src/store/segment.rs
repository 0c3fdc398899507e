//! A segment in memory: its file, its messages, and what still holds it.

use super::footer::Footer;
use super::format::HEADER_BLOCK_SIZE;
use super::message::Message;
use crate::io::File;

/// One segment of a log that has a file.
pub(super) struct Segment {
    pub(super) file: File,
    /// The number in its file name.
    pub(super) name: u32,
    pub(super) size: u64,
    pub(super) generation: u32,
    /// Whether its header, of this generation, is durable.
    pub(super) header_durable: bool,
    /// In the order of their records.
    pub(super) messages: Vec<Message>,
    /// Live messages, and chunks that are kept for a transfer or a live message.
    pub(super) live_count: u32,
    /// Reads and writes under way.
    pub(super) under_way_count: u32,
    /// Where the next group goes, octets.
    pub(super) end: u64,
    /// Up to where its groups are confirmed, octets.
    pub(super) confirmed_end: u64,
    /// First and last group in it.
    pub(super) sequences: Option<(u64, u64)>,
    /// In which the last of them was written.
    pub(super) incarnation: u64,
    /// The group whose outcome ended the last message that lived here.
    pub(super) last_death: u64,
    /// Gathered until the segment is sealed and confirmed; then on its way to disk.
    pub(super) footer: Option<Footer>,
    /// Whether no more groups go here.
    pub(super) sealed: bool,
}

/// Memory for a segment's messages is set aside as if each took so much of it, octets; smaller ones make
/// it grow.
const MESSAGE_SIZE_EXPECTED: u64 = 1024;

impl Segment {
    /// A segment that has a file and no generation yet.
    pub(super) fn fresh(file: File, name: u32, size: u64) -> Segment {
        Segment {
            file,
            name,
            size,
            generation: 0,
            header_durable: false,
            messages: Vec::with_capacity((size / MESSAGE_SIZE_EXPECTED) as usize),
            live_count: 0,
            under_way_count: 0,
            end: HEADER_BLOCK_SIZE,
            confirmed_end: HEADER_BLOCK_SIZE,
            sequences: None,
            incarnation: 0,
            last_death: 0,
            footer: None,
            sealed: false,
        }
    }

    /// Takes it into use for `generation`, keeping its memory.
    pub(super) fn renew(&mut self, generation: u32) {
        self.messages.clear();
        self.generation = generation;
        self.header_durable = false;
        self.live_count = 0;
        self.end = HEADER_BLOCK_SIZE;
        self.confirmed_end = HEADER_BLOCK_SIZE;
        self.sequences = None;
        self.last_death = 0;
        self.footer = Some(Footer::default());
        self.sealed = false;
    }

    /// Where groups must end, octets, when `more` entry octets join the footer.
    pub(super) fn limit_with(&self, more: usize) -> u64 {
        let footer = self.footer.as_ref().map_or(0, |footer| footer.size_with(more));
        self.size.saturating_sub(footer as u64)
    }

    /// Whether it may be overwritten once all groups up to `confirmed` are durable.
    pub(super) fn is_free(&self, confirmed: u64) -> bool {
        self.live_count == 0
            && self.under_way_count == 0
            && self.sealed
            && self.footer.is_none()
            && self.last_death <= confirmed
    }

    pub(super) fn note_group(&mut self, sequence: u64, incarnation: u64) {
        self.incarnation = incarnation;
        let first = self.sequences.map_or(sequence, |(first, _)| first);
        self.sequences = Some((first, sequence));
    }
}
