//! What is derived (X.411 14.3, 14.4 (unverified)), read by the oracle and by the scanner: reports, redirected and expanded copies, and the
//! reports that lists send on; of subjects of our own and in odd encodings.

use std::time::{Duration, Instant};

use p1relay::base::clock::WallTime;
use p1relay::mta::derive::{
    Acting, Derivation, Derived, Verdict, companion, derive, needs_content,
};
use p1relay::mta::policy::{
    DistributionList, Policy, RecipientRedirection, ReportPolicy, SubmitPermission,
};
use p1relay::p1::build::{self, MessageBuilder, ProbeBuilder, RecipientFields};
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::history;
use p1relay::p1::non_delivery::NonDelivery;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::patch::Patched;
use p1relay::p1::scan::{Responsibility, Scan, scan_prefix};
use p1relay::p1::schema::{self, ExtensionField, MtsApdu, OrName};
use p1relay::p1::trace::{Supplied, encode_trace_element};
use rasn::types::Any;

use support::apdu::foreign_message;
use support::random::Random;
use support::tree::Node;

use crate::support::scanned;

const ARRIVED: WallTime = WallTime(1_800_000_000_000);
const NOW: WallTime = WallTime(1_800_000_060_000);
const ORIGIN_TIME: WallTime = WallTime(1_799_999_999_000);

const ORIGINATOR: &str = "C=GB;A=CARRIER;P=ACME;S=SMITH";
const FIRST: &str = "C=FR;A=OTHER;P=DEST;S=FIRST";
const SECOND: &str = "C=FR;A=OTHER;P=DEST;S=SECOND";
const THIRD: &str = "C=FR;A=OTHER;P=DEST;S=THIRD";
const LIST: &str = "C=FR;A=RELAY;O=LISTS;CN=Everyone";
const OWNER: &str = "C=FR;A=RELAY;S=OWNER";

const EXPIRED: Derivation =
    Derivation::Report(Verdict::NonDelivery(NonDelivery::MAXIMUM_TIME_EXPIRED));

fn address(text: &str) -> OrAddress {
    text.parse().unwrap()
}

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    address(text).encode(&mut out);
    out
}

fn or_name(text: &str) -> OrName {
    rasn::ber::decode(&name(text)).unwrap()
}

fn origin() -> GlobalDomainIdentifier {
    "C=GB;A=CARRIER;P=ACME".parse().unwrap()
}

fn origin_trace() -> Vec<u8> {
    let mut out = Vec::new();
    encode_trace_element(&origin(), Supplied::relayed(ORIGIN_TIME), &mut out);
    out
}

fn recipient(text: &str, indicators: u8) -> RecipientFields {
    RecipientFields { indicators, ..address(text).into() }
}

/// A message to these, with these encoded extensions.
fn message_with(
    recipients: Vec<RecipientFields>,
    extensions: &[u8],
    per_message_indicators: u8,
) -> Vec<u8> {
    let trace = origin_trace();
    let mut builder = MessageBuilder::new(origin(), "subject", address(ORIGINATOR), &trace);
    builder.content = b"the content";
    builder.content_identifier = Some("about this");
    builder.per_message_indicators = per_message_indicators;
    builder.extensions = extensions;
    builder.recipients = recipients;
    builder.build()
}

/// Content-return-request.
const RETURN_CONTENT: u8 = 0x10;

/// A message to these, which asks for its content.
fn message(recipients: Vec<RecipientFields>) -> Vec<u8> {
    message_with(recipients, &[], RETURN_CONTENT)
}

fn policy() -> Policy {
    with_report_policy(ReportPolicy::Originator)
}

fn with_report_policy(report_policy: ReportPolicy) -> Policy {
    of_list(vec![address(FIRST), address(SECOND), address(LIST)], report_policy)
}

fn with_members(members: Vec<OrAddress>) -> Policy {
    of_list(members, ReportPolicy::Originator)
}

fn of_list(members: Vec<OrAddress>, report_policy: ReportPolicy) -> Policy {
    let redirection = RecipientRedirection { from: address(SECOND), to: address(OWNER) };
    Policy {
        redirections: vec![redirection].into(),
        lists: vec![DistributionList {
            address: address(LIST),
            members,
            owner: Some(address(OWNER)),
            submit_permission: SubmitPermission::Anyone,
            report_policy,
        }]
        .into(),
        ..Policy::default()
    }
}

fn domain() -> GlobalDomainIdentifier {
    "C=FR;A=RELAY".parse().unwrap()
}

