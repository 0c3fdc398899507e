//! Notes: what they hold up and what they never hold up, and stores of before there were any.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use super::driver::{CONFIG, DIRECTORY, Model, Party, check, open_log};
use p1relay::base::limits::METADATA_SIZE_MAX;
use p1relay::io::simulated::Disk;
use p1relay::io::{Engine, Token};
use p1relay::store::{Confirm, Entry, Error, Log, LogConfig, NoteScope, Outcome};

fn party(disk: &Disk) -> Party {
    Party::open(disk, 1, Rc::new(RefCell::new(Model::default()))).unwrap().0
}

/// A log whose user answers only when told to.
struct Bare {
    world: p1relay::io::simulated::World,
    engine: p1relay::io::simulated::Simulated,
    log: Log,
    heard: Vec<Vec<u8>>,
}

impl Bare {
    fn open(disk: &Disk, config: &LogConfig) -> Bare {
        let mut heard = Vec::new();
        let (world, engine, log, _) = open_log(disk, 1, config, &mut |entry| {
            if let Entry::Note(note) = entry {
                heard.push(note.to_vec());
            }
        })
        .unwrap();
        let mut bare = Bare { world, engine, log, heard };
        bare.settle();
        bare
    }

    fn settle(&mut self) {
        let mut completions = Vec::new();
        loop {
            self.engine.poll(None, &mut completions).unwrap();
            for completion in completions.drain(..) {
                self.log.handle_completion(completion.token.0 as u32, completion.result);
            }
            while let Some((token, operation)) = self.log.poll_operation() {
                self.engine.submit(Token(u64::from(token)), operation);
            }
            if !self.world.advance() {
                return;
            }
        }
    }

    /// A message that comes and goes.
    fn pass(&mut self, metadata: &[u8], size: usize) -> Result<(), Error> {
        let appended = self.log.append_request(1, metadata, 1, 0, &[&vec![7; size]])?;
        self.settle();
        self.log.outcome_request(None, appended.reference, 0, Outcome::Transferred)?;
        self.settle();
        Ok(())
    }

    fn pass_until_full(&mut self) -> u64 {
        (0..).take_while(|_| self.pass(b"metadata", 60_000).is_ok()).count() as u64
    }
}

#[test]
fn recycling_waits_for_a_durable_note_and_goes_on_with_it() {
    let mut bare = Bare::open(&Disk::new(), &CONFIG);
    assert!(!bare.log.wants_note(), "there is nothing to sum up");
    let passed = bare.pass_until_full();
    assert!(passed > 20, "{passed}");
    assert_eq!(bare.log.counters().segments_recycled, 0);
    assert_eq!(bare.log.counters().segments, CONFIG.segment_count_max as u64);
    assert!(bare.log.wants_note());
    let addition = bare.log.note_request(None, b"more", NoteScope::Addition);
    addition.unwrap();
    bare.settle();
    assert!(bare.log.wants_note(), "an addition sums up nothing");
    let note = vec![3; bare.log.note_size_max()];
    bare.log.note_request(Some(9), &note, NoteScope::Summary).unwrap();
    assert!(!bare.log.wants_note());
    assert_eq!(bare.log.counters().segments_recycled, 0, "it is not durable");
    bare.settle();
    let confirms = std::iter::from_fn(|| bare.log.poll_confirm());
    assert!(matches!(confirms.last(), Some(Confirm::Committed { ticket: 9 })));
    assert!(bare.log.counters().segments_recycled > 0);
    assert!(bare.pass_until_full() > 20, "all segments but the last were summed up");
}

#[test]
fn without_a_bound_on_notes_none_is_wanted() {
    let mut bare = Bare::open(&Disk::new(), &LogConfig { note_size_max: 0, ..CONFIG });
    for _ in 0..100 {
        bare.pass(b"metadata", 60_000).unwrap();
        assert!(!bare.log.wants_note());
    }
    assert!(bare.log.counters().segments_recycled > 10);
    assert!(bare.heard.is_empty());
}

#[test]
fn a_log_whose_segments_are_full_still_finds_room_for_the_longest_note() {
    let disk = Disk::new();
    let mut bare = Bare::open(&disk, &CONFIG);
    let small = |bare: &mut Bare| {
        let appended = bare.log.append_request(1, b"m", 1, 0, &[&[7; 3000]]);
        appended.map(|appended| appended.reference)
    };
    let mut live = Vec::new();
    while let Ok(reference) = small(&mut bare) {
        live.push(reference);
        bare.settle();
    }
    // Outcomes, so many in one turn that they would fill the last segment to its end.
    let mut outcomes = 0;
    while bare.log.outcome_request(None, live[0], 0, Outcome::Attempted).is_ok() {
        outcomes += 1;
    }
    assert!(outcomes > 1000, "{outcomes}");
    assert!(bare.log.wants_note());
    let note = vec![3; bare.log.note_size_max()];
    assert_eq!(note.len() as u64, CONFIG.segment_size / 16);
    bare.log.note_request(None, &note, NoteScope::Summary).unwrap();
    bare.settle();
    let again = Bare::open(&disk.crash_image(1), &CONFIG);
    assert_eq!(again.heard, [note]);
    assert!(!again.log.wants_note());
}

#[test]
fn the_largest_record_has_a_segment_to_itself() {
    let mut bare = Bare::open(&Disk::new(), &CONFIG);
    let metadata = vec![5; METADATA_SIZE_MAX];
    for _ in 0..CONFIG.segment_count_max * 3 {
        bare.pass(&metadata, 64 << 10).unwrap();
        if bare.log.wants_note() {
            bare.log.note_request(None, b"note", NoteScope::Summary).unwrap();
        }
    }
    assert!(bare.log.counters().segments_recycled > 10);
    assert!(matches!(
        bare.log.note_request(None, &vec![0; 600 << 10], NoteScope::Addition),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn a_store_of_version_1_is_read_and_gone_on_with() {
    let disk = Disk::new();
    let mut before = party(&disk);
    before.settle();
    for number in 0..3 {
        before.append(number, 40_000, 1, 0).unwrap();
        before.settle();
    }
    assert_eq!(before.model.borrow().note_count, 0, "octets as version 1 wrote them");
    let image = disk.crash_image(1);
    for (path, _) in image.durable_files() {
        image.corrupt(&path, 8, &[1]);
    }
    let mut party = check(&image, 1, &before.model.borrow()).unwrap();
    for number in 0..100 {
        if number > 2 {
            party.append(number, 40_000, 1, 0).unwrap();
        }
        party.settle();
        party.outcome(number, 0, Outcome::Transferred).unwrap();
    }
    party.settle();
    assert!(party.model.borrow().note_count > 5);
    check(&image.crash_image(2), 1, &party.model.borrow()).unwrap();
    // The version before would now refuse it, by the superblock.
    let superblock = Path::new(DIRECTORY).join("superblock");
    let files = image.durable_files();
    let octets = &files.iter().find(|(path, _)| *path == superblock).unwrap().1;
    assert_eq!(octets[8], 2);
}
