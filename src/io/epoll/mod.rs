//! The engine for machines without io_uring: epoll through mio, and one disk thread.
//!
//! It emulates completions. Readiness is edge-triggered and remembered per socket; a socket that can
//! go on stands in the ready list, once, and each turn gives each of them a bounded share. Files are
//! made on a thread of their own, so that no commit waits behind a segment being zeroed.
//!
//! Invariants:
//! - A socket with work it can do is in the ready list: an edge is never lost.
//! - An operation has one last completion, also when it is cut short; `Closed` follows them all.
//! - A handle is refused from the moment its `Close` is submitted.

mod stream;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::disk::{DiskThread, Done, Job};
use super::files::{self, OpenFile};
use super::interrupt::{Interrupt, Nudge};
use super::slots::Slots;
use super::sockets::{self, DetachedSocket};
use super::{
    Completion, Counters, Engine, File, Listener, Operation, Outcome, Socket, Token, WOKEN,
};
use super::{Haste, Wake, Waker, clocks};
use crate::base::buffer::{Fill, Pool};
use crate::base::clock::{Instant, Now};
use crate::base::limits::{
    ACCEPT_COUNT_PER_TURN, RECEIVE_BUFFER_COUNT, RECEIVE_BUFFER_SIZE, RECEIVE_RETRY_MS,
};
use stream::{Context, Stream};

/// Events taken from the kernel at once.
const EVENT_COUNT: usize = 1024;
/// Marks a slot number as a listener's in the kernel's event data.
const LISTENER_MARK: u32 = 1 << 31;
/// The event data of the engine's own waker.
const WAKER_DATA: mio::Token = mio::Token(usize::MAX);

type Completed = Completion<DetachedSocket>;

impl Nudge for mio::Waker {
    fn nudge(&self) {
        // An eventfd refuses only when its count is full, and then `poll` returns anyway.
        let _ = self.wake();
    }
}

struct ListenerState {
    descriptor: OwnedFd,
    accepting: Option<Token>,
    readable: bool,
    queued: bool,
}

/// A socket or listener with work to do.
enum Ready {
    Stream(Socket),
    Listener(Listener),
}

/// The epoll engine.
pub struct Epoll {
    poll: Poll,
    events: Events,
    interrupt: Arc<Interrupt<mio::Waker>>,
    streams: Slots<Stream>,
    listeners: Slots<ListenerState>,
    files: Slots<Arc<OpenFile>>,
    ready: VecDeque<Ready>,
    done: Vec<Completed>,
    pool: Pool,
    current: Option<Fill>,
    dry: bool,
    disk: DiskThread,
    maker: DiskThread,
    system_calls: u64,
    operations: u64,
    buffers_dry: u64,
}

