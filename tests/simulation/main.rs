//! Whole relays in the simulated world: a network of them in one thread, and a crash after every turn in
//! which the relay's disk moved. `tests/recovery` crashes the store alone at every single step.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod derived;
mod full;
mod policy;
mod reports;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use p1relay::base::buffer::Lease;
use p1relay::base::clock::{Now, WallTime};
use p1relay::ber::{Tag, write};
use p1relay::config::check;
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::endpoint::{Endpoint, EndpointConfig, Next, Script};
use p1relay::io::probe::IoChoice;
use p1relay::io::simulated::{Disk, Simulated, World, WorldConfig};
use p1relay::mta::policy::Policy;
use p1relay::osi::stack::StackConfig;
use p1relay::p1::scan::{Priority, Scan, scan};
use p1relay::p1::time::utc_time;
use p1relay::shard::settings::{ConnectorSettings, Settings};
use p1relay::shard::solo::Solo;

const IDENTITY: [u8; 16] = *b"simulated store.";

/// One connector as the configuration file makes it.
fn connector(
    us: &str,
    partner: &str,
    address: Option<SocketAddr>,
    space: &str,
) -> ConnectorSettings {
    let address = address.map_or(String::new(), |address| format!("address = [\"{address}\"]\n"));
    let space = match space {
        "" => String::new(),
        space => format!("address_space = [{{ pattern = \"{space}\" }}]\n"),
    };
    let text = format!(
        "[mta]\nname = \"{us}\"\npassword = \"{us} password\"\ndomain = \"C=GB;A=X\"\n\
         listen = [\"127.0.0.1:0\"]\n[[connector]]\nname = \"{}\"\n{address}\
         remote_mta_name = \"{partner}\"\nremote_password = \"{partner} password\"\n{space}\
         association_count_max = 3\nopen_retry_delay_s = 0.02\nopen_retry_delay_s_max = 0.2\n\
         idle_time_s = 5\nprogress_timeout_s = 30\n",
        partner.to_lowercase(),
    );
    check(&text, Path::new("/")).unwrap().connectors.remove(0)
}

fn relay(
    name: &str,
    domain: &str,
    listen: SocketAddr,
    connectors: Vec<ConnectorSettings>,
) -> Settings {
    Settings {
        domain: domain.parse().unwrap(),
        mta_name: name.to_owned(),
        listen: vec![listen],
        store_directory: PathBuf::from(format!("/{name}")),
        shard_count: 1,
        pin: false,
        io: IoChoice::Auto,
        segment_size: 512 << 10,
        segment_count_max: 64,
        tracking: None,
        establishment_timeout: Duration::from_secs(60),
        unbound_connection_count_max: 1024,
        called_stack: Arc::new(StackConfig::default()),
        policy: Policy::default(),
        connectors,
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 102))
}

fn endpoint<S: Script>(
    world: &World,
    name: &str,
    partner: &str,
    call: Option<(SocketAddr, usize)>,
    script: S,
) -> Endpoint<Simulated, S> {
    let own = |name: &str| (name.to_owned(), format!("{name} password"));
    let config = EndpointConfig {
        local: own(name),
        remote: Some(own(partner)),
        stack: Arc::new(StackConfig::default()),
        call,
        retry_delay: Duration::from_millis(30),
    };
    Endpoint::new(world.engine(), config, script)
}

/// What all parties of a run know of each message, by local identifier.
#[derive(Default)]
struct Ledger {
    acknowledged: HashSet<Vec<u8>>,
    arrivals: HashMap<Vec<u8>, usize>,
    /// Reports that came back, whole.
    reports: Vec<Vec<u8>>,
}

struct Source {
    ledger: Rc<RefCell<Ledger>>,
    templates: Vec<Template>,
    count: u64,
    next: u64,
    again: Vec<u64>,
    identifiers: HashMap<u64, Vec<u8>>,
    confirmed: u64,
    /// The deferred-delivery-time of what is sent.
    deferred_until: Option<WallTime>,
    /// Whose contents the messages have, if not their own.
    contents: Option<Vec<Template>>,
    /// Whether it stays when all is confirmed, to take what comes.
    stays: bool,
}

impl Source {
    /// Messages of four sizes in turn, the last of them streamed.
    fn new(world: &World, ledger: &Rc<RefCell<Ledger>>, count: u64) -> Source {
        Source::to(&["C=FR;A=SINK;S=DURAND"], world, ledger, count)
    }

