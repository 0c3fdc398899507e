//! The walk over an encoding with a table in hand, which nothing malformed stops.
//!
//! Invariants: depth is bounded by `BER_DEPTH_MAX`, nodes by `DECODE_NODE_COUNT_MAX`, a value's text by
//! `DECODE_VALUE_SIZE_MAX`; an element whose length lies is read as far as its octets go.

use std::borrow::Cow;
use std::ops::Range;

use super::node::Node;
use super::schema::{Field, Kind, Names, named};
use super::{codes, extension, object_identifier, p1};
use crate::base::limits::{BER_DEPTH_MAX, DECODE_NODE_COUNT_MAX, DECODE_VALUE_SIZE_MAX};
use crate::ber::{Class, ErrorKind, Reader, Span, Tag};
use crate::p1::domain::GlobalDomainIdentifierView;
use crate::p1::or_address::{self, AttributeKind};

/// One element, as far as it is there.
struct Piece {
    tag: Tag,
    constructed: bool,
    start: usize,
    content: Range<usize>,
    end: usize,
    fault: Option<String>,
}

/// The element at `range.start`, which may not reach beyond `range`.
///
/// # Errors
/// When not even its identifier and length can be read.
fn piece(octets: &[u8], range: Range<usize>) -> Result<Piece, String> {
    let span = Span::new(range.start as u32, range.end as u32);
    let mut reader = Reader::over_span(octets, span);
    let error = match reader.take() {
        Ok(element) => {
            return Ok(Piece {
                tag: element.header.tag,
                constructed: element.header.is_constructed(),
                start: range.start,
                content: element.content.range(),
                end: element.span().end as usize,
                fault: None,
            });
        }
        Err(error) => error,
    };
    // The header alone may be sound: what it promises is clipped to what is there.
    let visible = octets.get(range.clone()).unwrap_or_default();
    let header = Reader::over_prefix(visible).header().map_err(|_| error.kind.to_string())?;
    let content_start = range.start + header.content_start as usize;
    let fault = match (error.kind, header.length()) {
        (ErrorKind::Overrun, crate::ber::Length::Definite(size)) => format!(
            "a length of {size} octets where {} are left",
            range.end.saturating_sub(content_start)
        ),
        (kind, _) => kind.to_string(),
    };
    Ok(Piece {
        tag: header.tag,
        constructed: header.is_constructed(),
        start: range.start,
        content: content_start.min(range.end)..range.end,
        end: range.end,
        fault: Some(fault),
    })
}

/// What is left to spend, and what later fields depend on.
pub(super) struct Walker {
    nodes_left: usize,
    depth: usize,
    /// The built-in content type of the envelope that was read last.
    content_type: Option<i64>,
}

impl Walker {
    pub(super) fn new() -> Walker {
        Walker { nodes_left: DECODE_NODE_COUNT_MAX, depth: 0, content_type: None }
    }

    /// Every element of `range`, named by `fields`.
    pub(super) fn elements(
        &mut self,
        layer: &'static str,
        octets: &[u8],
        range: Range<usize>,
        fields: &'static [Field],
    ) -> Vec<Node> {
        let mut nodes = Vec::new();
        let (mut at, mut next) = (range.start, 0);
        while at < range.end {
            if self.nodes_left == 0 {
                nodes.push(Node::fault(layer, at, range.end - at, "more than is shown"));
                break;
            }
            match piece(octets, at..range.end) {
                Ok(piece) => {
                    at = piece.end;
                    // Components of a SEQUENCE may share a tag: the search goes on behind the last one.
                    let matches = |field: &Field| field.tag.is_none_or(|tag| tag == piece.tag);
                    let after = fields.iter().skip(next).position(matches).map(|at| at + next);
                    let found = after.or_else(|| fields.iter().position(matches));
                    next = found.map_or(next, |index| index + 1);
                    nodes.push(self.element(layer, octets, &piece, found.map(|at| &fields[at])));
                }
                Err(fault) => {
                    nodes.push(Node::fault(layer, at, range.end - at, fault));
                    break;
                }
            }
        }
        nodes
    }

