//! The io_uring engine: one ring a thread, one system call a turn.
//!
//! Accepting and receiving are multishot, receiving into a ring of provided buffers whose blocks the
//! caller leases; sockets stand in a table of registered files, where there is one. Sends are gather
//! sends, large ones without copying; durable writes go to the device
//! with their sync. Files are made on a helper thread. Other rings wake this one by ring messages,
//! other threads by an eventfd that the ring reads.
//!
//! Invariants:
//! - What the kernel has of an operation stands in `under_way` until its last completion; its memory
//!   stays in place until then, also when the engine is dropped.
//! - A socket's descriptor is closed, or leaves, only when the kernel has nothing more of it; a
//!   cancellation that missed is sent again until then.
//! - Receives that found no buffer stand in line, and are armed in that order, each with a turn's
//!   buffers to itself.

mod buffers;
mod complete;
mod drive;
mod ring;
mod send;
mod stream;
mod wind_up;

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use io_uring::{cqueue, opcode, squeue, types};
use rustix::event::EventfdFlags;
use rustix::net::SocketFlags;
use slab::Slab;
use socket2::SockAddr;

use super::disk::{DiskThread, Done, Job};
use super::files::{self, OpenFile};
use super::interrupt::{Interrupt, Nudge};
use super::slots::Slots;
use super::sockets::{self, DetachedSocket};
use super::{
    Completion, Counters, Engine, File, Listener, Operation, Outcome, Socket, Token, WOKEN,
};
use super::{Haste, Wake, Waker, clocks};
use crate::base::buffer::{Fill, Lease};
use crate::base::clock::{Instant, Now};
use crate::base::limits::{RECEIVE_BUFFER_COUNT, RECEIVE_BUFFER_SIZE, RECEIVE_RETRY_MS};
use crate::base::transmit::Transmit;

pub(in crate::io) use buffers::ReceiveBuffers;
pub use ring::UringFeatures;
pub(in crate::io) use ring::{Refusal, Ring};
use send::Sending;
use stream::Stream;

/// The data of a ring message that wakes.
const WAKE_DATA: u64 = u64::MAX;
/// The data of the read that waits for the eventfd.
const EVENT_DATA: u64 = u64::MAX - 1;
/// The data of a ring message of ours that failed.
const MESSAGE_DATA: u64 = u64::MAX - 2;
/// The group of the receive buffers.
const RECEIVE_GROUP: u16 = 0;
type Completed = Completion<DetachedSocket>;

/// How other threads reach the ring.
struct RingNudge {
    event: OwnedFd,
    /// The ring's own copy: valid for ring messages as long as any waker lives.
    ring: OwnedFd,
    takes_messages: bool,
}

impl Nudge for RingNudge {
    fn nudge(&self) {
        // An eventfd refuses only when its count is full, and then `poll` returns anyway.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    fn ring_descriptor(&self) -> Option<i32> {
        self.takes_messages.then(|| self.ring.as_raw_fd())
    }
}

/// What the kernel has, by the index that its completions carry.
enum UnderWay {
    Accept { listener: Listener },
    Connect { token: Token, descriptor: OwnedFd, _address: Box<SockAddr> },
    Receive { socket: Socket },
    Send(Box<Sending>),
    Write { token: Token, file: RawFd, offset: u64, octets: Lease, durable: bool, written: usize },
    Sync { token: Token },
    Read { token: Token, file: RawFd, offset: u64, size: usize, count: usize, into: Fill },
    CancelStream { socket: Socket },
    CancelListener { listener: Listener },
    Close { token: Token },
}

struct ListenerState {
    descriptor: OwnedFd,
    accepting: Option<Token>,
    armed: bool,
    closing: Option<Token>,
    cancelling: bool,
}

/// The io_uring engine; it stays on the thread that made it.
pub struct Uring {
    ring: Ring,
    buffers: ReceiveBuffers,
    under_way: Slab<UnderWay>,
    reaped: Vec<cqueue::Entry>,
    streams: Slots<Stream>,
    listeners: Slots<ListenerState>,
    files: Slots<OpenFile>,
    /// Streams with something for the caller.
    deliverable: VecDeque<Socket>,
    /// Streams whose receive waits for buffers.
    in_line: VecDeque<Socket>,
    /// Streams and listeners whose cancellation came back: to be looked at after the batch.
    cancelled_streams: Vec<Socket>,
    cancelled_listeners: Vec<Listener>,
    done: Vec<Completed>,
    #[expect(clippy::vec_box, reason = "the kernel knows a send by its address")]
    idle_sends: Vec<Box<Sending>>,
    idle_transmits: Vec<Transmit>,
    end_of_stream: Lease,
    interrupt: Arc<Interrupt<RingNudge>>,
    event_count: Box<u64>,
    event_armed: bool,
    woken: bool,
    /// Those to whom a message goes with the next submission.
    to_wake: Vec<Waker>,
    /// Those to whom a message was pushed, kept until it has gone.
    waking: Vec<Waker>,
    message_failed: bool,
    maker: DiskThread,
    system_calls: u64,
    operations: u64,
    buffers_dry: u64,
    stays_on_its_thread: PhantomData<*const ()>,
}

