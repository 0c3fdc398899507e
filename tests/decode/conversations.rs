//! Whole connections, foreign and ours.

use std::path::Path;
use std::sync::Arc;

use p1relay::base::buffer::Lease;
use p1relay::base::transmit::Transmit;
use p1relay::decode::{Conversation, Direction, Node};
use p1relay::osi::rtse::{DialogueMode, RtseConfig};
use p1relay::osi::stack::{ApplicationContext, Indication, Stack, StackConfig};
use p1relay::osi::transport::TransportConfig;
use p1relay::p1::bind::{self, Bind, Mode};

use crate::apdus::message;

/// TCP payloads of a foreign capture (Ethernet, IPv4, no loss, no reordering), in order, with direction.
pub(crate) fn payloads(name: &str) -> Vec<(Direction, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    let file = std::fs::read(path).unwrap();
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((number(0), number(20)), (0xa1b2_c3d4, 1), "little-endian pcap, Ethernet");
    let mut payloads = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let ip = &file[at + 16 + 14..at + 16 + number(at + 8)];
        at += 16 + number(at + 8);
        let tcp = &ip[20..usize::from(u16::from_be_bytes([ip[2], ip[3]]))];
        let payload = tcp[usize::from(tcp[12] >> 4) * 4..].to_vec();
        let to_server = u16::from_be_bytes([tcp[2], tcp[3]]) < 30_000;
        let direction = if to_server { Direction::ToResponder } else { Direction::ToInitiator };
        if !payload.is_empty() {
            payloads.push((direction, payload));
        }
    }
    payloads
}

/// Decodes payloads in pieces of `step`.
fn decode(payloads: &[(Direction, Vec<u8>)], step: usize) -> (Conversation, Vec<Node>) {
    let mut conversation = Conversation::new();
    let mut nodes = Vec::new();
    for (direction, payload) in payloads {
        for piece in payload.chunks(step) {
            nodes.extend(conversation.receive(*direction, piece));
        }
    }
    (conversation, nodes)
}

pub(crate) fn faults(nodes: &[Node]) -> Vec<String> {
    let all = nodes.iter().flat_map(Node::walk);
    all.filter(|node| node.malformed).map(|node| node.text().to_owned()).collect()
}