    fn to(recipients: &[&str], world: &World, ledger: &Rc<RefCell<Ledger>>, count: u64) -> Source {
        let template = |text_size: usize| {
            let config = TemplateConfig {
                domain: "C=GB;A=SOURCE".parse().unwrap(),
                originator: "C=GB;A=SOURCE;S=SMITH".parse().unwrap(),
                recipients: recipients.iter().map(|it| it.parse().unwrap()).collect(),
                priority: Priority::Normal,
                text_size,
                subject: "simulated".to_owned(),
                incarnation: 1,
                sender: text_size as u16,
            };
            Template::new(&config, world.now().wall).unwrap()
        };
        Source {
            ledger: Rc::clone(ledger),
            templates: [0, 900, 5_000, 150_000].map(template).into(),
            count,
            next: 0,
            again: Vec::new(),
            identifiers: HashMap::new(),
            confirmed: 0,
            deferred_until: None,
            contents: None,
            stays: false,
        }
    }
}

fn local_identifier(apdu: &[u8]) -> Vec<u8> {
    let mut found = Scan::default();
    scan(apdu, &mut found).unwrap();
    found.mts_identifier.local_identifier.octets(apdu).to_vec()
}

/// A deferred-delivery-time.
fn element(time: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    write::primitive(&mut octets, Tag::context(0), time);
    octets
}

/// A message with the envelope of one and more in it, and the content of another.
fn message(envelope_of: &[u8], more: &[u8], content_of: &[u8]) -> Vec<u8> {
    let (mut found, mut other) = (Scan::default(), Scan::default());
    scan(envelope_of, &mut found).unwrap();
    scan(content_of, &mut other).unwrap();
    let mut octets = Vec::new();
    write::constructed(&mut octets, Tag::context(0), |out| {
        write::constructed(out, Tag::SET, |out| {
            out.extend_from_slice(found.envelope.content.octets(envelope_of));
            out.extend_from_slice(more);
        });
        out.extend_from_slice(other.content.unwrap().octets(content_of));
    });
    octets
}

impl Script for Source {
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        let number = match self.again.pop() {
            Some(number) => number,
            None if self.next == self.count => return Next::Idle,
            None => {
                self.next += 1;
                self.next
            }
        };
        // One in sixteen is large.
        let kind = if number % 16 == 0 { 3 } else { (number % 3) as usize };
        let mut apdu: Lease = self.templates[kind].instance(number, 0);
        if let Some(time) = self.deferred_until {
            let time = element(&utc_time(time));
            apdu = Lease::copied(&message(&apdu, &time, &apdu));
        }
        if let Some(contents) = &mut self.contents {
            apdu = Lease::copied(&message(&apdu, &[], &contents[kind].instance(number, 0)));
        }
        self.identifiers.insert(number, local_identifier(&apdu));
        Next::Transfer { number, apdu }
    }

    fn confirmed(&mut self, number: u64, _now: Now) {
        self.confirmed += 1;
        self.ledger.borrow_mut().acknowledged.insert(self.identifiers[&number].clone());
    }

    fn returned(&mut self, number: u64, _in_doubt: bool) {
        self.again.push(number);
    }

    fn received(&mut self, apdu: &[u8], _now: Now) {
        self.ledger.borrow_mut().reports.push(apdu.to_vec());
    }

    fn is_finished(&self) -> bool {
        !self.stays && self.confirmed == self.count
    }
}

struct Sink(Rc<RefCell<Ledger>>);

impl Script for Sink {
    fn received(&mut self, apdu: &[u8], _now: Now) {
        *self.0.borrow_mut().arrivals.entry(local_identifier(apdu)).or_insert(0) += 1;
    }

    fn note(&mut self, line: &str) {
        panic!("the sink: {line}");
    }
}

#[test]
fn a_network_of_relays_delivers_each_message_once() {
    for seed in 0..8 {
        let world = World::new(WorldConfig::new(seed));
        let ledger = Rc::new(RefCell::new(Ledger::default()));
        let mut sink = endpoint(&world, "SINK", "EAST", None, Sink(Rc::clone(&ledger)));
        sink.listen(address(3)).unwrap();
        let west = relay(
            "WEST",
            "C=GB;A=WEST",
            address(1),
            vec![
                connector("WEST", "SOURCE", None, ""),
                connector("WEST", "EAST", Some(address(2)), "C=FR"),
            ],
        );
        let east = relay(
            "EAST",
            "C=FR;A=EAST",
            address(2),
            vec![
                connector("EAST", "WEST", Some(address(1)), "C=GB"),
                connector("EAST", "SINK", Some(address(3)), "C=FR;A=SINK"),
            ],
        );
        let mut west = Solo::open(world.engine(), west, IDENTITY).unwrap();
        let mut east = Solo::open(world.engine(), east, IDENTITY).unwrap();
        let source = Source::new(&world, &ledger, 100);
        let mut source = endpoint(&world, "SOURCE", "WEST", Some((address(1), 3)), source);
        let mut turns = 0;
        while ledger.borrow().arrivals.len() < 100 || west.counters().transfers_out < 100 {
            source.turn(None).unwrap();
            assert!(west.turn().unwrap() && east.turn().unwrap());
            sink.turn(None).unwrap();
            assert!(world.advance(), "seed {seed}: nothing will ever happen again");
            turns += 1;
            assert!(turns < 1_000_000, "seed {seed}: {} arrived", ledger.borrow().arrivals.len());
        }
        let ledger = ledger.borrow();
        assert_eq!(ledger.acknowledged.len(), 100, "seed {seed}");
        assert!(
            ledger.arrivals.values().all(|count| *count == 1),
            "seed {seed}: something arrived twice"
        );
        assert_eq!(east.counters().in_doubt_lost + west.counters().in_doubt_lost, 0, "seed {seed}");
    }
}

