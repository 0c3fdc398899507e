//! The three scenarios of the classic X.400 Connector.

use p1relay::osi::stack::ApplicationContext;
use support::apdu::{self, ORIGINATOR};
use support::mta::{Mta, MtaConfig};
use support::port::Port;
use support::relay::{Partner, Relay, RelayConfig, SMALL_STORE, configuration};

use crate::network::{
    SENDER_SPACE, codes, domains, message, mta, non_delivery, on_one_and_two_shards, partner,
    report,
};

on_one_and_two_shards!(two_sites_backboned_over_public_carriers,);

/// A partner of 1988 and one of 1984, each with the mirror of our settings: messages flow both ways.
#[test]
fn a_foreign_system() {
    let old = MtaConfig {
        name: "OLD",
        password: "OLD password",
        context: ApplicationContext::MtsTransferProtocol1984,
        ..MtaConfig::default()
    };
    let (of_1984, of_1988) = (Mta::start(old.clone()), Mta::called("YOUNG", "YOUNG password"));
    let to_1984 = Partner {
        lines: "application_context = \"mts-transfer-protocol-1984\"",
        ..partner("OLD", Some(of_1984.address), None, &["C=DE;A=OLD"])
    };
    let to_1988 = partner("YOUNG", Some(of_1988.address), None, &["C=FR;A=YOUNG"]);
    let relay =
        Relay::start(&configuration("C=GB;A=RELAY", SMALL_STORE, &[to_1984, to_1988]), "epoll");
    let from_1988 = apdu::interpersonal("from-1988", &["C=DE;A=OLD;S=MEIER"], b"a text");
    let _young = mta("YOUNG", Some(relay.address), vec![from_1988]);
    let _old = Mta::start(MtaConfig {
        call: Some(relay.address),
        apdus: vec![apdu::message_1984("from-1984", &["C=FR;A=YOUNG;S=DURAND"], b"a text")],
        ..old
    });
    for arrived in [of_1984.wait_for(1), of_1988.wait_for(1)] {
        let arrived = message(&arrived[0]);
        assert!(arrived.content.windows(6).any(|octets| octets == b"a text"));
        let trace = domains(&arrived.envelope.trace_information);
        assert_eq!(trace, [apdu::ORIGIN, "C=GB;A=RELAY"]);
    }
}

/// A system behind a partner is reached, and reaches us, by routing information alone.
#[test]
fn an_indirectly_connected_system() {
    let front = Mta::called("FRONT", "FRONT password");
    let other = Mta::called("OTHER", "OTHER password");
    let spaces = &["C=FR;A=FRONT", "C=FR;A=FRONT;P=BEHIND", "C=IT;A=FURTHER"];
    let partners = [
        Partner {
            domain: Some("C=FR;A=FRONT"),
            ..partner("FRONT", Some(front.address), None, spaces)
        },
        partner("OTHER", Some(other.address), None, SENDER_SPACE),
    ];
    let relay = Relay::start(&configuration("C=GB;A=RELAY", SMALL_STORE, &partners), "epoll");
    let recipients = ["C=FR;A=FRONT;P=BEHIND;S=DURAND", "C=IT;A=FURTHER;O=ROMA;S=ROSSI"];
    let there = recipients.map(|recipient| apdu::message(&recipient[2..9], &[recipient], b"there"));
    let _other = mta("OTHER", Some(relay.address), there.into());
    assert_eq!(front.wait_for(2).len(), 2);
    let back = apdu::message("back", &[ORIGINATOR], b"back");
    let _front = mta("FRONT", Some(relay.address), vec![back]);
    assert_eq!(message(&other.wait_for(1)[0]).content.as_ref(), b"back");
}

/// Two sites over two public carrier points; what the far site does not know comes back as a report.
fn two_sites_backboned_over_public_carriers(shard_count: usize) {
    const SITES: [(&str, &str); 4] = [
        ("SITE-A", "C=GB;A=CARRIER1;P=ACME-A"),
        ("POINT-1", "C=GB;A=CARRIER1"),
        ("POINT-2", "C=FR;A=CARRIER2"),
        ("SITE-B", "C=FR;A=CARRIER2;P=ACME-B"),
    ];
    let ports = SITES.map(|_| Port::reserve());
    let known = apdu::message("known", &["C=FR;A=CARRIER2;P=ACME-B;O=SALES;S=DURAND"], b"bonjour");
    let unknown = apdu::message("unknown", &["C=FR;A=CARRIER2;P=ACME-B;O=NOBODY"], b"personne?");
    let sender = mta("SENDER", Some(ports[0].address), vec![known, unknown]);
    let receiver = mta("RECEIVER", None, Vec::new());
    let relays: Vec<Relay> = SITES
        .iter()
        .enumerate()
        .map(|(index, &(name, domain))| {
            let west = match index.checked_sub(1) {
                Some(west) => {
                    let at = Some(ports[west].address);
                    partner(SITES[west].0, at, Some(SITES[west].1), &["C=GB"])
                }
                None => partner("SENDER", Some(sender.address), None, SENDER_SPACE),
            };
            let east = match SITES.get(index + 1) {
                Some((name, domain)) => {
                    partner(name, Some(ports[index + 1].address), Some(domain), &["C=FR"])
                }
                None => {
                    let spaces = &["C=FR;A=CARRIER2;P=ACME-B;O=SALES"];
                    partner("RECEIVER", Some(receiver.address), None, spaces)
                }
            };
            let config = RelayConfig {
                name,
                domain,
                listen: ports[index].address,
                shard_count,
                lines: SMALL_STORE,
                partners: &[west, east],
                tables: "",
            };
            Relay::start(&config.text(), "epoll")
        })
        .collect();
    let arrived = message(&receiver.wait_for(1)[0]);
    assert_eq!(arrived.content.as_ref(), b"bonjour");
    let trace = domains(&arrived.envelope.trace_information);
    assert_eq!(trace[0], apdu::ORIGIN);
    assert_eq!(trace[1..], SITES.map(|(_, domain)| domain.to_owned()));
    let told = report(&sender.wait_for(1)[0]);
    let (whom, why) = non_delivery(&told);
    assert_eq!(whom, apdu::address("C=FR;A=CARRIER2;P=ACME-B;O=NOBODY"));
    assert_eq!(codes(&why), (1, Some(0)));
    let mut back = SITES.map(|(_, domain)| domain.to_owned());
    back.reverse();
    assert_eq!(domains(&told.envelope.trace_information), back);
    drop(relays);
}
