//! `p1relay connector sheet|test|preview`: what it says, and at which layer it sees a refusal.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use p1relay::base::clock::WallTime;
use p1relay::base::transmit::Transmit;
use p1relay::osi::rtse::RefuseReason;
use p1relay::osi::stack::{ApplicationContext, Indication, Stack, StackConfig};
use p1relay::p1::bind::{self, Bind, BindError, Mode};
use p1relay::p1::build::MessageBuilder;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::trace::{
    Supplied, encode_internal_trace_element, encode_internal_trace_field, encode_trace_element,
};

use crate::support::{Finished, Setting, Site, finish, program};

/// How a partner answers a bind.
#[derive(Clone, Copy)]
enum Answer {
    /// As the MTA of this name and password.
    Accept(&'static str, &'static str),
    Refuse(RefuseReason, BindError),
    /// Not at all.
    Silence,
}

/// A partner over a real socket that serves one connection with the relay's own stack.
fn partner(config: StackConfig, answer: Answer) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut stack = Stack::responder(Arc::new(config));
        let mut buffer = [0; 4096];
        loop {
            let count = stream.read(&mut buffer).unwrap_or(0);
            if count == 0 {
                return;
            }
            let mut input = &buffer[..count];
            // An error has its remedy among what is sent.
            while let Ok(Some(indication)) = stack.poll_indication(&mut input) {
                match indication {
                    Indication::Bind(bind) => {
                        let mode = match bind.application_context.is_x410_mode() {
                            true => Mode::X410,
                            false => Mode::Normal,
                        };
                        reply(&mut stack, mode, answer);
                    }
                    Indication::Release => assert!(stack.release_response()),
                    _ => {}
                }
            }
            let mut transmit = Transmit::new();
            while stack.poll_transmit(&mut transmit) {}
            if stream.write_all(&transmit.to_vec()).is_err() {
                return;
            }
        }
    });
    (address, serving)
}

fn reply(stack: &mut Stack, mode: Mode, answer: Answer) {
    let mut octets = Vec::new();
    match answer {
        Answer::Accept(name, password) => {
            let shown = Bind::Simple { mta_name: name.as_bytes(), password: password.as_bytes() };
            bind::encode_bind_result(mode, &shown, &mut octets);
            assert!(stack.bind_accept(&octets));
        }
        Answer::Refuse(reason, error) => {
            bind::encode_bind_error(error, &mut octets);
            assert!(stack.bind_reject(reason, &octets));
        }
        Answer::Silence => {}
    }
}

/// A configuration with one connector `partner`, of these further lines, to this address.
fn configure(folder: &tempfile::TempDir, address: &str, lines: &str) -> PathBuf {
    let path = folder.path().join("relay.toml");
    let text = format!(
        "[mta]\nname = \"RELAY\"\npassword = \"relay-secret\"\ndomain = \"C=GB;A=CARRIER\"\n\
         listen = [\"192.0.2.1:102\"]\n[[connector]]\nname = \"partner\"\naddress = [\"{address}\"]\n\
         remote_mta_name = \"PARTNER\"\nremote_password = \"partner-secret\"\n{lines}\n"
    );
    fs::write(&path, text).unwrap();
    path
}

fn connector(action: &[&str], config: &std::path::Path) -> Finished {
    let mut command = program();
    command.arg("connector").args(action).arg("--config").arg(config);
    finish(command)
}

#[track_caller]
fn assert_says(finished: &Finished, code: i32, told: &[&str]) {
    assert_eq!(finished.code, Some(code), "{}{}", finished.output, finished.errors);
    for text in told {
        assert!(finished.output.contains(text), "{text:?} is not in:\n{}", finished.output);
    }
}

fn test_of(address: &str, lines: &str) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    connector(&["test", "partner", "--timeout", "1"], &configure(&folder, address, lines))
}

const ACCEPT: Answer = Answer::Accept("PARTNER", "partner-secret");

