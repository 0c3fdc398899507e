//! Loop detection (X.411 14.3 (unverified), 12.3.1 trace-information).

use p1relay::base::limits::{OWN_MTA_PASSAGE_COUNT_MAX, TRACE_ELEMENT_COUNT_MAX};
use p1relay::p1::non_delivery::NonDelivery;

use crate::support::*;

const LOOP: NonDelivery = NonDelivery::LOOP_DETECTED;
const OURS: &str = "C=GB;A=CARRIER;P=RELAY";
const THEIRS: &str = "C=GB;A=CARRIER;P=ACME";
const OTHER: &str = "C=GB;A=CARRIER;P=OTHER";

#[test]
fn our_domain_must_not_be_entered_again() {
    for (trace, looped) in [
        (&[(OTHER, 0)][..], false),
        (&[(OTHER, 0), (OURS, 0), (OURS, 0)], false),
        (&[(OURS, 0), (OTHER, 0)], true),
        (&[(OURS, 0), (OTHER, 0), (OURS, 0)], true),
        (&[(OTHER, 0), (OURS, 0), ("C=FR;A=ATLAS", 0)], true),
    ] {
        let hop = Network::new().hop(&message(&[AT_TRAEGER]).traced(trace));
        let expected = if looped { undeliverable(LOOP) } else { over(TRAEGER) };
        assert_eq!(hop, expected, "{trace:?}");
    }
}

#[test]
fn a_split_domain_may_be_entered_again() {
    let mut network = Network::new();
    network.policy.split_domains = vec![domain(OURS)];
    let draft = message(&[AT_TRAEGER]).traced(&[(OURS, 0), (OTHER, 0)]);
    assert_eq!(network.hop(&draft), over(TRAEGER));
}

#[test]
fn what_was_before_the_last_redirection_or_expansion_does_not_count() {
    for actions in [REDIRECTED, DL_OPERATION] {
        let draft = message(&[AT_TRAEGER]).traced(&[(OURS, 0), (OTHER, actions)]);
        assert_eq!(Network::new().hop(&draft), over(TRAEGER));
        let draft = message(&[AT_ACME]).traced(&[(THEIRS, 0), (OURS, actions)]);
        assert_eq!(Network::new().hop(&draft), over(ACME));
        let draft = message(&[AT_TRAEGER]).traced(&[(OTHER, actions), (OURS, 0), (OTHER, 0)]);
        assert_eq!(Network::new().hop(&draft), undeliverable(LOOP));
    }
}

#[test]
fn too_many_transfers_are_a_loop_whatever_happened_in_between() {
    let trace = |count: usize, actions| vec![("C=FR;A=ATLAS", actions); count];
    for actions in [0, REDIRECTED] {
        let draft = message(&[AT_TRAEGER]).traced(&trace(TRACE_ELEMENT_COUNT_MAX - 1, actions));
        assert_eq!(Network::new().hop(&draft), over(TRAEGER));
        let draft = message(&[AT_TRAEGER]).traced(&trace(TRACE_ELEMENT_COUNT_MAX, actions));
        assert_eq!(Network::new().hop(&draft), undeliverable(LOOP));
    }
}

#[test]
fn our_own_mta_may_not_be_passed_too_often() {
    let passed =
        |count: usize| message(&[AT_TRAEGER]).extended(&internal_trace(&vec![("Relay", 0); count]));
    let network = Network::new();
    assert_eq!(network.hop(&passed(OWN_MTA_PASSAGE_COUNT_MAX - 1)), over(TRAEGER));
    assert_eq!(network.hop(&passed(OWN_MTA_PASSAGE_COUNT_MAX)), undeliverable(LOOP));
    let mut elements = vec![("relay", 0); OWN_MTA_PASSAGE_COUNT_MAX];
    elements.push(("relay", DL_OPERATION));
    let expanded = message(&[AT_TRAEGER]).extended(&internal_trace(&elements));
    assert_eq!(network.hop(&expanded), over(TRAEGER));
    let others = vec![("other", 0); OWN_MTA_PASSAGE_COUNT_MAX];
    assert_eq!(
        network.hop(&message(&[AT_TRAEGER]).extended(&internal_trace(&others))),
        over(TRAEGER)
    );
}

#[test]
fn a_route_to_where_it_was_is_none() {
    let draft = message(&[AT_ACME]).traced(&[(THEIRS, 0), (OTHER, 0)]);
    assert_eq!(Network::new().hop(&draft), undeliverable(LOOP));
    let mut network = Network::new();
    network.connectors[usize::from(ACME)].domain = None;
    assert_eq!(network.hop(&draft), over(ACME));
    let mut network = Network::new();
    network.routes.push(("C=GB", TRAEGER));
    assert_eq!(network.hop(&draft), over(TRAEGER));
}