impl Uring {
    /// An engine with a ring of its own, for the thread that calls this.
    ///
    /// # Errors
    /// When the kernel, a policy or a limit denies the ring: the message says which step and why.
    pub fn new() -> io::Result<Uring> {
        let ring = Ring::set_up()
            .map_err(|refusal| io::Error::new(refusal.error.kind(), refusal.to_string()))?;
        let mut buffers =
            ReceiveBuffers::new(RECEIVE_GROUP, RECEIVE_BUFFER_COUNT, RECEIVE_BUFFER_SIZE);
        buffers.register(&ring.submitter())?;
        let interrupt = Arc::new(Interrupt::new(RingNudge {
            event: rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?,
            ring: ring.duplicate()?,
            takes_messages: ring.features.ring_messages,
        }));
        Ok(Uring {
            maker: DiskThread::start("file-maker", Arc::clone(&interrupt))?,
            ring,
            buffers,
            under_way: Slab::new(),
            reaped: Vec::new(),
            streams: Slots::new(),
            listeners: Slots::new(),
            files: Slots::new(),
            deliverable: VecDeque::new(),
            in_line: VecDeque::new(),
            cancelled_streams: Vec::new(),
            cancelled_listeners: Vec::new(),
            done: Vec::new(),
            idle_sends: Vec::new(),
            idle_transmits: Vec::new(),
            end_of_stream: Lease::copied(&[]),
            interrupt,
            event_count: Box::new(0),
            event_armed: false,
            woken: false,
            to_wake: Vec::new(),
            waking: Vec::new(),
            message_failed: false,
            system_calls: 0,
            operations: 0,
            buffers_dry: 0,
            stays_on_its_thread: PhantomData,
        })
    }

    /// What the kernel offered.
    pub fn features(&self) -> UringFeatures {
        self.ring.features
    }

    fn complete(&mut self, token: Token, result: io::Result<Outcome<DetachedSocket>>, more: bool) {
        self.done.push(Completion { token, result, more });
    }

    /// Takes a connected socket in and registers it.
    fn insert_stream(&mut self, descriptor: OwnedFd) -> Socket {
        let raw = descriptor.as_raw_fd();
        let (slot, generation) = self.streams.insert(Stream::new(descriptor));
        let name = self.ring.register_file(slot, raw);
        if let Some(stream) = self.streams.get_mut(slot, generation) {
            stream.name = name;
        }
        Socket { slot, generation }
    }

    /// A stream that its owner may still use.
    fn open_stream(&mut self, socket: Socket) -> io::Result<&mut Stream> {
        self.streams
            .get_mut(socket.slot, socket.generation)
            .filter(|stream| stream.closing.is_none())
            .ok_or_else(sockets::stale)
    }

    fn open_listener(&mut self, listener: Listener) -> io::Result<&mut ListenerState> {
        self.listeners
            .get_mut(listener.slot, listener.generation)
            .filter(|state| state.closing.is_none())
            .ok_or_else(sockets::stale)
    }

