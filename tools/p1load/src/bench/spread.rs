//! The figures of several runs: least, median, most.

use serde::Serialize;

use super::run::{BenchResult, Limit};
use crate::common::Percentiles;

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

/// Latencies of several runs, microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct LatencySpread {
    pub(super) p50: Spread,
    pub(super) p90: Spread,
    pub(super) p99: Spread,
    pub(super) p999: Spread,
}

impl LatencySpread {
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a Percentiles> + Clone) -> LatencySpread {
        let spread =
            |at: fn(&Percentiles) -> u64| Spread::of(values.clone().map(|it| at(it) as f64));
        LatencySpread {
            p50: spread(|it| it.p50),
            p90: spread(|it| it.p90),
            p99: spread(|it| it.p99),
            p999: spread(|it| it.p999),
        }
    }
}

impl std::fmt::Display for LatencySpread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let LatencySpread { p50, p90, p99, p999 } = self;
        write!(f, "p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}")
    }
}

/// The figures of one side, over its runs.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    /// At the sink.
    messages_per_s: Spread,
    /// Of all threads.
    cpu_us_per_message: Spread,
    syscalls_per_message: Spread,
    context_switches_per_message: Spread,
    octets_written_per_message: Spread,
    /// From due at the source to arrived at the sink.
    latency_us: LatencySpread,
    /// From the last octet written at the source to the first one read at the sink.
    wire_latency_us: LatencySpread,
    peak_memory_kib: Spread,
    /// Share of its core that the busiest thread had.
    busy: Spread,
    /// The same of the load's thread.
    load_busy: Spread,
    /// Share of a message's cycle that passed in the load.
    load_turnaround: Spread,
    /// Writes and flushes under way at the store's device, on average.
    device_in_flight: Option<Spread>,
    /// What limited each run.
    limited_by: Vec<Limit>,
}

impl Side {
    pub(super) fn of(runs: &[BenchResult]) -> Side {
        let spread = |value: fn(&BenchResult) -> f64| Spread::of(runs.iter().map(value));
        let device: Option<Vec<f64>> = runs.iter().map(|run| run.device_in_flight).collect();
        Side {
            messages_per_s: spread(|run| run.messages_per_s),
            cpu_us_per_message: spread(|run| run.relay_cpu_us_per_message),
            syscalls_per_message: spread(|run| run.syscalls_per_message),
            context_switches_per_message: spread(|run| run.context_switches_per_message),
            octets_written_per_message: spread(|run| run.octets_written_per_message),
            latency_us: LatencySpread::of(runs.iter().map(|run| &run.latency_us)),
            wire_latency_us: LatencySpread::of(runs.iter().map(|run| &run.wire_latency_us)),
            peak_memory_kib: spread(|run| run.peak_memory_kib as f64),
            busy: spread(|run| run.relay_busy),
            load_busy: spread(|run| run.load_busy),
            load_turnaround: spread(|run| run.load_turnaround),
            device_in_flight: device.map(Spread::of),
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
        writeln!(f, "  latency us          {}", self.latency_us)?;
        writeln!(f, "  at the wire, us     {}", self.wire_latency_us)?;
        writeln!(f, "  peak memory KiB     {}", self.peak_memory_kib)?;
        writeln!(f, "  busy                {}", self.busy)?;
        writeln!(f, "  load busy           {}", self.load_busy)?;
        writeln!(f, "  load's part of it   {}", self.load_turnaround)?;
        if let Some(device) = self.device_in_flight {
            writeln!(f, "  device, in flight   {device}")?;
        }
        let limits: Vec<&str> = self.limited_by.iter().map(|limit| limit.name()).collect();
        write!(f, "  limited by          {}", limits.join(", "))
    }
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
