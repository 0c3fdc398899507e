//! Folding of attribute characters: what does not count when names are compared.
//!
//! Names are short, so comparing and hashing take eight octets at a time, as one number; only spaces, of
//! which some may not count, need a look at each octet.

use smallvec::SmallVec;

/// The octets with ASCII letters in lower case, without leading and trailing spaces, and with one space
/// for several.
pub fn folded(octets: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let start = octets.iter().position(|octet| *octet != b' ');
    let mut rest = start.map_or(&[][..], |start| &octets[start..]);
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        if first != b' ' {
            rest = tail;
            return Some(first.to_ascii_lowercase());
        }
        let next = tail.iter().position(|octet| *octet != b' ');
        rest = next.map_or(&[][..], |next| &tail[next..]);
        next.map(|_| b' ')
    })
}

/// Whether two attributes name the same.
#[inline]
pub fn folded_eq(left: &[u8], right: &[u8]) -> bool {
    let same = |left: u64, right: u64| left == right || lower(left) == lower(right);
    if left.len() == right.len() {
        let ((left_words, left_rest), (right_words, right_rest)) =
            (left.as_chunks(), right.as_chunks());
        let mut pairs = left_words.iter().zip(right_words);
        if same(word(left_rest), word(right_rest))
            && pairs
                .all(|(left, right)| same(u64::from_le_bytes(*left), u64::from_le_bytes(*right)))
        {
            return true;
        }
    }
    // Spaces may still make up for the difference.
    same_but_for_spaces(left, right)
}

#[cold]
fn same_but_for_spaces(left: &[u8], right: &[u8]) -> bool {
    words(left).chain(words(right)).any(has_space) && folded(left).eq(folded(right))
}

/// The hash of an attribute: the same for all that name the same.
///
/// Good for short values that an operator wrote; nothing may rest on two of them being different.
#[inline]
pub fn folded_hash(octets: &[u8]) -> u64 {
    let (chunks, rest) = octets.as_chunks();
    let (mut hash, mut spaces) = (octets.len() as u64, 0);
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        spaces |= space_bits(word);
        hash = mix(hash, word | SPACES);
    }
    let last = word(rest);
    if spaces | space_bits(last) == 0 { mix(hash, last | SPACES) } else { hash_with_spaces(octets) }
}

#[cold]
fn hash_with_spaces(octets: &[u8]) -> u64 {
    let folded: SmallVec<[u8; 64]> = folded(octets).collect();
    hash_words(&folded)
}

/// One hash of an earlier one and of what comes next.
#[inline]
pub fn mix(hash: u64, next: u64) -> u64 {
    let product = (hash.rotate_left(29) ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}

/// The bit that tells cases apart is left out, which costs less than folding.
fn hash_words(octets: &[u8]) -> u64 {
    words(octets).fold(octets.len() as u64, |hash, word| mix(hash, word | SPACES))
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x80 * ONES;
const SPACES: u64 = b' ' as u64 * ONES;

/// The octets as numbers, which together with their count tell them.
#[inline]
fn words(octets: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (chunks, rest) = octets.as_chunks();
    chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).chain(std::iter::once(word(rest)))
}

/// Fewer than eight octets as a number: those in the middle may stand in it twice.
#[inline]
fn word(octets: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (octets.first_chunk(), octets.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    match *octets {
        [] => 0,
        [only] => u64::from(only),
        [first, .., last] => {
            let middle = octets[octets.len() / 2];
            u64::from(first) | u64::from(middle) << 8 | u64::from(last) << 16
        }
    }
}

/// The octets of a word with ASCII letters in lower case.
#[inline]
fn lower(word: u64) -> u64 {
    let low_bits = word & !HIGH_BITS;
    // The high bit of an octet becomes that of a comparison; no sum reaches the next octet.
    let from_a = low_bits + (0x80 - u64::from(b'A')) * ONES;
    let behind_z = low_bits + (0x7f - u64::from(b'Z')) * ONES;
    let upper = (from_a ^ behind_z) & !word & HIGH_BITS;
    word | upper >> 2
}

#[inline]
fn has_space(word: u64) -> bool {
    space_bits(word) != 0
}

/// Bits of which one at least is set where an octet is a space, and none where none is.
#[inline]
fn space_bits(word: u64) -> u64 {
    let zero_where_space = word ^ SPACES;
    zero_where_space.wrapping_sub(ONES) & !zero_where_space & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folds_case_and_spaces() {
        for (octets, expected) in [
            (&b"Acme"[..], &b"acme"[..]),
            (b"  One   Two ", b"one two"),
            (b" ", b""),
            (b"", b""),
            (b"a ", b"a"),
            (b"\xc8U", b"\xc8u"),
        ] {
            assert_eq!(folded(octets).collect::<Vec<u8>>(), expected);
            assert!(folded_eq(octets, expected));
            assert_eq!(folded_hash(octets), folded_hash(expected));
        }
        assert!(!folded_eq(b"onetwo", b"one two"));
        assert!(!folded_eq(b"one", b"two"));
        assert!(!folded_eq(b"one", b"one two"));
        assert!(folded_eq(b"One two ", b"oNE  Two"));
    }

    #[test]
    fn every_octet_folds_in_a_word_as_by_itself() {
        for octet in 0..=u8::MAX {
            for position in 0..8 {
                let mut octets = *b"aZ@[ \xff\x00z";
                octets[position] = octet;
                let lower = lower(u64::from_le_bytes(octets)).to_le_bytes();
                assert_eq!(lower, octets.map(|octet| octet.to_ascii_lowercase()));
            }
        }
    }

    proptest! {
        #[test]
        fn words_compare_as_octets_do(left in "[ aAbZ@`é]{0,20}", right in "[ aAbZ@`é]{0,20}") {
            let (left, right) = (left.as_bytes(), right.as_bytes());
            let equal = folded(left).eq(folded(right));
            prop_assert_eq!(folded_eq(left, right), equal);
            prop_assert!(!equal || folded_hash(left) == folded_hash(right));
            let folded: Vec<u8> = folded(left).collect();
            prop_assert!(folded_eq(left, &folded));
            prop_assert_eq!(folded_hash(left), folded_hash(&folded));
        }
    }
}
