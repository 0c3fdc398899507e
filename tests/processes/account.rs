//! What a run came to: what was sent against what arrived, and what was in doubt.

use std::collections::HashMap;

use p1relay::endpoint::receive::Receiver;
use p1relay::endpoint::send::Sender;
use p1relay::endpoint::template::local_identifier;

use crate::support::{Site, read_manifest};

/// How often each message was in doubt at a start of the relay, by local identifier, as its log says.
fn in_doubt_at_relay(site: &Site) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for line in site.log() {
        let fields = &line["fields"];
        let text = |field: &str| fields[field].as_str().unwrap_or_default().to_owned();
        if text("message").starts_with("in doubt") {
            let identifier = text("mts_identifier");
            let local = identifier.rsplit('/').next().unwrap().to_owned();
            assert!(!local.is_empty(), "an in doubt without its message: {line}");
            *counts.entry(local).or_insert(0) += 1;
        }
    }
    counts
}

/// What a run came to.
pub(crate) struct Account {
    pub(crate) duplicates: u64,
    pub(crate) in_doubt_at_sender: usize,
    pub(crate) in_doubt_at_relay: u64,
}

/// Every message arrived, unaltered; none arrived oftener than once and once more for each doubt.
///
/// `senders` are given with the incarnation and sender number that their identifiers carry.
pub(crate) fn account(
    site: &Site,
    senders: Vec<(u64, u16, Sender)>,
    mut receiver: Receiver,
    count: u64,
) -> Account {
    receiver.finish_manifest().unwrap();
    let mut sent: HashMap<String, String> = HashMap::new();
    let mut doubts = in_doubt_at_relay(site);
    let in_doubt_at_relay = doubts.values().sum();
    let mut in_doubt_at_sender = 0;
    for (incarnation, number, mut sender) in senders {
        sender.finish_manifest().unwrap();
        sent.extend(read_manifest(&site.sent(incarnation, number)));
        in_doubt_at_sender += sender.in_doubt.len();
        for message in &sender.in_doubt {
            *doubts.entry(local_identifier(incarnation, number, *message)).or_insert(0) += 1;
        }
    }
    assert_eq!(sent.len() as u64, count, "not everything was sent");
    let mut arrivals: HashMap<String, u64> = HashMap::new();
    for (identifier, digest) in read_manifest(&site.folder.path().join("received")) {
        assert_eq!(sent.get(&identifier), Some(&digest), "{identifier} was altered or never sent");
        *arrivals.entry(identifier).or_insert(0) += 1;
    }
    let missing: Vec<&String> = sent.keys().filter(|it| !arrivals.contains_key(*it)).collect();
    assert!(missing.is_empty(), "{} lost: {:?}", missing.len(), &missing[..missing.len().min(5)]);

    for (identifier, count) in &arrivals {
        let doubts = doubts.get(identifier).copied().unwrap_or(0);
        assert!(*count <= 1 + doubts, "{identifier} arrived {count} times after {doubts} doubts");
    }
    assert_eq!(receiver.malformed_count, 0);
    Account {
        duplicates: arrivals.values().sum::<u64>() - count,
        in_doubt_at_sender,
        in_doubt_at_relay,
    }
}
