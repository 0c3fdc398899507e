//! Messages and probes to random recipients, and what became of each of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use p1relay::base::buffer::Lease;
use p1relay::base::clock::{Now, WallTime};
use p1relay::endpoint::{Next, Script};
use p1relay::io::simulated::Random;
use p1relay::osi::rtse::TransferRefusal;
use p1relay::p1::build::{
    DEFAULT_INDICATORS, MessageBuilder, ProbeBuilder, RecipientFields, encode_standard_extension,
};
use p1relay::p1::or_address::{OrAddress, attributes};
use p1relay::p1::scan::{ApduKind, Priority, Responsibility, Scan, scan};
use p1relay::p1::schema::{MtsApdu, ReportType};
use p1relay::p1::time::utc_time;

use crate::faults::Conditions;

/// Where all messages come from and all reports go.
pub(crate) const ORIGINATOR: &str = "C=FR;A=ORIGIN;S=SMITH";

const ALTERNATE_RECIPIENT: i64 = 2;
const LATEST_DELIVERY_TIME: i64 = 5;
/// Responsible; originator and originating MTA want all reports.
const REPORT_INDICATORS: u8 = 0xd0;
/// When a world begins.
const BEGINNING: WallTime = WallTime(1_767_225_600_000);
const MESSAGE_COUNT: u64 = 12;

/// A recipient of a message: the message's local identifier, the recipient's number in it, and, of a list's
/// member, its address.
pub(crate) type Key = (String, u32, Option<String>);

/// What became of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was delivered to.
    Delivered,
    /// It was reported not to be.
    Reported,
}

/// Recipients that partners refused for good.
pub(crate) type Refused = Rc<RefCell<BTreeSet<Key>>>;

/// Every fate that was seen.
pub(crate) type Fates = Rc<RefCell<BTreeMap<Key, Vec<Fate>>>>;

/// A distribution list of the network.
#[derive(Debug, Clone)]
pub(crate) struct List {
    /// The relay that expands it.
    pub(crate) home: usize,
    pub(crate) address: String,
    /// Users.
    pub(crate) members: Vec<String>,
    /// A list that is a member too.
    pub(crate) inner: Option<usize>,
}

/// The lists through which a message to `first` comes, each once.
fn expansions(lists: &[List], first: usize) -> Vec<usize> {
    let mut found = vec![first];
    while let Some(inner) = lists[*found.last().unwrap()].inner
        && !found.contains(&inner)
    {
        found.push(inner);
    }
    found
}

/// Whom a fate is of beside a recipient's number: a member of a list, or a list.
fn beside_number(lists: &[List], whom: &str) -> Option<String> {
    lists
        .iter()
        .any(|list| {
            folded(&list.address) == whom || list.members.iter().any(|it| folded(it) == whom)
        })
        .then(|| whom.to_owned())
}

/// What is sent, and whom it is for.
pub(crate) struct Traffic {
    pub(crate) apdus: Vec<Lease>,
    pub(crate) expected: Vec<Key>,
}

