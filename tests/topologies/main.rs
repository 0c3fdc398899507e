//! Random networks of up to eight relays in the simulated world, with whatever routes chance gives: each
//! recipient of each message ends with exactly one of delivered and reported.
//!
//! A seed is a whole run. One that fails prints itself; `P1RELAY_TOPOLOGY_SEED` replays it alone.
//!
//! - [`network`]: the relays, their routes, the MTAs around them.
//! - [`faults`]: what goes wrong, and when.
//! - [`traffic`]: what is sent, and what is known of its fate.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod faults;
mod network;
mod traffic;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use faults::Conditions;
use network::Network;
use traffic::Fate;

/// Turns in which everything must have happened.
const TURN_COUNT_MAX: usize = 2_000_000;

/// What happened in a run, to see that it is worth something.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    delivered: usize,
    reported: usize,
    /// Recipients that a partner refused for good.
    refused: usize,
    /// Recipients with more than one fate.
    twice: usize,
    crashes: usize,
    redirected: u64,
    expanded: u64,
    expired: u64,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Sums) {
        self.delivered += other.delivered;
        self.reported += other.reported;
        self.refused += other.refused;
        self.twice += other.twice;
        self.crashes += other.crashes;
        self.redirected += other.redirected;
        self.expanded += other.expanded;
        self.expired += other.expired;
    }
}

/// Lets the network of a seed work until every recipient has a fate, and a while more.
fn run(seed: u64, conditions: Conditions) -> Sums {
    let mut network = Network::new(seed, conditions);
    let expected = network.expected();
    let mut turns = 0;
    while network.fates().len() < expected.len() || network.has_faults_to_come() {
        assert!(network.turn(), "nothing will ever happen again: {}", network.missing());
        turns += 1;
        assert!(turns < TURN_COUNT_MAX, "no fate yet: {}", network.missing());
    }
    // Nothing more may come.
    let quiet = network.now_s() + conditions.quiet_s();
    while network.now_s() < quiet && network.turn() {}
    let fates = network.fates();
    let doubted = network.doubt_count();
    let mut twice: Vec<_> = fates.iter().filter(|(_, fates)| fates.len() > 1).collect();
    twice.dedup_by_key(|(key, _)| &key.0);
    assert!(twice.len() as u64 <= doubted, "{twice:?}, and {doubted} in doubt");
    for key in network.refused().iter().filter(|key| fates[*key].len() == 1) {
        assert_eq!(fates[key], [Fate::Reported], "{key:?} was refused for good");
    }
    let unknown: Vec<_> = fates.keys().filter(|key| !expected.contains(*key)).collect();
    assert!(unknown.is_empty(), "nobody asked for {unknown:?}");
    let counters = network.counters();
    let left = (counters.queued, counters.deriving, counters.deferred, counters.held_unreadable);
    assert_eq!(left, (0, 0, 0, 0), "something is left over");
    let count = |fate| fates.values().filter(|fates| fates[0] == fate).count();
    Sums {
        delivered: count(Fate::Delivered),
        reported: count(Fate::Reported),
        refused: network.refused().len(),
        twice: fates.values().filter(|fates| fates.len() > 1).count(),
        crashes: network.crash_count(),
        redirected: counters.redirected,
        expanded: counters.expanded,
        expired: counters.expired,
    }
}

/// Runs these seeds, or the one that is asked for; `None` when it is one alone.
fn run_all(count: u64, conditions: Conditions) -> Option<Sums> {
    let seeds = match std::env::var("P1RELAY_TOPOLOGY_SEED") {
        Ok(seed) => vec![seed.parse().expect("a seed is a number")],
        Err(_) => (0..count).collect(),
    };
    let many = seeds.len() > 1;
    let mut sums = Sums::default();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed, conditions))) {
            Ok(more) => sums += more,
            Err(panic) => {
                eprintln!("P1RELAY_TOPOLOGY_SEED={seed} replays this, {conditions:?}");
                resume_unwind(panic);
            }
        }
    }
    many.then_some(sums)
}

#[test]
fn every_recipient_has_exactly_one_fate() {
    let Some(sums) = run_all(500, Conditions::Fair) else { return };
    assert!(sums.delivered > 100 && sums.reported > 100, "too one-sided: {sums:?}");
    assert_eq!(sums.twice, 0, "{sums:?}");
}

/// Partners refuse transfers and are down, connections break, messages expire.
#[test]
fn partners_that_fail_change_which_fate_and_not_how_many() {
    let Some(sums) = run_all(200, Conditions::Faults) else { return };
    let Sums { delivered, reported, refused, redirected, expanded, expired, .. } = sums;
    let least = [delivered, reported, refused, redirected as usize, expanded as usize];
    assert!(least.iter().all(|sum| *sum > 50) && expired > 50, "shows too little: {sums:?}");
}

/// Relays are killed, and open what the crash left on their disks.
#[test]
fn crashes_leave_every_recipient_a_fate() {
    let Some(sums) = run_all(200, Conditions::Crashes) else { return };
    let Sums { delivered, reported, refused, redirected, expanded, crashes, .. } = sums;
    let least = [delivered, reported, refused, redirected as usize, expanded as usize, crashes];
    assert!(least.iter().all(|sum| *sum > 50), "shows too little: {sums:?}");
}
