//! What the ring engine does with the kernel's completions.
//!
//! The result decides what a completion means, never its flags alone: a failed receive may carry a
//! buffer flag, and an operation stays under way until a completion without the flag for more.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd};

use io_uring::cqueue::{self, buffer_select, more, notif};
use rustix::io::Errno;

use super::super::sockets::cancelled;
use super::super::{Listener, Outcome, Socket};
use super::send::{Progress, was_copied};
use super::stream::Ending;
use super::{EVENT_DATA, MESSAGE_DATA, UnderWay, Uring, WAKE_DATA};
use crate::base::limits::STORE_BLOCK_SIZE;

impl Uring {
    pub(super) fn take_completion(&mut self, entry: &cqueue::Entry) {
        let (data, result, flags) = (entry.user_data(), entry.result(), entry.flags());
        match data {
            WAKE_DATA => self.woken = true,
            MESSAGE_DATA => self.message_failed = true,
            EVENT_DATA => {
                self.event_armed = false;
                self.woken |= self.interrupt.take_woken();
                if self.interrupt.take_reported() {
                    self.take_reports();
                }
            }
            _ => self.take_completion_of(data as usize, result, flags),
        }
    }

    fn take_completion_of(&mut self, index: usize, result: i32, flags: u32) {
        match self.under_way.get(index) {
            Some(UnderWay::Accept { listener }) => self.accepted(index, *listener, result, flags),
            Some(UnderWay::Receive { socket }) => self.received(index, *socket, result, flags),
            Some(UnderWay::Send(_)) => self.send_progressed(index, result, flags),
            Some(UnderWay::Write { .. }) => self.written(index, result),
            Some(UnderWay::Read { .. }) => self.read(index, result),
            Some(_) => {
                let under_way = self.under_way.remove(index);
                self.ended(under_way, result);
            }
            None => {}
        }
    }

