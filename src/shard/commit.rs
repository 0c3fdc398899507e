//! The log's answers, and the mail in which shards speak of each other's messages.
//!
//! A commit's confirmation is where responsibility changes hands: only here is an activity's end
//! acknowledged.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::Shard;
use super::connection::Connection;
use super::derive::Task;
use super::mail::Mail;
use super::queue::{Attempt, Queued, whole_seconds};
use super::token::{ConnectionKey, Subject};
use crate::base::buffer::Lease;
use crate::base::clock::WallTime;
use crate::base::limits::RESIDENT_MESSAGE_COUNT_MAX;
use crate::io::Engine;
use crate::mta::decide::Hop;
use crate::osi::rtse::TransferRefusal;
use crate::p1::scan::{ApduKind, Priority};
use crate::routing::ConnectorIndex;
use crate::spool::port::Refusal;
use crate::store::{self, Confirm, MessageReference, Outcome};

/// Who hears when an APDU is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The connection that brought it.
    Association(ConnectionKey),
    /// A delivery point.
    Submission {
        /// Its connector.
        connector: ConnectorIndex,
        /// Its thread's name for the submission.
        number: u64,
    },
    /// The derivation in this slot.
    Derivation(u32),
    /// Nobody: another one with it is waited for.
    Nobody,
}

/// What an answer of the log is waited for by.
pub(crate) enum Pending {
    /// An APDU to acknowledge and to queue.
    Admission {
        /// Who hears of it.
        source: Source,
        /// Size of the APDU, octets.
        apdu_size: u32,
        /// Until when it waits before it goes over a connector.
        deferred_until: Option<WallTime>,
        /// Where it goes.
        targets: SmallVec<[(Hop, Queued); 1]>,
    },
    /// A mark that a target is attempted.
    Attempt {
        /// The shard that waits for it.
        owner: u16,
        /// The connector whose queue the message stands in.
        connector: ConnectorIndex,
        /// The message.
        reference: MessageReference,
        /// Which of its targets.
        target: u16,
    },
    /// Octets of a stored message.
    Fetch {
        /// The shard that waits for them.
        owner: u16,
        /// Its own word for the transfer.
        transfer: u64,
    },
    /// A note; nothing follows.
    Note,
}

impl<E: Engine> Shard<E> {
    pub(super) fn confirm_commits(&mut self) {
        for slot in 0..self.logs.len() {
            while let Some(confirm) = self.logs[slot].poll_confirm() {
                self.confirmed(confirm);
            }
        }
    }

    fn confirmed(&mut self, confirm: Confirm) {
        let (ticket, lease) = match confirm {
            Confirm::Committed { ticket } => (ticket, None),
            Confirm::Fetched { ticket, octets } => (ticket, Some(octets)),
            Confirm::Failed { ticket, error } => {
                tracing::error!(%error, "the store has failed; nothing more is taken in");
                return self.failed(ticket);
            }
            Confirm::FetchFailed { ticket, error } => {
                tracing::error!(%error, "a stored message cannot be read");
                return self.failed(ticket);
            }
        };
        match self.pending.try_remove(ticket as usize) {
            Some(Pending::Admission { source, apdu_size, deferred_until, targets }) => {
                let hop = targets.first().map(|(hop, _)| *hop);
                for (hop, queued) in targets {
                    match deferred_until {
                        Some(until) => self.queue_deferred(until, hop, queued),
                        None => self.queue(hop, queued),
                    }
                }
                match source {
                    Source::Association(connection) => {
                        self.record_durable(connection);
                        self.acknowledge_paced(connection, apdu_size, hop);
                    }
                    Source::Submission { connector, number } => {
                        self.counters.transfers_in.add(1);
                        self.counters.octets_in.add(u64::from(apdu_size));
                        self.answer_submission(connector, number, Ok(()));
                    }
                    Source::Derivation(slot) => self.derivation_committed(slot),
                    Source::Nobody => {}
                }
            }
            Some(Pending::Attempt { owner, connector, reference, target }) => {
                self.tell(owner, Mail::AttemptConfirm { connector, reference, target });
            }
            Some(Pending::Fetch { owner, transfer }) => {
                self.tell(owner, Mail::FetchConfirm { transfer, octets: lease });
            }
            Some(Pending::Note) | None => {}
        }
    }

