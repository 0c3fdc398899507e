//! Mail between shards: what one costs the sender and the receiver together, in turns of 1 and of 64, in
//! CPU time of one thread; and how long it takes from one shard's engine to the other's and back, by the
//! wall clock, wake-ups through the engine included.

#[path = "common/cpu.rs"]
mod cpu;
#[path = "common/mailbox.rs"]
mod mailbox;

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mailbox::Pair;
use p1relay::io::epoll::Epoll;
use p1relay::io::uring::Uring;
use p1relay::io::{Engine, Operation, WOKEN};
use p1relay::shard::mail_bench::{Receiving, Sending, between_shards};

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("mail");
    for count in [1, 64] {
        let mut pair = Pair::new();
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("{count} a turn"), |b| {
            b.iter_custom(|turns| cpu::timed(turns, || black_box(pair.turn(count))))
        });
    }
    group.finish();
    round_trips(c, "uring", || Uring::new().expect("io_uring"));
    round_trips(c, "epoll", || Epoll::new().expect("epoll"));
}

/// One number to another thread and back, each side asleep in its engine until it is woken.
fn round_trips<E: Engine + 'static>(c: &mut Criterion, name: &str, engine: fn() -> E) {
    c.bench_function(&format!("mail there and back, {name}"), |b| {
        b.iter_custom(|count| {
            let mut near = engine();
            let (back, from_there) = between_shards(near.waker());
            let (tell, told) = std::sync::mpsc::channel();
            let there = std::thread::spawn(move || {
                let mut far = engine();
                let (way, arriving) = between_shards(far.waker());
                tell.send(way).expect("a listener");
                let mut back = back;
                for _ in 0..count {
                    let number = wait(&mut far, &arriving);
                    answer(&mut far, &mut back, number);
                }
            });
            let mut way: Sending = told.recv().expect("a way");
            let start = Instant::now();
            for number in 0..count {
                answer(&mut near, &mut way, number);
                assert_eq!(wait(&mut near, &from_there), number);
            }
            let elapsed = start.elapsed();
            there.join().expect("the other thread");
            elapsed
        })
    });
}

/// Sends, and wakes the other engine through this one, as a shard does.
fn answer<E: Engine>(engine: &mut E, way: &mut Sending, number: u64) {
    way.send(number);
    let waker = way.end_turn().expect("mail was delivered");
    engine.submit(WOKEN, Operation::Wake { waker });
}

fn wait<E: Engine>(engine: &mut E, mailbox: &Receiving) -> u64 {
    let mut completions = Vec::new();
    loop {
        if let Some(number) = mailbox.receive() {
            return number;
        }
        completions.clear();
        engine.poll(None, &mut completions).expect("a turn");
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
