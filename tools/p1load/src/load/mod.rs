//! The load of `bench` and `floor`: sources and sinks on one thread and one ring, as cheap as they can
//! be, so that what is measured is what stands between them.
//!
//! A [`Wire`] is one connection's protocol without I/O: [`p1::P1Wire`] towards the relay, over the
//! library's own stack, [`bare::BareWire`] towards the floor. A source has one transfer under way; a sink
//! confirms at once. Every message has a number, and [`Tally`] knows of each when it left, whether it was
//! confirmed, and how often it arrived.

pub(crate) mod bare;
pub(crate) mod p1;
mod tally;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use io_uring::cqueue;

use crate::ring::{BACKLOG, Ring, send};
pub(crate) use tally::Tally;

/// Connections of either side at most.
const CONNECTION_COUNT_MAX: u32 = 400;
const LISTENER: u32 = 0;
/// Sources take the slots from here; sinks, accepted, the lowest that are free.
const SOURCE_SLOT_MIN: u32 = 500;
/// How long a connection that ended too early is waited for.
const PATIENCE: Duration = Duration::from_millis(100);

/// What happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A source may transfer its first message.
    Ready,
    /// A source's transfer was confirmed: it may transfer the next one.
    Confirmed,
    /// A message's first octets have come in at a sink.
    Began,
    /// A message has arrived at a sink, and is confirmed.
    Arrived(u64),
}

/// One connection's protocol.
pub(crate) trait Wire {
    /// The connection stands.
    fn begin(&mut self, events: &mut Vec<Event>);

    /// Takes octets that were received.
    ///
    /// # Errors
    /// When the peer does not keep to the protocol, or ends.
    fn receive(&mut self, octets: &[u8], events: &mut Vec<Event>) -> anyhow::Result<()>;

    /// Starts a transfer.
    fn transfer(&mut self, number: u64);

    /// Asks for the end, if the protocol has a way to.
    fn release(&mut self);

    /// Appends what there is to send.
    fn transmit(&mut self, out: &mut Vec<u8>);

    /// Whether nothing will come any more: the connection can be closed.
    fn is_over(&self) -> bool;
}

/// Makes the two ends of connections.
pub(crate) trait Protocol {
    type Wire: Wire;

    /// A source's end.
    fn source(&self) -> Self::Wire;

    /// A sink's end.
    fn sink(&self) -> Self::Wire;
}

struct Connection<W> {
    wire: W,
    is_source: bool,
    number: Option<u64>,
    out: Vec<u8>,
    sending: bool,
    dirty: bool,
    closed: bool,
    /// When the transfer coming in began.
    began: Instant,
    /// Keeps a source's connection open.
    _stream: Option<TcpStream>,
}

/// How much is sent, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Messages before the measured ones.
    pub(crate) warm_up: u64,
    /// Messages that are measured.
    pub(crate) messages: u64,
    /// Whether they arrive: there is a sink.
    pub(crate) arrive: bool,
    /// Messages a second, open loop; `None`: as fast as confirmations come.
    pub(crate) rate: Option<f64>,
    /// When to give up.
    pub(crate) deadline: Instant,
}

/// How long a transfer that may start takes to leave: the processor time of the turn that starts it, its
/// receives and sends included.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turnaround {
    /// Processor time of this thread at the end of the last turn.
    turn_ended: Duration,
    /// Over all transfers.
    total: Duration,
    count: u64,
}

impl Turnaround {
    fn turned(&mut self, transfers: usize) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let now = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
        self.total += (now - self.turn_ended) * transfers as u32;
        self.count += transfers as u64;
        self.turn_ended = now;
    }

    /// Mean since an earlier reading, seconds.
    pub(crate) fn mean_s_since(&self, earlier: &Turnaround) -> f64 {
        let count = (self.count - earlier.count).max(1);
        (self.total - earlier.total).as_secs_f64() / count as f64
    }
}

/// The moments between which is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Start,
    End,
}

/// Sources and sinks.
pub(crate) struct Load<P: Protocol> {
    protocol: P,
    ring: Ring,
    connections: Vec<Option<Connection<P::Wire>>>,
    /// Keeps listening.
    _listener: TcpListener,
    /// Sources that may transfer.
    ready: Vec<u32>,
    /// Messages of which octets go out at the end of this turn.
    leaving: Vec<u64>,
    /// What the load itself takes.
    turnaround: Turnaround,
    events: Vec<Event>,
    completions: Vec<cqueue::Entry>,
    winding_up: bool,
    /// What became of each message.
    pub(crate) tally: Tally,
}

