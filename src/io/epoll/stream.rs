//! One stream socket of the epoll engine: what is asked of it, and what the kernel last said.
//!
//! `readable` and `writable` hold from an edge until the kernel says otherwise. A read shorter than
//! its buffer has emptied the socket and spares the call that would say so; but an end or an error
//! noticed with the same edge brings no second edge, so then reading goes on until it is seen.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg, sockopt};
use smallvec::SmallVec;

use super::super::sockets::{busy, cancelled};
use super::super::{Completion, Outcome, Socket, Token};
use super::Completed;
use crate::base::buffer::{Fill, Pool};
use crate::base::limits::{
    RECEIVE_BUFFER_COUNT_PER_TURN, SEND_COUNT_PER_TURN, SEND_SLICE_COUNT_MAX,
};
use crate::base::transmit::Transmit;

/// What a stream needs of its engine while it works.
pub(super) struct Context<'a> {
    pub(super) socket: Socket,
    pub(super) done: &'a mut Vec<Completed>,
    pub(super) pool: &'a mut Pool,
    /// A receive buffer taken and not yet used.
    pub(super) current: &'a mut Option<Fill>,
    /// Set when a stream found no receive buffer.
    pub(super) dry: &'a mut bool,
    pub(super) system_calls: &'a mut u64,
    pub(super) buffers_dry: &'a mut u64,
}

impl Context<'_> {
    fn complete(
        &mut self,
        token: Token,
        result: std::io::Result<Outcome<super::DetachedSocket>>,
        more: bool,
    ) {
        self.done.push(Completion { token, result, more });
    }
}

struct Sending {
    token: Token,
    transmit: Transmit,
    sent: usize,
}

pub(super) struct Stream {
    descriptor: OwnedFd,
    connecting: Option<Token>,
    receiving: Option<Token>,
    paused: bool,
    sending: Option<Sending>,
    detaching: Option<Token>,
    readable: bool,
    writable: bool,
    /// An end or error has been noticed and not yet read.
    ending: bool,
    /// Whether the engine's ready list holds this stream.
    pub(super) queued: bool,
}

impl Stream {
    pub(super) fn new(descriptor: OwnedFd, connecting: Option<Token>) -> Stream {
        Stream {
            descriptor,
            writable: connecting.is_none(),
            connecting,
            receiving: None,
            paused: false,
            sending: None,
            detaching: None,
            readable: false,
            ending: false,
            queued: false,
        }
    }

    /// Whether there is work that the kernel would not refuse.
    pub(super) fn can_go_on(&self) -> bool {
        (self.readable && self.receiving.is_some() && !self.paused)
            || (self.writable && self.sending.is_some())
    }

    /// The `Detach` that waited, once nothing is under way.
    pub(super) fn leaving(&self) -> Option<Token> {
        self.detaching.filter(|_| self.sending.is_none())
    }

    pub(super) fn into_descriptor(self) -> OwnedFd {
        self.descriptor
    }

    /// Ends everything under way; the tokens whose last completion is due.
    pub(super) fn cancel(&mut self) -> impl Iterator<Item = Token> + use<> {
        let sending = self.sending.take().map(|sending| sending.token);
        [sending, self.receiving.take(), self.detaching.take()].into_iter().flatten()
    }

