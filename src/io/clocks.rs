//! The machine's clocks, for the engines that run on real time.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::base::clock::{Instant, Now, WallTime};

/// The monotonic clock; its origin is the machine's, so that instants of several engines compare.
pub(super) fn instant() -> Instant {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
    Instant(tv_sec.unsigned_abs() * 1_000_000_000 + tv_nsec.unsigned_abs())
}

/// Both clocks.
pub(super) fn now() -> Now {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Realtime);
    Now { instant: instant(), wall: WallTime(tv_sec * 1000 + tv_nsec / 1_000_000) }
}
