//! The octets on disk, held against a snapshot: a change of format must be meant, and raise the version.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;

use super::driver::{Model, Party};
use p1relay::io::simulated::Disk;
use p1relay::store::{NoteScope, Outcome};

/// Sixteen octets a line, runs of equal lines once.
fn dump(octets: &[u8]) -> String {
    let mut text = String::new();
    let mut last: &[u8] = &[];
    for (index, line) in octets.chunks(16).enumerate() {
        if line == last {
            continue;
        }
        last = line;
        write!(text, "{:06x} ", index * 16).unwrap();
        line.iter().for_each(|octet| write!(text, " {octet:02x}").unwrap());
        text.push('\n');
    }
    text
}

#[test]
fn the_octets_of_a_tiny_log() {
    let disk = Disk::new();
    let model = Rc::new(RefCell::new(Model::default()));
    let (mut party, _) = Party::open(&disk, 1, model).unwrap();
    party.settle();
    party.append(1, 20, 2, 0b10).unwrap();
    party.append(2, 0, 1, 0).unwrap();
    party.settle();
    party.outcome(1, 0, Outcome::Transferred).unwrap();
    party.log.note_request(None, b"a note", NoteScope::Summary).unwrap();
    party.settle();
    // Three more fill the segment, so that its footer is written.
    for number in 3..6 {
        party.append(number, 65_536, 1, 0).unwrap();
        party.settle();
    }
    party.append(6, 65_536, 1, 0).unwrap();
    party.settle();
    let mut text = String::new();
    for (path, octets) in disk.durable_files() {
        // Of each block of groups the start is shown, which leaves out the large bodies.
        let last = octets.len().div_ceil(4096) - 1;
        let mut shown = octets.clone();
        for (index, block) in shown.chunks_mut(4096).enumerate().take(last).skip(1) {
            let kept = if index <= 2 { 256 } else { 0 };
            block[kept..].fill(0);
        }
        writeln!(text, "{} {} octets\n{}", path.display(), octets.len(), dump(&shown)).unwrap();
    }
    insta::assert_snapshot!(text);
}
