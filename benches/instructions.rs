//! Instruction counts under valgrind, and whether they are those of `instructions.toml`.
//!
//! Time depends on the machine and on its neighbours; instructions hardly do. After counting, each count
//! is compared with the committed one, and a difference of more than 5 % in either direction fails:
//! the commit that moves a count commits the new one, by `ACCEPT_COUNTS=1 cargo bench --bench
//! instructions`, and says why. Needs valgrind and `gungraun-runner` of the version in `Cargo.toml`.

#[path = "common/mailbox.rs"]
mod mailbox;
#[path = "common/message.rs"]
mod message;
#[path = "common/mta.rs"]
mod mta;
#[path = "common/relay.rs"]
mod relay;
#[path = "common/track.rs"]
mod track;
#[path = "common/transfer.rs"]
mod transfer;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest difference between a count and the committed one.
const TOLERANCE: f64 = 0.05;

#[allow(unreachable_pub, reason = "gungraun's macros write `pub`")]
mod counted {
    use std::hint::black_box;

    use gungraun::{
        Callgrind, EntryPoint, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group,
    };
    use p1relay::p1::scan::Scan;

    use super::mailbox;
    use super::message;
    use super::mta::Mta;
    use super::relay::Simulation;
    use super::track::Tracking;
    use super::transfer::Pair;

    fn scanned() -> (Vec<u8>, Scan) {
        let apdu = message::message();
        let mut found = Scan::new();
        p1relay::p1::scan::scan(&apdu, &mut found).expect("a valid message");
        (apdu, found)
    }

    #[library_benchmark]
    #[bench::message(scanned())]
    fn scan((apdu, mut found): (Vec<u8>, Scan)) -> (Vec<u8>, Scan) {
        p1relay::p1::scan::scan(black_box(&apdu), &mut found).expect("a valid message");
        (apdu, found)
    }

    // Boxed, so that moving the working memory in and out of the benchmark is not what is counted.
    fn relayed(split: bool) -> (Vec<u8>, Box<Mta>) {
        let (apdu, mut mta) = (message::message(), Box::new(Mta::new(split)));
        // Memory that one message leaves to the next has grown by then.
        (0..3).for_each(|_| assert!(mta.relay(&apdu) > 0));
        assert_eq!(mta.target_count(), 1 + usize::from(split));
        (apdu, mta)
    }

    #[library_benchmark]
    #[bench::one_hop(relayed(false))]
    #[bench::two_hops(relayed(true))]
    fn scan_route_patch((apdu, mut mta): (Vec<u8>, Box<Mta>)) -> (Vec<u8>, Box<Mta>) {
        black_box(mta.relay(black_box(&apdu)));
        (apdu, mta)
    }

    fn transferred() -> Pair {
        let mut pair = Pair::bound(&[7; 2048]);
        for _ in 0..10 {
            assert_eq!(pair.transfer(), 2048);
        }
        pair
    }

    #[library_benchmark]
    #[bench::both_ways(transferred())]
    fn stack(mut pair: Pair) -> Pair {
        black_box(pair.transfer());
        pair
    }

    fn mailboxes() -> mailbox::Pair {
        let mut pair = mailbox::Pair::new();
        // The queue's slots are touched for the first time.
        (0..1000).for_each(|_| assert_eq!(pair.turn(64), 63 * 32));
        pair
    }

    #[library_benchmark]
    #[bench::sixty_four(mailboxes())]
    fn mail(mut pair: mailbox::Pair) -> mailbox::Pair {
        black_box(pair.turn(black_box(64)));
        pair
    }

    #[library_benchmark]
    #[bench::hundred_messages(Tracking::new())]
    fn track_recording(mut tracking: Tracking) -> Tracking {
        tracking.record();
        tracking
    }

    fn recorded() -> Tracking {
        let mut tracking = Tracking::new();
        tracking.record();
        tracking
    }

    #[library_benchmark]
    #[bench::hundred_messages(recorded())]
    fn track_writing(mut tracking: Tracking) -> Tracking {
        black_box(tracking.write());
        tracking
    }

    const WARM_UP_COUNT: u64 = 500;
    const MESSAGE_COUNT: u64 = 1000;

    fn warm() -> Simulation {
        let mut simulation = Simulation::new();
        simulation.run(WARM_UP_COUNT, false);
        simulation
    }

    #[library_benchmark(config = LibraryBenchmarkConfig::default().tool(
        Callgrind::default().entry_point(EntryPoint::Custom("*::toggled_*".to_owned()))
    ))]
    #[bench::thousand_messages(warm())]
    fn whole_relay(mut simulation: Simulation) -> Simulation {
        simulation.run(WARM_UP_COUNT + MESSAGE_COUNT, true);
        simulation
    }

    library_benchmark_group!(
        name = budget,
        benchmarks =
            [scan, scan_route_patch, stack, mail, track_recording, track_writing, whole_relay]
    );

    gungraun::main!(library_benchmark_groups = budget);

    /// What gungraun makes `main`: the parent, which runs itself under valgrind, and the child.
    pub(super) fn run() {
        main();
    }
}

fn counts(directory: &Path, found: &mut BTreeMap<String, u64>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            counts(&path, found)?;
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(name) = name.strip_prefix("callgrind.").and_then(|name| name.strip_suffix(".out"))
        else {
            continue;
        };
        let text = fs::read_to_string(&path)?;
        let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
        let total = total.and_then(|total| total.split(' ').next()?.parse().ok());
        found.insert(name.to_owned(), total.unwrap_or(0));
    }
    Ok(())
}

/// Prints what was counted beside what is committed; says whether all are near enough.
fn compare(committed: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> bool {
    let mut equal = committed.keys().eq(found.keys());
    for (name, &count) in found {
        let expected = committed.get(name).copied().unwrap_or(0);
        let change = count as f64 / expected as f64 - 1.0;
        let near = change.abs() <= TOLERANCE;
        equal &= near;
        let verdict = if near { "" } else { "  MOVED" };
        println!("{name:<32} {count:>12} {expected:>12} {:>+7.2} %{verdict}", change * 100.0);
    }
    equal
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|argument| argument == "--gungraun-run") {
        counted::run();
        return ExitCode::SUCCESS;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let results = results_directory();
    // What an earlier run left, perhaps under names that are no more.
    let _ = fs::remove_dir_all(&results);
    counted::run();
    let mut found = BTreeMap::new();
    counts(&results, &mut found).expect("the counts that gungraun wrote");
    let committed = root.join("benches/instructions.toml");
    if std::env::var_os("ACCEPT_COUNTS").is_some() {
        let mut text =
            "# Instructions, counted by `ACCEPT_COUNTS=1 cargo bench --bench instructions`.\n"
                .to_owned();
        text += &toml::to_string(&found).expect("names and numbers");
        fs::write(&committed, text).expect("a file that can be written");
    }
    let committed = fs::read_to_string(&committed).expect("the committed counts");
    let committed = toml::from_str(&committed).expect("names and numbers");
    if compare(&committed, &found) {
        return ExitCode::SUCCESS;
    }
    println!("A count moved by more than 5 %: see the head of benches/instructions.rs.");
    ExitCode::FAILURE
}

/// Where gungraun leaves callgrind's output.
fn results_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .with_file_name("gungraun")
        .join(env!("CARGO_PKG_NAME"))
        .join("instructions")
}
