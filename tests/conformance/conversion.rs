//! What would have to be converted, and is not (X.411 14.3, conversion decision (unverified)).

use std::path::Path;

use p1relay::config::check;
use p1relay::p1::encoded_information_types::AcceptedTypes;
use p1relay::p1::non_delivery::NonDelivery;

use crate::support::*;

/// Content holds ia5-text and voice.
const TEXT_AND_VOICE: &[u8] = &[0x65, 0x04, 0x80, 0x02, 0x00, 0x21];

/// Implicit-conversion-prohibited, of per-message-indicators.
const IMPLICIT_CONVERSION_PROHIBITED: u8 = 0x40;

fn types(texts: &[&str]) -> AcceptedTypes {
    let mut types = AcceptedTypes::default();
    texts.iter().for_each(|text| assert!(types.add(text), "{text}"));
    types
}

/// The connector to ACME takes these types alone.
fn network(texts: &[&str]) -> Network {
    let mut network = Network::new();
    network.connectors[usize::from(ACME)].encoded_information_types = Some(types(texts));
    network
}

fn spoken(draft: Draft) -> Draft {
    Draft { encoded_information_types: Some(TEXT_AND_VOICE), ..draft }
}

#[test]
fn types_that_are_not_taken_are_not_delivered() {
    let unsupported = undeliverable(NonDelivery::ENCODED_INFORMATION_TYPES_UNSUPPORTED);
    assert_eq!(NonDelivery::ENCODED_INFORMATION_TYPES_UNSUPPORTED.diagnostic, Some(6));
    for draft in [message(&[AT_ACME, AT_TRAEGER]), probe(&[AT_ACME, AT_TRAEGER])] {
        let draft = spoken(draft);
        assert_eq!(network(&["voice", "ia5-text"]).hops(&draft), [over(ACME), over(TRAEGER)]);
        assert_eq!(network(&["ia5-text"]).hops(&draft), [unsupported, over(TRAEGER)]);
    }
    let mut network = network(&["ia5-text"]);
    network.routes.push(("C=GB", TRAEGER));
    assert_eq!(network.hop(&spoken(message(&[AT_ACME]))), over(TRAEGER), "one that takes them");
}

#[test]
fn what_does_not_say_what_it_holds_goes_on() {
    assert_eq!(network(&["ia5-text"]).hop(&message(&[AT_ACME])), over(ACME));
    assert_eq!(network(&["ia5-text"]).hop(&report(AT_ACME)), over(ACME));
    let unreadable =
        Draft { encoded_information_types: Some(&[0x65, 0x02, 0x80, 0x00]), ..message(&[AT_ACME]) };
    let unsupported = undeliverable(NonDelivery::ENCODED_INFORMATION_TYPES_UNSUPPORTED);
    assert_eq!(network(&["ia5-text"]).hop(&unreadable), unsupported);
    assert_eq!(Network::new().hop(&unreadable), over(ACME));
}

#[test]
fn the_prohibitions_of_conversion_are_the_diagnostic() {
    let codes = |why: NonDelivery| (why.reason, why.diagnostic);
    assert_eq!(codes(NonDelivery::IMPLICIT_CONVERSION_PROHIBITED), (2, Some(9)));
    assert_eq!(codes(NonDelivery::CONVERSION_WITH_LOSS_PROHIBITED), (2, Some(19)));
    let network = network(&["ia5-text"]);
    let without_loss = |value| spoken(message(&[AT_ACME])).extended(&enumerated(4, value));
    let with_loss = undeliverable(NonDelivery::CONVERSION_WITH_LOSS_PROHIBITED);
    assert_eq!(network.hop(&without_loss(1)), with_loss);
    let unsupported = undeliverable(NonDelivery::ENCODED_INFORMATION_TYPES_UNSUPPORTED);
    assert_eq!(network.hop(&without_loss(0)), unsupported);
    let implicit = undeliverable(NonDelivery::IMPLICIT_CONVERSION_PROHIBITED);
    for value in [0, 1] {
        let prohibited =
            Draft { per_message_indicators: IMPLICIT_CONVERSION_PROHIBITED, ..without_loss(value) };
        assert_eq!(network.hop(&prohibited), implicit);
        assert_eq!(Network::new().hop(&prohibited), over(ACME), "nothing is to be converted");
    }
}

#[test]
fn explicit_conversion_is_left_to_who_delivers() {
    let converted = |recipient| Draft { explicit_conversion: Some(0), ..message(&[recipient]) };
    let network = Network::new();
    let impractical = undeliverable(NonDelivery::CONVERSION_IMPRACTICAL);
    assert_eq!(NonDelivery::CONVERSION_IMPRACTICAL, NonDelivery { reason: 2, diagnostic: Some(8) });
    assert_eq!(network.hop(&converted(AT_ACME)), over(ACME));
    assert_eq!(network.hop(&converted(AT_HOME)), impractical);
    assert_eq!(network.hop(&message(&[AT_HOME])), over(LOCAL));
    // Who would have to convert before the next MTA takes it are we.
    let network = self::network(&["teletex"]);
    let prohibited = Draft {
        per_message_indicators: IMPLICIT_CONVERSION_PROHIBITED,
        ..spoken(converted(AT_ACME))
    };
    assert_eq!(network.hop(&prohibited), impractical);
}

#[test]
fn the_configuration_says_what_a_partner_takes() {
    let configured = |key: &str| {
        let text = format!(
            "[mta]\nname = \"R\"\ndomain = \"C=GB;A=X\"\nlisten = [\"127.0.0.1:102\"]\n\
             [[connector]]\nname = \"acme\"\nremote_mta_name = \"ACME\"\n{key}"
        );
        check(&text, Path::new("/"))
    };
    for (key, expected) in [
        ("", None),
        (
            "encoded_information_type = [\"ia5-text\", \"undefined\", \"1.2.3\"]",
            Some(types(&["ia5-text", "unknown", "1.2.3"])),
        ),
    ] {
        let settings = configured(key).unwrap();
        let found = settings.connectors[0].facts().encoded_information_types;
        assert_eq!(found, expected.as_ref());
    }
    let problems = configured("encoded_information_type = [\"ia5-text\", \"text\"]").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].reason.contains("\"text\""), "{}", problems[0].reason);
}
