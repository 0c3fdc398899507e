//! The shards of one relay as threads.
//!
//! Each thread makes its own engine (a ring has one issuer), opens its logs and listens; only when all
//! have done so does any of them accept. A failure of one, then or later, stops the whole relay.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustix::fs::FlockOperation;
use socket2::{Domain, Protocol, Socket, Type};

use super::counters::{CounterValues, Counters};
use super::mail::{Mailbox, Route};
use super::notes::{look_into, looking_for_activities, remember_found};
use super::settings::{Settings, Snapshot};
use super::track::Tracker;
use super::{Books, Shard, Shared, Turn};
use crate::base::limits::NOTE_SIZE_MAX;
use crate::io::epoll::Epoll;
use crate::io::probe::{IoChoice, probe_uring};
use crate::io::uring::Uring;
use crate::io::{Engine, Waker, wall_time};
use crate::journal::{self, Journal, Recorder};
use crate::mta::identifier::{Identifiers, Issuer};
use crate::routing::ConnectorIndex;
use crate::spool::{self, Port};
use crate::store::{self, Log, LogConfig, Superblock, open_superblock};

/// How often host names are resolved again.
const RESOLVE_INTERVAL_S: u64 = 60;

/// Why a relay cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The engine asked for cannot be had.
    #[error("io = \"uring\" was asked for: {0}; write io = \"auto\" to fall back to epoll")]
    NoUring(String),
    /// An engine failed.
    #[error("I/O engine: {0}")]
    Engine(io::Error),
    /// A listen address cannot be had.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// The store cannot be opened.
    #[error("store: {0}")]
    Store(#[from] store::Error),
    /// The journal cannot be begun.
    #[error("tracking: {0}")]
    Journal(#[from] journal::Error),
    /// Another process has the store, or the directory cannot be used.
    #[error("{}: the store cannot be taken, perhaps another relay runs on it: {error}", directory.display())]
    Lock {
        /// The store's directory.
        directory: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// Settings that a running relay cannot take over.
    #[error(
        "listeners, store, shards, tracking or the set of connectors have changed; restart the relay"
    )]
    NeedsRestart,
    /// A delivery point's thread cannot be had.
    #[error("delivery point: {0}")]
    DeliveryPoint(io::Error),
    /// A delivery point's thread ended by a panic.
    #[error("a delivery point has failed")]
    DeliveryPointPanicked,
    /// A shard's thread ended by a panic.
    #[error("shard {0} has failed")]
    Panicked(u16),
}

/// A delivery point's thread, and where it is met.
type DeliveryPointThread = (Arc<Port>, JoinHandle<()>);

/// A running relay.
pub struct Node {
    /// Held while the store is ours.
    _lock: OwnedFd,
    threads: Vec<JoinHandle<Result<(), NodeError>>>,
    delivery_points: Vec<DeliveryPointThread>,
    wakers: Vec<Waker>,
    counters: Vec<Arc<Counters>>,
    stop: Arc<dyn Fn() + Send + Sync>,
    publish: Box<dyn Fn(Settings) -> Result<u64, NodeError> + Send + Sync>,
    snapshot: Box<dyn Fn() -> Arc<Snapshot> + Send + Sync>,
    /// Ends when it is dropped, behind the shards.
    journal: Option<Journal>,
    /// `"uring"` or `"epoll"`.
    pub engine: &'static str,
    /// Why that engine runs.
    pub engine_reason: String,
    /// Where it listens, as bound.
    pub addresses: Vec<SocketAddr>,
}

impl Node {
    /// Starts a relay and returns when it accepts connections.
    ///
    /// # Errors
    /// Anything that keeps a shard from starting.
    pub fn start(settings: Settings) -> Result<Node, NodeError> {
        let (engine, reason) = match settings.io {
            IoChoice::Epoll => ("epoll", "asked for".to_owned()),
            IoChoice::Uring => {
                probe_uring().map_err(NodeError::NoUring)?;
                ("uring", "asked for".to_owned())
            }
            IoChoice::Auto => match probe_uring() {
                Ok(_) => ("uring", "the kernel has what it needs".to_owned()),
                Err(why) => ("epoll", why),
            },
        };
        tracing::info!(engine, reason, "I/O engine");
        let mut node = match engine {
            "uring" => Node::start_on(settings, Uring::new, engine),
            _ => Node::start_on(settings, Epoll::new, engine),
        }?;
        node.engine_reason = reason;
        Ok(node)
    }

