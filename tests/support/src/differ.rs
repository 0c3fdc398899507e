//! What differs between an encoding and another that was made from it: found by walking both trees of
//! tag, length and value side by side. It shares no code with the library's reader or patcher.

use std::fmt;
use std::ops::Range;

/// One encoded element; offsets are those of the whole.
#[derive(Debug, Clone)]
struct Node {
    identifier: Range<usize>,
    length: Range<usize>,
    content: Range<usize>,
    /// Behind the content, with the end-of-contents octets of an indefinite length.
    end: usize,
    /// The elements within, of a constructed encoding.
    children: Option<Vec<Node>>,
}

impl Node {
    fn octets<'a>(&self, whole: &'a [u8]) -> &'a [u8] {
        &whole[self.identifier.start..self.end]
    }
}

/// Reads the element at `at`.
fn read(whole: &[u8], at: usize) -> Node {
    let mut position = at + 1;
    if whole[at] & 0x1f == 0x1f {
        while whole[position] & 0x80 != 0 {
            position += 1;
        }
        position += 1;
    }
    let identifier = at..position;
    let first = whole[position];
    position += 1;
    let size = match first {
        0x80 => None,
        0..0x80 => Some(usize::from(first)),
        _ => {
            let count = usize::from(first & 0x7f);
            let digits = &whole[position..position + count];
            position += count;
            Some(digits.iter().fold(0, |size, digit| size << 8 | usize::from(*digit)))
        }
    };
    let length = identifier.end..position;
    let mut node = Node { identifier, length, content: position..position, end: 0, children: None };
    if whole[at] & 0x20 == 0 {
        node.content.end = position + size.expect("a primitive encoding has a definite length");
        node.end = node.content.end;
        return node;
    }
    let mut children = Vec::new();
    let is_over = |position: usize| match size {
        Some(size) => position >= node.content.start + size,
        None => whole[position..position + 2] == [0, 0],
    };
    while !is_over(position) {
        children.push(read(whole, position));
        position = children.last().map_or(position, |child| child.end);
    }
    if let Some(size) = size {
        assert_eq!(position, node.content.start + size, "elements overrun what encloses them");
    }
    node.content.end = position;
    node.end = if size.is_some() { position } else { position + 2 };
    node.children = Some(children);
    node
}

/// How a stretch differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A whole element that the input does not have.
    Added,
    /// A whole element that the output does not have.
    Removed,
    /// The length of an element of definite length, before and after.
    Length,
    /// The content of a primitive element.
    Content,
}

/// One stretch that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How it differs.
    pub change: Change,
    /// Identifier octets from the outermost element to the one concerned, in hexadecimal.
    pub path: String,
    /// Where it stands in the input, octets.
    pub input: Range<usize>,
    /// Where it stands in the output, octets.
    pub output: Range<usize>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { change, path, input, output } = self;
        write!(f, "{change:?} {path}: in {input:04x?}, out {output:04x?}")
    }
}

/// Every difference between two encodings, in the order of their offsets. What is not listed is
/// identical, octet for octet; that is checked.
///
/// An element may have one more child, or one fewer; anything else that is not of the same shape fails.
#[track_caller]
pub fn differences(input: &[u8], output: &[u8]) -> Vec<Difference> {
    let (a, b) = (read(input, 0), read(output, 0));
    assert_eq!((a.end, b.end), (input.len(), output.len()), "something follows the element");
    let mut differ = Differ { input, output, found: Vec::new() };
    differ.compare(&a, &b, "");
    let mut found = differ.found;
    found.sort_by_key(|difference| (difference.output.start, difference.output.end));
    let (mut at_input, mut at_output) = (0, 0);
    for difference in &found {
        let (a, b) = (&difference.input, &difference.output);
        assert_eq!(input[at_input..a.start], output[at_output..b.start], "before {difference}");
        (at_input, at_output) = (a.end, b.end);
    }
    assert_eq!(input[at_input..], output[at_output..]);
    found
}

struct Differ<'a> {
    input: &'a [u8],
    output: &'a [u8],
    found: Vec<Difference>,
}

