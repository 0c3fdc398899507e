//! A foreign MTA's octets through the relay: input and output are compared directly.
//!
//! They may differ only by what a relay owns: a trace element added where the message enters its domain;
//! internal trace taken off where it leaves the domain, and an element added where it stays;
//! responsibility bits; and the lengths of definite-length elements around these. Each difference is
//! printed with its offsets. rasn reads both sides.

use std::io::{Read, Write};
use std::net::TcpStream;

use p1relay::p1::build::{self, MessageBuilder};
use p1relay::p1::schema::MtsApdu;

use support::PATIENCE;
use support::apdu::{self, ORIGINATOR};
use support::capture::{foreign_apdus, payloads_to_server};
use support::differ::{Change, Difference, differences};
use support::mta::Mta;
use support::partner::send;
use support::relay::{Partner, Relay, SMALL_STORE, configuration};
use support::wait_until;

/// The foreign MTA's domain.
const FOREIGN: &str = "C=XX;A=TEST;P=PPTEST";
const RELAY_DOMAIN: &str = "C=FR;A=RELAY";

/// A relay between the foreign caller PP1 and called MTAs, one for each address space.
struct Between {
    relay: Relay,
    called: Vec<Mta>,
}

impl Between {
    /// `partner_domain` is the called MTAs' own.
    fn start(domain: &str, partner_domain: &str, address_spaces: &[&str]) -> Between {
        let names: Vec<String> =
            (1..).take(address_spaces.len()).map(|number| format!("CALLED-{number}")).collect();
        let called: Vec<Mta> =
            names.iter().map(|name| Mta::called(name, "called password")).collect();
        let mut partners = vec![Partner {
            name: "PP1",
            password: "pp1pass",
            domain: Some(FOREIGN),
            ..Partner::default()
        }];
        for ((name, mta), space) in names.iter().zip(&called).zip(address_spaces) {
            partners.push(Partner {
                name,
                password: "called password",
                domain: Some(partner_domain),
                address: Some(mta.address),
                address_spaces: std::slice::from_ref(space),
                ..Partner::default()
            });
        }
        Between {
            relay: Relay::start(&configuration(domain, SMALL_STORE, &partners), "epoll"),
            called,
        }
    }

    /// Sends an APDU and gives what the first called MTA received.
    fn carry(&self, apdu: &[u8]) -> Vec<u8> {
        let count = self.called[0].count();
        send(self.relay.address, "PP1", "pp1pass", &[apdu]);
        self.called[0].wait_for(count + 1).pop().unwrap()
    }
}

/// Compares, prints and gives the differences.
#[track_caller]
fn listed(what: &str, input: &[u8], output: &[u8]) -> Vec<Difference> {
    let found = differences(input, output);
    println!("{what}:");
    found.iter().for_each(|difference| println!("  {difference}"));
    found
}