    fn start_on<E: Engine + 'static>(
        settings: Settings,
        make: fn() -> io::Result<E>,
        engine: &'static str,
    ) -> Result<Node, NodeError> {
        let mut control = Epoll::new().map_err(NodeError::Engine)?;
        let lock = lock_store(&settings.store_directory)?;
        let identity = uuid::Uuid::new_v4().into_bytes();
        let superblock = Arc::new(open_superblock(
            &mut control,
            &settings.store_directory,
            identity,
            settings.shard_count,
        )?);
        drop(control);
        let reservations = settings
            .listen
            .iter()
            .map(|address| reserve(*address))
            .collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<SocketAddr> = reservations.iter().map(|(_, address)| *address).collect();
        let shard_count = settings.shard_count;
        let pin = settings.pin;
        let ports = settings
            .connectors
            .iter()
            .map(|connector| {
                connector.spool.as_ref().map(|_| Port::new().map(Arc::new)).transpose()
            })
            .collect::<io::Result<Vec<_>>>()
            .map_err(NodeError::DeliveryPoint)?;
        let tracking = settings.tracking.clone();
        let journal =
            tracking.map(|config| Journal::start(config, shard_count, wall_time)).transpose()?;
        let shared = Arc::new(Shared::<E::Detached> {
            snapshot: ArcSwap::from_pointee(Snapshot::new(settings)),
            stop: AtomicBool::new(false),
            stop_steps: AtomicUsize::new(0),
            memory: Mutex::default(),
            mailboxes: (0..shard_count).map(|_| Mailbox::new()).collect(),
            ports,
        });
        let counters: Vec<Arc<Counters>> = (0..shard_count).map(|_| Arc::default()).collect();
        let cores = core_affinity::get_core_ids()
            .filter(|cores| pin && cores.len() >= usize::from(shard_count));
        let (ready, readiness) = channel();
        let mut starts = Vec::new();
        let mut threads = Vec::new();
        for index in 0..shard_count {
            let (start, started) = channel();
            starts.push(start);
            let start = ShardStart {
                index,
                make,
                shared: Arc::clone(&shared),
                superblock: Arc::clone(&superblock),
                counters: Arc::clone(&counters[usize::from(index)]),
                addresses: addresses.clone(),
                recorder: journal.as_ref().map(|journal| journal.recorder(index)),
                core: cores.as_ref().map(|cores| cores[usize::from(index)]),
                ready: ready.clone(),
                started,
            };
            let thread = std::thread::Builder::new().name(format!("shard-{index}"));
            threads.push(thread.spawn(move || start.run()).map_err(NodeError::Engine)?);
        }
        drop(ready);
        let mut wakers: Vec<Option<Waker>> = (0..shard_count).map(|_| None).collect();
        for _ in 0..shard_count {
            match readiness.recv() {
                Ok(Ok((index, waker))) => wakers[usize::from(index)] = Some(waker),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(NodeError::Panicked(0)),
            }
        }
        let wakers: Vec<Waker> = wakers.into_iter().flatten().collect();
        let delivery_points = start_delivery_points(&shared, &superblock, &wakers)?;
        for start in &starts {
            start.send(wakers.clone()).map_err(|_| NodeError::Panicked(0))?;
        }
        for _ in 0..shard_count {
            match readiness.recv() {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(NodeError::Panicked(0)),
            }
        }
        let publishing = Arc::clone(&shared);
        let publish = Box::new(move |settings: Settings| {
            let next =
                publishing.snapshot.load().succeeded_by(settings).ok_or(NodeError::NeedsRestart)?;
            let revision = next.revision;
            publishing.snapshot.store(Arc::new(next));
            Ok(revision)
        });
        resolve_host_names(&shared)?;
        let showing = Arc::clone(&shared);
        let snapshot = Box::new(move || showing.snapshot.load_full());
        let stop = Arc::new(move || shared.stop.store(true, Ordering::Release));
        Ok(Node {
            _lock: lock,
            threads,
            delivery_points,
            wakers,
            counters,
            stop,
            publish,
            snapshot,
            journal,
            engine,
            engine_reason: String::new(),
            addresses,
        })
    }

    /// What has been counted so far, over all shards.
    pub fn counters(&self) -> CounterValues {
        let shards = self.counters.iter().map(|counters| counters.values());
        let mut counters = shards.fold(CounterValues::default(), std::ops::Add::add);
        counters.events_lost += self.journal.as_ref().map_or(0, Journal::lost_count);
        counters
    }

    /// The configuration in force, with the links' states.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        (self.snapshot)()
    }

    /// Puts settings in force for what comes in from now on: the new table is compiled first, then swapped
    /// in by one pointer. Gives the new revision.
    ///
    /// # Errors
    /// `NeedsRestart` when more has changed than a running relay can follow; nothing is changed then.
    pub fn publish(&self, settings: Settings) -> Result<u64, NodeError> {
        let revision = (self.publish)(settings)?;
        self.wakers.iter().for_each(Waker::wake);
        Ok(revision)
    }

    /// What asks the relay to stop, from any thread.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + 'static {
        let stop = Arc::clone(&self.stop);
        let wakers = self.wakers.clone();
        move || {
            stop();
            wakers.iter().for_each(Waker::wake);
        }
    }

    /// Whether every shard still runs.
    pub fn is_running(&self) -> bool {
        !self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Waits for all shards to end; when one has failed the others are stopped too.
    ///
    /// # Errors
    /// The first failure of a shard.
    pub fn join(mut self) -> Result<CounterValues, NodeError> {
        let stopper = self.stopper();
        let mut first = Ok(());
        for (index, thread) in self.threads.drain(..).enumerate() {
            let ended = thread.join().unwrap_or(Err(NodeError::Panicked(index as u16)));
            if ended.is_err() {
                stopper();
            }
            first = first.and(ended);
        }
        // What the shards have answered last is written before the threads end.
        for (port, thread) in self.delivery_points.drain(..) {
            port.stop();
            if thread.join().is_err() {
                first = first.and(Err(NodeError::DeliveryPointPanicked));
            }
        }
        first.map(|()| self.counters())
    }
}

