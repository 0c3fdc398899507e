//! The simulated engine: a clock, a network and disks of its own, all driven by one seed.
//!
//! A [`World`] holds what its engines share. `poll` on a simulated engine never blocks: a test gives
//! each party its turn, then calls [`World::advance`], which moves the clock to the next event or to the
//! nearest deadline that a party has polled with. So any number of shards and endpoints run in one
//! thread, and a seed replays a run exactly.
//!
//! What is simulated: latency of network and disk by chance, so that completions come out of order;
//! delivery in pieces of chance size; back pressure; resets; kills; crashes of a [`Disk`].

mod disk;
mod network;
mod random;
mod sockets;
mod table;
mod world;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use disk::{Disk, SECTOR_SIZE, StepHook};
pub use random::Random;
pub use world::{World, WorldConfig};

use super::{Completion, Counters, Engine, File, Listener, Operation, Socket, Token, Wake, Waker};
use crate::base::clock::{Instant, Now};
use network::EndName;
use world::State;

/// A socket between two simulated engines.
#[derive(Debug)]
pub struct Detached(EndName);

/// Set by whoever wakes an engine.
#[derive(Default)]
struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// One engine of a [`World`].
pub struct Simulated {
    world: Rc<RefCell<State>>,
    index: usize,
    woken: Arc<WakeFlag>,
}

impl Simulated {
    /// The engine's number in its world, for [`World::kill`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// The disk that the engine's files are on.
    pub fn disk(&self) -> Disk {
        self.world.borrow().disk(self.index)
    }
}

impl Engine for Simulated {
    type Detached = Detached;
    type Image = Vec<u8>;

    fn name(&self) -> &'static str {
        "simulated"
    }

    fn now(&self) -> Now {
        self.world.borrow().now()
    }

    fn submit(&mut self, token: Token, operation: Operation) {
        State::submit(&self.world, self.index, token, operation);
    }

    fn poll(
        &mut self,
        deadline: Option<Instant>,
        completions: &mut Vec<Completion<Detached>>,
    ) -> io::Result<()> {
        self.world.borrow_mut().poll(self.index, deadline, completions);
        Ok(())
    }

    fn waker(&self) -> Waker {
        Waker::new(Arc::clone(&self.woken) as Arc<dyn Wake + Send + Sync>)
    }

    fn counters(&self) -> Counters {
        self.world.borrow().counters(self.index)
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
        Ok(self.world.borrow_mut().listen(self.index, address))
    }

    fn adopt(&mut self, detached: Detached) -> io::Result<Socket> {
        Ok(self.world.borrow_mut().adopt(self.index, detached.0))
    }

    fn create_file(&mut self, path: &Path, size: u64) -> io::Result<File> {
        self.disk().create(path, size)?;
        Ok(self.world.borrow_mut().open(self.index, path))
    }

    fn open_file(&mut self, path: &Path) -> io::Result<File> {
        if !self.disk().exists(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(self.world.borrow_mut().open(self.index, path))
    }

    fn list_files(&mut self, directory: &Path) -> io::Result<Vec<String>> {
        Ok(self.disk().list(directory))
    }

    fn replace_file(&mut self, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.disk().replace(path, octets)
    }

    fn map_file(&mut self, file: File) -> io::Result<Vec<u8>> {
        let path = self.world.borrow_mut().path(self.index, file)?;
        self.disk().octets(&path)
    }
}
