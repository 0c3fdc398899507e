//! Local delivery points at their owner shard: what waits in a connector's queue is given to its thread, and
//! what became of it is told to the message's home shard.
//!
//! A message is given only when its attempt mark is durable, as to a partner: after a crash it is known which
//! deliveries may have been made, and repeating one replaces its files ([`crate::spool`]). Large messages are
//! fetched a piece at a time, as the thread takes them. A directory that cannot take a message is tried again
//! by the connector's retry policy.

use std::sync::Arc;

use super::Shard;
use super::derive::Task;
use super::mail::Mail;
use super::queue::Queued;
use super::submission::Incoming;
use super::token::Subject;
use crate::base::buffer::Lease;
use crate::base::clock::WallTime;
use crate::base::limits::{FETCH_SIZE, SPOOL_DELIVERY_COUNT_MAX};
use crate::io::{Engine, Operation, WOKEN};
use crate::mta::decide::type_of_local_user;
use crate::mta::derive::{Derivation, Verdict};
use crate::routing::{ConnectorIndex, LinkFault, LinkState};
use crate::spool::Port;
use crate::spool::port::{Answer, Delivered, Delivery, Particulars, Work};
use crate::store::{MessageReference, Outcome};

/// A delivery point as its owner shard sees it.
pub(crate) struct DeliveryPoint {
    pub(super) port: Arc<Port>,
    /// Given to the thread and not answered.
    under_way: Vec<(u64, Queued)>,
    /// The last of them, as long as not all its octets are given.
    reading: Option<Reading>,
    count: u64,
    /// The submission that comes from the thread.
    pub(super) incoming: Incoming,
}

/// A stored message whose octets are fetched for the thread.
struct Reading {
    reference: MessageReference,
    offset: u64,
    size: u64,
    fetching: bool,
}

impl DeliveryPoint {
    pub(crate) fn new(port: Arc<Port>) -> DeliveryPoint {
        DeliveryPoint {
            port,
            under_way: Vec::new(),
            reading: None,
            count: 0,
            incoming: Incoming::default(),
        }
    }

    pub(super) fn give(&self, work: Work) {
        if self.port.give(work).is_err() {
            // It is counted what is given: it cannot be full.
            tracing::error!("a delivery point's queue is full");
        }
    }
}

impl<E: Engine> Shard<E> {
    /// Whether deliveries are still with their threads.
    pub(super) fn is_delivering(&self) -> bool {
        let points = self.delivery_points.iter();
        points
            .filter_map(|&index| self.connectors[usize::from(index)].delivery_point.as_ref())
            .any(|point| !point.under_way.is_empty())
    }

    pub(super) fn delivery_point(
        &mut self,
        connector: ConnectorIndex,
    ) -> Option<&mut DeliveryPoint> {
        self.state(connector).delivery_point.as_deref_mut()
    }

    /// Takes what the threads have answered, and gives them more.
    pub(super) fn serve_delivery_points(&mut self) {
        let mut index = 0;
        while let Some(&connector) = self.delivery_points.get(index) {
            index += 1;
            let connector = ConnectorIndex(connector);
            while let Some(answer) = self.delivery_point(connector).and_then(|it| it.port.answer())
            {
                self.delivery_answered(connector, answer);
            }
            self.take_submissions(connector);
            if self.delivery_point(connector).is_some_and(|it| it.reading.is_some()) {
                self.active.push(connector.0);
            }
        }
    }

    fn delivery_answered(&mut self, connector: ConnectorIndex, answer: Answer) {
        let Some(point) = self.delivery_point(connector) else { return };
        let Some(position) = point.under_way.iter().position(|(it, _)| *it == answer.number) else {
            return;
        };
        let (_, queued) = point.under_way.swap_remove(position);
        self.active.push(connector.0);
        let particulars = &answer.particulars;
        match answer.delivered {
            Delivered::Done(at) => self.delivered(connector, queued, at, particulars),
            Delivered::Later => {
                self.snapshot.links.count(connector, LinkFault::Unreachable);
                self.snapshot.links.publish(connector, LinkState::Retrying);
                // What failed together is one failure.
                let now = self.now.instant;
                if self.state(connector).resume_at <= now {
                    self.pause(connector);
                }
                if let Some(queued) = self.count_refusal(connector, &particulars.identifier, queued)
                {
                    self.state(connector).queue.push(queued);
                    self.arm_expiry(connector);
                }
            }
            Delivered::Never(why) => {
                let verdict = Verdict::NonDelivery(why);
                self.return_home(queued, Task::Derive(Derivation::Report(verdict)));
            }
        }
    }

