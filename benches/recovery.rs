//! Reopening: how long `Log::open` takes on one million queued 2 KiB messages, cold.
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
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::store::{Log, LogConfig, open_superblock};
use rustix::fs::{Advice, fadvise};

const OPENING_COUNT: usize = 5;
const BATCH_SIZE: usize = 256;

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
    let mut written = 0;
    while written < count {
        store.append(BATCH_SIZE.min(count - written), |_| ());
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
        let opened = Log::open(&mut engine, directory.path(), &superblock, 0, &config);
        let (_log, recovered) = opened.expect("the log");
        let elapsed = start.elapsed();
        assert_eq!(recovered.len(), count);
        println!("{}: opened in {elapsed:.3?}", if cold { "cold" } else { "warm" });
    }
}
