//! `p1load bench --latency`: how long a message is inside the relay at half of what it can take, against
//! how long a commit takes at the same rate.
//!
//! Messages leave by schedule, whether the relay keeps up or not. Measured at the wire: from handing the
//! message's last octets to the kernel to reading its first ones at the sink. The floor moves the same
//! octets at the same rate, and tells how long its commits took. The relay itself tells how long messages were
//! in each stage of their way through it.

use std::path::Path;

use p1relay::base::durations::{DurationPercentiles, StageLatency};
use serde::Serialize;

use super::BenchArguments;
use super::run::{BenchResult, run_floor, run_relay};
use super::spread::{LatencySpread, Spread};
use super::versus::in_turn;
use crate::common::{Percentiles, print};

/// Share of the rate that must be kept for the schedule to have been one.
const RATE_KEPT_MIN: f64 = 0.98;

#[derive(Debug, Serialize)]
struct LatencyResult {
    pairs: usize,
    messages: u64,
    size: usize,
    associations: usize,
    /// As fast as the relay confirms.
    messages_per_s_max: f64,
    /// Half of that.
    rate: f64,
    /// The relay's p99 by the p99 of the floor's commits.
    latency_ratio_to_commit_p99: Spread,
    relay_latency_us: LatencySpread,
    floor_latency_us: LatencySpread,
    floor_commit_us: LatencySpread,
    /// Of each run of the relay, warm-up included.
    relay_stages_us: Vec<StageLatency>,
    relay_busy: Spread,
    void: Vec<String>,
    lost: u64,
    duplicated: u64,
    io_engine: String,
}

pub(super) fn latency(arguments: &BenchArguments, folder: &Path) -> anyhow::Result<bool> {
    let mut load = arguments.load.clone();
    load.rate = None;
    let max = run_relay(&arguments.relay, &load, folder)?.messages_per_s;
    let rate = max / 2.0;
    load.rate = Some(rate);
    let (relay, floor) = in_turn(
        arguments.pairs,
        || run_relay(&arguments.relay, &load, folder),
        || run_floor(&load, arguments.floor.floor_in_flight, folder),
    )?;
    let runs = || relay.iter().chain(&floor);
    let commits: Vec<Percentiles> = floor.iter().filter_map(|run| run.commit_us).collect();
    let mut void = Vec::new();
    let late = runs().filter(|run| run.messages_per_s < rate * RATE_KEPT_MIN).count();
    if late > 0 {
        void.push(format!("the rate was not kept in {late} of {} runs", 2 * arguments.pairs));
    }
    let result = LatencyResult {
        pairs: arguments.pairs,
        messages: load.messages,
        size: load.shape.size,
        associations: load.associations,
        messages_per_s_max: max,
        rate,
        latency_ratio_to_commit_p99: Spread::of(
            relay
                .iter()
                .zip(&commits)
                .map(|(run, commit)| run.wire_latency_us.p99 as f64 / commit.p99.max(1) as f64),
        ),
        relay_latency_us: LatencySpread::of(relay.iter().map(|run| &run.wire_latency_us)),
        floor_latency_us: LatencySpread::of(floor.iter().map(|run| &run.wire_latency_us)),
        floor_commit_us: LatencySpread::of(commits.iter()),
        relay_stages_us: relay.iter().filter_map(|run| run.stage_latency_us).collect(),
        relay_busy: Spread::of(relay.iter().map(|run| run.relay_busy)),
        void,
        lost: runs().map(|run| run.lost).sum(),
        duplicated: runs().map(|run| run.duplicated).sum(),
        io_engine: relay[0].io_engine.clone(),
    };
    print(load.json, &result, || {
        let void = result.void.iter().map(|reason| format!("VOID: {reason}\n")).collect::<String>();
        format!(
            "{} pairs of {} messages, {} octets, {} associations; io {}\n\
             at most {:.0} a second; measured at {:.0}, relay busy {}\n\
             p99 to the floor's p99 commit  {}\n{void}\
             relay         {}\nfloor         {}\nfloor commit  {}\n{}microseconds; lost {}, twice {}",
            result.pairs,
            result.messages,
            result.size,
            result.associations,
            result.io_engine,
            result.messages_per_s_max,
            result.rate,
            result.relay_busy,
            result.latency_ratio_to_commit_p99,
            result.relay_latency_us,
            result.floor_latency_us,
            result.floor_commit_us,
            stages(&result.relay_stages_us),
            result.lost,
            result.duplicated,
        )
    })?;
    Ok(runs().all(BenchResult::is_whole))
}

/// A stage's name, and where it stands.
type Stage = (&'static str, fn(&StageLatency) -> &DurationPercentiles);

/// A line for each stage, the medians over the runs.
fn stages(runs: &[StageLatency]) -> String {
    let stages: [Stage; 6] = [
        ("turn", |it| &it.turn),
        ("commit_wait", |it| &it.commit_wait),
        ("commit_write", |it| &it.commit_write),
        ("commit_order", |it| &it.commit_order),
        ("queue", |it| &it.queue),
        ("transfer", |it| &it.transfer),
    ];
    let line = |(name, of): Stage| {
        let median = |at: fn(&DurationPercentiles) -> u64| {
            Spread::of(runs.iter().map(|run| at(of(run)) as f64)).median
        };
        format!(
            "{name:<13} p50 {:.0}, p90 {:.0}, p99 {:.0}, p99.9 {:.0}, at most {:.0}\n",
            median(|it| it.p50),
            median(|it| it.p90),
            median(|it| it.p99),
            median(|it| it.p999),
            median(|it| it.max),
        )
    };
    stages.into_iter().map(line).collect()
}
