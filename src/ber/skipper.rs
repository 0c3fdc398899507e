//! Walking one element that streams past in chunks and is not kept (X.690 8.1).
//!
//! The walker finds the end of the outermost element and nothing else: elements of definite length are
//! counted down unseen, so only indefinite ones nest, and a counter is all the stack there is.
//!
//! ```text
//! Identifier --low tag--------------> LengthFirst --short, long done, indefinite--> Identifier | Skipping
//!     |  \--high tag--> TagNumber ---^     |  \--long form--> LengthOctets
//!     \--00 inside indefinite--> EndOfContents --00--> Identifier, or done at depth 0
//! ```

use super::error::{Error, ErrorKind};
use crate::base::limits::BER_DEPTH_MAX;

/// How far a [`Skipper`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The element goes on beyond the octets fed so far.
    NeedMore,
    /// The element ended after so many octets of the chunk just fed.
    Complete(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Identifier,
    TagNumber { octets: u8 },
    LengthFirst,
    LengthOctets { left: u8, size: u32 },
    EndOfContents,
    Skipping { left: u32 },
    Done,
}

/// The walker; `offset`s in its errors count from the first octet fed.
#[derive(Debug, Clone)]
pub struct Skipper {
    state: State,
    constructed: bool,
    depth: usize,
    offset: u32,
}

impl Default for Skipper {
    fn default() -> Skipper {
        Skipper::new()
    }
}

impl Skipper {
    /// Before the identifier octets of an element.
    pub fn new() -> Skipper {
        Skipper { state: State::Identifier, constructed: false, depth: 0, offset: 0 }
    }

    /// Behind the header of an element, which had this length.
    pub fn after_header(length: super::Length) -> Skipper {
        let (state, depth) = match length {
            super::Length::Definite(0) => (State::Done, 0),
            super::Length::Definite(left) => (State::Skipping { left }, 0),
            super::Length::Indefinite => (State::Identifier, 1),
        };
        Skipper { state, depth, ..Skipper::new() }
    }

    /// Octets of the element that were taken.
    pub fn taken(&self) -> usize {
        self.offset as usize
    }

    /// Whether the element has ended.
    pub fn is_complete(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next chunk, of any size; once complete, nothing more is taken.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<Progress, Error> {
        let mut at = 0;
        while self.state != State::Done {
            if let State::Skipping { left } = self.state {
                let count = (left as usize).min(chunk.len() - at);
                at += count;
                self.offset = self.offset.saturating_add(count as u32);
                match left - count as u32 {
                    0 => self.end_element(),
                    left => {
                        self.state = State::Skipping { left };
                        return Ok(Progress::NeedMore);
                    }
                }
                continue;
            }
            let Some(&octet) = chunk.get(at) else { return Ok(Progress::NeedMore) };
            self.octet(octet)?;
            at += 1;
            self.offset = self.offset.saturating_add(1);
        }
        Ok(Progress::Complete(at))
    }

    fn octet(&mut self, octet: u8) -> Result<(), Error> {
        match self.state {
            State::Identifier if octet == 0 && self.depth > 0 => self.state = State::EndOfContents,
            State::Identifier if octet == 0 => return Err(self.error(ErrorKind::EndOfContents)),
            State::Identifier => {
                self.constructed = octet & 0x20 != 0;
                let high = octet & 0x1f == 0x1f;
                self.state = if high { State::TagNumber { octets: 0 } } else { State::LengthFirst };
            }
            State::TagNumber { octets } => {
                // Four octets of seven bits are the most that a Tag holds.
                if octets == 0 && octet == 0x80 || octets == 3 && octet & 0x80 != 0 {
                    return Err(self.error(ErrorKind::Identifier));
                }
                let more = octet & 0x80 != 0;
                self.state =
                    if more { State::TagNumber { octets: octets + 1 } } else { State::LengthFirst };
            }
            State::LengthFirst => match octet {
                0..=0x7f => self.begin_content(u32::from(octet)),
                0x80 if !self.constructed => return Err(self.error(ErrorKind::IndefinitePrimitive)),
                0x80 if self.depth >= BER_DEPTH_MAX => return Err(self.error(ErrorKind::Depth)),
                0x80 => {
                    self.depth += 1;
                    self.state = State::Identifier;
                }
                0xff => return Err(self.error(ErrorKind::LengthForm)),
                _ => self.state = State::LengthOctets { left: octet & 0x7f, size: 0 },
            },
            State::LengthOctets { left, size } => {
                if size > u32::MAX >> 8 {
                    return Err(self.error(ErrorKind::LengthForm));
                }
                let size = size << 8 | u32::from(octet);
                match left - 1 {
                    0 => self.begin_content(size),
                    left => self.state = State::LengthOctets { left, size },
                }
            }
            State::EndOfContents if octet != 0 => {
                return Err(self.error(ErrorKind::EndOfContents));
            }
            State::EndOfContents => {
                self.depth -= 1;
                self.end_element();
            }
            State::Skipping { .. } | State::Done => {}
        }
        Ok(())
    }

    fn begin_content(&mut self, size: u32) {
        match size {
            0 => self.end_element(),
            left => self.state = State::Skipping { left },
        }
    }

    fn end_element(&mut self) {
        self.state = if self.depth == 0 { State::Done } else { State::Identifier };
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error { offset: self.offset, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::Reader;

    const NESTED: &[u8] =
        &[0x24, 0x80, 0x04, 0x81, 0x02, 1, 2, 0x3f, 0x81, 0x01, 0x80, 0x05, 0, 0, 0, 0x04, 0, 0, 0];

    #[test]
    fn finds_the_end_over_every_split() {
        for first in 0..=NESTED.len() {
            for second in first..=NESTED.len() {
                let mut skipper = Skipper::new();
                let parts = [&NESTED[..first], &NESTED[first..second], &NESTED[second..]];
                let mut taken = 0;
                for part in parts {
                    match skipper.feed(part).unwrap() {
                        Progress::NeedMore => taken += part.len(),
                        Progress::Complete(count) => taken += count,
                    }
                }
                assert!(skipper.is_complete());
                assert_eq!(taken, NESTED.len());
            }
        }
    }

    #[test]
    fn stops_at_the_end_and_starts_behind_a_header() {
        let mut octets = NESTED.to_vec();
        octets.extend([7, 7]);
        assert_eq!(Skipper::new().feed(&octets).unwrap(), Progress::Complete(NESTED.len()));
        assert_eq!(Skipper::new().feed(&[0x05, 0x00, 0x05]).unwrap(), Progress::Complete(2));
        let header = Reader::new(&octets).header().unwrap();
        let mut skipper = Skipper::after_header(header.length());
        assert_eq!(skipper.feed(&octets[2..]).unwrap(), Progress::Complete(NESTED.len() - 2));
    }

    #[test]
    fn refuses_what_a_reader_refuses() {
        for (octets, kind) in [
            (&[0x04, 0x80][..], ErrorKind::IndefinitePrimitive),
            (&[0x04, 0xff], ErrorKind::LengthForm),
            (&[0x04, 0x85, 1, 0, 0, 0, 0], ErrorKind::LengthForm),
            (&[0x30, 0x80, 0, 1], ErrorKind::EndOfContents),
            (&[0, 0], ErrorKind::EndOfContents),
            (&[0x1f, 0x80], ErrorKind::Identifier),
            (&[0x30, 0x80].repeat(BER_DEPTH_MAX + 1), ErrorKind::Depth),
        ] {
            assert_eq!(Skipper::new().feed(octets).unwrap_err().kind, kind);
        }
    }
}
