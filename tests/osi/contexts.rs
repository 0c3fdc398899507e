//! The application contexts: recognised from what a caller offers, taken only where they are allowed,
//! and in X.410 mode against a foreign MTA's octets.

use crate::support::{
    BIND_ARGUMENT, BIND_RESULT, Seen, Side, bound, capture, config, in_context, pump,
};
use p1relay::osi::error::Layer;
use p1relay::osi::rtse::external::Enclosure;
use p1relay::osi::rtse::{DialogueMode, RefuseReason, Turn};
use p1relay::osi::stack::{ApplicationContext, Indication, Stack, StackConfig};
use std::sync::Arc;

use ApplicationContext::{MtsTransfer, MtsTransferProtocol, MtsTransferProtocol1984};

/// `authenticated { initiator PP1, password "pp1pass" }`, without a wrapper, as tshark shows it.
const FOREIGN_ARGUMENT: &[u8] = b"\xa1\x10\x80\x03PP1\xa1\x09\x16\x07pp1pass";
const FOREIGN_RESULT: &[u8] = b"\xa1\x10\x80\x03PP2\xa1\x09\x16\x07pp2pass";

fn config_1984() -> Arc<StackConfig> {
    in_context(MtsTransferProtocol1984, &config(65_531, 0, 1))
}

#[test]
fn as_called_party_the_foreign_1984_caller_is_taken() {
    let capture = capture("foreign-transfer-1984.pcap");
    for step in [1, 2, 3, 7, 100, usize::MAX] {
        let mut side = Side::new(Stack::responder(config_1984()));
        let mut payloads = capture.to_server.iter();
        for payload in payloads.by_ref().take(2) {
            side.receive(payload, step);
            assert!(!side.transmit().is_empty());
        }
        let Some(Indication::Bind(bind)) = side.last() else { panic!("{:?}", side.error) };
        assert_eq!(bind.bind_argument, FOREIGN_ARGUMENT);
        assert_eq!(bind.application_context, MtsTransferProtocol1984);
        assert_eq!(
            (bind.dialogue_mode, bind.initial_turn),
            (DialogueMode::Monologue, Turn::Initiator)
        );
        assert_eq!(bind.session_connection_identifier.calling_user_reference, b"\x14\x02vm");
        let negotiated = side.stack.negotiated();
        assert_eq!(negotiated.application_context, MtsTransferProtocol1984);
        assert_eq!((negotiated.session_version, negotiated.contexts), (2, None));
        assert_eq!((negotiated.checkpoint_size_kib, negotiated.window_size), (1, 3));
        for payload in payloads {
            side.receive(payload, step);
            side.transmit();
        }
        assert_eq!(side.error, None);
        // The SSDU is the MTS-APDU: 541 octets less TPKT, DT, GIVE TOKENS and DATA TRANSFER, and the
        // ACTIVITY END behind them.
        let apdu = side.data();
        assert_eq!(apdu, capture.to_server[3][11..527]);
        assert_eq!((apdu[..2].to_vec(), negotiated.unwrap(&apdu)), (vec![0xa0, 0x80], Ok(0..516)));
        assert_eq!(
            (negotiated.wrap_header(516).len(), negotiated.unwrap_prefix(&[])),
            (0, Ok(Some(Enclosure::default())))
        );
        let ends = side.seen.iter().filter(|s| **s == Seen::Indication(Indication::TransferEnd));
        assert_eq!((ends.count(), side.last()), (1, Some(&Indication::Release)));
        assert!(side.stack.is_closed(), "the capture ends with a DR TPDU");
    }
}

#[test]
fn as_caller_the_foreign_1984_answers_complete_bind_transfer_and_release() {
    let capture = capture("foreign-transfer-1984.pcap");
    for step in [1, 5, usize::MAX] {
        let mut answers = capture.to_client.clone();
        answers[0][6..8].copy_from_slice(&[0, 1]);
        let mut answers = answers.iter();
        let config = in_context(MtsTransferProtocol1984, &config(2048, 0, 63));
        let mut side = Side::new(Stack::initiator(config, FOREIGN_ARGUMENT));
        for answer in answers.by_ref().take(2) {
            assert!(!side.transmit().is_empty());
            side.receive(answer, step);
        }
        assert_eq!(side.last(), Some(&Indication::BindConfirm(FOREIGN_RESULT.to_vec())));
        let negotiated = side.stack.negotiated();
        assert_eq!((negotiated.checkpoint_size_kib, negotiated.window_size), (1, 3));
        assert_eq!(negotiated.session_version, 2);
        side.send(&capture.to_server[3][11..527]);
        // The activity start, data and activity end are the foreign ones, octet for octet.
        assert_eq!(side.transmit(), capture.to_server[2..4].concat());
        side.receive(answers.next().unwrap(), step);
        assert_eq!(side.last(), Some(&Indication::TransferConfirm));
        assert!(side.stack.release_request());
        assert_eq!(side.transmit(), capture.to_server[4]);
        side.receive(answers.next().unwrap(), step);
        assert_eq!(side.last(), Some(&Indication::ReleaseConfirm));
        assert_eq!((side.error, answers.next()), (None, None));
    }
}

