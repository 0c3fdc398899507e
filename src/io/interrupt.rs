//! How other threads interrupt an engine's `poll`: to wake it, or to say that a helper has reported.
//!
//! Invariant: between two looks of the engine at a flag, its setting costs one nudge at most; a flag is
//! set before the nudge, so a nudged engine that looks afterwards sees it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Wake;

/// Makes an engine's `poll` return.
pub(super) trait Nudge: Send + Sync {
    /// One system call.
    fn nudge(&self);

    /// The ring that takes ring messages instead, where there is one.
    fn ring_descriptor(&self) -> Option<i32> {
        None
    }
}

/// What an engine shares with its helpers and wakers.
pub(super) struct Interrupt<N> {
    way: N,
    woken: AtomicBool,
    reported: AtomicBool,
    system_calls: AtomicU64,
}

impl<N: Nudge> Interrupt<N> {
    pub(super) fn new(way: N) -> Interrupt<N> {
        Interrupt {
            way,
            woken: AtomicBool::new(false),
            reported: AtomicBool::new(false),
            system_calls: AtomicU64::new(0),
        }
    }

    /// The means of interruption itself.
    pub(super) fn way(&self) -> &N {
        &self.way
    }

    /// Says that a helper thread has reported.
    pub(super) fn report(&self) {
        self.raise(&self.reported);
    }

    /// Whether a helper has reported since the last look.
    pub(super) fn take_reported(&self) -> bool {
        self.reported.load(Ordering::Relaxed) && self.reported.swap(false, Ordering::AcqRel)
    }

    /// Whether the engine has been woken since the last look.
    pub(super) fn take_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed) && self.woken.swap(false, Ordering::AcqRel)
    }

    /// System calls of the threads that use this.
    pub(super) fn system_calls(&self) -> u64 {
        self.system_calls.load(Ordering::Relaxed)
    }

    /// Where those threads count their system calls.
    pub(super) fn counter(&self) -> &AtomicU64 {
        &self.system_calls
    }

    fn raise(&self, flag: &AtomicBool) {
        if !flag.swap(true, Ordering::AcqRel) {
            self.system_calls.fetch_add(1, Ordering::Relaxed);
            self.way.nudge();
        }
    }
}

impl<N: Nudge> Wake for Interrupt<N> {
    fn wake(&self) {
        self.raise(&self.woken);
    }

    fn ring_descriptor(&self) -> Option<i32> {
        self.way.ring_descriptor()
    }
}
