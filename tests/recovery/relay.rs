//! A whole relay that crashes before its partner has seen a confirmation. The partner comes back, recovers
//! the association, resumes what it was about, and everything arrives once: what is passed on already too,
//! and when the segment with its record has been used again.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use p1relay::association::Association;
use p1relay::base::buffer::Lease;
use p1relay::base::clock::Now;
use p1relay::config::check;
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::endpoint::{Endpoint, EndpointConfig, Script};
use p1relay::io::probe::IoChoice;
use p1relay::io::simulated::{Disk, Simulated, World, WorldConfig};
use p1relay::io::{Completion, Engine, Operation, Outcome, Token};
use p1relay::osi::session::{ActivityIdentifier, SessionConnectionIdentifier};
use p1relay::osi::stack::recovery::{ActivityName, TransferResumption};
use p1relay::osi::stack::{Indication, Stack, StackConfig};
use p1relay::p1::bind::{Bind, Mode, encode_bind_argument};
use p1relay::p1::scan::{Priority, Scan, scan};
use p1relay::shard::settings::Settings;
use p1relay::shard::solo::Solo;

const IDENTITY: [u8; 16] = *b"simulated store.";
const RELAY: u8 = 1;
const SINK: u8 = 3;

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 102))
}

/// A relay for callers FIRST and OTHER, and for SINK behind it.
fn settings() -> Settings {
    let partner = |name: &str, more: &str| {
        format!(
            "[[connector]]\nname = \"{}\"\nremote_mta_name = \"{name}\"\n\
             remote_password = \"{name} password\"\nopen_retry_delay_s = 0.02\n\
             open_retry_delay_s_max = 0.2\nprogress_timeout_s = 30\n{more}",
            name.to_lowercase()
        )
    };
    let sink =
        format!("address = [\"{}\"]\naddress_space = [{{ pattern = \"C=FR\" }}]\n", address(SINK));
    let text = format!(
        "[mta]\nname = \"RELAY\"\npassword = \"RELAY password\"\ndomain = \"C=GB;A=RELAY\"\n\
         listen = [\"127.0.0.1:0\"]\n{}{}{}",
        partner("FIRST", ""),
        partner("OTHER", ""),
        partner("SINK", &sink)
    );
    Settings {
        listen: vec![address(RELAY)],
        store_directory: PathBuf::from("/relay"),
        shard_count: 1,
        pin: false,
        io: IoChoice::Auto,
        segment_size: 256 << 10,
        segment_count_max: 64,
        ..check(&text, Path::new("/")).unwrap()
    }
}

fn open(world: &World, disk: &Disk) -> Solo<Simulated> {
    Solo::open(world.engine_on(disk), settings(), IDENTITY).unwrap()
}

/// How often each message arrived, by local identifier.
type Arrivals = BTreeMap<Vec<u8>, usize>;

fn local_identifier(apdu: &[u8]) -> Vec<u8> {
    let mut found = Scan::default();
    scan(apdu, &mut found).unwrap();
    found.mts_identifier.local_identifier.octets(apdu).to_vec()
}

struct Counting(Rc<RefCell<Arrivals>>);

impl Script for Counting {
    fn received(&mut self, apdu: &[u8], _now: Now) {
        *self.0.borrow_mut().entry(local_identifier(apdu)).or_insert(0) += 1;
    }

    fn note(&mut self, line: &str) {
        panic!("the sink: {line}");
    }
}

fn sink(world: &World) -> (Endpoint<Simulated, Counting>, Rc<RefCell<Arrivals>>) {
    let arrivals = Rc::new(RefCell::new(Arrivals::new()));
    let own = |name: &str| (name.to_owned(), format!("{name} password"));
    let config = EndpointConfig {
        local: own("SINK"),
        remote: Some(own("RELAY")),
        stack: Arc::new(StackConfig::default()),
        call: None,
        retry_delay: Duration::from_millis(30),
    };
    let mut sink = Endpoint::new(world.engine(), config, Counting(Rc::clone(&arrivals)));
    sink.listen(address(SINK)).unwrap();
    (sink, arrivals)
}