#[track_caller]
fn tested(config: StackConfig, answer: Answer, lines: &str, code: i32, told: &[&str]) {
    let (address, serving) = partner(config, answer);
    assert_says(&test_of(&address.to_string(), lines), code, told);
    serving.join().unwrap();
}

fn every_context() -> StackConfig {
    StackConfig {
        accepted_application_contexts: ApplicationContext::ALL.to_vec(),
        ..StackConfig::default()
    }
}

#[test]
fn a_connector_that_works_is_climbed_in_every_context() {
    for context in ApplicationContext::ALL {
        let lines = format!("application_context = \"{}\"", context.as_str());
        let told = [
            &format!("calling MTA \"PARTNER\" as \"RELAY\" in {}", context.as_str())[..],
            "connected to 127.0.0.1:",
            "sent CONNECTION REQUEST (CR): preferred maximum TPDU size 65408 octets",
            "answered CONNECTION CONFIRM (CC)",
            "sent CONNECT (CN)",
            "answered ACCEPT (AC)",
            "mode-value ",
            "checkpointSize 30, windowSize 5",
            "initiator-name \"RELAY\"",
            "responder-name \"PARTNER\"",
            "negotiated: ",
            "checkpoints every 30 KiB, window 5, monologue",
            "answered DISCONNECT (DN)",
            "result: the connector works",
        ];
        tested(every_context(), ACCEPT, &lines, 0, &told);
    }
}

#[test]
fn the_relay_itself_passes_the_test() {
    let site = Site::new();
    site.configure(&Setting { shards: 1, mta_lines: "", associations: 1 });
    let relay = site.start("epoll");
    let folder = tempfile::tempdir().unwrap();
    let config = configure(&folder, &site.port.address.to_string(), "local_mta_name = \"SENDER\"");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("\"PARTNER\"", "\"RELAY\"").replace("partner-secret", "relay-secret");
    fs::write(&config, &text).unwrap();
    // The connector shows RELAY's password, which is not that of SENDER.
    let refused = connector(&["test", "partner"], &config);
    let told = [
        "failed at mta-bind: the partner refused: MTABindError authentication-error (2)",
        "look at: local_mta_name = \"SENDER\"",
        "look at: local_password = 12 characters, not shown",
        "MTABindError authentication-error (2)",
    ];
    assert_says(&refused, 1, &told);
    fs::write(&config, text + "local_password = \"sender-secret\"\n").unwrap();
    let verbose = connector(&["test", "partner", "--verbose"], &config);
    let told = [
        "-> TPKT",
        "<- TPKT",
        "application-context-name: 2.6.0.1.6 (id-ac-mts-transfer)",
        "initiator-credentials: present, not shown",
        "result: the connector works",
    ];
    assert_says(&verbose, 0, &told);
    assert!(!verbose.output.contains("secret"), "{}", verbose.output);
    assert_eq!(relay.terminate().0.code(), Some(0));
}

#[test]
fn nobody_listening_is_told() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let look_at = format!("look at: address = [\"{address}\"]");
    let told = ["result: failed at tcp:", "Connection refused", &look_at];
    assert_says(&test_of(&address, ""), 1, &told);
    let told = ["result: failed at name:", "look at: address = [\"nowhere.invalid:102\"]"];
    assert_says(&test_of("nowhere.invalid:102", ""), 1, &told);
}

#[test]
fn a_silent_partner_is_told_at_its_layer() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let told = [
        "result: failed at transport: no answer to CONNECTION REQUEST (CR) in 1 s",
        "look at: called_transport_selector = \"591\" (0x353931)",
    ];
    assert_says(&test_of(&address, "called_transport_selector = \"591\""), 1, &told);
    drop(listener);
}

#[test]
fn a_partner_silent_above_transport_is_told_at_its_layer() {
    let told = [
        "answered CONNECTION CONFIRM (CC)",
        "result: failed at session: no answer to CONNECT (CN) in 1 s",
        "likely: the partner's transport answers, what is above it does not",
        "look at: called_session_selector = blank",
    ];
    tested(every_context(), Answer::Silence, "", 1, &told);
}

