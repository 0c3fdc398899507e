//! Initiator against responder in memory: bind, transfers of all sizes over all segmentations, turn,
//! refusals, release, aborts.

use crate::support::{BIND_ARGUMENT, Seen, Side, bound, config, in_context, pattern, pump};
use p1relay::osi::error::Layer;
use p1relay::osi::rtse::{AbortReason, RefuseReason, TransferRefusal};
use p1relay::osi::stack::{ApplicationContext, Indication, Stack};
use std::sync::Arc;

const SIZES: [usize; 6] = [0, 1, 2 << 10, (64 << 10) - 1, 64 << 10, 3 << 20];

fn exchange(
    context: ApplicationContext,
    tpdu_size: usize,
    tsdu_size: u16,
    checkpoint_size_kib: u32,
) {
    let config = in_context(context, &config(tpdu_size, tsdu_size, checkpoint_size_kib));
    let (mut a, mut b) = bound(&config, usize::MAX);
    match &b.seen[..] {
        [Seen::Indication(Indication::Bind(bind))] => {
            assert_eq!(bind.bind_argument, BIND_ARGUMENT);
            assert_eq!(bind.application_context, context);
        }
        seen => panic!("{seen:?}"),
    }
    assert!(a.stack.holds_turn() && a.stack.is_idle() && !b.stack.holds_turn());
    assert_eq!(a.stack.negotiated(), b.stack.negotiated());
    for size in SIZES {
        let octets = pattern(size);
        b.seen.clear();
        a.send(&octets);
        pump(&mut a, &mut b, usize::MAX);
        assert_eq!((&a.error, &b.error), (&None, &None));
        assert!(b.data() == octets, "{size} octets by TPDUs of {tpdu_size}");
        assert_eq!(b.last(), Some(&Indication::TransferEnd));
        assert_eq!(a.last(), Some(&Indication::TransferConfirm));
        assert!(a.stack.is_idle() && b.stack.is_idle());
    }
    assert!(b.stack.turn_please_request(2));
    pump(&mut a, &mut b, usize::MAX);
    assert_eq!(a.last(), Some(&Indication::TurnPlease(2)));
    assert!(!b.stack.transfer_request(1), "only who has the turn sends");
    assert!(a.stack.turn_give_request());
    pump(&mut a, &mut b, usize::MAX);
    assert_eq!(b.last(), Some(&Indication::TurnGiven));
    assert!(b.stack.holds_turn() && !a.stack.holds_turn());
    b.send(&pattern(5000));
    pump(&mut a, &mut b, usize::MAX);
    assert_eq!(a.data(), pattern(5000));
    assert!(!a.stack.release_request(), "only who has the turn releases");
    assert!(b.stack.release_request());
    pump(&mut a, &mut b, usize::MAX);
    assert_eq!(b.last(), Some(&Indication::ReleaseConfirm));
    assert_eq!(a.last(), Some(&Indication::Release));
    assert!(a.stack.is_closed() && b.stack.is_closed());
}

#[test]
fn every_size_crosses_every_segmentation() {
    for tpdu_size in [128, 2048, 65_531] {
        for tsdu_size in [0, 2041] {
            for checkpoint_size_kib in [0, 1, 30] {
                for context in ApplicationContext::ALL {
                    exchange(context, tpdu_size, tsdu_size, checkpoint_size_kib);
                }
            }
        }
    }
}

#[test]
fn a_small_transfer_is_one_transmission() {
    let (mut a, mut b) = bound(&config(65_531, 0, 30), usize::MAX);
    a.send(&pattern(2048));
    let octets = a.transmit();
    b.receive(&octets, usize::MAX);
    assert_eq!(b.last(), Some(&Indication::TransferEnd));
    assert_eq!(b.transmit().len(), 14);
}

#[test]
fn the_window_stops_the_sender_until_points_are_confirmed() {
    let (mut a, mut b) = bound(&config(65_531, 0, 1), usize::MAX);
    a.send(&pattern(64 << 10));
    let octets = a.transmit();
    b.receive(&octets, usize::MAX);
    assert_eq!(b.data().len(), 4 << 10, "window 3: four checkpoint intervals");
    assert_eq!(a.stack.transfer_wanted(), 0);
    let confirm = b.transmit();
    a.receive(&confirm, usize::MAX);
    assert_eq!(a.stack.transfer_wanted(), 3 << 10);
    pump(&mut a, &mut b, usize::MAX);
    assert_eq!(b.data(), pattern(64 << 10));
}

