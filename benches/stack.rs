//! The OSI stack both ways: one 2 KiB transfer through an initiator's and a responder's stack, and its
//! confirmation back. One relay pays this once for each message: in by one half, out by the other.

#[path = "common/cpu.rs"]
mod cpu;
#[path = "common/transfer.rs"]
mod transfer;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use transfer::Pair;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("a transfer through both stacks");
    for size in [512, 2048] {
        let mut pair = Pair::bound(&vec![7; size]);
        assert_eq!(pair.transfer(), size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{size} octets"), |b| {
            b.iter_custom(|count| cpu::timed(count, || pair.transfer()))
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
