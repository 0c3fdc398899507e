//! The index of a sealed segment: where the blocks are that hold a key.
//!
//! ```text
//! magic (8)  format version (4)  CRC32C of the next three (4)  earliest time, ms (8)
//! latest time, ms (8)  count of entries (8)  entries
//! ```
//!
//! An entry is the hash of a key and, in its lower half, the offset of a block: 8 octets, little-endian, sorted
//! as numbers, each once. It takes its place by a rename, whole, and never changes; so it can be mapped, and is
//! searched by halving.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use memmap2::Mmap;

use super::error::{Error, at};
use super::segment::FORMAT_VERSION;
use crate::base::clock::WallTime;

const HEADER_SIZE: usize = 40;
const MAGIC: [u8; 8] = *b"P1JINDEX";
/// Entries that are written at a time.
const ENTRY_COUNT_PER_WRITE: usize = 8192;

/// The time that a segment covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) earliest: WallTime,
    pub(super) latest: WallTime,
}

impl Span {
    /// Nothing yet.
    pub(super) const NONE: Span = Span { earliest: WallTime(i64::MAX), latest: WallTime(i64::MIN) };

    /// Covers another stretch too.
    pub(super) fn extend(&mut self, earliest: WallTime, latest: WallTime) {
        self.earliest = self.earliest.min(earliest);
        self.latest = self.latest.max(latest);
    }

    /// Whether it has any of the time between two bounds.
    pub(super) fn meets(&self, since: Option<WallTime>, until: Option<WallTime>) -> bool {
        since.is_none_or(|since| self.latest >= since)
            && until.is_none_or(|until| self.earliest <= until)
    }
}

/// An entry.
pub(super) fn entry(hash: u32, block: u64) -> u64 {
    u64::from(hash) << 32 | block & u64::from(u32::MAX)
}

/// Writes an index of sorted entries; gives its size.
pub(super) fn write(path: &Path, span: Span, entries: &[u64]) -> Result<u64, Error> {
    let mut header = [0; HEADER_SIZE];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    header[16..24].copy_from_slice(&span.earliest.0.to_le_bytes());
    header[24..32].copy_from_slice(&span.latest.0.to_le_bytes());
    header[32..].copy_from_slice(&(entries.len() as u64).to_le_bytes());
    let crc = crc32c::crc32c(&header[16..]);
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    let unfinished = path.with_extension("index-unfinished");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&unfinished)?;
        file.write_all(&header)?;
        let mut octets = Vec::with_capacity(8 * ENTRY_COUNT_PER_WRITE);
        for entries in entries.chunks(ENTRY_COUNT_PER_WRITE) {
            octets.clear();
            entries.iter().for_each(|entry| octets.extend_from_slice(&entry.to_le_bytes()));
            file.write_all(&octets)?;
        }
        std::fs::rename(&unfinished, path)
    };
    write().map_err(at(path))?;
    Ok((HEADER_SIZE + 8 * entries.len()) as u64)
}

/// An index that is searched.
#[derive(Debug)]
pub(super) struct Index {
    map: Mmap,
    /// The time that its segment covers.
    pub(super) span: Span,
    /// Its size, octets.
    pub(super) size: u64,
}

impl Index {
    /// Opens an index. `None`: it is not there.
    pub(super) fn open(path: &Path) -> Result<Option<Index>, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(path)(error)),
        };
        // SAFETY: an index takes its name when it is complete; nobody changes or shortens it after that, and a
        // map outlives the removal of its file.
        let map = unsafe { Mmap::map(&file) }.map_err(at(path))?;
        let damaged = || Error::Damaged { path: path.to_owned(), offset: 0 };
        let header: &[u8; HEADER_SIZE] = map.first_chunk().ok_or_else(damaged)?;
        let version = u32::from_le_bytes([8, 9, 10, 11].map(|index| header[index]));
        if header[..8] != MAGIC || version != FORMAT_VERSION {
            return Err(Error::Foreign { path: path.to_owned(), version });
        }
        let crc = u32::from_le_bytes([12, 13, 14, 15].map(|index| header[index]));
        let (words, _) = header[16..].as_chunks();
        let [earliest, latest, count] = [0, 1, 2].map(|index| i64::from_le_bytes(words[index]));
        let size = map.len() as u64;
        if crc != crc32c::crc32c(&header[16..])
            || (count as u64).checked_mul(8) != Some(size - HEADER_SIZE as u64)
        {
            return Err(damaged());
        }
        let span = Span { earliest: WallTime(earliest), latest: WallTime(latest) };
        Ok(Some(Index { map, span, size }))
    }

    /// The offsets of the blocks that may hold a key, in their order.
    pub(super) fn blocks(&self, hash: u32) -> impl Iterator<Item = u64> + '_ {
        let (entries, _) = self.map[HEADER_SIZE..].as_chunks();
        let first = entries.partition_point(|it| u64::from_le_bytes(*it) < entry(hash, 0));
        let entries = entries[first..].iter().map(|it| u64::from_le_bytes(*it));
        entries
            .take_while(move |entry| entry >> 32 == u64::from(hash))
            .map(|entry| entry & u64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_written_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.index");
        let mut entries: Vec<u64> = [(7, 24), (7, 4000), (u32::MAX, 24), (0, 24), (9, 80)]
            .map(|(hash, at)| entry(hash, at))
            .to_vec();
        entries.sort_unstable();
        let span = Span { earliest: WallTime(-5), latest: WallTime(9) };
        assert!(Index::open(&path).unwrap().is_none());
        let size = write(&path, span, &entries).unwrap();
        let index = Index::open(&path).unwrap().unwrap();
        assert_eq!((index.span, index.size), (span, size));
        let blocks = |hash| index.blocks(hash).collect::<Vec<u64>>();
        assert_eq!(blocks(7), [24, 4000]);
        assert_eq!(blocks(u32::MAX), [24]);
        assert_eq!(blocks(0), [24]);
        assert!(blocks(8).is_empty() && blocks(1).is_empty());
    }

    #[test]
    fn a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.index");
        write(&path, Span::NONE, &[entry(1, 2), entry(3, 4)]).unwrap();
        let octets = std::fs::read(&path).unwrap();
        for size in 1..octets.len() {
            std::fs::write(&path, &octets[..size]).unwrap();
            assert!(Index::open(&path).is_err(), "{size} octets were taken");
        }
        let mut changed = octets.clone();
        changed[20] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        assert!(matches!(Index::open(&path), Err(Error::Damaged { .. })));
    }
}
