//! Pace: partners that send faster than another partner takes are slowed down, a little.
//!
//! Responsibility passes with the confirmation, and the sender's next message comes only behind it. So
//! while a queue is longer than what its associations need to stay busy, confirmations of messages for it
//! wait, in their order, until it is shorter again: latency stays bounded, and messages leave from the
//! buffers they were committed from. The wait is bounded, too: a backlog that a slow partner causes is
//! still taken in. Each connector has a line of its own: nobody waits for another one's partner. What waits
//! is durable; a crash leaves it as it would between commit and confirmation.

use std::collections::VecDeque;
use std::time::Duration;

use super::Shard;
use super::token::ConnectionKey;
use crate::base::clock::Instant;
use crate::base::limits::{
    CONFIRM_DELAY_MS_MAX, CONFIRM_QUEUED_COUNT_MAX, CONFIRM_QUEUED_SIZE_MAX,
};
use crate::io::Engine;
use crate::mta::decide::Hop;
use crate::routing::{ConnectorIndex, LinkState};

/// A confirmation that waits for a queue to become shorter.
struct HeldConfirmation {
    connection: ConnectionKey,
    apdu_size: u32,
    /// When it goes, however long the queue.
    until: Instant,
}

/// Confirmations that wait, a line for each connector, oldest first.
#[derive(Default)]
pub(super) struct HeldConfirmations {
    lines: Vec<VecDeque<HeldConfirmation>>,
    /// The connectors whose line is not empty.
    occupied: Vec<u16>,
}

impl HeldConfirmations {
    fn hold(&mut self, connector: ConnectorIndex, held: HeldConfirmation) {
        let index = usize::from(connector.0);
        if self.lines.len() <= index {
            self.lines.resize_with(index + 1, VecDeque::new);
        }
        if self.lines[index].is_empty() {
            self.occupied.push(connector.0);
        }
        self.lines[index].push_back(held);
    }

    /// When the next confirmation goes at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let oldest =
            self.occupied.iter().filter_map(|index| self.lines[usize::from(*index)].front());
        oldest.map(|held| held.until).min()
    }
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
            Some(Hop::Connector(connector)) if self.is_ahead_of(connector, 0, 0) => {
                let until = self.now.instant + Duration::from_millis(CONFIRM_DELAY_MS_MAX);
                let held = HeldConfirmation { connection, apdu_size, until };
                self.held_confirmations.hold(connector, held);
            }
            _ => self.acknowledge(connection, apdu_size),
        }
    }

    /// Sends the confirmations that have waited long enough, one for each place in their queue.
    pub(super) fn release_confirmations(&mut self) {
        let mut index = 0;
        while let Some(&connector) = self.held_confirmations.occupied.get(index) {
            self.release_line(ConnectorIndex(connector));
            if self.held_confirmations.lines[usize::from(connector)].is_empty() {
                self.held_confirmations.occupied.swap_remove(index);
            } else {
                index += 1;
            }
        }
    }

    fn release_line(&mut self, connector: ConnectorIndex) {
        let (mut count, mut size) = (0, 0);
        while let Some(held) = self.held_confirmations.lines[usize::from(connector.0)].front() {
            let late = held.until <= self.now.instant || self.is_stopping();
            if !late && self.is_ahead_of(connector, count, size) {
                return;
            }
            let (connection, apdu_size) = (held.connection, held.apdu_size);
            self.held_confirmations.lines[usize::from(connector.0)].pop_front();
            self.acknowledge(connection, apdu_size);
            count += 1;
            size += u64::from(apdu_size);
        }
    }

    /// Whether a connector that is sending has more waiting than it needs, `count` messages of `size`
    /// octets in all that are about to be asked for included. Octets are known of our own connectors.
    fn is_ahead_of(&self, connector: ConnectorIndex, count: u32, size: u64) -> bool {
        let links = &self.snapshot.links;
        let waiting = self.connectors.get(usize::from(connector.0)).map_or(0, |it| it.queue.size());
        (links.queued(connector) + count >= CONFIRM_QUEUED_COUNT_MAX
            || waiting + size >= CONFIRM_QUEUED_SIZE_MAX)
            && links.state(connector) == LinkState::Open
    }
}
