//! The floor: a durable store-and-forward relay of bare frames, the fastest that we know how to write.
//!
//! One thread, one ring, one `io_uring_enter` for all that has gathered. A message is copied once, from
//! the receive buffer into the group that commits it; confirmed when that group is durable; and sent on,
//! at once if an outgoing connection is free, from the same octets. One message is under way on each
//! connection, in either direction, as RTSE has it. Outcomes ride with the next group.
//!
//! Nothing is allocated per message once messages, groups and queues have grown to the load.
//!
//! Invariant: [`Relay::committed`], which confirms, is called from nowhere but the completion of a write.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use io_uring::types::Fixed;
use io_uring::{cqueue, opcode, squeue};

use super::log::{Chunk, Log};
use super::{FloorRelayArguments, FloorStatus};
use crate::common::Percentiles;
use crate::frame::{CONFIRMATION_SIZE_MIN, FRAME_HEAD_SIZE, FrameReader};
use crate::ring::{BACKLOG, Ring, send};

/// Stretches of one gathered send at most.
const VECTOR_COUNT_MAX: usize = 256;
/// Messages that may wait for an outgoing connection, for each of them, before confirmations do.
const WAITING_COUNT_PER_CONNECTION: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Accept,
    Incoming,
    Outgoing,
    /// A send that completes.
    Sent,
    /// A send that only completes when it fails.
    Quiet,
    Write,
}

const KINDS: [Kind; 6] =
    [Kind::Accept, Kind::Incoming, Kind::Outgoing, Kind::Sent, Kind::Quiet, Kind::Write];

fn token(kind: Kind, index: u32) -> u64 {
    (kind as u64) << 32 | u64::from(index)
}

#[derive(Default)]
struct Message {
    number: u64,
    incoming: u32,
    chunks: Vec<Chunk>,
    /// Groups that are not durable yet.
    waiting: u32,
}

struct Incoming {
    reader: FrameReader,
    message: Option<u32>,
    confirmation: Box<[u8]>,
}

struct Outgoing {
    message: Option<u32>,
    /// Octets of the confirmation that are still to come.
    awaited: usize,
    /// Chunks not yet handed to the kernel; `None` when the last send has completed.
    unsent: Option<usize>,
    vectors: Vec<libc::iovec>,
    header: Box<libc::msghdr>,
    /// Keeps the connection open.
    _stream: TcpStream,
}

pub(super) struct Relay {
    ring: Ring,
    log: Log,
    confirmation_size: usize,
    incoming: Vec<Option<Incoming>>,
    open_count: usize,
    outgoing: Vec<Outgoing>,
    idle: Vec<u32>,
    messages: Vec<Message>,
    free: Vec<u32>,
    queue: VecDeque<u32>,
    /// Committed, but not confirmed until the queue is shorter: connection and number.
    held: VecDeque<(u32, u64)>,
    message_count: u64,
    listener: TcpListener,
}

impl Relay {
    /// Connects to the sink, makes the log, and listens.
    pub(super) fn start(arguments: &FloorRelayArguments) -> anyhow::Result<(Relay, SocketAddr)> {
        ensure!(arguments.size >= FRAME_HEAD_SIZE, "a frame has {FRAME_HEAD_SIZE} octets at least");
        ensure!(arguments.confirmation_size >= CONFIRMATION_SIZE_MIN, "too short a confirmation");
        let mut ring = Ring::new(arguments.size.next_power_of_two().clamp(4096, 64 << 10))?;
        let count = arguments.connections as u32;
        let mut outgoing = Vec::new();
        for slot in 0..count {
            let stream = TcpStream::connect(arguments.to).context("the sink cannot be reached")?;
            stream.set_nodelay(true)?;
            ring.register_file(slot, stream.as_raw_fd())?;
            ring.receive(slot, token(Kind::Outgoing, slot))?;
            outgoing.push(Outgoing {
                message: None,
                awaited: 0,
                unsent: None,
                vectors: Vec::with_capacity(VECTOR_COUNT_MAX),
                // SAFETY: all zeros is a valid, empty header.
                header: Box::new(unsafe { std::mem::zeroed() }),
                _stream: stream,
            });
        }
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        // Accepted connections inherit it.
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        // The library asks for 128, fewer than may call at once.
        rustix::net::listen(&listener, BACKLOG)?;
        ring.register_file(count, listener.as_raw_fd())?;
        ring.accept(count, token(Kind::Accept, 0))?;
        let address = listener.local_addr()?;
        let log = Relay::log(&ring, count + 1, arguments)?;
        let relay = Relay {
            ring,
            log,
            confirmation_size: arguments.confirmation_size,
            incoming: Vec::new(),
            open_count: 0,
            outgoing,
            idle: (0..count).collect(),
            messages: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            held: VecDeque::new(),
            message_count: 0,
            listener,
        };
        Ok((relay, address))
    }

