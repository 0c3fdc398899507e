//! The io_uring that floor and load generator run on: one issuer, deferred task work, registered files,
//! one provided buffer ring, one `io_uring_enter` for everything that has gathered.
//!
//! Received octets are read out of a provided buffer and the buffer is given back at once, so the kernel
//! is never short of them. Slots of the file table are taken by explicit registration or by accepting.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Context;
use io_uring::types::{BufRingEntry, Fixed, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode, squeue};
use p1relay::base::buffer::Fill;

/// Group number of the provided buffers.
const BUFFER_GROUP: u16 = 1;
/// Provided buffers; a power of two.
const BUFFER_COUNT: u16 = 512;
/// Slots of the table of registered files: not more than an ordinary limit of open files.
const FILE_COUNT: u32 = 1000;
const SUBMISSION_COUNT: u32 = 1024;
const COMPLETION_COUNT: u32 = 8192;

/// A ring of one thread.
pub(crate) struct Ring {
    ring: IoUring,
    /// The buffer ring's own memory, which the kernel reads.
    entries: Fill,
    buffers: Fill,
    buffer_size: usize,
    tail: u16,
    /// `io_uring_enter` calls so far.
    pub(crate) system_calls: u64,
}

impl Ring {
    /// A ring whose receives come in pieces of at most `buffer_size` octets.
    ///
    /// # Errors
    /// When the kernel does not have what is asked for.
    pub(crate) fn new(buffer_size: usize) -> anyhow::Result<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETION_COUNT)
            .build(SUBMISSION_COUNT)
            .context("io_uring_setup (single issuer, deferred task work: Linux 6.1)")?;
        let mut new = Ring {
            ring,
            entries: Fill::with_capacity(usize::from(BUFFER_COUNT) * size_of::<BufRingEntry>()),
            buffers: Fill::with_capacity(usize::from(BUFFER_COUNT) * buffer_size),
            buffer_size,
            tail: 0,
            system_calls: 0,
        };
        let address = new.entries.spare_mut().as_mut_ptr() as u64;
        // SAFETY: the memory is page-aligned, large enough, and lives as long as the ring.
        unsafe {
            new.ring.submitter().register_buf_ring_with_flags(
                address,
                BUFFER_COUNT,
                BUFFER_GROUP,
                0,
            )
        }
        .context("io_uring buffer ring")?;
        (0..BUFFER_COUNT).for_each(|id| new.give_back(id));
        new.ring.submitter().register_files_sparse(FILE_COUNT).context("io_uring file table")?;
        Ok(new)
    }

    /// Registers a descriptor in a slot that is free; it may be closed afterwards.
    pub(crate) fn register_file(&self, slot: u32, descriptor: RawFd) -> io::Result<()> {
        self.ring.submitter().register_files_update(slot, &[descriptor]).map(|_| ())
    }

    /// Registers memory for fixed writes, `size` octets at each address, numbered in order.
    ///
    /// # Safety
    /// The memory must outlive the ring.
    pub(crate) unsafe fn register_buffers(
        &self,
        addresses: &[*mut u8],
        size: usize,
    ) -> io::Result<()> {
        let vectors: Vec<libc::iovec> = addresses
            .iter()
            .map(|address| libc::iovec { iov_base: address.cast(), iov_len: size })
            .collect();
        // SAFETY: the caller's promise.
        unsafe { self.ring.submitter().register_buffers(&vectors) }
    }

    /// Accepts again and again, each connection into a free slot, which the completion tells.
    pub(crate) fn accept(&mut self, listener: u32, data: u64) -> anyhow::Result<()> {
        let entry = opcode::AcceptMulti::new(Fixed(listener)).allocate_file_index(true).build();
        // SAFETY: the entry points to nothing.
        unsafe { self.push(entry, data) }
    }

    /// Receives again and again into provided buffers.
    pub(crate) fn receive(&mut self, slot: u32, data: u64) -> anyhow::Result<()> {
        let entry = opcode::RecvMulti::new(Fixed(slot), BUFFER_GROUP).build();
        // SAFETY: the entry points to nothing but the provided buffers, which live with the ring.
        unsafe { self.push(entry, data) }
    }

    /// Ends a connection in both directions.
    pub(crate) fn shut_down(&mut self, slot: u32, data: u64) -> anyhow::Result<()> {
        let entry = opcode::Shutdown::new(Fixed(slot), libc::SHUT_RDWR).build();
        // SAFETY: the entry points to nothing.
        unsafe { self.push(entry, data) }
    }

    /// Queues an operation for the next [`Ring::enter`].
    ///
    /// # Safety
    /// What the entry points to must stay valid and in place until its completion.
    pub(crate) unsafe fn push(&mut self, entry: squeue::Entry, data: u64) -> anyhow::Result<()> {
        let entry = entry.user_data(data);
        // SAFETY: the caller's promise.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.system_calls += 1;
            self.ring.submit().context("io_uring_enter")?;
        }
        Ok(())
    }

    /// Submits what is queued and, if `wait`, waits for a completion, `patience` at most.
    pub(crate) fn enter(&mut self, wait: bool, patience: Option<Duration>) -> anyhow::Result<()> {
        let timespec = patience.map(Timespec::from);
        let mut arguments = SubmitArgs::new();
        if let Some(timespec) = &timespec {
            arguments = arguments.timespec(timespec);
        }
        let submitting = self.ring.submission().len() as u32;
        let flags = (EnterFlags::EXT_ARG | EnterFlags::GETEVENTS).bits();
        self.system_calls += 1;
        // SAFETY: the argument is what EXT_ARG announces, and outlives the call.
        let entered = unsafe {
            self.ring.submitter().enter(submitting, u32::from(wait), flags, Some(&arguments))
        };
        match entered {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR)) => Ok(()),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EAGAIN)) => {
                Ok(())
            }
            Err(error) => Err(error).context("io_uring_enter"),
        }
    }

    /// Takes the completions that are there.
    pub(crate) fn reap(&mut self, completions: &mut Vec<cqueue::Entry>) {
        completions.extend(self.ring.completion());
    }

    /// What a receive's completion brought, and its buffer's number for [`Ring::give_back`].
    pub(crate) fn received(&self, completion: &cqueue::Entry) -> Option<(u16, &[u8])> {
        let id = cqueue::buffer_select(completion.flags())?;
        let count = usize::try_from(completion.result()).ok()?.min(self.buffer_size);
        let base = self.buffers.octets().as_ptr();
        // SAFETY: the kernel has written so many octets there, and has lost the buffer until it is
        // given back, which needs this ring mutably.
        let octets = unsafe {
            std::slice::from_raw_parts(base.add(usize::from(id) * self.buffer_size), count)
        };
        Some((id, octets))
    }

    /// Lets the kernel fill a buffer again.
    pub(crate) fn give_back(&mut self, id: u16) {
        let size = self.buffer_size;
        let address = self.buffers.spare_mut()[usize::from(id) * size..].as_mut_ptr() as u64;
        let ring = self.entries.spare_mut().as_mut_ptr().cast::<BufRingEntry>();
        let position = usize::from(self.tail & (BUFFER_COUNT - 1));
        // SAFETY: the memory holds as many entries as there are buffers; the kernel does not look at
        // this one before the tail passes it.
        let entry = unsafe { &mut *ring.add(position) };
        entry.set_addr(address);
        entry.set_len(size as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry, where no other field does.
        let tail = unsafe { &*BufRingEntry::tail(ring).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Sends all of some octets; nothing is signalled when the peer has gone. A failure completes, and so
/// does success unless `quiet`.
pub(crate) fn send(slot: u32, octets: &[u8], quiet: bool) -> squeue::Entry {
    let entry = opcode::Send::new(Fixed(slot), octets.as_ptr(), octets.len() as u32)
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
        .build();
    if quiet { entry.flags(squeue::Flags::SKIP_SUCCESS) } else { entry }
}
