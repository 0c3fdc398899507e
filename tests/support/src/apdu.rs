//! MTS-APDUs to send: from one domain, with one trace element, to recipients named by their texts.

use p1relay::base::clock::WallTime;
use p1relay::p1::body_part::BodyPart;
use p1relay::p1::build::{
    MessageBuilder, ProbeBuilder, ReportBuilder, ReportType, ReportedRecipient,
    encode_mts_identifier,
};
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::ipm::Ipm;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::trace::{Supplied, encode_trace_element};
use p1relay::p1::transfer_1984::CONTENT_TYPE_P2;

use crate::tree::Node;

/// The domain in MTS-identifiers and first trace elements.
pub const ORIGIN: &str = "C=GB;A=CARRIER;P=ACME";
/// Who sends.
pub const ORIGINATOR: &str = "C=GB;A=CARRIER;P=ACME;S=SMITH";

/// When the first trace element was made.
const ORIGIN_TIME: WallTime = WallTime(1_790_000_000_000);

/// That domain.
pub fn domain() -> GlobalDomainIdentifier {
    ORIGIN.parse().unwrap()
}

/// The address that a text states.
pub fn address(text: &str) -> OrAddress {
    text.parse().unwrap()
}

/// Trace information of its one element.
pub fn first_trace() -> Vec<u8> {
    let mut trace = Vec::new();
    encode_trace_element(&domain(), Supplied::relayed(ORIGIN_TIME), &mut trace);
    trace
}

/// A message with this content.
pub fn message(local_identifier: &str, recipients: &[&str], content: &[u8]) -> Vec<u8> {
    let trace = first_trace();
    let mut builder = MessageBuilder::new(domain(), local_identifier, address(ORIGINATOR), &trace);
    builder.recipients = recipients.iter().map(|text| address(text).into()).collect();
    builder.content = content;
    builder.build()
}

/// The same as an MTA of 1984 makes it.
pub fn message_1984(local_identifier: &str, recipients: &[&str], content: &[u8]) -> Vec<u8> {
    let trace = first_trace();
    let mut builder = MessageBuilder::new(domain(), local_identifier, address(ORIGINATOR), &trace);
    builder.content_type = CONTENT_TYPE_P2;
    builder.recipients = recipients.iter().map(|text| address(text).into()).collect();
    builder.content = content;
    builder.build_1984().unwrap()
}

/// An interpersonal message with this text.
pub fn interpersonal(local_identifier: &str, recipients: &[&str], text: &[u8]) -> Vec<u8> {
    let addresses: Vec<OrAddress> = recipients.iter().map(|text| address(text)).collect();
    let content = Ipm {
        identifier: local_identifier,
        originator: &address(ORIGINATOR),
        primary_recipients: &addresses,
        subject: Some("wire"),
        body: &[BodyPart::Ia5Text(text)],
    }
    .build();
    message(local_identifier, recipients, &content)
}

/// A probe for a message of 1000 octets.
pub fn probe(local_identifier: &str, recipients: &[&str]) -> Vec<u8> {
    ProbeBuilder {
        domain: domain(),
        local_identifier,
        originator: address(ORIGINATOR),
        content_type: 22,
        content_identifier: Some("probe"),
        content_length: Some(1000),
        per_message_indicators: 0,
        trace: &first_trace(),
        extensions: &[],
        recipients: recipients.iter().map(|text| address(text).into()).collect(),
    }
    .build()
}

/// A report to `destination`: one recipient was reached, the other is unknown.
pub fn report(local_identifier: &str, destination: &str, subjects: [&str; 2]) -> Vec<u8> {
    let encoded = |text: &str| {
        let mut out = Vec::new();
        address(text).encode(&mut out);
        out
    };
    let names = subjects.map(encoded);
    let mut subject_identifier = Vec::new();
    encode_mts_identifier(
        &"C=FR;A=OTHER;P=DEST".parse().unwrap(),
        "subject",
        &mut subject_identifier,
    );
    let outcomes = [
        ReportType::Delivery { message_delivery_time: ORIGIN_TIME, type_of_mts_user: 1 },
        ReportType::NonDelivery { reason: 1, diagnostic: Some(0) },
    ];
    ReportBuilder {
        domain: domain(),
        local_identifier,
        report_destination_name: &encoded(destination),
        trace: &first_trace(),
        extensions: &[],
        subject_identifier: &subject_identifier,
        subject_intermediate_trace: None,
        content_type: Some(22),
        content_identifier: None,
        subject_fields: &[],
        returned_content: None,
        content_extensions: &[],
        recipients: names
            .iter()
            .zip(outcomes)
            .zip(1..)
            .map(|((name, report_type), number)| ReportedRecipient {
                actual_recipient_name: name,
                originally_specified_number: number,
                indicators: 0xa8,
                arrival_time: ORIGIN_TIME,
                report_type,
                originally_intended_recipient_name: None,
                supplementary_information: None,
                extensions: &[],
            })
            .collect(),
    }
    .build()
}

/// The MTS-APDU of the foreign capture in 1988 mode: what stands in the EXTERNAL behind its
/// indirect-reference 5 and the tag of single-ASN1-type. It lies in one TCP segment.
pub fn foreign_message() -> Vec<u8> {
    let capture = include_bytes!("../../vectors/foreign-transfer-1988.pcap");
    element_behind(capture, &[0x28, 0x80, 0x02, 0x01, 0x05, 0xa0, 0x80])
}

/// The MTS-APDU of the foreign capture in 1984 mode: it follows GIVE TOKENS and DATA TRANSFER bare, and
/// lies in one TCP segment too.
pub fn foreign_message_1984() -> Vec<u8> {
    let capture = include_bytes!("../../vectors/foreign-transfer-1984.pcap");
    element_behind(capture, &[0x02, 0xf0, 0x80, 0x01, 0x00, 0x01, 0x00])
}

/// The first element behind `marker` that is a message.
fn element_behind(capture: &[u8], marker: &[u8]) -> Vec<u8> {
    let at = (marker.len()..capture.len())
        .find(|at| capture[..*at].ends_with(marker) && capture[*at] == 0xa0)
        .expect("the capture holds a transfer");
    let rest = &capture[at..];
    let (_, size) = Node::parse(rest);
    rest[..size].to_vec()
}
