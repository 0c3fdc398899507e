//! A whole relay of one shard in the simulated world, between a sender and a receiver.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use p1relay::base::clock::{Instant, Now};
use p1relay::config::check;
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::endpoint::{Endpoint, EndpointConfig, Next, Script};
use p1relay::io::probe::IoChoice;
use p1relay::io::simulated::{Simulated, World, WorldConfig};
use p1relay::io::{Completion, Counters, Engine, File, Listener, Operation, Socket, Token, Waker};
use p1relay::osi::stack::StackConfig;
use p1relay::p1::scan::Priority;
use p1relay::shard::settings::{ConnectorSettings, Settings};
use p1relay::shard::solo::Solo;

const RELAY: ([u8; 4], u16) = ([10, 0, 0, 1], 102);
const SINK: ([u8; 4], u16) = ([10, 0, 0, 2], 102);
const ASSOCIATION_COUNT: u16 = 10;

/// The relay's configuration as its file has it: who sends to it, and where everything goes.
fn connectors() -> Vec<ConnectorSettings> {
    let sink = SocketAddr::from(SINK);
    let text = format!(
        "[mta]\nname = \"RELAY\"\npassword = \"secret\"\ndomain = \"C=GB;A=RELAY\"\n\
         listen = [\"127.0.0.1:0\"]\n[[connector]]\nname = \"source\"\nremote_mta_name = \"SOURCE\"\n\
         remote_password = \"secret\"\n[[connector]]\nname = \"sink\"\naddress = [\"{sink}\"]\n\
         remote_mta_name = \"SINK\"\nremote_password = \"secret\"\naddress_space = [{{ pattern = \"C=FR\" }}]\n\
         association_count_max = {}\nopen_retry_delay_s = 0.02\nopen_retry_delay_s_max = 0.2\n",
        ASSOCIATION_COUNT + 1,
    );
    check(&text, Path::new("/")).expect("a configuration").connectors
}

fn settings() -> Settings {
    Settings {
        domain: "C=GB;A=RELAY".parse().expect("a domain"),
        mta_name: "RELAY".to_owned(),
        listen: vec![RELAY.into()],
        store_directory: PathBuf::from("/store"),
        shard_count: 1,
        pin: false,
        io: IoChoice::Auto,
        establishment_timeout: Duration::from_secs(10),
        unbound_connection_count_max: 64,
        segment_size: 1 << 20,
        segment_count_max: 16,
        tracking: None,
        called_stack: Arc::new(StackConfig::default()),
        policy: p1relay::mta::policy::Policy::default(),
        connectors: connectors(),
    }
}

struct Source(Template, u64);

impl Script for Source {
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        self.1 += 1;
        Next::Transfer { number: self.1, apdu: self.0.instance(self.1, 0) }
    }

    fn returned(&mut self, number: u64, _in_doubt: bool) {
        panic!("message {number} came back");
    }

    fn received(&mut self, _apdu: &[u8], _now: Now) {}

    fn note(&mut self, line: &str) {
        panic!("the source: {line}");
    }
}

struct Sink(Rc<Cell<u64>>);

impl Script for Sink {
    fn received(&mut self, _apdu: &[u8], _now: Now) {
        self.0.set(self.0.get() + 1);
    }

    fn note(&mut self, line: &str) {
        panic!("the sink: {line}");
    }
}

fn endpoint<S: Script>(
    world: &World,
    name: &str,
    call: Option<(SocketAddr, usize)>,
    script: S,
) -> Endpoint<Simulated, S> {
    let own = |name: &str| (name.to_owned(), "secret".to_owned());
    let config = EndpointConfig {
        local: own(name),
        remote: Some(own("RELAY")),
        stack: Arc::new(StackConfig::default()),
        call,
        retry_delay: Duration::from_millis(30),
    };
    Endpoint::new(world.engine(), config, script)
}

/// The relay's engine, apart from what is counted of the relay: what the simulated world costs is not what
/// a kernel costs.
struct Apart {
    engine: Simulated,
    counting: Rc<Cell<bool>>,
}

/// Entering or leaving a function named so starts or stops the counting: a turn starts it, and inside a
/// turn the engine's calls stop it.
#[inline(never)]
fn toggled_turn(relay: &mut Solo<Apart>) -> bool {
    relay.turn().expect("a relay that works")
}

#[inline(never)]
fn toggled_submit(engine: &mut Simulated, token: Token, operation: Operation) {
    engine.submit(token, operation);
    std::hint::black_box(());
}

