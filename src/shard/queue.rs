//! A connector's messages waiting to be sent: by reference, a queue a priority.

use std::collections::VecDeque;

use super::kept::Kept;
use crate::base::buffer::Lease;
use crate::base::clock::WallTime;
use crate::connector::Traffic;
use crate::connector::associations::Waiting;
use crate::p1::scan::Priority;
use crate::store::MessageReference;

/// Messages of a connector in use for which memory is set aside at once.
const MESSAGE_COUNT_EXPECTED: usize = 1024;

/// One message waiting for one next hop.
#[derive(Debug)]
pub(crate) struct Queued {
    /// Where it is stored.
    pub(crate) reference: MessageReference,
    /// Its transfer octets in the buffer they were committed from; `None`: to be fetched.
    pub(crate) resident: Option<Lease>,
    /// Of a large message the chunks that are still in such buffers, from the first on.
    pub(crate) kept: Option<Box<Kept>>,
    /// When it came in.
    pub(crate) arrived: WallTime,
    /// The recipients that go this way, by index; `None`: all that are ours.
    pub(crate) recipients: Option<Box<Box<[u16]>>>,
    /// The stored transfer octets, how many.
    pub(crate) body_size: u32,
    /// Where the MTS-APDU stands in them.
    pub(crate) apdu_start: u32,
    /// How long the MTS-APDU is, octets.
    pub(crate) apdu_size: u32,
    /// Which of the message's targets this is.
    pub(crate) target: u16,
    /// Whether the mark that says "attempted" is durable.
    pub(crate) attempt: Attempt,
    /// Its priority; a report goes first, as an urgent message does.
    pub(crate) priority: Priority,
    /// How often in a row the partner refused it.
    pub(crate) refusal_count: u16,
}

impl Queued {
    /// Lets go of the committed buffers: it is fetched when it is sent.
    pub(crate) fn release_buffers(&mut self) {
        self.resident = None;
        self.kept = None;
    }

    /// What it asks of an association.
    pub(crate) fn traffic(&self) -> Traffic {
        match self.priority {
            Priority::Urgent => Traffic::Urgent,
            Priority::Normal | Priority::NonUrgent => Traffic::Ordinary,
        }
    }
}

/// Whether a restart would know that this target may have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Not marked.
    Unmarked,
    /// The mark is on its way to the disk.
    Requested,
    /// The mark is durable: the message may be sent.
    Marked,
}

/// The three queues of a connector, urgent first.
#[derive(Debug, Default)]
pub(crate) struct PriorityQueue {
    urgent: VecDeque<Queued>,
    normal: VecDeque<Queued>,
    non_urgent: VecDeque<Queued>,
    /// MTS-APDUs of all three, octets.
    size: u64,
}

impl PriorityQueue {
    fn of(&mut self, priority: Priority) -> &mut VecDeque<Queued> {
        match priority {
            Priority::Urgent => &mut self.urgent,
            Priority::Normal => &mut self.normal,
            Priority::NonUrgent => &mut self.non_urgent,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.urgent.len() + self.normal.len() + self.non_urgent.len()
    }

    /// Octets of the MTS-APDUs that wait.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Makes room for what a connector in use usually holds, so that its queue does not grow under load.
    pub(crate) fn set_memory_aside(&mut self) {
        let missing = MESSAGE_COUNT_EXPECTED.saturating_sub(self.normal.len());
        self.normal.reserve(missing);
    }

    /// Adds behind its equals.
    pub(crate) fn push(&mut self, queued: Queued) {
        self.size += u64::from(queued.apdu_size);
        self.of(queued.priority).push_back(queued);
    }

    /// Puts back a message whose transfer failed, in front of its equals.
    pub(crate) fn push_front(&mut self, queued: Queued) {
        self.size += u64::from(queued.apdu_size);
        self.of(queued.priority).push_front(queued);
    }

    fn head(&mut self) -> Option<&mut VecDeque<Queued>> {
        [&mut self.urgent, &mut self.normal, &mut self.non_urgent]
            .into_iter()
            .find(|queue| !queue.is_empty())
    }

    /// The attempt mark of the next message.
    pub(crate) fn head_attempt(&mut self) -> Option<Attempt> {
        Some(self.head()?.front()?.attempt)
    }

    /// What waits, by what it asks of an association.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting {
            urgent: self.urgent.len() as u32,
            ordinary: (self.normal.len() + self.non_urgent.len()) as u32,
        }
    }

    /// The next message, if its attempt mark is durable, and if it is urgent where `ordinary` is false.
    pub(crate) fn pop_marked(&mut self, ordinary: bool) -> Option<Queued> {
        if !ordinary && self.urgent.is_empty() {
            return None;
        }
        let queue = self.head()?;
        let queued = queue.pop_front_if(|queued| queued.attempt == Attempt::Marked)?;
        self.size -= u64::from(queued.apdu_size);
        Some(queued)
    }

    /// The first `count` unmarked messages, now on their way to be marked, each given to `request`.
    pub(crate) fn mark_ahead(&mut self, count: usize, mut request: impl FnMut(&Queued)) {
        let queues = [&mut self.urgent, &mut self.normal, &mut self.non_urgent];
        for queued in queues.into_iter().flatten().take(count) {
            if queued.attempt == Attempt::Unmarked {
                queued.attempt = Attempt::Requested;
                request(queued);
            }
        }
    }

    /// The messages whose mark is durable or on its way.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = &Queued> {
        let queues = [&self.urgent, &self.normal, &self.non_urgent];
        queues.into_iter().flatten().filter(|queued| queued.attempt != Attempt::Unmarked)
    }

    /// Lets go of all committed buffers.
    pub(crate) fn release_buffers(&mut self) {
        for queued in
            [&mut self.urgent, &mut self.normal, &mut self.non_urgent].into_iter().flatten()
        {
            queued.release_buffers();
        }
    }

    /// Notes that a target's mark is durable.
    pub(crate) fn marked(&mut self, reference: MessageReference, target: u16) {
        let queues = [&mut self.urgent, &mut self.normal, &mut self.non_urgent];
        let mut waiting = queues.into_iter().flatten();
        if let Some(queued) =
            waiting.find(|queued| queued.reference == reference && queued.target == target)
        {
            queued.attempt = Attempt::Marked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: MessageReference = MessageReference { generation: 0, index: 0, log: 0 };

    fn queued(target: u16, priority: Priority, attempt: Attempt) -> Queued {
        Queued {
            reference: REFERENCE,
            resident: None,
            kept: None,
            arrived: WallTime(0),
            recipients: None,
            body_size: 0,
            apdu_start: 0,
            apdu_size: 0,
            target,
            attempt,
            priority,
            refusal_count: 0,
        }
    }

    #[test]
    fn urgent_goes_first_and_nothing_goes_unmarked() {
        let mut queue = PriorityQueue::default();
        queue.push(queued(1, Priority::Normal, Attempt::Marked));
        queue.push(queued(2, Priority::Urgent, Attempt::Unmarked));
        assert!(queue.pop_marked(true).is_none());
        let mut asked = Vec::new();
        queue.mark_ahead(8, |queued| asked.push(queued.target));
        queue.mark_ahead(8, |queued| asked.push(queued.target));
        assert_eq!(asked, [2]);
        queue.marked(REFERENCE, 2);
        assert_eq!(queue.pop_marked(false).map(|queued| queued.target), Some(2));
        assert!(queue.pop_marked(false).is_none());
        assert_eq!(queue.pop_marked(true).map(|queued| queued.target), Some(1));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Queued>() <= 96, "{} octets", size_of::<Queued>());
    }
}