fn with_acting<T>(policy: &Policy, act: impl FnOnce(&Acting<'_>) -> T) -> T {
    act(&Acting {
        domain: &domain(),
        mta_name: "RELAY",
        policy,
        now: NOW,
        arrived: ARRIVED,
        local_identifier: "derived 1",
        supplementary_information: "",
    })
}

/// The whole derived APDU, or nothing.
fn derived_by(
    apdu: &[u8],
    recipients: &[u16],
    derivation: Derivation,
    acting: &Acting<'_>,
) -> Result<Option<Vec<u8>>, p1relay::p1::Error> {
    let scan = scanned(apdu);
    let (mut out, mut patched) = (vec![1, 2, 3], Patched::new());
    Ok(match derive(apdu, &scan, recipients, derivation, acting, &mut out, &mut patched)? {
        Derived::Nothing => None,
        Derived::Whole => Some(out),
        Derived::Patched => {
            let mut whole = Vec::new();
            patched.write_to(apdu, &mut whole);
            assert_eq!(whole.len(), patched.size());
            whole.extend_from_slice(&apdu[scan.envelope_end() as usize..]);
            Some(whole)
        }
    })
}

fn derived(
    apdu: &[u8],
    recipients: &[u16],
    derivation: Derivation,
    policy: &Policy,
) -> Option<Vec<u8>> {
    with_acting(policy, |acting| derived_by(apdu, recipients, derivation, acting)).unwrap()
}

fn report(octets: &[u8]) -> schema::Report {
    scanned(octets);
    let MtsApdu::Report(report) = rasn::ber::decode(octets).unwrap() else { panic!("a report") };
    report
}

fn decoded_message(octets: &[u8]) -> schema::Message {
    scanned(octets);
    let MtsApdu::Message(message) = rasn::ber::decode(octets).unwrap() else { panic!("a message") };
    message
}

fn extension(fields: &Option<Vec<ExtensionField>>, number: i64) -> Option<&[u8]> {
    let id = [0xa0, 3, 2, 1, number as u8];
    let mut found = fields.iter().flatten().filter(|field| field.extension_type.as_bytes() == id);
    let value = found.next()?.value.as_ref()?.as_bytes();
    assert!(found.next().is_none(), "{number} twice");
    Some(value)
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[0x30][..], &support::tree::length(content.len(), 1), &content].concat()
}

fn utc_time(time: WallTime) -> Vec<u8> {
    [b"\x17\x0d", &p1relay::p1::time::utc_time(time)[..]].concat()
}

/// Domain and other-actions of each trace element.
fn trace(elements: &[schema::TraceInformationElement]) -> Vec<(String, Option<String>)> {
    elements
        .iter()
        .map(|element| {
            let encoded = rasn::ber::encode(&element.global_domain_identifier).unwrap();
            let domain = GlobalDomainIdentifier::decode(&encoded).unwrap().to_string();
            let actions = element.domain_supplied_information.other_actions.as_ref();
            (
                domain,
                actions.map(|bits| bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect()),
            )
        })
        .collect()
}

fn relayed(domain: &str) -> (String, Option<String>) {
    (domain.to_owned(), None)
}

fn acted(domain: &str, actions: &str) -> (String, Option<String>) {
    (domain.to_owned(), Some(actions.to_owned()))
}

#[test]
fn a_report_says_what_became_of_whom() {
    let mut extensions = Vec::new();
    build::encode_standard_extension(20, 0x20, &[0x31, 0], &mut extensions);
    build::encode_standard_extension(23, 0, b"\x16\x02cc", &mut extensions);
    let recipients = vec![recipient(FIRST, 0x88), recipient(SECOND, 0xe8), recipient(THIRD, 0xb0)];
    let apdu = message_with(recipients, &extensions, RETURN_CONTENT);
    let octets = derived(&apdu, &[1, 2], EXPIRED, &policy()).unwrap();
    let report = report(&octets);
    let envelope = &report.envelope;
    assert_eq!(envelope.report_identifier.local_identifier.to_string(), "derived 1");
    assert_eq!(envelope.report_destination_name, or_name(ORIGINATOR));
    assert_eq!(trace(&envelope.trace_information), [relayed("C=FR;A=RELAY")]);
    let arrival = envelope.trace_information[0].domain_supplied_information.arrival_time;
    assert_eq!(arrival.timestamp_millis(), NOW.0);
    assert_eq!(envelope.extensions.as_ref().map(Vec::len), Some(1));
    assert_eq!(extension(&envelope.extensions, 20), Some(&[0x31, 0][..]));

    let content = &report.content;
    let subject = scanned(&apdu);
    assert_eq!(
        rasn::ber::encode(&content.subject_identifier).unwrap(),
        subject.mts_identifier.element.octets(&apdu)
    );
    // One of them wants an audit.
    let intermediate = content.subject_intermediate_trace_information.as_ref().unwrap();
    assert_eq!(trace(intermediate), [relayed("C=GB;A=CARRIER;P=ACME"), relayed("C=FR;A=RELAY")]);
    assert_eq!(content.built_in_content_type, Some(22));
    assert_eq!(content.content_identifier.as_ref().unwrap().as_bytes(), b"about this");
    assert_eq!(content.returned_content.as_deref(), Some(&b"the content"[..]));
    assert_eq!(content.extensions.as_ref().map(Vec::len), Some(1));
    assert_eq!(extension(&content.extensions, 23), Some(&b"\x16\x02cc"[..]));
    assert_eq!(content.additional_information, None);

    let [second, third] = &content.per_recipient_fields[..] else { panic!("two recipients") };
    for (fields, text, number, indicators) in [(second, SECOND, 2, 0xe8), (third, THIRD, 3, 0xb0)] {
        assert_eq!(fields.actual_recipient_name, or_name(text));
        assert_eq!(fields.originally_specified_recipient_number, number);
        assert_eq!(fields.per_recipient_indicators.as_raw_slice(), [indicators]);
        let last = &fields.last_trace_information;
        assert_eq!(last.arrival_time.timestamp_millis(), ARRIVED.0);
        assert_eq!(last.converted_encoded_information_types, None);
        let said = schema::NonDeliveryReport {
            non_delivery_reason_code: 1,
            non_delivery_diagnostic_code: Some(5),
        };
        assert_eq!(last.report_type, schema::ReportType::NonDelivery(said));
        assert_eq!(fields.originally_intended_recipient_name, None);
        let words = fields.supplementary_information.as_ref().unwrap();
        assert_eq!(words.as_bytes(), b"maximum-time-expired");
        assert_eq!(fields.extensions, None);
    }
}

