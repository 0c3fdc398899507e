//! Building MTS-APDUs of our own: messages and probes that a load generator or a gateway submits,
//! reports that a relay originates. Definite lengths, elements in the order of the ASN.1.

mod report;

pub use report::{ReportBuilder, ReportType, ReportedRecipient, encode_subject_fields};

use super::domain::GlobalDomainIdentifier;
use super::or_address::OrAddress;
use super::scan::Priority;
use super::tag;
use super::time::utc_time;
use crate::base::clock::WallTime;
use crate::ber::{Tag, write};

/// Interpersonal messaging of 1988, P22.
pub const CONTENT_TYPE_P22: i64 = 22;

/// Responsible; the originating MTA and the originator want reports of non-delivery.
pub const DEFAULT_INDICATORS: u8 = 0xa8;

/// The fields of one recipient of a message or probe.
#[derive(Debug, Clone)]
pub struct RecipientFields {
    /// Whom.
    pub or_address: OrAddress,
    /// Per-recipient-indicators bits 0 to 7, bit 0 the most significant.
    pub indicators: u8,
    /// Encoded extension fields, one behind the other.
    pub extensions: Vec<u8>,
}

impl From<OrAddress> for RecipientFields {
    fn from(or_address: OrAddress) -> RecipientFields {
        RecipientFields { or_address, indicators: DEFAULT_INDICATORS, extensions: Vec::new() }
    }
}

/// A message. Its recipients are numbered from 1 in their order.
#[derive(Debug, Clone)]
pub struct MessageBuilder<'a> {
    /// Domain of the MTS-identifier.
    pub domain: GlobalDomainIdentifier,
    /// Local part of the MTS-identifier, 1 to 32 IA5 characters.
    pub local_identifier: &'a str,
    /// Who sends it.
    pub originator: OrAddress,
    /// Built-in content type.
    pub content_type: i64,
    /// Content-identifier, 1 to 16 printable characters.
    pub content_identifier: Option<&'a str>,
    /// How urgent it is.
    pub priority: Priority,
    /// Per-message-indicators bits 0 to 7, bit 0 the most significant.
    pub per_message_indicators: u8,
    /// Not to be delivered before.
    pub deferred_delivery_time: Option<WallTime>,
    /// Encoded elements of trace-information, one behind the other, at least one.
    pub trace: &'a [u8],
    /// Encoded extension fields, one behind the other.
    pub extensions: &'a [u8],
    /// Who receives it, at least one.
    pub recipients: Vec<RecipientFields>,
    /// The content, as the octets of the OCTET STRING.
    pub content: &'a [u8],
}

impl<'a> MessageBuilder<'a> {
    /// A normal P22 message with nothing optional, still without recipients and content.
    pub fn new(
        domain: GlobalDomainIdentifier,
        local_identifier: &'a str,
        originator: OrAddress,
        trace: &'a [u8],
    ) -> MessageBuilder<'a> {
        MessageBuilder {
            domain,
            local_identifier,
            originator,
            content_type: CONTENT_TYPE_P22,
            content_identifier: None,
            priority: Priority::Normal,
            per_message_indicators: 0,
            deferred_delivery_time: None,
            trace,
            extensions: &[],
            recipients: Vec::new(),
            content: &[],
        }
    }

    /// The whole MTS-APDU.
    pub fn build(&self) -> Vec<u8> {
        let mut out = self.build_head(self.content.len());
        out.extend_from_slice(self.content);
        out
    }

    /// The MTS-APDU up to the first octet of its content, of which `content_size` octets follow.
    pub fn build_head(&self, content_size: usize) -> Vec<u8> {
        let mut inner = Vec::with_capacity(512);
        write::constructed(&mut inner, Tag::SET, |out| self.encode_envelope(out));
        write::identifier(&mut inner, Tag::OCTET_STRING, false);
        write::length(&mut inner, content_size);
        let mut out = Vec::with_capacity(inner.len() + 8 + self.content.len());
        write::identifier(&mut out, tag::MESSAGE, true);
        write::length(&mut out, inner.len() + content_size);
        out.extend_from_slice(&inner);
        out
    }

    fn encode_envelope(&self, out: &mut Vec<u8>) {
        encode_mts_identifier(&self.domain, self.local_identifier, out);
        self.originator.encode(out);
        write::integer(out, tag::BUILT_IN_CONTENT_TYPE, self.content_type);
        encode_content_identifier(self.content_identifier, out);
        if self.priority != Priority::Normal {
            write::integer(out, tag::PRIORITY, self.priority as i64);
        }
        encode_per_message_indicators(self.per_message_indicators, out);
        if let Some(time) = self.deferred_delivery_time {
            write::primitive(out, tag::DEFERRED_DELIVERY_TIME, &utc_time(time));
        }
        encode_trace(self.trace, out);
        encode_extensions(tag::EXTENSIONS, self.extensions, out);
        encode_recipients(&self.recipients, out);
    }
}

