//! Scanning a 2 KiB message to two recipients, beside what rasn takes to decode it.

#[path = "common/cpu.rs"]
mod cpu;
#[path = "common/message.rs"]
mod message;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use p1relay::p1::scan::{Scan, scan};
use p1relay::p1::schema::MtsApdu;

fn bench(c: &mut Criterion) {
    let apdu = message::message();
    let mut found = Scan::new();
    c.bench_function("scan", |b| {
        b.iter_custom(|count| cpu::timed(count, || scan(black_box(&apdu), &mut found)))
    });
    c.bench_function("the same decoded by rasn", |b| {
        b.iter_custom(|count| cpu::timed(count, || rasn::ber::decode::<MtsApdu>(black_box(&apdu))));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