    fn start(&mut self, token: Token, operation: Operation) -> io::Result<()> {
        match operation {
            Operation::Accept { listener } => {
                let state = self.open_listener(listener)?;
                if state.accepting.is_some() {
                    return Err(sockets::busy());
                }
                state.accepting = Some(token);
                self.drive_listener(listener);
            }
            Operation::Connect { address } => self.connect(token, address)?,
            Operation::Receive { socket } => {
                let stream = self.open_stream(socket)?;
                if stream.detaching.is_some() {
                    return Err(sockets::busy());
                }
                stream.paused = false;
                stream.receiving.get_or_insert(token);
                self.drive(socket);
            }
            Operation::PauseReceive { socket } => {
                self.open_stream(socket)?.pause();
                self.drive(socket);
            }
            Operation::Send { socket, transmit } => self.send(token, socket, transmit)?,
            Operation::Detach { socket } => {
                let stream = self.open_stream(socket)?;
                if stream.detaching.is_some() {
                    return Err(sockets::busy());
                }
                stream.detaching = Some(token);
                self.drive(socket);
            }
            Operation::Close { socket } => {
                self.open_stream(socket)?.closing = Some(token);
                self.drive(socket);
            }
            Operation::CloseListener { listener } => {
                self.open_listener(listener)?.closing = Some(token);
                self.drive_listener(listener);
            }
            Operation::Write { file, offset, octets, durable } => {
                files::check_write(offset, &octets)?;
                let file = self.file(file)?.as_raw_fd();
                let write = UnderWay::Write { token, file, offset, octets, durable, written: 0 };
                let index = self.under_way.insert(write);
                self.submit_file_operation(index);
            }
            Operation::Sync { file } => {
                let file = types::Fd(self.file(file)?.as_raw_fd());
                let flags = types::FsyncFlags::DATASYNC;
                let index = self.under_way.insert(UnderWay::Sync { token });
                // SAFETY: the entry points to nothing.
                unsafe {
                    self.ring.push(opcode::Fsync::new(file).flags(flags).build(), index as u64);
                }
            }
            Operation::Read { file, offset, size, mut into } => {
                files::check_read(offset, size, &mut into)?;
                let file = self.file(file)?.as_raw_fd();
                let read = UnderWay::Read { token, file, offset, size, count: 0, into };
                let index = self.under_way.insert(read);
                self.submit_file_operation(index);
            }
            Operation::CreateFile { path, size, haste } => {
                self.maker.submit(Job::Create { token, path, size, haste });
            }
            Operation::Wake { waker } => self.wake(waker),
        }
        Ok(())
    }

    fn connect(&mut self, token: Token, address: SocketAddr) -> io::Result<()> {
        self.system_calls += 2;
        let descriptor = sockets::stream(address, SocketFlags::empty())?;
        let address = Box::new(SockAddr::from(address));
        let (pointer, size) = (address.as_ptr().cast(), address.len());
        let raw = types::Fd(descriptor.as_raw_fd());
        let index =
            self.under_way.insert(UnderWay::Connect { token, descriptor, _address: address });
        // SAFETY: the address is boxed and stays until the completion.
        unsafe {
            self.ring.push(opcode::Connect::new(raw, pointer, size).build(), index as u64);
        }
        Ok(())
    }

    fn send(&mut self, token: Token, socket: Socket, transmit: Transmit) -> io::Result<()> {
        let zero_copy = self.ring.features.zero_copy_send;
        let stream = self.open_stream(socket)?;
        if stream.sending || stream.detaching.is_some() {
            return Err(sockets::busy());
        }
        if transmit.is_empty() {
            self.complete(token, Ok(Outcome::Sent(transmit)), false);
            return Ok(());
        }
        stream.sending = true;
        let (name, pays) = (stream.name, stream.zero_copy_pays);
        let mut sending = self.idle_sends.pop().unwrap_or_else(|| Box::new(Sending::new()));
        sending.begin(token, socket, transmit, zero_copy && pays);
        let entry = sending.entry(name);
        let index = self.under_way.insert(UnderWay::Send(sending));
        // SAFETY: header, gather list and octets stay in the box until the last completion.
        unsafe { self.ring.push(entry, index as u64) };
        Ok(())
    }

    /// Wakes by a ring message with the next submission; one a target is enough.
    fn wake(&mut self, waker: Waker) {
        match waker.ring_descriptor().filter(|_| self.ring.features.ring_messages) {
            None => waker.wake(),
            target if self.to_wake.iter().any(|other| other.ring_descriptor() == target) => {}
            Some(_) => self.to_wake.push(waker),
        }
    }

    /// Pushes the messages that wake others; they complete here only if they fail.
    fn push_wakes(&mut self) {
        for waker in self.to_wake.drain(..) {
            let target = types::Fd(waker.ring_descriptor().unwrap_or(-1));
            let message = opcode::MsgRingData::new(target, 0, WAKE_DATA, None).build();
            let message = message.flags(squeue::Flags::SKIP_SUCCESS);
            // SAFETY: the entry points to nothing.
            unsafe { self.ring.push(message, MESSAGE_DATA) };
            self.waking.push(waker);
        }
    }