    /// Receives from now on, or again after a pause; receiving already, it changes nothing.
    pub(super) fn receive_request(&mut self, token: Token, context: &mut Context<'_>) {
        if self.detaching.is_some() {
            return context.complete(token, Err(busy()), false);
        }
        self.paused = false;
        self.receiving.get_or_insert(token);
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn send_request(
        &mut self,
        token: Token,
        transmit: Transmit,
        context: &mut Context<'_>,
    ) {
        if self.sending.is_some() || self.detaching.is_some() {
            return context.complete(token, Err(busy()), false);
        }
        self.sending = Some(Sending { token, transmit, sent: 0 });
        self.send(context);
    }

    pub(super) fn detach_request(&mut self, token: Token, context: &mut Context<'_>) {
        if self.detaching.is_some() {
            return context.complete(token, Err(busy()), false);
        }
        self.detaching = Some(token);
        if let Some(receiving) = self.receiving.take() {
            context.complete(receiving, Err(cancelled()), false);
        }
    }

    /// Notes an event; `Err` when it was the failure of the connection attempt, now reported.
    pub(super) fn take_event(
        &mut self,
        event: &mio::event::Event,
        context: &mut Context<'_>,
    ) -> Result<(), ()> {
        let broken = event.is_error();
        self.readable |= event.is_readable() || event.is_read_closed() || broken;
        self.writable |= event.is_writable() || event.is_write_closed() || broken;
        self.ending |= event.is_read_closed() || broken;
        if !self.writable {
            return Ok(());
        }
        let Some(token) = self.connecting.take() else { return Ok(()) };
        *context.system_calls += 1;
        match sockopt::socket_error(&self.descriptor).and_then(|outcome| outcome) {
            Ok(()) => {
                context.complete(token, Ok(Outcome::Connected(context.socket)), false);
                Ok(())
            }
            Err(error) => {
                context.complete(token, Err(error.into()), false);
                Err(())
            }
        }
    }

    /// Does a turn's share of what can be done.
    pub(super) fn go_on(&mut self, context: &mut Context<'_>) {
        if self.writable {
            self.send(context);
        }
        self.receive(context);
    }

    fn receive(&mut self, context: &mut Context<'_>) {
        for _ in 0..RECEIVE_BUFFER_COUNT_PER_TURN {
            let Some(token) = self.receiving.filter(|_| self.readable && !self.paused) else {
                return;
            };
            // Once dry in a turn, no further stream looks: what comes back goes to the first in line.
            if *context.dry {
                return;
            }
            let Some(mut fill) = context.current.take().or_else(|| context.pool.take()) else {
                *context.buffers_dry += 1;
                *context.dry = true;
                return;
            };
            *context.system_calls += 1;
            match recv(&self.descriptor, fill.spare_mut(), RecvFlags::empty()) {
                Ok((count, _)) if count > 0 => {
                    if count < fill.remaining() && !self.ending {
                        self.readable = false;
                    }
                    fill.advance(count);
                    context.complete(token, Ok(Outcome::Received(fill.lease(0..count))), true);
                    continue;
                }
                Ok(_) => {
                    self.receiving = None;
                    context.complete(token, Ok(Outcome::Received(fill.lease(0..0))), false);
                    continue;
                }
                Err(Errno::AGAIN) => self.readable = false,
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.receiving = None;
                    context.complete(token, Err(error.into()), false);
                }
            }
            *context.current = Some(fill);
        }
    }

    fn send(&mut self, context: &mut Context<'_>) {
        let Some(sending) = &mut self.sending else { return };
        for _ in 0..SEND_COUNT_PER_TURN {
            if sending.sent == sending.transmit.size() || !self.writable {
                break;
            }
            *context.system_calls += 1;
            match send_rest(&self.descriptor, &sending.transmit, sending.sent) {
                Ok(count) => sending.sent += count,
                Err(Errno::AGAIN) => self.writable = false,
                Err(Errno::INTR) => {}
                Err(error) => {
                    let token = sending.token;
                    self.sending = None;
                    return context.complete(token, Err(error.into()), false);
                }
            }
        }
        if sending.sent == sending.transmit.size()
            && let Some(mut sending) = self.sending.take()
        {
            sending.transmit.clear();
            context.complete(sending.token, Ok(Outcome::Sent(sending.transmit)), false);
        }
    }
}

/// Gives the kernel what it takes of a transmission's octets from `sent` on.
fn send_rest(descriptor: &OwnedFd, transmit: &Transmit, sent: usize) -> rustix::io::Result<usize> {
    let mut slices = SmallVec::<[IoSlice<'_>; SEND_SLICE_COUNT_MAX]>::new();
    let mut before = sent;
    for slice in transmit.slices() {
        let skipped = before.min(slice.len());
        before -= skipped;
        if skipped < slice.len() {
            slices.push(IoSlice::new(&slice[skipped..]));
            if slices.len() == SEND_SLICE_COUNT_MAX {
                break;
            }
        }
    }
    sendmsg(descriptor, &slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
}
