//! The sockets of simulated engines: what each operation does to the network, and what arrives.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Detached;
use super::network::{EndName, Owner};
use super::world::{Event, Sending, SocketState, State, cancelled, stale};
use crate::base::buffer::Fill;
use crate::base::limits::{RECEIVE_BUFFER_COUNT_PER_TURN, RECEIVE_BUFFER_SIZE};
use crate::io::{Completion, Operation, Outcome, Socket, Token};

impl State {
    pub(super) fn submit_network(&mut self, engine: usize, token: Token, operation: Operation) {
        match operation {
            Operation::Accept { listener } => {
                let place = (listener.slot, listener.generation);
                match self.engines[engine].listeners.get_mut(place) {
                    Some(state) => state.accept = Some(token),
                    None => return self.engines[engine].complete(token, stale(), false),
                }
                self.accept_waiting(engine, listener.slot);
            }
            Operation::Connect { address } => {
                let time = self.clock + self.network_latency();
                self.schedule(time, Event::Connect { engine, token, address });
            }
            Operation::Receive { socket } => match self.socket(engine, socket) {
                Some(state) if state.receive.is_some() => state.paused = false,
                Some(state) => (state.receive, state.paused) = (Some(token), false),
                None => self.engines[engine].complete(token, stale(), false),
            },
            Operation::PauseReceive { socket } => {
                if let Some(state) = self.socket(engine, socket) {
                    state.paused = true;
                }
            }
            Operation::Send { socket, mut transmit } => {
                let Some(state) = self.socket(engine, socket) else {
                    return self.engines[engine].complete(token, stale(), false);
                };
                if state.sending.is_some() {
                    let busy = io::Error::from(io::ErrorKind::ResourceBusy);
                    return self.engines[engine].complete(token, Err(busy), false);
                }
                let octets = transmit.to_vec();
                transmit.clear();
                state.sending = Some(Sending { token, transmit, octets, sent: 0 });
                self.pump(engine, socket.slot);
            }
            Operation::Detach { socket } => {
                let Some(state) = self.socket(engine, socket) else {
                    return self.engines[engine].complete(token, stale(), false);
                };
                state.detach = Some(token);
                self.detach_when_quiet(engine, socket.slot);
            }
            Operation::Close { socket } => {
                if self.socket(engine, socket).is_none() {
                    return self.engines[engine].complete(token, stale(), false);
                }
                self.close(engine, socket.slot, token);
            }
            Operation::CloseListener { listener } => {
                let place = (listener.slot, listener.generation);
                if self.engines[engine].listeners.get_mut(place).is_none() {
                    return self.engines[engine].complete(token, stale(), false);
                }
                self.network.stop_listening(engine, Some(listener.slot));
                let Some(state) = self.engines[engine].listeners.remove(listener.slot) else {
                    return;
                };
                for (end, _) in state.backlog {
                    self.abandon(end);
                }
                if let Some(accept) = state.accept {
                    self.engines[engine].complete(accept, Err(cancelled()), false);
                }
                self.engines[engine].complete(token, Ok(Outcome::Closed), false);
            }
            Operation::Wake { waker } => waker.wake(),
            Operation::Write { .. }
            | Operation::Sync { .. }
            | Operation::Read { .. }
            | Operation::CreateFile { .. } => {}
        }
    }

    fn socket(&mut self, engine: usize, socket: Socket) -> Option<&mut SocketState> {
        self.engines[engine].sockets.get_mut((socket.slot, socket.generation))
    }

    /// Sends as much as the window lets through, in pieces of chance size.
    pub(super) fn pump(&mut self, engine: usize, slot: u32) {
        loop {
            let Some(socket) = self.engines[engine].sockets.current_mut(slot) else { return };
            let Some(sending) = &mut socket.sending else { return };
            let (own, peer) = (socket.end, socket.end.peer());
            let lost = self.network.end_mut(own).is_none_or(|end| end.reset);
            let rest = sending.octets.len() - sending.sent;
            if lost || rest == 0 {
                let Some(done) = socket.sending.take() else { return };
                let result = match lost {
                    true => Err(io::ErrorKind::ConnectionReset.into()),
                    false => Ok(Outcome::Sent(done.transmit)),
                };
                self.engines[engine].complete(done.token, result, false);
                return self.detach_when_quiet(engine, slot);
            }
            let Some(end) = self.network.end_mut(peer) else { return };
            let largest = self.config.piece_size_max.clamp(1, RECEIVE_BUFFER_SIZE);
            let room = rest.min(end.window()).min(largest);
            if room == 0 {
                return;
            }
            let size = 1 + self.random.below(room as u64) as usize;
            end.outstanding += size;
            let octets = sending.octets[sending.sent..sending.sent + size].to_vec();
            sending.sent += size;
            let time = self.arrival(peer);
            self.schedule(time, Event::Deliver { to: peer, octets });
        }
    }

