//! Harmless deviations of peers, as the list of `p1relay::osi` has them: each is taken as it is meant.

use crate::support::{BIND_ARGUMENT, Side, bound, capture, config, in_context, pattern, pump};
use p1relay::osi::stack::{ApplicationContext, Indication, Stack, StackConfig};
use std::sync::Arc;

fn tsdu(octets: &[u8]) -> Vec<u8> {
    let [high, low] = (octets.len() as u16 + 7).to_be_bytes();
    [&[3, 0, high, low, 2, 0xf0, 0x80], octets].concat()
}

/// The user data that PLEASE TOKENS, FINISH or a DATA TRANSFER would carry.
fn rttr(octets: &[u8]) -> Vec<u8> {
    let size = octets.len() as u8;
    let header = [0x61, size + 9, 0x30, size + 7, 2, 1, 3, 0xa0, size + 2, 4, size];
    [&header[..], octets].concat()
}

fn two_way() -> Arc<StackConfig> {
    config(65_531, 0, 1)
}

/// A called side with an association, and what it makes of TSDUs.
fn called(tsdus: &[&[u8]]) -> Side {
    let (_, mut b) = bound(&two_way(), usize::MAX);
    b.seen.clear();
    for octets in tsdus {
        b.receive(&tsdu(octets), usize::MAX);
        assert_eq!(b.error, None, "{octets:x?}");
    }
    b
}

const START: &[u8] = &[1, 0, 45, 5, 41, 3, 2, 1, 1];
const END: &[u8] = &[1, 0, 41, 3, 42, 1, b'1'];

#[test]
fn give_tokens_may_stand_alone_before_what_belongs_behind_it() {
    let data = [&[1, 0][..], &rttr(b"abc")].concat();
    let lone: &[u8] = &[1, 0];
    let side = called(&[lone, &START[2..], lone, &data, lone, &END[2..]]);
    assert_eq!((side.data(), side.last()), (b"abc".to_vec(), Some(&Indication::TransferEnd)));
}

#[test]
fn give_tokens_may_name_no_tokens_at_length() {
    for tokens in [&[1, 3, 16, 1, 0][..], &[1, 0], &[1, 255, 0, 0], &[1, 4, 193, 2, 1, 2]] {
        let [start, end] = [START, END].map(|octets| [tokens, &octets[2..]].concat());
        let data = [tokens, &[1, 0], &rttr(b"abc")].concat();
        let side = called(&[&start, &data, &end]);
        assert_eq!((side.data(), side.last()), (b"abc".to_vec(), Some(&Indication::TransferEnd)));
    }
}

#[test]
fn acknowledgements_may_come_without_please_tokens() {
    for tokens in [&[2, 0][..], &[]] {
        let (mut a, mut b) = bound(&two_way(), usize::MAX);
        a.send(&pattern(2000));
        let octets = a.transmit();
        b.receive(&octets, usize::MAX);
        for ack in [&[50, 3, 42, 1, b'1'][..], &[42, 3, 42, 1, b'2']] {
            a.receive(&tsdu(&[tokens, ack].concat()), usize::MAX);
        }
        assert_eq!((a.last(), &a.error), (Some(&Indication::TransferConfirm), &None));
    }
}

#[test]
fn user_data_and_parameters_that_nobody_asked_for_are_passed_over() {
    let start =
        [&[1, 0, 45, 14][..], &[41, 3, 2, 1, 1], &[99, 1, 7], &[193, 4, 1, 2, 3, 4]].concat();
    let data = [&[1, 0, 1, 3, 99, 1, 0][..], &rttr(b"abc")].concat();
    let end = [&[1, 0, 41, 8][..], &[42, 1, b'1'], &[193, 3, 9, 9, 9]].concat();
    let side = called(&[&start, &data, &end]);
    assert_eq!((side.data(), side.last()), (b"abc".to_vec(), Some(&Indication::TransferEnd)));
}