#[test]
fn our_1984_connect_is_the_foreign_one_octet_for_octet() {
    let capture = capture("foreign-transfer-1984.pcap");
    let mut config = (*in_context(MtsTransferProtocol1984, &config(2048, 2041, 63))).clone();
    config.transport.called_selector.0 = b"590".to_vec();
    config.rtse.dialogue_mode = DialogueMode::Monologue;
    let identifier = {
        let mut called = Side::new(Stack::responder(config_1984()));
        capture.to_server[..2].iter().for_each(|octets| called.receive(octets, usize::MAX));
        called.stack.session_connection_identifier().clone()
    };
    let stack = Stack::initiator_of(Arc::new(config), FOREIGN_ARGUMENT, identifier);
    let mut side = Side::new(stack);
    side.transmit();
    let mut cc = capture.to_client[0].clone();
    cc[6..8].copy_from_slice(&[0, 1]);
    side.receive(&cc, usize::MAX);
    let cn = side.transmit();
    assert_eq!(cn, capture.to_server[1]);
}

#[test]
fn a_context_that_is_not_accepted_is_refused_in_its_own_mode() {
    for offered in ApplicationContext::ALL {
        for accepted in ApplicationContext::ALL {
            let ours = in_context(offered, &config(2048, 0, 1));
            let theirs = in_context(accepted, &config(2048, 0, 1));
            let mut a = Side::new(Stack::initiator(ours, BIND_ARGUMENT));
            let mut b = Side::new(Stack::responder(theirs));
            pump(&mut a, &mut b, usize::MAX);
            if offered == accepted {
                assert_eq!(a.last(), Some(&Indication::BindConfirm(BIND_RESULT.to_vec())));
                continue;
            }
            let Some(Indication::BindRefused(refusal)) = a.last() else { panic!("{:?}", a.seen) };
            let expected = match offered {
                MtsTransfer => (Layer::Acse, 2),
                _ => (Layer::Rtse, RefuseReason::ValidationFailure as u32),
            };
            assert_eq!(
                (refusal.layer, refusal.reason, refusal.transient),
                (expected.0, expected.1, false)
            );
            assert!(b.seen.is_empty() && a.stack.is_closed());
        }
    }
}

#[test]
fn one_listener_takes_all_contexts() {
    let mut called = (*config(2048, 0, 1)).clone();
    called.accepted_application_contexts = ApplicationContext::ALL.to_vec();
    let called = Arc::new(called);
    for context in ApplicationContext::ALL {
        let ours = in_context(context, &config(2048, 0, 1));
        let mut a = Side::new(Stack::initiator(ours, BIND_ARGUMENT));
        let mut b = Side::new(Stack::responder(Arc::clone(&called)));
        pump(&mut a, &mut b, 3);
        assert_eq!(a.last(), Some(&Indication::BindConfirm(BIND_RESULT.to_vec())));
        assert_eq!(a.stack.negotiated(), b.stack.negotiated());
        assert_eq!(b.stack.negotiated().application_context, context);
    }
}

#[test]
fn a_refusal_says_busy_where_its_mode_has_a_word_for_it() {
    let bind_error = [0xb2, 3, 2, 1, 0];
    for context in ApplicationContext::ALL {
        let config = in_context(context, &config(2048, 0, 0));
        let mut a = Side::new(Stack::initiator(Arc::clone(&config), BIND_ARGUMENT));
        let mut b = Side::new(Stack::responder(config));
        b.answers = false;
        pump(&mut a, &mut b, usize::MAX);
        assert!(b.stack.bind_reject(RefuseReason::Busy, &bind_error));
        pump(&mut a, &mut b, usize::MAX);
        let Some(Indication::BindRefused(refusal)) = a.last() else { panic!("{:?}", a.seen) };
        assert_eq!((refusal.layer, refusal.reason), (Layer::Rtse, 0));
        match context {
            MtsTransfer => assert_eq!(refusal.bind_error, bind_error),
            MtsTransferProtocol | MtsTransferProtocol1984 => assert!(refusal.transient),
        }
    }
}

#[test]
fn the_turn_may_start_on_the_called_side() {
    for context in ApplicationContext::ALL {
        let mut config = (*in_context(context, &config(2048, 0, 1))).clone();
        config.rtse.initial_turn = Turn::Responder;
        let (mut a, mut b) = bound(&Arc::new(config), usize::MAX);
        assert!(b.stack.holds_turn() && !a.stack.holds_turn());
        b.send(&[7; 3000]);
        pump(&mut a, &mut b, usize::MAX);
        assert_eq!(a.data(), [7; 3000]);
        assert_eq!(b.last(), Some(&Indication::TransferConfirm));
    }
}
