//! A foreign MTA of 1984 calls the relay with its own octets, and its message goes on to a partner of 1988, and
//! from there, over another relay, to one of 1984. And a message of 1988 with what 1984 does not know, to 1984.

use std::io::{Read, Write};
use std::net::TcpStream;

use p1relay::osi::stack::ApplicationContext;
use p1relay::p1::build::{MessageBuilder, encode_standard_extension};
use p1relay::p1::scan::{ContentType, Scan, scan};

use crate::apdus::{self, Edition};
use support::capture::payloads_to_server;
use support::differ::{Change, differences};
use support::mta::{Mta, MtaConfig};
use support::relay::{Partner, Relay, SMALL_STORE, configuration};
use support::{PATIENCE, apdu, wait_until};

const CAPTURE: &str = "foreign-transfer-1984.pcap";
/// The foreign MTA's domain, and its recipients'.
const FOREIGN: &str = "C=XX;A=TEST;P=PPTEST";

const CONTEXT_LINE: &str = "application_context = \"mts-transfer-protocol-1984\"";

fn called(context: ApplicationContext) -> Mta {
    Mta::start(MtaConfig {
        name: "CALLED",
        password: "called password",
        context,
        ..MtaConfig::default()
    })
}

/// A relay in a domain, which takes from one partner what it sends to the other.
fn relay(domain: &str, caller: [&str; 2], called: &Mta, lines: &str) -> Relay {
    let partners = [
        Partner { name: caller[0], password: caller[1], ..Partner::default() },
        Partner {
            name: "CALLED",
            password: "called password",
            address: Some(called.address),
            address_spaces: &[FOREIGN],
            lines,
            ..Partner::default()
        },
    ];
    Relay::start(&configuration(domain, SMALL_STORE, &partners), "epoll")
}

fn read_tpkt(stream: &mut TcpStream) -> Vec<u8> {
    let mut tpkt = vec![0; 4];
    stream.read_exact(&mut tpkt).unwrap();
    tpkt.resize(usize::from(u16::from_be_bytes([tpkt[2], tpkt[3]])), 0);
    stream.read_exact(&mut tpkt[4..]).unwrap();
    tpkt
}

fn changes(from: &[u8], to: &[u8]) -> Vec<(Change, String)> {
    let found = differences(from, to).into_iter().filter(|it| it.change != Change::Length);
    found.map(|it| (it.change, it.path)).collect()
}

/// The MTS-APDU in the DATA TRANSFER of the capture's caller.
fn foreign_apdu() -> Vec<u8> {
    let payloads = payloads_to_server(CAPTURE).concat();
    // message [0], its envelope a SET, its identifier [APPLICATION 4]
    let is_message = |at: &usize| {
        payloads[*at] == 0xa0
            && payloads[at + 1] == 0x80
            && payloads[at + 2..at + 4] == [0x31, 0x80]
            || payloads[*at] == 0xa0 && payloads[at + 1] == 0x82 && payloads[at + 4] == 0x31
    };
    let start = (0..payloads.len() - 8).find(is_message).expect("a message");
    let mut found = Scan::default();
    // What follows it is another SPDU.
    let end =
        (start + 8..=payloads.len()).find(|end| scan(&payloads[start..*end], &mut found).is_ok());
    payloads[start..end.unwrap()].to_vec()
}