fn crashing_relay() -> Settings {
    relay(
        "RELAY",
        "C=GB;A=RELAY",
        address(1),
        vec![
            connector("RELAY", "SOURCE", None, ""),
            connector("RELAY", "SINK", Some(address(3)), "C=FR"),
        ],
    )
}

/// A state of the disk after a crash, with what the world knew by then.
struct Crash {
    step: u64,
    disk: Disk,
    acknowledged: HashSet<Vec<u8>>,
    arrived: HashSet<Vec<u8>>,
}

/// Runs `count` messages through a relay and takes a crash image after each turn in which its disk went
/// `every` steps or more.
fn run_and_crash(seed: u64, count: u64, every: u64) -> Vec<Crash> {
    let world = World::new(WorldConfig::new(seed));
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    let mut sink = endpoint(&world, "SINK", "RELAY", None, Sink(Rc::clone(&ledger)));
    sink.listen(address(3)).unwrap();
    let disk = Disk::new();
    let mut relay = Solo::open(world.engine_on(&disk), crashing_relay(), IDENTITY).unwrap();
    let source = Source::new(&world, &ledger, count);
    let mut source = endpoint(&world, "SOURCE", "RELAY", Some((address(1), 3)), source);
    let mut crashes: Vec<Crash> = Vec::new();
    while ledger.borrow().arrivals.len() < count as usize {
        source.turn(None).unwrap();
        assert!(relay.turn().unwrap());
        sink.turn(None).unwrap();
        let step = disk.step();
        if crashes.last().is_none_or(|last| step >= last.step + every) {
            let ledger = ledger.borrow();
            crashes.push(Crash {
                step,
                disk: disk.crash_image(seed ^ step),
                acknowledged: ledger.acknowledged.clone(),
                arrived: ledger.arrivals.keys().cloned().collect(),
            });
        }
        assert!(world.advance());
    }
    crashes
}

/// Opens a relay on what a crash left and lets it send all it has; what then arrives, how often, and how
/// many targets it held to be in doubt.
fn recover(seed: u64, crash: &Crash) -> (HashMap<Vec<u8>, usize>, u64) {
    let world = World::new(WorldConfig::new(seed));
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    let mut sink = endpoint(&world, "SINK", "RELAY", None, Sink(Rc::clone(&ledger)));
    sink.listen(address(3)).unwrap();
    let mut relay = Solo::open(world.engine_on(&crash.disk), crashing_relay(), IDENTITY).unwrap();
    let mut turns = 0;
    while relay.counters().queued > 0 || turns == 0 {
        assert!(relay.turn().unwrap());
        sink.turn(None).unwrap();
        world.advance();
        turns += 1;
        assert!(turns < 1_000_000, "step {}: {:?}", crash.step, relay.counters());
    }
    let arrivals = ledger.borrow().arrivals.clone();
    (arrivals, relay.counters().in_doubt_recovered)
}

#[test]
fn a_crash_at_any_step_of_the_disk_loses_nothing_acknowledged() {
    let seed = 7;
    let crashes = run_and_crash(seed, 200, 1);
    assert!(crashes.len() > 200, "{} crashes", crashes.len());
    let mut resent = 0;
    for crash in &crashes {
        let (arrivals, in_doubt) = recover(seed, crash);
        for identifier in &crash.acknowledged {
            assert!(
                crash.arrived.contains(identifier) || arrivals.contains_key(identifier),
                "step {}: {} was acknowledged and is lost",
                crash.step,
                String::from_utf8_lossy(identifier)
            );
        }
        assert!(
            arrivals.values().all(|count| *count == 1),
            "step {}: sent twice after recovery",
            crash.step
        );
        let twice =
            arrivals.keys().filter(|identifier| crash.arrived.contains(*identifier)).count() as u64;
        assert!(
            twice <= in_doubt,
            "step {}: {twice} came again, {in_doubt} were in doubt",
            crash.step
        );
        resent += twice;
    }
    assert!(resent > 0, "no crash fell between a transfer and its outcome: the test shows nothing");
}
