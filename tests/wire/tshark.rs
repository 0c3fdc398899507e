//! What crosses the sockets, as tshark reads it: a judge of every octet that shares no code with us.
//!
//! Each scenario sends one APDU from an MTA over the relay to another, each way through a recording
//! proxy; both captures are dissected. In each, the layers that must be there are, nothing is malformed,
//! no expert item is an error, and MTS-identifier, trace and recipients are what was sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use support::apdu::{self, ORIGIN, ORIGINATOR};
use support::capture::{self, vector};
use support::mta::Mta;
use support::partner::send;
use support::proxy::Proxy;
use support::relay::{Partner, Relay, SMALL_STORE, configuration};

/// PI_ERROR of Wireshark's expert items.
const SEVERITY_ERROR: &str = "8388608";

const RELAY_DOMAIN: &str = "C=FR;A=RELAY";
const DURAND: &str = "C=FR;A=OTHER;P=DEST;S=DURAND";
const MARTIN: &str = "C=FR;A=OTHER;P=DEST;S=MARTIN";

/// Every layer up to the application's connection.
pub(crate) const ASSOCIATION: [&str; 7] = ["tpkt", "cotp", "ses", "pres", "acse", "rtse", "p1"];

/// A capture as tshark sees it, a value a frame.
pub(crate) struct Dissection(Vec<Value>);

impl Dissection {
    pub(crate) fn of(file: &Path, port: u16) -> Dissection {
        let output = Command::new("tshark")
            .args(["-n", "-T", "json", "--no-duplicate-keys", "-d"])
            .arg(format!("tcp.port=={port},tpkt"))
            .arg("-r")
            .arg(file)
            .output()
            .expect("tshark is needed: tests/run installs it");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tshark: {errors}");
        Dissection(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Frames in which each protocol was found.
    pub(crate) fn frame_counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for frame in &self.0 {
            for layer in frame["_source"]["layers"].as_object().unwrap().keys() {
                *counts.entry(&layer[..]).or_default() += 1;
            }
        }
        counts
    }

    /// Every value under this key, wherever it stands, in the order of the frames.
    pub(crate) fn values(&self, key: &str) -> Vec<&Value> {
        self.0.iter().flat_map(|frame| values(frame, key)).collect()
    }

    /// What is malformed, and the expert items that are errors, of each frame.
    pub(crate) fn faults_by_frame(&self) -> impl Iterator<Item = Vec<String>> {
        self.0.iter().map(|frame| {
            let malformed = values(frame, "_ws.malformed");
            let experts = values(frame, "_ws.expert").into_iter().filter(|expert| {
                values(expert, "_ws.expert.severity").contains(&&Value::from(SEVERITY_ERROR))
            });
            malformed.into_iter().chain(experts).map(Value::to_string).collect()
        })
    }

    fn faults(&self) -> Vec<String> {
        self.faults_by_frame().flatten().collect()
    }

    #[track_caller]
    pub(crate) fn assert_clean(&self, layers: &[&str]) {
        assert_eq!(self.faults(), [""; 0]);
        let counts = self.frame_counts();
        for layer in layers {
            assert!(counts.get(layer).is_some_and(|count| *count > 0), "no {layer} in {counts:?}");
        }
    }
}

/// Every value under `key` in `value`; where tshark made an array of equal keys, its items.
fn values<'v>(value: &'v Value, key: &str) -> Vec<&'v Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| values(item, key)).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| match field {
                Value::Array(items) if name == key => items.iter().collect(),
                _ if name == key => vec![field],
                _ => values(field, key),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The first text under `key`.
fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    values(value, key).first().and_then(|value| value.as_str())
}

/// A global domain identifier or the like, in our notation.
pub(crate) fn domain_text(value: &Value, private_domain: &str) -> String {
    let part = |key: &str, inner: &str| {
        values(value, key).first().and_then(|value| text(value, inner)).map(str::to_owned)
    };
    let country = part("p1.country_name_tree", "p1.iso_3166_alpha2_code").unwrap_or_default();
    let administration =
        part("p1.administration_domain_name_tree", "p1.printable").unwrap_or_default();
    let private = part(private_domain, "p1.printable").map(|name| format!(";P={name}"));
    format!("C={country};A={administration}{}", private.unwrap_or_default())
}