/// Starts the threads of the delivery points.
fn start_delivery_points<D>(
    shared: &Shared<D>,
    superblock: &Superblock,
    wakers: &[Waker],
) -> Result<Vec<DeliveryPointThread>, NodeError> {
    let snapshot = shared.snapshot.load();
    let mut started = Vec::new();
    for (number, port) in (0..).zip(&shared.ports) {
        let settings = snapshot.connector(ConnectorIndex(number));
        let owner = wakers.get(usize::from(snapshot.owner(ConnectorIndex(number))));
        let (Some(port), Some(spool), Some(shard)) = (port, &settings.spool, owner) else {
            continue;
        };
        let issuer = Issuer::DeliveryPoint(number);
        let thread = spool::thread::start(spool::thread::Start {
            connector: settings.name.clone(),
            settings: spool.clone(),
            apdu_size_max: settings.message_size_max,
            domain: snapshot.settings.domain.clone(),
            identifiers: Identifiers::new(&superblock.uuid, superblock.incarnation, issuer),
            port: Arc::clone(port),
            shard: shard.clone(),
        });
        started.push((Arc::clone(port), thread.map_err(NodeError::DeliveryPoint)?));
    }
    Ok(started)
}

/// Takes the store's directory for this process alone, until the descriptor is closed.
fn lock_store(directory: &Path) -> Result<OwnedFd, NodeError> {
    let lock = || -> io::Result<OwnedFd> {
        std::fs::create_dir_all(directory)?;
        let file =
            std::fs::File::options().create(true).append(true).open(directory.join("lock"))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(file.into())
    };
    lock().map_err(|error| NodeError::Lock { directory: directory.to_owned(), error })
}

/// Binds an address without listening, so that its port is ours before the shards listen on it.
fn reserve(address: SocketAddr) -> Result<(Socket, SocketAddr), NodeError> {
    let reserve = || -> io::Result<(Socket, SocketAddr)> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok((socket, bound))
    };
    reserve().map_err(|error| NodeError::Listen { address, error })
}

/// Resolves the partners' host names now and every [`RESOLVE_INTERVAL_S`], on a thread of its own that ends
/// with the relay.
fn resolve_host_names<D: Send + 'static>(shared: &Arc<Shared<D>>) -> Result<(), NodeError> {
    let shared = Arc::downgrade(shared);
    let resolve = move || {
        for second in 0.. {
            let Some(shared) = shared.upgrade().filter(|it| !it.stop.load(Ordering::Acquire))
            else {
                return;
            };
            if second % RESOLVE_INTERVAL_S == 0 {
                let snapshot = shared.snapshot.load_full();
                snapshot.addresses.resolve(&snapshot.settings.connectors);
            }
            drop(shared);
            std::thread::sleep(Duration::from_secs(1));
        }
    };
    let thread = std::thread::Builder::new().name("resolver".to_owned());
    thread.spawn(resolve).map(drop).map_err(NodeError::Engine)
}

