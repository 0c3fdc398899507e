//! Random networks of up to eight relays in the simulated world, with whatever routes chance gives: each
//! recipient of each message ends with exactly one of delivered and reported.
//!
//! A seed is a whole run. One that fails prints itself; `P1RELAY_TOPOLOGY_SEED` replays it alone.
//!
//! - [`network`]: the relays, their routes, the MTAs around them.
//! - [`traffic`]: what is sent, and what is known of its fate.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod network;
mod traffic;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use network::Network;
use traffic::Fate;

/// Simulated time after the last fate, in which nothing more may come.
const QUIET_S: u64 = 30;
/// Turns in which everything must have happened.
const TURN_COUNT_MAX: usize = 400_000;
/// Seeds of one run of this test.
const SEED_COUNT: u64 = 500;

/// Lets the network of a seed work until every recipient has a fate, and a while more; gives how many were
/// delivered to, and how many reported.
fn run(seed: u64) -> [usize; 2] {
    let mut network = Network::new(seed);
    let expected = network.expected();
    let mut turns = 0;
    while network.fates().len() < expected.len() {
        assert!(network.turn(), "nothing will ever happen again: {}", network.missing());
        turns += 1;
        assert!(turns < TURN_COUNT_MAX, "no fate yet: {}", network.missing());
    }
    let quiet = network.now_s() + QUIET_S;
    while network.now_s() < quiet && network.turn() {}
    for key in &expected {
        let fates = &network.fates()[key];
        assert_eq!(fates.len(), 1, "{key:?} has {fates:?}");
    }
    let unknown: Vec<_> =
        network.fates().keys().filter(|key| !expected.contains(*key)).cloned().collect();
    assert!(unknown.is_empty(), "nobody asked for {unknown:?}");
    assert!(network.queues_are_empty(), "something is left over");
    [Fate::Delivered, Fate::Reported]
        .map(|fate| network.fates().values().filter(|fates| fates[0] == fate).count())
}

#[test]
fn every_recipient_has_exactly_one_fate() {
    let seeds = match std::env::var("P1RELAY_TOPOLOGY_SEED") {
        Ok(seed) => vec![seed.parse().expect("a seed is a number")],
        Err(_) => (0..SEED_COUNT).collect(),
    };
    let many = seeds.len() > 1;
    let mut sums = [0; 2];
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok(counts) => sums = [sums[0] + counts[0], sums[1] + counts[1]],
            Err(panic) => {
                eprintln!("P1RELAY_TOPOLOGY_SEED={seed} replays this");
                resume_unwind(panic);
            }
        }
    }
    assert!(!many || sums.iter().all(|sum| *sum > 100), "too one-sided to show anything: {sums:?}");
}