impl Epoll {
    /// An engine with its two helper threads.
    ///
    /// # Errors
    /// When the process has no descriptors or threads left.
    pub fn new() -> io::Result<Epoll> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER_DATA)?;
        let interrupt = Arc::new(Interrupt::new(waker));
        let thread = |name| DiskThread::start(name, Arc::clone(&interrupt));
        Ok(Epoll {
            disk: thread("disk")?,
            maker: thread("file-maker")?,
            poll,
            events: Events::with_capacity(EVENT_COUNT),
            interrupt,
            streams: Slots::new(),
            listeners: Slots::new(),
            files: Slots::new(),
            ready: VecDeque::new(),
            done: Vec::new(),
            pool: Pool::new(RECEIVE_BUFFER_SIZE, RECEIVE_BUFFER_COUNT),
            current: None,
            dry: false,
            system_calls: 0,
            operations: 0,
            buffers_dry: 0,
        })
    }

    fn complete(&mut self, token: Token, result: io::Result<Outcome<DetachedSocket>>, more: bool) {
        self.done.push(Completion { token, result, more });
    }

    /// Takes in a connected or connecting socket.
    fn insert_stream(
        &mut self,
        descriptor: OwnedFd,
        connecting: Option<Token>,
    ) -> io::Result<Socket> {
        let raw = descriptor.as_raw_fd();
        let (slot, generation) = self.streams.insert(Stream::new(descriptor, connecting));
        self.system_calls += 1;
        let how = Interest::READABLE | Interest::WRITABLE;
        let data = event_data(slot, generation);
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&raw), data, how) {
            self.streams.remove(slot, generation);
            return Err(error);
        }
        Ok(Socket { slot, generation })
    }

    fn connect(&mut self, token: Token, address: SocketAddr) -> io::Result<()> {
        self.system_calls += 3;
        let descriptor = sockets::stream(address, SocketFlags::NONBLOCK)?;
        match rustix::net::connect(&descriptor, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        self.insert_stream(descriptor, Some(token)).map(drop)
    }

    /// Runs `work` on a stream, and puts the stream in the ready list if it can go on.
    fn with_stream(
        &mut self,
        socket: Socket,
        work: impl FnOnce(&mut Stream, &mut Context<'_>),
    ) -> io::Result<()> {
        let stream =
            self.streams.get_mut(socket.slot, socket.generation).ok_or_else(sockets::stale)?;
        let mut context = Context {
            socket,
            done: &mut self.done,
            pool: &mut self.pool,
            current: &mut self.current,
            dry: &mut self.dry,
            system_calls: &mut self.system_calls,
            buffers_dry: &mut self.buffers_dry,
        };
        work(stream, &mut context);
        if !stream.queued && stream.can_go_on() {
            stream.queued = true;
            self.ready.push_back(Ready::Stream(socket));
        }
        self.detach_if_quiet(socket);
        Ok(())
    }

    fn detach_if_quiet(&mut self, socket: Socket) {
        let Some(stream) = self.streams.get_mut(socket.slot, socket.generation) else { return };
        let Some(token) = stream.leaving() else { return };
        let Some(stream) = self.streams.remove(socket.slot, socket.generation) else { return };
        let descriptor = stream.into_descriptor();
        self.system_calls += 1;
        let left = self.poll.registry().deregister(&mut SourceFd(&descriptor.as_raw_fd()));
        self.complete(token, left.map(|()| Outcome::Detached(DetachedSocket(descriptor))), false);
    }

    fn close(&mut self, token: Token, socket: Socket) -> io::Result<()> {
        let mut stream =
            self.streams.remove(socket.slot, socket.generation).ok_or_else(sockets::stale)?;
        for under_way in stream.cancel() {
            self.complete(under_way, Err(sockets::cancelled()), false);
        }
        drop(stream);
        self.system_calls += 1;
        self.complete(token, Ok(Outcome::Closed), false);
        Ok(())
    }

    fn close_listener(&mut self, token: Token, listener: Listener) -> io::Result<()> {
        let state =
            self.listeners.remove(listener.slot, listener.generation).ok_or_else(sockets::stale)?;
        if let Some(accepting) = state.accepting {
            self.complete(accepting, Err(sockets::cancelled()), false);
        }
        drop(state);
        self.system_calls += 1;
        self.complete(token, Ok(Outcome::Closed), false);
        Ok(())
    }

    fn accept(&mut self, token: Token, listener: Listener) -> io::Result<()> {
        let state = self
            .listeners
            .get_mut(listener.slot, listener.generation)
            .ok_or_else(sockets::stale)?;
        if state.accepting.is_some() {
            return Err(sockets::busy());
        }
        state.accepting = Some(token);
        self.queue_listener(listener);
        Ok(())
    }

    fn queue_listener(&mut self, listener: Listener) {
        if let Some(state) = self.listeners.get_mut(listener.slot, listener.generation)
            && state.readable
            && state.accepting.is_some()
            && !state.queued
        {
            state.queued = true;
            self.ready.push_back(Ready::Listener(listener));
        }
    }

    /// Takes what connections wait, up to a turn's share.
    fn take_connections(&mut self, listener: Listener) {
        for _ in 0..ACCEPT_COUNT_PER_TURN {
            let Some(state) = self.listeners.get_mut(listener.slot, listener.generation) else {
                return;
            };
            let Some(token) = state.accepting else { return };
            self.system_calls += 1;
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match rustix::net::acceptfrom_with(&state.descriptor, flags) {
                Ok((descriptor, peer)) => {
                    // A connection that was lost at once is its peer's affair: accepting goes on.
                    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                    if let Some(peer) = peer
                        && let Ok(socket) = self.insert_stream(descriptor, None)
                    {
                        self.complete(token, Ok(Outcome::Accepted(socket, peer)), true);
                    }
                }
                Err(Errno::AGAIN) => {
                    state.readable = false;
                    return;
                }
                Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => {}
                Err(error) => {
                    state.accepting = None;
                    return self.complete(token, Err(error.into()), false);
                }
            }
        }
    }

    fn file(&mut self, file: File) -> io::Result<Arc<OpenFile>> {
        self.files.get_mut(file.slot, file.generation).cloned().ok_or_else(sockets::stale)
    }

    fn insert_file(&mut self, file: OpenFile) -> File {
        let (slot, generation) = self.files.insert(Arc::new(file));
        File { slot, generation }
    }

    fn start(&mut self, token: Token, operation: Operation) -> io::Result<()> {
        match operation {
            Operation::Accept { listener } => self.accept(token, listener),
            Operation::Connect { address } => self.connect(token, address),
            Operation::Receive { socket } => {
                self.with_stream(socket, |stream, context| stream.receive_request(token, context))
            }
            Operation::PauseReceive { socket } => {
                self.with_stream(socket, |stream, _| stream.pause())
            }
            Operation::Send { socket, transmit } => self.with_stream(socket, |stream, context| {
                stream.send_request(token, transmit, context);
            }),
            Operation::Detach { socket } => {
                self.with_stream(socket, |stream, context| stream.detach_request(token, context))
            }
            Operation::Close { socket } => self.close(token, socket),
            Operation::CloseListener { listener } => self.close_listener(token, listener),
            Operation::Write { file, offset, octets, durable } => {
                files::check_write(offset, &octets)?;
                let file = self.file(file)?;
                self.disk.submit(Job::Write { token, file, offset, octets, durable });
                Ok(())
            }
            Operation::Sync { file } => {
                let file = self.file(file)?;
                self.disk.submit(Job::Sync { token, file });
                Ok(())
            }
            Operation::Read { file, offset, size, mut into } => {
                files::check_read(offset, size, &mut into)?;
                let file = self.file(file)?;
                self.disk.submit(Job::Read { token, file, offset, size, into });
                Ok(())
            }
            Operation::CreateFile { path, size, haste } => {
                self.maker.submit(Job::Create { token, path, size, haste });
                Ok(())
            }
            Operation::Wake { waker } => {
                waker.wake();
                Ok(())
            }
        }
    }

    /// Gives every socket in the ready list its share of this turn.
    fn run_ready(&mut self) {
        self.dry = false;
        for _ in 0..self.ready.len() {
            match self.ready.pop_front() {
                Some(Ready::Stream(socket)) => {
                    // One that was closed meanwhile has nothing left to do.
                    let _ = self.with_stream(socket, |stream, context| {
                        stream.queued = false;
                        stream.go_on(context);
                    });
                }
                Some(Ready::Listener(listener)) => {
                    let slot = self.listeners.get_mut(listener.slot, listener.generation);
                    if let Some(state) = slot {
                        state.queued = false;
                        self.take_connections(listener);
                        self.queue_listener(listener);
                    }
                }
                None => break,
            }
        }
    }

    /// Notes what the kernel reported.
    fn take_events(&mut self) {
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let data = event.token();
            if data == WAKER_DATA {
                continue;
            }
            let (slot, generation) = (data.0 as u32, (data.0 >> 32) as u32);
            if slot & LISTENER_MARK != 0 {
                let listener = Listener { slot: slot & !LISTENER_MARK, generation };
                if let Some(state) = self.listeners.get_mut(listener.slot, generation) {
                    state.readable = true;
                    self.queue_listener(listener);
                }
                continue;
            }
            let socket = Socket { slot, generation };
            // A connect that failed has no socket to report: its slot goes with its completion.
            let mut failed = false;
            // An event of a socket closed meanwhile says nothing to anyone.
            let _ = self.with_stream(socket, |stream, context| {
                failed = stream.take_event(event, context).is_err();
            });
            if failed {
                self.streams.remove(slot, generation);
            }
        }
        self.events = events;
    }

    fn take_reports(&mut self) {
        while let Some((token, result)) = self.disk.report().or_else(|| self.maker.report()) {
            let result = result.map(|done| match done {
                Done::Written => Outcome::Written,
                Done::Synced => Outcome::Synced,
                Done::Read(fill) => Outcome::Read(fill),
                Done::Created(file) => Outcome::Created(self.insert_file(file)),
            });
            self.complete(token, result, false);
        }
    }

    /// How long the kernel may let us sleep.
    fn patience(&self, deadline: Option<Instant>) -> Option<Duration> {
        if !self.done.is_empty() || (!self.ready.is_empty() && !self.dry) {
            return Some(Duration::ZERO);
        }
        let until = deadline.map(|deadline| deadline.since(clocks::instant()));
        if self.dry {
            // Buffers come back by leases dropped, perhaps on other threads, which wakes no one.
            let retry = Duration::from_millis(RECEIVE_RETRY_MS);
            return Some(until.map_or(retry, |until| until.min(retry)));
        }
        until
    }
}