#[inline(never)]
fn toggled_poll(
    engine: &mut Simulated,
    deadline: Option<Instant>,
    completions: &mut Vec<Completion<<Simulated as Engine>::Detached>>,
) -> io::Result<()> {
    std::hint::black_box(engine.poll(deadline, completions))
}

impl Engine for Apart {
    type Detached = <Simulated as Engine>::Detached;
    type Image = <Simulated as Engine>::Image;

    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn now(&self) -> Now {
        self.engine.now()
    }

    fn submit(&mut self, token: Token, operation: Operation) {
        match self.counting.get() {
            true => toggled_submit(&mut self.engine, token, operation),
            false => self.engine.submit(token, operation),
        }
    }

    fn poll(
        &mut self,
        deadline: Option<Instant>,
        completions: &mut Vec<Completion<Self::Detached>>,
    ) -> io::Result<()> {
        match self.counting.get() {
            true => toggled_poll(&mut self.engine, deadline, completions),
            false => self.engine.poll(deadline, completions),
        }
    }

    fn waker(&self) -> Waker {
        self.engine.waker()
    }

    fn counters(&self) -> Counters {
        self.engine.counters()
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
        self.engine.listen(address)
    }

    fn adopt(&mut self, detached: Self::Detached) -> io::Result<Socket> {
        self.engine.adopt(detached)
    }

    fn create_file(&mut self, path: &Path, size: u64) -> io::Result<File> {
        self.engine.create_file(path, size)
    }

    fn open_file(&mut self, path: &Path) -> io::Result<File> {
        self.engine.open_file(path)
    }

    fn list_files(&mut self, directory: &Path) -> io::Result<Vec<String>> {
        self.engine.list_files(directory)
    }

    fn replace_file(&mut self, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.engine.replace_file(path, octets)
    }

    fn map_file(&mut self, file: File) -> io::Result<Self::Image> {
        self.engine.map_file(file)
    }
}

/// Ten associations in, ten out, 2 KiB messages to two recipients, as many as the relay takes.
pub(crate) struct Simulation {
    world: World,
    source: Endpoint<Simulated, Source>,
    relay: Solo<Apart>,
    sink: Endpoint<Simulated, Sink>,
    arrived: Rc<Cell<u64>>,
    counting: Rc<Cell<bool>>,
}

impl Simulation {
    /// One in which no message has moved yet.
    pub(crate) fn new() -> Simulation {
        let world = World::new(WorldConfig { piece_size_max: 16 << 10, ..WorldConfig::new(1) });
        let config = TemplateConfig {
            domain: "C=GB;A=SOURCE".parse().expect("a domain"),
            originator: "C=GB;A=SOURCE;S=SMITH".parse().expect("an address"),
            recipients: ["C=FR;A=SINK;S=DURAND", "C=FR;A=SINK;O=ATELIER;S=DUPONT"]
                .map(|recipient| recipient.parse().expect("an address"))
                .into(),
            priority: Priority::Normal,
            text_size: 2048,
            subject: "measured".to_owned(),
            incarnation: 1,
            sender: 1,
        };
        let template = Template::new(&config, world.now().wall).expect("a template");
        let counting = Rc::<Cell<bool>>::default();
        let engine = Apart { engine: world.engine(), counting: Rc::clone(&counting) };
        let relay = Solo::open(engine, settings(), *b"a bench's store.").expect("a relay");
        let arrived = Rc::<Cell<u64>>::default();
        let mut sink = endpoint(&world, "SINK", None, Sink(Rc::clone(&arrived)));
        sink.listen(SINK.into()).expect("a listener");
        let call = Some((RELAY.into(), usize::from(ASSOCIATION_COUNT)));
        let source = endpoint(&world, "SOURCE", call, Source(template, 0));
        Simulation { world, source, relay, sink, arrived, counting }
    }

    /// Runs until `count` messages in all have arrived, and counts what the relay does meanwhile, or not.
    pub(crate) fn run(&mut self, count: u64, counting: bool) {
        self.counting.set(counting);
        while self.arrived.get() < count {
            self.source.turn(None).expect("a source that works");
            assert!(match counting {
                true => toggled_turn(&mut self.relay),
                false => self.relay.turn().expect("a relay that works"),
            });
            self.sink.turn(None).expect("a sink that works");
            assert!(self.world.advance(), "nothing will ever happen again");
        }
    }
}
