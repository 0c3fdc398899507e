//! A simulated disk: files with a durable image beside what readers see, and crashes at any instant.
//!
//! Invariants:
//! - A durable write is in the durable image from its completion on; any other write only after a sync.
//! - A crash treats each write that is not yet durable, completed or under way, by chance and on its own:
//!   dropped, applied, or torn so that any subset of its 512-octet sectors is applied; and all of them in
//!   any order. A sector is written whole or not at all.
//! - A file under creation may after a crash be missing, empty, short, or whole; its octets are zeros.
//! - Taking a crash image does not disturb the running disk. Images share pages until either writes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::random::Random;
use crate::base::buffer::Lease;

/// What a disk writes whole or not at all, octets.
pub const SECTOR_SIZE: usize = 512;

const PAGE_SIZE: usize = 4096;

type Page = Rc<[u8; PAGE_SIZE]>;

/// Octets in shared pages.
#[derive(Clone, Default)]
struct Octets {
    pages: Vec<Page>,
    size: u64,
}

impl Octets {
    fn zeros(size: u64, zero: &Page) -> Octets {
        let count = size.div_ceil(PAGE_SIZE as u64) as usize;
        Octets { pages: vec![Rc::clone(zero); count], size }
    }

    /// Writes what lies inside the file.
    fn write(&mut self, offset: u64, octets: &[u8]) {
        let room = self.size.saturating_sub(offset).min(octets.len() as u64) as usize;
        let mut written = 0;
        while written < room {
            let at = offset as usize + written;
            let within = at % PAGE_SIZE;
            let count = (PAGE_SIZE - within).min(room - written);
            let page = Rc::make_mut(&mut self.pages[at / PAGE_SIZE]);
            page[within..within + count].copy_from_slice(&octets[written..written + count]);
            written += count;
        }
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        let count = self.size.saturating_sub(offset).min(into.len() as u64) as usize;
        let mut done = 0;
        while done < count {
            let at = offset as usize + done;
            let within = at % PAGE_SIZE;
            let part = (PAGE_SIZE - within).min(count - done);
            into[done..done + part]
                .copy_from_slice(&self.pages[at / PAGE_SIZE][within..within + part]);
            done += part;
        }
        count
    }

    fn to_vec(&self) -> Vec<u8> {
        let mut octets = vec![0; self.size as usize];
        self.read(0, &mut octets);
        octets
    }
}

#[derive(Default)]
struct FileState {
    /// What survives a crash for certain.
    durable: Octets,
    /// What readers see.
    current: Octets,
    /// Completed writes that no sync has covered, oldest first.
    unsynced: Vec<(u64, Lease)>,
}

/// An operation issued and not yet completed.
pub(super) enum UnderWay {
    Write { path: PathBuf, offset: u64, octets: Lease, durable: bool },
    Sync { path: PathBuf },
    Create { path: PathBuf, size: u64 },
    Read { path: PathBuf, offset: u64, size: usize },
}

/// How an operation of the disk completed.
pub(super) enum Completed {
    Done,
    Octets(Vec<u8>),
}

/// Called after every step of the disk with its number.
pub type StepHook = Box<dyn FnMut(u64, &Disk)>;

struct State {
    files: BTreeMap<PathBuf, FileState>,
    under_way: BTreeMap<u64, UnderWay>,
    next_identifier: u64,
    step: u64,
    capacity: Option<u64>,
    write_error: Option<io::ErrorKind>,
    read_error: Option<io::ErrorKind>,
    zero: Page,
}

/// A disk; clones are handles to the same one.
#[derive(Clone)]
pub struct Disk {
    state: Rc<RefCell<State>>,
    hook: Rc<RefCell<Option<StepHook>>>,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk::new()
    }
}

impl Disk {
    /// An empty disk without bound.
    pub fn new() -> Disk {
        Disk {
            state: Rc::new(RefCell::new(State {
                files: BTreeMap::new(),
                under_way: BTreeMap::new(),
                next_identifier: 0,
                step: 0,
                capacity: None,
                write_error: None,
                read_error: None,
                zero: Rc::new([0; PAGE_SIZE]),
            })),
            hook: Rc::new(RefCell::new(None)),
        }
    }

    /// Steps so far: operations issued and operations completed, each one step.
    pub fn step(&self) -> u64 {
        self.state.borrow().step
    }

    /// Calls `hook` after every step from now on, or no more.
    pub fn set_step_hook(&self, hook: Option<StepHook>) {
        *self.hook.borrow_mut() = hook;
    }

