//! What the store keeps in memory of each message: where its record is, and which targets are open.
//!
//! 20 octets a message. What does not fit, the states of more than 16 targets and the chunks of a large
//! body, is kept apart in an [`Extended`].

use slab::Slab;

use super::Outcome;
use super::format::ChunkPosition;

/// Targets whose states fit into the message's entry, two bits each.
const INLINE_TARGET_COUNT: u16 = 16;

/// Where a target of a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TargetState {
    /// Not attempted, or known not to have been taken.
    Pending = 0,
    /// Attempted and without an outcome: in doubt after a restart.
    Attempted = 1,
    /// Done with.
    Final = 2,
}

impl TargetState {
    fn after(outcome: Outcome) -> TargetState {
        match outcome {
            Outcome::Attempted => TargetState::Attempted,
            Outcome::Deferred => TargetState::Pending,
            Outcome::Transferred | Outcome::Returned | Outcome::Expired | Outcome::Discarded => {
                TargetState::Final
            }
        }
    }

    fn of_bits(bits: u32) -> TargetState {
        match bits & 3 {
            0 => TargetState::Pending,
            1 => TargetState::Attempted,
            _ => TargetState::Final,
        }
    }
}

/// What only some messages have.
#[derive(Debug, Default)]
pub(super) struct Extended {
    states: Vec<TargetState>,
    pub(super) chunks: Vec<ChunkPosition>,
}

/// One message of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    /// Of the record in its segment, octets.
    pub(super) offset: u32,
    pub(super) metadata_size: u32,
    /// Chunks included.
    pub(super) body_size: u32,
    /// Two bits a target, or a slot of the extended messages.
    targets: u32,
    pub(super) target_count: u16,
    extended: bool,
    pub(super) live: bool,
}

const _: () = assert!(size_of::<Message>() <= 24);

impl Message {
    /// A live message; `attempted` has a bit for each of the first 64 targets.
    pub(super) fn new(
        offset: u32,
        metadata_size: u32,
        body_size: u32,
        target_count: u16,
        attempted: u64,
        chunks: Vec<ChunkPosition>,
        extended: &mut Slab<Extended>,
    ) -> Message {
        let state = |target: u16| match target < 64 && attempted >> target & 1 == 1 {
            true => TargetState::Attempted,
            false => TargetState::Pending,
        };
        let apart = target_count > INLINE_TARGET_COUNT || !chunks.is_empty();
        let targets = if apart {
            let states = (0..target_count).map(state).collect();
            extended.insert(Extended { states, chunks }) as u32
        } else {
            (0..target_count).fold(0, |bits, target| bits | (state(target) as u32) << (2 * target))
        };
        Message {
            offset,
            metadata_size,
            body_size,
            targets,
            target_count,
            extended: apart,
            live: true,
        }
    }

    pub(super) fn extended<'a>(&self, extended: &'a Slab<Extended>) -> Option<&'a Extended> {
        if self.extended && self.live { extended.get(self.targets as usize) } else { None }
    }

    /// The state of a target; `None` when there is no such target.
    pub(super) fn state(&self, target: u16, extended: &Slab<Extended>) -> Option<TargetState> {
        if target >= self.target_count {
            None
        } else if !self.live {
            Some(TargetState::Final)
        } else if self.extended {
            self.extended(extended)?.states.get(usize::from(target)).copied()
        } else {
            Some(TargetState::of_bits(self.targets >> (2 * target)))
        }
    }

    /// Notes an outcome; returns the chunks to let go when it was the last of a live message.
    pub(super) fn settle(
        &mut self,
        target: u16,
        outcome: Outcome,
        extended: &mut Slab<Extended>,
    ) -> Option<Vec<ChunkPosition>> {
        let state = TargetState::after(outcome);
        if !self.live || target >= self.target_count {
            return None;
        }
        if self.extended {
            let apart = extended.get_mut(self.targets as usize)?;
            *apart.states.get_mut(usize::from(target))? = state;
        } else {
            self.targets &= !(3 << (2 * target));
            self.targets |= (state as u32) << (2 * target);
        }
        let open = |target| self.state(target, extended) != Some(TargetState::Final);
        if state != TargetState::Final || (0..self.target_count).any(open) {
            return None;
        }
        self.live = false;
        match self.extended {
            true => extended.try_remove(self.targets as usize).map(|apart| apart.chunks),
            false => Some(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_with_its_last_target(target_count: u16) {
        let mut extended = Slab::new();
        let mut message = Message::new(0, 0, 0, target_count, 0b10, Vec::new(), &mut extended);
        assert_eq!(message.state(0, &extended), Some(TargetState::Pending));
        assert_eq!(message.state(1, &extended), Some(TargetState::Attempted));
        assert_eq!(message.state(target_count, &extended), None);
        assert!(message.settle(1, Outcome::Deferred, &mut extended).is_none());
        assert_eq!(message.state(1, &extended), Some(TargetState::Pending));
        for target in (1..target_count).rev() {
            assert!(message.settle(target, Outcome::Expired, &mut extended).is_none());
        }
        assert_eq!(message.state(1, &extended), Some(TargetState::Final));
        assert!(message.settle(0, Outcome::Transferred, &mut extended).is_some());
        assert!(!message.live && extended.is_empty());
    }

    #[test]
    fn a_message_ends_with_its_last_target() {
        ends_with_its_last_target(2);
        ends_with_its_last_target(16);
        ends_with_its_last_target(17);
        ends_with_its_last_target(300);
    }
}