    /// When something sent now arrives, after everything sent before it.
    fn arrival(&mut self, to: EndName) -> u64 {
        let time = self.clock + self.network_latency();
        let Some(end) = self.network.end_mut(to) else { return time };
        end.last_arrival = end.last_arrival.max(time);
        end.last_arrival
    }

    fn close(&mut self, engine: usize, slot: u32, token: Token) {
        let Some(socket) = self.engines[engine].sockets.remove(slot) else { return };
        let party = &mut self.engines[engine];
        let pending = socket.receive.into_iter().chain(socket.sending.map(|s| s.token));
        for pending in pending.chain(socket.detach) {
            party.complete(pending, Err(cancelled()), false);
        }
        party.complete(token, Ok(Outcome::Closed), false);
        self.abandon(socket.end);
    }

    /// Closes an end; its peer sees the end of the stream, or a reset when octets are left unread.
    fn abandon(&mut self, name: EndName) {
        let Some(end) = self.network.end_mut(name) else { return };
        end.owner = Owner::Closed;
        let unread = !end.inbox.is_empty();
        end.inbox.clear();
        let peer = name.peer();
        let time = self.arrival(peer);
        let event = if unread { Event::Reset { to: peer } } else { Event::End { to: peer } };
        self.schedule(time, event);
        self.network.reap(name.stream);
    }

    pub(super) fn reset(&mut self, name: EndName) {
        let Some(end) = self.network.end_mut(name) else { return };
        end.reset = true;
        end.inbox.clear();
        if let Owner::Socket { engine, slot } = end.owner {
            self.pump(engine, slot);
        }
    }

    pub(super) fn detach_when_quiet(&mut self, engine: usize, slot: u32) {
        let Some(socket) = self.engines[engine].sockets.current_mut(slot) else { return };
        if socket.detach.is_none() || socket.sending.is_some() {
            return;
        }
        let Some(socket) = self.engines[engine].sockets.remove(slot) else { return };
        if let Some(end) = self.network.end_mut(socket.end) {
            end.owner = Owner::Nobody;
        }
        let party = &mut self.engines[engine];
        if let Some(receive) = socket.receive {
            party.complete(receive, Err(cancelled()), false);
        }
        if let Some(detach) = socket.detach {
            party.complete(detach, Ok(Outcome::Detached(Detached(socket.end))), false);
        }
    }

    fn accept_waiting(&mut self, engine: usize, slot: u32) {
        loop {
            let Some(listener) = self.engines[engine].listeners.current_mut(slot) else { return };
            let Some(token) = listener.accept else { return };
            let Some((end, address)) = listener.backlog.pop_front() else { return };
            let socket = self.adopt(engine, end);
            self.engines[engine].complete(token, Ok(Outcome::Accepted(socket, address)), true);
        }
    }

    pub(super) fn connect(&mut self, engine: usize, token: Token, address: SocketAddr) {
        let listeners = self.network.listeners(address).to_vec();
        let choice = self.random.below(listeners.len() as u64) as usize;
        let Some((called, listener)) = listeners.get(choice).copied() else {
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            return self.engines[engine].complete(token, Err(refused), false);
        };
        let stream = self.network.open(Owner::Nobody, Owner::Nobody);
        let socket = self.adopt(engine, EndName { stream, end: 0 });
        self.engines[engine].complete(token, Ok(Outcome::Connected(socket)), false);
        let host = IpAddr::V4(Ipv4Addr::new(10, 0, (engine >> 8) as u8, engine as u8));
        let from = SocketAddr::new(host, self.network.fresh_port());
        if let Some(state) = self.engines[called].listeners.current_mut(listener) {
            state.backlog.push_back((EndName { stream, end: 1 }, from));
        }
        self.accept_waiting(called, listener);
    }