impl Traffic {
    /// Messages to users of `domain_count` domains, of which not all are there, and to lists.
    pub(crate) fn new(
        random: &mut Random,
        conditions: Conditions,
        domain_count: u64,
        lists: &[List],
    ) -> Traffic {
        let mut traffic = Traffic { apdus: Vec::new(), expected: Vec::new() };
        for number in 0..MESSAGE_COUNT {
            let name = format!("m{number}");
            let is_probe = random.one_in(6);
            let mut recipients = Vec::new();
            // One that is named twice has its members once.
            let mut named = BTreeSet::new();
            for index in 1..=1 + random.below(5) as u32 {
                let user = |random: &mut Random| {
                    // One domain more than there are.
                    format!("C=GB;A=R{};P=M;S=U{}", random.below(domain_count + 1), random.below(9))
                };
                let list = random.below(lists.len().max(1) as u64) as usize;
                if random.one_in(8) && list < lists.len() && named.insert(list) {
                    let is_reported = is_probe || random.one_in(2);
                    let indicators =
                        if is_reported { REPORT_INDICATORS } else { DEFAULT_INDICATORS };
                    let or_address = address(&lists[list].address);
                    recipients.push(RecipientFields { indicators, ..or_address.into() });
                    let reached = match is_probe {
                        true => vec![list],
                        false => expansions(lists, list),
                    };
                    for list in reached.into_iter().map(|list| &lists[list]) {
                        let key = |text: &String| (name.clone(), index, Some(folded(text)));
                        let expected = &mut traffic.expected;
                        expected.extend(is_reported.then(|| key(&list.address)));
                        expected.extend(list.members.iter().filter(|_| !is_probe).map(key));
                    }
                    continue;
                }
                let mut fields: RecipientFields = address(&user(random)).into();
                if random.one_in(4) {
                    let mut alternate = Vec::new();
                    address(&user(random)).encode(&mut alternate);
                    let fields = &mut fields.extensions;
                    encode_standard_extension(ALTERNATE_RECIPIENT, 0, &alternate, fields);
                }
                recipients.push(fields);
                traffic.expected.push((name.clone(), index, None));
            }
            let is_timed = conditions != Conditions::Fair;
            traffic.apdus.push(match is_probe {
                true => probe(&name, recipients),
                false => message(random, &name, recipients, is_timed, !named.is_empty()),
            });
        }
        traffic
    }
}

fn address(text: &str) -> OrAddress {
    text.parse().unwrap()
}

/// An address as all fates name it.
fn folded(text: &str) -> String {
    address(text).to_string()
}

fn trace() -> Vec<u8> {
    use p1relay::base::clock::WallTime;
    use p1relay::p1::trace::{Supplied, encode_trace_element};
    let mut trace = Vec::new();
    let supplied = Supplied::relayed(WallTime(1_767_225_600_000));
    encode_trace_element(&"C=FR;A=ORIGIN".parse().unwrap(), supplied, &mut trace);
    trace
}

fn message(
    random: &mut Random,
    name: &str,
    recipients: Vec<RecipientFields>,
    is_timed: bool,
    has_list: bool,
) -> Lease {
    let trace = trace();
    let domain = "C=FR;A=ORIGIN".parse().unwrap();
    let mut builder = MessageBuilder::new(domain, name, address(ORIGINATOR), &trace);
    builder.recipients = recipients;
    builder.priority = Priority::BY_URGENCY[random.below(3) as usize];
    // disclosure-of-other-recipients, content-return-request
    builder.per_message_indicators = (random.number() as u8) & 0x90;
    let size = match random.below(20) {
        0 if is_timed => 1 << 20,
        0..4 => 150_000,
        _ => random.below(3_000) as usize,
    };
    let content = vec![0x5a; size];
    builder.content = &content;
    let seconds = |count: i64| WallTime(BEGINNING.0 + 1000 * count);
    if is_timed && random.one_in(5) {
        builder.deferred_delivery_time = Some(seconds(1 + random.below(5) as i64));
    }
    let mut extensions = Vec::new();
    // A list that is reported on as a whole would leave its members without a fate.
    if is_timed && random.one_in(5) && !has_list {
        let mut time = vec![23, 13];
        time.extend_from_slice(&utc_time(seconds(random.below(20) as i64 - 3)));
        encode_standard_extension(LATEST_DELIVERY_TIME, 0, &time, &mut extensions);
    }
    builder.extensions = &extensions;
    Lease::copied(&builder.build())
}

fn probe(name: &str, recipients: Vec<RecipientFields>) -> Lease {
    let probe = ProbeBuilder {
        domain: "C=FR;A=ORIGIN".parse().unwrap(),
        local_identifier: name,
        originator: address(ORIGINATOR),
        content_type: 22,
        content_identifier: None,
        content_length: Some(1000),
        per_message_indicators: 0,
        trace: &trace(),
        extensions: &[],
        recipients,
    };
    Lease::copied(&probe.build())
}

