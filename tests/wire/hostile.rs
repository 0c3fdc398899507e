//! Callers that break the protocol, stall, lie, guess or flood.
//!
//! Whatever they do: the relay says so in its log, that connection alone ends, another association goes
//! on transferring, and the relay's memory stays bounded.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use p1relay::base::limits::{APDU_SIZE_MAX, GROUP_BUFFER_COUNT, GROUP_BUFFER_SIZE};

use support::apdu::{self, ORIGIN};
use support::capture::{foreign_apdus, payloads_to_server};
use support::mta::Mta;
use support::partner::{CallingMta, send};
use support::relay::{Partner, Relay, SMALL_STORE, configuration};
use support::{PATIENCE, on_each_engine, wait_until};

/// What the relay may grow by under attack: the buffers of its log, and as little besides.
const GROWTH_MAX: usize = GROUP_BUFFER_COUNT * GROUP_BUFFER_SIZE + (16 << 20);

/// Messages that must pass beside an attack before it and after it.
const STEADY_COUNT: usize = 10;

/// A relay with a steady flow from one MTA to another, to be attacked.
struct Scene {
    relay: Arc<Relay>,
    called: Mta,
    steady: CallingMta,
    watch: Watch,
    resident_before: usize,
    count_before: usize,
    /// How often an MTA has bound as STEADY.
    steady_bind_count: usize,
}

