//! APDUs by what matters to a decision, a small network around the relay, and the decisions in short.

use p1relay::base::clock::WallTime;
use p1relay::ber::{Tag, write};
use p1relay::mta::decide::{AcceptedContentType, ConnectorFacts, Context, Decision, Hop, decide};
use p1relay::mta::derive::{Derivation, Verdict};
use p1relay::mta::policy::Policy;
use p1relay::p1::build::{MessageBuilder, ProbeBuilder, RecipientFields, ReportBuilder};
use p1relay::p1::build::{ReportType, ReportedRecipient, encode_mts_identifier};
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::encoded_information_types::AcceptedTypes;
use p1relay::p1::non_delivery::NonDelivery;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::scan::{Scan, scan};
use p1relay::p1::time::utc_time;
use p1relay::routing::{ConnectorIndex, Entry, LinkStates, Pattern, Table};
use support::tree::Node;

/// The time of every decision.
pub(crate) const NOW: WallTime = WallTime(1_800_000_000_000);

pub(crate) const HOUR_MS: i64 = 3_600_000;

/// A moment so many hours after the decision.
pub(crate) fn hours_later(count: i64) -> WallTime {
    WallTime(NOW.0 + count * HOUR_MS)
}

pub(crate) fn domain(text: &str) -> GlobalDomainIdentifier {
    text.parse().unwrap()
}

pub(crate) fn address(text: &str) -> OrAddress {
    text.parse().unwrap()
}

/// A whole O/R name element.
pub(crate) fn or_name(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    address(text).encode(&mut octets);
    octets
}

pub(crate) fn scanned(apdu: &[u8]) -> Scan {
    let mut found = Scan::new();
    scan(apdu, &mut found).unwrap();
    found
}

/// What a connector of the network is.
pub(crate) struct Connector {
    pub(crate) domain: Option<GlobalDomainIdentifier>,
    pub(crate) message_size_max: usize,
    pub(crate) is_local: bool,
    pub(crate) content_types: Option<Vec<AcceptedContentType>>,
    pub(crate) encoded_information_types: Option<AcceptedTypes>,
}

/// Connectors of the network.
pub(crate) const ACME: u16 = 0;
pub(crate) const TRAEGER: u16 = 1;
pub(crate) const LOCAL: u16 = 2;

/// Recipients behind them.
pub(crate) const AT_ACME: &str = "C=GB;A=CARRIER;P=ACME;S=SMITH";
pub(crate) const AT_TRAEGER: &str = "C=DE;A=TRAEGER;S=SCHMIDT";
pub(crate) const AT_HOME: &str = "C=GB;A=CARRIER;P=RELAY;S=HOME";
pub(crate) const NOWHERE: &str = "C=FR;A=ATLAS;S=PERSONNE";
pub(crate) const LIST: &str = "C=GB;A=CARRIER;P=RELAY;CN=staff";
pub(crate) const OTHER_LIST: &str = "C=GB;A=CARRIER;P=RELAY;CN=board";
pub(crate) const ORIGINATOR: &str = "C=GB;A=CARRIER;P=OTHER;S=JONES";

/// The relay and what is around it.
pub(crate) struct Network {
    pub(crate) domain: GlobalDomainIdentifier,
    pub(crate) connectors: Vec<Connector>,
    pub(crate) routes: Vec<(&'static str, u16)>,
    pub(crate) policy: Policy,
}

impl Network {
    /// Three connectors: the private domain ACME, the carrier TRAEGER, and a local one.
    pub(crate) fn new() -> Network {
        let connector = |text: Option<&str>| Connector {
            domain: text.map(domain),
            message_size_max: 100_000,
            is_local: text.is_none(),
            content_types: None,
            encoded_information_types: None,
        };
        Network {
            domain: domain("C=GB;A=CARRIER;P=RELAY"),
            connectors: vec![
                connector(Some("C=GB;A=CARRIER;P=ACME")),
                connector(Some("C=DE;A=TRAEGER")),
                connector(None),
            ],
            routes: vec![
                ("C=GB;A=CARRIER;P=ACME", ACME),
                ("C=DE;A=TRAEGER", TRAEGER),
                ("C=GB;A=CARRIER;P=RELAY", LOCAL),
            ],
            policy: Policy::default(),
        }
    }