    /// Bounds the octets of all files together: beyond it, making a file fails with `StorageFull`.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.state.borrow_mut().capacity = capacity;
    }

    /// Makes every write and sync that completes from now on fail, or no more.
    pub fn set_write_error(&self, error: Option<io::ErrorKind>) {
        self.state.borrow_mut().write_error = error;
    }

    /// Makes every read that completes from now on fail, or no more.
    pub fn set_read_error(&self, error: Option<io::ErrorKind>) {
        self.state.borrow_mut().read_error = error;
    }

    /// The names and durable octets of all files, by path.
    pub fn durable_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state.borrow();
        state.files.iter().map(|(path, file)| (path.clone(), file.durable.to_vec())).collect()
    }

    /// Overwrites octets of a file, durably, behind everyone's back; for tests of damage.
    pub fn corrupt(&self, path: &Path, offset: u64, octets: &[u8]) {
        if let Some(file) = self.state.borrow_mut().files.get_mut(path) {
            file.durable.write(offset, octets);
            file.current.write(offset, octets);
        }
    }

    /// The disk as a crash at this instant may leave it, by the chance of `seed`.
    pub fn crash_image(&self, seed: u64) -> Disk {
        let image = Disk::new();
        let mut random = Random::new(seed);
        {
            let state = self.state.borrow();
            let mut crashed = image.state.borrow_mut();
            crashed.zero = Rc::clone(&state.zero);
            for (path, file) in &state.files {
                let durable = file.durable.clone();
                crashed.files.insert(
                    path.clone(),
                    FileState { current: durable.clone(), durable, unsynced: Vec::new() },
                );
            }
            let mut lost: Vec<(&Path, u64, &Lease)> = Vec::new();
            for (path, file) in &state.files {
                lost.extend(file.unsynced.iter().map(|(at, octets)| (path.as_path(), *at, octets)));
            }
            for operation in state.under_way.values() {
                match operation {
                    UnderWay::Write { path, offset, octets, .. } => {
                        lost.push((path, *offset, octets));
                    }
                    UnderWay::Create { path, size } => {
                        let whole = size.div_ceil(PAGE_SIZE as u64);
                        let size = match random.below(4) {
                            0 => continue,
                            1 => 0,
                            2 => random.below(whole) * PAGE_SIZE as u64,
                            _ => *size,
                        };
                        let octets = Octets::zeros(size, &state.zero);
                        crashed.files.insert(
                            path.clone(),
                            FileState {
                                current: octets.clone(),
                                durable: octets,
                                unsynced: Vec::new(),
                            },
                        );
                    }
                    UnderWay::Sync { .. } | UnderWay::Read { .. } => {}
                }
            }
            for index in (1..lost.len()).rev() {
                lost.swap(index, random.below(index as u64 + 1) as usize);
            }
            for (path, offset, octets) in lost {
                let Some(file) = crashed.files.get_mut(path) else { continue };
                let fate = random.below(3);
                if fate == 0 {
                    continue;
                }
                for (index, sector) in octets.chunks(SECTOR_SIZE).enumerate() {
                    if fate == 1 || random.one_in(2) {
                        file.durable.write(offset + (index * SECTOR_SIZE) as u64, sector);
                    }
                }
                file.current = file.durable.clone();
            }
        }
        image
    }

    pub(super) fn issue(&self, operation: UnderWay) -> u64 {
        let identifier = {
            let mut state = self.state.borrow_mut();
            let identifier = state.next_identifier;
            state.next_identifier += 1;
            state.under_way.insert(identifier, operation);
            identifier
        };
        self.count_step();
        identifier
    }

    pub(super) fn complete(&self, identifier: u64) -> io::Result<Completed> {
        let operation = self.state.borrow_mut().under_way.remove(&identifier);
        let result = match operation {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(operation) => self.perform(operation),
        };
        self.count_step();
        result
    }

    fn perform(&self, operation: UnderWay) -> io::Result<Completed> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        match operation {
            UnderWay::Write { path, offset, octets, durable } => {
                let file = state.files.get_mut(&path).ok_or(io::ErrorKind::NotFound)?;
                if let Some(kind) = state.write_error {
                    return Err(kind.into());
                }
                if offset + octets.len() as u64 > file.current.size {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                file.current.write(offset, &octets);
                if durable {
                    let overlaps = file.unsynced.iter().any(|(at, earlier)| {
                        *at < offset + octets.len() as u64 && offset < at + earlier.len() as u64
                    });
                    // An earlier write of the same octets must not come back over this one.
                    if overlaps {
                        file.sync();
                    }
                    file.durable.write(offset, &octets);
                } else {
                    file.unsynced.push((offset, octets));
                }
                Ok(Completed::Done)
            }
            UnderWay::Sync { path } => {
                let file = state.files.get_mut(&path).ok_or(io::ErrorKind::NotFound)?;
                if let Some(kind) = state.write_error {
                    return Err(kind.into());
                }
                file.sync();
                Ok(Completed::Done)
            }
            UnderWay::Create { path, size } => {
                state.create(&path, size)?;
                Ok(Completed::Done)
            }
            UnderWay::Read { path, offset, size } => {
                let file = state.files.get(&path).ok_or(io::ErrorKind::NotFound)?;
                if let Some(kind) = state.read_error {
                    return Err(kind.into());
                }
                let mut octets = vec![0; size];
                let count = file.current.read(offset, &mut octets);
                octets.truncate(count);
                Ok(Completed::Octets(octets))
            }
        }
    }

    fn count_step(&self) {
        let step = {
            let mut state = self.state.borrow_mut();
            state.step += 1;
            state.step
        };
        let hook = self.hook.borrow_mut().take();
        if let Some(mut hook) = hook {
            hook(step, self);
            let mut place = self.hook.borrow_mut();
            if place.is_none() {
                *place = Some(hook);
            }
        }
    }

    pub(super) fn create(&self, path: &Path, size: u64) -> io::Result<()> {
        let result = self.state.borrow_mut().create(path, size);
        self.count_step();
        result
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.state.borrow().files.contains_key(path)
    }

    pub(super) fn list(&self, directory: &Path) -> Vec<String> {
        let state = self.state.borrow();
        let names = state.files.keys().filter(|path| path.parent() == Some(directory));
        names
            .filter_map(|path| path.file_name().and_then(|name| name.to_str()))
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn replace(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        {
            let mut state = self.state.borrow_mut();
            if let Some(kind) = state.write_error {
                return Err(kind.into());
            }
            state.create(path, octets.len() as u64)?;
            if let Some(file) = state.files.get_mut(path) {
                file.durable.write(0, octets);
                file.current.write(0, octets);
            }
        }
        self.count_step();
        Ok(())
    }

    pub(super) fn octets(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state.borrow();
        let file = state.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        match state.read_error {
            Some(kind) => Err(kind.into()),
            None => Ok(file.current.to_vec()),
        }
    }
}

