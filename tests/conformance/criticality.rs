//! Extensions that are critical for transfer (X.411 9.1).

use p1relay::mta::decide::criticality::{Support, support};
use p1relay::p1::non_delivery::NonDelivery;

use crate::support::*;

const NULL: &[u8] = &[0x05, 0x00];
const UNSUPPORTED: NonDelivery = NonDelivery::UNSUPPORTED_CRITICAL_FUNCTION;

#[test]
fn what_an_envelope_demands_and_we_cannot_do_is_not_transferred() {
    for (field, refused) in [
        (extension(99, FOR_TRANSFER, NULL), true),
        (extension(99, FOR_TRANSFER | FOR_DELIVERY, NULL), true),
        (private_extension(FOR_TRANSFER), true),
        (extension(21, FOR_TRANSFER, NULL), true),
        (extension(99, 0, NULL), false),
        (extension(99, FOR_SUBMISSION | FOR_DELIVERY, NULL), false),
        (private_extension(FOR_DELIVERY), false),
        (extension(23, FOR_TRANSFER, NULL), false),
    ] {
        for draft in [message(&[AT_ACME, AT_TRAEGER]), probe(&[AT_ACME, AT_TRAEGER])] {
            let hops = Network::new().hops(&draft.extended(&field));
            let expected = match refused {
                true => [undeliverable(UNSUPPORTED); 2],
                false => [over(ACME), over(TRAEGER)],
            };
            assert_eq!(hops, expected, "{field:02x?}");
        }
    }
}

#[test]
fn what_one_recipient_demands_concerns_no_other() {
    let mut draft = message(&[AT_ACME, AT_TRAEGER]);
    draft.recipients[1].extensions = private_extension(FOR_TRANSFER);
    assert_eq!(Network::new().hops(&draft), [over(ACME), undeliverable(UNSUPPORTED)]);
    draft.recipients[1].extensions = private_extension(FOR_DELIVERY);
    assert_eq!(Network::new().hops(&draft), [over(ACME), over(TRAEGER)]);
}

#[test]
fn a_report_goes_on_whatever_it_demands() {
    let draft = report(AT_ACME).extended(&private_extension(FOR_TRANSFER));
    assert_eq!(Network::new().hop(&draft), over(ACME));
}

#[test]
fn every_standard_extension_has_its_place() {
    let count = |wanted| (0..=60).filter(|number| support(*number) == wanted).count();
    // 1 to 5, 25, 26, 38, 42; out of place or unknown are 0, 21, 34 to 37 and all from 47.
    assert_eq!(count(Support::Honoured), 9);
    assert_eq!(count(Support::Unsupported), 1 + 1 + 4 + 14);
    assert_eq!(count(Support::Relayed), 61 - 9 - 20);
    assert_eq!(support(-1), Support::Unsupported);
}
