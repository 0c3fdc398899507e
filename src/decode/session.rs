//! SPDUs in words (X.225 clause 8): every SPDU of a TSDU, basic and extended concatenation alike, and every
//! parameter, groups opened.

use std::borrow::Cow;
use std::ops::Range;

use super::node::Node;
use super::schema::{Names, named};
use super::upper::Ppdu;
use super::walk::{Walker, characters, octets_text};
use crate::osi::session::refuse_reason;

const LAYER: &str = "session";

/// One SPDU of a TSDU.
pub(super) struct Spdu {
    /// What it is in words, user data not opened.
    pub(super) node: Node,
    /// Its abbreviation in X.225, empty when it is unknown.
    pub(super) mnemonic: &'static str,
    /// User data in a parameter, and what it is.
    pub(super) user_data: Option<(Range<usize>, Ppdu)>,
    /// The user information behind it, for DT and TD.
    pub(super) user_information: Option<Range<usize>>,
    /// The enclosure item; an SSDU in one piece has none.
    pub(super) enclosure: Option<u8>,
    /// A synchronization point serial number.
    pub(super) serial_number: Option<u32>,
}

/// SI; name and abbreviation when it comes first in a TSDU, and behind a token SPDU.
type Row = (u8, [(&'static str, &'static str); 2]);

const fn same(si: u8, name: &'static str, mnemonic: &'static str) -> Row {
    (si, [(name, mnemonic), (name, mnemonic)])
}

const SPDUS: &[Row] = &[
    same(0, "EXCEPTION REPORT", "ER"),
    (1, [("GIVE TOKENS", "GT"), ("DATA TRANSFER", "DT")]),
    same(2, "PLEASE TOKENS", "PT"),
    same(5, "EXPEDITED", "EX"),
    same(7, "PREPARE", "PR"),
    same(8, "NOT FINISHED", "NF"),
    same(9, "FINISH", "FN"),
    same(10, "DISCONNECT", "DN"),
    same(12, "REFUSE", "RF"),
    same(13, "CONNECT", "CN"),
    same(14, "ACCEPT", "AC"),
    same(15, "CONNECT DATA OVERFLOW", "CDO"),
    same(16, "OVERFLOW ACCEPT", "OA"),
    same(21, "GIVE TOKENS CONFIRM", "GTC"),
    same(22, "GIVE TOKENS ACK", "GTA"),
    (25, [("ABORT", "AB"), ("ACTIVITY INTERRUPT", "AI")]),
    (26, [("ABORT ACCEPT", "AA"), ("ACTIVITY INTERRUPT ACK", "AIA")]),
    same(29, "ACTIVITY RESUME", "AR"),
    same(33, "TYPED DATA", "TD"),
    same(34, "RESYNCHRONIZE ACK", "RA"),
    same(41, "ACTIVITY END", "AE"),
    same(42, "ACTIVITY END ACK", "AEA"),
    same(45, "ACTIVITY START", "AS"),
    same(48, "EXCEPTION DATA", "ED"),
    same(49, "MINOR SYNC POINT", "MIP"),
    same(50, "MINOR SYNC ACK", "MIA"),
    same(53, "RESYNCHRONIZE", "RS"),
    same(57, "ACTIVITY DISCARD", "AD"),
    same(58, "ACTIVITY DISCARD ACK", "ADA"),
    same(61, "CAPABILITY DATA", "CD"),
    same(62, "CAPABILITY DATA ACK", "CDA"),
];

/// How a parameter's value reads.
#[derive(Clone, Copy)]
enum Value {
    Group,
    Octets,
    Digits,
    Number,
    Bits(Names),
    Sizes,
    TokenSetting,
    Reason,
    UserData,
}

const TOKENS: Names =
    &[(0x01, "data"), (0x04, "synchronize-minor"), (0x10, "major/activity"), (0x40, "release")];
const FUNCTIONAL_UNITS: Names = &[
    (0x0001, "half-duplex"),
    (0x0002, "duplex"),
    (0x0004, "expedited data"),
    (0x0008, "minor synchronize"),
    (0x0010, "major synchronize"),
    (0x0020, "resynchronize"),
    (0x0040, "activity management"),
    (0x0080, "negotiated release"),
    (0x0100, "capability data exchange"),
    (0x0200, "exceptions"),
    (0x0400, "typed data"),
    (0x0800, "symmetric synchronize"),
    (0x1000, "data separation"),
];
const DISCONNECTS: Names = &[
    (0x01, "transport connection is released"),
    (0x02, "user abort"),
    (0x04, "protocol error"),
    (0x08, "no reason"),
    (0x10, "implementation restriction"),
];

/// Reasons of EXCEPTION DATA, ACTIVITY INTERRUPT and ACTIVITY DISCARD.
const EXCEPTION_REASONS: Names = &[
    (0, "no specific reason stated"),
    (1, "user receiving ability jeopardized"),
    (3, "user sequence error"),
    (5, "local SS-user error"),
    (6, "unrecoverable procedural error"),
    (128, "demand data token"),
];