    fn element(
        &mut self,
        layer: &'static str,
        octets: &[u8],
        piece: &Piece,
        field: Option<&'static Field>,
    ) -> Node {
        let (name, kind) = match field {
            Some(field) => (Cow::Borrowed(field.name), field.kind),
            None => (Cow::Owned(tag_name(piece.tag)), Kind::Any),
        };
        self.nodes_left = self.nodes_left.saturating_sub(1);
        let layer = field.and_then(|field| field.layer).unwrap_or(layer);
        let mut node = Node::new(layer, name, piece.start, piece.end - piece.start);
        if self.depth >= BER_DEPTH_MAX {
            node.children.push(Node::fault(layer, piece.start, node.length, "nested too deep"));
            return node;
        }
        self.depth += 1;
        self.fill(&mut node, octets, piece, kind);
        self.depth -= 1;
        if let Some(fault) = &piece.fault {
            node.children.push(Node::fault(layer, piece.start, node.length, fault));
        }
        node
    }

    fn fill(&mut self, node: &mut Node, octets: &[u8], piece: &Piece, kind: Kind) {
        let content = octets.get(piece.content.clone()).unwrap_or_default();
        let whole = octets.get(piece.start..piece.end).unwrap_or_default();
        let layer = node.layer;
        match kind {
            Kind::Fields(fields) if piece.constructed => {
                node.children = self.elements(layer, octets, piece.content.clone(), fields);
            }
            Kind::Many(fields) if piece.constructed => {
                node.children = self.elements(layer, octets, piece.content.clone(), fields);
            }
            Kind::Explicit(inner) if piece.constructed => {
                self.explicit(node, octets, piece, *inner)
            }
            Kind::Fields(_) | Kind::Many(_) | Kind::Explicit(_) => {
                // An IMPLICIT NULL stands for what was left out.
                if !content.is_empty() {
                    node.value = Some(octets_text(content));
                    self.wrong(node, piece, "primitive where components are expected");
                }
            }
            Kind::Number(names) => self.number(node, piece, content, names),
            Kind::ContentType => {
                self.number(node, piece, content, p1::CONTENT_TYPES);
                self.content_type = integer(content);
            }
            Kind::Bits(names) => match bits_text(content, names) {
                Some(text) => node.value = Some(text),
                None => self.wrong(node, piece, "no BIT STRING"),
            },
            Kind::Text => {
                let joined = self.string(node, octets, piece);
                node.value = Some(characters(&joined));
            }
            Kind::Octets => {
                let joined = self.string(node, octets, piece);
                node.value = Some(octets_text(&joined));
            }
            Kind::ObjectIdentifier => match object_identifier::text(content) {
                Some(text) => node.value = Some(text),
                None => self.wrong(node, piece, "no OBJECT IDENTIFIER"),
            },
            Kind::Boolean => {
                node.value = Some(content.iter().any(|octet| *octet != 0).to_string());
            }
            Kind::Null => node.value = None,
            Kind::Time => {
                let text = characters(content);
                match crate::p1::time::wall_time(content) {
                    Some(time) => {
                        node.value = Some(match jiff::Timestamp::from_millisecond(time.0) {
                            Ok(timestamp) => format!("{timestamp} ({text})"),
                            Err(_) => text,
                        });
                    }
                    None => {
                        node.value = Some(text);
                        self.wrong(node, piece, "no UTCTime");
                    }
                }
            }
            Kind::OrName => self.or_name(node, piece, whole),
            Kind::Domain => match GlobalDomainIdentifierView::decode(whole) {
                Ok(domain) => node.value = Some(domain.to_owned().to_string()),
                Err(error) => {
                    self.wrong(node, piece, error);
                    self.any(node, octets, piece);
                }
            },
            Kind::Extension => self.extension(node, octets, piece),
            Kind::ExtensionType if piece.constructed => {
                self.explicit(node, octets, piece, Kind::Any);
            }
            Kind::ExtensionType if piece.tag == Tag::context(0) => {
                self.number(node, piece, content, &[]);
            }
            Kind::ExtensionType => self.fill(node, octets, piece, Kind::ObjectIdentifier),
            Kind::Secret => node.value = Some("present, not shown".to_owned()),
            Kind::Content => self.content(node, octets, piece),
            Kind::ForwardedIpm => {
                node.children =
                    self.elements("ipm", octets, piece.content.clone(), super::ipm::IPM);
            }
            Kind::Any => self.any(node, octets, piece),
        }
    }

    fn wrong(&mut self, node: &mut Node, piece: &Piece, what: impl std::fmt::Display) {
        let fault = Node::fault(node.layer, piece.start, piece.end - piece.start, what);
        node.children.push(fault);
    }

