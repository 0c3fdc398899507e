//! Slots with generations, so that a stale handle is refused.

/// A slot number and how often the slot has been used before.
pub(super) type Place = (u32, u32);

/// Values by slot and generation.
pub(super) struct Table<T> {
    slots: Vec<(u32, Option<T>)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { slots: Vec::new() }
    }
}

impl<T> Table<T> {
    pub(super) fn insert(&mut self, value: T) -> Place {
        let free = self.slots.iter().position(|(_, value)| value.is_none());
        let slot = free.unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        self.slots[slot].1 = Some(value);
        (slot as u32, self.slots[slot].0)
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        let (generation, value) = self.slots.get_mut(place.0 as usize)?;
        value.as_mut().filter(|_| *generation == place.1)
    }

    /// What stands in a slot now, whichever its generation.
    pub(super) fn current_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.1.as_mut()
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let (generation, value) = self.slots.get_mut(slot as usize)?;
        let taken = value.take()?;
        *generation += 1;
        Some(taken)
    }

    pub(super) fn occupied(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(slot, (_, value))| value.as_ref().map(|value| (slot as u32, value)))
    }
}
