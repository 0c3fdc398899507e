//! The values of attributes in text: their characters with their places, checked and sorted into variants.

use super::super::attribute::{
    ADDRESS_LINE_COUNT_MAX, Characters, Entry, UNFORMATTED_ADDRESS_SIZE_MAX, is_printable,
};
use super::super::characters::{accented, is_teletex, stood_for};
use super::super::encode::hexadecimal;
use super::super::owned::{LINE_END, Variants, repertoire_of};
use super::{Repertoire, TextError};
use crate::ber::Reader;

/// One character of a value, and where it stands; a `*` that parts variants is `None`.
pub(super) type Piece = (Option<char>, usize);

pub(super) fn fault<T>(character: usize, problem: &'static str) -> Result<T, TextError> {
    Err(TextError { character, problem })
}

pub(super) const ASTERISK: &str = "this has one variant only; write {042} for an asterisk";

/// The characters, with an accent that octets in braces gave and the letter behind it made one.
pub(super) fn text_of(pieces: &[Piece]) -> String {
    let mut text = String::with_capacity(pieces.len());
    let mut characters = pieces.iter().filter_map(|(character, _)| *character).peekable();
    while let Some(character) = characters.next() {
        let one = stood_for(character)
            .zip(characters.peek())
            .and_then(|(accent, letter)| accented(accent, *letter));
        if one.is_some() {
            characters.next();
        }
        text.push(one.unwrap_or(character));
    }
    text
}

/// Refuses what parts variants, and the first character that `is_allowed` refuses.
pub(super) fn plain(
    pieces: &[Piece],
    is_allowed: impl Fn(char) -> bool,
    problem: &'static str,
) -> Result<(), TextError> {
    for (character, at) in pieces {
        match character {
            None => return fault(*at, ASTERISK),
            Some(character) if !is_allowed(*character) => return fault(*at, problem),
            Some(_) => {}
        }
    }
    Ok(())
}

pub(super) fn bounded(pieces: &[Piece], size_max: usize) -> Result<Variants, TextError> {
    match pieces.get(size_max) {
        Some((_, at)) => fault(*at, "the value is too long; it ends before this character"),
        None => Ok(Variants::of(text_of(pieces))),
    }
}

/// The variants of a value: parted by `*`, or of the repertoire that can say it.
pub(super) fn variants(pieces: &[Piece], entry: &Entry) -> Result<Variants, TextError> {
    let mut parts = pieces.split(|(character, _)| character.is_none());
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if let Some(rest) = parts.next() {
        let asterisk = rest.first().map_or(pieces.len(), |(_, at)| *at).saturating_sub(1);
        return fault(
            asterisk,
            "an attribute has three variants at most: printable*teletex*universal",
        );
    }
    let mut value = Variants::default();
    let Some(second) = second else {
        put(&mut value, first, None, entry)?;
        return Ok(value);
    };
    if !first.is_empty() {
        let is_allowed = |each| is_printable(each) || LINE_END.contains(each);
        plain(
            first,
            is_allowed,
            "what stands before `*` is the printable variant; leave it empty",
        )?;
        put(&mut value, first, Some(Repertoire::Printable), entry)?;
    }
    if !second.is_empty() {
        let text = text_of(second);
        let repertoire =
            if is_teletex(&text) { Repertoire::Teletex } else { Repertoire::Universal };
        put(&mut value, second, Some(repertoire), entry)?;
    }
    if let Some(third) = third.filter(|third| !third.is_empty()) {
        put(&mut value, third, Some(Repertoire::Universal), entry)?;
    }
    Ok(value)
}

/// Puts one variant in its place, within its bounds.
fn put(
    value: &mut Variants,
    pieces: &[Piece],
    repertoire: Option<Repertoire>,
    entry: &Entry,
) -> Result<(), TextError> {
    let text = text_of(pieces);
    let is_lines = entry.characters == Characters::Lines;
    let repertoire = repertoire.unwrap_or_else(|| match is_lines {
        true => repertoire_of(&text.replace(LINE_END, " ")),
        false => repertoire_of(&text),
    });
    if is_lines && repertoire == Repertoire::Printable {
        let mut count = 0;
        for line in pieces.split(|(character, _)| *character == Some('\n')) {
            let size = line.iter().filter(|(character, _)| *character != Some('\r')).count();
            count += 1;
            if size == 0 || size > entry.size_max || count > ADDRESS_LINE_COUNT_MAX {
                let at = line.first().or(pieces.last()).map_or(0, |(_, at)| *at);
                return fault(at, "up to six lines, each of 1 to 30 printable characters");
            }
        }
    } else {
        let size_max = match repertoire {
            Repertoire::Printable | Repertoire::Teletex if is_lines => UNFORMATTED_ADDRESS_SIZE_MAX,
            Repertoire::Printable | Repertoire::Teletex => entry.size_max,
            _ => entry.universal_size_max,
        };
        bounded(pieces, size_max)?;
    }
    *value.slot_mut(repertoire) = Some(text);
    Ok(())
}

/// The whole element that hexadecimal digits say.
pub(super) fn element(pieces: &[Piece], value_at: usize) -> Result<Vec<u8>, TextError> {
    let text = text_of(pieces);
    let is_hexadecimal = text.bytes().all(|each| each.is_ascii_hexdigit());
    if !is_hexadecimal
        || !text.len().is_multiple_of(2)
        || text.is_empty()
        || text.len() != pieces.len()
    {
        return fault(value_at, "write the octets of the element as pairs of hexadecimal digits");
    }
    let octets: Vec<u8> = hexadecimal(&text).collect();
    let mut reader = Reader::new(&octets);
    let read = reader.header().and_then(|header| reader.skip(&header));
    if read.is_err() || !reader.is_at_end() {
        return fault(value_at, "this is not one whole element: its length does not fit");
    }
    Ok(octets)
}
