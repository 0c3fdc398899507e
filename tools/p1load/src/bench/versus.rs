//! Relay and something else in turn, and their ratios: each pair runs right after one another, so that
//! what the machine does meanwhile meets both, and what counts is the spread over the pairs.
//!
//! Figures against the floor are void where they would flatter: where the load was a run's limit the
//! throughputs are the load's (what saturated shards would give is told by processor time a message,
//! which the load does not touch), and a floor that is slower than the design page's skeleton, in terms
//! of what the disk gives in the same minutes, is no floor.

use std::path::Path;

use anyhow::ensure;
use p1relay::io::probe::IoChoice;
use serde::Serialize;

use super::device::share_of_reference;
use super::postfix::{Postfix, PostfixRun};
use super::run::{BenchResult, Limit, run_floor, run_relay};
use super::spread::{Side, Spread};
use super::{BenchArguments, LoadArguments, RelayOptions, Versus};
use crate::common::print;

/// Messages a second under which Postfix is not what it could be.
const POSTFIX_MESSAGES_PER_S_MIN: f64 = 500.0;
/// The design page's skeleton (section 9) in a quiet hour: associations, messages of 2 KiB a second.
const SKELETON: [(usize, f64); 3] = [(1, 4200.0), (10, 20_700.0), (50, 56_000.0)];
const SKELETON_SIZE: usize = 2048;
/// Share of the skeleton under which the floor is no floor.
const SKELETON_SHARE_MIN: f64 = 0.8;

/// What pairs of runs give.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    versus: &'static str,
    pairs: usize,
    messages: u64,
    size: usize,
    transfer_size: usize,
    associations: usize,
    shards: u16,
    #[serde(flatten)]
    ratios: Ratios,
    syscalls_per_message: Spread,
    /// Why the ratio of throughputs says less than it seems.
    void: Vec<String>,
    lost: u64,
    duplicated: u64,
    io_engine: String,
    store_filesystem: String,
    relay: Side,
    #[serde(flatten)]
    other: Other,
}

/// By the other side's.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Ratios {
    Floor {
        /// Messages a second.
        ratio_to_floor: Spread,
        /// Processor time a message.
        cpu_ratio_to_floor: Spread,
        /// Messages a second that both would reach if nothing but their shards limited them.
        saturated_ratio_to_floor: Spread,
        /// Floor by skeleton in the same minutes' terms; told where the skeleton's figure is known.
        floor_to_skeleton: Option<f64>,
    },
    Epoll {
        ratio_to_epoll: Spread,
        cpu_ratio_to_epoll: Spread,
        saturated_ratio_to_epoll: Spread,
        syscalls_ratio_to_epoll: Spread,
    },
    Untracked {
        ratio_to_untracked: Spread,
        cpu_ratio_to_untracked: Spread,
        saturated_ratio_to_untracked: Spread,
    },
    Postfix {
        /// Messages per second of processor time.
        ratio_to_postfix_per_cpu: Spread,
        /// Messages a second.
        ratio_to_postfix: Spread,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Other {
    Floor(Box<Side>),
    Epoll(Box<Side>),
    Untracked(Box<Side>),
    Postfix {
        messages_per_s: Spread,
        cpu_us_per_message: Spread,
        version: String,
        configuration: String,
    },
}

/// Runs both so many times, the first to go changing, so that neither always finds the other's traces.
pub(super) fn in_turn<A, B>(
    pairs: usize,
    mut one: impl FnMut() -> anyhow::Result<A>,
    mut other: impl FnMut() -> anyhow::Result<B>,
) -> anyhow::Result<(Vec<A>, Vec<B>)> {
    ensure!(pairs > 0, "--pairs 0 compares nothing");
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        for ones_turn in [pair % 2 == 0, pair % 2 != 0] {
            if ones_turn {
                ones.push(one()?);
            } else {
                others.push(other()?);
            }
        }
    }
    Ok((ones, others))
}

/// Ratios of pairs of runs.
fn ratio<A, B>(pairs: (&[A], &[B]), one: impl Fn(&A) -> f64, other: impl Fn(&B) -> f64) -> Spread {
    Spread::of(pairs.0.iter().zip(pairs.1).map(|(a, b)| one(a) / other(b)))
}

