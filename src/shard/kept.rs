//! The first chunks of a large message, in the buffers they were committed from.
//!
//! A message that is sent soon after it came in need not be read back: it takes its chunks along, from
//! intake through the queue to the transfer. What all messages of a shard keep is bounded by
//! [`KEPT_SIZE_MAX`]; a chunk beyond it, and those behind it, are fetched when they are sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::buffer::Lease;
use crate::base::limits::KEPT_SIZE_MAX;

/// Octets that all messages taken in by one shard keep.
pub(crate) type KeptTotal = Arc<AtomicUsize>;

/// A message's chunks, from the first on, without a gap.
#[derive(Debug)]
pub(crate) struct Kept {
    chunks: VecDeque<Lease>,
    size: usize,
    /// One was not kept: no later one may be.
    ended: bool,
    total: KeptTotal,
}

impl Kept {
    /// Nothing yet.
    pub(crate) fn new(total: &KeptTotal) -> Kept {
        let total = Arc::clone(total);
        Kept { chunks: VecDeque::new(), size: 0, ended: false, total }
    }

    /// Keeps the next chunk, if there is room for it and all before it were kept.
    pub(crate) fn keep(&mut self, chunk: Lease) {
        let room = KEPT_SIZE_MAX.saturating_sub(self.total.load(Ordering::Relaxed));
        self.ended |= chunk.len() > room;
        if !self.ended {
            self.size += chunk.len();
            self.total.fetch_add(chunk.len(), Ordering::Relaxed);
            self.chunks.push_back(chunk);
        }
    }

    /// The next chunk, to be sent.
    pub(crate) fn next(&mut self) -> Option<Lease> {
        let chunk = self.chunks.pop_front()?;
        self.size -= chunk.len();
        self.total.fetch_sub(chunk.len(), Ordering::Relaxed);
        Some(chunk)
    }

    /// Lets go of all chunks.
    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.ended = true;
        self.total.fetch_sub(std::mem::take(&mut self.size), Ordering::Relaxed);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::CHUNK_SIZE;

    #[test]
    fn chunks_stay_in_order_without_a_gap_and_the_bound_is_for_all() {
        let total = KeptTotal::default();
        let chunk = Lease::copied(&[1; CHUNK_SIZE]);
        let mut first = Kept::new(&total);
        for _ in 0..=KEPT_SIZE_MAX / CHUNK_SIZE {
            first.keep(chunk.clone());
        }
        assert_eq!(total.load(Ordering::Relaxed), KEPT_SIZE_MAX);
        let mut second = Kept::new(&total);
        second.keep(chunk.clone());
        assert!(second.next().is_none());
        assert!(first.next().is_some());
        second.keep(chunk.clone());
        first.keep(chunk);
        assert!(second.next().is_none(), "its first chunk is not kept");
        assert_eq!(total.load(Ordering::Relaxed), KEPT_SIZE_MAX - CHUNK_SIZE);
        drop(first);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }
}
