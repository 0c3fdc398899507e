//! A connector at its owner shard: its queue, its associations, and whose turn it is on each.
//!
//! How many associations there are, and for whom, is [`Associations`]' to say; this opens them, counts them,
//! and moves the turn: an association whose partner has it is asked for it when something waits, and
//! one of the partner's own is given back when nothing does.

use std::collections::VecDeque;
use std::time::Duration;

use super::Shard;
use super::connection::{Connection, Role, Stage};
use super::queue::PriorityQueue;
use super::resume::Interrupted;
use super::spool::DeliveryPoint;
use super::token::{ConnectionKey, Subject};
use crate::base::clock::Instant;
use crate::connector::associations::{Opening, Waiting};
use crate::connector::{Associations, Schedule, Traffic};
use crate::io::{Engine, Operation};
use crate::osi::rtse::DialogueMode;
use crate::routing::{ConnectorIndex, LinkFault, LinkState};

/// Priority of a turn-please for urgent messages and reports; 0 is the highest (X.228 RTTP).
const TURN_PRIORITY_URGENT: u8 = 0;
/// Priority of a turn-please for the rest.
const TURN_PRIORITY_ORDINARY: u8 = 1;

/// How soon addresses are looked for again that a host name has not given yet.
const RESOLVE_RETRY: Duration = Duration::from_secs(1);

/// A connector as its owner shard sees it.
#[derive(Default)]
pub(crate) struct ConnectorState {
    pub(super) queue: PriorityQueue,
    /// Transfers that broke off, to be resumed.
    pub(super) interrupted: VecDeque<Interrupted>,
    pub(super) associations: Associations,
    /// Associations that may carry the next message.
    pub(super) idle: Vec<ConnectionKey>,
    /// Two-way associations on which the partner has the turn.
    pub(super) without_turn: Vec<ConnectionKey>,
    /// Nothing is sent before this: the partner has refused a transfer.
    pub(super) resume_at: Instant,
    /// Transfers that it has refused in a row.
    pub(super) refusal_count: u32,
    /// Which of the partner's addresses is tried next.
    next_address: usize,
    /// When the queue is searched for what has expired, if a timer is armed for it.
    pub(super) expiry_armed: Option<Instant>,
    /// Messages taken from the queue since marks were last asked for ahead.
    pub(super) taken_since_marks: usize,
    /// Its thread, when it is a local delivery point.
    pub(super) delivery_point: Option<Box<DeliveryPoint>>,
}

impl ConnectorState {
    /// What waits to be sent or resumed.
    pub(super) fn waiting(&self) -> Waiting {
        let mut waiting = self.queue.waiting();
        waiting.ordinary += self.interrupted.len() as u32;
        waiting
    }
}

impl<E: Engine> Shard<E> {
    pub(super) fn state(&mut self, connector: ConnectorIndex) -> &mut ConnectorState {
        &mut self.connectors[usize::from(connector.0)]
    }

    /// Opens what the policy wants opened: an association for what waits, or a permanent one.
    pub(super) fn open_associations(&mut self, connector: ConnectorIndex) {
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let settings = snapshot.connector(connector);
        let addresses = snapshot.addresses.addresses(connector);
        if settings.addresses.is_empty() || self.is_stopping() {
            return;
        }
        if addresses.is_empty() {
            // Its host name is being resolved.
            let at = self.now.instant + RESOLVE_RETRY;
            return self.timers.arm(at, Subject::Connector(connector.0).to_word());
        }
        loop {
            let (now, wall) = (self.now.instant, self.now.wall);
            let state = self.state(connector);
            let is_free = !state.idle.is_empty();
            let waiting = if is_free { Waiting::default() } else { state.waiting() };
            match state.associations.opening(&settings.associations, waiting, now) {
                Opening::Now if settings.schedule.allows_calling(wall) => {}
                Opening::Now => return self.wait_for_schedule(connector, &settings.schedule),
                Opening::NotBefore(at) => {
                    return self.timers.arm(at, Subject::Connector(connector.0).to_word());
                }
                Opening::Enough => return,
            }
            state.associations.opening_began();
            state.queue.set_memory_aside();
            let address = addresses[state.next_address % addresses.len()];
            let recovering = self.association_to_recover(connector);
            let key = self.connections.insert(Role::Calling, address, now);
            let Some(mut connection) = self.connections.take(key) else { return };
            connection.connector = Some(connector);
            connection.recovering = recovering.map(Box::new);
            self.set_deadline(&mut connection, now + snapshot.settings.establishment_timeout);
            self.connections.put_back(connection);
            self.engine.submit(Subject::Connection(key).token(), Operation::Connect { address });
        }
    }

    fn wait_for_schedule(&mut self, connector: ConnectorIndex, schedule: &Schedule) {
        if let Some(wait) = schedule.opens_in(self.now.wall) {
            let at = self.now.instant + wait;
            self.timers.arm(at, Subject::Connector(connector.0).to_word());
        }
    }

