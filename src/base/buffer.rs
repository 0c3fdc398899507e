//! Octet buffers that are written once and then shared without copying.
//!
//! A [`Pool`] owns page-aligned blocks. [`Pool::take`] gives a [`Fill`], the block's only writer; what
//! it has written it hands out as [`Lease`]s, read-only, reference counted and free to cross threads.
//! A block returns to its pool when its writer and every lease are gone. Nothing is allocated in
//! steady state: the pool keeps its blocks.
//!
//! Invariant, on which the unsafe code rests: octets below `filled` are never written while a `Fill`
//! or a `Lease` of the block exists; octets at and above it are reached only through the one `Fill`.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::Arc;

/// Alignment of every block, octets: what direct I/O asks for.
pub const BLOCK_ALIGNMENT: usize = 4096;

struct Block {
    octets: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a Block is plain memory; the module's invariant keeps writes and reads in disjoint ranges.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    fn new(size: usize) -> Block {
        let layout =
            Layout::from_size_align(size.max(1).next_multiple_of(BLOCK_ALIGNMENT), BLOCK_ALIGNMENT)
                .unwrap_or_else(|_| handle_alloc_error(Layout::new::<u8>()));
        // SAFETY: the layout's size is not zero.
        let octets = NonNull::new(unsafe { alloc_zeroed(layout) })
            .unwrap_or_else(|| handle_alloc_error(layout));
        Block { octets, layout }
    }

    fn size(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and no Fill or Lease is left.
        unsafe { dealloc(self.octets.as_ptr(), self.layout) }
    }
}

/// A bounded store of equal blocks, owned by one thread.
pub struct Pool {
    blocks: VecDeque<Arc<Block>>,
    block_size: usize,
    block_count_max: usize,
}

impl Pool {
    /// A pool of at most `block_count_max` blocks of `block_size` octets, rounded up to pages.
    pub fn new(block_size: usize, block_count_max: usize) -> Pool {
        Pool { blocks: VecDeque::new(), block_size, block_count_max }
    }

    /// A writer on a free block, or `None` when every block is in use and the bound is reached.
    pub fn take(&mut self) -> Option<Fill> {
        for _ in 0..self.blocks.len() {
            let mut block = self.blocks.pop_front()?;
            let free = Arc::get_mut(&mut block).is_some();
            self.blocks.push_back(Arc::clone(&block));
            if free {
                return Some(Fill { block, filled: 0 });
            }
        }
        if self.blocks.len() >= self.block_count_max {
            return None;
        }
        let block = Arc::new(Block::new(self.block_size));
        self.blocks.push_back(Arc::clone(&block));
        Some(Fill { block, filled: 0 })
    }

    /// Makes blocks ahead of need until there are `block_count`, within the pool's bound.
    pub fn set_aside(&mut self, block_count: usize) {
        while self.blocks.len() < block_count.min(self.block_count_max) {
            self.blocks.push_back(Arc::new(Block::new(self.block_size)));
        }
    }

    /// How many blocks the pool has made so far.
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }
}

/// The one writer of a block.
pub struct Fill {
    block: Arc<Block>,
    filled: usize,
}

impl Fill {
    /// A writer on a block of its own, outside any pool.
    pub fn with_capacity(capacity: usize) -> Fill {
        Fill { block: Arc::new(Block::new(capacity)), filled: 0 }
    }

    /// Octets written so far.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Octets that can still be written.
    pub fn remaining(&self) -> usize {
        self.block.size() - self.filled
    }

    /// Appends as much of `octets` as fits and returns how much that was.
    pub fn append(&mut self, octets: &[u8]) -> usize {
        let count = octets.len().min(self.remaining());
        self.spare_mut()[..count].copy_from_slice(&octets[..count]);
        self.filled += count;
        count
    }

