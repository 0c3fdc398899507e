//! Partners that are dead, mute, stall, refuse, cut or lie: the relay counts them, keeps what is theirs, and
//! the others notice nothing.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use p1relay::endpoint::fault::Fault;
use p1relay::osi::stack::ApplicationContext;

use crate::apdus::{self, Edition};
use support::mta::{Mta, MtaConfig};
use support::relay::{Partner, Relay, SMALL_STORE, configuration};
use support::{apdu, on_each_engine, wait_until};

const GOOD_COUNT: usize = 20;
const MESSAGE_COUNT: usize = 25;

fn mta_config<'a>(name: &'a str, fault: Option<Fault>) -> MtaConfig<'a> {
    MtaConfig { name, password: "password", fault, ..MtaConfig::default() }
}

/// A message to the country-less space of the partner with this number.
fn message(number: usize, partner: usize) -> Vec<u8> {
    let recipient = format!("C=FR;A=X;P=PARTNER{partner};S=DURAND");
    apdu::interpersonal(&format!("{partner}.{number}"), &[&recipient], b"Hello, partner")
}

/// One partner is dead and one accepts and never answers, beside 20 good ones: everything for the good ones
/// arrives while what waits for the bad ones waits.
fn nobody_waits_for_bad_partners(engine: &str) {
    let names: Vec<String> = (0..GOOD_COUNT + 3).map(|number| format!("PARTNER{number}")).collect();
    let good: Vec<Mta> =
        names[..GOOD_COUNT].iter().map(|name| Mta::start(mta_config(name, None))).collect();
    let mute = Mta::start(mta_config(&names[GOOD_COUNT], Some(Fault::Mute)));
    let stalled = Mta::start(mta_config(&names[GOOD_COUNT + 1], Some(Fault::Stall)));
    // Bound and closed again: nobody listens there.
    let dead = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let addresses: Vec<SocketAddr> =
        good.iter().chain([&mute, &stalled]).map(|mta| mta.address).chain([dead]).collect();
    let spaces: Vec<String> =
        (0..names.len()).map(|number| format!("C=FR;A=X;P=PARTNER{number}")).collect();
    let spaces: Vec<[&str; 1]> = spaces.iter().map(|space| [&space[..]]).collect();
    let mut partners: Vec<Partner<'_>> = names
        .iter()
        .zip(&addresses)
        .zip(&spaces)
        .map(|((name, address), space)| Partner {
            name,
            password: "password",
            address: Some(*address),
            address_spaces: space,
            ..Partner::default()
        })
        .collect();
    partners.push(Partner { name: "SENDER", password: "password", ..Partner::default() });
    let relay = Relay::start(&configuration("C=GB;A=RELAY", SMALL_STORE, &partners), engine);
    // Those for the bad partners first.
    let apdus = (0..MESSAGE_COUNT)
        .flat_map(|number| (0..names.len()).rev().map(move |partner| message(number, partner)))
        .collect();
    let sender =
        Mta::start(MtaConfig { call: Some(relay.address), apdus, ..mta_config("SENDER", None) });
    for mta in &good {
        assert_eq!(mta.wait_for(MESSAGE_COUNT).len(), MESSAGE_COUNT);
        assert_eq!(mta.notes(), [""; 0]);
    }
    wait_until("confirmations", || sender.confirmed_count() == MESSAGE_COUNT * names.len());
    // What waits for the bad ones is kept.
    wait_until("outcomes", || relay.counters().queued == 3 * MESSAGE_COUNT as u64);
    assert!(mute.received().is_empty() && stalled.received().is_empty());
}

/// A relay with one partner that misbehaves; sends it a message of 3 MiB.
fn misbehaves(context: ApplicationContext, fault: Fault, engine: &str) -> (Relay, Mta, Mta) {
    let bad = Mta::start(MtaConfig { context, ..mta_config("BAD", Some(fault)) });
    let lines = format!("application_context = \"{}\"\nwindow_size = 3", context.as_str());
    let partners = [
        Partner {
            name: "BAD",
            password: "password",
            address: Some(bad.address),
            address_spaces: &["C=DE"],
            lines: &lines,
            ..Partner::default()
        },
        Partner { name: "SENDER", password: "password", ..Partner::default() },
    ];
    let relay = Relay::start(&configuration("C=GB;A=RELAY", SMALL_STORE, &partners), engine);
    let large = apdus::all(Edition::Of1988, "C=DE;A=X;S=MEIER").pop().unwrap();
    let sender = Mta::start(MtaConfig {
        call: Some(relay.address),
        apdus: vec![large],
        ..mta_config("SENDER", None)
    });
    wait_until("the confirmation", || sender.confirmed_count() == 1);
    (relay, bad, sender)
}

fn refusals_are_counted_and_the_message_stays(engine: &str) {
    for context in ApplicationContext::ALL {
        for fault in [Fault::Refuse, Fault::Busy] {
            let (relay, bad, _sender) = misbehaves(context, fault, engine);
            wait_until("refusals", || relay.logged("the partner refused the bind") >= 2);
            let transient = format!("transient={}", fault == Fault::Busy);
            assert!(relay.logged(&transient) >= 2, "{context:?}: {:#?}", relay.log());
            wait_until("the counters", || relay.counters().queued == 1);
            assert_eq!(bad.received().len(), 0);
        }
    }
}

fn a_partner_that_cuts_each_connection_gets_the_message_by_and_by(engine: &str) {
    for context in ApplicationContext::ALL {
        let (relay, bad, _sender) = misbehaves(context, Fault::Cut(1 << 20), engine);
        assert_eq!(bad.wait_for(1).len(), 1);
        wait_until("the outcome", || relay.counters().queued == 0);
        assert!(relay.logged("resuming a transfer") >= 2, "{context:?}: {:#?}", relay.log());
        assert_eq!(bad.received().len(), 1, "{context:?}");
    }
}

fn a_wrong_confirmation_is_none(engine: &str) {
    for context in ApplicationContext::ALL {
        let (relay, bad, _sender) = misbehaves(context, Fault::WrongConfirmation, engine);
        wait_until("the protocol error", || relay.logged("protocol error") >= 1);
        wait_until("the counters", || relay.counters().queued == 1);
        assert_eq!((relay.counters().transfers_out, bad.received().len()), (0, 0), "{context:?}");
    }
}

on_each_engine!(
    nobody_waits_for_bad_partners,
    refusals_are_counted_and_the_message_stays,
    a_partner_that_cuts_each_connection_gets_the_message_by_and_by,
    a_wrong_confirmation_is_none,
);