    /// Operations with exactly one completion.
    fn ended(&mut self, under_way: UnderWay, result: i32) {
        match under_way {
            UnderWay::Connect { token, descriptor, .. } => {
                let connected =
                    outcome_of(result).map(|_| Outcome::Connected(self.insert_stream(descriptor)));
                self.complete(token, connected, false);
            }
            UnderWay::Sync { token } => {
                self.complete(token, outcome_of(result).map(|_| Outcome::Synced), false);
            }
            // Whatever closing says, the descriptor is gone.
            UnderWay::Close { token } => self.complete(token, Ok(Outcome::Closed), false),
            UnderWay::CancelStream { socket } => {
                if let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) {
                    stream.cancelling = false;
                    self.cancelled_streams.push(socket);
                }
            }
            UnderWay::CancelListener { listener } => {
                let state = self.listeners.get_mut(listener.slot, listener.generation);
                if let Some(state) = state {
                    state.cancelling = false;
                    self.cancelled_listeners.push(listener);
                }
            }
            UnderWay::Accept { .. }
            | UnderWay::Receive { .. }
            | UnderWay::Send(_)
            | UnderWay::Write { .. }
            | UnderWay::Read { .. } => {}
        }
    }

    fn accepted(&mut self, index: usize, listener: Listener, result: i32, flags: u32) {
        // SAFETY: a result that is not negative is a new descriptor, ours alone.
        let descriptor = (result >= 0).then(|| unsafe { OwnedFd::from_raw_fd(result) });
        let last = !more(flags);
        if last {
            self.under_way.remove(index);
        }
        let Some(state) = self.listeners.get_mut(listener.slot, listener.generation) else {
            return;
        };
        state.armed &= !last;
        let token = state.accepting.filter(|_| state.closing.is_none());
        match (token, descriptor) {
            (Some(token), Some(descriptor)) => {
                self.system_calls += 1;
                let peer = rustix::net::getpeername(&descriptor).ok().flatten();
                // A connection that was lost at once is its peer's affair: accepting goes on.
                if let Some(peer) = peer.and_then(|peer| SocketAddr::try_from(peer).ok()) {
                    let accepted = Outcome::Accepted(self.insert_stream(descriptor), peer);
                    self.complete(token, Ok(accepted), true);
                }
            }
            (Some(token), None) if last && !is_passing(result) => {
                state.accepting = None;
                self.complete(token, Err(io::Error::from_raw_os_error(-result)), false);
            }
            _ => {}
        }
        if last {
            self.drive_listener(listener);
        }
    }

    fn received(&mut self, index: usize, socket: Socket, result: i32, flags: u32) {
        let last = !more(flags);
        if last {
            self.under_way.remove(index);
        }
        // The result decides: a buffer named by a failure may or may not have been consumed.
        let lease = match (buffer_select(flags), usize::try_from(result)) {
            (Some(buffer), Ok(count)) if count > 0 => self.buffers.take(buffer, count),
            (Some(buffer), _) => {
                self.buffers.doubt(buffer);
                None
            }
            (None, _) => None,
        };
        // A receive of a stream that has left: its buffer has been noted, nobody wants the octets.
        let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) else { return };
        if last {
            stream.armed = None;
        }
        match (result, lease) {
            (0, _) => stream.ending = Some(Ending::Peer),
            (1.., Some(lease)) => stream.hold(lease),
            (1.., None) => stream.ending = Some(Ending::Broken(Errno::IO.into())),
            _ if -result == libc::ENOBUFS => {
                self.buffers_dry += 1;
                if !stream.in_line {
                    stream.in_line = true;
                    self.in_line.push_back(socket);
                }
            }
            // Ended by our own cancellation or in passing: armed again if it is still wanted.
            _ if -result == libc::ECANCELED || is_passing(result) => {}
            _ => {
                let error = io::Error::from_raw_os_error(-result);
                stream.ending = Some(Ending::Broken(error));
            }
        }
        self.drive(socket);
    }

    fn send_progressed(&mut self, index: usize, result: i32, flags: u32) {
        let Some(UnderWay::Send(sending)) = self.under_way.get_mut(index) else { return };
        if notif(flags) {
            sending.notifications_due = sending.notifications_due.saturating_sub(1);
            let stream = self.streams.get_mut(sending.socket.slot, sending.socket.generation);
            if let Some(stream) = stream.filter(|_| was_copied(result)) {
                stream.zero_copy_pays = false;
            }
            if sending.finished && sending.notifications_due == 0 {
                let transmit = self.retire_send(index);
                self.idle_transmits.extend(transmit);
            }
            return;
        }
        let (token, socket) = (sending.token, sending.socket);
        let progress = sending.advance(result, more(flags));
        let stream = self.streams.get_mut(socket.slot, socket.generation);
        let sent = match (progress, stream) {
            (Progress::Again, Some(stream)) if stream.closing.is_none() => {
                let entry = sending.entry(stream.name);
                // SAFETY: header, gather list and octets stay in the box until the last completion.
                return unsafe { self.ring.push(entry, index as u64) };
            }
            (Progress::Again, _) => Err(cancelled()),
            (Progress::Sent, _) => Ok(()),
            (Progress::Failed(error), _) => Err(io::Error::from_raw_os_error(error)),
        };
        sending.finished = true;
        // While the kernel holds this transmission, the caller fills another.
        let transmit = if sending.notifications_due == 0 {
            self.retire_send(index)
        } else {
            self.idle_transmits.pop()
        };
        let sent = sent.map(|()| Outcome::Sent(transmit.unwrap_or_default()));
        self.complete(token, sent, false);
        if let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) {
            stream.sending = false;
            self.drive(socket);
        }
    }

    /// Takes a send that is over apart; its transmission, emptied.
    fn retire_send(&mut self, index: usize) -> Option<crate::base::transmit::Transmit> {
        match self.under_way.try_remove(index) {
            Some(UnderWay::Send(mut sending)) => {
                let mut transmit = std::mem::take(&mut sending.transmit);
                transmit.clear();
                self.idle_sends.push(sending);
                Some(transmit)
            }
            _ => None,
        }
    }

    fn written(&mut self, index: usize, result: i32) {
        let Some(UnderWay::Write { token, octets, written, .. }) = self.under_way.get_mut(index)
        else {
            return;
        };
        let token = *token;
        let outcome = match outcome_of(result) {
            Err(_) if is_passing(result) => return self.submit_file_operation(index),
            Ok(0) if !octets.is_empty() => Err(Errno::IO.into()),
            Ok(count) => {
                *written += count;
                if *written < octets.len() {
                    return self.submit_file_operation(index);
                }
                Ok(Outcome::Written)
            }
            Err(error) => Err(error),
        };
        self.under_way.remove(index);
        self.complete(token, outcome, false);
    }

    fn read(&mut self, index: usize, result: i32) {
        let Some(UnderWay::Read { token, size, count, into, .. }) = self.under_way.get_mut(index)
        else {
            return;
        };
        let token = *token;
        let failed = match outcome_of(result) {
            Err(_) if is_passing(result) => return self.submit_file_operation(index),
            Ok(read) => {
                into.advance(read);
                *count += read;
                // A part of a block is the file's end: what follows would not be aligned.
                if read > 0 && read.is_multiple_of(STORE_BLOCK_SIZE) && *count < *size {
                    return self.submit_file_operation(index);
                }
                None
            }
            Err(error) => Some(error),
        };
        if let UnderWay::Read { into, .. } = self.under_way.remove(index) {
            let outcome = failed.map_or(Ok(Outcome::Read(into)), Err);
            self.complete(token, outcome, false);
        }
    }
}

/// A count, or the error that the kernel reports as a negative number.
fn outcome_of(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

/// Whether an error says nothing but to try again.
fn is_passing(result: i32) -> bool {
    matches!(-result, libc::EINTR | libc::EAGAIN | libc::ECONNABORTED | libc::EPROTO)
}
