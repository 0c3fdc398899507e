//! p1decode as a process: foreign captures as tshark reads them, containers, order and losses, bare octets.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use serde_json::Value;

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(name)
}

fn p1decode(file: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_p1decode")).arg(file).args(arguments).output().unwrap()
}

fn text(file: &Path, arguments: &[&str]) -> String {
    let output = p1decode(file, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn records(file: &Path) -> Vec<Value> {
    text(file, &["--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs tshark on a capture with its TPKT port named.
fn tshark(file: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("tshark");
    for port in ["20001", "20002"] {
        command.arg("-d").arg(format!("tcp.port=={port},tpkt"));
    }
    let output = command.arg("-r").arg(file).args(arguments).output();
    let output = output.expect("tshark is needed: apt-get install tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every value of each of these fields in tshark's reading.
fn judged(file: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = vec!["-T", "fields", "-E", "aggregator=|"];
    fields.iter().for_each(|field| arguments.extend(["-e", field]));
    let mut columns = vec![Vec::new(); fields.len()];
    for line in tshark(file, &arguments).lines() {
        for (column, values) in columns.iter_mut().zip(line.split('\t')) {
            let values = values.split('|').filter(|value| !value.is_empty());
            column.extend(values.map(str::to_owned));
        }
    }
    columns
}

/// Every value of nodes of this name, in the order of the output.
fn ours(records: &[Value], layer: &str, name: &str) -> Vec<String> {
    fn gather(node: &Value, layer: &str, name: &str, found: &mut Vec<String>) {
        if node["layer"] == layer && node["name"] == name {
            found.push(node["value"].as_str().unwrap_or_default().to_owned());
        }
        // tshark does not see into extensions whose type is encoded as in 1988.
        if node["name"] == "extension" {
            return;
        }
        for child in node["children"].as_array().into_iter().flatten() {
            gather(child, layer, name, found);
        }
    }
    let mut found = Vec::new();
    records.iter().for_each(|record| gather(record, layer, name, &mut found));
    found
}

/// How our value becomes tshark's.
#[derive(Clone, Copy)]
enum Form {
    /// `590`
    Same,
    /// `2048 octets`: 2048
    Count,
    /// `relayed (0)`: 0
    Code,
    /// `2.6.0.1.6 (id-ac-mts-transfer)`: 2.6.0.1.6
    First,
    /// `"text"`: text
    Quoted,
    /// `02 01 01`: 020101
    Octets,
    /// `... "590"`: 590
    Beside,
}

fn as_tshark(value: &str, form: Form) -> String {
    let code =
        |value: &str| value.rsplit_once('(').map(|(_, code)| code.trim_end_matches(')').to_owned());
    match form {
        Form::Same => value.to_owned(),
        Form::Count | Form::First => value.split(' ').next().unwrap().to_owned(),
        Form::Code => code(value).unwrap_or(value.to_owned()),
        Form::Quoted => value.trim_matches('"').to_owned(),
        Form::Octets => value.replace(' ', ""),
        Form::Beside => value.split('"').nth(1).unwrap().to_owned(),
    }
}

/// tshark's field, our layer and name, and the form. What tshark shows on the way to a value under the same
/// name as the value is left out.
type Row = (&'static str, &'static str, &'static str, Form);

/// What tshark reads in either mode.
const BOTH: &[Row] = &[
    ("cotp.srcref", "transport", "SRC-REF", Form::Same),
    ("cotp.dst-tsap", "transport", "called TSAP-ID", Form::Beside),
    ("cotp.tpdu_size", "transport", "TPDU size", Form::Count),
    ("ses.calling_ss_user_reference", "session", "Calling SS-user Reference", Form::Octets),
    ("ses.common_reference", "session", "Common Reference", Form::Octets),
    ("ses.activity_identifier", "session", "Activity Identifier", Form::Octets),
    ("pres.mode_value", "presentation", "mode-value", Form::Code),
    ("rtse.checkpointSize", "rtse", "checkpointSize", Form::Same),
    ("rtse.windowSize", "rtse", "windowSize", Form::Same),
    ("rtse.dialogueMode", "rtse", "dialogueMode", Form::Code),
];

/// What it reads in normal mode.
const NORMAL: &[Row] = &[
    ("pres.abstract_syntax_name", "presentation", "abstract-syntax-name", Form::First),
    ("acse.aSO_context_name", "acse", "application-context-name", Form::First),
    ("p1.authenticated.initiator-name", "p1", "initiator-name", Form::Quoted),
    ("p1.authenticated.responder-name", "p1", "responder-name", Form::Quoted),
    ("p1.local_identifier", "p1", "local-identifier", Form::Quoted),
    ("p1.content_identifier", "p1", "content-identifier", Form::Quoted),
    ("p1.routing_action", "p1", "routing-action", Form::Code),
    (
        "p1.originally_specified_recipient_number",
        "p1",
        "originally-specified-recipient-number",
        Form::Same,
    ),
    ("p22.user_relative_identifier", "ipm", "user-relative-identifier", Form::Quoted),
    ("p22.subject", "ipm", "subject", Form::Quoted),
    ("p22.importance", "ipm", "importance", Form::Code),
    ("p22.repertoire", "ipm", "repertoire", Form::Code),
];

#[test]
fn names_and_values_are_those_of_tshark() {
    for (name, tables) in [
        ("foreign-transfer-1988.pcap", &[BOTH, NORMAL][..]),
        ("foreign-bind-1988.pcap", &[BOTH, &NORMAL[..4]]),
        ("foreign-transfer-1984.pcap", &[BOTH]),
    ] {
        let file = vector(name);
        let records = records(&file);
        let rows: Vec<&Row> = tables.iter().copied().flatten().collect();
        let fields: Vec<&str> = rows.iter().map(|row| row.0).collect();
        for ((field, layer, node, form), judged) in rows.into_iter().zip(judged(&file, &fields)) {
            let values = ours(&records, layer, node).into_iter();
            let ours: Vec<String> = values.map(|value| as_tshark(&value, *form)).collect();
            let judged: Vec<String> = match form {
                Form::Octets => judged.iter().map(|value| value.replace(':', "")).collect(),
                _ => judged,
            };
            assert_eq!(ours, judged, "{field} in {name}");
            assert!(!ours.is_empty() || name == "foreign-bind-1988.pcap", "{field} in {name}");
        }
    }
}

#[test]
fn pdus_come_in_order_with_time_direction_and_context() {
    let records = records(&vector("foreign-transfer-1984.pcap"));
    let first = &records[0];
    assert_eq!(first["time"], "2026-11-23T23:40:49.781043Z");
    assert_eq!((&first["connection"], &first["to"]), (&1.into(), &"127.0.0.1:20002".into()));
    assert!(first.get("application_context").is_none());
    let transfer = records.iter().find(|record| record["name"] == "transfer").unwrap();
    assert_eq!(transfer["application_context"], "mts-transfer-protocol-1984");
    let times: Vec<&str> = records.iter().map(|record| record["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    let printed = text(&vector("foreign-transfer-1984.pcap"), &[]);
    assert!(
        printed.contains(" -> 127.0.0.1:20002 mts-transfer-protocol-1984\ntransfer: 516 octets\n")
    );
    assert!(!printed.contains("pp1pass") && !printed.contains("70 70 31 70 61 73 73"));
}

#[test]
fn pcapng_is_read_as_pcap_is() {
    let folder = tempfile::tempdir().unwrap();
    let pcapng = folder.path().join("capture.pcapng");
    let file = vector("foreign-transfer-1988.pcap");
    tshark(&file, &["-F", "pcapng", "-w", pcapng.to_str().unwrap()]);
    assert!(fs::read(&pcapng).unwrap().starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
    assert_eq!(text(&pcapng, &[]), text(&file, &[]));
}

/// Writes the packets of the 1988 capture anew, as `order` says by index.
fn rewritten(folder: &tempfile::TempDir, order: impl Fn(usize) -> Vec<usize>) -> PathBuf {
    let mut reader =
        PcapReader::new(File::open(vector("foreign-transfer-1988.pcap")).unwrap()).unwrap();
    let mut packets: Vec<PcapPacket<'static>> = Vec::new();
    while let Some(packet) = reader.next_packet() {
        packets.push(packet.unwrap().into_owned());
    }
    let path = folder.path().join("rewritten.pcap");
    let mut writer =
        PcapWriter::with_header(File::create(&path).unwrap(), reader.header()).unwrap();
    for index in order(packets.len()) {
        writer.write_packet(&packets[index]).unwrap();
    }
    path
}

/// Indices of the packets with TCP payload.
fn with_payload() -> Vec<usize> {
    let file = vector("foreign-transfer-1988.pcap");
    let sizes = tshark(&file, &["-T", "fields", "-e", "tcp.len"]);
    sizes.lines().enumerate().filter(|(_, size)| *size != "0").map(|(index, _)| index).collect()
}

#[test]
fn disorder_and_retransmission_do_not_show_and_losses_do() {
    let folder = tempfile::tempdir().unwrap();
    let untimed = |records: Vec<Value>| -> Vec<Value> {
        let nodes = records.into_iter();
        nodes
            .map(|record| Value::from(vec![record["name"].clone(), record["children"].clone()]))
            .collect()
    };
    let expected = untimed(records(&vector("foreign-transfer-1988.pcap")));
    // Three segments of the caller before the confirmation: CONNECT is sent twice, data comes before start.
    let data = with_payload();
    let shuffled = rewritten(&folder, |count| {
        let mut order: Vec<usize> = (0..count).collect();
        let (start, next) = (data[4], data[5]);
        order.swap(start, next);
        order.insert(data[3], data[2]);
        order
    });
    for (shuffled, expected) in untimed(records(&shuffled)).iter().zip(&expected) {
        assert_eq!(shuffled.to_string(), expected.to_string());
    }
    assert_eq!(untimed(records(&shuffled)).len(), expected.len());
    let lossy = rewritten(&folder, |count| (0..count).filter(|index| *index != data[5]).collect());
    let printed = text(&lossy, &[]);
    assert!(printed.contains("octets are missing in the capture"), "{printed}");
    assert!(printed.contains("FINISH (FN)"), "{printed}");
}

#[test]
fn bare_octets_are_recognised_binary_and_hexadecimal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("octets");
    let capture = fs::read(vector("foreign-transfer-1988.pcap")).unwrap();
    let cr = capture.windows(2).position(|octets| octets == [3, 0]).unwrap();
    let size = usize::from(u16::from_be_bytes([capture[cr + 2], capture[cr + 3]]));
    fs::write(&file, &capture[cr..cr + size]).unwrap();
    assert!(text(&file, &[]).starts_with("TPKT: 19 octets\n  CONNECTION REQUEST (CR)\n"));
    // A probe with nothing in it, and the EXTERNAL around a message with nothing in it.
    for (octets, arguments, told) in [
        ("a2 00\n", &[][..], "probe"),
        ("a200", &["--edition", "1984"], "ProbeMPDU"),
        ("28 07 02 01 05 a0 02 a0 00", &[], "EXTERNAL\n  indirect-reference: 5\n"),
    ] {
        fs::write(&file, octets).unwrap();
        let printed = text(&file, arguments);
        assert!(printed.starts_with(told), "{printed}");
    }
    fs::write(&file, [0xa2, 0x00]).unwrap();
    assert!(text(&file, &[]).starts_with("probe"));
    for (octets, told) in
        [(&b"nothing of the kind"[..], "neither a capture"), (b"", "neither a capture")]
    {
        fs::write(&file, octets).unwrap();
        let output = p1decode(&file, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains(told));
    }
}