#[track_caller]
fn assert_text(nodes: &[Node], lines: &[&str]) {
    let text: String = nodes.iter().map(Node::to_string).collect();
    let mut rest = &text[..];
    for line in lines {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} is not next in:\n{rest}"));
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn the_foreign_captures_are_read_to_the_last_field() {
    for (name, context, lines) in [
        (
            "foreign-transfer-1988.pcap",
            "mts-transfer",
            &[
                "called TSAP-ID: 35 39 31 \"591\"",
                "TPDU size: 2048 octets",
                "TSDU Maximum Size: towards the responder 2041, towards the initiator 2041",
                "abstract-syntax-name: 2.6.0.2.12 (id-as-mta-rtse)",
                "application-context-name: 2.6.0.1.6 (id-ac-mts-transfer)",
                "checkpointSize: 63",
                "MTABindArgument",
                "initiator-name: \"PP1\"",
                "initiator-credentials: present, not shown",
                "result: accepted (0)",
                "service-user: null (0)",
                "checkpointSize: 1",
                "responder-name: \"PP2\"",
                "ACTIVITY START (AS)",
                "Activity Identifier: 02 01 01",
                "RTTR data: 711 octets, 711 of the transfer so far",
                "ACTIVITY END (AE)",
                "Serial Number: 1",
                "transfer: 711 octets",
                "global-domain-identifier: C=XX;A=TEST;P=PPTEST",
                "originator-name: C=XX;A=TEST;P=PPTEST;O=PP1;S=root",
                "content-type: interpersonal-messaging-1988 (22)",
                "arrival-time: 2026-11-23T23:40:37Z (\"261123234037Z\")",
                "extension: content-correlator (23), not critical",
                "extension: internal-trace-information (38), not critical",
                "mta-name: \"pp1.test\"",
                "routing-action: relayed (0)",
                "recipient-name: C=XX;A=TEST;P=PPTEST;O=PP2;S=alice",
                "per-recipient-indicators: responsibility, originating-MTA-non-delivery-report, \
                 originator-non-delivery-report",
                "subject: \"test pp-transfer88.pcap\"",
                "data: \"Hello from PP1\\r\\nline two\\r\\n\"",
                "ACTIVITY END ACK (AEA)",
                "rlrq",
                "reason: normal (0)",
                "rlre",
                "REASON: normal disconnect (128)",
            ][..],
        ),
        (
            "foreign-transfer-1984.pcap",
            "mts-transfer-protocol-1984",
            &[
                "called TSAP-ID: 35 39 30 \"590\"",
                "mode-value: x410-1984-mode (0)",
                "initiator-name: \"PP1\"",
                "applicationProtocol: mts-transfer-protocol-1984 (1)",
                "transfer: 516 octets",
                "UserMPDU",
                "originator: C=XX;A=TEST;P=PPTEST;O=PP1;S=root",
                "PerMessageFlag: alternateRecipientAllowed, contentReturnRequest",
                "recipient: C=XX;A=TEST;P=PPTEST;O=PP2X84;S=alice",
                "subject: \"test pp-transfer84.pcap\"",
            ],
        ),
        ("foreign-bind-1988.pcap", "mts-transfer", &["initiator-name: \"PP1\"", "rlrq"]),
    ] {
        let payloads = payloads(name);
        let (conversation, whole) = decode(&payloads, usize::MAX);
        assert_eq!(conversation.application_context(), Some(context));
        assert_text(&whole, lines);
        assert_eq!(faults(&whole), Vec::<String>::new(), "{name}");
        for step in [1, 7, 100] {
            assert!(decode(&payloads, step).1 == whole, "{name} in pieces of {step}");
        }
        let text: String = whole.iter().map(Node::to_string).collect();
        assert!(!text.contains("unknown") && !text.contains("[APPLICATION"), "{text}");
    }
}

/// A transfer between two stacks of ours, recorded.
fn transfer(context: ApplicationContext, apdu: &[u8]) -> Vec<(Direction, Vec<u8>)> {
    let config = Arc::new(StackConfig {
        application_context: context,
        accepted_application_contexts: vec![context],
        transport: TransportConfig { tpdu_size_max: 512, ..TransportConfig::default() },
        session: p1relay::osi::session::SessionConfig { tsdu_size_max: 700, ..Default::default() },
        rtse: RtseConfig {
            checkpoint_size_kib: 1,
            window_size: 3,
            dialogue_mode: DialogueMode::Monologue,
            ..RtseConfig::default()
        },
        ..StackConfig::default()
    });
    let mode = if context.is_x410_mode() { Mode::X410 } else { Mode::Normal };
    let shown = |name: &'static str| Bind::Simple {
        mta_name: name.as_bytes(),
        password: b"never-to-be-seen",
    };
    let (mut argument, mut result) = (Vec::new(), Vec::new());
    bind::encode_bind_argument(mode, &shown("CALLER"), &mut argument);
    bind::encode_bind_result(mode, &shown("CALLED"), &mut result);
    let mut sides =
        [Stack::initiator(Arc::clone(&config), &argument), Stack::responder(Arc::clone(&config))];
    let (mut recording, mut unsent) = (Vec::new(), Vec::new());
    let mut silent = 0;
    for turn in (0..2).cycle() {
        let mut transmit = Transmit::new();
        loop {
            let wanted = sides[turn].transfer_wanted().min(unsent.len());
            if wanted > 0 {
                sides[turn].transfer_data(Lease::copied(&unsent[..wanted]));
                unsent.drain(..wanted);
            }
            if !sides[turn].poll_transmit(&mut transmit) && wanted == 0 {
                break;
            }
        }
        let octets = transmit.to_vec();
        silent = if octets.is_empty() { silent + 1 } else { 0 };
        if silent == 2 {
            return recording;
        }
        let other = 1 - turn;
        let mut input = &octets[..];
        while let Some(indication) = sides[other].poll_indication(&mut input).unwrap() {
            match indication {
                Indication::Bind(_) => assert!(sides[other].bind_accept(&result)),
                Indication::BindConfirm(_) => {
                    unsent = sides[other].negotiated().wrap_header(apdu.len()).to_vec();
                    unsent.extend_from_slice(apdu);
                    assert!(sides[other].transfer_request(unsent.len()));
                }
                Indication::TransferEnd => assert!(sides[other].transfer_response()),
                Indication::TransferConfirm => assert!(sides[other].release_request()),
                Indication::Release => assert!(sides[other].release_response()),
                _ => {}
            }
        }
        let directions = [Direction::ToResponder, Direction::ToInitiator];
        if !octets.is_empty() {
            recording.push((directions[turn], octets));
        }
    }
    unreachable!("the turns never end")
}

#[test]
fn transfers_in_segments_over_checkpoints_are_put_together_in_every_context() {
    let apdu = message(&vec![b'x'; 5000]);
    for context in ApplicationContext::ALL {
        let recording = transfer(context, &apdu);
        let (conversation, nodes) = decode(&recording, 333);
        assert_eq!(conversation.application_context(), Some(context.as_str()));
        assert_eq!(faults(&nodes), Vec::<String>::new(), "{context:?}");
        let name = match context {
            ApplicationContext::MtsTransferProtocol1984 => "UserMPDU",
            _ => "message",
        };
        let transfers: Vec<&Node> = nodes.iter().filter(|node| node.name == "transfer").collect();
        let [transfer] = transfers[..] else { panic!("{} transfers", transfers.len()) };
        assert_eq!(transfer.find(name).unwrap().length, apdu.len());
        let text: String = nodes.iter().map(Node::to_string).collect();
        for part in ["MINOR SYNC POINT (MIP)", "MINOR SYNC ACK (MIA)", "of the SSDU so far"] {
            assert!(text.contains(part), "{part} in {context:?}");
        }
        assert!(text.contains("more of the TSDU to come") && text.contains("\"CALLED\""));
        assert!(!text.contains("never-to-be-seen") && !text.contains("6e 65 76 65 72"));
    }
}

#[test]
fn after_a_loss_the_next_tpkt_is_found() {
    let payloads = payloads("foreign-transfer-1988.pcap");
    let mut conversation = Conversation::new();
    let mut nodes = Vec::new();
    for (index, (direction, payload)) in payloads.iter().enumerate() {
        // The second half of CONNECT is missing, and the first half of the data.
        let half = payload.len() / 2;
        match index {
            2 => {
                nodes.extend(conversation.receive(*direction, &payload[..half]));
                nodes.push(conversation.lost(*direction, payload.len() - half));
            }
            _ => nodes.extend(conversation.receive(*direction, payload)),
        }
    }
    let faults = faults(&nodes);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].ends_with("octets are missing in the capture"));
    // The context was not seen, but the octets tell.
    assert_text(&nodes, &["ACCEPT (AC)", "transfer: 711 octets", "subject: \"test pp-transfer88"]);
}
