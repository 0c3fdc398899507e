//! Reading encodings in place (X.690 8.1): one position that only goes forward, over a whole encoding or
//! over as much of one as has arrived.
//!
//! Invariants: `position` never passes `limit`, the end of the innermost element of definite length;
//! every length was compared with the limit before it was used. Over a whole encoding the limit never
//! passes the octets; over a prefix it may, and reading what is not there yet is
//! [`ErrorKind::Truncated`].

use std::ops::Range;

use super::error::{Error, ErrorKind};
use super::tag::Tag;
use crate::base::limits::BER_DEPTH_MAX;

/// A range of octets, absolute in what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Span {
    /// First octet.
    pub start: u32,
    /// One behind the last octet.
    pub end: u32,
}

impl Span {
    /// The range from `start` to `end`.
    pub const fn new(start: u32, end: u32) -> Span {
        Span { start, end }
    }

    /// Number of octets.
    pub const fn size(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// As a range of indices.
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The octets of `of` in this range; none where the range does not lie inside.
    pub fn octets(self, of: &[u8]) -> &[u8] {
        of.get(self.range()).unwrap_or_default()
    }
}

/// A length as encoded (X.690 8.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many content octets.
    Definite(u32),
    /// Up to matching end-of-contents octets.
    Indefinite,
}

/// Identifier and length octets of one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Class and number.
    pub tag: Tag,
    /// Offset of the first identifier octet.
    pub start: u32,
    /// Offset of the first content octet.
    pub content_start: u32,
    /// Content octets and form, packed: most of what is read is headers, and small ones stay in registers.
    form: Form,
}

/// The number of content octets, or `INDEFINITE`, in the low 31 bits; the constructed bit above them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form(u32);

impl Form {
    const CONSTRUCTED: u32 = 1 << 31;
    const INDEFINITE: u32 = Form::CONSTRUCTED - 1;

    const fn new(constructed: bool, size: u32) -> Form {
        Form(if constructed { size | Form::CONSTRUCTED } else { size })
    }
}

impl Header {
    /// Whether the encoding is constructed.
    #[inline]
    pub const fn is_constructed(&self) -> bool {
        self.form.0 & Form::CONSTRUCTED != 0
    }

    /// The length as encoded.
    #[inline]
    pub const fn length(&self) -> Length {
        match self.form.0 & !Form::CONSTRUCTED {
            Form::INDEFINITE => Length::Indefinite,
            size => Length::Definite(size),
        }
    }

    /// Offset of the first length octet.
    pub const fn length_start(&self) -> u32 {
        self.start + self.tag.identifier_size()
    }
}

/// A header on its way out of a function that is not inlined: read back as fields, not as memory to be
/// moved, it lets the headers that are read inline stay in registers.
#[derive(Clone, Copy)]
struct Packed([u64; 2]);

impl Packed {
    fn new(header: Header) -> Packed {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        Packed([pair(header.tag.0, header.start), pair(header.content_start, header.form.0)])
    }

    #[inline(always)]
    fn header(self) -> Header {
        let Packed([first, second]) = self;
        Header {
            tag: Tag(first as u32),
            start: (first >> 32) as u32,
            content_start: second as u32,
            form: Form((second >> 32) as u32),
        }
    }
}

impl Default for Header {
    fn default() -> Header {
        let form = Form::new(false, 0);
        Header { tag: Tag::END_OF_CONTENTS, start: 0, content_start: 0, form }
    }
}

/// One element, walked to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Element {
    /// Its identifier and length.
    pub header: Header,
    /// Its content octets, without end-of-contents octets.
    pub content: Span,
}

impl Element {
    /// The whole element, end-of-contents octets included.
    pub const fn span(&self) -> Span {
        Span::new(self.header.start, self.content.end + end_of_contents_size(&self.header))
    }
}

/// Octets behind the content that belong to the element.
#[inline]
const fn end_of_contents_size(header: &Header) -> u32 {
    match header.length() {
        Length::Definite(_) => 0,
        Length::Indefinite => 2,
    }
}

/// An element that was entered, to be handed to [`Reader::next`] until it says that it ended.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Scope {
    header: Header,
    outer_limit: usize,
}

