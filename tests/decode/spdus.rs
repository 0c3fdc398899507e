//! SPDUs one by one: concatenation, extended lengths, what shares an identifier, activities resumed.

use p1relay::decode::{Conversation, Direction, Node};

use crate::conversations::faults;

/// A TSDU in a DT TPDU of its own.
fn tpkt(tsdu: &[u8]) -> Vec<u8> {
    let [high, low] = (tsdu.len() as u16 + 7).to_be_bytes();
    let mut octets = vec![3, 0, high, low, 2, 0xf0, 0x80];
    octets.extend_from_slice(tsdu);
    octets
}

fn decode(conversation: &mut Conversation, tsdu: &[u8]) -> Vec<Node> {
    conversation.receive(Direction::ToResponder, &tpkt(tsdu))
}

#[test]
fn each_spdu_has_its_name_and_its_parameters() {
    for (tsdu, told) in [
        (
            &[1, 0, 25, 3, 50, 1, 5][..],
            &[
                "GIVE TOKENS (GT)",
                "ACTIVITY INTERRUPT (AI)",
                "Reason Code: local SS-user error (5)",
            ][..],
        ),
        (
            &[25, 3, 17, 1, 3],
            &["ABORT (AB)", "transport connection is released, user abort (0x03)"],
        ),
        (&[26, 0], &["ABORT ACCEPT (AA)"]),
        (&[2, 0, 26, 0], &["PLEASE TOKENS (PT)", "ACTIVITY INTERRUPT ACK (AIA)"]),
        (&[1, 0, 41, 6, 15, 1, 1, 42, 1, b'7'], &["MAJOR SYNC POINT (MAP)", "Serial Number: 7"]),
        (
            &[13, 255, 0, 3, 22, 1, 3],
            &["CONNECT (CN)", "Version Number: version 1, version 2 (0x03)"],
        ),
        (&[2, 0, 48, 3, 50, 1, 6], &["EXCEPTION DATA (ED)", "unrecoverable procedural error (6)"]),
        (&[12, 3, 50, 1, 129], &["REFUSE (RF)", "Reason Code: session selector unknown (129)"]),
        (&[2, 8, 16, 1, 1, 193, 3, 2, 1, 4], &["Token Item: data (0x01)", "rttp-apdu priority: 4"]),
        (&[1, 0, 29, 3, 42, 1, b'9'], &["ACTIVITY RESUME (AR)"]),
        (
            &[1, 3, 16, 1, 1, 49, 3, 42, 1, b'2', 50, 3, 42, 1, b'1'],
            &["GIVE TOKENS (GT)", "MINOR SYNC POINT (MIP)", "MINOR SYNC ACK (MIA)"],
        ),
    ] {
        let nodes = decode(&mut Conversation::new(), tsdu);
        let text = nodes[0].to_string();
        for line in told {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(faults(&nodes), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_is_wrong_in_an_spdu_is_said_where_it_stands() {
    for (tsdu, told) in [
        (&[13, 9, 22, 1][..], "a length of 9 octets where 2 are left"),
        (&[13, 3, 22, 9, 1], "a length of 9 octets where 1 are left"),
        (&[13, 1, 22], "half a parameter"),
        (&[13], "half an SPDU"),
        (&[1, 0, 49, 3, 42, 1, b'x'], "a serial number that is not digits"),
        (&[13, 2, 5, 9], "a length of 9 octets where 0 are left"),
        (&[99, 0, 1, 2], "octets behind an unknown SPDU"),
    ] {
        let faults = faults(&decode(&mut Conversation::new(), tsdu));
        assert!(faults.iter().any(|fault| fault == told), "{told} is not in {faults:?}");
    }
}

#[test]
fn a_resumed_transfer_goes_on_from_its_checkpoint() {
    let mut conversation = Conversation::new();
    let data = |octets: &[u8]| [&[1, 0, 1, 0], octets].concat();
    // An empty probe around twelve octets, in X.410 mode: its half came twice.
    let apdu = [0xa2, 12, 0x86, 10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let mut nodes = Vec::new();
    for tsdu in [
        vec![1, 0, 45, 5, 41, 3, 2, 1, 1],
        data(&apdu[..6]),
        vec![1, 0, 49, 3, 42, 1, b'1'],
        data(&apdu[6..9]),
        vec![1, 0, 25, 3, 50, 1, 5],
        vec![1, 0, 29, 3, 42, 1, b'1'],
        data(&apdu[6..]),
        vec![1, 0, 41, 3, 42, 1, b'2'],
    ] {
        nodes.extend(decode(&mut conversation, &tsdu));
    }
    let transfer = nodes.last().unwrap();
    assert_eq!((&*transfer.name, transfer.length), ("transfer", apdu.len()));
    assert_eq!(transfer.find("[6]").unwrap().text(), "00 01 02 03 04 05 06 07 08 09");
    assert_eq!(faults(&nodes), Vec::<String>::new());
    // Of another connection's activity the beginning is not known, and that is said.
    let mut other = Conversation::new();
    let mut nodes = Vec::new();
    for tsdu in [vec![1, 0, 29, 3, 42, 1, b'1'], data(&apdu[6..]), vec![1, 0, 41, 3, 42, 1, b'2']] {
        nodes.extend(decode(&mut other, &tsdu));
    }
    assert!(faults(&nodes)[0].contains("not seen whole"), "{:?}", faults(&nodes));
}