type Readiness = Result<(u16, Waker), NodeError>;

/// What a shard's thread is given.
struct ShardStart<E: Engine> {
    index: u16,
    make: fn() -> io::Result<E>,
    shared: Arc<Shared<E::Detached>>,
    superblock: Arc<Superblock>,
    counters: Arc<Counters>,
    addresses: Vec<SocketAddr>,
    recorder: Option<Recorder>,
    core: Option<core_affinity::CoreId>,
    ready: Sender<Readiness>,
    started: Receiver<Vec<Waker>>,
}

impl<E: Engine> ShardStart<E> {
    fn run(self) -> Result<(), NodeError> {
        if let Some(core) = self.core
            && !core_affinity::set_for_current(core)
        {
            tracing::warn!(shard = self.index, "the thread could not be pinned");
        }
        let ready = self.ready.clone();
        let mut shard = match self.open() {
            Ok(Some(shard)) => shard,
            Ok(None) => return Ok(()),
            Err(error) => {
                // Told to the starter, who reports it; the thread itself ends without an error.
                let _ = ready.send(Err(error));
                return Ok(());
            }
        };
        drop(ready);
        loop {
            match shard.turn() {
                Ok(Turn::Running) => {}
                Ok(Turn::Stopped) => return Ok(()),
                Err(error) => return Err(NodeError::Engine(error)),
            }
        }
    }

    fn open(self) -> Result<Option<Shard<E>>, NodeError> {
        let engine = (self.make)().map_err(NodeError::Engine)?;
        if self.ready.send(Ok((self.index, engine.waker()))).is_err() {
            return Ok(None);
        }
        let Ok(wakers) = self.started.recv() else { return Ok(None) };
        let routes = wakers
            .into_iter()
            .enumerate()
            .map(|(index, waker)| {
                let other = index != usize::from(self.index);
                other.then(|| Route::new(Arc::clone(&self.shared.mailboxes[index]), waker))
            })
            .collect();
        let waker = engine.waker();
        let (shard, _) = open_shard(
            engine,
            self.index,
            &self.shared,
            &self.superblock,
            self.counters,
            &self.addresses,
            routes,
            self.recorder,
        )?;
        Ok(self.ready.send(Ok((self.index, waker))).is_ok().then_some(shard))
    }
}

/// Opens a shard's logs, queues what they hold, and listens; gives the bound addresses.
#[allow(clippy::too_many_arguments, reason = "what a shard is made of")]
pub(super) fn open_shard<E: Engine>(
    mut engine: E,
    index: u16,
    shared: &Arc<Shared<E::Detached>>,
    superblock: &Superblock,
    counters: Arc<Counters>,
    addresses: &[SocketAddr],
    routes: Vec<Option<Route<E::Detached>>>,
    recorder: Option<Recorder>,
) -> Result<(Shard<E>, Vec<SocketAddr>), NodeError> {
    let snapshot = shared.snapshot.load_full();
    let settings = &snapshot.settings;
    let config = LogConfig {
        segment_size: settings.segment_size,
        segment_count_max: settings.segment_count_max,
        note_size_max: NOTE_SIZE_MAX,
        ..LogConfig::default()
    };
    let mut logs = Vec::new();
    let mut recovered = Vec::new();
    let log_count = superblock.log_count.max(settings.shard_count);
    for number in (index..log_count).step_by(usize::from(settings.shard_count)) {
        let mut found = looking_for_activities(engine.now().wall, log_count);
        let (log, messages) = Log::open_visiting(
            &mut engine,
            &settings.store_directory,
            superblock,
            number,
            &config,
            &mut |entry| look_into(entry, &mut found),
        )?;
        let mut memory = shared.memory.lock().unwrap_or_else(PoisonError::into_inner);
        remember_found(found, &snapshot, number, &mut memory);
        drop(memory);
        logs.push(log);
        recovered.extend(messages);
    }
    let mut listeners = Vec::new();
    let mut bound = Vec::new();
    for &address in addresses {
        let (listener, address) =
            engine.listen(address).map_err(|error| NodeError::Listen { address, error })?;
        listeners.push(listener);
        bound.push(address);
    }
    let identifiers =
        Identifiers::new(&superblock.uuid, superblock.incarnation, Issuer::Shard(index));
    let shared = Arc::clone(shared);
    let tracker = Tracker::new(recorder);
    let books = Books { logs, identifiers, counters, tracker };
    let mut shard = Shard::new(index, engine, shared, routes, books);
    shard.recover(recovered);
    shard.start(listeners);
    Ok((shard, bound))
}
