//! Finding in an MTS-APDU what a relay must know, in one pass and in place (X.411
//! MTAAbstractService).
//!
//! Envelopes are SETs: their elements come in any order, and elements that the module does not name are
//! passed over. Lengths may be definite or indefinite anywhere. What a message's originator owns, its
//! content above all, is never looked into. All positions are absolute in the APDU.
//!
//! Invariants: a [`Scan`] is meaningful after `Ok` only; its vectors keep their memory, so scanning
//! allocates nothing in steady state; all spans of a successful [`scan`] lie inside the APDU.

use super::Error;
use super::error::clause;
use super::tag;
use crate::base::limits::{
    ENVELOPE_SIZE_MAX, LOCAL_IDENTIFIER_SIZE_MAX, RECIPIENT_COUNT_MAX, TRACE_ELEMENT_COUNT_MAX,
};
use crate::ber::{self, Element, ErrorKind, Header, Length, Reader, Span, Tag};

mod extension;
mod fields;
mod recipient;
mod trace;

pub use extension::{
    Criticality, Extension, ExtensionId, INTERNAL_TRACE_INFORMATION, InternalTrace,
};
pub use fields::{ContentType, MtsIdentifier, PerMessageIndicators, Priority};
pub use recipient::{
    OriginatingMtaReportRequest, OriginatorReportRequest, Recipient, Responsibility,
};
pub use trace::{InternalTraceElement, RoutingAction, SuppliedInformation, TraceElement};

/// Which of the three MTS-APDUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ApduKind {
    /// `message [0]`
    #[default]
    Message,
    /// `probe [2]`
    Probe,
    /// `report [1]`
    Report,
}

/// How far [`scan_prefix`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The envelope is not complete yet.
    NeedMore,
    /// The envelope is known, and with it everything of the [`Scan`] but `content`.
    ///
    /// For a message or report the identifier and length octets of the content are in the prefix too:
    /// see [`Scan::content_header`].
    Complete,
}

/// What was found in an APDU. Reuse one: its vectors keep their memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Message, probe or report.
    pub kind: ApduKind,
    /// Identifier and length of the whole APDU.
    pub apdu: Header,
    /// The envelope SET; for a probe the APDU itself.
    pub envelope: Element,
    /// Message-, probe- or report-identifier.
    pub mts_identifier: MtsIdentifier,
    /// Originator-name, a whole O/R name element; empty for a report.
    pub originator: Span,
    /// Report-destination-name, a whole O/R name element; empty but for a report.
    pub report_destination_name: Span,
    /// Original-encoded-information-types, the whole element.
    pub original_encoded_information_types: Option<Span>,
    /// Content-type; `None` for a report.
    pub content_type: Option<ContentType>,
    /// Content-identifier, its characters.
    pub content_identifier: Option<Span>,
    /// Priority; normal for probes and reports, which have none.
    pub priority: Priority,
    /// Per-message-indicators; none set when absent.
    pub per_message_indicators: PerMessageIndicators,
    /// Deferred-delivery-time of a message, the characters of its UTCTime.
    pub deferred_delivery_time: Option<Span>,
    /// Content-length that a probe asks about, octets.
    pub content_length: Option<u64>,
    /// Per-domain-bilateral-information, the whole element.
    pub per_domain_bilateral_information: Option<Span>,
    /// Trace-information, the whole element.
    pub trace_information: Element,
    /// Its elements, the oldest first.
    pub trace: Vec<TraceElement>,
    /// The extensions SET, when it is there.
    pub extensions_element: Option<Element>,
    /// The envelope's extension fields, in order.
    pub extensions: Vec<Extension>,
    /// The internal-trace-information extension field (38), when it is there.
    pub internal_trace: Option<InternalTrace>,
    /// Its elements, the oldest first.
    pub internal_trace_elements: Vec<InternalTraceElement>,
    /// Per-recipient-fields, in order; none for a report.
    pub recipients: Vec<Recipient>,
    /// The extension fields of all recipients; see [`Scan::recipient_extensions`].
    pub all_recipient_extensions: Vec<Extension>,
    /// Identifier and length of the content (of a message) or report content; `None` for a probe.
    pub content_header: Option<Header>,
    /// The whole content element; `None` for a probe, and after [`scan_prefix`].
    pub content: Option<Span>,
}