    /// A failure to reach or keep a partner: it is counted and shown, and the next attempt waits.
    pub(super) fn note_failure(&mut self, connector: ConnectorIndex, fault: LinkFault) {
        let now = self.now.instant;
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let policy = &snapshot.connector(connector).associations;
        let state = self.state(connector);
        state.next_address = state.next_address.wrapping_add(1);
        let retry_at = state.associations.failed(policy, now);
        let exhausted = policy.open_retry.is_exhausted(state.associations.failure_count());
        let is_up = state.associations.bound_count() > 0;
        self.timers.arm(retry_at, Subject::Connector(connector.0).to_word());
        snapshot.links.count(connector, fault);
        if !is_up {
            let state = if exhausted { LinkState::Down } else { LinkState::Retrying };
            snapshot.links.publish(connector, state);
        }
    }

    /// An association is up.
    pub(super) fn entered_service(&mut self, connection: &Connection, connector: ConnectorIndex) {
        let state = self.state(connector);
        match connection.role {
            Role::Calling => state.associations.opened(),
            Role::Called => state.associations.called(),
        }
        self.remember(connection, connector);
        let state = self.state(connector);
        if is_two_way(connection) && connection.role == Role::Called {
            state.without_turn.push(connection.key);
            self.active.push(connector.0);
        }
        self.snapshot.links.publish(connector, LinkState::Open);
    }

    /// An association, or an attempt at one, is over; `fault` says how it failed, if it did.
    pub(super) fn left_service(
        &mut self,
        connection: &Connection,
        connector: ConnectorIndex,
        fault: Option<LinkFault>,
    ) {
        let was_up = matches!(connection.stage, Stage::Bound | Stage::Releasing);
        let key = connection.key;
        let state = self.state(connector);
        state.idle.retain(|idle| *idle != key);
        state.without_turn.retain(|without| *without != key);
        match (connection.role, was_up) {
            (Role::Calling, false) => state.associations.opening_ended(),
            (Role::Calling, true) => state.associations.calling_ended(),
            (Role::Called, true) => state.associations.called_ended(),
            (Role::Called, false) => {}
        }
        let is_up = state.associations.bound_count() > 0;
        match fault {
            Some(fault) if connection.role == Role::Calling => self.note_failure(connector, fault),
            Some(fault) => self.snapshot.links.count(connector, fault),
            None => {}
        }
        if !is_up && fault.is_none() {
            self.snapshot.links.publish(connector, LinkState::Idle);
        }
        self.active.push(connector.0);
    }

    /// Asks the partner for its turn on an association, one for each message that may travel.
    pub(super) fn ask_for_turn(&mut self, connector: ConnectorIndex) {
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let policy = &snapshot.connector(connector).associations;
        let state = self.state(connector);
        let waiting = state.waiting();
        let (priority, count) = match waiting.urgent {
            0 if !state.associations.may_carry(policy, Traffic::Ordinary) => return,
            0 => (TURN_PRIORITY_ORDINARY, waiting.ordinary),
            urgent => (TURN_PRIORITY_URGENT, urgent),
        };
        let candidates = state.without_turn.clone();
        for key in candidates.into_iter().take(count as usize) {
            let Some(mut connection) = self.connections.take(key) else { continue };
            self.please(&mut connection, priority);
            self.connections.put_back(connection);
        }
    }

    /// Asks for the turn so that an association of ours can be released.
    pub(super) fn ask_to_release(&mut self, connection: &mut Connection) {
        self.please(connection, TURN_PRIORITY_ORDINARY);
    }

    fn please(&mut self, connection: &mut Connection, priority: u8) {
        if !connection.turn_asked
            && let Some(association) = &mut connection.association
            && association.stack.turn_please_request(priority)
        {
            connection.turn_asked = true;
            self.mark_dirty(connection);
        }
    }

    /// The partner has given us the turn.
    pub(super) fn turn_given(&mut self, connection: &mut Connection) {
        connection.turn_asked = false;
        let key = connection.key;
        if let Some(connector) = connection.connector {
            self.state(connector).without_turn.retain(|without| *without != key);
        }
        self.became_idle(connection);
    }

    /// The partner asks for the turn: it gets it when our transfer is over.
    pub(super) fn turn_pleased(&mut self, connection: &mut Connection) {
        connection.turn_wanted = true;
        if connection.sending.is_none() {
            self.give_turn(connection);
        }
    }

    /// Gives the turn to the partner, if it is ours to give.
    pub(super) fn give_turn(&mut self, connection: &mut Connection) {
        let given = connection
            .association
            .as_mut()
            .is_some_and(|association| association.stack.turn_give_request());
        if !given {
            return;
        }
        connection.turn_wanted = false;
        let key = connection.key;
        if let Some(connector) = connection.connector {
            let state = self.state(connector);
            state.idle.retain(|idle| *idle != key);
            state.without_turn.push(key);
            self.active.push(connector.0);
        }
        self.mark_dirty(connection);
    }

    /// Gives back turns of the partner's own associations for which there is nothing to send.
    pub(super) fn return_turns(&mut self, connector: ConnectorIndex) {
        let mut index = 0;
        while let Some(&key) = self.state(connector).idle.get(index) {
            index += 1;
            let Some(mut connection) = self.connections.take(key) else { continue };
            if connection.role == Role::Called && is_two_way(&connection) {
                self.give_turn(&mut connection);
                index = 0;
            }
            self.connections.put_back(connection);
        }
    }
}

/// Whether both sides may send on it.
pub(super) fn is_two_way(connection: &Connection) -> bool {
    connection.association.as_ref().is_some_and(|association| {
        association.stack.negotiated().dialogue_mode == DialogueMode::TwoWayAlternate
    })
}
