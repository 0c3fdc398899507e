//! What 1984 partners send: MPDUs made by hand from the P1 module of 1984, and a foreign MTA's. They are read
//! as they stand, and are APDUs of 1988 as they stand.

use p1relay::p1::bind::{self, Bind, Mode};
use p1relay::p1::downgrade::{Options, Outcome};
use p1relay::p1::or_address;
use p1relay::p1::scan::{ApduKind, ContentType, OriginatorReportRequest, Priority, Responsibility};
use p1relay::p1::schema::{MtsApdu, ReportType};
use p1relay::p1::time::wall_time;

use crate::{Node, constructed, downgraded, grammar, primitive, scanned};
use support::capture::payloads_to_server;

/// MPDUIdentifier of the ADMD DBP in Germany.
fn mpdu_identifier(local: &str) -> Node {
    constructed(0x64, &[domain(), primitive(0x16, local.as_bytes())])
}

fn domain() -> Node {
    constructed(0x63, &[country(), administration()])
}

fn country() -> Node {
    constructed(0x61, &[primitive(0x13, b"DE")])
}

fn administration() -> Node {
    constructed(0x62, &[primitive(0x13, b"DBP")])
}

/// An O/R name of PRMD, organization, unit and a domain-defined attribute, under any tag.
fn defined_name(identifier: u8) -> Node {
    let private = constructed(0xa2, &[primitive(0x13, b"GMD")]);
    let units = constructed(0xa6, &[primitive(0x13, b"I2")]);
    let attribute = [primitive(0x13, b"RFC-822"), primitive(0x13, b"postel(a)isi.edu")];
    constructed(
        identifier,
        &[
            constructed(
                0x30,
                &[country(), administration(), private, primitive(0x83, b"F.90"), units],
            ),
            constructed(0x30, &[constructed(0x30, &attribute)]),
        ],
    )
}

/// An O/R name of an X.121 address and a terminal identifier, its country and domain by numbers.
fn terminal_name(identifier: u8) -> Node {
    let attributes = [
        constructed(0x61, &[primitive(0x12, b"262")]),
        constructed(0x62, &[primitive(0x12, b"1")]),
        primitive(0x80, b"4570551"),
        primitive(0x81, b"TTX"),
    ];
    constructed(identifier, &[constructed(0x30, &attributes)])
}

/// An O/R name of a UA identifier.
fn numeric_name(identifier: u8) -> Node {
    let attributes = [country(), administration(), primitive(0x84, b"00815")];
    constructed(identifier, &[constructed(0x30, &attributes)])
}

/// EncodedInformationTypes with all that 1984 has.
fn encoded_information_types() -> Node {
    let teletex = constructed(0xa2, &[primitive(0x80, b"\x1b"), primitive(0x82, b"\x01")]);
    constructed(
        0x65,
        &[
            primitive(0x80, &[6, 0x24, 0x40]),
            primitive(0x81, &[1, 0, 0x40, 0x08, 0]),
            teletex,
            constructed(0xa3, &[]),
        ],
    )
}

/// Two domains: a time to the minute with an offset, then deferral, conversion and another try.
fn trace() -> Node {
    let first = [primitive(0x80, b"8911230002+0100"), primitive(0x82, &[0])];
    let second = [
        primitive(0x80, b"891123000300Z"),
        primitive(0x81, b"8911230100Z"),
        primitive(0x82, &[1]),
        encoded_information_types(),
        domain(),
    ];
    let private = constructed(0x63, &[country(), administration(), primitive(0x13, b"GMD")]);
    constructed(
        0x69,
        &[
            constructed(0x30, &[private, constructed(0x31, &first)]),
            constructed(0x30, &[domain(), constructed(0x31, &second)]),
        ],
    )
}

fn bilateral() -> Node {
    let item = [country(), administration(), primitive(0x04, b"by agreement")];
    constructed(0xa1, &[constructed(0x30, &item)])
}

/// RecipientInfo; explicit conversion only when asked for.
fn recipient(name: Node, number: u8, flag: u8, conversion: Option<u8>) -> Node {
    let mut fields = vec![name, primitive(0x80, &[number]), primitive(0x81, &[3, flag])];
    fields.extend(conversion.map(|value| primitive(0x82, &[value])));
    constructed(0x31, &fields)
}

fn recipients() -> Node {
    constructed(
        0xa2,
        &[
            recipient(terminal_name(0x60), 1, 0xa8, None),
            recipient(numeric_name(0x60), 2, 0x50, Some(1)),
            recipient(defined_name(0x60), 3, 0xe0, Some(0)),
        ],
    )
}