const PARAMETERS: &[(u8, &str, Value)] = &[
    (1, "Connection Identifier", Value::Group),
    (5, "Connect/Accept Item", Value::Group),
    (9, "Called SS-user Reference", Value::Octets),
    (10, "Calling SS-user Reference", Value::Octets),
    (11, "Common Reference", Value::Octets),
    (12, "Additional Reference Information", Value::Octets),
    (15, "Sync Type Item", Value::Bits(&[(0x01, "no explicit confirmation or activity end")])),
    (16, "Token Item", Value::Bits(TOKENS)),
    (17, "Transport Disconnect", Value::Bits(DISCONNECTS)),
    (19, "Protocol Options", Value::Bits(&[(0x01, "extended concatenated SPDUs")])),
    (20, "Session User Requirements", Value::Bits(FUNCTIONAL_UNITS)),
    (21, "TSDU Maximum Size", Value::Sizes),
    (22, "Version Number", Value::Bits(&[(0x01, "version 1"), (0x02, "version 2")])),
    (23, "Initial Serial Number", Value::Digits),
    (24, "Prepare Type", Value::Number),
    (25, "Enclosure Item", Value::Bits(&[(0x01, "beginning of SSDU"), (0x02, "end of SSDU")])),
    (26, "Token Setting Item", Value::TokenSetting),
    (27, "Resync Type", Value::Number),
    (33, "Linking Information", Value::Group),
    (41, "Activity Identifier", Value::Octets),
    (42, "Serial Number", Value::Digits),
    (46, "User Data", Value::UserData),
    (49, "Reflect Parameter", Value::Octets),
    (50, "Reason Code", Value::Reason),
    (51, "Calling Session Selector", Value::Octets),
    (52, "Called Session Selector", Value::Octets),
    (60, "Data Overflow", Value::Number),
    (193, "User Data", Value::UserData),
    (194, "Extended User Data", Value::UserData),
];

/// Identifier, offset of the contents and their length; the length may lie.
fn header(octets: &[u8], at: usize) -> Option<(u8, usize, usize)> {
    match *octets.get(at..)? {
        [code, 255, high, low, ..] => {
            Some((code, at + 4, usize::from(u16::from_be_bytes([high, low]))))
        }
        [_, 255, ..] | [] | [_] => None,
        [code, length, ..] => Some((code, at + 2, usize::from(length))),
    }
}

/// Every SPDU of a TSDU; what cannot be read is the last one.
pub(super) fn spdus(tsdu: &[u8]) -> Vec<Spdu> {
    let mut found: Vec<Spdu> = Vec::new();
    let mut at = 0;
    while at < tsdu.len() {
        let behind_token = found.first().is_some_and(|spdu| matches!(spdu.mnemonic, "GT" | "PT"));
        let Some((code, start, length)) = header(tsdu, at) else {
            found.push(unreadable(tsdu, at, "half an SPDU"));
            break;
        };
        let end = (start + length).min(tsdu.len());
        let mut spdu = spdu(tsdu, code, behind_token, at, start..end);
        if start + length > tsdu.len() {
            let what = format!("a length of {length} octets where {} are left", tsdu.len() - start);
            spdu.node.children.push(Node::fault(LAYER, at, tsdu.len() - at, what));
        }
        at = end;
        if matches!(spdu.mnemonic, "DT" | "TD") {
            spdu.user_information = Some(at..tsdu.len());
            at = tsdu.len();
        }
        let unknown = spdu.mnemonic.is_empty();
        found.push(spdu);
        if unknown && at < tsdu.len() {
            found.push(unreadable(tsdu, at, "octets behind an unknown SPDU"));
            break;
        }
    }
    found
}

fn unreadable(tsdu: &[u8], at: usize, what: &str) -> Spdu {
    Spdu {
        node: Node::fault(LAYER, at, tsdu.len() - at, what),
        mnemonic: "",
        user_data: None,
        user_information: None,
        enclosure: None,
        serial_number: None,
    }
}

fn spdu(tsdu: &[u8], code: u8, behind_token: bool, at: usize, contents: Range<usize>) -> Spdu {
    let row = SPDUS.iter().find(|(si, _)| *si == code);
    let (mut name, mut mnemonic) = match row {
        Some((_, names)) => names[usize::from(behind_token)],
        None => ("unknown SPDU", ""),
    };
    let length = contents.end - at;
    let mut spdu = Spdu { mnemonic, ..unreadable(tsdu, at, "") };
    let mut children = Vec::new();
    parameters(tsdu, contents, false, &mut spdu, &mut children);
    // A sync type item makes of the same SI a MAJOR SYNC POINT.
    if mnemonic == "AE" && children.iter().any(|child| child.name == "Sync Type Item") {
        (name, mnemonic) = ("MAJOR SYNC POINT", "MAP");
    }
    let title = match row {
        Some(_) => format!("{name} ({mnemonic})"),
        None => format!("{name} {code}"),
    };
    spdu.mnemonic = mnemonic;
    spdu.node = Node { children, malformed: row.is_none(), ..Node::new(LAYER, title, at, length) };
    spdu
}

