//! How a shard names its I/O operations and timers: kind, slot and generation in one word.

use crate::io::Token;

/// What an operation or timer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A listener, by index.
    Listener(u32),
    /// A connection, by slot and generation.
    Connection(ConnectionKey),
    /// An operation of a log, by the log's slot and its own token.
    Log {
        /// Index among the shard's logs.
        slot: u8,
        /// The log's token.
        token: u32,
    },
    /// A connector's retry time, by its index.
    Connector(u16),
    /// A delivery point, by its connector's index.
    DeliveryPoint(u16),
    /// An APDU that something takes the place of, by its slot.
    Derivation(u32),
    /// Nobody waits for it.
    Nobody,
}

/// A connection's slot, and how often the slot was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionKey {
    pub(crate) slot: u32,
    pub(crate) generation: u16,
}

impl Subject {
    pub(crate) fn to_word(self) -> u64 {
        match self {
            Subject::Listener(index) => u64::from(index),
            Subject::Connection(key) => {
                1 << 56 | u64::from(key.generation) << 32 | u64::from(key.slot)
            }
            Subject::Log { slot, token } => 2 << 56 | u64::from(slot) << 32 | u64::from(token),
            Subject::Connector(index) => 3 << 56 | u64::from(index),
            Subject::Nobody => 4 << 56,
            Subject::Derivation(slot) => 5 << 56 | u64::from(slot),
            Subject::DeliveryPoint(index) => 6 << 56 | u64::from(index),
        }
    }

    pub(crate) fn from_word(word: u64) -> Option<Subject> {
        match word >> 56 {
            0 => Some(Subject::Listener(word as u32)),
            1 => Some(Subject::Connection(ConnectionKey {
                slot: word as u32,
                generation: (word >> 32) as u16,
            })),
            2 => Some(Subject::Log { slot: (word >> 32) as u8, token: word as u32 }),
            3 => Some(Subject::Connector(word as u16)),
            4 => Some(Subject::Nobody),
            5 => Some(Subject::Derivation(word as u32)),
            6 => Some(Subject::DeliveryPoint(word as u16)),
            _ => None,
        }
    }

    pub(crate) fn token(self) -> Token {
        Token(self.to_word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_survives_the_round_trip() {
        for subject in [
            Subject::Listener(3),
            Subject::Connection(ConnectionKey { slot: u32::MAX, generation: u16::MAX }),
            Subject::Log { slot: 255, token: u32::MAX },
            Subject::Connector(u16::MAX),
            Subject::Derivation(u32::MAX),
            Subject::Nobody,
        ] {
            assert_eq!(Subject::from_word(subject.to_word()), Some(subject));
        }
        assert_eq!(Subject::from_word(u64::MAX), None);
    }
}
