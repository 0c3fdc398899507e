//! Octets that no honest peer sends: each is a clear error of the right layer, and nothing panics,
//! loops or grows.

use crate::support::{BIND_ARGUMENT, Side, bound, capture, config, in_context, pattern};
use p1relay::base::fault::Fault;
use p1relay::base::limits::CONTROL_PDU_SIZE_MAX;
use p1relay::osi::error::{Error, Layer};
use p1relay::osi::stack::recovery::ResumeResponse;
use p1relay::osi::stack::{ApplicationContext, Indication, Stack, StackConfig};
use proptest::prelude::*;
use std::sync::Arc;

fn tpkt(tpdu: &[u8]) -> Vec<u8> {
    let [high, low] = (tpdu.len() as u16 + 4).to_be_bytes();
    [&[3, 0, high, low], tpdu].concat()
}

fn tsdu(octets: &[u8]) -> Vec<u8> {
    tpkt(&[&[2, 0xf0, 0x80], octets].concat())
}

const CR: &[u8] = &[6, 0xe0, 0, 0, 0, 1, 0];

/// A called side with an open transport connection.
fn open() -> Side {
    let mut side = Side::new(Stack::responder(config(65_531, 0, 1)));
    side.receive(&tpkt(CR), usize::MAX);
    side.transmit();
    side
}

/// A called side with an association and an activity begun.
fn receiving() -> Side {
    let (_, mut b) = bound(&config(65_531, 0, 1), usize::MAX);
    b.receive(&tsdu(&[1, 0, 45, 5, 41, 3, 2, 1, 1]), usize::MAX);
    assert_eq!(b.last(), Some(&Indication::TransferStart));
    b
}

/// Feeds `octets` whole and one by one: the error must be of `layer` and the peer's fault, and what is
/// sent back must begin with `answer` behind its TPKT header.
fn refused(side: impl Fn() -> Side, octets: &[u8], layer: Layer, answer: &[u8]) -> Error {
    let mut errors = [1, usize::MAX].map(|step| {
        let mut side = side();
        side.receive(octets, step);
        let error = side.error.clone().unwrap_or_else(|| panic!("{octets:x?} was taken"));
        assert_eq!(error.layer(), layer, "{octets:x?}: {error}");
        assert_eq!(error.fault(), Fault::PeerViolated, "{octets:x?}: {error}");
        let sent = side.transmit();
        let sent = sent.get(4..).unwrap_or_default();
        assert!(sent.starts_with(answer), "{octets:x?}: {error}: {sent:x?}");
        assert_eq!(side.stack.poll_indication(&mut &octets[..]), Ok(None), "it stays shut");
        error
    });
    errors.sort_by_key(|error| error.to_string());
    let [first, second] = errors;
    assert_eq!(first, second, "however the octets come");
    first
}

const SESSION_ABORT: &[u8] = &[2, 0xf0, 0x80, 25, 3, 17, 1, 5];
const USER_ABORT: &[u8] = &[2, 0xf0, 0x80, 25];

#[test]
fn garbage_instead_of_tpkt() {
    let side = || Side::new(Stack::responder(config(65_531, 0, 1)));
    for octets in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[2, 0, 0, 11], &[0x16, 3, 1, 2, 0]] {
        let error = refused(side, octets, Layer::Tpkt, &[]);
        assert_eq!(error, Error::TpktVersion { version: octets[0] });
    }
    for length in [0, 4, 6] {
        let error = refused(side, &[3, 0, 0, length, 1, 0xe0, 0, 0], Layer::Tpkt, &[]);
        assert_eq!(error, Error::TpktLength { length: length.into() });
    }
}

