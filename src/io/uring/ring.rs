//! The ring itself: set-up with what the kernel has, submission, waiting.
//!
//! What is required: extended wait arguments, provided buffer rings, multishot accept and receive
//! (Linux 6.0). What is used where it is there: one issuer with deferred task work, a table of
//! registered files, zero-copy sends, ring messages.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, Probe, cqueue, opcode, squeue, types};
use rustix::io::Errno;

use crate::base::limits::{
    REGISTERED_FILE_COUNT, REGISTERED_FILE_COUNT_MIN, RING_COMPLETION_COUNT, RING_SUBMISSION_COUNT,
};

/// What stands for no file in the table of files.
const EMPTY_PLACE: RawFd = -1;

/// What the kernel's io_uring offers beyond what is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UringFeatures {
    /// Only one thread submits, and the kernel knows it.
    pub single_issuer: bool,
    /// Completions are worked out when they are waited for, not by interrupting the thread.
    pub deferred_task_work: bool,
    /// Sockets are looked up once, when they are registered, not by every operation.
    pub registered_files: bool,
    /// Large sends can go without copying.
    pub zero_copy_send: bool,
    /// One ring can wake another.
    pub ring_messages: bool,
}

impl fmt::Display for UringFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.single_issuer, "single issuer"),
            (self.deferred_task_work, "deferred task work"),
            (self.registered_files, "registered files"),
            (self.zero_copy_send, "zero-copy send"),
            (self.ring_messages, "ring messages"),
        ];
        let mut separator = "";
        for (_, name) in names.iter().filter(|(there, _)| *there) {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// Why there is no ring: the step that failed, and how.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {error}{}", hint(.error))]
pub(in crate::io) struct Refusal {
    pub(in crate::io) step: &'static str,
    pub(in crate::io) error: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM | Errno::ACCESS) => " (seccomp or sysctl kernel.io_uring_disabled)",
        Some(Errno::NOSYS) => " (a kernel without io_uring, or seccomp)",
        Some(Errno::INVAL | Errno::OPNOTSUPP) => " (a kernel older than 6.0)",
        Some(Errno::NOMEM) => " (memory, or ulimit -l)",
        _ => "",
    }
}

/// How an operation names its file: by its place in the ring's table, or by its descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileName {
    Registered(u32),
    Descriptor(RawFd),
}

impl FileName {
    /// What stands in the entry where the descriptor does.
    pub(super) fn number(self) -> types::Fd {
        match self {
            FileName::Registered(place) => types::Fd(place as RawFd),
            FileName::Descriptor(descriptor) => types::Fd(descriptor),
        }
    }

    /// What the entry's flags say of it.
    pub(super) fn flags(self) -> squeue::Flags {
        match self {
            FileName::Registered(_) => squeue::Flags::FIXED_FILE,
            FileName::Descriptor(_) => squeue::Flags::empty(),
        }
    }
}

/// A ring of one thread.
pub(in crate::io) struct Ring {
    ring: IoUring,
    /// Submissions that found the queue full and the kernel unwilling.
    backlog: VecDeque<squeue::Entry>,
    /// Places in the table of files; 0 where there is none.
    place_count: u32,
    pub(in crate::io) features: UringFeatures,
    pub(in crate::io) system_calls: u64,
}

impl Ring {
    /// Sets up a ring with the best that the kernel takes.
    pub(in crate::io) fn set_up() -> Result<Ring, Refusal> {
        let mut refused = Errno::INVAL.into();
        for (single_issuer, deferred_task_work) in [(true, true), (true, false), (false, false)] {
            let mut builder = IoUring::builder();
            builder.setup_cqsize(RING_COMPLETION_COUNT).setup_clamp().setup_submit_all();
            if single_issuer {
                builder.setup_single_issuer();
            }
            if deferred_task_work {
                builder.setup_defer_taskrun();
            } else {
                builder.setup_coop_taskrun();
            }
            match builder.build(RING_SUBMISSION_COUNT) {
                Ok(ring) => return Ring::probed(ring, single_issuer, deferred_task_work),
                // Only an unknown flag is worth another attempt.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => refused = error,
                Err(error) => return Err(Refusal { step: "io_uring_setup", error }),
            }
        }
        Err(Refusal { step: "io_uring_setup", error: refused })
    }

