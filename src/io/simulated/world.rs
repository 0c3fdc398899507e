//! What the engines of a world share: the clock, the events to come, and the parties' completions.
//!
//! Invariant: a disk operation counts its step, and calls the step hook, while the world is not borrowed,
//! so that a hook may read anything but must not drive the world.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::disk::{Completed, Disk, UnderWay};
use super::network::{EndName, Network, Owner};
use super::random::Random;
use super::table::{Place, Table};
use super::{Detached, Simulated, WakeFlag};
use crate::base::buffer::{Fill, Pool};
use crate::base::clock::{Instant, Now, WallTime};
use crate::base::limits::{RECEIVE_BUFFER_COUNT, RECEIVE_BUFFER_SIZE};
use crate::base::transmit::Transmit;
use crate::io::{Completion, Counters, File, Listener, Operation, Outcome, Socket, Token, WOKEN};

/// Time that passes in a turn of a party that does not want to wait, nanoseconds.
const BUSY_TURN_NS: u64 = 1_000;

/// How a world behaves.
#[derive(Debug, Clone)]
pub struct WorldConfig {
    /// What all chance comes from.
    pub seed: u64,
    /// One way over the network, nanoseconds.
    pub network_latency_ns: RangeInclusive<u64>,
    /// Largest piece that is delivered at once, octets; at most `RECEIVE_BUFFER_SIZE`.
    pub piece_size_max: usize,
    /// From issue to completion of a disk operation, nanoseconds.
    pub disk_latency_ns: RangeInclusive<u64>,
}

impl WorldConfig {
    /// A quick network that delivers in pieces of up to 4 KiB, and a disk of about 100 microseconds.
    pub fn new(seed: u64) -> WorldConfig {
        WorldConfig {
            seed,
            network_latency_ns: 20_000..=60_000,
            piece_size_max: 4096,
            disk_latency_ns: 50_000..=200_000,
        }
    }
}

/// Engines that share a clock and a network; clones are handles to the same world.
#[derive(Clone)]
pub struct World(Rc<RefCell<State>>);

impl World {
    /// A world at instant 0, 2026-01-01T00:00:00Z.
    pub fn new(config: WorldConfig) -> World {
        World(Rc::new(RefCell::new(State {
            random: Random::new(config.seed),
            config,
            clock: 0,
            events: BTreeMap::new(),
            next_event: 0,
            network: Network::default(),
            engines: Vec::new(),
        })))
    }

    /// An engine with a disk of its own.
    pub fn engine(&self) -> Simulated {
        self.engine_on(&Disk::new())
    }

    /// An engine whose files are on `disk`; several engines may share one.
    pub fn engine_on(&self, disk: &Disk) -> Simulated {
        let woken = Arc::new(WakeFlag::default());
        let mut state = self.0.borrow_mut();
        state.engines.push(Party {
            disk: disk.clone(),
            completions: VecDeque::new(),
            sockets: Table::default(),
            listeners: Table::default(),
            files: Table::default(),
            receive_buffers: Pool::new(RECEIVE_BUFFER_SIZE, RECEIVE_BUFFER_COUNT),
            woken: Arc::clone(&woken),
            deadline: None,
            busy: false,
            counters: Counters::default(),
            killed: false,
        });
        Simulated { world: Rc::clone(&self.0), index: state.engines.len() - 1, woken }
    }

    /// The time.
    pub fn now(&self) -> Now {
        self.0.borrow().now()
    }

    /// Moves the clock to the next event or awaited deadline and lets it happen. False, and time stands
    /// still, when there is none and no party has anything to take.
    pub fn advance(&self) -> bool {
        State::advance(&self.0)
    }

    /// Resets a stream of the network chosen by chance: both ends see `ConnectionReset`. False when
    /// there is none.
    pub fn disconnect_one(&self) -> bool {
        let mut state = self.0.borrow_mut();
        let streams: Vec<u64> = state.network.streams().collect();
        let choice = state.random.below(streams.len() as u64) as usize;
        let Some(stream) = streams.get(choice).copied() else { return false };
        state.reset(EndName { stream, end: 0 });
        state.reset(EndName { stream, end: 1 });
        true
    }

    /// Ends an engine as SIGKILL would: no completion follows, its streams are reset, its listeners are
    /// gone. Its disk stays as it is; [`Disk::crash_image`] is what a restart would find.
    pub fn kill(&self, engine: usize) {
        self.0.borrow_mut().kill(engine);
    }
}

pub(super) enum Event {
    Disk { disk: Disk, engine: usize, token: Token, identifier: u64, into: Into },
    Connect { engine: usize, token: Token, address: SocketAddr },
    Deliver { to: EndName, octets: Vec<u8> },
    End { to: EndName },
    Reset { to: EndName },
}

/// What a completed disk operation turns into.
pub(super) enum Into {
    Written,
    Synced,
    Created(PathBuf),
    Read(Fill),
}

