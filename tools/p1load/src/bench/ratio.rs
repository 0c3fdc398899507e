//! Runs in turn, and their ratios: each pair runs right after one another, so that what the machine does
//! meanwhile meets both, and what counts is the spread over the pairs.

use std::path::Path;

use anyhow::ensure;
use serde::Serialize;

use super::BenchArguments;
use super::postfix::Postfix;
use super::run::{BenchResult, run_floor, run_relay};
use crate::common::print;

/// Several values of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of at least one value; of none, not a number.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len().saturating_sub(1);
        Spread {
            min: at(0),
            median: (at(middle / 2) + at(middle.div_ceil(2))) / 2.0,
            max: at(middle),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.median, self.min, self.max)
    }
}

/// The figures of one side, over its runs.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    pub(super) messages_per_s: Spread,
    pub(super) cpu_us_per_message: Spread,
    syscalls_per_message: Spread,
    context_switches_per_message: Spread,
    octets_written_per_message: Spread,
    latency_us_p50: Spread,
    latency_us_p90: Spread,
    latency_us_p99: Spread,
    latency_us_p999: Spread,
    peak_memory_kib: Spread,
    busy: Spread,
    load_busy: Spread,
    /// What limited each run.
    limited_by: Vec<&'static str>,
}

impl Side {
    pub(super) fn of(runs: &[BenchResult]) -> Side {
        let spread = |value: fn(&BenchResult) -> f64| Spread::of(runs.iter().map(value));
        Side {
            messages_per_s: spread(|run| run.messages_per_s),
            cpu_us_per_message: spread(|run| run.relay_cpu_us_per_message),
            syscalls_per_message: spread(|run| run.syscalls_per_message),
            context_switches_per_message: spread(|run| run.context_switches_per_message),
            octets_written_per_message: spread(|run| run.octets_written_per_message),
            latency_us_p50: spread(|run| run.latency_us.p50 as f64),
            latency_us_p90: spread(|run| run.latency_us.p90 as f64),
            latency_us_p99: spread(|run| run.latency_us.p99 as f64),
            latency_us_p999: spread(|run| run.latency_us.p999 as f64),
            peak_memory_kib: spread(|run| run.peak_memory_kib as f64),
            busy: spread(|run| run.relay_busy),
            load_busy: spread(|run| run.load_busy),
            limited_by: runs.iter().map(|run| run.limited_by).collect(),
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "  messages/s          {}", self.messages_per_s)?;
        writeln!(f, "  CPU us/message      {}", self.cpu_us_per_message)?;
        writeln!(f, "  system calls        {}", self.syscalls_per_message)?;
        writeln!(f, "  context switches    {}", self.context_switches_per_message)?;
        writeln!(f, "  octets written      {}", self.octets_written_per_message)?;
        writeln!(f, "  latency us p50      {}", self.latency_us_p50)?;
        writeln!(f, "             p99      {}", self.latency_us_p99)?;
        writeln!(f, "             p99.9    {}", self.latency_us_p999)?;
        writeln!(f, "  peak memory KiB     {}", self.peak_memory_kib)?;
        writeln!(f, "  busy                {}", self.busy)?;
        writeln!(f, "  load busy           {}", self.load_busy)?;
        write!(f, "  limited by          {}", self.limited_by.join(" "))
    }
}

#[derive(Debug, Serialize)]
struct FloorComparison {
    versus: &'static str,
    pairs: usize,
    messages: u64,
    size: usize,
    transfer_size: usize,
    associations: usize,
    shards: u16,
    /// Messages a second of the relay by those of the floor.
    ratio_to_floor: Spread,
    /// Processor time a message of the relay by that of the floor.
    cpu_ratio_to_floor: Spread,
    syscalls_per_message: Spread,
    /// Why the ratio of throughputs says less than it seems; empty when the relay's shard was saturated
    /// in every run, and the load never was.
    void: Vec<String>,
    lost: u64,
    duplicated: u64,
    io_engine: String,
    store_filesystem: String,
    relay: Side,
    floor: Side,
}