/// Sends everything, and takes the reports.
pub(crate) struct Source {
    pub(crate) waiting: Vec<(u64, Lease)>,
    pub(crate) under_way: Vec<(u64, Lease)>,
    pub(crate) fates: Fates,
    pub(crate) lists: Vec<List>,
    /// Transfers that were begun anew and may have happened.
    pub(crate) doubt_count: u64,
}

impl Script for Source {
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        let Some((number, apdu)) = self.waiting.pop() else { return Next::Idle };
        self.under_way.push((number, apdu.clone()));
        Next::Transfer { number, apdu }
    }

    fn confirmed(&mut self, number: u64, _now: Now) {
        self.under_way.retain(|sent| sent.0 != number);
    }

    fn returned(&mut self, number: u64, in_doubt: bool) {
        self.doubt_count += u64::from(in_doubt);
        let found = self.under_way.iter().position(|sent| sent.0 == number).unwrap();
        self.waiting.push(self.under_way.swap_remove(found));
    }

    fn received(&mut self, apdu: &[u8], _now: Now) {
        let MtsApdu::Report(report) = rasn::ber::decode(apdu).unwrap() else {
            panic!("the originator is sent something else than a report");
        };
        let name = report.content.subject_identifier.local_identifier.to_string();
        for recipient in &report.content.per_recipient_fields {
            let fate = match recipient.last_trace_information.report_type {
                ReportType::Delivery(_) => Fate::Delivered,
                ReportType::NonDelivery(_) => Fate::Reported,
            };
            let name_octets = rasn::ber::encode(&recipient.actual_recipient_name).unwrap();
            let whom = attributes(&name_octets).unwrap().to_owned().to_string();
            let key = (
                name.clone(),
                recipient.originally_specified_recipient_number,
                beside_number(&self.lists, &whom),
            );
            self.fates.borrow_mut().entry(key).or_default().push(fate);
        }
    }
}

/// The MTA of one domain's users: takes messages and probes.
pub(crate) struct Sink {
    pub(crate) fates: Fates,
    pub(crate) lists: Vec<List>,
    pub(crate) refused: Refused,
    pub(crate) mood: Mood,
}

/// How an MTA treats what comes.
pub(crate) enum Mood {
    /// It takes everything.
    Kind,
    /// It refuses some users' messages for good, and any for now.
    Unkind(Random),
}

/// Whom an APDU is for, of those in the receiver's responsibility.
fn recipients(apdu: &[u8], lists: &[List]) -> Vec<(Key, String)> {
    let mut found = Scan::default();
    scan(apdu, &mut found).unwrap();
    assert_ne!(found.kind, ApduKind::Report, "a report goes to its originator");
    let name = found.mts_identifier.local_identifier.octets(apdu);
    let name = String::from_utf8(name.to_vec()).unwrap();
    let of_ours =
        found.recipients.iter().filter(|it| it.responsibility() == Responsibility::Responsible);
    of_ours
        .map(|recipient| {
            let whom = attributes(recipient.or_name.octets(apdu)).unwrap().to_owned().to_string();
            let number = recipient.originally_specified_number;
            ((name.clone(), number, beside_number(lists, &whom)), whom)
        })
        .collect()
}

impl Script for Sink {
    fn received(&mut self, apdu: &[u8], _now: Now) {
        for (key, _) in recipients(apdu, &self.lists) {
            self.fates.borrow_mut().entry(key).or_default().push(Fate::Delivered);
        }
    }

    fn refusal(&mut self, apdu: &[u8], _now: Now) -> Option<TransferRefusal> {
        let Mood::Unkind(random) = &mut self.mood else { return None };
        if random.one_in(4) {
            return Some(TransferRefusal::Temporary);
        }
        let all = recipients(apdu, &self.lists);
        let unwanted = all.iter().any(|(_, whom)| whom.ends_with("U8") || whom.ends_with("x3"));
        unwanted.then(|| {
            self.refused.borrow_mut().extend(all.into_iter().map(|(key, _)| key));
            TransferRefusal::Permanent
        })
    }
}
