//! Scanning, reading addresses, patching and downgrading allocate nothing once their buffers have grown.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use p1relay::base::clock::WallTime;
use p1relay::p1::build::MessageBuilder;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::downgrade::{Downgrade, Options, Outcome, downgrade};
use p1relay::p1::or_address;
use p1relay::p1::patch::{InternalTraceChange, Patched, RelayChanges, patch};
use p1relay::p1::scan::{Responsibility, Scan, scan};
use p1relay::p1::trace::{
    Supplied, encode_internal_trace_element, encode_internal_trace_field, encode_trace_element,
};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed to the system's allocator; counting touches a thread-local integer only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's obligations are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, octets: *mut u8, layout: Layout) {
        // SAFETY: `octets` came from `System` with this layout.
        unsafe { System.dealloc(octets, layout) }
    }

    unsafe fn realloc(&self, octets: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: `octets` came from `System` with this layout.
        unsafe { System.realloc(octets, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn message(recipient_count: usize, domain: &GlobalDomainIdentifier) -> Vec<u8> {
    let arrival = WallTime(1_800_000_000_000);
    let mut trace = Vec::new();
    encode_trace_element(domain, Supplied::relayed(arrival), &mut trace);
    let mut elements = Vec::new();
    encode_internal_trace_element(domain, "mta1", Supplied::relayed(arrival), &mut elements);
    let mut extensions = Vec::new();
    encode_internal_trace_field(&elements, &mut extensions);
    let originator = "C=GB;A=CARRIER;P=ACME;O=SALES;S=SMITH".parse().expect("an address");
    let mut builder = MessageBuilder::new(domain.clone(), "1", originator, &trace);
    builder.recipients = (0..recipient_count)
        .map(|index| {
            let text = format!("C=GB;A=CARRIER;P=OTHER;O=BUYING;OU1=A;S=S{index};CN=C{index}");
            text.parse::<or_address::OrAddress>().expect("an address").into()
        })
        .collect();
    builder.content = &[7; 2048];
    builder.extensions = &extensions;
    builder.build()
}

#[test]
fn the_data_path_allocates_nothing_in_steady_state() {
    let domain: GlobalDomainIdentifier = "C=GB;A=CARRIER;P=ACME".parse().expect("a domain");
    let messages = [message(2, &domain), message(40, &domain)];
    let mut found = Scan::new();
    let mut patched = Patched::new();
    let mut trace = Vec::new();
    let mut internal = Vec::new();
    let mut relay = |apdu: &[u8], turn: i64| {
        scan(apdu, &mut found).expect("a valid message");
        let mut attribute_count = 0;
        for recipient in &found.recipients {
            let view = or_address::attributes(recipient.or_name.octets(apdu)).expect("an address");
            attribute_count += view.attributes().len();
        }
        trace.clear();
        internal.clear();
        let arrival = WallTime(1_800_000_000_000 + turn);
        encode_trace_element(&domain, Supplied::relayed(arrival), &mut trace);
        encode_internal_trace_element(&domain, "mta2", Supplied::relayed(arrival), &mut internal);
        let changes = RelayChanges {
            strip_bilateral_information: false,
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
        patch(apdu, &found, &changes, &mut patched);
        attribute_count + patched.pieces().len()
    };
    let warm: usize = messages.iter().map(|apdu| relay(apdu, 0)).sum();
    let before = COUNT.get();
    for turn in 0..1000 {
        let again: usize = messages.iter().map(|apdu| relay(apdu, turn)).sum();
        assert_eq!(again, warm);
    }
    assert_eq!(COUNT.get() - before, 0);
}

#[test]
fn downgrading_allocates_nothing_in_steady_state() {
    let domain: GlobalDomainIdentifier = "C=GB;A=CARRIER;P=ACME".parse().expect("a domain");
    let mut later = message(40, &domain);
    // P2 in place of P22: the content is no interpersonal message.
    let at = later.windows(3).position(|octets| octets == [0x46, 1, 22]).expect("a content type");
    later[at + 2] = 2;
    let (mut found, mut result) = (Scan::new(), Downgrade::new());
    scan(&later, &mut found).expect("a valid message");
    let mut run = |apdu: &[u8]| downgrade(apdu, &found, &Options::default(), &mut result);
    assert_eq!(run(&later), Ok(Outcome::Downgraded));
    let before = COUNT.get();
    for _ in 0..1000 {
        assert_eq!(run(&later), Ok(Outcome::Downgraded));
    }
    assert_eq!(COUNT.get() - before, 0);
    assert_eq!(result.changes().len(), 41);
}
