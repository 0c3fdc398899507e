//! Redirection, alternate recipients, and distribution lists (X.411 14.3 (unverified)).

use p1relay::mta::decide::Hop;
use p1relay::mta::derive::{Acting, Derivation, Derived, derive};
use p1relay::mta::policy::{
    DistributionList, Policy, RecipientRedirection, ReportPolicy, SubmitPermission,
};
use p1relay::p1::non_delivery::NonDelivery;
use p1relay::p1::patch::Patched;
use p1relay::routing::Pattern;

use crate::support::*;

const REDIRECTED_USER: &str = "C=GB;A=CARRIER;P=RELAY;S=MOVED";

/// A redirection of [`REDIRECTED_USER`] to [`AT_TRAEGER`], and two lists.
pub(crate) fn policy() -> Policy {
    let list = |text: &str, members: &[&str]| DistributionList {
        address: address(text),
        members: members.iter().map(|text| address(text)).collect(),
        owner: None,
        submit_permission: SubmitPermission::Anyone,
        report_policy: ReportPolicy::Originator,
    };
    let redirection =
        RecipientRedirection { from: address(REDIRECTED_USER), to: address(AT_TRAEGER) };
    Policy {
        redirections: vec![redirection].into(),
        lists: vec![list(LIST, &[AT_ACME, OTHER_LIST]), list(OTHER_LIST, &[AT_TRAEGER])].into(),
        ..Policy::default()
    }
}

fn network() -> Network {
    Network { policy: policy(), ..Network::new() }
}

fn with_permission(submit_permission: SubmitPermission) -> Network {
    let mut lists: Vec<DistributionList> = policy().lists.to_vec();
    lists[0].submit_permission = submit_permission;
    Network { policy: Policy { lists: lists.into(), ..policy() }, ..Network::new() }
}

fn derived(derivation: Derivation) -> Hop {
    Hop::Derive(derivation)
}

#[test]
fn a_recipient_that_asked_for_it_is_redirected() {
    let hops = network().hops(&message(&[REDIRECTED_USER, AT_HOME]));
    assert_eq!(hops, [derived(Derivation::Redirection(0)), over(LOCAL)]);
}

#[test]
fn reassignment_may_be_prohibited() {
    let draft = |value| message(&[REDIRECTED_USER]).extended(&enumerated(1, value));
    let prohibited = undeliverable(NonDelivery::RECIPIENT_REASSIGNMENT_PROHIBITED);
    assert_eq!(network().hop(&draft(1)), prohibited);
    assert_eq!(network().hop(&draft(0)), derived(Derivation::Redirection(0)));
}

#[test]
fn redirections_do_not_lead_back() {
    let redirected =
        |history| message(&[REDIRECTED_USER]).each_extended(&redirection_history(history));
    let looped = undeliverable(NonDelivery::REDIRECTION_LOOP_DETECTED);
    assert_eq!(network().hop(&redirected(&[(AT_TRAEGER, 0)])), looped);
    assert_eq!(
        network().hop(&redirected(&[(AT_HOME, 0), ("c=de;a=traeger;s=Schmidt", 0)])),
        looped
    );
    let onward = derived(Derivation::Redirection(0));
    assert_eq!(network().hop(&redirected(&[(AT_HOME, 0)])), onward);
    let unreadable =
        message(&[REDIRECTED_USER]).each_extended(&extension(25, 0, &[0x30, 0x02, 5, 0]));
    assert_eq!(network().hop(&unreadable), looped);
}

#[test]
fn an_alternate_recipient_gets_what_its_first_choice_cannot() {
    let draft = message(&[NOWHERE, AT_ACME]).each_extended(&alternate_recipient(AT_TRAEGER));
    let hops = network().hops(&draft);
    assert_eq!(hops, [derived(Derivation::AlternateRecipient), over(ACME)]);
    let none = message(&[NOWHERE]);
    assert_eq!(network().hop(&none), undeliverable(NonDelivery::UNRECOGNISED_OR_NAME));
}

