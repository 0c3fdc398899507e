//! Connections from the first octet to the last: opened or accepted, fed to their stack, released, closed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::Shard;
use super::bind::bind_argument;
use super::connection::{Connection, Role, Stage};
use super::token::{ConnectionKey, Subject};
use crate::association::Association;
use crate::base::buffer::Lease;
use crate::base::clock::Instant;
use crate::base::limits::{
    CLOSE_TIMEOUT_S, CONNECTION_COUNT_MAX, CONTROL_PDU_SIZE_MAX, RELEASE_DELAY_S_MAX,
};
use crate::io::{Engine, Operation, Outcome, Socket};
use crate::osi::error::Layer;
use crate::osi::rtse::AbortReason;
use crate::osi::stack::{Indication, Stack};
use crate::routing::LinkFault;

const RELEASE_TIMEOUT: Duration = Duration::from_secs(RELEASE_DELAY_S_MAX);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(CLOSE_TIMEOUT_S);

impl<E: Engine> Shard<E> {
    pub(super) fn mark_dirty(&mut self, connection: &mut Connection) {
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(connection.key);
        }
    }

    /// Moves a connection's deadline; a timer is armed only when the new one is sooner.
    pub(super) fn set_deadline(&mut self, connection: &mut Connection, deadline: Instant) {
        if connection.armed.is_none_or(|armed| deadline < armed) {
            connection.armed = Some(deadline);
            self.timers.arm(deadline, Subject::Connection(connection.key).to_word());
        }
        connection.deadline = deadline;
    }

    /// A partner calls.
    pub(super) fn accepted(&mut self, socket: Socket, peer: SocketAddr) {
        if self.is_stopping()
            || self.connections.len() >= CONNECTION_COUNT_MAX
            || self.unbound_count >= self.snapshot.settings.unbound_connection_count_max
        {
            tracing::warn!(%peer, "connection refused: too many that have not bound");
            return self.engine.submit(Subject::Nobody.token(), Operation::Close { socket });
        }
        let key = self.connections.insert(Role::Called, peer, self.now.instant);
        let Some(mut connection) = self.connections.take(key) else { return };
        self.unbound_count += 1;
        let stack = Stack::responder(self.snapshot.settings.called_stack.clone());
        connection.association = Some(Association::new(socket, stack));
        connection.stage = Stage::Binding;
        let timeout = self.snapshot.settings.establishment_timeout;
        self.set_deadline(&mut connection, self.now.instant + timeout);
        self.engine.submit(Subject::Connection(key).token(), Operation::Receive { socket });
        self.connections.put_back(connection);
    }

    pub(super) fn connection_completed(
        &mut self,
        key: ConnectionKey,
        result: io::Result<Outcome<E::Detached>>,
    ) {
        let Some(mut connection) = self.connections.take(key) else { return };
        match result {
            Ok(Outcome::Connected(socket)) => self.connected(&mut connection, socket),
            Ok(Outcome::Received(octets)) => self.received(&mut connection, &octets),
            Ok(Outcome::Sent(transmit)) => {
                let behind = match &mut connection.association {
                    Some(association) => association.sent(transmit),
                    None => false,
                };
                if behind || connection.stage != Stage::Bound {
                    self.mark_dirty(&mut connection);
                }
            }
            Ok(Outcome::Detached(detached)) => return self.detached(*connection, detached),
            Ok(Outcome::Closed) => {
                self.ended(&mut connection);
                return self.connections.remove(key);
            }
            Ok(_) => {}
            Err(error) if connection.association.is_none() => {
                tracing::warn!(peer = %connection.peer, %error, "no connection");
                self.ended(&mut connection);
                return self.connections.remove(key);
            }
            Err(error) => self.fail_connection(&mut connection, &error.to_string()),
        }
        self.connections.put_back(connection);
    }

    fn connected(&mut self, connection: &mut Connection, socket: Socket) {
        let Some(connector) = connection.connector else { return };
        let settings = self.snapshot.connector(connector);
        let (config, local) = (settings.stack.clone(), settings.local.clone());
        let identifier = self.new_session_reference(&local.mta_name);
        let stack = match &connection.recovering {
            Some(recovered) => {
                Stack::initiator_recovering(config, (**recovered).clone(), identifier)
            }
            None => {
                let argument = bind_argument(config.application_context, &local);
                Stack::initiator_of(config, &argument, identifier)
            }
        };
        connection.association = Some(Association::new(socket, stack));
        if connection.stage == Stage::Connecting {
            connection.stage = Stage::Binding;
        }
        self.engine
            .submit(Subject::Connection(connection.key).token(), Operation::Receive { socket });
        self.mark_dirty(connection);
    }

    fn received(&mut self, connection: &mut Connection, octets: &Lease) {
        if octets.is_empty() {
            match connection.stage {
                Stage::Draining | Stage::Closed => {}
                Stage::Releasing => self.begin_drain(connection),
                _ => self.fail_connection(connection, "the peer closed the connection"),
            }
            return;
        }
        if connection.stage == Stage::Moving {
            if connection.early.len() + octets.len() > CONTROL_PDU_SIZE_MAX {
                return self
                    .fail_connection(connection, "the peer sends before its bind is answered");
            }
            return connection.early.extend_from_slice(octets);
        }
        self.feed(connection, octets);
    }

    /// Runs octets through the stack and acts on what they say.
    pub(super) fn feed(&mut self, connection: &mut Connection, octets: &[u8]) {
        let mut input = octets;
        // A transfer that the buffer may hold from its first octet to its last.
        let mut whole: &[u8] = &[];
        while !matches!(connection.stage, Stage::Draining | Stage::Closed | Stage::Moving) {
            let Some(association) = &mut connection.association else { return };
            match association.stack.poll_indication(&mut input) {
                Ok(Some(Indication::TransferData(data)))
                    if whole.is_empty() && self.may_be_whole(connection, data) =>
                {
                    whole = data;
                }
                Ok(Some(Indication::TransferEnd)) => {
                    self.transfer_ended(connection, std::mem::take(&mut whole));
                }
                Ok(Some(indication)) => {
                    self.transfer_data(connection, std::mem::take(&mut whole));
                    self.indicated(connection, indication);
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(
                        peer = %connection.peer,
                        layer = error.layer().as_str(),
                        fault = error.fault().as_str(),
                        %error,
                        "protocol error"
                    );
                    self.counters.connections_failed.add(1);
                    self.begin_drain(connection);
                }
            }
        }
        self.transfer_data(connection, whole);
        if connection.stage == Stage::Moving {
            connection.early.extend_from_slice(input);
        }
        if connection.stage == Stage::Bound {
            self.note_progress(connection);
        }
        if connection.sending.is_some()
            && let Some(association) = &mut connection.association
        {
            connection.outgoing.proceed(&mut association.stack);
            self.continue_fetching(connection);
        }
        self.mark_dirty(connection);
    }

    fn indicated(&mut self, connection: &mut Connection, indication: Indication<'_>) {
        match indication {
            Indication::TransferData(octets) => self.transfer_data(connection, octets),
            Indication::TransferStart if self.is_stopping() => self.refuse_new_transfer(connection),
            Indication::TransferStart => {
                connection.completed = false;
                self.abandon_intake(connection);
            }
            Indication::TransferResume(_) if self.is_stopping() => {
                self.refuse_new_transfer(connection);
            }
            Indication::TransferResume(resume) => self.resume_indicated(connection, &resume),
            Indication::TransferInterrupted(partial) => {
                self.keep_interrupted(connection, *partial);
                if self.is_stopping() {
                    self.release_when_idle(connection);
                }
            }
            Indication::TransferDiscarded => {
                self.abandon_intake(connection);
                if self.is_stopping() {
                    self.release_when_idle(connection);
                }
            }
            Indication::TransferEnd => self.transfer_ended(connection, &[]),
            Indication::TransferConfirm => self.transfer_confirmed(connection),
            Indication::TransferRefused(reason) => self.transfer_refused(connection, reason),
            Indication::TransferInterruptConfirm(resumption) => {
                self.transfer_interrupted(connection, *resumption);
            }
            Indication::TransferResumeRefused => self.resumption_refused(connection),
            // Nothing of ours is given up at our own request.
            Indication::TransferDiscardConfirm => {}
            Indication::Recover(recover) => self.recover_indicated(connection, &recover),
            Indication::RecoverConfirm => self.recover_confirmed(connection),
            Indication::Bind(bind) => self.bind_indicated(connection, &bind),
            Indication::BindConfirm(result) => self.bind_confirmed(connection, &result),
            Indication::BindRefused(refusal) => self.bind_refused(connection, &refusal),
            Indication::TurnGiven => self.turn_given(connection),
            Indication::TurnPlease(_) => self.turn_pleased(connection),
            Indication::Release => {
                self.abandon_intake(connection);
                if let Some(association) = &mut connection.association {
                    association.stack.release_response();
                }
                connection.stage = Stage::Releasing;
                self.set_deadline(connection, self.now.instant + RELEASE_TIMEOUT);
            }
            Indication::ReleaseConfirm => self.begin_drain(connection),
            Indication::Abort(abort) => {
                tracing::warn!(peer = %connection.peer, layer = abort.layer.as_str(), reason = abort.text, "the peer aborted the association");
                let reason = abort.reason.filter(|_| abort.layer == Layer::Rtse);
                self.abort_settles(connection, reason);
                self.counters.connections_failed.add(1);
                self.begin_drain(connection);
            }
        }
    }

    fn transfer_data(&mut self, connection: &mut Connection, octets: &[u8]) {
        if !octets.is_empty()
            && let Err(error) = self.take_transfer_data(connection, octets)
        {
            self.refuse_transfer(connection, &error);
        }
    }

    fn transfer_ended(&mut self, connection: &mut Connection, whole: &[u8]) {
        if let Err(error) = self.end_transfer(connection, whole) {
            self.refuse_transfer(connection, &error);
        }
    }

    /// Ends a connection that cannot go on; what its stack has to say first still goes out.
    pub(super) fn fail_connection(&mut self, connection: &mut Connection, reason: &str) {
        if !matches!(connection.stage, Stage::Draining | Stage::Closed) {
            tracing::warn!(peer = %connection.peer, stage = ?connection.stage, reason, "connection failed");
            self.counters.connections_failed.add(1);
            self.begin_drain(connection);
        }
    }

    /// Lets the stack's last octets out, then closes.
    pub(super) fn begin_drain(&mut self, connection: &mut Connection) {
        if matches!(connection.stage, Stage::Draining | Stage::Closed) {
            return;
        }
        self.leave_service(connection);
        connection.stage = Stage::Draining;
        self.set_deadline(connection, self.now.instant + CLOSE_TIMEOUT);
        self.mark_dirty(connection);
    }

    /// Takes a connection out of its connector's counts and returns what it was carrying.
    fn leave_service(&mut self, connection: &mut Connection) {
        let stage = connection.stage;
        if connection.role == Role::Called && matches!(stage, Stage::Binding | Stage::Moving) {
            self.unbound_count = self.unbound_count.saturating_sub(1);
        }
        if matches!(stage, Stage::Bound | Stage::Releasing) {
            self.counters.associations.subtract(1);
        }
        if matches!(stage, Stage::Bound | Stage::Releasing) {
            self.remember_end(connection);
        }
        self.abandon_intake(connection);
        if let Some(connector) = connection.connector {
            let usual = match stage {
                Stage::Connecting => LinkFault::Unreachable,
                _ => LinkFault::Broken,
            };
            let fault = connection.fault.take().unwrap_or(usual);
            let expected = stage == Stage::Releasing || connection.recovery_refused;
            let failed = !expected && !self.is_stopping();
            self.left_service(connection, connector, failed.then_some(fault));
        }
        connection.stage = Stage::Draining;
        self.return_to_queue(connection);
    }

    /// Closes a draining connection once its last octets are with the kernel.
    pub(super) fn close_when_drained(&mut self, connection: &mut Connection) {
        let Some(association) = &connection.association else { return };
        if connection.stage == Stage::Releasing
            && association.stack.is_closed()
            && association.is_flushed()
        {
            self.begin_drain(connection);
        }
        let Some(association) = &connection.association else { return };
        if connection.stage == Stage::Draining && association.is_flushed() {
            connection.stage = Stage::Closed;
            let socket = association.socket();
            self.engine
                .submit(Subject::Connection(connection.key).token(), Operation::Close { socket });
        }
    }

    /// The last completion has come.
    fn ended(&mut self, connection: &mut Connection) {
        if !matches!(connection.stage, Stage::Draining | Stage::Closed) {
            self.leave_service(connection);
        }
    }

    pub(super) fn connection_timer(&mut self, key: ConnectionKey) {
        let Some(mut connection) = self.connections.take(key) else { return };
        connection.armed = None;
        if connection.deadline > self.now.instant {
            let deadline = connection.deadline;
            self.set_deadline(&mut connection, deadline);
        } else {
            self.deadline_passed(&mut connection);
        }
        self.connections.put_back(connection);
    }

    fn deadline_passed(&mut self, connection: &mut Connection) {
        let under_way = connection.sending.is_some() || connection.intake.is_under_way();
        match connection.stage {
            Stage::Bound if self.is_stopping() && connection.role == Role::Called => {
                self.release_when_idle(connection);
            }
            Stage::Bound if !under_way => self.idle_time_passed(connection),
            Stage::Draining => {
                if let Some(association) = &connection.association {
                    connection.stage = Stage::Closed;
                    let socket = association.socket();
                    self.engine.submit(
                        Subject::Connection(connection.key).token(),
                        Operation::Close { socket },
                    );
                }
            }
            Stage::Closed => {}
            Stage::Connecting
            | Stage::Binding
            | Stage::Moving
            | Stage::Bound
            | Stage::Releasing => {
                connection.fault = Some(LinkFault::TimedOut);
                if let Some(association) = &mut connection.association {
                    association.stack.abort_request(AbortReason::TemporaryProblem);
                }
                self.fail_connection(connection, "no progress in the time allowed");
            }
        }
    }

    /// Nothing was carried for a while: an association of ours is released when its time has come.
    fn idle_time_passed(&mut self, connection: &mut Connection) {
        let Some(connector) = connection.connector else { return };
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let policy = &snapshot.connector(connector).associations;
        let now = self.now.instant;
        let (age, idle) = (now.since(connection.opened_at), now.since(connection.idle_since));
        if connection.role == Role::Calling
            && self.state(connector).associations.is_to_release(policy, age, idle)
        {
            if connection.is_ready_to_send() {
                return self.begin_release(connection);
            }
            // Only who has the turn may release.
            self.ask_to_release(connection);
        }
        self.set_deadline(connection, now + policy.idle_time.max(Duration::from_secs(1)));
    }

    /// The time until which a transfer under way has to show progress.
    fn note_progress(&mut self, connection: &mut Connection) {
        let Some(connector) = connection.connector else { return };
        let deadline = self.now.instant + self.snapshot.connector(connector).timeouts.progress;
        if let Some(sending) = &connection.sending {
            connection.deadline = deadline.min(sending.ends_by);
        } else if connection.intake.is_under_way() {
            self.set_deadline(connection, deadline);
        }
    }

    pub(super) fn begin_release(&mut self, connection: &mut Connection) {
        let mut patience = RELEASE_TIMEOUT;
        if let Some(connector) = connection.connector {
            let key = connection.key;
            self.state(connector).idle.retain(|idle| *idle != key);
            if !self.is_stopping() {
                patience = self.snapshot.connector(connector).associations.disconnect_time;
            }
        }
        if let Some(association) = &mut connection.association {
            association.stack.release_request();
        }
        connection.stage = Stage::Releasing;
        self.set_deadline(connection, self.now.instant + patience);
        self.mark_dirty(connection);
    }
}
