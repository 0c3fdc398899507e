//! Pace: what senders feel of a partner that takes nothing, on the simulated engine.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use p1relay::base::clock::{Instant, Now};
use p1relay::base::limits::{CONFIRM_DELAY_MS_MAX, CONFIRM_QUEUED_COUNT_MAX};
use p1relay::config::check;
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::endpoint::{Endpoint, EndpointConfig, Next, Script};
use p1relay::io::simulated::{Simulated, World, WorldConfig};
use p1relay::osi::stack::StackConfig;
use p1relay::p1::scan::Priority;
use p1relay::shard::settings::Settings;
use p1relay::shard::solo::Solo;

const RELAY: ([u8; 4], u16) = ([10, 0, 0, 1], 102);
const SLOW: ([u8; 4], u16) = ([10, 0, 0, 2], 102);
const QUICK: ([u8; 4], u16) = ([10, 0, 0, 3], 102);
/// Associations of the eager sender: more than the messages that may wait before confirmations do.
const EAGER_COUNT: usize = CONFIRM_QUEUED_COUNT_MAX as usize + 32;
/// Time from one turn of all to the next, nanoseconds.
const STEP_NS: u64 = 20_000;
/// Of them so many wait when a test looks.
const WAITING_COUNT: u64 = 16;
const DELAY: Duration = Duration::from_millis(CONFIRM_DELAY_MS_MAX);

fn settings() -> Settings {
    let called = |name: &str| {
        format!(
            "[[connector]]\nname = \"{name}\"\nremote_mta_name = \"{name}\"\nremote_password = \"secret\"\n\
             called_association_count_max = {EAGER_COUNT}\n"
        )
    };
    let calling = |name: &str, address: ([u8; 4], u16), space: &str| {
        let address = SocketAddr::from(address);
        format!(
            "[[connector]]\nname = \"{name}\"\naddress = [\"{address}\"]\nremote_mta_name = \"{name}\"\n\
             remote_password = \"secret\"\nassociation_count_max = 3\n\
             address_space = [{{ pattern = \"{space}\" }}]\n"
        )
    };
    let text = format!(
        "[mta]\nname = \"RELAY\"\npassword = \"secret\"\ndomain = \"C=GB;A=RELAY\"\n\
         listen = [\"{}\"]\nshards = 1\n{}{}{}{}",
        SocketAddr::from(RELAY),
        called("EAGER"),
        called("CALM"),
        calling("SLOW", SLOW, "C=FR;A=SLOW"),
        calling("QUICK", QUICK, "C=FR;A=QUICK"),
    );
    check(&text, Path::new("/")).unwrap()
}

/// Sends to one domain as fast as it is confirmed, and notes the longest wait for a confirmation.
struct Source {
    template: Template,
    sent: u64,
    began: HashMap<u64, Instant>,
    confirmed: Rc<RefCell<(u64, Duration)>>,
}

impl Script for Source {
    fn next(&mut self, _association: usize, now: Now) -> Next {
        self.sent += 1;
        self.began.insert(self.sent, now.instant);
        Next::Transfer { number: self.sent, apdu: self.template.instance(self.sent, 0) }
    }

    fn confirmed(&mut self, number: u64, now: Now) {
        let wait = Duration::from_nanos(now.instant.0 - self.began.remove(&number).unwrap().0);
        let mut confirmed = self.confirmed.borrow_mut();
        confirmed.0 += 1;
        confirmed.1 = confirmed.1.max(wait);
    }

    fn received(&mut self, _apdu: &[u8], _now: Now) {}
}

struct Sink;

impl Script for Sink {
    fn received(&mut self, _apdu: &[u8], _now: Now) {}

    fn note(&mut self, line: &str) {
        panic!("a sink: {line}");
    }
}

fn endpoint<S: Script>(
    world: &World,
    name: &str,
    calls: usize,
    script: S,
) -> Endpoint<Simulated, S> {
    let config = EndpointConfig {
        local: (name.to_owned(), "secret".to_owned()),
        remote: Some(("RELAY".to_owned(), "secret".to_owned())),
        stack: Arc::new(StackConfig::default()),
        call: (calls > 0).then_some((RELAY.into(), calls)),
        retry_delay: Duration::from_millis(30),
    };
    Endpoint::new(world.engine(), config, script)
}

/// An eager sender to a partner that takes no transfer, and a calm one to another that takes all.
struct Scene {
    world: World,
    relay: Solo<Simulated>,
    eager: Endpoint<Simulated, Source>,
    calm: Endpoint<Simulated, Source>,
    slow: Endpoint<Simulated, Sink>,
    quick: Endpoint<Simulated, Sink>,
    /// Messages of the eager sender that were confirmed, and its longest wait; then the calm one's.
    confirmed: [Rc<RefCell<(u64, Duration)>>; 2],
}

