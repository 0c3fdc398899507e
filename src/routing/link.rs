//! The state of every connector's link, readable from any shard without a lock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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
    /// It has failed more often in a row than its retry policy allows.
    Down,
}

impl LinkState {
    const ALL: [LinkState; 4] =
        [LinkState::Open, LinkState::Idle, LinkState::Retrying, LinkState::Down];

    /// Its name, for logs and displays.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkState::Open => "open",
            LinkState::Idle => "idle",
            LinkState::Retrying => "retrying",
            LinkState::Down => "down",
        }
    }
}

/// How a partner fails us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFault {
    /// No connection could be made.
    Unreachable,
    /// It refused the bind.
    Refused,
    /// It refused the bind, to be tried again later.
    Busy,
    /// It did not answer in time.
    TimedOut,
    /// The association was aborted, or its connection broke.
    Broken,
}

impl LinkFault {
    /// All of them, in the order of [`LinkStates::faults`].
    pub const ALL: [LinkFault; 5] = [
        LinkFault::Unreachable,
        LinkFault::Refused,
        LinkFault::Busy,
        LinkFault::TimedOut,
        LinkFault::Broken,
    ];

    /// Its name, for logs and displays.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkFault::Unreachable => "unreachable",
            LinkFault::Refused => "refused",
            LinkFault::Busy => "busy",
            LinkFault::TimedOut => "timed out",
            LinkFault::Broken => "broken",
        }
    }
}

#[derive(Debug)]
struct Link {
    state: AtomicU32,
    queued: AtomicU32,
    faults: [AtomicU64; LinkFault::ALL.len()],
}

/// One slot a connector, by [`ConnectorIndex`]; only a connector's owner shard writes it.
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
                    faults: Default::default(),
                })
                .collect(),
        )
    }

    /// The state last published for a connector.
    pub fn state(&self, connector: ConnectorIndex) -> LinkState {
        let state = self.0.get(connector.0 as usize).map(|link| link.state.load(Ordering::Relaxed));
        state
            .and_then(|state| LinkState::ALL.get(state as usize).copied())
            .unwrap_or(LinkState::Down)
    }

    /// Publishes a connector's state.
    pub fn publish(&self, connector: ConnectorIndex, state: LinkState) {
        if let Some(link) = self.0.get(connector.0 as usize) {
            link.state.store(state as u32, Ordering::Relaxed);
        }
    }

    /// Messages waiting for a connector, as last published.
    pub fn queued(&self, connector: ConnectorIndex) -> u32 {
        self.0.get(connector.0 as usize).map_or(0, |link| link.queued.load(Ordering::Relaxed))
    }

    /// Publishes how many messages wait.
    pub fn publish_queued(&self, connector: ConnectorIndex, count: u32) {
        if let Some(link) = self.0.get(connector.0 as usize) {
            link.queued.store(count, Ordering::Relaxed);
        }
    }

    /// How often a connector's partner has failed us, by kind of failure.
    pub fn faults(&self, connector: ConnectorIndex) -> [u64; LinkFault::ALL.len()] {
        let mut counts = [0; LinkFault::ALL.len()];
        if let Some(link) = self.0.get(connector.0 as usize) {
            for (count, fault) in counts.iter_mut().zip(&link.faults) {
                *count = fault.load(Ordering::Relaxed);
            }
        }
        counts
    }

    /// Counts a failure.
    pub fn count(&self, connector: ConnectorIndex, fault: LinkFault) {
        if let Some(link) = self.0.get(connector.0 as usize) {
            link.faults[fault as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}
