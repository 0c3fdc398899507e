//! Numbered slots with generations: the table behind every handle of an engine.
//!
//! Invariant: a generation is never given out twice for a slot (until 2^32 uses), so a handle that
//! outlived what it named finds nothing.

/// Values by slot and generation; freed slots are used again, and memory is kept.
pub(super) struct Slots<T> {
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Slots<T> {
        Slots { entries: Vec::new(), free: Vec::new() }
    }

    /// Puts `value` in a free slot and returns the slot and its generation.
    pub(super) fn insert(&mut self, value: T) -> (u32, u32) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push((0, None));
            (self.entries.len() - 1) as u32
        });
        let entry = &mut self.entries[slot as usize];
        entry.1 = Some(value);
        (slot, entry.0)
    }

    /// What stands at `slot`, if it is still of `generation`.
    pub(super) fn get_mut(&mut self, slot: u32, generation: u32) -> Option<&mut T> {
        match self.entries.get_mut(slot as usize) {
            Some((current, value)) if *current == generation => value.as_mut(),
            _ => None,
        }
    }

    /// Whatever stands anywhere.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|(_, value)| value.as_ref())
    }

    /// Takes out what stands at `slot`, if it is still of `generation`.
    pub(super) fn remove(&mut self, slot: u32, generation: u32) -> Option<T> {
        self.get_mut(slot, generation)?;
        let entry = self.entries.get_mut(slot as usize)?;
        entry.0 = entry.0.wrapping_add(1);
        self.free.push(slot);
        entry.1.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_generation_finds_nothing() {
        let mut slots = Slots::new();
        let (slot, generation) = slots.insert('a');
        assert_eq!(slots.get_mut(slot, generation), Some(&mut 'a'));
        assert_eq!(slots.remove(slot, generation), Some('a'));
        assert_eq!(slots.remove(slot, generation), None);
        let (slot_again, generation_again) = slots.insert('b');
        assert_eq!(slot_again, slot);
        assert_eq!(slots.get_mut(slot, generation), None);
        assert_eq!(slots.get_mut(slot, generation_again), Some(&mut 'b'));
        assert_eq!(slots.get_mut(slot + 1, 0), None);
    }
}
