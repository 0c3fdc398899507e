//! All that a relay does to a message between reading and sending it.

use p1relay::base::clock::WallTime;
use p1relay::mta::decide::{ConnectorFacts, Context, Decision, decide};
use p1relay::mta::policy::Policy;
use p1relay::mta::prepare::{Relay, prepare};
use p1relay::mta::quirks::Quirks;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::patch::Patched;
use p1relay::p1::scan::{Scan, scan};
use p1relay::routing::{ConnectorIndex, Entry, LinkStates, Pattern, Table};

const ARRIVED: WallTime = WallTime(1_800_000_000_000);

/// A relay's working memory and configuration: 1,000 address spaces of four kinds.
pub(crate) struct Mta {
    domain: GlobalDomainIdentifier,
    partner: GlobalDomainIdentifier,
    table: Table,
    links: LinkStates,
    scan: Scan,
    decision: Decision,
    elements: Vec<u8>,
    patched: Patched,
    quirks: Quirks,
    policy: Box<Policy>,
}

impl Mta {
    /// One whose routes lead both recipients over one connector, or each over its own.
    pub(crate) fn new(split: bool) -> Mta {
        let entry = |pattern: &str, connector| Entry {
            pattern: Pattern::parse(pattern).expect("a pattern"),
            cost: 10,
            connector: ConnectorIndex(connector),
        };
        let mut entries: Vec<Entry> = (0..994)
            .map(|number| entry(&format!("C=FR;A=ATLAS;P=SITE{number};O=UNIT"), number % 8))
            .collect();
        entries.extend([
            entry("C=GB;A=CARRIER;P=OTHER", 1),
            entry("C=GB;A=CARRIER;P=ACME", 0),
            entry("C=GB;A=CARRIER", 3),
            entry("C=DE;A=TRAEGER", 1 + u16::from(split)),
            entry("C=DE", 4),
            entry("*", 5),
        ]);
        Mta {
            domain: "C=GB;A=CARRIER;P=RELAY".parse().expect("a domain"),
            partner: "C=GB;A=CARRIER;P=OTHER".parse().expect("a domain"),
            table: Table::compile(&entries),
            links: LinkStates::new(8),
            scan: Scan::new(),
            decision: Decision::default(),
            elements: Vec::new(),
            patched: Patched::new(),
            quirks: Quirks::default(),
            policy: Box::default(),
        }
    }

    /// Scans, decides, and patches for each next hop; gives the octets that leave.
    pub(crate) fn relay(&mut self, apdu: &[u8]) -> usize {
        scan(apdu, &mut self.scan).expect("a valid message");
        let context = Context {
            domain: &self.domain,
            mta_name: "relay",
            table: &self.table,
            links: &self.links,
            connector: &|_| ConnectorFacts {
                domain: Some(&self.partner),
                message_size_max: apdu.len(),
                is_local: false,
                content_types: None,
                encoded_information_types: None,
            },
            policy: &self.policy,
            now: ARRIVED,
            apdu_size: apdu.len(),
        };
        decide(apdu, &self.scan, &context, None, &mut self.decision)
            .expect("addresses that can be read");
        let mut size = 0;
        for target in self.decision.targets() {
            let relay = Relay {
                domain: &self.domain,
                mta_name: "relay",
                arrived: ARRIVED,
                defers: true,
                is_internal: false,
                quirks: &self.quirks,
            };
            let serves = |recipient: usize| target.recipients.contains(&(recipient as u16));
            let Mta { scan, elements, patched, .. } = self;
            prepare(apdu, scan, &relay, serves, elements, patched);
            size += patched.size();
        }
        size
    }

    /// How many next hops the last message had.
    pub(crate) fn target_count(&self) -> usize {
        self.decision.targets().len()
    }
}
