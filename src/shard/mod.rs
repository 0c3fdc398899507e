//! Layer 6: one core's event loop, the only place where the relay's protocol meets I/O.
//!
//! A shard owns an engine, a log and its connections; shards share nothing but the configuration
//! snapshot and mailboxes. One turn of the loop: completions in, mail in, timers, commits confirmed,
//! queues dispatched, then everything that is to be written or sent is submitted at once.
//!
//! - [`intake`]: transfer data in; [`admit`]: an APDU, wherever from, to a committed record.
//! - [`derive`], [`derived`]: what takes the place of recipients: reports, copies, expansions.
//! - [`waiting`]: messages deferred, messages expired.
//! - [`dispatch`]: from a connector's queue to a confirmed transfer out.
//! - [`connector`]: its associations opened and counted, turns asked for and given.
//! - [`resume`], [`memory`]: transfers that outlive their connection; [`notes`]: and a crash.
//! - [`lifecycle`]: connections opened, fed, released, closed; [`bind`]: who calls, and the move to the
//!   owner; [`stop`]: the graceful end.
//! - [`spool`]: local delivery points; [`submission`]: what they take in.
//! - [`commit`]: the log's answers, and the mail that speaks of them; [`pace`]: when they are confirmed.
//! - [`track`]: what happens to each message, told to the journal.
//! - [`node`]: the shards of one relay as threads; [`solo`]: one shard, turned by a test.

pub mod addresses;
mod admit;
mod bind;
mod commit;
mod connection;
mod connector;
pub mod counters;
mod derive;
mod derived;
mod dispatch;
mod intake;
mod intake_error;
mod kept;
mod lifecycle;
mod mail;
#[doc(hidden)]
pub mod mail_bench;
mod memory;
pub mod node;
mod notes;
mod pace;
mod queue;
mod resume;
pub mod settings;
pub mod solo;
mod spool;
mod stop;
mod submission;
mod token;
mod track;
mod waiting;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use slab::Slab;

use crate::base::buffer::{Fill, Pool};
use crate::base::clock::{Instant, Now};
use crate::base::limits::{ENVELOPE_BUFFER_COUNT, ENVELOPE_BUFFER_SIZE};
use crate::base::timer::Timers;
use crate::io::{Completion, Engine, Listener, Operation, Outcome};
use crate::mta::decide::Decision;
use crate::mta::identifier::Identifiers;
use crate::p1::patch::Patched;
use crate::p1::scan::Scan;
use crate::routing::{ConnectorIndex, LinkState};
use crate::spool::Port;
use crate::store::Log;
use commit::Pending;
use connection::Connections;
use connector::ConnectorState;
use counters::Counters;
use derive::Derivations;
use kept::KeptTotal;
use mail::{Mail, Mailbox, Route};
use memory::{AssociationMemory, CompletedNames};
use pace::HeldConfirmations;
use queue::Queued;
use resume::Suspended;
use settings::Snapshot;
use spool::DeliveryPoint;
use stop::StopStage;
use token::{ConnectionKey, Subject};
use track::Tracker;
use waiting::Deferred;

/// What all shards of a relay share.
pub(crate) struct Shared<D> {
    /// The configuration in force.
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Set once, to stop gracefully.
    pub(crate) stop: AtomicBool,
    /// Steps of the stop that shards have done, over all shards.
    pub(crate) stop_steps: AtomicUsize,
    /// What partners may recover and resume.
    pub(crate) memory: Mutex<AssociationMemory>,
    /// Every shard's mailbox, by index.
    pub(crate) mailboxes: Vec<Arc<Mailbox<D>>>,
    /// Where the threads of delivery points are met, by connector index; `None` for partners.
    pub(crate) ports: Vec<Option<Arc<Port>>>,
}

/// One shard.
pub(crate) struct Shard<E: Engine> {
    index: u16,
    engine: E,
    shared: Arc<Shared<E::Detached>>,
    snapshot: Arc<Snapshot>,
    now: Now,
    counters: Arc<Counters>,
    tracker: Tracker,

