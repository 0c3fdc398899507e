//! Envelopes of messages and probes, trace, and extension fields.

use super::CriticalExtensions;
use super::content::{Fit, fit_of_scanned};
use super::name::NameUse;
use super::rule::{Detail, Place, Rule};
use super::walk::Walk;
use crate::ber::{Header, Span, Tag};
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::{ApduKind, Extension, ExtensionId, INTERNAL_TRACE_INFORMATION};
use crate::p1::{Error, tag};

const CONTENT_TYPE_P2: u8 = 2;
const CONTENT_TYPE_P22: i64 = 22;
/// Explicit conversions of 1984: ia5-text-to-teletex 0, teletex-to-telex 1.
const EXPLICIT_CONVERSION_1984_MAX: i64 = 1;
/// Per-message-flag bits of 1984: 0 to 3.
const PER_MESSAGE_FLAG_1984: u8 = 0xf0;

impl Walk<'_, '_> {
    /// The envelope of a message or probe, from its beginning to its end.
    pub(super) fn envelope(&mut self) -> Result<(), Error> {
        let header = self.reader.header()?;
        let open = self.open(&header)?;
        while let Some(field) = self.next(&open)? {
            match field.tag {
                tag::OR_NAME => {
                    self.name(&field, NameUse::Originator, Place::Originator)?;
                }
                tag::ENCODED_INFORMATION_TYPES => {
                    self.encoded_information_types(&field, Place::Envelope)?;
                }
                tag::BUILT_IN_CONTENT_TYPE => self.content_type(&field)?,
                Tag::OBJECT_IDENTIFIER => {
                    self.skip(&field)?;
                    self.note(Place::Envelope, Rule::ExtendedContentType, Detail::None);
                }
                tag::PER_MESSAGE_INDICATORS => self.per_message_indicators(&field)?,
                tag::PER_DOMAIN_BILATERAL_INFORMATION => self.bilateral_information(&field)?,
                tag::TRACE_INFORMATION => self.trace(&field, Place::Trace)?,
                tag::EXTENSIONS => {
                    let scan = self.scan;
                    self.extensions(&field, &scan.extensions, Place::Envelope)?;
                }
                tag::PER_RECIPIENT_FIELDS => self.recipients(&field)?,
                _ => {
                    self.skip(&field)?;
                }
            }
        }
        self.close(open);
        Ok(())
    }

    fn content_type(&mut self, field: &Header) -> Result<(), Error> {
        if self.reader.integer(field)? != CONTENT_TYPE_P22 {
            return Ok(());
        }
        let fit = match self.scan.kind {
            ApduKind::Message => fit_of_scanned(self.apdu, self.scan),
            // A probe has no content: whether one would fit is for the message to say.
            ApduKind::Probe | ApduKind::Report => Fit::Fits,
        };
        match fit {
            Fit::Fits => {
                let content = Span::new(field.content_start, self.reader.position());
                // As many octets as before: the lengths around stay.
                let zeros = content.size().saturating_sub(1);
                self.replace(content, |out| {
                    out.resize(out.len() + zeros, 0);
                    out.push(CONTENT_TYPE_P2);
                });
                self.note(Place::Envelope, Rule::ContentType, Detail::None);
            }
            Fit::Later(what) => self.note(Place::Envelope, Rule::Content, Detail::Content(what)),
            Fit::Unseen => self.out.content_unseen = true,
        }
        Ok(())
    }

    fn per_message_indicators(&mut self, field: &Header) -> Result<(), Error> {
        if let Some((bits, offset)) = self.reader.leading_bits(field)?
            && bits & !PER_MESSAGE_FLAG_1984 != 0
        {
            let octet = self.octet(offset) & PER_MESSAGE_FLAG_1984;
            self.replace(Span::new(offset, offset + 1), |out| out.push(octet));
            self.note(Place::Envelope, Rule::PerMessageIndicators, Detail::None);
        }
        Ok(())
    }

    /// Elements for private domains go; with the last element the field goes.
    fn bilateral_information(&mut self, field: &Header) -> Result<(), Error> {
        let mark = self.mark();
        let mut kept = false;
        let open = self.open(field)?;
        while let Some(item) = self.next(&open)? {
            let inner = self.open(&item)?;
            let mut private = false;
            let mut index = 0;
            while let Some(part) = self.next(&inner)? {
                // Country-name, domain, bilateral-information, in this order.
                private |= index == 1 && part.tag == Tag::SEQUENCE;
                index += 1;
                self.skip(&part)?;
            }
            let element = self.close(inner);
            if private {
                self.remove(element.span());
                self.note(Place::Envelope, Rule::PrivateDomainBilateralInformation, Detail::None);
            }
            kept |= !private;
        }
        let element = self.close(open);
        if !kept {
            self.rewind(&mark);
            if !element.content.is_empty() {
                self.remove(element.span());
            }
        }
        Ok(())
    }

