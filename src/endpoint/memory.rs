//! What an endpoint remembers of associations that broke, so that a message arrives once (see
//! [`recovery`](crate::osi::stack::recovery)): as sender what it has to resume, as receiver what it has of
//! transfers and which it has taken.
//!
//! It is memory and no more: an endpoint that ends forgets everything.

use std::collections::VecDeque;

use super::peer::Transfer;
use crate::osi::session::SessionConnectionIdentifier;
use crate::osi::stack::Stack;
use crate::osi::stack::recovery::{
    ActivityName, PartialTransfer, ResumeIndication, ResumeResponse, TransferResumption,
};

/// Broken associations that are remembered; the oldest are forgotten.
const BROKEN_COUNT_MAX: usize = 256;

/// A called association that broke.
struct Broken {
    connection: SessionConnectionIdentifier,
    /// The names of its last activity, if that has ended and is ours.
    completed: Vec<ActivityName>,
    /// What has come of a transfer that has not.
    partial: Option<(PartialTransfer, Vec<u8>)>,
}

/// A transfer of ours that broke off.
struct Interrupted {
    transfer: Transfer,
    connection: SessionConnectionIdentifier,
    /// Whether the partner may still know the association that it broke off.
    recoverable: bool,
}

/// What an endpoint remembers.
#[derive(Default)]
pub(super) struct Memory {
    interrupted: VecDeque<Interrupted>,
    broken: VecDeque<Broken>,
}

impl Memory {
    /// Keeps a transfer to be resumed; gives it back when it cannot be, or when that saves nothing.
    pub(super) fn interrupt(
        &mut self,
        transfer: Transfer,
        resumption: Option<TransferResumption>,
    ) -> Option<Transfer> {
        let worth_it = |resumption: &TransferResumption| {
            resumption.name.is_unique() && (resumption.end_sent || resumption.checkpoint > 0)
        };
        let Some(resumption) = resumption.filter(worth_it) else { return Some(transfer) };
        self.interrupted.push_back(Interrupted {
            connection: resumption.name.connection.clone(),
            transfer: Transfer { resumption: Some(resumption), ..transfer },
            recoverable: true,
        });
        None
    }

    /// The association that the next one is to recover.
    pub(super) fn to_recover(&self) -> Option<SessionConnectionIdentifier> {
        let recoverable = self.interrupted.iter().find(|interrupted| interrupted.recoverable)?;
        Some(recoverable.connection.clone())
    }

    /// The partner does not recover this association.
    pub(super) fn cannot_recover(&mut self, connection: &SessionConnectionIdentifier) {
        for interrupted in &mut self.interrupted {
            interrupted.recoverable &= interrupted.connection != *connection;
        }
    }

    /// What is to be resumed next.
    pub(super) fn next_to_resume(&mut self) -> Option<Transfer> {
        self.interrupted.pop_front().map(|interrupted| interrupted.transfer)
    }

    /// An association broke; `completed` says whether its last activity is ours, `octets` what has come of
    /// one that has not ended.
    pub(super) fn break_off(&mut self, stack: &Stack, completed: bool, octets: Vec<u8>) {
        let connection = stack.session_connection_identifier();
        if connection.is_empty() {
            return;
        }
        let name =
            ActivityName { connection: connection.clone(), activity: stack.transfer_activity() };
        let names = std::iter::once(name).chain(stack.transfer_resumed().cloned());
        self.keep(Broken {
            connection: connection.clone(),
            completed: if completed { names.collect() } else { Vec::new() },
            partial: stack.transfer_partial().map(|partial| (partial, octets)),
        });
    }

    /// The partner interrupted its transfer.
    pub(super) fn suspend(&mut self, partial: PartialTransfer, octets: Vec<u8>) {
        if partial.name.is_unique() {
            self.keep(Broken {
                connection: partial.name.connection.clone(),
                completed: Vec::new(),
                partial: Some((partial, octets)),
            });
        }
    }

