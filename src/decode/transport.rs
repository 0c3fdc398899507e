//! TPKTs and TPDUs in words (RFC 1006 section 6, X.224 clause 13).

use super::node::Node;
use super::schema::{Names, named};
use super::session::octets_with_characters;
use super::walk::octets_text;
use crate::osi::transport::tpdu::disconnect_reason;

const LAYER: &str = "transport";

/// What a TPKT carries.
pub(super) struct Tpdu {
    /// It in words.
    pub(super) node: Node,
    /// User data of a DT TPDU: offset in the TPKT, and whether it ends a TSDU.
    pub(super) data: Option<(usize, bool)>,
}

/// Codes, without the low bits of CR and CC, which are a credit.
const TPDUS: Names = &[
    (0xe0, "CONNECTION REQUEST (CR)"),
    (0xd0, "CONNECTION CONFIRM (CC)"),
    (0x80, "DISCONNECT REQUEST (DR)"),
    (0xc0, "DISCONNECT CONFIRM (DC)"),
    (0xf0, "DATA (DT)"),
    (0x70, "ERROR (ER)"),
];

/// Reject causes of an ER TPDU (X.224 13.12 (unverified)).
const REJECT_CAUSES: Names = &[
    (0, "reason not specified"),
    (1, "invalid parameter code"),
    (2, "invalid TPDU type"),
    (3, "invalid parameter value"),
];

/// The TPDU of a whole TPKT.
pub(super) fn tpdu(tpkt: &[u8]) -> Tpdu {
    let Some((&indicator, rest)) = tpkt.get(TPKT_HEADER_SIZE..).and_then(<[u8]>::split_first)
    else {
        return Tpdu { node: Node::fault(LAYER, 0, tpkt.len(), "no TPDU"), data: None };
    };
    let start = TPKT_HEADER_SIZE + 1;
    let end = (start + usize::from(indicator)).min(tpkt.len());
    let header = &tpkt[start..end];
    let Some(&code) = header.first() else {
        let what = "a length indicator of 0";
        return Tpdu {
            node: Node::fault(LAYER, start - 1, tpkt.len() - start + 1, what),
            data: None,
        };
    };
    let kind = if matches!(code & 0xf0, 0xe0 | 0xd0) { code & 0xf0 } else { code };
    let name = TPDUS.iter().find(|(known, _)| *known == i64::from(kind));
    let title = name.map_or_else(|| format!("unknown TPDU 0x{code:02x}"), |name| name.1.to_owned());
    let mut node = Node::new(LAYER, title, start - 1, tpkt.len() - start + 1);
    node.malformed = name.is_none();
    if rest.len() < usize::from(indicator) {
        node.children.push(Node::fault(LAYER, start - 1, 1, "a length indicator beyond the TPKT"));
    }
    let mut data = None;
    match (kind, header) {
        (0xe0 | 0xd0 | 0x80, [_, d1, d0, s1, s0, last, ..]) => {
            let reference = |high: &u8, low: &u8| format!("0x{high:02x}{low:02x}");
            let (name, text) = match kind {
                0x80 => ("REASON", format!("{} ({last})", disconnect_reason(*last))),
                _ => ("CLASS", (last >> 4).to_string()),
            };
            node.children = vec![
                Node::new(LAYER, "DST-REF", start + 1, 2).with(reference(d1, d0)),
                Node::new(LAYER, "SRC-REF", start + 3, 2).with(reference(s1, s0)),
                Node::new(LAYER, name, start + 5, 1).with(text),
            ];
            parameters(tpkt, start + 6, end, &mut node);
        }
        (0x70, [_, _, _, cause, ..]) => {
            let cause = named(REJECT_CAUSES, i64::from(*cause));
            node.children.push(Node::new(LAYER, "REJECT-CAUSE", start + 3, 1).with(cause));
            parameters(tpkt, start + 4, end, &mut node);
        }
        (0xf0, [_, number, ..]) => {
            let ends = number & 0x80 != 0;
            let size = tpkt.len() - end;
            node.value = Some(match ends {
                true => format!("{size} octets, end of TSDU"),
                false => format!("{size} octets, more of the TSDU to come"),
            });
            data = Some((end, ends));
        }
        (0xc0, _) => {}
        _ if name.is_some() => {
            node.children.push(Node::fault(LAYER, start, header.len(), "a TPDU too short"));
        }
        _ => node.value = Some(octets_text(&tpkt[start..])),
    }
    Tpdu { node, data }
}

/// Octets of a TPKT's header.
pub(super) const TPKT_HEADER_SIZE: usize = 4;

fn parameters(tpkt: &[u8], start: usize, end: usize, node: &mut Node) {
    let mut at = start;
    while at < end {
        let (code, length) = match tpkt[at..end] {
            [code, length, ..] if at + 2 + usize::from(length) <= end => {
                (code, usize::from(length))
            }
            _ => {
                let what = "half a parameter, or one beyond its TPDU";
                return node.children.push(Node::fault(LAYER, at, end - at, what));
            }
        };
        let value = &tpkt[at + 2..at + 2 + length];
        let number =
            value.iter().take(4).fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
        let (name, text) = match code {
            0xc0 if (7..=16).contains(&number) => {
                ("TPDU size", format!("{} octets", 1_u64 << number))
            }
            0xc0 => ("TPDU size", format!("code {number}")),
            0xf0 => ("preferred maximum TPDU size", format!("{} octets", number * 128)),
            0xc1 => ("calling TSAP-ID", octets_with_characters(value)),
            0xc2 => ("called TSAP-ID", octets_with_characters(value)),
            0xc4 => ("version number", number.to_string()),
            0xc6 => ("additional option selection", octets_text(value)),
            0xe0 => ("additional information", octets_with_characters(value)),
            _ => ("parameter", format!("{code:02x}: {}", octets_text(value))),
        };
        node.children.push(Node::new(LAYER, name, at, 2 + length).with(text));
        at += 2 + length;
    }
}
