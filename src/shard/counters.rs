//! What a shard counts; written by the shard alone, read from anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::base::durations::Stages;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One shard's counters.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub(crate) $name: Counter,)*
            /// How long what takes; the shard's logs record their part.
            pub(crate) stages: Arc<Stages>,
        }

        /// Counters at one moment; those of several shards add up.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct CounterValues {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// The values now.
            pub fn values(&self) -> CounterValues {
                CounterValues { $($name: self.$name.value(),)* }
            }
        }

        impl std::ops::Add for CounterValues {
            type Output = CounterValues;

            fn add(self, other: CounterValues) -> CounterValues {
                CounterValues { $($name: self.$name + other.$name,)* }
            }
        }
    };
}

counters! {
    /// Messages, probes and reports taken: durable and acknowledged.
    transfers_in,
    /// Messages, probes and reports that a partner has confirmed.
    transfers_out,
    /// Octets of MTS-APDUs taken.
    octets_in,
    /// Octets of MTS-APDUs confirmed by partners.
    octets_out,
    /// Targets held for the operator: what is stored of them cannot be read.
    held_unreadable,
    /// Reports originated that say of recipients that they were delivered to.
    reports_delivery,
    /// Non-delivery reports originated for recipients that nobody knows (diagnostic 0).
    reports_unrecognised,
    /// Non-delivery reports originated for loops (diagnostic 3).
    reports_loop,
    /// Non-delivery reports originated for time that ran out (diagnostic 5).
    reports_expired,
    /// Non-delivery reports originated for transfers refused for good or too often (reason 0, diagnostic 49).
    reports_transfer,
    /// Non-delivery reports originated for APDUs that cannot go where they should: too long, in need of what
    /// is not supported, not to be downgraded (diagnostics 7, 18, 47).
    reports_unsuitable,
    /// Non-delivery reports originated for other reasons.
    reports_other,
    /// Reports that could not go on, and were discarded.
    reports_discarded,
    /// Targets whose time ran out, reports among them.
    expired,
    /// Of these, targets that a partner may have got.
    expired_in_doubt,
    /// Copies made for other recipients than those named.
    redirected,
    /// Copies made for the members of distribution lists.
    expanded,
    /// Targets that wait for their deferred-delivery-time.
    deferred,
    /// Targets that something is to take the place of.
    deriving,
    /// Targets waiting in queues or being sent.
    queued,
    /// Associations that are up.
    associations,
    /// Binds refused for a wrong name or password.
    binds_refused,
    /// Connections that ended by an error.
    connections_failed,
    /// Targets that were marked as attempted, without an outcome, when the store was opened.
    in_doubt_recovered,
    /// Transfers whose end was sent and whose confirmation was never seen.
    in_doubt_lost,
    /// Messages found in the store when it was opened.
    recovered,
    /// Events of messages that could not be kept for tracking.
    events_lost,
    /// Commits of the shard's log.
    commits,
    /// Octets that those commits have written.
    octets_written,
    /// System calls of the shard's engine.
    system_calls,
    /// Operations that the engine was asked for.
    operations,
}

/// A count with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).saturating_sub(count), Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
