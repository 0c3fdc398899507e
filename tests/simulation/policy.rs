//! What the policy says happens to whole messages, small and streamed: redirection, expansion, expiry, and the
//! recipients that a partner of 1984 cannot be given.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use p1relay::base::clock::WallTime;
use p1relay::endpoint::{Endpoint, EndpointConfig};
use p1relay::io::simulated::{Disk, Simulated, World, WorldConfig};
use p1relay::mta::policy::{
    DistributionList, RecipientRedirection, ReportPolicy, SubmitPermission,
};
use p1relay::osi::stack::{ApplicationContext, StackConfig};
use p1relay::p1::downgrade::CommonName;
use p1relay::shard::counters::CounterValues;
use p1relay::shard::settings::Settings;
use p1relay::shard::solo::Solo;

use super::{IDENTITY, Ledger, Sink, Source, address, connector, endpoint, relay};

/// Enough for one in sixteen to be streamed.
const COUNT: u64 = 20;

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

struct Scene {
    world: World,
    disk: Disk,
    ledger: Rc<RefCell<Ledger>>,
    relay: Solo<Simulated>,
    source: Endpoint<Simulated, Source>,
    sink: Endpoint<Simulated, Sink>,
}

impl Scene {
    /// `COUNT` messages to these recipients are about to be sent; nobody but the relay listens.
    fn new(settings: Settings, recipients: &[&str]) -> Scene {
        Scene::deferring(settings, recipients, None)
    }

    /// The same, of messages that are deferred for so long.
    fn deferring(settings: Settings, recipients: &[&str], deferral: Option<Duration>) -> Scene {
        let world = World::new(WorldConfig::new(11));
        let ledger = Rc::new(RefCell::new(Ledger::default()));
        let disk = Disk::new();
        let relay = Solo::open(world.engine_on(&disk), settings, IDENTITY).unwrap();
        let mut source = Source::to(recipients, &world, &ledger, COUNT);
        source.stays = true;
        // Only the envelope names all recipients, as of blind copies.
        let first = Source::to(&recipients[..1], &world, &ledger, COUNT);
        source.contents = (recipients.len() > 1).then_some(first.templates);
        source.deferred_until = deferral.map(|time| until(&world, time));
        let source = endpoint(&world, "SOURCE", "RELAY", Some((address(1), 2)), source);
        let own = |name: &str| (name.to_owned(), format!("{name} password"));
        let config = EndpointConfig {
            local: own("SINK"),
            remote: Some(own("RELAY")),
            stack: Arc::new(StackConfig {
                accepted_application_contexts: ApplicationContext::ALL.to_vec(),
                ..StackConfig::default()
            }),
            call: None,
            retry_delay: Duration::from_millis(30),
        };
        let sink = Endpoint::new(world.engine(), config, Sink(Rc::clone(&ledger)));
        Scene { world, disk, ledger, relay, source, sink }
    }

    fn run_for(&mut self, time: Duration) {
        let began = self.world.now().instant;
        while self.world.now().instant.since(began) < time {
            self.source.turn(None).unwrap();
            assert!(self.relay.turn().unwrap());
            self.sink.turn(None).unwrap();
            assert!(self.world.advance());
        }
    }

    fn run_until(&mut self, is_over: impl Fn(&Ledger, &CounterValues) -> bool) -> CounterValues {
        for _ in 0..400_000 {
            self.source.turn(None).unwrap();
            assert!(self.relay.turn().unwrap());
            self.sink.turn(None).unwrap();
            let counters = self.relay.counters();
            let quiet = counters.queued + counters.deriving == 0;
            if quiet && is_over(&self.ledger.borrow(), &counters) {
                return counters;
            }
            assert!(self.world.advance());
        }
        panic!("{:?}", self.relay.counters());
    }
}

/// So long from now, in whole seconds.
fn until(world: &World, time: Duration) -> WallTime {
    WallTime((world.now().wall.0 + time.as_millis() as i64) / 1000 * 1000)
}

fn arrived(ledger: &Ledger) -> u64 {
    ledger.arrivals.values().sum::<usize>() as u64
}

#[test]
fn a_redirected_message_reaches_the_list_that_it_is_redirected_to() {
    let mut settings = settings();
    let of = |text: &str| text.parse().unwrap();
    let redirection =
        RecipientRedirection { from: of("C=DE;A=OLD;S=LIST"), to: of("C=GB;A=RELAY;S=LIST") };
    settings.policy.redirections = vec![redirection].into();
    let list = DistributionList {
        address: of("C=GB;A=RELAY;S=LIST"),
        members: vec![of("C=FR;A=SINK;S=ONE"), of("C=FR;A=SINK;S=TWO")],
        owner: None,
        submit_permission: SubmitPermission::Anyone,
        report_policy: ReportPolicy::Originator,
    };
    settings.policy.lists = vec![list].into();
    let mut scene = Scene::new(settings, &["C=DE;A=OLD;S=LIST"]);
    scene.sink.listen(address(3)).unwrap();
    scene.source.listen(address(4)).unwrap();
    let counters = scene.run_until(|ledger, _| arrived(ledger) == COUNT);
    assert_eq!((counters.redirected, counters.expanded), (COUNT, COUNT), "{counters:?}");
    assert_eq!(counters.reports_unrecognised + counters.held_unreadable, 0, "{counters:?}");
}

