//! Bounded mailboxes between shards.
//!
//! Each shard has two lanes: one for work that may be refused while the other side catches up, one
//! reserved for outcomes, which must always get through for records to die. A full lane never blocks the
//! sender: its mail waits in the sender's own outbox, and while that is not empty the sender takes
//! nothing new in.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use super::derive::Task;
use super::queue::Queued;
use crate::base::buffer::Lease;
use crate::base::limits::{MAILBOX_OUTCOME_COUNT_MAX, MAILBOX_WORK_COUNT_MAX};
use crate::io::Waker;
use crate::osi::session::SessionConnectionIdentifier;
use crate::osi::stack::Stack;
use crate::routing::ConnectorIndex;
use crate::store::{MessageReference, Outcome};

/// What one shard tells another.
pub(crate) enum Mail<D> {
    /// To a connector's owner: a committed message to send.
    Enqueue {
        /// The connector.
        connector: ConnectorIndex,
        /// The message.
        queued: Queued,
    },
    /// To a connector's owner: a connection whose caller has shown who it is, before the answer.
    Adopt(Box<Adopted<D>>),
    /// To the home shard: what became of a target, in need of no confirmation.
    Outcome {
        /// The message.
        reference: MessageReference,
        /// Which of its targets.
        target: u16,
        /// What became of it.
        outcome: Outcome,
    },
    /// To the home shard: mark a target as attempted, and say when that is durable.
    AttemptRequest {
        /// Who asks.
        owner: u16,
        /// The connector whose queue it stands in.
        connector: ConnectorIndex,
        /// The message.
        reference: MessageReference,
        /// Which of its targets.
        target: u16,
    },
    /// To the owner: the mark is durable.
    AttemptConfirm {
        /// The connector.
        connector: ConnectorIndex,
        /// The message.
        reference: MessageReference,
        /// Which of its targets.
        target: u16,
    },
    /// To the home shard: read stored octets.
    FetchRequest {
        /// Who asks.
        owner: u16,
        /// For which transfer: the asker's own word, returned.
        transfer: u64,
        /// The message.
        reference: MessageReference,
        /// Where in its body, octets.
        offset: u64,
        /// How much, octets.
        size: usize,
    },
    /// To the owner: what was read; `None` when it could not be.
    FetchConfirm {
        /// As asked.
        transfer: u64,
        /// The octets.
        octets: Option<Lease>,
    },
    /// To the home shard: something takes the place of a target.
    Derive {
        /// The target.
        queued: Queued,
        /// What is to be done.
        task: Task,
    },
    /// To every other shard: a log has run out of buffers; let go of those that waiting messages hold.
    ReleaseBuffers,
}

/// A connection on its way to its connector's owner.
pub(crate) struct Adopted<D> {
    /// The socket.
    pub(crate) detached: D,
    /// Its protocol machine, waiting for the answer to the bind.
    pub(crate) stack: Stack,
    /// Who the caller has shown to be.
    pub(crate) connector: ConnectorIndex,
    /// For logs.
    pub(crate) peer: std::net::SocketAddr,
    /// Octets that came in after the bind.
    pub(crate) early: Vec<u8>,
    /// The session connection whose association it recovers.
    pub(crate) recovering: Option<Box<SessionConnectionIdentifier>>,
}

impl<D> Mail<D> {
    fn is_outcome(&self) -> bool {
        match self {
            // A mark that is withdrawn must not overtake the request for it.
            Mail::Outcome { outcome, .. } => *outcome != Outcome::Deferred,
            Mail::AttemptConfirm { .. } | Mail::FetchConfirm { .. } | Mail::ReleaseBuffers => true,
            Mail::Enqueue { .. }
            | Mail::Adopt(_)
            | Mail::AttemptRequest { .. }
            | Mail::Derive { .. }
            | Mail::FetchRequest { .. } => false,
        }
    }
}

/// One shard's mailbox; shared by all shards.
pub(crate) struct Mailbox<D> {
    work: ArrayQueue<Mail<D>>,
    outcomes: ArrayQueue<Mail<D>>,
}