impl Scan {
    /// Nothing found yet.
    pub fn new() -> Scan {
        Scan::default()
    }

    /// Size of the whole APDU, octets, as far as its header tells.
    pub fn apdu_size(&self) -> Option<u64> {
        match self.apdu.length() {
            Length::Definite(size) => Some(u64::from(self.apdu.content_start) + u64::from(size)),
            Length::Indefinite => None,
        }
    }

    /// Offset behind the envelope: where the content of a message or report starts.
    pub fn envelope_end(&self) -> u32 {
        self.envelope.span().end
    }

    /// The extension fields of one of [`Scan::recipients`].
    pub fn recipient_extensions(&self, recipient: &Recipient) -> &[Extension] {
        self.all_recipient_extensions.get(recipient.extensions.range()).unwrap_or_default()
    }

    /// The content octets of a scanned message, segments joined; of a report content, its whole element.
    pub fn content_octets(&self, apdu: &[u8]) -> Result<Vec<u8>, Error> {
        let element = self.content.unwrap_or_default().octets(apdu);
        if self.kind != ApduKind::Message {
            return Ok(element.to_vec());
        }
        let mut reader = Reader::new(element);
        let header = reader.header()?;
        let mut octets = Vec::with_capacity(element.len());
        reader.string_into(&header, &mut octets)?;
        Ok(octets)
    }

    fn clear(&mut self) {
        let Scan { trace, extensions, internal_trace_elements, recipients, .. } = self;
        trace.clear();
        extensions.clear();
        internal_trace_elements.clear();
        recipients.clear();
        self.all_recipient_extensions.clear();
        self.originator = Span::default();
        self.report_destination_name = Span::default();
        self.original_encoded_information_types = None;
        self.content_type = None;
        self.content_identifier = None;
        self.priority = Priority::default();
        self.per_message_indicators = PerMessageIndicators::default();
        self.deferred_delivery_time = None;
        self.content_length = None;
        self.per_domain_bilateral_information = None;
        self.extensions_element = None;
        self.internal_trace = None;
        self.content_header = None;
        self.content = None;
    }
}

/// Scans a whole APDU.
///
/// Fails on what X.411's ASN.1 forbids, on encodings that reach beyond what encloses them, and on more
/// recipients or trace elements than `base::limits` allows.
pub fn scan(apdu: &[u8], scan: &mut Scan) -> Result<(), Error> {
    let mut reader = Reader::new(apdu);
    let outer = scan_envelope(&mut reader, scan)?;
    if let Some(header) = scan.content_header {
        scan.content = Some(reader.skip(&header)?.span());
        if let Some(outer) = outer {
            reader.leave(&outer)?;
        }
    }
    if !reader.is_at_end() {
        return Err(reader.error(ErrorKind::Trailing).into());
    }
    Ok(())
}

/// Scans the beginning of an APDU for its envelope.
///
/// Every call starts anew: call it again when the prefix has grown considerably. Fails as [`scan`]
/// does, and when the prefix exceeds `ENVELOPE_SIZE_MAX` without a complete envelope.
pub fn scan_prefix(prefix: &[u8], scan: &mut Scan) -> Result<Progress, Error> {
    let mut reader = Reader::over_prefix(prefix);
    let outcome = scan_envelope(&mut reader, scan);
    let incomplete = match outcome {
        Ok(_) => reader.position() as usize > prefix.len(),
        Err(Error::Encoding(ber::Error { kind: ErrorKind::Truncated, .. })) => true,
        Err(error) => return Err(error),
    };
    match incomplete {
        false => Ok(Progress::Complete),
        true if prefix.len() < ENVELOPE_SIZE_MAX => Ok(Progress::NeedMore),
        true => Err(Error::TooMany {
            offset: prefix.len() as u32,
            field: "envelope octets",
            maximum: ENVELOPE_SIZE_MAX,
        }),
    }
}