/// A probe: a message's envelope that asks whether the message could be delivered.
#[derive(Debug, Clone)]
pub struct ProbeBuilder<'a> {
    /// Domain of the MTS-identifier.
    pub domain: GlobalDomainIdentifier,
    /// Local part of the MTS-identifier, 1 to 32 IA5 characters.
    pub local_identifier: &'a str,
    /// Who asks.
    pub originator: OrAddress,
    /// Built-in content type.
    pub content_type: i64,
    /// Content-identifier, 1 to 16 printable characters.
    pub content_identifier: Option<&'a str>,
    /// Size of the content in question, octets.
    pub content_length: Option<u32>,
    /// Per-message-indicators bits 0 to 7, bit 0 the most significant.
    pub per_message_indicators: u8,
    /// Encoded elements of trace-information, one behind the other, at least one.
    pub trace: &'a [u8],
    /// Encoded extension fields, one behind the other.
    pub extensions: &'a [u8],
    /// Whom it asks for, at least one.
    pub recipients: Vec<RecipientFields>,
}

impl ProbeBuilder<'_> {
    /// The whole MTS-APDU.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        write::constructed(&mut out, tag::PROBE, |out| {
            encode_mts_identifier(&self.domain, self.local_identifier, out);
            self.originator.encode(out);
            write::integer(out, tag::BUILT_IN_CONTENT_TYPE, self.content_type);
            encode_content_identifier(self.content_identifier, out);
            if let Some(size) = self.content_length {
                write::integer(out, tag::CONTENT_LENGTH, i64::from(size));
            }
            encode_per_message_indicators(self.per_message_indicators, out);
            encode_trace(self.trace, out);
            encode_extensions(tag::EXTENSIONS, self.extensions, out);
            encode_recipients(&self.recipients, out);
        });
        out
    }
}

/// Appends an MTS-identifier.
pub fn encode_mts_identifier(
    domain: &GlobalDomainIdentifier,
    local_identifier: &str,
    out: &mut Vec<u8>,
) {
    write::constructed(out, tag::MTS_IDENTIFIER, |out| {
        out.extend_from_slice(domain.encoded());
        write::primitive(out, Tag::IA5_STRING, local_identifier.as_bytes());
    });
}

fn encode_content_identifier(characters: Option<&str>, out: &mut Vec<u8>) {
    if let Some(characters) = characters {
        write::primitive(out, tag::CONTENT_IDENTIFIER, characters.as_bytes());
    }
}

fn encode_per_message_indicators(bits: u8, out: &mut Vec<u8>) {
    if bits != 0 {
        write::bits(out, tag::PER_MESSAGE_INDICATORS, bits, 0);
    }
}

fn encode_trace(elements: &[u8], out: &mut Vec<u8>) {
    write::constructed(out, tag::TRACE_INFORMATION, |out| out.extend_from_slice(elements));
}

fn encode_extensions(tag: Tag, fields: &[u8], out: &mut Vec<u8>) {
    if !fields.is_empty() {
        write::constructed(out, tag, |out| out.extend_from_slice(fields));
    }
}

fn encode_recipients(recipients: &[RecipientFields], out: &mut Vec<u8>) {
    write::constructed(out, tag::PER_RECIPIENT_FIELDS, |out| {
        for (number, recipient) in (1..).zip(recipients) {
            write::constructed(out, Tag::SET, |out| {
                recipient.or_address.encode(out);
                write::integer(out, tag::ORIGINALLY_SPECIFIED_RECIPIENT_NUMBER, number);
                write::bits(out, tag::PER_RECIPIENT_INDICATORS, recipient.indicators, 0);
                encode_extensions(tag::RECIPIENT_EXTENSIONS, &recipient.extensions, out);
            });
        }
    });
}

/// Appends an extension field of the Recommendations; its value is a whole encoded element.
///
/// `criticality`: bit 0, the most significant, for submission; 1 for transfer; 2 for delivery.
pub fn encode_standard_extension(number: i64, criticality: u8, value: &[u8], out: &mut Vec<u8>) {
    write::constructed(out, Tag::SEQUENCE, |out| {
        super::trace::encode_standard_extension_type(number, out);
        encode_criticality_and_value(criticality, value, out);
    });
}

/// Appends a private extension field; `object_identifier` is the content octets of its type.
pub fn encode_private_extension(
    object_identifier: &[u8],
    criticality: u8,
    value: &[u8],
    out: &mut Vec<u8>,
) {
    write::constructed(out, Tag::SEQUENCE, |out| {
        write::primitive(out, tag::PRIVATE_EXTENSION, object_identifier);
        encode_criticality_and_value(criticality, value, out);
    });
}

fn encode_criticality_and_value(criticality: u8, value: &[u8], out: &mut Vec<u8>) {
    if criticality != 0 {
        write::bits(out, tag::CRITICALITY, criticality & 0xe0, 5);
    }
    if !value.is_empty() {
        write::constructed(out, tag::EXTENSION_VALUE, |out| out.extend_from_slice(value));
    }
}