/// An O/R address of country, domains and surname, in our notation.
pub(crate) fn address_text(value: &Value) -> String {
    let domain = domain_text(value, "p1.private_domain_name_tree");
    format!("{domain};S={}", text(value, "p1.surname").unwrap_or_default())
}

/// Both captures of one crossing.
pub(crate) struct Crossing {
    pub(crate) inbound: Dissection,
    outbound: Option<Dissection>,
}

/// Sends an APDU over the relay, or only binds and releases.
pub(crate) fn cross(apdu: Option<&[u8]>) -> Crossing {
    let receiver = Mta::called("RECEIVER", "receiver password");
    let outbound = Proxy::start(receiver.address);
    let partners = [
        Partner {
            name: "SENDER",
            password: "sender password",
            domain: Some(ORIGIN),
            ..Partner::default()
        },
        Partner {
            name: "RECEIVER",
            password: "receiver password",
            domain: Some("C=FR;A=OTHER"),
            address: Some(outbound.address),
            address_spaces: &["C=FR"],
            lines: "idle_time_s = 0.2\ncheckpoint_size_kib = 2",
        },
    ];
    let relay = Relay::start(&configuration(RELAY_DOMAIN, SMALL_STORE, &partners), "epoll");
    let inbound = Proxy::start(relay.address);
    send(inbound.address, "SENDER", "sender password", apdu.as_slice());
    let folder = tempfile::tempdir().unwrap();
    let dissect = |proxy: &Proxy| {
        let file = folder.path().join("crossing.pcap");
        let port = proxy.address.port();
        capture::write(&file, &proxy.recording(), port);
        Dissection::of(&file, port)
    };
    let outbound = apdu.map(|_| {
        receiver.wait_for(1);
        dissect(&outbound)
    });
    Crossing { inbound: dissect(&inbound), outbound }
}

/// What a kind of APDU is called by tshark.
struct Names {
    identifier: &'static str,
    /// One recipient's fields, and the name in them.
    recipient: (&'static str, &'static str),
}

const MESSAGE: Names = Names {
    identifier: "p1.message_identifier_element",
    recipient: ("p1.PerRecipientMessageTransferFields_element", "p1.recipient_name_element"),
};
const PROBE: Names = Names {
    identifier: "p1.probe_identifier_element",
    recipient: ("p1.PerRecipientProbeTransferFields_element", "p1.recipient_name_element"),
};
const REPORT: Names = Names {
    identifier: "p1.report_identifier_element",
    recipient: ("p1.PerRecipientReportTransferFields_element", "p1.actual_recipient_name_element"),
};

/// Sends an APDU and holds both captures against what was sent; gives the captures.
#[track_caller]
fn assert_crosses(
    apdu: &[u8],
    local_identifier: &str,
    recipients: &[&str],
    names: &Names,
) -> [Dissection; 2] {
    let Crossing { inbound, outbound } = cross(Some(apdu));
    let both = [inbound, outbound.unwrap()];
    let traces = [vec![ORIGIN], vec![ORIGIN, RELAY_DOMAIN]];
    for (dissection, trace) in both.iter().zip(traces) {
        dissection.assert_clean(&ASSOCIATION);
        let identifiers: Vec<_> = dissection
            .values(names.identifier)
            .into_iter()
            .map(|value| {
                let domain = domain_text(value, "p1.private_domain_identifier_tree");
                (domain, text(value, "p1.local_identifier").unwrap_or_default())
            })
            .collect();
        assert_eq!(identifiers, [(ORIGIN.to_owned(), local_identifier)]);
        let domains: Vec<String> = dissection
            .values("p1.TraceInformationElement_element")
            .into_iter()
            .map(|value| domain_text(value, "p1.private_domain_identifier_tree"))
            .collect();
        assert_eq!(domains, trace);
        let (fields, name) = names.recipient;
        let addresses: Vec<String> = dissection
            .values(fields)
            .into_iter()
            .flat_map(|fields| values(fields, name))
            .map(address_text)
            .collect();
        assert_eq!(addresses, recipients);
        assert_unbound(dissection);
    }
    both
}

