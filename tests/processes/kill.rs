//! Durability of the process: killed in the middle of activities, stopped in the middle of activities,
//! with a store that is full. Whatever a sender was told is safe arrives; whatever arrives twice was in
//! doubt.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use p1relay::endpoint::receive::Receiver;
use p1relay::endpoint::send::Sender;
use p1relay::endpoint::template::local_identifier;

use crate::support::{Load, Progress, Setting, Site, read_manifest, start_receiver, start_sender};

const KILL_COUNT: usize = 12;
const MESSAGE_COUNT: u64 = 20_000;
const INCARNATION: u64 = 7;

/// Numbers that look random and can be had again from their seed (SplitMix64).
struct Random(u64);

impl Random {
    /// Seeded by the environment variable `P1RELAY_SEED`, else by the time; told on standard output.
    fn seeded() -> Random {
        let seed = std::env::var("P1RELAY_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = seed.unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
        });
        println!("seed {seed} (P1RELAY_SEED)");
        Random(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}

fn load(count: u64) -> Load {
    Load { count, text_size: 2048, associations: 8, incarnation: INCARNATION }
}

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
struct Account {
    duplicates: u64,
    in_doubt_at_sender: usize,
    in_doubt_at_relay: u64,
}

/// Every message arrived, unaltered; none arrived oftener than once and once more for each doubt.
fn account(site: &Site, mut sender: Sender, mut receiver: Receiver, count: u64) -> Account {
    sender.finish_manifest().unwrap();
    receiver.finish_manifest().unwrap();
    let sent: HashMap<String, String> =
        read_manifest(&site.folder.path().join("sent")).into_iter().collect();
    assert_eq!((sender.confirmed_count(), sent.len() as u64), (count, count));
    let mut arrivals: HashMap<String, u64> = HashMap::new();
    for (identifier, digest) in read_manifest(&site.folder.path().join("received")) {
        assert_eq!(sent.get(&identifier), Some(&digest), "{identifier} was altered or never sent");
        *arrivals.entry(identifier).or_insert(0) += 1;
    }
    let missing: Vec<&String> = sent.keys().filter(|it| !arrivals.contains_key(*it)).collect();
    assert!(missing.is_empty(), "{} lost: {:?}", missing.len(), &missing[..missing.len().min(5)]);

    let at_relay = in_doubt_at_relay(site);
    let mut doubts = at_relay.clone();
    for number in &sender.in_doubt {
        *doubts.entry(local_identifier(INCARNATION, 0, *number)).or_insert(0) += 1;
    }
    for (identifier, count) in &arrivals {
        let doubts = doubts.get(identifier).copied().unwrap_or(0);
        assert!(*count <= 1 + doubts, "{identifier} arrived {count} times after {doubts} doubts");
    }
    assert_eq!(receiver.malformed_count, 0);
    Account {
        duplicates: receiver.duplicate_count,
        in_doubt_at_sender: sender.in_doubt.len(),
        in_doubt_at_relay: at_relay.values().sum(),
    }
}

fn kill_in_the_middle_of_activities(io: &str) {
    let mut random = Random::seeded();
    let site = Site::new();
    // Fewer associations out than in, so that messages also wait, and are fetched when their time comes.
    site.configure(&Setting { shards: 1, mta_lines: "segment_size_mib = 4", associations: 4 });
    let receiver = start_receiver(&site);
    let mut relay = site.start(io);
    let sender = start_sender(&site, &load(MESSAGE_COUNT));

    let mut moments = BTreeSet::new();
    while moments.len() < KILL_COUNT {
        moments.insert(100 + random.below(MESSAGE_COUNT * 9 / 10));
    }
    let mut in_doubt_counted = 0;
    for confirmed in &moments {
        sender.wait_for("confirmed", *confirmed, |progress| &progress.confirmed);
        std::thread::sleep(Duration::from_micros(random.below(3000)));
        let returned = Progress::count(&sender.progress.returned);
        while sender.progress.under_way() == 0 {
            std::hint::spin_loop();
        }
        in_doubt_counted += relay.status().counters.in_doubt_recovered;
        relay.kill();
        // What was under way at the kill comes back unconfirmed, and nothing else does.
        sender.wait_for("returned", returned + 1, |progress| &progress.returned);
        relay = site.start(io);
        assert_eq!(relay.status().io_engine, io);
    }
    sender.wait_for("confirmed", MESSAGE_COUNT, |progress| &progress.confirmed);
    let sender = sender.join();
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    let (ended, status) = relay.terminate();
    assert!(ended.success(), "{ended}");
    in_doubt_counted += status.counters.in_doubt_recovered;
    let account = account(&site, sender, receiver.stop(), MESSAGE_COUNT);
    println!(
        "{io}: {KILL_COUNT} kills, {MESSAGE_COUNT} messages, {} duplicates, in doubt: {} at the sender, {} at the relay",
        account.duplicates, account.in_doubt_at_sender, account.in_doubt_at_relay,
    );
    assert_eq!(account.in_doubt_at_relay, in_doubt_counted, "log and counter differ");
    assert!(account.in_doubt_at_sender >= KILL_COUNT, "a kill interrupted no activity");
}

#[test]
fn killed_on_epoll_nothing_is_lost_and_what_comes_twice_was_in_doubt() {
    kill_in_the_middle_of_activities("epoll");
}