impl Scene {
    fn new() -> Scene {
        let world = World::new(WorldConfig::new(3));
        let relay = Solo::open(world.engine(), settings(), *b"a paced relay's.").unwrap();
        let confirmed = [(); 2].map(|()| Rc::<RefCell<(u64, Duration)>>::default());
        let source = |sender: u16, domain: &str| {
            let config = TemplateConfig {
                domain: "C=GB;A=SOURCE".parse().unwrap(),
                originator: "C=GB;A=SOURCE;S=SMITH".parse().unwrap(),
                recipients: vec![format!("C=FR;A={domain};S=DURAND").parse().unwrap()],
                priority: Priority::Normal,
                text_size: 500,
                subject: "paced".to_owned(),
                incarnation: 1,
                sender,
            };
            Source {
                template: Template::new(&config, world.now().wall).unwrap(),
                sent: 0,
                began: HashMap::new(),
                confirmed: Rc::clone(&confirmed[usize::from(sender)]),
            }
        };
        let eager = endpoint(&world, "EAGER", EAGER_COUNT, source(0, "SLOW"));
        let calm = endpoint(&world, "CALM", 1, source(1, "QUICK"));
        let mut slow = endpoint(&world, "SLOW", 0, Sink);
        let mut quick = endpoint(&world, "QUICK", 0, Sink);
        slow.listen(SLOW.into()).unwrap();
        quick.listen(QUICK.into()).unwrap();
        Scene { world, relay, eager, calm, slow, quick, confirmed }
    }

    fn step(&mut self) {
        self.eager.turn(None).unwrap();
        self.calm.turn(None).unwrap();
        assert!(self.relay.turn().unwrap());
        self.quick.turn(None).unwrap();
        // Once an association with it is up, the slow partner does nothing more.
        if self.slow.bound_count() == 0 {
            self.slow.turn(None).unwrap();
        }
        // What the slow partner leaves lying makes the world's clock creep.
        let until = self.world.now().instant.0 + STEP_NS;
        while self.world.now().instant.0 < until {
            assert!(self.world.advance());
        }
    }

    /// Runs until some of the eager sender's confirmations wait.
    fn fill(&mut self) {
        while self.held_count() < WAITING_COUNT {
            self.step();
            assert!(self.world.now().instant.0 < 1_000_000_000, "{:?}", self.relay.counters());
        }
    }

    /// Messages for the slow partner whose confirmation waits, or is on its way.
    fn held_count(&self) -> u64 {
        let counters = self.relay.counters();
        (counters.queued + counters.transfers_out).saturating_sub(counters.transfers_in)
    }

    fn eager_confirmed(&self) -> u64 {
        self.confirmed[0].borrow().0
    }
}

#[test]
fn a_slow_partners_senders_wait_and_go_on_and_others_do_not_wait() {
    let mut scene = Scene::new();
    scene.fill();
    let began = scene.world.now().instant;
    let queued_from = scene.relay.counters().queued;
    let waits_from = scene.eager_confirmed();
    let calm_from = scene.confirmed[1].borrow().0;
    while scene.world.now().instant.0 < began.0 + DELAY.as_nanos() as u64 / 2 {
        scene.step();
        // Each association has one message under way, and waits for its confirmation.
        let bound = queued_from + EAGER_COUNT as u64;
        assert!(scene.relay.counters().queued <= bound, "{:?}", scene.relay.counters());
    }
    assert!(scene.held_count() >= WAITING_COUNT, "{} wait", scene.held_count());
    assert!(scene.eager_confirmed() < waits_from + EAGER_COUNT as u64);
    assert!(scene.confirmed[1].borrow().0 > calm_from + 10, "the calm sender is held up");
    while scene.world.now().instant.0 < began.0 + 3 * DELAY.as_nanos() as u64 {
        scene.step();
    }
    assert!(scene.eager_confirmed() >= waits_from + EAGER_COUNT as u64, "intake does not go on");
    let (eager_wait, calm_wait) = (scene.confirmed[0].borrow().1, scene.confirmed[1].borrow().1);
    assert!(eager_wait >= DELAY && eager_wait < DELAY + DELAY / 2, "{eager_wait:?}");
    assert!(calm_wait < DELAY / 2, "{calm_wait:?}");
}

#[test]
fn a_stop_releases_confirmations_at_once() {
    let mut scene = Scene::new();
    scene.fill();
    scene.relay.stop();
    assert!(scene.relay.turn().unwrap());
    assert_eq!(scene.held_count(), 0);
}
