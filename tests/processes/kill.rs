//! Durability of the process: killed in the middle of activities, stopped in the middle of activities,
//! with a store that is full. Whatever a sender was told is safe arrives; whatever arrives twice was in
//! doubt.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::account::account;
use crate::support::{Load, Progress, Setting, Site, start_receiver, start_sender};

const KILL_COUNT: usize = 12;
const MESSAGE_COUNT: u64 = 20_000;

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
    Load { sender: 0, count, text_size: 2048, associations: 8, incarnation: 1 }
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
        if random.below(2) == 0 {
            // Recovery itself is interrupted.
            site.start_briefly(io, Duration::from_micros(random.below(30_000)));
        }
        relay = site.start(io);
        assert_eq!(relay.status().io_engine, io);
    }
    sender.wait_for("confirmed", MESSAGE_COUNT, |progress| &progress.confirmed);
    let sender = sender.join();
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    let (ended, status) = relay.terminate();
    assert!(ended.success(), "{ended}");
    in_doubt_counted += status.counters.in_doubt_recovered;
    let account = account(&site, vec![(1, 0, sender)], receiver.stop(), MESSAGE_COUNT);
    println!(
        "{io}: {KILL_COUNT} kills, {MESSAGE_COUNT} messages, {} duplicates, in doubt: {} at the sender, {} at the relay",
        account.duplicates, account.in_doubt_at_sender, account.in_doubt_at_relay,
    );
    assert!(account.in_doubt_at_relay >= in_doubt_counted, "{in_doubt_counted} counted");
    assert!(account.in_doubt_at_sender >= KILL_COUNT, "a kill interrupted no activity");
}

#[test]
fn killed_on_epoll_nothing_is_lost_and_what_comes_twice_was_in_doubt() {
    kill_in_the_middle_of_activities("epoll");
}

#[test]
fn killed_on_uring_nothing_is_lost_and_what_comes_twice_was_in_doubt() {
    kill_in_the_middle_of_activities("uring");
}

#[test]
fn stopped_under_load_nothing_is_in_doubt_and_the_rest_flows() {
    let site = Site::new();
    site.configure(&Setting { shards: 1, mta_lines: "segment_size_mib = 4", associations: 2 });
    let receiver = start_receiver(&site);
    let mut relay = site.start("auto");
    let count = 3000;
    let sender = start_sender(&site, &load(count));
    for confirmed in [200, 900, 1900] {
        sender.wait_for("confirmed", confirmed, |progress| &progress.confirmed);
        let (ended, status) = relay.terminate();
        assert_eq!(ended.code(), Some(0));
        assert!(status.counters.transfers_in > 0, "{:?}", status.counters);
        assert_eq!(status.counters.in_doubt_lost, 0);
        relay = site.start("auto");
        assert_eq!(relay.status().counters.in_doubt_recovered, 0);
    }
    let sender = sender.join();
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    assert_eq!(relay.terminate().0.code(), Some(0));
    let account = account(&site, vec![(1, 0, sender)], receiver.stop(), count);
    assert_eq!(
        (account.duplicates, account.in_doubt_at_sender, account.in_doubt_at_relay),
        (0, 0, 0)
    );
}

#[test]
fn what_a_vanished_partner_gets_twice_was_in_doubt() {
    let site = Site::new();
    site.configure(&Setting { shards: 1, mta_lines: "segment_size_mib = 4", associations: 4 });
    let mut receiver = start_receiver(&site);
    let mut relay = site.start("auto");
    let count = 3000;
    let sender = start_sender(&site, &load(count));
    for received in [300, 500, 700] {
        receiver.wait_for("received", received, |progress| &progress.received);
        receiver.vanish();
        receiver = start_receiver(&site);
    }
    let sender = sender.join();
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    let (ended, status) = relay.terminate();
    assert_eq!(ended.code(), Some(0));
    let account = account(&site, vec![(1, 0, sender)], receiver.stop(), count);
    assert_eq!(account.in_doubt_at_sender, 0);
    assert_eq!(account.in_doubt_at_relay, status.counters.in_doubt_lost);
    assert!(account.duplicates >= 3, "{} duplicates", account.duplicates);
}

#[test]
fn a_full_store_refuses_politely_and_loses_nothing() {
    let site = Site::new();
    let mta_lines = "segment_size_mib = 2\nsegment_count_max = 4";
    site.configure(&Setting { shards: 1, mta_lines, associations: 1 });
    let mut relay = site.start("auto");
    let count = 5000;
    let sender = start_sender(&site, &load(count));
    // Nobody answers at the receiver's port.
    sender.wait_for("returned", 8, |progress| &progress.returned);
    let confirmed = Progress::count(&sender.progress.confirmed);
    assert!((1000..count).contains(&confirmed), "{confirmed} taken");
    relay.wait_until("a queue", |counters| counters.queued >= confirmed);
    relay.kill();
    relay = site.start("auto");
    let recovered = relay.status().counters.recovered;
    // What was durable and could not be acknowledged any more is kept too.
    assert!((confirmed..=confirmed + 16).contains(&recovered), "{recovered} of {confirmed} kept");

    let receiver = start_receiver(&site);
    let sender = sender.join();
    relay.wait_until("an empty queue", |counters| counters.queued == 0);
    assert_eq!(relay.terminate().0.code(), Some(0));
    let polite = sender
        .notes
        .iter()
        .filter(|note| note.contains("refused") && note.contains("Temporary"))
        .count();
    assert!(polite >= 8, "{:?}", sender.notes);
    account(&site, vec![(1, 0, sender)], receiver.stop(), count);
}