#[test]
fn wrong_tpdus() {
    let fresh = || Side::new(Stack::responder(config(65_531, 0, 1)));
    let error_tpdu: &[u8] = &[4, 0x70];
    // A CC, a DT, a DR to an idle side; an unknown TPDU; a second CR.
    refused(fresh, &tpkt(&[6, 0xd0, 0, 0, 0, 1, 0]), Layer::Transport, error_tpdu);
    refused(fresh, &tsdu(&[13, 0]), Layer::Transport, error_tpdu);
    refused(fresh, &tpkt(&[6, 0x80, 0, 0, 0, 1, 0]), Layer::Transport, error_tpdu);
    refused(open, &tpkt(&[6, 0x10, 0, 0, 0, 1, 0]), Layer::Transport, error_tpdu);
    refused(open, &tpkt(CR), Layer::Transport, error_tpdu);
    // Length indicators and parameters that lie.
    refused(fresh, &tpkt(&[60, 0xe0, 0, 0, 0, 1, 0]), Layer::Transport, error_tpdu);
    refused(fresh, &tpkt(&[2, 0xe0, 0, 0]), Layer::Transport, error_tpdu);
    refused(fresh, &tpkt(&[8, 0xe0, 0, 0, 0, 1, 0, 0xc1, 9]), Layer::Transport, error_tpdu);
    refused(fresh, &tpkt(&[9, 0xe0, 0, 0, 0, 1, 0, 0xc0, 1, 99]), Layer::Transport, error_tpdu);
    refused(open, &tpkt(&[4, 0xf0, 0x80, 0, 0, 1, 0]), Layer::Transport, error_tpdu);

    let mut side = fresh();
    side.receive(&tpkt(&[&[250, 0xe0][..], &[0; 5000]].concat()), usize::MAX);
    assert_eq!(side.error.map(|error| error.fault()), Some(Fault::LocalLimit));
    let mut side = fresh();
    side.receive(&tpkt(&[6, 0xe0, 0, 0, 0, 1, 0x40]), usize::MAX);
    assert_eq!(side.error.clone().map(|error| error.fault()), Some(Fault::PeerUnsupported));
    assert_eq!(side.transmit()[5], 0x80, "a DR TPDU");
}

#[test]
fn wrong_spdus() {
    let disconnect: &[u8] = &[6, 0x80];
    for octets in
        [&[13, 9, 5][..], &[], &[99, 0], &[3], &[13, 2, 193, 200], &[1, 0, 45, 0], &[9, 0]]
    {
        refused(open, &tsdu(octets), Layer::Session, disconnect);
    }
    for octets in [
        &[99, 0][..],                          // unknown
        &[5, 0],                               // EXPEDITED was not selected
        &[33, 0],                              // nor TYPED DATA
        &[1, 0, 41, 6, 15, 1, 1, 42, 1, b'1'], // nor MAJOR SYNC POINT
        &[13, 0],                              // a second CONNECT
        &[1, 0, 45, 5, 41, 3, 2, 1, 2],        // a second activity
        &[1, 0, 49, 3, 42, 1, b'2'],           // a serial number out of sequence
        &[1, 0, 41, 3, 42, 1, b'x'],           // one that is no number
        &[1, 0, 41, 9, 42, 7, b'1', b'1', b'1', b'1', b'1', b'1', b'1'],
        &[1, 0, 41, 0],                    // none
        &[2, 0, 50, 3, 42, 1, b'1'],       // a confirmation of nothing
        &[9, 0],                           // FINISH inside an activity
        &[1, 0, 1, 3, 25, 1, 2],           // a segment that continues nothing
        &[1, 0, 1, 9, 25, 1],              // an SPDU longer than its TSDU
        &[1, 0, 49, 3, 42, 1, b'1', 2, 0], // extended concatenation
        &[1, 5, 16, 9, 1, 0, 0],           // a parameter longer than its SPDU
    ] {
        refused(receiving, &tsdu(octets), Layer::Session, SESSION_ABORT);
    }
    let mut side = open();
    side.receive(&tsdu(&[13, 255, 255, 255]), 1);
    let size_max = CONTROL_PDU_SIZE_MAX;
    assert_eq!(side.error, Some(Error::PduTooLong { layer: Layer::Session, size_max }));
}

