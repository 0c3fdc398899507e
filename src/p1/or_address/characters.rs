//! Characters of the strings of O/R addresses, of every repertoire, as Unicode; total on any octets.
//!
//! TeletexString is read as T.61 in eight bits (ISO-IR-103): accents stand before their letter, and the pair
//! is one character. An octet that its repertoire does not define, or an accent before no letter that takes
//! it, is the private-use character U+E000 plus the octet: so a string is written back as it was read.

use super::Repertoire;

/// The octets from 0xA0 on that stand for one character each, in runs.
const RUNS: [(u8, &str); 6] = [
    (0xa1, "¡¢£$¥#§¤"),
    (0xab, "«"),
    (0xb0, "°±²³×µ¶·÷"),
    (0xbb, "»¼½¾¿"),
    (0xe0, "\u{2126}ÆÐªĦ"),
    (0xe6, "ĲĿŁØŒºÞŦŊŉĸæđðħıĳŀłøœßþŧŋ"),
];

/// The graphic ASCII octets that T.61 leaves undefined: `#` and `$` stand elsewhere.
const UNDEFINED: &[u8] = b"#$\\^`{}~";

/// Non-spacing accents: the octet, the combining character of Unicode, the letters that take it, and what
/// they become.
const ACCENTS: [(u8, char, &str, &str); 13] = [
    (0xc1, '\u{300}', "AEIOUaeiou", "ÀÈÌÒÙàèìòù"),
    (0xc2, '\u{301}', " ACEILNORSUYZaceilnorsuyz", "´ÁĆÉÍĹŃÓŔŚÚÝŹáćéíĺńóŕśúýź"),
    (0xc3, '\u{302}', "ACEGHIJOSUWYaceghijosuwy", "ÂĈÊĜĤÎĴÔŜÛŴŶâĉêĝĥîĵôŝûŵŷ"),
    (0xc4, '\u{303}', "AINOUainou", "ÃĨÑÕŨãĩñõũ"),
    (0xc5, '\u{304}', " AEIOUaeiou", "¯ĀĒĪŌŪāēīōū"),
    (0xc6, '\u{306}', " AGUagu", "˘ĂĞŬăğŭ"),
    (0xc7, '\u{307}', " CEGIZcegz", "˙ĊĖĠİŻċėġż"),
    (0xc8, '\u{308}', " AEIOUYaeiouy", "¨ÄËÏÖÜŸäëïöüÿ"),
    (0xca, '\u{30a}', " AUau", "˚ÅŮåů"),
    (0xcb, '\u{327}', " CGKLNRSTcgklnrst", "¸ÇĢĶĻŅŖŞŢçģķļņŗşţ"),
    (0xcd, '\u{30b}', " OUou", "˝ŐŰőű"),
    (0xce, '\u{328}', " AEIUaeiu", "˛ĄĘĮŲąęįų"),
    (0xcf, '\u{30c}', " CDELNRSTZcdelnrstz", "ˇČĎĚĽŇŘŠŤŽčďěľňřšťž"),
];

const PRIVATE_USE: u32 = 0xe000;

/// The private-use character that stands for an octet of no meaning.
fn stand_in(octet: u8) -> char {
    char::from_u32(PRIVATE_USE + u32::from(octet)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The octet of no meaning that a private-use character stands for.
pub(super) fn stood_for(character: char) -> Option<u8> {
    u32::from(character).checked_sub(PRIVATE_USE).and_then(|octet| u8::try_from(octet).ok())
}

/// The letter under an accent, as one character, when T.61 has that pair.
pub(super) fn accented(accent: u8, letter: char) -> Option<char> {
    let (.., letters, composed) = ACCENTS.iter().find(|(octet, ..)| *octet == accent)?;
    letters.chars().zip(composed.chars()).find(|(each, _)| *each == letter).map(|pair| pair.1)
}

/// As [`accented`], by the combining character of Unicode that follows the letter.
pub(super) fn composed(letter: char, combining: char) -> Option<char> {
    let (accent, ..) = ACCENTS.iter().find(|(_, mark, ..)| *mark == combining)?;
    accented(*accent, letter)
}

/// What one octet of T.61 stands for by itself.
pub(super) fn of_teletex_octet(octet: u8) -> char {
    match octet {
        0..0xa0 if !UNDEFINED.contains(&octet) => char::from(octet),
        _ => {
            let in_run = |&(first, run): &(u8, &'static str)| {
                run.chars().nth(usize::from(octet.checked_sub(first)?))
            };
            RUNS.iter().find_map(in_run).unwrap_or(stand_in(octet))
        }
    }
}

/// The octets of a character in T.61; `None` when it has none.
pub(super) fn teletex_octets(character: char) -> Option<([u8; 2], usize)> {
    if let Some(octet) = stood_for(character) {
        return Some(([octet, 0], 1));
    }
    if let Ok(octet @ 0..0xa0) = u8::try_from(u32::from(character))
        && !UNDEFINED.contains(&octet)
    {
        return Some(([octet, 0], 1));
    }
    for (first, run) in RUNS {
        if let Some(index) = run.chars().position(|each| each == character) {
            return Some(([first + index as u8, 0], 1));
        }
    }
    for (accent, _, letters, composed) in ACCENTS {
        let mut pairs = letters.bytes().zip(composed.chars());
        if let Some((letter, _)) = pairs.find(|(_, each)| *each == character) {
            return Some(([accent, letter], 2));
        }
    }
    None
}

/// Whether T.61 can say all of it.
pub(super) fn is_teletex(text: &str) -> bool {
    text.chars().all(|character| teletex_octets(character).is_some())
}

/// The octets of a TeletexString.
///
/// # Errors
/// The index of the first character that T.61 has not.
pub fn teletex_string(text: &str) -> Result<Vec<u8>, usize> {
    match text.chars().position(|character| teletex_octets(character).is_none()) {
        Some(index) => Err(index),
        None => Ok(encode_teletex(text)),
    }
}

/// The octets of a TeletexString; characters that T.61 has not are left as question marks.
pub(super) fn encode_teletex(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    for character in text.chars() {
        let (pair, size) = teletex_octets(character).unwrap_or((*b"?\0", 1));
        octets.extend_from_slice(&pair[..size]);
    }
    octets
}

/// The octets of a PrintableString, or NumericString, as they were read.
pub(super) fn encode_printable(text: &str) -> Vec<u8> {
    let octet = |character: char| match stood_for(character) {
        Some(octet) => octet,
        None if character.is_ascii() => character as u8,
        None => b'?',
    };
    text.chars().map(octet).collect()
}

/// The characters of a string in place.
#[derive(Debug, Clone)]
pub struct Characters<'a> {
    repertoire: Repertoire,
    rest: &'a [u8],
}

impl<'a> Characters<'a> {
    /// Those of these octets, read in this repertoire.
    pub fn new(repertoire: Repertoire, octets: &'a [u8]) -> Characters<'a> {
        Characters { repertoire, rest: octets }
    }

    /// The next `COUNT` octets as a number; the odd ones at the end are one of their own.
    fn number<const COUNT: usize>(&mut self) -> Option<u32> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((octets, rest)) = self.rest.split_first_chunk::<COUNT>() else {
            self.rest = &[];
            return Some(u32::MAX);
        };
        self.rest = rest;
        Some(octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)))
    }
}