impl Comparison {
    /// Runs the pairs.
    pub(super) fn run(
        arguments: &BenchArguments,
        load: &LoadArguments,
        versus: Versus,
        folder: &Path,
    ) -> anyhow::Result<Comparison> {
        match versus {
            Versus::Floor => Comparison::with_floor(arguments, load, folder),
            Versus::Epoll => Comparison::with_epoll(arguments, load, folder),
            Versus::Untracked => Comparison::with_untracked(arguments, load, folder),
            Versus::Postfix => Comparison::with_postfix(arguments, load, folder),
        }
    }

    fn with_floor(
        arguments: &BenchArguments,
        load: &LoadArguments,
        folder: &Path,
    ) -> anyhow::Result<Comparison> {
        let before = share_of_reference(folder)?;
        let (relay, floor) = in_turn(
            arguments.pairs,
            || run_relay(&arguments.relay, load, folder),
            || run_floor(load, arguments.floor.floor_in_flight, folder),
        )?;
        let disk = (before + share_of_reference(folder)?) / 2.0;
        let skeleton = SKELETON
            .iter()
            .find(|known| known.0 == load.associations && load.shape.size == SKELETON_SIZE);
        let rate = Spread::of(floor.iter().map(|run| run.messages_per_s)).median;
        let floor_to_skeleton = skeleton.map(|known| rate / (known.1 * disk));
        let mut void = reasons("relay", &relay, "floor", &floor);
        if let Some(share) = floor_to_skeleton.filter(|share| *share < SKELETON_SHARE_MIN) {
            void.push(format!(
                "the floor reaches {share:.2} of the skeleton, the disk giving {disk:.2} of its best"
            ));
        }
        let pairs = (&relay[..], &floor[..]);
        let ratios = Ratios::Floor {
            ratio_to_floor: throughputs(pairs),
            cpu_ratio_to_floor: processor_times(pairs),
            saturated_ratio_to_floor: saturated(pairs),
            floor_to_skeleton,
        };
        let other = Other::Floor(Box::new(Side::of(&floor)));
        Ok(Comparison::of(arguments, load, "floor", ratios, void, &relay, &floor, other))
    }

    fn with_epoll(
        arguments: &BenchArguments,
        load: &LoadArguments,
        folder: &Path,
    ) -> anyhow::Result<Comparison> {
        let with = |io| RelayOptions { io, ..arguments.relay };
        let (ring, epoll) = in_turn(
            arguments.pairs,
            || run_relay(&with(IoChoice::Uring), load, folder),
            || run_relay(&with(IoChoice::Epoll), load, folder),
        )?;
        let pairs = (&ring[..], &epoll[..]);
        let calls = |run: &BenchResult| run.syscalls_per_message;
        let ratios = Ratios::Epoll {
            ratio_to_epoll: throughputs(pairs),
            cpu_ratio_to_epoll: processor_times(pairs),
            saturated_ratio_to_epoll: saturated(pairs),
            syscalls_ratio_to_epoll: ratio(pairs, calls, calls),
        };
        let void = reasons("relay over the ring", &ring, "relay over epoll", &epoll);
        let other = Other::Epoll(Box::new(Side::of(&epoll)));
        Ok(Comparison::of(arguments, load, "epoll", ratios, void, &ring, &epoll, other))
    }

    fn with_untracked(
        arguments: &BenchArguments,
        load: &LoadArguments,
        folder: &Path,
    ) -> anyhow::Result<Comparison> {
        let with = |untracked| RelayOptions { untracked, ..arguments.relay };
        let (tracked, untracked) = in_turn(
            arguments.pairs,
            || run_relay(&with(false), load, folder),
            || run_relay(&with(true), load, folder),
        )?;
        let pairs = (&tracked[..], &untracked[..]);
        let ratios = Ratios::Untracked {
            ratio_to_untracked: throughputs(pairs),
            cpu_ratio_to_untracked: processor_times(pairs),
            saturated_ratio_to_untracked: saturated(pairs),
        };
        let void = reasons("relay with its journal", &tracked, "relay without", &untracked);
        let other = Other::Untracked(Box::new(Side::of(&untracked)));
        Ok(Comparison::of(arguments, load, "untracked", ratios, void, &tracked, &untracked, other))
    }