#[test]
fn an_alternate_recipient_is_tried_once() {
    let unrecognised = undeliverable(NonDelivery::UNRECOGNISED_OR_NAME);
    for history in [&[(AT_ACME, 1)][..], &[(AT_TRAEGER, 0)]] {
        let draft = message(&[NOWHERE])
            .each_extended(&alternate_recipient(AT_TRAEGER))
            .each_extended(&redirection_history(history));
        assert_eq!(network().hop(&draft), unrecognised, "{history:?}");
    }
    let itself = message(&[NOWHERE]).each_extended(&alternate_recipient(NOWHERE));
    assert_eq!(network().hop(&itself), unrecognised);
    let redirected = message(&[NOWHERE])
        .each_extended(&alternate_recipient(AT_TRAEGER))
        .each_extended(&redirection_history(&[(AT_ACME, 0)]));
    assert_eq!(network().hop(&redirected), derived(Derivation::AlternateRecipient));
}

#[test]
fn a_list_is_expanded() {
    let hops = network().hops(&message(&[OTHER_LIST, AT_ACME, LIST]));
    let expansion = |index| derived(Derivation::Expansion(index));
    assert_eq!(hops, [expansion(1), over(ACME), expansion(0)]);
}

#[test]
fn expansion_may_be_prohibited() {
    let draft = |value| message(&[LIST]).extended(&enumerated(3, value));
    let prohibited = undeliverable(NonDelivery::DL_EXPANSION_PROHIBITED);
    assert_eq!(network().hop(&draft(1)), prohibited);
    assert_eq!(network().hop(&draft(0)), derived(Derivation::Expansion(0)));
}

#[test]
fn a_list_is_not_expanded_twice() {
    let expanded = |lists| message(&[LIST]).extended(&expansion_history(lists));
    let nothing = discarded(NonDelivery::LOOP_DETECTED);
    assert_eq!(network().hop(&expanded(&[LIST])), nothing);
    assert_eq!(network().hop(&expanded(&[LIST, OTHER_LIST])), nothing);
    assert_eq!(network().hop(&expanded(&[OTHER_LIST])), derived(Derivation::Expansion(0)));
}

#[test]
fn only_those_who_may_send_to_a_list() {
    let refused = undeliverable(NonDelivery::NO_DL_SUBMIT_PERMISSION);
    let expansion = derived(Derivation::Expansion(0));
    let from = |originator| Draft { originator, ..message(&[LIST]) };
    let members = with_permission(SubmitPermission::Members);
    assert_eq!(members.hop(&from(AT_ACME)), expansion);
    assert_eq!(members.hop(&from(ORIGINATOR)), refused);
    let pattern = Pattern::parse("C=GB;A=carrier;P=OTHER").unwrap();
    let patterns = with_permission(SubmitPermission::Patterns(vec![pattern]));
    assert_eq!(patterns.hop(&from(ORIGINATOR)), expansion);
    assert_eq!(patterns.hop(&from(AT_ACME)), refused);
    let nobody = with_permission(SubmitPermission::Patterns(Vec::new()));
    assert_eq!(nobody.hop(&from(AT_ACME)), refused);
}

#[test]
fn a_list_that_sends_to_a_list_needs_permission_itself() {
    let members = with_permission(SubmitPermission::Members);
    let through = |list| Draft {
        originator: AT_ACME,
        ..message(&[LIST]).extended(&expansion_history(&[list]))
    };
    assert_eq!(members.hop(&through(OTHER_LIST)), derived(Derivation::Expansion(0)));
    let stranger = "C=GB;A=CARRIER;P=RELAY;CN=strangers";
    let refused = undeliverable(NonDelivery::NO_DL_SUBMIT_PERMISSION);
    assert_eq!(members.hop(&through(stranger)), refused);
}

#[test]
fn a_list_that_cannot_be_expanded_is_not_delivered_to() {
    let mut lists: Vec<DistributionList> = policy().lists.to_vec();
    lists[0].members.clear();
    let empty = Network { policy: Policy { lists: lists.into(), ..policy() }, ..Network::new() };
    let failure = undeliverable(NonDelivery::DL_EXPANSION_FAILURE);
    assert_eq!(empty.hop(&message(&[LIST])), failure);
    let unreadable = message(&[LIST]).extended(&extension(26, 0, &[0x30, 0x02, 5, 0]));
    assert_eq!(network().hop(&unreadable), failure);
}