impl<P: Protocol> Load<P> {
    /// Sinks that listen at the given address; receives come in pieces of `piece_size` at most.
    pub(crate) fn new(
        protocol: P,
        piece_size: usize,
        plan: Plan,
    ) -> anyhow::Result<(Self, SocketAddr)> {
        let mut ring = Ring::new(piece_size.next_power_of_two().clamp(4096, 64 << 10))?;
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        // The library asks for 128, fewer than may call at once.
        rustix::net::listen(&listener, BACKLOG)?;
        ring.register_file(LISTENER, listener.as_raw_fd())?;
        ring.accept(LISTENER, u64::from(LISTENER))?;
        let address = listener.local_addr()?;
        let load = Load {
            protocol,
            ring,
            connections: Vec::new(),
            _listener: listener,
            ready: Vec::new(),
            leaving: Vec::new(),
            turnaround: Turnaround::default(),
            events: Vec::new(),
            completions: Vec::with_capacity(8192),
            winding_up: false,
            tally: Tally::new(plan),
        };
        Ok((load, address))
    }

    /// Opens the sources' connections.
    pub(crate) fn connect(&mut self, to: SocketAddr, count: usize) -> anyhow::Result<()> {
        ensure!(count <= CONNECTION_COUNT_MAX as usize, "too many associations");
        for offset in 0..count as u32 {
            let stream = TcpStream::connect(to).context("the relay cannot be reached")?;
            stream.set_nodelay(true)?;
            let slot = SOURCE_SLOT_MIN + offset;
            self.ring.register_file(slot, stream.as_raw_fd())?;
            let wire = self.protocol.source();
            self.add(slot, wire, Some(stream))?;
        }
        Ok(())
    }

    fn add(&mut self, slot: u32, wire: P::Wire, stream: Option<TcpStream>) -> anyhow::Result<()> {
        let index = slot as usize;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.connections[index] = Some(Connection {
            wire,
            is_source: stream.is_some(),
            number: None,
            out: Vec::new(),
            sending: false,
            dirty: true,
            closed: false,
            began: self.tally.now(),
            _stream: stream,
        });
        if let Some(connection) = &mut self.connections[index] {
            connection.wire.begin(&mut self.events);
            self.ready.extend(self.events.drain(..).map(|_| slot));
        }
        self.ring.receive(slot, receive_token(slot))?;
        self.flush(slot)
    }

    /// Sends and receives the planned messages; `mark` is called when the measured part begins and ends.
    /// Gives false when there was not the time.
    pub(crate) fn run(
        &mut self,
        plan: Plan,
        mut mark: impl FnMut(Mark, &Turnaround) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let total = plan.warm_up + plan.messages;
        let mut started = plan.warm_up == 0;
        if started {
            mark(Mark::Start, &self.turnaround)?;
        }
        while self.tally.passed_count() < total || self.tally.confirmed_count < total {
            let patience = self.start_transfers(plan)?;
            if Instant::now() >= plan.deadline {
                return Ok(false);
            }
            self.turn(Some(patience))?;
            if !started && self.tally.passed_count() >= plan.warm_up {
                started = true;
                mark(Mark::Start, &self.turnaround)?;
            }
        }
        mark(Mark::End, &self.turnaround)?;
        Ok(true)
    }

    /// Starts what is due on sources that are free; gives how long the next one can wait.
    fn start_transfers(&mut self, plan: Plan) -> anyhow::Result<Duration> {
        while let Some(slot) = self.ready.last().copied() {
            match self.tally.next_due() {
                Err(wait) => return Ok(wait.min(PATIENCE)),
                Ok(number) if number > plan.warm_up + plan.messages => break,
                Ok(number) => {
                    self.ready.pop();
                    self.tally.left();
                    if let Some(connection) = &mut self.connections[slot as usize] {
                        connection.number = Some(number);
                        connection.wire.transfer(number);
                        connection.dirty = true;
                    }
                    self.flush(slot)?;
                }
            }
        }
        Ok(PATIENCE)
    }

    /// One turn: waits for completions, `patience` at most, and handles them.
    fn turn(&mut self, patience: Option<Duration>) -> anyhow::Result<()> {
        let transfers = self.leaving.len();
        self.tally.written(&mut self.leaving);
        self.ring.enter(true, patience)?;
        self.turnaround.turned(transfers);
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.reap(&mut completions);
        self.tally.tick();
        for completion in completions.drain(..) {
            let data = completion.user_data();
            let slot = data as u32;
            if data == OTHER {
                continue;
            }
            if data == u64::from(LISTENER) {
                let slot = u32::try_from(completion.result())
                    .map_err(|_| anyhow::anyhow!("accepting ended with {}", completion.result()))?;
                let wire = self.protocol.sink();
                self.add(slot, wire, None)?;
                if !cqueue::more(completion.flags()) {
                    self.ring.accept(LISTENER, u64::from(LISTENER))?;
                }
            } else if data == receive_token(slot) {
                self.received(slot, &completion)?;
            } else {
                self.sent(slot, completion.result())?;
            }
        }
        self.completions = completions;
        Ok(())
    }

