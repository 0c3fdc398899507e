//! Reports of our own (ReportTransferEnvelope, ReportTransferContent).

use super::{encode_extensions, encode_mts_identifier, encode_trace};
use crate::base::clock::WallTime;
use crate::ber::{Reader, Tag, write};
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::scan::Scan;
use crate::p1::time::utc_time;
use crate::p1::{Error, tag};

/// What became of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportType {
    /// It was delivered.
    Delivery {
        /// When.
        message_delivery_time: WallTime,
        /// To what kind of user: 0 public, 1 private, 2 message store, 3 distribution list, 4 physical
        /// delivery, 5 physical recipient, 6 other.
        type_of_mts_user: i64,
    },
    /// It was not.
    NonDelivery {
        /// NonDeliveryReasonCode.
        reason: i64,
        /// NonDeliveryDiagnosticCode.
        diagnostic: Option<i64>,
    },
}

/// What a report says of one recipient.
#[derive(Debug, Clone)]
pub struct ReportedRecipient<'a> {
    /// Actual-recipient-name, a whole O/R name element.
    pub actual_recipient_name: &'a [u8],
    /// Its number in the subject message.
    pub originally_specified_number: u32,
    /// Per-recipient-indicators as in the subject message; of bits 0 to 2 nobody takes notice.
    pub indicators: u8,
    /// When the subject arrived where the report is made.
    pub arrival_time: WallTime,
    /// What became of it.
    pub report_type: ReportType,
    /// Originally-intended-recipient-name, a whole O/R name element.
    pub originally_intended_recipient_name: Option<&'a [u8]>,
    /// Words for a human, 1 to 256 printable characters.
    pub supplementary_information: Option<&'a str>,
    /// Encoded extension fields, one behind the other.
    pub extensions: &'a [u8],
}

/// A report on a message or probe.
#[derive(Debug, Clone)]
pub struct ReportBuilder<'a> {
    /// Domain of the report's own MTS-identifier.
    pub domain: GlobalDomainIdentifier,
    /// Local part of the report's own MTS-identifier, 1 to 32 IA5 characters.
    pub local_identifier: &'a str,
    /// To whom it goes, a whole O/R name element: the subject's originator, or the last list's.
    pub report_destination_name: &'a [u8],
    /// Encoded elements of the report's trace-information, one behind the other, at least one.
    pub trace: &'a [u8],
    /// Encoded extension fields of the report's envelope, one behind the other.
    pub extensions: &'a [u8],
    /// The subject's MTS-identifier, the whole element.
    pub subject_identifier: &'a [u8],
    /// Encoded elements of the subject's trace-information, when the originating MTA wants an audit.
    pub subject_intermediate_trace: Option<&'a [u8]>,
    /// The subject's built-in content type.
    pub content_type: Option<i64>,
    /// The subject's content-identifier, its characters.
    pub content_identifier: Option<&'a [u8]>,
    /// Other fields of the report content that the subject's envelope has too, encoded: see
    /// [`encode_subject_fields`].
    pub subject_fields: &'a [u8],
    /// The subject's content, when it shall be returned.
    pub returned_content: Option<&'a [u8]>,
    /// Encoded extension fields of the report content (the content correlator), one behind the other.
    pub content_extensions: &'a [u8],
    /// What became of its recipients, at least one.
    pub recipients: Vec<ReportedRecipient<'a>>,
}

// ReportTransferContent
const REPORTED_RECIPIENTS: Tag = Tag::context(0);
const RETURNED_CONTENT: Tag = Tag::context(1);
const REPORT_CONTENT_EXTENSIONS: Tag = Tag::context(3);
// PerRecipientReportTransferFields
const ACTUAL_RECIPIENT_NAME: Tag = Tag::context(0);
const REPORTED_RECIPIENT_NUMBER: Tag = Tag::context(1);
const REPORTED_INDICATORS: Tag = Tag::context(2);
const LAST_TRACE_INFORMATION: Tag = Tag::context(3);
const ORIGINALLY_INTENDED_RECIPIENT_NAME: Tag = Tag::context(4);
const SUPPLEMENTARY_INFORMATION: Tag = Tag::context(5);
const REPORTED_EXTENSIONS: Tag = Tag::context(6);
// LastTraceInformation, ReportType, DeliveryReport, NonDeliveryReport
const REPORT_TYPE: Tag = Tag::context(1);
const DELIVERY: Tag = Tag::context(0);
const NON_DELIVERY: Tag = Tag::context(1);
const MESSAGE_DELIVERY_TIME: Tag = Tag::context(0);
const TYPE_OF_MTS_USER: Tag = Tag::context(1);
const REASON_CODE: Tag = Tag::context(0);
const DIAGNOSTIC_CODE: Tag = Tag::context(1);