/// Every length of an SPDU, and of the parameters and groups in it, written as 255 and two octets.
fn lengthened(spdu: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut rest = &spdu[2..];
    while let [code, size, tail @ ..] = rest {
        let (value, tail) = tail.split_at(usize::from(*size));
        let value = if matches!(code, 1 | 5) {
            lengthened(&rest[..2 + value.len()])[4..].to_vec()
        } else {
            value.to_vec()
        };
        let [high, low] = (value.len() as u16).to_be_bytes();
        body.extend_from_slice(&[*code, 255, high, low]);
        body.extend_from_slice(&value);
        rest = tail;
    }
    let [high, low] = (body.len() as u16).to_be_bytes();
    [&[spdu[0], 255, high, low], &body[..]].concat()
}

/// The foreign CN of a capture, changed, as a called side takes it.
fn foreign(name: &str, change: impl Fn(&[u8]) -> Vec<u8>) -> Side {
    let capture = capture(name);
    let mut config = (*config(2048, 0, 1)).clone();
    config.accepted_application_contexts = ApplicationContext::ALL.to_vec();
    let mut side = Side::new(Stack::responder(Arc::new(config)));
    side.receive(&capture.to_server[0], usize::MAX);
    side.receive(&tsdu(&change(&capture.to_server[1][7..])), usize::MAX);
    side
}

const CAPTURES: [&str; 2] = ["foreign-transfer-1988.pcap", "foreign-transfer-1984.pcap"];

/// `octets` with the only occurrence of `from` replaced, and the lengths at `lengths` changed with it.
fn replaced(octets: &[u8], from: &[u8], to: &[u8], lengths: &[usize]) -> Vec<u8> {
    let at = octets.windows(from.len()).position(|window| window == from).expect("what to replace");
    let mut out = octets.to_vec();
    for length in lengths {
        out[*length] = out[*length].wrapping_add(to.len() as u8).wrapping_sub(from.len() as u8);
    }
    [&out[..at], to, &out[at + from.len()..]].concat()
}

#[test]
fn lengths_may_take_three_octets() {
    for name in CAPTURES {
        let side = foreign(name, lengthened);
        assert!(matches!(side.last(), Some(Indication::Bind(_))), "{:?}", side.error);
    }
    let start = [&[1, 255, 0, 0][..], &lengthened(&START[2..])].concat();
    let data = [&[1, 255, 0, 0, 1, 255, 0, 0][..], &rttr(b"abc")].concat();
    let end = [&[1, 0][..], &lengthened(&END[2..])].concat();
    let side = called(&[&start, &data, &end]);
    assert_eq!((side.data(), side.last()), (b"abc".to_vec(), Some(&Indication::TransferEnd)));
}

#[test]
fn the_session_version_may_be_written_as_peers_write_it() {
    // Behind CN and its length: a connection identifier of 25 octets, then the connect accept item.
    for name in CAPTURES {
        let group = 2 + 25 + 1;
        for (version, expected) in [
            (&[22, 1, 3][..], 2),
            (&[22, 1, 1], 1),
            (&[22, 2, 0, 3], 2),
            (&[22, 2, 0, 1], 1),
            (&[22, 0], 1),
            (&[], 1),
        ] {
            let side = foreign(name, |cn| replaced(cn, &[22, 1, 3], version, &[1, group]));
            assert!(
                matches!(side.last(), Some(Indication::Bind(_))),
                "{version:?}: {:?}",
                side.error
            );
            assert_eq!(side.stack.negotiated().session_version, expected);
        }
        // Outside of its group.
        let side = foreign(name, |cn| {
            let without = replaced(cn, &[22, 1, 3], &[], &[1, group]);
            replaced(&without, &[20, 2, 2, 0x49], &[22, 1, 2, 20, 2, 2, 0x49], &[1])
        });
        assert_eq!(side.stack.negotiated().session_version, 2);
    }
}