    /// What an explicit tag holds becomes the node's own.
    fn explicit(&mut self, node: &mut Node, octets: &[u8], outer: &Piece, kind: Kind) {
        match piece(octets, outer.content.clone()) {
            Ok(inner) => {
                self.fill(node, octets, &inner, kind);
                if let Some(fault) = &inner.fault {
                    self.wrong(node, &inner, fault);
                }
                if inner.end < outer.content.end {
                    let rest = inner.end..outer.content.end;
                    node.children.extend(self.elements(node.layer, octets, rest, &[]));
                }
            }
            Err(fault) => self.wrong(node, outer, fault),
        }
    }

    fn number(&mut self, node: &mut Node, piece: &Piece, content: &[u8], names: Names) {
        match integer(content) {
            Some(value) => node.value = Some(named(names, value)),
            None => {
                node.value = Some(octets_text(content));
                self.wrong(node, piece, "no INTEGER of at most eight octets");
            }
        }
    }

    /// The octets of a string, segments joined; an explicit tag around it is looked through.
    fn string<'o>(&mut self, node: &mut Node, octets: &'o [u8], outer: &Piece) -> Cow<'o, [u8]> {
        if !outer.constructed {
            return Cow::Borrowed(octets.get(outer.content.clone()).unwrap_or_default());
        }
        let mut joined = Vec::new();
        let span = Span::new(outer.start as u32, outer.end as u32);
        let mut reader = Reader::over_span(octets, span);
        let read = reader.header().and_then(|header| reader.string_into(&header, &mut joined));
        if let Err(error) = read {
            // A prefix of the segments was joined; what is wrong behind them is said.
            self.wrong(node, outer, error);
        }
        Cow::Owned(joined)
    }

    fn or_name(&mut self, node: &mut Node, piece: &Piece, whole: &[u8]) {
        match or_address::attributes(whole) {
            Ok(view) => {
                node.value = Some(view.to_owned().to_string());
                for attribute in view.attributes() {
                    let AttributeKind::Extension(number) = attribute.kind else { continue };
                    let name = codes::EXTENSION_ATTRIBUTES
                        .iter()
                        .find(|(known, _)| *known == i64::from(number))
                        .map_or(Cow::Borrowed("extension-attribute"), |(_, name)| (*name).into());
                    let size = attribute.octets.len();
                    let mut child = Node::new(node.layer, name, piece.start, size);
                    let mut inner = self.elements(node.layer, attribute.octets, 0..size, &[]);
                    child.children.append(&mut inner);
                    node.children.push(child);
                }
            }
            Err(error) => {
                self.wrong(node, piece, error);
                let size = whole.len();
                node.children.extend(self.elements(node.layer, whole, 0..size, &[]));
            }
        }
    }

    /// An extension field: by name, number and criticality, its value by the table.
    fn extension(&mut self, node: &mut Node, octets: &[u8], outer: &Piece) {
        let parts =
            self.elements(node.layer, octets, outer.content.clone(), extension::EXTENSION_FIELD);
        let text = |name: &str| parts.iter().find(|part| part.name == name).map(Node::text);
        let number: Option<i64> = text("type").and_then(|number| number.parse().ok());
        let known = extension::EXTENSIONS.iter().find(|(known, _)| Some(*known) == number);
        let name = match (known, number, text("type")) {
            (Some((number, field)), ..) => format!("{} ({number})", field.name),
            (None, Some(number), _) => format!("standard-extension {number}"),
            (None, None, identifier) => {
                format!("private-extension {}", identifier.unwrap_or_default())
            }
        };
        let criticality = text("criticality").filter(|bits| !bits.is_empty());
        let critical =
            criticality.map_or("not critical".to_owned(), |bits| format!("critical {bits}"));
        node.value = Some(format!("{name}, {critical}"));
        for part in parts {
            match (known, &*part.name) {
                (_, "type" | "criticality") if !part.walk().any(|inner| inner.malformed) => {}
                (Some((_, field)), "value") => {
                    if let Ok(value) = piece(octets, part.offset..part.offset + part.length) {
                        let field = std::slice::from_ref(field);
                        node.children.extend(self.elements(
                            node.layer,
                            octets,
                            value.content,
                            field,
                        ));
                    }
                }
                _ => node.children.push(part),
            }
        }
    }

    fn content(&mut self, node: &mut Node, octets: &[u8], outer: &Piece) {
        let joined = self.string(node, octets, outer);
        node.value = Some(format!("{} octets", joined.len()));
        if !matches!(self.content_type, Some(2 | 22)) {
            return;
        }
        // Where the content is one piece, offsets go on counting in the transfer.
        let nodes = match outer.constructed {
            false => self.elements("ipm", octets, outer.content.clone(), super::ipm::CONTENT),
            true => self.elements("ipm", &joined, 0..joined.len(), super::ipm::CONTENT),
        };
        node.children.extend(nodes);
    }

    fn any(&mut self, node: &mut Node, octets: &[u8], piece: &Piece) {
        let content = octets.get(piece.content.clone()).unwrap_or_default();
        if piece.constructed {
            node.children.extend(self.elements(node.layer, octets, piece.content.clone(), &[]));
            return;
        }
        let kind = match piece.tag {
            Tag::INTEGER | Tag::ENUMERATED => Kind::Number(&[]),
            Tag::BIT_STRING => Kind::Bits(&[]),
            Tag::OBJECT_IDENTIFIER => Kind::ObjectIdentifier,
            Tag::BOOLEAN => Kind::Boolean,
            Tag::NULL => Kind::Null,
            Tag::UTC_TIME => Kind::Time,
            Tag::PRINTABLE_STRING | Tag::NUMERIC_STRING | Tag::IA5_STRING | Tag::TELETEX_STRING => {
                Kind::Text
            }
            _ => {
                node.value = Some(octets_text(content));
                return;
            }
        };
        self.fill(node, octets, piece, kind);
    }
}

