//! Reports: DeliveryReportEnvelope and DeliveryReportContent of 1984.
//!
//! A report is never reported on, so of what 1984 has no place for it loses everything but its destination.

use super::name::NameUse;
use super::rule::{Detail, Place, Rule};
use super::walk::Walk;
use crate::ber::{Header, Reader, Span, Tag, write};
use crate::p1::error::clause;
use crate::p1::{Error, tag};

/// PP writes so many, and no more (unverified).
const SUPPLEMENTARY_INFORMATION_1984_SIZE_MAX: usize = 64;
/// private
const TYPE_OF_UA_1984_MAX: i64 = 1;
/// conversion-not-performed
const REASON_1984_MAX: i64 = 2;
/// invalid-parameters
const DIAGNOSTIC_1984_MAX: i64 = 11;

// ReportTransferContent
const REPORTED_RECIPIENTS: Tag = Tag::context(0);
const CONTENT_EXTENSIONS: Tag = Tag::context(3);
// PerRecipientReportTransferFields
const ACTUAL_RECIPIENT_NAME: Tag = Tag::context(0);
const LAST_TRACE_INFORMATION: Tag = Tag::context(3);
const ORIGINALLY_INTENDED_RECIPIENT_NAME: Tag = Tag::context(4);
const SUPPLEMENTARY_INFORMATION: Tag = Tag::context(5);
const REPORTED_RECIPIENT_EXTENSIONS: Tag = Tag::context(6);
// LastTraceInformation, ReportType, DeliveryReport, NonDeliveryReport
const REPORT_TYPE: Tag = Tag::context(1);
const DELIVERY: Tag = Tag::context(0);
const NON_DELIVERY: Tag = Tag::context(1);
const TYPE_OF_MTS_USER: Tag = Tag::context(1);
const REASON_CODE: Tag = Tag::context(0);
const DIAGNOSTIC_CODE: Tag = Tag::context(1);

/// The reason of 1984 for a later one: unable-to-transfer, the general one.
const fn reason_1984(reason: i64) -> i64 {
    match reason {
        0..=REASON_1984_MAX => reason,
        _ => 1,
    }
}

/// The diagnostic of 1984 nearest in meaning to a later one.
const fn diagnostic_1984(diagnostic: i64) -> i64 {
    match diagnostic {
        0..=DIAGNOSTIC_1984_MAX => diagnostic,
        // size-constraint-violation: content too long
        13 => 7,
        // content-type-not-supported: encoded information types unsupported
        15 => 6,
        // conversion-with-loss-prohibited: conversion prohibited
        19 => 9,
        // Line too long, page split, and losses: conversion impractical
        20..=25 => 8,
        // redirection-loop-detected: loop detected
        27 => 3,
        // undeliverable-mail-recipient-unknown: unrecognised O/R name
        35 => 0,
        // transfer-attempts-limit-reached: maximum time expired
        49 => 5,
        // invalid-parameters
        _ => 11,
    }
}

impl Walk<'_, '_> {
    pub(super) fn report(&mut self) -> Result<(), Error> {
        let header = self.reader.header()?;
        let open = self.open(&header)?;
        while let Some(field) = self.next(&open)? {
            match field.tag {
                tag::OR_NAME => {
                    self.name(&field, NameUse::ReportDestination, Place::ReportDestination)?;
                }
                tag::TRACE_INFORMATION => self.trace(&field, Place::Trace)?,
                tag::REPORT_EXTENSIONS => {
                    let scan = self.scan;
                    self.extensions(&field, &scan.extensions, Place::Envelope)?;
                }
                _ => {
                    self.skip(&field)?;
                }
            }
        }
        self.close(open);
        let content = self.scan.content.ok_or(Error::Absent {
            offset: self.scan.envelope_end(),
            field: "report content",
            clause: clause::MTA,
        })?;
        self.reader = Reader::over_span(self.apdu, content);
        self.report_content()
    }

    fn report_content(&mut self) -> Result<(), Error> {
        let header = self.reader.header()?;
        let open = self.open(&header)?;
        while let Some(field) = self.next(&open)? {
            let rule = match field.tag {
                tag::TRACE_INFORMATION => {
                    self.trace(&field, Place::SubjectTrace)?;
                    continue;
                }
                REPORTED_RECIPIENTS => {
                    self.reported_recipients(&field)?;
                    continue;
                }
                tag::ENCODED_INFORMATION_TYPES => Rule::ReportEncodedInformationTypes,
                tag::BUILT_IN_CONTENT_TYPE | Tag::OBJECT_IDENTIFIER => Rule::ReportContentType,
                CONTENT_EXTENSIONS => Rule::Extension,
                _ => {
                    self.skip(&field)?;
                    continue;
                }
            };
            self.remove_field(&field)?;
            self.note(Place::ReportContent, rule, Detail::None);
        }
        self.close(open);
        Ok(())
    }

