//! The P1 module of X.411 (1984) as a grammar over BER trees: which fields may stand where, and which values
//! the named ones may have. It judges what goes to a 1984 partner.

use crate::Node;
use support::tree::Content;

type Check = fn(&Node) -> Result<(), String>;

/// Whether these octets are an MPDU of 1984.
pub(crate) fn check(apdu: &[u8]) -> Result<(), String> {
    let (node, size) = Node::parse(apdu);
    if size != apdu.len() {
        return Err("octets behind the MPDU".to_owned());
    }
    let parts: &[(u8, Check)] = match node.identifier[..] {
        [0xa0] => &[(0x31, user_envelope), (0x04, any)],
        [0xa1] => &[(0x31, report_envelope), (0x31, report_content)],
        [0xa2] => return probe(&node),
        _ => return Err("no MPDU".to_owned()),
    };
    if node.children().len() != parts.len() {
        return Err("not envelope and content".to_owned());
    }
    for (child, (identifier, check)) in node.children().iter().zip(parts) {
        fields(child, *identifier, *check)?;
    }
    Ok(())
}

/// Primitive and constructed strings are told apart by one bit, which is no matter of grammar.
const fn bare(identifier: u8) -> u8 {
    identifier & !0x20
}

fn fields(node: &Node, identifier: u8, check: Check) -> Result<(), String> {
    match node.identifier[..] {
        [found] if bare(found) == bare(identifier) => check(node),
        _ => Err(format!("{:02x?} where {identifier:02x} belongs", node.identifier)),
    }
}

/// Every child is one of `allowed`.
fn within(what: &str, node: &Node, allowed: &[(u8, Check)]) -> Result<(), String> {
    for child in node.children() {
        let [identifier] = child.identifier[..] else {
            return Err(format!("{what}: {:02x?}", child.identifier));
        };
        let field = allowed.iter().find(|(allowed, _)| bare(*allowed) == bare(identifier));
        let (_, check) = field.ok_or_else(|| format!("{what}: no field {identifier:02x}"))?;
        check(child).map_err(|error| format!("{what}: {error}"))?;
    }
    Ok(())
}

fn any(_: &Node) -> Result<(), String> {
    Ok(())
}

fn user_envelope(node: &Node) -> Result<(), String> {
    within(
        "UMPDUEnvelope",
        node,
        &[
            (0x64, any),
            (0x60, or_name),
            (0x65, encoded_information_types),
            (0x46, content_type),
            (0x4a, any),
            (0x47, |node| up_to(node, 2)),
            (0x48, per_message_flag),
            (0x80, any),
            (0xa1, bilateral_list),
            (0xa2, recipients),
            (0x69, trace),
        ],
    )
}

fn probe(node: &Node) -> Result<(), String> {
    within(
        "ProbeEnvelope",
        node,
        &[
            (0x64, any),
            (0x60, or_name),
            (0x46, content_type),
            (0x4a, any),
            (0x65, encoded_information_types),
            (0x69, trace),
            (0x48, per_message_flag),
            (0x80, any),
            (0xa1, bilateral_list),
            (0xa2, recipients),
        ],
    )
}

fn report_envelope(node: &Node) -> Result<(), String> {
    within("DeliveryReportEnvelope", node, &[(0x64, any), (0x60, or_name), (0x69, trace)])
}

fn report_content(node: &Node) -> Result<(), String> {
    within(
        "DeliveryReportContent",
        node,
        &[
            (0x64, any),
            (0x69, trace),
            (0x4a, any),
            (0xa0, |node| each(node, 0x31, reported_recipient)),
            (0x81, any),
            (0xa2, any),
        ],
    )
}

fn reported_recipient(node: &Node) -> Result<(), String> {
    within(
        "ReportedRecipientInfo",
        node,
        &[
            (0xa0, or_name),
            (0x81, any),
            (0x82, any),
            (0xa3, last_trace),
            (0xa4, or_name),
            (0x85, |node| match characters(node) {
                0..=64 => Ok(()),
                size => Err(format!("{size} characters of supplementary information")),
            }),
        ],
    )
}

