//! The four MTS-APDUs that each partner sends: a message, a probe, a report, a large message; as a partner of
//! 1988 makes them, or one of 1984.

use p1relay::base::clock::WallTime;
use p1relay::p1::body_part::BodyPart;
use p1relay::p1::build::{
    CONTENT_TYPE_P22, MessageBuilder, ProbeBuilder, ReportBuilder, ReportType, ReportedRecipient,
    encode_mts_identifier,
};
use p1relay::p1::ipm::Ipm;
use p1relay::p1::transfer_1984::CONTENT_TYPE_P2;

use support::apdu::{ORIGINATOR, address, domain, first_trace};

/// The size of the large message's text, octets.
const LARGE_SIZE: usize = 3 << 20;

/// The edition of X.411 that an APDU is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edition {
    Of1984,
    Of1988,
}

impl Edition {
    fn content_type(self) -> i64 {
        match self {
            Edition::Of1984 => CONTENT_TYPE_P2,
            Edition::Of1988 => CONTENT_TYPE_P22,
        }
    }
}

/// All four, to a recipient.
pub(crate) fn all(edition: Edition, recipient: &str) -> Vec<Vec<u8>> {
    let line = b"the quick brown fox jumps over the lazy dog\r\n";
    let large = line.repeat(LARGE_SIZE.div_ceil(line.len()));
    vec![
        message(edition, "small", recipient, b"Hello, partner"),
        probe(edition, recipient),
        report(edition, recipient),
        message(edition, "large", recipient, &large),
    ]
}

fn message(edition: Edition, local_identifier: &str, recipient: &str, text: &[u8]) -> Vec<u8> {
    let content = Ipm {
        identifier: local_identifier,
        originator: &address(ORIGINATOR),
        primary_recipients: &[address(recipient)],
        subject: Some("matrix"),
        body: &[BodyPart::Ia5Text(text)],
    }
    .build();
    let trace = first_trace();
    let mut builder = MessageBuilder::new(domain(), local_identifier, address(ORIGINATOR), &trace);
    builder.content_type = edition.content_type();
    builder.recipients = vec![address(recipient).into()];
    builder.content = &content;
    match edition {
        Edition::Of1984 => builder.build_1984().unwrap(),
        Edition::Of1988 => builder.build(),
    }
}

fn probe(edition: Edition, recipient: &str) -> Vec<u8> {
    let trace = first_trace();
    let builder = ProbeBuilder {
        domain: domain(),
        local_identifier: "probe",
        originator: address(ORIGINATOR),
        content_type: edition.content_type(),
        content_identifier: Some("probe"),
        content_length: Some(1000),
        per_message_indicators: 0,
        trace: &trace,
        extensions: &[],
        recipients: vec![address(recipient).into()],
    };
    match edition {
        Edition::Of1984 => builder.build_1984().unwrap(),
        Edition::Of1988 => builder.build(),
    }
}

pub(crate) fn report(edition: Edition, destination: &str) -> Vec<u8> {
    let encoded = |text: &str| {
        let mut out = Vec::new();
        address(text).encode(&mut out);
        out
    };
    let (destination, actual) = (encoded(destination), encoded(ORIGINATOR));
    let mut subject_identifier = Vec::new();
    encode_mts_identifier(&domain(), "subject", &mut subject_identifier);
    let trace = first_trace();
    let builder = ReportBuilder {
        domain: domain(),
        local_identifier: "report",
        report_destination_name: &destination,
        trace: &trace,
        extensions: &[],
        subject_identifier: &subject_identifier,
        subject_intermediate_trace: None,
        content_type: (edition == Edition::Of1988).then_some(CONTENT_TYPE_P22),
        content_identifier: None,
        subject_fields: &[],
        returned_content: None,
        content_extensions: &[],
        recipients: vec![ReportedRecipient {
            actual_recipient_name: &actual,
            originally_specified_number: 1,
            indicators: 0xa8,
            arrival_time: WallTime(1_790_000_000_000),
            report_type: match edition {
                Edition::Of1984 => ReportType::NonDelivery { reason: 1, diagnostic: Some(0) },
                // undeliverable-mail-recipient-unknown, in 1984 an unrecognised O/R name
                Edition::Of1988 => ReportType::NonDelivery { reason: 1, diagnostic: Some(35) },
            },
            originally_intended_recipient_name: None,
            supplementary_information: None,
            extensions: &[],
        }],
    };
    match edition {
        Edition::Of1984 => builder.build_1984().unwrap(),
        Edition::Of1988 => builder.build(),
    }
}
