//! Layer 1: the I/O contract, and the engines behind it.
//!
//! The contract is completion-based. An [`Operation`] submitted with a [`Token`] owns its buffers until
//! its completion, cancelled or not. Closing is not freeing: a socket's slot lives until every operation
//! on it has completed, and [`Outcome::Closed`] is the last of them. Handles carry a generation, so a
//! stale one is refused rather than mistaken for another.
//!
//! Three engines keep it: [`uring`] (io_uring), [`epoll`] (mio, with one disk thread) and [`simulated`]
//! (a clock, a network and a disk of its own, for deterministic tests).
//!
//! What a caller may rely on:
//! - `Accept` and `Receive` go on by themselves (`Completion::more`) until an error, the peer's end, or
//!   `Close`. A received lease of no octets is the peer's end of stream.
//! - One connection fills at most `RECEIVE_BUFFER_COUNT_PER_TURN` buffers between two `poll`s; receive
//!   buffers return to the engine when their last lease is dropped. When they run dry, receiving stops
//!   and is re-armed by the engine, fairly, once buffers are back.
//! - `Send` completes when all octets are with the kernel, or with an error; one `Send` at a time on a
//!   socket. Zero-copy leases are held until the kernel's notification.
//! - `Write { durable: true }` completes only when its octets are on stable storage. Writes under way
//!   at the same time complete in any order.
//! - After `PauseReceive` up to one turn's buffers may still arrive.

pub mod epoll;
pub mod probe;
pub mod simulated;
pub mod uring;

mod clocks;
mod disk;
mod files;
mod interrupt;
mod slots;
mod sockets;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::buffer::{Fill, Lease};
use crate::base::clock::{Instant, Now, WallTime};
use crate::base::transmit::Transmit;

pub use sockets::DetachedSocket;

/// The wall clock, for who has no engine to ask.
pub fn wall_time() -> WallTime {
    clocks::now().wall
}

/// The caller's name for an operation, returned with its completions as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name {
            /// The engine's slot.
            pub slot: u32,
            /// How often the slot has been used before.
            pub generation: u32,
        }
    };
}

handle! {
    /// A stream socket, connected or listening to be.
    Socket
}
handle! {
    /// A listening socket.
    Listener
}
handle! {
    /// An open file.
    File
}

/// What an engine is asked to do.
#[derive(Debug)]
pub enum Operation {
    /// Accept connections until closed: [`Outcome::Accepted`], many.
    Accept {
        /// Where.
        listener: Listener,
    },
    /// Open a TCP connection: [`Outcome::Connected`].
    Connect {
        /// To where.
        address: SocketAddr,
    },
    /// Receive until end or close: [`Outcome::Received`], many. Also resumes after `PauseReceive`.
    Receive {
        /// On what.
        socket: Socket,
    },
    /// Stop receiving; has no completion of its own, and `Receive` goes on with its old token.
    PauseReceive {
        /// On what.
        socket: Socket,
    },
    /// Send all octets: [`Outcome::Sent`].
    Send {
        /// On what.
        socket: Socket,
        /// What.
        transmit: Transmit,
    },
    /// Take the socket out of the engine, once nothing is under way on it: [`Outcome::Detached`].
    /// Octets that arrive meanwhile are completed as received, before it.
    Detach {
        /// Which.
        socket: Socket,
    },
    /// Cancel what is under way and close: [`Outcome::Closed`], after every other completion.
    Close {
        /// Which.
        socket: Socket,
    },
    /// Stop accepting and close: [`Outcome::Closed`].
    CloseListener {
        /// Which.
        listener: Listener,
    },
    /// Write all octets at `offset`: [`Outcome::Written`]. `octets` and `offset` are whole store blocks,
    /// aligned.
    Write {
        /// Where.
        file: File,
        /// Where in it, octets.
        offset: u64,
        /// What.
        octets: Lease,
        /// Whether to complete only when on stable storage.
        durable: bool,
    },
    /// Make earlier completed writes durable: [`Outcome::Synced`].
    Sync {
        /// Which.
        file: File,
    },
    /// Read `size` octets at `offset` into `into`: [`Outcome::Read`]; fewer only at the file's end. Both
    /// are whole store blocks.
    Read {
        /// Where.
        file: File,
        /// Where in it, octets.
        offset: u64,
        /// How many octets, at most `into.remaining()`.
        size: usize,
        /// Where to.
        into: Fill,
    },
    /// Make a file of `size` octets, written once with zeros so that later writes do not allocate, and
    /// durable with its directory entry: [`Outcome::Created`]. It takes the place of a file of that name.
    /// Never blocks the caller, nor keeps the disk from others for long, unless in haste.
    CreateFile {
        /// Its path.
        path: PathBuf,
        /// Its size, octets.
        size: u64,
        /// Whether it is waited for, as long as that is under way.
        haste: Haste,
    },
    /// Wake another engine, whose `poll` then completes [`Outcome::Woken`] there; none here.
    Wake {
        /// Whom.
        waker: Waker,
    },
}