    fn received(&mut self, slot: u32, completion: &cqueue::Entry) -> anyhow::Result<()> {
        let Some(Some(connection)) = self.connections.get_mut(slot as usize) else {
            if let Some(id) = cqueue::buffer_select(completion.flags()) {
                self.ring.give_back(id);
            }
            return Ok(());
        };
        let mut outcome = Ok(());
        if let Some((id, octets)) = self.ring.received(completion) {
            outcome = connection.wire.receive(octets, &mut self.events);
            connection.dirty = true;
            self.ring.give_back(id);
        }
        for event in self.events.drain(..) {
            match event {
                Event::Ready => self.ready.push(slot),
                Event::Confirmed => {
                    if let Some(number) = connection.number.take() {
                        self.tally.confirmed(number);
                    }
                    self.ready.push(slot);
                }
                Event::Began => connection.began = self.tally.now(),
                Event::Arrived(number) => self.tally.arrived(number, connection.began),
            }
        }
        let ended = completion.result() <= 0 && completion.result() != -libc::ENOBUFS;
        let is_over = connection.wire.is_over();
        if !self.winding_up {
            let side = if connection.is_source { "source" } else { "sink" };
            outcome.with_context(|| format!("a {side}'s connection"))?;
            // The relay may release what it has no use for.
            ensure!(
                !ended || (is_over && !connection.is_source),
                "a {side}'s connection has ended ({})",
                completion.result()
            );
        }
        if ended && !connection.is_source && !connection.sending {
            self.ring.close(slot, OTHER)?;
        }
        connection.closed |= ended;
        if !ended && !cqueue::more(completion.flags()) {
            self.ring.receive(slot, receive_token(slot))?;
        }
        self.flush(slot)
    }

    fn sent(&mut self, slot: u32, result: i32) -> anyhow::Result<()> {
        let Some(Some(connection)) = self.connections.get_mut(slot as usize) else { return Ok(()) };
        ensure!(
            self.winding_up || result == connection.out.len() as i32,
            "a send of {} octets ended with {result}",
            connection.out.len()
        );
        connection.sending = false;
        connection.dirty = true;
        self.flush(slot)
    }

    fn flush(&mut self, slot: u32) -> anyhow::Result<()> {
        let Some(Some(connection)) = self.connections.get_mut(slot as usize) else { return Ok(()) };
        if connection.sending || connection.closed || !std::mem::take(&mut connection.dirty) {
            return Ok(());
        }
        connection.out.clear();
        connection.wire.transmit(&mut connection.out);
        if !connection.out.is_empty() {
            connection.sending = true;
            self.leaving.extend(connection.number);
            let entry = send(slot, &connection.out, false);
            // SAFETY: the octets are written over only when the send has completed, and freed after the
            // ring.
            return unsafe { self.ring.push(entry, send_token(slot)) };
        }
        if connection.wire.is_over() {
            self.ring.shut_down(slot, OTHER)?;
        }
        Ok(())
    }

    /// Lets the sources ask for the end.
    pub(crate) fn release(&mut self) -> anyhow::Result<()> {
        self.winding_up = true;
        for slot in 0..self.connections.len() {
            if let Some(connection) = self.connections[slot].as_mut().filter(|it| it.is_source) {
                connection.wire.release();
                connection.dirty = true;
                self.flush(slot as u32)?;
            }
        }
        Ok(())
    }

    /// Answers until every connection is closed, or `patience` has passed.
    pub(crate) fn wind_up(&mut self, patience: Duration) -> anyhow::Result<()> {
        self.winding_up = true;
        let deadline = Instant::now() + patience;
        while self.connections.iter().flatten().any(|connection| !connection.closed)
            && Instant::now() < deadline
        {
            self.turn(Some(PATIENCE))?;
        }
        Ok(())
    }
}

/// A completion that tells nothing.
const OTHER: u64 = u64::MAX;

fn receive_token(slot: u32) -> u64 {
    1 << 32 | u64::from(slot)
}

fn send_token(slot: u32) -> u64 {
    2 << 32 | u64::from(slot)
}
