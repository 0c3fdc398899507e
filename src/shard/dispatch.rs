//! Transfer out: from a connector's queue to the partner's confirmation.
//!
//! A message leaves only when its attempt mark is durable, so that after a crash exactly the messages
//! that may have been sent are known. It leaves from the buffers it was committed from; when those are gone
//! it is fetched through the engine, chunk by chunk, a little ahead of what the partner has room for.

use smallvec::SmallVec;

use super::Shard;
use super::connection::{Connection, Sending, Stage};
use super::derive::Task;
use super::kept::Kept;
use super::mail::Mail;
use super::queue::{Attempt, Queued};
use super::token::{ConnectionKey, Subject};
use crate::base::buffer::{Fill, Lease, Pool};
use crate::base::clock::Instant;
use crate::base::limits::{
    ATTEMPT_AHEAD_COUNT, ENVELOPE_BUFFER_SIZE, ENVELOPE_SIZE_MAX, EXTERNAL_OVERHEAD_SIZE_MAX,
    FETCH_SIZE,
};
use crate::connector::Traffic;
use crate::io::Engine;
use crate::mta::decide::{Hop, Target};
use crate::mta::derive::{Derivation, Verdict};
use crate::mta::downgrade::{Outgoing as Prepared, Rest, prepare_1984};
use crate::mta::metadata;
use crate::mta::policy::Deferral;
use crate::mta::prepare::{Relay, prepare};
use crate::osi::rtse::TransferRefusal;
use crate::osi::stack::ApplicationContext;
use crate::osi::stack::recovery::TransferResumption;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::{Progress, Responsibility, scan, scan_prefix};
use crate::routing::ConnectorIndex;
use crate::store::Outcome;

impl<E: Engine> Shard<E> {
    pub(super) fn dispatch_active(&mut self) {
        while let Some(index) = self.active.pop() {
            if self.snapshot.owner(ConnectorIndex(index)) == self.index {
                self.dispatch(ConnectorIndex(index));
            }
        }
    }

    fn dispatch(&mut self, connector: ConnectorIndex) {
        let index = usize::from(connector.0);
        self.expire_queued(connector);
        if self.connectors[index].resume_at > self.now.instant {
            return;
        }
        if self.connectors[index].delivery_point.is_some() {
            return self.dispatch_to_delivery_point(connector);
        }
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        self.expire_interrupted(connector);
        while !self.connectors[index].interrupted.is_empty()
            && let Some(&key) = self.connectors[index].idle.last()
            && self.resume_next(connector, key)
        {}
        while let Some(&key) = self.connectors[index].idle.last() {
            self.mark_ahead(connector);
            let policy = &snapshot.connector(connector).associations;
            let state = &mut self.connectors[index];
            let ordinary = state.associations.may_carry(policy, Traffic::Ordinary);
            let Some(queued) = state.queue.pop_marked(ordinary) else { break };
            state.idle.pop();
            state.taken_since_marks += 1;
            if queued.resident.is_some() {
                self.resident_count = self.resident_count.saturating_sub(1);
            }
            match self.connections.take(key) {
                Some(mut connection) if connection.is_ready_to_send() => {
                    self.start_sending(&mut connection, queued, None);
                    self.connections.put_back(connection);
                }
                other => {
                    other.into_iter().for_each(|connection| self.connections.put_back(connection));
                    self.put_back(connector, queued);
                }
            }
        }
        let waiting = self.connectors[index].queue.len();
        self.snapshot.links.publish_queued(connector, waiting as u32);
        if waiting == 0 && self.connectors[index].interrupted.is_empty() {
            self.return_turns(connector);
        } else if self.connectors[index].idle.is_empty() {
            self.ask_for_turn(connector);
        }
        self.open_associations(connector);
    }

    pub(super) fn put_back(&mut self, connector: ConnectorIndex, mut queued: Queued) {
        queued.release_buffers();
        self.connectors[usize::from(connector.0)].queue.push_front(queued);
        self.arm_expiry(connector);
    }