    /// A log whose file is never filled by what can be outstanding.
    fn log(ring: &Ring, slot: u32, arguments: &FloorRelayArguments) -> anyhow::Result<Log> {
        let outstanding = arguments.connections * (2 + WAITING_COUNT_PER_CONNECTION);
        let file_size = (2 * outstanding * (arguments.size + 4096)).max(64 << 20);
        let group_size = if arguments.size < 64 << 10 { 256 << 10 } else { 1 << 20 };
        Log::create(
            ring,
            slot,
            Path::new(&arguments.log),
            (file_size as u64).next_multiple_of(1 << 20),
            group_size,
            arguments.in_flight,
        )
    }

    /// Relays until every incoming connection has closed and all is passed on.
    pub(super) fn run(mut self) -> anyhow::Result<FloorStatus> {
        let mut completions = Vec::with_capacity(8192);
        let mut waiters = Vec::with_capacity(1024);
        let mut accepted = false;
        loop {
            let over = accepted && self.open_count == 0 && self.free.len() == self.messages.len();
            self.log.write(&mut self.ring, |group| token(Kind::Write, group), over)?;
            if over && self.log.is_clean() {
                break;
            }
            self.ring.enter(true, None)?;
            self.ring.reap(&mut completions);
            for completion in completions.drain(..) {
                let data = completion.user_data();
                let (kind, index) = (KINDS[(data >> 32) as usize], data as u32);
                match kind {
                    Kind::Accept => {
                        accepted = true;
                        self.accepted(&completion)?;
                    }
                    Kind::Incoming => self.received(index, &completion)?,
                    Kind::Outgoing => self.confirmed(index, &completion)?,
                    Kind::Sent => self.sent(index, completion.result())?,
                    Kind::Quiet => bail!("a send ended with {}", completion.result()),
                    Kind::Write => {
                        self.log.written(index, completion.result(), &mut waiters)?;
                        for message in waiters.drain(..) {
                            self.committed(message)?;
                        }
                    }
                }
            }
        }
        drop(self.listener);
        Ok(FloorStatus {
            address: None,
            messages: self.message_count,
            system_calls: self.ring.system_calls,
            commits: self.log.commits,
            octets_written: self.log.octets_written,
            commit_us: Percentiles::of(&self.log.commit_ns),
        })
    }

    fn accepted(&mut self, completion: &cqueue::Entry) -> anyhow::Result<()> {
        let slot = u32::try_from(completion.result())
            .map_err(|_| anyhow::anyhow!("accepting ended with {}", completion.result()))?;
        ensure!(cqueue::more(completion.flags()), "accepting has stopped");
        let index = slot as usize;
        if self.incoming.len() <= index {
            self.incoming.resize_with(index + 1, || None);
        }
        self.incoming[index] = Some(Incoming {
            reader: FrameReader::default(),
            message: None,
            confirmation: vec![0; self.confirmation_size].into(),
        });
        self.open_count += 1;
        self.ring.receive(slot, token(Kind::Incoming, slot))
    }

    fn received(&mut self, slot: u32, completion: &cqueue::Entry) -> anyhow::Result<()> {
        let Some(incoming) = &mut self.incoming[slot as usize] else { return Ok(()) };
        let ended = completion.result() <= 0 && completion.result() != -libc::ENOBUFS;
        if let Some((id, mut octets)) = self.ring.received(completion) {
            while !octets.is_empty() {
                let index = *incoming.message.get_or_insert_with(|| {
                    self.free.pop().unwrap_or_else(|| {
                        self.messages.push(Message::default());
                        self.messages.len() as u32 - 1
                    })
                });
                let message = &mut self.messages[index as usize];
                let (count, number) = incoming.reader.take(octets);
                self.log.append(slot, &octets[..count], &mut message.chunks);
                octets = &octets[count..];
                if let Some(number) = number {
                    (message.number, message.incoming) = (number, slot);
                    message.waiting = self.log.wait_for(index, &message.chunks);
                    incoming.message = None;
                }
            }
            self.ring.give_back(id);
        }
        if ended {
            if let Some(index) = incoming.message.take() {
                self.finish(index);
            }
            self.incoming[slot as usize] = None;
            self.open_count -= 1;
        } else if !cqueue::more(completion.flags()) {
            self.ring.receive(slot, token(Kind::Incoming, slot))?;
        }
        Ok(())
    }

    /// One of the groups that the message waited for is durable.
    fn committed(&mut self, index: u32) -> anyhow::Result<()> {
        let message = &mut self.messages[index as usize];
        message.waiting -= 1;
        if message.waiting > 0 {
            return Ok(());
        }
        let (incoming, number) = (message.incoming, message.number);
        self.message_count += 1;
        if self.queue.len() >= WAITING_COUNT_PER_CONNECTION * self.outgoing.len() {
            self.held.push_back((incoming, number));
        } else {
            self.confirm(incoming, number)?;
        }
        match self.idle.pop() {
            Some(slot) => self.send(slot, index),
            None => {
                self.queue.push_back(index);
                Ok(())
            }
        }
    }

