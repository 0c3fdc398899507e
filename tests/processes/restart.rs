//! Several shards, each with a log of its own; and a store opened by another number of shards.

use crate::account::account;
use crate::support::{Load, Progress, Setting, Site, start_receiver, start_sender};

fn setting(shards: u16) -> Setting {
    Setting { shards, mta_lines: "segment_size_mib = 4", associations: 4 }
}

fn load(incarnation: u64, sender: u16, count: u64) -> Load {
    Load { sender, count, text_size: 1024, associations: 6, incarnation }
}

#[test]
fn messages_cross_shards_and_arrive_once() {
    let site = Site::new();
    site.configure(&setting(2));
    let receiver = start_receiver(&site);
    let mut relay = site.start("auto");
    // Where a connection is accepted is the kernel's choice: of twelve, some have to move to the shard
    // that owns their connector. One of the two senders' messages are all in the log of another shard
    // than the one that owns the receiver's connector.
    let count = 1500;
    let senders = [0, 1].map(|sender| start_sender(&site, &load(1, sender, count)));
    for sender in &senders {
        sender.wait_for("confirmed", count / 3, |progress| &progress.confirmed);
    }
    let (ended, status) = relay.terminate();
    assert_eq!((ended.code(), status.counters.in_doubt_lost), (Some(0), 0));
    relay = site.start("auto");
    assert_eq!(relay.status().counters.in_doubt_recovered, 0);
    let [first, second] = senders.map(|sender| sender.join());
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    assert_eq!(relay.terminate().0.code(), Some(0));
    let account = account(&site, vec![(1, 0, first), (1, 1, second)], receiver.stop(), 2 * count);
    assert_eq!((account.duplicates, account.in_doubt_at_sender), (0, 0));
}

#[test]
fn killed_with_two_shards_nothing_is_lost() {
    let site = Site::new();
    site.configure(&setting(2));
    let receiver = start_receiver(&site);
    let mut relay = site.start("auto");
    let count = 1500;
    let senders = [0, 1].map(|sender| start_sender(&site, &load(1, sender, count)));
    for confirmed in [300, 800, 1200] {
        senders[0].wait_for("confirmed", confirmed, |progress| &progress.confirmed);
        let returned = Progress::count(&senders[0].progress.returned);
        relay.kill();
        senders[0].wait_for("returned", returned + 1, |progress| &progress.returned);
        relay = site.start("auto");
    }
    let [first, second] = senders.map(|sender| sender.join());
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    assert_eq!(relay.terminate().0.code(), Some(0));
    account(&site, vec![(1, 0, first), (1, 1, second)], receiver.stop(), 2 * count);
}

#[test]
fn another_number_of_shards_opens_every_log() {
    let site = Site::new();
    let count = 300;
    let mut senders = Vec::new();
    // Nobody answers at the receiver's port until the end, so that all waits in the logs.
    for (incarnation, shards) in [(1, 2), (2, 1), (3, 2)] {
        site.configure(&setting(shards));
        let mut relay = site.start("auto");
        let recovered = 2 * count * (incarnation - 1);
        assert_eq!(relay.status().counters.recovered, recovered);
        let started = [0, 1].map(|sender| start_sender(&site, &load(incarnation, sender, count)));
        for (sender, started) in (0..).zip(started) {
            senders.push((incarnation, sender, started.join()));
        }
        relay.wait_until("queues", |counters| counters.queued == recovered + 2 * count);
        relay.kill();
    }
    let logs = |number: u16| {
        let prefix = format!("log-{number:02}-");
        let entries = std::fs::read_dir(site.folder.path().join("store")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(&prefix)).count()
    };
    assert!(logs(0) > 0 && logs(1) > 0 && logs(2) == 0);
    // More associations than a log has buffers to fetch into: the rest wait for their turn.
    site.configure(&Setting { associations: 100, ..setting(1) });
    let receiver = start_receiver(&site);
    let mut relay = site.start("auto");
    assert_eq!(relay.status().counters.recovered, 6 * count);
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    let (ended, status) = relay.terminate();
    assert_eq!((ended.code(), status.counters.connections_failed), (Some(0), 0));
    let account = account(&site, senders, receiver.stop(), 6 * count);
    assert_eq!((account.duplicates, account.in_doubt_at_sender), (0, 0));
}