fn last_trace(node: &Node) -> Result<(), String> {
    within(
        "LastTraceInformation",
        node,
        &[
            (0x80, any),
            (0x65, encoded_information_types),
            (0xa1, |node| within("Report", node, &[(0xa0, delivered), (0xa1, non_delivered)])),
        ],
    )
}

fn delivered(node: &Node) -> Result<(), String> {
    within("DeliveredInfo", node, &[(0x80, any), (0x81, |node| up_to(node, 1))])
}

fn non_delivered(node: &Node) -> Result<(), String> {
    within(
        "NonDeliveredInfo",
        node,
        &[(0x80, |node| up_to(node, 2)), (0x81, |node| up_to(node, 11))],
    )
}

fn recipients(node: &Node) -> Result<(), String> {
    if node.children().is_empty() {
        return Err("no recipients".to_owned());
    }
    each(node, 0x31, |node| {
        within(
            "RecipientInfo",
            node,
            &[(0x60, or_name), (0x80, any), (0x81, any), (0x82, |node| up_to(node, 1))],
        )
    })
}

fn each(node: &Node, identifier: u8, check: Check) -> Result<(), String> {
    node.children().iter().try_for_each(|child| fields(child, identifier, check))
}

fn or_name(node: &Node) -> Result<(), String> {
    let [standard, rest @ ..] = node.children() else {
        return Err("ORName: empty".to_owned());
    };
    let list = [
        (0x61, any as Check),
        (0x62, any),
        (0x80, any),
        (0x81, any),
        (0xa2, any),
        (0x83, any),
        (0x84, any),
        (0xa5, any),
        (0xa6, any),
    ];
    fields(standard, 0x30, any)?;
    within("StandardAttributeList", standard, &list)?;
    match rest {
        [] => Ok(()),
        [defined] if defined.children().len() <= 4 => fields(defined, 0x30, any),
        _ => Err("ORName: more than 1984 knows".to_owned()),
    }
}

fn trace(node: &Node) -> Result<(), String> {
    each(node, 0x30, |node| {
        within("TraceInformation", node, &[(0x63, any), (0x31, domain_supplied)])
    })
}

fn domain_supplied(node: &Node) -> Result<(), String> {
    within(
        "DomainSuppliedInfo",
        node,
        &[
            (0x80, any),
            (0x81, any),
            (0x82, |node| up_to(node, 1)),
            (0x65, encoded_information_types),
            (0x63, any),
        ],
    )
}

fn bilateral_list(node: &Node) -> Result<(), String> {
    for item in node.children() {
        if item.children().get(1).is_some_and(|domain| domain.identifier == [0x30]) {
            return Err("PerDomainBilateralInfo: a private domain".to_owned());
        }
    }
    Ok(())
}

fn encoded_information_types(node: &Node) -> Result<(), String> {
    within("EncodedInformationTypes", node, &[(0x80, any), (0x81, any), (0xa2, any), (0xa3, any)])
}

/// P2, and whatever two partners agree on; P22 is what only 1988 has.
fn content_type(node: &Node) -> Result<(), String> {
    match integer(node) {
        22 => Err("ContentType: P22".to_owned()),
        _ => Ok(()),
    }
}

fn per_message_flag(node: &Node) -> Result<(), String> {
    match &node.content {
        Content::Primitive(octets) if octets.get(1).is_none_or(|bits| bits & 0x0f == 0) => Ok(()),
        Content::Primitive(_) => Err("PerMessageFlag: later bits".to_owned()),
        Content::Constructed(_) => Ok(()),
    }
}

fn up_to(node: &Node, maximum: i64) -> Result<(), String> {
    match integer(node) {
        value if (0..=maximum).contains(&value) => Ok(()),
        value => Err(format!("{value}, above {maximum}")),
    }
}

/// A primitive integer.
pub(crate) fn integer(node: &Node) -> i64 {
    let Content::Primitive(octets) = &node.content else { return -1 };
    octets.iter().fold(0, |value, octet| value << 8 | i64::from(*octet))
}

fn characters(node: &Node) -> usize {
    match &node.content {
        Content::Primitive(octets) => octets.len(),
        Content::Constructed(segments) => segments.iter().map(characters).sum(),
    }
}