    fn confirm(&mut self, slot: u32, number: u64) -> anyhow::Result<()> {
        let Some(incoming) = &mut self.incoming[slot as usize] else { return Ok(()) };
        incoming.confirmation[..8].copy_from_slice(&number.to_le_bytes());
        let entry = send(slot, &incoming.confirmation, true);
        // SAFETY: the confirmation is written again only when the next message is committed, which the
        // partner sends when it has received this one.
        unsafe { self.ring.push(entry, token(Kind::Quiet, slot)) }
    }

    /// Passes a message on over an idle connection.
    fn send(&mut self, slot: u32, index: u32) -> anyhow::Result<()> {
        let outgoing = &mut self.outgoing[slot as usize];
        let chunks = &self.messages[index as usize].chunks;
        outgoing.message = Some(index);
        outgoing.awaited = self.confirmation_size;
        if let [chunk] = chunks[..] {
            outgoing.unsent = None;
            let entry = send(slot, self.log.octets(chunk), true);
            // SAFETY: the chunk is released when the partner has received and confirmed it.
            return unsafe { self.ring.push(entry, token(Kind::Quiet, slot)) };
        }
        outgoing.unsent = Some(0);
        self.send_more(slot)
    }

    /// Hands the next chunks of a message of several to the kernel.
    fn send_more(&mut self, slot: u32) -> anyhow::Result<()> {
        let outgoing = &mut self.outgoing[slot as usize];
        let (Some(index), Some(start)) = (outgoing.message, outgoing.unsent) else { return Ok(()) };
        let chunks = &self.messages[index as usize].chunks;
        let end = chunks.len().min(start + VECTOR_COUNT_MAX);
        if start == end {
            outgoing.unsent = None;
            return Ok(());
        }
        outgoing.vectors.clear();
        outgoing.vectors.extend(chunks[start..end].iter().map(|chunk| {
            let octets = self.log.octets(*chunk);
            libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() }
        }));
        outgoing.unsent = Some(end);
        outgoing.header.msg_iov = outgoing.vectors.as_mut_ptr();
        outgoing.header.msg_iovlen = outgoing.vectors.len();
        let entry: squeue::Entry = opcode::SendMsg::new(Fixed(slot), &raw const *outgoing.header)
            .flags((libc::MSG_WAITALL | libc::MSG_NOSIGNAL) as u32)
            .build();
        // SAFETY: header and vectors change when this has completed, and the chunks are released then.
        unsafe { self.ring.push(entry, token(Kind::Sent, slot)) }
    }

    fn sent(&mut self, slot: u32, result: i32) -> anyhow::Result<()> {
        let wanted: usize =
            self.outgoing[slot as usize].vectors.iter().map(|vector| vector.iov_len).sum();
        ensure!(
            usize::try_from(result).is_ok_and(|count| count == wanted),
            "a send of {wanted} octets ended with {result}"
        );
        self.send_more(slot)?;
        self.passed_on(slot)
    }

    /// Octets of the sink's confirmation.
    fn confirmed(&mut self, slot: u32, completion: &cqueue::Entry) -> anyhow::Result<()> {
        ensure!(
            completion.result() > 0 || completion.result() == -libc::ENOBUFS,
            "the sink's connection ended with {}",
            completion.result()
        );
        let outgoing = &mut self.outgoing[slot as usize];
        if let Some((id, octets)) = self.ring.received(completion) {
            ensure!(octets.len() <= outgoing.awaited, "the sink confirms what was not sent");
            outgoing.awaited -= octets.len();
            self.ring.give_back(id);
        }
        if !cqueue::more(completion.flags()) {
            self.ring.receive(slot, token(Kind::Outgoing, slot))?;
        }
        self.passed_on(slot)
    }

    /// If a message was sent and confirmed, that is its outcome, and the next one goes.
    fn passed_on(&mut self, slot: u32) -> anyhow::Result<()> {
        let outgoing = &mut self.outgoing[slot as usize];
        if outgoing.awaited > 0 || outgoing.unsent.is_some() {
            return Ok(());
        }
        let Some(index) = outgoing.message.take() else { return Ok(()) };
        self.log.outcome(self.messages[index as usize].number);
        self.finish(index);
        let Some(next) = self.queue.pop_front() else {
            self.idle.push(slot);
            return Ok(());
        };
        if let Some((incoming, number)) = self.held.pop_front() {
            self.confirm(incoming, number)?;
        }
        self.send(slot, next)
    }

    /// Forgets a message.
    fn finish(&mut self, index: u32) {
        for chunk in self.messages[index as usize].chunks.drain(..) {
            self.log.release(chunk);
        }
        self.free.push(index);
    }
}