/// A tag in words, for what no table names.
fn tag_name(tag: Tag) -> String {
    const UNIVERSAL: Names = &[
        (1, "BOOLEAN"),
        (2, "INTEGER"),
        (3, "BIT STRING"),
        (4, "OCTET STRING"),
        (5, "NULL"),
        (6, "OBJECT IDENTIFIER"),
        (8, "EXTERNAL"),
        (10, "ENUMERATED"),
        (16, "SEQUENCE"),
        (17, "SET"),
        (18, "NumericString"),
        (19, "PrintableString"),
        (20, "TeletexString"),
        (22, "IA5String"),
        (23, "UTCTime"),
        (25, "GraphicString"),
        (28, "UniversalString"),
        (30, "BMPString"),
    ];
    let number = tag.number();
    match tag.class() {
        Class::Universal => UNIVERSAL
            .iter()
            .find(|(known, _)| *known == i64::from(number))
            .map_or_else(|| format!("[UNIVERSAL {number}]"), |(_, name)| (*name).to_owned()),
        Class::Application => format!("[APPLICATION {number}]"),
        Class::Context => format!("[{number}]"),
        Class::Private => format!("[PRIVATE {number}]"),
    }
}

fn integer(content: &[u8]) -> Option<i64> {
    let (first, _) = content.split_first()?;
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    (content.len() <= 8)
        .then(|| content.iter().fold(sign, |value, octet| value << 8 | i64::from(*octet)))
}

/// The names of the bits that are set; a bit without a name by its number.
fn bits_text(content: &[u8], names: Names) -> Option<String> {
    let (unused, octets) = content.split_first()?;
    if *unused > 7 || (octets.is_empty() && *unused > 0) {
        return None;
    }
    let count = (octets.len() * 8 - usize::from(*unused)).min(DECODE_VALUE_SIZE_MAX);
    let set = (0..count).filter(|bit| octets[bit / 8] & (0x80 >> (bit % 8)) != 0);
    let words = set.map(|bit| {
        let name = names.iter().find(|(known, _)| *known == bit as i64);
        name.map_or_else(|| format!("bit {bit}"), |(_, name)| (*name).to_owned())
    });
    Some(words.collect::<Vec<_>>().join(", "))
}

/// Characters, quoted where they could be mistaken for something else, cut where they are many.
pub(super) fn characters(octets: &[u8]) -> String {
    let shown = &octets[..octets.len().min(DECODE_VALUE_SIZE_MAX)];
    let text = shown.iter().map(|octet| match octet {
        b' '..=b'~' => char::from(*octet).to_string(),
        _ => octet.escape_ascii().to_string(),
    });
    cut(format!("\"{}\"", text.collect::<String>()), octets.len())
}

/// Octets in hexadecimal.
pub(super) fn octets_text(octets: &[u8]) -> String {
    let shown = &octets[..octets.len().min(DECODE_VALUE_SIZE_MAX / 4)];
    let text: Vec<String> = shown.iter().map(|octet| format!("{octet:02x}")).collect();
    match shown.len() == octets.len() {
        true => text.join(" "),
        false => format!("{} ... ({} octets)", text.join(" "), octets.len()),
    }
}

fn cut(text: String, size: usize) -> String {
    match size <= DECODE_VALUE_SIZE_MAX {
        true => text,
        false => format!("{text} ... ({size} octets)"),
    }
}
