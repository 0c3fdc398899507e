//! The state of every connector's link, readable from any shard without a lock.

use std::sync::atomic::{AtomicU32, Ordering};

use super::table::ConnectorIndex;

/// Whether a connector can take messages onward now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkState {
    /// An association is open.
    Open,
    /// None is open, and none has failed since the last success.
    Idle,
    /// Waiting to try again after a failure.
    Retrying,
}

#[derive(Debug)]
struct Link {
    state: AtomicU32,
    queued: AtomicU32,
}

/// One slot a connector, by [`ConnectorIndex`].
#[derive(Debug)]
pub struct LinkStates(Box<[Link]>);

impl LinkStates {
    /// All idle, with empty queues.
    pub fn new(connector_count: usize) -> LinkStates {
        LinkStates(
            (0..connector_count)
                .map(|_| Link {
                    state: AtomicU32::new(LinkState::Idle as u32),
                    queued: AtomicU32::new(0),
                })
                .collect(),
        )
    }

    /// The state last published for a connector.
    pub fn state(&self, connector: ConnectorIndex) -> LinkState {
        match self.0.get(connector.0 as usize).map(|link| link.state.load(Ordering::Relaxed)) {
            Some(0) => LinkState::Open,
            Some(1) => LinkState::Idle,
            _ => LinkState::Retrying,
        }
    }

    /// Publishes a connector's state; only its owner shard calls this.
    pub fn publish(&self, connector: ConnectorIndex, state: LinkState) {
        if let Some(link) = self.0.get(connector.0 as usize) {
            link.state.store(state as u32, Ordering::Relaxed);
        }
    }

    /// Messages waiting for a connector, as last published.
    pub fn queued(&self, connector: ConnectorIndex) -> u32 {
        self.0.get(connector.0 as usize).map_or(0, |link| link.queued.load(Ordering::Relaxed))
    }

    /// Publishes how many messages wait; only the connector's owner shard calls this.
    pub fn publish_queued(&self, connector: ConnectorIndex, count: u32) {
        if let Some(link) = self.0.get(connector.0 as usize) {
            link.queued.store(count, Ordering::Relaxed);
        }
    }
}