    fn with_postfix(
        arguments: &BenchArguments,
        load: &LoadArguments,
        folder: &Path,
    ) -> anyhow::Result<Comparison> {
        let postfix = Postfix::start(folder, load.associations, load.shape.size)?;
        postfix.run(load.warm_up().max(1))?;
        let (relay, runs) = in_turn(
            arguments.pairs,
            || run_relay(&arguments.relay, load, folder),
            || postfix.run(load.messages),
        )?;
        let pairs = (&relay[..], &runs[..]);
        let ratios = Ratios::Postfix {
            ratio_to_postfix_per_cpu: ratio(
                pairs,
                |relay| 1.0 / relay.relay_cpu_us_per_message,
                |postfix| 1.0 / postfix.cpu_us_per_message,
            ),
            ratio_to_postfix: ratio(
                pairs,
                |relay| relay.messages_per_s,
                |postfix| postfix.messages_per_s,
            ),
        };
        let spread = |value: fn(&PostfixRun) -> f64| Spread::of(runs.iter().map(value));
        let messages_per_s = spread(|run| run.messages_per_s);
        let mut void = Vec::new();
        if messages_per_s.median < POSTFIX_MESSAGES_PER_S_MIN {
            void.push(format!("Postfix relays {messages_per_s} messages a second only"));
        }
        let other = Other::Postfix {
            messages_per_s,
            cpu_us_per_message: spread(|run| run.cpu_us_per_message),
            version: postfix.version()?,
            configuration: postfix.configuration()?,
        };
        Ok(Comparison::of(arguments, load, "postfix", ratios, void, &relay, &[], other))
    }

    #[allow(clippy::too_many_arguments, reason = "each is one part of what is told")]
    fn of(
        arguments: &BenchArguments,
        load: &LoadArguments,
        versus: &'static str,
        ratios: Ratios,
        void: Vec<String>,
        relay: &[BenchResult],
        others: &[BenchResult],
        other: Other,
    ) -> Comparison {
        let runs = || relay.iter().chain(others);
        Comparison {
            versus,
            pairs: arguments.pairs,
            messages: load.messages,
            size: load.shape.size,
            transfer_size: relay[0].transfer_size,
            associations: load.associations,
            shards: arguments.relay.shards,
            ratios,
            syscalls_per_message: Spread::of(relay.iter().map(|run| run.syscalls_per_message)),
            void,
            lost: runs().map(|run| run.lost).sum(),
            duplicated: runs().map(|run| run.duplicated).sum(),
            io_engine: relay[0].io_engine.clone(),
            store_filesystem: relay[0].store_filesystem.clone(),
            relay: Side::of(relay),
            other,
        }
    }

    /// Whether every message arrived, once.
    pub(super) fn is_whole(&self) -> bool {
        self.lost == 0 && self.duplicated == 0
    }

    /// Prints it; gives [`Comparison::is_whole`].
    pub(super) fn tell(&self, json: bool) -> anyhow::Result<bool> {
        print(json, self, || self.to_string())?;
        Ok(self.is_whole())
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} pairs of {} messages, {} octets, {} associations; io {}, store on {}",
            self.pairs,
            self.messages,
            self.size,
            self.associations,
            self.io_engine,
            self.store_filesystem
        )?;
        writeln!(f, "{}", self.ratios)?;
        for reason in &self.void {
            writeln!(f, "VOID: {reason}")?;
        }
        writeln!(f, "relay\n{}", self.relay)?;
        match &self.other {
            Other::Floor(side) => writeln!(f, "floor\n{side}")?,
            Other::Epoll(side) => writeln!(f, "relay over epoll\n{side}")?,
            Other::Untracked(side) => writeln!(f, "relay without its journal\n{side}")?,
            Other::Postfix { messages_per_s, cpu_us_per_message, version, configuration } => {
                writeln!(
                    f,
                    "Postfix {version}\n  messages/s          {messages_per_s}\n  \
                 CPU us/message      {cpu_us_per_message}\n\nPostfix's configuration:\n{configuration}"
                )?
            }
        }
        write!(f, "lost {}, twice {}", self.lost, self.duplicated)
    }
}

