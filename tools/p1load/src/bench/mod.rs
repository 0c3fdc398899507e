//! `p1load bench` and `p1load floor`: load through a durable relay in a process of its own, or through
//! the floor, or through both in turn.

mod beside;
mod device;
mod latency;
mod postfix;
mod process;
mod reopen;
mod run;
mod spread;
mod versus;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use p1relay::demo::file_system;
use p1relay::endpoint::send::Source;
use p1relay::io::epoll::Epoll;
use p1relay::io::probe::IoChoice;
use p1relay::osi::stack::ApplicationContext;

use crate::common::print;
use crate::load::p1::P1;
use crate::send::Shape;
pub(crate) use reopen::{ReopenArguments, reopen};
use run::BenchResult;
use versus::Comparison;

/// Sizes of `--sizes` without a list, octets.
const SIZES: [&str; 6] = ["512", "2048", "10240", "102400", "1048576", "16777216"];
/// Octets of text that a run of `--sizes` moves at most, unless that would be fewer messages than
/// [`MESSAGE_COUNT_MIN`].
const SIZES_TOTAL: u64 = 256 << 20;
const MESSAGE_COUNT_MIN: u64 = 40;

/// What is sent through the relay, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArguments {
    #[command(flatten)]
    shape: Shape,
    /// Messages to measure, after a fifth as many to warm up.
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
    /// Associations in, and as many out.
    #[arg(long, default_value_t = 10)]
    associations: usize,
    /// Messages a second, open loop; without it as fast as the relay confirms.
    #[arg(long)]
    rate: Option<f64>,
    /// Where the relay's store is made, and removed again; not on tmpfs.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// Gives up after so many seconds.
    #[arg(long, default_value_t = 300.0)]
    timeout_s: f64,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

impl LoadArguments {
    fn warm_up(&self) -> u64 {
        self.messages / 5
    }

    /// Source and sink that replay the message.
    fn protocol(&self) -> anyhow::Result<P1> {
        let apdu = match self.shape.source(&Epoll::new()?, ApplicationContext::MtsTransfer)? {
            Source::Template(mut template) => template.instance(0, 0),
            Source::Replay(apdu) => apdu,
        };
        let who = |name: &str| (name.to_owned(), name.to_lowercase());
        P1::new(&apdu, who("SOURCE"), who("SINK"))
    }

    /// Does something in a folder of its own, which is removed again.
    fn in_folder<T>(&self, work: impl FnOnce(&Path) -> anyhow::Result<T>) -> anyhow::Result<T> {
        ensure!(self.messages > 0 && self.associations > 0, "there is nothing to measure");
        let kind = file_system(&self.directory)?;
        if matches!(kind.as_str(), "tmpfs" | "ramfs") {
            bail!(
                "{} is on {kind}, where nothing is durable; name another --directory",
                self.directory.display()
            );
        }
        let folder = self.directory.join(format!("p1load-bench-{}", std::process::id()));
        let failed = |what: &str| format!("{} cannot be {what}", folder.display());
        std::fs::create_dir(&folder).with_context(|| failed("made"))?;
        let outcome = work(&folder);
        std::fs::remove_dir_all(&folder).with_context(|| failed("removed"))?;
        outcome
    }
}

/// Arguments of `p1load bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    #[command(flatten)]
    load: LoadArguments,
    #[command(flatten)]
    relay: RelayOptions,
    /// Runs the relay and something else in turn, and gives the ratios.
    #[arg(long)]
    versus: Option<Versus>,
    /// Compares for several text sizes, with fewer messages where they are large; against the floor
    /// unless --versus says otherwise.
    #[arg(long, value_name = "OCTETS", value_delimiter = ',', num_args = 0..,
        default_missing_values = SIZES)]
    sizes: Option<Vec<usize>>,
    /// How long a message is inside the relay, open loop at half of what it can take, against the floor's
    /// commits.
    #[arg(long, conflicts_with_all = ["versus", "sizes", "rate"])]
    latency: bool,
    /// The relay with a dead partner and one that accepts and never answers, against one without them, and
    /// that against itself.
    #[arg(long, conflicts_with_all = ["versus", "sizes", "latency"])]
    beside_bad_partners: bool,
    /// Pairs of runs.
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    #[command(flatten)]
    floor: FloorOptions,
}

