//! The floor's log: groups gathered in aligned buffers, several written at a time with direct I/O and a
//! sync of their own, into a preallocated file that was written once before and is used as a ring.
//!
//! ```text
//! group   = record* zeros tail, whole blocks
//! record  = kind u32 | connection u32 | size u64 | octets of a message
//!         | kind u32 | count u32 | 0 u64 | numbers of messages that were passed on, u64 each
//! tail    = magic u64 | sequence u64 | size u64 | CRC32C of everything before it u64
//! ```
//!
//! Invariants: octets that were gathered stay in place until no chunk of their group is referenced and
//! the group is durable; a group's waiters hear of it only after its write, sync included, has ended.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use io_uring::opcode;
use io_uring::types::Fixed;
use p1relay::base::buffer::Fill;
use p1relay::endpoint::send::new_histogram;

use crate::ring::Ring;

const BLOCK_SIZE: usize = 4096;
const RECORD_HEAD_SIZE: usize = 16;
const TAIL_SIZE: usize = 32;
const MAGIC: u64 = u64::from_le_bytes(*b"p1floor\n");
const KIND_MESSAGE: u32 = 1;
const KIND_OUTCOMES: u32 = 2;
/// Buffers that are registered for fixed writes; more are made when these do not suffice.
const REGISTERED_COUNT: usize = 24;

/// Octets of a message in a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) group: u32,
    offset: u32,
    size: u32,
}

struct Group {
    fill: Fill,
    references: u32,
    durable: bool,
    /// Messages that wait for this group.
    waiting: Vec<u32>,
    write_size: usize,
    write_started: Instant,
}

/// The log of one thread.
pub(super) struct Log {
    slot: u32,
    file_size: u64,
    position: u64,
    group_size: usize,
    groups: Vec<Group>,
    free: Vec<u32>,
    open: Option<u32>,
    sealed: VecDeque<u32>,
    outcomes: Vec<u64>,
    registered_count: usize,
    in_flight: usize,
    in_flight_max: usize,
    sequence: u64,
    /// Writes that have ended.
    pub(super) commits: u64,
    /// Octets of those writes.
    pub(super) octets_written: u64,
    /// From handed to the kernel to durable.
    pub(super) commit_ns: Histogram<u64>,
}

impl Log {
    /// Makes the file, each block written once, unless an earlier run has left it, and registers it in
    /// `slot`.
    pub(super) fn create(
        ring: &Ring,
        slot: u32,
        path: &Path,
        file_size: u64,
        group_size: usize,
        in_flight_max: usize,
    ) -> anyhow::Result<Log> {
        let failed = || format!("{} cannot be made", path.display());
        if std::fs::metadata(path).map_or(0, |found| found.len()) != file_size {
            write_once(path, file_size).with_context(failed)?;
        }
        let direct = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(path)
            .with_context(failed)?;
        ring.register_file(slot, direct.as_raw_fd())?;
        let mut log = Log {
            slot,
            file_size,
            position: 0,
            group_size,
            groups: Vec::new(),
            free: Vec::new(),
            open: None,
            sealed: VecDeque::new(),
            outcomes: Vec::with_capacity(4096),
            registered_count: 0,
            in_flight: 0,
            in_flight_max,
            sequence: 0,
            commits: 0,
            octets_written: 0,
            commit_ns: new_histogram(),
        };
        (0..REGISTERED_COUNT).for_each(|_| log.add_group());
        let addresses: Vec<*mut u8> =
            log.groups.iter_mut().map(|group| group.fill.spare_mut().as_mut_ptr()).collect();
        // SAFETY: groups are never dropped before the log, which its owner drops after the ring.
        if unsafe { ring.register_buffers(&addresses, group_size) }.is_ok() {
            log.registered_count = addresses.len();
        }
        Ok(log)
    }

    fn add_group(&mut self) {
        self.free.push(self.groups.len() as u32);
        self.groups.push(Group {
            fill: Fill::with_capacity(self.group_size),
            references: 0,
            durable: true,
            waiting: Vec::with_capacity(64),
            write_size: 0,
            write_started: Instant::now(),
        });
    }

    /// The open group, with room for a record of at least one octet.
    fn open(&mut self) -> u32 {
        if let Some(open) = self.open {
            if self.groups[open as usize].fill.remaining() > RECORD_HEAD_SIZE + TAIL_SIZE + 8 {
                return open;
            }
            self.sealed.push_back(open);
        }
        if self.free.is_empty() {
            self.add_group();
        }
        let open = self.free.pop().unwrap_or_default();
        let group = &mut self.groups[open as usize];
        group.fill.restart();
        group.durable = false;
        self.open = Some(open);
        open
    }

    /// Gathers octets of a message that comes in on `connection`.
    pub(super) fn append(&mut self, connection: u32, mut octets: &[u8], chunks: &mut Vec<Chunk>) {
        while !octets.is_empty() {
            let open = self.open();
            let group = &mut self.groups[open as usize];
            let size = octets.len().min(group.fill.remaining() - RECORD_HEAD_SIZE - TAIL_SIZE);
            group.fill.append(&record_head(KIND_MESSAGE, connection, size as u64));
            let offset = group.fill.filled() as u32;
            group.fill.append(&octets[..size]);
            group.references += 1;
            chunks.push(Chunk { group: open, offset, size: size as u32 });
            octets = &octets[size..];
        }
    }

