//! The stack against a foreign MTA's octets, out of captures: as called party, and as caller.

use crate::support::{BIND_RESULT, Seen, Side, capture, config, pump};
use p1relay::osi::error::Layer;
use p1relay::osi::presentation::Contexts;
use p1relay::osi::rtse::{DialogueMode, external};
use p1relay::osi::stack::{Indication, Stack, StackConfig};
use std::sync::Arc;

/// `[16]` around `authenticated { initiator PP1, password "pp1pass" }`, as tshark shows it.
const FOREIGN_ARGUMENT: &[u8] = b"\xb0\x12\xa1\x10\x80\x03PP1\xa1\x09\x04\x07pp1pass";
/// `[17]` around the responder's.
const FOREIGN_RESULT: &[u8] = b"\xb1\x12\xa1\x10\x80\x03PP2\xa1\x09\x04\x07pp2pass";

/// Where the RTTR's octets stand in the third payload of `foreign-transfer-1988.pcap`: behind
/// `04 82 02 c7`, 711 of them.
fn foreign_rttr(payload: &[u8]) -> &[u8] {
    let at = payload.windows(4).position(|octets| octets == [0x04, 0x82, 0x02, 0xc7]);
    let at = at.expect("the RTTR's header") + 4;
    &payload[at..at + 711]
}

fn called() -> Arc<StackConfig> {
    let mut config = (*config(65_531, 0, 1)).clone();
    config.transport.called_selector.0 = b"591".to_vec();
    Arc::new(config)
}

#[test]
fn as_called_party_both_captures_are_accepted() {
    for (name, transfers) in [("foreign-bind-1988.pcap", 0), ("foreign-transfer-1988.pcap", 1)] {
        let capture = capture(name);
        for step in [1, 2, 3, 7, 100, usize::MAX] {
            let mut side = Side::new(Stack::responder(called()));
            let mut payloads = capture.to_server.iter();
            for payload in payloads.by_ref().take(2) {
                side.receive(payload, step);
                assert!(!side.transmit().is_empty());
            }
            let Some(Indication::Bind(bind)) = side.last() else { panic!("{:?}", side.error) };
            assert_eq!(bind.bind_argument, FOREIGN_ARGUMENT);
            assert_eq!(bind.called_transport_selector, b"591");
            assert_eq!(bind.dialogue_mode, DialogueMode::Monologue);
            assert_eq!(bind.session_connection_identifier.calling_user_reference[..2], [0x14, 2]);
            let negotiated = side.stack.negotiated();
            assert_eq!((negotiated.tpdu_size, negotiated.session_version), (2048, 2));
            assert_eq!((negotiated.tsdu_size_max, negotiated.checkpoint_size_kib), (2041, 1));
            assert_eq!(
                (negotiated.window_size, negotiated.contexts),
                (3, Some(Contexts::PROPOSED))
            );
            for payload in payloads {
                side.receive(payload, step);
                side.transmit();
            }
            assert_eq!(side.error, None);
            let ends = side.seen.iter();
            let ends = ends.filter(|seen| **seen == Seen::Indication(Indication::TransferEnd));
            assert_eq!(ends.count(), transfers);
            if transfers > 0 {
                let transfer = side.data();
                assert_eq!(transfer, foreign_rttr(&capture.to_server[3]));
                let apdu = external::unwrap(&transfer).unwrap();
                let enclosure = external::unwrap_prefix(&transfer[..20]).unwrap().unwrap();
                assert_eq!(enclosure.header, apdu.start);
                assert_eq!(enclosure.trailer, transfer.len() - apdu.end);
                assert_eq!((apdu.start, transfer[apdu.start], apdu.end), (7, 0xa0, 707));
            }
            assert_eq!(side.last(), Some(&Indication::Release));
            assert!(side.stack.is_closed(), "the capture ends with a DR TPDU");
        }
    }
}

