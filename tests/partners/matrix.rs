//! Every kind of partner against the relay as a process, over real sockets: {caller, called} x {three
//! application contexts} x {monologue, two-way alternate} x {io_uring, epoll}. On the relay's other side stands
//! an MTA of 1988 that calls and is called.
//!
//! Each way that a partner of this kind can send: a message, a probe, a report, and a message of 3 MiB over
//! checkpoints of 30 KiB with window 3. Contents arrive octet for octet; of the envelope only what the relay
//! owns has changed, and towards 1984 what that edition does not know.

use p1relay::osi::stack::ApplicationContext;
use p1relay::p1::scan::{ApduKind, Scan, scan};

use crate::apdus::{self, Edition};
use support::differ::{Change, differences};
use support::mta::{Mta, MtaConfig};
use support::relay::{Partner, Relay, SMALL_STORE, configuration};
use support::wait_until;

const TO_PARTNER: &str = "C=DE;A=PARTNER;S=MEIER";
const TO_OTHER: &str = "C=FR;A=OTHER;S=DURAND";

/// Who opens associations between the relay and the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    Partner,
    Relay,
}

fn edition(context: ApplicationContext) -> Edition {
    match context {
        ApplicationContext::MtsTransferProtocol1984 => Edition::Of1984,
        _ => Edition::Of1988,
    }
}

/// One partner: sends and takes all that its kind can.
fn partner(opens: Opens, context: ApplicationContext, two_way: bool, engine: &str) {
    let partner_sends = opens == Opens::Partner || two_way;
    let relay_sends = opens == Opens::Relay || two_way;
    let from_partner = apdus::all(edition(context), TO_OTHER);
    let from_other = apdus::all(Edition::Of1988, TO_PARTNER);
    let partner_config = |call| MtaConfig {
        name: "PARTNER",
        password: "partner password",
        context,
        two_way,
        call,
        apdus: if partner_sends { from_partner.clone() } else { Vec::new() },
        ..MtaConfig::default()
    };
    let called = (opens == Opens::Relay).then(|| Mta::start(partner_config(None)));
    let other_config =
        MtaConfig { name: "OTHER", password: "other password", ..MtaConfig::default() };
    let other = Mta::start(other_config.clone());

    let lines = match (opens, two_way) {
        (Opens::Partner, true) => "schedule = \"remote-initiated\"".to_owned(),
        (Opens::Partner, false) => String::new(),
        (Opens::Relay, _) => format!(
            "application_context = \"{}\"\ndialogue_mode = \"{}\"\nassociation_count_max = 1\n\
             urgent_association_count = 0\nwindow_size = 3\nidle_time_s = 60",
            context.as_str(),
            if two_way { "two-way-alternate" } else { "monologue" }
        ),
    };
    let configured = [
        Partner {
            name: "PARTNER",
            password: "partner password",
            address: called.as_ref().map(|mta| mta.address),
            address_spaces: &["C=DE"],
            lines: &lines,
            ..Partner::default()
        },
        Partner {
            name: "OTHER",
            password: "other password",
            address: Some(other.address),
            address_spaces: &["C=FR"],
            ..Partner::default()
        },
    ];
    let relay = Relay::start(&configuration("C=FR;A=RELAY", SMALL_STORE, &configured), engine);
    let partner = called.unwrap_or_else(|| Mta::start(partner_config(Some(relay.address))));
    let sender = relay_sends.then(|| {
        Mta::start(MtaConfig {
            call: Some(relay.address),
            apdus: from_other.clone(),
            ..other_config.clone()
        })
    });
    let what = format!("{opens:?} opens, {}, two-way {two_way}, {engine}", context.as_str());

    if relay_sends {
        let arrived = partner.wait_for(from_other.len());
        assert_carried(&what, &from_other, &arrived, edition(context));
    }
    if partner_sends {
        let arrived = other.wait_for(from_partner.len());
        assert_carried(&what, &from_partner, &arrived, Edition::Of1988);
        wait_until("confirmations", || partner.confirmed_count() == from_partner.len());
    }
    assert_eq!(partner.notes(), [""; 0], "{what}");
    assert_eq!(sender.map_or(Vec::new(), |sender| sender.notes()), [""; 0], "{what}");
    assert_eq!(relay.counters().connections_failed, 0, "{what}");
}

