//! What outlives a connection, so that a message arrives exactly once (X.228 7.8 and 7.9 (unverified)).
//!
//! The stack remembers nothing from one connection to the next. A relay keeps this itself:
//!
//! *As sender*, beside the message, from the moment that a connection broke or an activity was
//! interrupted: the [`TransferResumption`]. On a connection with the same partner and application context
//! (a new one is best opened by [`Stack::initiator_recovering`](super::Stack::initiator_recovering), an
//! existing one will do) [`transfer_resume_request`](super::Stack::transfer_resume_request) goes on with
//! the very same octets. The outcome is one of
//!
//! | indication | the message |
//! |---|---|
//! | `TransferConfirm` | has arrived, now or before |
//! | `TransferResumeRefused` | is not known to the peer, not even in part: transfer it anew |
//! | `TransferRefused` | was not taken |
//! | `Abort` with [`AbortReason::UnrecognizedActivity`](crate::osi::rtse::AbortReason) | as `TransferResumeRefused` |
//! | `Abort` with [`AbortReason::TransferCompleted`](crate::osi::rtse::AbortReason) | has arrived before |
//! | any other end of the connection | as before: read the new `TransferResumption` |
//!
//! A peer that refuses a resumed transfer for good says the same as one that does not know it: transferred
//! anew, it is refused again, and then for certain.
//!
//! Transferring it anew instead is safe only where `end_sent` is false, or where the peer said that it
//! does not know the activity; otherwise the message may arrive twice.
//!
//! *As receiver*, by partner: the names ([`ActivityName`]) of completed activities, written durably
//! together with the message, *before* [`transfer_response`](super::Stack::transfer_response), and kept
//! for as long as the partner may resume. A resumed activity has two names,
//! [`transfer_activity`](super::Stack::transfer_activity) of this connection and
//! [`transfer_resumed`](super::Stack::transfer_resumed); both are kept, because the sender does not
//! know whether its resumption was seen and may use either. And, if octets are not to travel twice, the
//! [`PartialTransfer`] of a broken connection with the octets that it counts, which may be lost at any
//! time. An [`Indication::TransferResume`](super::Indication) is looked up in both:
//!
//! | found | answer |
//! |---|---|
//! | completed | [`ResumeResponse::Completed`]: nothing is handed out again, the end is confirmed again |
//! | partial, and the checkpoint is one of its | [`ResumeResponse::Continue`] with the octets before it; drop those behind |
//! | neither, and the checkpoint is 0 | `Continue` from 0 octets: it is a whole transfer |
//! | neither | [`ResumeResponse::Unrecognized`] |
//!
//! A connection that breaks before the sender resumed anything leaves the older partial transfer as it
//! is. A called side that has the turn resumes in the same way, on the connection that its caller opens.
//!
//! A caller that gave no references to its session connection cannot have its activities told apart
//! from those of another connection: [`ActivityName::is_unique`] says so, and such names are not kept.

use crate::osi::session::{ActivityIdentifier, SessionConnectionIdentifier};
use std::collections::VecDeque;

/// Names an activity among all of one partner's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActivityName {
    /// The session connection that it began on, or was last resumed on.
    pub connection: SessionConnectionIdentifier,
    /// Its identifier there.
    pub activity: ActivityIdentifier,
}

impl ActivityName {
    /// Whether the name holds beyond its connection.
    pub fn is_unique(&self) -> bool {
        !self.connection.is_empty()
    }
}

/// What a sender needs to go on with a transfer that is neither confirmed nor given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferResumption {
    /// The activity.
    pub name: ActivityName,
    /// Octets of the whole transfer.
    pub size: usize,
    /// The last confirmed checkpoint; 0: none.
    pub checkpoint: u32,
    /// Octets of the transfer before it.
    pub octets_confirmed: usize,
    /// Whether the activity end was sent: the transfer is in doubt.
    pub end_sent: bool,
}

/// What a receiver holds of a transfer that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialTransfer {
    /// The activity.
    pub name: ActivityName,
    /// The activity that it goes on from: the sender may name either.
    pub resumed: Option<ActivityName>,
    /// Octets that were handed out.
    pub octets: usize,
    /// Confirmed checkpoints, the last window + 1 of them, each with the octets before it.
    pub checkpoints: Vec<(u32, usize)>,
}

impl PartialTransfer {
    /// Whether it is the activity of this name.
    pub fn is_named(&self, name: &ActivityName) -> bool {
        self.name == *name || self.resumed.as_ref() == Some(name)
    }

    /// Octets before a checkpoint; `None` when it is not known.
    pub fn octets_before(&self, checkpoint: u32) -> Option<usize> {
        match checkpoint {
            0 => Some(0),
            _ => self.checkpoints.iter().find(|known| known.0 == checkpoint).map(|known| known.1),
        }
    }
}

/// A sender's wish to go on with a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeIndication {
    /// The activity that was broken off or interrupted.
    pub name: ActivityName,
    /// It goes on behind this checkpoint; 0: from the start.
    pub checkpoint: u32,
}

/// The answer to a [`ResumeIndication`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeResponse {
    /// It goes on behind the octets that stand before the checkpoint.
    Continue {
        /// So many.
        octets: usize,
    },
    /// It has ended before and is ours: what comes is dropped and its end confirmed.
    Completed,
    /// It is not known: the sender discards it.
    Unrecognized,
}

/// The receiving side of the association's transfers.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    pub(super) activity: ActivityIdentifier,
    /// Neither ended nor given up.
    pub(super) unfinished: bool,
    /// Octets handed out, those before a resumption included.
    pub(super) octets: usize,
    /// The activity that it goes on from.
    pub(super) resumed: Option<Box<ActivityName>>,
    checkpoints: VecDeque<(u32, usize)>,
}

impl Incoming {
    /// An activity begins.
    pub(super) fn start(&mut self, activity: ActivityIdentifier) {
        self.activity = activity;
        self.unfinished = true;
        self.octets = 0;
        self.resumed = None;
        self.checkpoints.clear();
    }

    /// It goes on behind `checkpoint`.
    pub(super) fn resume(&mut self, checkpoint: u32, octets: usize) {
        self.octets = octets;
        self.checkpoints.push_back((checkpoint, octets));
    }

    /// A checkpoint came. The sender may still go back behind it by as many as are unconfirmed.
    pub(super) fn checkpoint(&mut self, serial: u32, window_size: u32) {
        while self.checkpoints.len() > window_size as usize {
            self.checkpoints.pop_front();
        }
        self.checkpoints.push_back((serial, self.octets));
    }

    /// What came so far.
    pub(super) fn partial(&self, connection: &SessionConnectionIdentifier) -> PartialTransfer {
        let name = ActivityName { connection: connection.clone(), activity: self.activity };
        let checkpoints = self.checkpoints.iter().copied().collect();
        let resumed = self.resumed.as_deref().cloned();
        PartialTransfer { name, resumed, octets: self.octets, checkpoints }
    }
}
