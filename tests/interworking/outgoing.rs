//! What leaves for a 1984 partner when the relay's own part is added, and what a preview says of it.

use p1relay::base::clock::WallTime;
use p1relay::mta::downgrade::{Outgoing, Rest, Work, prepare_1984, preview};
use p1relay::mta::prepare::Relay;
use p1relay::mta::quirks::Quirks;
use p1relay::p1::body_part::BodyPart;
use p1relay::p1::build::{
    MessageBuilder, ReportBuilder, ReportType, ReportedRecipient, encode_mts_identifier,
    encode_standard_extension,
};
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::downgrade::Options;
use p1relay::p1::ipm::Ipm;
use p1relay::p1::non_delivery::NonDelivery;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::patch::Patched;
use p1relay::p1::scan::{Progress, Responsibility, Scan, scan_prefix};
use p1relay::p1::trace::encode_internal_trace_field;
use p1relay::p1::trace::{Supplied, encode_internal_trace_element, encode_trace_element};

use crate::{grammar, scanned, vectors};
use support::capture::foreign_apdus;

const ARRIVAL: WallTime = WallTime(1_790_000_000_000);

fn domain(text: &str) -> GlobalDomainIdentifier {
    text.parse().unwrap()
}

fn trace() -> Vec<u8> {
    let mut trace = Vec::new();
    let origin = domain("C=GB;A=CARRIER;P=ACME");
    encode_trace_element(&origin, Supplied::relayed(ARRIVAL), &mut trace);
    trace
}

/// A P22 message of 1988 with internal trace.
fn message(recipients: &[&str], text_size: usize) -> Vec<u8> {
    let origin = domain("C=GB;A=CARRIER;P=ACME");
    let originator: OrAddress = "C=GB;A=CARRIER;P=ACME;S=SMITH".parse().unwrap();
    let (trace, mut element, mut extensions) = (trace(), Vec::new(), Vec::new());
    encode_internal_trace_element(&origin, "mta", Supplied::relayed(ARRIVAL), &mut element);
    encode_internal_trace_field(&element, &mut extensions);
    encode_standard_extension(23, 0, b"\x04\x01c", &mut extensions);
    let text = vec![b'x'; text_size];
    let content = Ipm {
        identifier: "1",
        originator: &originator,
        primary_recipients: std::slice::from_ref(&originator),
        subject: Some("subject"),
        body: &[BodyPart::Ia5Text(&text)],
    }
    .build();
    let mut builder = MessageBuilder::new(origin, "1", originator, &trace);
    builder.extensions = &extensions;
    builder.recipients =
        recipients.iter().map(|text| text.parse::<OrAddress>().unwrap().into()).collect();
    builder.content = &content;
    builder.build()
}

/// The octets that leave, and the recipients that cannot be served; `None` when nothing leaves.
fn sent(apdu: &[u8], at_hand: &[u8], scan: &Scan, serves: &[usize]) -> Option<(Vec<u8>, Vec<u16>)> {
    let own = domain("C=FR;A=RELAY");
    let quirks = Quirks::default();
    let relay = Relay {
        domain: &own,
        mta_name: "relay",
        arrived: ARRIVAL,
        defers: true,
        is_internal: true,
        quirks: &quirks,
    };
    let (mut work, mut patched) = (Work::default(), Patched::new());
    let serves = |index| serves.contains(&index);
    let outgoing =
        prepare_1984(at_hand, scan, &relay, &Options::default(), serves, &mut work, &mut patched);
    let mut octets = Vec::new();
    match outgoing.unwrap() {
        Outgoing::Original => {
            let end = scan.envelope_end() as usize;
            patched.write_to(&apdu[..end], &mut octets);
            octets.extend_from_slice(&apdu[end..]);
        }
        Outgoing::Rewritten { envelope, rest } => {
            patched.write_to(envelope, &mut octets);
            match rest {
                Rest::Original(start) => octets.extend_from_slice(&apdu[start..]),
                Rest::Rewritten(rest) => octets.extend_from_slice(rest),
            }
        }
        Outgoing::Refused(refusal) => {
            assert_eq!(refusal, NonDelivery::UNABLE_TO_DOWNGRADE);
            return None;
        }
        Outgoing::NeedsContent => panic!("the content is at hand"),
    }
    grammar::check(&octets).unwrap();
    Some((octets, work.refused_recipients().to_vec()))
}