/// Each APDU arrived once, and is what it was but for the relay's trace element and, towards 1984, what that
/// edition does not know.
#[track_caller]
fn assert_carried(what: &str, sent: &[Vec<u8>], arrived: &[Vec<u8>], towards: Edition) {
    assert_eq!(arrived.len(), sent.len(), "{what}");
    let (mut before, mut after) = (Scan::default(), Scan::default());
    for sent in sent {
        scan(sent, &mut before).unwrap();
        let identifier = before.mts_identifier.element.octets(sent);
        let same = |apdu: &&Vec<u8>| {
            let mut found = Scan::default();
            scan(apdu, &mut found).unwrap();
            found.mts_identifier.element.octets(apdu) == identifier
        };
        let found: Vec<_> = arrived.iter().filter(same).collect();
        let [arrived] = found[..] else { panic!("{what}: {} times", found.len()) };
        scan(arrived, &mut after).unwrap();
        if before.kind != ApduKind::Report {
            let content =
                |scan: &Scan, apdu: &[u8]| scan.content.map(|it| it.octets(apdu).to_vec());
            assert!(content(&before, sent) == content(&after, arrived), "{what}: its content");
        }
        // A report of 1988 must be the one that 1984 has for it.
        let counterpart = (before.kind == ApduKind::Report && towards == Edition::Of1984)
            .then(|| apdus::report(Edition::Of1984, TO_PARTNER));
        let changes: Vec<_> = differences(counterpart.as_ref().unwrap_or(sent), arrived)
            .into_iter()
            .filter(|difference| difference.change != Change::Length)
            .map(|difference| (difference.change, difference.path))
            .collect();
        let changes: Vec<_> = changes.iter().map(|(change, path)| (*change, &path[..])).collect();
        assert_eq!(changes, expected_changes(before.kind, towards), "{what}");
    }
}

/// What the relay changes: a trace element of its domain; towards 1984 content types and report codes.
fn expected_changes(kind: ApduKind, towards: Edition) -> &'static [(Change, &'static str)] {
    match (kind, towards) {
        (ApduKind::Message, Edition::Of1988) => &[(Change::Added, "/a0/31/69/30")],
        (ApduKind::Probe, Edition::Of1988) => &[(Change::Added, "/a2/69/30")],
        (ApduKind::Report, _) => &[(Change::Added, "/a1/31/69/30")],
        // P22 becomes P2: the content is both.
        (ApduKind::Message, Edition::Of1984) => {
            &[(Change::Content, "/a0/31/46"), (Change::Added, "/a0/31/69/30")]
        }
        (ApduKind::Probe, Edition::Of1984) => {
            &[(Change::Content, "/a2/46"), (Change::Added, "/a2/69/30")]
        }
    }
}

/// A module for each engine, a test for each kind of partner.
macro_rules! matrix {
    ($($name:ident: $opens:ident, $context:ident, $two_way:literal;)*) => {
        matrix! { @engine epoll: $($name: $opens, $context, $two_way;)* }
        matrix! { @engine uring: $($name: $opens, $context, $two_way;)* }
    };
    (@engine $engine:ident: $($name:ident: $opens:ident, $context:ident, $two_way:literal;)*) => {
        mod $engine {
            use super::{ApplicationContext, Opens, partner};
            $(#[test]
            fn $name() {
                let context = ApplicationContext::$context;
                partner(Opens::$opens, context, $two_way, stringify!($engine));
            })*
        }
    };
}

matrix! {
    caller_normal_mode_monologue: Partner, MtsTransfer, false;
    caller_normal_mode_two_way: Partner, MtsTransfer, true;
    caller_x410_mode_monologue: Partner, MtsTransferProtocol, false;
    caller_x410_mode_two_way: Partner, MtsTransferProtocol, true;
    caller_of_1984_monologue: Partner, MtsTransferProtocol1984, false;
    caller_of_1984_two_way: Partner, MtsTransferProtocol1984, true;
    called_normal_mode_monologue: Relay, MtsTransfer, false;
    called_normal_mode_two_way: Relay, MtsTransfer, true;
    called_x410_mode_monologue: Relay, MtsTransferProtocol, false;
    called_x410_mode_two_way: Relay, MtsTransferProtocol, true;
    called_of_1984_monologue: Relay, MtsTransferProtocol1984, false;
    called_of_1984_two_way: Relay, MtsTransferProtocol1984, true;
}
