//! The receive buffers that the kernel fills: a provided buffer ring over leased blocks.
//!
//! A buffer is provided (in the ring), lent (leases of it are out), or in doubt. The kernel takes
//! provided buffers in the order in which they were given. A completion that failed may name a buffer
//! that it has consumed, or one that it has not: giving it back twice would let two receives write
//! into one block, so it is in doubt until a buffer behind it in the order comes out filled, which
//! proves that it was consumed.
//!
//! Invariant: a buffer is given only when no lease of it is left and it is not in the ring, so the
//! kernel never writes into octets that anyone can read.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use crate::base::buffer::{Fill, Lease};

/// Lent buffers that one turn looks at while more than half are provided.
const RECLAIM_COUNT_PER_TURN: usize = 32;

pub(in crate::io) struct ReceiveBuffers {
    /// The ring's own memory, which the kernel reads.
    entries: Fill,
    tail: u16,
    group: u16,
    buffers: Vec<Fill>,
    /// In the kernel's order; those in doubt among them.
    provided: VecDeque<u16>,
    in_doubt: Vec<bool>,
    in_doubt_count: usize,
    lent: VecDeque<u16>,
}

impl ReceiveBuffers {
    /// `count` buffers, a power of two, of `size` octets each; all provided.
    pub(in crate::io) fn new(group: u16, count: usize, size: usize) -> ReceiveBuffers {
        let mut new = ReceiveBuffers {
            entries: Fill::with_capacity(count * size_of::<BufRingEntry>()),
            tail: 0,
            group,
            buffers: (0..count).map(|_| Fill::with_capacity(size)).collect(),
            provided: VecDeque::with_capacity(count),
            in_doubt: vec![false; count],
            in_doubt_count: 0,
            lent: VecDeque::with_capacity(count),
        };
        (0..count as u16).for_each(|index| new.give(index));
        new
    }

    /// Shows the buffers to the kernel.
    pub(in crate::io) fn register(&mut self, submitter: &Submitter<'_>) -> io::Result<()> {
        let address = self.entries.spare_mut().as_mut_ptr() as u64;
        let count = self.buffers.len() as u16;
        // SAFETY: the memory is page-aligned, large enough, and lives until it is unregistered.
        unsafe { submitter.register_buf_ring_with_flags(address, count, self.group, 0) }
    }

    /// Takes the buffers from the kernel's sight.
    pub(in crate::io) fn unregister(&self, submitter: &Submitter<'_>) -> io::Result<()> {
        submitter.unregister_buf_ring(self.group)
    }

    pub(in crate::io) fn group(&self) -> u16 {
        self.group
    }

    /// Buffers that the kernel certainly has.
    pub(in crate::io) fn available(&self) -> usize {
        self.provided.len() - self.in_doubt_count
    }

    /// A lease on `count` octets that the kernel wrote into a buffer; `None` if it cannot have.
    pub(in crate::io) fn take(&mut self, index: u16, count: usize) -> Option<Lease> {
        let at = self.provided.iter().position(|provided| *provided == index)?;
        if at > 0 && self.in_doubt_count > 0 {
            self.resolve_before(at);
        }
        let at = self.provided.iter().position(|provided| *provided == index)?;
        self.provided.remove(at);
        self.clear_doubt(index);
        let fill = self.buffers.get_mut(usize::from(index))?;
        fill.advance(count.min(fill.remaining()));
        self.lent.push_back(index);
        Some(fill.lease(0..fill.filled()))
    }

    /// Notes that a failed or empty completion named a buffer.
    pub(in crate::io) fn doubt(&mut self, index: u16) {
        if self.provided.contains(&index)
            && let Some(doubt) = self.in_doubt.get_mut(usize::from(index))
            && !*doubt
        {
            *doubt = true;
            self.in_doubt_count += 1;
        }
    }

