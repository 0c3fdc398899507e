//! Reopening: how long a log takes to open on one million queued 2 KiB messages, cold, with the names of the
//! last activities that brought them.
//!
//! The log is written by the store itself, on a disk under `target/` with 3 GiB free, and left as a kill
//! leaves it: never closed, its last segment unsealed. Before each opening the pages of its files are
//! dropped from the page cache (by `posix_fadvise`, and all of them where this process may say so).
//! `cargo bench --bench recovery -- COUNT` takes another number of messages.

#[path = "common/log.rs"]
mod log;

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use log::Store;
use p1relay::base::clock::WallTime;
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::mta::activity::{LastActivities, NameReference};
use p1relay::mta::metadata::{self, Metadata};
use p1relay::osi::session::{ActivityIdentifier, SessionConnectionIdentifier};
use p1relay::p1::scan::{ApduKind, Priority};
use p1relay::store::{Entry, Log, LogConfig, open_superblock};
use rustix::fs::{Advice, fadvise};

const OPENING_COUNT: usize = 5;
const BATCH_SIZE: usize = 256;
/// Partners' associations, which send in turn.
const ASSOCIATION_COUNT: usize = 50;
const NOW: WallTime = WallTime(1_800_000_000_000);

/// What the relay keeps beside a message that came by an activity of an association.
fn metadata(association: usize) -> Vec<u8> {
    let connection = SessionConnectionIdentifier {
        calling_user_reference: format!("\x14\x1fPARTNER/19a2b3c4d5e.0.{association}").into_bytes(),
        common_reference: b"\x17\x0d270115080000Z".to_vec(),
        additional_reference: Vec::new(),
    };
    let activity = ActivityIdentifier::new(&[2, 1, 7]).expect("an activity identifier");
    let metadata = Metadata {
        kind: ApduKind::Message,
        priority: Priority::Normal,
        arrived: NOW,
        revision: 1,
        apdu_start: 20,
        apdu_size: 2500,
        inbound: "carrier",
        expires_at: None,
        deferred_until: None,
        derivation_count: 0,
        identifier: &[7; 48],
    };
    let mut octets = Vec::new();
    let name = NameReference { connection: &connection, activity };
    metadata::write(&metadata, std::iter::once(name), 1, &mut octets);
    metadata::write_target(Some("site-b"), None, &mut octets);
    octets
}

fn drop_cached_pages(directory: &Path) {
    for entry in fs::read_dir(directory).expect("the store's files") {
        let file = File::open(entry.expect("an entry").path()).expect("a file");
        file.sync_all().expect("what is cached written");
        fadvise(&file, 0, None, Advice::DontNeed).expect("advice taken");
    }
    match fs::write("/proc/sys/vm/drop_caches", "3") {
        Ok(()) => println!("dropped the whole page cache"),
        Err(error) => println!("dropped the store's pages (of all: {error})"),
    }
}

fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let config = LogConfig::default();
    let start = Instant::now();
    let mut store = Store::open(Epoll::new().expect("an engine"), directory.path(), &config);
    let metadata: Vec<_> = (0..ASSOCIATION_COUNT).map(metadata).collect();
    let mut written = 0;
    while written < count {
        for index in 0..BATCH_SIZE.min(count - written) {
            store.metadata.clone_from(&metadata[index % ASSOCIATION_COUNT]);
            store.append(1, |_| ());
        }
        written += store.commit();
    }
    let size: u64 = store.log.counters().octets_written;
    println!("{count} messages, {size} octets, written in {:.1?}", start.elapsed());
    drop(store);
    for opening in 0..=OPENING_COUNT {
        // The last one finds its pages in the cache.
        let cold = opening < OPENING_COUNT;
        if cold {
            drop_cached_pages(directory.path());
        }
        let mut engine = Epoll::new().expect("an engine");
        engine.list_files(directory.path()).expect("the store's files");
        let start = Instant::now();
        let superblock = open_superblock(&mut engine, directory.path(), [0; 16], 1);
        let superblock = superblock.expect("the store's superblock");
        let mut activities = LastActivities::new(NOW, 10_000);
        let mut visit = |entry: Entry<'_>| match entry {
            Entry::Message(metadata) => activities.see_message(metadata),
            Entry::Note(note) => activities.see_note(note),
        };
        let directory = directory.path();
        let opened =
            Log::open_visiting(&mut engine, directory, &superblock, 0, &config, &mut visit);
        let (_log, recovered) = opened.expect("the log");
        let found = activities.into_iter().count();
        let elapsed = start.elapsed();
        assert_eq!(recovered.len(), count);
        assert_eq!(found, ASSOCIATION_COUNT.min(count));
        println!("{}: opened in {elapsed:.3?}", if cold { "cold" } else { "warm" });
    }
}
