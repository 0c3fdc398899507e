//! In steady state a small transfer allocates nothing, neither where it is sent nor where it is taken.

use p1relay::base::buffer::{Fill, Lease};
use p1relay::base::transmit::Transmit;
use p1relay::osi::stack::{Indication, Stack, StackConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    static ALLOCATION_COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATION_COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATION_COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Everything that `from` has to send, put flat into `wire`, and taken by `to`.
fn carry(from: &mut Stack, to: &mut Stack, transmit: &mut Transmit, wire: &mut Fill) -> usize {
    transmit.clear();
    from.poll_transmit(transmit);
    let start = wire.filled();
    transmit.slices().for_each(|slice| assert_eq!(wire.append(slice), slice.len()));
    let mut input = &wire.octets()[start..];
    let mut data = 0;
    while let Some(indication) = to.poll_indication(&mut input).expect("honest octets") {
        match indication {
            Indication::Bind(_) => assert!(to.bind_accept(&[0xb1, 0])),
            Indication::TransferData(octets) => data += octets.len(),
            Indication::TransferEnd => assert!(to.transfer_response()),
            _ => {}
        }
    }
    data
}

#[test]
fn a_small_transfer_allocates_nothing() {
    let config = Arc::new(StackConfig::default());
    let mut a = Stack::initiator(Arc::clone(&config), &[0xb0, 0]);
    let mut b = Stack::responder(config);
    let (mut transmit_a, mut transmit_b) = (Transmit::new(), Transmit::new());
    let mut wire = Fill::with_capacity(8 << 20);
    for _ in 0..3 {
        carry(&mut a, &mut b, &mut transmit_a, &mut wire);
        carry(&mut b, &mut a, &mut transmit_b, &mut wire);
    }
    assert!(a.is_idle() && b.is_idle());
    let message = Lease::copied(&[7; 2048]);
    let mut transfer = || {
        assert!(a.transfer_request(message.len()));
        a.transfer_data(message.clone());
        assert_eq!(carry(&mut a, &mut b, &mut transmit_a, &mut wire), message.len());
        carry(&mut b, &mut a, &mut transmit_b, &mut wire);
        assert!(a.is_idle() && b.is_idle());
    };
    (0..10).for_each(|_| transfer());
    let before = ALLOCATION_COUNT.with(Cell::get);
    (0..1000).for_each(|_| transfer());
    assert_eq!(ALLOCATION_COUNT.with(Cell::get) - before, 0);
}

#[test]
fn an_idle_association_is_small() {
    let size = size_of::<Stack>();
    assert!(size <= 1536, "{size} octets");
}
