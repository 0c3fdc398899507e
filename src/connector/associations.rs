//! A connector's associations: how many are up, whether another one is opened, what may travel now.
//!
//! Ordinary messages leave the last `urgent_count` associations to urgent messages and reports, so that
//! those never wait behind a queue. Both directions are counted apart: we bound what we open, and what the
//! partner may open.

use std::time::Duration;

use super::retry::RetryPolicy;
use crate::base::clock::Instant;

/// What a connector's settings say of its associations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociationPolicy {
    /// Most that we open, at least 1.
    pub calling_count_max: u16,
    /// Most that the partner may open.
    pub called_count_max: u16,
    /// How many of those that may send are kept for urgent messages and reports; one is always left to
    /// the rest.
    pub urgent_count: u16,
    /// Messages that may wait for each association that is being opened before one more is opened.
    pub threshold: u32,
    /// How many are opened without need and kept open.
    pub permanent_count: u16,
    /// An association of ours without activity is released after this.
    pub idle_time: Duration,
    /// An association of ours is released after this, once it is idle; zero: at no age.
    pub lifetime: Duration,
    /// How long a release may take before the connection is closed.
    pub disconnect_time: Duration,
    /// Opening after a failure.
    pub open_retry: RetryPolicy,
}

/// What a message asks of an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// An urgent message, or a report (X.411 gives reports no priority: they go first).
    Urgent,
    /// Everything else.
    Ordinary,
}

/// What waits for a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Urgent messages and reports.
    pub urgent: u32,
    /// The rest.
    pub ordinary: u32,
}

/// Whether another association is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Yes, now.
    Now,
    /// Not before this: the last attempts failed.
    NotBefore(Instant),
    /// No.
    Enough,
}

/// A connector's associations, counted.
#[derive(Debug, Clone, Default)]
pub struct Associations {
    /// Ours, up or being opened.
    calling_count: u16,
    /// Of them, those being opened.
    opening_count: u16,
    /// The partner's.
    called_count: u16,
    /// Ordinary transfers out under way.
    ordinary_count: u16,
    /// Attempts to open that failed in a row.
    failure_count: u32,
    /// None is opened before this.
    retry_at: Instant,
}

impl Associations {
    /// How many are up, whoever opened them.
    pub fn bound_count(&self) -> u32 {
        u32::from(self.calling_count - self.opening_count) + u32::from(self.called_count)
    }

    /// Attempts to open that failed since the last success.
    pub fn failure_count(&self) -> u32 {
        self.failure_count
    }

    /// Whether a message may go out now, given an association that is free for it.
    pub fn may_carry(&self, policy: &AssociationPolicy, traffic: Traffic) -> bool {
        traffic == Traffic::Urgent || self.ordinary_count < self.ordinary_count_max(policy)
    }

    /// Ordinary transfers that may be under way: all that can send but those kept.
    fn ordinary_count_max(&self, policy: &AssociationPolicy) -> u16 {
        let able = policy.calling_count_max.saturating_add(self.called_count);
        able.saturating_sub(policy.urgent_count).max(1)
    }

    /// Whether to open one more, when none is free for what waits.
    pub fn opening(&self, policy: &AssociationPolicy, waiting: Waiting, now: Instant) -> Opening {
        let kept_up = self.calling_count < policy.permanent_count;
        // Those being opened are meant for what waits; more than their share asks for another.
        let share = policy.threshold.saturating_mul(u32::from(self.opening_count));
        let ordinary_max = policy.calling_count_max.saturating_sub(policy.urgent_count).max(1);
        let for_ordinary = self.calling_count < ordinary_max && waiting.ordinary > share;
        let for_urgent = waiting.urgent > share && self.calling_count < policy.calling_count_max;
        if !(kept_up || for_ordinary || for_urgent) {
            return Opening::Enough;
        }
        match self.retry_at > now {
            true => Opening::NotBefore(self.retry_at),
            false => Opening::Now,
        }
    }

    /// Whether the partner may have one more.
    pub fn may_be_called(&self, policy: &AssociationPolicy) -> bool {
        self.called_count < policy.called_count_max
    }

    /// Whether an association of ours that is idle is released: it was opened `age` ago and has been idle for
    /// `idle`.
    pub fn is_to_release(&self, policy: &AssociationPolicy, age: Duration, idle: Duration) -> bool {
        let old = !policy.lifetime.is_zero() && age >= policy.lifetime;
        let spare = self.calling_count > policy.permanent_count && idle >= policy.idle_time;
        old || spare
    }

    /// One is being opened.
    pub fn opening_began(&mut self) {
        self.calling_count += 1;
        self.opening_count += 1;
    }

    /// The one being opened is up.
    pub fn opened(&mut self) {
        self.opening_count = self.opening_count.saturating_sub(1);
        self.succeeded();
    }

    /// The partner opened one.
    pub fn called(&mut self) {
        self.called_count += 1;
        self.succeeded();
    }

    /// The partner answers.
    pub fn succeeded(&mut self) {
        self.failure_count = 0;
    }

    /// One that was being opened is not to be.
    pub fn opening_ended(&mut self) {
        self.opening_count = self.opening_count.saturating_sub(1);
        self.calling_count = self.calling_count.saturating_sub(1);
    }

