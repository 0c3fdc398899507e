//! What does not arrive is reported, once, with the right codes.

use p1relay::p1::build::MessageBuilder;
use p1relay::p1::or_address::OrAddress;
use support::apdu::{self, ORIGINATOR};
use support::port::Port;
use support::relay::{Relay, RelayConfig, SMALL_STORE};

use crate::network::{
    Backbone, BackboneConfig, EAST, SENDER_SPACE, WEST, codes, domains, local, mta, non_delivery,
    on_one_and_two_shards, partner, report,
};

on_one_and_two_shards!(
    a_message_expires_while_queued,
    a_probe_to_an_unroutable_address,
    a_report_with_returned_content_travels_back_through_two_relays,
    a_report_that_cannot_go_on_is_discarded,
);

const UNKNOWN: &str = "C=FR;A=EAST;P=UNKNOWN;S=PERSONNE";

/// A message that nobody comes to take expires in its queue.
fn a_message_expires_while_queued(shard_count: usize) {
    let (port, nobody) = (Port::reserve(), Port::reserve());
    let late = apdu::message("late", &["C=FR;A=DOWN;S=DURAND"], b"content");
    let sender = mta("SENDER", Some(port.address), vec![late]);
    let partners = [
        partner("SENDER", Some(sender.address), None, SENDER_SPACE),
        partner("DOWN", Some(nobody.address), None, &["C=FR"]),
    ];
    let config = RelayConfig {
        name: "RELAY",
        domain: "C=GB;A=RELAY",
        listen: port.address,
        shard_count,
        lines: &format!("{SMALL_STORE}\nexpiry_s_normal = 2"),
        partners: &partners,
        tables: "",
    };
    let relay = Relay::start(&config.text(), "epoll");
    let told = report(&sender.wait_for(1)[0]);
    assert_eq!(local(&told.content.subject_identifier), "late");
    let (whom, why) = non_delivery(&told);
    assert_eq!(whom, apdu::address("C=FR;A=DOWN;S=DURAND"));
    assert_eq!(codes(&why), (1, Some(5)), "maximum-time-expired");
    support::wait_until("an empty queue", || relay.counters().queued == 0);
    let events = [
        "transfer in from \"sender\"",
        "decision: to \"down\"",
        "expired",
        "not delivered, reason 1, diagnostic 5",
    ];
    relay.wait_for_events(&format!("{}/late", apdu::ORIGIN), &events);
}

/// A probe to an address that no route serves is answered as a message would be.
fn a_probe_to_an_unroutable_address(shard_count: usize) {
    let probe = apdu::probe("probe", &["C=IT;A=NOWHERE;S=ROSSI"]);
    let network = Backbone::start(BackboneConfig {
        apdus: vec![probe],
        ..BackboneConfig::of_shards(shard_count)
    });
    let told = report(&network.sender.wait_for(1)[0]);
    assert_eq!(local(&told.content.subject_identifier), "probe");
    let (whom, why) = non_delivery(&told);
    assert_eq!(whom, apdu::address("C=IT;A=NOWHERE;S=ROSSI"));
    assert_eq!(codes(&why), (1, Some(0)), "unrecognised-OR-name");
    assert_eq!(domains(&told.envelope.trace_information), [WEST]);
    network.settle(1, 0);
}

/// The content comes back, whole, over both relays, when it was asked for.
fn a_report_with_returned_content_travels_back_through_two_relays(shard_count: usize) {
    let content: Vec<u8> = (0..300_000u32).map(|index| (index % 251) as u8).collect();
    let trace = apdu::first_trace();
    let mut builder =
        MessageBuilder::new(apdu::domain(), "returned", apdu::address(ORIGINATOR), &trace);
    // content-return-request
    builder.per_message_indicators = 0x10;
    builder.content_identifier = Some("returned");
    builder.recipients = vec![apdu::address(UNKNOWN).into()];
    builder.content = &content;
    let asked = builder.build();
    builder.local_identifier = "not asked";
    builder.per_message_indicators = 0;
    let not_asked = builder.build();
    let network = Backbone::start(BackboneConfig {
        apdus: vec![asked, not_asked],
        ..BackboneConfig::of_shards(shard_count)
    });
    let mut told: Vec<_> = network.sender.wait_for(2).iter().map(|apdu| report(apdu)).collect();
    told.sort_by_key(|report| local(&report.content.subject_identifier));
    for report in &told {
        let (whom, why) = non_delivery(report);
        assert_eq!(whom, apdu::address(UNKNOWN));
        assert_eq!(codes(&why), (1, Some(0)), "unrecognised-OR-name");
        assert_eq!(domains(&report.envelope.trace_information), [EAST, WEST]);
        let identifier = report.content.content_identifier.as_ref().unwrap();
        assert_eq!(identifier.as_bytes(), b"returned");
    }
    let returned = told.iter().map(|report| report.content.returned_content.as_deref());
    assert_eq!(returned.collect::<Vec<_>>(), [None, Some(&content[..])]);
    network.settle(4, 2);
}

/// A report that nobody can be given is dropped, and never reported on.
fn a_report_that_cannot_go_on_is_discarded(shard_count: usize) {
    let nobody: &str = "C=IT;A=NOWHERE;S=ROSSI";
    let lost = apdu::report("lost", nobody, ["C=FR;A=X;S=A", "C=FR;A=X;S=B"]);
    let trace = apdu::first_trace();
    let from_nowhere: OrAddress = apdu::address(nobody);
    let mut builder = MessageBuilder::new(apdu::domain(), "silent", from_nowhere, &trace);
    builder.recipients = vec![apdu::address(UNKNOWN).into()];
    let network = Backbone::start(BackboneConfig {
        apdus: vec![lost, builder.build()],
        ..BackboneConfig::of_shards(shard_count)
    });
    // Of the message only the transfer to EAST, which discards its own report on it.
    network.settle(1, 0);
    for relay in [&network.west, &network.east] {
        let counted = || relay.counters().reports_discarded == 1;
        support::wait_until("one report discarded", counted);
        assert_eq!(relay.logged("a report that cannot go on is discarded"), 1);
    }
    assert_eq!(network.sender.count(), 0);
}
