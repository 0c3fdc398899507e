//! Time as the layers see it: passed in, never read.
//!
//! Intervals use [`Instant`], a monotonic count; [`WallTime`] appears only on the wire and in stored
//! deadlines. Only `io` engines and the binaries read a real clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the monotonic clock, in nanoseconds since an origin of the engine's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, interval: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, interval: Duration) -> Instant {
        Instant(self.0.saturating_sub(u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Civil time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct WallTime(pub i64);

/// Both clocks, read together once a loop turn and passed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For intervals and timers.
    pub instant: Instant,
    /// For the wire and for stored deadlines.
    pub wall: WallTime,
}