#[test]
fn who_wants_to_hear_hears() {
    let delivered = Verdict::Delivery { at: NOW, type_of_mts_user: 1 };
    let failed = Verdict::NonDelivery(NonDelivery::LOOP_DETECTED);
    // Originating MTA: non-delivery (0x20), report (0x40), audited (0x60). Originator: none, non-delivery
    // (0x08), report (0x10).
    for (indicators, hears_of_delivery) in [
        (0xa0, false),
        (0xa8, false),
        (0x80, false),
        (0xb0, true),
        (0xc0, true),
        (0xc8, true),
        (0xe0, true),
        (0xf0, true),
    ] {
        let apdu = message(vec![recipient(FIRST, indicators)]);
        let delivery = derived(&apdu, &[0], Derivation::Report(delivered), &policy());
        assert_eq!(delivery.is_some(), hears_of_delivery, "{indicators:02x}");
        let failure = derived(&apdu, &[0], Derivation::Report(failed), &policy()).unwrap();
        let report = report(&failure);
        let audited = report.content.subject_intermediate_trace_information.is_some();
        assert_eq!(audited, indicators & 0x60 == 0x60);
    }
    // Of the second nobody wants to hear; there is no seventy-eighth.
    let recipients = vec![recipient(FIRST, 0xb0), recipient(SECOND, 0xa8)];
    let report = report(
        &derived(&message(recipients), &[0, 1, 77], Derivation::Report(delivered), &policy())
            .unwrap(),
    );
    let [first] = &report.content.per_recipient_fields[..] else { panic!("one recipient") };
    let said = schema::DeliveryReport {
        message_delivery_time: first.last_trace_information.arrival_time + Duration::from_secs(60),
        type_of_mts_user: Some(1),
    };
    assert_eq!(first.last_trace_information.report_type, schema::ReportType::Delivery(said));
    assert_eq!(first.supplementary_information, None);
}

#[test]
fn the_content_comes_back_when_it_was_asked_for_and_is_there() {
    let one = || vec![recipient(FIRST, 0xa8)];
    let asked = message(one());
    let scan = scanned(&asked);
    let returned = |apdu: &[u8], policy: &Policy| {
        let octets = derived(apdu, &[0], EXPIRED, policy).unwrap();
        report(&octets).content.returned_content.map(|octets| octets.to_vec())
    };
    assert!(needs_content(&scan, EXPIRED, &policy()));
    assert!(!needs_content(&scan, Derivation::AlternateRecipient, &policy()));
    assert_eq!(returned(&asked, &policy()).unwrap(), b"the content");
    for (size, comes) in [(10, false), (11, true)] {
        let policy = Policy { returned_content_size_max: size, ..policy() };
        assert_eq!(needs_content(&scan, EXPIRED, &policy), comes);
        assert_eq!(returned(&asked, &policy).is_some(), comes);
    }
    let delivery = Derivation::Report(Verdict::Delivery { at: NOW, type_of_mts_user: 0 });
    assert!(!needs_content(&scan, delivery, &policy()));
    let unasked = message_with(one(), &[], 0);
    assert!(!needs_content(&scanned(&unasked), EXPIRED, &policy()));
    assert_eq!(returned(&unasked, &policy()), None);

    // Segments are joined; the segmented form may be longer than what it says.
    let mut node = Node::parse_all(&asked);
    let content = node.children_mut().pop().unwrap();
    let halves: Vec<u8> = [&b"\x24\x80\x04\x04the \x04\x07content\0\0"[..]].concat();
    assert_eq!(content.encode()[0], 0x04);
    let (segmented, _) = Node::parse(&halves);
    node.children_mut().push(segmented);
    let segmented = node.encode();
    assert!(needs_content(&scanned(&segmented), EXPIRED, &policy()));
    assert_eq!(returned(&segmented, &policy()).unwrap(), b"the content");

    // Of a prefix there is none to return.
    let prefix = &asked[..asked.len() - 1];
    let mut scan = Scan::new();
    scan_prefix(prefix, &mut scan).unwrap();
    let (mut out, mut patched) = (Vec::new(), Patched::new());
    let policy = policy();
    with_acting(&policy, |acting| {
        derive(prefix, &scan, &[0], EXPIRED, acting, &mut out, &mut patched).unwrap()
    });
    assert_eq!(report(&out).content.returned_content, None);
}

