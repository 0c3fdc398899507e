//! Interworking with systems of 1984: what they send is read, what 1988 adds is downgraded (X.419 Annex B).
//!
//! Judges that share no code with the relay: a grammar of the P1 module of 1984 over the tests' own BER
//! tree, the schema (rasn), and tshark.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers included")]

mod grammar;
mod judge;
mod outgoing;
mod property;
mod table;
mod vectors;

use p1relay::p1::Error;
use p1relay::p1::downgrade::{Downgrade, Options, Outcome, downgrade};
use p1relay::p1::scan::Scan;
use support::random::Random;
use support::tree::{self, Node};

fn scanned(apdu: &[u8]) -> Scan {
    let mut result = Scan::new();
    p1relay::p1::scan::scan(apdu, &mut result).expect("a valid APDU");
    result
}

/// The outcome, the particulars, and the octets that would go out.
fn downgraded(apdu: &[u8], options: &Options) -> Result<(Outcome, Downgrade, Vec<u8>), Error> {
    let mut result = Downgrade::new();
    let outcome = downgrade(apdu, &scanned(apdu), options, &mut result)?;
    let mut octets = Vec::new();
    result.write_to(apdu, &mut octets);
    Ok((outcome, result, octets))
}

/// A primitive element, by hand.
fn primitive(identifier: u8, octets: &[u8]) -> Node {
    Node {
        identifier: vec![identifier],
        form: tree::Form::Definite(1),
        content: tree::Content::Primitive(octets.to_vec()),
    }
}

/// A constructed element, by hand.
fn constructed(identifier: u8, children: &[Node]) -> Node {
    Node {
        identifier: vec![identifier],
        form: tree::Form::Definite(1),
        content: tree::Content::Constructed(children.to_vec()),
    }
}
