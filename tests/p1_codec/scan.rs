//! The scanner against the schema (rasn) as its oracle, over random APDUs in random encodings and over
//! a foreign MTA's message.

use p1relay::base::clock::WallTime;
use p1relay::ber::Span;
use p1relay::p1::domain::GlobalDomainIdentifierView;
use p1relay::p1::or_address::{self, AttributeKind};
use p1relay::p1::scan::{self, ApduKind, ExtensionId, Progress, Scan, scan, scan_prefix};
use p1relay::p1::schema::{self, MtsApdu};
use p1relay::p1::time::wall_time;
use proptest::prelude::*;

use crate::{Node, Random, foreign_message, foreign_message_1984, scanned};
use support::tree::Content;

fn first_octet(bits: &rasn::types::BitString) -> u8 {
    bits.iter()
        .take(8)
        .enumerate()
        .fold(0, |octet, (index, bit)| octet | u8::from(*bit) << (7 - index))
}

fn characters(name: &schema::DomainName) -> &[u8] {
    match name {
        schema::DomainName::Numeric(string) => string.as_bytes(),
        schema::DomainName::Printable(string) => string.as_bytes(),
    }
}

fn check_domain(apdu: &[u8], span: Span, domain: &schema::GlobalDomainIdentifier) {
    let view = GlobalDomainIdentifierView::decode(span.octets(apdu)).unwrap();
    assert_eq!(view.country, characters(&domain.country_name));
    assert_eq!(view.administration_domain, characters(&domain.administration_domain_name));
    assert_eq!(view.private_domain, domain.private_domain_identifier.as_ref().map(characters));
}

fn check_identifier(apdu: &[u8], found: &scan::MtsIdentifier, identifier: &schema::MtsIdentifier) {
    check_domain(apdu, found.domain, &identifier.global_domain_identifier);
    assert_eq!(
        found.local_identifier.octets(apdu),
        identifier.local_identifier.to_string().as_bytes()
    );
    let decoded: schema::MtsIdentifier = rasn::ber::decode(found.element.octets(apdu)).unwrap();
    assert_eq!(&decoded, identifier);
}

fn check_time(apdu: &[u8], span: Span, time: &rasn::types::UtcTime) {
    assert_eq!(wall_time(span.octets(apdu)), Some(WallTime(time.timestamp_millis())));
}

fn check_or_name(apdu: &[u8], span: Span, name: &schema::OrName) {
    let octets = span.octets(apdu);
    let decoded: schema::OrName = rasn::ber::decode(octets).unwrap();
    assert_eq!(&decoded, name);
    let view = or_address::attributes(octets).unwrap();
    let standard = &name.built_in_standard_attributes;
    assert_eq!(view.country(), standard.country_name.as_ref().map(characters));
    assert_eq!(
        view.administration_domain(),
        standard.administration_domain_name.as_ref().map(characters)
    );
    assert_eq!(view.private_domain(), standard.private_domain_name.as_ref().map(characters));
    let organization = standard.organization_name.as_ref().map(|string| string.as_bytes());
    assert_eq!(view.organization(), organization);
    assert_eq!(
        view.value(AttributeKind::NetworkAddress),
        standard.network_address.as_ref().map(|string| string.as_bytes())
    );
    let personal = standard.personal_name.as_ref();
    assert_eq!(
        view.value(AttributeKind::Surname),
        personal.map(|personal| personal.surname.as_bytes())
    );
    assert_eq!(
        view.value(AttributeKind::Initials),
        personal.and_then(|personal| personal.initials.as_ref()).map(|string| string.as_bytes())
    );
    for index in 0..4 {
        let unit = standard.organizational_unit_names.as_ref().and_then(|units| units.get(index));
        assert_eq!(view.organizational_unit(index), unit.map(|string| string.as_bytes()));
    }
    let defined: Vec<_> =
        view.domain_defined().map(|attribute| (attribute.type_octets, attribute.octets)).collect();
    let expected: Vec<_> = name
        .built_in_domain_defined_attributes
        .iter()
        .flatten()
        .map(|attribute| (attribute.attribute_type.as_bytes(), attribute.value.as_bytes()))
        .collect();
    assert_eq!(defined, expected);
    let common_name = name.extension_attributes.as_ref().map(|attributes| {
        let value = attributes[0].extension_attribute_value.as_bytes();
        rasn::ber::decode::<rasn::types::PrintableString>(value).unwrap()
    });
    assert_eq!(
        view.value(AttributeKind::CommonName),
        common_name.as_ref().map(|string| string.as_bytes())
    );
}

