//! One stream socket of the ring engine: what is asked of it and what is under way in the ring.
//!
//! A multishot receive may bring many buffers in one go. They wait in `held` for the connection's
//! turns; a connection that gets too far ahead is throttled: its receive is cancelled, and armed
//! again when it has caught up. While its owner has paused it, what it holds is in memory of its own:
//! connections that wait for others must not keep the buffers that those others need. What has ended
//! the stream waits behind what is held.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::super::Token;
use super::ring::FileName;
use crate::base::buffer::Lease;
use crate::base::limits::RECEIVE_BUFFER_COUNT_AHEAD;

/// What a stream's receiving ends with.
pub(super) enum Ending {
    /// The peer has ended its stream.
    Peer,
    /// The connection is broken.
    Broken(io::Error),
}

pub(super) struct Stream {
    pub(super) descriptor: OwnedFd,
    /// What operations call it.
    pub(super) name: FileName,
    pub(super) receiving: Option<Token>,
    pub(super) paused: bool,
    /// The receive that is with the kernel, by its index among what is under way.
    pub(super) armed: Option<usize>,
    /// In line for receive buffers.
    pub(super) in_line: bool,
    throttled: bool,
    /// Received, and not yet the connection's turn.
    pub(super) held: VecDeque<Lease>,
    pub(super) ending: Option<Ending>,
    /// A send is with the kernel.
    pub(super) sending: bool,
    /// The kernel has not had to copy a zero-copy send.
    pub(super) zero_copy_pays: bool,
    pub(super) detaching: Option<Token>,
    pub(super) closing: Option<Token>,
    /// A cancellation is with the kernel.
    pub(super) cancelling: bool,
    /// Whether the engine's list of deliverable streams holds this one.
    pub(super) queued: bool,
}

impl Stream {
    pub(super) fn new(descriptor: OwnedFd) -> Stream {
        Stream {
            name: FileName::Descriptor(descriptor.as_raw_fd()),
            descriptor,
            receiving: None,
            paused: false,
            armed: None,
            in_line: false,
            throttled: false,
            held: VecDeque::new(),
            ending: None,
            sending: false,
            zero_copy_pays: true,
            detaching: None,
            closing: None,
            cancelling: false,
            queued: false,
        }
    }

    /// Stops handing octets to the owner.
    pub(super) fn pause(&mut self) {
        if !self.paused {
            self.paused = true;
            self.held.iter_mut().for_each(|lease| *lease = Lease::copied(lease));
        }
    }

    /// Keeps received octets for the owner's turn.
    pub(super) fn hold(&mut self, lease: Lease) {
        self.held.push_back(if self.paused { Lease::copied(&lease) } else { lease });
    }

    /// Whether a receive should be with the kernel.
    pub(super) fn wants_receive(&mut self) -> bool {
        if self.held.len() >= RECEIVE_BUFFER_COUNT_AHEAD {
            self.throttled = true;
        } else if self.held.is_empty() {
            self.throttled = false;
        }
        self.receiving.is_some()
            && !self.paused
            && !self.throttled
            && self.ending.is_none()
            && self.detaching.is_none()
            && self.closing.is_none()
    }

    /// Whether something waits that may go to the caller now.
    pub(super) fn is_deliverable(&self) -> bool {
        let open = !self.paused || self.detaching.is_some();
        let ended = self.ending.is_some() && self.armed.is_none() && self.receiving.is_some();
        open && self.closing.is_none() && (!self.held.is_empty() || ended)
    }

    /// Whether nothing of it is with the kernel.
    pub(super) fn is_quiet(&self) -> bool {
        self.armed.is_none() && !self.sending
    }
}