#[test]
fn words_of_our_own_become_printable() {
    let apdu = message(vec![recipient(FIRST, 0xa8)]);
    let long = format!("no \u{e9}ntry_ {}", "x".repeat(300));
    let policy = policy();
    let octets = with_acting(&policy, |acting| {
        let acting = Acting { supplementary_information: &long, ..*acting };
        derived_by(&apdu, &[0], EXPIRED, &acting)
    });
    let report = report(&octets.unwrap().unwrap());
    let words = report.content.per_recipient_fields[0].supplementary_information.clone().unwrap();
    assert!(words.as_bytes().starts_with(b"no ?ntry? xxx"));
    assert_eq!(words.len(), 256);
}

#[test]
fn there_is_no_report_on_a_report() {
    let apdu = message(vec![recipient(FIRST, 0xa8)]);
    let report = derived(&apdu, &[0], EXPIRED, &policy()).unwrap();
    assert_eq!(derived(&report, &[], EXPIRED, &policy()), None);
    assert!(!needs_content(&scanned(&report), EXPIRED, &policy()));
    let discarded = Derivation::Discard(NonDelivery::LOOP_DETECTED);
    assert_eq!(derived(&report, &[], discarded, &policy()), None);
}

#[test]
fn an_extended_content_type_and_a_probe_are_reported_on() {
    let trace = origin_trace();
    let probe = ProbeBuilder {
        domain: origin(),
        local_identifier: "probe",
        originator: address(ORIGINATOR),
        content_type: 22,
        content_identifier: Some("question"),
        content_length: Some(100),
        per_message_indicators: 0x10,
        trace: &trace,
        extensions: &[],
        recipients: vec![recipient(FIRST, 0xb0), recipient(LIST, 0xb0)],
    }
    .build();
    let delivery = Derivation::Report(Verdict::Delivery { at: NOW, type_of_mts_user: 0 });
    let octets = derived(&probe, &[0], delivery, &policy()).unwrap();
    let answered = report(&octets);
    assert_eq!(answered.content.returned_content, None);
    assert_eq!(answered.content.content_identifier.unwrap().as_bytes(), b"question");
    // A probe goes to no member: the list answers.
    assert_eq!(derived(&probe, &[1], Derivation::Expansion(0), &policy()), None);
    let policy = policy();
    let beside = with_acting(&policy, |acting| {
        companion(&scanned(&probe), Derivation::Expansion(0), acting).unwrap()
    });
    assert!(derived(&probe, &[1], beside, &policy).is_some());

    let mut random = Random(7);
    let MtsApdu::Message(mut subject) = random.message(1, 5) else { panic!("a message") };
    subject.envelope.built_in_content_type = None;
    let identifier = rasn::types::ObjectIdentifier::new_unchecked(vec![1, 2, 840, 7].into());
    subject.envelope.extended_content_type = Some(identifier.clone());
    let apdu = rasn::ber::encode(&MtsApdu::Message(subject)).unwrap();
    let octets = derived(&apdu, &[0], EXPIRED, &policy).unwrap();
    assert_eq!(report(&octets).content.extended_content_type, Some(identifier));
}

/// Originator-requested-alternate-recipient.
fn used_alternate() -> Vec<u8> {
    let mut out = Vec::new();
    build::encode_standard_extension(2, 0x80, &name(THIRD), &mut out);
    out
}

/// The same, and proof-of-delivery-request.
fn alternate_field() -> Vec<u8> {
    let mut out = used_alternate();
    build::encode_standard_extension(22, 0x20, &[0x0a, 1, 1], &mut out);
    out
}

