//! Pace: partners that send faster than another partner takes are slowed down, a little.
//!
//! Responsibility passes with the confirmation, and the sender's next message comes only behind it. So
//! while a queue is longer than what its associations need to stay busy, confirmations of messages for it
//! wait, in their order, until it is shorter again: latency stays bounded, and messages leave from the
//! buffers they were committed from. The wait is bounded, too: a backlog that a slow partner causes is
//! still taken in. What waits is durable; a crash leaves it as it would between commit and confirmation.

use std::time::Duration;

use super::Shard;
use super::token::ConnectionKey;
use crate::base::clock::Instant;
use crate::base::limits::{CONFIRM_DELAY_MS_MAX, CONFIRM_QUEUED_COUNT_MAX};
use crate::io::Engine;
use crate::mta::decide::Hop;
use crate::routing::{ConnectorIndex, LinkState};

/// A confirmation that waits for a queue to become shorter.
pub(super) struct HeldConfirmation {
    connection: ConnectionKey,
    apdu_size: u32,
    connector: ConnectorIndex,
    /// When it goes, however long the queue.
    until: Instant,
}

impl<E: Engine> Shard<E> {
    /// Confirms a message that is durable and queued, now or when its connector has caught up.
    pub(super) fn acknowledge_paced(
        &mut self,
        connection: ConnectionKey,
        apdu_size: u32,
        hop: Option<Hop>,
    ) {
        match hop {
            Some(Hop::Connector(connector)) if self.is_ahead_of(connector, 0) => {
                let until = self.now.instant + Duration::from_millis(CONFIRM_DELAY_MS_MAX);
                self.held_confirmations.push_back(HeldConfirmation {
                    connection,
                    apdu_size,
                    connector,
                    until,
                });
            }
            _ => self.acknowledge(connection, apdu_size),
        }
    }

    /// Sends the confirmations that have waited long enough, one for each place in the queue.
    pub(super) fn release_confirmations(&mut self) {
        let mut released = 0;
        while let Some(held) = self.held_confirmations.front() {
            let late = held.until <= self.now.instant || self.is_stopping();
            if !late && self.is_ahead_of(held.connector, released) {
                return;
            }
            let (connection, apdu_size) = (held.connection, held.apdu_size);
            self.held_confirmations.pop_front();
            self.acknowledge(connection, apdu_size);
            released += 1;
        }
    }

    /// When the next confirmation goes at the latest.
    pub(super) fn confirmation_deadline(&self) -> Option<Instant> {
        self.held_confirmations.front().map(|held| held.until)
    }

    /// Whether a connector that is sending has more waiting than it needs, `more` on their way included.
    fn is_ahead_of(&self, connector: ConnectorIndex, more: u32) -> bool {
        let links = &self.snapshot.links;
        links.queued(connector) + more >= CONFIRM_QUEUED_COUNT_MAX
            && links.state(connector) == LinkState::Open
    }
}