#[test]
fn as_caller_the_foreign_answers_complete_bind_transfer_and_release() {
    let capture = capture("foreign-transfer-1988.pcap");
    for step in [1, 5, usize::MAX] {
        // The foreign CC answers to its caller's reference; ours stands in the same place.
        let mut answers = capture.to_client.clone();
        answers[0][6..8].copy_from_slice(&[0, 1]);
        let mut answers = answers.iter();
        let mut side = Side::new(Stack::initiator(config(2048, 2041, 63), FOREIGN_ARGUMENT));
        for answer in answers.by_ref().take(2) {
            assert!(!side.transmit().is_empty());
            side.receive(answer, step);
        }
        assert_eq!(side.last(), Some(&Indication::BindConfirm(FOREIGN_RESULT.to_vec())));
        let negotiated = side.stack.negotiated();
        assert_eq!((negotiated.checkpoint_size_kib, negotiated.window_size), (1, 3));
        assert_eq!(negotiated.tsdu_size_max, 0, "the answer names no TSDU size");
        side.send(foreign_rttr(&capture.to_server[3]));
        side.transmit();
        side.receive(answers.next().unwrap(), step);
        assert_eq!(side.last(), Some(&Indication::TransferConfirm));
        assert!(side.stack.release_request());
        side.transmit();
        side.receive(answers.next().unwrap(), step);
        assert_eq!(side.last(), Some(&Indication::ReleaseConfirm));
        assert_eq!((side.error, answers.next()), (None, None));
    }
}

#[test]
fn our_connect_is_the_foreign_one_octet_for_octet() {
    let capture = capture("foreign-transfer-1988.pcap");
    let mut config = (*config(2048, 2041, 63)).clone();
    config.transport.called_selector.0 = b"591".to_vec();
    config.rtse.dialogue_mode = DialogueMode::Monologue;
    let mut side = Side::new(Stack::initiator(Arc::new(config), FOREIGN_ARGUMENT));
    let mut cr = capture.to_server[0].clone();
    cr[8..10].copy_from_slice(&[0, 1]);
    assert_eq!(side.transmit(), cr);
    let mut cc = capture.to_client[0].clone();
    cc[6..8].copy_from_slice(&[0, 1]);
    side.receive(&cc, usize::MAX);
    let cn = side.transmit();
    // Without a session connection identifier, 25 octets of it; otherwise octet for octet.
    let mut foreign = capture.to_server[1].clone();
    assert_eq!(foreign[7..11], [0x0d, 0xae, 0x01, 0x17]);
    foreign.drain(9..34);
    foreign[3] -= 25;
    foreign[8] -= 25;
    assert_eq!(cn, foreign);
}

#[test]
fn contexts_may_come_in_any_order_with_any_identifiers() {
    // The foreign CN with its contexts renumbered: 1 to 71, 3 to 5, 5 to 3; MTSE's moved to the front.
    let capture = capture("foreign-transfer-1988.pcap");
    let mut cn = capture.to_server[1].clone();
    let list = cn.windows(4).position(|octets| octets == [0x30, 0x0f, 2, 1]).unwrap();
    let item = |index: usize| list + index * 17;
    for (index, identifier) in [(0, 71), (1, 5), (2, 3)] {
        cn[item(index) + 4] = identifier;
    }
    let last = cn[item(2)..item(3)].to_vec();
    cn.copy_within(item(0)..item(2), item(1));
    cn[item(0)..item(1)].copy_from_slice(&last);
    let pdv = cn.windows(6).position(|octets| octets == [0x30, 0x3c, 2, 1, 1, 0xa0]).unwrap();
    cn[pdv + 4] = 71;
    let mut side = Side::new(Stack::responder(config(2048, 0, 1)));
    side.receive(&capture.to_server[0], usize::MAX);
    side.receive(&cn, usize::MAX);
    assert_eq!(side.error, None);
    assert_eq!(side.stack.negotiated().contexts, Some(Contexts { acse: 71, rtse: 5, mtse: 3 }));
    side.transmit();
    let mut data = capture.to_server[3].clone();
    let pdv = data.windows(5).position(|octets| octets == [0x30, 0x80, 2, 1, 3]).unwrap();
    data[pdv + 4] = 5;
    side.receive(&capture.to_server[2], usize::MAX);
    side.receive(&data, usize::MAX);
    assert_eq!(side.last(), Some(&Indication::TransferEnd));
    assert_eq!(side.data().len(), 711);
    assert_eq!(BIND_RESULT.len(), 6);

    // An abstract syntax that nobody needs is rejected in the result list, and a needed one missed.
    let mut cn = capture.to_server[1].clone();
    cn[item(2) + 10] = 99;
    let mut side = Side::new(Stack::responder(config(2048, 0, 1)));
    side.receive(&capture.to_server[0], usize::MAX);
    side.receive(&cn, usize::MAX);
    assert_eq!(side.error.as_ref().map(|error| error.layer()), Some(Layer::Presentation));
    let mut other = Side::new(Stack::responder(config(2048, 0, 1)));
    pump(&mut side, &mut other, usize::MAX);
    assert!(side.sent.windows(8).any(|octets| octets == [0x30, 6, 0x80, 1, 2, 0x82, 1, 1]));
}
