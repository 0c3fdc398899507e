//! Contents from nothing to 16 MiB, and 512 recipients, through the relay on each engine.
//!
//! Input and output are compared directly: they differ by one trace element, responsibility bits and
//! lengths, so the contents are identical.

use std::net::SocketAddr;

use p1relay::p1::schema::MtsApdu;

use support::apdu::{self, ORIGIN};
use support::differ::{Change, differences};
use support::mta::Mta;
use support::partner::send;
use support::relay::{Partner, Relay, SMALL_STORE, configuration};
use support::{on_each_engine, wait_until};

/// A relay with one caller and called MTAs, one for each address space.
fn start(engine: &str, called: &[Mta], address_spaces: &[&str]) -> Relay {
    let names = ["CALLED-1", "CALLED-2"];
    let mut partners = vec![Partner {
        name: "SENDER",
        password: "sender password",
        domain: Some(ORIGIN),
        ..Partner::default()
    }];
    for ((name, mta), space) in names.iter().zip(called).zip(address_spaces) {
        partners.push(Partner {
            name,
            password: "called password",
            domain: Some("C=FR;A=OTHER"),
            address: Some(mta.address),
            address_spaces: std::slice::from_ref(space),
            ..Partner::default()
        });
    }
    Relay::start(&configuration("C=FR;A=RELAY", SMALL_STORE, &partners), engine)
}

/// The changes beside lengths.
fn changes(input: &[u8], output: &[u8]) -> Vec<(Change, String)> {
    differences(input, output)
        .into_iter()
        .filter(|it| it.change != Change::Length)
        .map(|it| (it.change, it.path))
        .collect()
}

fn added_trace() -> (Change, String) {
    (Change::Added, "/a0/31/69/30".to_owned())
}

/// Octets that differ from their neighbours.
fn content(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index * 7 + index / 251) as u8).collect()
}

fn contents_pass(engine: &str) {
    let called = [Mta::called("CALLED-1", "called password")];
    let relay = start(engine, &called, &["C=FR"]);
    let sizes = [0, 1, (64 << 10) - 1, 64 << 10, 16 << 20];
    let inputs: Vec<Vec<u8>> = sizes
        .iter()
        .map(|size| apdu::message(&size.to_string(), &["C=FR;A=OTHER;S=DURAND"], &content(*size)))
        .collect();
    for (count, input) in (1..).zip(&inputs) {
        send(relay.address, "SENDER", "sender password", &[input]);
        let output = called[0].wait_for(count).pop().unwrap();
        assert_eq!(changes(input, &output), [added_trace()], "{}", sizes[count - 1]);
    }
}

/// 512 recipients, of the two address spaces in turn.
fn recipients() -> Vec<String> {
    (0..512).map(|index| format!("C=FR;A=OTHER;P=P{};S=R{index}", index % 2)).collect()
}

fn recipients_pass(engine: &str) {
    let called = [Mta::called("CALLED-1", "called password")];
    let relay = start(engine, &called, &["C=FR"]);
    let recipients = recipients();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let input = apdu::message("many", &recipients, b"to all of you");
    send(relay.address, "SENDER", "sender password", &[&input]);
    let output = called[0].wait_for(1).pop().unwrap();
    assert_eq!(changes(&input, &output), [added_trace()]);
}

/// Who is responsible, recipient for recipient, as rasn reads it.
fn responsibilities(apdu: &[u8]) -> Vec<bool> {
    let MtsApdu::Message(message) = rasn::ber::decode(apdu).unwrap() else { panic!("no message") };
    let fields = &message.envelope.per_recipient_fields;
    fields.iter().map(|recipient| recipient.per_recipient_indicators[0]).collect()
}

fn a_split_makes_each_recipient_somebodys(engine: &str) {
    let called = ["CALLED-1", "CALLED-2"].map(|name| Mta::called(name, "called password"));
    let relay = start(engine, &called, &["C=FR;A=OTHER;P=P0", "C=FR;A=OTHER;P=P1"]);
    let recipients = recipients();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let input = apdu::message("split", &recipients, b"to all of you");
    assert_eq!(responsibilities(&input), [true; 512]);
    send(relay.address, "SENDER", "sender password", &[&input]);
    for (remainder, called) in called.iter().enumerate() {
        let output = called.wait_for(1).pop().unwrap();
        // Even indices go to the first, odd ones to the second: each is someone's exactly once.
        let expected: Vec<bool> = (0..512).map(|index| index % 2 == remainder).collect();
        assert_eq!(responsibilities(&output), expected);
        let (bits, others): (Vec<_>, Vec<_>) = changes(&input, &output)
            .into_iter()
            .partition(|change| *change == (Change::Content, "/a0/31/a2/31/81".to_owned()));
        assert_eq!((bits.len(), others), (256, vec![added_trace()]));
    }
}

/// While the partner is away, messages wait with the buffers that they were committed from; a large one
/// is taken nevertheless, and faster than segments are made.
fn a_large_message_is_taken_while_many_wait(engine: &str) {
    let partners = [
        Partner { name: "SENDER", password: "sender password", ..Partner::default() },
        Partner {
            name: "AWAY",
            password: "away password",
            address: Some(SocketAddr::from(([127, 0, 0, 1], 1))),
            address_spaces: &["C=FR"],
            lines: "association_count_max = 1",
            ..Partner::default()
        },
    ];
    let relay =
        Relay::start(&configuration("C=FR;A=RELAY", "segment_size_mib = 2", &partners), engine);
    let small = apdu::message("small", &["C=FR;A=OTHER;S=DURAND"], &content(2048));
    let large = apdu::message("large", &["C=FR;A=OTHER;S=DURAND"], &content(8 << 20));
    let mut all = vec![&small[..]; 200];
    all.push(&large);
    send(relay.address, "SENDER", "sender password", &all);
    wait_until("all wait", || relay.counters().queued == 201);
}

on_each_engine!(
    contents_pass,
    recipients_pass,
    a_split_makes_each_recipient_somebodys,
    a_large_message_is_taken_while_many_wait,
);
