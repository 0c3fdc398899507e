//! Relays in a random connected network, each with an MTA of its own users.
//!
//! Routes back to the originator, and to the lists, are right: they follow a tree. All others are chance:
//! missing, roundabout, contradictory, in circles, of any cost.

use std::cell::Ref;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use p1relay::base::clock::Instant;
use p1relay::config::check;
use p1relay::endpoint::{Endpoint, EndpointConfig, Script};
use p1relay::io::simulated::{Disk, Random, Simulated, World, WorldConfig};
use p1relay::osi::stack::StackConfig;
use p1relay::shard::counters::CounterValues;
use p1relay::shard::settings::Settings;
use p1relay::shard::solo::Solo;

use crate::faults::{Conditions, Fault, opening, schedule};
use crate::traffic::{Fate, Fates, Key, List, Mood, Refused, Sink, Source, Traffic};

const RELAY_COUNT_MAX: u64 = 8;

/// What all stores are called.
const IDENTITY: [u8; 16] = *b"simulated store.";

pub(crate) struct Network {
    world: World,
    relays: Vec<Node>,
    source: Endpoint<Simulated, Source>,
    sinks: Vec<Domain>,
    fates: Fates,
    refused: Refused,
    expected: Vec<Key>,
    plan: String,
    /// What is still to go wrong, the last first.
    faults: Vec<(u64, Fault)>,
    crash_count: usize,
    /// Of relays that were killed.
    counters: CounterValues,
}

/// A relay, also while it is down.
struct Node {
    relay: Option<Solo<Simulated>>,
    settings: Settings,
    disk: Disk,
    engine: usize,
    opens_at: u64,
}

impl Node {
    fn open(&mut self, world: &World) {
        let engine = world.engine_on(&self.disk);
        self.engine = engine.index();
        self.relay = Some(Solo::open(engine, self.settings.clone(), IDENTITY).unwrap());
    }
}

/// The MTA of a domain's users.
struct Domain {
    endpoint: Endpoint<Simulated, Sink>,
    address: SocketAddr,
    /// When it begins to listen, until it does.
    opens_at: Option<u64>,
}

fn relay_address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index as u8], 102))
}

fn sink_address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, index as u8], 102))
}

const SOURCE_ADDRESS: [u8; 4] = [10, 0, 2, 1];

fn endpoint<S: Script>(
    world: &World,
    name: &str,
    call: Option<SocketAddr>,
    script: S,
) -> Endpoint<Simulated, S> {
    let config = EndpointConfig {
        local: (name.to_owned(), format!("{name} password")),
        remote: None,
        stack: Arc::new(StackConfig::default()),
        call: call.map(|address| (address, 1)),
        retry_delay: Duration::from_millis(30),
    };
    Endpoint::new(world.engine(), config, script)
}

/// One relay's configuration.
struct Plan {
    index: usize,
    /// By the partner's name.
    connectors: BTreeMap<String, PlannedConnector>,
    /// More lines of `[mta]`.
    lines: &'static str,
    tables: String,
}

struct PlannedConnector {
    address: SocketAddr,
    /// The number of the partner's domain, if it is a relay.
    domain: Option<usize>,
    /// Patterns with their costs.
    spaces: Vec<(String, u64)>,
    message_size_max_kib: usize,
}

impl PlannedConnector {
    fn new(address: SocketAddr, domain: Option<usize>, spaces: &[&str]) -> PlannedConnector {
        let spaces = spaces.iter().map(|pattern| ((*pattern).to_owned(), 10)).collect();
        PlannedConnector { address, domain, spaces, message_size_max_kib: 65_536 }
    }
}