/// A position in an encoding.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    octets: &'a [u8],
    position: usize,
    limit: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads a whole encoding, which must not be longer than 4 GiB: what is behind that is not seen.
    pub fn new(octets: &'a [u8]) -> Reader<'a> {
        let limit = octets.len().min(u32::MAX as usize - 2);
        Reader { octets, position: 0, limit, depth: 0 }
    }

    /// Reads the beginning of an encoding of which more is to come.
    pub fn over_prefix(octets: &'a [u8]) -> Reader<'a> {
        Reader { limit: u32::MAX as usize - 2, ..Reader::new(octets) }
    }

    /// Reads a part of `octets`, giving positions in all of it.
    pub fn over_span(octets: &'a [u8], span: Span) -> Reader<'a> {
        let limit = (span.end as usize).min(octets.len());
        Reader { octets, position: (span.start as usize).min(limit), limit, depth: 0 }
    }

    /// Offset of the next octet to be read.
    #[inline]
    pub fn position(&self) -> u32 {
        self.position as u32
    }

    /// Whether everything was read.
    pub fn is_at_end(&self) -> bool {
        self.position >= self.limit
    }

    /// An error of this kind at the present position.
    #[cold]
    pub fn error(&self, kind: ErrorKind) -> Error {
        Error { offset: self.position as u32, kind }
    }

    /// The next element's identifier and length octets; the position moves to its first content octet.
    ///
    /// The length is compared with what encloses the element.
    #[inline(always)]
    pub fn header(&mut self) -> Result<Header, Error> {
        match self.short_header() {
            Some(header) => Ok(header),
            None => self.header_of_any_form().map(Packed::header),
        }
    }

    /// What is common: a low tag number, a short length, an element that ends where it may, and no
    /// end-of-contents octets. Otherwise nothing is read.
    #[inline(always)]
    fn short_header(&mut self) -> Option<Header> {
        let start = self.position;
        let &[identifier, length] = self.octets.get(start..start + 2)? else { return None };
        let content_start = start + 2;
        let end = content_start + length as usize;
        if identifier == 0 || identifier & 0x1f == 0x1f || length >= 0x80 || end > self.limit {
            return None;
        }
        self.position = content_start;
        Some(Header {
            tag: Tag::from_identifier(identifier),
            start: start as u32,
            content_start: content_start as u32,
            form: Form::new(identifier & 0x20 != 0, u32::from(length)),
        })
    }

    #[inline(never)]
    fn header_of_any_form(&mut self) -> Result<Packed, Error> {
        let start = self.position;
        let identifier = self.octet()?;
        let mut tag = Tag::from_identifier(identifier);
        if identifier & 0x1f == 0x1f {
            let mut number = 0_u32;
            loop {
                let octet = self.octet()?;
                if number == 0 && octet == 0x80 || number >= 1 << 21 {
                    return Err(self.error(ErrorKind::Identifier));
                }
                number = number << 7 | u32::from(octet & 0x7f);
                if octet & 0x80 == 0 {
                    break;
                }
            }
            if number < 0x1f {
                return Err(self.error(ErrorKind::Identifier));
            }
            tag = tag.with_number(number);
        }
        if tag == Tag::END_OF_CONTENTS {
            return Err(Error { offset: start as u32, kind: ErrorKind::EndOfContents });
        }
        let constructed = identifier & 0x20 != 0;
        let length_start = self.position;
        let size = match self.length(constructed)? {
            Length::Indefinite => Form::INDEFINITE,
            // Only a prefix, whose end is not known, can reach the second condition.
            Length::Definite(size)
                if size as usize > self.limit - self.position || size >= Form::INDEFINITE =>
            {
                return Err(Error { offset: length_start as u32, kind: ErrorKind::Overrun });
            }
            Length::Definite(size) => size,
        };
        Ok(Packed::new(Header {
            tag,
            start: start as u32,
            content_start: self.position as u32,
            form: Form::new(constructed, size),
        }))
    }

    fn length(&mut self, constructed: bool) -> Result<Length, Error> {
        let first = self.octet()?;
        match first {
            0..=0x7f => Ok(Length::Definite(u32::from(first))),
            0x80 if constructed => Ok(Length::Indefinite),
            0x80 => Err(self.error(ErrorKind::IndefinitePrimitive)),
            0xff => Err(self.error(ErrorKind::LengthForm)),
            _ => {
                let mut size = 0_u32;
                for _ in 0..first & 0x7f {
                    let octet = self.octet()?;
                    if size > u32::MAX >> 8 {
                        return Err(self.error(ErrorKind::LengthForm));
                    }
                    size = size << 8 | u32::from(octet);
                }
                Ok(Length::Definite(size))
            }
        }
    }

    fn octet(&mut self) -> Result<u8, Error> {
        if self.position >= self.limit {
            return Err(self.error(ErrorKind::Overrun));
        }
        let octet =
            *self.octets.get(self.position).ok_or_else(|| self.error(ErrorKind::Truncated))?;
        self.position += 1;
        Ok(octet)
    }

    /// Goes into the element of `header`, just read, to read its elements by [`Reader::next`].
    #[inline]
    pub fn enter(&mut self, header: &Header) -> Result<Scope, Error> {
        if !header.is_constructed() {
            return Err(Error { offset: header.start, kind: ErrorKind::Primitive });
        }
        if self.depth >= BER_DEPTH_MAX {
            return Err(Error { offset: header.start, kind: ErrorKind::Depth });
        }
        self.depth += 1;
        let scope = Scope { header: *header, outer_limit: self.limit };
        if let Length::Definite(size) = header.length() {
            self.limit = self.position + size as usize;
        }
        Ok(scope)
    }

    /// The next element of `scope`, or `None` when it has ended: then the position is behind it, its
    /// end-of-contents octets included, and reading goes on outside.
    ///
    /// Whoever gets a header must read, enter or skip its element before the next call.
    #[inline(always)]
    pub fn next(&mut self, scope: &Scope) -> Result<Option<Header>, Error> {
        if let Some(header) = self.short_header() {
            return Ok(Some(header));
        }
        if self.position == self.limit && scope.header.length() != Length::Indefinite {
            self.close(scope);
            return Ok(None);
        }
        Ok(self.end_or_header_of_any_form(scope)?.map(Packed::header))
    }

    #[inline(always)]
    fn close(&mut self, scope: &Scope) {
        self.limit = scope.outer_limit;
        self.depth -= 1;
    }

    #[inline(never)]
    fn end_or_header_of_any_form(&mut self, scope: &Scope) -> Result<Option<Packed>, Error> {
        if scope.header.length() == Length::Indefinite && self.at_end_of_contents()? {
            self.position += 2;
            self.close(scope);
            return Ok(None);
        }
        self.header_of_any_form().map(Some)
    }

    fn at_end_of_contents(&self) -> Result<bool, Error> {
        if self.limit < self.position + 2 {
            return Err(self.error(ErrorKind::Overrun));
        }
        match self.octets.get(self.position..self.position + 2) {
            Some([0, 0]) => Ok(true),
            Some([0, _]) => Err(self.error(ErrorKind::EndOfContents)),
            Some(_) => Ok(false),
            None => Err(self.error(ErrorKind::Truncated)),
        }
    }

    /// Ends `scope`, in which nothing more may follow.
    #[inline]
    pub fn leave(&mut self, scope: &Scope) -> Result<Element, Error> {
        match self.next(scope)? {
            None => Ok(self.element(scope)),
            Some(header) => Err(Error { offset: header.start, kind: ErrorKind::Trailing }),
        }
    }

    /// The element of a `scope` that has just ended.
    #[inline]
    pub fn element(&self, scope: &Scope) -> Element {
        let end = self.position as u32 - end_of_contents_size(&scope.header);
        let content = Span::new(scope.header.content_start, end);
        Element { header: scope.header, content }
    }

    /// Passes over the element of `header`, just read, whatever its form.
    #[inline]
    pub fn skip(&mut self, header: &Header) -> Result<Element, Error> {
        match header.length() {
            Length::Definite(size) => {
                let end = self.position + size as usize;
                self.position = end;
                let content = Span::new(header.content_start, end as u32);
                Ok(Element { header: *header, content })
            }
            Length::Indefinite => self.skip_indefinite(header),
        }
    }

    fn skip_indefinite(&mut self, header: &Header) -> Result<Element, Error> {
        // Only indefinite lengths need counting: an inner element of definite length is jumped over.
        let mut depth = 1;
        while depth > 0 {
            if self.at_end_of_contents()? {
                self.position += 2;
                depth -= 1;
                continue;
            }
            let inner = self.header()?;
            match inner.length() {
                Length::Definite(size) => self.position += size as usize,
                Length::Indefinite if self.depth + depth >= BER_DEPTH_MAX => {
                    return Err(Error { offset: inner.start, kind: ErrorKind::Depth });
                }
                Length::Indefinite => depth += 1,
            }
        }
        let content = Span::new(header.content_start, self.position as u32 - 2);
        Ok(Element { header: *header, content })
    }

    /// The next element, whole.
    pub fn take(&mut self) -> Result<Element, Error> {
        let header = self.header()?;
        self.skip(&header)
    }

    /// The content octets of a primitive element whose `header` was just read.
    #[inline]
    pub fn primitive(&mut self, header: &Header) -> Result<&'a [u8], Error> {
        if header.is_constructed() {
            return Err(Error { offset: header.start, kind: ErrorKind::Constructed });
        }
        let element = self.skip(header)?;
        self.octets.get(element.content.range()).ok_or_else(|| self.error(ErrorKind::Truncated))
    }

    /// The octets of a span of this encoding; none where they are not at hand.
    pub fn octets_of(&self, span: Span) -> &'a [u8] {
        self.octets.get(span.range()).unwrap_or_default()
    }

    /// Where the content octets of a primitive element lie, whose `header` was just read.
    #[inline]
    pub fn primitive_span(&mut self, header: &Header) -> Result<Span, Error> {
        self.primitive(header)?;
        Ok(Span::new(header.content_start, self.position as u32))
    }

    /// Appends the content of a string in any form (X.690 8.7): a primitive one as it stands, a
    /// constructed one with its segments joined.
    pub fn string_into(&mut self, header: &Header, out: &mut Vec<u8>) -> Result<(), Error> {
        if !header.is_constructed() {
            out.extend_from_slice(self.primitive(header)?);
            return Ok(());
        }
        // Entering is bounded by BER_DEPTH_MAX, and so is this list.
        let mut scopes = vec![self.enter(header)?];
        while let Some(scope) = scopes.last() {
            match self.next(scope)? {
                None => {
                    scopes.pop();
                }
                Some(segment) if segment.is_constructed() => scopes.push(self.enter(&segment)?),
                Some(segment) => out.extend_from_slice(self.primitive(&segment)?),
            }
        }
        Ok(())
    }

    /// An INTEGER or ENUMERATED of at most 64 bits (X.690 8.3), whatever its tag.
    #[inline]
    pub fn integer(&mut self, header: &Header) -> Result<i64, Error> {
        let octets = self.primitive(header)?;
        match octets {
            [octet] => Ok(i64::from(*octet as i8)),
            [] => Err(Error { offset: header.start, kind: ErrorKind::Integer }),
            [first, ..] if octets.len() <= 8 => {
                let sign = i64::from(*first as i8) >> 7;
                Ok(octets.iter().fold(sign, |value, octet| value << 8 | i64::from(*octet)))
            }
            _ => Err(Error { offset: header.start, kind: ErrorKind::Integer }),
        }
    }

    /// The bits of a BIT STRING in any form (X.690 8.6), bit 0 the most significant; those that are not
    /// there, and unused ones, are zero. An error where one behind the 32nd is set.
    pub fn bits(&mut self, header: &Header) -> Result<u32, Error> {
        let mut found = Bits { bits: 0, octet_count: 0 };
        if !header.is_constructed() {
            return found.append(self.primitive(header)?, header.start).map(|()| found.bits);
        }
        let scope = self.enter(header)?;
        while let Some(segment) = self.next(&scope)? {
            if segment.tag != Tag::BIT_STRING {
                return Err(Error { offset: segment.start, kind: ErrorKind::UnexpectedTag });
            }
            found.append(self.primitive(&segment)?, segment.start)?;
        }
        Ok(found.bits)
    }

    /// The first octet of bits of a BIT STRING in any form (X.690 8.6), and where it lies; `None` for a
    /// string without bits.
    ///
    /// Bit 0 of the string is the octet's most significant one. Unused bits come as zero.
    #[inline]
    pub fn leading_bits(&mut self, header: &Header) -> Result<Option<(u8, u32)>, Error> {
        if header.is_constructed() {
            return self.leading_bits_of_segments(header);
        }
        let octets = self.primitive(header)?;
        leading_bits_of(octets, header.content_start)
            .ok_or(Error { offset: header.start, kind: ErrorKind::BitString })
    }

    fn leading_bits_of_segments(&mut self, header: &Header) -> Result<Option<(u8, u32)>, Error> {
        let scope = self.enter(header)?;
        let mut found = None;
        while let Some(segment) = self.next(&scope)? {
            if segment.tag != Tag::BIT_STRING {
                return Err(Error { offset: segment.start, kind: ErrorKind::UnexpectedTag });
            }
            // A segment may be constructed again (X.690 8.6); nobody was seen to, and we do not follow.
            let octets = self.primitive(&segment)?;
            let bits = leading_bits_of(octets, segment.content_start)
                .ok_or(Error { offset: segment.start, kind: ErrorKind::BitString })?;
            found = found.or(bits);
        }
        Ok(found)
    }
}