#[test]
fn a_foreign_message_of_1984_goes_to_1988_and_back() {
    let of_1988 = called(ApplicationContext::MtsTransfer);
    let first = relay("C=FR;A=RELAY", ["PP1", "pp1pass"], &of_1988, "");
    let mut stream = TcpStream::connect(first.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = Vec::new();
    // Each payload is answered by one TPKT, but the third, which only gives the tokens, and the last, DR.
    for (index, payload) in payloads_to_server(CAPTURE).iter().enumerate() {
        stream.write_all(payload).unwrap();
        if ![2, 5].contains(&index) {
            answers.push(read_tpkt(&mut stream));
        }
    }
    let [confirm, accept, end, release] = &answers[..] else { panic!("{answers:02x?}") };
    assert_eq!((confirm[5], accept[7], release[7]), (0xd0, 14, 10), "CC, ACCEPT, DISCONNECT");
    // The bind result without a wrapper, its password an IA5String.
    let result = b"\xa1\x19\x80\x05RELAY\xa1\x10\x16\x0eRELAY password";
    assert!(accept.windows(result.len()).any(|octets| octets == result), "{accept:02x?}");
    assert_eq!(end[7..11], [2, 0, 42, 3], "PLEASE TOKENS, ACTIVITY END ACK");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the relay closes");

    let sent = foreign_apdu();
    let arrived = of_1988.wait_for(1).pop().unwrap();
    assert_eq!(changes(&sent, &arrived), [(Change::Added, "/a0/31/69/30".to_owned())]);
    assert_eq!(first.counters().connections_failed, 0);

    let of_1984 = called(ApplicationContext::MtsTransferProtocol1984);
    let second = relay("C=GB;A=SECOND", ["BACK", "back password"], &of_1984, CONTEXT_LINE);
    let _back = Mta::start(MtaConfig {
        name: "BACK",
        password: "back password",
        call: Some(second.address),
        apdus: vec![arrived.clone()],
        ..MtaConfig::default()
    });
    let returned = of_1984.wait_for(1).pop().unwrap();
    assert_eq!(changes(&arrived, &returned), [(Change::Added, "/a0/31/69/30".to_owned())]);
    assert_eq!(of_1984.notes(), [""; 0]);
}

/// Each field of 1988 that 1984 has no place for: content type P22, extensions that are not critical, a
/// recipient's extensions, a common name.
#[test]
fn what_1984_does_not_know_is_taken_off_moved_or_mapped() {
    let of_1984 = called(ApplicationContext::MtsTransferProtocol1984);
    let relay = relay("C=FR;A=RELAY", ["BACK", "back password"], &of_1984, CONTEXT_LINE);
    let plain = apdus::all(Edition::Of1988, FOREIGN).swap_remove(0);
    let mut found = Scan::default();
    scan(&plain, &mut found).unwrap();
    let content = plain[found.content_header.unwrap().content_start as usize..].to_vec();
    let mut extensions = Vec::new();
    // content-correlator, which is not critical
    encode_standard_extension(23, 0, b"\x16\x03abc", &mut extensions);
    let trace = apdu::first_trace();
    let mut builder =
        MessageBuilder::new(apdu::domain(), "rich", apdu::address(apdu::ORIGINATOR), &trace);
    builder.extensions = &extensions;
    let named = apdu::address(&format!("{FOREIGN};O=ACME;CN=Help Desk"));
    builder.recipients = vec![named.into(), apdu::address(&format!("{FOREIGN};S=DURAND")).into()];
    builder.content = &content;
    let sent = builder.build();
    let _back = Mta::start(MtaConfig {
        name: "BACK",
        password: "back password",
        call: Some(relay.address),
        apdus: vec![sent.clone()],
        ..MtaConfig::default()
    });
    let arrived = of_1984.wait_for(1).pop().unwrap();
    wait_until("the outcome", || relay.counters().queued == 0);
    let (mut before, mut after) = (Scan::default(), Scan::default());
    scan(&sent, &mut before).unwrap();
    scan(&arrived, &mut after).unwrap();
    assert_eq!(before.content_type, Some(ContentType::BuiltIn(22)));
    assert_eq!(after.content_type, Some(ContentType::BuiltIn(2)));
    assert_eq!((before.extensions.len(), after.extensions.len()), (1, 0));
    assert!(after.extensions_element.is_none() && after.internal_trace.is_none());
    assert_eq!((before.trace.len(), after.trace.len()), (1, 2));
    assert_eq!(after.recipients.len(), 2);
    let holds = |octets: &[u8], text: &[u8]| octets.windows(text.len()).any(|it| it == text);
    // The domain-defined attribute of RFC 1328.
    assert!(holds(&arrived, b"\x13\x06Common\x13\x09Help Desk"), "{arrived:02x?}");
    let element = |found: &Scan, apdu: &[u8]| found.content.unwrap().octets(apdu).to_vec();
    assert!(element(&before, &sent) == element(&after, &arrived));
}
