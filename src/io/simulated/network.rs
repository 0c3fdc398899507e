//! A simulated network: streams between engines, delivered late and in pieces of chance size.
//!
//! Invariants:
//! - Each direction of a stream delivers its octets in order, each piece after the one before.
//! - What is sent and not yet received is bounded by `WINDOW`; beyond it a `Send` stays under way.
//! - The end of a stream arrives after its last octet; a reset may overtake octets and loses them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Octets of one direction that are sent and not yet received, at most.
pub(super) const WINDOW: usize = 256 << 10;

/// Which end of which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EndName {
    pub(super) stream: u64,
    pub(super) end: usize,
}

impl EndName {
    pub(super) fn peer(self) -> EndName {
        EndName { stream: self.stream, end: 1 - self.end }
    }
}

/// Who holds an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// A socket of an engine.
    Socket { engine: usize, slot: u32 },
    /// Detached, or accepted and not yet taken.
    Nobody,
    /// Closed: what arrives is answered by a reset.
    Closed,
}

/// What an end has received and not yet handed on.
#[derive(Debug)]
pub(super) struct End {
    pub(super) owner: Owner,
    pub(super) inbox: VecDeque<Vec<u8>>,
    /// Octets on their way here or in the inbox.
    pub(super) outstanding: usize,
    pub(super) ended: bool,
    pub(super) reset: bool,
    /// When the last piece on its way here arrives.
    pub(super) last_arrival: u64,
}

impl End {
    fn new(owner: Owner) -> End {
        End {
            owner,
            inbox: VecDeque::new(),
            outstanding: 0,
            ended: false,
            reset: false,
            last_arrival: 0,
        }
    }

    /// Whether there is something to receive, its end or a reset included.
    pub(super) fn has_news(&self) -> bool {
        !self.inbox.is_empty() || self.ended || self.reset
    }

    /// Octets that the peer may still send.
    pub(super) fn window(&self) -> usize {
        WINDOW.saturating_sub(self.outstanding)
    }
}

/// Streams and listeners of one world.
#[derive(Default)]
pub(super) struct Network {
    streams: BTreeMap<u64, [End; 2]>,
    listeners: BTreeMap<SocketAddr, Vec<(usize, u32)>>,
    next_stream: u64,
    next_port: u16,
}

impl Network {
    pub(super) fn open(&mut self, calling: Owner, called: Owner) -> u64 {
        let stream = self.next_stream;
        self.next_stream += 1;
        self.streams.insert(stream, [End::new(calling), End::new(called)]);
        stream
    }

    pub(super) fn end_mut(&mut self, name: EndName) -> Option<&mut End> {
        self.streams.get_mut(&name.stream).map(|ends| &mut ends[name.end])
    }

    /// Forgets a stream once both ends are closed.
    pub(super) fn reap(&mut self, stream: u64) {
        let closed = |ends: &[End; 2]| ends.iter().all(|end| end.owner == Owner::Closed);
        if self.streams.get(&stream).is_some_and(closed) {
            self.streams.remove(&stream);
        }
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = u64> {
        self.streams.keys().copied()
    }

    /// A port that nobody has been given before.
    pub(super) fn fresh_port(&mut self) -> u16 {
        let port = 49_152 + self.next_port % 16_384;
        self.next_port = self.next_port.wrapping_add(1);
        port
    }

    pub(super) fn listen(&mut self, address: SocketAddr, engine: usize, slot: u32) {
        self.listeners.entry(address).or_default().push((engine, slot));
    }

    pub(super) fn stop_listening(&mut self, engine: usize, slot: Option<u32>) {
        self.listeners.retain(|_, listeners| {
            listeners
                .retain(|(owner, at)| *owner != engine || slot.is_some_and(|slot| slot != *at));
            !listeners.is_empty()
        });
    }

    pub(super) fn listeners(&self, address: SocketAddr) -> &[(usize, u32)] {
        self.listeners.get(&address).map_or(&[], Vec::as_slice)
    }
}
