//! What cannot go on is answered by a report, once, wherever a crash falls.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use p1relay::base::clock::Now;
use p1relay::endpoint::Script;
use p1relay::io::simulated::{Disk, World, WorldConfig};
use p1relay::p1::scan::{ApduKind, Scan, scan};
use p1relay::shard::settings::Settings;
use p1relay::shard::solo::Solo;

use super::{IDENTITY, Ledger, Sink, Source, address, connector, endpoint, relay};

/// Reports go back to the source, which listens too.
fn settings() -> Settings {
    relay(
        "RELAY",
        "C=GB;A=RELAY",
        address(1),
        vec![
            connector("RELAY", "SOURCE", Some(address(4)), "C=GB;A=SOURCE"),
            connector("RELAY", "SINK", Some(address(3)), "C=FR"),
        ],
    )
}

/// The source after a restart of the relay: it has nothing to send and takes what comes.
struct Listener(Rc<RefCell<Ledger>>);

impl Script for Listener {
    fn received(&mut self, apdu: &[u8], _now: Now) {
        self.0.borrow_mut().reports.push(apdu.to_vec());
    }

    fn note(&mut self, line: &str) {
        panic!("the source: {line}");
    }
}

/// How many reports there are on each of these messages.
fn counted(reports: &[Vec<u8>], identifiers: &HashSet<Vec<u8>>) -> HashMap<Vec<u8>, usize> {
    let mut counts = HashMap::new();
    for report in reports {
        let mut found = Scan::default();
        scan(report, &mut found).unwrap();
        assert_eq!(found.kind, ApduKind::Report);
        // The subject's identifier is the only place for it.
        let names = |identifier: &&Vec<u8>| {
            report.windows(identifier.len()).any(|window| window == &identifier[..])
        };
        if let Some(subject) = identifiers.iter().find(names) {
            *counts.entry(subject.clone()).or_insert(0) += 1;
        }
    }
    counts
}

struct Crash {
    step: u64,
    disk: Disk,
    acknowledged: HashSet<Vec<u8>>,
    report_count: usize,
    arrived: HashSet<Vec<u8>>,
}

/// Sends `count` messages to a recipient that has a route and one that has none; ends when all have arrived
/// and been reported. Gives the images of crashes, at each step of the disk, and all reports.
fn run(seed: u64, count: u64) -> (Vec<Crash>, Vec<Vec<u8>>, HashSet<Vec<u8>>) {
    let world = World::new(WorldConfig::new(seed));
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    let mut sink = endpoint(&world, "SINK", "RELAY", None, Sink(Rc::clone(&ledger)));
    sink.listen(address(3)).unwrap();
    let disk = Disk::new();
    let mut relay = Solo::open(world.engine_on(&disk), settings(), IDENTITY).unwrap();
    let recipients = ["C=FR;A=SINK;S=DURAND", "C=DE;A=NOWHERE;S=SCHMIDT"];
    let source = Source::to(&recipients, &world, &ledger, count);
    let mut source = endpoint(&world, "SOURCE", "RELAY", Some((address(1), 2)), source);
    source.listen(address(4)).unwrap();
    let mut crashes: Vec<Crash> = Vec::new();
    let mut turns = 0;
    let count = count as usize;
    while ledger.borrow().arrivals.len() < count || ledger.borrow().reports.len() < count {
        source.turn(None).unwrap();
        assert!(relay.turn().unwrap());
        sink.turn(None).unwrap();
        let step = disk.step();
        if crashes.last().is_none_or(|last| step > last.step) {
            let ledger = ledger.borrow();
            crashes.push(Crash {
                step,
                disk: disk.crash_image(seed ^ step),
                acknowledged: ledger.acknowledged.clone(),
                report_count: ledger.reports.len(),
                arrived: ledger.arrivals.keys().cloned().collect(),
            });
        }
        assert!(world.advance());
        turns += 1;
        assert!(turns < 200_000, "{:?}", relay.counters());
    }
    let counters = relay.counters();
    assert_eq!(counters.reports_unrecognised, count as u64, "{counters:?}");
    assert_eq!((counters.deriving, counters.held_unreadable), (0, 0));
    let ledger = ledger.borrow();
    (crashes, ledger.reports.clone(), ledger.acknowledged.clone())
}

#[test]
fn what_has_no_route_is_reported_to_its_originator_once() {
    for seed in 0..4 {
        let (_, reports, acknowledged) = run(seed, 40);
        let counts = counted(&reports, &acknowledged);
        assert_eq!(acknowledged.len(), 40);
        assert_eq!(counts.len(), 40, "seed {seed}");
        assert!(counts.values().all(|count| *count == 1), "seed {seed}: {counts:?}");
        assert_eq!(reports.len(), 40, "seed {seed}");
    }
}

#[test]
fn a_crash_at_any_step_leaves_one_fate_for_each_recipient() {
    let (crashes, reports, all) = run(5, 48);
    assert!(crashes.len() > 60, "{} crashes", crashes.len());
    let mut derived_again = 0;
    for crash in &crashes {
        let world = World::new(WorldConfig::new(crash.step));
        let ledger = Rc::new(RefCell::new(Ledger::default()));
        let mut sink = endpoint(&world, "SINK", "RELAY", None, Sink(Rc::clone(&ledger)));
        sink.listen(address(3)).unwrap();
        let script = Listener(Rc::clone(&ledger));
        let mut source = endpoint(&world, "SOURCE", "RELAY", None, script);
        source.listen(address(4)).unwrap();
        let mut relay = Solo::open(world.engine_on(&crash.disk), settings(), IDENTITY).unwrap();
        let mut turns = 0;
        while relay.counters().queued + relay.counters().deriving > 0 || turns == 0 {
            assert!(relay.turn().unwrap());
            sink.turn(None).unwrap();
            source.turn(None).unwrap();
            world.advance();
            turns += 1;
            assert!(turns < 200_000, "step {}: {:?}", crash.step, relay.counters());
        }
        let ledger = ledger.borrow();
        let before = counted(&reports[..crash.report_count], &all);
        let after = counted(&ledger.reports, &all);
        let mut twice = 0;
        for identifier in &crash.acknowledged {
            let name = String::from_utf8_lossy(identifier);
            let step = crash.step;
            let reported = before.contains_key(identifier) || after.contains_key(identifier);
            assert!(reported, "step {step}: {name} is neither delivered to nor reported");
            let sent = &ledger.arrivals;
            let arrived = crash.arrived.contains(identifier) || sent.contains_key(identifier);
            assert!(arrived, "step {step}: {name} is lost");
            twice += u64::from(crash.arrived.contains(identifier) && sent.contains_key(identifier));
            twice += u64::from(before.contains_key(identifier) && after.contains_key(identifier));
        }
        assert!(after.values().all(|count| *count == 1), "step {}: {after:?}", crash.step);
        assert!(ledger.arrivals.values().all(|count| *count == 1), "step {}", crash.step);
        let in_doubt = relay.counters().in_doubt_recovered;
        assert!(twice <= in_doubt, "step {}: {twice} again, {in_doubt} in doubt", crash.step);
        derived_again += relay.counters().reports_unrecognised;
    }
    assert!(derived_again > 0, "no crash fell between intake and report: the test shows nothing");
}
