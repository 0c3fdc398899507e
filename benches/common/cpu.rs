//! Time that does not count the neighbours: CPU time of this thread.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that `iterations` of `routine` take, for criterion's `iter_custom`.
pub(crate) fn timed<T>(iterations: u64, mut routine: impl FnMut() -> T) -> Duration {
    let now = || clock_gettime(ClockId::ThreadCPUTime);
    let start = now();
    for _ in 0..iterations {
        std::hint::black_box(routine());
    }
    (now() - start).try_into().expect("a time that goes forward")
}