impl FileState {
    fn sync(&mut self) {
        for (offset, octets) in self.unsynced.drain(..) {
            self.durable.write(offset, &octets);
        }
    }
}

impl State {
    /// Makes or replaces a file of zeros.
    fn create(&mut self, path: &Path, size: u64) -> io::Result<()> {
        let others: u64 =
            self.files.iter().filter(|(name, _)| *name != path).map(|(_, f)| f.durable.size).sum();
        if self.capacity.is_some_and(|capacity| others + size > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let octets = Octets::zeros(size, &self.zero);
        let file = FileState { current: octets.clone(), durable: octets, unsynced: Vec::new() };
        self.files.insert(path.to_owned(), file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(octet: u8, offset: u64, durable: bool) -> UnderWay {
        let octets = Lease::copied(&[octet; PAGE_SIZE]);
        UnderWay::Write { path: "f".into(), offset, octets, durable }
    }

    #[test]
    fn only_synced_octets_survive_every_crash() {
        let disk = Disk::new();
        disk.create(Path::new("f"), 8192).unwrap();
        disk.complete(disk.issue(write(1, 0, true))).unwrap();
        disk.complete(disk.issue(write(2, 4096, false))).unwrap();
        let second_page = |disk: &Disk| disk.durable_files()[0].1[4096..].to_vec();
        let images: Vec<Vec<u8>> =
            (0..50).map(|seed| second_page(&disk.crash_image(seed))).collect();
        assert!(images.iter().any(|page| page.iter().all(|octet| *octet == 0)));
        assert!(images.iter().any(|page| page.iter().all(|octet| *octet == 2)));
        assert!(images.iter().any(|page| page.contains(&0) && page.contains(&2)), "torn");
        assert!((0..50).all(|s| disk.crash_image(s).durable_files()[0].1[..4096] == [1; 4096]));
        disk.complete(disk.issue(UnderWay::Sync { path: "f".into() })).unwrap();
        assert!((0..50).all(|s| second_page(&disk.crash_image(s)) == [2; 4096]));
    }

    #[test]
    fn writes_under_way_apply_in_any_order() {
        let disk = Disk::new();
        disk.create(Path::new("f"), 4096).unwrap();
        disk.issue(write(1, 0, true));
        disk.issue(write(2, 0, true));
        let first = |seed| disk.crash_image(seed).durable_files()[0].1[0];
        assert!((0..50).any(|seed| first(seed) == 1) && (0..50).any(|seed| first(seed) == 2));
        assert!((0..50).any(|seed| first(seed) == 0));
    }

    #[test]
    fn the_hook_sees_every_step_and_a_full_disk_says_so() {
        let disk = Disk::new();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&seen);
        disk.set_step_hook(Some(Box::new(move |step, _| log.borrow_mut().push(step))));
        disk.set_capacity(Some(10_000));
        let create = |path: &str| {
            disk.complete(disk.issue(UnderWay::Create { path: path.into(), size: 8192 }))
        };
        assert!(create("f").is_ok());
        assert_eq!(create("g").err().map(|e| e.kind()), Some(io::ErrorKind::StorageFull));
        assert_eq!(*seen.borrow(), [1, 2, 3, 4]);
    }
}
