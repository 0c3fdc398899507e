//! A full disk, failing I/O, and files that are not ours: a clear error, and nothing acknowledged lost.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use super::driver::{Asked, CONFIG, DIRECTORY, Model, Party, check, metadata, open_log};
use p1relay::io::simulated::Disk;
use p1relay::store::{Chunks, Error, NewMessage, Outcome, Settlement};

fn party(disk: &Disk) -> Party {
    let mut party = Party::open(disk, 1, Rc::new(RefCell::new(Model::default()))).unwrap().0;
    party.settle();
    party
}

fn segment(name: u32) -> PathBuf {
    PathBuf::from(format!("{DIRECTORY}/log-00-{name:06}.seg"))
}

#[test]
fn a_full_disk_refuses_messages_takes_outcomes_and_recovers() {
    let disk = Disk::new();
    disk.set_capacity(Some(42 + 4 * CONFIG.segment_size));
    let mut party = party(&disk);
    let mut appended = 0;
    loop {
        match party.append(appended, 50_000, 1, 0) {
            Ok(()) => appended += 1,
            Err(Error::Full) => break,
            Err(error) => panic!("{error}"),
        }
        party.settle();
    }
    assert!((8..20).contains(&appended), "{appended}");
    assert_eq!(party.log.counters().segments, 4);
    let held = check(&disk.crash_image(1), 1, &party.model.borrow()).unwrap();
    assert_eq!(held.log.counters().live_messages, appended);
    for number in 0..appended {
        party.outcome(number, 0, Outcome::Transferred).unwrap();
        party.settle();
    }
    party.append(100, 50_000, 1, 0).unwrap();
    party.settle();
    check(&disk.crash_image(1), 1, &party.model.borrow()).unwrap();
    disk.set_capacity(None);
}

/// Where the disk is full, small messages that settle large ones go where outcomes go, up to a half: all
/// that fills the log can be got rid of, and outcomes still have room. What frees less than it takes waits.
#[test]
fn a_full_disk_takes_what_settles_more_than_it_takes() {
    let disk = Disk::new();
    disk.set_capacity(Some(42 + 4 * CONFIG.segment_size));
    let mut party = party(&disk);
    let mut appended = 0;
    while party.append(appended, 50_000, 2, 0).is_ok() {
        appended += 1;
        party.settle();
    }
    let reference = |party: &Party, number| party.model.borrow().messages[&number].reference;
    let settle = |party: &mut Party, subject: u64, target: u16, size: usize| {
        let reference = reference(party, subject).unwrap();
        let described = metadata(1000 + 2 * subject + u64::from(target));
        let message = NewMessage { metadata: &described, target_count: 1, attempted: 0 };
        let settled = [Settlement { reference, target, outcome: Outcome::Returned }];
        let octets = vec![7; size];
        let ticket = party.model.borrow_mut().ticket(Asked::Other);
        let chunks = &mut Chunks::default();
        let asked =
            party.log.append_settling_request(ticket, &message, chunks, &[&octets], &settled);
        party.settle();
        asked.map(|appended| appended.reference)
    };
    let refused = settle(&mut party, 0, 0, 50_000);
    assert!(matches!(refused, Err(Error::Full)), "a half of it is less");
    let mut reports = Vec::new();
    for subject in 0..appended {
        for target in 0..2 {
            reports.push(settle(&mut party, subject, target, 1000).unwrap());
        }
    }
    assert_eq!(party.log.counters().segments, 4);
    assert_eq!(party.log.counters().live_messages, reports.len() as u64);
    for reference in reports {
        party.log.outcome_request(None, reference, 0, Outcome::Transferred).unwrap();
        party.settle();
    }
    assert_eq!(party.log.counters().live_messages, 0);
}

