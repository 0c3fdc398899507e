//! Times, probes and reports (X.411 14.2 to 14.4 (unverified)).

use p1relay::mta::policy::Deferral;
use p1relay::p1::non_delivery::NonDelivery;

use crate::support::*;

#[test]
fn a_deferred_message_waits_and_its_time_runs_from_then() {
    let draft = Draft { deferred: Some(hours_later(48)), ..message(&[AT_ACME]) };
    let mut network = Network::new();
    let decision = network.decision(&draft.build(), None);
    assert_eq!(decision.deferred_until(), Some(hours_later(48)));
    assert_eq!(decision.expires_at(), hours_later(48 + 24));
    assert_eq!(decision.targets()[0].hop, over(ACME));
    network.policy.deferral = Deferral::PassOn;
    let decision = network.decision(&draft.build(), None);
    assert_eq!((decision.deferred_until(), decision.expires_at()), (None, hours_later(24)));
}

#[test]
fn a_time_that_has_come_defers_nothing() {
    for hours in [0, -1] {
        let draft = Draft { deferred: Some(hours_later(hours)), ..message(&[AT_ACME]) };
        assert_eq!(Network::new().decision(&draft.build(), None).deferred_until(), None);
    }
}

#[test]
fn the_latest_delivery_time_comes_first_where_it_is_earlier() {
    for (hours, expected) in [(2, 2), (100, 24)] {
        let draft = message(&[AT_ACME]).extended(&latest_delivery_time(hours_later(hours)));
        let decision = Network::new().decision(&draft.build(), None);
        assert_eq!(decision.expires_at(), hours_later(expected));
        assert_eq!(decision.targets()[0].hop, over(ACME));
    }
}

#[test]
fn what_is_too_late_is_not_delivered() {
    for hours in [0, -1] {
        let draft = message(&[AT_ACME]).extended(&latest_delivery_time(hours_later(hours)));
        let expired = undeliverable(NonDelivery::MAXIMUM_TIME_EXPIRED);
        assert_eq!(Network::new().hop(&draft), expired);
    }
}

#[test]
fn a_report_expires_as_what_is_not_urgent() {
    let decision = Network::new().decision(&report(AT_ACME).build(), None);
    assert_eq!((decision.expires_at(), decision.deferred_until()), (hours_later(36), None));
    let decision = Network::new().decision(&probe(&[AT_ACME]).build(), None);
    assert_eq!(decision.expires_at(), hours_later(24));
}

#[test]
fn a_probe_is_answered_where_it_would_be_delivered_and_else_goes_on() {
    let hops = Network::new().hops(&probe(&[AT_HOME, AT_ACME, NOWHERE]));
    let unrecognised = undeliverable(NonDelivery::UNRECOGNISED_OR_NAME);
    assert_eq!(hops, [deliverable(1), over(ACME), unrecognised]);
    let public = Network { domain: domain("C=GB;A=CARRIER"), ..Network::new() };
    assert_eq!(public.hop(&probe(&[AT_HOME])), deliverable(0));
}

#[test]
fn a_report_that_cannot_go_on_is_discarded() {
    let network = Network::new();
    assert_eq!(network.hop(&report(AT_ACME)), over(ACME));
    assert_eq!(network.hop(&report(AT_HOME)), over(LOCAL));
    let unrecognised = discarded(NonDelivery::UNRECOGNISED_OR_NAME);
    assert_eq!(network.hop(&report(NOWHERE)), unrecognised);
    let looped = report(AT_TRAEGER).traced(&[("C=GB;A=CARRIER;P=RELAY", 0), ("C=FR;A=ATLAS", 0)]);
    assert_eq!(network.hop(&looped), discarded(NonDelivery::LOOP_DETECTED));
}
