//! Where a delivery point's thread and its connector's owner shard meet: queues without locks, bounded, and a
//! doorbell for either side.
//!
//! Only the owner shard gives work and takes answers and submissions; only the thread does the other half. The
//! shard gives no more than there is room for, and never waits. The thread waits where the shard is behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::base::buffer::Lease;
use crate::base::clock::WallTime;
use crate::base::limits::{
    SPOOL_DELIVERY_COUNT_MAX, SPOOL_PIECE_COUNT_MAX, SPOOL_SUBMISSION_COUNT_MAX,
};
use crate::io::{Wake, Waker};
use crate::p1::non_delivery::NonDelivery;
use crate::store::MessageReference;

/// A stored MTS-APDU that is to be handed out.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where it is stored: names it over restarts.
    pub reference: MessageReference,
    /// Which of its targets this is.
    pub target: u16,
    /// The recipients it is handed out to, by index; `None`: all that are our responsibility.
    pub recipients: Option<Box<[u16]>>,
    /// When it came in.
    pub arrived: WallTime,
    /// The stored octets that follow as pieces, how many.
    pub body_size: u32,
    /// Where the MTS-APDU stands in them.
    pub apdu_start: u32,
    /// How long the MTS-APDU is, octets.
    pub apdu_size: u32,
}

/// What the shard gives the thread.
#[derive(Debug)]
pub enum Work {
    /// A delivery begins; its pieces follow.
    Delivery {
        /// The shard's name for it, returned with the answer.
        number: u64,
        /// What it is.
        delivery: Delivery,
    },
    /// The next stored octets of the delivery that began last.
    Piece(Lease),
    /// The delivery that began last cannot be read on.
    Abandon,
    /// What became of the submission of this number.
    Submitted {
        /// The thread's name for it.
        number: u64,
        /// Whether it is durable, or why it is not.
        result: Result<(), Refusal>,
    },
}

/// Why a submission was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The store cannot take it now; it is tried again.
    Busy,
    /// It never will be: what is wrong with it.
    Wrong(String),
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It is handed out, durably; of a probe: it could be.
    Done(WallTime),
    /// The directory cannot take it now.
    Later,
    /// It cannot be handed out, ever, and why: its content type is not accepted here, or it cannot be read.
    Never(NonDelivery),
}

/// What the shard must know of an envelope when its delivery is over; nothing where it could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Particulars {
    /// The MTS-identifier, the whole element.
    pub identifier: Vec<u8>,
    /// The O/R names of the recipients that it is handed out to, whole elements; of a report that of its
    /// destination.
    pub recipients: Vec<Vec<u8>>,
    /// Whether anybody wants to hear that it was delivered to one of them.
    pub is_delivery_reported: bool,
}

/// What the thread tells of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The shard's name for it.
    pub number: u64,
    /// What became of it.
    pub delivered: Delivered,
    /// What it was.
    pub particulars: Particulars,
}

/// What the thread gives the shard of a submission; one after the other.
#[derive(Debug)]
pub enum Submission {
    /// One begins: the thread's name for it, and the size of its MTS-APDU, octets.
    Begin(u64, u32),
    /// The next octets of the MTS-APDU, at most `CHUNK_SIZE`.
    Piece(Vec<u8>),
    /// It is not gone on with.
    Abandon,
}

/// The meeting place.
#[derive(Debug)]
pub struct Port {
    work: ArrayQueue<Work>,
    answers: ArrayQueue<Answer>,
    submissions: ArrayQueue<Submission>,
    doorbell: Arc<Doorbell>,
    thread_waker: Waker,
    stop: AtomicBool,
}