/// Whether something that may take its time is waited for; both sides look at the same one.
#[derive(Debug, Clone, Default)]
pub struct Haste(Arc<AtomicBool>);

impl Haste {
    /// Says whether it is waited for.
    pub fn set(&self, is_waited_for: bool) {
        self.0.store(is_waited_for, Ordering::Relaxed);
    }

    /// Whether it is waited for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How an operation ended well.
#[derive(Debug)]
pub enum Outcome<D> {
    /// A connection came in.
    Accepted(Socket, SocketAddr),
    /// A connection is open.
    Connected(Socket),
    /// Octets came in; none: the peer has ended its stream.
    Received(Lease),
    /// All octets are with the kernel; the list, emptied, to be filled again.
    Sent(Transmit),
    /// The socket has left the engine; [`Engine::adopt`] takes it in elsewhere.
    Detached(D),
    /// The handle is free; no completion for it follows.
    Closed,
    /// The octets are written (and durable, if asked).
    Written,
    /// Earlier writes are durable.
    Synced,
    /// The octets read stand at the end of what is filled.
    Read(Fill),
    /// The file exists and is open.
    Created(File),
    /// Another thread called [`Waker::wake`] or submitted [`Operation::Wake`].
    Woken,
}

/// One completion.
#[derive(Debug)]
pub struct Completion<D> {
    /// The operation's token; [`WOKEN`] for [`Outcome::Woken`].
    pub token: Token,
    /// How it ended.
    pub result: io::Result<Outcome<D>>,
    /// Whether more completions of the same operation follow.
    pub more: bool,
}

/// The token of [`Outcome::Woken`].
pub const WOKEN: Token = Token(u64::MAX);

/// Wakes an engine from anywhere; clones are cheap.
#[derive(Clone)]
pub struct Waker(Arc<dyn Wake + Send + Sync>);

/// What an engine puts behind its [`Waker`].
pub trait Wake {
    /// Makes the engine's `poll` return; callable from any thread.
    fn wake(&self);

    /// The ring to send a ring message to, where there is one.
    fn ring_descriptor(&self) -> Option<i32> {
        None
    }
}

impl Waker {
    /// A waker over an engine's own way to be woken.
    pub fn new(wake: Arc<dyn Wake + Send + Sync>) -> Waker {
        Waker(wake)
    }

    /// Makes the engine's `poll` return.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// The ring to send a ring message to, where there is one.
    pub fn ring_descriptor(&self) -> Option<i32> {
        self.0.ring_descriptor()
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

/// What an engine has done since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// System calls of all the engine's threads.
    pub system_calls: u64,
    /// Operations submitted.
    pub operations: u64,
    /// Times that receiving stopped because the buffers had run dry.
    pub buffers_dry: u64,
}

/// A driver of sockets and files, owned by one thread.
pub trait Engine {
    /// A socket between two engines.
    type Detached: Send;
    /// A file's octets, for reading at start and inspection.
    type Image: std::ops::Deref<Target = [u8]>;

    /// `"uring"`, `"epoll"` or `"simulated"`.
    fn name(&self) -> &'static str;

    /// Both clocks, now.
    fn now(&self) -> Now;

    /// Queues an operation. Errors come as completions, also those found at once.
    fn submit(&mut self, token: Token, operation: Operation);

    /// Submits what is queued, waits until a completion, a wake or `deadline`, and appends completions.
    /// A deadline that has passed makes it a look without waiting.
    fn poll(
        &mut self,
        deadline: Option<Instant>,
        completions: &mut Vec<Completion<Self::Detached>>,
    ) -> io::Result<()>;

    /// Wakes this engine from elsewhere.
    fn waker(&self) -> Waker;

    /// What has been done so far.
    fn counters(&self) -> Counters;

    /// Set-up, may block: listens, with SO_REUSEPORT so that every shard can; returns the bound address.
    fn listen(&mut self, address: SocketAddr) -> io::Result<(Listener, SocketAddr)>;

    /// Takes in a socket that another engine detached.
    fn adopt(&mut self, detached: Self::Detached) -> io::Result<Socket>;

    /// Set-up, may block: makes a file as [`Operation::CreateFile`] does.
    fn create_file(&mut self, path: &Path, size: u64) -> io::Result<File>;

    /// Set-up, may block: opens a file for reading and writing.
    fn open_file(&mut self, path: &Path) -> io::Result<File>;

    /// Set-up, may block: the names in a directory, sorted; the directory is made if it is not there.
    fn list_files(&mut self, directory: &Path) -> io::Result<Vec<String>>;

    /// Set-up, may block: replaces a small file's octets atomically and durably.
    fn replace_file(&mut self, path: &Path, octets: &[u8]) -> io::Result<()>;

    /// Set-up, may block: the octets of an open file, mapped.
    fn map_file(&mut self, file: File) -> io::Result<Self::Image>;
}