    /// Submits a write or read for what is left of it.
    fn submit_file_operation(&mut self, index: usize) {
        let entry = match self.under_way.get_mut(index) {
            Some(UnderWay::Write { file, offset, octets, durable, written, .. }) => {
                let rest = &octets[*written..];
                let flags = if *durable { libc::RWF_DSYNC } else { 0 };
                opcode::Write::new(types::Fd(*file), rest.as_ptr(), rest.len() as u32)
                    .offset(*offset + *written as u64)
                    .rw_flags(flags)
                    .build()
            }
            Some(UnderWay::Read { file, offset, size, count, into, .. }) => {
                let spare = &mut into.spare_mut()[..*size - *count];
                opcode::Read::new(types::Fd(*file), spare.as_mut_ptr(), spare.len() as u32)
                    .offset(*offset + *count as u64)
                    .build()
            }
            _ => return,
        };
        // SAFETY: the block that the entry points into stays until the last completion.
        unsafe { self.ring.push(entry, index as u64) };
    }

    fn file(&mut self, file: File) -> io::Result<&mut OpenFile> {
        self.files.get_mut(file.slot, file.generation).ok_or_else(sockets::stale)
    }

    fn insert_file(&mut self, file: OpenFile) -> File {
        let (slot, generation) = self.files.insert(file);
        File { slot, generation }
    }

    fn arm_event(&mut self) {
        if !self.event_armed {
            self.event_armed = true;
            let event = types::Fd(self.interrupt.way().event.as_raw_fd());
            let count: *mut u64 = &mut *self.event_count;
            // SAFETY: the count is boxed and stays as long as the engine, which waits for the read.
            unsafe {
                self.ring.push(opcode::Read::new(event, count.cast(), 8).build(), EVENT_DATA);
            }
        }
    }

    fn take_reports(&mut self) {
        while let Some((token, result)) = self.maker.report() {
            let result = result.map(|done| match done {
                Done::Written => Outcome::Written,
                Done::Synced => Outcome::Synced,
                Done::Read(fill) => Outcome::Read(fill),
                Done::Created(file) => Outcome::Created(self.insert_file(file)),
            });
            self.complete(token, result, false);
        }
    }

    /// How long the kernel may let us sleep; `None` is without end.
    fn patience(&self, deadline: Option<Instant>) -> Option<Duration> {
        let until = deadline.map(|deadline| deadline.since(clocks::instant()));
        if self.in_line.is_empty() {
            return until;
        }
        // Buffers come back by leases dropped, perhaps on other threads, which wakes no one.
        let retry = Duration::from_millis(RECEIVE_RETRY_MS);
        Some(until.map_or(retry, |until| until.min(retry)))
    }

    /// One submission and wait, and what it brought.
    fn turn(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.buffers.reclaim();
        self.serve_line();
        self.arm_event();
        self.push_wakes();
        let patience = self.patience(deadline);
        let idle = self.done.is_empty() && self.deliverable.is_empty();
        let wait = idle && patience != Some(Duration::ZERO);
        self.ring.enter(wait, patience.filter(|_| wait))?;
        let all_submitted = self.ring.has_submitted_all();
        let mut reaped = std::mem::take(&mut self.reaped);
        self.ring.reap(&mut reaped);
        for entry in reaped.drain(..) {
            self.take_completion(&entry);
        }
        self.reaped = reaped;
        while let Some(socket) = self.cancelled_streams.pop() {
            self.drive(socket);
        }
        while let Some(listener) = self.cancelled_listeners.pop() {
            self.drive_listener(listener);
        }
        // Where a message failed, its target is woken by another way.
        if std::mem::take(&mut self.message_failed) {
            self.waking.iter().for_each(Waker::wake);
        }
        if all_submitted {
            self.waking.clear();
        }
        if std::mem::take(&mut self.woken) {
            self.complete(WOKEN, Ok(Outcome::Woken), true);
        }
        self.deliver();
        Ok(())
    }
}

impl Engine for Uring {
    type Detached = DetachedSocket;
    type Image = memmap2::Mmap;

    fn name(&self) -> &'static str {
        "uring"
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
            self.turn(deadline)?;
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
            system_calls: self.system_calls
                + self.ring.system_calls
                + self.interrupt.system_calls(),
            operations: self.operations,
            buffers_dry: self.buffers_dry,
        }
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
        let (descriptor, bound) = sockets::listener(address, SocketFlags::empty())?;
        let (slot, generation) = self.listeners.insert(ListenerState {
            descriptor,
            accepting: None,
            armed: false,
            closing: None,
            cancelling: false,
        });
        Ok((Listener { slot, generation }, bound))
    }

    fn adopt(&mut self, detached: DetachedSocket) -> io::Result<Socket> {
        // The ring waits by itself only on sockets that block.
        self.system_calls += 1;
        rustix::io::ioctl_fionbio(&detached.0, false)?;
        Ok(self.insert_stream(detached.0))
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
        files::map(self.file(file)?)
    }
}