    /// An operation that will never be durable: what came in is refused as a transient problem of ours.
    fn failed(&mut self, ticket: u64) {
        match self.pending.try_remove(ticket as usize) {
            Some(Pending::Admission { source: Source::Association(connection), .. }) => {
                self.finished(connection, false);
                if let Some(mut connection) = self.connections.take(connection) {
                    if let Some(association) = &mut connection.association {
                        association.stack.transfer_refuse(TransferRefusal::Temporary);
                    }
                    self.mark_dirty(&mut connection);
                    self.connections.put_back(connection);
                }
            }
            Some(Pending::Admission {
                source: Source::Submission { connector, number }, ..
            }) => {
                self.answer_submission(connector, number, Err(Refusal::Busy));
            }
            Some(Pending::Fetch { owner, transfer }) => {
                self.tell(owner, Mail::FetchConfirm { transfer, octets: None });
            }
            // The log is closed: what was to take a target's place is derived again after the next start.
            Some(Pending::Admission { source: Source::Derivation(_) | Source::Nobody, .. }) => {}
            Some(Pending::Attempt { .. } | Pending::Note) | None => {}
        }
    }

    pub(super) fn acknowledge(&mut self, key: ConnectionKey, apdu_size: u32) {
        self.counters.transfers_in.add(1);
        self.counters.octets_in.add(u64::from(apdu_size));
        if let Some(mut connection) = self.connections.take(key) {
            if let Some(association) = &mut connection.association {
                association.stack.transfer_response();
            }
            self.mark_dirty(&mut connection);
            self.connections.put_back(connection);
        }
    }

    /// The partner's last activity is ours from now on, whether its connection still stands or not.
    fn record_durable(&mut self, key: ConnectionKey) {
        match self.connections.take(key) {
            Some(mut connection) if connection.committing => {
                connection.committing = false;
                connection.completed = true;
                self.connections.put_back(connection);
            }
            Some(connection) => {
                self.connections.put_back(connection);
                self.finished(key, true);
            }
            None => self.finished(key, true),
        }
    }

    /// An APDU of which nothing is ours is confirmed without a record.
    pub(super) fn acknowledge_unstored(&mut self, connection: &mut Connection) {
        if let Some(association) = &mut connection.association {
            association.stack.transfer_response();
        }
        self.mark_dirty(connection);
    }

    /// Puts a committed message into its connector's queue, here or at the owner; or has something take its
    /// place.
    pub(super) fn queue(&mut self, hop: Hop, queued: Queued) {
        let connector = match hop {
            Hop::Connector(connector) => connector,
            Hop::Derive(derivation) => {
                return self.derive_request(Task::Derive(derivation), queued);
            }
        };
        let owner = self.snapshot.owner(connector);
        if owner == self.index {
            self.enqueue(connector, queued);
        } else {
            self.tell(owner, Mail::Enqueue { connector, queued });
        }
    }

    fn enqueue(&mut self, connector: ConnectorIndex, mut queued: Queued) {
        if queued.resident.is_some() {
            if self.resident_count < RESIDENT_MESSAGE_COUNT_MAX {
                self.resident_count += 1;
            } else {
                queued.resident = None;
            }
        }
        self.counters.queued.add(1);
        let state = &mut self.connectors[usize::from(connector.0)];
        state.queue.push(queued);
        self.arm_expiry(connector);
        let state = &self.connectors[usize::from(connector.0)];
        self.snapshot.links.publish_queued(connector, state.queue.len() as u32);
        self.active.push(connector.0);
    }

    /// Lets go of the committed buffers that waiting messages hold, here and at the other shards: they are
    /// fetched when it is their turn.
    pub(super) fn release_buffers(&mut self) {
        self.release_own_buffers();
        for shard in 0..self.routes.len() as u16 {
            if shard != self.index {
                self.tell(shard, Mail::ReleaseBuffers);
            }
        }
    }

