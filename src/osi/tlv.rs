//! Elements of control PDUs, over [`crate::ber`]: found by their first identifier octet, and written.
//!
//! All tags of these layers take one octet, so that octet, class and form included, names an element.

use crate::ber::write::{length, length_size};
use crate::ber::{ErrorKind, Length, Reader};
use smallvec::SmallVec;

/// Longest identifier and length octets that are read where they may be cut, together.
pub(super) const HEADER_SIZE_MAX: usize = 16;

/// Identifier and length octets. `tag` is the first identifier octet, class and form included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) tag: u8,
    pub(super) size: usize,
    pub(super) length: Length,
}

impl Header {
    /// End-of-contents octets.
    pub(super) const END_OF_CONTENTS: Header =
        Header { tag: 0, size: 2, length: Length::Definite(0) };

    /// The header at the front of `octets`, or `None` while they do not hold all of it.
    #[inline]
    pub(super) fn parse(octets: &[u8]) -> Result<Option<Header>, ErrorKind> {
        let tag = match octets {
            [] | [_] => return Ok(None),
            [0, 0, ..] => return Ok(Some(Header::END_OF_CONTENTS)),
            [tag, ..] => *tag,
        };
        match Reader::over_prefix(octets).header() {
            Ok(header) => match header.content_start as usize {
                size @ 0..=HEADER_SIZE_MAX => {
                    Ok(Some(Header { tag, size, length: header.length() }))
                }
                _ => Err(ErrorKind::LengthForm),
            },
            Err(error) if error.kind == ErrorKind::Truncated => Ok(None),
            Err(error) => Err(error.kind),
        }
    }
}

/// One element: its first identifier octet, its contents, and all its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

/// Takes the first element off `octets`.
pub(super) fn take<'a>(octets: &mut &'a [u8]) -> Result<Element<'a>, ErrorKind> {
    let mut reader = Reader::new(octets);
    let element = reader.take().map_err(|error| error.kind)?;
    let whole = reader.octets_of(element.span());
    let content = reader.octets_of(element.content);
    *octets = octets.get(whole.len()..).unwrap_or_default();
    Ok(Element { tag: whole.first().copied().unwrap_or_default(), content, whole })
}

/// Takes the first element off `octets`, which must carry `tag`.
pub(super) fn expect<'a>(octets: &mut &'a [u8], tag: u8) -> Result<Element<'a>, ErrorKind> {
    let element = take(octets)?;
    if element.tag == tag { Ok(element) } else { Err(ErrorKind::UnexpectedTag) }
}

/// The first element with `tag` among the elements of `octets`, in any order.
pub(super) fn find<'a>(octets: &'a [u8], tag: u8) -> Result<Option<Element<'a>>, ErrorKind> {
    let mut rest = octets;
    while !rest.is_empty() {
        let element = take(&mut rest)?;
        if element.tag == tag {
            return Ok(Some(element));
        }
    }
    Ok(None)
}

/// A non-negative INTEGER's contents, at most 32 bits.
pub(super) fn unsigned(content: &[u8]) -> Result<u32, ErrorKind> {
    match content {
        [] => Err(ErrorKind::Integer),
        [first, ..] if first & 0x80 != 0 => Err(ErrorKind::Integer),
        [0, rest @ ..] | rest if rest.len() <= 4 => {
            Ok(rest.iter().fold(0, |value, octet| value << 8 | u32::from(*octet)))
        }
        _ => Err(ErrorKind::Integer),
    }
}

/// One element of `tag` around the concatenation of `parts`.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let size = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(1 + length_size(size) + size);
    out.push(tag);
    length(&mut out, size);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// An INTEGER element, without allocation.
pub(super) fn integer_short(value: u32) -> SmallVec<[u8; 8]> {
    let octets = value.to_be_bytes();
    let skip = octets.iter().take(3).take_while(|octet| **octet == 0).count();
    let pad = octets[skip] & 0x80 != 0;
    let mut out = SmallVec::from_slice(&[0x02, (4 - skip) as u8 + u8::from(pad)]);
    if pad {
        out.push(0);
    }
    out.extend_from_slice(&octets[skip..]);
    out
}

/// One element of `tag` with the contents of a non-negative INTEGER.
pub(super) fn integer(tag: u8, value: u32) -> Vec<u8> {
    let mut out = integer_short(value).to_vec();
    out[0] = tag;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_definite_and_indefinite_lengths() {
        let mut octets: &[u8] = &[0x30, 0x80, 0x30, 0x80, 0x04, 1, 0, 0, 0, 0, 0, 0x02, 1, 5];
        let outer = take(&mut octets).unwrap();
        assert_eq!((outer.tag, outer.content.len(), outer.whole.len()), (0x30, 7, 11));
        assert_eq!(unsigned(expect(&mut octets, 2).unwrap().content), Ok(5));
        assert!(octets.is_empty());
    }

    #[test]
    fn refuses_lies_and_endless_nesting() {
        assert_eq!(take(&mut &[0x30, 0x05, 0][..]), Err(ErrorKind::Overrun));
        assert_eq!(take(&mut &[0x04, 0x80][..]), Err(ErrorKind::IndefinitePrimitive));
        assert_eq!(
            take(&mut &[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1][..]),
            Err(ErrorKind::LengthForm)
        );
        assert_eq!(
            take(&mut &[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..]),
            Err(ErrorKind::Identifier)
        );
        assert_eq!(take(&mut &[0x30, 0x80].repeat(200)[..]), Err(ErrorKind::Depth));
    }

    #[test]
    fn writes_what_it_reads() {
        for value in [0, 1, 127, 128, 255, 256, 65_535, u32::MAX] {
            let octets = integer(0x02, value);
            assert_eq!(unsigned(take(&mut &octets[..]).unwrap().content), Ok(value));
        }
        for size in [0, 127, 128, 255, 256, 65_536] {
            let octets = element(0x04, &[&vec![7; size]]);
            assert_eq!(octets.len(), 1 + length_size(size) + size);
            assert_eq!(take(&mut &octets[..]).unwrap().content.len(), size);
        }
    }
}
