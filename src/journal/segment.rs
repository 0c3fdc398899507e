//! The files of a journal: segments of blocks, read without trust.
//!
//! A segment is `NUMBER.events`, sixteen hexadecimal digits that count up. When it is sealed it gets an index,
//! `NUMBER.index`, in one step; without one it is the segment being written, or one that a crash left.
//!
//! ```text
//! magic (8)  format version (4)  zero (4)  begun, ms (8)  blocks
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::block::{BLOCK_HEADER_SIZE, BlockHeader, is_whole};
use super::error::{Error, at};
use crate::base::clock::WallTime;

/// Size of a segment's header, octets.
pub(super) const SEGMENT_HEADER_SIZE: u64 = 24;
/// The version written, and the latest that is read.
pub(super) const FORMAT_VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"P1JOURNL";

/// Where a segment's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    /// Which segment.
    pub(super) number: u64,
    /// Its blocks.
    pub(super) events: PathBuf,
    /// Its index, which need not be there.
    pub(super) index: PathBuf,
}

impl Location {
    pub(super) fn of(directory: &Path, number: u64) -> Location {
        Location {
            number,
            events: directory.join(format!("{number:016x}.events")),
            index: directory.join(format!("{number:016x}.index")),
        }
    }

    /// The segments of a directory, the oldest first.
    pub(super) fn all(directory: &Path) -> Result<Vec<Location>, Error> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(at(directory))? {
            let name = entry.map_err(at(directory))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".events"));
            let number = number.filter(|digits| digits.len() == 16);
            if let Some(number) = number.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
                found.push(Location::of(directory, number));
            }
        }
        found.sort_unstable_by_key(|location| location.number);
        Ok(found)
    }
}

/// A segment's header.
pub(super) fn segment_header(begun: WallTime) -> [u8; SEGMENT_HEADER_SIZE as usize] {
    let mut header = [0; SEGMENT_HEADER_SIZE as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    header[16..].copy_from_slice(&begun.0.to_le_bytes());
    header
}

/// A segment being read from its front, or block by block.
#[derive(Debug)]
pub(super) struct Reading {
    file: File,
    path: PathBuf,
    /// When the segment was begun.
    pub(super) begun: WallTime,
    block: Vec<u8>,
}

/// One block that has been read.
pub(super) struct Block<'a> {
    pub(super) header: BlockHeader,
    /// Where the next one is.
    pub(super) next: u64,
    /// Its records; none when it was not wanted.
    pub(super) records: &'a [u8],
}

impl Reading {
    /// Opens a segment. `None`: it is gone, or was cut off in its header.
    pub(super) fn open(path: &Path) -> Result<Option<Reading>, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(path)(error)),
        };
        let mut header = [0; SEGMENT_HEADER_SIZE as usize];
        match file.read_exact_at(&mut header, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(at(path)(error)),
        }
        let version = u32::from_le_bytes([8, 9, 10, 11].map(|index| header[index]));
        let ours = header[..8] == MAGIC;
        if !ours || version != FORMAT_VERSION {
            let version = if ours { version } else { 0 };
            return Err(Error::Foreign { path: path.to_owned(), version });
        }
        let begun = [16, 17, 18, 19, 20, 21, 22, 23].map(|index| header[index]);
        let begun = WallTime(i64::from_le_bytes(begun));
        Ok(Some(Reading { file, path: path.to_owned(), begun, block: Vec::new() }))
    }

    /// Reads the block at `offset`, its records only when `wanted` says so of its header. `None`: there is no
    /// whole block.
    pub(super) fn block(
        &mut self,
        offset: u64,
        wanted: impl FnOnce(&BlockHeader) -> bool,
    ) -> Result<Option<Block<'_>>, Error> {
        self.block.resize(BLOCK_HEADER_SIZE, 0);
        if !self.fill(0, offset)? {
            return Ok(None);
        }
        let header = self.block.first_chunk().and_then(BlockHeader::read);
        let Some(header) = header else { return Ok(None) };
        let next = offset + (BLOCK_HEADER_SIZE + header.size) as u64;
        if !wanted(&header) {
            return Ok(Some(Block { header, next, records: &[] }));
        }
        self.block.resize(BLOCK_HEADER_SIZE + header.size, 0);
        if !self.fill(BLOCK_HEADER_SIZE, offset)? || !is_whole(&self.block) {
            return Ok(None);
        }
        Ok(Some(Block { header, next, records: &self.block[BLOCK_HEADER_SIZE..] }))
    }

    /// Reads what of the block at `offset` stands behind its first `start` octets; `false`: it ends before.
    fn fill(&mut self, start: usize, offset: u64) -> Result<bool, Error> {
        match self.file.read_exact_at(&mut self.block[start..], offset + start as u64) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(at(&self.path)(error)),
        }
    }

    /// How long the file is now.
    pub(super) fn size(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(at(&self.path))?.len())
    }
}