#[test]
fn a_redirected_copy_goes_to_the_alternate_and_says_so() {
    let first = RecipientFields { extensions: alternate_field(), ..recipient(FIRST, 0xa8) };
    let apdu = message(vec![first, recipient(SECOND, 0xb0)]);
    let octets = derived(&apdu, &[0], Derivation::AlternateRecipient, &policy()).unwrap();
    let message = decoded_message(&octets);
    assert_eq!(&message.content[..], b"the content");
    let trace_elements = trace(&message.envelope.trace_information);
    let redirected = acted("C=FR;A=RELAY", "10");
    assert_eq!(trace_elements, [relayed("C=GB;A=CARRIER;P=ACME"), redirected.clone()]);
    let [first, second] = &message.envelope.per_recipient_fields[..] else { panic!("both") };
    assert_eq!(first.recipient_name, or_name(THIRD));
    assert_eq!(first.originally_specified_recipient_number, 1);
    assert_eq!(first.per_recipient_indicators.as_raw_slice(), [0xa8]);
    assert_eq!(extension(&first.extensions, 2), None);
    assert_eq!(extension(&first.extensions, 22), Some(&[0x0a, 1, 1][..]));
    let intended = |text: &str| sequence(&[&name(text), &utc_time(NOW)]);
    let once = sequence(&[&intended(FIRST), b"\x0a\x01\x01"]);
    assert_eq!(extension(&first.extensions, 25), Some(&sequence(&[&once])[..]));
    assert_eq!(second.recipient_name, or_name(SECOND));
    assert_eq!(second.per_recipient_indicators.as_raw_slice(), [0x30]);
    assert_eq!(second.extensions, None);
    assert_eq!(scanned(&octets).recipients[1].responsibility(), Responsibility::NotResponsible);

    // Once more, by the policy: the history grows.
    let octets = derived(&octets, &[0], Derivation::Redirection(0), &policy()).unwrap();
    let message = decoded_message(&octets);
    assert_eq!(trace(&message.envelope.trace_information)[2], redirected);
    let first = &message.envelope.per_recipient_fields[0];
    assert_eq!(first.recipient_name, or_name(OWNER));
    let twice = sequence(&[&intended(THIRD), b"\x0a\x01\x00"]);
    assert_eq!(extension(&first.extensions, 25), Some(&sequence(&[&once, &twice])[..]));

    // A report speaks of whom the message was first for.
    let octets = derived(&octets, &[0], EXPIRED, &policy()).unwrap();
    let fields = &report(&octets).content.per_recipient_fields[0];
    assert_eq!(fields.actual_recipient_name, or_name(OWNER));
    assert_eq!(fields.originally_intended_recipient_name, Some(or_name(FIRST)));
    assert_eq!(extension(&fields.extensions, 25), Some(&sequence(&[&once, &twice])[..]));

    // Of whom no alternate was named there is none.
    let missing = with_acting(&policy(), |acting| {
        derived_by(&apdu, &[1], Derivation::AlternateRecipient, acting)
    });
    assert!(missing.is_err());
}

/// A copy is made at once, and waits here as its subject would have.
#[test]
fn a_copy_of_a_deferred_message_says_until_when_it_waits() {
    let trace = origin_trace();
    let mut builder = MessageBuilder::new(origin(), "subject", address(ORIGINATOR), &trace);
    builder.recipients = vec![recipient(LIST, 0xa8)];
    let until = WallTime(ARRIVED.0 + 3_600_000);
    for (time, expected) in [(Some(until), 1), (Some(ORIGIN_TIME), 0), (None, 0)] {
        builder.deferred_delivery_time = time;
        let apdu = builder.build();
        for derivation in [Derivation::Expansion(0), Derivation::Redirection(0)] {
            let octets = derived(&apdu, &[0], derivation, &policy()).unwrap();
            let deferred = utc_time(time.unwrap_or(until));
            let deferred = [&[0x81], &deferred[1..]].concat();
            let found = octets.windows(deferred.len()).filter(|part| *part == deferred).count();
            assert_eq!(found, expected, "{derivation:?} {time:?}");
            assert!(decoded_message(&octets).envelope.trace_information.len() == 2);
        }
    }
}

#[test]
fn a_copy_is_the_same_for_some() {
    let recipients = vec![recipient(FIRST, 0xa8), recipient(SECOND, 0xb0), recipient(THIRD, 0x28)];
    let apdu = message(recipients);
    let gone = Derivation::Redirection(9);
    for derivation in [Derivation::Copy, gone, Derivation::Expansion(9)] {
        let octets = derived(&apdu, &[1, 2], derivation, &policy()).unwrap();
        let scan = scanned(&octets);
        let indicators: Vec<u8> = scan.recipients.iter().map(|each| each.indicators).collect();
        assert_eq!(indicators, [0x28, 0xb0, 0x28]);
        let changed = octets.iter().zip(&apdu).filter(|(after, before)| after != before).count();
        assert_eq!((octets.len(), changed), (apdu.len(), 1));
    }
}