impl std::fmt::Display for Ratios {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ratios::Floor {
                ratio_to_floor,
                cpu_ratio_to_floor,
                saturated_ratio_to_floor,
                floor_to_skeleton,
            } => {
                writeln!(f, "ratio to floor      {ratio_to_floor}")?;
                writeln!(f, "CPU ratio to floor  {cpu_ratio_to_floor}")?;
                write!(f, "both saturated      {saturated_ratio_to_floor}, from CPU a message")?;
                match floor_to_skeleton {
                    Some(share) => write!(f, "\nfloor to skeleton   {share:.2}"),
                    None => Ok(()),
                }
            }
            Ratios::Epoll {
                ratio_to_epoll,
                cpu_ratio_to_epoll,
                saturated_ratio_to_epoll,
                syscalls_ratio_to_epoll,
            } => {
                writeln!(f, "ratio to epoll      {ratio_to_epoll}")?;
                writeln!(f, "CPU ratio to epoll  {cpu_ratio_to_epoll}")?;
                writeln!(f, "both saturated      {saturated_ratio_to_epoll}, from CPU a message")?;
                write!(f, "system calls        {syscalls_ratio_to_epoll}")
            }
            Ratios::Untracked {
                ratio_to_untracked,
                cpu_ratio_to_untracked,
                saturated_ratio_to_untracked,
            } => {
                writeln!(f, "ratio to untracked  {ratio_to_untracked}")?;
                writeln!(f, "CPU ratio           {cpu_ratio_to_untracked}")?;
                write!(f, "both saturated      {saturated_ratio_to_untracked}, from CPU a message")
            }
            Ratios::Postfix { ratio_to_postfix_per_cpu, ratio_to_postfix } => {
                writeln!(f, "ratio to Postfix per CPU-second  {ratio_to_postfix_per_cpu}")?;
                write!(f, "ratio to Postfix                 {ratio_to_postfix}")
            }
        }
    }
}

/// Rows of several sizes.
pub(super) fn table(rows: &[Comparison]) -> String {
    let mut text = "size, octets  messages  throughput ratio          CPU ratio\n".to_owned();
    for row in rows {
        let (throughput, processor) = match &row.ratios {
            Ratios::Floor { ratio_to_floor, cpu_ratio_to_floor, .. } => {
                (ratio_to_floor, cpu_ratio_to_floor)
            }
            Ratios::Epoll { ratio_to_epoll, cpu_ratio_to_epoll, .. } => {
                (ratio_to_epoll, cpu_ratio_to_epoll)
            }
            Ratios::Untracked { ratio_to_untracked, cpu_ratio_to_untracked, .. } => {
                (ratio_to_untracked, cpu_ratio_to_untracked)
            }
            Ratios::Postfix { ratio_to_postfix, ratio_to_postfix_per_cpu } => {
                (ratio_to_postfix, ratio_to_postfix_per_cpu)
            }
        };
        let (throughput, processor) = (throughput.to_string(), processor.to_string());
        text += &format!("{:>12}  {:>8}  {throughput:24}  {processor}\n", row.size, row.messages);
        row.void.iter().for_each(|reason| text += &format!("              VOID: {reason}\n"));
    }
    text
}

fn throughputs(pairs: (&[BenchResult], &[BenchResult])) -> Spread {
    let value = |run: &BenchResult| run.messages_per_s;
    ratio(pairs, value, value)
}

fn processor_times(pairs: (&[BenchResult], &[BenchResult])) -> Spread {
    let value = |run: &BenchResult| run.relay_cpu_us_per_message;
    ratio(pairs, value, value)
}

/// A saturated shard moves as many messages a second as it has processor time for.
fn saturated(pairs: (&[BenchResult], &[BenchResult])) -> Spread {
    let value = |run: &BenchResult| 1.0 / run.relay_cpu_us_per_message;
    ratio(pairs, value, value)
}

/// Why the throughputs are not both sides' own.
fn reasons(one: &str, ones: &[BenchResult], other: &str, others: &[BenchResult]) -> Vec<String> {
    let mut reasons = Vec::new();
    for (name, runs) in [(one, ones), (other, others)] {
        let count = runs.iter().filter(|run| run.limited_by == Limit::Load).count();
        if count > 0 {
            let busy = Spread::of(runs.iter().map(|run| run.load_busy));
            let turnaround = Spread::of(runs.iter().map(|run| run.load_turnaround));
            reasons.push(format!(
                "the load limited the {name} in {count} of {} runs: busy {busy}, its part of a cycle \
                 {turnaround}",
                runs.len()
            ));
        }
    }
    if ones.iter().any(|run| !run.cores_apart) {
        reasons.push("relay and load share their cores".to_owned());
    }
    reasons
}