    pub(crate) fn decision(&self, apdu: &[u8], only: Option<&[u16]>) -> Decision {
        let entry = |(pattern, connector): &(&str, u16)| Entry {
            pattern: Pattern::parse(pattern).unwrap(),
            cost: 10,
            connector: ConnectorIndex(*connector),
        };
        let entries: Vec<Entry> = self.routes.iter().map(entry).collect();
        let found = scanned(apdu);
        let mut decision = Decision::default();
        let context = Context {
            domain: &self.domain,
            mta_name: "relay",
            table: &Table::compile(&entries),
            links: &LinkStates::new(self.connectors.len()),
            connector: &|index| {
                let connector = &self.connectors[usize::from(index.0)];
                ConnectorFacts {
                    domain: connector.domain.as_ref(),
                    message_size_max: connector.message_size_max,
                    is_local: connector.is_local,
                    content_types: connector.content_types.as_deref(),
                    encoded_information_types: connector.encoded_information_types.as_ref(),
                }
            },
            policy: &self.policy,
            now: NOW,
            apdu_size: apdu.len(),
        };
        decide(apdu, &found, &context, only, &mut decision).unwrap();
        decision
    }

    /// Where each recipient goes, in their order; of a report, its one hop.
    pub(crate) fn hops(&self, draft: &Draft) -> Vec<Hop> {
        self.hops_of(&draft.build())
    }

    /// The same of an APDU's octets.
    pub(crate) fn hops_of(&self, apdu: &[u8]) -> Vec<Hop> {
        let decision = self.decision(apdu, None);
        let mut hops: Vec<(u16, Hop)> = Vec::new();
        for target in decision.targets() {
            match target.recipients.is_empty() {
                true => hops.push((0, target.hop)),
                false => hops.extend(target.recipients.iter().map(|index| (*index, target.hop))),
            }
        }
        hops.sort_by_key(|(index, _)| *index);
        hops.into_iter().map(|(_, hop)| hop).collect()
    }