#[test]
fn trace_and_responsibility_are_set_on_what_was_downgraded() {
    let apdu = message(
        &[
            "C=DE;A=DBP;S=ONE",
            "C=DE;A=DBP;DDA:A=1;DDA:B=2;DDA:C=3;DDA:D=4;CN=TWO",
            "C=DE;A=DBP;CN=THREE",
            "C=DE;A=DBP;S=FOUR",
        ],
        100,
    );
    let scan = scanned(&apdu);
    let (octets, refused) = sent(&apdu, &apdu, &scan, &[0, 1, 2]).unwrap();
    assert_eq!(refused, [1]);
    let after = scanned(&octets);
    assert_eq!(after.trace.len(), 2);
    assert!(domain("C=FR;A=RELAY").is_named_by(after.trace[1].domain.octets(&octets)));
    let responsibilities: Vec<_> = after
        .recipients
        .iter()
        .map(|it| (it.originally_specified_number, it.responsibility()))
        .collect();
    assert_eq!(
        responsibilities,
        [
            (1, Responsibility::Responsible),
            (3, Responsibility::Responsible),
            (4, Responsibility::NotResponsible)
        ]
    );
    assert_eq!(after.content.unwrap().octets(&octets), scan.content.unwrap().octets(&apdu));
}

/// Only the refused recipient goes this way: nothing leaves, it is reported.
#[test]
fn nothing_leaves_for_refused_recipients_alone() {
    let apdu =
        message(&["C=DE;A=DBP;S=ONE", "C=DE;A=DBP;DDA:A=1;DDA:B=2;DDA:C=3;DDA:D=4;CN=TWO"], 10);
    let scan = scanned(&apdu);
    assert_eq!(sent(&apdu, &apdu, &scan, &[1]), None);
    let (_, refused) = sent(&apdu, &apdu, &scan, &[0]).unwrap();
    assert_eq!(refused, [1]);
}

/// A large message is judged by its beginning, once that holds heading and body part headers.
#[test]
fn the_beginning_of_a_large_message_will_do() {
    let apdu = message(&["C=DE;A=DBP;S=ONE"], 1 << 20);
    let mut scan = Scan::new();
    let head = &apdu[..4096];
    assert_eq!(scan_prefix(head, &mut scan).unwrap(), Progress::Complete);
    let (octets, refused) = sent(&apdu, head, &scan, &[0]).unwrap();
    assert!(refused.is_empty());
    assert_eq!(octets[octets.len() - (1 << 20)..], apdu[apdu.len() - (1 << 20)..]);
    // Too little: heading not seen.
    let head = &apdu[..scan.content_header.unwrap().content_start as usize + 3];
    let own = domain("C=FR;A=RELAY");
    let quirks = Quirks::default();
    let relay = Relay {
        domain: &own,
        mta_name: "relay",
        arrived: ARRIVAL,
        defers: true,
        is_internal: false,
        quirks: &quirks,
    };
    let (mut work, mut patched) = (Work::default(), Patched::new());
    let options = Options::default();
    let outgoing = prepare_1984(head, &scan, &relay, &options, |_| true, &mut work, &mut patched);
    assert_eq!(outgoing.unwrap(), Outgoing::NeedsContent);
}

