//! Transfer in: from the first octets of an activity to a record in the log.
//!
//! Small transfers are appended whole: from the buffer they were received in when that holds all of it,
//! else they are gathered in memory. Beyond [`CHUNK_SIZE`] they stream into the
//! log as chunks while they arrive, and only the envelope is kept to be scanned. When the log has no room
//! for a chunk, receiving on that connection pauses until it has. Nothing is acknowledged
//! here: that is [`super::commit`]'s, when the record is durable.

use std::time::Duration;

use super::Shard;
use super::admit::{Admission, Arrival, Origin};
use super::commit::Source;
use super::connection::{Connection, Role, Stage};
pub(super) use super::intake_error::IntakeError;
use super::kept::Kept;
use super::notes::activity_references;
use super::token::{ConnectionKey, Subject};
use crate::association::Association;
use crate::base::clock::Instant;
use crate::base::fault::Fault;
use crate::base::limits::{
    APDU_SIZE_MAX, CHUNK_SIZE, ENVELOPE_SIZE_MAX, EXTERNAL_OVERHEAD_SIZE_MAX,
};
use crate::ber;
use crate::io::{Engine, Operation};
use crate::osi::rtse::external::Enclosure;
use crate::osi::rtse::{AbortReason, TransferRefusal};
use crate::osi::stack::Negotiated;
use crate::p1::scan::{Progress, Scan, scan, scan_prefix};
use crate::store::{self, Chunks};

/// How long a finished transfer waits for room in the log before its sender is asked to come again.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// A transfer on its way in.
#[derive(Default)]
pub(crate) struct Intake {
    /// Octets not yet in the log.
    staging: Vec<u8>,
    /// Where the octets went that are.
    streamed: Option<Box<Streamed>>,
    size: usize,
    /// Octets still to come that are here already: the partner went back to an earlier checkpoint.
    repeated: usize,
    /// Whether the activity has ended and waits for the log.
    complete: bool,
    /// When it ended.
    ended: Instant,
    /// Since when receiving is paused, because the log has no room for what is in `staging`.
    paused: Option<Instant>,
}

/// The state of a transfer too large to be gathered.
struct Streamed {
    chunks: Chunks,
    /// The transfer's first octets, until they hold the envelope.
    head: Vec<u8>,
    head_complete: bool,
    /// What stands around the MTS-APDU, once it is known.
    enclosure: Option<Enclosure>,
    /// Walks the MTS-APDU.
    skipper: ber::Skipper,
    /// The chunks, as long as they need not be fetched.
    kept: Kept,
    /// What encloses the APDU.
    negotiated: Negotiated,
}

impl Intake {
    /// Whether octets of a transfer came in whose end has not been dealt with.
    pub(crate) fn is_under_way(&self) -> bool {
        self.size > 0 && !self.complete
    }

    /// Lets go of the committed buffers of what is in the log.
    pub(crate) fn release_buffers(&mut self) {
        if let Some(streamed) = &mut self.streamed {
            streamed.kept.clear();
        }
    }

    /// The next `octets` were received before.
    pub(crate) fn repeat(&mut self, octets: usize) {
        self.repeated = octets;
    }

    /// Forgets the transfer; gives the chunks that are already in the log.
    pub(crate) fn reset(&mut self) -> Option<Chunks> {
        self.staging.clear();
        self.size = 0;
        self.repeated = 0;
        self.complete = false;
        self.streamed.take().map(|streamed| streamed.chunks)
    }
}

impl Streamed {
    fn take(&mut self, octets: &[u8], scratch: &mut Scan) -> Result<(), IntakeError> {
        let known = self.enclosure.is_some();
        if known {
            self.skipper.feed(octets)?;
        }
        if self.head_complete {
            return Ok(());
        }
        let room = (ENVELOPE_SIZE_MAX + EXTERNAL_OVERHEAD_SIZE_MAX).saturating_sub(self.head.len());
        self.head.extend_from_slice(&octets[..octets.len().min(room)]);
        let prefix = self.negotiated.unwrap_prefix(&self.head).map_err(IntakeError::External)?;
        let Some(enclosure) = prefix else { return Ok(()) };
        let apdu = &self.head[enclosure.header..];
        if !known {
            self.enclosure = Some(enclosure);
            self.skipper.feed(apdu)?;
        }
        self.head_complete = scan_prefix(apdu, scratch)? == Progress::Complete;
        Ok(())
    }
}

