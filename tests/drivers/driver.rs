//! A thread's engine with its completions in a queue, so that a test can wait for the one it means.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use p1relay::base::buffer::{Fill, Lease};
use p1relay::base::transmit::Transmit;
use p1relay::io::{Completion, Engine, Listener, Operation, Outcome, Socket, Token};

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Driver<E: Engine> {
    pub(crate) engine: E,
    pub(crate) queue: VecDeque<Completion<E::Detached>>,
    last_token: u64,
}

impl<E: Engine> Driver<E> {
    pub(crate) fn new(engine: E) -> Driver<E> {
        Driver { engine, queue: VecDeque::new(), last_token: 0 }
    }

    pub(crate) fn submit(&mut self, operation: Operation) -> Token {
        self.last_token += 1;
        self.engine.submit(Token(self.last_token), operation);
        Token(self.last_token)
    }

    /// One poll; returns how many completions it brought.
    pub(crate) fn turn(&mut self, wait: Duration) -> usize {
        let mut completions = Vec::new();
        let deadline = self.engine.now().instant + wait;
        self.engine.poll(Some(deadline), &mut completions).unwrap();
        let count = completions.len();
        self.queue.extend(completions);
        count
    }

    /// Polls for as long as `wait`, whatever comes.
    pub(crate) fn idle(&mut self, wait: Duration) {
        let end = self.engine.now().instant + wait;
        while self.engine.now().instant < end {
            let left = end.since(self.engine.now().instant);
            self.turn(left);
        }
    }

    /// The next completion of all.
    pub(crate) fn next(&mut self) -> Completion<E::Detached> {
        let end = self.engine.now().instant + PATIENCE;
        loop {
            if let Some(completion) = self.queue.pop_front() {
                return completion;
            }
            assert!(self.engine.now().instant < end, "nothing completes");
            self.turn(PATIENCE);
        }
    }

    /// The next completion of one operation; others stay in the queue.
    pub(crate) fn next_of(&mut self, token: Token) -> Completion<E::Detached> {
        let end = self.engine.now().instant + PATIENCE;
        loop {
            if let Some(at) = self.queue.iter().position(|completion| completion.token == token) {
                return self.queue.remove(at).unwrap();
            }
            assert!(self.engine.now().instant < end, "{token:?} does not complete");
            self.turn(PATIENCE);
        }
    }

    /// The outcome of an operation that has one.
    pub(crate) fn outcome(&mut self, token: Token) -> io::Result<Outcome<E::Detached>> {
        let completion = self.next_of(token);
        assert!(!completion.more, "not the last completion of {token:?}");
        completion.result
    }

    pub(crate) fn run(&mut self, operation: Operation) -> io::Result<Outcome<E::Detached>> {
        let token = self.submit(operation);
        self.outcome(token)
    }

    pub(crate) fn listen(&mut self) -> (Listener, SocketAddr) {
        self.engine.listen("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    /// A socket of this engine, accepted, and its peer of the standard library.
    pub(crate) fn accepted(&mut self) -> (Socket, TcpStream) {
        let (listener, address) = self.listen();
        let accept = self.submit(Operation::Accept { listener });
        let peer = TcpStream::connect(address).unwrap();
        let completion = self.next_of(accept);
        assert!(completion.more);
        let Ok(Outcome::Accepted(socket, from)) = completion.result else { panic!("not accepted") };
        assert_eq!(from, peer.local_addr().unwrap());
        self.run(Operation::CloseListener { listener }).unwrap();
        assert!(self.outcome(accept).is_err());
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.set_write_timeout(Some(PATIENCE)).unwrap();
        (socket, peer)
    }

    /// A socket of this engine, connected, and its peer of the standard library.
    pub(crate) fn connected(&mut self) -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = self.connect(listener.local_addr().unwrap());
        let (peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        (socket, peer)
    }

    pub(crate) fn connect(&mut self, address: SocketAddr) -> Socket {
        match self.run(Operation::Connect { address }) {
            Ok(Outcome::Connected(socket)) => socket,
            other => panic!("not connected: {}", other.err().unwrap()),
        }
    }

    /// The next octets received by `receive`; none at the end.
    pub(crate) fn received(&mut self, receive: Token) -> Lease {
        let completion = self.next_of(receive);
        match completion.result {
            Ok(Outcome::Received(lease)) => {
                assert_eq!(completion.more, !lease.is_empty());
                lease
            }
            Ok(_) => panic!("not received"),
            Err(error) => panic!("not received: {error}"),
        }
    }

    pub(crate) fn close(&mut self, socket: Socket) {
        assert!(matches!(self.run(Operation::Close { socket }), Ok(Outcome::Closed)));
    }
}

/// Octets that tell where in a stream they stand.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..size as u64).map(|index| (index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

/// A transmission of `octets` as leased pieces of `piece` octets.
pub(crate) fn transmit(octets: &[u8], piece: usize) -> Transmit {
    let mut transmit = Transmit::new();
    for octets in octets.chunks(piece) {
        transmit.push_leased(Lease::copied(octets));
    }
    transmit
}

/// A block of `size` octets, filled with `octet`.
pub(crate) fn block(size: usize, octet: u8) -> Lease {
    let mut fill = Fill::with_capacity(size);
    fill.spare_mut()[..size].fill(octet);
    fill.advance(size);
    fill.lease(0..size)
}