impl<D> Mailbox<D> {
    pub(crate) fn new() -> Arc<Mailbox<D>> {
        Arc::new(Mailbox {
            work: ArrayQueue::new(MAILBOX_WORK_COUNT_MAX),
            outcomes: ArrayQueue::new(MAILBOX_OUTCOME_COUNT_MAX),
        })
    }

    /// Whether there is no mail.
    pub(crate) fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.work.is_empty()
    }

    /// The next mail, outcomes first.
    pub(crate) fn receive(&self) -> Option<Mail<D>> {
        self.outcomes.pop().or_else(|| self.work.pop())
    }

    fn lane(&self, mail: &Mail<D>) -> &ArrayQueue<Mail<D>> {
        if mail.is_outcome() { &self.outcomes } else { &self.work }
    }
}

/// The way to one other shard.
pub(crate) struct Route<D> {
    mailbox: Arc<Mailbox<D>>,
    waker: Waker,
    /// Mail that found its lane full, by lane, in order.
    outboxes: [VecDeque<Mail<D>>; 2],
    wake_needed: bool,
}

impl<D> Route<D> {
    pub(crate) fn new(mailbox: Arc<Mailbox<D>>, waker: Waker) -> Route<D> {
        Route { mailbox, waker, outboxes: [VecDeque::new(), VecDeque::new()], wake_needed: false }
    }

    /// Sends, or keeps for later when the lane is full. Order holds within a lane.
    pub(crate) fn send(&mut self, mail: Mail<D>) {
        let outbox = &mut self.outboxes[usize::from(mail.is_outcome())];
        if !outbox.is_empty() {
            return outbox.push_back(mail);
        }
        match self.mailbox.lane(&mail).push(mail) {
            Ok(()) => self.wake_needed = true,
            Err(mail) => outbox.push_back(mail),
        }
    }

    /// Tries again with what found a full lane.
    pub(crate) fn retry(&mut self) {
        for outbox in &mut self.outboxes {
            while let Some(mail) = outbox.pop_front() {
                if let Err(mail) = self.mailbox.lane(&mail).push(mail) {
                    outbox.push_front(mail);
                    break;
                }
                self.wake_needed = true;
            }
        }
    }

    /// Whether mail waits here because the other side is behind.
    pub(crate) fn is_behind(&self) -> bool {
        self.outboxes.iter().any(|outbox| !outbox.is_empty())
    }

    /// The other side's waker, if mail was delivered since this was last asked.
    pub(crate) fn take_wake(&mut self) -> Option<Waker> {
        std::mem::take(&mut self.wake_needed).then(|| self.waker.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoWake;
    impl crate::io::Wake for NoWake {
        fn wake(&self) {}
    }

    #[test]
    fn a_full_lane_keeps_order_and_leaves_the_other_lane_open() {
        let mailbox = Mailbox::<()>::new();
        let mut route = Route::new(Arc::clone(&mailbox), Waker::new(Arc::new(NoWake)));
        let work = |transfer: u64| Mail::FetchRequest {
            owner: 0,
            transfer,
            reference: MessageReference { generation: 0, index: 0, log: 0 },
            offset: 0,
            size: 0,
        };
        for transfer in 0..MAILBOX_WORK_COUNT_MAX as u64 + 2 {
            route.send(work(transfer));
        }
        assert!(route.is_behind());
        route.send(Mail::FetchConfirm { transfer: 99, octets: None });
        assert!(matches!(mailbox.receive(), Some(Mail::FetchConfirm { transfer: 99, .. })));
        assert!(route.take_wake().is_some() && route.take_wake().is_none());
        let mut expected = 0;
        while let Some(mail) = mailbox.receive() {
            assert!(matches!(mail, Mail::FetchRequest { transfer, .. } if transfer == expected));
            expected += 1;
            route.retry();
        }
        assert_eq!(expected, MAILBOX_WORK_COUNT_MAX as u64 + 2);
        assert!(!route.is_behind());
    }
}
