//! Scanning and patching a 2 KiB message to two recipients: the line "scan + route + patch" of the
//! performance budget, without the route.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use p1relay::base::clock::WallTime;
use p1relay::p1::build::MessageBuilder;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::or_address::{self, OrAddress};
use p1relay::p1::patch::{InternalTraceChange, Patched, RelayChanges, patch};
use p1relay::p1::scan::{Responsibility, Scan, scan};
use p1relay::p1::schema::MtsApdu;
use p1relay::p1::trace::{
    RoutingAction, encode_internal_trace_element, encode_internal_trace_field, encode_trace_element,
};

fn address(text: &str) -> OrAddress {
    text.parse().expect("an address")
}

fn message(domain: &GlobalDomainIdentifier) -> Vec<u8> {
    let arrival = WallTime(1_800_000_000_000);
    let mut trace = Vec::new();
    encode_trace_element(domain, arrival, RoutingAction::Relayed, &mut trace);
    let mut elements = Vec::new();
    let action = RoutingAction::Relayed;
    encode_internal_trace_element(domain, "mta1", arrival, action, &mut elements);
    let mut extensions = Vec::new();
    encode_internal_trace_field(&elements, &mut extensions);
    let originator = address("C=GB;A=CARRIER;P=ACME;O=SALES;S=SMITH");
    let mut builder = MessageBuilder::new(domain.clone(), "1", originator, &trace);
    builder.extensions = &extensions;
    builder.recipients = vec![
        address("C=GB;A=CARRIER;P=OTHER;O=BUYING;OU1=A;S=JONES").into(),
        address("C=DE;A=TRAEGER;P=DRITTE;O=LAGER;S=MUELLER").into(),
    ];
    let content = [7; 2048];
    builder.content = &content;
    builder.build()
}

fn bench(c: &mut Criterion) {
    let domain: GlobalDomainIdentifier = "C=GB;A=CARRIER;P=ACME".parse().expect("a domain");
    let apdu = message(&domain);
    let mut found = Scan::new();
    let mut patched = Patched::new();
    let (mut trace, mut internal) = (Vec::new(), Vec::new());

    c.bench_function("scan", |b| b.iter(|| scan(black_box(&apdu), &mut found)));
    c.bench_function("the same decoded by rasn", |b| {
        b.iter(|| rasn::ber::decode::<MtsApdu>(black_box(&apdu)));
    });
    c.bench_function("scan, addresses, patch", |b| {
        b.iter(|| {
            scan(black_box(&apdu), &mut found).expect("a valid message");
            for recipient in &found.recipients {
                let view = or_address::attributes(recipient.or_name.octets(&apdu));
                black_box(view.expect("an address"));
            }
            trace.clear();
            internal.clear();
            let arrival = WallTime(1_800_000_000_000);
            let action = RoutingAction::Relayed;
            encode_trace_element(&domain, arrival, action, &mut trace);
            encode_internal_trace_element(&domain, "mta2", arrival, action, &mut internal);
            let changes = RelayChanges {
                trace_element: Some(&trace),
                internal_trace: InternalTraceChange::Append(&internal),
                responsibility: Some(&|index| {
                    if index == 0 {
                        Responsibility::Responsible
                    } else {
                        Responsibility::NotResponsible
                    }
                }),
            };
            patch(&apdu, &found, &changes, &mut patched);
            black_box(patched.size())
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