fn event_data(slot: u32, generation: u32) -> mio::Token {
    mio::Token(slot as usize | (generation as usize) << 32)
}

impl Engine for Epoll {
    type Detached = DetachedSocket;
    type Image = memmap2::Mmap;

    fn name(&self) -> &'static str {
        "epoll"
    }

    fn now(&self) -> Now {
        clocks::now()
    }

    fn submit(&mut self, token: Token, operation: Operation) {
        self.operations += 1;
        if let Err(error) = self.start(token, operation) {
            self.complete(token, Err(error), false);
        }
    }

    fn poll(
        &mut self,
        deadline: Option<Instant>,
        completions: &mut Vec<Completed>,
    ) -> io::Result<()> {
        loop {
            if self.dry {
                self.current = self.current.take().or_else(|| self.pool.take());
                self.dry = self.current.is_none();
            }
            let patience = self.patience(deadline);
            self.system_calls += 1;
            match self.poll.poll(&mut self.events, patience) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Err(_) => {}
                Ok(()) => self.take_events(),
            }
            if self.interrupt.take_reported() {
                self.take_reports();
            }
            if self.interrupt.take_woken() {
                self.complete(WOKEN, Ok(Outcome::Woken), true);
            }
            self.run_ready();
            let late = deadline.is_some_and(|deadline| deadline <= clocks::instant());
            if late || !self.done.is_empty() {
                completions.append(&mut self.done);
                return Ok(());
            }
        }
    }

    fn waker(&self) -> Waker {
        Waker::new(Arc::clone(&self.interrupt) as Arc<dyn Wake + Send + Sync>)
    }

    fn counters(&self) -> Counters {
        Counters {
            system_calls: self.system_calls + self.interrupt.system_calls(),
            operations: self.operations,
            buffers_dry: self.buffers_dry,
        }
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
        let (descriptor, bound) = sockets::listener(address, SocketFlags::NONBLOCK)?;
        let raw = descriptor.as_raw_fd();
        let (slot, generation) = self.listeners.insert(ListenerState {
            descriptor,
            accepting: None,
            readable: false,
            queued: false,
        });
        let data = event_data(slot | LISTENER_MARK, generation);
        let registry = self.poll.registry();
        if let Err(error) = registry.register(&mut SourceFd(&raw), data, Interest::READABLE) {
            self.listeners.remove(slot, generation);
            return Err(error);
        }
        Ok((Listener { slot, generation }, bound))
    }

    fn adopt(&mut self, detached: DetachedSocket) -> io::Result<Socket> {
        self.system_calls += 1;
        rustix::io::ioctl_fionbio(&detached.0, true)?;
        self.insert_stream(detached.0, None)
    }

    fn create_file(&mut self, path: &Path, size: u64) -> io::Result<File> {
        let haste = Haste::default();
        haste.set(true);
        let file = files::create(path, size, &haste, self.interrupt.counter())?;
        Ok(self.insert_file(file))
    }

    fn open_file(&mut self, path: &Path) -> io::Result<File> {
        let file = files::open(path)?;
        Ok(self.insert_file(file))
    }

    fn list_files(&mut self, directory: &Path) -> io::Result<Vec<String>> {
        files::list(directory)
    }

    fn replace_file(&mut self, path: &Path, octets: &[u8]) -> io::Result<()> {
        files::replace(path, octets)
    }

    fn map_file(&mut self, file: File) -> io::Result<memmap2::Mmap> {
        files::map(&*self.file(file)?)
    }
}
