//! What decoding yields: a tree of named things, as indented text or (by serde) as JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// One thing that was found: a PDU, a parameter, a field, or what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Whose it is: `tpkt`, `transport`, `session`, `presentation`, `acse`, `rtse`, `p1` or `ipm`.
    pub layer: &'static str,
    /// The Recommendation's name.
    pub name: Cow<'static, str>,
    /// Offset of its first octet in the unit that its layer works on: stream, TSDU, SSDU, transfer, or a
    /// string put together from segments.
    pub offset: usize,
    /// Size, octets.
    pub length: usize,
    /// Its value in words; absent where the children say it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether the Recommendation forbids it: the value says what is wrong.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub malformed: bool,
    /// What it consists of, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

impl Node {
    pub(super) fn new(
        layer: &'static str,
        name: impl Into<Cow<'static, str>>,
        offset: usize,
        length: usize,
    ) -> Node {
        Node {
            layer,
            name: name.into(),
            offset,
            length,
            value: None,
            malformed: false,
            children: Vec::new(),
        }
    }

    /// Something forbidden at these octets.
    pub(super) fn fault(
        layer: &'static str,
        offset: usize,
        length: usize,
        what: impl fmt::Display,
    ) -> Node {
        Node {
            malformed: true,
            ..Node::new(layer, "malformed", offset, length).with(format!("{what}"))
        }
    }

    pub(super) fn with(mut self, value: impl Into<String>) -> Node {
        self.value = Some(value.into());
        self
    }

    /// The first node of this name, itself included, in the order of the text.
    pub fn find(&self, name: &str) -> Option<&Node> {
        self.walk().find(|node| node.name == name)
    }

    /// Its value, empty when it has none.
    pub fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    /// It and all that it consists of, in the order of the text.
    pub fn walk(&self) -> impl Iterator<Item = &Node> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let node = waiting.pop()?;
            waiting.extend(node.children.iter().rev());
            Some(node)
        })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:indent$}{}", "", self.name, indent = 2 * depth)?;
        if let Some(value) = &self.value {
            write!(f, ": {value}")?;
        }
        if self.malformed {
            write!(f, " (at octet {}, {} octets)", self.offset, self.length)?;
        }
        writeln!(f)?;
        self.children.iter().try_for_each(|child| child.write(f, depth + 1))
    }
}

/// Indented lines, one for each node.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}
