//! Relays and foreign MTAs in the simulated world, with one link between them that can be cut.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use p1relay::base::buffer::Lease;
use p1relay::base::clock::Now;
use p1relay::config::check;
use p1relay::endpoint::fault::Fault;
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::endpoint::{Endpoint, EndpointConfig, Next, Script};
use p1relay::io::simulated::{Simulated, World, WorldConfig};
use p1relay::osi::rtse::DialogueMode;
use p1relay::osi::stack::{ApplicationContext, StackConfig};
use p1relay::p1::scan::{Priority, Scan, scan};
use p1relay::shard::settings::Settings;
use p1relay::shard::solo::Solo;

use crate::link::{Cut, Link};

/// The size of the message's text, octets.
pub(crate) const TEXT_SIZE: usize = 1 << 20;
/// What is negotiated everywhere.
pub(crate) const CHECKPOINT_SIZE: usize = 30 << 10;
/// As above.
pub(crate) const WINDOW_SIZE: usize = 3;

/// Which link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// Relay to relay.
    BetweenRelays,
    /// Endpoint to relay.
    BeforeRelay,
    /// Relay to endpoint.
    BehindRelay,
    /// Endpoint to relay, on an association that the relay opened: two-way alternate.
    BeforeRelayTwoWay,
    /// Relay to endpoint, on an association that the endpoint opened: two-way alternate.
    BehindRelayTwoWay,
}

impl Where {
    fn is_before(self) -> bool {
        matches!(self, Where::BeforeRelay | Where::BeforeRelayTwoWay)
    }

    fn is_behind(self) -> bool {
        matches!(self, Where::BehindRelay | Where::BehindRelayTwoWay)
    }

    fn is_two_way(self) -> bool {
        matches!(self, Where::BeforeRelayTwoWay | Where::BehindRelayTwoWay)
    }
}

/// A partner as a relay's connector has it.
#[derive(Clone, Copy)]
pub(crate) struct Partner<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) space: &'a str,
    pub(crate) context: ApplicationContext,
    pub(crate) lines: &'a str,
}

impl Partner<'_> {
    fn table(&self) -> String {
        let Partner { name, address, space, context, lines } = self;
        let address = address.map_or(String::new(), |at| format!("address = [\"{at}\"]\n"));
        let space = match *space {
            "" => String::new(),
            space => format!("address_space = [{{ pattern = \"{space}\" }}]\n"),
        };
        format!(
            "[[connector]]\nname = \"{name}\"\nremote_mta_name = \"{name}\"\n\
             remote_password = \"{name} password\"\napplication_context = \"{}\"\n\
             checkpoint_size_kib = 30\nwindow_size = 3\nidle_time_s = 5\n\
             open_retry_delay_s = 0.02\nopen_retry_delay_s_max = 0.2\n{address}{space}{lines}\n",
            context.as_str()
        )
    }
}

/// A run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) place: Where,
    pub(crate) context: ApplicationContext,
    pub(crate) cut: Option<Cut>,
    /// How the receiving endpoint behaves.
    pub(crate) fault: Option<Fault>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Told {
    /// How often the message arrived, octets of its content as they were sent.
    pub(crate) arrival_count: usize,
    pub(crate) intact: bool,
    /// Octets that the sending side put on the link that is cut.
    pub(crate) octets: u64,
    pub(crate) is_cut: bool,
    pub(crate) connection_count: usize,
    /// Messages that relays sent anew although they may have arrived.
    pub(crate) in_doubt: u64,
}

pub(crate) fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 102))
}

pub(crate) fn relay(
    world: &World,
    name: &str,
    listen: SocketAddr,
    partners: &[Partner<'_>],
) -> Solo<Simulated> {
    let mut text = format!(
        "[mta]\nname = \"{name}\"\npassword = \"{name} password\"\ndomain = \"C=GB;A={name}\"\n\
         listen = [\"127.0.0.1:0\"]\nshards = 1\n"
    );
    text.extend(partners.iter().map(Partner::table));
    let settings = Settings {
        listen: vec![listen],
        store_directory: PathBuf::from("/store"),
        segment_size: 2 << 20,
        segment_count_max: 8,
        ..check(&text, Path::new("/")).unwrap()
    };
    Solo::open(world.engine(), settings, *b"simulated store.").unwrap()
}

pub(crate) fn endpoint<S: Script>(
    world: &World,
    name: &str,
    context: ApplicationContext,
    call: Option<SocketAddr>,
    dialogue_mode: DialogueMode,
    script: S,
) -> Endpoint<Simulated, S> {
    let mut stack = StackConfig {
        application_context: context,
        accepted_application_contexts: vec![context],
        ..StackConfig::default()
    };
    stack.rtse.checkpoint_size_kib = (CHECKPOINT_SIZE >> 10) as u32;
    stack.rtse.window_size = WINDOW_SIZE as u32;
    stack.rtse.dialogue_mode = dialogue_mode;
    let config = EndpointConfig {
        local: (name.to_owned(), format!("{name} password")),
        remote: None,
        stack: Arc::new(stack),
        call: call.map(|address| (address, 1)),
        retry_delay: Duration::from_millis(30),
    };
    Endpoint::new(world.engine(), config, script)
}

struct Source {
    apdu: Lease,
    to_send: bool,
    confirmed: usize,
    notes: Vec<String>,
}

impl Script for Source {
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        match std::mem::take(&mut self.to_send) {
            true => Next::Transfer { number: 1, apdu: self.apdu.clone() },
            false => Next::Idle,
        }
    }

    fn confirmed(&mut self, _number: u64, _now: Now) {
        self.confirmed += 1;
    }

    fn returned(&mut self, _number: u64, _in_doubt: bool) {
        self.to_send = true;
    }

    fn received(&mut self, _apdu: &[u8], _now: Now) {}

    fn note(&mut self, line: &str) {
        self.notes.push(line.to_owned());
    }
}

