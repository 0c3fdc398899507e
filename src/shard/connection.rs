//! A shard's connections: their state, and the slots that they live in.

use std::net::SocketAddr;

use smallvec::SmallVec;

use super::intake::Intake;
use super::queue::Queued;
use super::token::ConnectionKey;
use crate::association::{Association, Outgoing};
use crate::base::clock::Instant;
use crate::osi::session::SessionConnectionIdentifier;
use crate::osi::stack::recovery::TransferResumption;
use crate::routing::{ConnectorIndex, LinkFault};

/// Who opened the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The partner called us.
    Called,
    /// We called the partner.
    Calling,
}

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// TCP is being opened.
    Connecting,
    /// From the transport connection to the MTA-bind.
    Binding,
    /// Leaving for the shard that owns its connector.
    Moving,
    /// The association is up.
    Bound,
    /// We asked for release.
    Releasing,
    /// What is left to send goes out, then it is closed.
    Draining,
    /// Closed; waiting for the last completion.
    Closed,
}

/// A transfer out, until its confirmation.
#[derive(Debug)]
pub(crate) struct Sending {
    /// What is being sent.
    pub(crate) queued: Queued,
    /// Where in the stored octets the next fetch starts.
    pub(crate) fetch_offset: u64,
    /// The first stored octets, when one fetch does not hold the envelope.
    pub(crate) head: Vec<u8>,
    /// The MTS-identifier's element, once the activity is begun: what the log says when it ends in doubt.
    pub(crate) identifier: SmallVec<[u8; 96]>,
    /// Whether the stack has been asked to begin the activity.
    pub(crate) begun: bool,
    /// When the transfer began, or went on.
    pub(crate) began: Instant,
    /// When the transfer has to be over.
    pub(crate) ends_by: Instant,
    /// What it goes on from, when it is resumed, and how long it may be.
    pub(crate) resumed: Option<Box<(TransferResumption, Instant)>>,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) key: ConnectionKey,
    pub(crate) role: Role,
    pub(crate) stage: Stage,
    pub(crate) peer: SocketAddr,
    /// Known from the start when we call, from the bind when called.
    pub(crate) connector: Option<ConnectorIndex>,
    /// `None` while connecting.
    pub(crate) association: Option<Association>,
    pub(crate) intake: Intake,
    pub(crate) sending: Option<Sending>,
    pub(crate) outgoing: Outgoing,
    /// Whether a fetch is under way, perhaps for a transfer that is over: the next one waits for its end.
    pub(crate) fetching: bool,
    /// When it is to be looked at: establishment, transfer or idle time has passed.
    pub(crate) deadline: Instant,
    /// When its timer fires, if one is armed.
    pub(crate) armed: Option<Instant>,
    /// Since when the association is up.
    pub(crate) opened_at: Instant,
    /// Since when it carries nothing.
    pub(crate) idle_since: Instant,
    /// The partner has asked for the turn.
    pub(crate) turn_wanted: bool,
    /// We have asked for it.
    pub(crate) turn_asked: bool,
    /// The session connection whose association it recovers.
    pub(crate) recovering: Option<Box<SessionConnectionIdentifier>>,
    /// Whether the partner does not know that association any more.
    pub(crate) recovery_refused: bool,
    /// Whether the record of the partner's last activity is on its way to the disk.
    pub(crate) committing: bool,
    /// Whether that activity has ended and is ours.
    pub(crate) completed: bool,
    /// How the partner failed us, if it did.
    pub(crate) fault: Option<LinkFault>,
    /// Octets that came in while moving.
    pub(crate) early: Vec<u8>,
    /// Whether it stands in the list of those to flush.
    pub(crate) dirty: bool,
}

impl Connection {
    pub(crate) fn new(
        key: ConnectionKey,
        role: Role,
        peer: SocketAddr,
        deadline: Instant,
    ) -> Connection {
        Connection {
            key,
            role,
            stage: Stage::Connecting,
            peer,
            connector: None,
            association: None,
            intake: Intake::default(),
            sending: None,
            outgoing: Outgoing::default(),
            fetching: false,
            deadline,
            armed: None,
            opened_at: Instant::default(),
            idle_since: Instant::default(),
            turn_wanted: false,
            turn_asked: false,
            recovering: None,
            recovery_refused: false,
            committing: false,
            completed: false,
            fault: None,
            early: Vec::new(),
            dirty: false,
        }
    }

    /// Whether a transfer out may begin on it.
    pub(crate) fn is_ready_to_send(&self) -> bool {
        self.stage == Stage::Bound
            && self.sending.is_none()
            && !self.fetching
            && self.association.as_ref().is_some_and(|association| {
                association.stack.is_idle() && association.stack.holds_turn()
            })
    }
}

struct Slot {
    generation: u16,
    connection: Option<Box<Connection>>,
    occupied: bool,
}

/// Connections by slot; a slot's generation counts its uses, so that late completions miss.
#[derive(Default)]
pub(crate) struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Connections {
    /// How many slots are occupied.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Makes a connection with a key of its own.
    pub(crate) fn insert(
        &mut self,
        role: Role,
        peer: SocketAddr,
        deadline: Instant,
    ) -> ConnectionKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, connection: None, occupied: false });
            self.slots.len() as u32 - 1
        });
        let entry = &mut self.slots[slot as usize];
        let key = ConnectionKey { slot, generation: entry.generation };
        entry.occupied = true;
        entry.connection = Some(Box::new(Connection::new(key, role, peer, deadline)));
        key
    }

    /// Takes a connection out to work on it together with the shard; [`Connections::put_back`] follows.
    pub(crate) fn take(&mut self, key: ConnectionKey) -> Option<Box<Connection>> {
        self.slots
            .get_mut(key.slot as usize)
            .filter(|slot| slot.generation == key.generation)?
            .connection
            .take()
    }

    /// Puts back what was taken.
    pub(crate) fn put_back(&mut self, connection: Box<Connection>) {
        let key = connection.key;
        if let Some(slot) = self.slots.get_mut(key.slot as usize) {
            slot.connection = Some(connection);
        }
    }

    /// Frees the slot of a connection that was taken out for good.
    pub(crate) fn remove(&mut self, key: ConnectionKey) {
        if let Some(slot) = self.slots.get_mut(key.slot as usize).filter(|slot| slot.occupied) {
            slot.generation = slot.generation.wrapping_add(1);
            slot.connection = None;
            slot.occupied = false;
            self.free.push(key.slot);
        }
    }

    /// A connection to look at.
    pub(crate) fn get(&self, key: ConnectionKey) -> Option<&Connection> {
        self.slots
            .get(key.slot as usize)
            .filter(|slot| slot.generation == key.generation)?
            .connection
            .as_deref()
    }

    /// All connections but those that are being worked on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|slot| slot.connection.as_deref())
    }

    /// The same, to change them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.slots.iter_mut().filter_map(|slot| slot.connection.as_deref_mut())
    }

    /// All keys in use.
    pub(crate) fn keys(&self) -> Vec<ConnectionKey> {
        let occupied = self.slots.iter().enumerate().filter(|(_, slot)| slot.occupied);
        occupied
            .map(|(index, slot)| ConnectionKey { slot: index as u32, generation: slot.generation })
            .collect()
    }
}