    /// Asks for the attempt marks of the messages at the queue's head, well before they are needed.
    pub(super) fn mark_ahead(&mut self, connector: ConnectorIndex) {
        let state = &mut self.connectors[usize::from(connector.0)];
        let head_is_marked = state.queue.head_attempt() != Some(Attempt::Unmarked);
        if head_is_marked && state.taken_since_marks < ATTEMPT_AHEAD_COUNT / 2 {
            return;
        }
        state.taken_since_marks = 0;
        let mut wanted = Vec::new();
        state.queue.mark_ahead(ATTEMPT_AHEAD_COUNT, |queued| {
            wanted.push((queued.reference, queued.target))
        });
        let owner = self.index;
        for (reference, target) in wanted {
            self.tell(
                self.home(reference),
                Mail::AttemptRequest { owner, connector, reference, target },
            );
        }
    }

    /// Starts a transfer, or goes on with one that broke off.
    pub(super) fn start_sending(
        &mut self,
        connection: &mut Connection,
        queued: Queued,
        resumed: Option<Box<(TransferResumption, Instant)>>,
    ) {
        let Some(connector) = connection.connector else { return };
        let timeouts = self.snapshot.connector(connector).timeouts;
        let whole = timeouts.whole(queued.priority, queued.apdu_size as usize);
        let ends_by = self.now.instant + whole;
        self.set_deadline(connection, ends_by.min(self.now.instant + timeouts.progress));
        self.state(connector).associations.transfer_began(queued.traffic());
        let resident = queued.resident.clone();
        connection.sending = Some(Sending {
            queued,
            fetch_offset: 0,
            head: Vec::new(),
            identifier: SmallVec::new(),
            begun: false,
            ends_by,
            resumed,
        });
        match resident {
            Some(octets) => self.begin_activity(connection, &octets),
            None => self.fetch_more(connection),
        }
        self.mark_dirty(connection);
    }

    /// Takes the next stored octets of the message being sent from where they were committed, or reads them.
    fn fetch_more(&mut self, connection: &mut Connection) {
        let Some(sending) = &mut connection.sending else { return };
        let left = u64::from(sending.queued.body_size) - sending.fetch_offset;
        let size = left.min(FETCH_SIZE as u64) as usize;
        if size == 0 || connection.fetching {
            return;
        }
        if let Some(octets) = sending.queued.kept.as_deref_mut().and_then(Kept::next) {
            return self.take_fetched(connection, Some(octets));
        }
        connection.fetching = true;
        let mail = Mail::FetchRequest {
            owner: self.index,
            transfer: Subject::Connection(connection.key).to_word(),
            reference: sending.queued.reference,
            offset: sending.fetch_offset,
            size,
        };
        let home = self.home(sending.queued.reference);
        self.tell(home, mail);
    }

    pub(super) fn transfer_fetched(&mut self, key: ConnectionKey, octets: Option<Lease>) {
        let Some(mut connection) = self.connections.take(key) else { return };
        self.take_fetched(&mut connection, octets);
        self.mark_dirty(&mut connection);
        self.connections.put_back(connection);
    }

    fn take_fetched(&mut self, connection: &mut Connection, octets: Option<Lease>) {
        connection.fetching = false;
        let Some(sending) = &mut connection.sending else {
            // It was for a transfer that is over.
            return self.became_idle(connection);
        };
        let Some(octets) = octets else {
            tracing::error!(reference = ?sending.queued.reference, "a stored message cannot be read; it stays queued");
            return self.fail_connection(connection, "the store cannot be read");
        };
        sending.fetch_offset += octets.len() as u64;
        if !sending.begun {
            if sending.head.is_empty() {
                return self.begin_activity(connection, &octets);
            }
            sending.head.extend_from_slice(&octets);
            let head = Lease::copied(&std::mem::take(&mut sending.head));
            return self.begin_activity(connection, &head);
        }
        let end = u64::from(sending.queued.apdu_start) + u64::from(sending.queued.apdu_size);
        let excess = sending.fetch_offset.saturating_sub(end) as usize;
        let piece = octets.slice(0..octets.len().saturating_sub(excess));
        if let Some(association) = &mut connection.association {
            connection.outgoing.fetched(&mut association.stack, piece);
        }
        self.continue_fetching(connection);
    }