    pub(super) fn kill(&mut self, engine: usize) {
        self.engines[engine].killed = true;
        self.engines[engine].completions.clear();
        self.network.stop_listening(engine, None);
        let sockets = std::mem::take(&mut self.engines[engine].sockets);
        let listeners = std::mem::take(&mut self.engines[engine].listeners);
        let backlogs = listeners.occupied().flat_map(|(_, listener)| listener.backlog.iter());
        let ends = sockets.occupied().map(|(_, socket)| socket.end);
        for name in ends.chain(backlogs.map(|(end, _)| *end)) {
            if let Some(end) = self.network.end_mut(name) {
                end.owner = Owner::Closed;
            }
            self.reset(name.peer());
            self.network.reap(name.stream);
        }
    }

    /// Hands on what has arrived, at most one turn's buffers.
    pub(super) fn receive(
        &mut self,
        engine: usize,
        slot: u32,
        completions: &mut Vec<Completion<Detached>>,
    ) {
        let party = &mut self.engines[engine];
        let Some(socket) = party.sockets.current_mut(slot) else { return };
        let (Some(token), false) = (socket.receive, socket.paused) else { return };
        let peer = socket.end.peer();
        let Some(end) = self.network.end_mut(socket.end) else { return };
        for _ in 0..RECEIVE_BUFFER_COUNT_PER_TURN {
            if end.inbox.is_empty() {
                break;
            }
            let Some(mut fill) = party.receive_buffers.take() else {
                party.counters.buffers_dry += 1;
                break;
            };
            let Some(piece) = end.inbox.pop_front() else { break };
            end.outstanding = end.outstanding.saturating_sub(piece.len());
            let count = fill.append(&piece);
            let lease = fill.lease(0..count);
            completions.push(Completion {
                token,
                result: Ok(Outcome::Received(lease)),
                more: true,
            });
        }
        if end.inbox.is_empty() && (end.reset || end.ended) {
            socket.receive = None;
            let result = match end.reset {
                true => Err(io::ErrorKind::ConnectionReset.into()),
                false => Ok(Outcome::Received(Fill::with_capacity(0).lease(0..0))),
            };
            completions.push(Completion { token, result, more: false });
        }
        if let Some(Owner::Socket { engine, slot }) = self.network.end_mut(peer).map(|p| p.owner) {
            self.pump(engine, slot);
        }
    }