/// A UserMPDU with every field of UMPDUEnvelope.
pub(crate) fn user_mpdu() -> Vec<u8> {
    let envelope = [
        mpdu_identifier("84-001"),
        defined_name(0x60),
        encoded_information_types(),
        primitive(0x46, &[2]),
        primitive(0x4a, b"about"),
        primitive(0x47, &[2]),
        primitive(0x48, &[4, 0xb0]),
        primitive(0x80, b"8911230102+0100"),
        bilateral(),
        recipients(),
        trace(),
    ];
    let heading = constructed(0x31, &[constructed(0x6b, &[primitive(0x13, b"1")])]);
    let text = [constructed(0x31, &[]), primitive(0x16, b"text")];
    let body = constructed(0x30, &[constructed(0xa0, &text)]);
    let content = constructed(0xa0, &[heading, body]).encode();
    constructed(0xa0, &[constructed(0x31, &envelope), primitive(0x04, &content)]).encode()
}

/// A ProbeMPDU with every field of ProbeEnvelope.
pub(crate) fn probe_mpdu() -> Vec<u8> {
    constructed(
        0xa2,
        &[
            mpdu_identifier("84-002"),
            terminal_name(0x60),
            primitive(0x46, &[2]),
            primitive(0x4a, b"about"),
            encoded_information_types(),
            trace(),
            primitive(0x48, &[4, 0x60]),
            primitive(0x80, &[0x10, 0x00]),
            bilateral(),
            recipients(),
        ],
    )
    .encode()
}

/// A DeliveryReportMPDU with every field of its envelope and content.
pub(crate) fn delivery_report_mpdu() -> Vec<u8> {
    let envelope = [mpdu_identifier("84-003"), numeric_name(0x60), trace()];
    let reported = |name: Node, number: u8, report: Node, rest: &[Node]| {
        let last_trace = [
            primitive(0x80, b"8911230004Z"),
            encoded_information_types(),
            constructed(0xa1, &[report]),
        ];
        let mut fields = vec![
            name,
            primitive(0x81, &[number]),
            primitive(0x82, &[3, 0xe8]),
            constructed(0xa3, &last_trace),
        ];
        fields.extend_from_slice(rest);
        constructed(0x31, &fields)
    };
    let delivered = constructed(0xa0, &[primitive(0x80, b"891123000559Z"), primitive(0x81, &[1])]);
    let non_delivered = constructed(0xa1, &[primitive(0x80, &[1]), primitive(0x81, &[11])]);
    let intended = [defined_name(0xa4), primitive(0x85, b"moved away")];
    let content = [
        mpdu_identifier("84-001"),
        trace(),
        primitive(0x4a, b"about"),
        constructed(
            0xa0,
            &[
                reported(terminal_name(0xa0), 1, delivered, &[]),
                reported(numeric_name(0xa0), 2, non_delivered, &intended),
            ],
        ),
        primitive(0x81, b"\xa0\x00"),
        constructed(0xa2, &[primitive(0x04, b"5 DM")]),
    ];
    constructed(0xa1, &[constructed(0x31, &envelope), constructed(0x31, &content)]).encode()
}

/// All three, and the foreign MTA's message.
pub(crate) fn all() -> Vec<Vec<u8>> {
    vec![user_mpdu(), probe_mpdu(), delivery_report_mpdu(), foreign_message()]
}

/// The MTS-APDU of the foreign capture: bare behind GIVE TOKENS and DATA TRANSFER, in one segment.
pub(crate) fn foreign_message() -> Vec<u8> {
    let stream = payloads_to_server("foreign-transfer-1984.pcap").concat();
    let marker = [0x02, 0xf0, 0x80, 0x01, 0x00, 0x01, 0x00, 0xa0];
    let at = stream.windows(marker.len()).position(|octets| octets == marker).unwrap();
    let apdu = &stream[at + marker.len() - 1..];
    let (_, size) = Node::parse(apdu);
    apdu[..size].to_vec()
}

#[test]
fn the_foreign_caller_binds_in_the_form_of_1984() {
    let payloads = payloads_to_server("foreign-transfer-1984.pcap").concat();
    let argument = b"\xa1\x10\x80\x03PP1\xa1\x09\x16\x07pp1pass";
    assert!(payloads.windows(argument.len()).any(|octets| octets == argument));
    let simple = Bind::Simple { mta_name: b"PP1", password: b"pp1pass" };
    assert_eq!(bind::decode_bind_argument(Mode::X410, argument).unwrap(), simple);
    let mut ours = Vec::new();
    bind::encode_bind_argument(Mode::X410, &simple, &mut ours);
    assert_eq!(ours, argument);
}