impl<E: Engine> Shard<E> {
    /// Whether octets, the first of a transfer, may stay where they were received until its end comes: it
    /// is then appended from there.
    pub(super) fn may_be_whole(&self, connection: &Connection, octets: &[u8]) -> bool {
        connection.intake.size == 0 && connection.intake.repeated == 0 && octets.len() <= CHUNK_SIZE
    }

    /// Takes transferred octets.
    pub(super) fn take_transfer_data(
        &mut self,
        connection: &mut Connection,
        octets: &[u8],
    ) -> Result<(), IntakeError> {
        let intake = &mut connection.intake;
        let repeated = intake.repeated.min(octets.len());
        intake.repeated -= repeated;
        let octets = &octets[repeated..];
        intake.size += octets.len();
        let size_max = connection
            .connector
            .map_or(APDU_SIZE_MAX, |connector| self.snapshot.connector(connector).message_size_max);
        if intake.size > size_max + EXTERNAL_OVERHEAD_SIZE_MAX {
            return Err(IntakeError::TooLong(size_max));
        }
        if intake.streamed.is_none() && intake.size <= CHUNK_SIZE {
            intake.staging.extend_from_slice(octets);
            return Ok(());
        }
        let Some(negotiated) = connection.association.as_ref().map(|it| it.stack.negotiated())
        else {
            return Ok(());
        };
        intake.streamed.get_or_insert_with(|| {
            Box::new(Streamed {
                chunks: Chunks::default(),
                head: Vec::new(),
                head_complete: false,
                enclosure: None,
                skipper: ber::Skipper::new(),
                kept: Kept::new(&self.kept_total),
                negotiated,
            })
        });
        let mut rest = octets;
        while connection.intake.paused.is_none() && !rest.is_empty() {
            let intake = &mut connection.intake;
            let (piece, after) = rest.split_at(rest.len().min(CHUNK_SIZE - intake.staging.len()));
            intake.staging.extend_from_slice(piece);
            rest = after;
            if intake.staging.len() == CHUNK_SIZE && !self.store_chunk(intake)? {
                intake.paused = Some(self.now.instant);
                intake.release_buffers();
                self.blocked.push(connection.key);
                self.release_buffers();
            }
        }
        // What was received before the pause took effect.
        connection.intake.staging.extend_from_slice(rest);
        if connection.intake.paused.is_some()
            && let Some(association) = &connection.association
        {
            let socket = association.socket();
            self.engine.submit(
                Subject::Connection(connection.key).token(),
                Operation::PauseReceive { socket },
            );
        }
        Ok(())
    }

