//! Local identifiers: what makes the MTS-identifiers of the messages, probes and reports that we originate
//! unique in our domain (MTSIdentifier, LocalIdentifier, MTSAbstractService; ub-local-id-length 32).
//!
//! ```text
//! store (8)  "-"  incarnation (1..7)  "-"  issuer (1..3)  "-"  counter (1..11)      at most 32 characters
//! ```
//!
//! Numbers are written to the base of 32, digits `0` to `9` and `A` to `V`. The store's identity keeps apart
//! the relays of one domain, and a relay whose store was made anew; the store's incarnation, counted up
//! durably whenever it is opened, what was issued before a restart; the issuer, threads that count each for
//! itself. So nothing has to be written, waited for or shared to have the next one.

use std::fmt;

use crate::base::limits::{LOCAL_IDENTIFIER_SIZE_MAX, LOG_COUNT_MAX};

const STORE_DIGIT_COUNT: usize = 8;
const INCARNATION_DIGIT_COUNT_MAX: usize = 7;
const ISSUER_DIGIT_COUNT_MAX: usize = 3;
const COUNTER_DIGIT_COUNT_MAX: usize = 11;
const _: () = assert!(
    STORE_DIGIT_COUNT
        + INCARNATION_DIGIT_COUNT_MAX
        + ISSUER_DIGIT_COUNT_MAX
        + COUNTER_DIGIT_COUNT_MAX
        + 3
        == LOCAL_IDENTIFIER_SIZE_MAX
);
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

/// A local identifier, in place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalIdentifier {
    characters: [u8; LOCAL_IDENTIFIER_SIZE_MAX],
    size: u8,
}

impl LocalIdentifier {
    const EMPTY: LocalIdentifier =
        LocalIdentifier { characters: [0; LOCAL_IDENTIFIER_SIZE_MAX], size: 0 };

    /// Its characters, 1 to 32 of the IA5 and the printable set.
    pub fn as_str(&self) -> &str {
        let characters = self.characters.get(..usize::from(self.size)).unwrap_or_default();
        std::str::from_utf8(characters).unwrap_or_default()
    }

    fn push(&mut self, character: u8) {
        if let Some(free) = self.characters.get_mut(usize::from(self.size)) {
            *free = character;
            self.size += 1;
        }
    }

    /// Appends the last `count` digits of a number, or fewer without leading zeros where `short`.
    fn push_number(&mut self, number: u64, count: usize, short: bool) {
        let digit = |place: usize| (number >> (5 * place) & 31) as usize;
        let mut begun = !short;
        for place in (0..count).rev() {
            begun |= digit(place) != 0 || place == 0;
            if begun {
                self.push(DIGITS[digit(place)]);
            }
        }
    }
}

impl fmt::Display for LocalIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for LocalIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Who counts local identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// A shard, by index.
    Shard(u16),
    /// A delivery point, by its connector's index.
    DeliveryPoint(u16),
}

impl Issuer {
    fn number(self) -> u64 {
        match self {
            Issuer::Shard(index) => u64::from(index),
            Issuer::DeliveryPoint(index) => u64::from(LOG_COUNT_MAX) + u64::from(index),
        }
    }
}

/// Issues local identifiers; there is one for each issuer while a store is open.
#[derive(Debug)]
pub struct Identifiers {
    /// What all of them begin with.
    prefix: LocalIdentifier,
    count: u64,
}

impl Identifiers {
    /// Counts from 1, for the store of this identity (its UUID) at this incarnation. Beyond 2^35 openings,
    /// 32,639 delivery points or 2^55 identifiers they would repeat.
    pub fn new(store: &[u8; 16], incarnation: u64, issuer: Issuer) -> Identifiers {
        let mut prefix = LocalIdentifier::EMPTY;
        // The first octets of a UUID of version 4 are random in all bits.
        let [first, second, third, fourth, fifth, ..] = *store;
        let identity = u64::from_be_bytes([0, 0, 0, first, second, third, fourth, fifth]);
        prefix.push_number(identity, STORE_DIGIT_COUNT, false);
        prefix.push(b'-');
        prefix.push_number(incarnation, INCARNATION_DIGIT_COUNT_MAX, true);
        prefix.push(b'-');
        prefix.push_number(issuer.number(), ISSUER_DIGIT_COUNT_MAX, true);
        prefix.push(b'-');
        Identifiers { prefix, count: 0 }
    }

    /// The next one; allocates nothing.
    pub fn next_identifier(&mut self) -> LocalIdentifier {
        self.count += 1;
        let mut identifier = self.prefix;
        identifier.push_number(self.count, COUNTER_DIGIT_COUNT_MAX, true);
        identifier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: [u8; 16] = [0xff, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];

    #[test]
    fn they_count_and_say_who_counted() {
        let mut shard = Identifiers::new(&STORE, 33, Issuer::Shard(2));
        assert_eq!(shard.next_identifier().as_str(), "VS000001-11-2-1");
        assert_eq!(shard.next_identifier().as_str(), "VS000001-11-2-2");
        let mut point = Identifiers::new(&STORE, 33, Issuer::DeliveryPoint(0));
        assert_eq!(point.next_identifier().as_str(), "VS000001-11-40-1");
        shard.count = 31;
        assert_eq!(shard.next_identifier().as_str(), "VS000001-11-2-10");
    }

    #[test]
    fn the_longest_has_32_printable_characters() {
        let mut last = Identifiers::new(&[0xff; 16], u64::MAX, Issuer::DeliveryPoint(32_639));
        last.count = (1 << 55) - 2;
        let longest = last.next_identifier();
        assert_eq!(longest.as_str(), "VVVVVVVV-VVVVVVV-VVV-VVVVVVVVVVV");
        assert_eq!(longest.as_str().len(), LOCAL_IDENTIFIER_SIZE_MAX);
    }

    #[test]
    fn store_incarnation_and_issuer_keep_them_apart() {
        let mut seen = std::collections::HashSet::new();
        for store in [STORE, [7; 16]] {
            for incarnation in [1, 2, 32, 1 << 34] {
                for issuer in [Issuer::Shard(0), Issuer::Shard(127), Issuer::DeliveryPoint(0)] {
                    let mut identifiers = Identifiers::new(&store, incarnation, issuer);
                    for _ in 0..70 {
                        assert!(seen.insert(identifiers.next_identifier()));
                    }
                }
            }
        }
    }
}
