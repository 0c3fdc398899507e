//! What is derived, as tshark reads it: a report, a redirected copy, an expanded copy, a report on a member
//! and one that its list sends on.

use p1relay::base::clock::WallTime;
use p1relay::mta::derive::{Acting, Derivation, Derived, Verdict, derive};
use p1relay::mta::policy::{
    DistributionList, Policy, RecipientRedirection, ReportPolicy, SubmitPermission,
};
use p1relay::p1::non_delivery::NonDelivery;
use p1relay::p1::patch::Patched;
use p1relay::p1::scan::{Scan, scan};

use support::apdu::{self, address};

use crate::tshark::{ASSOCIATION, Dissection, cross};

const DURAND: &str = "C=FR;A=OTHER;P=DEST;S=DURAND";
const MARTIN: &str = "C=FR;A=OTHER;P=DEST;S=MARTIN";
const LIST: &str = "C=FR;A=OTHER;P=LISTS;S=EVERYONE";
const OWNER: &str = "C=FR;A=OTHER;P=LISTS;S=OWNER";

fn derived(subject: &[u8], recipients: &[u16], derivation: Derivation) -> Vec<u8> {
    let policy = Policy {
        redirections: vec![RecipientRedirection { from: address(DURAND), to: address(MARTIN) }]
            .into(),
        lists: vec![DistributionList {
            address: address(LIST),
            members: vec![address(DURAND), address(MARTIN)],
            owner: Some(address(OWNER)),
            submit_permission: SubmitPermission::Anyone,
            report_policy: ReportPolicy::Owner,
        }]
        .into(),
        ..Policy::default()
    };
    let acting = Acting {
        domain: &"C=FR;A=ELSEWHERE".parse().unwrap(),
        mta_name: "ELSEWHERE",
        policy: &policy,
        now: WallTime(1_790_000_060_000),
        arrived: WallTime(1_790_000_030_000),
        local_identifier: "derived",
        supplementary_information: "",
    };
    let mut scanned = Scan::new();
    scan(subject, &mut scanned).unwrap();
    let (mut out, mut patched) = (Vec::new(), Patched::new());
    match derive(subject, &scanned, recipients, derivation, &acting, &mut out, &mut patched) {
        Ok(Derived::Whole) => out,
        Ok(Derived::Patched) => {
            patched.write_to(subject, &mut out);
            out.extend_from_slice(&subject[scanned.envelope_end() as usize..]);
            out
        }
        other => panic!("{derivation:?}: {other:?}"),
    }
}

/// The extension types of 1988, `[0]` around an INTEGER, as in later editions: tshark reads no other, and
/// without its type no value. A length of three octets keeps all other lengths right.
fn with_later_extension_types(mut octets: Vec<u8>) -> Vec<u8> {
    let is_type = |window: &[u8]| matches!(window, [0xa0, 3, 2, 1, 20..=39]);
    let found: Vec<usize> =
        (0..octets.len().saturating_sub(4)).filter(|at| is_type(&octets[*at..at + 5])).collect();
    for at in found {
        octets[at..at + 4].copy_from_slice(&[0x80, 0x82, 0, 1]);
    }
    octets
}

/// What crosses on its way in: octets of ours, all of them.
#[track_caller]
fn read(octets: &[u8]) -> Dissection {
    let crossing = cross(Some(&with_later_extension_types(octets.to_vec())));
    crossing.inbound.assert_clean(&ASSOCIATION);
    crossing.inbound
}

const EXPIRED: Derivation =
    Derivation::Report(Verdict::NonDelivery(NonDelivery::MAXIMUM_TIME_EXPIRED));

/// How often a key stands in a dissection.
fn count(dissection: &Dissection, key: &str) -> usize {
    dissection.values(key).len()
}

#[test]
fn a_redirected_copy_and_a_report_on_it() {
    let subject = apdu::interpersonal("redirect", &[DURAND, MARTIN], b"Hello");
    let redirected = derived(&subject, &[0], Derivation::Redirection(0));
    let seen = read(&redirected);
    assert_eq!(seen.values("p22.ia5text.data"), ["Hello"]);
    assert_eq!(count(&seen, "p1.Redirection_element"), 1);
    assert_eq!(seen.values("p1.redirection_reason"), ["0"]);
    assert_eq!(seen.values("p1.PerRecipientIndicators.responsibility"), ["1", "0"]);
    assert_eq!(seen.values("p1.OtherActions.redirected"), ["1"]);

    // The report goes to the originator, where the relay has no way; it is read on its way in.
    let seen = read(&derived(&derived_for_report(&redirected), &[0], EXPIRED));
    assert_eq!(seen.values("p1.non_delivery_diagnostic_code"), ["5"]);
    assert_eq!(count(&seen, "p1.originally_intended_recipient_name_element"), 1);
    assert_eq!(seen.values("p1.supplementary_information"), ["maximum-time-expired"]);
    assert_eq!(count(&seen, "p1.Redirection_element"), 1);
}

/// Expanded once more, so that a report on it goes where the relay has a way.
fn derived_for_report(subject: &[u8]) -> Vec<u8> {
    let mut expanded = derived(subject, &[0], Derivation::Expansion(0));
    expanded = derived(&expanded, &[0], Derivation::Redirection(0));
    expanded
}

#[test]
fn an_expanded_copy_and_the_reports_on_it() {
    let subject = apdu::interpersonal("expand", &[LIST], b"Hello");
    let expanded = derived(&subject, &[0], Derivation::Expansion(0));
    let seen = read(&expanded);
    assert_eq!(count(&seen, "p1.PerRecipientMessageTransferFields_element"), 2);
    assert_eq!(count(&seen, "p1.DLExpansion_element"), 1);
    assert_eq!(seen.values("p1.OtherActions.dl.operation"), ["1"]);

    let report = derived(&expanded, &[1], EXPIRED);
    let seen = read(&report);
    assert_eq!(count(&seen, "p1.OriginatorAndDLExpansion_element"), 2);
    assert_eq!(count(&seen, "p1.PerRecipientReportTransferFields_element"), 1);

    let seen = read(&derived(&report, &[], Derivation::Expansion(0)));
    assert_eq!(count(&seen, "p1.ReportingDLName_element"), 1);
    assert_eq!(count(&seen, "p1.TraceInformationElement_element"), 2);
}
