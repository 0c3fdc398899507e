//! The content of a message out of an MTS-APDU that streams past: the octets of its OCTET STRING, segments
//! joined (X.690 8.7). The APDU was found well-formed when it came in; here nothing is held of it but a header.

use crate::ber::Tag;

const PRIMITIVE: u8 = Tag::OCTET_STRING.number() as u8;
const CONSTRUCTED: u8 = PRIMITIVE | 0x20;
/// Identifier, length of length, four octets of length.
const HEADER_SIZE_MAX: usize = 6;

/// Takes the octets from the content's identifier on.
#[derive(Debug, Default)]
pub struct Content {
    header: [u8; HEADER_SIZE_MAX],
    header_size: usize,
    /// Octets of the segment that are still to come.
    remaining: usize,
    /// Whether the content is segmented: more than one string may come.
    segmented: bool,
    ended: bool,
}

impl Content {
    /// Takes the next octets, and gives `sink` those of the content, in order.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn feed<E>(
        &mut self,
        mut octets: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !octets.is_empty() && !self.ended {
            if self.remaining > 0 {
                let (taken, rest) = octets.split_at(octets.len().min(self.remaining));
                sink(taken)?;
                self.remaining -= taken.len();
                octets = rest;
                self.ended = self.remaining == 0 && !self.segmented;
                continue;
            }
            self.header[self.header_size] = octets[0];
            self.header_size += 1;
            octets = &octets[1..];
            self.read_header();
        }
        Ok(())
    }

    /// Whether all of it has been seen. A segmented content ends with the APDU.
    pub fn is_complete(&self) -> bool {
        self.ended || (self.segmented && self.remaining == 0 && self.header_size == 0)
    }

    /// Reads a header once it is complete; end-of-contents octets and the headers of constructed strings are
    /// passed over, and anything that is no string ends the content.
    fn read_header(&mut self) {
        let length = match self.header[..self.header_size] {
            [_] => return,
            [_, short @ ..0x80, ..] => Some(usize::from(short)),
            [_, 0x80, ..] => None,
            [_, long, ref octets @ ..] => {
                let count = usize::from(long & 0x7f);
                if count > HEADER_SIZE_MAX - 2 {
                    self.ended = true;
                    return;
                }
                if octets.len() < count {
                    return;
                }
                Some(octets.iter().fold(0, |size, octet| size << 8 | usize::from(*octet)))
            }
            [] => return,
        };
        match (self.header[0], length) {
            (PRIMITIVE, Some(size)) => {
                self.remaining = size;
                self.ended = size == 0 && !self.segmented;
            }
            (CONSTRUCTED, _) => self.segmented = true,
            (0, Some(0)) => {}
            _ => self.ended = true,
        }
        self.header_size = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8], step: usize) -> (Vec<u8>, bool) {
        let mut content = Content::default();
        let mut out = Vec::new();
        for piece in octets.chunks(step) {
            let taken: Result<(), ()> = content.feed(piece, |octets| {
                out.extend_from_slice(octets);
                Ok(())
            });
            taken.unwrap();
        }
        (out, content.is_complete())
    }

    #[test]
    fn every_form_of_a_string_gives_its_octets_however_it_is_cut() {
        let long: Vec<u8> = (0..300_u16).map(|each| each as u8).collect();
        let mut definite = vec![4, 0x82, 1, 44];
        definite.extend_from_slice(&long);
        // End-of-contents of what encloses it follow.
        let segmented =
            b"\x24\x80\x04\x02ab\x24\x80\x04\x01c\x00\x00\x04\x00\x04\x81\x01d\x00\x00\x00\x00";
        let constructed = b"\x24\x07\x04\x02ab\x04\x01c";
        for step in [1, 2, 3, 7, 1000] {
            assert_eq!(read(&definite, step), (long.clone(), true));
            assert!(!read(&definite[..200], step).1);
            assert_eq!(read(segmented, step), (b"abcd".to_vec(), true));
            assert_eq!(read(constructed, step), (b"abc".to_vec(), true));
            assert_eq!(read(b"\x04\x00", step), (Vec::new(), true));
            assert_eq!(read(b"\x04\x01a\x04\x01b", step), (b"a".to_vec(), true));
        }
    }

    #[test]
    fn nothing_from_outside_makes_it_fail() {
        for octets in
            [&b"\x04\x89\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\x30\x01a", b"\x04\x80"]
        {
            assert!(read(octets, 1).0.is_empty());
        }
    }
}
