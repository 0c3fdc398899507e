//! `p1load send` and `p1load receive` as partners: every application context, every body part, every fault.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use p1relay::p1::body_part::ReadBodyPart;
use p1relay::p1::ipm;
use p1relay::p1::scan::{ContentType, Scan, scan};
use serde_json::Value;

const CONTEXTS: [&str; 3] = ["mts-transfer", "mts-transfer-protocol", "mts-transfer-protocol-1984"];

fn p1load() -> Command {
    Command::new(env!("CARGO_BIN_EXE_p1load"))
}

/// A running `p1load receive` and its address.
struct Receiver(Child, String);

impl Receiver {
    fn start(arguments: &[&str]) -> Receiver {
        let mut child = p1load()
            .args(["receive", "--listen", "127.0.0.1:0", "--count", "1", "--json"])
            .args(["--timeout-s", "30"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Receiver(child, address)
    }

    fn send(&self, arguments: &[&str]) -> Output {
        p1load().args(["send", "--to", &self.1, "--json"]).args(arguments).output().unwrap()
    }

    /// What it tells at its end.
    fn end(self) -> Value {
        serde_json::from_slice(&self.0.wait_with_output().unwrap().stdout).unwrap()
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[track_caller]
fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// Sends in a context, and gives the MTS-APDU that arrived.
#[track_caller]
fn arrives(folder: &Path, context: &str, arguments: &[&str]) -> Vec<u8> {
    let directory = folder.join("arrived");
    let receiver =
        Receiver::start(&["--context", context, "--directory", directory.to_str().unwrap()]);
    let output = receiver.send(&[&["--context", context], arguments].concat());
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(receiver.end()["messages"], 1);
    let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    let apdu = fs::read(file).unwrap();
    fs::remove_dir_all(directory).unwrap();
    apdu
}

fn scanned(apdu: &[u8]) -> Scan {
    let mut found = Scan::default();
    scan(apdu, &mut found).unwrap();
    found
}

#[test]
fn generated_text_and_raw_apdus_arrive_in_every_context() {
    let folder = tempfile::tempdir().unwrap();
    for context in CONTEXTS {
        for dialogue_mode in ["monologue", "two-way-alternate"] {
            let apdu = arrives(folder.path(), context, &["--dialogue-mode", dialogue_mode]);
            let content_type = if context.ends_with("1984") { 2 } else { 22 };
            let found = scanned(&apdu);
            assert_eq!(found.content_type, Some(ContentType::BuiltIn(content_type)));
            let file = folder.path().join("raw.p1");
            fs::write(&file, &apdu).unwrap();
            let again = arrives(folder.path(), context, &["--apdu", file.to_str().unwrap()]);
            assert!(again == apdu, "{context}");
        }
    }
}

#[test]
fn text_beyond_ia5_and_files_are_body_parts_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (text, file) = (folder.path().join("text"), folder.path().join("data.bin"));
    fs::write(&text, "Grüße").unwrap();
    fs::write(&file, [0, 1, 2, 255]).unwrap();
    let arguments = ["--text", text.to_str().unwrap(), "--file", file.to_str().unwrap()];
    for context in &CONTEXTS[..2] {
        let apdu = arrives(folder.path(), context, &arguments);
        let start = scanned(&apdu).content_header.unwrap().content_start as usize;
        let read = ipm::read_text(&apdu[start..]).unwrap();
        assert!(read.text.unwrap().ends_with(b"Gr\xfc\xdfe"));
        let [ReadBodyPart::File { name, octets }] = &read.others[..] else {
            panic!("{:?}", read.others);
        };
        assert_eq!(name.as_deref(), Some(&b"data.bin"[..]));
        assert_eq!(octets[..], [0, 1, 2, 255]);
    }
    let receiver = Receiver::start(&["--context", CONTEXTS[2]]);
    let refused = receiver.send(&[&["--context", CONTEXTS[2]][..], &arguments].concat());
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("IA5 text only"));
    receiver.kill();
}

#[test]
fn scripted_faults_show_at_the_sender() {
    for context in CONTEXTS {
        for (fault, noted) in [
            ("refuse", "bind refused by the partner"),
            ("busy", "bind refused by the partner"),
            ("wrong-confirmation", "protocol error"),
            ("mute", ""),
            ("stall", ""),
        ] {
            let receiver = Receiver::start(&["--context", context, "--fault", fault]);
            let output = receiver.send(&["--context", context, "--timeout-s", "0.7"]);
            assert!(!output.status.success(), "{context}, {fault}");
            let told = told(&output);
            assert_eq!(told["messages"], 0, "{context}, {fault}: {told}");
            let notes = told["notes"].as_array().unwrap();
            let is_noted = |note: &Value| note.as_str().unwrap().contains(noted);
            assert!(notes.is_empty() == noted.is_empty(), "{context}, {fault}: {told}");
            assert!(notes.iter().all(is_noted), "{context}, {fault}: {told}");
            receiver.kill();
        }
        // It goes on where each connection broke.
        let receiver = Receiver::start(&["--context", context, "--fault", "cut=400000"]);
        let size = ["--size", "1000000", "--timeout-s", "20"];
        let output = receiver.send(&[&["--context", context][..], &size].concat());
        assert!(output.status.success(), "{context}: {}", told(&output));
        assert_eq!(receiver.end()["duplicated"], 0);
    }
}
