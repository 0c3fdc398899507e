//! Relays in a random connected network, each with an MTA of its own users.
//!
//! Routes back to the originator, and to the lists that reports on members go through, are right: they follow
//! a tree. All others are chance: missing, roundabout,
//! contradictory, in circles, of any cost.

use std::cell::Ref;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use p1relay::config::check;
use p1relay::endpoint::{Endpoint, EndpointConfig, Script};
use p1relay::io::simulated::{Random, Simulated, World, WorldConfig};
use p1relay::osi::stack::StackConfig;
use p1relay::shard::settings::Settings;
use p1relay::shard::solo::Solo;

use crate::traffic::{Fate, Fates, Key, List, Sink, Source, Traffic};

const RELAY_COUNT_MAX: u64 = 8;

pub(crate) struct Network {
    world: World,
    relays: Vec<Solo<Simulated>>,
    source: Endpoint<Simulated, Source>,
    sinks: Vec<Endpoint<Simulated, Sink>>,
    fates: Fates,
    expected: Vec<Key>,
    plan: String,
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
    listen: SocketAddr,
    script: S,
) -> Endpoint<Simulated, S> {
    let config = EndpointConfig {
        local: (name.to_owned(), format!("{name} password")),
        remote: None,
        stack: Arc::new(StackConfig::default()),
        call: call.map(|address| (address, 1)),
        retry_delay: Duration::from_millis(30),
    };
    let mut endpoint = Endpoint::new(world.engine(), config, script);
    endpoint.listen(listen).unwrap();
    endpoint
}

/// One relay's configuration.
struct Plan {
    index: usize,
    /// By the partner's name.
    connectors: BTreeMap<String, PlannedConnector>,
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
             listen = [\"127.0.0.1:0\"]\nshards = 1\n"
        );
        for (partner, planned) in &self.connectors {
            let PlannedConnector { address, domain, spaces, message_size_max_kib } = planned;
            write!(
                text,
                "[[connector]]\nname = \"{partner}\"\nremote_mta_name = \"{partner}\"\n\
                 remote_password = \"{partner} password\"\naddress = [\"{address}\"]\n\
                 open_retry_delay_s = 0.02\nopen_retry_delay_s_max = 0.2\nidle_time_s = 5\n\
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
    pub(crate) fn new(seed: u64) -> Network {
        let world = World::new(WorldConfig { piece_size_max: 16 << 10, ..WorldConfig::new(seed) });
        let mut random = Random::new(seed);
        let count = 2 + random.below(RELAY_COUNT_MAX - 1) as usize;
        let (neighbours, parents) = edges(&mut random, count);
        let mut plans: Vec<Plan> = (0..count)
            .map(|index| Plan { index, connectors: BTreeMap::new(), tables: String::new() })
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
                for space in ["C=FR;A=ORIGIN", "C=FR;A=LISTS"] {
                    way.spaces.push((space.to_owned(), 10));
                }
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
        let lists: Vec<List> = (0..random.below(3))
            .map(|number| List {
                address: format!("C=FR;A=LISTS;CN=LIST{number}"),
                members: (0..1 + random.below(6))
                    .map(|member| {
                        let domain = random.below(count as u64 + 1);
                        format!("C=GB;A=R{domain};P=M;S=MEMBER{number}x{member}")
                    })
                    .collect(),
            })
            .collect();
        for list in &lists {
            let members: Vec<String> = list.members.iter().map(|it| format!("\"{it}\"")).collect();
            write!(
                plans[0].tables,
                "[[list]]\naddress = \"{}\"\nmember = [{}]\n",
                list.address,
                members.join(", ")
            )
            .unwrap();
        }
        let traffic = Traffic::new(&mut random, count as u64, &lists);
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
                    segment_count_max: 16,
                    ..settings
                };
                Solo::open(world.engine(), settings, *b"simulated store.").unwrap()
            })
            .collect();
        let script = Source {
            waiting: (1..).zip(traffic.apdus).collect(),
            under_way: Vec::new(),
            fates: Fates::clone(&fates),
            lists: lists.clone(),
        };
        let listen = SocketAddr::from((SOURCE_ADDRESS, 102));
        let source = endpoint(&world, "SOURCE", Some(relay_address(0)), listen, script);
        let sinks = (0..count)
            .map(|index| {
                let sink = Sink { fates: Fates::clone(&fates), lists: lists.clone() };
                endpoint(&world, &format!("M{index}"), None, sink_address(index), sink)
            })
            .collect();
        Network { world, relays, source, sinks, fates, expected: traffic.expected, plan: plan_text }
    }

    /// Gives everybody a turn; false when nothing will ever happen again.
    pub(crate) fn turn(&mut self) -> bool {
        self.source.turn(None).unwrap();
        for relay in &mut self.relays {
            assert!(relay.turn().unwrap());
        }
        for sink in &mut self.sinks {
            sink.turn(None).unwrap();
        }
        self.world.advance()
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

    pub(crate) fn queues_are_empty(&self) -> bool {
        self.relays.iter().all(|relay| relay.counters().queued == 0)
    }
}