pub(super) struct Sending {
    pub(super) token: Token,
    pub(super) transmit: Transmit,
    pub(super) octets: Vec<u8>,
    pub(super) sent: usize,
}

pub(super) struct SocketState {
    pub(super) end: EndName,
    pub(super) receive: Option<Token>,
    pub(super) paused: bool,
    pub(super) sending: Option<Sending>,
    pub(super) detach: Option<Token>,
}

pub(super) struct ListenerState {
    pub(super) accept: Option<Token>,
    pub(super) backlog: VecDeque<(EndName, SocketAddr)>,
}

pub(super) struct Party {
    pub(super) disk: Disk,
    pub(super) completions: VecDeque<Completion<Detached>>,
    pub(super) sockets: Table<SocketState>,
    pub(super) listeners: Table<ListenerState>,
    pub(super) files: Table<PathBuf>,
    pub(super) receive_buffers: Pool,
    pub(super) woken: Arc<WakeFlag>,
    pub(super) deadline: Option<Instant>,
    pub(super) busy: bool,
    pub(super) counters: Counters,
    pub(super) killed: bool,
}

impl Party {
    pub(super) fn complete(
        &mut self,
        token: Token,
        result: io::Result<Outcome<Detached>>,
        more: bool,
    ) {
        self.completions.push_back(Completion { token, result, more });
    }
}

pub(super) struct State {
    pub(super) config: WorldConfig,
    pub(super) random: Random,
    pub(super) clock: u64,
    pub(super) events: BTreeMap<(u64, u64), Event>,
    pub(super) next_event: u64,
    pub(super) network: Network,
    pub(super) engines: Vec<Party>,
}

pub(super) fn cancelled() -> io::Error {
    io::Error::from(rustix::io::Errno::CANCELED)
}

pub(super) fn stale<T>() -> io::Result<T> {
    Err(io::Error::from(rustix::io::Errno::BADF))
}

pub(super) fn socket_of(place: Place) -> Socket {
    Socket { slot: place.0, generation: place.1 }
}

impl State {
    pub(super) fn now(&self) -> Now {
        const WALL_ORIGIN_MS: i64 = 1_767_225_600_000;
        Now {
            instant: Instant(self.clock),
            wall: WallTime(WALL_ORIGIN_MS + (self.clock / 1_000_000) as i64),
        }
    }

    pub(super) fn disk(&self, engine: usize) -> Disk {
        self.engines[engine].disk.clone()
    }

    pub(super) fn counters(&self, engine: usize) -> Counters {
        self.engines[engine].counters
    }

    pub(super) fn open(&mut self, engine: usize, path: &Path) -> File {
        let (slot, generation) = self.engines[engine].files.insert(path.to_owned());
        File { slot, generation }
    }

    pub(super) fn path(&mut self, engine: usize, file: File) -> io::Result<PathBuf> {
        match self.engines[engine].files.get_mut((file.slot, file.generation)) {
            Some(path) => Ok(path.clone()),
            None => stale(),
        }
    }

    pub(super) fn listen(&mut self, engine: usize, address: SocketAddr) -> (Listener, SocketAddr) {
        let port = if address.port() == 0 { self.network.fresh_port() } else { address.port() };
        let address = SocketAddr::new(address.ip(), port);
        let listener = ListenerState { accept: None, backlog: VecDeque::new() };
        let (slot, generation) = self.engines[engine].listeners.insert(listener);
        self.network.listen(address, engine, slot);
        (Listener { slot, generation }, address)
    }

    pub(super) fn adopt(&mut self, engine: usize, end: EndName) -> Socket {
        let socket = SocketState { end, receive: None, paused: false, sending: None, detach: None };
        let place = self.engines[engine].sockets.insert(socket);
        if let Some(end) = self.network.end_mut(end) {
            end.owner = Owner::Socket { engine, slot: place.0 };
        }
        socket_of(place)
    }

    pub(super) fn schedule(&mut self, time: u64, event: Event) {
        self.next_event += 1;
        self.events.insert((time, self.next_event), event);
    }

    pub(super) fn network_latency(&mut self) -> u64 {
        let range = self.config.network_latency_ns.clone();
        self.random.within(&range)
    }

