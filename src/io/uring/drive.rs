//! How the ring engine keeps its sockets in step with their owners.
//!
//! Every change of a stream or listener, asked for or reported by the kernel, ends in `drive`: the one
//! place that arms, cancels, closes and detaches.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use io_uring::{opcode, types};

use super::super::sockets::cancelled;
use super::super::{Completion, DetachedSocket, Listener, Outcome, Socket, Token};
use super::stream::Ending;
use super::{UnderWay, Uring};
use crate::base::limits::RECEIVE_BUFFER_COUNT_PER_TURN;

impl Uring {
    /// Brings what the kernel has of a stream in line with what its owner wants.
    pub(super) fn drive(&mut self, socket: Socket) {
        let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) else { return };
        let wanted = stream.wants_receive();
        if wanted && stream.armed.is_none() && !stream.in_line {
            if self.in_line.is_empty() && self.buffers.available() > 0 {
                self.arm_receive(socket);
            } else {
                stream.in_line = true;
                self.in_line.push_back(socket);
            }
        }
        let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) else { return };
        let unwanted =
            (stream.armed.is_some() && !wanted) || (stream.sending && stream.closing.is_some());
        if unwanted && !stream.cancelling {
            self.cancel_stream(socket);
        }
        self.queue_delivery(socket);
        self.leave_if_quiet(socket);
    }

    fn arm_receive(&mut self, socket: Socket) {
        let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) else { return };
        let index = self.under_way.insert(UnderWay::Receive { socket });
        stream.armed = Some(index);
        let name = stream.name;
        let receive = opcode::RecvMulti::new(name.number(), self.buffers.group()).build();
        let receive = receive.flags(name.flags());
        // SAFETY: the buffers are the registered ones, which live as long as the ring.
        unsafe { self.ring.push(receive, index as u64) };
    }

    /// Cancels what is unwanted. By descriptor a multishot is always found, by its token it may be
    /// missed; but by descriptor a send that is to go on would be found as well.
    fn cancel_stream(&mut self, socket: Socket) {
        let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) else { return };
        stream.cancelling = true;
        let builder = match stream.armed {
            Some(receive) if stream.sending && stream.closing.is_none() => {
                types::CancelBuilder::user_data(receive as u64)
            }
            _ => types::CancelBuilder::fd(types::Fd(stream.descriptor.as_raw_fd())).all(),
        };
        let index = self.under_way.insert(UnderWay::CancelStream { socket });
        // SAFETY: the entry points to nothing.
        unsafe { self.ring.push(opcode::AsyncCancel2::new(builder).build(), index as u64) };
    }

    fn queue_delivery(&mut self, socket: Socket) {
        if let Some(stream) = self.streams.get_mut(socket.slot, socket.generation)
            && !stream.queued
            && stream.is_deliverable()
        {
            stream.queued = true;
            self.deliverable.push_back(socket);
        }
    }

    /// Closes or detaches a stream of which the kernel has nothing more.
    fn leave_if_quiet(&mut self, socket: Socket) {
        let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) else { return };
        if !stream.is_quiet() {
            return;
        }
        let leaves = stream.detaching.is_some() && stream.held.is_empty();
        let waits = stream.ending.is_some() && stream.receiving.is_some();
        if stream.closing.is_none() && (!leaves || waits) {
            return;
        }
        let Some(stream) = self.streams.remove(socket.slot, socket.generation) else { return };
        self.ring.unregister_file(stream.name);
        if let Some(token) = stream.receiving {
            self.complete(token, Err(cancelled()), false);
        }
        match (stream.closing, stream.detaching) {
            (Some(token), detaching) => {
                if let Some(detaching) = detaching {
                    self.complete(detaching, Err(cancelled()), false);
                }
                self.close(token, stream.descriptor);
            }
            (None, Some(token)) => {
                let detached = DetachedSocket(stream.descriptor);
                self.complete(token, Ok(Outcome::Detached(detached)), false);
            }
            (None, None) => {}
        }
    }

    fn close(&mut self, token: Token, descriptor: OwnedFd) {
        let index = self.under_way.insert(UnderWay::Close { token });
        let close = opcode::Close::new(types::Fd(descriptor.into_raw_fd())).build();
        // SAFETY: the entry points to nothing, and nobody else has the descriptor.
        unsafe { self.ring.push(close, index as u64) };
    }

    /// Brings what the kernel has of a listener in line with what its owner wants.
    pub(super) fn drive_listener(&mut self, listener: Listener) {
        let Some(state) = self.listeners.get_mut(listener.slot, listener.generation) else {
            return;
        };
        let descriptor = types::Fd(state.descriptor.as_raw_fd());
        let wanted = state.accepting.is_some() && state.closing.is_none();
        if wanted && !state.armed {
            state.armed = true;
            let index = self.under_way.insert(UnderWay::Accept { listener });
            let accept = opcode::AcceptMulti::new(descriptor).flags(libc::SOCK_CLOEXEC).build();
            // SAFETY: the entry points to nothing.
            unsafe { self.ring.push(accept, index as u64) };
        } else if !wanted && state.armed && !state.cancelling {
            state.cancelling = true;
            let index = self.under_way.insert(UnderWay::CancelListener { listener });
            let cancel = opcode::AsyncCancel2::new(types::CancelBuilder::fd(descriptor).all());
            // SAFETY: the entry points to nothing.
            unsafe { self.ring.push(cancel.build(), index as u64) };
        } else if !state.armed
            && state.closing.is_some()
            && let Some(state) = self.listeners.remove(listener.slot, listener.generation)
        {
            if let Some(token) = state.accepting {
                self.complete(token, Err(cancelled()), false);
            }
            if let Some(token) = state.closing {
                self.close(token, state.descriptor);
            }
        }
    }

    /// Arms receives that wait in line, each with a turn's buffers to itself.
    pub(super) fn serve_line(&mut self) {
        let mut share = self.buffers.available().div_ceil(RECEIVE_BUFFER_COUNT_PER_TURN);
        while share > 0
            && let Some(socket) = self.in_line.pop_front()
        {
            let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) else {
                continue;
            };
            stream.in_line = false;
            if stream.wants_receive() && stream.armed.is_none() {
                share -= 1;
                self.arm_receive(socket);
            }
        }
    }

    /// Gives every stream with something for its owner a turn.
    pub(super) fn deliver(&mut self) {
        for _ in 0..self.deliverable.len() {
            let Some(socket) = self.deliverable.pop_front() else { return };
            let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) else {
                continue;
            };
            stream.queued = false;
            let Some(token) = stream.receiving.filter(|_| stream.is_deliverable()) else {
                continue;
            };
            for _ in 0..RECEIVE_BUFFER_COUNT_PER_TURN {
                let Some(lease) = stream.held.pop_front() else { break };
                let result = Ok(Outcome::Received(lease));
                self.done.push(Completion { token, result, more: true });
            }
            if stream.held.is_empty()
                && stream.armed.is_none()
                && let Some(ending) = stream.ending.take()
            {
                stream.receiving = None;
                let result = match ending {
                    Ending::Peer => Ok(Outcome::Received(self.end_of_stream.clone())),
                    Ending::Broken(error) => Err(error),
                };
                self.done.push(Completion { token, result, more: false });
            }
            self.drive(socket);
        }
    }
}
