//! Presentation data of any size, read where it lies (X.226 8.4 (unverified)).
//!
//! An SSDU of user data is `User-data { PDV-list { [transfer syntax], context, values } ... }`; the
//! values are RTTR APDUs, OCTET STRINGs, whose contents are handed out as they stand in the input.
//! Lengths may be definite or indefinite at every level, the OCTET STRINGs primitive or constructed.
//!
//! Invariants: an element never reaches beyond the one around it; the depth is bounded by the grammar
//! and `FRAME_COUNT_MAX`; besides the frames only one header's octets are kept.

use super::{Contexts, ber, invalid};
use crate::ber::write::{length, length_size};
use crate::ber::{ErrorKind, Length};
use crate::osi::error::Error;
use crate::osi::tlv::{self, HEADER_SIZE_MAX, Header};

/// Deepest nesting: User-data, PDV-list, values, and constructed OCTET STRINGs.
const FRAME_COUNT_MAX: usize = 8;

const USER_DATA: u8 = 0x61;
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const INTEGER: u8 = 0x02;
const SINGLE_ASN1_TYPE: u8 = 0xa0;
const OCTET_ALIGNED: u8 = 0x81;
const OCTET_STRING: u8 = 0x04;
const OCTET_STRING_CONSTRUCTED: u8 = 0x24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    UserData,
    PdvList,
    Values,
    OctetString,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: Kind,
    indefinite: bool,
    /// Where it ends, or where the definite element around it does, octets from the SSDU's start.
    end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Primitive {
    None,
    Skipped,
    Context,
    Data,
}

/// Reads the SSDUs of one connection.
#[derive(Debug)]
pub(in crate::osi) struct DataReader {
    frames: [Frame; FRAME_COUNT_MAX],
    depth: usize,
    position: u64,
    primitive: Primitive,
    primitive_end: u64,
    /// Header under way, or the octets of a context identifier.
    kept: [u8; HEADER_SIZE_MAX],
    kept_count: usize,
    context: Option<u32>,
    value_seen: bool,
}

impl DataReader {
    pub(in crate::osi) fn new() -> DataReader {
        DataReader {
            frames: [Frame { kind: Kind::UserData, indefinite: false, end: 0 }; FRAME_COUNT_MAX],
            depth: 0,
            position: 0,
            primitive: Primitive::None,
            primitive_end: 0,
            kept: [0; HEADER_SIZE_MAX],
            kept_count: 0,
            context: None,
            value_seen: false,
        }
    }

    /// Forgets an SSDU under way.
    pub(in crate::osi) fn reset(&mut self) {
        *self = DataReader::new();
    }

    /// The SSDU is complete: checks that its user data is, too.
    pub(in crate::osi) fn end(&mut self) -> Result<(), Error> {
        let complete = self.value_seen
            && self.depth == 0
            && self.kept_count == 0
            && self.primitive == Primitive::None;
        self.reset();
        if complete { Ok(()) } else { Err(ber(ErrorKind::Truncated)) }
    }

