//! The scanner and the patcher of P1, over random APDUs in random encodings and over a foreign MTA's
//! message; the schema (rasn) and a BER tree of the tests' own are the judges.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers included")]

mod build;
mod hostile;
mod patch;
mod scan;

use p1relay::p1::scan::Scan;
use support::apdu::{foreign_message, foreign_message_1984};
use support::random::Random;
use support::tree::Node;

fn scanned(apdu: &[u8]) -> Scan {
    let mut result = Scan::new();
    p1relay::p1::scan::scan(apdu, &mut result).expect("a valid APDU");
    result
}
