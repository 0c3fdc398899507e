//! A wire between two parties of the simulated world that breaks where it is told to, and counts what
//! travels on it.
//!
//! It reads TPKTs, in both directions together, in the order in which they come.

use std::collections::VecDeque;
use std::net::SocketAddr;

use p1relay::base::transmit::Transmit;
use p1relay::io::simulated::{Simulated, World};
use p1relay::io::{Completion, Engine, Operation, Outcome, Socket, Token};

/// Where the first connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Behind so many TPKTs.
    pub(crate) packets: usize,
    /// Whether half of the next one still arrives.
    pub(crate) half: bool,
}

/// The caller's side of a connection, and the called side.
const CALLER: usize = 0;
const CALLED: usize = 1;

const ACCEPT: Token = Token(u64::MAX - 1);

#[derive(Default)]
struct End {
    socket: Option<Socket>,
    sending: bool,
    waiting: VecDeque<Vec<u8>>,
    /// What came in and is not a whole TPKT.
    partial: Vec<u8>,
}

#[derive(Default)]
struct Connection {
    ends: [End; 2],
    packets: usize,
    over: bool,
}

/// The wire.
pub(crate) struct Link {
    engine: Simulated,
    target: SocketAddr,
    connections: Vec<Connection>,
    cut: Option<Cut>,
    /// Octets that came in from each side: the caller's, the called one's.
    pub(crate) octets: [u64; 2],
    /// Whether it broke where it was told to.
    pub(crate) is_cut: bool,
}

impl Link {
    /// A wire from `listen` to `target`.
    pub(crate) fn new(
        world: &World,
        listen: SocketAddr,
        target: SocketAddr,
        cut: Option<Cut>,
    ) -> Link {
        let mut engine = world.engine();
        let (listener, _) = engine.listen(listen).unwrap();
        engine.submit(ACCEPT, Operation::Accept { listener });
        Link { engine, target, connections: Vec::new(), cut, octets: [0; 2], is_cut: false }
    }

    /// Connections so far.
    pub(crate) fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Moves what has come.
    pub(crate) fn turn(&mut self) {
        let mut completions = Vec::new();
        self.engine.poll(None, &mut completions).unwrap();
        for completion in completions {
            self.completed(completion);
        }
    }

    fn token(index: usize, side: usize) -> Token {
        Token((index * 2 + side) as u64)
    }

    fn completed(&mut self, completion: Completion<<Simulated as Engine>::Detached>) {
        if let (ACCEPT, Ok(Outcome::Accepted(socket, _))) = (completion.token, &completion.result) {
            let mut connection = Connection::default();
            connection.ends[CALLER].socket = Some(*socket);
            self.connections.push(connection);
            let token = Link::token(self.connections.len() - 1, CALLED);
            self.engine.submit(token, Operation::Connect { address: self.target });
            return;
        }
        let (index, side) = (completion.token.0 as usize / 2, completion.token.0 as usize % 2);
        match completion.result {
            Ok(Outcome::Connected(socket)) => {
                self.connections[index].ends[CALLED].socket = Some(socket);
                for (side, end) in self.connections[index].ends.iter().enumerate() {
                    let socket = end.socket.unwrap();
                    self.engine.submit(Link::token(index, side), Operation::Receive { socket });
                }
            }
            Ok(Outcome::Received(octets)) if !octets.is_empty() => {
                if !self.connections[index].over {
                    self.octets[side] += octets.len() as u64;
                    self.connections[index].ends[side].partial.extend_from_slice(&octets);
                    self.forward(index, side);
                }
            }
            Ok(Outcome::Sent(_)) => {
                self.connections[index].ends[side].sending = false;
                self.send(index, side);
            }
            Ok(Outcome::Received(_)) | Err(_) => self.close(index),
            Ok(_) => {}
        }
    }

    fn forward(&mut self, index: usize, side: usize) {
        loop {
            let connection = &mut self.connections[index];
            let partial = &mut connection.ends[side].partial;
            if partial.len() < 4 {
                return;
            }
            let size = usize::from(u16::from_be_bytes([partial[2], partial[3]]));
            if partial.len() < size {
                return;
            }
            let mut packet: Vec<u8> = partial.drain(..size).collect();
            let breaks = self.cut.filter(|cut| index == 0 && cut.packets == connection.packets);
            connection.packets += 1;
            if let Some(cut) = breaks {
                packet.truncate(if cut.half { size / 2 } else { 0 });
                self.is_cut = true;
            }
            if !packet.is_empty() {
                connection.ends[1 - side].waiting.push_back(packet);
                self.send(index, 1 - side);
            }
            if breaks.is_some() {
                return self.close(index);
            }
        }
    }

    fn send(&mut self, index: usize, side: usize) {
        let connection = &mut self.connections[index];
        let end = &mut connection.ends[side];
        if end.sending || connection.over {
            return;
        }
        let Some(packet) = end.waiting.pop_front() else { return };
        let mut transmit = Transmit::new();
        transmit.push_owned(&packet);
        end.sending = true;
        let socket = end.socket.unwrap();
        self.engine.submit(Link::token(index, side), Operation::Send { socket, transmit });
    }

    fn close(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if std::mem::replace(&mut connection.over, true) {
            return;
        }
        for (side, end) in connection.ends.iter_mut().enumerate() {
            if let Some(socket) = end.socket.take() {
                self.engine.submit(Link::token(index, side), Operation::Close { socket });
            }
        }
    }
}