#[test]
fn what_is_of_1984_is_only_traced() {
    for apdu in vectors::all() {
        let scan = scanned(&apdu);
        let (octets, _) = sent(&apdu, &apdu, &scan, &[0, 1, 2]).unwrap();
        let after = scanned(&octets);
        assert_eq!(after.trace.len(), scan.trace.len() + 1);
        assert_eq!(after.recipients.len(), scan.recipients.len());
        if let (Some(before), Some(content)) = (scan.content, after.content) {
            assert_eq!(before.octets(&apdu), content.octets(&octets));
        }
    }
}

#[test]
fn a_report_is_downgraded_whole() {
    let (mut name, mut subject) = (Vec::new(), Vec::new());
    "C=DE;A=DBP;CN=N".parse::<OrAddress>().unwrap().encode(&mut name);
    encode_mts_identifier(&domain("C=DE;A=DBP"), "subject", &mut subject);
    let apdu = ReportBuilder {
        domain: domain("C=GB;A=CARRIER"),
        local_identifier: "1",
        report_destination_name: &name,
        trace: &trace(),
        extensions: &[],
        subject_identifier: &subject,
        subject_intermediate_trace: None,
        content_type: Some(22),
        content_identifier: None,
        subject_fields: &[],
        returned_content: Some(&[7; 3000]),
        content_extensions: &[],
        recipients: vec![ReportedRecipient {
            actual_recipient_name: &name,
            originally_specified_number: 1,
            indicators: 0x88,
            arrival_time: ARRIVAL,
            report_type: ReportType::NonDelivery { reason: 1, diagnostic: Some(47) },
            originally_intended_recipient_name: None,
            supplementary_information: None,
            extensions: &[],
        }],
    }
    .build();
    let scan = scanned(&apdu);
    let (octets, _) = sent(&apdu, &apdu, &scan, &[]).unwrap();
    assert_eq!(scanned(&octets).trace.len(), 2);
    assert_eq!(
        preview(&apdu, &Options::default()).unwrap(),
        [
            "report destination: common name goes to domain-defined attribute Common",
            "report content: content type is taken off",
            "reported recipient 1: common name goes to domain-defined attribute Common",
            "reported recipient 1: non-delivery diagnostic 47 becomes 11",
            "transferred with these changes",
        ]
    );
}

/// What PP sends in 1988 mode is what PP sends in 1984 mode, but for what the preview names.
#[test]
fn a_foreign_message_of_1988_is_downgraded() {
    let apdus = foreign_apdus("foreign-transfer-1988.pcap");
    let [apdu] = &apdus[..] else { panic!("one message") };
    let scan = scanned(apdu);
    let (octets, refused) = sent(apdu, apdu, &scan, &[0]).unwrap();
    assert!(refused.is_empty());
    assert_eq!(scanned(&octets).trace.len(), scan.trace.len() + 1);
    assert_eq!(
        preview(apdu, &Options::default()).unwrap(),
        [
            "envelope: content type P22 becomes P2, the content stays",
            "envelope: extension content-correlator (23) is taken off",
            "envelope: internal trace is taken off",
            "transferred with these changes",
        ]
    );
}

#[test]
fn a_preview_says_what_is_lost() {
    let options = Options::default();
    let apdu =
        message(&["C=DE;A=DBP;CN=ONE", "C=DE;A=DBP;DDA:A=1;DDA:B=2;DDA:C=3;DDA:D=4;CN=TWO"], 10);
    assert_eq!(
        preview(&apdu, &options).unwrap(),
        [
            "envelope: content type P22 becomes P2, the content stays",
            "envelope: internal trace is taken off",
            "envelope: extension content-correlator (23) is taken off",
            "recipient 1: common name goes to domain-defined attribute Common",
            "recipient 2: common name has no counterpart; the recipient is reported",
            "recipient 2: the recipient is not named to the others",
            "transferred for 1 of 2 recipients; for the others non-delivery reason 1, diagnostic 47",
        ]
    );
    assert_eq!(preview(&vectors::user_mpdu(), &options).unwrap(), ["nothing is lost"]);
    assert!(preview(b"\xa0\x00", &options).is_err());
}
