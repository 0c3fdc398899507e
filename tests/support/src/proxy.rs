//! A TCP proxy that records what crosses it, in the order in which it crosses.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::wait_until;

/// Which way octets went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the one that connected.
    ToServer,
    /// From the one that accepted.
    ToClient,
}

/// One connection: what each read brought; nothing in it means that the direction is closed.
pub type Recording = Vec<(Direction, Vec<u8>)>;

type Recordings = Arc<Mutex<Vec<Arc<Mutex<Recording>>>>>;

/// A proxy; it accepts until it is dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    recordings: Recordings,
    stopped: Arc<AtomicBool>,
}

impl Proxy {
    /// Passes connections on to `server`.
    pub fn start(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let recordings = Recordings::default();
        let stopped = Arc::new(AtomicBool::new(false));
        let (kept, ends) = (Arc::clone(&recordings), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                let client = client.unwrap();
                let server = TcpStream::connect(server).unwrap();
                let recording = Arc::new(Mutex::new(Recording::new()));
                kept.lock().unwrap().push(Arc::clone(&recording));
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                pump(client, server, Direction::ToServer, Arc::clone(&recording));
                pump(back.0, back.1, Direction::ToClient, recording);
            }
        });
        Proxy { address, recordings, stopped }
    }

    /// Waits until the one connection that was made is closed both ways.
    pub fn recording(&self) -> Recording {
        let closed = |recording: &Recording| {
            recording.iter().filter(|(_, octets)| octets.is_empty()).count() == 2
        };
        wait_until("the end of a recorded connection", || {
            let recordings = self.recordings.lock().unwrap();
            recordings.first().is_some_and(|recording| closed(&recording.lock().unwrap()))
        });
        let recordings = self.recordings.lock().unwrap();
        assert_eq!(recordings.len(), 1, "one connection was to be recorded");
        recordings[0].lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the accepting thread; it may have ended with an error of its own.
        let _ = TcpStream::connect(self.address);
    }
}

/// Carries one direction in a thread; what was read is recorded before it is passed on, so that no
/// answer can stand before what it answers.
fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    direction: Direction,
    recording: Arc<Mutex<Recording>>,
) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        loop {
            // A reset ends a connection like any end.
            let count = from.read(&mut buffer).unwrap_or(0);
            recording.lock().unwrap().push((direction, buffer[..count].to_vec()));
            if count == 0 || to.write_all(&buffer[..count]).is_err() {
                // The other side may be gone already.
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    });
}