#[test]
fn members_take_the_place_of_the_list() {
    let mut extensions = alternate_field();
    let mut redirection = Vec::new();
    let reason = history::RedirectionReason::RecipientAssigned;
    history::encode_redirection(&name(THIRD), ORIGIN_TIME, reason, &mut redirection);
    history::encode_field(25, &redirection, &mut extensions);
    let list = RecipientFields { extensions, ..recipient(LIST, 0xb0) };
    let apdu = message(vec![recipient(FIRST, 0xa8), list, recipient(LIST, 0xa8)]);
    let octets = derived(&apdu, &[1, 2], Derivation::Expansion(0), &policy()).unwrap();
    let expanded = decoded_message(&octets);
    let envelope = &expanded.envelope;
    assert_eq!(envelope.originator_name, or_name(ORIGINATOR));
    assert_eq!(&expanded.content[..], b"the content");
    let expanded_by_us = acted("C=FR;A=RELAY", "01");
    assert_eq!(trace(&envelope.trace_information)[1], expanded_by_us);
    let entry = sequence(&[&name(LIST), &utc_time(NOW)]);
    assert_eq!(extension(&envelope.extensions, 26), Some(&sequence(&[&entry])[..]));
    let members: Vec<_> =
        envelope.per_recipient_fields.iter().map(|fields| fields.recipient_name.clone()).collect();
    assert_eq!(members, [FIRST, SECOND, LIST].map(or_name));
    for fields in &envelope.per_recipient_fields {
        assert_eq!(fields.originally_specified_recipient_number, 2);
        assert_eq!(fields.per_recipient_indicators.as_raw_slice(), [0xb0]);
        assert_eq!(fields.extensions.as_ref().map(Vec::len), Some(1));
        assert_eq!(extension(&fields.extensions, 22), Some(&[0x0a, 1, 1][..]));
    }

    // A list in the list: the history grows, and reports go to the last list.
    let twice = derived(&octets, &[2], Derivation::Expansion(0), &policy()).unwrap();
    let history = sequence(&[&entry, &entry]);
    let message = decoded_message(&twice);
    assert_eq!(extension(&message.envelope.extensions, 26), Some(&history[..]));
    let report = report(&derived(&twice, &[0], EXPIRED, &policy()).unwrap());
    assert_eq!(report.envelope.report_destination_name, or_name(LIST));
    let origin = sequence(&[&name(ORIGINATOR), &utc_time(ORIGIN_TIME)]);
    let through = sequence(&[&origin, &entry, &entry]);
    assert_eq!(extension(&report.envelope.extensions, 30), Some(&through[..]));

    // Beside it goes the report that the list was reached.
    let policy = policy();
    let beside = with_acting(&policy, |acting| {
        companion(&scanned(&apdu), Derivation::Expansion(0), acting).unwrap()
    });
    let octets = derived(&apdu, &[1], beside, &policy).unwrap();
    let reached = self::report(&octets);
    assert_eq!(reached.envelope.report_destination_name, or_name(ORIGINATOR));
    let fields = &reached.content.per_recipient_fields[0];
    assert_eq!(fields.actual_recipient_name, or_name(LIST));
    let schema::ReportType::Delivery(said) = &fields.last_trace_information.report_type else {
        panic!("delivered")
    };
    assert_eq!(said.type_of_mts_user, Some(3));
    assert_eq!(derived(&apdu, &[2], beside, &policy), None);
}

#[test]
fn members_that_the_originator_exempts_get_nothing() {
    let members = |names: &[&str], rest: &[u8]| {
        let names: Vec<Vec<u8>> = names.iter().map(|text| name(text)).collect();
        let mut value = sequence(&[&names.concat(), rest]);
        value[0] = 0x31;
        let mut extensions = Vec::new();
        build::encode_standard_extension(42, 0x40, &value, &mut extensions);
        let apdu = message_with(vec![recipient(LIST, 0xa8)], &extensions, 0);
        let octets = derived(&apdu, &[0], Derivation::Expansion(0), &policy())?;
        let fields = decoded_message(&octets).envelope.per_recipient_fields;
        Some(fields.into_iter().map(|it| it.recipient_name).collect::<Vec<_>>())
    };
    let others = |texts: &[&str]| Some(texts.iter().map(|text| or_name(text)).collect::<Vec<_>>());
    assert_eq!(members(&[], &[]), others(&[FIRST, SECOND, LIST]));
    let (first, second) = ("c=fr;a=other;p=dest;s=first", "C=FR;A=OTHER;P=DEST;S=SECOND");
    assert_eq!(members(&[first, THIRD], &[]), others(&[SECOND, LIST]));
    assert_eq!(members(&[second, LIST], &[0x60, 0x01, 0x09]), others(&[FIRST]));
    assert_eq!(members(&[first, second, LIST], &[]), None);
}

/// A report on the members of `LIST`, which a message reached that came through these lists.
fn report_to_list(lists: &[&str]) -> Vec<u8> {
    let mut entries = Vec::new();
    for list in lists {
        let time = p1relay::p1::time::utc_time(ORIGIN_TIME);
        history::encode_entry(&name(list), &time, &mut entries);
    }
    let mut extensions = Vec::new();
    if !entries.is_empty() {
        history::encode_field(26, &entries, &mut extensions);
    }
    let apdu = message_with(vec![recipient(FIRST, 0xa8)], &extensions, RETURN_CONTENT);
    derived(&apdu, &[0], EXPIRED, &policy()).unwrap()
}