    /// Has the message hear of every group of its chunks that is not durable yet; gives their number.
    pub(super) fn wait_for(&mut self, message: u32, chunks: &[Chunk]) -> u32 {
        let mut count = 0;
        for chunk in chunks {
            let group = &mut self.groups[chunk.group as usize];
            if !group.durable && group.waiting.last() != Some(&message) {
                group.waiting.push(message);
                count += 1;
            }
        }
        count
    }

    /// Notes that a message was passed on; written with the next group, which nobody waits for.
    pub(super) fn outcome(&mut self, number: u64) {
        self.outcomes.push(number);
    }

    /// Starts to write what was gathered, as far as writes may be in flight. With `all`, outcomes alone
    /// are reason enough.
    pub(super) fn write(
        &mut self,
        ring: &mut Ring,
        data: impl Fn(u32) -> u64,
        all: bool,
    ) -> anyhow::Result<()> {
        if all && !self.outcomes.is_empty() {
            self.open();
        }
        while self.in_flight < self.in_flight_max {
            let Some(index) = self.sealed.pop_front().or_else(|| self.open.take()) else {
                return Ok(());
            };
            self.finish(index);
            let group = &mut self.groups[index as usize];
            group.write_size = group.fill.filled();
            group.write_started = Instant::now();
            let (address, size) = (group.fill.octets().as_ptr(), group.write_size as u32);
            if self.position + group.write_size as u64 > self.file_size {
                self.position = 0;
            }
            let file = Fixed(self.slot);
            let entry = if (index as usize) < self.registered_count {
                opcode::WriteFixed::new(file, address, size, index as u16)
                    .offset(self.position)
                    .rw_flags(libc::RWF_DSYNC)
                    .build()
            } else {
                opcode::Write::new(file, address, size)
                    .offset(self.position)
                    .rw_flags(libc::RWF_DSYNC)
                    .build()
            };
            self.position += group.write_size as u64;
            self.in_flight += 1;
            // SAFETY: a group's octets stay in place until it is durable.
            unsafe { ring.push(entry, data(index)) }?;
        }
        Ok(())
    }

    /// Adds outcomes as far as there is room, and the tail.
    fn finish(&mut self, index: u32) {
        const ZEROS: [u8; BLOCK_SIZE] = [0; BLOCK_SIZE];
        let fill = &mut self.groups[index as usize].fill;
        let room = fill.remaining().saturating_sub(RECORD_HEAD_SIZE + TAIL_SIZE) / 8;
        let count = self.outcomes.len().min(room);
        if count > 0 {
            fill.append(&record_head(KIND_OUTCOMES, count as u32, 0));
            for number in self.outcomes.drain(..count) {
                fill.append(&number.to_le_bytes());
            }
        }
        let size = fill.filled();
        let padded = (size + TAIL_SIZE).next_multiple_of(BLOCK_SIZE);
        fill.append(&ZEROS[..padded - TAIL_SIZE - size]);
        self.sequence += 1;
        let check = u64::from(crc32c::crc32c(&fill.octets()[..size]));
        for word in [MAGIC, self.sequence, size as u64, check] {
            fill.append(&word.to_le_bytes());
        }
    }

    /// A group's write has ended with `result`: it is durable, and who waited hears of it.
    pub(super) fn written(
        &mut self,
        index: u32,
        result: i32,
        waiters: &mut Vec<u32>,
    ) -> anyhow::Result<()> {
        let group = &mut self.groups[index as usize];
        ensure!(
            usize::try_from(result).is_ok_and(|count| count == group.write_size),
            "a write of {} octets ended with {result}",
            group.write_size
        );
        group.durable = true;
        self.commit_ns.saturating_record(group.write_started.elapsed().as_nanos() as u64);
        waiters.append(&mut group.waiting);
        self.in_flight -= 1;
        self.commits += 1;
        self.octets_written += group.write_size as u64;
        if group.references == 0 {
            self.free.push(index);
        }
        Ok(())
    }

    /// The octets of a chunk.
    pub(super) fn octets(&self, chunk: Chunk) -> &[u8] {
        let start = chunk.offset as usize;
        &self.groups[chunk.group as usize].fill.octets()[start..start + chunk.size as usize]
    }

    /// The chunk was passed on, and is not needed any more.
    pub(super) fn release(&mut self, chunk: Chunk) {
        let group = &mut self.groups[chunk.group as usize];
        group.references -= 1;
        if group.references == 0 && group.durable {
            self.free.push(chunk.group);
        }
    }

    /// Whether nothing is gathered or being written.
    pub(super) fn is_clean(&self) -> bool {
        self.in_flight == 0
            && self.open.is_none()
            && self.sealed.is_empty()
            && self.outcomes.is_empty()
    }
}

/// A file of which every block was written and is on the disk.
fn write_once(path: &Path, file_size: u64) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, file_size)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..file_size.div_ceil(1 << 20) {
        file.write_all(&zeros)?;
    }
    file.sync_all()
}

fn record_head(kind: u32, second: u32, third: u64) -> [u8; RECORD_HEAD_SIZE] {
    let mut head = [0; RECORD_HEAD_SIZE];
    head[..4].copy_from_slice(&kind.to_le_bytes());
    head[4..8].copy_from_slice(&second.to_le_bytes());
    head[8..].copy_from_slice(&third.to_le_bytes());
    head
}
