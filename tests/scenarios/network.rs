//! Two relays between a sending MTA and a receiving one, and how what comes out is read.

use std::net::SocketAddr;

use p1relay::p1::or_address::OrAddress;
use p1relay::p1::schema::{Message, MtsApdu, NonDeliveryReport, Report, ReportType};
use support::mta::{Mta, MtaConfig};
use support::port::Port;
use support::relay::{Partner, Relay, RelayConfig, SMALL_STORE};
use support::wait_until;

/// The domain of the sending MTA's users, as [`support::apdu`] has it.
pub(crate) const SENDER_SPACE: &[&str] = &["C=GB;A=CARRIER;P=ACME"];
/// The domain of the western relay.
pub(crate) const WEST: &str = "C=GB;A=WEST";
/// The domain of the eastern relay.
pub(crate) const EAST: &str = "C=FR;A=EAST";
/// What goes to the receiving MTA.
pub(crate) const RECEIVER_SPACE: &[&str] = &["C=FR;A=EAST;P=RECEIVER"];

/// SENDER - WEST - EAST - RECEIVER.
pub(crate) struct Backbone {
    pub(crate) west: Relay,
    pub(crate) east: Relay,
    pub(crate) sender: Mta,
    pub(crate) receiver: Mta,
}

/// Makes a test of each function, which takes a number of shards, with one shard and with two: then what is
/// derived at one shard is sent from the other.
macro_rules! on_one_and_two_shards {
    ($($name:ident),+ $(,)?) => {
        mod one_shard {
            $(#[test]
            fn $name() {
                super::$name(1);
            })+
        }

        mod two_shards {
            $(#[test]
            fn $name() {
                super::$name(2);
            })+
        }
    };
}

pub(crate) use on_one_and_two_shards;

/// What differs from one backbone to another.
pub(crate) struct BackboneConfig<'a> {
    /// Of each relay.
    pub(crate) shard_count: usize,
    /// What the sender sends.
    pub(crate) apdus: Vec<Vec<u8>>,
    /// What WEST sends to EAST; none: all of France.
    pub(crate) west_spaces: &'a [&'a str],
    /// What EAST sends to WEST; none: all of Britain.
    pub(crate) east_spaces: &'a [&'a str],
    /// More lines of WEST's `[mta]`.
    pub(crate) west_lines: &'a str,
    /// More tables of WEST's configuration.
    pub(crate) west_tables: &'a str,
}

impl BackboneConfig<'_> {
    /// The plain one, of relays with so many shards.
    pub(crate) fn of_shards(shard_count: usize) -> Self {
        BackboneConfig {
            shard_count,
            apdus: Vec::new(),
            west_spaces: &[],
            east_spaces: &[],
            west_lines: "",
            west_tables: "",
        }
    }
}

impl Backbone {
    pub(crate) fn start(config: BackboneConfig<'_>) -> Backbone {
        let (west_port, east_port) = (Port::reserve(), Port::reserve());
        let sender = mta("SENDER", Some(west_port.address), config.apdus);
        let receiver = mta("RECEIVER", None, Vec::new());
        let west_spaces: &[&str] = match config.west_spaces {
            [] => &["C=FR"],
            spaces => spaces,
        };
        let east_spaces: &[&str] = match config.east_spaces {
            [] => &["C=GB"],
            spaces => spaces,
        };
        let west = RelayConfig {
            name: "WEST",
            domain: WEST,
            listen: west_port.address,
            shard_count: config.shard_count,
            lines: &format!("{SMALL_STORE}\n{}", config.west_lines),
            partners: &[
                partner("SENDER", Some(sender.address), None, SENDER_SPACE),
                partner("EAST", Some(east_port.address), Some(EAST), west_spaces),
            ],
            tables: config.west_tables,
        };
        let east = RelayConfig {
            name: "EAST",
            domain: EAST,
            listen: east_port.address,
            shard_count: config.shard_count,
            lines: SMALL_STORE,
            partners: &[
                partner("WEST", Some(west_port.address), Some(WEST), east_spaces),
                partner("RECEIVER", Some(receiver.address), None, RECEIVER_SPACE),
            ],
            tables: "",
        };
        Backbone {
            west: Relay::start(&west.text(), "epoll"),
            east: Relay::start(&east.text(), "epoll"),
            sender,
            receiver,
        }
    }

    /// Waits until both relays have sent this many APDUs on, and that they take no more.
    #[track_caller]
    pub(crate) fn settle(&self, west: u64, east: u64) {
        wait_until("transfers out", || {
            self.west.counters().transfers_out >= west && self.east.counters().transfers_out >= east
        });
        let out = [&self.west, &self.east].map(|relay| relay.counters().transfers_out);
        assert_eq!(out, [west, east]);
    }
}

/// A foreign MTA, which shows its name followed by ` password`.
pub(crate) fn mta(name: &str, call: Option<SocketAddr>, apdus: Vec<Vec<u8>>) -> Mta {
    let password = &format!("{name} password");
    Mta::start(MtaConfig { name, password, call, apdus, ..MtaConfig::default() })
}

/// The connector of a relay to such an MTA, or to another relay.
pub(crate) fn partner<'a>(
    name: &'a str,
    address: Option<SocketAddr>,
    domain: Option<&'a str>,
    address_spaces: &'a [&'a str],
) -> Partner<'a> {
    // A password is as long as the test.
    let password = format!("{name} password").leak();
    Partner { name, password, domain, address, address_spaces, lines: "" }
}

/// The message that an APDU is.
#[track_caller]
pub(crate) fn message(apdu: &[u8]) -> Message {
    match rasn::ber::decode(apdu).unwrap() {
        MtsApdu::Message(message) => message,
        other => panic!("no message: {other:?}"),
    }
}

/// The report that an APDU is.
#[track_caller]
pub(crate) fn report(apdu: &[u8]) -> Report {
    match rasn::ber::decode(apdu).unwrap() {
        MtsApdu::Report(report) => report,
        other => panic!("no report: {other:?}"),
    }
}

/// The one recipient that a report says was not delivered to, and why.
#[track_caller]
pub(crate) fn non_delivery(report: &Report) -> (OrAddress, NonDeliveryReport) {
    let [recipient] = &report.content.per_recipient_fields[..] else {
        panic!("{} recipients", report.content.per_recipient_fields.len());
    };
    let ReportType::NonDelivery(why) = &recipient.last_trace_information.report_type else {
        panic!("delivered: {recipient:?}");
    };
    (address(&recipient.actual_recipient_name), why.clone())
}

/// The O/R address of a decoded name.
pub(crate) fn address(name: &p1relay::p1::schema::OrName) -> OrAddress {
    let octets = rasn::ber::encode(name).unwrap();
    p1relay::p1::or_address::attributes(&octets).unwrap().to_owned()
}

/// Reason and diagnostic.
pub(crate) fn codes(why: &NonDeliveryReport) -> (i64, Option<i64>) {
    (why.non_delivery_reason_code, why.non_delivery_diagnostic_code)
}

/// The local part of an MTS-identifier.
pub(crate) fn local(identifier: &p1relay::p1::schema::MtsIdentifier) -> String {
    identifier.local_identifier.to_string()
}

/// The domains of a trace, in words, the oldest first.
pub(crate) fn domains(trace: &[p1relay::p1::schema::TraceInformationElement]) -> Vec<String> {
    trace
        .iter()
        .map(|element| {
            let octets = rasn::ber::encode(&element.global_domain_identifier).unwrap();
            p1relay::p1::domain::GlobalDomainIdentifier::decode(&octets).unwrap().to_string()
        })
        .collect()
}