/// Reads parameters; `grouped` are those in a group, which cannot be groups again.
fn parameters(
    tsdu: &[u8],
    range: Range<usize>,
    grouped: bool,
    spdu: &mut Spdu,
    nodes: &mut Vec<Node>,
) {
    let visible = &tsdu[..range.end];
    let mut at = range.start;
    while at < range.end {
        let Some((code, start, length)) = header(visible, at) else {
            return nodes.push(Node::fault(LAYER, at, range.end - at, "half a parameter"));
        };
        let end = (start + length).min(range.end);
        let known = PARAMETERS.iter().find(|(known, ..)| *known == code);
        let name = known.map_or(Cow::Owned(format!("parameter {code}")), |known| known.1.into());
        let mut node = Node::new(LAYER, name, at, end - at);
        match known.map_or(Value::Octets, |known| known.2) {
            Value::Group if !grouped => {
                parameters(tsdu, start..end, true, spdu, &mut node.children);
            }
            value => parameter(tsdu, code, value, start..end, spdu, &mut node),
        }
        if start + length > range.end {
            let what = format!("a length of {length} octets where {} are left", range.end - start);
            node.children.push(Node::fault(LAYER, at, end - at, what));
        }
        nodes.push(node);
        at = end;
    }
}

fn parameter(
    tsdu: &[u8],
    code: u8,
    value: Value,
    range: Range<usize>,
    spdu: &mut Spdu,
    node: &mut Node,
) {
    let octets = &tsdu[range.clone()];
    let number = octets.iter().take(4).fold(0_u32, |number, octet| number << 8 | u32::from(*octet));
    if code == ENCLOSURE_ITEM {
        spdu.enclosure = octets.first().copied();
    }
    node.value = Some(match value {
        Value::Group | Value::Octets => octets_with_characters(octets),
        Value::Digits => {
            let digits = std::str::from_utf8(octets).ok().and_then(|digits| digits.parse().ok());
            spdu.serial_number = spdu.serial_number.or(digits);
            if digits.is_none() {
                let what = "a serial number that is not digits";
                node.children.push(Node::fault(LAYER, range.start, range.len(), what));
            }
            String::from_utf8_lossy(octets).into_owned()
        }
        Value::Number => number.to_string(),
        Value::Bits(names) => {
            let set = names.iter().filter(|(mask, _)| i64::from(number) & mask != 0);
            let words: Vec<&str> = set.map(|(_, name)| *name).collect();
            format!(
                "{} (0x{number:0width$x})",
                if words.is_empty() { "none".to_owned() } else { words.join(", ") },
                width = octets.len().min(4) * 2
            )
        }
        Value::Sizes => match octets {
            [a, b, c, d] => format!(
                "towards the responder {}, towards the initiator {}",
                u16::from_be_bytes([*a, *b]),
                u16::from_be_bytes([*c, *d])
            ),
            _ => number.to_string(),
        },
        Value::TokenSetting => {
            let whose =
                ["initiator's side", "responder's side", "called user's choice", "reserved"];
            let pairs =
                [(0, "data"), (2, "synchronize-minor"), (4, "major/activity"), (6, "release")];
            let words = pairs
                .map(|(shift, token)| format!("{token} {}", whose[(number >> shift & 3) as usize]));
            words.join(", ")
        }
        Value::Reason => reason(octets, range, spdu),
        Value::UserData => {
            if !octets.is_empty() {
                spdu.user_data = Some((range, ppdu(spdu.mnemonic)));
            }
            format!("{} octets", octets.len())
        }
    });
}

const ENCLOSURE_ITEM: u8 = 25;

/// The reason: RF's has user data behind it.
fn reason(octets: &[u8], range: Range<usize>, spdu: &mut Spdu) -> String {
    let Some(reason) = octets.first() else { return "absent".to_owned() };
    if spdu.mnemonic != "RF" {
        return named(EXCEPTION_REASONS, i64::from(*reason));
    }
    if range.len() > 1 {
        spdu.user_data = Some((range.start + 1..range.end, Ppdu::ConnectReject));
    }
    format!("{} ({reason})", refuse_reason(*reason))
}

/// What an SPDU's user data is.
fn ppdu(mnemonic: &str) -> Ppdu {
    match mnemonic {
        "CN" => Ppdu::Connect,
        "AC" => Ppdu::ConnectAccept,
        "RF" => Ppdu::ConnectReject,
        "AB" => Ppdu::Abort,
        _ => Ppdu::UserData,
    }
}

/// Octets, and beside them the characters if they all are.
pub(super) fn octets_with_characters(octets: &[u8]) -> String {
    let printable = octets.iter().all(|octet| (b' '..=b'~').contains(octet));
    match (octets, printable) {
        ([], _) => "empty".to_owned(),
        (_, true) => format!("{} {}", octets_text(octets), characters(octets)),
        (_, false) => octets_text(octets),
    }
}

/// User data, opened by its table.
pub(super) fn open(
    walker: &mut Walker,
    octets: &[u8],
    range: Range<usize>,
    ppdu: Ppdu,
) -> Vec<Node> {
    walker.elements("presentation", octets, range, ppdu.alternatives())
}
