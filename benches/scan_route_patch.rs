//! Scan, route and patch of a 2 KiB message to two recipients: all that a relay does to a message but
//! to carry and to store it.

#[path = "common/cpu.rs"]
mod cpu;
#[path = "common/message.rs"]
mod message;
#[path = "common/mta.rs"]
mod mta;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use mta::Mta;

fn bench(c: &mut Criterion) {
    let apdu = message::message();
    for (name, split) in [("one next hop", false), ("two next hops", true)] {
        let mut mta = Mta::new(split);
        mta.relay(&apdu);
        assert_eq!(mta.target_count(), 1 + usize::from(split));
        c.bench_function(&format!("scan, route, patch: {name}"), |b| {
            b.iter_custom(|count| cpu::timed(count, || mta.relay(black_box(&apdu))));
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
