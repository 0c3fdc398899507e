//! How the ring engine is dropped: the kernel first lets go of its memory.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use io_uring::cqueue::{self, more, notif};
use io_uring::types;

use super::super::clocks;
use super::{EVENT_DATA, RECEIVE_GROUP, ReceiveBuffers, UnderWay, Uring};

/// How long a dropped engine waits for the kernel, before it leaves behind what the kernel still has.
const DROP_PATIENCE: Duration = Duration::from_secs(1);

impl Uring {
    /// Waits until the kernel has nothing of ours any more, or patience is at an end.
    fn wind_up(&mut self) -> io::Result<()> {
        let brief = types::Timespec::new().nsec(100_000_000);
        let end = clocks::instant() + DROP_PATIENCE;
        self.to_wake.drain(..).for_each(|waker| waker.wake());
        self.ring.enter(false, None)?;
        while self.is_waited_for() && clocks::instant() < end {
            // What is not found has completed, or will.
            let _ = self
                .ring
                .submitter()
                .register_sync_cancel(Some(brief), types::CancelBuilder::any());
            self.ring.enter(true, Some(Duration::from_millis(10)))?;
            let mut reaped = std::mem::take(&mut self.reaped);
            self.ring.reap(&mut reaped);
            for entry in reaped.drain(..) {
                self.forget_completion(&entry);
            }
            self.reaped = reaped;
        }
        Ok(())
    }

    /// Whether an operation is not over. A notification alone may come much later: not before a peer
    /// has read.
    fn is_waited_for(&self) -> bool {
        self.event_armed
            || self.under_way.iter().any(|(_, under_way)| match under_way {
                UnderWay::Send(sending) => !sending.finished,
                _ => true,
            })
    }

    /// Notes a completion that comes while the engine is dropped.
    fn forget_completion(&mut self, entry: &cqueue::Entry) {
        let (index, flags) = (entry.user_data() as usize, entry.flags());
        if entry.user_data() == EVENT_DATA {
            self.event_armed = false;
            return;
        }
        match self.under_way.get_mut(index) {
            Some(UnderWay::Accept { .. }) if entry.result() >= 0 => {
                // SAFETY: a result that is not negative is a new descriptor, ours alone.
                drop(unsafe { OwnedFd::from_raw_fd(entry.result()) });
            }
            Some(UnderWay::Send(sending)) => {
                if notif(flags) {
                    sending.notifications_due = sending.notifications_due.saturating_sub(1);
                } else {
                    sending.finished = true;
                    sending.notifications_due += u32::from(more(flags));
                }
                if !sending.finished || sending.notifications_due > 0 {
                    return;
                }
            }
            _ => {}
        }
        if !more(flags) {
            self.under_way.try_remove(index);
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        let wound_up = self.wind_up().is_ok();
        // The kernel takes a ring apart in its own time; peers are to see the end at once.
        for stream in self.streams.values() {
            self.ring.unregister_file(stream.name);
        }
        let _ = self.buffers.unregister(&self.ring.submitter());
        if !wound_up || !self.under_way.is_empty() || self.event_armed {
            // Memory that the kernel may still read or write must outlive us.
            std::mem::forget(std::mem::take(&mut self.under_way));
            std::mem::forget(std::mem::take(&mut self.event_count));
            let none = ReceiveBuffers::new(RECEIVE_GROUP, 1, 1);
            std::mem::forget(std::mem::replace(&mut self.buffers, none));
        }
    }
}