#[test]
fn a_list_sends_reports_on() {
    let before = "C=DE;A=X;CN=Before";
    let expansion = Derivation::Expansion(0);
    let sent_on = |lists: &[&str], derivation, report_policy| {
        let octets = report_to_list(lists);
        let octets = derived(&octets, &[], derivation, &with_report_policy(report_policy))?;
        let report = report(&octets);
        assert_eq!(report.envelope.report_identifier.local_identifier.to_string(), "derived 1");
        let by_us = acted("C=FR;A=RELAY", "01");
        assert_eq!(trace(&report.envelope.trace_information), [relayed("C=FR;A=RELAY"), by_us]);
        assert_eq!(report.content.per_recipient_fields.len(), 1);
        let for_list = extension(&report.envelope.extensions, 31).map(<[u8]>::to_vec);
        Some((report.envelope.report_destination_name, for_list))
    };
    let to_owner = Some((or_name(OWNER), Some(name(LIST))));
    let to = |text: &str| Some((or_name(text), None));
    for (lists, report_policy, expected) in [
        (&[LIST][..], ReportPolicy::Originator, to(ORIGINATOR)),
        (&[before, LIST], ReportPolicy::Originator, to(before)),
        (&[LIST, before], ReportPolicy::Originator, to(ORIGINATOR)),
        (&[LIST], ReportPolicy::Both, to(ORIGINATOR)),
        (&[LIST], ReportPolicy::Owner, to_owner.clone()),
        // Nobody knows whom the message came from.
        (&[], ReportPolicy::Originator, to_owner.clone()),
        (&[], ReportPolicy::Both, None),
    ] {
        assert_eq!(
            sent_on(lists, expansion, report_policy),
            expected,
            "{lists:?} {report_policy:?}"
        );
    }
    let beside = |report_policy| {
        let policy = with_report_policy(report_policy);
        let octets = report_to_list(&[LIST]);
        with_acting(&policy, |acting| companion(&scanned(&octets), expansion, acting))
    };
    assert_eq!(beside(ReportPolicy::Originator), None);
    assert_eq!(beside(ReportPolicy::Owner), None);
    assert_eq!(beside(ReportPolicy::Both), Some(Derivation::OwnerReport(0)));
    assert_eq!(sent_on(&[LIST], Derivation::OwnerReport(0), ReportPolicy::Both), to_owner);
}

/// What an envelope's own changes leave as it was: the same form of every length, other fields the same.
fn check_rest(before: &[u8], after: &[u8], changed: &[u8]) {
    let (before, after) = (Node::parse_all(before), Node::parse_all(after));
    let envelopes = match before.identifier[0] {
        0xa2 => [before, after],
        _ => {
            assert_eq!(before.children()[1], after.children()[1], "the content");
            same_form(&before, &after);
            [before.children()[0].clone(), after.children()[0].clone()]
        }
    };
    let [before, after] = &envelopes;
    same_form(before, after);
    for (index, field) in before.children().iter().enumerate() {
        let other = &after.children()[index];
        if changed.contains(&field.identifier[0]) {
            assert_eq!(field.identifier, other.identifier);
            // Another name is another element.
            if field.identifier != [0x60] {
                same_form(field, other);
            }
        } else {
            assert_eq!(field, other);
        }
    }
}

/// The same identifier, and an indefinite length where there was one.
fn same_form(before: &Node, after: &Node) {
    use support::tree::Form;
    assert_eq!(before.identifier, after.identifier);
    match (before.form, after.form) {
        (Form::Definite(before), Form::Definite(after)) => assert!(after >= before),
        (before, after) => assert_eq!(before, after),
    }
}

fn standard_field(number: u8, value: Vec<u8>) -> ExtensionField {
    ExtensionField {
        extension_type: Any::new(vec![0xa0, 3, 2, 1, number]),
        criticality: None,
        value: Some(Any::new(value)),
    }
}

/// Gives a random message or probe what redirections and expansions read.
fn enrich(apdu: &mut MtsApdu, random: &mut Random) {
    let (recipients, extensions) = match apdu {
        MtsApdu::Message(message) => {
            (&mut message.envelope.per_recipient_fields, Some(&mut message.envelope.extensions))
        }
        MtsApdu::Probe(probe) => (&mut probe.per_recipient_fields, None),
        MtsApdu::Report(_) => return,
    };
    let entry = sequence(&[&name(THIRD), &utc_time(NOW)]);
    for fields in recipients {
        let mut added = vec![standard_field(2, name(OWNER))];
        if random.chance(2) {
            let redirection = sequence(&[&entry, b"\x0a\x01\x01"]);
            added.push(standard_field(25, sequence(&[&redirection])));
        }
        random.shuffle(&mut added);
        fields.extensions = Some(added);
    }
    if let Some(extensions) = extensions {
        let history = || vec![standard_field(26, sequence(&[&entry]))];
        *extensions = random.chance(2).then(history);
    }
}