/// Samples the relay's memory.
struct Watch {
    largest: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn start(relay: Arc<Relay>) -> Watch {
        let (largest, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (kept, stopped) = (Arc::clone(&largest), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                kept.fetch_max(relay.resident_size(), Ordering::AcqRel);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Watch { largest, stop, thread }
    }
}

impl Scene {
    /// `lines` go into `[mta]`.
    fn set(engine: &str, lines: &str) -> Scene {
        let called = Mta::called("CALLED", "called password");
        let partners = [
            Partner {
                name: "STEADY",
                password: "steady password",
                domain: Some(ORIGIN),
                ..Partner::default()
            },
            // The foreign caller whose octets the attacks begin with.
            Partner { name: "PP1", password: "pp1pass", ..Partner::default() },
            Partner {
                name: "CALLED",
                password: "called password",
                address: Some(called.address),
                address_spaces: &["C=FR", "C=XX"],
                lines: "association_count_max = 1",
                ..Partner::default()
            },
        ];
        let relay =
            Arc::new(Relay::start(&configuration("C=FR;A=RELAY", lines, &partners), engine));
        let message = apdu::message("steady", &["C=FR;A=OTHER;S=DURAND"], &[b'x'; 2048]);
        let steady = CallingMta::start(relay.address, "STEADY", "steady password", &message);
        wait_until("a steady flow", || called.count() >= STEADY_COUNT);
        let watch = Watch::start(Arc::clone(&relay));
        let (resident_before, count_before) = (relay.resident_size(), called.count());
        Scene { relay, called, steady, watch, resident_before, count_before, steady_bind_count: 1 }
    }

    /// A connection to the relay.
    fn connect(&self) -> Caller {
        let stream = TcpStream::connect(self.relay.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Caller { stream, payloads: payloads_to_server("foreign-transfer-1988.pcap") }
    }

    /// Waits for a line of the log that holds all of `texts`.
    fn wait_for_log(&self, texts: &[&str]) {
        wait_until(&format!("a log line with {texts:?}"), || {
            self.relay.log().iter().any(|line| texts.iter().all(|text| line.contains(text)))
        });
    }

    /// The flow did not wait for an attack that took its time.
    fn assert_flowed(&self) {
        assert!(self.called.count() > self.count_before, "nothing passed meanwhile");
    }

    /// The flow went on, on the association that it began with; memory stayed bounded.
    fn close(self) {
        let before = self.called.count();
        wait_until("the flow goes on", || self.called.count() >= before + STEADY_COUNT);
        self.watch.stop.store(true, Ordering::Release);
        self.watch.thread.join().unwrap();
        let largest = self.watch.largest.load(Ordering::Acquire);
        let growth = largest.saturating_sub(self.resident_before);
        println!("resident: {} KiB, grown by {} KiB", largest >> 10, growth >> 10);
        assert!(growth < GROWTH_MAX, "{growth} octets");
        self.steady.stop();
        for (connector, count) in [("steady", self.steady_bind_count), ("called", 1)] {
            let line = format!("association is up connector=\"{connector}\"");
            assert_eq!(self.relay.logged(&line), count, "{connector} lost its association");
        }
    }
}

/// A caller that can say anything; by itself what the foreign MTA said in its capture.
struct Caller {
    stream: TcpStream,
    payloads: Vec<Vec<u8>>,
}

impl Caller {
    fn say(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// Says as much as the relay takes; it may hang up meanwhile.
    fn try_to_say(&mut self, octets: &[u8]) -> bool {
        self.stream.write_all(octets).is_ok()
    }

    fn hear_tpkt(&mut self) -> Vec<u8> {
        let mut tpkt = vec![0; 4];
        self.stream.read_exact(&mut tpkt).unwrap();
        tpkt.resize(usize::from(u16::from_be_bytes([tpkt[2], tpkt[3]])), 0);
        self.stream.read_exact(&mut tpkt[4..]).unwrap();
        tpkt
    }

    /// Everything until the relay hangs up.
    #[track_caller]
    fn hear_out(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        match self.stream.read_to_end(&mut heard) {
            Ok(_) => {}
            // What the relay had not read when it closed is answered by a reset.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the relay does not hang up: {error}"),
        }
        heard
    }

    fn open_transport(&mut self) {
        let connect = self.payloads[0].clone();
        self.say(&connect);
        assert_eq!(self.hear_tpkt()[5], 0xd0, "CC TPDU");
    }

    fn bind(&mut self) {
        self.open_transport();
        let connect = self.payloads[1].clone();
        self.say(&connect);
        assert_eq!(self.hear_tpkt()[7], 14, "ACCEPT SPDU");
    }

    fn start_activity(&mut self) {
        let start = self.payloads[2].clone();
        self.say(&start);
    }

    /// One whole transfer of these octets.
    fn transfer(&mut self, octets: &[u8]) {
        self.start_activity();
        for piece in octets.chunks(PIECE_SIZE) {
            if !self.try_to_say(&data(piece)) {
                return;
            }
        }
        self.try_to_say(ACTIVITY_END);
    }
}

/// The ACTIVITY END of the foreign caller, behind GIVE TOKENS.
const ACTIVITY_END: &[u8] = &[3, 0, 0, 14, 2, 0xf0, 0x80, 1, 0, 41, 3, 0x2a, 1, b'1'];

/// Octets in one DATA TRANSFER of ours.
const PIECE_SIZE: usize = 60_000;

/// A TPDU in its TPKT.
fn tpkt(tpdu: &[u8]) -> Vec<u8> {
    let [high, low] = (tpdu.len() as u16 + 4).to_be_bytes();
    [&[3, 0, high, low], tpdu].concat()
}

/// DATA TRANSFER with these octets as the RTTR, in the encoding of the foreign caller.
fn data(octets: &[u8]) -> Vec<u8> {
    let [high, low] = (octets.len() as u16).to_be_bytes();
    let before = [2, 0xf0, 0x80, 1, 0, 1, 0, 0x61, 0x80, 0x30, 0x80, 2, 1, 3, 0xa0, 0x80, 4, 0x82];
    tpkt(&[&before, &[high, low][..], octets, &[0; 6]].concat())
}

/// EXTERNAL around an MTS-APDU, of indefinite length, without its end.
const EXTERNAL_BEGIN: &[u8] = &[0x28, 0x80, 2, 1, 5, 0xa0, 0x80];

fn garbage_on_the_port(engine: &str) {
    let scene = Scene::set(engine, SMALL_STORE);
    for garbage in [&b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n"[..], &[0x16; 100_000]] {
        let mut caller = scene.connect();
        caller.try_to_say(garbage);
        assert_eq!(caller.hear_out(), [0; 0]);
    }
    scene.wait_for_log(&["protocol error", "layer=\"tpkt\"", "version 71 instead of 3"]);
    scene.wait_for_log(&["protocol error", "layer=\"tpkt\"", "version 22 instead of 3"]);
    scene.close();
}

fn silence(engine: &str) {
    let scene = Scene::set(engine, "segment_size_mib = 16\nestablishment_timeout_s = 1");
    let mut never_spoke = scene.connect();
    let mut fell_silent = scene.connect();
    fell_silent.open_transport();
    assert_eq!(never_spoke.hear_out(), [0; 0]);
    fell_silent.hear_out();
    let reason = "reason=\"no progress in the time allowed\"";
    scene.wait_for_log(&["connection failed", "stage=Binding", reason]);
    wait_until("both are logged", || scene.relay.logged(reason) == 2);
    scene.assert_flowed();
    scene.close();
}

fn a_slow_sender_is_served(engine: &str) {
    let scene = Scene::set(engine, SMALL_STORE);
    let mut caller = scene.connect();
    let before = scene.relay.counters().connections_failed;
    let payloads = caller.payloads.clone();
    for (index, payload) in payloads.iter().enumerate() {
        for octet in payload {
            caller.say(&[*octet]);
            std::thread::sleep(Duration::from_micros(200));
        }
        // GIVE TOKENS with the activity's start, and the DR at the end, are not answered.
        if ![2, 5].contains(&index) {
            caller.hear_tpkt();
        }
    }
    assert_eq!(caller.hear_out(), [0; 0]);
    let foreign = foreign_apdus("foreign-transfer-1988.pcap").pop().unwrap();
    let content = &foreign[foreign.len() - 100..];
    wait_until("the slow message", || scene.called.any(|apdu| apdu.ends_with(content)));
    assert_eq!(scene.relay.counters().connections_failed, before);
    scene.assert_flowed();
    scene.close();
}

fn a_sender_slower_than_allowed(engine: &str) {
    let scene = Scene::set(engine, "segment_size_mib = 16\nestablishment_timeout_s = 1");
    let mut caller = scene.connect();
    let payload = caller.payloads[1].clone();
    caller.open_transport();
    // An octet each 50 ms: progress, but not in the time allowed.
    let taken = payload.iter().take_while(|octet| {
        std::thread::sleep(Duration::from_millis(50));
        caller.try_to_say(&[**octet])
    });
    assert!(taken.count() < payload.len());
    scene.wait_for_log(&["connection failed", "no progress in the time allowed"]);
    scene.assert_flowed();
    scene.close();
}

fn wrong_tpdus(engine: &str) {
    let scene = Scene::set(engine, SMALL_STORE);
    let unknown = [6, 0x10, 0, 0, 0, 1, 0];
    let mut caller = scene.connect();
    caller.say(&tpkt(&unknown));
    assert_eq!(caller.hear_out().get(5), Some(&0x70), "ER TPDU");
    scene.wait_for_log(&["protocol error", "layer=\"transport\"", "unknown PDU"]);
    // Data before there is a connection; a second CR.
    let mut caller = scene.connect();
    let connect = caller.payloads[1].clone();
    caller.say(&connect);
    assert_eq!(caller.hear_out().get(5), Some(&0x70), "ER TPDU");
    let mut caller = scene.connect();
    caller.open_transport();
    let again = caller.payloads[0].clone();
    caller.say(&again);
    assert_eq!(caller.hear_out().get(5), Some(&0x70), "ER TPDU");
    wait_until("each is logged", || scene.relay.logged("may not come in state") >= 2);
    // A bound association that begins to speak nonsense.
    let mut caller = scene.connect();
    caller.bind();
    caller.say(&tpkt(&unknown));
    caller.hear_out();
    wait_until("it is logged", || scene.relay.logged("unknown PDU") == 2);
    scene.close();
}

fn lengths_beyond_bounds(engine: &str) {
    let scene = Scene::set(engine, SMALL_STORE);
    // A CR as large as a TPKT can be.
    let mut caller = scene.connect();
    caller.try_to_say(&tpkt(&[&[250, 0xe0][..], &[0; 65_000]].concat()));
    caller.hear_out();
    scene.wait_for_log(&["protocol error", "layer=\"transport\"", "control PDU of more than"]);
    // A CONNECT SPDU that says it is 65,535 octets long.
    let mut caller = scene.connect();
    caller.open_transport();
    caller.try_to_say(&tpkt(&[2, 0xf0, 0x80, 13, 0xff, 0xff, 0xff, 1, 2, 3]));
    caller.hear_out();
    scene.wait_for_log(&["protocol error", "layer=\"session\"", "control PDU of more than"]);
    // A TPKT too short for any TPDU.
    let mut caller = scene.connect();
    caller.say(&[3, 0, 0, 4, 0, 0, 0]);
    assert_eq!(caller.hear_out(), [0; 0]);
    scene.wait_for_log(&["protocol error", "layer=\"tpkt\"", "length 4"]);
    scene.close();
}

/// Transfers these octets on a connection of their own; the relay refuses them and hangs up.
fn refused_transfer(scene: &Scene, octets: &[u8], reason: &str) {
    let mut caller = scene.connect();
    caller.bind();
    caller.transfer(octets);
    // An association abort: nothing was confirmed.
    let heard = caller.hear_out();
    assert!(!heard.windows(2).any(|octets| octets == [42, 3]), "{heard:02x?}");
    let peer = format!("peer={}", caller.stream.local_addr().unwrap());
    scene.wait_for_log(&["transfer refused", &peer, reason]);
}

fn lengths_that_lie(engine: &str) {
    let scene = Scene::set(engine, SMALL_STORE);
    let whole = foreign_apdus("foreign-transfer-1988.pcap").pop().unwrap();
    // The MTS-identifier claims more than the envelope has.
    let mut lying = whole.clone();
    let at = lying.windows(4).position(|octets| octets == b"d8c\x16").unwrap();
    lying[at + 1] = 0x7f;
    let external = |apdu: &[u8]| [EXTERNAL_BEGIN, apdu, &[0; 4]].concat();
    refused_transfer(&scene, &external(&lying), "malformed");
    // The content claims a gigabyte, and the transfer ends.
    let at = whole.windows(6).position(|octets| octets == [0, 0, 0x24, 0x80, 4, 0x81]).unwrap();
    let huge = [&whole[..at + 2], &[4, 0x84, 0x40, 0, 0, 0], b"little"].concat();
    refused_transfer(&scene, &[EXTERNAL_BEGIN, &huge].concat(), "malformed");
    // The same, but with so much that it goes to the log while it comes.
    let more = [EXTERNAL_BEGIN, &huge, &[b'x'; 300_000]].concat();
    refused_transfer(&scene, &more, "the transfer ends inside the MTS-APDU");
    // An EXTERNAL that claims all the octets there can be.
    let mut claims = vec![0x28, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 5, 0xa0, 0x80];
    claims.extend_from_slice(&whole);
    refused_transfer(&scene, &claims, "malformed");
    scene.close();
}

fn nesting_without_end(engine: &str) {
    let scene = Scene::set(engine, SMALL_STORE);
    let whole = foreign_apdus("foreign-transfer-1988.pcap").pop().unwrap();
    // In an unknown extension's value: not to be followed. In memory, and while it goes to the log.
    let at = whole.windows(4).position(|octets| octets == [0xa3, 0x80, 0x30, 0x3d]).unwrap() + 2;
    let field = [0x30, 0x80, 0xa0, 3, 2, 1, 99, 0xa2, 0x80];
    for depth in [1000, 200_000] {
        let nested = [0x30, 0x80].repeat(depth);
        let octets = [EXTERNAL_BEGIN, &whole[..at], &field, &nested].concat();
        refused_transfer(&scene, &octets, "malformed");
    }
    // Around the APDU itself.
    refused_transfer(&scene, &[0x28, 0x80].repeat(100_000), "malformed");
    scene.close();
}

fn wrong_name_or_password(engine: &str) {
    let scene = Scene::set(engine, SMALL_STORE);
    let answers = [(&b"\x80\x03PP1"[..], &b"\x80\x03PPX"[..]), (b"pp1pass", b"pp1pasz")].map(
        |(right, wrong)| {
            let mut caller = scene.connect();
            let mut connect = caller.payloads[1].clone();
            let at = connect.windows(right.len()).position(|octets| octets == right).unwrap();
            connect[at..at + right.len()].copy_from_slice(wrong);
            caller.open_transport();
            caller.say(&connect);
            caller.hear_out()
        },
    );
    assert_eq!(answers[0], answers[1], "the answer tells which was wrong");
    // [18] around the INTEGER 2: authentication-error.
    assert!(answers[0].windows(5).any(|octets| octets == [0xb2, 3, 2, 1, 2]), "{answers:02x?}");
    for secret in [&b"RELAY"[..], b"RELAY password", b"STEADY", b"CALLED"] {
        assert!(!answers[0].windows(secret.len()).any(|octets| octets == secret));
    }
    scene.wait_for_log(&["bind refused", "\"PPX\""]);
    scene.wait_for_log(&["bind refused", "\"PP1\""]);
    assert_eq!(scene.relay.logged("pp1pas"), 0, "a password is in the log");
    wait_until("both are counted", || scene.relay.counters().binds_refused == 2);
    scene.close();
}

fn a_flood_of_connections(engine: &str) {
    let lines = "unbound_connection_count_max = 50\nestablishment_timeout_s = 2";
    let mut scene = Scene::set(engine, &format!("{SMALL_STORE}\n{lines}"));
    let mut callers: Vec<Caller> = (0..200).map(|_| scene.connect()).collect();
    scene.wait_for_log(&["connection refused: too many that have not bound"]);
    // Those beyond the bound are closed at once, the others when their time is over.
    for caller in &mut callers {
        assert_eq!(caller.hear_out(), [0; 0]);
    }
    wait_until("both kinds are logged", || {
        scene.relay.logged("too many that have not bound") >= 100
            && scene.relay.logged("no progress in the time allowed") >= 40
    });
    // Then there is room again.
    send(scene.relay.address, "STEADY", "steady password", &[]);
    scene.steady_bind_count += 1;
    scene.assert_flowed();
    scene.close();
}

fn a_transfer_without_end(engine: &str) {
    // Segments as large as by default: the log takes all of it.
    let scene = Scene::set(engine, "segment_size_mib = 64");
    let whole = foreign_apdus("foreign-transfer-1988.pcap").pop().unwrap();
    let at = whole.windows(4).position(|octets| octets == [0x24, 0x80, 4, 0x81]).unwrap();
    let mut caller = scene.connect();
    caller.bind();
    caller.start_activity();
    caller.say(&data(&[EXTERNAL_BEGIN, &whole[..at + 2]].concat()));
    // One piece of content after the other.
    let mut piece = vec![4, 0x82, 0xe0, 0];
    piece.resize(4 + 0xe000, b'x');
    let piece = data(&piece);
    let mut said = 0;
    while caller.try_to_say(&piece) {
        said += piece.len();
        assert!(said < 4 * APDU_SIZE_MAX, "the relay takes everything");
    }
    assert!(said > APDU_SIZE_MAX);
    scene.assert_flowed();
    scene.wait_for_log(&["transfer refused", &format!("exceeds {APDU_SIZE_MAX} octets")]);
    let _ = caller.stream.shutdown(Shutdown::Both);
    scene.close();
}

on_each_engine!(
    garbage_on_the_port,
    silence,
    a_slow_sender_is_served,
    a_sender_slower_than_allowed,
    wrong_tpdus,
    lengths_beyond_bounds,
    lengths_that_lie,
    nesting_without_end,
    wrong_name_or_password,
    a_flood_of_connections,
    a_transfer_without_end,
);
