//! However the octets are cut on their way, the indications are the same.

use crate::support::{
    BIND_ARGUMENT, BIND_RESULT, Seen, Side, bound, capture, config, pattern, pump,
};
use p1relay::osi::rtse::TransferRefusal;
use p1relay::osi::stack::{Indication, Stack};
use std::sync::Arc;

/// What one side got during a whole life of an association, in transmissions, and what it saw.
struct Life {
    received_by_caller: Vec<Vec<u8>>,
    received_by_called: Vec<Vec<u8>>,
    seen_by_caller: Vec<Seen>,
    seen_by_called: Vec<Seen>,
}

/// Bind, a transfer, one refused, the turn, a transfer back, release.
fn life() -> Life {
    let config = config(128, 100, 1);
    let mut a = Side::new(Stack::initiator(Arc::clone(&config), BIND_ARGUMENT));
    let mut b = Side::new(Stack::responder(config));
    let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
    for step in 0..7 {
        act(step, &mut a, &mut b);
        loop {
            let there = a.transmit();
            b.receive(&there, usize::MAX);
            let back = b.transmit();
            a.receive(&back, usize::MAX);
            if there.is_empty() && back.is_empty() {
                break;
            }
            to_b.push(there);
            to_a.push(back);
        }
        b.answers = step != 1;
    }
    assert_eq!((&a.error, &b.error), (&None, &None));
    assert_eq!(a.last(), Some(&Indication::Release));
    Life {
        received_by_caller: to_a,
        received_by_called: to_b,
        seen_by_caller: a.seen,
        seen_by_called: b.seen,
    }
}

fn act(step: usize, a: &mut Side, b: &mut Side) {
    match step {
        1 => a.send(&pattern(2500)),
        2 => a.send(&pattern(10)),
        3 => assert!(b.stack.transfer_refuse(TransferRefusal::Permanent)),
        4 => assert!(b.stack.turn_please_request(1) && a.stack.turn_give_request()),
        5 => b.send(&pattern(300)),
        6 => assert!(b.stack.release_request()),
        _ => {}
    }
}

#[test]
fn octet_by_octet_and_in_small_pieces() {
    let config = config(128, 100, 1);
    for step in [1, 2, 3, 5, 6, 7, 8, 127, 129] {
        let mut a = Side::new(Stack::initiator(Arc::clone(&config), BIND_ARGUMENT));
        let mut b = Side::new(Stack::responder(Arc::clone(&config)));
        for act_step in 0..7 {
            act(act_step, &mut a, &mut b);
            pump(&mut a, &mut b, step);
            b.answers = act_step != 1;
        }
        assert_eq!((&a.error, &b.error), (&None, &None), "pieces of {step}");
        let life = life();
        assert_eq!(a.seen, life.seen_by_caller, "pieces of {step}");
        assert_eq!(b.seen, life.seen_by_called, "pieces of {step}");
    }
}

#[test]
fn every_position_of_every_transmission() {
    let life = life();
    // The called side of a bind and a transfer with checkpoints, each transmission cut in two.
    let transmissions = &life.received_by_called[..life.received_by_called.len().min(4)];
    for (index, transmission) in transmissions.iter().enumerate() {
        for position in 1..transmission.len() {
            let mut b = Side::new(Stack::responder(config(128, 100, 1)));
            for (other, octets) in transmissions.iter().enumerate() {
                let (head, tail) = octets.split_at(if other == index { position } else { 0 });
                b.receive(head, usize::MAX);
                b.receive(tail, usize::MAX);
                b.transmit();
            }
            assert_eq!(b.error, None, "transmission {index} cut at {position}");
            assert!(life.seen_by_called.starts_with(&b.seen[..2]));
        }
    }
    // The calling side of a bind.
    let answers = &life.received_by_caller[..2];
    for (index, answer) in answers.iter().enumerate() {
        for position in 1..answer.len() {
            let mut a = Side::new(Stack::initiator(config(128, 100, 1), BIND_ARGUMENT));
            for (other, octets) in answers.iter().enumerate() {
                a.transmit();
                let (head, tail) = octets.split_at(if other == index { position } else { 0 });
                a.receive(head, usize::MAX);
                a.receive(tail, usize::MAX);
            }
            assert_eq!(a.last(), Some(&Indication::BindConfirm(BIND_RESULT.to_vec())));
        }
    }
}

#[test]
fn every_position_of_the_foreign_transfer() {
    let capture = capture("foreign-transfer-1988.pcap");
    let all: Vec<u8> = capture.to_server.concat();
    let run = |position: usize| {
        let mut side = Side::new(Stack::responder(config(65_531, 0, 1)));
        let (head, tail) = all.split_at(position);
        side.receive(head, usize::MAX);
        side.receive(tail, usize::MAX);
        assert_eq!(side.error, None, "cut at {position}");
        side.seen
    };
    let whole = run(0);
    assert_eq!(whole.len(), 5);
    for position in 1..all.len() {
        assert_eq!(run(position), whole, "cut at {position}");
    }
}

#[test]
fn large_transfers_in_odd_pieces() {
    for (tpdu_size, tsdu_size, checkpoint_size_kib) in [(2048, 2041, 30), (65_531, 0, 0)] {
        let (mut a, mut b) = bound(&config(tpdu_size, tsdu_size, checkpoint_size_kib), 11);
        a.send(&pattern(200_000));
        pump(&mut a, &mut b, 1021);
        assert_eq!(b.data(), pattern(200_000));
    }
}

#[test]
fn a_connect_answer_in_session_segments_is_joined() {
    let capture = capture("foreign-transfer-1988.pcap");
    let mut cc = capture.to_client[0].clone();
    cc[6..8].copy_from_slice(&[0, 1]);
    // TPKT and DT header, SI and LI, 42 octets of parameters, then C1 72 and 114 octets of CPA.
    let ac = &capture.to_client[1][7..];
    let (parameters, cpa) = ac[2..].split_at(44);
    assert_eq!(parameters[42..], [0xc1, 0x72]);
    for position in 1..cpa.len() {
        let (head, tail) = cpa.split_at(position);
        let head = [&parameters[..42], &[25, 1, 1, 0xc1, head.len() as u8], head].concat();
        let tail = [&[25, 1, 2, 0xc1, tail.len() as u8], tail].concat();
        let mut side = Side::new(Stack::initiator(config(2048, 0, 1), BIND_ARGUMENT));
        side.transmit();
        side.receive(&cc, usize::MAX);
        for segment in [head, tail] {
            let size = segment.len() as u8;
            let tsdu = [&[3, 0, 0, size + 9, 2, 0xf0, 0x80, 14, size], &segment[..]].concat();
            side.receive(&tsdu, 3);
        }
        assert_eq!(side.error, None, "cut at {position}");
        assert!(matches!(side.last(), Some(Indication::BindConfirm(_))));
        assert_eq!(side.stack.negotiated().session_version, 2);
    }
}
