//! tshark reads APDUs of 1984 in captures of normal mode, where it has no fault of its own.

use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use p1relay::base::buffer::Lease;
use p1relay::base::clock::WallTime;
use p1relay::base::transmit::Transmit;
use p1relay::osi::stack::{Indication, Stack, StackConfig};
use p1relay::p1::body_part::BodyPart;
use p1relay::p1::build::MessageBuilder;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::downgrade::{Options, Outcome};
use p1relay::p1::ipm::Ipm;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::trace::{Supplied, encode_trace_element};

use crate::{downgraded, grammar, table, vectors};
use support::capture::{self, foreign_apdus};
use support::proxy::{Direction, Recording};

const PORT: u16 = 102;

/// What crosses an association that transfers these APDUs.
fn recording(apdus: &[Vec<u8>]) -> Recording {
    let config = Arc::new(StackConfig::default());
    let argument = b"\xb0\x12\xa1\x10\x80\x03PP1\xa1\x09\x04\x07pp1pass";
    let mut initiator = Stack::initiator(Arc::clone(&config), argument);
    let mut responder = Stack::responder(config);
    let mut recording = Recording::new();
    let mut waiting = apdus.iter();
    loop {
        if initiator.is_idle()
            && let Some(apdu) = waiting.next()
        {
            let mut transfer = initiator.negotiated().wrap_header(apdu.len()).to_vec();
            transfer.extend_from_slice(apdu);
            assert!(initiator.transfer_request(transfer.len()));
            initiator.transfer_data(Lease::copied(&transfer));
        }
        let there = carry(&mut initiator, &mut responder);
        let back = carry(&mut responder, &mut initiator);
        if there.is_empty() && back.is_empty() {
            return recording;
        }
        for (direction, octets) in [(Direction::ToServer, there), (Direction::ToClient, back)] {
            if !octets.is_empty() {
                recording.push((direction, octets));
            }
        }
    }
}

fn carry(from: &mut Stack, to: &mut Stack) -> Vec<u8> {
    let mut transmit = Transmit::new();
    while from.poll_transmit(&mut transmit) {}
    let wire = transmit.to_vec();
    let mut input = &wire[..];
    while let Some(indication) = to.poll_indication(&mut input).unwrap() {
        match indication {
            Indication::Bind(_) => {
                assert!(to.bind_accept(b"\xb1\x12\xa1\x10\x80\x03PP2\xa1\x09\x04\x07pp2pass"));
            }
            Indication::TransferEnd => assert!(to.transfer_response()),
            _ => {}
        }
    }
    wire
}

/// Every value under `key`, wherever it stands.
fn values<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| values(item, key, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == key {
                    found.push(field);
                }
                values(field, key, found);
            }
        }
        _ => {}
    }
}

/// Dissects a capture of these APDUs: nothing is malformed, no expert item is an error.
fn dissected(apdus: &[Vec<u8>]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apdus.pcap");
    capture::write(&file, &recording(apdus), PORT);
    let output = Command::new("tshark")
        .args(["-n", "-T", "json", "--no-duplicate-keys", "-d"])
        .arg(format!("tcp.port=={PORT},tpkt"))
        .arg("-r")
        .arg(&file)
        .output()
        .expect("tshark is needed: tests/run installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dissection: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut faults = Vec::new();
    values(&dissection, "_ws.malformed", &mut faults);
    values(&dissection, "_ws.expert.severity", &mut faults);
    // PI_ERROR of Wireshark's expert items.
    faults.retain(|fault| fault.as_str().is_none_or(|severity| severity == "8388608"));
    assert!(faults.is_empty(), "{faults:?}");
    dissection
}

fn count(dissection: &Value, key: &str) -> usize {
    let mut found = Vec::new();
    values(dissection, key, &mut found);
    found.iter().map(|value| value.as_array().map_or(1, Vec::len)).sum()
}

#[test]
fn the_vectors_of_1984_are_clean() {
    let dissection = dissected(&vectors::all());
    assert_eq!(count(&dissection, "p1.message_identifier_element"), 2);
    assert_eq!(count(&dissection, "p1.probe_identifier_element"), 1);
    assert_eq!(count(&dissection, "p1.report_identifier_element"), 1);
    assert_eq!(count(&dissection, "p1.PerRecipientReportTransferFields_element"), 2);
}

#[test]
fn what_was_downgraded_is_clean_and_holds_no_extension() {
    let inputs: Vec<Vec<u8>> = foreign_apdus("foreign-transfer-1988.pcap")
        .into_iter()
        .chain(table::rows().into_iter().map(|row| row.apdu))
        .collect();
    let mut outputs = Vec::new();
    for input in &inputs {
        let (outcome, _, octets) = downgraded(input, &Options::default()).unwrap();
        if outcome == Outcome::Downgraded {
            grammar::check(&octets).unwrap();
            outputs.push(octets);
        }
    }
    println!("{} of {} were downgraded", outputs.len(), inputs.len());
    assert!(outputs.len() > 15);
    let dissection = dissected(&outputs);
    for key in ["p1.ExtensionField_element", "p1.ExtensionAttribute_element", "p1.other_actions"] {
        assert_eq!(count(&dissection, key), 0, "{key}");
    }
    let identifiers = ["message", "probe", "report"]
        .map(|kind| count(&dissection, &format!("p1.{kind}_identifier_element")));
    assert_eq!(identifiers.iter().sum::<usize>(), outputs.len(), "{identifiers:?}");
}

/// Body parts of every kind that a load generator sends.
#[test]
fn body_parts_are_clean() {
    let originator: OrAddress = "C=GB;A=X;P=Y;S=A".parse().unwrap();
    let domain: GlobalDomainIdentifier = "C=GB;A=X;P=Y".parse().unwrap();
    let content = Ipm {
        identifier: "1",
        originator: &originator,
        primary_recipients: std::slice::from_ref(&originator),
        subject: Some("parts"),
        body: &[
            BodyPart::Ia5Text(b"text"),
            BodyPart::Iso8859Text(b"Gr\xfc\xdfe"),
            BodyPart::File { name: b"name.bin", octets: &[0, 1, 2, 0xff] },
            BodyPart::File { name: b"", octets: b"nameless" },
        ],
    }
    .build();
    let mut trace = Vec::new();
    encode_trace_element(&domain, Supplied::relayed(WallTime(0)), &mut trace);
    let mut message = MessageBuilder::new(domain, "1", originator.clone(), &trace);
    message.recipients = vec![originator.into()];
    message.content = &content;
    let dissection = dissected(&[message.build()]);
    let texts = |key| {
        let mut found = Vec::new();
        values(&dissection, key, &mut found);
        found.iter().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts("p22.body"), ["4"]);
    assert_eq!(texts("p22.ia5text.data"), ["text"]);
    assert_eq!(count(&dissection, "p22.GeneralTextData"), 1);
    assert_eq!(texts("p22.GeneralTextParameters"), ["3"]);
    assert_eq!(texts("ftam.Pathname_item"), ["name.bin"]);
    assert_eq!(texts("ber.octet_aligned"), ["00:01:02:ff", "6e:61:6d:65:6c:65:73:73"]);
}