fn apdus(sender: u16, sizes: &[usize]) -> VecDeque<Vec<u8>> {
    let apdu = |(number, text_size): (usize, &usize)| {
        let config = TemplateConfig {
            domain: "C=GB;A=SOURCE".parse().unwrap(),
            originator: "C=GB;A=SOURCE;S=SMITH".parse().unwrap(),
            recipients: vec!["C=FR;A=SINK;S=DURAND".parse().unwrap()],
            priority: Priority::Normal,
            text_size: *text_size,
            subject: "simulated".to_owned(),
            incarnation: 1,
            sender,
        };
        let world = World::new(WorldConfig::new(1));
        let mut template = Template::new(&config, world.now().wall).unwrap();
        template.instance(number as u64, 0).to_vec()
    };
    sizes.iter().enumerate().map(apdu).collect()
}

/// What a partner keeps on its own disk.
#[derive(Clone)]
struct Kept {
    /// Still to be transferred; the first may be under way.
    apdus: VecDeque<Vec<u8>>,
    resumption: Option<TransferResumption>,
    confirmed: usize,
    /// References used up.
    connections: u8,
}

/// A partner by hand, that resumes what broke off.
struct Caller {
    name: &'static str,
    engine: Simulated,
    config: Arc<StackConfig>,
    kept: Kept,
    association: Option<Association>,
    /// The transfer under way, and how much of it was given to the stack.
    transfer: Option<(Lease, usize)>,
    /// Whether the relay refused to recover the association.
    refused: bool,
    completions: Vec<Completion<<Simulated as Engine>::Detached>>,
}

const TOKEN: Token = Token(1);

impl Caller {
    fn new(world: &World, name: &'static str, kept: Kept) -> Caller {
        let mut engine = world.engine();
        engine.submit(TOKEN, Operation::Connect { address: address(RELAY) });
        Caller {
            name,
            engine,
            config: Arc::new(StackConfig::default()),
            kept,
            association: None,
            transfer: None,
            refused: false,
            completions: Vec::new(),
        }
    }

    fn begin(world: &World, name: &'static str, apdus: VecDeque<Vec<u8>>) -> Caller {
        Caller::new(world, name, Kept { apdus, resumption: None, confirmed: 0, connections: 0 })
    }

    /// What it would come back with if the relay were gone now.
    fn kept(&self) -> Kept {
        let standing = self.association.as_ref().filter(|_| self.transfer.is_some());
        let resumption = match standing {
            Some(association) => association.stack.transfer_resumption(),
            None => self.kept.resumption.clone(),
        };
        Kept { resumption, ..self.kept.clone() }
    }

    fn stack(&mut self) -> Stack {
        self.kept.connections += 1;
        let mut user_reference = vec![0x14, 6];
        user_reference.extend_from_slice(self.name.as_bytes());
        user_reference.push(self.kept.connections);
        let identifier = SessionConnectionIdentifier {
            calling_user_reference: user_reference,
            common_reference: b"\x17\x0d260101000000Z".to_vec(),
            additional_reference: Vec::new(),
        };
        let config = Arc::clone(&self.config);
        match self.kept.resumption.as_ref().filter(|_| !self.refused) {
            Some(resumption) => {
                let recovered = resumption.name.connection.clone();
                Stack::initiator_recovering(config, recovered, identifier)
            }
            None => {
                let password = format!("{} password", self.name);
                let (mta_name, password) = (self.name.as_bytes(), password.as_bytes());
                let mut argument = Vec::new();
                let bind = Bind::Simple { mta_name, password };
                encode_bind_argument(Mode::Normal, &bind, &mut argument);
                Stack::initiator_of(config, &argument, identifier)
            }
        }
    }

    fn turn(&mut self) {
        let mut completions = std::mem::take(&mut self.completions);
        self.engine.poll(None, &mut completions).unwrap();
        for completion in completions.drain(..) {
            match completion.result {
                Ok(Outcome::Connected(socket)) => {
                    let stack = self.stack();
                    self.association = Some(Association::new(socket, stack));
                    self.engine.submit(TOKEN, Operation::Receive { socket });
                }
                Ok(Outcome::Received(octets)) if octets.is_empty() => self.call_again(),
                Ok(Outcome::Received(octets)) => self.received(&octets),
                Ok(Outcome::Sent(transmit)) => {
                    if let Some(association) = &mut self.association {
                        association.sent(transmit);
                    }
                }
                Ok(_) => {}
                Err(error) => panic!("{}: {error}", self.name),
            }
        }
        self.completions = completions;
        let Some(association) = &mut self.association else { return };
        if let Some((value, given)) = &mut self.transfer {
            loop {
                let wanted = association.stack.transfer_wanted().min(value.len() - *given);
                if wanted == 0 {
                    break;
                }
                association.stack.transfer_data(value.slice(*given..*given + wanted));
                *given += wanted;
            }
        }
        association.flush(&mut self.engine, TOKEN);
    }