struct Sink(Rc<RefCell<Vec<Vec<u8>>>>);

impl Script for Sink {
    fn received(&mut self, apdu: &[u8], _now: Now) {
        self.0.borrow_mut().push(content(apdu).to_vec());
    }
}

/// The content's octets of an MTS-APDU.
fn content(apdu: &[u8]) -> &[u8] {
    let mut found = Scan::default();
    scan(apdu, &mut found).unwrap();
    found.content.unwrap().octets(apdu)
}

fn message(world: &World) -> Lease {
    let config = TemplateConfig {
        domain: "C=GB;A=SOURCE".parse().unwrap(),
        originator: "C=GB;A=SOURCE;S=SMITH".parse().unwrap(),
        recipients: vec!["C=FR;A=SINK;S=DURAND".parse().unwrap()],
        priority: Priority::Normal,
        text_size: TEXT_SIZE,
        subject: "cut".to_owned(),
        incarnation: 1,
        sender: 0,
    };
    Template::new(&config, world.now().wall).unwrap().instance(1, 0)
}

/// Lets one message through, to the end.
pub(crate) fn run(scenario: Scenario) -> Told {
    let Scenario { place, context, cut, fault } = scenario;
    let normal = ApplicationContext::MtsTransfer;
    let dialogue_mode = match place.is_two_way() {
        true => DialogueMode::TwoWayAlternate,
        false => DialogueMode::Monologue,
    };
    let two_way = if place.is_two_way() { "dialogue_mode = \"two-way-alternate\"\n" } else { "" };
    let world = World::new(WorldConfig { piece_size_max: 32 << 10, ..WorldConfig::new(1) });
    let (link_address, west_address, east_address) = (address(9), address(1), address(2));
    let (source_address, sink_address) = (address(3), address(4));
    let link_target = match place {
        Where::BetweenRelays => east_address,
        Where::BeforeRelay | Where::BehindRelayTwoWay => west_address,
        Where::BehindRelay => sink_address,
        Where::BeforeRelayTwoWay => source_address,
    };
    let mut link = Link::new(&world, link_address, link_target, cut);

    let apdu = message(&world);
    let sent = content(&apdu).to_vec();
    let source = Source { apdu, to_send: true, confirmed: 0, notes: Vec::new() };
    let source_context = if place.is_before() { context } else { normal };
    let source_call = match place {
        Where::BeforeRelay => Some(link_address),
        Where::BeforeRelayTwoWay => None,
        _ => Some(west_address),
    };
    let mut source = endpoint(&world, "SOURCE", source_context, source_call, dialogue_mode, source);
    source.listen(source_address).unwrap();

    let arrivals = Rc::new(RefCell::new(Vec::new()));
    let sink = Sink(Rc::clone(&arrivals));
    let sink_context = if place.is_behind() { context } else { normal };
    let sink_call = (place == Where::BehindRelayTwoWay).then_some(link_address);
    let mut sink =
        endpoint(&world, "SINK", sink_context, sink_call, dialogue_mode, sink).with_fault(fault);
    sink.listen(sink_address).unwrap();

    let from_source = Partner {
        name: "SOURCE",
        address: (place == Where::BeforeRelayTwoWay).then_some(link_address),
        space: "",
        context: source_context,
        lines: match place {
            Where::BeforeRelayTwoWay => &format!("permanent_association_count = 1\n{two_way}"),
            _ => "",
        },
    };
    let to_sink = Partner {
        name: "SINK",
        address: match place {
            Where::BehindRelay => Some(link_address),
            Where::BehindRelayTwoWay => None,
            _ => Some(sink_address),
        },
        space: "C=FR",
        context: sink_context,
        lines: match place {
            Where::BehindRelayTwoWay => "schedule = \"remote-initiated\"",
            _ => "dialogue_mode = \"monologue\"",
        },
    };
    let to_east = Partner {
        name: "EAST",
        address: Some(link_address),
        space: "C=FR",
        context,
        lines: "dialogue_mode = \"monologue\"",
    };
    let from_west = Partner { name: "WEST", address: None, space: "", ..from_source };
    let two = place == Where::BetweenRelays;
    let onward = if two { to_east } else { to_sink };
    let mut west = relay(&world, "WEST", west_address, &[from_source, onward]);
    let mut east = two.then(|| relay(&world, "EAST", east_address, &[from_west, to_sink]));
    let mut turns = 0;
    loop {
        source.turn(None).unwrap();
        assert!(west.turn().unwrap());
        if let Some(east) = &mut east {
            assert!(east.turn().unwrap());
        }
        link.turn();
        sink.turn(None).unwrap();
        let queued = west.counters().queued + east.as_ref().map_or(0, |it| it.counters().queued);
        if source.script.confirmed > 0 && !arrivals.borrow().is_empty() && queued == 0 {
            break;
        }
        turns += 1;
        assert!(
            world.advance() && turns < 100_000,
            "{scenario:?}: {} confirmed, {} arrived; {:?}; {:?}",
            source.script.confirmed,
            arrivals.borrow().len(),
            west.counters(),
            source.script.notes
        );
    }
    assert_eq!(source.script.confirmed, 1, "{scenario:?}");
    let arrivals = arrivals.borrow();
    Told {
        arrival_count: arrivals.len(),
        intact: arrivals.iter().all(|arrival| *arrival == sent),
        octets: link.octets[usize::from(place.is_two_way())],
        is_cut: link.is_cut,
        connection_count: link.connection_count(),
        in_doubt: west.counters().in_doubt_lost
            + east.as_ref().map_or(0, |it| it.counters().in_doubt_lost),
    }
}
