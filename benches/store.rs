//! Store append and commit: 2 KiB messages appended in batches, each batch one group made durable, on the
//! real engines and the disk under `target/`. Messages a second by the wall clock, and CPU per batch over
//! all threads of the process, kernel time included.
//!
//! Every batch ends the messages of the one before, as in a relay whose partners keep up; segments are
//! in their second use, as they are in any relay that has run for a minute.

#[path = "common/log.rs"]
mod log;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use log::Store;
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::io::uring::Uring;
use p1relay::store::{LogConfig, MessageReference, Outcome};
use rustix::time::{ClockId, clock_gettime};

const BATCH_SIZES: [usize; 4] = [1, 8, 64, 256];

/// CPU time of all threads of this process.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().expect("a time since the process's start")
}

/// Appends a batch, makes it durable, and ends its messages: durable with the next batch, their outcomes
/// let segments be used again.
fn batch<E: Engine>(store: &mut Store<E>, size: usize, appended: &mut Vec<MessageReference>) {
    store.append(size, |reference| appended.push(reference));
    assert_eq!(store.commit(), size);
    for reference in appended.drain(..) {
        while store.log.outcome_request(None, reference, 0, Outcome::Transferred).is_err() {
            store.turn();
        }
    }
}

fn warm_store<E: Engine>(engine: E) -> (tempfile::TempDir, Store<E>) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let config = LogConfig { segment_size: 8 << 20, segment_count_max: 8, ..LogConfig::default() };
    let mut store = Store::open(engine, directory.path(), &config);
    while store.log.counters().segments_recycled < 8 {
        batch(&mut store, 64, &mut Vec::new());
    }
    (directory, store)
}

fn bench_on<E: Engine>(c: &mut Criterion, name: &str, engine: E) {
    let (_directory, mut store) = warm_store(engine);
    let mut appended = Vec::new();
    let mut batches = |size: usize, iterations: u64| {
        (0..iterations).for_each(|_| batch(&mut store, size, &mut appended));
    };
    let mut group = c.benchmark_group("commit");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for size in BATCH_SIZES {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new(name, size), |b| {
            b.iter_custom(|iterations| {
                let start = Instant::now();
                batches(size, iterations);
                start.elapsed()
            });
        });
    }
    group.finish();
    let mut group = c.benchmark_group("commit, CPU");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for size in BATCH_SIZES {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new(name, size), |b| {
            b.iter_custom(|iterations| {
                let start = cpu_time();
                batches(size, iterations);
                cpu_time() - start
            });
        });
    }
}

fn bench(c: &mut Criterion) {
    bench_on(c, "uring", Uring::new().expect("a kernel that permits io_uring"));
    bench_on(c, "epoll", Epoll::new().expect("an engine"));
}

criterion_group!(benches, bench);
criterion_main!(benches);
