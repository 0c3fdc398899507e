//! The data path allocates nothing: 10,000 messages through a whole relay, after as many to warm up, and
//! not one allocation by its shards' threads.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use p1relay::config;
use p1relay::endpoint::receive::Receiver;
use p1relay::endpoint::send::{Sender, Source};
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::endpoint::{Endpoint, EndpointConfig};
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::osi::stack::StackConfig;
use p1relay::p1::scan::Priority;
use p1relay::shard::node::Node;

/// Counts the allocations of threads whose names begin with `shard-`.
struct Counting;

static SHARD_ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// So many of the next ones print where they come from.
static TRACED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// 0: not known yet, 1: a shard's thread, 2: another.
    static KIND: Cell<u8> = const { Cell::new(0) };
}

fn count() {
    let kind = KIND.get();
    let kind = if kind != 0 {
        kind
    } else {
        let mut name = [0u8; 16];
        // SAFETY: PR_GET_NAME writes at most 16 octets to the buffer.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
        let kind = if name.starts_with(b"shard-") { 1 } else { 2 };
        // A thread gets its name after its first allocations; only a shard's name is final.
        if kind == 1 {
            KIND.set(kind);
        }
        kind
    };
    if kind == 1 {
        SHARD_ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        if TRACED.load(Ordering::Relaxed) > 0 {
            TRACED.fetch_sub(1, Ordering::Relaxed);
            KIND.set(2);
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
            KIND.set(1);
        }
    }
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ASSOCIATIONS: usize = 10;

fn endpoint_config(name: &str, call: Option<SocketAddr>) -> EndpointConfig {
    EndpointConfig {
        local: (name.to_owned(), String::new()),
        remote: None,
        stack: Arc::new(StackConfig::default()),
        call: call.map(|address| (address, ASSOCIATIONS)),
        retry_delay: Duration::from_millis(50),
    }
}

fn configuration(sink: SocketAddr, io: &str) -> String {
    format!(
        "[mta]\nname = \"RELAY\"\ndomain = \"C=GB;A=RELAY\"\nlisten = [\"127.0.0.1:0\"]\nshards = 1\npin = false\n\
         io = \"{io}\"\nsegment_size_mib = 4\n\
         [[connector]]\nname = \"source\"\nremote_mta_name = \"SOURCE\"\n\
         [[connector]]\nname = \"sink\"\naddress = [\"{sink}\"]\nremote_mta_name = \"SINK\"\n\
         association_count_max = {ASSOCIATIONS}\naddress_space = [{{ pattern = \"*\" }}]\n"
    )
}

const WARM_UP: u64 = 10_000;
const MEASURED: u64 = 10_000;
const WINDOW_COUNT_MAX: usize = 8;
/// Messages a second: a steady flow, that a loaded machine can follow too.
const RATE: f64 = 2_500.0;

/// Sends messages through a relay; gives the shards' allocations for each `MEASURED` messages that it
/// passed on, up to the first time that there were none. On a machine that others load, queues and buffers
/// may reach a new height once more after the warm-up; what a message allocates would show every time.
fn allocations(io: &str) -> Vec<u64> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (told, address) = std::sync::mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let told_to_stop = Arc::clone(&stop);
    let receiving = std::thread::spawn(move || {
        let receiver = Receiver::new(None);
        let mut endpoint =
            Endpoint::new(Epoll::new().unwrap(), endpoint_config("SINK", None), receiver);
        told.send(endpoint.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap().1).unwrap();
        while !endpoint
            .run(Some(endpoint.engine().now().instant + Duration::from_millis(20)))
            .unwrap()
        {
            if told_to_stop.load(Ordering::Relaxed) {
                endpoint.script.stop();
            }
        }
    });
    let text = configuration(address.recv().unwrap(), io);
    let node = Node::start(config::check(&text, folder.path()).unwrap()).unwrap();
    let engine = Epoll::new().unwrap();
    let template = TemplateConfig {
        domain: "C=GB;A=SOURCE".parse().unwrap(),
        originator: "C=GB;A=SOURCE;S=SMITH".parse().unwrap(),
        recipients: vec!["C=FR;A=SOMEWHERE;S=DURAND".parse().unwrap()],
        priority: Priority::Normal,
        text_size: 2048,
        subject: "allocations".to_owned(),
        incarnation: 1,
        sender: 1,
    };
    let template = Template::new(&template, engine.now().wall).unwrap();
    let sender = Sender::new(Source::Template(Box::new(template)), u64::MAX, Some(RATE));
    let mut endpoint =
        Endpoint::new(engine, endpoint_config("SOURCE", Some(node.addresses[0])), sender);
    let mut windows = Vec::new();
    let mut next = WARM_UP;
    let mut before = None;
    while windows.last() != Some(&0) && windows.len() < WINDOW_COUNT_MAX {
        let soon = endpoint.engine().now().instant + Duration::from_millis(1);
        endpoint.turn(Some(soon)).unwrap();
        if node.counters().transfers_out >= next {
            let counted = SHARD_ALLOCATIONS.load(Ordering::Relaxed);
            windows.extend(before.replace(counted).map(|before| counted - before));
            next += MEASURED;
            let traced = std::env::var("P1RELAY_TRACED").map_or(0, |count| count.parse().unwrap());
            TRACED.store(traced, Ordering::Relaxed);
        }
    }
    TRACED.store(0, Ordering::Relaxed);
    endpoint.script.stop();
    let deadline = endpoint.engine().now().instant + Duration::from_secs(20);
    let finished = endpoint.run(Some(deadline)).unwrap();
    assert!(
        finished,
        "{io}: {} confirmed, {} associations; {:?}; {:?}",
        endpoint.script.confirmed_count(),
        endpoint.bound_count(),
        node.counters(),
        endpoint.script.notes
    );
    stop.store(true, Ordering::Relaxed);
    receiving.join().unwrap();
    node.stopper()();
    node.join().unwrap();
    windows
}

#[test]
fn ten_thousand_messages_allocate_nothing() {
    assert!(SHARD_ALLOCATIONS.load(Ordering::Relaxed) == 0);
    for io in ["uring", "epoll"] {
        let windows = allocations(io);
        println!("{io}: allocations by shard threads for each {MEASURED} messages: {windows:?}");
        assert_eq!(windows.last(), Some(&0), "{io}: {windows:?}");
    }
    assert!(SHARD_ALLOCATIONS.load(Ordering::Relaxed) > 0, "nothing was counted at all");
}