/// As [`listed`]; also holds that rasn reads both sides.
#[track_caller]
fn compared(what: &str, input: &[u8], output: &[u8]) -> Vec<Difference> {
    let found = listed(what, input, output);
    for octets in [input, output] {
        rasn::ber::decode::<MtsApdu>(octets).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    found
}

/// Changes with their paths; lengths only where an addition or removal stands within.
#[track_caller]
fn changes(found: &[Difference]) -> Vec<(Change, &str)> {
    let (lengths, others): (Vec<_>, Vec<_>) =
        found.iter().partition(|difference| difference.change == Change::Length);
    for length in lengths {
        let enclosed = format!("{}/", length.path);
        assert!(
            others.iter().any(|it| it.path.starts_with(&enclosed) && it.change != Change::Content),
            "{length} encloses no addition or removal"
        );
    }
    others.iter().map(|difference| (difference.change, &difference.path[..])).collect()
}

/// A trace element of the relay's domain, whatever its time.
#[track_caller]
fn assert_trace_element(octets: &[u8]) {
    let (time, rest) = (&octets[octets.len() - 16..octets.len() - 3], &octets[octets.len() - 3..]);
    assert_eq!(
        octets[..octets.len() - 16],
        *b"\x30\x25\x63\x0f\x61\x04\x13\x02FR\x62\x07\x13\x05RELAY\x31\x12\x80\x0d"
    );
    assert!(time[..12].iter().all(u8::is_ascii_digit) && time[12] == b'Z', "{time:?}");
    assert_eq!(rest, [0x82, 1, 0]);
}

const TRACE_ELEMENT: &str = "/a0/31/69/30";
const INTERNAL_TRACE: &str = "/a0/31/a3/30";

#[test]
fn towards_another_domain_trace_is_added_and_internal_trace_taken_off() {
    let between = Between::start(RELAY_DOMAIN, "C=FR;A=OTHER", &[FOREIGN]);
    let mut count = 0;
    for capture in ["foreign-bind-1988.pcap", "foreign-transfer-1988.pcap"] {
        for input in foreign_apdus(capture) {
            let output = between.carry(&input);
            let found = compared(capture, &input, &output);
            assert_eq!(
                changes(&found),
                [(Change::Added, TRACE_ELEMENT), (Change::Removed, INTERNAL_TRACE)]
            );
            let lines: Vec<String> = found.iter().map(Difference::to_string).collect();
            assert_eq!(
                lines,
                [
                    "Length /a0/31/69: in 0087..0088, out 0087..0089",
                    "Added /a0/31/69/30: in 00e4..00e4, out 00e5..010c",
                    "Removed /a0/31/a3/30: in 0125..01a0, out 014d..014d",
                ]
            );
            let added = found.iter().find(|it| it.change == Change::Added).unwrap();
            assert_trace_element(&output[added.output.clone()]);
            let removed = found.iter().find(|it| it.change == Change::Removed).unwrap();
            // ExtensionField 38 in the encoding of 1988.
            assert_eq!(input[removed.input.clone()][..7], [0x30, 0x79, 0xa0, 3, 2, 1, 38]);
            assert!(!output.windows(8).any(|octets| octets == b"pp1.test\x31"));
            count += 1;
        }
    }
    assert_eq!(count, 1, "the captures of 1988 hold one message");
}

#[test]
fn within_the_domain_internal_trace_stays_and_grows() {
    let between = Between::start(FOREIGN, FOREIGN, &[FOREIGN]);
    let input = foreign_apdus("foreign-transfer-1988.pcap").pop().unwrap();
    let output = between.carry(&input);
    let found = compared("within the domain", &input, &output);
    // The message does not enter the domain here: no trace element.
    let path = "/a0/31/a3/30/a2/30/30";
    assert_eq!(changes(&found), [(Change::Added, path)]);
    let added = found.iter().find(|it| it.change == Change::Added).unwrap();
    let element = &output[added.output.clone()];
    assert!(element.windows(7).any(|octets| octets == b"\x16\x05RELAY"), "our MTA name");
    assert_eq!(element[2..26], *b"\x63\x16\x61\x04\x13\x02XX\x62\x06\x13\x04TEST\x13\x06PPTEST");
}

#[test]
fn the_foreign_caller_itself_is_served() {
    let between = Between::start(RELAY_DOMAIN, "C=FR;A=OTHER", &[FOREIGN]);
    let mut stream = TcpStream::connect(between.relay.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = Vec::new();
    // Each payload of the capture but the third, which only gives the tokens, and the last, DR, is
    // answered by one TPKT.
    for (index, payload) in payloads_to_server("foreign-transfer-1988.pcap").iter().enumerate() {
        stream.write_all(payload).unwrap();
        if ![2, 5].contains(&index) {
            answers.push(read_tpkt(&mut stream));
        }
    }
    let [confirm, accept, end, release] = &answers[..] else { panic!("{answers:02x?}") };
    assert_eq!(confirm[5], 0xd0, "CC TPDU");
    assert_eq!(accept[7], 14, "ACCEPT SPDU");
    let result = b"\xb1\x1b\xa1\x19\x80\x05RELAY\xa1\x10\x04\x0eRELAY password";
    assert!(accept.windows(result.len()).any(|octets| octets == result), "{accept:02x?}");
    // Behind PLEASE TOKENS, ACTIVITY END ACK with the capture's serial number.
    assert_eq!(end[7..], [2, 0, 42, 3, 0x2a, 1, b'1'], "{end:02x?}");
    assert_eq!(release[7], 10, "DISCONNECT SPDU");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the relay closes");

    wait_until("the message is counted", || between.relay.counters().transfers_in == 1);
    let output = between.called[0].wait_for(1).pop().unwrap();
    let input = foreign_apdus("foreign-transfer-1988.pcap").pop().unwrap();
    assert_eq!(
        changes(&compared("from the foreign caller's own octets", &input, &output)),
        [(Change::Added, TRACE_ELEMENT), (Change::Removed, INTERNAL_TRACE)]
    );
    assert_eq!(between.relay.counters().connections_failed, 0);
}

fn read_tpkt(stream: &mut TcpStream) -> Vec<u8> {
    let mut tpkt = vec![0; 4];
    stream.read_exact(&mut tpkt).unwrap();
    tpkt.resize(usize::from(u16::from_be_bytes([tpkt[2], tpkt[3]])), 0);
    stream.read_exact(&mut tpkt[4..]).unwrap();
    tpkt
}

#[test]
fn a_split_changes_responsibility_bits_alone() {
    let between =
        Between::start(RELAY_DOMAIN, "C=FR;A=OTHER", &["C=FR;A=OTHER;P=ONE", "C=FR;A=OTHER;P=TWO"]);
    let recipients = ["C=FR;A=OTHER;P=ONE;S=A", "C=FR;A=OTHER;P=TWO;S=B", "C=FR;A=OTHER;P=ONE;S=C"];
    let input = apdu::message("split", &recipients, b"content");
    send(between.relay.address, "PP1", "pp1pass", &[&input]);
    for (called, cleared) in between.called.iter().zip([&[1][..], &[0, 2]]) {
        let output = called.wait_for(1).pop().unwrap();
        let found = compared("split", &input, &output);
        let contents: Vec<_> = found.iter().filter(|it| it.change == Change::Content).collect();
        assert_eq!(contents.len(), cleared.len());
        for it in contents {
            assert_eq!(it.path, "/a0/31/a2/31/81");
            // Unused bits, then the indicators, of which the first is responsibility.
            assert_eq!(
                (&input[it.input.clone()], &output[it.output.clone()]),
                (&[0, 0xa8][..], &[0, 0x28][..])
            );
        }
        let others: Vec<_> =
            changes(&found).into_iter().filter(|(change, _)| *change != Change::Content).collect();
        assert_eq!(others, [(Change::Added, TRACE_ELEMENT)]);
    }
}

/// An element around `content`, of indefinite length.
fn indefinite(identifier: u8, content: &[u8]) -> Vec<u8> {
    [&[identifier, 0x80], content, &[0, 0]].concat()
}

/// An element with a length of two octets more than it needs.
fn long(identifier: u8, content: &[u8]) -> Vec<u8> {
    [&[identifier, 0x83, 0, (content.len() >> 8) as u8, content.len() as u8], content].concat()
}

/// The content of an element of definite length, at most 65,535 octets.
fn content(octets: &[u8]) -> &[u8] {
    &octets[header_size(octets)..]
}

fn header_size(octets: &[u8]) -> usize {
    2 + usize::from(octets[1].saturating_sub(0x80))
}

/// The elements within an element; all have definite lengths.
fn elements(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = content(octets);
    let mut found = Vec::new();
    while !rest.is_empty() {
        let size = match rest[1] {
            0x81 => usize::from(rest[2]),
            0x82 => usize::from(u16::from_be_bytes([rest[2], rest[3]])),
            size => usize::from(size),
        };
        let (element, after) = rest.split_at(header_size(rest) + size);
        found.push(element.to_vec());
        rest = after;
    }
    found
}

/// A message whose envelope has every kind of extension, with the elements in the SET in disorder.
fn odd_message(
    encode: impl Fn(u8, &[u8]) -> Vec<u8>,
    order: impl Fn(&mut Vec<Vec<u8>>),
    more: &[&[u8]],
) -> Vec<u8> {
    let mut extensions = Vec::new();
    build::encode_standard_extension(23, 0, b"\x04\x03abc", &mut extensions);
    build::encode_standard_extension(4711, 0, b"\x30\x80\x05\x00\x00\x00", &mut extensions);
    build::encode_private_extension(&[0x2a, 3, 4], 0, b"\x0c\x02hi", &mut extensions);
    // The type as later editions encode it, and a value of indefinite length.
    extensions.extend_from_slice(
        b"\x30\x80\x80\x02\x12\x67\xa2\x80\x24\x80\x04\x01x\x00\x00\x00\x00\x00\x00",
    );
    let trace = apdu::first_trace();
    let mut builder = MessageBuilder::new(apdu::domain(), "odd", apdu::address(ORIGINATOR), &trace);
    builder.content_identifier = Some("odd");
    builder.extensions = &extensions;
    builder.recipients = vec![apdu::address("C=FR;A=OTHER;S=DURAND").into()];
    builder.content = b"odd content";
    let plain = builder.build();
    let [envelope, body] = &elements(&plain)[..] else { panic!("{plain:02x?}") };
    let mut fields = elements(envelope);
    fields.extend(more.iter().map(|element| element.to_vec()));
    order(&mut fields);
    let fields: Vec<u8> = fields
        .iter()
        .flat_map(|field| match field[0] & 0x20 {
            0 => field.clone(),
            _ => encode(field[0], content(field)),
        })
        .collect();
    encode(0xa0, &[&encode(0x31, &fields)[..], body].concat())
}

#[test]
fn odd_encodings_pass_unaltered() {
    let between = Between::start(RELAY_DOMAIN, "C=FR;A=OTHER", &["C=FR"]);
    let definite = |identifier: u8, content: &[u8]| match content.len() {
        0..0x80 => [&[identifier, content.len() as u8], content].concat(),
        _ => long(identifier, content),
    };
    let as_is = |_: &mut Vec<Vec<u8>>| {};
    let reversed = |fields: &mut Vec<Vec<u8>>| fields.reverse();
    let rotated = |fields: &mut Vec<Vec<u8>>| fields.rotate_left(3);
    let inputs = [
        ("indefinite lengths", odd_message(indefinite, as_is, &[])),
        ("indefinite lengths, reversed SET", odd_message(indefinite, reversed, &[])),
        ("long lengths, reversed SET", odd_message(long, reversed, &[])),
        ("definite lengths, rotated SET", odd_message(definite, rotated, &[])),
    ];
    for (what, input) in &inputs {
        let output = between.carry(input);
        let found = compared(what, input, &output);
        assert_eq!(changes(&found), [(Change::Added, TRACE_ELEMENT)], "{what}");
        let added = found.iter().find(|it| it.change == Change::Added).unwrap();
        assert_trace_element(&output[added.output.clone()]);
    }
}

/// Elements that no edition knows: a later one may. The schema that rasn decodes by has no place for them.
#[test]
fn unknown_elements_pass_unaltered() {
    let between = Between::start(RELAY_DOMAIN, "C=FR;A=OTHER", &["C=FR"]);
    let unknown: [&[u8]; 2] = [b"\x9e\x03new", b"\xbd\x05\x30\x03\x02\x01\x07"];
    for (what, encode) in [("long", long as fn(u8, &[u8]) -> Vec<u8>), ("indefinite", indefinite)] {
        let input = odd_message(encode, |fields| fields.rotate_right(1), &unknown);
        let output = between.carry(&input);
        let found = listed(what, &input, &output);
        assert_eq!(changes(&found), [(Change::Added, TRACE_ELEMENT)], "{what}");
    }
}