#[test]
fn one_that_speaks_something_else_or_hangs_up_is_told() {
    for (answer, told) in [
        (
            &b"220 mail.example.com ESMTP\r\n"[..],
            "failed at transport: the answer is not what it should be",
        ),
        (b"", "failed at transport: the partner closed the connection without a word"),
    ] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer).unwrap();
        });
        assert_says(&test_of(&address, ""), 1, &[told, "look at: address"]);
        serving.join().unwrap();
    }
}

#[test]
fn a_wrong_transport_selector_is_told() {
    let mut config = every_context();
    config.transport.called_selector.0 = b"P1".to_vec();
    let told = [
        "answered DISCONNECT REQUEST (DR): REASON address unknown (3)",
        "result: failed at transport: the partner refused: address unknown (3)",
        "look at: called_transport_selector = \"WRONG\" (0x57524f4e47)",
    ];
    tested(config, ACCEPT, "called_transport_selector = \"WRONG\"", 1, &told);
}

#[test]
fn a_wrong_session_selector_is_told() {
    let mut config = every_context();
    config.session.called_selector.0 = b"S1".to_vec();
    let told = [
        "answered REFUSE (RF): Reason Code session selector unknown (129)",
        "result: failed at session: the partner refused: session selector unknown (129)",
        "look at: called_session_selector = 0x0102",
    ];
    tested(config, ACCEPT, "called_session_selector = \"0x0102\"", 1, &told);
}

#[test]
fn a_wrong_presentation_selector_is_told() {
    let mut config = every_context();
    config.presentation.called_selector.0 = b"P1".to_vec();
    let told = [
        "provider-reason called-presentation-address-unknown (3)",
        "result: failed at presentation: the partner refused:",
        "look at: called_presentation_selector = blank",
    ];
    tested(config, ACCEPT, "", 1, &told);
}

#[test]
fn a_context_that_is_not_offered_is_told() {
    let lines = "application_context = \"mts-transfer-protocol-1984\"";
    let (address, serving) = partner(StackConfig::default(), ACCEPT);
    let finished = test_of(&address.to_string(), lines);
    serving.join().unwrap();
    assert_says(&finished, 1, &["result: failed at "]);
    let told = "look at: application_context = \"mts-transfer-protocol-1984\"";
    assert!(finished.output.contains(told), "{}", finished.output);
}

#[test]
fn refused_binds_are_told_in_normal_and_in_x410_mode() {
    for (reason, error, normal, x410, key) in [
        (
            RefuseReason::Busy,
            BindError::Busy,
            "MTABindError busy (0)",
            "refuseReason rtsBusy (0)",
            "association_count_max = 10",
        ),
        (
            RefuseReason::ValidationFailure,
            BindError::AuthenticationError,
            "MTABindError authentication-error (2)",
            "refuseReason validationFailure (2)",
            "local_password = 12 characters, not shown",
        ),
        (
            RefuseReason::UnacceptableDialogueMode,
            BindError::UnacceptableDialogueMode,
            "MTABindError unacceptable-dialogue-mode (3)",
            "refuseReason unacceptableDialogueMode (3)",
            "dialogue_mode = \"monologue\"",
        ),
    ] {
        let answer = Answer::Refuse(reason, error);
        let key = format!("look at: {key}");
        let told = [normal, "result: failed at mta-bind: the partner refused", &key];
        tested(every_context(), answer, "", 1, &told);
        let lines = "application_context = \"mts-transfer-protocol\"";
        let told = [x410, "result: failed at rtse: the partner refused", &key];
        tested(every_context(), answer, lines, 1, &told);
    }
}

#[test]
fn a_partner_that_is_someone_else_is_told() {
    let told = [
        "failed at mta-bind: the partner calls itself \"OTHER\" instead of \"PARTNER\"",
        "look at: remote_mta_name = \"PARTNER\"",
    ];
    tested(every_context(), Answer::Accept("OTHER", "partner-secret"), "", 1, &told);
    let told = ["the partner shows another password than remote_password"];
    tested(every_context(), Answer::Accept("PARTNER", "guess"), "", 1, &told);
}