impl Plan {
    fn text(&self) -> String {
        let name = format!("R{}", self.index);
        let mut text = format!(
            "[mta]\nname = \"{name}\"\npassword = \"{name} password\"\ndomain = \"C=GB;A={name}\"\n\
             listen = [\"127.0.0.1:0\"]\nshards = 1\n{}",
            self.lines
        );
        for (partner, planned) in &self.connectors {
            let PlannedConnector { address, domain, spaces, message_size_max_kib } = planned;
            write!(
                text,
                "[[connector]]\nname = \"{partner}\"\nremote_mta_name = \"{partner}\"\n\
                 remote_password = \"{partner} password\"\naddress = [\"{address}\"]\n\
                 open_retry_delay_s = 0.02\nopen_retry_delay_s_max = 0.5\nidle_time_s = 5\n\
                 recovery_timeout_s = 5\ntransfer_retry_delay_s = 0.01\n\
                 transfer_retry_delay_s_max = 0.2\n\
                 message_size_max_kib = {message_size_max_kib}\n"
            )
            .unwrap();
            if let Some(domain) = domain {
                writeln!(text, "domain = \"C=GB;A=R{domain}\"").unwrap();
            }
            let spaces: Vec<String> = spaces
                .iter()
                .map(|(pattern, cost)| format!("{{ pattern = \"{pattern}\", cost = {cost} }}"))
                .collect();
            writeln!(text, "address_space = [{}]", spaces.join(", ")).unwrap();
        }
        text + &self.tables
    }
}

/// Neighbours by relay: a random tree and some edges more; and each relay's way towards relay 0.
fn edges(random: &mut Random, count: usize) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut neighbours = vec![Vec::new(); count];
    let mut parents = vec![0; count];
    for index in 1..count {
        let parent = random.below(index as u64) as usize;
        parents[index] = parent;
        neighbours[index].push(parent);
        neighbours[parent].push(index);
    }
    for _ in 0..random.below(count as u64) {
        let (one, other) =
            (random.below(count as u64) as usize, random.below(count as u64) as usize);
        if one != other && !neighbours[one].contains(&other) {
            neighbours[one].push(other);
            neighbours[other].push(one);
        }
    }
    (neighbours, parents)
}