impl ReportBuilder<'_> {
    /// The whole MTS-APDU.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.returned_content.map_or(0, <[u8]>::len));
        self.build_into(&mut out);
        out
    }

    /// Appends the whole MTS-APDU.
    pub fn build_into(&self, out: &mut Vec<u8>) {
        write::constructed(out, tag::REPORT, |out| {
            write::constructed(out, Tag::SET, |out| {
                encode_mts_identifier(&self.domain, self.local_identifier, out);
                out.extend_from_slice(self.report_destination_name);
                encode_trace(self.trace, out);
                encode_extensions(tag::REPORT_EXTENSIONS, self.extensions, out);
            });
            write::constructed(out, Tag::SET, |out| self.encode_content(out));
        });
    }

    fn encode_content(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.subject_identifier);
        if let Some(elements) = self.subject_intermediate_trace {
            encode_trace(elements, out);
        }
        if let Some(content_type) = self.content_type {
            write::integer(out, tag::BUILT_IN_CONTENT_TYPE, content_type);
        }
        if let Some(characters) = self.content_identifier {
            write::primitive(out, tag::CONTENT_IDENTIFIER, characters);
        }
        out.extend_from_slice(self.subject_fields);
        if let Some(content) = self.returned_content {
            write::primitive(out, RETURNED_CONTENT, content);
        }
        encode_extensions(REPORT_CONTENT_EXTENSIONS, self.content_extensions, out);
        write::constructed(out, REPORTED_RECIPIENTS, |out| {
            for recipient in &self.recipients {
                write::constructed(out, Tag::SET, |out| recipient.encode(out));
            }
        });
    }
}

impl ReportedRecipient<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_retagged(ACTUAL_RECIPIENT_NAME, self.actual_recipient_name, out);
        write::integer(out, REPORTED_RECIPIENT_NUMBER, i64::from(self.originally_specified_number));
        write::bits(out, REPORTED_INDICATORS, self.indicators, 0);
        write::constructed(out, LAST_TRACE_INFORMATION, |out| {
            write::primitive(out, tag::ARRIVAL_TIME, &utc_time(self.arrival_time));
            write::constructed(out, REPORT_TYPE, |out| self.report_type.encode(out));
        });
        if let Some(name) = self.originally_intended_recipient_name {
            encode_retagged(ORIGINALLY_INTENDED_RECIPIENT_NAME, name, out);
        }
        if let Some(characters) = self.supplementary_information {
            write::primitive(out, SUPPLEMENTARY_INFORMATION, characters.as_bytes());
        }
        encode_extensions(REPORTED_EXTENSIONS, self.extensions, out);
    }
}

impl ReportType {
    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            ReportType::Delivery { message_delivery_time, type_of_mts_user } => {
                write::constructed(out, DELIVERY, |out| {
                    write::primitive(out, MESSAGE_DELIVERY_TIME, &utc_time(message_delivery_time));
                    write::integer(out, TYPE_OF_MTS_USER, type_of_mts_user);
                });
            }
            ReportType::NonDelivery { reason, diagnostic } => {
                write::constructed(out, NON_DELIVERY, |out| {
                    write::integer(out, REASON_CODE, reason);
                    if let Some(diagnostic) = diagnostic {
                        write::integer(out, DIAGNOSTIC_CODE, diagnostic);
                    }
                });
            }
        }
    }
}

/// Appends an O/R name element, of which the identifier is one octet, under an implicit tag instead.
fn encode_retagged(tag: Tag, or_name: &[u8], out: &mut Vec<u8>) {
    write::identifier(out, tag, true);
    out.extend_from_slice(or_name.get(1..).unwrap_or_default());
}

/// Appends those fields of a message's or probe's envelope that a report on it repeats as they stand:
/// original-encoded-information-types, content-type and content-identifier.
///
/// # Errors
/// When the envelope cannot be read.
pub fn encode_subject_fields(apdu: &[u8], scan: &Scan, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut reader = Reader::over_span(apdu, scan.envelope.content);
    while !reader.is_at_end() {
        let element = reader.take()?;
        if matches!(
            element.header.tag,
            tag::ENCODED_INFORMATION_TYPES
                | tag::BUILT_IN_CONTENT_TYPE
                | Tag::OBJECT_IDENTIFIER
                | tag::CONTENT_IDENTIFIER
        ) {
            out.extend_from_slice(element.span().octets(apdu));
        }
    }
    Ok(())
}