/// The relay's own settings.
#[derive(Debug, Clone, Copy, Args)]
struct RelayOptions {
    /// I/O engine of the relay: auto, uring or epoll.
    #[arg(long, default_value = "auto")]
    io: IoChoice,
    /// Shards of the relay.
    #[arg(long, default_value_t = 1)]
    shards: u16,
    /// The relay keeps no journal.
    #[arg(long)]
    untracked: bool,
    /// A dead partner, and one that accepts and never answers, which the relay calls all the time.
    #[arg(skip)]
    bad_partners: Option<[SocketAddr; 2]>,
}

/// What the relay is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Versus {
    /// The same octets, connections and commits without any protocol.
    Floor,
    /// The relay itself over epoll, while the other is over io_uring, whatever --io says.
    Epoll,
    /// The relay itself without its journal, while the other keeps one, whatever --untracked says.
    Untracked,
    /// A local, tuned, durable Postfix, by what a message costs in processor time.
    Postfix,
}

/// How the floor works.
#[derive(Debug, Args)]
struct FloorOptions {
    /// Commits of the floor that may be in flight.
    #[arg(long, default_value_t = 4)]
    floor_in_flight: usize,
}

/// Arguments of `p1load floor`.
#[derive(Debug, Args)]
pub(crate) struct FloorArguments {
    #[command(flatten)]
    load: LoadArguments,
    #[command(flatten)]
    floor: FloorOptions,
}

pub(crate) fn bench(arguments: &BenchArguments) -> anyhow::Result<bool> {
    let load = &arguments.load;
    load.in_folder(|folder| match (arguments.versus, &arguments.sizes) {
        (None, None) if arguments.beside_bad_partners => beside::beside(arguments, folder),
        (None, None) if arguments.latency => latency::latency(arguments, folder),
        (None, None) => tell(load.json, &run::run_relay(&arguments.relay, load, folder)?),
        (versus, Some(sizes)) => {
            let versus = versus.unwrap_or(Versus::Floor);
            compare_sizes(arguments, sizes, versus, folder)
        }
        (Some(versus), None) => Comparison::run(arguments, load, versus, folder)?.tell(load.json),
    })
}

fn compare_sizes(
    arguments: &BenchArguments,
    sizes: &[usize],
    versus: Versus,
    folder: &Path,
) -> anyhow::Result<bool> {
    let mut rows = Vec::new();
    for size in sizes {
        let mut load = arguments.load.clone();
        load.shape.size = *size;
        let count = SIZES_TOTAL / (*size as u64).max(1);
        load.messages = count.max(MESSAGE_COUNT_MIN).min(load.messages);
        rows.push(Comparison::run(arguments, &load, versus, folder)?);
    }
    print(arguments.load.json, &rows, || versus::table(&rows))?;
    Ok(rows.iter().all(Comparison::is_whole))
}

pub(crate) fn floor(arguments: &FloorArguments) -> anyhow::Result<bool> {
    let load = &arguments.load;
    load.in_folder(|folder| {
        tell(load.json, &run::run_floor(load, arguments.floor.floor_in_flight, folder)?)
    })
}

fn tell(json: bool, result: &BenchResult) -> anyhow::Result<bool> {
    print(json, result, || {
        format!(
            "{} messages in {:.3} s: {:.0} a second\nlatency      {}\nat the wire  {}\nacknowledged {}\n\
             relay CPU {:.1} microseconds, {:.3} system calls, {:.3} context switches, {:.0} octets \
             written a message; {} commits; {} KiB at most\n\
             relay busy {:.0} %, load {:.0} %, its part of a cycle {:.0} %, device {:.2} in flight: \
             limited by {}\n\
             lost {}, twice {}; io {}, store on {}",
            result.messages,
            result.seconds,
            result.messages_per_s,
            result.latency_us,
            result.wire_latency_us,
            result.acknowledged_us,
            result.relay_cpu_us_per_message,
            result.syscalls_per_message,
            result.context_switches_per_message,
            result.octets_written_per_message,
            result.commits,
            result.peak_memory_kib,
            result.relay_busy * 100.0,
            result.load_busy * 100.0,
            result.load_turnaround * 100.0,
            result.device_in_flight.unwrap_or(f64::NAN),
            result.limited_by.name(),
            result.lost,
            result.duplicated,
            result.io_engine,
            result.store_filesystem,
        )
    })?;
    Ok(result.is_whole())
}
