//! X.410-1984 mode as tshark reads it. There it judges transport, session and the bind; at each presentation data
//! unit behind the bind tshark 4.0 says that it cannot get the type of the session's PDU, on anyone's traffic.
//! So each MTS-APDU that crossed is judged by sending the same octets once more, in normal mode.

use p1relay::osi::stack::ApplicationContext;

use crate::tshark::{ASSOCIATION, Dissection};
use support::apdu::{self, ORIGIN};
use support::capture;
use support::mta::{Mta, MtaConfig};
use support::proxy::{Direction, Proxy};
use support::relay::{Partner, Relay, SMALL_STORE, configuration};

/// tshark's own fault in X.410 mode.
const OWN_FAULT: &str = "can't get spdu type from session dissector";

const DURAND: &str = "C=FR;A=OTHER;P=DEST;S=DURAND";

fn mta_config<'a>(name: &'a str, context: ApplicationContext) -> MtaConfig<'a> {
    MtaConfig { name, password: "password", context, ..MtaConfig::default() }
}

fn dissect(proxy: &Proxy) -> Dissection {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x410.pcap");
    capture::write(&file, &proxy.recording(), proxy.address.port());
    Dissection::of(&file, proxy.address.port())
}

/// Session and bind are there and in order; what is said of them, and the octets of the APDU, stand as they are.
#[track_caller]
fn assert_judged(proxy: &Proxy, initiator: &str, responder: &str, apdu: &[u8]) {
    let dissection = dissect(proxy);
    // With its own fault it also says that the frame is malformed.
    let is_own = |faults: &Vec<String>| faults.iter().any(|fault| fault.contains(OWN_FAULT));
    let faults: Vec<_> = dissection.faults_by_frame().filter(|it| !is_own(it)).flatten().collect();
    assert_eq!(faults, [""; 0]);
    let counts = dissection.frame_counts();
    for layer in ["tpkt", "cotp", "ses", "pres"] {
        assert!(counts.contains_key(layer), "no {layer} in {counts:?}");
    }
    assert!(!counts.contains_key("acse"), "X.410 mode has no ACSE");
    assert_eq!(dissection.values("p1.authenticated.initiator-name"), [initiator]);
    assert_eq!(dissection.values("p1.authenticated.responder-name"), [responder]);
    // CN and AC; ACTIVITY START, ACTIVITY END and its acknowledgement; FINISH and DISCONNECT.
    let kinds: Vec<_> = dissection.values("ses.type");
    for kind in ["13", "14", "45", "41", "42", "9", "10"] {
        assert!(kinds.iter().any(|it| *it == kind), "no SPDU {kind} in {kinds:?}");
    }
    let to_server = |(direction, octets): &(Direction, Vec<u8>)| match direction {
        Direction::ToServer => octets.clone(),
        Direction::ToClient => Vec::new(),
    };
    let octets: Vec<u8> = proxy.recording().iter().flat_map(to_server).collect();
    assert!(octets.windows(apdu.len()).any(|it| it == apdu), "the APDU is not transferred bare");
}

/// The octets of an APDU in a transfer of normal mode.
#[track_caller]
fn assert_apdu_is_clean(apdu: &[u8], layers: &[&str]) {
    let receiver = Mta::start(mta_config("RECEIVER", ApplicationContext::MtsTransfer));
    let proxy = Proxy::start(receiver.address);
    let mut sender = Mta::start(MtaConfig {
        call: Some(proxy.address),
        apdus: vec![apdu.to_vec()],
        ..mta_config("SENDER", ApplicationContext::MtsTransfer)
    });
    assert!(receiver.wait_for(1) == [apdu]);
    sender.stop();
    let dissection = dissect(&proxy);
    dissection.assert_clean(&ASSOCIATION);
    dissection.assert_clean(layers);
}

/// Over the relay in this context, both ways through a proxy.
fn crosses(context: ApplicationContext, apdu: &[u8], layers: &[&str]) {
    let receiver = Mta::start(mta_config("RECEIVER", context));
    let outbound = Proxy::start(receiver.address);
    let lines = format!("idle_time_s = 0.2\napplication_context = \"{}\"", context.as_str());
    let partners = [
        Partner {
            name: "SENDER",
            password: "password",
            domain: Some(ORIGIN),
            ..Partner::default()
        },
        Partner {
            name: "RECEIVER",
            password: "password",
            address: Some(outbound.address),
            address_spaces: &["C=FR"],
            lines: &lines,
            ..Partner::default()
        },
    ];
    let relay = Relay::start(&configuration("C=FR;A=RELAY", SMALL_STORE, &partners), "epoll");
    let inbound = Proxy::start(relay.address);
    let mut sender = Mta::start(MtaConfig {
        call: Some(inbound.address),
        apdus: vec![apdu.to_vec()],
        ..mta_config("SENDER", context)
    });
    let arrived = receiver.wait_for(1).pop().unwrap();
    sender.stop();
    assert_judged(&inbound, "SENDER", "RELAY", apdu);
    assert_judged(&outbound, "RELAY", "RECEIVER", &arrived);
    assert_apdu_is_clean(apdu, layers);
    assert_apdu_is_clean(&arrived, layers);
}

#[test]
fn message_probe_and_report_of_1988() {
    let context = ApplicationContext::MtsTransferProtocol;
    crosses(context, &apdu::interpersonal("x410", &[DURAND], b"Hello, carrier"), &["p22"]);
    crosses(context, &apdu::probe("x410-probe", &[DURAND]), &[]);
    let subjects = [apdu::ORIGINATOR, "C=GB;A=CARRIER;P=ACME;S=NOBODY"];
    crosses(context, &apdu::report("x410-report", DURAND, subjects), &[]);
}

#[test]
fn message_probe_and_report_towards_1984() {
    let context = ApplicationContext::MtsTransferProtocol1984;
    crosses(context, &apdu::interpersonal("x410", &[DURAND], b"Hello, carrier"), &["p22"]);
    crosses(context, &apdu::probe("x410-probe", &[DURAND]), &[]);
    let subjects = [apdu::ORIGINATOR, "C=GB;A=CARRIER;P=ACME;S=NOBODY"];
    crosses(context, &apdu::report("x410-report", DURAND, subjects), &[]);
}
