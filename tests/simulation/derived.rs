//! What takes the place of recipients, whole relays, and a crash at each step of the disk: a list with the
//! report that it was reached, the reports on a member to originator and owner, a redirected copy, a refusal
//! for good; small and streamed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use p1relay::base::buffer::Lease;
use p1relay::base::clock::Now;
use p1relay::endpoint::{Next, Script};
use p1relay::io::simulated::{Disk, World, WorldConfig};
use p1relay::mta::policy::{
    DistributionList, RecipientRedirection, ReportPolicy, SubmitPermission,
};
use p1relay::osi::rtse::TransferRefusal;
use p1relay::p1::build::{MessageBuilder, RecipientFields};
use p1relay::p1::or_address::attributes;
use p1relay::p1::scan::{Responsibility, Scan, scan};
use p1relay::p1::schema::{MtsApdu, OrName, ReportType};
use p1relay::p1::trace::{Supplied, encode_trace_element};
use p1relay::shard::settings::Settings;
use p1relay::shard::solo::Solo;

use super::{IDENTITY, address, connector, endpoint, relay};

const ORIGINATOR: &str = "C=GB;A=SOURCE;S=SMITH";
const OWNER: &str = "C=GB;A=SOURCE;S=OWNER";
const LIST: &str = "C=GB;A=RELAY;S=LIST";
const RECIPIENTS: [&str; 3] = [LIST, "C=DE;A=OLD;S=MOVED", "C=FR;A=SINK;S=REFUSED"];
/// Responsible; originator and originating MTA want all reports.
const REPORT_INDICATORS: u8 = 0xd0;
const COUNT: usize = 6;

/// What arrived where, by message: deliveries, reports.
type Seen = BTreeMap<(String, String), usize>;

#[derive(Default)]
struct Book {
    seen: Seen,
    acknowledged: BTreeSet<String>,
}

impl Book {
    fn add(&mut self, message: String, what: String) {
        *self.seen.entry((message, what)).or_insert(0) += 1;
    }
}

fn settings() -> Settings {
    let mut settings = relay(
        "RELAY",
        "C=GB;A=RELAY",
        address(1),
        vec![
            connector("RELAY", "SOURCE", Some(address(4)), "C=GB;A=SOURCE"),
            connector("RELAY", "SINK", Some(address(3)), "C=FR"),
        ],
    );
    let of = |text: &str| text.parse().unwrap();
    let redirection = RecipientRedirection { from: of(RECIPIENTS[1]), to: of("C=FR;A=SINK;S=TWO") };
    settings.policy.redirections = vec![redirection].into();
    let list = DistributionList {
        address: of(LIST),
        members: vec![of("C=FR;A=SINK;S=ONE"), of("C=IT;A=NOWHERE;S=ROSSI")],
        owner: Some(of(OWNER)),
        submit_permission: SubmitPermission::Anyone,
        report_policy: ReportPolicy::Both,
    };
    settings.policy.lists = vec![list].into();
    settings
}

/// Every other one is streamed.
fn message(number: usize) -> Lease {
    let domain = "C=GB;A=SOURCE".parse().unwrap();
    let mut trace = Vec::new();
    let now = World::new(WorldConfig::new(0)).now().wall;
    encode_trace_element(&domain, Supplied::relayed(now), &mut trace);
    let name = format!("m{number}");
    let mut builder = MessageBuilder::new(domain, &name, ORIGINATOR.parse().unwrap(), &trace);
    builder.recipients = RECIPIENTS
        .iter()
        .map(|text| RecipientFields {
            indicators: REPORT_INDICATORS,
            ..RecipientFields::from(text.parse::<p1relay::p1::or_address::OrAddress>().unwrap())
        })
        .collect();
    let content = vec![7; if number.is_multiple_of(2) { 2000 } else { 200_000 }];
    builder.content = &content;
    Lease::copied(&builder.build())
}

fn words(name: &OrName) -> String {
    attributes(&rasn::ber::encode(name).unwrap()).unwrap().to_owned().to_string()
}

/// Sends what it has, and takes reports.
struct Origin {
    book: Rc<RefCell<Book>>,
    waiting: Vec<usize>,
}

impl Script for Origin {
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        let Some(number) = self.waiting.pop() else { return Next::Idle };
        Next::Transfer { number: number as u64, apdu: message(number) }
    }

    fn confirmed(&mut self, number: u64, _now: Now) {
        self.book.borrow_mut().acknowledged.insert(format!("m{number}"));
    }

    fn returned(&mut self, number: u64, _in_doubt: bool) {
        self.waiting.push(number as usize);
    }

    fn received(&mut self, apdu: &[u8], _now: Now) {
        let MtsApdu::Report(report) = rasn::ber::decode(apdu).unwrap() else {
            panic!("something else than a report");
        };
        let destination = words(&report.envelope.report_destination_name);
        for recipient in &report.content.per_recipient_fields {
            let what = match recipient.last_trace_information.report_type {
                ReportType::Delivery(_) => "delivery",
                ReportType::NonDelivery(_) => "non-delivery",
            };
            let whom = words(&recipient.actual_recipient_name);
            let message = report.content.subject_identifier.local_identifier.to_string();
            self.book.borrow_mut().add(message, format!("{what} of {whom} told {destination}"));
        }
    }
}

/// Takes what comes, but for one user.
struct Users(Rc<RefCell<Book>>);