    fn keep(&mut self, broken: Broken) {
        if self.broken.len() == BROKEN_COUNT_MAX {
            self.broken.pop_front();
        }
        self.broken.push_back(broken);
    }

    /// Whether an association of this name broke.
    pub(super) fn knows(&self, connection: &SessionConnectionIdentifier) -> bool {
        self.broken.iter().any(|broken| broken.connection == *connection)
    }

    /// What is answered when the partner goes on with a transfer, and the octets of it that are here.
    pub(super) fn resume(&mut self, resume: &ResumeIndication) -> (ResumeResponse, Vec<u8>) {
        if self.broken.iter().any(|broken| broken.completed.contains(&resume.name)) {
            return (ResumeResponse::Completed, Vec::new());
        }
        let named = |broken: &&mut Broken| {
            broken.partial.as_ref().is_some_and(|(partial, _)| partial.is_named(&resume.name))
        };
        let partial = self.broken.iter_mut().rev().find(named).and_then(|it| it.partial.take());
        if let Some((partial, mut octets)) = partial
            && let Some(before) = partial.octets_before(resume.checkpoint)
            && before <= octets.len()
        {
            octets.truncate(before);
            return (ResumeResponse::Continue { octets: before }, octets);
        }
        match resume.checkpoint {
            0 => (ResumeResponse::Continue { octets: 0 }, Vec::new()),
            _ => (ResumeResponse::Unrecognized, Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::buffer::Lease;
    use crate::osi::session::ActivityIdentifier;

    fn name(reference: &[u8]) -> ActivityName {
        let connection = SessionConnectionIdentifier {
            calling_user_reference: reference.to_vec(),
            ..SessionConnectionIdentifier::default()
        };
        ActivityName { connection, activity: ActivityIdentifier::new(&[2, 1, 1]).unwrap() }
    }

    fn resumption(reference: &[u8], checkpoint: u32) -> TransferResumption {
        let octets_confirmed = checkpoint as usize * 10;
        let name = name(reference);
        TransferResumption { name, size: 100, checkpoint, octets_confirmed, end_sent: false }
    }

    fn transfer(number: u64) -> Transfer {
        Transfer { number, apdu: Lease::copied(b"apdu"), resumption: None }
    }

    #[test]
    fn a_transfer_is_kept_when_resuming_it_saves_something() {
        let mut memory = Memory::default();
        assert!(memory.interrupt(transfer(1), None).is_some());
        assert!(memory.interrupt(transfer(1), Some(resumption(b"", 3))).is_some());
        assert!(memory.interrupt(transfer(1), Some(resumption(b"a", 0))).is_some());
        assert!(memory.interrupt(transfer(1), Some(resumption(b"a", 3))).is_none());
        let connection = memory.to_recover().unwrap();
        memory.cannot_recover(&connection);
        assert_eq!(memory.to_recover(), None);
        assert_eq!(memory.next_to_resume().unwrap().number, 1);
        assert!(memory.next_to_resume().is_none());
    }

    #[test]
    fn a_partial_transfer_is_continued_once_from_a_checkpoint_that_it_has() {
        let mut memory = Memory::default();
        let partial = PartialTransfer {
            name: name(b"a"),
            resumed: None,
            octets: 30,
            checkpoints: vec![(2, 20)],
        };
        memory.suspend(partial, vec![7; 30]);
        assert!(memory.knows(&name(b"a").connection));
        let resume = ResumeIndication { name: name(b"a"), checkpoint: 2 };
        let continued = (ResumeResponse::Continue { octets: 20 }, vec![7; 20]);
        assert_eq!(memory.resume(&resume), continued);
        assert_eq!(memory.resume(&resume).0, ResumeResponse::Unrecognized);
        let from_start = ResumeIndication { name: name(b"b"), checkpoint: 0 };
        assert_eq!(memory.resume(&from_start).0, ResumeResponse::Continue { octets: 0 });
    }
}