    fn reported_recipients(&mut self, field: &Header) -> Result<(), Error> {
        let open = self.open(field)?;
        let mut index = 0_u16;
        while let Some(item) = self.next(&open)? {
            self.reported_recipient(&item, Place::ReportedRecipient(index))?;
            index = index.saturating_add(1);
        }
        self.close(open);
        Ok(())
    }

    fn reported_recipient(&mut self, header: &Header, place: Place) -> Result<(), Error> {
        let open = self.open(header)?;
        while let Some(field) = self.next(&open)? {
            match field.tag {
                ACTUAL_RECIPIENT_NAME | ORIGINALLY_INTENDED_RECIPIENT_NAME => {
                    self.name(&field, NameUse::Reported, place)?;
                }
                LAST_TRACE_INFORMATION => self.last_trace_information(&field, place)?,
                SUPPLEMENTARY_INFORMATION => self.supplementary_information(&field, place)?,
                REPORTED_RECIPIENT_EXTENSIONS => {
                    self.remove_field(&field)?;
                    self.note(place, Rule::Extension, Detail::None);
                }
                _ => {
                    self.skip(&field)?;
                }
            }
        }
        self.close(open);
        Ok(())
    }

    fn last_trace_information(&mut self, header: &Header, place: Place) -> Result<(), Error> {
        let open = self.open(header)?;
        while let Some(field) = self.next(&open)? {
            match field.tag {
                tag::ENCODED_INFORMATION_TYPES => self.encoded_information_types(&field, place)?,
                REPORT_TYPE => {
                    let explicit = self.open(&field)?;
                    while let Some(choice) = self.next(&explicit)? {
                        self.report_type(&choice, place)?;
                    }
                    self.close(explicit);
                }
                _ => {
                    self.skip(&field)?;
                }
            }
        }
        self.close(open);
        Ok(())
    }

    fn report_type(&mut self, choice: &Header, place: Place) -> Result<(), Error> {
        let open = self.open(choice)?;
        while let Some(field) = self.next(&open)? {
            match (choice.tag, field.tag) {
                (DELIVERY, TYPE_OF_MTS_USER) => {
                    let value = self.reader.integer(&field)?;
                    if value > TYPE_OF_UA_1984_MAX {
                        self.remove(Span::new(field.start, self.reader.position()));
                        let detail = Detail::Codes { from: value, to: None };
                        self.note(place, Rule::TypeOfMtsUser, detail);
                    }
                }
                (NON_DELIVERY, REASON_CODE) => {
                    self.code(&field, reason_1984, place, Rule::Reason)?;
                }
                (NON_DELIVERY, DIAGNOSTIC_CODE) => {
                    self.code(&field, diagnostic_1984, place, Rule::Diagnostic)?;
                }
                _ => {
                    self.skip(&field)?;
                }
            }
        }
        self.close(open);
        Ok(())
    }

    fn code(
        &mut self,
        field: &Header,
        map: fn(i64) -> i64,
        place: Place,
        rule: Rule,
    ) -> Result<(), Error> {
        let from = self.reader.integer(field)?;
        let to = map(from);
        if to != from {
            self.replace_integer(field, to);
            self.note(place, rule, Detail::Codes { from, to: Some(to) });
        }
        Ok(())
    }

    fn supplementary_information(&mut self, field: &Header, place: Place) -> Result<(), Error> {
        let mut characters = Vec::new();
        if !field.is_constructed() {
            let size = self.reader.primitive(field)?.len();
            if size <= SUPPLEMENTARY_INFORMATION_1984_SIZE_MAX {
                return Ok(());
            }
            let start = field.content_start as usize;
            characters.extend_from_slice(self.apdu.get(start..start + size).unwrap_or_default());
        } else {
            self.reader.string_into(field, &mut characters)?;
            if characters.len() <= SUPPLEMENTARY_INFORMATION_1984_SIZE_MAX {
                return Ok(());
            }
        }
        characters.truncate(SUPPLEMENTARY_INFORMATION_1984_SIZE_MAX);
        let span = Span::new(field.start, self.reader.position());
        self.replace(span, |out| write::primitive(out, field.tag, &characters));
        self.note(place, Rule::SupplementaryInformation, Detail::None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_1984_stay_and_later_ones_become_such() {
        for code in 0..100 {
            assert!((0..=REASON_1984_MAX).contains(&reason_1984(code)));
            assert!((0..=DIAGNOSTIC_1984_MAX).contains(&diagnostic_1984(code)));
            assert_eq!(reason_1984(reason_1984(code)), reason_1984(code));
            assert_eq!(diagnostic_1984(diagnostic_1984(code)), diagnostic_1984(code));
        }
        for code in 0..=REASON_1984_MAX {
            assert_eq!(reason_1984(code), code);
        }
        for code in 0..=DIAGNOSTIC_1984_MAX {
            assert_eq!(diagnostic_1984(code), code);
        }
    }
}
