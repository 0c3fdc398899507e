//! Properties of downgrading, over random APDUs in random encodings, and over damaged ones.

use proptest::prelude::*;

use p1relay::p1::body_part::BodyPart;
use p1relay::p1::downgrade::{
    CommonName, CriticalExtensions, Downgrade, Options, Outcome, downgrade,
};
use p1relay::p1::ipm::Ipm;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::scan::{ApduKind, Scan, scan};
use p1relay::p1::schema::MtsApdu;

use crate::{Random, downgraded, grammar, scanned, vectors};

fn options(random: &mut Random) -> Options {
    Options {
        common_name: [CommonName::ToDomainDefined, CommonName::Refuse][random.below(2)],
        critical_extensions: [
            CriticalExtensions::ForTransferOrDelivery,
            CriticalExtensions::ForTransfer,
        ][random.below(2)],
    }
}

fn content(random: &mut Random) -> Vec<u8> {
    let address: OrAddress = "C=GB;A=X;P=Y;S=A".parse().unwrap();
    let parts = [
        BodyPart::Ia5Text(b"text"),
        BodyPart::Iso8859Text(b"text"),
        BodyPart::File { name: b"name", octets: b"octets" },
    ];
    Ipm {
        identifier: "1",
        originator: &address,
        primary_recipients: std::slice::from_ref(&address),
        subject: None,
        body: &parts[..1 + random.below(2) * 2],
    }
    .build()
}

/// A random APDU; messages of P22 hold such a content more often than not.
fn apdu(random: &mut Random) -> Vec<u8> {
    if random.below(8) == 0 {
        return random.encoded_apdu();
    }
    let mut apdu = random.apdu();
    if let MtsApdu::Message(message) = &mut apdu
        && random.below(4) > 0
    {
        message.envelope.built_in_content_type = Some(22);
        message.envelope.extended_content_type = None;
        message.content = content(random).into();
    }
    // What would refuse nearly every random message is left out of most.
    if random.below(4) > 0 {
        calm(&mut apdu);
    }
    random.some_encoding(&apdu)
}

/// Takes criticality and lone directory names off.
fn calm(apdu: &mut MtsApdu) {
    let (originator, extensions, recipients) = match apdu {
        MtsApdu::Message(message) => {
            let envelope = &mut message.envelope;
            (
                &mut envelope.originator_name,
                &mut envelope.extensions,
                &mut envelope.per_recipient_fields,
            )
        }
        MtsApdu::Probe(envelope) => (
            &mut envelope.originator_name,
            &mut envelope.extensions,
            &mut envelope.per_recipient_fields,
        ),
        MtsApdu::Report(_) => return,
    };
    let names = recipients.iter_mut().map(|it| &mut it.recipient_name);
    for name in std::iter::once(originator).chain(names) {
        name.built_in_standard_attributes.organization_name =
            Some("organization".to_owned().try_into().unwrap());
        if let Some(list) = &mut name.built_in_domain_defined_attributes {
            list.truncate(3);
        }
    }
    for fields in recipients.iter_mut() {
        fields.explicit_conversion = fields.explicit_conversion.map(|value| value % 2);
    }
    let of_recipients = recipients.iter_mut().filter_map(|it| it.extensions.as_mut());
    for field in extensions.iter_mut().chain(of_recipients).flatten() {
        field.criticality = None;
    }
}

#[test]
fn what_goes_out_is_of_1984_and_holds_the_content_untouched() {
    let mut counts = [0_usize; 3];
    for seed in 0..3000 {
        let mut random = Random(seed);
        let options = options(&mut random);
        let input = apdu(&mut random);
        let (outcome, result, output) = downgraded(&input, &options).unwrap();
        match outcome {
            Outcome::Unchanged => {
                counts[0] += 1;
                assert_eq!(output, input);
            }
            Outcome::Refused(_) => {
                counts[1] += 1;
                assert!(!result.changes().is_empty());
                continue;
            }
            Outcome::Downgraded => counts[2] += 1,
            Outcome::NeedsContent => panic!("seed {seed}: the content is there"),
        }
        grammar::check(&output).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let decoded = rasn::ber::decode::<MtsApdu>(&output);
        decoded.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let (before, after) = (scanned(&input), scanned(&output));
        if before.kind == ApduKind::Message {
            assert_eq!(
                before.content.unwrap().octets(&input),
                after.content.unwrap().octets(&output),
                "seed {seed}"
            );
        }
        let octets = |span: p1relay::ber::Span, of: &[u8]| span.octets(of).to_vec();
        assert_eq!(
            octets(before.mts_identifier.element, &input),
            octets(after.mts_identifier.element, &output)
        );
        assert_eq!(before.trace.len(), after.trace.len());
        for (index, recipient) in after.recipients.iter().enumerate() {
            let original = before.recipients[result.original_index(index)];
            assert_eq!(
                recipient.originally_specified_number, original.originally_specified_number,
                "seed {seed}"
            );
            assert_eq!(recipient.indicators, original.indicators, "seed {seed}");
        }
        // Again: nothing is left to do.
        let (again, second, same) = downgraded(&output, &options).unwrap();
        assert_eq!((again, second.changes()), (Outcome::Unchanged, &[][..]), "seed {seed}");
        assert_eq!(same, output);
    }
    let [unchanged, refused, downgraded] = counts;
    println!("{unchanged} unchanged, {refused} refused, {downgraded} downgraded");
    assert!(downgraded > 500 && refused > 500, "{counts:?}");
}

/// Of what a damaged APDU's scan still takes, downgrading gives an error or what scans again.
#[track_caller]
fn assert_harmless(damaged: &[u8]) {
    let mut found = Scan::new();
    if scan(damaged, &mut found).is_err() {
        return;
    }
    let mut result = Downgrade::new();
    let Ok(outcome) = downgrade(damaged, &found, &Options::default(), &mut result) else { return };
    let _words: Vec<String> = result.changes().iter().map(ToString::to_string).collect();
    if !matches!(outcome, Outcome::Downgraded | Outcome::Unchanged) {
        return;
    }
    let mut output = Vec::new();
    result.write_to(damaged, &mut output);
    let mut again = Scan::new();
    scan(&output, &mut again).unwrap();
    if found.kind == ApduKind::Message {
        assert_eq!(found.content.unwrap().octets(damaged), again.content.unwrap().octets(&output));
    }
    let outcome = downgrade(&output, &again, &Options::default(), &mut result).unwrap();
    assert_eq!(outcome, Outcome::Unchanged, "{:?}", result.changes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damage_is_survived(
        seed in any::<u64>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut random = Random(seed);
        let mut octets = apdu(&mut random);
        for (at, octet) in damage {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        assert_harmless(&octets);
    }
}

#[test]
fn every_octet_of_the_vectors_may_be_damaged() {
    for apdu in vectors::all() {
        for at in 0..apdu.len() {
            for octet in [0x00, 0x80, 0xff, apdu[at] ^ 0x01, apdu[at] ^ 0x20, 0x31, 0xa4] {
                let mut damaged = apdu.clone();
                damaged[at] = octet;
                assert_harmless(&damaged);
            }
        }
    }
}
