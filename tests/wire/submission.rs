//! What is submitted at a local delivery point, as tshark reads it on its way to a partner.

use serde_json::json;
use support::capture;
use support::mta::Mta;
use support::proxy::Proxy;
use support::relay::{Partner, Relay, SMALL_STORE, configuration};

use crate::tshark::{ASSOCIATION, Dissection, address_text, domain_text};

const RELAY_DOMAIN: &str = "C=FR;A=RELAY";
const WRITER: &str = "C=FR;A=RELAY;P=GATEWAY;S=WRITER";
const DURAND: &str = "C=FR;A=OTHER;P=DEST;S=DURAND";
const MARTIN: &str = "C=FR;A=OTHER;P=DEST;S=MARTIN";

/// Submits one envelope, and gives what left for the partner.
fn submitted(envelope: &serde_json::Value, content: &[u8]) -> Dissection {
    let receiver = Mta::called("RECEIVER", "receiver password");
    let outbound = Proxy::start(receiver.address);
    let partners = [Partner {
        name: "RECEIVER",
        password: "receiver password",
        domain: Some("C=FR;A=OTHER"),
        address: Some(outbound.address),
        address_spaces: &["C=FR;A=OTHER"],
        lines: "idle_time_s = 0.2",
    }];
    let folder = tempfile::tempdir().unwrap();
    let (out, inbox) = (folder.path().join("out"), folder.path().join("in"));
    std::fs::create_dir(&inbox).unwrap();
    std::fs::write(inbox.join("one.content"), content).unwrap();
    std::fs::write(inbox.join("one.json"), envelope.to_string()).unwrap();
    let mut text = configuration(RELAY_DOMAIN, SMALL_STORE, &partners);
    text += &format!(
        "\n[[connector]]\nname = \"gateway\"\nkind = \"spool\"\ndirectory = \"{}\"\n\
         submit_directory = \"{}\"\n",
        out.display(),
        inbox.display(),
    );
    let _relay = Relay::start(&text, "epoll");
    receiver.wait_for(1);
    let file = folder.path().join("submission.pcap");
    let port = outbound.address.port();
    capture::write(&file, &outbound.recording(), port);
    Dissection::of(&file, port)
}

fn domains(dissection: &Dissection, element: &str) -> Vec<String> {
    let elements = dissection.values(element).into_iter();
    elements.map(|value| domain_text(value, "p1.private_domain_identifier_tree")).collect()
}

#[test]
fn a_submitted_message_is_well_formed() {
    let envelope = json!({
        "version": 1, "kind": "message", "originator": WRITER, "content_type": 35,
        "content_identifier": "order 7", "priority": "urgent", "content_return_request": true,
        "deferred_delivery_time": "2001-02-03T04:05:06Z",
        "latest_delivery_time": "2068-01-01T00:00:00Z",
        "recipients": [
            { "address": DURAND, "originator_report_request": "report",
              "originator_requested_alternate_recipient": MARTIN },
            { "address": MARTIN, "originator_report_request": "no-report" },
        ],
    });
    let dissection = submitted(&envelope, &[0x55; 3000]);
    dissection.assert_clean(&ASSOCIATION);
    assert_eq!(domains(&dissection, "p1.message_identifier_element"), [RELAY_DOMAIN]);
    assert_eq!(domains(&dissection, "p1.TraceInformationElement_element"), [RELAY_DOMAIN]);
    let originators = dissection.values("p1.originator_name_element");
    assert_eq!(originators.into_iter().map(address_text).collect::<Vec<_>>(), [WRITER]);
    let recipients = dissection.values("p1.recipient_name_element");
    assert_eq!(recipients.into_iter().map(address_text).collect::<Vec<_>>(), [DURAND, MARTIN]);
    assert_eq!(dissection.values("p1.priority"), ["2"]);
    let reports = "p1.PerRecipientIndicators.originator.report";
    assert_eq!(dissection.values(reports), ["1", "0"]);
    assert_eq!(dissection.values("p1.PerRecipientIndicators.responsibility"), ["1", "1"]);
}

#[test]
fn a_submitted_probe_is_well_formed() {
    let envelope = json!({
        "version": 1, "kind": "probe", "originator": WRITER, "content_length": 1000,
        "recipients": [{ "address": DURAND }],
    });
    let dissection = submitted(&envelope, b"");
    dissection.assert_clean(&ASSOCIATION);
    assert_eq!(domains(&dissection, "p1.probe_identifier_element"), [RELAY_DOMAIN]);
    assert_eq!(dissection.values("p1.content_length"), ["1000"]);
}