#[test]
fn a_user_mpdu_is_read() {
    let apdu = user_mpdu();
    let scan = scanned(&apdu);
    assert_eq!(scan.kind, ApduKind::Message);
    assert_eq!(scan.mts_identifier.local_identifier.octets(&apdu), b"84-001");
    assert_eq!(scan.content_type, Some(ContentType::BuiltIn(2)));
    assert_eq!(scan.priority, Priority::Urgent);
    assert!(scan.per_message_indicators.disclosure_of_other_recipients());
    assert!(scan.per_message_indicators.alternate_recipient_allowed());
    assert!(scan.per_message_indicators.content_return_request());
    let deferred = scan.deferred_delivery_time.unwrap().octets(&apdu);
    assert_eq!(wall_time(deferred), wall_time(b"8911230002Z"));
    assert!(scan.per_domain_bilateral_information.is_some());
    let times: Vec<_> =
        scan.trace.iter().map(|it| wall_time(it.supplied.arrival_time.octets(&apdu))).collect();
    assert_eq!(times, [wall_time(b"8911222302Z"), wall_time(b"8911230003Z")]);
    assert!(scan.trace[1].supplied.attempted.is_some());
    assert!(scan.trace.iter().all(|element| element.supplied.other_actions == 0));
    let texts: Vec<String> = scan
        .recipients
        .iter()
        .map(|it| or_address::attributes(it.or_name.octets(&apdu)).unwrap().to_owned().to_string())
        .collect();
    assert_eq!(
        texts,
        [
            "C=262;A=1;X.121=4570551;T-ID=TTX",
            "C=DE;A=DBP;N-ID=00815",
            "C=DE;A=DBP;P=GMD;O=F.90;OU1=I2;DDA:RFC-822=postel(a)isi.edu"
        ]
    );
    let [first, second, third] = scan.recipients[..] else { panic!("three recipients") };
    assert_eq!(first.responsibility(), Responsibility::Responsible);
    assert_eq!(first.originator_report_request(), OriginatorReportRequest::NonDeliveryReport);
    assert_eq!(second.responsibility(), Responsibility::NotResponsible);
    assert_eq!(second.originator_report_request(), OriginatorReportRequest::Report);
    assert_eq!(third.originator_report_request(), OriginatorReportRequest::NoReport);
    assert_eq!((second.explicit_conversion, third.explicit_conversion), (Some(1), Some(0)));
    let content = scan.content_octets(&apdu).unwrap();
    assert_eq!(p1relay::p1::ipm::read_text(&content).unwrap().text.unwrap(), b"text");
}

#[test]
fn a_probe_mpdu_is_read() {
    let apdu = probe_mpdu();
    let scan = scanned(&apdu);
    assert_eq!((scan.kind, scan.content_length), (ApduKind::Probe, Some(4096)));
    assert_eq!((scan.recipients.len(), scan.trace.len()), (3, 2));
    assert!(scan.original_encoded_information_types.is_some());
}

#[test]
fn a_delivery_report_mpdu_is_read() {
    let apdu = delivery_report_mpdu();
    let scan = scanned(&apdu);
    assert_eq!((scan.kind, scan.trace.len()), (ApduKind::Report, 2));
    let destination = or_address::attributes(scan.report_destination_name.octets(&apdu)).unwrap();
    assert_eq!(destination.to_owned().to_string(), "C=DE;A=DBP;N-ID=00815");
    let MtsApdu::Report(report) = rasn::ber::decode(&apdu).unwrap() else { panic!("a report") };
    let [delivered, lost] = &report.content.per_recipient_fields[..] else { panic!("two") };
    let ReportType::Delivery(delivery) = &delivered.last_trace_information.report_type else {
        panic!("a delivery")
    };
    assert_eq!(delivery.type_of_mts_user, Some(1));
    let ReportType::NonDelivery(reason) = &lost.last_trace_information.report_type else {
        panic!("a non-delivery")
    };
    assert_eq!(
        (reason.non_delivery_reason_code, reason.non_delivery_diagnostic_code),
        (1, Some(11))
    );
    assert!(lost.originally_intended_recipient_name.is_some());
    let supplementary = lost.supplementary_information.as_ref().unwrap();
    assert_eq!(supplementary.as_bytes(), b"moved away");
    assert!(report.content.additional_information.is_some());
}

/// Upgrading is doing nothing: the schema of 1988 reads what 1984 sends, the grammar of 1984 holds it for its
/// own, and downgrading, in any encoding, finds nothing to do.
#[test]
fn what_comes_from_1984_is_of_1988_as_it_stands() {
    let mut random = crate::Random(84);
    for apdu in all() {
        grammar::check(&apdu).unwrap();
        rasn::ber::decode::<MtsApdu>(&apdu).unwrap();
        for _ in 0..50 {
            let encoded = Node::parse_all(&apdu).shuffled(&mut random).encode();
            let (outcome, result, octets) = downgraded(&encoded, &Options::default()).unwrap();
            assert_eq!((outcome, result.changes()), (Outcome::Unchanged, &[][..]));
            assert_eq!((octets, result.pieces().len()), (encoded, 1));
        }
    }
}
