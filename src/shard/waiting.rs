//! What messages wait for: the time before which they go nowhere, and the time after which they do not.
//!
//! *Deferred* messages wait at their home shard, in the order of their times, and enter their connector's queue
//! when the time has come; the store knows it, so a restart changes nothing.
//!
//! *Expiry* is the owner shard's to see, for what stands in its queues: a timer searches a queue when the first
//! of its messages may have expired. What is being sent, or waits to be resumed, does not expire until it is
//! back in its queue. A report takes the place of what has expired; for a report that has, nothing does.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Shard;
use super::derive::Task;
use super::queue::Queued;
use super::token::Subject;
use crate::base::clock::{Instant, Now, WallTime};
use crate::io::Engine;
use crate::mta::decide::Hop;
use crate::mta::derive::{Derivation, Verdict};
use crate::p1::non_delivery::NonDelivery;
use crate::routing::ConnectorIndex;

/// The longest that a timer is armed for: civil time may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Targets whose time has not come.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    /// By time, then in the order in which they came.
    targets: BTreeMap<(WallTime, u64), (ConnectorIndex, Queued)>,
    count: u64,
}

impl Deferred {
    /// When the first time comes.
    pub(super) fn deadline(&self, now: Now) -> Option<Instant> {
        let ((until, _), _) = self.targets.first_key_value()?;
        Some(now.instant + time_until(*until, now).min(LOOK_AGAIN))
    }
}

fn time_until(time: WallTime, now: Now) -> Duration {
    Duration::from_millis(u64::try_from(time.0.saturating_sub(now.wall.0)).unwrap_or(0))
}

impl<E: Engine> Shard<E> {
    /// Queues a message when its time has come. What takes its place is made at once: it is deferred itself.
    pub(super) fn queue_deferred(&mut self, until: WallTime, hop: Hop, mut queued: Queued) {
        match hop {
            Hop::Connector(connector) if until > self.now.wall => {
                queued.release_buffers();
                self.counters.deferred.add(1);
                self.deferred.count += 1;
                self.deferred.targets.insert((until, self.deferred.count), (connector, queued));
            }
            _ => self.queue(hop, queued),
        }
    }

    /// Queues the messages whose time has come.
    pub(super) fn queue_due(&mut self) {
        while let Some(first) = self.deferred.targets.first_entry()
            && first.key().0 <= self.now.wall
        {
            let (connector, queued) = first.remove();
            self.counters.deferred.subtract(1);
            self.queue(Hop::Connector(connector), queued);
        }
    }

    /// Sees to it that a connector's queue is searched in time.
    pub(super) fn arm_expiry(&mut self, connector: ConnectorIndex) {
        let now = self.now;
        let state = self.state(connector);
        let Some((at, not_before)) = state.queue.sweep_due() else { return };
        let at = (now.instant + time_until(at, now).min(LOOK_AGAIN)).max(not_before);
        if state.expiry_armed.is_none_or(|armed| at < armed) {
            state.expiry_armed = Some(at);
            self.timers.arm(at, Subject::Connector(connector.0).to_word());
        }
    }

    /// Has reports take the place of what has expired in a connector's queue.
    pub(super) fn expire_queued(&mut self, connector: ConnectorIndex) {
        let now = self.now;
        let state = self.state(connector);
        if state.expiry_armed.is_none_or(|armed| armed > now.instant) {
            return;
        }
        state.expiry_armed = None;
        let mut expired = Vec::new();
        if let Some((at, not_before)) = state.queue.sweep_due()
            && at <= now.wall
            && not_before <= now.instant
        {
            state.queue.take_expired(now.wall, now.instant, |queued| expired.push(queued));
        }
        for queued in expired {
            if queued.resident.is_some() {
                self.resident_count = self.resident_count.saturating_sub(1);
            }
            self.counters.expired.add(1);
            self.counters.expired_in_doubt.add(u64::from(queued.in_doubt));
            tracing::warn!(
                reference = ?queued.reference,
                connector = self.snapshot.connector(connector).name,
                in_doubt = queued.in_doubt,
                "expired before it could be transferred"
            );
            let verdict = Verdict::NonDelivery(NonDelivery::MAXIMUM_TIME_EXPIRED);
            self.return_home(queued, Task::Derive(Derivation::Report(verdict)));
        }
        self.arm_expiry(connector);
    }
}
