//! An APDU's envelope rewritten for other recipients: what [`patch`](super::patch) does for relaying, for
//! redirection, DL expansion and the reports that lists send on.
//!
//! The outcome is a [`Patched`] over the envelope: what is not rewritten stays octet for octet, lengths of
//! enclosing elements grow where they are definite, and a large content is not touched.
//!
//! Invariants: edits at one place are made in the order in which they stand there, and insertions before
//! removals; whence the order of calls: trace, extensions, then the recipients in their order or the
//! report's destination.

use super::patch::Patched;
use super::scan::{ApduKind, Recipient, Responsibility, Scan};
use super::{Error, history, scan, tag};
use crate::ber::{Element, Reader, Span, Tag, write};

/// A rewriting under way.
#[derive(Debug)]
#[must_use]
pub struct Rewrite<'a> {
    apdu: &'a [u8],
    scan: &'a Scan,
    out: &'a mut Patched,
    envelope_growth: i64,
    recipients_growth: i64,
}

impl<'a> Rewrite<'a> {
    /// Begins with nothing changed. `apdu` holds at least the envelope; `scan` is a successful one of it.
    pub fn new(apdu: &'a [u8], scan: &'a Scan, out: &'a mut Patched) -> Rewrite<'a> {
        out.begin();
        Rewrite { apdu, scan, out, envelope_growth: 0, recipients_growth: 0 }
    }

    /// Puts an encoded element behind the last of trace-information.
    pub fn append_trace(&mut self, element: &[u8]) {
        self.envelope_growth += self.out.append(&self.scan.trace_information, element);
    }

    /// Puts an encoded entry behind the last of a history among the envelope's extensions; it is created
    /// when there is none.
    ///
    /// # Errors
    /// When the history that is there is malformed.
    pub fn extend_history(&mut self, number: i64, entry: &[u8]) -> Result<(), Error> {
        match history::find(&self.scan.extensions, number) {
            Some(found) => {
                let growth = extend_field(self.out, self.apdu, found.field, entry)?;
                self.grow_extensions(growth);
            }
            None => {
                let mut field = Vec::new();
                history::encode_field(number, entry, &mut field);
                self.append_extension(&field);
            }
        }
        Ok(())
    }

    /// Puts an encoded extension field behind the last of the envelope's.
    pub fn append_extension(&mut self, field: &[u8]) {
        if let Some(extensions) = &self.scan.extensions_element {
            self.envelope_growth += self.out.append(extensions, field);
            return;
        }
        let end = self.scan.envelope.content.end;
        let extensions = match self.scan.kind {
            ApduKind::Report => tag::REPORT_EXTENSIONS,
            ApduKind::Message | ApduKind::Probe => tag::EXTENSIONS,
        };
        self.envelope_growth += self.out.edit(Span::new(end, end), |out| {
            write::constructed(out, extensions, |out| out.extend_from_slice(field));
        });
    }

    fn grow_extensions(&mut self, growth: i64) {
        if let Some(extensions) = &self.scan.extensions_element {
            self.envelope_growth += self.out.lengthen(&extensions.header, growth);
        }
    }

    /// Puts another report-destination-name, a whole O/R name element, in the place of the report's.
    pub fn replace_destination(&mut self, or_name: &[u8]) {
        let removed = self.scan.report_destination_name;
        self.envelope_growth += self.out.edit(removed, |out| out.extend_from_slice(or_name));
    }

    /// Takes responsibility for a recipient off.
    pub fn clear_responsibility(&mut self, recipient: &Recipient) {
        if recipient.responsibility() == Responsibility::Responsible {
            let at = recipient.indicators_offset;
            // The octet as it stands: what `scan` holds has its unused bits cleared.
            let octet = self.apdu.get(at as usize).copied().unwrap_or_default() & 0x7f;
            self.out.edit(Span::new(at, at + 1), |out| out.push(octet));
        }
    }

    /// Gives a recipient another name, a whole O/R name element, puts an encoded Redirection behind the
    /// last of its redirection-history, and takes its extension of the number `removed` off.
    ///
    /// # Errors
    /// When the recipient's redirection-history is malformed.
    pub fn redirect(
        &mut self,
        recipient: &Recipient,
        or_name: &[u8],
        redirection: &[u8],
        removed: Option<i64>,
    ) -> Result<(), Error> {
        let (field, extensions) = recipient_elements(self.apdu, recipient)?;
        let all = self.scan.recipient_extensions(recipient);
        let mut growth = 0;
        match history::find(all, history::REDIRECTION_HISTORY) {
            Some(found) => growth += extend_field(self.out, self.apdu, found.field, redirection)?,
            None => {
                let end = extensions.map_or(field.content.end, |element| element.content.end);
                growth += self.out.edit(Span::new(end, end), |out| {
                    let encode = |out: &mut Vec<u8>| {
                        history::encode_field(history::REDIRECTION_HISTORY, redirection, out);
                    };
                    match extensions {
                        Some(_) => encode(out),
                        None => write::constructed(out, tag::RECIPIENT_EXTENSIONS, encode),
                    }
                });
            }
        }
        if let Some(found) = removed.and_then(|number| history::find(all, number)) {
            growth += self.out.edit(found.field, |_| {});
        }
        if let Some(extensions) = extensions {
            growth = self.out.lengthen(&extensions.header, growth);
        }
        growth += self.out.edit(recipient.or_name, |out| out.extend_from_slice(or_name));
        self.recipients_growth += self.out.lengthen(&field.header, growth);
        Ok(())
    }

    /// Puts the encoded per-recipient fields that `fill` appends in the place of all that are there.
    ///
    /// # Errors
    /// When the envelope cannot be read.
    pub fn replace_recipients(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let element = recipients_element(self.apdu, self.scan)?;
        self.recipients_growth += self.out.edit(element.content, fill);
        Ok(())
    }

    /// Corrects the lengths of what encloses the changes, and makes pieces of all; gives the envelope's
    /// size in octets, with what stands before it.
    ///
    /// # Errors
    /// When the envelope cannot be read.
    pub fn finish(mut self) -> Result<usize, Error> {
        if self.recipients_growth != 0 {
            let element = recipients_element(self.apdu, self.scan)?;
            self.envelope_growth += self.out.lengthen(&element.header, self.recipients_growth);
        }
        let growth = self.out.lengthen(&self.scan.envelope.header, self.envelope_growth);
        // The envelope of a probe is the APDU.
        if self.scan.kind != ApduKind::Probe {
            self.out.lengthen(&self.scan.apdu, growth);
        }
        self.out.finish(self.scan.envelope_end());
        Ok(self.out.size())
    }
}

/// Appends the field of a recipient that takes another's place: this name, the other's number, indicators
/// and explicit-conversion, and these encoded extension fields.
pub fn encode_recipient_like(
    other: &Recipient,
    or_name: &[u8],
    extensions: &[u8],
    out: &mut Vec<u8>,
) {
    write::constructed(out, Tag::SET, |out| {
        out.extend_from_slice(or_name);
        let number = i64::from(other.originally_specified_number);
        write::integer(out, tag::ORIGINALLY_SPECIFIED_RECIPIENT_NUMBER, number);
        write::bits(out, tag::PER_RECIPIENT_INDICATORS, other.indicators, 0);
        if let Some(conversion) = other.explicit_conversion {
            write::integer(out, tag::EXPLICIT_CONVERSION, conversion);
        }
        if !extensions.is_empty() {
            write::constructed(out, tag::RECIPIENT_EXTENSIONS, |out| {
                out.extend_from_slice(extensions);
            });
        }
    });
}

/// The whole O/R name element that a recipient's originator-requested-alternate-recipient holds.
///
/// # Errors
/// When there is none, or it is no O/R name.
pub fn alternate_recipient(apdu: &[u8], scan: &Scan, recipient: &Recipient) -> Result<Span, Error> {
    let number = history::ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT;
    let extensions = scan.recipient_extensions(recipient);
    let found = history::find(extensions, number).ok_or(Error::Absent {
        offset: recipient.field.start,
        field: "originator-requested-alternate-recipient",
        clause: super::error::clause::MTA,
    })?;
    let mut reader = Reader::over_span(apdu, found.value);
    let name = reader.header()?;
    scan::expect(&name, tag::OR_NAME)?;
    scan::or_name(&mut reader, &name)
}

/// The SET of a recipient's fields, and its extensions when they are there.
fn recipient_elements(
    apdu: &[u8],
    recipient: &Recipient,
) -> Result<(Element, Option<Element>), Error> {
    let mut reader = Reader::over_span(apdu, recipient.field);
    let header = reader.header()?;
    let scope = reader.enter(&header)?;
    let mut extensions = None;
    while let Some(field) = reader.next(&scope)? {
        let element = reader.skip(&field)?;
        if field.tag == tag::RECIPIENT_EXTENSIONS {
            extensions = Some(element);
        }
    }
    Ok((reader.element(&scope), extensions))
}

/// The per-recipient-fields of a message or probe.
fn recipients_element(apdu: &[u8], scan: &Scan) -> Result<Element, Error> {
    let mut reader = Reader::over_span(apdu, scan.envelope.content);
    while !reader.is_at_end() {
        let element = reader.take()?;
        if element.header.tag == tag::PER_RECIPIENT_FIELDS {
            return Ok(element);
        }
    }
    Err(Error::Absent {
        offset: scan.envelope.header.start,
        field: "per-recipient-fields",
        clause: super::error::clause::MTA,
    })
}

/// Puts an encoded entry behind the last of the SEQUENCE OF that an extension field holds; gives by how
/// much the field grows as a whole.
fn extend_field(out: &mut Patched, apdu: &[u8], field: Span, entry: &[u8]) -> Result<i64, Error> {
    let mut reader = Reader::over_span(apdu, field);
    let header = reader.header()?;
    let scope = reader.enter(&header)?;
    while let Some(part) = reader.next(&scope)? {
        if part.tag != tag::EXTENSION_VALUE {
            reader.skip(&part)?;
            continue;
        }
        let _value = reader.enter(&part)?;
        let inner = reader.header()?;
        scan::expect(&inner, Tag::SEQUENCE)?;
        let sequence = reader.skip(&inner)?;
        let growth = out.append(&sequence, entry);
        let growth = out.lengthen(&part, growth);
        return Ok(out.lengthen(&header, growth));
    }
    Err(Error::Absent {
        offset: field.start,
        field: "a history's value",
        clause: super::error::clause::MTS,
    })
}