    pub(super) fn deliver(&mut self, to: EndName, octets: Vec<u8>) {
        let Some(end) = self.network.end_mut(to) else { return };
        match (end.owner, end.reset) {
            (_, true) => {}
            (Owner::Closed, _) => {
                let time = self.arrival(to.peer());
                self.schedule(time, Event::Reset { to: to.peer() });
            }
            _ => end.inbox.push_back(octets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Simulated, World, WorldConfig};
    use crate::base::buffer::Lease;
    use crate::base::transmit::Transmit;
    use crate::io::{Completion, Engine, Operation, Outcome, Socket, Token};
    use std::io;

    fn take(engine: &mut Simulated) -> Vec<Completion<super::Detached>> {
        let mut completions = Vec::new();
        engine.poll(None, &mut completions).unwrap();
        completions
    }

    /// Lets everything happen that happens without the parties.
    fn settle(world: &World) {
        (0..2000).for_each(|_| _ = world.advance());
    }

    /// Two engines with one stream between them, and its sockets.
    fn connected(world: &World) -> (Simulated, Socket, Simulated, Socket) {
        let (mut calling, mut called) = (world.engine(), world.engine());
        let (listener, address) = called.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        called.submit(Token(1), Operation::Accept { listener });
        calling.submit(Token(2), Operation::Connect { address });
        settle(world);
        let Ok(Outcome::Connected(ours)) = take(&mut calling).remove(0).result else { panic!() };
        let Ok(Outcome::Accepted(theirs, _)) = take(&mut called).remove(0).result else { panic!() };
        (calling, ours, called, theirs)
    }

    fn transfer(seed: u64) -> (Vec<u8>, u64, usize) {
        let world = World::new(WorldConfig::new(seed));
        let (mut calling, ours, mut called, theirs) = connected(&world);
        called.submit(Token(3), Operation::Receive { socket: theirs });
        let octets: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
        let mut transmit = Transmit::new();
        transmit.push_leased(Lease::copied(&octets));
        calling.submit(Token(4), Operation::Send { socket: ours, transmit });
        let (mut received, mut pieces, mut ended) = (Vec::new(), 0, false);
        while !ended {
            for completion in take(&mut calling) {
                assert!(matches!(completion.result, Ok(Outcome::Sent(t)) if t.is_empty()));
                calling.submit(Token(5), Operation::Close { socket: ours });
                assert!(matches!(take(&mut calling)[0].result, Ok(Outcome::Closed)));
            }
            for completion in take(&mut called) {
                let Ok(Outcome::Received(lease)) = completion.result else { panic!() };
                received.extend_from_slice(&lease);
                pieces += 1;
                ended = lease.is_empty();
                assert_eq!(completion.more, !ended);
            }
            assert!(world.advance() || ended);
        }
        assert!(received == octets);
        (received, world.now().instant.0, pieces)
    }

    #[test]
    fn octets_arrive_in_order_in_pieces_and_a_seed_replays() {
        let first = transfer(1);
        assert!(first == transfer(1));
        assert!(first.1 != transfer(2).1);
        assert!(first.2 > 250);
    }

    #[test]
    fn a_receiver_that_pauses_holds_the_sender_back() {
        let world = World::new(WorldConfig::new(3));
        let (mut calling, ours, mut called, theirs) = connected(&world);
        called.submit(Token(3), Operation::Receive { socket: theirs });
        called.submit(Token(3), Operation::PauseReceive { socket: theirs });
        let mut transmit = Transmit::new();
        transmit.push_owned(&vec![1; 2 * super::super::network::WINDOW]);
        calling.submit(Token(4), Operation::Send { socket: ours, transmit });
        settle(&world);
        assert!(take(&mut calling).is_empty() && take(&mut called).is_empty());
        called.submit(Token(3), Operation::Receive { socket: theirs });
        let mut received = 0;
        while received < 2 * super::super::network::WINDOW && world.advance() {
            for completion in take(&mut called) {
                let Ok(Outcome::Received(lease)) = completion.result else { panic!() };
                received += lease.len();
            }
        }
        assert_eq!(received, 2 * super::super::network::WINDOW);
        settle(&world);
        assert_eq!(take(&mut calling)[0].token, Token(4));
    }

    #[test]
    fn a_killed_peer_resets_and_nobody_listens_any_more() {
        let world = World::new(WorldConfig::new(4));
        let (mut calling, ours, called, _) = connected(&world);
        calling.submit(Token(3), Operation::Receive { socket: ours });
        world.kill(called.index());
        let completion = take(&mut calling).remove(0);
        let error = completion.result.unwrap_err();
        assert_eq!((error.kind(), completion.more), (io::ErrorKind::ConnectionReset, false));
        calling
            .submit(Token(5), Operation::Connect { address: "127.0.0.1:49152".parse().unwrap() });
        settle(&world);
        let refused = take(&mut calling).remove(0).result.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        calling.submit(Token(6), Operation::Close { socket: ours });
        calling.submit(Token(7), Operation::Close { socket: ours });
        let closed = take(&mut calling);
        assert!(matches!(closed[0].result, Ok(Outcome::Closed)));
        assert!(closed[1].result.is_err(), "a stale handle is refused");
    }

    #[test]
    fn a_detached_socket_goes_on_elsewhere() {
        let world = World::new(WorldConfig::new(5));
        let (mut calling, ours, mut called, theirs) = connected(&world);
        called.submit(Token(3), Operation::Receive { socket: theirs });
        called.submit(Token(4), Operation::Detach { socket: theirs });
        let Ok(Outcome::Detached(detached)) = take(&mut called).remove(1).result else { panic!() };
        let mut transmit = Transmit::new();
        transmit.push_owned(b"meanwhile");
        calling.submit(Token(4), Operation::Send { socket: ours, transmit });
        settle(&world);
        let mut other = world.engine();
        let socket = other.adopt(detached).unwrap();
        other.submit(Token(9), Operation::Receive { socket });
        let mut received = Vec::new();
        for completion in take(&mut other) {
            let Ok(Outcome::Received(lease)) = completion.result else { panic!() };
            received.extend_from_slice(&lease);
        }
        assert_eq!(received, b"meanwhile");
        let waker = other.waker();
        called.submit(Token(0), Operation::Wake { waker });
        assert!(matches!(take(&mut other)[0].result, Ok(Outcome::Woken)));
    }
}