impl Network {
    pub(crate) fn new(seed: u64, conditions: Conditions) -> Network {
        let world = World::new(WorldConfig { piece_size_max: 16 << 10, ..WorldConfig::new(seed) });
        let mut random = Random::new(seed);
        let count = 2 + random.below(RELAY_COUNT_MAX - 1) as usize;
        let (neighbours, parents) = edges(&mut random, count);
        let lines = match conditions {
            Conditions::Fair => "",
            Conditions::Faults | Conditions::Crashes => {
                "expiry_s_urgent = 20\nexpiry_s_normal = 25\nexpiry_s_non_urgent = 30\n"
            }
        };
        let mut plans: Vec<Plan> = (0..count)
            .map(|index| Plan { index, connectors: BTreeMap::new(), lines, tables: String::new() })
            .collect();
        for plan in &mut plans {
            let index = plan.index;
            let own = format!("C=GB;A=R{index};P=M");
            let own = PlannedConnector::new(sink_address(index), None, &[&own]);
            plan.connectors.insert(format!("M{index}"), own);
            for &other in &neighbours[index] {
                let mut entry = PlannedConnector::new(relay_address(other), Some(other), &[]);
                // Both sides agree; and reports, with the contents that they return, go by the tree.
                let is_of_tree = parents[index] == other || parents[other] == index;
                if !is_of_tree && (index + other) % 2 == 0 {
                    entry.message_size_max_kib = 64;
                }
                plan.connectors.insert(format!("R{other}"), entry);
            }
            if index == 0 {
                let address = SocketAddr::from((SOURCE_ADDRESS, 102));
                let source = PlannedConnector::new(address, None, &["C=FR;A=ORIGIN"]);
                plan.connectors.insert("SOURCE".to_owned(), source);
            } else {
                let way = plan.connectors.get_mut(&format!("R{}", parents[index])).unwrap();
                way.spaces.push(("C=FR;A=ORIGIN".to_owned(), 10));
            }
            for home in (0..count).filter(|home| *home != index) {
                let way = format!("R{}", way(&parents, index, home));
                let space = (format!("C=FR;A=LISTS{home}"), 10);
                plan.connectors.get_mut(&way).unwrap().spaces.push(space);
            }
            for domain in (0..=count).filter(|domain| *domain != index) {
                for _ in 0..random.below(3) {
                    let other =
                        neighbours[index][random.below(neighbours[index].len() as u64) as usize];
                    let space = (format!("C=GB;A=R{domain}"), 1 + random.below(100));
                    let spaces = &mut plan.connectors.get_mut(&format!("R{other}")).unwrap().spaces;
                    if !spaces.iter().any(|(pattern, _)| *pattern == space.0) {
                        spaces.push(space);
                    }
                }
            }
            if random.one_in(3) {
                let other =
                    neighbours[index][random.below(neighbours[index].len() as u64) as usize];
                plan.connectors
                    .get_mut(&format!("R{other}"))
                    .unwrap()
                    .spaces
                    .push(("C=GB".to_owned(), 1 + random.below(100)));
            }
        }
        if conditions != Conditions::Fair {
            redirect(&mut random, &mut plans);
        }
        let lists = lists(&mut random, conditions, count as u64);
        for list in &lists {
            let inner = list.inner.iter().map(|inner| &lists[*inner].address);
            let members: Vec<String> =
                list.members.iter().chain(inner).map(|it| format!("\"{it}\"")).collect();
            write!(
                plans[list.home].tables,
                "[[list]]\naddress = \"{}\"\nmember = [{}]\n",
                list.address,
                members.join(", ")
            )
            .unwrap();
        }
        let traffic = Traffic::new(&mut random, conditions, count as u64, &lists);
        let fates = Fates::default();
        let mut plan_text = String::new();
        let relays = plans
            .iter()
            .map(|plan| {
                let text = plan.text();
                plan_text += &text;
                let settings = check(&text, Path::new("/")).unwrap_or_else(|problems| {
                    panic!("{text}\n{problems:?}");
                });
                let settings = Settings {
                    listen: vec![relay_address(plan.index)],
                    store_directory: PathBuf::from("/store"),
                    segment_size: 2 << 20,
                    segment_count_max: 32,
                    ..settings
                };
                let mut node =
                    Node { relay: None, settings, disk: Disk::new(), engine: 0, opens_at: 0 };
                node.open(&world);
                node
            })
            .collect();
        let script = Source {
            waiting: (1..).zip(traffic.apdus).collect(),
            under_way: Vec::new(),
            fates: Fates::clone(&fates),
            lists: lists.clone(),
            doubt_count: 0,
        };
        let mut source = endpoint(&world, "SOURCE", Some(relay_address(0)), script);
        source.listen(SocketAddr::from((SOURCE_ADDRESS, 102))).unwrap();
        let refused = Refused::default();
        let mut domain = |index: usize| {
            let sink = Sink {
                fates: Fates::clone(&fates),
                lists: lists.clone(),
                refused: Refused::clone(&refused),
                mood: match conditions {
                    Conditions::Fair => Mood::Kind,
                    _ => Mood::Unkind(Random::new(seed ^ index as u64)),
                },
            };
            Domain {
                endpoint: endpoint(&world, &format!("M{index}"), None, sink),
                address: sink_address(index),
                opens_at: opening(&mut random, conditions),
            }
        };
        let sinks = (0..count).map(&mut domain).collect();
        let faults = schedule(&mut random, conditions, count);
        Network {
            world,
            relays,
            source,
            sinks,
            fates,
            refused,
            expected: traffic.expected,
            plan: plan_text,
            faults,
            crash_count: 0,
            counters: CounterValues::default(),
        }
    }

    /// Gives everybody a turn; false when nothing will ever happen again.
    pub(crate) fn turn(&mut self) -> bool {
        let now = self.world.now().instant.0;
        while self.faults.last().is_some_and(|(at, _)| *at <= now) {
            match self.faults.pop().unwrap().1 {
                Fault::Cut => _ = self.world.disconnect_one(),
                Fault::Crash { relay, down_ns } => self.crash(relay, now, down_ns),
            }
        }
        let mut next = self.faults.last().map(|(at, _)| *at);
        for node in &mut self.relays {
            if node.relay.is_none() && node.opens_at <= now {
                node.open(&self.world);
            }
            match &mut node.relay {
                Some(relay) => assert!(relay.turn().unwrap()),
                None => next = Some(next.map_or(node.opens_at, |next| next.min(node.opens_at))),
            }
        }
        // The world goes on to when something is to be done from outside.
        self.source.turn(next.map(Instant)).unwrap();
        for sink in &mut self.sinks {
            if sink.opens_at.is_some_and(|at| at <= now) {
                sink.opens_at = None;
                sink.endpoint.listen(sink.address).unwrap();
            }
            sink.endpoint.turn(sink.opens_at.map(Instant)).unwrap();
        }
        self.world.advance()
    }