    /// The shard's own log first, then logs of a larger shard count of before, which are only drained.
    logs: Vec<Log>,
    /// What the log's answers are waited for by: the slot is the ticket.
    pending: Slab<Pending>,
    /// Requests that a log had no room or no buffer for, to be made again.
    put_off: Vec<Mail<E::Detached>>,
    /// Messages that cannot be read, kept for the operator.
    held: Vec<Queued>,
    /// Targets that something takes the place of.
    derivations: Derivations,
    /// Targets whose time has not come.
    deferred: Deferred,
    /// Of the reports that we originate.
    identifiers: Identifiers,
    /// Confirmations that wait for a queue to become shorter.
    held_confirmations: HeldConfirmations,
    /// When outcomes that nobody waits for are committed by themselves.
    flush_at: Option<Instant>,
    /// How many queued messages hold on to their committed buffer.
    resident_count: usize,
    /// Octets of large messages, taken in here, that keep theirs.
    kept_total: KeptTotal,

    listeners: Vec<Listener>,
    accepting: bool,
    connections: Connections,
    /// Called connections whose caller has not shown who it is.
    unbound_count: usize,
    /// Connections whose stack may have something to send.
    dirty: Vec<ConnectionKey>,
    /// Connections whose finished transfer waits for room in the log.
    blocked: Vec<ConnectionKey>,
    /// Associations that we have opened.
    session_count: u64,
    /// Completed activities whose connection broke before their record was durable.
    finishing: Vec<(ConnectionKey, ConnectorIndex, CompletedNames)>,
    /// Broken transfers that partners may resume.
    suspended: Vec<Suspended>,
    /// By connector index; only those that this shard owns are used.
    connectors: Vec<ConnectorState>,
    /// Connectors to dispatch in this turn.
    active: Vec<u16>,
    /// Those of our connectors that are delivery points.
    delivery_points: Vec<u16>,

    timers: Timers,
    /// The ways to the other shards, by index; `None` at our own.
    routes: Vec<Option<Route<E::Detached>>>,
    intake_paused: bool,
    stop_stage: StopStage,
    stop_began: Instant,

    completions: Vec<Completion<E::Detached>>,
    scan: Scan,
    decision: Decision,
    metadata: Vec<u8>,
    /// Where notes for a log are written.
    note: Vec<u8>,
    patched: Patched,
    /// Working memory of the downgrade for partners of 1984.
    downgrade: crate::mta::downgrade::Work,
    /// Where patched envelopes are written, one behind the other, and where from the next buffer comes.
    envelope: Option<Fill>,
    envelopes: Pool,
}

/// What a shard writes to, and what it writes by.
pub(crate) struct Books {
    /// The logs that it drains, its own first.
    pub(crate) logs: Vec<Log>,
    /// For the reports that begin here.
    pub(crate) identifiers: Identifiers,
    /// What happens, in numbers.
    pub(crate) counters: Arc<Counters>,
    /// What happens, message by message.
    pub(crate) tracker: Tracker,
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Call again.
    Running,
    /// Everything is closed and durable.
    Stopped,
}

impl<E: Engine> Shard<E> {
    /// A shard over an engine.
    pub(crate) fn new(
        index: u16,
        engine: E,
        shared: Arc<Shared<E::Detached>>,
        routes: Vec<Option<Route<E::Detached>>>,
        books: Books,
    ) -> Shard<E> {
        let Books { logs, identifiers, counters, tracker } = books;
        let snapshot = shared.snapshot.load_full();
        let mut connectors: Vec<ConnectorState> =
            snapshot.settings.connectors.iter().map(|_| ConnectorState::default()).collect();
        let mut delivery_points = Vec::new();
        for (number, port) in (0..).zip(&shared.ports) {
            let connector = ConnectorIndex(number);
            if let Some(port) = port.as_ref().filter(|_| snapshot.owner(connector) == index) {
                let point = DeliveryPoint::new(Arc::clone(port));
                connectors[usize::from(number)].delivery_point = Some(Box::new(point));
                snapshot.links.publish(connector, LinkState::Open);
                delivery_points.push(number);
            }
        }
        Shard {
            index,
            now: engine.now(),
            engine,
            shared,
            snapshot,
            counters,
            tracker,
            logs,
            pending: Slab::with_capacity(PENDING_COUNT_EXPECTED),
            put_off: Vec::new(),
            held: Vec::new(),
            derivations: Derivations::default(),
            deferred: Deferred::default(),
            identifiers,
            held_confirmations: HeldConfirmations::default(),
            flush_at: None,
            resident_count: 0,
            kept_total: KeptTotal::default(),
            listeners: Vec::new(),
            accepting: false,
            connections: Connections::default(),
            unbound_count: 0,
            dirty: Vec::new(),
            blocked: Vec::new(),
            session_count: 0,
            finishing: Vec::new(),
            suspended: Vec::new(),
            connectors,
            active: Vec::new(),
            delivery_points,
            timers: Timers::default(),
            routes,
            intake_paused: false,
            stop_stage: StopStage::Running,
            stop_began: Instant::default(),
            completions: Vec::new(),
            scan: Scan::default(),
            decision: Decision::default(),
            metadata: Vec::new(),
            note: Vec::with_capacity(NOTE_SIZE_EXPECTED),
            patched: Patched::default(),
            downgrade: crate::mta::downgrade::Work::default(),
            envelope: None,
            envelopes: Pool::new(ENVELOPE_BUFFER_SIZE, ENVELOPE_BUFFER_COUNT),
        }
    }

