//! The walk over an APDU that is downgraded: reading, and editing what was just read.
//!
//! `growth` is by how many octets the edits so far have lengthened the APDU; an element that was opened is
//! given its new length when it is closed.

use super::rule::{Change, Detail, Effect, Place, Rule};
use super::{Downgrade, Options};
use crate::ber::{Element, Header, Reader, Scope, Span, Tag, write};
use crate::p1::Error;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::Scan;

pub(super) struct Walk<'a, 'o> {
    pub(super) apdu: &'a [u8],
    pub(super) reader: Reader<'a>,
    pub(super) scan: &'o Scan,
    pub(super) options: &'o Options,
    pub(super) out: &'o mut Downgrade,
    growth: i64,
}

/// An element that was entered, with the growth of all before it.
pub(super) struct Open {
    header: Header,
    scope: Scope,
    growth_before: i64,
}

/// A point to come back to.
pub(super) struct Mark {
    patched: (usize, usize),
    growth: i64,
}

impl<'a, 'o> Walk<'a, 'o> {
    pub(super) fn new(
        apdu: &'a [u8],
        reader: Reader<'a>,
        scan: &'o Scan,
        options: &'o Options,
        out: &'o mut Downgrade,
    ) -> Walk<'a, 'o> {
        Walk { apdu, reader, scan, options, out, growth: 0 }
    }

    pub(super) fn open(&mut self, header: &Header) -> Result<Open, Error> {
        let scope = self.reader.enter(header)?;
        Ok(Open { header: *header, scope, growth_before: self.growth })
    }

    pub(super) fn next(&mut self, open: &Open) -> Result<Option<Header>, Error> {
        Ok(self.reader.next(&open.scope)?)
    }

    /// The element of what [`Walk::next`] has just ended, with its new length. To be called only when
    /// nothing more inside it is edited.
    pub(super) fn close(&mut self, open: Open) -> Element {
        let element = self.reader.element(&open.scope);
        self.growth = open.growth_before
            + self.out.patched.lengthen(&open.header, self.growth - open.growth_before);
        element
    }

    /// Passes over the element of `header`, just read.
    pub(super) fn skip(&mut self, header: &Header) -> Result<Element, Error> {
        Ok(self.reader.skip(header)?)
    }

    pub(super) fn lengthen_apdu(&mut self) {
        self.growth = self.out.patched.lengthen(&self.scan.apdu, self.growth);
    }

    /// Lengthens an element that is closed already by what is put into it.
    pub(super) fn append(&mut self, element: &Element, fill: impl FnOnce(&mut Vec<u8>)) {
        let end = element.content.end;
        let growth = self.out.patched.edit(Span::new(end, end), fill);
        self.growth += self.out.patched.lengthen(&element.header, growth);
    }

    pub(super) fn replace(&mut self, removed: Span, fill: impl FnOnce(&mut Vec<u8>)) {
        self.growth += self.out.patched.edit(removed, fill);
    }

    pub(super) fn remove(&mut self, removed: Span) {
        self.replace(removed, |_| {});
    }

    /// Passes over the element of `header` and removes it.
    pub(super) fn remove_field(&mut self, header: &Header) -> Result<(), Error> {
        let element = self.skip(header)?;
        self.remove(element.span());
        Ok(())
    }

    /// Replaces the element of `header`, an integer that was just read, by another value.
    pub(super) fn replace_integer(&mut self, header: &Header, value: i64) {
        let span = Span::new(header.start, self.reader.position());
        self.replace(span, |out| write::integer(out, header.tag, value));
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { patched: self.out.patched.mark(), growth: self.growth }
    }

    pub(super) fn rewind(&mut self, mark: &Mark) {
        self.out.patched.rewind(mark.patched);
        self.growth = mark.growth;
    }

    /// Notes what a rule did; a rule that refuses takes its recipient, or the whole APDU, out.
    pub(super) fn note(&mut self, place: Place, rule: Rule, detail: Detail) {
        self.out.changes.push(Change { place, rule, detail });
        if rule.effect() != Effect::Refused {
            return;
        }
        match place {
            Place::Recipient(index) => {
                if self.out.refused.last() != Some(&index) {
                    self.out.refused.push(index);
                }
            }
            _ => self.out.refusal = Some(NonDelivery::UNABLE_TO_DOWNGRADE),
        }
    }

    /// Encoded information types: object identifiers go, and "undefined" is set for them.
    pub(super) fn encoded_information_types(
        &mut self,
        header: &Header,
        place: Place,
    ) -> Result<(), Error> {
        let open = self.open(header)?;
        let mut built_in = None;
        let mut extended = false;
        while let Some(field) = self.next(&open)? {
            match field.tag {
                BUILT_IN => {
                    let bits = self.reader.leading_bits(&field)?;
                    built_in = Some((Span::new(field.start, self.reader.position()), bits));
                }
                EXTENDED => {
                    self.remove_field(&field)?;
                    extended = true;
                }
                _ => {
                    self.skip(&field)?;
                }
            }
        }
        if extended {
            match built_in {
                Some((_, Some((bits, _)))) if bits & UNDEFINED != 0 => {}
                Some((_, Some((_, offset)))) => {
                    let octet = self.octet(offset) | UNDEFINED;
                    self.replace(Span::new(offset, offset + 1), |out| out.push(octet));
                }
                Some((span, None)) => {
                    self.replace(span, |out| write::bits(out, BUILT_IN, UNDEFINED, 7));
                }
                // The field is mandatory in both editions: its absence is not ours to mend.
                None => {}
            }
            self.note(place, Rule::ExtendedEncodedInformationTypes, Detail::None);
        }
        self.close(open);
        Ok(())
    }

    /// The octet of the original at `offset`.
    pub(super) fn octet(&self, offset: u32) -> u8 {
        self.apdu.get(offset as usize).copied().unwrap_or_default()
    }
}

// EncodedInformationTypes
const BUILT_IN: Tag = Tag::context(0);
const EXTENDED: Tag = Tag::context(4);
/// Bit 0: undefined (1984), unknown (1988).
const UNDEFINED: u8 = 0x80;