    fn crash(&mut self, index: usize, now: u64, down_ns: u64) {
        let node = &mut self.relays[index];
        let Some(relay) = node.relay.take() else { return };
        self.counters = self.counters + relay.counters();
        self.world.kill(node.engine);
        node.disk = node.disk.crash_image(now);
        node.opens_at = now + down_ns;
        self.crash_count += 1;
    }

    /// Whether something is still to go wrong, or to be mended.
    pub(crate) fn has_faults_to_come(&self) -> bool {
        !self.faults.is_empty() || self.relays.iter().any(|node| node.relay.is_none())
    }

    /// How many relays were killed.
    pub(crate) fn crash_count(&self) -> usize {
        self.crash_count
    }

    /// Transfers that may have happened twice.
    pub(crate) fn doubt_count(&self) -> u64 {
        let now = self.counters();
        let ended = self.counters;
        now.in_doubt_lost
            + ended.in_doubt_lost
            + now.in_doubt_recovered
            + ended.in_doubt_recovered
            + self.source.script.doubt_count
    }

    /// Recipients that partners refused for good.
    pub(crate) fn refused(&self) -> Ref<'_, BTreeSet<Key>> {
        self.refused.borrow()
    }

    /// What the relays that run count.
    pub(crate) fn counters(&self) -> CounterValues {
        let relays = self.relays.iter().filter_map(|node| node.relay.as_ref());
        relays.map(Solo::counters).fold(CounterValues::default(), |sum, more| sum + more)
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.world.now().instant.0 / 1_000_000_000
    }

    pub(crate) fn expected(&self) -> Vec<Key> {
        self.expected.clone()
    }

    pub(crate) fn fates(&self) -> Ref<'_, BTreeMap<Key, Vec<Fate>>> {
        self.fates.borrow()
    }

    /// Who has no fate yet, and the configurations that made it so.
    pub(crate) fn missing(&self) -> String {
        let fates = self.fates();
        let missing: Vec<_> =
            self.expected.iter().filter(|key| !fates.contains_key(*key)).collect();
        format!("{missing:?}\n{}", self.plan)
    }
}

/// The next relay on the way through the tree.
fn way(parents: &[usize], from: usize, to: usize) -> usize {
    let mut at = to;
    while at != 0 {
        if parents[at] == from {
            return at;
        }
        at = parents[at];
    }
    parents[from]
}

/// Some users are redirected, perhaps in circles; not everywhere in the same way.
fn redirect(random: &mut Random, plans: &mut [Plan]) {
    let count = plans.len() as u64;
    for plan in plans {
        let mut from = BTreeSet::new();
        for _ in 0..random.below(6) {
            let mut user = || format!("C=GB;A=R{};P=M;S=U{}", random.below(count), random.below(4));
            let (one, other) = (user(), user());
            if one != other && from.insert(one.clone()) {
                writeln!(plan.tables, "[[redirection]]\nfrom = \"{one}\"\nto = \"{other}\"")
                    .unwrap();
            }
        }
    }
}

/// Lists of users, some of them in a circle.
fn lists(random: &mut Random, conditions: Conditions, domain_count: u64) -> Vec<List> {
    let list_count = random.below(4) as usize;
    let homes: Vec<usize> = (0..list_count).map(|_| random.below(domain_count) as usize).collect();
    let mut list = |number: usize| List {
        home: homes[number],
        address: format!("C=FR;A=LISTS{};CN=LIST{number}", homes[number]),
        members: (0..1 + random.below(6))
            .map(|member| {
                let domain = random.below(domain_count + 1);
                format!("C=GB;A=R{domain};P=M;S=MEMBER{number}x{member}")
            })
            .collect(),
        inner: (conditions != Conditions::Fair && list_count > 1 && random.one_in(2))
            .then_some((number + 1) % list_count),
    };
    (0..list_count).map(&mut list).collect()
}