/// The association is released, not aborted: RLRQ and RLRE are there, no ABRT.
#[track_caller]
fn assert_unbound(dissection: &Dissection) {
    for (key, count) in
        [("acse.rlrq_element", 1), ("acse.rlre_element", 1), ("acse.abrt_element", 0)]
    {
        assert_eq!(dissection.values(key).len(), count, "{key}");
    }
}

#[test]
fn bind_and_unbind() {
    let crossing = cross(None);
    crossing.inbound.assert_clean(&ASSOCIATION);
    assert_eq!(crossing.inbound.values("p1.authenticated.initiator-name"), ["SENDER"]);
    assert_eq!(crossing.inbound.values("p1.authenticated.responder-name"), ["RELAY"]);
    assert_unbound(&crossing.inbound);
}

#[test]
fn small_message() {
    let apdu = apdu::interpersonal("small", &[DURAND], b"Hello, carrier");
    for dissection in assert_crosses(&apdu, "small", &[DURAND], &MESSAGE) {
        dissection.assert_clean(&["p22"]);
        assert_eq!(dissection.values("p22.ia5text.data"), ["Hello, carrier"]);
    }
}

#[test]
fn message_larger_than_the_checkpoint_size() {
    let text = b"All work and no play makes Jack a dull boy\r\n".repeat(3000);
    let apdu = apdu::interpersonal("large", &[DURAND], &text);
    for dissection in assert_crosses(&apdu, "large", &[DURAND], &MESSAGE) {
        dissection.assert_clean(&["p22"]);
        assert!(dissection.values("rtse.fragment").len() > 1, "it was transferred in one piece");
    }
}

#[test]
fn message_to_two_recipients() {
    let apdu = apdu::interpersonal("two", &[DURAND, MARTIN], b"To both of you");
    for dissection in assert_crosses(&apdu, "two", &[DURAND, MARTIN], &MESSAGE) {
        dissection.assert_clean(&["p22"]);
        let responsibility = "p1.PerRecipientIndicators.responsibility";
        assert_eq!(dissection.values(responsibility), ["1", "1"]);
    }
}

#[test]
fn probe() {
    let apdu = apdu::probe("probe", &[DURAND]);
    for dissection in assert_crosses(&apdu, "probe", &[DURAND], &PROBE) {
        assert_eq!(dissection.values("p1.content_length"), ["1000"]);
    }
}

#[test]
fn report() {
    let subjects = [ORIGINATOR, "C=GB;A=CARRIER;P=ACME;S=NOBODY"];
    let apdu = apdu::report("report", DURAND, subjects);
    for dissection in assert_crosses(&apdu, "report", &subjects, &REPORT) {
        let destination = dissection.values("p1.report_destination_name_element");
        assert_eq!(destination.into_iter().map(address_text).collect::<Vec<_>>(), [DURAND]);
        assert_eq!(dissection.values("p1.non_delivery_reason_code"), ["1"]);
    }
}

/// The judge reads foreign traffic without complaint, and condemns what is wrong.
#[test]
fn the_judge_can_condemn() {
    let file = vector("foreign-transfer-1988.pcap");
    Dissection::of(&file, 20_002).assert_clean(&["p1", "p22"]);
    let octets = std::fs::read(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The domain in the MTS-identifier claims more octets than enclose it.
    let at = octets.windows(6).position(|octets| octets == b"d8c\x16a\x04").unwrap();
    let mut broken = octets.clone();
    broken[at + 3] = 0x76;
    let path = folder.path().join("broken.pcap");
    std::fs::write(&path, broken).unwrap();
    assert_ne!(Dissection::of(&path, 20_002).faults(), [""; 0]);
}
