//! The routing decision, and what a connector cannot take (X.411 14.3 (unverified)).

use p1relay::mta::decide::AcceptedContentType;
use p1relay::p1::non_delivery::NonDelivery;
use p1relay::p1::scan::Responsibility;
use proptest::prelude::*;

use crate::support::*;

#[test]
fn each_recipient_goes_to_the_connector_that_serves_it() {
    let hops = Network::new().hops(&message(&[AT_TRAEGER, AT_ACME, AT_HOME]));
    assert_eq!(hops, [over(TRAEGER), over(ACME), over(LOCAL)]);
}

#[test]
fn a_name_that_nobody_serves_is_unrecognised() {
    let hops = Network::new().hops(&message(&[NOWHERE, AT_ACME]));
    assert_eq!(hops, [undeliverable(NonDelivery::UNRECOGNISED_OR_NAME), over(ACME)]);
}

#[test]
fn recipients_of_other_mtas_are_left_alone() {
    let mut draft = message(&[AT_ACME, NOWHERE]);
    draft.recipients[1].indicators &= 0x7f;
    assert_eq!(Network::new().hops(&draft), [over(ACME)]);
    draft.recipients[0].indicators &= 0x7f;
    assert_eq!(Network::new().hops(&draft), []);
}

#[test]
fn recipients_that_go_one_way_go_together() {
    let apdu = message(&[AT_ACME, AT_TRAEGER, AT_ACME]).build();
    let decision = Network::new().decision(&apdu, None);
    let targets: Vec<_> =
        decision.targets().iter().map(|target| (target.hop, target.recipients.clone())).collect();
    assert_eq!(targets, [(over(ACME), vec![0, 2]), (over(TRAEGER), vec![1])]);
    assert!(!decision.is_undivided());
}

#[test]
fn only_those_asked_for_are_decided_on() {
    let apdu = message(&[AT_ACME, AT_TRAEGER, NOWHERE]).build();
    let decision = Network::new().decision(&apdu, Some(&[1, 7]));
    assert!(decision.is_undivided());
    assert_eq!(decision.targets()[0].recipients, [1]);
    assert_eq!(decision.targets()[0].hop, over(TRAEGER));
}

#[test]
fn what_is_too_long_for_the_only_connector_is_not_delivered() {
    let draft = message(&[AT_ACME]);
    let mut network = Network::new();
    let size = draft.build().len();
    network.connectors[usize::from(ACME)].message_size_max = size;
    assert_eq!(network.hop(&draft), over(ACME));
    network.connectors[usize::from(ACME)].message_size_max = size - 1;
    assert_eq!(network.hop(&draft), undeliverable(NonDelivery::CONTENT_TOO_LONG));
    network.routes.push(("C=GB", TRAEGER));
    assert_eq!(network.hop(&draft), over(TRAEGER), "one that takes more");
}

#[test]
fn a_probe_asks_for_the_size_of_its_content() {
    let draft = |size| Draft { content_length: Some(size), ..probe(&[AT_ACME]) };
    assert_eq!(Network::new().hop(&draft(50_000)), over(ACME));
    let too_long = undeliverable(NonDelivery::CONTENT_TOO_LONG);
    assert_eq!(Network::new().hop(&draft(100_000)), too_long);
}

#[test]
fn a_loop_explains_more_than_a_size() {
    let mut network = Network::new();
    network.connectors[usize::from(TRAEGER)].message_size_max = 1;
    network.routes.push(("C=GB;A=CARRIER;P=ACME", TRAEGER));
    let draft = message(&[AT_ACME]).traced(&[("C=GB;A=CARRIER;P=ACME", 0)]);
    assert_eq!(network.hop(&draft), undeliverable(NonDelivery::LOOP_DETECTED));
}

#[test]
fn a_content_type_that_is_not_taken_is_not_delivered() {
    let mut network = Network::new();
    let extended = AcceptedContentType::Extended([0x2a, 0x03].into());
    let accepted = vec![extended, AcceptedContentType::BuiltIn(2)];
    network.connectors[usize::from(LOCAL)].content_types = Some(accepted);
    let draft = |content_type| Draft { content_type, ..message(&[AT_HOME, AT_ACME]) };
    assert_eq!(network.hops(&draft(2)), [over(LOCAL), over(ACME)]);
    let refused = undeliverable(NonDelivery::CONTENT_TYPE_NOT_SUPPORTED);
    assert_eq!(network.hops(&draft(22)), [refused, over(ACME)]);
}

#[test]
fn what_is_refused_where_it_is_delivered_goes_to_nobody_else() {
    let mut network = Network::new();
    network.connectors[usize::from(LOCAL)].content_types = Some(Vec::new());
    network.routes.push(("C=GB", TRAEGER));
    let refused = undeliverable(NonDelivery::CONTENT_TYPE_NOT_SUPPORTED);
    assert_eq!(network.hop(&message(&[AT_HOME])), refused);
    network.connectors[usize::from(LOCAL)].is_local = false;
    assert_eq!(network.hop(&message(&[AT_HOME])), over(TRAEGER), "a partner may be passed by");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Whatever stands in the way: every recipient of ours in exactly one target, no other in any.
    #[test]
    fn every_recipient_of_ours_is_in_exactly_one_target(
        choices in proptest::collection::vec((0..7_usize, any::<bool>(), 0..4_u8), 1..40),
        looped in any::<bool>(),
        kind in 0..2_u8,
    ) {
        let names = [AT_ACME, AT_TRAEGER, AT_HOME, NOWHERE, LIST, OTHER_LIST, ORIGINATOR];
        let texts: Vec<&str> = choices.iter().map(|(name, ..)| names[*name]).collect();
        let mut draft = if kind == 0 { message(&texts) } else { probe(&texts) };
        for (recipient, (_, is_ours, extra)) in draft.recipients.iter_mut().zip(&choices) {
            if !is_ours {
                recipient.indicators &= 0x7f;
            }
            recipient.extensions = match extra {
                1 => private_extension(FOR_TRANSFER),
                2 => alternate_recipient(AT_ACME),
                3 => redirection_history(&[(AT_TRAEGER, 0)]),
                _ => Vec::new(),
            };
        }
        if looped {
            draft = draft.traced(&[("C=GB;A=CARRIER;P=RELAY", 0), ("C=FR;A=ATLAS", 0)]);
        }
        let mut network = Network::new();
        network.policy = crate::special::policy();
        let apdu = draft.build();
        let decision = network.decision(&apdu, None);
        let mut placed: Vec<u16> =
            decision.targets().iter().flat_map(|target| target.recipients.clone()).collect();
        placed.sort_unstable();
        let found = scanned(&apdu);
        let ours: Vec<u16> = (0..)
            .zip(&found.recipients)
            .filter(|(_, it)| it.responsibility() == Responsibility::Responsible)
            .map(|(index, _)| index)
            .collect();
        prop_assert_eq!(placed, ours);
    }
}
