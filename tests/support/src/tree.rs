//! A BER encoding as a tree that remembers its form octet for octet, and other forms of the same value.

use crate::random::Random;

/// How a length is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In so many length octets altogether.
    Definite(usize),
    /// End-of-contents octets end it.
    Indefinite,
}

/// One element: its identifier octets, the form of its length, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Identifier octets.
    pub identifier: Vec<u8>,
    /// How its length is written.
    pub form: Form,
    /// What is in it.
    pub content: Content,
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Octets.
    Primitive(Vec<u8>),
    /// Elements.
    Constructed(Vec<Node>),
}

impl Node {
    /// Parses one element, which must be valid; gives its size too.
    pub fn parse(octets: &[u8]) -> (Node, usize) {
        let mut at = 1;
        if octets[0] & 0x1f == 0x1f {
            while octets[at] & 0x80 != 0 {
                at += 1;
            }
            at += 1;
        }
        let identifier = octets[..at].to_vec();
        let constructed = octets[0] & 0x20 != 0;
        let (form, size) = match octets[at] {
            0x80 => (Form::Indefinite, 0),
            short @ 0..0x80 => (Form::Definite(1), usize::from(short)),
            long => {
                let count = usize::from(long & 0x7f);
                let size = octets[at + 1..=at + count]
                    .iter()
                    .fold(0, |size, octet| size << 8 | usize::from(*octet));
                (Form::Definite(1 + count), size)
            }
        };
        at += match form {
            Form::Definite(count) => count,
            Form::Indefinite => 1,
        };
        if !constructed {
            let content = Content::Primitive(octets[at..at + size].to_vec());
            return (Node { identifier, form, content }, at + size);
        }
        let mut children = Vec::new();
        match form {
            Form::Definite(_) => {
                let end = at + size;
                while at < end {
                    let (child, size) = Node::parse(&octets[at..end]);
                    children.push(child);
                    at += size;
                }
                assert_eq!(at, end);
            }
            Form::Indefinite => {
                while octets[at..at + 2] != [0, 0] {
                    let (child, size) = Node::parse(&octets[at..]);
                    children.push(child);
                    at += size;
                }
                at += 2;
            }
        }
        (Node { identifier, form, content: Content::Constructed(children) }, at)
    }

    /// Parses octets that are one element and nothing else.
    pub fn parse_all(octets: &[u8]) -> Node {
        let (node, size) = Node::parse(octets);
        assert_eq!(size, octets.len(), "octets behind the element");
        node
    }

    /// The elements in it; none in a primitive one.
    pub fn children(&self) -> &[Node] {
        match &self.content {
            Content::Constructed(children) => children,
            Content::Primitive(_) => &[],
        }
    }

    /// The same, to be changed.
    pub fn children_mut(&mut self) -> &mut Vec<Node> {
        match &mut self.content {
            Content::Constructed(children) => children,
            Content::Primitive(_) => panic!("a primitive element has no children"),
        }
    }

    /// The first child with this one-octet identifier.
    pub fn child(&self, identifier: u8) -> Option<&Node> {
        self.children().iter().find(|child| child.identifier == [identifier])
    }

    /// Encodes in the forms remembered; a definite length that does not fit its octets takes the fewest
    /// that hold it.
    pub fn encode(&self) -> Vec<u8> {
        let content = match &self.content {
            Content::Primitive(octets) => octets.clone(),
            Content::Constructed(children) => children.iter().flat_map(Node::encode).collect(),
        };
        let mut out = self.identifier.clone();
        match self.form {
            Form::Indefinite => {
                out.push(0x80);
                out.extend(content);
                out.extend([0, 0]);
            }
            Form::Definite(count) => {
                out.extend(length(content.len(), count));
                out.extend(content);
            }
        }
        out
    }

    /// Another encoding of the same value: SETs in any order, lengths in any form. The content of a
    /// message, an OCTET STRING beside the envelope, may come in segments.
    pub fn shuffled(mut self, random: &mut Random) -> Node {
        let is_message = self.identifier == [0xa0];
        if is_message && random.chance(3) {
            segment(&mut self.children_mut()[1], random);
        }
        // A probe is a SET under an implicit tag.
        let is_probe = self.identifier == [0xa2];
        self.shuffle(random, is_probe);
        self
    }

    fn shuffle(&mut self, random: &mut Random, is_set: bool) {
        let octets = if random.chance(3) { 2 + random.below(4) } else { 1 };
        self.form = Form::Definite(octets);
        if let Content::Constructed(children) = &mut self.content {
            if is_set || self.identifier == [0x31] {
                random.shuffle(children);
            }
            if random.chance(3) {
                self.form = Form::Indefinite;
            }
            children.iter_mut().for_each(|child| child.shuffle(random, false));
        }
    }
}

fn segment(content: &mut Node, random: &mut Random) {
    let Content::Primitive(octets) = &content.content else { return };
    let size = 1 + random.below(100);
    let segments = octets
        .chunks(size)
        .map(|chunk| Node {
            identifier: vec![0x04],
            form: Form::Definite(1),
            content: Content::Primitive(chunk.to_vec()),
        })
        .collect();
    content.identifier = vec![0x24];
    content.content = Content::Constructed(segments);
}

/// Length octets, `count` of them if the size fits, else the fewest.
pub fn length(size: usize, count: usize) -> Vec<u8> {
    let fewest = match size {
        0..0x80 => 1,
        0x80..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x100_0000 => 4,
        _ => 5,
    };
    match count.max(fewest) {
        1 => vec![size as u8],
        count => {
            let mut octets = vec![0; count];
            octets[0] = 0x80 | (count - 1) as u8;
            for (index, octet) in octets.iter_mut().skip(1).rev().enumerate() {
                *octet = (size >> (8 * index).min(63)) as u8;
            }
            octets
        }
    }
}