#[test]
fn the_turn_may_be_asked_for_together_with_an_acknowledgement() {
    let (mut a, mut b) = bound(&config(65_531, 0, 1), usize::MAX);
    a.send(&pattern(10));
    let octets = a.transmit();
    b.receive(&octets, usize::MAX);
    // PLEASE TOKENS with its item and an RTTP, then ACTIVITY END ACK, in one TSDU.
    assert!(b.transmit().ends_with(&[2, 0, 42, 3, 42, 1, b'1']));
    let rttp = [0x61, 10, 0x30, 8, 2, 1, 3, 0xa0, 3, 2, 1, 4];
    let please = [&[2, 17, 16, 1, 1, 193, 12][..], &rttp].concat();
    let tsdu = [&please[..], &[42, 3, 42, 1, b'1']].concat();
    let octets = [&[3, 0, 0, tsdu.len() as u8 + 7, 2, 0xf0, 0x80], &tsdu[..]].concat();
    a.receive(&octets, 1);
    assert_eq!(a.error, None);
    let tail = &a.seen[a.seen.len() - 2..];
    let expected = [Indication::TurnPlease(4), Indication::TransferConfirm];
    assert_eq!(tail, expected.map(Seen::Indication));
}

#[test]
fn a_receiver_refuses_and_the_association_goes_on() {
    for refusal in [TransferRefusal::Temporary, TransferRefusal::Permanent] {
        for at_end in [false, true] {
            let (mut a, mut b) = bound(&config(2048, 2041, 1), usize::MAX);
            b.answers = false;
            a.send(&pattern(if at_end { 10 } else { 100 << 10 }));
            let octets = a.transmit();
            b.receive(&octets, usize::MAX);
            assert!(b.stack.transfer_refuse(refusal));
            assert!(!b.stack.transfer_response());
            pump(&mut a, &mut b, usize::MAX);
            assert_eq!(a.last(), Some(&Indication::TransferRefused(refusal)));
            assert_eq!(b.last(), Some(&Indication::TransferDiscarded));
            b.answers = true;
            b.seen.clear();
            a.send(&pattern(3000));
            pump(&mut a, &mut b, usize::MAX);
            assert_eq!(b.data(), pattern(3000));
            assert_eq!((&a.error, &b.error), (&None, &None));
        }
    }
}

#[test]
fn a_bind_is_refused_with_its_error() {
    let config = config(2048, 0, 0);
    let mut a = Side::new(Stack::initiator(Arc::clone(&config), BIND_ARGUMENT));
    let mut b = Side::new(Stack::responder(config));
    b.answers = false;
    pump(&mut a, &mut b, usize::MAX);
    assert!(b.stack.bind_reject(RefuseReason::ValidationFailure, &[0xb2, 3, 2, 1, 2]));
    assert!(!b.stack.bind_accept(&[]));
    pump(&mut a, &mut b, usize::MAX);
    let Some(Indication::BindRefused(refusal)) = a.last() else { panic!("{:?}", a.seen) };
    assert_eq!((refusal.layer, &refusal.bind_error[..]), (Layer::Rtse, &[0xb2, 3, 2, 1, 2][..]));
    assert!(a.stack.is_closed() && b.stack.is_closed());
}

#[test]
fn unknown_selectors_are_refused_by_their_layer() {
    for layer in [Layer::Transport, Layer::Session, Layer::Presentation] {
        let mut called = (*config(2048, 0, 0)).clone();
        match layer {
            Layer::Transport => called.transport.called_selector.0 = b"591".to_vec(),
            Layer::Session => called.session.called_selector.0 = b"S".to_vec(),
            _ => called.presentation.called_selector.0 = b"P".to_vec(),
        }
        let called = Arc::new(called);
        let mut a = Side::new(Stack::initiator(config(2048, 0, 0), BIND_ARGUMENT));
        let mut b = Side::new(Stack::responder(Arc::clone(&called)));
        pump(&mut a, &mut b, usize::MAX);
        assert_eq!(b.error.as_ref().map(|error| error.layer()), Some(layer));
        let Some(Indication::BindRefused(refusal)) = a.last() else { panic!("{:?}", a.seen) };
        assert_eq!(refusal.layer, layer, "{refusal:?}");
        bound(&called, usize::MAX);
    }
}

#[test]
fn an_abort_tells_its_reason() {
    let contexts = ApplicationContext::ALL.into_iter();
    for (context, begun) in contexts.flat_map(|context| [(context, false), (context, true)]) {
        let (mut a, mut b) = bound(&in_context(context, &config(2048, 0, 1)), usize::MAX);
        if begun {
            a.send(&pattern(100_000));
            let octets = a.transmit();
            b.receive(&octets, usize::MAX);
        }
        let x410_mode = context.is_x410_mode();
        let (reason, heard) = match (begun, x410_mode) {
            (false, _) => (AbortReason::TemporaryProblem, 3),
            (true, false) => (AbortReason::UserError, 6),
            // X.410 mode has no word for it.
            (true, true) => (AbortReason::UserError, 0),
        };
        a.stack.abort_request(reason);
        pump(&mut a, &mut b, usize::MAX);
        let Some(Indication::Abort(abort)) = b.last() else { panic!("{:?} {:?}", b.seen, b.error) };
        assert_eq!((abort.layer, abort.reason), (Layer::Rtse, Some(heard)));
        assert!(a.stack.is_closed() && b.stack.is_closed());
    }
}