#[test]
fn random_subjects_in_odd_encodings_stay_whole() {
    let mut random = Random(0x5eed);
    let policy = policy();
    let mut counts = [0; 3];
    for _ in 0..3000 {
        let mut subject = random.apdu();
        let is_rich = random.chance(2);
        if is_rich {
            enrich(&mut subject, &mut random);
        }
        let apdu = random.some_encoding(&subject);
        let count = scanned(&apdu).recipients.len() as u16;
        let recipients: Vec<u16> = (0..count).filter(|_| random.chance(2)).collect();
        for (derivation, changed) in [
            (EXPIRED, &[][..]),
            (Derivation::AlternateRecipient, &[0x69, 0xa2]),
            (Derivation::Redirection(0), &[0x69, 0xa2]),
            (Derivation::Expansion(0), &[0x69, 0xa3, 0xa2]),
            (Derivation::OwnerReport(0), &[0x69, 0xa1, 0x60]),
            (Derivation::Copy, &[0xa2]),
        ] {
            let outcome =
                with_acting(&policy, |acting| derived_by(&apdu, &recipients, derivation, acting));
            match outcome {
                Err(error) => {
                    assert!(!is_rich, "{derivation:?}: {error}");
                    counts[0] += 1;
                }
                Ok(None) => counts[1] += 1,
                Ok(Some(octets)) => {
                    counts[2] += 1;
                    scanned(&octets);
                    rasn::ber::decode::<MtsApdu>(&octets).unwrap();
                    let is_report = derivation == EXPIRED;
                    let is_list_report = apdu[0] == 0xa1 && derivation == Derivation::Expansion(0);
                    if !is_report && !is_list_report {
                        check_rest(&apdu, &octets, changed);
                    }
                }
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

#[test]
fn a_foreign_message_is_derived_from() {
    let apdu = foreign_message();
    let redirected = derived(&apdu, &[0], Derivation::Redirection(0), &policy()).unwrap();
    check_rest(&apdu, &redirected, &[0x69, 0xa2]);
    assert_eq!(
        decoded_message(&redirected).envelope.per_recipient_fields[0].recipient_name,
        or_name(OWNER)
    );
    let expanded = derived(&apdu, &[0], Derivation::Expansion(0), &policy()).unwrap();
    check_rest(&apdu, &expanded, &[0x69, 0xa3, 0xa2]);
    let report = report(&derived(&expanded, &[1], EXPIRED, &policy()).unwrap());
    assert_eq!(report.envelope.report_destination_name, or_name(LIST));
    // The foreign message carries a content correlator.
    assert!(extension(&report.content.extensions, 23).is_some());
}

/// The least of some durations.
fn least_duration(mut run: impl FnMut()) -> Duration {
    (0..7)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .unwrap()
}

#[test]
fn time_is_linear_in_recipients_and_members() {
    let cost = |count: usize, derivation: Derivation| {
        let one = RecipientFields { extensions: used_alternate(), ..recipient(FIRST, 0xa8) };
        let is_expansion = derivation == Derivation::Expansion(0);
        let apdu = message(vec![one; if is_expansion { 1 } else { count }]);
        let policy = with_members(vec![address(FIRST); count]);
        let scan = scanned(&apdu);
        let recipients: Vec<u16> = (0..scan.recipients.len() as u16).collect();
        let (mut out, mut patched) = (Vec::new(), Patched::new());
        let octets = derived(&apdu, &recipients, derivation, &policy).unwrap();
        if derivation == EXPIRED {
            assert_eq!(report(&octets).content.per_recipient_fields.len(), count);
        } else {
            assert_eq!(scanned(&octets).recipients.len(), count);
        }
        with_acting(&policy, |acting| {
            least_duration(|| {
                derive(&apdu, &scan, &recipients, derivation, acting, &mut out, &mut patched)
                    .unwrap();
            })
        })
    };
    for derivation in [
        EXPIRED,
        Derivation::AlternateRecipient,
        Derivation::Redirection(0),
        Derivation::Expansion(0),
        Derivation::Copy,
    ] {
        let (few, many) = (cost(512, derivation), cost(4096, derivation));
        // Eight times as many: eight times the time if linear, 64 times if quadratic.
        assert!(many < few * 28, "{derivation:?}: {few:?}, {many:?}");
    }
}

#[test]
fn what_we_would_not_take_in_is_not_derived() {
    let one = RecipientFields { extensions: alternate_field(), ..recipient(FIRST, 0xa8) };
    let policy = policy();
    for (count, fits) in [(2730, true), (2731, false)] {
        let apdu = message(vec![one.clone(); count]);
        let all: Vec<u16> = (0..count as u16).collect();
        let outcome = with_acting(&policy, |acting| {
            derived_by(&apdu, &all, Derivation::Redirection(0), acting)
        });
        assert_eq!(outcome.is_ok(), fits);
        match outcome {
            Ok(octets) => assert_eq!(scanned(&octets.unwrap()).recipients.len(), count),
            Err(error) => assert!(matches!(error, p1relay::p1::Error::TooMany { .. })),
        }
    }
}

#[test]
fn a_list_too_long_for_an_envelope_is_refused() {
    let apdu = message(vec![recipient(LIST, 0xa8)]);
    let policy = with_members(vec![address(FIRST); 4097]);
    let outcome =
        with_acting(&policy, |acting| derived_by(&apdu, &[0], Derivation::Expansion(0), acting));
    assert!(matches!(outcome, Err(p1relay::p1::Error::TooMany { maximum: 4096, .. })));
    let policy = with_members(Vec::new());
    assert_eq!(derived(&apdu, &[0], Derivation::Expansion(0), &policy), None);
}
