//! One connection of an endpoint: where it is in its life, and what it carries.

use crate::association::{Association, Outgoing};
use crate::base::buffer::Lease;
use crate::base::clock::Instant;
use crate::osi::session::SessionConnectionIdentifier;
use crate::osi::stack::recovery::TransferResumption;

/// Where a connection of the endpoint is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Connecting,
    Binding,
    Bound,
    /// Nothing more is answered: a fault that was asked for.
    Silent,
    Releasing,
    Closing,
    Gone,
}

/// A transfer of ours.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    /// The script's own word.
    pub(super) number: u64,
    /// What encloses the MTS-APDU, if it has been begun, and the MTS-APDU.
    pub(super) apdu: Lease,
    /// What it goes on from, if it broke off before.
    pub(super) resumption: Option<TransferResumption>,
}

/// One connection.
pub(super) struct Peer {
    pub(super) stage: Stage,
    pub(super) calling: bool,
    pub(super) generation: u32,
    pub(super) association: Option<Association>,
    pub(super) outgoing: Outgoing,
    /// What is being transferred.
    pub(super) sending: Option<Transfer>,
    /// What is to be transferred when the turn is ours.
    pub(super) ready: Option<Transfer>,
    /// What has come of the partner's transfer.
    pub(super) transfer: Vec<u8>,
    /// Whether the partner's last transfer has ended and is ours.
    pub(super) completed: bool,
    /// Whether the association is up and not released: what it leaves is to be remembered.
    pub(super) is_up: bool,
    /// The association that it recovers.
    pub(super) recovering: Option<SessionConnectionIdentifier>,
    /// The partner has asked for the turn.
    pub(super) turn_wanted: bool,
    /// We have asked for it.
    pub(super) turn_asked: bool,
    /// Octets received on it.
    pub(super) octets_received: u64,
    pub(super) wake_at: Option<Instant>,
    pub(super) dirty: bool,
}

impl Peer {
    pub(super) fn new(calling: bool, stage: Stage) -> Peer {
        Peer {
            stage,
            calling,
            generation: 0,
            association: None,
            outgoing: Outgoing::default(),
            sending: None,
            ready: None,
            transfer: Vec::new(),
            completed: false,
            is_up: false,
            recovering: None,
            turn_wanted: false,
            turn_asked: false,
            octets_received: 0,
            wake_at: None,
            dirty: false,
        }
    }

    /// What it is after its connection is gone: a new one in the same place.
    pub(super) fn renewed(&self, stage: Stage) -> Peer {
        Peer { generation: self.generation + 1, ..Peer::new(self.calling, stage) }
    }
}