    /// The hop of the only recipient.
    #[track_caller]
    pub(crate) fn hop(&self, draft: &Draft) -> Hop {
        match self.hops(draft)[..] {
            [hop] => hop,
            ref hops => panic!("{hops:?}"),
        }
    }
}

pub(crate) fn over(connector: u16) -> Hop {
    Hop::Connector(ConnectorIndex(connector))
}

pub(crate) fn undeliverable(why: NonDelivery) -> Hop {
    Hop::Derive(Derivation::Report(Verdict::NonDelivery(why)))
}

pub(crate) fn discarded(why: NonDelivery) -> Hop {
    Hop::Derive(Derivation::Discard(why))
}

pub(crate) fn deliverable(type_of_mts_user: u8) -> Hop {
    Hop::Derive(Derivation::Report(Verdict::Delivery { at: NOW, type_of_mts_user }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Probe,
    Report,
}

/// An APDU, by what matters to a decision. A report goes to its first recipient.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) originator: &'static str,
    pub(crate) recipients: Vec<RecipientFields>,
    pub(crate) trace: Vec<u8>,
    pub(crate) extensions: Vec<u8>,
    pub(crate) deferred: Option<WallTime>,
    pub(crate) content_type: i64,
    pub(crate) content_length: Option<u32>,
    /// Original-encoded-information-types, a whole element.
    pub(crate) encoded_information_types: Option<&'static [u8]>,
    pub(crate) per_message_indicators: u8,
    /// Explicit-conversion of every recipient.
    pub(crate) explicit_conversion: Option<u8>,
}

pub(crate) fn message(recipients: &[&str]) -> Draft {
    Draft {
        kind: Kind::Message,
        originator: ORIGINATOR,
        recipients: recipients.iter().map(|text| address(text).into()).collect(),
        trace: trace_element("C=GB;A=CARRIER;P=OTHER", 0),
        extensions: Vec::new(),
        deferred: None,
        content_type: 22,
        content_length: None,
        encoded_information_types: None,
        per_message_indicators: 0,
        explicit_conversion: None,
    }
}

pub(crate) fn probe(recipients: &[&str]) -> Draft {
    Draft { kind: Kind::Probe, ..message(recipients) }
}

pub(crate) fn report(destination: &str) -> Draft {
    Draft { kind: Kind::Report, ..message(&[destination]) }
}

impl Draft {
    /// With these domains as its trace.
    pub(crate) fn traced(self, domains: &[(&str, u8)]) -> Draft {
        let elements = domains.iter().map(|(text, actions)| trace_element(text, *actions));
        Draft { trace: elements.collect::<Vec<_>>().concat(), ..self }
    }

    /// With another extension of the envelope.
    pub(crate) fn extended(mut self, field: &[u8]) -> Draft {
        self.extensions.extend_from_slice(field);
        self
    }

    /// With another extension of every recipient.
    pub(crate) fn each_extended(mut self, field: &[u8]) -> Draft {
        self.recipients.iter_mut().for_each(|it| it.extensions.extend_from_slice(field));
        self
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let apdu = self.build_plain();
        if self.encoded_information_types.is_none() && self.explicit_conversion.is_none() {
            return apdu;
        }
        let mut node = Node::parse_all(&apdu);
        let envelope = match self.kind {
            Kind::Message => &mut node.children_mut()[0],
            Kind::Probe => &mut node,
            Kind::Report => panic!("a report has neither"),
        };
        envelope.children_mut().extend(self.encoded_information_types.map(Node::parse_all));
        let fields = envelope.children_mut().iter_mut();
        let recipients = fields.filter(|field| field.identifier == [0xa2]);
        for recipient in recipients.flat_map(Node::children_mut) {
            let conversion = self.explicit_conversion.map(|value| [0x82, 0x01, value]);
            recipient.children_mut().extend(conversion.map(|octets| Node::parse_all(&octets)));
        }
        node.encode()
    }

    fn build_plain(&self) -> Vec<u8> {
        let from = domain("C=GB;A=CARRIER;P=OTHER");
        match self.kind {
            Kind::Message => MessageBuilder {
                content_type: self.content_type,
                deferred_delivery_time: self.deferred,
                extensions: &self.extensions,
                per_message_indicators: self.per_message_indicators,
                recipients: self.recipients.clone(),
                content: b"content",
                ..MessageBuilder::new(from, "1", address(self.originator), &self.trace)
            }
            .build(),
            Kind::Probe => ProbeBuilder {
                domain: from,
                local_identifier: "1",
                originator: address(self.originator),
                content_type: self.content_type,
                content_identifier: None,
                content_length: self.content_length,
                per_message_indicators: self.per_message_indicators,
                trace: &self.trace,
                extensions: &self.extensions,
                recipients: self.recipients.clone(),
            }
            .build(),
            Kind::Report => self.build_report(from),
        }
    }

    fn build_report(&self, from: GlobalDomainIdentifier) -> Vec<u8> {
        let mut destination = Vec::new();
        self.recipients[0].or_address.encode(&mut destination);
        let mut subject = Vec::new();
        encode_mts_identifier(&from, "subject", &mut subject);
        ReportBuilder {
            domain: from,
            local_identifier: "1",
            report_destination_name: &destination,
            trace: &self.trace,
            extensions: &self.extensions,
            subject_identifier: &subject,
            subject_intermediate_trace: None,
            content_type: None,
            content_identifier: None,
            subject_fields: &[],
            returned_content: None,
            content_extensions: &[],
            recipients: vec![ReportedRecipient {
                actual_recipient_name: &or_name(AT_ACME),
                originally_specified_number: 1,
                indicators: 0x88,
                arrival_time: NOW,
                report_type: ReportType::NonDelivery { reason: 1, diagnostic: Some(0) },
                originally_intended_recipient_name: None,
                supplementary_information: None,
                extensions: &[],
            }],
        }
        .build()
    }
}

fn supplied(out: &mut Vec<u8>, other_actions: u8) {
    write::constructed(out, Tag::SET, |out| {
        write::primitive(out, Tag::context(0), &utc_time(NOW));
        write::integer(out, Tag::context(2), 0);
        if other_actions != 0 {
            write::bits(out, Tag::context(3), other_actions, 6);
        }
    });
}

/// Other-actions of a trace element.
pub(crate) const REDIRECTED: u8 = 0x80;
pub(crate) const DL_OPERATION: u8 = 0x40;

fn trace_element(text: &str, other_actions: u8) -> Vec<u8> {
    let mut out = Vec::new();
    write::constructed(&mut out, Tag::SEQUENCE, |out| {
        out.extend_from_slice(domain(text).encoded());
        supplied(out, other_actions);
    });
    out
}

/// Internal-trace-information of these MTAs of the relay's domain.
pub(crate) fn internal_trace(mtas: &[(&str, u8)]) -> Vec<u8> {
    let mut value = Vec::new();
    write::constructed(&mut value, Tag::SEQUENCE, |out| {
        for (name, other_actions) in mtas {
            write::constructed(out, Tag::SEQUENCE, |out| {
                out.extend_from_slice(domain("C=GB;A=CARRIER;P=RELAY").encoded());
                write::primitive(out, Tag::IA5_STRING, name.as_bytes());
                supplied(out, *other_actions);
            });
        }
    });
    extension(38, 0, &value)
}

/// Criticality bits.
pub(crate) const FOR_SUBMISSION: u8 = 0x80;
pub(crate) const FOR_TRANSFER: u8 = 0x40;
pub(crate) const FOR_DELIVERY: u8 = 0x20;

/// A standard extension field.
pub(crate) fn extension(number: i64, criticality: u8, value: &[u8]) -> Vec<u8> {
    extension_of(criticality, value, |out| {
        write::constructed(out, Tag::context(0), |out| write::integer(out, Tag::INTEGER, number));
    })
}

/// A private extension field.
pub(crate) fn private_extension(criticality: u8) -> Vec<u8> {
    extension_of(criticality, &[0x05, 0x00], |out| {
        write::constructed(out, Tag::context(3), |out| {
            write::primitive(out, Tag::OBJECT_IDENTIFIER, &[0x2a, 0x03, 0x04]);
        });
    })
}

fn extension_of(criticality: u8, value: &[u8], kind: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write::constructed(&mut out, Tag::SEQUENCE, |out| {
        kind(out);
        if criticality != 0 {
            write::bits(out, Tag::context(1), criticality, 5);
        }
        write::constructed(out, Tag::context(2), |out| out.extend_from_slice(value));
    });
    out
}

/// An extension field of an enumerated value.
pub(crate) fn enumerated(number: i64, value: u8) -> Vec<u8> {
    extension(number, FOR_DELIVERY, &[0x0a, 0x01, value])
}

pub(crate) fn latest_delivery_time(time: WallTime) -> Vec<u8> {
    let mut value = Vec::new();
    write::primitive(&mut value, Tag::UTC_TIME, &utc_time(time));
    extension(5, FOR_DELIVERY, &value)
}

pub(crate) fn alternate_recipient(text: &str) -> Vec<u8> {
    extension(2, 0, &or_name(text))
}

/// Redirection-history of these intended recipients with their reasons.
pub(crate) fn redirection_history(redirections: &[(&str, u8)]) -> Vec<u8> {
    let mut value = Vec::new();
    write::constructed(&mut value, Tag::SEQUENCE, |out| {
        for (text, reason) in redirections {
            write::constructed(out, Tag::SEQUENCE, |out| {
                write::constructed(out, Tag::SEQUENCE, |out| {
                    out.extend_from_slice(&or_name(text));
                    write::primitive(out, Tag::UTC_TIME, &utc_time(NOW));
                });
                write::primitive(out, Tag::ENUMERATED, &[*reason]);
            });
        }
    });
    extension(25, 0, &value)
}

/// Dl-expansion-history of these lists.
pub(crate) fn expansion_history(lists: &[&str]) -> Vec<u8> {
    let mut value = Vec::new();
    write::constructed(&mut value, Tag::SEQUENCE, |out| {
        for text in lists {
            write::constructed(out, Tag::SEQUENCE, |out| {
                out.extend_from_slice(&or_name(text));
                write::primitive(out, Tag::UTC_TIME, &utc_time(NOW));
            });
        }
    });
    extension(26, 0, &value)
}