impl Differ<'_> {
    fn add(&mut self, change: Change, path: &str, input: Range<usize>, output: Range<usize>) {
        self.found.push(Difference { change, path: path.to_owned(), input, output });
    }

    fn path(&self, enclosing: &str, node: &Node, whole: &[u8]) -> String {
        let digits: String =
            whole[node.identifier.clone()].iter().map(|octet| format!("{octet:02x}")).collect();
        format!("{enclosing}/{digits}")
    }

    fn compare(&mut self, a: &Node, b: &Node, enclosing: &str) {
        let (input, output) = (self.input, self.output);
        if a.octets(input) == b.octets(output) {
            return;
        }
        assert_eq!(input[a.identifier.clone()], output[b.identifier.clone()], "in {enclosing}");
        let path = self.path(enclosing, a, input);
        if input[a.length.clone()] != output[b.length.clone()] {
            let indefinite = [input[a.length.start], output[b.length.start]].contains(&0x80);
            assert!(!indefinite, "{path}: a length became definite or indefinite");
            self.add(Change::Length, &path, a.length.clone(), b.length.clone());
        }
        match (&a.children, &b.children) {
            (Some(before), Some(after)) => {
                self.compare_children(before, after, &path, a.content.end, b.content.end);
            }
            _ => self.add(Change::Content, &path, a.content.clone(), b.content.clone()),
        }
    }

    /// `ends`: where the contents end, which is where something added behind the last child stands.
    fn compare_children(
        &mut self,
        before: &[Node],
        after: &[Node],
        path: &str,
        input_end: usize,
        output_end: usize,
    ) {
        let (input, output) = (self.input, self.output);
        let same = |(a, b): &(&Node, &Node)| a.octets(input) == b.octets(output);
        let start = |nodes: &[Node], index: usize, end: usize| {
            nodes.get(index).map_or(end, |node| node.identifier.start)
        };
        let equal_count = before.iter().zip(after).take_while(same).count();
        match after.len() as isize - before.len() as isize {
            0 => before.iter().zip(after).for_each(|(a, b)| self.compare(a, b, path)),
            1 => {
                let added = &after[equal_count];
                let at = start(before, equal_count, input_end);
                let path = self.path(path, added, output);
                self.add(Change::Added, &path, at..at, added.identifier.start..added.end);
                let rest = before[equal_count..].iter().zip(&after[equal_count + 1..]);
                assert!(rest.clone().all(|pair| same(&pair)), "{path}: more differs beside it");
            }
            -1 => {
                let removed = &before[equal_count];
                let at = start(after, equal_count, output_end);
                let path = self.path(path, removed, input);
                self.add(Change::Removed, &path, removed.identifier.start..removed.end, at..at);
                let rest = before[equal_count + 1..].iter().zip(&after[equal_count..]);
                assert!(rest.clone().all(|pair| same(&pair)), "{path}: more differs beside it");
            }
            more => panic!("{path}: {more} elements more"),
        }
    }
}

/// The differ finds what it is for, and refuses the rest.
#[test]
fn finds_every_kind_of_difference() {
    let input = [0x30, 9, 0x31, 0x80, 2, 1, 5, 0, 0, 4, 0];
    let output = [0x30, 12, 0x31, 0x80, 2, 1, 6, 2, 1, 7, 0, 0, 4, 0];
    let refused = std::panic::catch_unwind(|| differences(&input, &output));
    assert!(refused.is_err(), "5 became 6 beside an addition");
    let output = [0x30, 12, 0x31, 0x80, 2, 1, 5, 2, 1, 7, 0, 0, 4, 0];
    let changes = |found: Vec<Difference>| -> Vec<_> {
        found.into_iter().map(|it| (it.change, it.path, it.input, it.output)).collect()
    };
    let length = |path: &str| (Change::Length, path.to_owned(), 1..2, 1..2);
    assert_eq!(
        changes(differences(&input, &output)),
        [length("/30"), (Change::Added, "/30/31/02".to_owned(), 7..7, 7..10)]
    );
    assert_eq!(
        changes(differences(&output, &input)),
        [length("/30"), (Change::Removed, "/30/31/02".to_owned(), 7..10, 7..7)]
    );
    let output = [0x30, 9, 0x31, 0x80, 2, 1, 6, 0, 0, 4, 0];
    assert_eq!(
        changes(differences(&input, &output)),
        [(Change::Content, "/30/31/02".to_owned(), 6..7, 6..7)]
    );
}
