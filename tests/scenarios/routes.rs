//! Routes that loop, and partners that are down.

use std::time::Duration;

use support::apdu::{self, ORIGINATOR};
use support::mta::{Mta, MtaConfig};
use support::port::Port;
use support::relay::{Relay, RelayConfig, SMALL_STORE};

use crate::network::{
    Backbone, BackboneConfig, SENDER_SPACE, codes, local, message, mta, non_delivery,
    on_one_and_two_shards, partner, report,
};

on_one_and_two_shards!(
    routes_that_point_at_each_other,
    a_split_over_three_connectors_of_which_one_is_down,
);

/// Each relay believes that the other knows the way: whoever gets the message back reports it, once, and at
/// once.
fn routes_that_point_at_each_other(shard_count: usize) {
    let lost = apdu::message("lost", &["C=IT;A=NOWHERE;S=ROSSI"], b"content");
    let network = Backbone::start(BackboneConfig {
        apdus: vec![lost],
        west_spaces: &["C=FR", "C=IT"],
        east_spaces: &["C=GB", "C=IT"],
        ..BackboneConfig::of_shards(shard_count)
    });
    let told = report(&network.sender.wait_for(1)[0]);
    assert_eq!(local(&told.content.subject_identifier), "lost");
    let (whom, why) = non_delivery(&told);
    assert_eq!(whom, apdu::address("C=IT;A=NOWHERE;S=ROSSI"));
    assert_eq!(codes(&why), (1, Some(3)), "loop-detected");
    // The message from west to east, the report from east to west and from west to its originator.
    network.settle(2, 1);
    assert_eq!(network.receiver.count(), 0);
}

/// A message for recipients behind three partners, one of which is down: two have theirs at once, the third
/// when its partner comes up; nobody has it twice, and each is somebody's responsibility.
fn a_split_over_three_connectors_of_which_one_is_down(shard_count: usize) {
    let spaces = [&["C=FR;A=P0"], &["C=FR;A=P1"], &["C=FR;A=P2"]];
    let recipients = spaces.map(|[space]| format!("{space};S=DURAND"));
    let names = ["P0", "P1", "P2"];
    let ports = [Port::reserve(), Port::reserve()];
    let split = apdu::message("split", &recipients.each_ref().map(String::as_str), b"content");
    let up = [0, 1].map(|index| mta(names[index], None, Vec::new()));
    let down = &ports[1];
    let sender = mta("SENDER", Some(ports[0].address), vec![split]);
    let partners = [
        partner("SENDER", Some(sender.address), None, SENDER_SPACE),
        partner(names[0], Some(up[0].address), None, spaces[0]),
        partner(names[1], Some(up[1].address), None, spaces[1]),
        partner(names[2], Some(down.address), None, spaces[2]),
    ];
    let config = RelayConfig {
        name: "RELAY",
        domain: "C=GB;A=RELAY",
        listen: ports[0].address,
        shard_count,
        lines: SMALL_STORE,
        partners: &partners,
        tables: "",
    };
    let relay = Relay::start(&config.text(), "epoll");
    let responsible = |arrived: &[Vec<u8>]| -> Vec<bool> {
        let fields = message(&arrived[0]).envelope.per_recipient_fields;
        fields.iter().map(|recipient| recipient.per_recipient_indicators[0]).collect()
    };
    let first = up.each_ref().map(|mta| mta.wait_for(1));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(relay.counters().queued, 1);
    let late = Mta::start(MtaConfig {
        name: "P2",
        password: "P2 password",
        listen: Some(down.address),
        ..MtaConfig::default()
    });
    let last = late.wait_for(1);
    let mut sum = [0; 3];
    for arrived in [&first[0], &first[1], &last] {
        for (sum, responsible) in sum.iter_mut().zip(responsible(arrived)) {
            *sum += usize::from(responsible);
        }
    }
    assert_eq!(sum, [1; 3], "each recipient is one partner's responsibility");
    assert_eq!(up.each_ref().map(Mta::count), [1, 1]);
    assert_eq!(sender.count(), 0, "nothing is reported to {ORIGINATOR}");
}