/// Reads up to and including the header of the content; gives the scope of the APDU of a message or
/// report, which is still open.
fn scan_envelope(reader: &mut Reader<'_>, scan: &mut Scan) -> Result<Option<ber::Scope>, Error> {
    scan.clear();
    scan.apdu = reader.header()?;
    scan.kind = match scan.apdu.tag {
        tag::MESSAGE => ApduKind::Message,
        tag::REPORT => ApduKind::Report,
        tag::PROBE => ApduKind::Probe,
        _ => return Err(Error::UnknownApdu),
    };
    if scan.kind == ApduKind::Probe {
        let header = scan.apdu;
        envelope(reader, scan, &header)?;
        return Ok(None);
    }
    let outer = reader.enter(&scan.apdu)?;
    let absent = |field| Error::Absent { offset: 0, field, clause: clause::MTA };
    let header = reader.next(&outer)?.ok_or(absent("envelope"))?;
    expect(&header, Tag::SET)?;
    envelope(reader, scan, &header)?;
    let content = reader.next(&outer)?.ok_or(absent("content"))?;
    let content_tag = if scan.kind == ApduKind::Message { Tag::OCTET_STRING } else { Tag::SET };
    expect(&content, content_tag)?;
    scan.content_header = Some(content);
    Ok(Some(outer))
}

/// The fields of an envelope that were met, one bit each.
#[derive(Default)]
struct Seen(u32);

impl Seen {
    #[inline]
    fn once(&mut self, bit: u32, header: &Header, field: &'static str) -> Result<(), Error> {
        if self.0 & bit != 0 {
            return Err(Error::Repeated { offset: header.start, field, clause: clause::MTA });
        }
        self.0 |= bit;
        Ok(())
    }

    fn require(&self, bit: u32, element: &Header, field: &'static str) -> Result<(), Error> {
        if self.0 & bit == 0 {
            return Err(Error::Absent { offset: element.start, field, clause: clause::MTA });
        }
        Ok(())
    }
}

const IDENTIFIER: u32 = 1 << 0;
const NAME: u32 = 1 << 1;
const TRACE: u32 = 1 << 2;
const RECIPIENTS: u32 = 1 << 3;
const CONTENT_TYPE: u32 = 1 << 4;
const EXTENSIONS: u32 = 1 << 5;
const ENCODED_INFORMATION_TYPES: u32 = 1 << 6;
const CONTENT_IDENTIFIER: u32 = 1 << 7;
const PRIORITY: u32 = 1 << 8;
const INDICATORS: u32 = 1 << 9;
const CONTEXT_0: u32 = 1 << 10;
const BILATERAL: u32 = 1 << 11;

