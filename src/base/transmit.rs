//! A gather list on its way to a socket: owned header octets between leased ranges.
//!
//! Protocol machines write into it, an I/O engine sends it whole and gives it back to be filled again.

use super::buffer::Lease;
use super::limits::TRANSMIT_COPY_BELOW;

/// One stretch of a [`Transmit`].
#[derive(Debug, Clone)]
enum Part {
    Owned { start: usize, end: usize },
    Leased(Lease),
}

/// Octets to send, in order.
#[derive(Debug, Clone, Default)]
pub struct Transmit {
    arena: Vec<u8>,
    parts: Vec<Part>,
    size: usize,
}

impl Transmit {
    /// An empty list.
    pub fn new() -> Transmit {
        Transmit::default()
    }

    /// Total octets.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Number of stretches.
    pub fn part_count(&self) -> usize {
        self.parts.len()
    }

    /// Forgets all octets and drops all leases, keeping its memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.parts.clear();
        self.size = 0;
    }

    /// Appends a copy of `octets`.
    pub fn push_owned(&mut self, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        let start = self.arena.len();
        self.arena.extend_from_slice(octets);
        self.size += octets.len();
        match self.parts.last_mut() {
            Some(Part::Owned { end, .. }) if *end == start => *end = self.arena.len(),
            _ => self.parts.push(Part::Owned { start, end: self.arena.len() }),
        }
    }

    /// Appends `lease` without copying, unless it is so short that a copy is cheaper.
    pub fn push_leased(&mut self, lease: Lease) {
        if lease.len() < TRANSMIT_COPY_BELOW {
            return self.push_owned(&lease);
        }
        self.size += lease.len();
        self.parts.push(Part::Leased(lease));
    }

    /// The stretches in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| match part {
            Part::Owned { start, end } => &self.arena[*start..*end],
            Part::Leased(lease) => &lease[..],
        })
    }

    /// All octets in one vector; for tests and tools.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.size);
        self.slices().for_each(|slice| octets.extend_from_slice(slice));
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_merges_owned_neighbours() {
        let mut transmit = Transmit::new();
        transmit.push_owned(b"ab");
        transmit.push_owned(b"c");
        transmit.push_leased(Lease::copied(&[1; TRANSMIT_COPY_BELOW]));
        transmit.push_leased(Lease::copied(b"short"));
        assert_eq!(transmit.part_count(), 3);
        let octets = transmit.to_vec();
        assert_eq!(octets.len(), transmit.size());
        assert_eq!((&octets[..3], &octets[octets.len() - 5..]), (&b"abc"[..], &b"short"[..]));
        transmit.clear();
        assert!(transmit.is_empty());
    }
}