#[test]
fn a_probe_of_a_list_is_answered_as_if_it_were_expanded() {
    assert_eq!(network().hop(&probe(&[LIST])), deliverable(3));
    let prohibited = probe(&[LIST]).extended(&enumerated(3, 1));
    assert_eq!(network().hop(&prohibited), undeliverable(NonDelivery::DL_EXPANSION_PROHIBITED));
}

#[test]
fn a_report_for_a_list_goes_where_the_list_says() {
    assert_eq!(network().hop(&report(LIST)), derived(Derivation::Expansion(0)));
}

/// The copy that a derivation makes for the first recipient.
fn copy(network: &Network, apdu: &[u8], derivation: Derivation) -> Vec<u8> {
    let acting = Acting {
        domain: &network.domain,
        mta_name: "relay",
        policy: &network.policy,
        now: NOW,
        arrived: NOW,
        local_identifier: "derived",
        supplementary_information: "",
    };
    let scan = scanned(apdu);
    let (mut out, mut patched) = (Vec::new(), Patched::new());
    let derived = derive(apdu, &scan, &[0], derivation, &acting, &mut out, &mut patched);
    assert_eq!(derived, Ok(Derived::Patched));
    patched.write_to(apdu, &mut out);
    out.extend_from_slice(&apdu[scan.envelope_end() as usize..]);
    out
}

#[test]
fn what_is_derived_is_decided_on_in_turn() {
    let mut lists: Vec<DistributionList> = policy().lists.to_vec();
    lists[1].members = vec![address(LIST), address(REDIRECTED_USER)];
    let network = Network { policy: Policy { lists: lists.into(), ..policy() }, ..Network::new() };
    let expansion = |index| Derivation::Expansion(index);
    // The lists contain each other; the second has a member that is redirected.
    let expanded = copy(&network, &message(&[LIST]).build(), expansion(0));
    assert_eq!(network.hops_of(&expanded), [over(ACME), derived(expansion(1))]);
    let from_second = copy(&network, &message(&[OTHER_LIST]).build(), expansion(1));
    let redirection = derived(Derivation::Redirection(0));
    assert_eq!(network.hops_of(&from_second), [derived(expansion(0)), redirection]);
    let again = copy(&network, &from_second, expansion(0));
    assert_eq!(network.hops_of(&again), [over(ACME), discarded(NonDelivery::LOOP_DETECTED)]);
    let moved = message(&[REDIRECTED_USER]).build();
    let redirected = copy(&network, &moved, Derivation::Redirection(0));
    assert_eq!(network.hops_of(&redirected), [over(TRAEGER)]);
    // An alternate recipient that cannot be delivered to either has none itself.
    let draft = message(&[NOWHERE]).each_extended(&alternate_recipient("C=FR;A=ATLAS;S=AUTRE"));
    let alternate = copy(&network, &draft.build(), Derivation::AlternateRecipient);
    let unrecognised = undeliverable(NonDelivery::UNRECOGNISED_OR_NAME);
    assert_eq!(network.hops_of(&alternate), [unrecognised]);
}

#[test]
fn disclosure_goes_with_every_copy() {
    for per_message_indicators in [0x80, 0x00] {
        for (recipient, derivation) in [
            (REDIRECTED_USER, Derivation::Redirection(0)),
            (LIST, Derivation::Expansion(0)),
            (AT_ACME, Derivation::Copy),
        ] {
            let draft = Draft { per_message_indicators, ..message(&[recipient, AT_HOME]) };
            let copy = scanned(&copy(&network(), &draft.build(), derivation));
            let disclosed = copy.per_message_indicators.disclosure_of_other_recipients();
            assert_eq!(disclosed, per_message_indicators != 0, "{derivation:?}");
        }
    }
}
