//! Alternate recipients and distribution lists.

use p1relay::p1::build::{MessageBuilder, RecipientFields, encode_standard_extension};
use support::apdu::{self, ORIGINATOR};

use crate::network::{
    Backbone, BackboneConfig, WEST, address, domains, message, on_one_and_two_shards,
};

on_one_and_two_shards!(
    a_redirect_to_an_alternate_recipient_on_another_connector,
    a_list_with_a_member_in_another_domain,
);

/// originator-requested-alternate-recipient
const ALTERNATE_RECIPIENT: i64 = 2;
const REDIRECTION_HISTORY: &[u8] = &[0xa0, 3, 2, 1, 25];
const DL_EXPANSION_HISTORY: &[u8] = &[0xa0, 3, 2, 1, 26];

const NOWHERE: &str = "C=IT;A=NOWHERE;S=ROSSI";
const RECEIVED: &str = "C=FR;A=EAST;P=RECEIVER;S=DURAND";

fn holds(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

/// Nobody knows the recipient: the message goes to the alternate recipient that the originator named, by
/// another connector, and says whom it was for.
fn a_redirect_to_an_alternate_recipient_on_another_connector(shard_count: usize) {
    let mut alternate = Vec::new();
    apdu::address(RECEIVED).encode(&mut alternate);
    let mut extensions = Vec::new();
    encode_standard_extension(ALTERNATE_RECIPIENT, 0, &alternate, &mut extensions);
    let trace = apdu::first_trace();
    let mut builder =
        MessageBuilder::new(apdu::domain(), "redirected", apdu::address(ORIGINATOR), &trace);
    builder.recipients = vec![RecipientFields { extensions, ..apdu::address(NOWHERE).into() }];
    builder.content = b"content";
    let network = Backbone::start(BackboneConfig {
        apdus: vec![builder.build()],
        ..BackboneConfig::of_shards(shard_count)
    });
    let arrived = network.receiver.wait_for(1);
    let redirected = message(&arrived[0]);
    assert_eq!(redirected.content.as_ref(), b"content");
    let [recipient] = &redirected.envelope.per_recipient_fields[..] else { panic!("one") };
    assert_eq!(address(&recipient.recipient_name), apdu::address(RECEIVED));
    assert_eq!(recipient.originally_specified_recipient_number, 1);
    assert!(holds(&arrived[0], REDIRECTION_HISTORY), "whom it was for");
    assert_eq!(
        domains(&redirected.envelope.trace_information),
        [apdu::ORIGIN, WEST, crate::network::EAST]
    );
    assert_eq!(network.sender.count(), 0, "nothing is reported");
    let redirected = format!("redirected from {NOWHERE} to {RECEIVED}");
    let events = [&redirected[..], "decision: to \"east\"", "transfer out to \"east\""];
    network.west.wait_for_events(&format!("{}/redirected", apdu::ORIGIN), &events);
}

/// A list with a member in the relay's own reach and one in another domain.
fn a_list_with_a_member_in_another_domain(shard_count: usize) {
    let list = "C=GB;A=WEST;CN=STAFF";
    let own = "C=GB;A=CARRIER;P=ACME;S=JONES";
    let tables = format!(
        "\n[[list]]\naddress = \"{list}\"\nmember = [\"{own}\", \"{RECEIVED}\"]\nowner = \"{own}\"\n"
    );
    let network = Backbone::start(BackboneConfig {
        apdus: vec![apdu::message("to the list", &[list], b"content")],
        west_tables: &tables,
        ..BackboneConfig::of_shards(shard_count)
    });
    for (arrived, member) in
        [(network.sender.wait_for(1), own), (network.receiver.wait_for(1), RECEIVED)]
    {
        let expanded = message(&arrived[0]);
        assert_eq!(expanded.content.as_ref(), b"content");
        let fields = &expanded.envelope.per_recipient_fields;
        let responsible: Vec<_> = fields
            .iter()
            .filter(|recipient| recipient.per_recipient_indicators[0])
            .map(|recipient| address(&recipient.recipient_name))
            .collect();
        assert_eq!(responsible, [apdu::address(member)]);
        assert!(holds(&arrived[0], DL_EXPANSION_HISTORY), "which list");
        assert_eq!(domains(&expanded.envelope.trace_information)[..2], [apdu::ORIGIN, WEST]);
    }
    network.settle(2, 1);
    let events = [&format!("list {list} expanded to 2 members")[..], "transfer out to \"sender\""];
    network.west.wait_for_events(&format!("{}/to the list", apdu::ORIGIN), &events);
}
