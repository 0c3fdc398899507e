//! Messages and probes to random recipients, and what became of each of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use p1relay::base::buffer::Lease;
use p1relay::base::clock::Now;
use p1relay::endpoint::{Next, Script};
use p1relay::io::simulated::Random;
use p1relay::p1::build::{
    MessageBuilder, ProbeBuilder, RecipientFields, encode_standard_extension,
};
use p1relay::p1::or_address::{OrAddress, attributes};
use p1relay::p1::scan::{ApduKind, Priority, Responsibility, Scan, scan};
use p1relay::p1::schema::{MtsApdu, ReportType};

/// Where all messages come from and all reports go.
pub(crate) const ORIGINATOR: &str = "C=FR;A=ORIGIN;S=SMITH";

const ALTERNATE_RECIPIENT: i64 = 2;
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

/// Every fate that was seen.
pub(crate) type Fates = Rc<RefCell<BTreeMap<Key, Vec<Fate>>>>;

/// A distribution list of the network.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) address: String,
    pub(crate) members: Vec<String>,
}

/// What is sent, and whom it is for.
pub(crate) struct Traffic {
    pub(crate) apdus: Vec<Lease>,
    pub(crate) expected: Vec<Key>,
}

impl Traffic {
    /// Messages to users of `domain_count` domains, of which not all are there, and to lists.
    pub(crate) fn new(random: &mut Random, domain_count: u64, lists: &[List]) -> Traffic {
        let mut traffic = Traffic { apdus: Vec::new(), expected: Vec::new() };
        let mut unused: Vec<&List> = lists.iter().collect();
        for number in 0..MESSAGE_COUNT {
            let name = format!("m{number}");
            let mut recipients = Vec::new();
            for index in 1..=1 + random.below(5) as u32 {
                let user = |random: &mut Random| {
                    // One domain more than there are.
                    format!("C=GB;A=R{};P=M;S=U{}", random.below(domain_count + 1), random.below(9))
                };
                if random.one_in(8)
                    && let Some(list) = unused.pop()
                {
                    recipients.push(address(&list.address).into());
                    let member = |text: &String| (name.clone(), index, Some(folded(text)));
                    traffic.expected.extend(list.members.iter().map(member));
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
            let is_probe = random.one_in(6)
                && traffic.expected.iter().all(|key| key.0 != name || key.2.is_none());
            traffic.apdus.push(match is_probe {
                true => probe(&name, recipients),
                false => message(random, &name, recipients),
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

fn message(random: &mut Random, name: &str, recipients: Vec<RecipientFields>) -> Lease {
    let trace = trace();
    let domain = "C=FR;A=ORIGIN".parse().unwrap();
    let mut builder = MessageBuilder::new(domain, name, address(ORIGINATOR), &trace);
    builder.recipients = recipients;
    builder.priority = Priority::BY_URGENCY[random.below(3) as usize];
    // disclosure-of-other-recipients, content-return-request
    builder.per_message_indicators = (random.number() as u8) & 0x90;
    let size = if random.one_in(5) { 150_000 } else { random.below(3_000) as usize };
    let content = vec![0x5a; size];
    builder.content = &content;
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

    fn returned(&mut self, number: u64, _in_doubt: bool) {
        let found = self.under_way.iter().position(|sent| sent.0 == number).unwrap();
        self.waiting.push(self.under_way.swap_remove(found));
    }

    fn received(&mut self, apdu: &[u8], _now: Now) {
        let MtsApdu::Report(report) = rasn::ber::decode(apdu).unwrap() else {
            panic!("the originator is sent something else than a report");
        };
        let name = report.content.subject_identifier.local_identifier.to_string();
        for recipient in &report.content.per_recipient_fields {
            let ReportType::NonDelivery(_) = recipient.last_trace_information.report_type else {
                continue;
            };
            let name_octets = rasn::ber::encode(&recipient.actual_recipient_name).unwrap();
            let whom = attributes(&name_octets).unwrap().to_owned().to_string();
            let member =
                self.lists.iter().any(|list| list.members.iter().any(|it| folded(it) == whom));
            let key = (
                name.clone(),
                recipient.originally_specified_recipient_number,
                member.then_some(whom),
            );
            self.fates.borrow_mut().entry(key).or_default().push(Fate::Reported);
        }
    }

    /// A transfer refused for now comes again.
    fn note(&mut self, _line: &str) {}

    fn is_finished(&self) -> bool {
        false
    }
}

/// The MTA of one domain's users: takes messages and probes.
pub(crate) struct Sink {
    pub(crate) fates: Fates,
    pub(crate) lists: Vec<List>,
}

impl Script for Sink {
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        Next::Idle
    }

    fn confirmed(&mut self, _number: u64, _now: Now) {}

    fn returned(&mut self, _number: u64, _in_doubt: bool) {}

    fn received(&mut self, apdu: &[u8], _now: Now) {
        let mut found = Scan::default();
        scan(apdu, &mut found).unwrap();
        assert_ne!(found.kind, ApduKind::Report, "a report goes to its originator");
        let name = found.mts_identifier.local_identifier.octets(apdu);
        let name = String::from_utf8(name.to_vec()).unwrap();
        let of_ours =
            found.recipients.iter().filter(|it| it.responsibility() == Responsibility::Responsible);
        for recipient in of_ours {
            let whom = attributes(recipient.or_name.octets(apdu)).unwrap().to_owned().to_string();
            let member =
                self.lists.iter().any(|list| list.members.iter().any(|it| folded(it) == whom));
            let number = recipient.originally_specified_number;
            let key = (name.clone(), number, member.then_some(whom));
            self.fates.borrow_mut().entry(key).or_default().push(Fate::Delivered);
        }
    }

    fn note(&mut self, _line: &str) {}

    fn is_finished(&self) -> bool {
        false
    }
}