    /// One of ours that was up has ended.
    pub fn calling_ended(&mut self) {
        self.calling_count = self.calling_count.saturating_sub(1);
    }

    /// One of the partner's that was up has ended.
    pub fn called_ended(&mut self) {
        self.called_count = self.called_count.saturating_sub(1);
    }

    /// The partner could not be reached, or an association broke: no further one is opened before the time
    /// returned.
    pub fn failed(&mut self, policy: &AssociationPolicy, now: Instant) -> Instant {
        self.failure_count = self.failure_count.saturating_add(1);
        self.retry_at = now + policy.open_retry.delay_after(self.failure_count);
        self.retry_at
    }

    /// A transfer out begins.
    pub fn transfer_began(&mut self, traffic: Traffic) {
        self.ordinary_count += u16::from(traffic == Traffic::Ordinary);
    }

    /// A transfer out has ended.
    pub fn transfer_ended(&mut self, traffic: Traffic) {
        let ended = u16::from(traffic == Traffic::Ordinary);
        self.ordinary_count = self.ordinary_count.saturating_sub(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> AssociationPolicy {
        AssociationPolicy {
            calling_count_max: 3,
            called_count_max: 2,
            urgent_count: 1,
            threshold: 2,
            permanent_count: 0,
            idle_time: Duration::from_secs(300),
            lifetime: Duration::from_secs(3600),
            disconnect_time: Duration::from_secs(120),
            open_retry: RetryPolicy {
                count_max: 144,
                delay: Duration::from_secs(5),
                delay_max: Duration::from_secs(600),
            },
        }
    }

    const ORDINARY: Waiting = Waiting { urgent: 0, ordinary: 100 };
    const NOW: Instant = Instant(0);

    #[test]
    fn the_last_association_is_kept_for_urgent_messages() {
        let policy = policy();
        let mut associations = Associations::default();
        let mut opened = 0;
        while associations.opening(&policy, ORDINARY, NOW) == Opening::Now {
            associations.opening_began();
            opened += 1;
        }
        assert_eq!(opened, 2);
        let urgent = Waiting { urgent: 5, ordinary: 100 };
        assert_eq!(associations.opening(&policy, urgent, NOW), Opening::Now);
        for _ in 0..2 {
            assert!(associations.may_carry(&policy, Traffic::Ordinary));
            associations.transfer_began(Traffic::Ordinary);
        }
        assert!(!associations.may_carry(&policy, Traffic::Ordinary));
        assert!(associations.may_carry(&policy, Traffic::Urgent));
        associations.transfer_ended(Traffic::Ordinary);
        assert!(associations.may_carry(&policy, Traffic::Ordinary));
    }

    #[test]
    fn a_single_association_carries_everything() {
        let policy = AssociationPolicy { calling_count_max: 1, ..policy() };
        let mut associations = Associations::default();
        assert_eq!(associations.opening(&policy, ORDINARY, NOW), Opening::Now);
        associations.opening_began();
        associations.opened();
        assert_eq!(associations.opening(&policy, ORDINARY, NOW), Opening::Enough);
        assert!(associations.may_carry(&policy, Traffic::Ordinary));
    }

    #[test]
    fn another_is_opened_when_more_wait_than_the_threshold() {
        let policy = policy();
        let mut associations = Associations::default();
        associations.opening_began();
        let waiting = |ordinary| Waiting { urgent: 0, ordinary };
        assert_eq!(associations.opening(&policy, waiting(2), NOW), Opening::Enough);
        assert_eq!(associations.opening(&policy, waiting(3), NOW), Opening::Now);
    }

    #[test]
    fn failures_wait_and_a_success_forgets_them() {
        let policy = policy();
        let mut associations = Associations::default();
        let retry_at = associations.failed(&policy, NOW);
        assert_eq!(associations.opening(&policy, ORDINARY, NOW), Opening::NotBefore(retry_at));
        assert_eq!(associations.opening(&policy, ORDINARY, retry_at), Opening::Now);
        associations.failed(&policy, retry_at);
        assert_eq!(associations.failure_count(), 2);
        associations.opening_began();
        associations.opened();
        assert_eq!((associations.failure_count(), associations.bound_count()), (0, 1));
    }

    #[test]
    fn permanent_associations_are_opened_without_need_and_outlive_idleness() {
        let policy = AssociationPolicy { permanent_count: 1, ..policy() };
        let mut associations = Associations::default();
        assert_eq!(associations.opening(&policy, Waiting::default(), NOW), Opening::Now);
        associations.opening_began();
        associations.opened();
        let hour = Duration::from_secs(3600);
        assert!(!associations.is_to_release(&policy, Duration::ZERO, hour / 2));
        assert!(associations.is_to_release(&policy, hour, Duration::ZERO));
        associations.opening_began();
        associations.opened();
        assert!(associations.is_to_release(&policy, Duration::ZERO, hour / 2));
    }

    #[test]
    fn the_partner_may_open_so_many() {
        let policy = policy();
        let mut associations = Associations::default();
        associations.called();
        assert!(associations.may_be_called(&policy));
        associations.called();
        assert!(!associations.may_be_called(&policy));
        associations.called_ended();
        assert!(associations.may_be_called(&policy));
    }
}