    /// Trace-information, or that of a report's subject.
    pub(super) fn trace(&mut self, field: &Header, place: fn(u16) -> Place) -> Result<(), Error> {
        let open = self.open(field)?;
        let mut index = 0;
        while let Some(item) = self.next(&open)? {
            let element = self.open(&item)?;
            while let Some(part) = self.next(&element)? {
                match part.tag {
                    Tag::SET => self.domain_supplied_information(&part, place(index))?,
                    _ => {
                        self.skip(&part)?;
                    }
                }
            }
            self.close(element);
            index = index.saturating_add(1);
        }
        self.close(open);
        Ok(())
    }

    fn domain_supplied_information(&mut self, field: &Header, place: Place) -> Result<(), Error> {
        let open = self.open(field)?;
        while let Some(part) = self.next(&open)? {
            match part.tag {
                tag::OTHER_ACTIONS => {
                    self.remove_field(&part)?;
                    self.note(place, Rule::OtherActions, Detail::None);
                }
                tag::ENCODED_INFORMATION_TYPES => self.encoded_information_types(&part, place)?,
                _ => {
                    self.skip(&part)?;
                }
            }
        }
        self.close(open);
        Ok(())
    }

    /// Takes off a whole set of extension fields, of which the scan knows the particulars.
    pub(super) fn extensions(
        &mut self,
        field: &Header,
        extensions: &[Extension],
        place: Place,
    ) -> Result<(), Error> {
        self.remove_field(field)?;
        if extensions.is_empty() {
            self.note(place, Rule::Extension, Detail::None);
        }
        for extension in extensions {
            let rule = match extension.id {
                ExtensionId::Standard(INTERNAL_TRACE_INFORMATION) => Rule::InternalTrace,
                _ if self.scan.kind != ApduKind::Report && self.is_critical(extension) => {
                    Rule::CriticalExtension
                }
                _ => Rule::Extension,
            };
            self.note(place, rule, Detail::Extension(extension.id));
        }
        Ok(())
    }

    fn is_critical(&self, extension: &Extension) -> bool {
        let criticality = extension.criticality;
        match self.options.critical_extensions {
            CriticalExtensions::ForTransferOrDelivery => {
                criticality.for_transfer() || criticality.for_delivery()
            }
            CriticalExtensions::ForTransfer => criticality.for_transfer(),
        }
    }

    fn recipients(&mut self, field: &Header) -> Result<(), Error> {
        let open = self.open(field)?;
        let mut index = 0;
        while let Some(item) = self.next(&open)? {
            self.recipient(&item, index)?;
            index += 1;
        }
        self.close(open);
        if self.out.removed.len() == usize::from(index) {
            self.out.refusal = Some(NonDelivery::UNABLE_TO_DOWNGRADE);
        }
        Ok(())
    }

    fn recipient(&mut self, header: &Header, index: u16) -> Result<(), Error> {
        let place = Place::Recipient(index);
        let mark = self.mark();
        let open = self.open(header)?;
        let mut expressible = true;
        while let Some(field) = self.next(&open)? {
            match field.tag {
                tag::OR_NAME => expressible = self.name(&field, NameUse::Recipient, place)?,
                tag::EXPLICIT_CONVERSION => {
                    let value = self.reader.integer(&field)?;
                    if value > EXPLICIT_CONVERSION_1984_MAX {
                        let span = Span::new(field.start, self.reader.position());
                        self.remove(span);
                        let detail = Detail::Codes { from: value, to: None };
                        self.note(place, Rule::ExplicitConversion, detail);
                    }
                }
                tag::RECIPIENT_EXTENSIONS => {
                    let scan = self.scan;
                    let recipient = scan.recipients.get(usize::from(index));
                    let extensions =
                        recipient.map_or(&[][..], |recipient| scan.recipient_extensions(recipient));
                    self.extensions(&field, extensions, place)?;
                }
                _ => {
                    self.skip(&field)?;
                }
            }
        }
        let element = self.close(open);
        if !expressible {
            self.rewind(&mark);
            self.remove(element.span());
            self.out.removed.push(index);
            self.note(place, Rule::RecipientName, Detail::None);
        }
        Ok(())
    }
}