    /// After a refusal to recover, the relay has closed the connection.
    fn call_again(&mut self) {
        assert!(self.refused, "{}: the relay has closed the connection", self.name);
        let Some(association) = self.association.take() else { return };
        self.engine.submit(Token(2), Operation::Close { socket: association.socket() });
        self.engine.submit(TOKEN, Operation::Connect { address: address(RELAY) });
    }

    fn received(&mut self, octets: &[u8]) {
        let mut input = octets;
        while let Some(association) = &mut self.association {
            let Some(indication) = association.stack.poll_indication(&mut input).unwrap() else {
                return;
            };
            match indication {
                Indication::BindConfirm(_) | Indication::RecoverConfirm => self.go_on(),
                Indication::BindRefused(_) => self.refused = true,
                Indication::TransferConfirm => {
                    self.kept.confirmed += 1;
                    self.kept.apdus.pop_front();
                    self.kept.resumption = None;
                    self.go_on();
                }
                Indication::TransferResumeRefused => {
                    self.kept.resumption = None;
                    self.go_on();
                }
                other => panic!("{}: {other:?}", self.name),
            }
        }
    }

    fn go_on(&mut self) {
        self.transfer = None;
        let Some(association) = &mut self.association else { return };
        let Some(apdu) = self.kept.apdus.front() else { return };
        let mut value = association.stack.negotiated().wrap_header(apdu.len()).to_vec();
        value.extend_from_slice(apdu);
        let given = match &self.kept.resumption {
            Some(resumption) => {
                assert!(association.stack.transfer_resume_request(resumption));
                resumption.octets_confirmed
            }
            None => {
                assert!(association.stack.transfer_request(value.len()));
                0
            }
        };
        self.transfer = Some((Lease::copied(&value), given));
    }
}

/// A state of the relay's disk, and what its partner knew then.
struct Crash {
    step: u64,
    disk: Disk,
    kept: Kept,
}

/// Transfers messages to a relay that cannot pass them on, and crashes it after every turn in which its
/// disk moved, in three ways.
fn crashes(sizes: &[usize]) -> Vec<Crash> {
    let world = World::new(WorldConfig::new(5));
    let disk = Disk::new();
    let mut relay = open(&world, &disk);
    let mut caller = Caller::begin(&world, "FIRST", apdus(1, sizes));
    let (mut crashes, mut last) = (Vec::new(), 0);
    while caller.kept.confirmed < sizes.len() {
        caller.turn();
        assert!(relay.turn().unwrap());
        let step = disk.step();
        if step > last {
            last = step;
            for chance in 0..3 {
                let disk = disk.crash_image(3 * step + chance);
                crashes.push(Crash { step, disk, kept: caller.kept() });
            }
        }
        assert!(world.advance());
    }
    crashes
}

#[test]
fn a_crash_before_the_confirmation_is_seen_costs_no_message_and_doubles_none() {
    // Some in one record, some streamed over several checkpoints.
    let sizes = [900, 150_000, 0, 40_000, 200_000];
    let all: Vec<_> = apdus(1, &sizes).iter().map(|apdu| local_identifier(apdu)).collect();
    let (mut completed, mut resumed) = (0, 0);
    for crash in crashes(&sizes) {
        let world = World::new(WorldConfig::new(crash.step));
        let (mut sink, arrivals) = sink(&world);
        let mut relay = open(&world, &crash.disk);
        resumed += u64::from(crash.kept.resumption.is_some());
        let before = crash.kept.confirmed;
        let mut caller = Caller::new(&world, "FIRST", crash.kept);
        let mut turns = 0;
        while caller.kept.confirmed < sizes.len() || relay.counters().queued > 0 {
            caller.turn();
            assert!(relay.turn().unwrap());
            sink.turn(None).unwrap();
            world.advance();
            turns += 1;
            assert!(turns < 100_000, "step {}: {:?}", crash.step, relay.counters());
        }
        for identifier in &all {
            let count = arrivals.borrow().get(identifier).copied();
            assert_eq!(count, Some(1), "step {}: {}", crash.step, identifier.escape_ascii());
        }
        completed += (sizes.len() - before) as u64 - relay.counters().transfers_in;
    }
    assert!(resumed > 40, "{resumed} resumptions: the test shows little");
    assert!(completed > 5, "{completed} were completed before: the test shows nothing");
}