    /// The part not yet written; its octets are initialised but of no meaning.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        let size = self.remaining();
        // SAFETY: the range lies in the block, was zeroed when allocated, and by the module's invariant
        // only this Fill, borrowed mutably here, reaches octets at and above `filled`.
        unsafe { std::slice::from_raw_parts_mut(self.block.octets.as_ptr().add(self.filled), size) }
    }

    /// Counts `count` octets, written through [`Fill::spare_mut`], as filled.
    ///
    /// # Panics
    /// When `count` exceeds [`Fill::remaining`].
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining());
        self.filled += count;
    }

    /// Starts over with the whole block, if no lease of it is left; returns whether that was so.
    pub fn restart(&mut self) -> bool {
        let alone = Arc::get_mut(&mut self.block).is_some();
        if alone {
            self.filled = 0;
        }
        alone
    }

    /// What has been written, for reading.
    pub fn octets(&self) -> &[u8] {
        // SAFETY: octets below `filled` are never written again while this Fill lives.
        unsafe { std::slice::from_raw_parts(self.block.octets.as_ptr(), self.filled) }
    }

    /// A lease on `range` of what has been written.
    ///
    /// # Panics
    /// When the range does not lie below [`Fill::filled`].
    pub fn lease(&self, range: Range<usize>) -> Lease {
        assert!(range.start <= range.end && range.end <= self.filled);
        Lease { block: Arc::clone(&self.block), start: range.start, end: range.end }
    }
}

impl fmt::Debug for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fill({} of {})", self.filled, self.block.size())
    }
}

/// A read-only range of a block; cloning and slicing share the block.
#[derive(Clone)]
pub struct Lease {
    block: Arc<Block>,
    start: usize,
    end: usize,
}

impl Lease {
    /// A lease on a fresh copy of `octets`, outside any pool.
    pub fn copied(octets: &[u8]) -> Lease {
        let mut fill = Fill::with_capacity(octets.len());
        let count = fill.append(octets);
        fill.lease(0..count)
    }

    /// A part of this lease.
    ///
    /// # Panics
    /// When the range does not lie inside the lease.
    pub fn slice(&self, range: Range<usize>) -> Lease {
        assert!(range.start <= range.end && range.end <= self.len());
        Lease {
            block: Arc::clone(&self.block),
            start: self.start + range.start,
            end: self.start + range.end,
        }
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range was below `filled` when the lease was made and is not written while it lives.
        unsafe {
            std::slice::from_raw_parts(
                self.block.octets.as_ptr().add(self.start),
                self.end - self.start,
            )
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({} octets)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_returns_only_when_writer_and_leases_are_gone() {
        let mut pool = Pool::new(10, 1);
        let mut fill = pool.take().unwrap();
        assert_eq!(fill.append(b"abc"), 3);
        let lease = fill.lease(1..3);
        assert!(pool.take().is_none());
        drop(fill);
        assert!(pool.take().is_none());
        assert_eq!(&lease[..], b"bc");
        drop(lease);
        assert!(pool.take().is_some());
        assert_eq!(pool.block_count(), 1);
    }

    #[test]
    fn a_writer_starts_over_only_when_no_lease_is_left() {
        let mut fill = Fill::with_capacity(8);
        fill.append(b"first");
        let lease = fill.lease(0..5);
        assert!(!fill.restart());
        assert_eq!(fill.filled(), 5);
        drop(lease);
        assert!(fill.restart());
        assert_eq!((fill.filled(), fill.remaining()), (0, 4096));
    }

    #[test]
    fn leases_stay_put_while_the_writer_goes_on() {
        let mut fill = Fill::with_capacity(4096);
        fill.append(b"first");
        let first = fill.lease(0..5);
        fill.append(&[7; 5000]);
        assert_eq!((fill.filled(), fill.remaining()), (4096, 0));
        assert_eq!(&first.slice(1..3)[..], b"ir");
        assert_eq!(first.as_ptr() as usize % BLOCK_ALIGNMENT, 0);
    }
}