fn check_supplied(
    apdu: &[u8],
    found: &scan::SuppliedInformation,
    arrival: &rasn::types::UtcTime,
    action: schema::RoutingAction,
    deferred: Option<&rasn::types::UtcTime>,
    other: Option<&rasn::types::BitString>,
) {
    check_time(apdu, found.arrival_time, arrival);
    assert_eq!(found.routing_action as u8, action as u8);
    assert_eq!(found.deferred_time.is_some(), deferred.is_some());
    if let (Some(span), Some(time)) = (found.deferred_time, deferred) {
        check_time(apdu, span, time);
    }
    assert_eq!(found.other_actions, other.map_or(0, first_octet));
}

fn check_trace(apdu: &[u8], found: &Scan, trace: &[schema::TraceInformationElement]) {
    assert_eq!(found.trace.len(), trace.len());
    for (found, expected) in found.trace.iter().zip(trace) {
        check_domain(apdu, found.domain, &expected.global_domain_identifier);
        let supplied = &expected.domain_supplied_information;
        check_supplied(
            apdu,
            &found.supplied,
            &supplied.arrival_time,
            supplied.routing_action,
            supplied.deferred_time.as_ref(),
            supplied.other_actions.as_ref(),
        );
        assert_eq!(found.supplied.attempted.is_some(), supplied.attempted_domain.is_some());
        if let (Some(span), Some(domain)) = (found.supplied.attempted, &supplied.attempted_domain) {
            check_domain(apdu, span, domain);
        }
        let decoded: schema::TraceInformationElement =
            rasn::ber::decode(found.element.octets(apdu)).unwrap();
        assert_eq!(&decoded, expected);
    }
}

/// What an extension's type says, read without `ber`.
fn extension_id(octets: &[u8]) -> (bool, Vec<u8>) {
    let node = Node::parse_all(octets);
    let (inner, identifier) = match node.children() {
        [] => (node.clone(), node.identifier[0]),
        [inner, ..] => (inner.clone(), inner.identifier[0]),
    };
    let Content::Primitive(content) = inner.content else { panic!("primitive") };
    (matches!(identifier, 0x06 | 0x83), content)
}

fn check_extensions(
    apdu: &[u8],
    found: &[scan::Extension],
    expected: Option<&Vec<schema::ExtensionField>>,
) {
    let mut expected: Vec<_> = expected.into_iter().flatten().collect();
    assert_eq!(found.len(), expected.len());
    for found in found {
        let decoded: schema::ExtensionField = rasn::ber::decode(found.field.octets(apdu)).unwrap();
        // A SET OF has no order.
        let at = expected.iter().position(|expected| **expected == decoded).unwrap();
        let expected = expected.remove(at);
        let (private, content) = extension_id(expected.extension_type.as_bytes());
        match found.id {
            ExtensionId::Standard(number) => {
                assert!(!private);
                assert_eq!(content, [number as u8]);
            }
            ExtensionId::Private(span) => {
                assert!(private);
                assert_eq!(content, span.octets(apdu));
            }
        }
        assert_eq!(found.criticality.0, expected.criticality.as_ref().map_or(0, first_octet));
        let value = expected.value.as_ref().map_or(&[][..], |value| value.as_bytes());
        assert_eq!(found.value.octets(apdu), value);
    }
}