    /// Reads on; the next octets of an RTTR's value, or `None` when `input` is used up.
    pub(in crate::osi) fn poll<'i>(
        &mut self,
        input: &mut &'i [u8],
        contexts: &Contexts,
    ) -> Result<Option<&'i [u8]>, Error> {
        while let [octet, rest @ ..] = *input {
            if self.primitive == Primitive::None {
                if self.kept_count == 0
                    && let Some(header) = Header::parse(input).map_err(ber)?
                {
                    *input = &input[header.size..];
                    self.position += header.size as u64;
                    self.open(header, contexts)?;
                    self.close_ended();
                    continue;
                }
                // Cut, or about to be known as wrong: octet by octet.
                *input = rest;
                self.position += 1;
                if self.kept_count == HEADER_SIZE_MAX {
                    return Err(ber(ErrorKind::LengthForm));
                }
                self.kept[self.kept_count] = *octet;
                self.kept_count += 1;
                if let Some(header) = Header::parse(&self.kept[..self.kept_count]).map_err(ber)? {
                    self.kept_count = 0;
                    self.open(header, contexts)?;
                    self.close_ended();
                }
                continue;
            }
            let left = usize::try_from(self.primitive_end - self.position).unwrap_or(usize::MAX);
            let (octets, rest) = input.split_at(left.min(input.len()));
            *input = rest;
            self.position += octets.len() as u64;
            let primitive = self.primitive;
            if primitive == Primitive::Context {
                self.kept[self.kept_count..self.kept_count + octets.len()].copy_from_slice(octets);
                self.kept_count += octets.len();
            }
            if self.position == self.primitive_end {
                self.primitive_ended()?;
                self.close_ended();
            }
            if primitive == Primitive::Data {
                return Ok(Some(octets));
            }
        }
        Ok(None)
    }

    fn top(&self) -> Option<Frame> {
        self.depth.checked_sub(1).and_then(|index| self.frames.get(index)).copied()
    }

    fn open(&mut self, header: Header, contexts: &Contexts) -> Result<(), Error> {
        let top = self.top();
        let limit = top.map_or(u64::MAX, |frame| frame.end);
        if header == Header::END_OF_CONTENTS {
            if !top.is_some_and(|frame| frame.indefinite) {
                return Err(ber(ErrorKind::UnexpectedTag));
            }
            self.depth -= 1;
            return Ok(());
        }
        let (end, indefinite) = match header.length {
            Length::Definite(size) => (self.position + u64::from(size), false),
            Length::Indefinite => (limit, true),
        };
        if end > limit || self.position > limit {
            return Err(ber(ErrorKind::Overrun));
        }
        let mut enter = |kind| {
            let frame = self.frames.get_mut(self.depth).ok_or(ber(ErrorKind::Depth))?;
            *frame = Frame { kind, indefinite, end };
            self.depth += 1;
            Ok(())
        };
        match (top.map(|frame| frame.kind), header.tag) {
            (None, USER_DATA) if !self.value_seen => enter(Kind::UserData),
            (Some(Kind::UserData), SEQUENCE) => {
                enter(Kind::PdvList)?;
                self.context = None;
                Ok(())
            }
            (Some(Kind::PdvList), OBJECT_IDENTIFIER) if self.context.is_none() => {
                self.read(Primitive::Skipped, end)
            }
            (Some(Kind::PdvList), INTEGER) if self.context.is_none() => {
                if end - self.position > 5 {
                    return Err(ber(ErrorKind::Integer));
                }
                self.read(Primitive::Context, end)
            }
            (Some(Kind::PdvList), SINGLE_ASN1_TYPE | OCTET_ALIGNED) => {
                if self.context != Some(contexts.rtse) {
                    return Err(invalid("transferred data in a context that is not RTSE's"));
                }
                enter(Kind::Values)
            }
            (Some(Kind::Values | Kind::OctetString), OCTET_STRING) => {
                self.value_seen = true;
                self.read(Primitive::Data, end)
            }
            (Some(Kind::Values | Kind::OctetString), OCTET_STRING_CONSTRUCTED) => {
                enter(Kind::OctetString)?;
                self.value_seen = true;
                Ok(())
            }
            _ => Err(ber(ErrorKind::UnexpectedTag)),
        }
    }

    fn read(&mut self, primitive: Primitive, end: u64) -> Result<(), Error> {
        self.primitive = primitive;
        self.primitive_end = end;
        if end == self.position { self.primitive_ended() } else { Ok(()) }
    }

    fn primitive_ended(&mut self) -> Result<(), Error> {
        if self.primitive == Primitive::Context {
            let octets = &self.kept[..self.kept_count];
            self.context = Some(tlv::unsigned(octets).map_err(ber)?);
            self.kept_count = 0;
        }
        self.primitive = Primitive::None;
        Ok(())
    }

    /// Leaves the definite-length elements that end here.
    fn close_ended(&mut self) {
        while self.primitive == Primitive::None
            && self.top().is_some_and(|top| !top.indefinite && top.end == self.position)
        {
            self.depth -= 1;
        }
    }
}

