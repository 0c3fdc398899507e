//! Octets that are no APDU, or not quite: nothing panics, and what is taken can be relayed.

use p1relay::base::limits::{BER_DEPTH_MAX, ENVELOPE_SIZE_MAX};
use p1relay::ber::{ErrorKind, Progress, Skipper};
use p1relay::p1::bind::{Mode, decode_bind_argument, decode_bind_error};
use p1relay::p1::domain::GlobalDomainIdentifierView;
use p1relay::p1::patch::{InternalTraceChange, Patched, RelayChanges, patch};
use p1relay::p1::scan::{Responsibility, Scan, scan, scan_prefix};
use p1relay::p1::{Error, ipm, or_address};
use proptest::prelude::*;

use crate::{Random, foreign_message};

/// Scans, and where that succeeds looks at every span, patches and scans the outcome.
/// What can be read as an address is printed, and written as one that reads.
fn address(or_name: &[u8]) {
    let Ok(view) = or_address::attributes(or_name) else { return };
    let owned = view.to_owned();
    assert!(!format!("{view}{owned}").contains(char::is_control));
    let mut again = Vec::new();
    owned.encode(&mut again);
    assert!(or_address::attributes(&again).is_ok());
}

fn exercise(apdu: &[u8]) {
    let mut found = Scan::new();
    let _ = scan_prefix(apdu, &mut found);
    if scan(apdu, &mut found).is_err() {
        return;
    }
    let inside = |span: p1relay::ber::Span| apdu.get(span.range()).expect("spans lie inside");
    for element in &found.trace {
        let _ = GlobalDomainIdentifierView::decode(inside(element.domain));
    }
    for recipient in &found.recipients {
        address(inside(recipient.or_name));
        inside(recipient.field);
    }
    for extension in found.extensions.iter().chain(&found.all_recipient_extensions) {
        inside(extension.field);
        inside(extension.value);
    }
    let _ = found.content_octets(apdu).map(|content| ipm::read_text(&content));
    let element = &apdu[found.trace[0].element.range()];
    let changes = RelayChanges {
        strip_bilateral_information: false,
        trace_element: Some(element),
        internal_trace: InternalTraceChange::Strip,
        responsibility: Some(&|_| Responsibility::NotResponsible),
    };
    let mut patched = Patched::new();
    patch(apdu, &found, &changes, &mut patched);
    let mut out = Vec::new();
    patched.write_to(apdu, &mut out);
    let trace_count = found.trace.len();
    let recipient_count = found.recipients.len();
    scan(&out, &mut found).expect("what is taken can be relayed");
    assert_eq!(found.trace.len(), trace_count + 1);
    assert_eq!(found.recipients.len(), recipient_count);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn mutations_do_not_panic(seed: u64) {
        let mut random = Random(seed);
        let original = random.encoded_apdu();
        for _ in 0..20 {
            let mut apdu = original.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(apdu.len());
                match random.below(4) {
                    0 => apdu[at] = random.number() as u8,
                    1 => apdu[at] ^= 1 << random.below(8),
                    2 => apdu.insert(at, random.number() as u8),
                    _ => {
                        apdu.remove(at);
                    }
                }
            }
            exercise(&apdu);
        }
    }

    #[test]
    fn noise_does_not_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        exercise(&octets);
        exercise(&[&[0xa0, 0x80, 0x31, 0x80][..], &octets].concat());
        address(&octets);
        let _ = GlobalDomainIdentifierView::decode(&octets);
        let _ = ipm::read_text(&octets);
        let _ = decode_bind_error(&octets);
        for mode in [Mode::Normal, Mode::X410] {
            let _ = decode_bind_argument(mode, &octets);
        }
    }

    /// The walker for contents that stream past ends where the element ends, whatever the chunks.
    #[test]
    fn a_streamed_apdu_ends_where_it_ends(seed: u64) {
        let mut random = Random(seed);
        let apdu = random.encoded_apdu();
        let longer = [&apdu[..], &[0, 0, 0]].concat();
        let mut skipper = Skipper::new();
        let mut taken = 0;
        while !skipper.is_complete() {
            let size = random.below(200).min(longer.len() - taken);
            taken += match skipper.feed(&longer[taken..taken + size]).expect("a valid APDU") {
                Progress::NeedMore => size,
                Progress::Complete(count) => count,
            };
        }
        prop_assert_eq!(taken, apdu.len());
    }
}

#[test]
fn every_single_octet_change_of_a_foreign_message() {
    let original = foreign_message();
    for at in 0..original.len() {
        for octet in [0x00, 0x01, 0x7f, 0x80, 0x84, 0xff, original[at] ^ 0x20, original[at] ^ 1] {
            let mut apdu = original.clone();
            apdu[at] = octet;
            exercise(&apdu);
        }
    }
}

#[test]
fn nesting_without_end_is_refused() {
    let mut apdu = vec![0xa0, 0x80, 0x31, 0x80, 0xbf, 0x7f, 0x80];
    apdu.extend([0x30, 0x80].repeat(100_000));
    for error in [
        scan(&apdu, &mut Scan::new()).unwrap_err(),
        scan_prefix(&apdu, &mut Scan::new()).unwrap_err(),
    ] {
        let Error::Encoding(error) = error else { panic!("{error}") };
        assert_eq!(error.kind, ErrorKind::Depth);
        assert!((error.offset as usize) < 7 + 2 * BER_DEPTH_MAX);
    }
}

#[test]
fn an_envelope_without_end_is_refused() {
    let mut prefix = vec![0xa0, 0x80, 0x31, 0x80];
    prefix.extend([0xbf, 0x7f, 0x00].repeat(ENVELOPE_SIZE_MAX / 3));
    let error = scan_prefix(&prefix, &mut Scan::new()).unwrap_err();
    assert!(matches!(error, Error::TooMany { field: "envelope octets", .. }), "{error}");
    let error = scan(&prefix, &mut Scan::new()).unwrap_err();
    assert!(matches!(error, Error::Encoding(_)), "{error}");
}