    fn release_own_buffers(&mut self) {
        for connector in &mut self.connectors {
            connector.queue.release_buffers();
        }
        self.derivations.release_buffers();
        self.resident_count = 0;
        // What other shards took in and is sent from here is counted there.
        let alone = self.shared.mailboxes.len() == 1;
        if alone && self.kept_total.load(Ordering::Relaxed) == 0 {
            return;
        }
        for connection in self.connections.iter_mut() {
            connection.intake.release_buffers();
            if let Some(sending) = &mut connection.sending {
                sending.queued.kept = None;
            }
        }
    }

    /// Sends mail, or handles it at once when it is for this shard.
    pub(super) fn tell(&mut self, shard: u16, mail: Mail<E::Detached>) {
        match self.routes.get_mut(usize::from(shard)) {
            Some(Some(route)) => route.send(mail),
            _ => self.handle_mail(mail),
        }
    }

    pub(super) fn read_mail(&mut self) {
        let mailbox = Arc::clone(&self.shared.mailboxes[usize::from(self.index)]);
        while let Some(mail) = mailbox.receive() {
            self.handle_mail(mail);
        }
    }

    fn handle_mail(&mut self, mail: Mail<E::Detached>) {
        match mail {
            Mail::Enqueue { connector, queued } => self.enqueue(connector, queued),
            Mail::Adopt(adopted) => self.adopt(*adopted),
            Mail::Outcome { reference, target, outcome } => {
                self.record_outcome(reference, target, outcome)
            }
            Mail::AttemptRequest { owner, connector, reference, target } => {
                self.request_mark(owner, connector, reference, target);
            }
            Mail::AttemptConfirm { connector, reference, target } => {
                self.connectors[usize::from(connector.0)].queue.marked(reference, target);
                self.active.push(connector.0);
            }
            Mail::FetchRequest { owner, transfer, reference, offset, size } => {
                self.request_fetch(owner, transfer, reference, offset, size);
            }
            Mail::FetchConfirm { transfer, octets } => self.fetched(transfer, octets),
            Mail::Derive { queued, task } => self.derive_request(task, queued),
            Mail::ReleaseBuffers => self.release_own_buffers(),
        }
    }

    fn request_mark(
        &mut self,
        owner: u16,
        connector: ConnectorIndex,
        reference: MessageReference,
        target: u16,
    ) {
        let ticket = self.pending.insert(Pending::Attempt { owner, connector, reference, target });
        let slot = self.log_of(reference);
        let asked = self.logs.get_mut(slot).map(|log| {
            log.outcome_request(Some(ticket as u64), reference, target, Outcome::Attempted)
        });
        if matches!(asked, Some(Ok(()))) {
            return;
        }
        self.pending.try_remove(ticket);
        if is_for_now(asked) {
            self.put_off.push(Mail::AttemptRequest { owner, connector, reference, target });
        }
    }

    fn request_fetch(
        &mut self,
        owner: u16,
        transfer: u64,
        reference: MessageReference,
        offset: u64,
        size: usize,
    ) {
        let ticket = self.pending.insert(Pending::Fetch { owner, transfer });
        let slot = self.log_of(reference);
        let asked = self
            .logs
            .get_mut(slot)
            .map(|log| log.fetch_request(ticket as u64, reference, offset, size));
        if matches!(asked, Some(Ok(()))) {
            return;
        }
        self.pending.try_remove(ticket);
        if is_for_now(asked) {
            self.put_off.push(Mail::FetchRequest { owner, transfer, reference, offset, size });
        } else if owner == self.index {
            // The connection that asks is being worked on, and hears of it when that is over.
            self.put_off.push(Mail::FetchConfirm { transfer, octets: None });
        } else {
            self.tell(owner, Mail::FetchConfirm { transfer, octets: None });
        }
    }

    /// Notes an outcome in the home log; it need not be waited for.
    fn record_outcome(&mut self, reference: MessageReference, target: u16, outcome: Outcome) {
        let slot = self.log_of(reference);
        let asked = self
            .logs
            .get_mut(slot)
            .map(|log| log.outcome_request(None, reference, target, outcome));
        match asked {
            Some(Ok(())) | None => {}
            Some(Err(store::Error::Busy | store::Error::Full)) => {
                self.put_off.push(Mail::Outcome { reference, target, outcome });
            }
            Some(Err(error)) => {
                tracing::error!(%error, "an outcome could not be recorded; the message may be sent again after a restart");
            }
        }
    }

