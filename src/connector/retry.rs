//! What happens after failures, and how long a transfer may take.

use std::time::Duration;

use crate::p1::scan::Priority;

/// When something that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Failures in a row after which it counts as given up; it is still tried, at the longest delay.
    pub count_max: u32,
    /// Wait after the first failure; it doubles with each further one.
    pub delay: Duration,
    /// Longest wait. Equal to `delay`, every wait is the same.
    pub delay_max: Duration,
}

impl RetryPolicy {
    /// The wait after `failure_count` failures in a row, of which there is at least one.
    pub fn delay_after(&self, failure_count: u32) -> Duration {
        let doublings = failure_count.saturating_sub(1).min(31);
        self.delay
            .saturating_mul(1 << doublings)
            .min(self.delay_max)
            .max(self.delay.min(self.delay_max))
    }

    /// Whether so many failures in a row are too many.
    pub fn is_exhausted(&self, failure_count: u32) -> bool {
        failure_count > self.count_max
    }
}

/// How long one transfer may take, by its size and priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferTimeouts {
    /// For each KiB of an urgent message.
    pub urgent_per_kib: Duration,
    /// For each KiB of a normal message.
    pub normal_per_kib: Duration,
    /// For each KiB of a non-urgent message.
    pub non_urgent_per_kib: Duration,
    /// Longest silence: a transfer during which nothing is confirmed for so long is given up.
    pub progress: Duration,
}

impl TransferTimeouts {
    /// The whole time for a transfer of `size` octets, of which a KiB that is begun counts whole.
    pub fn whole(&self, priority: Priority, size: usize) -> Duration {
        let per_kib = match priority {
            Priority::Urgent => self.urgent_per_kib,
            Priority::Normal => self.normal_per_kib,
            Priority::NonUrgent => self.non_urgent_per_kib,
        };
        per_kib.saturating_mul(u32::try_from(size.div_ceil(1024)).unwrap_or(u32::MAX).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = RetryPolicy {
            count_max: 3,
            delay: Duration::from_secs(5),
            delay_max: Duration::from_secs(30),
        };
        let waits: Vec<u64> = (1..=5).map(|count| policy.delay_after(count).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 30, 30]);
        assert_eq!(policy.delay_after(u32::MAX).as_secs(), 30);
        assert!(!policy.is_exhausted(3) && policy.is_exhausted(4));
        let even = RetryPolicy { delay_max: policy.delay, ..policy };
        assert_eq!(even.delay_after(9), even.delay_after(1));
    }

    #[test]
    fn a_begun_kib_counts_whole() {
        let timeouts = TransferTimeouts {
            urgent_per_kib: Duration::from_secs(1),
            normal_per_kib: Duration::from_secs(2),
            non_urgent_per_kib: Duration::from_secs(3),
            progress: Duration::from_secs(60),
        };
        assert_eq!(timeouts.whole(Priority::Urgent, 0).as_secs(), 1);
        assert_eq!(timeouts.whole(Priority::Normal, 1025).as_secs(), 4);
        assert_eq!(timeouts.whole(Priority::NonUrgent, 3 << 20).as_secs(), 9216);
    }
}
