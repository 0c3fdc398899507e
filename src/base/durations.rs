//! How long things take: counts by duration, written by one thread, read from anywhere.
//!
//! A bucket is a quarter of an octave, so a percentile is told at most 25 % too high. Nothing is allocated,
//! and to record costs some ten instructions: it is always on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Instant;

/// Buckets of one octave, as a power of two.
const QUARTERS: u32 = 2;
/// Everything below 2 to this, nanoseconds, is in the first bucket.
const FIRST_OCTAVE: u32 = 10;
/// Everything from 2 to this on, nanoseconds, some 18 minutes, is in the last one.
const LAST_OCTAVE: u32 = 40;
const BUCKET_COUNT: usize = ((LAST_OCTAVE - FIRST_OCTAVE) << QUARTERS) as usize + 2;

#[inline]
fn bucket(ns: u64) -> usize {
    let Some(octave) = ns.checked_ilog2().filter(|octave| *octave >= FIRST_OCTAVE) else {
        return 0;
    };
    let quarter = (ns >> (octave - QUARTERS)) as usize & ((1 << QUARTERS) - 1);
    (((octave - FIRST_OCTAVE) as usize) << QUARTERS | quarter).min(BUCKET_COUNT - 2) + 1
}

/// Where a bucket ends, nanoseconds.
fn end_of(bucket: usize) -> u64 {
    let quarters = 1 << QUARTERS;
    ((quarters + bucket % quarters) as u64) << (FIRST_OCTAVE as usize + bucket / quarters)
        >> QUARTERS
}

/// Counts of durations with one writer.
#[derive(Debug)]
pub struct Durations {
    counts: [AtomicU64; BUCKET_COUNT],
    longest_ns: AtomicU64,
}

impl Default for Durations {
    fn default() -> Durations {
        Durations {
            counts: [const { AtomicU64::new(0) }; BUCKET_COUNT],
            longest_ns: AtomicU64::new(0),
        }
    }
}

impl Durations {
    /// Counts what has taken from `from` to `to`, for so many.
    #[inline]
    pub fn record(&self, from: Instant, to: Instant, count: u64) {
        let ns = to.0.saturating_sub(from.0);
        let Some(of) = self.counts.get(bucket(ns)) else { return };
        of.store(of.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        if ns > self.longest_ns.load(Ordering::Relaxed) {
            self.longest_ns.store(ns, Ordering::Relaxed);
        }
    }

    /// Percentiles of what several writers have counted, together.
    pub fn percentiles<'a>(all: impl Iterator<Item = &'a Durations>) -> DurationPercentiles {
        let (mut counts, mut longest_ns) = ([0; BUCKET_COUNT], 0);
        for one in all {
            for (sum, count) in counts.iter_mut().zip(&one.counts) {
                *sum += count.load(Ordering::Relaxed);
            }
            longest_ns = longest_ns.max(one.longest_ns.load(Ordering::Relaxed));
        }
        let count: u64 = counts.iter().sum();
        let at = |share: f64| {
            let rank = ((count as f64 * share).ceil() as u64).max(1);
            let mut seen = 0;
            let reached = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            let ns = reached.map_or(0, |bucket| end_of(bucket).min(longest_ns));
            Duration::from_nanos(ns).as_nanos().div_ceil(1000) as u64
        };
        DurationPercentiles {
            count,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: longest_ns.div_ceil(1000),
        }
    }
}

/// How long something takes, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurationPercentiles {
    /// How many were counted.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// Nine of ten take no longer.
    pub p90: u64,
    /// All but one in a hundred take no longer.
    pub p99: u64,
    /// All but one in a thousand take no longer.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How long messages are in each stage of their way through one shard.
        #[derive(Debug, Default)]
        pub struct Stages {
            $($(#[$doc])* pub $name: Durations,)*
        }

        /// Percentiles of the stages, over some shards, microseconds.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct StageLatency {
            $($(#[$doc])* pub $name: DurationPercentiles,)*
        }

        impl StageLatency {
            /// Of these shards together.
            pub fn of<'a>(all: impl Iterator<Item = &'a Stages> + Clone) -> StageLatency {
                StageLatency {
                    $($name: Durations::percentiles(all.clone().map(|stages| &stages.$name)),)*
                }
            }
        }
    };
}

stages! {
    /// A turn of the shard's loop, from what has happened being known to what is to be written being handed
    /// over. Counts turns.
    turn,
    /// From the first record of a commit to its being handed to the disk: it waits for the end of the turn,
    /// and for commits before it when enough are under way. Counts records that are waited for.
    commit_wait,
    /// From handing a commit to the disk to knowing that it is durable. Counts records that are waited for.
    commit_write,
    /// From there to its confirmation, which waits for the commits before it. Counts records that are waited
    /// for.
    commit_order,
    /// From durable to the beginning of its transfer: it waits for an association, and for what is before
    /// it. Counts targets.
    queue,
    /// From the beginning of a transfer to the partner's confirmation. Counts targets.
    transfer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_below_the_end_of_its_bucket_and_not_far() {
        for ns in (0..2_000_000).step_by(97).chain((10..40).flat_map(|bit| {
            let octave = 1_u64 << bit;
            [octave - 1, octave, octave + 1]
        })) {
            let end = end_of(bucket(ns));
            assert!(ns < end, "{ns} in a bucket that ends at {end}");
            assert!(end <= 1024.max(ns + ns / 4 + 1), "{ns} in a bucket that ends at {end}");
        }
        assert_eq!(bucket(u64::MAX), BUCKET_COUNT - 1);
    }

    #[test]
    fn percentiles_of_several_writers() {
        let (some, others) = (Durations::default(), Durations::default());
        some.record(Instant(0), Instant(100_000), 98);
        others.record(Instant(7), Instant(1_000_007), 1);
        others.record(Instant(0), Instant(5_000_000), 1);
        // What seems to end before it began took no time.
        others.record(Instant(9), Instant(0), 0);
        let found = Durations::percentiles([&some, &others].into_iter());
        assert_eq!((found.count, found.max), (100, 5000));
        assert!((100..=125).contains(&found.p50) && found.p90 == found.p50, "{found:?}");
        assert!((1000..=1250).contains(&found.p99), "{found:?}");
        assert_eq!(found.p999, 5000);
        assert_eq!(Durations::percentiles([].into_iter()), DurationPercentiles::default());
    }
}
