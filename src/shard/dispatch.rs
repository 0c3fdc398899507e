//! Transfer out: from a connector's queue to the partner's confirmation.
//!
//! A message leaves only when its attempt mark is durable, so that after a crash exactly the messages
//! that may have been sent are known. It leaves from the buffer it was committed from; when that is gone
//! it is fetched through the engine, the rest window by window.

use std::time::Duration;

use smallvec::SmallVec;

use super::Shard;
use super::connection::{Connection, Sending, Stage};
use super::mail::Mail;
use super::queue::{Attempt, PriorityQueue, Queued};
use super::token::{ConnectionKey, Subject};
use crate::base::buffer::{Fill, Lease};
use crate::base::clock::Instant;
use crate::base::limits::{
    ATTEMPT_AHEAD_COUNT, ENVELOPE_SIZE_MAX, EXTERNAL_OVERHEAD_SIZE_MAX, FETCH_SIZE,
};
use crate::io::Engine;
use crate::mta::metadata;
use crate::mta::prepare::{Relay, prepare};
use crate::osi::rtse::TransferRefusal;
use crate::p1::scan::{Progress, scan, scan_prefix};
use crate::routing::{ConnectorIndex, LinkState};
use crate::store::Outcome;

/// A connector as its owner shard sees it.
#[derive(Default)]
pub(crate) struct ConnectorState {
    pub(super) queue: PriorityQueue,
    /// Associations that may carry the next message.
    pub(super) idle: Vec<ConnectionKey>,
    /// Associations of ours, up or being opened.
    pub(super) calling_count: u16,
    /// Of them, those being opened.
    pub(super) opening_count: u16,
    /// Associations that are up, whoever opened them.
    pub(super) bound_count: u32,
    /// Failures since the last success.
    pub(super) failure_count: u32,
    /// No association is opened before this.
    pub(super) retry_at: Instant,
    /// Nothing is sent before this: the partner has refused a transfer.
    pub(super) resume_at: Instant,
    /// Which of the partner's addresses is tried next.
    pub(super) next_address: usize,
    /// Messages taken from the queue since marks were last asked for ahead.
    taken_since_marks: usize,
}

