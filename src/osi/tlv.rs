//! BER elements of control PDUs (X.690 8.1): a bounded reader and a writer, for what is off the data
//! path, and the header parser that the streaming readers share.
//!
//! Invariants: nothing here recurses; nesting deeper than `BER_DEPTH_MAX` is refused; every length is
//! checked against what encloses it before it is believed.

use crate::base::limits::BER_DEPTH_MAX;
use smallvec::SmallVec;

/// Longest identifier and length octets that are read, together.
pub(super) const HEADER_SIZE_MAX: usize = 16;

/// What is wrong with an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BerFault {
    /// An element ends outside of what encloses it.
    #[error("an element is longer than what encloses it")]
    Overrun,
    /// The octets end inside an element.
    #[error("the octets end inside an element")]
    Truncated,
    /// Identifier or length octets are malformed or longer than any real one.
    #[error("malformed identifier or length octets")]
    Header,
    /// Nesting is deeper than `BER_DEPTH_MAX`.
    #[error("nested too deep")]
    Depth,
    /// Another element was required here.
    #[error("an element that does not belong here")]
    Unexpected,
    /// A value is outside of its type's range.
    #[error("a value out of range")]
    Value,
}

/// The length of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Definite(u64),
    Indefinite,
}

/// Identifier and length octets. `tag` is the first identifier octet, class and form included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) tag: u8,
    pub(super) size: usize,
    pub(super) length: Length,
}

impl Header {
    /// The header at the front of `octets`, or `None` while they do not hold all of it.
    pub(super) fn parse(octets: &[u8]) -> Result<Option<Header>, BerFault> {
        let Some(&tag) = octets.first() else { return Ok(None) };
        let mut at = 1;
        if tag & 0x1f == 0x1f {
            loop {
                match octets.get(at) {
                    None if at >= 6 => return Err(BerFault::Header),
                    None => return Ok(None),
                    Some(octet) => at += if *octet & 0x80 == 0 { break } else { 1 },
                }
                if at >= 6 {
                    return Err(BerFault::Header);
                }
            }
            at += 1;
        }
        let Some(&first) = octets.get(at) else { return Ok(None) };
        at += 1;
        let length = match first {
            0x80 if tag & 0x20 == 0 => return Err(BerFault::Header),
            0x80 => Length::Indefinite,
            0..0x80 => Length::Definite(u64::from(first)),
            _ => {
                let count = usize::from(first & 0x7f);
                if count > 8 {
                    return Err(BerFault::Header);
                }
                let Some(octets) = octets.get(at..at + count) else { return Ok(None) };
                at += count;
                let value = octets.iter().fold(0u64, |value, octet| value << 8 | u64::from(*octet));
                if value > 1 << 40 {
                    return Err(BerFault::Header);
                }
                Length::Definite(value)
            }
        };
        Ok(Some(Header { tag, size: at, length }))
    }
}

/// One element: its first identifier octet, its contents, and all its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

/// The contents' size of an indefinite-length element whose contents `octets` starts with.
fn indefinite_size(octets: &[u8]) -> Result<usize, BerFault> {
    let mut at = 0usize;
    let mut depth = 1;
    loop {
        let rest = octets.get(at..).ok_or(BerFault::Overrun)?;
        let header = Header::parse(rest)?.ok_or(BerFault::Truncated)?;
        at += header.size;
        match header.length {
            Length::Definite(0) if header.tag == 0 => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at - header.size);
                }
            }
            Length::Definite(size) => {
                at = usize::try_from(size)
                    .ok()
                    .and_then(|s| at.checked_add(s))
                    .ok_or(BerFault::Overrun)?;
            }
            Length::Indefinite => {
                depth += 1;
                if depth > BER_DEPTH_MAX {
                    return Err(BerFault::Depth);
                }
            }
        }
    }
}

/// Takes the first element off `octets`.
pub(super) fn take<'a>(octets: &mut &'a [u8]) -> Result<Element<'a>, BerFault> {
    let all = *octets;
    let header = Header::parse(all)?.ok_or(BerFault::Truncated)?;
    let rest = all.get(header.size..).ok_or(BerFault::Truncated)?;
    let (size, trailer) = match header.length {
        Length::Definite(size) => (usize::try_from(size).map_err(|_| BerFault::Overrun)?, 0),
        Length::Indefinite => (indefinite_size(rest)?, 2),
    };
    let content = rest.get(..size).ok_or(BerFault::Overrun)?;
    let whole = all.get(..header.size + size + trailer).ok_or(BerFault::Overrun)?;
    *octets = &all[whole.len()..];
    Ok(Element { tag: header.tag, content, whole })
}

/// Takes the first element off `octets`, which must carry `tag`.
pub(super) fn expect<'a>(octets: &mut &'a [u8], tag: u8) -> Result<Element<'a>, BerFault> {
    let element = take(octets)?;
    if element.tag == tag { Ok(element) } else { Err(BerFault::Unexpected) }
}

/// The first element with `tag` among the elements of `octets`, in any order.
pub(super) fn find<'a>(octets: &'a [u8], tag: u8) -> Result<Option<Element<'a>>, BerFault> {
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
pub(super) fn unsigned(content: &[u8]) -> Result<u32, BerFault> {
    match content {
        [] => Err(BerFault::Value),
        [first, ..] if first & 0x80 != 0 => Err(BerFault::Value),
        [0, rest @ ..] | rest if rest.len() <= 4 => {
            Ok(rest.iter().fold(0, |value, octet| value << 8 | u32::from(*octet)))
        }
        _ => Err(BerFault::Value),
    }
}

/// Appends the length octets for `size` in their shortest definite form.
pub(super) fn push_length(out: &mut impl Extend<u8>, size: usize) {
    if size < 0x80 {
        out.extend([size as u8]);
        return;
    }
    let octets = size.to_be_bytes();
    let skip = octets.iter().take_while(|octet| **octet == 0).count();
    out.extend([0x80 | (octets.len() - skip) as u8]);
    out.extend(octets.into_iter().skip(skip));
}

/// How many octets [`push_length`] appends.
pub(super) fn length_size(size: usize) -> usize {
    if size < 0x80 { 1 } else { 1 + (usize::BITS - size.leading_zeros()).div_ceil(8) as usize }
}

/// One element of `tag` around the concatenation of `parts`.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let size = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(size + 6);
    out.push(tag);
    push_length(&mut out, size);
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
        assert_eq!(take(&mut &[0x30, 0x05, 0][..]), Err(BerFault::Overrun));
        assert_eq!(take(&mut &[0x04, 0x80][..]), Err(BerFault::Header));
        assert_eq!(take(&mut &[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1][..]), Err(BerFault::Header));
        assert_eq!(
            take(&mut &[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..]),
            Err(BerFault::Header)
        );
        assert_eq!(take(&mut &[0x30, 0x80].repeat(200)[..]), Err(BerFault::Depth));
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