fn check_internal_trace(
    apdu: &[u8],
    found: &Scan,
    extensions: Option<&Vec<schema::ExtensionField>>,
) {
    let field = extensions
        .into_iter()
        .flatten()
        .find(|field| extension_id(field.extension_type.as_bytes()) == (false, vec![38]));
    assert_eq!(found.internal_trace.is_some(), field.is_some());
    let Some(field) = field else {
        assert!(found.internal_trace_elements.is_empty());
        return;
    };
    let elements: Vec<schema::InternalTraceInformationElement> =
        rasn::ber::decode(field.value.as_ref().unwrap().as_bytes()).unwrap();
    assert_eq!(found.internal_trace_elements.len(), elements.len());
    for (found, expected) in found.internal_trace_elements.iter().zip(&elements) {
        check_domain(apdu, found.domain, &expected.global_domain_identifier);
        assert_eq!(found.mta_name.octets(apdu), expected.mta_name.to_string().as_bytes());
        let supplied = &expected.mta_supplied_information;
        check_supplied(
            apdu,
            &found.supplied,
            &supplied.arrival_time,
            supplied.routing_action,
            supplied.deferred_time.as_ref(),
            supplied.other_actions.as_ref(),
        );
        let attempted = supplied.attempted_domain.is_some() || supplied.attempted_mta.is_some();
        assert_eq!(found.supplied.attempted.is_some(), attempted);
    }
}

fn check_content_type(
    apdu: &[u8],
    found: Option<scan::ContentType>,
    built_in: Option<i64>,
    extended: Option<&rasn::types::ObjectIdentifier>,
) {
    match found.unwrap() {
        scan::ContentType::BuiltIn(found) => assert_eq!(Some(found), built_in),
        scan::ContentType::Extended(span) => {
            let encoded = rasn::ber::encode(extended.unwrap()).unwrap();
            assert_eq!(span.octets(apdu), &encoded[2..]);
        }
    }
}

fn check_recipients(apdu: &[u8], found: &Scan, expected: &[schema::PerRecipientTransferFields]) {
    assert_eq!(found.recipients.len(), expected.len());
    for (recipient, expected) in found.recipients.iter().zip(expected) {
        let field = recipient.field.octets(apdu);
        let decoded: schema::PerRecipientTransferFields = rasn::ber::decode(field).unwrap();
        assert_eq!(&decoded, expected);
        check_or_name(apdu, recipient.or_name, &expected.recipient_name);
        assert_eq!(
            recipient.originally_specified_number,
            expected.originally_specified_recipient_number
        );
        assert_eq!(recipient.indicators, first_octet(&expected.per_recipient_indicators));
        assert_eq!(recipient.explicit_conversion, expected.explicit_conversion);
        check_extensions(apdu, found.recipient_extensions(recipient), expected.extensions.as_ref());
    }
}