impl ConnectorState {
    /// The wait after `failure_count` failures in a row.
    pub(super) fn retry_delay(&self, first: Duration, longest: Duration) -> Duration {
        first.saturating_mul(1 << self.failure_count.saturating_sub(1).min(16)).min(longest)
    }
}

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
        if self.connectors[index].resume_at > self.now.instant {
            return;
        }
        while let Some(&key) = self.connectors[index].idle.last() {
            self.mark_ahead(connector);
            let Some(queued) = self.connectors[index].queue.pop_marked() else { break };
            self.connectors[index].idle.pop();
            self.connectors[index].taken_since_marks += 1;
            if queued.resident.is_some() {
                self.resident_count = self.resident_count.saturating_sub(1);
            }
            match self.connections.take(key) {
                Some(mut connection) if connection.is_ready_to_send() => {
                    self.start_sending(&mut connection, queued);
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
        if waiting > 0 && self.connectors[index].idle.is_empty() {
            self.open_if_allowed(connector);
        }
    }

    fn put_back(&mut self, connector: ConnectorIndex, mut queued: Queued) {
        queued.resident = None;
        self.connectors[usize::from(connector.0)].queue.push_front(queued);
    }

    /// Asks for the attempt marks of the messages at the queue's head, well before they are needed.
    fn mark_ahead(&mut self, connector: ConnectorIndex) {
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

    fn start_sending(&mut self, connection: &mut Connection, queued: Queued) {
        let transfer_timeout = connection
            .connector
            .map_or(Duration::MAX, |connector| self.snapshot.connector(connector).transfer_timeout);
        self.set_deadline(connection, self.now.instant + transfer_timeout);
        let resident = queued.resident.clone();
        connection.sending = Some(Sending {
            queued,
            fetch_offset: 0,
            fetching: false,
            head: Vec::new(),
            identifier: SmallVec::new(),
            begun: false,
        });
        match resident {
            Some(octets) => self.begin_activity(connection, &octets),
            None => self.fetch_more(connection, FETCH_SIZE),
        }
        self.mark_dirty(connection);
    }

    /// Reads the next stored octets of the message being sent, at most `size`.
    fn fetch_more(&mut self, connection: &mut Connection, size: usize) {
        let Some(sending) = &mut connection.sending else { return };
        let left = u64::from(sending.queued.body_size) - sending.fetch_offset;
        let size = left.min(size as u64) as usize;
        if size == 0 || sending.fetching {
            return;
        }
        sending.fetching = true;
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
        let Some(sending) = &mut connection.sending else { return };
        sending.fetching = false;
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

    /// Keeps one fetch under way while the stack takes octets.
    pub(super) fn continue_fetching(&mut self, connection: &mut Connection) {
        let wanted = connection.outgoing.fetch_wanted();
        let room = connection
            .association
            .as_ref()
            .map_or(0, |association| association.stack.transfer_wanted());
        if wanted > 0 && room > 0 {
            self.fetch_more(connection, FETCH_SIZE);
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
                return self.fetch_more(connection, FETCH_SIZE);
            }
            Ok(Progress::NeedMore) => Err("its envelope is too long".to_owned()),
            Ok(Progress::Complete) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        let prepared = scanned.map(|()| {
            let relay = Relay {
                domain: &self.snapshot.settings.domain,
                mta_name: &self.snapshot.settings.mta_name,
                arrived: sending.queued.arrived,
                is_internal: self.snapshot.is_internal(connector),
            };
            let recipients = sending.queued.recipients.as_deref();
            let serves = |recipient: usize| {
                recipients
                    .is_none_or(|list| list.iter().any(|&index| usize::from(index) == recipient))
            };
            prepare(apdu, &self.scan, &relay, serves, &mut self.metadata, &mut self.patched);
        });
        if let Err(error) = prepared {
            tracing::error!(reference = ?sending.queued.reference, error, "a stored message cannot be sent");
            return self.fail_connection(connection, "a stored message cannot be sent");
        }
        sending.begun = true;
        sending.identifier = SmallVec::from_slice(self.scan.mts_identifier.element.octets(apdu));
        let to_fetch = sending.queued.apdu_size as usize - apdu.len();
        let envelope_end = self.scan.envelope_end() as usize;
        let rest = sending.queued.apdu_size as usize - envelope_end;
        let apdu_lease = octets.slice(start..end);
        let Some(association) = &mut connection.association else { return };
        let header = association.stack.negotiated().wrap_header(self.patched.size() + rest);
        let envelope_size = header.len() + self.patched.size();
        let mut fill = self
            .envelopes
            .take()
            .filter(|fill| fill.remaining() >= envelope_size)
            .unwrap_or_else(|| Fill::with_capacity(envelope_size));
        fill.append(&header);
        for slice in self.patched.slices(&apdu[..envelope_end]) {
            fill.append(slice);
        }
        let pieces = [fill.lease(0..fill.filled()), apdu_lease.slice(envelope_end..apdu.len())];
        connection.outgoing.start(&mut association.stack, pieces, to_fetch);
        self.continue_fetching(connection);
    }

    /// The partner has taken the message.
    pub(super) fn transfer_confirmed(&mut self, connection: &mut Connection) {
        connection.outgoing.clear();
        let (Some(sending), Some(connector)) = (connection.sending.take(), connection.connector)
        else {
            return;
        };
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
        self.connectors[usize::from(connector.0)].failure_count = 0;
        self.snapshot.links.publish(connector, LinkState::Open);
        self.became_idle(connection);
    }

    /// The partner refused the message for now, or for good; either way it stays ours.
    pub(super) fn transfer_refused(
        &mut self,
        connection: &mut Connection,
        reason: TransferRefusal,
    ) {
        tracing::warn!(peer = %connection.peer, ?reason, "the partner refused a transfer; it is tried again");
        if let Some(connector) = connection.connector {
            self.note_failure(connector);
            let state = &mut self.connectors[usize::from(connector.0)];
            state.resume_at = state.retry_at;
        }
        self.return_to_queue(connection);
        self.became_idle(connection);
    }

    /// Puts the message being sent back into its queue. If its end may have reached the partner, it is in
    /// doubt, counted and logged: sent anew it may arrive twice.
    pub(super) fn return_to_queue(&mut self, connection: &mut Connection) {
        let complete = connection.outgoing.is_complete();
        connection.outgoing.clear();
        let (Some(sending), Some(connector)) = (connection.sending.take(), connection.connector)
        else {
            return;
        };
        if sending.begun && complete && connection.stage != Stage::Bound {
            self.counters.in_doubt_lost.add(1);
            tracing::warn!(
                mts_identifier = %metadata::identifier_text(&sending.identifier),
                connector = self.snapshot.connector(connector).name,
                "in doubt: the end was sent and no confirmation seen; sent anew, possibly twice"
            );
        }
        self.put_back(connector, sending.queued);
        self.active.push(connector.0);
    }

    /// An association may carry the next message.
    pub(super) fn became_idle(&mut self, connection: &mut Connection) {
        let Some(connector) = connection.connector else { return };
        if connection.is_ready_to_send() && !self.is_stopping() {
            let disconnect_time = self.snapshot.connector(connector).disconnect_time;
            self.set_deadline(connection, self.now.instant + disconnect_time);
            self.connectors[usize::from(connector.0)].idle.push(connection.key);
            self.active.push(connector.0);
        } else if self.is_stopping() {
            self.release_when_idle(connection);
        }
    }
}