    /// Takes the listeners, and has the log made ready; when it is, they accept.
    pub(crate) fn start(&mut self, listeners: Vec<Listener>) {
        self.listeners = listeners;
        // Permanent associations are opened, whatever waits.
        self.active.extend(0..self.connectors.len() as u16);
        self.submit_log_operations();
    }

    /// Accepts once the log can take what comes, or can do no more for it: a full one refuses politely.
    fn begin_accepting(&mut self) {
        self.accepting = true;
        for (index, &listener) in self.listeners.iter().enumerate() {
            self.engine
                .submit(Subject::Listener(index as u32).token(), Operation::Accept { listener });
        }
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// Only when the engine itself cannot go on.
    pub(crate) fn turn(&mut self) -> io::Result<Turn> {
        let deadline = self.next_deadline();
        let mut completions = std::mem::take(&mut self.completions);
        self.engine.poll(deadline, &mut completions)?;
        self.now = self.engine.now();
        self.follow_configuration();
        if !self.is_stopping() && self.shared.stop.load(Ordering::Acquire) {
            self.begin_stop();
        }
        for completion in completions.drain(..) {
            self.completed(completion);
        }
        self.completions = completions;
        self.read_mail();
        self.serve_delivery_points();
        while let Some(subject) = self.timers.pop_due(self.now.instant) {
            self.timer_fired(subject);
        }
        self.expire_suspended();
        self.confirm_commits();
        self.retry_put_off();
        self.retry_blocked();
        self.queue_due();
        self.derive_waiting();
        self.dispatch_active();
        self.release_confirmations();
        self.write_notes();
        self.submit_log_operations();
        if !self.accepting && (self.logs[0].is_ready() || !self.logs[0].is_preparing()) {
            self.begin_accepting();
        }
        self.flush_dirty();
        self.post();
        self.pause_or_resume_intake();
        self.tracker.turn(self.now.instant);
        self.publish_counters();
        Ok(self.proceed_with_stop())
    }

    /// Goes over to the configuration in force: one pointer is compared, and seldom exchanged.
    fn follow_configuration(&mut self) {
        let published = self.shared.snapshot.load();
        if !Arc::ptr_eq(&published, &self.snapshot) {
            self.snapshot = Arc::clone(&published);
            tracing::info!(shard = self.index, revision = self.snapshot.revision, "configuration");
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        // After a restart there may be work, and a log that is ready or full, without any completion to
        // come.
        let derives = !self.derivations.is_idle(self.now.instant) && !self.is_stopping();
        if !self.active.is_empty() || derives || (!self.accepting && !self.logs[0].is_preparing()) {
            return Some(self.now.instant);
        }
        let behind = self.routes.iter().flatten().any(Route::is_behind);
        let waiting = behind
            || !self.blocked.is_empty()
            || !self.put_off.is_empty()
            || self.is_submission_put_off();
        let soon = (waiting || self.is_waiting_to_stop()).then(|| self.now.instant + RETRY_SOON);
        let confirmation = self.held_confirmations.deadline();
        let deferred = self.deferred.deadline(self.now);
        let derived = self.derivations.deadline();
        let (timer, events) = (self.timers.next_deadline(), self.tracker.deadline());
        [timer, self.flush_at, confirmation, deferred, derived, events, soon]
            .into_iter()
            .flatten()
            .min()
    }

    fn completed(&mut self, completion: Completion<E::Detached>) {
        let Completion { token, result, more } = completion;
        match Subject::from_word(token.0) {
            Some(Subject::Connection(key)) => self.connection_completed(key, result),
            Some(Subject::Log { slot, token }) => {
                if let Some(log) = self.logs.get_mut(usize::from(slot)) {
                    log.handle_completion(token, result);
                }
            }
            Some(Subject::Listener(index)) => match result {
                Ok(Outcome::Accepted(socket, peer)) => self.accepted(socket, peer),
                Ok(_) => {}
                Err(_) if self.is_stopping() => {}
                Err(error) => {
                    tracing::warn!(%error, "accepting failed");
                    if !more && !self.is_stopping() {
                        self.timers.arm(
                            self.now.instant + ACCEPT_RETRY,
                            Subject::Listener(index).to_word(),
                        );
                    }
                }
            },
            Some(
                Subject::Connector(_)
                | Subject::Derivation(_)
                | Subject::DeliveryPoint(_)
                | Subject::Nobody,
            )
            | None => {}
        }
    }

    fn timer_fired(&mut self, word: u64) {
        match Subject::from_word(word) {
            Some(Subject::Connection(key)) => self.connection_timer(key),
            Some(Subject::Connector(index)) => self.active.push(index),
            Some(Subject::Listener(index)) if !self.is_stopping() => {
                if let Some(&listener) = self.listeners.get(index as usize) {
                    self.engine
                        .submit(Subject::Listener(index).token(), Operation::Accept { listener });
                }
            }
            _ => {}
        }
    }

    fn submit_log_operations(&mut self) {
        let mut left = false;
        let flush = self.is_stopping() || self.flush_at.is_some_and(|at| at <= self.now.instant);
        for (slot, log) in self.logs.iter_mut().enumerate() {
            if !flush && !log.is_waited_for() {
                left |= log.has_uncommitted();
                continue;
            }
            while let Some((token, operation)) = log.poll_operation() {
                self.engine.submit(Subject::Log { slot: slot as u8, token }.token(), operation);
            }
        }
        self.flush_at = match self.flush_at {
            Some(at) if left && !flush => Some(at),
            _ => left.then(|| self.now.instant + OUTCOME_DELAY),
        };
    }

    fn flush_dirty(&mut self) {
        while let Some(key) = self.dirty.pop() {
            let Some(mut connection) = self.connections.take(key) else { continue };
            connection.dirty = false;
            if let Some(association) = &mut connection.association {
                association.flush(&mut self.engine, Subject::Connection(key).token());
            }
            self.close_when_drained(&mut connection);
            self.connections.put_back(connection);
        }
    }

    fn post(&mut self) {
        for route in self.routes.iter_mut().flatten() {
            route.retry();
            if let Some(waker) = route.take_wake() {
                self.engine.submit(crate::io::WOKEN, Operation::Wake { waker });
            }
        }
    }

    fn publish_counters(&self) {
        let engine = self.engine.counters();
        self.counters.system_calls.set(engine.system_calls);
        self.counters.operations.set(engine.operations);
        let (commits, octets) =
            self.logs.iter().map(Log::counters).fold((0, 0), |(commits, octets), log| {
                (commits + log.commits, octets + log.octets_written)
            });
        self.counters.commits.set(commits);
        self.counters.octets_written.set(octets);
        self.counters.events_lost.set(self.tracker.lost_count());
    }
}

/// Answers of the log for which memory is set aside at once.
const PENDING_COUNT_EXPECTED: usize = 1024;
/// Memory for a note that is set aside at once, octets: what some hundred associations take.
const NOTE_SIZE_EXPECTED: usize = 16 << 10;
/// How soon a full mailbox or log is tried again.
const RETRY_SOON: std::time::Duration = std::time::Duration::from_millis(1);
/// How long outcomes wait for a message to be committed with. Lost in a crash, they leave their targets in
/// doubt, as they were.
const OUTCOME_DELAY: std::time::Duration = std::time::Duration::from_millis(5);
/// How soon accepting is tried again after an error, as when descriptors have run out.
const ACCEPT_RETRY: std::time::Duration = std::time::Duration::from_millis(100);