/// Settling messages leave half of the last segment to outcomes, however much they free.
#[test]
fn what_settles_leaves_room_for_outcomes() {
    let disk = Disk::new();
    disk.set_capacity(Some(42 + 4 * CONFIG.segment_size));
    let mut party = party(&disk);
    let mut appended = 0;
    while party.append(appended, 50_000, 1, 0).is_ok() {
        appended += 1;
        party.settle();
    }
    // The first keeps its segment, and so all others, from being used again.
    let mut taken = 0;
    for subject in 1..appended {
        let reference = party.model.borrow().messages[&subject].reference.unwrap();
        let described = metadata(1000 + subject);
        let message = NewMessage { metadata: &described, target_count: 1, attempted: 0 };
        let settled = [Settlement { reference, target: 0, outcome: Outcome::Returned }];
        let ticket = party.model.borrow_mut().ticket(Asked::Other);
        let chunks = &mut Chunks::default();
        let octets = vec![7; 40_000];
        match party.log.append_settling_request(ticket, &message, chunks, &[&octets], &settled) {
            Ok(_) => taken += 1,
            Err(error) => {
                assert!(matches!(error, Error::Full), "{error}");
                break;
            }
        }
        party.settle();
    }
    let most = CONFIG.segment_size / 2 / 40_000;
    assert!(taken > 0 && taken <= most + 1 && taken + 1 < appended, "{taken} of {appended}");
    for _ in 0..8 {
        party.outcome(0, 0, Outcome::Deferred).unwrap();
        party.settle();
    }
    party.outcome(0, 0, Outcome::Transferred).unwrap();
}

#[test]
fn the_bound_on_segments_holds() {
    let disk = Disk::new();
    let mut party = party(&disk);
    let mut appended = 0;
    while party.append(appended, 60_000, 1, 0).is_ok() {
        appended += 1;
        party.settle();
    }
    assert_eq!(party.log.counters().segments, CONFIG.segment_count_max as u64);
    check(&disk.crash_image(1), 1, &party.model.borrow()).unwrap();
}

#[test]
fn a_failed_write_closes_the_log_and_keeps_what_was_confirmed() {
    let disk = Disk::new();
    let mut party = party(&disk);
    party.append(1, 3000, 1, 0).unwrap();
    party.settle();
    disk.set_write_error(Some(io::ErrorKind::Other));
    party.append(2, 3000, 1, 0).unwrap();
    party.settle();
    assert_eq!(party.failed.len(), 1);
    let error = party.append(3, 3000, 1, 0).unwrap_err();
    assert_eq!(error.to_string(), "the log is closed since a write failed: other error");
    assert!(matches!(party.outcome(1, 0, Outcome::Expired), Err(Error::Closed(_))));
    assert!(party.log.failure().is_some());
    disk.set_write_error(None);
    check(&disk.crash_image(3), 1, &party.model.borrow()).unwrap();
}

#[test]
fn a_failed_or_damaged_read_is_reported() {
    let disk = Disk::new();
    let mut party = party(&disk);
    party.append(1, 3000, 1, 0).unwrap();
    let reference = party.model.borrow().messages[&1].reference.unwrap();
    let early = party.log.fetch_request(7, reference, 0, 3000);
    assert!(matches!(early, Err(Error::NotCommitted(_))));
    party.settle();
    disk.set_read_error(Some(io::ErrorKind::Other));
    assert!(matches!(party.fetch(reference, 3000), Err(Error::Io { .. })));
    disk.set_read_error(None);
    assert!(party.fetch(reference, 3000).is_ok());
    let files = disk.durable_files();
    let name = files.iter().find(|(_, octets)| octets[4096..].iter().any(|o| *o != 0));
    let path = name.unwrap().0.clone();
    disk.corrupt(&path, 4096 + 2000, b"?");
    let error = party.fetch(reference, 3000).unwrap_err().to_string();
    let expected =
        format!("{}: damaged at octet 4136: the record's CRC does not hold", path.display());
    assert_eq!(error, expected);
    assert!(matches!(party.log.fetch_request(7, reference, 3001, 1), Err(Error::TooLarge { .. })));
}