#[test]
fn a_sheet_mirrors_the_settings_and_keeps_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(
        &folder,
        "mta.example.com:102",
        "called_transport_selector = \"591\"\ncalling_session_selector = \"0x0102\"\n\
         incoming_transport_selector = \"OURS\"\ndomain = \"C=FR;A=X;P=Y\"\ncheckpoint_size_kib = 8\n\
         dialogue_mode = \"two-way-alternate\"\naddress_space = [{ pattern = \"C=FR;A=X\", cost = 7 }]",
    );
    let shown = connector(&["sheet", "partner"], &config);
    let row = |name: &str, value: &str| format!("  {name:<38}  {value}\n");
    let rows = [
        row("MTA name", "\"RELAY\""),
        row("TCP address and port, RFC 1006", "192.0.2.1:102"),
        row("MTA name", "\"PARTNER\""),
        row("Domain", "C=FR;A=X;P=Y"),
        row("We call you at", "mta.example.com:102"),
        row("Called T-selector (TSAP-ID)", "\"OURS\" (0x4f555253)"),
        row("Called T-selector (TSAP-ID), yours", "\"591\" (0x353931)"),
        row("Calling S-selector (SSAP-ID), ours", "0x0102"),
        row("Application context", "mts-transfer (1988 normal mode)"),
        row("Dialogue mode", "two-way alternate: both send, in turns"),
        row("Checkpoint size", "8 KiB"),
        row("We send you what is for", "C=FR;A=X (cost 7)"),
    ];
    assert_says(&shown, 0, &rows.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!shown.output.contains("secret"), "{}", shown.output);
    let told = ["\"relay-secret\"", "\"partner-secret\""];
    assert_says(&connector(&["sheet", "partner", "--show-passwords"], &config), 0, &told);
    let unknown = connector(&["sheet", "nobody"], &config);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.errors.contains("no connector is called \"nobody\"; there are: partner"));
}

/// A message with internal trace to a recipient who has a common name.
fn message() -> Vec<u8> {
    let domain: GlobalDomainIdentifier = "C=GB;A=X;P=Y".parse().unwrap();
    let supplied = Supplied::relayed(WallTime(1_790_000_000_000));
    let (mut trace, mut element, mut extensions) = (Vec::new(), Vec::new(), Vec::new());
    encode_trace_element(&domain, supplied, &mut trace);
    encode_internal_trace_element(&domain, "MTA", supplied, &mut element);
    encode_internal_trace_field(&element, &mut extensions);
    let originator = "C=GB;A=X;P=Y;S=SMITH".parse().unwrap();
    let mut message = MessageBuilder::new(domain, "1", originator, &trace);
    let recipient: OrAddress = "C=FR;A=X;CN=Bob".parse().unwrap();
    message.recipients.push(recipient.into());
    message.extensions = &extensions;
    message.content_type = 2;
    message.content = b"content";
    message.build()
}

#[test]
fn a_preview_says_what_a_message_would_lose() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message");
    fs::write(&file, message()).unwrap();
    let action = ["preview", "partner", file.to_str().unwrap()];
    for (lines, told) in [
        ("", &["internal-trace-information is left out: 1 elements (internal_trace)\n"][..]),
        ("internal_trace = \"keep\"", &["nothing is lost\n"]),
        (
            "application_context = \"mts-transfer-protocol-1984\"",
            &[
                "envelope: internal trace is taken off\n",
                "recipient 1: common name goes to domain-defined attribute Common\n",
                "transferred with these changes\n",
            ],
        ),
    ] {
        assert_says(&connector(&action, &configure(&folder, "192.0.2.2:102", lines)), 0, told);
    }
    fs::write(&file, b"no APDU").unwrap();
    let refused = connector(&action, &configure(&folder, "192.0.2.2:102", ""));
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.contains("holds no MTS-APDU"), "{}", refused.errors);
}