    /// Keeps one fetch under way while few octets wait for the partner.
    pub(super) fn continue_fetching(&mut self, connection: &mut Connection) {
        if connection.outgoing.wants_more() {
            self.fetch_more(connection);
        }
    }

    /// Patches the envelope and starts the activity; `octets` are the stored transfer octets, or enough
    /// of their beginning to hold the envelope.
    fn begin_activity(&mut self, connection: &mut Connection, octets: &Lease) {
        let (Some(connector), Some(sending)) = (connection.connector, &mut connection.sending)
        else {
            return;
        };
        let whole = octets.len() == sending.queued.body_size as usize;
        let start = sending.queued.apdu_start as usize;
        let end = if whole { start + sending.queued.apdu_size as usize } else { octets.len() };
        let Some(apdu) = octets.get(start..end) else {
            return self
                .fail_connection(connection, "a stored message is shorter than its metadata says");
        };
        let scanned = match whole {
            true => scan(apdu, &mut self.scan).map(|()| Progress::Complete),
            false => scan_prefix(apdu, &mut self.scan),
        };
        let scanned = match scanned {
            Ok(Progress::NeedMore)
                if octets.len() < ENVELOPE_SIZE_MAX + EXTERNAL_OVERHEAD_SIZE_MAX =>
            {
                sending.head.extend_from_slice(octets);
                return self.fetch_more(connection);
            }
            Ok(Progress::NeedMore) => Err("its envelope is too long".to_owned()),
            Ok(Progress::Complete) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = scanned {
            tracing::error!(reference = ?sending.queued.reference, error, "a stored message cannot be sent");
            return self.hold_unreadable(connection, connector);
        }
        let Some(association) = &mut connection.association else { return };
        let negotiated = association.stack.negotiated();
        let settings = self.snapshot.connector(connector);
        let relay = Relay {
            domain: &self.snapshot.settings.domain,
            mta_name: &self.snapshot.settings.mta_name,
            arrived: sending.queued.arrived,
            defers: self.snapshot.settings.policy.deferral == Deferral::Hold,
            is_internal: self.snapshot.is_internal(connector),
            quirks: &settings.quirks,
        };
        let recipients = sending.queued.recipients.as_deref();
        let serves = |recipient: usize| {
            recipients.is_none_or(|list| list.iter().any(|&index| usize::from(index) == recipient))
        };
        let prepared = match negotiated.application_context {
            ApplicationContext::MtsTransferProtocol1984 => prepare_1984(
                apdu,
                &self.scan,
                &relay,
                &settings.downgrade,
                serves,
                &mut self.downgrade,
                &mut self.patched,
            ),
            ApplicationContext::MtsTransfer | ApplicationContext::MtsTransferProtocol => {
                let (metadata, patched) = (&mut self.metadata, &mut self.patched);
                prepare(apdu, &self.scan, &relay, serves, metadata, patched);
                Ok(Prepared::Original)
            }
        };
        let identifier = self.scan.mts_identifier.element.octets(apdu);
        sending.identifier = SmallVec::from_slice(identifier);
        let envelope_end = self.scan.envelope_end() as usize;
        // What is patched, and from where on the stored octets follow; `None`: not at all.
        let (envelope, behind, rest) = match prepared {
            Ok(Prepared::Original) => (&apdu[..envelope_end], &[][..], Some(envelope_end)),
            Ok(Prepared::Rewritten { envelope, rest: Rest::Original(rest) }) => {
                (envelope, &[][..], Some(rest))
            }
            Ok(Prepared::Rewritten { envelope, rest: Rest::Rewritten(behind) }) => {
                (envelope, behind, None)
            }
            Ok(Prepared::NeedsContent)
                if !whole && octets.len() < ENVELOPE_SIZE_MAX + EXTERNAL_OVERHEAD_SIZE_MAX =>
            {
                sending.head.extend_from_slice(octets);
                return self.fetch_more(connection);
            }
            Ok(Prepared::NeedsContent | Prepared::Refused(_)) | Err(_) => {
                let why = match prepared {
                    Ok(Prepared::Refused(why)) => why,
                    _ => NonDelivery::UNABLE_TO_DOWNGRADE,
                };
                tracing::warn!(
                    mts_identifier = %metadata::identifier_text(identifier),
                    connector = settings.name,
                    %why,
                    "cannot be downgraded to 1984"
                );
                return self.give_back(connection, connector, report(why));
            }
        };
        let apdu_size = sending.queued.apdu_size as usize;
        let (stored, to_fetch) = match rest {
            Some(rest) => (octets.slice(start + rest..end), apdu_size - apdu.len()),
            None => (octets.slice(0..0), 0),
        };
        let size = self.patched.size() + behind.len() + stored.len() + to_fetch;
        let header = negotiated.wrap_header(size);
        let written = header.len() + self.patched.size() + behind.len();
        let mut fill = envelope_buffer(&mut self.envelope, &mut self.envelopes, written);
        let envelope_start = fill.filled();
        fill.append(&header);
        for slice in self.patched.slices(envelope).chain([behind]) {
            fill.append(slice);
        }
        let pieces = [fill.lease(envelope_start..fill.filled()), stored];
        if written <= ENVELOPE_BUFFER_SIZE {
            self.envelope = Some(fill);
        }
        if negotiated.application_context == ApplicationContext::MtsTransferProtocol1984
            && !self.downgrade.refused_recipients().is_empty()
        {
            let ours = |index: &u16| {
                let recipient = self.scan.recipients.get(usize::from(*index));
                serves(usize::from(*index))
                    && recipient
                        .is_some_and(|it| it.responsibility() == Responsibility::Responsible)
            };
            let refused = self.downgrade.refused_recipients();
            let (left_out, others): (Vec<u16>, Vec<u16>) = (0..self.scan.recipients.len() as u16)
                .filter(ours)
                .partition(|index| refused.binary_search(index).is_ok());
            if !left_out.is_empty() {
                // A report answers for them, the others are sent: each has a target of its own.
                let why = Verdict::NonDelivery(NonDelivery::UNABLE_TO_DOWNGRADE);
                let targets = vec![
                    Target { hop: Hop::Connector(connector), recipients: others },
                    Target { hop: Hop::Derive(Derivation::Report(why)), recipients: left_out },
                ];
                return self.give_back(connection, connector, Task::Restate(targets));
            }
        }
        sending.begun = true;
        let Some(resumed) = &sending.resumed else {
            connection.outgoing.start(&mut association.stack, pieces, to_fetch);
            return self.continue_fetching(connection);
        };
        let before =
            connection.outgoing.resume(&mut association.stack, pieces, to_fetch, &resumed.0);
        match before {
            Some(fetched_before) => {
                sending.fetch_offset += fetched_before as u64;
                self.continue_fetching(connection);
            }
            None => self.resumption_refused(connection),
        }
    }

    /// The partner has taken the message.
    pub(super) fn transfer_confirmed(&mut self, connection: &mut Connection) {
        let Some(connector) = connection.connector else { return };
        let Some(sending) = self.take_sending(connection, connector) else { return };
        self.track_transfer_out(connector, &sending);
        let queued = sending.queued;
        self.counters.transfers_out.add(1);
        self.counters.octets_out.add(u64::from(queued.apdu_size));
        self.counters.queued.subtract(1);
        let outcome = Mail::Outcome {
            reference: queued.reference,
            target: queued.target,
            outcome: Outcome::Transferred,
        };
        self.tell(self.home(queued.reference), outcome);
        let state = self.state(connector);
        state.associations.succeeded();
        state.refusal_count = 0;
        self.became_idle(connection);
    }

    /// The partner refused the message: for now, and it is tried again after a while; or for good, or too
    /// often, and it is reported.
    pub(super) fn transfer_refused(
        &mut self,
        connection: &mut Connection,
        reason: TransferRefusal,
    ) {
        let Some(connector) = connection.connector else { return };
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let settings = snapshot.connector(connector);
        let Some(mut sending) = self.take_sending(connection, connector) else { return };
        tracing::warn!(
            mts_identifier = %metadata::identifier_text(&sending.identifier),
            connector = settings.name,
            ?reason,
            "transfer refused"
        );
        self.track_refusal_out(connector, &sending.identifier, reason);
        if reason == TransferRefusal::Permanent {
            sending.queued.refusal_count = u16::MAX;
        }
        self.try_again(connector, &sending.identifier, sending.queued);
        self.became_idle(connection);
    }

    /// Puts a message that the partner did not take behind its equals, to be tried after a while: others may
    /// fare better.
    pub(super) fn try_again(
        &mut self,
        connector: ConnectorIndex,
        identifier: &[u8],
        queued: Queued,
    ) {
        let Some(mut queued) = self.count_refusal(connector, identifier, queued) else { return };
        self.pause(connector);
        queued.release_buffers();
        self.state(connector).queue.push(queued);
        self.arm_expiry(connector);
        self.active.push(connector.0);
    }

    /// Counts that the partner did not take a message; a report takes the place of one that it refused for
    /// good or did not take too often.
    pub(super) fn count_refusal(
        &mut self,
        connector: ConnectorIndex,
        identifier: &[u8],
        mut queued: Queued,
    ) -> Option<Queued> {
        let settings = self.snapshot.connector(connector);
        queued.refusal_count = queued.refusal_count.saturating_add(1);
        if !settings.transfer_retry.is_exhausted(u32::from(queued.refusal_count)) {
            return Some(queued);
        }
        tracing::warn!(
            mts_identifier = %metadata::identifier_text(identifier),
            connector = settings.name,
            "not taken for good, or too often"
        );
        let why = match queued.refusal_count {
            u16::MAX => NonDelivery::TRANSFER_FAILURE,
            _ => NonDelivery::TRANSFER_ATTEMPTS_LIMIT_REACHED,
        };
        self.return_home(queued, report(why));
        None
    }

    /// Sends nothing for a while: the partner has refused a transfer, perhaps not the first.
    pub(super) fn pause(&mut self, connector: ConnectorIndex) {
        let policy = self.snapshot.connector(connector).transfer_retry;
        let now = self.now.instant;
        let state = self.state(connector);
        state.refusal_count = state.refusal_count.saturating_add(1);
        state.resume_at = now + policy.delay_after(state.refusal_count);
        let resume_at = state.resume_at;
        self.timers.arm(resume_at, Subject::Connector(connector.0).to_word());
    }

    /// Gives a message back to its home shard that cannot be sent to this partner as it is; the association is
    /// free for the next.
    fn give_back(&mut self, connection: &mut Connection, connector: ConnectorIndex, task: Task) {
        if let Some(sending) = self.take_sending(connection, connector) {
            self.return_home(sending.queued, task);
        }
        self.became_idle(connection);
    }

    /// Sets a message aside that cannot be read; the association is free for the next. Its mark is withdrawn:
    /// it was not sent.
    fn hold_unreadable(&mut self, connection: &mut Connection, connector: ConnectorIndex) {
        if let Some(sending) = self.take_sending(connection, connector) {
            let mut queued = sending.queued;
            queued.release_buffers();
            queued.attempt = Attempt::Unmarked;
            let (reference, target) = (queued.reference, queued.target);
            let outcome = Mail::Outcome { reference, target, outcome: Outcome::Deferred };
            self.tell(self.home(reference), outcome);
            self.counters.queued.subtract(1);
            self.counters.held_unreadable.add(1);
            self.held.push(queued);
        }
        self.became_idle(connection);
    }

    /// Ends the transfer under way in the books, and gives what was being sent.
    pub(super) fn take_sending(
        &mut self,
        connection: &mut Connection,
        connector: ConnectorIndex,
    ) -> Option<Sending> {
        connection.outgoing.clear();
        let mut sending = connection.sending.take()?;
        // What is left of them is no longer the message's beginning.
        sending.queued.kept = None;
        self.state(connector).associations.transfer_ended(sending.queued.traffic());
        Some(sending)
    }

    /// Puts the message being sent back into its queue. If its end may have reached the partner, it is in
    /// doubt, counted and logged: sent anew it may arrive twice.
    pub(super) fn return_to_queue(&mut self, connection: &mut Connection) {
        let complete = connection.outgoing.is_complete();
        let resumption =
            connection.association.as_ref().and_then(|it| it.stack.transfer_resumption());
        let Some(connector) = connection.connector else { return };
        let Some(sending) = self.take_sending(connection, connector) else { return };
        let resumption = match &sending.resumed {
            // Broken off again before it went on.
            Some(resumed) if !sending.begun => Some(resumed.0.clone()),
            _ => resumption.filter(|_| sending.begun),
        };
        let in_doubt = sending.begun && complete && connection.stage != Stage::Bound;
        let Some(mut sending) = self.interrupt(connector, sending, resumption) else { return };
        if in_doubt {
            self.note_doubt(connector, &sending.identifier);
            sending.queued.in_doubt = true;
        }
        self.put_back(connector, sending.queued);
        self.active.push(connector.0);
    }

    /// A message is transferred anew whose end may have reached the partner.
    pub(super) fn note_doubt(&mut self, connector: ConnectorIndex, identifier: &[u8]) {
        self.counters.in_doubt_lost.add(1);
        self.track_doubt(connector, identifier);
        tracing::warn!(
            mts_identifier = %metadata::identifier_text(identifier),
            connector = self.snapshot.connector(connector).name,
            "in doubt: the end was sent and no confirmation seen; sent anew, possibly twice"
        );
    }

    /// An association may carry the next message, unless the partner has asked for the turn.
    pub(super) fn became_idle(&mut self, connection: &mut Connection) {
        let Some(connector) = connection.connector else { return };
        if self.is_stopping() {
            return self.release_when_idle(connection);
        }
        if !connection.is_ready_to_send() {
            return;
        }
        if connection.turn_wanted {
            return self.give_turn(connection);
        }
        connection.idle_since = self.now.instant;
        let policy = &self.snapshot.connector(connector).associations;
        let deadline = self.now.instant + policy.idle_time;
        let deadline = match policy.lifetime.is_zero() {
            true => deadline,
            false => deadline.min(connection.opened_at + policy.lifetime),
        };
        self.set_deadline(connection, deadline.max(self.now.instant));
        let key = connection.key;
        let idle = &mut self.state(connector).idle;
        if !idle.contains(&key) {
            idle.push(key);
        }
        self.active.push(connector.0);
    }
}

/// A report with this takes the place.
fn report(why: NonDelivery) -> Task {
    Task::Derive(Derivation::Report(Verdict::NonDelivery(why)))
}

/// A buffer with room for an envelope: the last one, as long as it has some, else the next.
fn envelope_buffer(last: &mut Option<Fill>, pool: &mut Pool, size: usize) -> Fill {
    last.take_if(|fill| {
        size <= ENVELOPE_BUFFER_SIZE && (fill.remaining() >= size || fill.restart())
    })
    .or_else(|| pool.take().filter(|fill| fill.remaining() >= size))
    .unwrap_or_else(|| Fill::with_capacity(size))
}
