//! What `connector test` prints of a step: what was sent, what was answered, in the words of `decode`.

use std::time::Instant;

use super::hint::Step;
use crate::decode::Node;

pub(super) fn milliseconds(since: Instant) -> String {
    format!("{:.1} ms", since.elapsed().as_secs_f64() * 1000.0)
}

pub(super) fn told(step: Step, took: &str, what: &str) {
    println!("{:<13}{took:>10}  {what}", step.name());
}

pub(super) const CR_FIELDS: &[&str] =
    &["called TSAP-ID", "calling TSAP-ID", "TPDU size", "preferred maximum TPDU size"];

/// What a refusal says, whatever its layer.
pub(super) const REFUSAL_FIELDS: &[&str] = &[
    "REASON",
    "REJECT-CAUSE",
    "Reason Code",
    "provider-reason",
    "service-user",
    "service-provider",
    "refuseReason",
    "abortReason",
    "MTABindError",
];

/// What was asked and answered in the upper layers, in one exchange: the PDUs, and fields worth a line.
pub(super) type Exchange = (Step, &'static str, &'static str, &'static [&'static str]);

pub(super) const UPPER: &[Exchange] = &[
    (
        Step::Session,
        "CONNECT (CN)",
        "ACCEPT (AC)",
        &["Called Session Selector", "Calling Session Selector", "Version Number"],
    ),
    (
        Step::Presentation,
        "CP-PPDU",
        "CPA-PPDU",
        &[
            "mode-value",
            "called-presentation-selector",
            "calling-presentation-selector",
            "responding-presentation-selector",
            "result",
        ],
    ),
    (Step::Acse, "aarq", "aare", &["application-context-name", "result"]),
    (
        Step::Rtse,
        "connectionDataRQ",
        "connectionDataAC",
        &["checkpointSize", "windowSize", "dialogueMode", "applicationProtocol"],
    ),
    (
        Step::MtaBind,
        "authenticated",
        "authenticated",
        &["initiator-name", "responder-name", "initiator-credentials", "responder-credentials"],
    ),
];

pub(super) fn told_answer(answered: &str) {
    println!("{:<25}answered {answered}", "");
}

pub(super) fn says(nodes: &[Node], pdu: &str) -> bool {
    nodes.iter().any(|node| node.find(pdu).is_some())
}

/// A PDU's name, with those of its fields that are asked for.
pub(super) fn described(nodes: &[Node], pdu: &str, fields: &[&str]) -> String {
    let all = || nodes.iter().flat_map(Node::walk);
    // RTSE's APDU has no name of its own in X.410 mode: it is known by a part of it.
    let parent = all().find(|node| node.children.iter().any(|child| child.name == pdu));
    let found = match (all().find(|node| node.name == pdu), parent) {
        (Some(_), Some(parent)) if pdu.starts_with("connectionData") => parent,
        (Some(found), _) => found,
        (None, _) => return format!("no {pdu}"),
    };
    let values: Vec<String> = fields
        .iter()
        .filter_map(|field| found.find(field))
        .map(|node| format!("{} {}", node.name, node.text()))
        .collect();
    match values.is_empty() {
        true => found.name.to_string(),
        false => format!("{}: {}", found.name, values.join(", ")),
    }
}
