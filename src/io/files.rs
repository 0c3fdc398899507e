//! Files as both engines make them: the blocking part, for set-up and for helper threads.
//!
//! Invariants:
//! - A file under its final name is whole and durable: it is made under a name that ends in
//!   [`UNFINISHED_SUFFIX`] and renamed; what a crash leaves under such a name is never listed, and is
//!   overwritten by the next attempt.
//! - Direct I/O is used where the file system takes it, which a read at opening proves; elsewhere
//!   the page cache serves, with the same durability.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{Haste, clocks};
use crate::base::buffer::{BLOCK_ALIGNMENT, Fill, Lease};
use crate::base::limits::{GROUP_BUFFER_SIZE, STORE_BLOCK_SIZE, UNHURRIED_WRITE_SIZE};

/// How the names of unfinished files end.
const UNFINISHED_SUFFIX: &str = ".unfinished";

/// A file open for reading and writing.
#[derive(Debug)]
pub(super) struct OpenFile(File);

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for OpenFile {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Opens a file, for direct I/O if its file system takes it.
pub(super) fn open(path: &Path) -> io::Result<OpenFile> {
    match open_with(path, OFlags::DIRECT) {
        Ok(file) if reads_a_block(&file) => Ok(file),
        Ok(_) => open_with(path, OFlags::empty()),
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            open_with(path, OFlags::empty())
        }
        Err(error) => Err(error),
    }
}

/// Makes a file of `size` octets, whole store blocks, each written once with zero.
///
/// Takes the place of one that is there, whole or not at all; leaves nothing behind on failure. Without haste,
/// it writes a little at a time and rests as long as that took: commits go to the same disk.
pub(super) fn create(
    path: &Path,
    size: u64,
    haste: &Haste,
    system_calls: &AtomicU64,
) -> io::Result<OpenFile> {
    if !size.is_multiple_of(STORE_BLOCK_SIZE as u64) {
        return Err(Errno::INVAL.into());
    }
    let unfinished = unfinished_path(path)?;
    let made = zeroed(&unfinished, size, haste, system_calls).and_then(|file| {
        std::fs::rename(&unfinished, path)?;
        sync_directory_of(path)?;
        system_calls.fetch_add(5, Ordering::Relaxed);
        Ok(file)
    });
    if made.is_err() {
        // The first error is the one to report; the leftover is overwritten by the next attempt.
        let _ = std::fs::remove_file(&unfinished);
    }
    made
}

/// The names in a directory, sorted, without unfinished files; makes the directory if need be.
pub(super) fn list(directory: &Path) -> io::Result<Vec<String>> {
    if !directory.try_exists()? {
        std::fs::create_dir_all(directory)?;
        sync_directory_of(directory)?;
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().into_string().map_err(|name| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{name:?} is not UTF-8"))
        })?;
        if !name.ends_with(UNFINISHED_SUFFIX) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Replaces a small file's octets atomically and durably.
pub(super) fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let unfinished = unfinished_path(path)?;
    let mut file = File::create(&unfinished)?;
    io::Write::write_all(&mut file, octets)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    sync_directory_of(path)
}

/// A file's octets, mapped for reading.
pub(super) fn map(file: &OpenFile) -> io::Result<Mmap> {
    // SAFETY: the store owns its files: nobody shortens one while it is mapped, and what is appended
    // meanwhile lies beyond the records that a reader has been told of.
    unsafe { Mmap::map(&file.0) }
}

/// Refuses a write that is not of whole, aligned store blocks.
pub(super) fn check_write(offset: u64, octets: &Lease) -> io::Result<()> {
    check_blocks(offset, octets.len(), octets.as_ptr())
}

/// Refuses a read that is not of whole, aligned store blocks, or does not fit.
pub(super) fn check_read(offset: u64, size: usize, into: &mut Fill) -> io::Result<()> {
    if size > into.remaining() {
        return Err(Errno::INVAL.into());
    }
    check_blocks(offset, size, into.spare_mut().as_ptr())
}