impl Port {
    /// With empty queues.
    ///
    /// # Errors
    /// When the operating system gives no descriptor.
    pub fn new() -> std::io::Result<Port> {
        let doorbell = Arc::new(Doorbell {
            descriptor: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            rung: AtomicBool::new(false),
        });
        Ok(Port {
            // Each delivery may begin and be abandoned, and each submission has an answer.
            work: ArrayQueue::new(
                SPOOL_PIECE_COUNT_MAX + 2 * SPOOL_DELIVERY_COUNT_MAX + SPOOL_SUBMISSION_COUNT_MAX,
            ),
            answers: ArrayQueue::new(SPOOL_DELIVERY_COUNT_MAX),
            submissions: ArrayQueue::new(SPOOL_SUBMISSION_COUNT_MAX),
            thread_waker: Waker::new(Arc::clone(&doorbell) as Arc<dyn Wake + Send + Sync>),
            doorbell,
            stop: AtomicBool::new(false),
        })
    }

    /// To the thread. The shard keeps to the bounds, so there is room; what finds none is given back.
    ///
    /// # Errors
    /// The work, when there is no room.
    pub fn give(&self, work: Work) -> Result<(), Work> {
        self.work.push(work)
    }

    /// Whether the thread takes another piece.
    pub fn has_room(&self) -> bool {
        self.work.len() < SPOOL_PIECE_COUNT_MAX
    }

    /// What rings the thread's doorbell, for the shard's engine.
    pub fn thread_waker(&self) -> Waker {
        self.thread_waker.clone()
    }

    /// The next answer, for the shard.
    pub fn answer(&self) -> Option<Answer> {
        self.answers.pop()
    }

    /// The next part of a submission, for the shard.
    pub fn submission(&self) -> Option<Submission> {
        self.submissions.pop()
    }

    /// Has the thread end once it has done what it was given.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.doorbell.wake();
    }

    /// Whether it is to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The next work, for the thread.
    pub fn work(&self) -> Option<Work> {
        self.work.pop()
    }

    /// Whether work waits.
    pub fn has_work(&self) -> bool {
        !self.work.is_empty()
    }

    /// To the shard: there is room, since it asks no more than there is room for.
    pub fn tell(&self, answer: Answer) {
        // No more deliveries are under way than the queue holds.
        let _ = self.answers.push(answer);
    }

    /// To the shard, a part of a submission.
    ///
    /// # Errors
    /// The part, when the shard is behind.
    pub fn offer(&self, submission: Submission) -> Result<(), Submission> {
        self.submissions.push(submission)
    }

    /// What the thread waits on: readable when the doorbell has been rung.
    pub fn doorbell(&self) -> BorrowedFd<'_> {
        self.doorbell.descriptor.as_fd()
    }

    /// Silences the doorbell; what was given before is seen from here on.
    pub fn silence(&self) {
        self.doorbell.rung.store(false, Ordering::SeqCst);
        // Nothing to read means that it was not rung.
        let _ = rustix::io::read(&self.doorbell.descriptor, &mut [0_u8; 8]);
    }
}

/// Rung once for however much was given since it was silenced.
#[derive(Debug)]
struct Doorbell {
    descriptor: OwnedFd,
    rung: AtomicBool,
}

impl Wake for Doorbell {
    fn wake(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            // A counter that is full has been rung.
            let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn rings(port: &Port) -> bool {
        let doorbell = port.doorbell();
        let mut waited = [PollFd::new(&doorbell, PollFlags::IN)];
        poll(&mut waited, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn a_full_port_gives_back_and_a_doorbell_rings_until_it_is_silenced() {
        let port = Port::new().unwrap();
        assert!(!rings(&port) && port.has_room());
        for _ in 0..SPOOL_PIECE_COUNT_MAX {
            port.give(Work::Piece(Lease::copied(b"x"))).unwrap();
        }
        assert!(!port.has_room());
        for _ in 0..2 * SPOOL_DELIVERY_COUNT_MAX + SPOOL_SUBMISSION_COUNT_MAX {
            port.give(Work::Abandon).unwrap();
        }
        assert!(port.give(Work::Abandon).is_err());
        port.thread_waker().wake();
        port.thread_waker().wake();
        assert!(rings(&port));
        port.silence();
        assert!(!rings(&port));
        port.stop();
        assert!(rings(&port) && port.is_stopping());
    }
}