fn envelope(reader: &mut Reader<'_>, scan: &mut Scan, header: &Header) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    let mut seen = Seen::default();
    let kind = scan.kind;
    while let Some(field) = reader.next(&scope)? {
        match (field.tag, kind) {
            (tag::MTS_IDENTIFIER, _) => {
                seen.once(IDENTIFIER, &field, "MTS-identifier")?;
                scan.mts_identifier = fields::mts_identifier(reader, &field)?;
            }
            (tag::TRACE_INFORMATION, _) => {
                seen.once(TRACE, &field, "trace-information")?;
                scan.trace_information = trace::information(reader, &field, &mut scan.trace)?;
            }
            (tag::OR_NAME, ApduKind::Report) => {
                seen.once(NAME, &field, "report-destination-name")?;
                scan.report_destination_name = or_name(reader, &field)?;
            }
            (tag::REPORT_EXTENSIONS, ApduKind::Report) => {
                seen.once(EXTENSIONS, &field, "extensions")?;
                extension::of_envelope(reader, &field, scan)?;
            }
            (_, ApduKind::Report) => {
                reader.skip(&field)?;
            }
            (tag::OR_NAME, _) => {
                seen.once(NAME, &field, "originator-name")?;
                scan.originator = or_name(reader, &field)?;
            }
            (tag::PER_RECIPIENT_FIELDS, _) => {
                seen.once(RECIPIENTS, &field, "per-recipient-fields")?;
                recipient::all(reader, &field, scan)?;
            }
            (tag::EXTENSIONS, _) => {
                seen.once(EXTENSIONS, &field, "extensions")?;
                extension::of_envelope(reader, &field, scan)?;
            }
            (tag::BUILT_IN_CONTENT_TYPE | Tag::OBJECT_IDENTIFIER, _) => {
                seen.once(CONTENT_TYPE, &field, "content-type")?;
                scan.content_type = Some(fields::content_type(reader, &field)?);
            }
            (tag::CONTENT_IDENTIFIER, _) => {
                seen.once(CONTENT_IDENTIFIER, &field, "content-identifier")?;
                scan.content_identifier = Some(reader.skip(&field)?.content);
            }
            (tag::PRIORITY, ApduKind::Message) => {
                seen.once(PRIORITY, &field, "priority")?;
                scan.priority = fields::priority(reader, &field)?;
            }
            (tag::PER_MESSAGE_INDICATORS, _) => {
                seen.once(INDICATORS, &field, "per-message-indicators")?;
                let bits = reader.leading_bits(&field)?;
                scan.per_message_indicators =
                    PerMessageIndicators(bits.map_or(0, |(bits, _)| bits));
            }
            (tag::ENCODED_INFORMATION_TYPES, _) => {
                seen.once(ENCODED_INFORMATION_TYPES, &field, "original-encoded-information-types")?;
                scan.original_encoded_information_types = Some(reader.skip(&field)?.span());
            }
            (tag::DEFERRED_DELIVERY_TIME, ApduKind::Message) => {
                seen.once(CONTEXT_0, &field, "deferred-delivery-time")?;
                scan.deferred_delivery_time = Some(reader.primitive_span(&field)?);
            }
            (tag::CONTENT_LENGTH, ApduKind::Probe) => {
                seen.once(CONTEXT_0, &field, "content-length")?;
                let value = reader.integer(&field)?;
                scan.content_length =
                    Some(u64::try_from(value).map_err(|_| invalid(&field, "content-length"))?);
            }
            (tag::PER_DOMAIN_BILATERAL_INFORMATION, _) => {
                seen.once(BILATERAL, &field, "per-domain-bilateral-information")?;
                scan.per_domain_bilateral_information = Some(reader.skip(&field)?.span());
            }
            _ => {
                reader.skip(&field)?;
            }
        }
    }
    scan.envelope = reader.element(&scope);
    seen.require(IDENTIFIER, header, "MTS-identifier")?;
    seen.require(TRACE, header, "trace-information")?;
    match kind {
        ApduKind::Report => seen.require(NAME, header, "report-destination-name"),
        ApduKind::Message | ApduKind::Probe => {
            seen.require(NAME, header, "originator-name")?;
            seen.require(CONTENT_TYPE, header, "content-type")?;
            seen.require(RECIPIENTS, header, "per-recipient-fields")
        }
    }
}

/// The whole O/R name element of `header`, just read; its inside is for `or_address`.
#[inline]
pub(super) fn or_name(reader: &mut Reader<'_>, header: &Header) -> Result<Span, Error> {
    if !header.is_constructed() {
        return Err(invalid(header, "O/R name"));
    }
    Ok(reader.skip(header)?.span())
}

#[inline]
pub(super) fn expect(header: &Header, tag: Tag) -> Result<(), Error> {
    if header.tag != tag {
        return Err(ber::Error { offset: header.start, kind: ErrorKind::UnexpectedTag }.into());
    }
    Ok(())
}

#[cold]
fn invalid(header: &Header, field: &'static str) -> Error {
    Error::Invalid { offset: header.start, field, clause: clause::MTA }
}