/// The generation of the oldest segment on a disk.
fn oldest_generation(disk: &Disk) -> u32 {
    let files = disk.durable_files().into_iter();
    let generations = files
        .filter(|(path, octets)| path.extension().is_some_and(|it| it == "seg") && octets[0] != 0)
        .map(|(_, octets)| u32::from_le_bytes(octets[36..40].try_into().unwrap()));
    generations.min().unwrap()
}

/// One message goes through, its caller does not see the confirmation or has the association stand idle;
/// others go through until its segment is used again; then the relay crashes, and the message is resumed.
fn resume_after_recycling(breaks: bool) {
    let world = World::new(WorldConfig::new(9));
    let disk = Disk::new();
    let (mut sink_before, before) = sink(&world);
    let mut relay = open(&world, &disk);
    let first = apdus(1, &[900]);
    let identifier = local_identifier(&first[0]);
    let mut caller = Caller::begin(&world, "FIRST", first);
    let mut kept = None;
    let mut turn = |relay: &mut Solo<Simulated>, caller: &mut Caller| {
        caller.turn();
        assert!(relay.turn().unwrap());
        sink_before.turn(None).unwrap();
        assert!(world.advance());
    };
    while relay.counters().transfers_in == 0 {
        kept = Some(caller.kept());
        turn(&mut relay, &mut caller);
    }
    let kept = kept.unwrap();
    assert!(kept.resumption.as_ref().is_some_and(|resumption| resumption.end_sent));
    assert_eq!(caller.kept.confirmed, 0);
    if breaks {
        world.kill(caller.engine.index());
    }
    let mut other = Caller::begin(&world, "OTHER", apdus(2, &[20_000; 80]));
    while other.kept.confirmed < 80 || relay.counters().queued > 0 {
        if !breaks {
            caller.turn();
        }
        turn(&mut relay, &mut other);
    }
    assert_eq!(caller.kept.confirmed, usize::from(!breaks));
    assert_eq!(before.borrow().get(&identifier), Some(&1));
    assert!(oldest_generation(&disk) > 1, "its segment is as it was");

    let image = disk.crash_image(11);
    let resumption = kept.resumption.clone().unwrap();
    let (connection, connections) = resume_completed(&image, kept.clone());
    // The relay crashes again, and the partner goes by the name that the activity was given then.
    let activity = ActivityIdentifier::new(&[2, 1, 1]).unwrap();
    let name = ActivityName { connection, activity };
    let resumption = Some(TransferResumption { name, ..resumption });
    resume_completed(&image.crash_image(12), Kept { resumption, connections, ..kept });
}

/// Resumes at a relay that is opened on `disk` what it took long ago; gives the references by which the caller
/// came.
fn resume_completed(disk: &Disk, kept: Kept) -> (SessionConnectionIdentifier, u8) {
    let identifier = local_identifier(&kept.apdus[0]);
    let world = World::new(WorldConfig::new(10));
    let (mut sink, after) = sink(&world);
    let mut relay = open(&world, disk);
    let mut caller = Caller::new(&world, "FIRST", kept);
    while caller.kept.confirmed == 0 || relay.counters().queued > 0 {
        caller.turn();
        assert!(relay.turn().unwrap());
        sink.turn(None).unwrap();
        assert!(world.advance());
    }
    assert_eq!(relay.counters().transfers_in, 0, "it was taken a second time");
    // What others sent last may be in doubt.
    assert_eq!(after.borrow().get(&identifier), None, "it arrived a second time");
    assert!(!caller.refused, "the association was not known");
    let association = caller.association.as_ref().unwrap();
    (association.stack.session_connection_identifier().clone(), caller.kept.connections)
}

#[test]
fn what_was_passed_on_long_ago_is_still_known_after_a_crash() {
    resume_after_recycling(true);
    resume_after_recycling(false);
}
