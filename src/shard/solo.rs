//! A relay of one shard over an engine of the caller's, turned by the caller: how a whole relay, or a
//! network of them, runs in one deterministic test on the simulated engine.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::counters::{CounterValues, Counters};
use super::mail::Mailbox;
use super::node::{NodeError, open_shard};
use super::settings::{Settings, Snapshot};
use super::{Shard, Shared, Turn};
use crate::io::Engine;
use crate::store::open_superblock;

/// A relay without threads, and so without a journal.
pub struct Solo<E: Engine> {
    shard: Shard<E>,
    shared: Arc<Shared<E::Detached>>,
    counters: Arc<Counters>,
    addresses: Vec<SocketAddr>,
}

impl<E: Engine> Solo<E> {
    /// Opens the store and listens. `identity` becomes the store's when there is none yet. The shard count
    /// of the settings must be 1.
    ///
    /// # Errors
    /// As [`super::node::Node::start`].
    pub fn open(
        mut engine: E,
        settings: Settings,
        identity: [u8; 16],
    ) -> Result<Solo<E>, NodeError> {
        let superblock = open_superblock(&mut engine, &settings.store_directory, identity, 1)?;
        let listen = settings.listen.clone();
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(Snapshot::new(settings)),
            stop: AtomicBool::new(false),
            stop_steps: AtomicUsize::new(0),
            memory: Mutex::default(),
            mailboxes: vec![Mailbox::new()],
            ports: Vec::new(),
        });
        let counters = Arc::<Counters>::default();
        let (shard, addresses) = open_shard(
            engine,
            0,
            &shared,
            &superblock,
            Arc::clone(&counters),
            &listen,
            Vec::new(),
            None,
        )?;
        Ok(Solo { shard, shared, counters, addresses })
    }

    /// One turn of the loop; false when the relay has stopped.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn turn(&mut self) -> io::Result<bool> {
        Ok(self.shard.turn()? == Turn::Running)
    }

    /// Asks it to stop gracefully, in the turns that follow.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    /// What has been counted so far.
    pub fn counters(&self) -> CounterValues {
        self.counters.values()
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}
