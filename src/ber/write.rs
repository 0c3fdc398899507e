//! Appending encodings to a vector or its like: definite lengths, the fewest length octets.

use super::tag::{Class, Tag};

/// Appends identifier octets (X.690 8.1.2).
#[inline]
pub fn identifier(out: &mut Vec<u8>, tag: Tag, constructed: bool) {
    let class = match tag.class() {
        Class::Universal => 0x00,
        Class::Application => 0x40,
        Class::Context => 0x80,
        Class::Private => 0xc0,
    };
    let leading = class | if constructed { 0x20 } else { 0 };
    match tag.number() {
        number @ 0..0x1f => out.push(leading | number as u8),
        number => {
            out.push(leading | 0x1f);
            base128(out, number);
        }
    }
}

/// Appends `value` in groups of seven bits, the most significant first.
fn base128(out: &mut Vec<u8>, value: u32) {
    for shift in [28, 21, 14, 7] {
        if value >> shift != 0 {
            out.push(0x80 | (value >> shift & 0x7f) as u8);
        }
    }
    out.push((value & 0x7f) as u8);
}

/// Appends a definite length in its shortest form (X.690 8.1.3).
#[inline]
pub fn length(out: &mut impl Extend<u8>, size: usize) {
    if size < 0x80 {
        out.extend(Some(size as u8));
        return;
    }
    let octets = size.to_be_bytes();
    let skipped = size.leading_zeros() as usize / 8;
    out.extend(Some(0x80 | (octets.len() - skipped) as u8));
    out.extend(octets[skipped..].iter().copied());
}

/// Number of octets that [`length`] appends.
pub const fn length_size(size: usize) -> usize {
    if size < 0x80 {
        return 1;
    }
    1 + size_of::<usize>() - size.leading_zeros() as usize / 8
}

/// Appends a primitive element with these content octets.
#[inline]
pub fn primitive(out: &mut Vec<u8>, tag: Tag, content: &[u8]) {
    identifier(out, tag, false);
    length(out, content.len());
    out.extend_from_slice(content);
}

/// Appends a constructed element whose content `body` appends.
#[inline]
pub fn constructed(out: &mut Vec<u8>, tag: Tag, body: impl FnOnce(&mut Vec<u8>)) {
    identifier(out, tag, true);
    let length_at = out.len();
    out.push(0);
    body(out);
    let size = out.len() - length_at - 1;
    match size {
        0..0x80 => out[length_at] = size as u8,
        _ => {
            // The length needs more than the one octet kept for it: it is appended, then rotated in.
            out.remove(length_at);
            let length_size = length_size(size);
            length(out, size);
            out[length_at..].rotate_right(length_size);
        }
    }
}

/// Appends an INTEGER or ENUMERATED under `tag`, in the fewest octets (X.690 8.3).
#[inline]
pub fn integer(out: &mut Vec<u8>, tag: Tag, value: i64) {
    let octets = value.to_be_bytes();
    let redundant = (value ^ value >> 63).leading_zeros().saturating_sub(1) as usize / 8;
    primitive(out, tag, &octets[redundant..]);
}

/// Appends a BIT STRING of one octet of bits under `tag` (X.690 8.6).
#[inline]
pub fn bits(out: &mut Vec<u8>, tag: Tag, bits: u8, unused: u8) {
    primitive(out, tag, &[unused, bits]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::Reader;

    #[test]
    fn what_is_written_is_read() {
        for size in [0, 1, 127, 128, 255, 256, 65_536] {
            let mut out = vec![0xee];
            constructed(&mut out, Tag::context(31), |out| {
                primitive(out, Tag::OCTET_STRING, &vec![7; size]);
            });
            let mut reader = Reader::new(&out[1..]);
            let header = reader.header().unwrap();
            assert_eq!(header.tag, Tag::context(31));
            let scope = reader.enter(&header).unwrap();
            let inner = reader.next(&scope).unwrap().unwrap();
            assert_eq!(reader.primitive(&inner).unwrap(), vec![7; size]);
            assert!(reader.next(&scope).unwrap().is_none());
            assert!(reader.is_at_end());
        }
    }

    #[test]
    fn integers_take_the_fewest_octets() {
        for (value, size) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (-128, 1),
            (-129, 2),
            (32_767, 2),
            (i64::MAX, 8),
            (i64::MIN, 8),
        ] {
            let mut out = Vec::new();
            integer(&mut out, Tag::INTEGER, value);
            assert_eq!(out.len(), 2 + size);
            let mut reader = Reader::new(&out);
            let header = reader.header().unwrap();
            assert_eq!(reader.integer(&header).unwrap(), value);
        }
    }

    #[test]
    fn lengths_are_as_long_as_said() {
        for size in [0, 127, 128, 255, 256, 65_535, 65_536, 1 << 24] {
            let mut out = Vec::new();
            length(&mut out, size);
            assert_eq!(out.len(), length_size(size));
        }
    }
}