#[test]
fn wrong_presentation_data() {
    let data = |octets: &[u8]| tsdu(&[&[1, 0, 1, 0], octets].concat());
    for octets in [
        &[0x61, 10, 0x30, 8, 2, 1, 3, 0xa0, 3, 4, 2, 7, 7][..], // longer than what encloses it
        &[0x61, 10, 0x30, 8, 2, 1, 3, 0xa0, 3, 4, 1],           // ends inside
        &[0x61, 10, 0x30, 8, 2, 1, 1, 0xa0, 3, 4, 1, 7],        // ACSE's context
        &[0x61, 10, 0x30, 8, 2, 1, 9, 0xa0, 3, 4, 1, 7],        // no context at all
        &[0x61, 10, 0x30, 8, 2, 1, 3, 0xa0, 3, 2, 1, 7],        // an INTEGER
        &[0x60, 2, 4, 0],                                       // simply encoded
        &[0x61, 0x80, 0, 0],                                    // nothing in it
        &[0x61, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1],               // a length of nine octets
        &[0x61, 0x88, 255, 255, 255, 255, 255, 255, 255, 255],  // a length beyond all
        &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],            // an endless tag
        &[],
    ] {
        refused(receiving, &data(octets), Layer::Presentation, USER_ABORT);
    }
    let nested = [&[0x61, 0x80, 0x30, 0x80, 2, 1, 3, 0xa0, 0x80][..], &[0x24, 0x80].repeat(5000)];
    refused(receiving, &data(&nested.concat()), Layer::Presentation, USER_ABORT);
}

#[test]
fn wrong_connects() {
    let cn = capture("foreign-transfer-1988.pcap").to_server[1].clone();
    let refuse: &[u8] = &[2, 0xf0, 0x80, 12];
    // Each BER length and tag of the CP, AARQ and RTORQ, wrong in turn: refused by an RF, or taken
    // where it only changes what is opaque.
    let user_data = cn.windows(3).position(|octets| octets == [0xc1, 0x7e, 0x31]).unwrap() + 2;
    let mut refusals = 0;
    for at in user_data..cn.len() {
        for value in [0, 0x7f, 0x80, 0xff] {
            let mut side = open();
            let mut octets = cn.clone();
            octets[at] = value;
            side.receive(&octets, usize::MAX);
            let sent = side.transmit();
            match &side.error {
                None => assert!(matches!(side.last(), Some(Indication::Bind(_)))),
                Some(error) => {
                    assert!(sent[4..].starts_with(refuse), "{error} {sent:x?}");
                    refusals += 1;
                }
            }
        }
    }
    assert!(refusals > 200, "{refusals}");

    // The same with the CP and RTORQ of X.410 mode.
    let cn = capture("foreign-transfer-1984.pcap").to_server[1].clone();
    let user_data = cn.windows(3).position(|octets| octets == [0xc1, 0x28, 0x31]).unwrap() + 2;
    let mut refusals = 0;
    for at in user_data..cn.len() {
        for value in [0, 0x7f, 0x80, 0xff] {
            let mut side = Side::new(Stack::responder(any_context()));
            side.receive(&tpkt(CR), usize::MAX);
            side.transmit();
            let mut octets = cn.clone();
            octets[at] = value;
            side.receive(&octets, usize::MAX);
            let sent = side.transmit();
            match &side.error {
                None => assert!(matches!(side.last(), Some(Indication::Bind(_)))),
                Some(error) => {
                    assert!(sent[4..].starts_with(refuse), "{error} {sent:x?}");
                    refusals += 1;
                }
            }
        }
    }
    assert!(refusals > 50, "{refusals}");

    let mut deep = vec![13, 255, 0, 0, 5, 3, 22, 1, 2, 20, 2, 2, 0x49, 193, 255, 0, 0];
    let body = [&[0x31, 0x80][..], &[0xa2, 0x80].repeat(4000)].concat();
    let at = deep.len();
    deep[at - 2..].copy_from_slice(&(body.len() as u16).to_be_bytes());
    deep.extend_from_slice(&body);
    let size = deep.len() as u16 - 4;
    deep[2..4].copy_from_slice(&size.to_be_bytes());
    refused(open, &tsdu(&deep), Layer::Presentation, refuse);
}

