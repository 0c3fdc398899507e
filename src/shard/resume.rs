//! Transfers that outlive their connection (X.228 7.8 (unverified)): what broke is resumed from the last
//! confirmed checkpoint, as sender and as receiver, so that it arrives once.
//!
//! *Sending.* What was broken off waits with its connector, apart from the queue, until its recovery timeout.
//! The next association to open recovers the broken one if the partner can, and is an ordinary one if it
//! cannot; either carries what is to be resumed before anything else. What cannot be resumed is
//! transferred anew: at once where the end was not sent, else only when the time is over, and counted
//! and logged as in doubt.
//!
//! *Receiving.* What a partner sent of a transfer is kept by the owner shard until the recovery timeout, and
//! may be lost before; that a transfer was completed stands in the [`memory`](super::memory) and in the store.

use std::sync::PoisonError;

use smallvec::SmallVec;

use super::Shard;
use super::connection::{Connection, Role, Sending, Stage};
use super::connector::is_two_way;
use super::intake::Intake;
use super::memory::{AssociationMemory, CompletedNames};
use super::notes::activity_references;
use super::queue::Queued;
use super::token::{ConnectionKey, Subject};
use crate::association::session_reference;
use crate::base::clock::Instant;
use crate::base::limits::SUSPENDED_INTAKE_COUNT_MAX;
use crate::io::Engine;
use crate::mta::activity::NameReference;
use crate::mta::metadata;
use crate::osi::rtse::{AbortReason, RefuseReason};
use crate::osi::session::SessionConnectionIdentifier;
use crate::osi::stack::RecoverIndication;
use crate::osi::stack::recovery::{
    ActivityName, PartialTransfer, ResumeIndication, ResumeResponse, TransferResumption,
};
use crate::routing::{ConnectorIndex, LinkFault};

/// A transfer out that was broken off.
pub(crate) struct Interrupted {
    queued: Queued,
    /// The MTS-identifier's element.
    identifier: SmallVec<[u8; 96]>,
    resumption: TransferResumption,
    /// When it is given up to be resumed.
    until: Instant,
    /// Whether the partner may still know the association that it broke off.
    recoverable: bool,
}

/// A transfer in that was broken off.
pub(crate) struct Suspended {
    connector: ConnectorIndex,
    intake: Intake,
    partial: PartialTransfer,
    until: Instant,
}