/// Bits of a BIT STRING, as its segments come.
struct Bits {
    bits: u32,
    octet_count: u32,
}

impl Bits {
    fn append(&mut self, octets: &[u8], start: u32) -> Result<(), Error> {
        let invalid = Error { offset: start, kind: ErrorKind::BitString };
        let Some((unused @ 0..=7, octets)) = octets.split_first() else { return Err(invalid) };
        let Some((last, whole)) = octets.split_last() else {
            return if *unused == 0 { Ok(()) } else { Err(invalid) };
        };
        for octet in whole.iter().copied().chain([last >> unused << unused]) {
            if octet != 0 {
                let shift = 24_u32.checked_sub(8 * self.octet_count).ok_or(invalid)?;
                self.bits |= u32::from(octet) << shift;
            }
            self.octet_count += 1;
        }
        Ok(())
    }
}

/// `None` when the bit string is not valid, `Some(None)` when it holds no bits.
#[inline]
fn leading_bits_of(octets: &[u8], offset: u32) -> Option<Option<(u8, u32)>> {
    match octets {
        [0] => Some(None),
        [unused @ 0..=7, bits] => Some(Some((bits >> unused << unused, offset + 1))),
        [0..=7, bits, ..] => Some(Some((*bits, offset + 1))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
        result.unwrap_err().kind
    }

    #[test]
    fn headers_of_all_forms() {
        for (octets, tag, constructed, length, content_start) in [
            (&[0x02, 0x01, 5][..], Tag::INTEGER, false, Length::Definite(1), 2),
            (&[0x04, 0x81, 1, 5], Tag::OCTET_STRING, false, Length::Definite(1), 3),
            (&[0x04, 0x85, 0, 0, 0, 0, 1, 5], Tag::OCTET_STRING, false, Length::Definite(1), 7),
            (&[0xbf, 0x82, 0x01, 0x80, 0, 0], Tag::context(257), true, Length::Indefinite, 4),
            (&[0x61, 0], Tag::application(1), true, Length::Definite(0), 2),
        ] {
            let mut reader = Reader::new(octets);
            let header = reader.header().unwrap();
            assert_eq!((header.tag, header.is_constructed()), (tag, constructed));
            assert_eq!((header.length(), header.content_start), (length, content_start));
            reader.skip(&header).unwrap();
            assert!(reader.is_at_end());
        }
    }

    #[test]
    fn lengths_are_not_trusted() {
        assert_eq!(kind_of(Reader::new(&[0x04, 3, 0, 0]).header()), ErrorKind::Overrun);
        assert_eq!(
            kind_of(Reader::new(&[0x04, 0x84, 255, 255, 255, 255]).header()),
            ErrorKind::Overrun
        );
        assert_eq!(
            kind_of(Reader::new(&[0x04, 0x85, 1, 0, 0, 0, 0]).header()),
            ErrorKind::LengthForm
        );
        assert_eq!(kind_of(Reader::new(&[0x04, 0xff]).header()), ErrorKind::LengthForm);
        assert_eq!(kind_of(Reader::new(&[0x04, 0x80]).header()), ErrorKind::IndefinitePrimitive);
        assert_eq!(kind_of(Reader::new(&[0, 0]).header()), ErrorKind::EndOfContents);
        assert_eq!(kind_of(Reader::new(&[0x1f, 0x80, 1, 0]).header()), ErrorKind::Identifier);
        assert_eq!(
            kind_of(Reader::new(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]).header()),
            ErrorKind::Identifier
        );
        assert_eq!(kind_of(Reader::new(&[0x1f, 0x1e, 0]).header()), ErrorKind::Identifier);
        assert_eq!(kind_of(Reader::over_prefix(&[0x04]).header()), ErrorKind::Truncated);
        // An inner element may not leave a definite outer one.
        let octets = [0x30, 0x03, 0x04, 0x02, 0, 0];
        let mut reader = Reader::new(&octets);
        let header = reader.header().unwrap();
        let scope = reader.enter(&header).unwrap();
        assert_eq!(kind_of(reader.next(&scope)), ErrorKind::Overrun);
    }

    #[test]
    fn walks_definite_inside_indefinite_and_the_other_way() {
        let octets = [0x30, 0x80, 0x31, 0x06, 0x30, 0x80, 0x05, 0, 0, 0, 0x02, 1, 9, 0, 0];
        let mut reader = Reader::new(&octets);
        let outer = reader.header().unwrap();
        let outer = reader.enter(&outer).unwrap();
        let set = reader.next(&outer).unwrap().unwrap();
        let set = reader.enter(&set).unwrap();
        let sequence = reader.next(&set).unwrap().unwrap();
        assert_eq!(reader.skip(&sequence).unwrap().span(), Span::new(4, 10));
        assert_eq!(reader.leave(&set).unwrap().span(), Span::new(2, 10));
        let integer = reader.next(&outer).unwrap().unwrap();
        assert_eq!(reader.integer(&integer).unwrap(), 9);
        assert_eq!(reader.leave(&outer).unwrap().content, Span::new(2, 13));
        assert!(reader.is_at_end());
    }

    #[test]
    fn nesting_is_bounded() {
        let octets = [0x30, 0x80].repeat(BER_DEPTH_MAX + 1);
        assert_eq!(kind_of(Reader::new(&octets).take()), ErrorKind::Depth);
    }

    #[test]
    fn integers_and_bits() {
        for (octets, value) in [
            (&[0x02, 1, 0xff][..], -1),
            (&[0x02, 2, 0x01, 0x00], 256),
            (&[0x02, 8, 0x80, 0, 0, 0, 0, 0, 0, 0], i64::MIN),
        ] {
            let mut reader = Reader::new(octets);
            let header = reader.header().unwrap();
            assert_eq!(reader.integer(&header).unwrap(), value);
        }
        for (octets, bits) in [
            (&[0x03, 2, 3, 0xaf][..], Some((0xa8, 3))),
            (&[0x03, 1, 0], None),
            (&[0x23, 0x80, 0x03, 1, 0, 0x03, 2, 0, 0x80, 0, 0], Some((0x80, 8))),
        ] {
            let mut reader = Reader::new(octets);
            let header = reader.header().unwrap();
            assert_eq!(reader.leading_bits(&header).unwrap(), bits);
        }
        for octets in [&[0x03, 0][..], &[0x03, 1, 1], &[0x03, 2, 8, 0]] {
            let mut reader = Reader::new(octets);
            let header = reader.header().unwrap();
            assert_eq!(kind_of(reader.leading_bits(&header)), ErrorKind::BitString);
        }
    }
}