    /// Moves the front of what is staged to the log; `false` when the log has no room now.
    fn store_chunk(&mut self, intake: &mut Intake) -> Result<bool, IntakeError> {
        let Some(streamed) = &mut intake.streamed else { return Ok(true) };
        let chunk = &intake.staging[..intake.staging.len().min(CHUNK_SIZE)];
        match self.logs[0].chunk_request(&mut streamed.chunks, chunk) {
            Ok(octets) => streamed.kept.keep(octets),
            Err(store::Error::Busy | store::Error::Full) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        streamed.take(chunk, &mut self.scan)?;
        let size = chunk.len();
        intake.staging.drain(..size);
        Ok(true)
    }

    /// Goes on with an intake that is paused; `false` when the log still has no room.
    fn resume_intake(&mut self, connection: &mut Connection) -> Result<bool, IntakeError> {
        while connection.intake.staging.len() >= CHUNK_SIZE {
            if !self.store_chunk(&mut connection.intake)? {
                return Ok(false);
            }
        }
        self.resume_receiving(connection);
        Ok(true)
    }

    /// Ends a pause of this intake, unless all intake is paused.
    fn resume_receiving(&mut self, connection: &mut Connection) {
        if connection.intake.paused.take().is_some()
            && !self.intake_paused
            && let Some(association) = &connection.association
        {
            let socket = association.socket();
            self.engine
                .submit(Subject::Connection(connection.key).token(), Operation::Receive { socket });
        }
    }

    /// The activity has ended: scans, decides and appends. The confirmation follows the commit. `whole` is
    /// the transfer where it was received, or empty when it has been taken.
    pub(super) fn end_transfer(
        &mut self,
        connection: &mut Connection,
        whole: &[u8],
    ) -> Result<(), IntakeError> {
        if !connection.intake.complete {
            connection.intake.complete = true;
            connection.intake.ended = self.now.instant;
        }
        if connection.intake.paused.is_some() {
            return Ok(());
        }
        match self.append_transfer(connection, whole) {
            Err(IntakeError::Store(store::Error::Busy | store::Error::Full))
                if self.now.instant <= connection.intake.ended + STORE_PATIENCE =>
            {
                self.take_transfer_data(connection, whole)?;
                self.blocked.push(connection.key);
                self.release_buffers();
                Ok(())
            }
            result => result,
        }
    }

    /// Finds the APDU in what came in and scans it, or its envelope; gives where it starts and its size.
    fn scan_transfer(
        &mut self,
        intake: &mut Intake,
        whole: &[u8],
        negotiated: &Negotiated,
    ) -> Result<(usize, usize), IntakeError> {
        let Some(streamed) = &mut intake.streamed else {
            let octets = if whole.is_empty() { &intake.staging } else { whole };
            let range = negotiated.unwrap(octets).map_err(IntakeError::External)?;
            scan(&octets[range.clone()], &mut self.scan)?;
            return Ok((range.start, range.len()));
        };
        if !streamed.skipper.is_complete() {
            streamed.take(&intake.staging, &mut self.scan)?;
        }
        let Enclosure { header, trailer } = streamed.enclosure.ok_or(IntakeError::Incomplete)?;
        let progress = scan_prefix(&streamed.head[header..], &mut self.scan)?;
        if !streamed.skipper.is_complete() || progress == Progress::NeedMore {
            return Err(IntakeError::Incomplete);
        }
        let size = streamed.skipper.taken();
        if header + size + trailer != intake.size {
            return Err(IntakeError::Enclosure);
        }
        Ok((header, size))
    }

    fn append_transfer(
        &mut self,
        connection: &mut Connection,
        whole: &[u8],
    ) -> Result<(), IntakeError> {
        let Some(negotiated) = connection.association.as_ref().map(|it| it.stack.negotiated())
        else {
            return Ok(());
        };
        let (apdu_start, apdu_size) =
            self.scan_transfer(&mut connection.intake, whole, &negotiated)?;
        let Connection { intake, connector, key, association, .. } = connection;
        let known = association.as_ref().filter(|_| connector.is_some());
        let activity = known.into_iter().flat_map(|it| activity_references(&it.stack));
        let octets = if whole.is_empty() { &intake.staging[..] } else { whole };
        let (head, streamed) = match intake.streamed.as_deref_mut() {
            None => (&octets[apdu_start..apdu_start + apdu_size], None),
            Some(Streamed { head, chunks, kept, .. }) => {
                (&head[apdu_start..], Some((chunks, kept)))
            }
        };
        let arrival = Arrival {
            source: Source::Association(*key),
            inbound: *connector,
            arrived: self.now.wall,
            head,
            octets,
            streamed,
            apdu_start: apdu_start as u32,
            apdu_size: apdu_size as u32,
            origin: Origin::default(),
        };
        match self.admit(arrival, activity)? {
            Admission::Appended => {
                connection.committing = true;
                connection.intake.reset();
            }
            Admission::NotOurs => {
                self.abandon_intake(connection);
                self.acknowledge_unstored(connection);
            }
        }
        Ok(())
    }

    /// Tries again what found the log without room.
    pub(super) fn retry_blocked(&mut self) {
        for key in std::mem::take(&mut self.blocked) {
            let Some(mut connection) = self.connections.take(key) else { continue };
            if let Err(error) = self.retry_intake(&mut connection) {
                self.refuse_transfer(&mut connection, &error);
            }
            self.connections.put_back(connection);
        }
    }

    fn retry_intake(&mut self, connection: &mut Connection) -> Result<(), IntakeError> {
        if let Some(since) = connection.intake.paused
            && !self.resume_intake(connection)?
        {
            if self.now.instant > since + STORE_PATIENCE {
                return Err(store::Error::Busy.into());
            }
            self.blocked.push(connection.key);
            self.release_buffers();
            return Ok(());
        }
        if connection.intake.complete { self.end_transfer(connection, &[]) } else { Ok(()) }
    }

    /// Refuses what came in: politely when the limit is ours, by an abort when the peer is at fault.
    pub(super) fn refuse_transfer(&mut self, connection: &mut Connection, error: &IntakeError) {
        tracing::warn!(peer = %connection.peer, fault = error.fault().as_str(), %error, "transfer refused");
        self.track_refusal_in(connection, error);
        self.resume_receiving(connection);
        self.drop_intake(&mut connection.intake);
        let polite = matches!(error, IntakeError::Store(_));
        if let Some(association) = &mut connection.association {
            if polite {
                association.stack.transfer_refuse(TransferRefusal::Temporary);
            } else {
                association.stack.abort_request(match error.fault() {
                    Fault::LocalLimit => AbortReason::PermanentProblem,
                    Fault::PeerViolated | Fault::PeerUnsupported | Fault::AbortedBy => {
                        AbortReason::UserError
                    }
                });
            }
        }
        if !polite {
            self.begin_drain(connection);
        }
        self.mark_dirty(connection);
    }

    /// Drops what a connection had not finished taking in.
    pub(super) fn abandon_intake(&mut self, connection: &mut Connection) {
        self.resume_receiving(connection);
        self.drop_intake(&mut connection.intake);
        let key: ConnectionKey = connection.key;
        self.blocked.retain(|blocked| *blocked != key);
    }

    /// Takes away what a connection has of a transfer, if that is `octets` long.
    pub(super) fn take_intake(
        &mut self,
        connection: &mut Connection,
        octets: usize,
    ) -> Option<Intake> {
        let intake = &connection.intake;
        // What is repeated was handed out a second time.
        if intake.size != octets + intake.repeated || intake.paused.is_some() {
            return None;
        }
        let mut intake = std::mem::take(&mut connection.intake);
        intake.complete = false;
        Some(intake)
    }

    /// Drops a transfer whose connection is gone.
    pub(super) fn drop_intake(&mut self, intake: &mut Intake) {
        if let Some(chunks) = intake.reset() {
            self.logs[0].abandon(chunks);
        }
    }

    /// While another shard is behind, nothing more is taken in.
    pub(super) fn pause_or_resume_intake(&mut self) {
        let behind = self.routes.iter().flatten().any(super::mail::Route::is_behind);
        if behind == self.intake_paused {
            return;
        }
        self.intake_paused = behind;
        for key in self.connections.keys() {
            let Some(connection) = self.connections.get(key).filter(|it| it.role == Role::Called)
            else {
                continue;
            };
            let Some(socket) = connection.association.as_ref().map(Association::socket) else {
                continue;
            };
            let waits = !behind && connection.intake.paused.is_some();
            if connection.stage != Stage::Bound || waits {
                continue;
            }
            let operation = match behind {
                true => Operation::PauseReceive { socket },
                false => Operation::Receive { socket },
            };
            self.engine.submit(Subject::Connection(key).token(), operation);
        }
    }
}
