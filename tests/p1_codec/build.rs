//! What the builders write, read by the oracle.

use p1relay::base::clock::WallTime;
use p1relay::p1::build::{
    self, MessageBuilder, ProbeBuilder, RecipientFields, ReportBuilder, ReportType,
    ReportedRecipient,
};
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::or_address::{self, OrAddress};
use p1relay::p1::scan::{ApduKind, Criticality, ExtensionId, Priority};
use p1relay::p1::schema::{self, MtsApdu};
use p1relay::p1::trace::{Supplied, encode_trace_element};

use crate::scanned;

const ARRIVAL: WallTime = WallTime(1_800_000_000_000);

fn domain() -> GlobalDomainIdentifier {
    "C=GB;A=CARRIER;P=ACME".parse().unwrap()
}

fn trace() -> Vec<u8> {
    let mut out = Vec::new();
    encode_trace_element(&domain(), Supplied::relayed(ARRIVAL), &mut out);
    out
}

fn address(text: &str) -> OrAddress {
    text.parse().unwrap()
}

const ORIGINATOR: &str = "C=GB;A=CARRIER;P=ACME;O=SALES;S=SMITH";
const RECIPIENT: &str = "C=DE;A=0;P=OTHER;OU1=A;OU2=B;CN=Printer;DDA:FAX=1";

#[test]
fn a_message_holds_what_was_said() {
    let trace = trace();
    let mut extensions = Vec::new();
    build::encode_standard_extension(4, 0x20, &[0x0a, 1, 1], &mut extensions);
    build::encode_private_extension(&[0x2a, 3], 0, &[], &mut extensions);
    let mut builder = MessageBuilder::new(domain(), "id 1", address(ORIGINATOR), &trace);
    builder.priority = Priority::Urgent;
    builder.content_identifier = Some("about this");
    builder.per_message_indicators = 0x90;
    builder.deferred_delivery_time = Some(ARRIVAL);
    builder.extensions = &extensions;
    builder.content = b"content";
    builder.recipients = vec![
        RecipientFields::from(address(RECIPIENT)),
        RecipientFields { indicators: 0x10, ..address(ORIGINATOR).into() },
    ];
    let apdu = builder.build();

    let MtsApdu::Message(message) = rasn::ber::decode(&apdu).unwrap() else { panic!("a message") };
    assert_eq!(&message.content[..], b"content");
    assert_eq!(message.envelope.priority, Some(schema::Priority::Urgent));
    assert_eq!(message.envelope.built_in_content_type, Some(22));
    let found = scanned(&apdu);
    assert_eq!(found.kind, ApduKind::Message);
    assert_eq!(found.mts_identifier.local_identifier.octets(&apdu), b"id 1");
    assert!(domain().is_named_by(found.mts_identifier.domain.octets(&apdu)));
    assert_eq!(found.content_identifier.unwrap().octets(&apdu), b"about this");
    assert_eq!(found.deferred_delivery_time.unwrap().octets(&apdu), b"270115080000Z");
    assert!(found.per_message_indicators.disclosure_of_other_recipients());
    let originator = or_address::attributes(found.originator.octets(&apdu)).unwrap();
    assert_eq!(originator.to_owned(), address(ORIGINATOR));
    let names: Vec<_> = found
        .recipients
        .iter()
        .map(|each| or_address::attributes(each.or_name.octets(&apdu)).unwrap().to_owned())
        .collect();
    assert_eq!(names, [address(RECIPIENT), address(ORIGINATOR)]);
    let numbers = found.recipients.iter().map(|each| each.originally_specified_number);
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(found.recipients[1].indicators, 0x10);
    let [loss, private] = &found.extensions[..] else { panic!("two extensions") };
    assert_eq!((loss.id, loss.criticality), (ExtensionId::Standard(4), Criticality(0x20)));
    assert!(loss.criticality.for_delivery() && !loss.criticality.for_transfer());
    let ExtensionId::Private(identifier) = private.id else { panic!("a private extension") };
    assert_eq!(identifier.octets(&apdu), [0x2a, 3]);
}

#[test]
fn a_probe_holds_what_was_said() {
    let trace = trace();
    let apdu = ProbeBuilder {
        domain: domain(),
        local_identifier: "probe",
        originator: address(ORIGINATOR),
        content_type: 22,
        content_identifier: None,
        content_length: Some(4096),
        per_message_indicators: 0x20,
        trace: &trace,
        extensions: &[],
        recipients: vec![address(RECIPIENT).into()],
    }
    .build();
    let MtsApdu::Probe(probe) = rasn::ber::decode(&apdu).unwrap() else { panic!("a probe") };
    assert_eq!(probe.content_length, Some(4096));
    assert_eq!(probe.per_recipient_fields.len(), 1);
    assert_eq!(scanned(&apdu).kind, ApduKind::Probe);
}

#[test]
fn a_report_holds_what_was_said() {
    let trace = trace();
    let mut destination = Vec::new();
    address(ORIGINATOR).encode(&mut destination);
    let mut recipient = Vec::new();
    address(RECIPIENT).encode(&mut recipient);
    let mut subject = Vec::new();
    build::encode_mts_identifier(&domain(), "subject", &mut subject);
    let reported = |report_type| ReportedRecipient {
        actual_recipient_name: &recipient,
        originally_specified_number: 3,
        indicators: build::DEFAULT_INDICATORS,
        arrival_time: ARRIVAL,
        report_type,
        originally_intended_recipient_name: Some(&destination),
        supplementary_information: Some("no such user"),
        extensions: &[],
    };
    let apdu = ReportBuilder {
        domain: domain(),
        local_identifier: "report",
        report_destination_name: &destination,
        trace: &trace,
        extensions: &[],
        subject_identifier: &subject,
        subject_intermediate_trace: Some(&trace),
        content_type: Some(22),
        content_identifier: Some(b"about this"),
        subject_fields: &[],
        returned_content: Some(b"content"),
        content_extensions: &[],
        recipients: vec![
            reported(ReportType::NonDelivery { reason: 1, diagnostic: Some(0) }),
            reported(ReportType::Delivery { message_delivery_time: ARRIVAL, type_of_mts_user: 1 }),
        ],
    }
    .build();
    let MtsApdu::Report(report) = rasn::ber::decode(&apdu).unwrap() else { panic!("a report") };
    let content = &report.content;
    assert_eq!(content.subject_identifier.local_identifier.to_string(), "subject");
    assert_eq!(content.returned_content.as_deref(), Some(&b"content"[..]));
    assert_eq!(content.subject_intermediate_trace_information.as_ref().map(Vec::len), Some(1));
    let [lost, delivered] = &content.per_recipient_fields[..] else { panic!("two recipients") };
    assert_eq!(lost.originally_specified_recipient_number, 3);
    assert_eq!(lost.actual_recipient_name, rasn::ber::decode(&recipient).unwrap());
    assert_eq!(
        lost.originally_intended_recipient_name,
        Some(rasn::ber::decode(&destination).unwrap())
    );
    let expected = schema::NonDeliveryReport {
        non_delivery_reason_code: 1,
        non_delivery_diagnostic_code: Some(0),
    };
    assert_eq!(lost.last_trace_information.report_type, schema::ReportType::NonDelivery(expected));
    let schema::ReportType::Delivery(delivery) = &delivered.last_trace_information.report_type
    else {
        panic!("a delivery report")
    };
    assert_eq!(delivery.message_delivery_time.timestamp_millis(), ARRIVAL.0);
    let found = scanned(&apdu);
    assert_eq!(found.report_destination_name.octets(&apdu), destination);
    assert!(found.originator.is_empty() && found.recipients.is_empty());
}
