//! One dead partner, one that accepts and says nothing, and one that binds and then never answers, beside 20
//! good ones, in the simulated world, where latencies are the same in every run: what the good ones get takes as
//! long as without the bad ones. Time is simulated: it shows waiting, not work.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use p1relay::base::buffer::Lease;
use p1relay::base::clock::{Instant, Now};
use p1relay::endpoint::fault::Fault;
use p1relay::endpoint::{Next, Script};
use p1relay::io::simulated::{World, WorldConfig};
use p1relay::osi::rtse::DialogueMode;
use p1relay::osi::stack::ApplicationContext;

use crate::network::{Partner, address, endpoint, relay};
use support::apdu;

const GOOD_COUNT: usize = 20;
const MESSAGE_COUNT: usize = 1000;
/// Messages that wait for each bad partner from the start.
const WAITING_COUNT: usize = 20;
const FAULTS: [Option<Fault>; 3] = [None, Some(Fault::Mute), Some(Fault::Stall)];

/// When messages were begun and arrived, by recipient and number.
type Times = Rc<RefCell<HashMap<Vec<u8>, (Instant, Option<Instant>)>>>;

fn text(partner: usize, number: usize) -> Vec<u8> {
    format!("<{partner}.{number}>").into_bytes()
}

fn message(partner: usize, number: usize) -> Lease {
    let recipient = format!("C=FR;A=X;P=PARTNER{partner};S=DURAND");
    let text = text(partner, number);
    let identifier = format!("{partner}.{number}");
    Lease::copied(&apdu::interpersonal(&identifier, &[&recipient], &text))
}

struct Source {
    list: Vec<(usize, usize)>,
    next: usize,
    times: Times,
}

impl Script for Source {
    fn next(&mut self, _association: usize, now: Now) -> Next {
        let Some(&(partner, number)) = self.list.get(self.next) else { return Next::Idle };
        self.next += 1;
        if partner < GOOD_COUNT {
            self.times.borrow_mut().insert(text(partner, number), (now.instant, None));
        }
        Next::Transfer { number: self.next as u64, apdu: message(partner, number) }
    }

    fn returned(&mut self, number: u64, _in_doubt: bool) {
        panic!("message {number} was not taken");
    }

    fn received(&mut self, _apdu: &[u8], _now: Now) {}

    fn note(&mut self, line: &str) {
        panic!("the source: {line}");
    }
}

struct Sink(Times);

impl Script for Sink {
    fn received(&mut self, apdu: &[u8], now: Now) {
        let start = apdu.iter().rposition(|octet| *octet == b'<').unwrap();
        let end = apdu.iter().rposition(|octet| *octet == b'>').unwrap();
        self.0.borrow_mut().get_mut(&apdu[start..=end]).unwrap().1 = Some(now.instant);
    }
}

/// What the good partners saw, nanoseconds.
#[derive(Debug)]
struct Seen {
    latency_p99: u64,
    whole: u64,
}

fn run(bad: bool) -> Seen {
    let fixed = WorldConfig {
        network_latency_ns: 40_000..=40_000,
        disk_latency_ns: 100_000..=100_000,
        ..WorldConfig::new(1)
    };
    let world = World::new(fixed);
    let context = ApplicationContext::MtsTransfer;
    let count = if bad { GOOD_COUNT + FAULTS.len() } else { GOOD_COUNT };
    let names: Vec<String> = (0..count).map(|number| format!("PARTNER{number}")).collect();
    let spaces: Vec<String> = names.iter().map(|name| format!("C=FR;A=X;P={name}")).collect();
    let listens: Vec<SocketAddr> = (0..count).map(|number| address(20 + number as u8)).collect();
    let times = Times::default();
    let mut sinks = Vec::new();
    for (index, (name, listen)) in names.iter().zip(&listens).enumerate() {
        // The first of the bad ones does not listen at all.
        if index == GOOD_COUNT {
            continue;
        }
        let fault = index.checked_sub(GOOD_COUNT).and_then(|bad| FAULTS[bad]);
        let script = Sink(Rc::clone(&times));
        let sink = endpoint(&world, name, context, None, DialogueMode::Monologue, script);
        let mut sink = sink.with_fault(fault);
        sink.listen(*listen).unwrap();
        sinks.push(sink);
    }
    let source = Partner { name: "SOURCE", address: None, space: "", context, lines: "" };
    let partners = names.iter().zip(&spaces).zip(&listens).map(|((name, space), listen)| Partner {
        name,
        address: Some(*listen),
        space,
        ..source
    });
    let partners: Vec<Partner<'_>> = std::iter::once(source).chain(partners).collect();
    let mut relay = relay(&world, "RELAY", address(1), &partners);

    let waiting = (GOOD_COUNT..count)
        .flat_map(|partner| (0..WAITING_COUNT).map(move |number| (partner, number)));
    let measured = (0..MESSAGE_COUNT).map(|number| (number % GOOD_COUNT, number));
    let list = waiting.chain(measured).collect();
    let script = Source { list, next: 0, times: Rc::clone(&times) };
    let monologue = DialogueMode::Monologue;
    let mut source = endpoint(&world, "SOURCE", context, Some(address(1)), monologue, script);
    let all_arrived = || {
        let times = times.borrow();
        times.len() == MESSAGE_COUNT && times.values().all(|time| time.1.is_some())
    };
    let mut turns = 0;
    while turns % 64 != 0 || !all_arrived() {
        source.turn(None).unwrap();
        assert!(relay.turn().unwrap());
        for sink in &mut sinks {
            sink.turn(None).unwrap();
        }
        turns += 1;
        assert!(world.advance() && turns < 1_000_000, "{:?}", relay.counters());
    }
    let times = times.borrow();
    let began = times.values().map(|time| time.0).min().unwrap();
    let ended = times.values().filter_map(|time| time.1).max().unwrap();
    let mut latencies: Vec<u64> =
        times.values().map(|(from, to)| to.unwrap().since(*from).as_nanos() as u64).collect();
    latencies.sort_unstable();
    Seen {
        latency_p99: latencies[latencies.len() * 99 / 100],
        whole: ended.since(began).as_nanos() as u64,
    }
}

#[test]
fn good_partners_wait_no_longer_beside_bad_ones() {
    let (without, with) = (run(false), run(true));
    println!("without bad partners {without:?}, beside them {with:?}");
    let within = |with: u64, without: u64| with as f64 <= 1.1 * without as f64;
    assert!(within(with.latency_p99, without.latency_p99), "{with:?} beside, {without:?} without");
    assert!(within(with.whole, without.whole), "{with:?} beside, {without:?} without");
}
