//! The graceful stop: no new connections, activities end, associations are released, nothing is left half
//! done.
//!
//! All shards take three steps together, since they hold each other's messages: associations end and
//! what came in is durable; marks of messages that were not sent are withdrawn, so that the next start
//! finds nothing in doubt; what all logs have gathered is durable. Each shard counts a step done in
//! [`super::Shared::stop_steps`] when its mail is out, and takes the next when all have done the last.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connection::{Connection, Role, Stage};
use super::mail::Mail;
use super::token::Subject;
use super::{Shard, Turn};
use crate::base::limits::{RELEASE_DELAY_S_MAX, STOP_PATIENCE_MS};
use crate::io::{Engine, Operation};
use crate::osi::rtse::{AbortReason, TransferRefusal};
use crate::store::{Log, Outcome};

/// How far a shard has come in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopStage {
    /// It has not been asked to.
    Running,
    /// Associations end.
    Closing,
    /// None is left here, and all that came in is durable.
    Closed,
    /// Marks of what was not sent are withdrawn.
    Withdrawn,
    /// So they are by all that it has heard of.
    Done,
}

/// How long a partner that may send, and whose association only it may release, is waited for: its next
/// transfer can be refused before the association is aborted, one that crosses the abort is in doubt.
const STOP_PATIENCE: Duration = Duration::from_millis(STOP_PATIENCE_MS);
/// How long a partner may take to end a transfer that was under way when the stop began.
const TRANSFER_PATIENCE: Duration = Duration::from_secs(RELEASE_DELAY_S_MAX);

impl<E: Engine> Shard<E> {
    /// Whether nothing new is begun.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop_stage != StopStage::Running
    }

    /// Whether only other shards are waited for.
    pub(super) fn is_waiting_to_stop(&self) -> bool {
        self.is_stopping() && self.connections.len() == 0
    }

    /// Stops gracefully: no new connections, activities end, associations are released.
    pub(super) fn begin_stop(&mut self) {
        tracing::info!(shard = self.index, "stopping");
        self.stop_stage = StopStage::Closing;
        self.stop_began = self.now.instant;
        for listener in std::mem::take(&mut self.listeners) {
            self.engine.submit(Subject::Nobody.token(), Operation::CloseListener { listener });
        }
        for key in self.connections.keys() {
            if let Some(mut connection) = self.connections.take(key) {
                if connection.stage == Stage::Bound && connection.role == Role::Called {
                    self.set_deadline(&mut connection, self.now.instant + STOP_PATIENCE);
                } else {
                    self.release_when_idle(&mut connection);
                }
                self.connections.put_back(connection);
            }
        }
    }

    /// While stopping: the partner begins a transfer, which is refused, to be tried again later.
    pub(super) fn refuse_new_transfer(&mut self, connection: &mut Connection) {
        if let Some(association) = &mut connection.association {
            association.stack.transfer_refuse(TransferRefusal::Temporary);
        }
        self.mark_dirty(connection);
    }

    /// While stopping: an association without activity is released, or closed when only the partner may
    /// release it.
    pub(super) fn release_when_idle(&mut self, connection: &mut Connection) {
        let idle = connection.sending.is_none()
            && connection
                .association
                .as_ref()
                .is_some_and(|association| association.stack.is_idle());
        match connection.stage {
            Stage::Bound if idle && connection.role == Role::Calling => {
                self.begin_release(connection)
            }
            Stage::Bound if idle => {
                if let Some(association) = &mut connection.association {
                    association.stack.abort_request(AbortReason::TemporaryProblem);
                }
                self.begin_drain(connection);
            }
            Stage::Connecting | Stage::Binding => self.begin_drain(connection),
            Stage::Bound if connection.role == Role::Called => {
                if self.now.instant > self.stop_began + TRANSFER_PATIENCE {
                    return self.fail_connection(connection, "its transfer does not end");
                }
                self.set_deadline(connection, self.now.instant + STOP_PATIENCE);
            }
            _ => {}
        }
    }

    /// The end of a turn: takes the next step of the stop when it is time.
    pub(super) fn proceed_with_stop(&mut self) -> Turn {
        let shard_count = self.shared.mailboxes.len();
        // Before the mailbox is looked at: what was sent before a step was counted is in it then.
        let steps = self.shared.stop_steps.load(Ordering::Acquire);
        // A full disk may never have room for the last outcomes; their targets are in doubt then.
        let patience_ends = self.stop_began + TRANSFER_PATIENCE;
        let quiet = self.connections.len() == 0
            && (self.put_off.is_empty() || self.now.instant > patience_ends)
            && (!self.is_delivering() || self.now.instant > patience_ends)
            && (!self.derivations.has_delivered() || self.now.instant > patience_ends)
            && !self.derivations.is_fetching()
            && !self.logs.iter().any(Log::has_uncommitted)
            && !self.routes.iter().flatten().any(super::mail::Route::is_behind)
            && self.shared.mailboxes[usize::from(self.index)].is_empty();
        let next = match self.stop_stage {
            StopStage::Closing if quiet => StopStage::Closed,
            StopStage::Closed if quiet && steps >= shard_count => {
                self.withdraw_marks();
                self.stop_stage = StopStage::Withdrawn;
                return Turn::Running;
            }
            StopStage::Withdrawn if quiet => StopStage::Done,
            StopStage::Done if quiet && steps >= 2 * shard_count => return Turn::Stopped,
            _ => return Turn::Running,
        };
        self.stop_stage = next;
        self.shared.stop_steps.fetch_add(1, Ordering::AcqRel);
        Turn::Running
    }

    fn withdraw_marks(&mut self) {
        let marked: Vec<_> = self
            .connectors
            .iter()
            .flat_map(|connector| connector.queue.attempts())
            .map(|queued| (queued.reference, queued.target))
            .collect();
        for (reference, target) in marked {
            let outcome = Mail::Outcome { reference, target, outcome: Outcome::Deferred };
            self.tell(self.home(reference), outcome);
        }
    }
}