    fn probed(ring: IoUring, single: bool, deferred: bool) -> Result<Ring, Refusal> {
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
            return Err(Refusal { step: "io_uring features", error: Errno::INVAL.into() });
        }
        let mut probe = Probe::new();
        ring.submitter()
            .register_probe(&mut probe)
            .map_err(|error| Refusal { step: "io_uring probe", error })?;
        // A table may not have more places than the process may have files.
        let place_count = [REGISTERED_FILE_COUNT, REGISTERED_FILE_COUNT_MIN]
            .into_iter()
            .find(|count| ring.submitter().register_files_sparse(*count).is_ok())
            .unwrap_or(0);
        let features = UringFeatures {
            registered_files: place_count > 0,
            single_issuer: single,
            deferred_task_work: deferred,
            zero_copy_send: probe.is_supported(opcode::SendMsgZc::CODE),
            ring_messages: probe.is_supported(opcode::MsgRingData::CODE),
        };
        Ok(Ring { ring, backlog: VecDeque::new(), place_count, features, system_calls: 0 })
    }

    /// Another descriptor of the same ring.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        // SAFETY: the ring keeps its descriptor open during the borrow.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) };
        descriptor.try_clone_to_owned()
    }

    pub(in crate::io) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    /// Puts a file into the table at `place`; the name to use from now on.
    pub(super) fn register_file(&mut self, place: u32, descriptor: RawFd) -> FileName {
        if place < self.place_count && self.set_place(place, descriptor) {
            FileName::Registered(place)
        } else {
            FileName::Descriptor(descriptor)
        }
    }

    /// Takes a file that no operation uses any more out of the table, which kept it open.
    pub(super) fn unregister_file(&mut self, name: FileName) {
        if let FileName::Registered(place) = name {
            self.set_place(place, EMPTY_PLACE);
        }
    }

    fn set_place(&mut self, place: u32, descriptor: RawFd) -> bool {
        self.system_calls += 1;
        matches!(self.ring.submitter().register_files_update(place, &[descriptor]), Ok(1))
    }

    /// Queues a submission for the next [`Ring::enter`], or submits at once when the queue is full.
    ///
    /// # Safety
    /// What the entry points to must stay valid and in place until its last completion.
    pub(in crate::io) unsafe fn push(&mut self, entry: squeue::Entry, data: u64) {
        let entry = entry.user_data(data);
        // SAFETY: the caller's promise.
        if self.backlog.is_empty() && unsafe { self.ring.submission().push(&entry) }.is_ok() {
            return;
        }
        self.backlog.push_back(entry);
        self.system_calls += 1;
        // What the kernel does not take now stays in order for the next turn.
        let _ = self.ring.submit();
        self.drain_backlog();
    }

    fn drain_backlog(&mut self) {
        let mut queue = self.ring.submission();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: whoever pushed the entry promised that it stays valid.
            if unsafe { queue.push(entry) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }

    /// Submits, and waits for a completion if `wait`, `patience` at most; the turn's one system call.
    pub(in crate::io) fn enter(
        &mut self,
        wait: bool,
        patience: Option<Duration>,
    ) -> io::Result<()> {
        self.drain_backlog();
        let timespec = patience.map(Timespec::from);
        let mut arguments = SubmitArgs::new();
        if let Some(timespec) = &timespec {
            arguments = arguments.timespec(timespec);
        }
        let submitting = self.ring.submission().len() as u32;
        let wanted = u32::from(wait && self.backlog.is_empty());
        let flags = (EnterFlags::EXT_ARG | EnterFlags::GETEVENTS).bits();
        self.system_calls += 1;
        // SAFETY: the argument is what EXT_ARG announces, and outlives the call.
        let entered =
            unsafe { self.ring.submitter().enter(submitting, wanted, flags, Some(&arguments)) };
        match entered.map_err(|error| (Errno::from_io_error(&error), error)) {
            Ok(_) => Ok(()),
            // Late, interrupted, or to be tried again once completions have been taken.
            Err((Some(Errno::TIME | Errno::INTR | Errno::BUSY | Errno::AGAIN), _)) => Ok(()),
            Err((_, error)) => Err(error),
        }
    }

    /// Whether the kernel has everything that was pushed.
    pub(super) fn has_submitted_all(&mut self) -> bool {
        self.backlog.is_empty() && self.ring.submission().is_empty()
    }

    /// Takes the completions that are there.
    pub(in crate::io) fn reap(&mut self, completions: &mut Vec<cqueue::Entry>) {
        completions.extend(self.ring.completion());
    }
}