pub(super) fn versus_floor(arguments: &BenchArguments, folder: &Path) -> anyhow::Result<bool> {
    ensure!(arguments.pairs > 0, "--pairs 0 compares nothing");
    let load = &arguments.load;
    let (mut relay, mut floor) = (Vec::new(), Vec::new());
    for pair in 0..arguments.pairs {
        // Who goes first changes, so that neither always finds the other's traces.
        for relays_turn in [pair % 2 == 0, pair % 2 != 0] {
            if relays_turn {
                relay.push(run_relay(arguments, load, folder)?);
            } else {
                floor.push(run_floor(load, arguments.floor.floor_in_flight, folder)?);
            }
        }
    }
    let ratio = |value: fn(&BenchResult) -> f64| {
        Spread::of(relay.iter().zip(&floor).map(|(relay, floor)| value(relay) / value(floor)))
    };
    let runs = || relay.iter().chain(&floor);
    let result = FloorComparison {
        versus: "floor",
        pairs: arguments.pairs,
        messages: load.messages,
        size: load.shape.size,
        transfer_size: relay[0].transfer_size,
        associations: load.associations,
        shards: arguments.shards,
        ratio_to_floor: ratio(|run| run.messages_per_s),
        cpu_ratio_to_floor: ratio(|run| run.relay_cpu_us_per_message),
        syscalls_per_message: Spread::of(relay.iter().map(|run| run.syscalls_per_message)),
        void: reasons(&relay, &floor),
        lost: runs().map(|run| run.lost).sum(),
        duplicated: runs().map(|run| run.duplicated).sum(),
        io_engine: relay[0].io_engine.clone(),
        store_filesystem: relay[0].store_filesystem.clone(),
        relay: Side::of(&relay),
        floor: Side::of(&floor),
    };
    print(load.json, &result, || {
        let saturation = match &result.void[..] {
            [] => "the relay's shard was saturated in every run".to_owned(),
            reasons => format!("VOID: {}", reasons.join("; ")),
        };
        format!(
            "{} pairs of {} messages, {} octets, {} associations; io {}, store on {}\n\
             ratio to floor      {}\nCPU ratio to floor  {}\n{saturation}\n\
             relay\n{}\nfloor\n{}\nlost {}, twice {}",
            result.pairs,
            result.messages,
            result.size,
            result.associations,
            result.io_engine,
            result.store_filesystem,
            result.ratio_to_floor,
            result.cpu_ratio_to_floor,
            result.relay,
            result.floor,
            result.lost,
            result.duplicated,
        )
    })?;
    Ok(runs().all(BenchResult::is_whole))
}

#[derive(Debug, Serialize)]
struct PostfixComparison {
    versus: &'static str,
    pairs: usize,
    messages: u64,
    size: usize,
    associations: usize,
    shards: u16,
    /// Messages per second of processor time, of the relay by those of Postfix.
    ratio_to_postfix_per_cpu: Spread,
    /// Messages a second of the relay by those of Postfix.
    ratio_to_postfix: Spread,
    syscalls_per_message: Spread,
    /// Why the ratio says less than it seems.
    void: Vec<String>,
    lost: u64,
    duplicated: u64,
    io_engine: String,
    store_filesystem: String,
    relay: Side,
    postfix_messages_per_s: Spread,
    postfix_cpu_us_per_message: Spread,
    postfix_version: String,
    postfix_configuration: String,
}

/// Messages a second under which Postfix is not what it could be.
const POSTFIX_MESSAGES_PER_S_MIN: f64 = 500.0;