    /// Gives back buffers whose leases are all gone.
    pub(in crate::io) fn reclaim(&mut self) {
        let plenty = self.available() > self.buffers.len() / 2;
        let count = self.lent.len().min(if plenty { RECLAIM_COUNT_PER_TURN } else { usize::MAX });
        for _ in 0..count {
            let Some(index) = self.lent.pop_front() else { return };
            if self.buffers.get_mut(usize::from(index)).is_some_and(Fill::restart) {
                self.give(index);
            } else {
                self.lent.push_back(index);
            }
        }
    }

    fn resolve_before(&mut self, at: usize) {
        let mut consumed = 0;
        for _ in 0..at {
            let Some(index) = self.provided.remove(consumed) else { return };
            if self.clear_doubt(index) {
                self.give(index);
            } else {
                self.provided.insert(consumed, index);
                consumed += 1;
            }
        }
    }

    fn clear_doubt(&mut self, index: u16) -> bool {
        let doubt = self.in_doubt.get_mut(usize::from(index)).is_some_and(std::mem::take);
        self.in_doubt_count -= usize::from(doubt);
        doubt
    }

    fn give(&mut self, index: u16) {
        let Some(fill) = self.buffers.get_mut(usize::from(index)) else { return };
        let spare = fill.spare_mut();
        let (address, size) = (spare.as_mut_ptr() as u64, spare.len() as u32);
        let ring = self.entries.spare_mut().as_mut_ptr().cast::<BufRingEntry>();
        let position = usize::from(self.tail) & (self.buffers.len() - 1);
        // SAFETY: the memory holds as many entries as there are buffers; the kernel does not look at
        // this one before the tail passes it.
        let entry = unsafe { &mut *ring.add(position) };
        entry.set_addr(address);
        entry.set_len(size);
        entry.set_bid(index);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry, where no other field does.
        let tail = unsafe { &*BufRingEntry::tail(ring).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
        self.provided.push_back(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_lent_until_its_last_lease_is_gone() {
        let mut buffers = ReceiveBuffers::new(0, 4, 4096);
        let lease = buffers.take(0, 10).unwrap();
        assert_eq!((lease.len(), buffers.available()), (10, 3));
        buffers.reclaim();
        assert_eq!(buffers.available(), 3);
        assert!(buffers.take(0, 1).is_none(), "lent already");
        drop(lease);
        buffers.reclaim();
        assert_eq!(buffers.available(), 4);
        assert_eq!(buffers.provided, [1, 2, 3, 0]);
    }

    #[test]
    fn a_buffer_that_a_failure_names_is_neither_lost_nor_given_twice() {
        let mut buffers = ReceiveBuffers::new(0, 4, 4096);
        buffers.doubt(0);
        buffers.doubt(0);
        assert_eq!(buffers.available(), 3);
        // Consumed after all: the one behind it comes out filled, and it goes back.
        let lease = buffers.take(1, 1).unwrap();
        assert_eq!(buffers.provided, [2, 3, 0]);
        assert_eq!(buffers.available(), 3);
        // Not consumed: it comes out filled itself.
        buffers.doubt(2);
        let other = buffers.take(2, 1).unwrap();
        assert_eq!((buffers.available(), buffers.in_doubt_count), (2, 0));
        // Named by a failure while it is lent, it stays lent.
        buffers.doubt(2);
        assert_eq!(buffers.in_doubt_count, 0);
        drop((lease, other));
        buffers.reclaim();
        assert_eq!(buffers.available(), 4);
    }

    #[test]
    fn completions_out_of_order_take_nothing_that_is_not_theirs() {
        let mut buffers = ReceiveBuffers::new(0, 4, 4096);
        let later = buffers.take(2, 7).unwrap();
        assert_eq!(buffers.provided, [0, 1, 3]);
        let earlier = buffers.take(0, 5).unwrap();
        assert_eq!((later.len(), earlier.len()), (7, 5));
        assert!(buffers.take(9, 1).is_none());
    }
}