impl Iterator for Characters<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let of_number = |number| char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
        match self.repertoire {
            Repertoire::Printable | Repertoire::Other => {
                let (&octet, rest) = self.rest.split_first()?;
                self.rest = rest;
                let graphic = octet == b' ' || octet.is_ascii_graphic();
                Some(if graphic { char::from(octet) } else { stand_in(octet) })
            }
            Repertoire::Teletex => {
                let (&octet, rest) = self.rest.split_first()?;
                self.rest = rest;
                if let Some((&letter, behind)) = rest.split_first()
                    && octet >= 0xc0
                    && letter.is_ascii()
                    && let Some(character) = accented(octet, char::from(letter))
                {
                    self.rest = behind;
                    return Some(character);
                }
                Some(of_teletex_octet(octet))
            }
            Repertoire::Universal => self.number::<4>().map(of_number),
            Repertoire::Bmp => {
                let first = self.number::<2>()?;
                if (0xd800..0xdc00).contains(&first)
                    && let Some((&[high, low], behind)) = self.rest.split_first_chunk::<2>()
                    && let second = u32::from(high) << 8 | u32::from(low)
                    && (0xdc00..0xe000).contains(&second)
                {
                    self.rest = behind;
                    return Some(of_number(0x1_0000 + ((first - 0xd800) << 10) + second - 0xdc00));
                }
                Some(of_number(first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accents_stand_before_their_letter() {
        let text = |octets| Characters::new(Repertoire::Teletex, octets).collect::<String>();
        assert_eq!(text(b"M\xc8uller"), "Müller");
        assert_eq!(text(b"\xc2E\xcbc\xcfz"), "Éçž");
        assert_eq!(text(b"\xa4\xa6\xfb\xe0\xfe\xb8\xbf"), "$#ß\u{2126}ŋ÷¿");
        assert_eq!(text(b"\xc8\xa4$\xc8"), "\u{e0c8}$\u{e024}\u{e0c8}");
        assert_eq!(encode_teletex("Müller$ß"), b"M\xc8uller\xa4\xfb");
        assert!(is_teletex("a_b@c;ŝ") && !is_teletex("Ж") && !is_teletex("~"));
    }

    #[test]
    fn tables_agree_in_size() {
        for (_, _, letters, composed) in ACCENTS {
            assert_eq!(letters.chars().count(), composed.chars().count());
            assert!(letters.is_ascii());
        }
        let all: String = RUNS.iter().map(|run| run.1).collect();
        assert_eq!(all.chars().count(), 8 + 1 + 9 + 5 + 5 + 25);
        assert_eq!(of_teletex_octet(0xe5), '\u{e0e5}');
    }

    #[test]
    fn bmp_and_universal() {
        let bmp = Characters::new(Repertoire::Bmp, b"\x04\x16\xd8\x3d\xde\x00\xd8\x00\0a\0");
        assert_eq!(bmp.collect::<String>(), "Ж😀\u{fffd}a\u{fffd}");
        let universal = Characters::new(Repertoire::Universal, b"\0\0\x04\x16\0\x11\0\0\0");
        assert_eq!(universal.collect::<String>(), "Ж\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn strings_are_written_back_as_they_were_read(octets: Vec<u8>) {
            let teletex: String = Characters::new(Repertoire::Teletex, &octets).collect();
            prop_assert_eq!(&encode_teletex(&teletex), &octets);
            let printable: String = Characters::new(Repertoire::Printable, &octets).collect();
            prop_assert_eq!(&encode_printable(&printable), &octets);
            for repertoire in [Repertoire::Bmp, Repertoire::Universal] {
                prop_assert!(Characters::new(repertoire, &octets).count() <= octets.len());
            }
        }
    }
}