#[test]
fn what_expires_is_reported_and_an_expired_report_is_discarded() {
    let mut settings = settings();
    settings.policy.expiry.normal = Duration::from_secs(30);
    settings.policy.expiry.non_urgent = Duration::from_secs(50);
    let mut scene = Scene::new(settings.clone(), &["C=FR;A=SINK;S=DURAND"]);
    let began = scene.world.now();
    let queued = |_: &Ledger, counters: &CounterValues| counters.expired == 2 * COUNT;
    let counters = scene.run_until(queued);
    let took = scene.world.now().instant.since(began.instant);
    assert!((Duration::from_secs(80)..Duration::from_secs(100)).contains(&took), "{took:?}");
    assert_eq!((counters.reports_expired, counters.reports_discarded), (COUNT, COUNT));
    assert_eq!((arrived(&scene.ledger.borrow()), counters.expired_in_doubt), (0, 0));
    // Nothing is left in the store, once the last outcomes are durable.
    scene.run_for(Duration::from_secs(1));
    let image = scene.disk.crash_image(1);
    let world = World::new(WorldConfig::new(1));
    let again = Solo::open(world.engine_on(&image), settings, IDENTITY).unwrap();
    assert_eq!(again.counters().recovered, 0);
}

#[test]
fn a_restart_neither_delays_expiry_nor_loses_its_report() {
    let mut settings = settings();
    settings.policy.expiry.normal = Duration::from_secs(30);
    let mut scene = Scene::new(settings.clone(), &["C=FR;A=SINK;S=DURAND"]);
    scene.source.listen(address(4)).unwrap();
    let began = scene.world.now();
    scene.run_for(Duration::from_secs(20));
    assert_eq!(scene.relay.counters().queued, COUNT);
    let image = scene.disk.crash_image(2);
    scene.disk = image.clone();
    let engine = scene.world.engine_on(&image);
    settings.listen = vec![address(2)];
    scene.relay = Solo::open(engine, settings, IDENTITY).unwrap();
    assert_eq!(scene.relay.counters().recovered, COUNT);
    let counters = scene.run_until(|ledger, _| ledger.reports.len() as u64 == COUNT);
    let took = scene.world.now().instant.since(began.instant);
    assert!((Duration::from_secs(30)..Duration::from_secs(45)).contains(&took), "{took:?}");
    assert_eq!((counters.expired, counters.reports_expired), (COUNT, COUNT));
}

#[test]
fn what_a_partner_of_1984_cannot_be_given_is_reported_and_the_rest_is_sent() {
    let mut settings = settings();
    let sink = &mut settings.connectors[1];
    sink.downgrade.common_name = CommonName::Refuse;
    sink.stack = Arc::new(StackConfig {
        application_context: ApplicationContext::MtsTransferProtocol1984,
        ..StackConfig::default()
    });
    let recipients = ["C=FR;A=SINK;S=DURAND", "C=FR;A=SINK;S=DUPONT;CN=Dupont"];
    let mut scene = Scene::new(settings, &recipients);
    scene.sink.listen(address(3)).unwrap();
    scene.source.listen(address(4)).unwrap();
    let counters = scene
        .run_until(|ledger, _| arrived(ledger) == COUNT && ledger.reports.len() as u64 == COUNT);
    assert_eq!((counters.reports_unsuitable, counters.held_unreadable), (COUNT, 0));
    assert!(scene.ledger.borrow().arrivals.values().all(|count| *count == 1));
}

#[test]
fn a_deferred_message_waits_here_for_its_time_also_over_a_restart() {
    let deferral = Duration::from_secs(60);
    let mut scene = Scene::deferring(settings(), &["C=FR;A=SINK;S=DURAND"], Some(deferral));
    scene.sink.listen(address(3)).unwrap();
    let until = until(&scene.world, deferral);
    scene.run_for(Duration::from_secs(20));
    let counters = scene.relay.counters();
    assert_eq!((counters.deferred, counters.queued), (COUNT, 0), "{counters:?}");
    scene.disk = scene.disk.crash_image(3);
    let mut settings = settings();
    settings.listen = vec![address(2)];
    scene.relay = Solo::open(scene.world.engine_on(&scene.disk), settings, IDENTITY).unwrap();
    assert_eq!(scene.relay.counters().deferred, COUNT);
    let counters = scene.run_until(|ledger, _| arrived(ledger) == COUNT);
    let now = scene.world.now().wall;
    assert!((until.0..until.0 + 5_000).contains(&now.0), "{now:?}, {until:?}");
    assert_eq!((counters.deferred, counters.in_doubt_recovered), (0, 0), "{counters:?}");
}
