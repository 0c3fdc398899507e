//! The scanner and the patcher of P1, over random APDUs in random encodings and over a foreign MTA's
//! message; the schema (rasn) and a BER tree of the tests' own are the judges.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers included")]

mod build;
mod derive;
mod hostile;
mod patch;
mod scan;

use p1relay::p1::scan::Scan;
use support::random::Random;
use support::tree::Node;

/// The MTS-APDU of the foreign capture in 1988 mode: what stands in the EXTERNAL behind its
/// indirect-reference 5 and the tag of single-ASN1-type. It lies in one TCP segment.
fn foreign_message() -> Vec<u8> {
    let capture = include_bytes!("../vectors/foreign-transfer-1988.pcap");
    element_behind(capture, &[0x28, 0x80, 0x02, 0x01, 0x05, 0xa0, 0x80])
}

/// The MTS-APDU of the foreign capture in 1984 mode: it follows GIVE TOKENS and DATA TRANSFER bare, and
/// lies in one TCP segment too.
fn foreign_message_1984() -> Vec<u8> {
    let capture = include_bytes!("../vectors/foreign-transfer-1984.pcap");
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

fn scanned(apdu: &[u8]) -> Scan {
    let mut result = Scan::new();
    p1relay::p1::scan::scan(apdu, &mut result).expect("a valid APDU");
    result
}