    pub(super) fn submit(
        world: &Rc<RefCell<State>>,
        engine: usize,
        token: Token,
        operation: Operation,
    ) {
        let mut state = world.borrow_mut();
        if state.engines[engine].killed {
            return;
        }
        state.engines[engine].counters.operations += 1;
        let (file, operation, into) = match operation {
            Operation::Write { file, offset, octets, durable } => {
                let path = PathBuf::new();
                (Some(file), UnderWay::Write { path, offset, octets, durable }, Into::Written)
            }
            Operation::Sync { file } => {
                (Some(file), UnderWay::Sync { path: PathBuf::new() }, Into::Synced)
            }
            Operation::Read { file, offset, size, into } => {
                let path = PathBuf::new();
                (Some(file), UnderWay::Read { path, offset, size }, Into::Read(into))
            }
            Operation::CreateFile { path, size, .. } => {
                (None, UnderWay::Create { path: path.clone(), size }, Into::Created(path))
            }
            other => return state.submit_network(engine, token, other),
        };
        let path = match file.map(|file| state.path(engine, file)) {
            None => PathBuf::new(),
            Some(Ok(path)) => path,
            Some(Err(error)) => return state.engines[engine].complete(token, Err(error), false),
        };
        let operation = match operation {
            UnderWay::Write { offset, octets, durable, .. } => {
                UnderWay::Write { path, offset, octets, durable }
            }
            UnderWay::Sync { .. } => UnderWay::Sync { path },
            UnderWay::Read { offset, size, .. } => UnderWay::Read { path, offset, size },
            UnderWay::Create { path, size } => UnderWay::Create { path, size },
        };
        let range = state.config.disk_latency_ns.clone();
        let time = state.clock + state.random.within(&range);
        let disk = state.disk(engine);
        drop(state);
        let identifier = disk.issue(operation);
        let event = Event::Disk { disk, engine, token, identifier, into };
        world.borrow_mut().schedule(time, event);
    }

    pub(super) fn poll(
        &mut self,
        engine: usize,
        deadline: Option<Instant>,
        completions: &mut Vec<Completion<Detached>>,
    ) {
        let clock = self.clock;
        let party = &mut self.engines[engine];
        if party.killed {
            return;
        }
        party.counters.system_calls += 1;
        party.deadline = deadline;
        party.busy = deadline.is_some_and(|deadline| deadline.0 <= clock);
        completions.extend(party.completions.drain(..));
        if party.woken.0.swap(false, Ordering::AcqRel) {
            completions.push(Completion { token: WOKEN, result: Ok(Outcome::Woken), more: true });
        }
        let slots: Vec<u32> = party.sockets.occupied().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.receive(engine, slot, completions);
        }
    }

    /// Whether a party has something to take now, or did not want to wait.
    pub(super) fn restless(&mut self, engine: usize) -> bool {
        let party = &mut self.engines[engine];
        if party.killed {
            return false;
        }
        if party.busy || !party.completions.is_empty() || party.woken.0.load(Ordering::Acquire) {
            return true;
        }
        let armed = party.sockets.occupied().filter(|(_, s)| s.receive.is_some() && !s.paused);
        let ends: Vec<EndName> = armed.map(|(_, socket)| socket.end).collect();
        let mut ends = ends.into_iter();
        ends.any(|end| self.network.end_mut(end).is_some_and(|end| end.has_news()))
    }

    pub(super) fn advance(world: &Rc<RefCell<State>>) -> bool {
        let mut state = world.borrow_mut();
        let restless = (0..state.engines.len()).any(|engine| state.restless(engine));
        let parties = state.engines.iter().filter(|party| !party.killed);
        let deadlines = parties.filter_map(|party| party.deadline).map(|deadline| deadline.0);
        let times = deadlines
            .filter(|time| *time > state.clock)
            .chain(state.events.keys().next().map(|(time, _)| *time))
            .chain(restless.then_some(state.clock + BUSY_TURN_NS));
        let Some(time) = times.min() else { return false };
        state.clock = state.clock.max(time);
        drop(state);
        loop {
            let mut state = world.borrow_mut();
            let clock = state.clock;
            let due = state.events.first_entry().filter(|event| event.key().0 <= clock);
            let Some(event) = due.map(|event| event.remove()) else { return true };
            match event {
                Event::Disk { disk, engine, token, identifier, into } => {
                    drop(state);
                    let result = disk.complete(identifier);
                    let mut state = world.borrow_mut();
                    let result = result.map(|done| state.finish(engine, into, done));
                    if !state.engines[engine].killed {
                        state.engines[engine].complete(token, result, false);
                    }
                }
                Event::Connect { engine, token, address } => {
                    if !state.engines[engine].killed {
                        state.connect(engine, token, address);
                    }
                }
                Event::Deliver { to, octets } => state.deliver(to, octets),
                Event::End { to } => {
                    if let Some(end) = state.network.end_mut(to) {
                        end.ended = true;
                    }
                }
                Event::Reset { to } => state.reset(to),
            }
        }
    }

    pub(super) fn finish(
        &mut self,
        engine: usize,
        into: Into,
        done: Completed,
    ) -> Outcome<Detached> {
        match into {
            Into::Written => Outcome::Written,
            Into::Synced => Outcome::Synced,
            Into::Created(path) => Outcome::Created(self.open(engine, &path)),
            Into::Read(mut fill) => {
                if let Completed::Octets(octets) = done {
                    fill.append(&octets);
                }
                Outcome::Read(fill)
            }
        }
    }
}