/// A store with one message in it, and the file that holds it.
fn stored() -> (Disk, Model, PathBuf) {
    let disk = Disk::new();
    let mut party = party(&disk);
    for number in 0..20 {
        party.append(number, 40_000, 1, 0).unwrap();
        party.settle();
    }
    let path = segment(0);
    let model = party.model.borrow().clone();
    (disk, model, path)
}

fn opening(disk: &Disk) -> String {
    open_log(disk, 1, &CONFIG, &mut |_| ()).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn foreign_and_newer_segments_are_named() {
    let (disk, _, path) = stored();
    let image = disk.crash_image(1);
    image.corrupt(&path, 8, &[9]);
    assert_eq!(
        opening(&image),
        "store/log-00-000000.seg: format version 9 is newer than 2, the newest this version reads"
    );
    let image = disk.crash_image(1);
    image.corrupt(&path, 0, b"MINE");
    assert_eq!(opening(&image), "store/log-00-000000.seg: magic is MINELAYL, expected P1RELAYL");
    let image = disk.crash_image(1);
    image.corrupt(&path, 20, b"x");
    assert!(opening(&image).ends_with("the segment header's CRC does not hold"));
    let mut octets = disk.durable_files().into_iter().find(|f| f.0 == path).unwrap().1;
    octets[16..32].copy_from_slice(b"another store...");
    let crc = crc32c::crc32c(&octets[16..64]);
    octets[12..16].copy_from_slice(&crc.to_le_bytes());
    let image = disk.crash_image(1);
    image.corrupt(&path, 0, &octets[..64]);
    assert_eq!(
        opening(&image),
        "store/log-00-000000.seg: store UUID is 616e6f746865722073746f72652e2e2e, \
         expected 7369787465656e206f63746574732121"
    );
}

#[test]
fn a_missing_segment_or_confirmed_group_is_damage_not_an_end() {
    let (disk, model, path) = stored();
    check(&disk.crash_image(1), 1, &model).unwrap();
    // The oldest segment's name is taken by a file of zeros.
    let image = disk.crash_image(1);
    image.corrupt(&path, 0, &[0; 64]);
    assert!(opening(&image).ends_with("the log lacks a segment that this one follows"));
    // The footer is damaged: the groups are walked instead.
    let image = disk.crash_image(1);
    image.corrupt(&path, CONFIG.segment_size - 20, b"?");
    check(&image, 1, &model).unwrap();
    // Footer and a group are damaged: later groups tell that it was confirmed.
    let image = disk.crash_image(1);
    image.corrupt(&path, CONFIG.segment_size - 20, b"?");
    image.corrupt(&path, 4096 + 45_056 + 1000, b"?");
    assert!(opening(&image).contains("damaged at octet 45056"), "{}", opening(&image));
}

#[test]
fn a_reference_that_is_not_live_is_refused() {
    let disk = Disk::new();
    let mut party = party(&disk);
    party.append(1, 10, 2, 0).unwrap();
    let reference = party.model.borrow().messages[&1].reference.unwrap();
    assert!(matches!(party.outcome(1, 2, Outcome::Expired), Err(Error::Target { target: 2 })));
    party.outcome(1, 0, Outcome::Expired).unwrap();
    let twice = party.outcome(1, 0, Outcome::Expired);
    assert!(matches!(twice, Err(Error::Target { target: 0 })));
    party.outcome(1, 1, Outcome::Discarded).unwrap();
    assert!(matches!(party.outcome(1, 1, Outcome::Expired), Err(Error::Unknown(_))));
    assert!(matches!(party.log.fetch_request(1, reference, 0, 1), Err(Error::Unknown(_))));
    assert!(matches!(party.append(2, 10, 0, 0), Err(Error::Target { .. })));
    let oversized = vec![0; 70_000];
    let refused = party.log.append_request(9, &oversized, 1, 0, &[]);
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
    party.settle();
    assert_eq!(party.log.counters().live_messages, 0);
}