fn of_ours(apdu: &[u8]) -> (String, Vec<String>) {
    let mut found = Scan::default();
    scan(apdu, &mut found).unwrap();
    let name = found.mts_identifier.local_identifier.octets(apdu);
    let of_ours =
        found.recipients.iter().filter(|it| it.responsibility() == Responsibility::Responsible);
    let whom =
        of_ours.map(|it| attributes(it.or_name.octets(apdu)).unwrap().to_owned().to_string());
    (String::from_utf8(name.to_vec()).unwrap(), whom.collect())
}

impl Script for Users {
    fn received(&mut self, apdu: &[u8], _now: Now) {
        let (name, recipients) = of_ours(apdu);
        for whom in recipients {
            self.0.borrow_mut().add(name.clone(), whom);
        }
    }

    fn refusal(&mut self, apdu: &[u8], _now: Now) -> Option<TransferRefusal> {
        let is_refused = of_ours(apdu).1.iter().any(|whom| whom.contains("REFUSED"));
        is_refused.then_some(TransferRefusal::Permanent)
    }

    fn note(&mut self, line: &str) {
        panic!("the users' MTA: {line}");
    }
}

struct Crash {
    step: u64,
    disk: Disk,
    seen: Seen,
    acknowledged: BTreeSet<String>,
}

/// Lets a relay work on what is on the disk, and on messages, until nothing is left to do. Gives what was
/// seen, how many transfers were in doubt, and crashes at each step of the disk.
fn run(seed: u64, disk: &Disk, waiting: Vec<usize>) -> (Book, u64, Vec<Crash>) {
    let world = World::new(WorldConfig::new(seed));
    let book = Rc::new(RefCell::new(Book::default()));
    let mut users = endpoint(&world, "SINK", "RELAY", None, Users(Rc::clone(&book)));
    users.listen(address(3)).unwrap();
    let call = (!waiting.is_empty()).then_some((address(1), 2));
    let expected = waiting.len();
    let origin = Origin { book: Rc::clone(&book), waiting };
    let mut origin = endpoint(&world, "SOURCE", "RELAY", call, origin);
    origin.listen(address(4)).unwrap();
    let mut relay = Solo::open(world.engine_on(disk), settings(), IDENTITY).unwrap();
    let mut crashes: Vec<Crash> = Vec::new();
    let mut turns = 0;
    let in_doubt = loop {
        origin.turn(None).unwrap();
        assert!(relay.turn().unwrap());
        users.turn(None).unwrap();
        let step = disk.step();
        if expected > 0 && crashes.last().is_none_or(|last| step > last.step) {
            let book = book.borrow();
            let (seen, acknowledged) = (book.seen.clone(), book.acknowledged.clone());
            let disk = disk.crash_image(seed ^ step);
            crashes.push(Crash { step, disk, seen, acknowledged });
        }
        let counters = relay.counters();
        let is_idle = counters.queued + counters.deriving == 0;
        if is_idle && book.borrow().acknowledged.len() == expected && turns > 0 {
            assert_eq!(counters.held_unreadable, 0, "{counters:?}");
            break counters.in_doubt_recovered + counters.in_doubt_lost;
        }
        world.advance();
        turns += 1;
        assert!(turns < 200_000, "{counters:?}");
    };
    drop((relay, users, origin));
    (Rc::into_inner(book).unwrap().into_inner(), in_doubt, crashes)
}

#[test]
fn a_crash_at_any_step_neither_loses_nor_doubles_what_is_derived() {
    let (whole, in_doubt, crashes) = run(17, &Disk::new(), (0..COUNT).collect());
    assert_eq!(in_doubt, 0);
    let of_each = [
        "C=FR;A=SINK;S=ONE".to_owned(),
        "C=FR;A=SINK;S=TWO".to_owned(),
        format!("delivery of {LIST} told {ORIGINATOR}"),
        format!("non-delivery of C=IT;A=NOWHERE;S=ROSSI told {ORIGINATOR}"),
        format!("non-delivery of C=IT;A=NOWHERE;S=ROSSI told {OWNER}"),
        format!("non-delivery of {} told {ORIGINATOR}", RECIPIENTS[2]),
    ];
    let expected: BTreeSet<(String, String)> = (0..COUNT)
        .flat_map(|number| of_each.iter().map(move |what| (format!("m{number}"), what.clone())))
        .collect();
    assert_eq!(whole.seen.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(whole.seen.values().all(|count| *count == 1), "{:?}", whole.seen);
    assert!(crashes.len() > 60, "{} crashes", crashes.len());
    let mut again = 0;
    for crash in &crashes {
        let step = crash.step;
        let (after, in_doubt, _) = run(step, &crash.disk, Vec::new());
        let mut twice = 0;
        for key in &expected {
            let count = |seen: &Seen| seen.get(key).copied().unwrap_or(0);
            let (before, after) = (count(&crash.seen), count(&after.seen));
            let is_acknowledged = crash.acknowledged.contains(&key.0);
            assert!(!is_acknowledged || before + after > 0, "step {step}: {key:?} is lost");
            twice += (before + after).saturating_sub(1) as u64;
            again += after;
        }
        assert!(after.seen.keys().all(|key| expected.contains(key)), "step {step}");
        assert!(twice <= in_doubt, "step {step}: {twice} again, {in_doubt} in doubt");
    }
    assert!(again > crashes.len(), "hardly anything was left to do after crashes: {again}");
}