    /// A message or report has been handed out, durably; a probe's subject could be. Where somebody wants to
    /// hear of it, the home shard has a report settle the target; until then its mark stays, and what is lost
    /// in a crash is delivered again.
    fn delivered(
        &mut self,
        connector: ConnectorIndex,
        mut queued: Queued,
        at: WallTime,
        particulars: &Particulars,
    ) {
        tracing::debug!(reference = ?queued.reference, at = at.0, "delivered");
        self.track_delivery(connector, particulars);
        self.counters.transfers_out.add(1);
        self.counters.octets_out.add(u64::from(queued.apdu_size));
        self.counters.queued.subtract(1);
        let (reference, target) = (queued.reference, queued.target);
        let mail = if particulars.is_delivery_reported {
            let type_of_mts_user = type_of_local_user(&self.snapshot.settings.domain);
            let verdict = Verdict::Delivery { at, type_of_mts_user };
            queued.release_buffers();
            Mail::Derive { queued, task: Task::Derive(Derivation::Report(verdict)) }
        } else {
            Mail::Outcome { reference, target, outcome: Outcome::Transferred }
        };
        self.tell(self.home(reference), mail);
        self.state(connector).refusal_count = 0;
        self.snapshot.links.publish(connector, LinkState::Open);
    }

    /// Gives a delivery point's thread what it has room for.
    pub(super) fn dispatch_to_delivery_point(&mut self, connector: ConnectorIndex) {
        self.expire_queued(connector);
        let mut given = self.read_for_delivery(connector);
        while !self.is_stopping() {
            self.mark_ahead(connector);
            let state = self.state(connector);
            let Some(point) = &mut state.delivery_point else { return };
            if point.reading.is_some()
                || point.under_way.len() >= SPOOL_DELIVERY_COUNT_MAX
                || !point.port.has_room()
            {
                break;
            }
            let Some(mut queued) = state.queue.pop_marked(true) else { break };
            state.taken_since_marks += 1;
            point.count += 1;
            let number = point.count;
            let resident = queued.resident.take();
            // Large ones are fetched: their buffers shall not wait for a slow directory.
            queued.kept = None;
            let delivery = Delivery {
                reference: queued.reference,
                target: queued.target,
                recipients: queued.recipients.as_deref().cloned(),
                arrived: queued.arrived,
                body_size: queued.body_size,
                apdu_start: queued.apdu_start,
                apdu_size: queued.apdu_size,
            };
            point.give(Work::Delivery { number, delivery });
            given = true;
            if let Some(octets) = resident {
                point.give(Work::Piece(octets));
                self.resident_count = self.resident_count.saturating_sub(1);
            } else {
                point.reading = Some(Reading {
                    reference: queued.reference,
                    offset: 0,
                    size: u64::from(queued.body_size),
                    fetching: false,
                });
            }
            if let Some(point) = self.delivery_point(connector) {
                point.under_way.push((number, queued));
            }
            self.read_for_delivery(connector);
        }
        let state = self.state(connector);
        let waiting = state.queue.len() as u32;
        let waker = state.delivery_point.as_ref().map(|point| point.port.thread_waker());
        self.snapshot.links.publish_queued(connector, waiting);
        if let Some(waker) = waker.filter(|_| given) {
            self.engine.submit(WOKEN, Operation::Wake { waker });
        }
    }

    /// Fetches the next octets of the message that is being read, if the thread has room for them; whether
    /// something was given.
    fn read_for_delivery(&mut self, connector: ConnectorIndex) -> bool {
        let owner = self.index;
        let Some(point) = self.delivery_point(connector) else { return false };
        let has_room = point.port.has_room();
        let Some(reading) = point.reading.as_mut().filter(|it| has_room && !it.fetching) else {
            return false;
        };
        reading.fetching = true;
        let (reference, offset) = (reading.reference, reading.offset);
        let size = (reading.size - offset).min(FETCH_SIZE as u64) as usize;
        let transfer = Subject::DeliveryPoint(connector.0).to_word();
        let fetch = Mail::FetchRequest { owner, transfer, reference, offset, size };
        self.tell(self.home(reference), fetch);
        true
    }

    /// Octets for the message that is being read; `None`: it cannot be.
    pub(super) fn delivery_fetched(&mut self, connector: u16, octets: Option<Lease>) {
        let connector = ConnectorIndex(connector);
        let Some(point) = self.delivery_point(connector) else { return };
        let Some(reading) = &mut point.reading else { return };
        reading.fetching = false;
        match octets {
            Some(octets) if !octets.is_empty() => {
                reading.offset += octets.len() as u64;
                if reading.offset >= reading.size {
                    point.reading = None;
                }
                point.give(Work::Piece(octets));
            }
            _ => {
                tracing::error!(reference = ?reading.reference, "a stored message cannot be read; it stays queued");
                point.reading = None;
                point.give(Work::Abandon);
            }
        }
        let waker = point.port.thread_waker();
        self.engine.submit(WOKEN, Operation::Wake { waker });
        self.active.push(connector.0);
    }
}