impl<E: Engine> Shard<E> {
    fn memory<R>(&self, act: impl FnOnce(&mut AssociationMemory) -> R) -> R {
        act(&mut self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// References for an association that we open, unlike any before them.
    pub(super) fn new_session_reference(&mut self, mta_name: &str) -> SessionConnectionIdentifier {
        self.session_count += 1;
        let numbers = (u32::from(self.index), self.session_count);
        session_reference(mta_name, self.now.wall, numbers)
    }

    /// The association that the next one to open is to recover, if any.
    pub(super) fn association_to_recover(
        &mut self,
        connector: ConnectorIndex,
    ) -> Option<SessionConnectionIdentifier> {
        let interrupted = &self.state(connector).interrupted;
        let recoverable = interrupted.iter().find(|interrupted| interrupted.recoverable)?;
        Some(recoverable.resumption.name.connection.clone())
    }

    /// The partner does not recover this association: what it broke off is resumed on an ordinary one.
    pub(super) fn cannot_recover(
        &mut self,
        connector: ConnectorIndex,
        recovered: &SessionConnectionIdentifier,
    ) {
        for interrupted in &mut self.state(connector).interrupted {
            if interrupted.resumption.name.connection == *recovered {
                interrupted.recoverable = false;
            }
        }
        self.active.push(connector.0);
    }

    /// Keeps a transfer that was broken off to be resumed; gives it back when it cannot be.
    pub(super) fn interrupt(
        &mut self,
        connector: ConnectorIndex,
        sending: Sending,
        resumption: Option<TransferResumption>,
    ) -> Option<Sending> {
        let worth_it = |resumption: &TransferResumption| {
            resumption.name.is_unique() && (resumption.end_sent || resumption.checkpoint > 0)
        };
        let Some(resumption) = resumption.filter(worth_it) else { return Some(sending) };
        let until = match &sending.resumed {
            Some(resumed) => resumed.1,
            None => self.now.instant + self.snapshot.connector(connector).recovery_timeout,
        };
        tracing::info!(
            mts_identifier = %metadata::identifier_text(&sending.identifier),
            connector = self.snapshot.connector(connector).name,
            octets_confirmed = resumption.octets_confirmed,
            end_sent = resumption.end_sent,
            "a transfer broke off; it will be resumed"
        );
        let Sending { mut queued, identifier, .. } = sending;
        queued.release_buffers();
        let interrupted = Interrupted { queued, identifier, resumption, until, recoverable: true };
        self.state(connector).interrupted.push_back(interrupted);
        self.timers.arm(until, Subject::Connector(connector.0).to_word());
        self.active.push(connector.0);
        None
    }

    /// Gives up resuming what has waited too long: it is transferred anew.
    pub(super) fn expire_interrupted(&mut self, connector: ConnectorIndex) {
        let now = self.now.instant;
        while let Some(interrupted) =
            self.state(connector).interrupted.pop_front_if(|interrupted| interrupted.until <= now)
        {
            let Interrupted { mut queued, identifier, resumption, .. } = interrupted;
            if resumption.end_sent {
                self.note_doubt(connector, &identifier);
                queued.in_doubt = true;
            }
            self.try_again(connector, &identifier, queued);
        }
    }

    /// Takes what is to be resumed next on an association that is free.
    pub(super) fn resume_next(&mut self, connector: ConnectorIndex, key: ConnectionKey) -> bool {
        let Some(mut connection) = self.connections.take(key) else { return false };
        let ready = connection.is_ready_to_send();
        let next = if ready { self.state(connector).interrupted.pop_front() } else { None };
        let resumes = next.is_some();
        if let Some(Interrupted { queued, identifier, resumption, until, .. }) = next {
            self.state(connector).idle.retain(|idle| *idle != key);
            // A partner that has forgotten takes for a new transfer what begins at its first octet.
            if resumption.end_sent && resumption.checkpoint == 0 && connection.recovering.is_none()
            {
                self.note_doubt(connector, &identifier);
            }
            tracing::info!(
                mts_identifier = %metadata::identifier_text(&identifier),
                octets_confirmed = resumption.octets_confirmed,
                "resuming a transfer"
            );
            self.start_sending(&mut connection, queued, Some(Box::new((resumption, until))));
        }
        self.connections.put_back(connection);
        resumes
    }

    /// The partner knows nothing of what we resumed.
    pub(super) fn resumption_refused(&mut self, connection: &mut Connection) {
        let Some(connector) = connection.connector else { return };
        self.transfer_anew(connection, connector);
        self.became_idle(connection);
    }

    /// Puts what could not be resumed back into its queue. When its end was sent it is in doubt, whatever the
    /// partner says: it may have forgotten.
    fn transfer_anew(&mut self, connection: &mut Connection, connector: ConnectorIndex) {
        let Some(mut sending) = self.take_sending(connection, connector) else { return };
        if sending.resumed.is_some_and(|resumed| resumed.0.end_sent) {
            self.note_doubt(connector, &sending.identifier);
            sending.queued.in_doubt = true;
        }
        if let Some(queued) = self.count_refusal(connector, &sending.identifier, sending.queued) {
            self.put_back(connector, queued);
        }
    }

    /// What the partner's abort says of the transfer under way; whether it has been dealt with.
    pub(super) fn abort_settles(&mut self, connection: &mut Connection, reason: Option<u32>) {
        let Some(connector) = connection.connector.filter(|_| connection.sending.is_some()) else {
            return;
        };
        let is = |expected: AbortReason| reason == Some(expected as u32);
        if is(AbortReason::TransferCompleted) {
            self.transfer_confirmed(connection);
        } else if is(AbortReason::UnrecognizedActivity)
            || connection.sending.as_ref().is_some_and(|sending| sending.resumed.is_some())
        {
            // It does not know the activity, or resumes none: another attempt would end the same way.
            self.transfer_anew(connection, connector);
        }
    }

    /// An association is up on which the partner may send: it may resume on another what breaks off on it.
    pub(super) fn remember(&mut self, connection: &Connection, connector: ConnectorIndex) {
        if may_receive(connection)
            && let Some(association) = &connection.association
        {
            let identifier = association.stack.session_connection_identifier();
            self.memory(|memory| memory.begin(identifier, connector, self.now.wall));
        }
    }

    /// An association is over, in order or not.
    pub(super) fn remember_end(&mut self, connection: &mut Connection) {
        if !may_receive(connection) {
            return;
        }
        let (Some(connector), Some(association)) = (connection.connector, &connection.association)
        else {
            return;
        };
        let identifier = association.stack.session_connection_identifier().clone();
        if connection.stage == Stage::Releasing {
            return self.memory(|memory| memory.release(&identifier));
        }
        let log = self.logs[0].number();
        let partial = association.stack.transfer_partial();
        let last = last_activity(connection);
        if std::mem::take(&mut connection.committing) {
            self.finishing.push((connection.key, connector, last));
            self.memory(|memory| memory.break_off(&identifier, Vec::new(), log, self.now.wall));
        } else {
            let completed = if connection.completed { last } else { Vec::new() };
            self.memory(|memory| memory.break_off(&identifier, completed, log, self.now.wall));
        }
        if let Some(partial) = partial.filter(|partial| partial.name.is_unique()) {
            self.suspend(connection, connector, partial);
        }
    }

    fn suspend(
        &mut self,
        connection: &mut Connection,
        connector: ConnectorIndex,
        partial: PartialTransfer,
    ) {
        if partial.checkpoints.is_empty() || self.suspended.len() >= SUSPENDED_INTAKE_COUNT_MAX {
            return;
        }
        let Some(intake) = self.take_intake(connection, partial.octets) else { return };
        let until = self.now.instant + self.snapshot.connector(connector).recovery_timeout;
        self.suspended.push(Suspended { connector, intake, partial, until });
        self.timers.arm(until, Subject::Nobody.to_word());
    }

    /// Drops what partners have not resumed in time.
    pub(super) fn expire_suspended(&mut self) {
        let now = self.now.instant;
        while let Some(index) = self.suspended.iter().position(|suspended| suspended.until <= now) {
            let mut suspended = self.suspended.swap_remove(index);
            self.drop_intake(&mut suspended.intake);
        }
    }

    /// An activity whose connection broke before its record was durable is complete now.
    pub(super) fn finished(&mut self, key: ConnectionKey, durable: bool) {
        let Some(index) = self.finishing.iter().position(|finishing| finishing.0 == key) else {
            return;
        };
        let (_, connector, names) = self.finishing.swap_remove(index);
        if durable {
            let log = self.logs[0].number();
            self.memory(|memory| memory.complete(names, connector, log, self.now.wall));
        }
    }

    /// The partner goes on with a transfer that was broken off.
    pub(super) fn resume_indicated(
        &mut self,
        connection: &mut Connection,
        resume: &ResumeIndication,
    ) {
        let Some(connector) = connection.connector else { return };
        self.break_predecessor(connection.key, connector, &resume.name.connection);
        self.abandon_intake(connection);
        connection.completed = false;
        if self.finishing.iter().any(|(_, _, names)| names.contains(&resume.name)) {
            // Whether it is ours is known in a moment.
            if let Some(association) = &mut connection.association {
                association.stack.abort_request(AbortReason::TemporaryProblem);
            }
            return self.fail_connection(connection, "a resumed transfer is being committed");
        }
        let response = if self.memory(|memory| memory.is_completed(&resume.name, connector)) {
            connection.completed = true;
            self.note_renamed(connection);
            ResumeResponse::Completed
        } else {
            self.resume_suspended(connection, connector, resume)
        };
        tracing::info!(peer = %connection.peer, checkpoint = resume.checkpoint, ?response, "a transfer is resumed");
        if let Some(association) = &mut connection.association {
            association.stack.transfer_resume_response(response);
        }
        self.mark_dirty(connection);
    }

    fn resume_suspended(
        &mut self,
        connection: &mut Connection,
        connector: ConnectorIndex,
        resume: &ResumeIndication,
    ) -> ResumeResponse {
        let found = self.suspended.iter().position(|suspended| {
            suspended.connector == connector && suspended.partial.is_named(&resume.name)
        });
        let suspended = found.map(|index| self.suspended.swap_remove(index));
        match suspended {
            Some(mut suspended) => match suspended.partial.octets_before(resume.checkpoint) {
                Some(octets) => {
                    connection.intake = suspended.intake;
                    connection.intake.repeat(suspended.partial.octets - octets);
                    ResumeResponse::Continue { octets }
                }
                None => {
                    self.drop_intake(&mut suspended.intake);
                    ResumeResponse::Unrecognized
                }
            },
            None if resume.checkpoint == 0 => ResumeResponse::Continue { octets: 0 },
            None => ResumeResponse::Unrecognized,
        }
    }

    /// A partner that recovers an association, or resumes what it broke off, has seen it break before we did.
    fn break_predecessor(
        &mut self,
        but: ConnectionKey,
        connector: ConnectorIndex,
        broken: &SessionConnectionIdentifier,
    ) {
        if broken.is_empty() {
            return;
        }
        let is_it = |connection: &&Connection| {
            connection.key != but
                && connection.connector == Some(connector)
                && connection.association.as_ref().is_some_and(|association| {
                    association.stack.session_connection_identifier() == broken
                })
        };
        let keys = self.connections.keys();
        let found = keys.into_iter().find(|key| self.connections.get(*key).iter().any(is_it));
        let Some(mut connection) = found.and_then(|key| self.connections.take(key)) else { return };
        connection.fault = Some(LinkFault::Broken);
        self.fail_connection(&mut connection, "the partner recovers it on another connection");
        self.connections.put_back(connection);
    }

    /// A caller wants to recover an association. That it can name it is all that it shows of itself, as
    /// X.228 has it: so the references that partners choose are never logged.
    pub(super) fn recover_indicated(
        &mut self,
        connection: &mut Connection,
        recover: &RecoverIndication,
    ) {
        match self.memory(|memory| memory.connector(&recover.recovered)) {
            Some(connector) => {
                connection.recovering = Some(Box::new(recover.recovered.clone()));
                self.caller_known(connection, connector);
            }
            None => {
                tracing::info!(peer = %connection.peer, "an association to recover is not known");
                if let Some(association) = &mut connection.association {
                    association.stack.bind_reject(RefuseReason::CannotRecover, &[]);
                }
                self.begin_drain(connection);
            }
        }
    }

    /// At the owner: breaks the association that a caller has come to recover, if it still stands here.
    pub(super) fn break_recovered(&mut self, connection: &Connection) {
        if let (Some(recovered), Some(connector)) = (&connection.recovering, connection.connector) {
            self.break_predecessor(connection.key, connector, recovered);
        }
    }

    /// The partner has recovered the association that broke.
    pub(super) fn recover_confirmed(&mut self, connection: &mut Connection) {
        if let Some(connector) = connection.connector {
            self.bound(connection, connector);
            self.became_idle(connection);
        }
    }

    /// The partner refuses a caller of ours: whether it is only the recovery that it refuses.
    pub(super) fn recovery_refused(&mut self, connection: &mut Connection) -> bool {
        let (Some(recovered), Some(connector)) =
            (connection.recovering.take(), connection.connector)
        else {
            return false;
        };
        connection.recovery_refused = true;
        self.cannot_recover(connector, &recovered);
        true
    }

    /// The partner interrupted its transfer: what came of it is kept.
    pub(super) fn keep_interrupted(
        &mut self,
        connection: &mut Connection,
        partial: PartialTransfer,
    ) {
        if let Some(connector) = connection.connector {
            self.suspend(connection, connector, partial);
        }
        self.abandon_intake(connection);
    }

    /// Our transfer was interrupted because the partner could not take it for now: it is resumed later.
    pub(super) fn transfer_interrupted(
        &mut self,
        connection: &mut Connection,
        resumption: TransferResumption,
    ) {
        let Some(connector) = connection.connector else { return };
        let Some(sending) = self.take_sending(connection, connector) else { return };
        if let Some(queued) = self.count_refusal(connector, &sending.identifier, sending.queued) {
            self.pause(connector);
            // The peer has said that it is not responsible: nothing is in doubt.
            let resumption = TransferResumption { end_sent: false, ..resumption };
            let sending = Sending { queued, ..sending };
            if let Some(sending) = self.interrupt(connector, sending, Some(resumption)) {
                self.put_back(connector, sending.queued);
            }
        }
        self.became_idle(connection);
    }
}

/// Whether the partner may send on it.
fn may_receive(connection: &Connection) -> bool {
    connection.role == Role::Called || is_two_way(connection)
}

/// The names of the activity that a connection's peer began last.
fn last_activity(connection: &Connection) -> CompletedNames {
    let Some(association) = &connection.association else { return Vec::new() };
    let owned = |name: NameReference<'_>| ActivityName {
        connection: name.connection.clone(),
        activity: name.activity,
    };
    activity_references(&association.stack).map(owned).collect()
}