/// User-data in front of one RTTR of `size` octets, definite lengths throughout, no trailer.
pub(in crate::osi) fn transfer_header(context: u32, size: usize) -> smallvec::SmallVec<[u8; 40]> {
    let identifier = tlv::integer_short(context);
    let rttr = 1 + length_size(size) + size;
    let values = 1 + length_size(rttr) + rttr;
    let list = identifier.len() + values;
    let user_data = 1 + length_size(list) + list;
    let mut out = smallvec::SmallVec::new();
    out.push(USER_DATA);
    length(&mut out, user_data);
    out.push(SEQUENCE);
    length(&mut out, list);
    out.extend_from_slice(&identifier);
    out.push(SINGLE_ASN1_TYPE);
    length(&mut out, rttr);
    out.push(OCTET_STRING);
    length(&mut out, size);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8], step: usize) -> Result<Vec<u8>, Error> {
        let mut reader = DataReader::new();
        let mut value = Vec::new();
        for mut input in octets.chunks(step) {
            while let Some(octets) = reader.poll(&mut input, &Contexts::PROPOSED)? {
                value.extend_from_slice(octets);
            }
        }
        reader.end()?;
        Ok(value)
    }

    #[test]
    fn every_form_reads_the_same_however_it_is_split() {
        let forms: [&[u8]; 6] = [
            &[0x61, 10, 0x30, 8, 2, 1, 3, 0xa0, 3, 4, 1, 7],
            &[0x61, 0x80, 0x30, 0x80, 2, 1, 3, 0xa0, 0x80, 4, 1, 7, 0, 0, 0, 0, 0, 0],
            &[0x61, 0x80, 0x30, 12, 6, 2, 0x51, 1, 2, 1, 3, 0xa0, 3, 4, 1, 7, 0, 0],
            &[0x61, 14, 0x30, 12, 2, 1, 3, 0xa0, 7, 0x24, 0x80, 4, 1, 7, 0, 0],
            &[0x61, 20, 0x30, 8, 2, 1, 3, 0xa0, 3, 4, 1, 7, 0x30, 8, 2, 2, 0, 3, 0x81, 2, 4, 0],
            &[0x61, 16, 0x30, 14, 2, 1, 3, 0x81, 9, 0x24, 7, 4, 0, 0x24, 3, 4, 1, 7],
        ];
        for form in forms {
            for step in 1..=form.len() {
                assert_eq!(read(form, step), Ok(vec![7]), "{form:x?} in pieces of {step}");
            }
        }
    }

    #[test]
    fn lies_and_strangers_are_refused() {
        let faults: [&[u8]; 9] = [
            &[0x61, 10, 0x30, 8, 2, 1, 3, 0xa0, 3, 4, 2, 7, 7],
            &[0x61, 10, 0x30, 9, 2, 1, 3, 0xa0, 3, 4, 1, 7, 0],
            &[0x61, 10, 0x30, 8, 2, 1, 5, 0xa0, 3, 4, 1, 7],
            &[0x61, 10, 0x30, 8, 2, 1, 3, 0xa0, 3, 2, 1, 7],
            &[0x61, 10, 0x30, 8, 2, 1, 3, 0xa0, 3, 4, 1],
            &[0x61, 0],
            &[0x60, 2, 4, 0],
            &[0, 0],
            &[
                0x61, 0x80, 0x30, 0x80, 2, 1, 3, 0xa0, 0x80, 0x24, 0x80, 0x24, 0x80, 0x24, 0x80,
                0x24, 0x80, 0x24, 0x80, 0x24, 0x80,
            ],
        ];
        for octets in faults {
            assert!(read(octets, 1).is_err(), "{octets:x?}");
            assert!(read(octets, octets.len()).is_err(), "{octets:x?}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for size in [0, 1, 127, 128, 65_535, 65_536, 3 << 20] {
            let mut octets = transfer_header(3, size).to_vec();
            octets.resize(octets.len() + size, 9);
            assert_eq!(read(&octets, 4096).map(|value| value.len()), Ok(size));
        }
    }
}
