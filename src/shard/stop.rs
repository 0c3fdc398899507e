//! The graceful stop: no new connections, activities end, associations are released, nothing is left half
//! done.

use super::Shard;
use super::connection::{Connection, Role, Stage};
use super::token::Subject;
use crate::io::{Engine, Operation};
use crate::osi::rtse::AbortReason;

impl<E: Engine> Shard<E> {
    /// Stops gracefully: no new connections, activities end, associations are released.
    pub(super) fn begin_stop(&mut self) {
        tracing::info!(shard = self.index, "stopping");
        self.stopping = true;
        for listener in std::mem::take(&mut self.listeners) {
            self.engine.submit(Subject::Nobody.token(), Operation::CloseListener { listener });
        }
        for key in self.connections.keys() {
            if let Some(mut connection) = self.connections.take(key) {
                self.release_when_idle(&mut connection);
                self.connections.put_back(connection);
            }
        }
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
            _ => {}
        }
    }
}