fn check_blocks(offset: u64, size: usize, memory: *const u8) -> io::Result<()> {
    let aligned = offset.is_multiple_of(STORE_BLOCK_SIZE as u64)
        && size.is_multiple_of(STORE_BLOCK_SIZE)
        && (memory as usize).is_multiple_of(BLOCK_ALIGNMENT);
    if aligned { Ok(()) } else { Err(Errno::INVAL.into()) }
}

fn open_with(path: &Path, flags: OFlags) -> io::Result<OpenFile> {
    let flags = flags | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(OpenFile(File::from(file)))
}

fn reads_a_block(file: &OpenFile) -> bool {
    let mut block = Fill::with_capacity(STORE_BLOCK_SIZE);
    rustix::io::pread(file, block.spare_mut(), 0).is_ok()
}

fn zeroed(path: &Path, size: u64, haste: &Haste, system_calls: &AtomicU64) -> io::Result<OpenFile> {
    File::create(path)?;
    let file = open(path)?;
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size.max(1)) {
        // Where extents cannot be reserved, writing them once does what is needed.
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    rustix::fs::ftruncate(&file, size)?;
    let mut zeros = Fill::with_capacity(GROUP_BUFFER_SIZE);
    zeros.advance(GROUP_BUFFER_SIZE);
    let mut offset = 0;
    while offset < size {
        let is_hasty = haste.is_set();
        let piece_size = if is_hasty { GROUP_BUFFER_SIZE } else { UNHURRIED_WRITE_SIZE };
        let count = (size - offset).min(piece_size as u64) as usize;
        let begun = clocks::instant();
        offset += rustix::io::pwrite(&file, &zeros.octets()[..count], offset)? as u64;
        if !is_hasty {
            std::thread::sleep(clocks::instant().since(begun));
        }
        system_calls.fetch_add(1 + u64::from(!is_hasty), Ordering::Relaxed);
    }
    file.0.sync_all()?;
    system_calls.fetch_add(7, Ordering::Relaxed);
    Ok(file)
}

fn unfinished_path(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(Errno::INVAL)?;
    let mut name = name.to_os_string();
    name.push(UNFINISHED_SUFFIX);
    Ok(path.with_file_name(name))
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unfinished_is_not_listed_and_not_in_the_way() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("made");
        assert!(list(&directory).unwrap().is_empty());
        std::fs::write(directory.join("b.unfinished"), b"half").unwrap();
        let calls = AtomicU64::new(0);
        let size = 2 * GROUP_BUFFER_SIZE as u64 + 4096;
        create(&directory.join("b"), size, &Haste::default(), &calls).unwrap();
        replace(&directory.join("a"), b"small").unwrap();
        replace(&directory.join("a"), b"other").unwrap();
        std::fs::write(directory.join("c.unfinished"), b"half").unwrap();
        assert_eq!(list(&directory).unwrap(), ["a", "b"]);
        assert_eq!(std::fs::read(directory.join("a")).unwrap(), b"other");
        let made = std::fs::read(directory.join("b")).unwrap();
        assert_eq!(made.len(), 2 * GROUP_BUFFER_SIZE + 4096);
        assert!(made.iter().all(|octet| *octet == 0));
        assert!(calls.into_inner() >= 3);
    }

    #[test]
    fn creating_replaces_what_exists_and_refuses_odd_sizes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let calls = AtomicU64::new(0);
        let odd = create(&path, 4097, &Haste::default(), &calls).unwrap_err();
        assert_eq!(odd.kind(), io::ErrorKind::InvalidInput);
        create(&path, 0, &Haste::default(), &calls).unwrap();
        assert!(map(&open(&path).unwrap()).unwrap().is_empty());
        create(&path, 4096, &Haste::default(), &calls).unwrap();
        assert_eq!(map(&open(&path).unwrap()).unwrap().len(), 4096);
    }
}