/// Everything that the scanner found is what the oracle decodes.
fn check(apdu: &[u8], found: &Scan, expected: &MtsApdu) {
    match expected {
        MtsApdu::Message(message) => {
            let envelope = &message.envelope;
            assert_eq!(found.kind, ApduKind::Message);
            check_identifier(apdu, &found.mts_identifier, &envelope.message_identifier);
            check_or_name(apdu, found.originator, &envelope.originator_name);
            check_content_type(
                apdu,
                found.content_type,
                envelope.built_in_content_type,
                envelope.extended_content_type.as_ref(),
            );
            assert_eq!(
                found.content_identifier.map(|span| span.octets(apdu)),
                envelope.content_identifier.as_ref().map(|string| string.as_bytes())
            );
            assert_eq!(
                found.priority as u8,
                envelope.priority.unwrap_or(schema::Priority::Normal) as u8
            );
            assert_eq!(
                found.per_message_indicators.0,
                envelope.per_message_indicators.as_ref().map_or(0, first_octet)
            );
            let deferred = envelope.deferred_delivery_time.as_ref();
            assert_eq!(found.deferred_delivery_time.is_some(), deferred.is_some());
            if let (Some(span), Some(time)) = (found.deferred_delivery_time, deferred) {
                check_time(apdu, span, time);
            }
            assert_eq!(
                found.original_encoded_information_types.is_some(),
                envelope.original_encoded_information_types.is_some()
            );
            assert_eq!(
                found.per_domain_bilateral_information.is_some(),
                envelope.per_domain_bilateral_information.is_some()
            );
            check_trace(apdu, found, &envelope.trace_information);
            check_extensions(apdu, &found.extensions, envelope.extensions.as_ref());
            check_internal_trace(apdu, found, envelope.extensions.as_ref());
            check_recipients(apdu, found, &envelope.per_recipient_fields);
            assert_eq!(found.content_octets(apdu).unwrap(), &message.content[..]);
        }
        MtsApdu::Probe(envelope) => {
            assert_eq!(found.kind, ApduKind::Probe);
            check_identifier(apdu, &found.mts_identifier, &envelope.probe_identifier);
            check_or_name(apdu, found.originator, &envelope.originator_name);
            check_content_type(
                apdu,
                found.content_type,
                envelope.built_in_content_type,
                envelope.extended_content_type.as_ref(),
            );
            assert_eq!(found.content_length, envelope.content_length);
            check_trace(apdu, found, &envelope.trace_information);
            check_extensions(apdu, &found.extensions, envelope.extensions.as_ref());
            check_internal_trace(apdu, found, envelope.extensions.as_ref());
            check_recipients(apdu, found, &envelope.per_recipient_fields);
            assert_eq!((found.content_header, found.content), (None, None));
        }
        MtsApdu::Report(report) => {
            let envelope = &report.envelope;
            assert_eq!(found.kind, ApduKind::Report);
            check_identifier(apdu, &found.mts_identifier, &envelope.report_identifier);
            check_or_name(apdu, found.report_destination_name, &envelope.report_destination_name);
            check_trace(apdu, found, &envelope.trace_information);
            check_extensions(apdu, &found.extensions, envelope.extensions.as_ref());
            check_internal_trace(apdu, found, envelope.extensions.as_ref());
            let content = found.content.unwrap().octets(apdu);
            let decoded: schema::ReportTransferContent = rasn::ber::decode(content).unwrap();
            assert_eq!(decoded, report.content);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_scanner_agrees_with_the_oracle(seed: u64) {
        let apdu = Random(seed).encoded_apdu();
        let expected: MtsApdu = rasn::ber::decode(&apdu).expect("the oracle reads it");
        check(&apdu, &scanned(&apdu), &expected);
    }

    /// What one APDU left in a scan does not show in the next.
    #[test]
    fn a_scan_is_reusable(first: u64, second: u64) {
        let (first, second) = (Random(first).encoded_apdu(), Random(second).encoded_apdu());
        let mut reused = scanned(&first);
        scan(&second, &mut reused).expect("a valid APDU");
        prop_assert_eq!(&reused, &scanned(&second));
        let expected: MtsApdu = rasn::ber::decode(&second).expect("the oracle reads it");
        check(&second, &reused, &expected);
    }

    #[test]
    fn every_prefix_is_consistent(seed: u64) {
        let apdu = Random(seed).encoded_apdu();
        let whole = scanned(&apdu);
        let known_at = whole.content_header.map_or(apdu.len(), |header| header.content_start as usize);
        let mut partial = Scan::new();
        for size in 0..=apdu.len() {
            let progress = scan_prefix(&apdu[..size], &mut partial).expect("a valid prefix");
            if size < known_at {
                prop_assert_eq!(progress, Progress::NeedMore, "{} of {}", size, known_at);
            } else {
                prop_assert_eq!(progress, Progress::Complete, "{} of {}", size, known_at);
                prop_assert_eq!(&partial, &Scan { content: None, ..whole.clone() });
            }
        }
    }

    #[test]
    fn truncations_are_refused(seed: u64) {
        let apdu = Random(seed).encoded_apdu();
        let mut result = Scan::new();
        for size in 0..apdu.len() {
            prop_assert!(scan(&apdu[..size], &mut result).is_err());
        }
        let longer = [&apdu[..], &[0]].concat();
        prop_assert!(scan(&longer, &mut result).is_err());
    }

    /// Elements that no module names, in SETs, are passed over.
    #[test]
    fn unknown_elements_pass(seed: u64) {
        let mut random = Random(seed);
        let apdu = random.encoded_apdu();
        let mut node = Node::parse_all(&apdu);
        let unknown = [
            Node::parse_all(&[0xbf, 0x87, 0x68, 0x80, 0x30, 0x80, 0x05, 0x00, 0, 0, 0, 0]),
            Node::parse_all(&[0x5f, 0x63, 0x01, 0x00]),
        ];
        let is_probe = node.identifier == [0xa2];
        let envelope = if is_probe { &mut node } else { &mut node.children_mut()[0] };
        for unknown in unknown {
            let at = random.below(envelope.children().len() + 1);
            envelope.children_mut().insert(at, unknown);
        }
        let odd = node.encode();
        let (plain, found) = (scanned(&apdu), scanned(&odd));
        prop_assert_eq!(
            plain.mts_identifier.element.octets(&apdu),
            found.mts_identifier.element.octets(&odd)
        );
        prop_assert_eq!(plain.trace.len(), found.trace.len());
        prop_assert_eq!(plain.extensions.len(), found.extensions.len());
        prop_assert_eq!(plain.recipients.len(), found.recipients.len());
        for (plain, found) in plain.recipients.iter().zip(&found.recipients) {
            prop_assert_eq!(plain.field.octets(&apdu), found.field.octets(&odd));
        }
    }
}

#[test]
fn a_foreign_message_is_read() {
    let apdu = foreign_message();
    let found = scanned(&apdu);
    let expected: MtsApdu = rasn::ber::decode(&apdu).unwrap();
    check(&apdu, &found, &expected);

    assert_eq!(
        found.mts_identifier.local_identifier.octets(&apdu),
        b"pp1.test.476:23.10.26.23.40.37"
    );
    assert_eq!(found.content_type, Some(scan::ContentType::BuiltIn(22)));
    assert_eq!(found.content_identifier.unwrap().octets(&apdu), b"test pp-trans...");
    assert!(found.per_message_indicators.alternate_recipient_allowed());
    assert!(found.per_message_indicators.content_return_request());
    assert_eq!(found.trace.len(), 2);
    assert_eq!(found.trace[0].supplied.arrival_time.octets(&apdu), b"261123234037Z");
    let ids: Vec<_> = found.extensions.iter().map(|extension| extension.id).collect();
    assert_eq!(ids, [ExtensionId::Standard(23), ExtensionId::Standard(38)]);
    assert_eq!(found.internal_trace_elements.len(), 2);
    assert_eq!(found.internal_trace_elements[1].mta_name.octets(&apdu), b"pp1.test");
    let [recipient] = found.recipients[..] else { panic!("one recipient") };
    assert_eq!(recipient.responsibility(), scan::Responsibility::Responsible);
    assert_eq!(
        recipient.originator_report_request(),
        scan::OriginatorReportRequest::NonDeliveryReport
    );
    let address = or_address::attributes(recipient.or_name.octets(&apdu)).unwrap().to_owned();
    assert_eq!(address.to_string(), "C=XX;A=TEST;P=PPTEST;O=PP2;S=alice");
    let content = found.content_octets(&apdu).unwrap();
    let text = p1relay::p1::ipm::read_text(&content).unwrap();
    assert_eq!(text.text.unwrap(), b"Hello from PP1\r\nline two\r\n");
    assert_eq!(text.subject.unwrap(), b"test pp-transfer88.pcap");
}

#[test]
fn a_foreign_message_of_1984_is_read() {
    let apdu = foreign_message_1984();
    let found = scanned(&apdu);
    let expected: MtsApdu = rasn::ber::decode(&apdu).unwrap();
    check(&apdu, &found, &expected);
    assert_eq!(found.content_type, Some(scan::ContentType::BuiltIn(2)));
    assert_eq!((found.extensions.len(), found.internal_trace), (0, None));
    let [recipient] = found.recipients[..] else { panic!("one recipient") };
    let address = or_address::attributes(recipient.or_name.octets(&apdu)).unwrap().to_owned();
    assert_eq!(address.to_string(), "C=XX;A=TEST;P=PPTEST;O=PP2X84;S=alice");
    let content = found.content_octets(&apdu).unwrap();
    let text = p1relay::p1::ipm::read_text(&content).unwrap();
    assert_eq!(text.text.unwrap(), b"Hello from PP1\r\nline two\r\n");
}

#[test]
fn many_recipients_and_no_content() {
    let mut random = Random(512);
    let apdu = random.message(512, 0);
    let octets = random.some_encoding(&apdu);
    let found = scanned(&octets);
    assert_eq!(found.recipients.len(), 512);
    check(&octets, &found, &rasn::ber::decode(&octets).expect("the oracle reads it"));
}

#[test]
fn more_recipients_than_the_bound_are_refused() {
    let mut random = Random(1);
    let apdu = random.message(p1relay::base::limits::RECIPIENT_COUNT_MAX + 1, 0);
    let octets = rasn::ber::encode(&apdu).unwrap();
    let error = scan(&octets, &mut Scan::new()).unwrap_err();
    assert!(matches!(error, p1relay::p1::Error::TooMany { field: "per-recipient-fields", .. }));
    assert_eq!(error.fault(), p1relay::base::fault::Fault::LocalLimit);
}

/// Taking away or doubling any element of an envelope is noticed where it must be.
#[test]
fn absent_and_repeated_elements_are_refused() {
    let apdu = foreign_message();
    let node = Node::parse_all(&apdu);
    for index in 0..node.children()[0].children().len() {
        let identifier = node.children()[0].children()[index].identifier[0];
        let mandatory = matches!(identifier, 0x64 | 0x60 | 0x46 | 0x69 | 0x30 | 0xa2);
        let mut without = node.clone();
        without.children_mut()[0].children_mut().remove(index);
        let result = scan(&without.encode(), &mut Scan::new());
        assert_eq!(result.is_err(), mandatory, "{identifier:#x} absent: {result:?}");
        let mut twice = node.clone();
        let copy = twice.children()[0].children()[index].clone();
        twice.children_mut()[0].children_mut().push(copy);
        let error = scan(&twice.encode(), &mut Scan::new()).unwrap_err();
        assert!(matches!(error, p1relay::p1::Error::Repeated { .. }), "{identifier:#x}: {error}");
    }
}

fn refusal(node: &Node) -> p1relay::p1::Error {
    scan(&node.encode(), &mut Scan::new()).unwrap_err()
}

#[test]
fn internal_trace_may_stand_once_only() {
    let mut node = Node::parse_all(&foreign_message());
    let extensions =
        node.children_mut()[0].children_mut().iter_mut().find(|field| field.identifier == [0xa3]);
    let fields = extensions.unwrap().children_mut();
    fields.push(fields[1].clone());
    let error = refusal(&node);
    assert!(
        matches!(error, p1relay::p1::Error::Repeated { field: "internal-trace-information", .. }),
        "{error}"
    );
}

/// Values that the ASN.1 forbids, each put in the place of a good one.
#[test]
fn values_out_of_range_are_refused() {
    let replaced = |path: &[usize], octets: &[u8]| {
        let mut node = Node::parse_all(&foreign_message());
        let place = path.iter().fold(&mut node, |node, index| &mut node.children_mut()[*index]);
        assert_eq!(place.identifier[0], octets[0]);
        *place = Node::parse_all(octets);
        refusal(&node)
    };
    let position = |identifier: u8| {
        let node = Node::parse_all(&foreign_message());
        node.children()[0]
            .children()
            .iter()
            .position(|field| field.identifier == [identifier])
            .unwrap()
    };
    let long = [&[0x16, 33][..], &[b'x'; 33]].concat();
    let (trace, recipients) = (position(0x69), position(0xa2));
    for (path, octets, field) in [
        (&[0, 0, 1][..], &long[..], "local-identifier"),
        (&[0, 0, 1], &[0x16, 0], "local-identifier"),
        (&[0, trace], &[0x69, 0], "trace-information"),
        (&[0, trace, 0, 1, 1], &[0x82, 1, 2], "routing-action"),
        (&[0, recipients], &[0xa2, 0], "per-recipient-fields"),
        (&[0, recipients, 0, 1], &[0x80, 1, 0], "originally-specified-recipient-number"),
        (&[0, recipients, 0, 1], &[0x80, 3, 0, 0x80, 0], "originally-specified-recipient-number"),
        (&[0, recipients, 0, 2], &[0x81, 1, 0], "per-recipient-indicators"),
    ] {
        let error = replaced(path, octets);
        assert!(
            matches!(error, p1relay::p1::Error::Invalid { field: found, .. } if found == field),
            "{field}: {error}"
        );
    }
}