    /// Asks a log again for what it had no room or buffer for.
    pub(super) fn retry_put_off(&mut self) {
        for mail in std::mem::take(&mut self.put_off) {
            self.handle_mail(mail);
        }
    }

    /// The shard whose log holds a message.
    pub(super) fn home(&self, reference: MessageReference) -> u16 {
        reference.log % self.snapshot.settings.shard_count
    }

    pub(super) fn log_of(&self, reference: MessageReference) -> usize {
        usize::from(reference.log / self.snapshot.settings.shard_count)
    }

    /// Queues what was found in a log at start.
    pub(super) fn recover(&mut self, recovered: Vec<crate::store::RecoveredMessage>) {
        for message in recovered {
            self.counters.recovered.add(1);
            let (metadata, targets) = match crate::mta::metadata::read(&message.metadata) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, reference = ?message.reference, "a stored message stays untouched");
                    continue;
                }
            };
            let expiry = &self.snapshot.settings.policy.expiry;
            let expires_at = metadata.expires_at.unwrap_or_else(|| match metadata.kind {
                ApduKind::Report => expiry.at(Priority::NonUrgent, metadata.arrived),
                ApduKind::Message | ApduKind::Probe => {
                    expiry.at(metadata.priority, metadata.arrived)
                }
            });
            for (index, target) in targets.enumerate() {
                let state =
                    message.targets.get(index).copied().unwrap_or(crate::store::TargetState::Final);
                let Ok(target) = target else { break };
                if state == crate::store::TargetState::Final {
                    continue;
                }
                let connector =
                    target.connector.and_then(|name| self.snapshot.connector_named(name));
                let attempted =
                    state == crate::store::TargetState::Attempted && connector.is_some();
                if attempted {
                    self.counters.in_doubt_recovered.add(1);
                    tracing::warn!(
                        mts_identifier = %crate::mta::metadata::identifier_text(metadata.identifier),
                        connector = target.connector.unwrap_or(""),
                        "in doubt at the last stop: sent anew, possibly twice"
                    );
                }
                let queued = Queued {
                    reference: message.reference,
                    resident: None,
                    kept: None,
                    arrived: metadata.arrived,
                    recipients: target.recipients().map(|list| Box::new(list.into_boxed_slice())),
                    body_size: message.body_size as u32,
                    apdu_start: metadata.apdu_start,
                    apdu_size: metadata.apdu_size,
                    target: index as u16,
                    attempt: if attempted { Attempt::Marked } else { Attempt::Unmarked },
                    priority: metadata.priority,
                    refusal_count: 0,
                    expires_at_s: whole_seconds(expires_at),
                    derivation_count: metadata.derivation_count,
                    in_doubt: attempted,
                };
                self.tracker.recovered(self.now, metadata.identifier, target.connector, &queued);
                match (connector, metadata.deferred_until) {
                    (None, _) => self.derive_request(Task::Decide, queued),
                    (Some(connector), Some(until)) => {
                        self.queue_deferred(until, Hop::Connector(connector), queued);
                    }
                    (Some(connector), None) => self.queue(Hop::Connector(connector), queued),
                }
            }
        }
    }

    /// Gives back what was read for a transfer.
    fn fetched(&mut self, transfer: u64, octets: Option<Lease>) {
        match Subject::from_word(transfer) {
            Some(Subject::Connection(key)) => self.transfer_fetched(key, octets),
            Some(Subject::DeliveryPoint(connector)) => self.delivery_fetched(connector, octets),
            Some(Subject::Derivation(slot)) => self.derivation_fetched(slot as usize, octets),
            _ => {}
        }
    }
}

/// Whether a log refuses only until it has a segment or a buffer free.
fn is_for_now(asked: Option<Result<(), store::Error>>) -> bool {
    matches!(asked, Some(Err(store::Error::Busy | store::Error::Full)))
}