#[test]
fn a_peer_that_is_not_expected_to_answer() {
    // The calling side: an AC before its CC, a bind confirm with another context, an AEA from nowhere.
    let side = || {
        let mut side = Side::new(Stack::initiator(config(2048, 0, 1), BIND_ARGUMENT));
        side.transmit();
        side
    };
    refused(side, &tsdu(&[14, 0]), Layer::Transport, &[4, 0x70]);
    refused(side, &tpkt(&[6, 0xd0, 0, 9, 0, 1, 0]), Layer::Transport, &[4, 0x70]);
    let bound = || bound(&config(2048, 0, 1), usize::MAX).0;
    refused(bound, &tsdu(&[2, 0, 42, 3, 42, 1, b'1']), Layer::Session, SESSION_ABORT);
    refused(bound, &tsdu(&[1, 0, 45, 5, 41, 3, 2, 1, 1]), Layer::Session, SESSION_ABORT);
}

/// Octets of a called side's life: bind, a transfer with checkpoints, release.
fn valid() -> Vec<u8> {
    let (mut a, mut b) = bound(&config(2048, 0, 1), usize::MAX);
    a.send(&pattern(3000));
    crate::support::pump(&mut a, &mut b, usize::MAX);
    assert!(a.stack.release_request());
    crate::support::pump(&mut a, &mut b, usize::MAX);
    a.sent
}

/// A transfer interrupted and resumed, in X.410 mode.
fn interrupted() -> Vec<u8> {
    let config = in_context(ApplicationContext::MtsTransferProtocol, &config(2048, 0, 1));
    let (mut a, mut b) = bound(&config, usize::MAX);
    a.send(&pattern(20_000));
    let octets = a.transmit();
    b.receive(&octets, usize::MAX);
    let octets = b.transmit();
    a.receive(&octets, usize::MAX);
    assert!(a.stack.transfer_interrupt_request());
    crate::support::pump(&mut a, &mut b, usize::MAX);
    let Some(Indication::TransferInterruptConfirm(resumption)) = a.last().cloned() else {
        panic!("{:?}", a.seen)
    };
    b.resume = Some(ResumeResponse::Continue { octets: resumption.octets_confirmed });
    a.resume(&resumption, &pattern(20_000));
    crate::support::pump(&mut a, &mut b, usize::MAX);
    a.sent
}

fn any_context() -> Arc<StackConfig> {
    let mut config = (*config(65_531, 0, 1)).clone();
    config.accepted_application_contexts = ApplicationContext::ALL.to_vec();
    Arc::new(config)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn mutations_never_panic_and_nothing_grows(
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
        step in 1..300usize,
        life in 0..4u8,
    ) {
        let mut octets = match life {
            0 => capture("foreign-transfer-1988.pcap").to_server.concat(),
            1 => capture("foreign-transfer-1984.pcap").to_server.concat(),
            2 => interrupted(),
            _ => valid(),
        };
        for (index, value, kind) in mutations {
            let at = index.index(octets.len());
            match kind {
                0 => octets[at] = value,
                1 => octets[at] ^= 1 << (value % 8),
                2 => octets.insert(at, value),
                _ => { octets.remove(at); }
            }
        }
        let size = octets.len();
        let mut side = Side::new(Stack::responder(any_context()));
        side.resume = Some(ResumeResponse::Continue { octets: 1024 });
        side.receive(&octets, step);
        side.transmit();
        prop_assert!(side.data().len() <= size);
        prop_assert!(side.sent.len() <= size + 4096, "{}", side.sent.len());
        let next = Stack::poll_indication(&mut side.stack, &mut &octets[..0]);
        prop_assert!(matches!(next, Ok(None)));
    }
}