pub(super) fn versus_postfix(arguments: &BenchArguments, folder: &Path) -> anyhow::Result<bool> {
    ensure!(arguments.pairs > 0, "--pairs 0 compares nothing");
    let load = &arguments.load;
    let postfix = Postfix::start(folder, load.associations, load.shape.size)?;
    postfix.run(load.warm_up().max(1))?;
    let (mut relay_runs, mut postfix_runs) = (Vec::new(), Vec::new());
    for pair in 0..arguments.pairs {
        for relays_turn in [pair % 2 == 0, pair % 2 != 0] {
            if relays_turn {
                relay_runs.push(run_relay(arguments, load, folder)?);
            } else {
                postfix_runs.push(postfix.run(load.messages)?);
            }
        }
    }
    let pairs = || relay_runs.iter().zip(&postfix_runs);
    let postfix_rates = Spread::of(postfix_runs.iter().map(|run| run.messages_per_s));
    let mut void = Vec::new();
    if postfix_rates.median < POSTFIX_MESSAGES_PER_S_MIN {
        void.push(format!("Postfix relays {postfix_rates} messages a second only"));
    }
    let result =
        PostfixComparison {
            versus: "postfix",
            pairs: arguments.pairs,
            messages: load.messages,
            size: load.shape.size,
            associations: load.associations,
            shards: arguments.shards,
            ratio_to_postfix_per_cpu: Spread::of(pairs().map(|(relay, postfix)| {
                postfix.cpu_us_per_message / relay.relay_cpu_us_per_message
            })),
            ratio_to_postfix: Spread::of(
                pairs().map(|(relay, postfix)| relay.messages_per_s / postfix.messages_per_s),
            ),
            syscalls_per_message: Spread::of(relay_runs.iter().map(|run| run.syscalls_per_message)),
            void,
            lost: relay_runs.iter().map(|run| run.lost).sum(),
            duplicated: relay_runs.iter().map(|run| run.duplicated).sum(),
            io_engine: relay_runs[0].io_engine.clone(),
            store_filesystem: relay_runs[0].store_filesystem.clone(),
            relay: Side::of(&relay_runs),
            postfix_messages_per_s: postfix_rates,
            postfix_cpu_us_per_message: Spread::of(
                postfix_runs.iter().map(|run| run.cpu_us_per_message),
            ),
            postfix_version: postfix.version()?,
            postfix_configuration: postfix.configuration()?,
        };
    print(load.json, &result, || {
        let void = result.void.iter().map(|reason| format!("VOID: {reason}\n")).collect::<String>();
        format!(
            "{} pairs of {} messages, {} octets, {} associations; io {}, store on {}\n\
             ratio to Postfix per CPU-second  {}\nratio to Postfix                 {}\n{void}\
             relay\n{}\nPostfix {}\n  messages/s          {}\n  CPU us/message      {}\n\
             lost {}, twice {}\n\nPostfix's configuration:\n{}",
            result.pairs,
            result.messages,
            result.size,
            result.associations,
            result.io_engine,
            result.store_filesystem,
            result.ratio_to_postfix_per_cpu,
            result.ratio_to_postfix,
            result.relay,
            result.postfix_version,
            result.postfix_messages_per_s,
            result.postfix_cpu_us_per_message,
            result.lost,
            result.duplicated,
            result.postfix_configuration,
        )
    })?;
    Ok(relay_runs.iter().all(BenchResult::is_whole))
}

/// Why the throughputs are not relay's and floor's own.
fn reasons(runs: &[BenchResult], floor: &[BenchResult]) -> Vec<String> {
    let mut reasons = Vec::new();
    let unsaturated = runs.iter().filter(|run| !run.saturated).count();
    if unsaturated > 0 {
        let busy = Spread::of(runs.iter().map(|run| run.relay_busy));
        let by = if runs.iter().any(|run| run.limited_by == "load") { "load" } else { "latency" };
        reasons.push(format!(
            "the relay's shard was busy {busy}, under 0.95 in {unsaturated} of {} runs: limited by {by}",
            runs.len()
        ));
    }
    if floor.iter().any(|run| run.limited_by == "load") {
        reasons.push("the floor could do more than the load gave it".to_owned());
    }
    if runs.iter().any(|run| !run.cores_apart) {
        reasons.push("relay and load share their cores".to_owned());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_even_and_odd_numbers_of_values() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 8.0]), Spread { min: 1.0, median: 3.0, max: 8.0 });
        assert_eq!(Spread::of([5.0]), Spread { min: 5.0, median: 5.0, max: 5.0 });
    }
}