/// The foreign AC, changed, as a caller takes it.
fn answered(name: &str, change: impl Fn(&[u8]) -> Vec<u8>) -> Side {
    let context = match name {
        "foreign-transfer-1984.pcap" => ApplicationContext::MtsTransferProtocol1984,
        _ => ApplicationContext::MtsTransfer,
    };
    let capture = capture(name);
    let mut side =
        Side::new(Stack::initiator(in_context(context, &config(2048, 0, 1)), BIND_ARGUMENT));
    side.transmit();
    let mut cc = capture.to_client[0].clone();
    cc[6..8].copy_from_slice(&[0, 1]);
    side.receive(&cc, usize::MAX);
    side.receive(&tsdu(&change(&capture.to_client[1][7..])), usize::MAX);
    side
}

#[test]
fn an_accept_may_name_all_versions() {
    for name in CAPTURES {
        let side = answered(name, |ac| replaced(ac, &[22, 1, 2], &[22, 1, 3], &[]));
        assert!(matches!(side.last(), Some(Indication::BindConfirm(_))), "{:?}", side.error);
        assert_eq!(side.stack.negotiated().session_version, 2);
    }
}

#[test]
fn an_accept_may_leave_out_the_results_of_its_contexts() {
    let side = answered("foreign-transfer-1988.pcap", |ac| {
        let list = ac.iter().position(|octet| *octet == 0xa5).unwrap();
        let size = usize::from(ac[list + 1]) + 2;
        let user_data = ac.windows(2).position(|octets| octets == [0xc1, 0x72]).unwrap();
        // SPDU, user data, CPA, normal mode parameters.
        let lengths = [1, user_data + 1, user_data + 3, user_data + 10];
        replaced(ac, &ac[list..list + size], &[], &lengths)
    });
    assert!(matches!(side.last(), Some(Indication::BindConfirm(_))), "{:?}", side.error);
}

#[test]
fn lengths_may_be_definite_or_indefinite() {
    // CP, its parameters, connection data and the argument of the 1984 bind, of indefinite length, and
    // octets behind it.
    let cp: &[u8] = &[
        0x31, 0x80, 0xa0, 0x80, 0x80, 1, 0, 0, 0, 0xa1, 0x80, 0x80, 1, 2, 0xa3, 0x80, 0xa0, 0x80,
        0xa1, 0x80, 0x80, 1, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7,
    ];
    let cn = [&[13, 255, 0, cp.len() as u8 + 2, 193, cp.len() as u8][..], cp].concat();
    let cn = replaced(&cn, &[193], &[20, 2, 2, 0x49, 193], &[3]);
    let side = foreign("foreign-transfer-1984.pcap", |_| cn.clone());
    let Some(Indication::Bind(bind)) = side.last() else { panic!("{:?}", side.error) };
    assert_eq!(bind.bind_argument, [0xa1, 0x80, 0x80, 1, b'X', 0, 0]);
    // Neither window nor dialogue mode nor application protocol were named.
    assert_eq!(bind.application_context, ApplicationContext::MtsTransferProtocol1984);
    assert_eq!(side.stack.negotiated().window_size, 3);
}

#[test]
fn a_release_may_come_without_a_word() {
    for spdu in [&[9, 0][..], &[9, 3, 17, 1, 1]] {
        let side = called(&[spdu]);
        assert_eq!(side.last(), Some(&Indication::Release));
    }
    let (mut a, mut b) = bound(&two_way(), usize::MAX);
    assert!(a.stack.release_request());
    let octets = a.transmit();
    b.receive(&octets, usize::MAX);
    a.receive(&tsdu(&[10, 0]), usize::MAX);
    assert_eq!(a.last(), Some(&Indication::ReleaseConfirm));
}

#[test]
fn the_turn_may_be_asked_for_without_a_priority() {
    for context in ApplicationContext::ALL {
        let (mut a, mut b) = bound(&in_context(context, &two_way()), usize::MAX);
        a.receive(&tsdu(&[2, 3, 16, 1, 1]), usize::MAX);
        assert_eq!(a.last(), Some(&Indication::TurnPlease(255)));
        assert!(a.stack.turn_give_request());
        pump(&mut a, &mut b, usize::MAX);
        assert_eq!(b.last(), Some(&Indication::TurnGiven));
    }
}
