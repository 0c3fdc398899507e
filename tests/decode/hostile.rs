//! Octets that mean harm: nothing panics, what is wrong is said, what is held and shown is bounded.

use p1relay::base::limits::{DECODE_NODE_COUNT_MAX, DECODE_VALUE_SIZE_MAX};
use p1relay::decode::{Conversation, Direction, Edition, Node, is_tpkt, mts_apdu};
use proptest::prelude::*;

use crate::apdus::message;
use crate::conversations::{faults, payloads};

/// All octets of a capture towards the responder, and those back.
fn streams(name: &str) -> [Vec<u8>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    for (direction, payload) in payloads(name) {
        streams[direction as usize].extend_from_slice(&payload);
    }
    streams
}

const CAPTURES: [&str; 2] = ["foreign-transfer-1988.pcap", "foreign-transfer-1984.pcap"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn changed_streams_are_decoded_without_panic(
        which in 0..2_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        step in 1..600_usize,
    ) {
        let mut streams = streams(CAPTURES[which]);
        for (index, value) in &changes {
            let stream = &mut streams[index.index(2)];
            let at = index.index(stream.len());
            stream[at] = *value;
        }
        let mut conversation = Conversation::new();
        for (direction, stream) in
            [Direction::ToResponder, Direction::ToInitiator].into_iter().zip(&streams)
        {
            for piece in stream.chunks(step) {
                for node in conversation.receive(direction, piece) {
                    prop_assert!(!node.to_string().is_empty());
                }
            }
        }
    }

    #[test]
    fn changed_cut_and_lengthened_apdus_are_decoded_without_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        more in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut apdu = message(b"content");
        for (index, value) in changes {
            let at = index.index(apdu.len());
            apdu[at] = value;
        }
        apdu.truncate(cut.index(apdu.len() + 1));
        apdu.extend_from_slice(&more);
        for edition in [Edition::Of1984, Edition::Of1988] {
            let nodes = mts_apdu(&apdu, edition);
            prop_assert_eq!(nodes.is_empty(), apdu.is_empty());
        }
    }

    #[test]
    fn any_octets_are_decoded_without_panic(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut conversation = Conversation::new();
        conversation.receive(Direction::ToInitiator, &octets);
        mts_apdu(&octets, Edition::Of1988);
    }
}

#[test]
fn a_cut_apdu_is_shown_as_far_as_it_goes_and_the_cut_is_said() {
    let apdu = message(b"content");
    for size in 1..apdu.len() {
        let nodes = mts_apdu(&apdu[..size], Edition::Of1988);
        assert!(!faults(&nodes).is_empty(), "cut to {size} octets");
    }
    let nodes = mts_apdu(&apdu[..apdu.len() - 3], Edition::Of1988);
    assert_eq!(nodes[0].find("originator-name").unwrap().text(), "C=GB;A=X;P=Y;S=SMITH");
    assert!(nodes[0].to_string().contains("octets where"), "{}", nodes[0]);
}

#[test]
fn what_is_shown_is_bounded() {
    // Forty thousand levels of SEQUENCE, and as many elements beside each other as fit.
    let deep = [0x30, 0x80].repeat(40_000);
    let nodes = mts_apdu(&deep, Edition::Of1988);
    assert!(nodes.iter().flat_map(Node::walk).count() < 200);
    assert!(faults(&nodes).iter().any(|fault| fault.contains("deep")), "{:?}", faults(&nodes));
    let wide = [5, 0].repeat(DECODE_NODE_COUNT_MAX + 10);
    let nodes = mts_apdu(&wide, Edition::Of1988);
    assert_eq!(nodes.len(), DECODE_NODE_COUNT_MAX + 1);
    assert_eq!(faults(&nodes), ["more than is shown"]);
    let mut long = vec![0x16, 0x82, 0x40, 0];
    long.resize(4 + 0x4000, b'a');
    let nodes = mts_apdu(&long, Edition::Of1988);
    assert!(nodes[0].text().len() < 2 * DECODE_VALUE_SIZE_MAX);
    assert!(nodes[0].text().ends_with("... (16384 octets)"));
}

#[test]
fn octets_that_are_no_tpkt_are_said_once_and_passed_over() {
    let mut stream = b"SSH-2.0-OpenSSH\r\n".to_vec();
    let (_, request) = payloads("foreign-bind-1988.pcap").remove(0);
    stream.extend_from_slice(&request);
    let mut conversation = Conversation::new();
    let nodes = conversation.receive(Direction::ToResponder, &stream);
    assert_eq!(nodes.len(), 3, "{nodes:?}");
    assert_eq!(nodes[0].text(), "a TPKT cannot begin with 53");
    assert_eq!((nodes[1].offset, nodes[1].length), (1, 16));
    assert!(nodes[2].find("CONNECTION REQUEST (CR)").is_some());
    assert!(is_tpkt(&request) && !is_tpkt(b"SSH-2.0") && !is_tpkt(&request[..6]));
}
