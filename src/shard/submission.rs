//! Submissions: from the parts that a delivery point's thread gives to a record in the log, and back to an
//! answer. They are decided on and appended as what a partner transfers is ([`super::admit`]).
//!
//! A thread gives one submission after the other, in pieces of [`CHUNK_SIZE`] but for the last; those go to
//! the log as they come, and only the envelope is kept. Where the log has no room, a part is put off, and the
//! thread's queue fills up behind it.

use std::iter;
use std::time::Duration;

use super::Shard;
use super::admit::{Admission, Arrival, Origin};
use super::commit::Source;
use super::intake::IntakeError;
use super::kept::Kept;
use crate::base::clock::Instant;
use crate::base::limits::{CHUNK_SIZE, ENVELOPE_SIZE_MAX};
use crate::io::{Engine, Operation, WOKEN};
use crate::p1::scan::{Progress, scan, scan_prefix};
use crate::routing::ConnectorIndex;
use crate::spool::port::{Refusal, Submission, Work};
use crate::store::{self, Chunks};

/// How long a part waits for room in the log before the thread is asked to come again.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// What comes from a thread.
#[derive(Default)]
pub(super) struct Incoming {
    current: Option<Current>,
    /// A part that found the log without room, and since when.
    put_off: Option<(Vec<u8>, Instant)>,
}

/// A submission of which parts have come.
struct Current {
    number: u64,
    /// Of its MTS-APDU, octets.
    size: usize,
    taken: usize,
    chunks: Chunks,
    kept: Kept,
    /// The MTS-APDU's first octets, where it is more than one chunk.
    head: Vec<u8>,
}

impl<E: Engine> Shard<E> {
    /// Whether the log is to be asked again soon.
    pub(super) fn is_submission_put_off(&self) -> bool {
        self.delivery_points.iter().any(|&index| {
            let point = self.connectors[usize::from(index)].delivery_point.as_ref();
            point.is_some_and(|point| point.incoming.put_off.is_some())
        })
    }

    /// Takes what a delivery point's thread has given, as far as the log has room.
    pub(super) fn take_submissions(&mut self, connector: ConnectorIndex) {
        let Some(point) = self.delivery_point(connector) else { return };
        let port = std::sync::Arc::clone(&point.port);
        let mut incoming = std::mem::take(&mut point.incoming);
        let mut taken = false;
        loop {
            let (part, since) = match incoming.put_off.take() {
                Some((octets, since)) => (Submission::Piece(octets), since),
                None => match port.submission() {
                    Some(part) => (part, self.now.instant),
                    None => break,
                },
            };
            taken = true;
            match part {
                Submission::Begin(number, size) => {
                    self.abandon_submission(&mut incoming);
                    if self.is_stopping() {
                        self.answer_submission(connector, number, Err(Refusal::Busy));
                        continue;
                    }
                    incoming.current = Some(Current {
                        number,
                        size: size as usize,
                        taken: 0,
                        chunks: Chunks::default(),
                        kept: Kept::new(&self.kept_total),
                        head: Vec::new(),
                    });
                }
                Submission::Abandon => self.abandon_submission(&mut incoming),
                Submission::Piece(octets) => {
                    // Of one that was refused, the rest is passed over.
                    let Some(current) = &mut incoming.current else { continue };
                    let number = current.number;
                    match self.take_submitted(connector, current, &octets) {
                        Ok(true) => incoming.current = None,
                        Ok(false) => {}
                        Err(IntakeError::Store(store::Error::Busy | store::Error::Full))
                            if self.now.instant <= since + STORE_PATIENCE =>
                        {
                            incoming.put_off = Some((octets, since));
                            self.release_buffers();
                            break;
                        }
                        Err(error) => {
                            self.abandon_submission(&mut incoming);
                            let refusal = match error {
                                IntakeError::Store(_) => Refusal::Busy,
                                error => Refusal::Wrong(error.to_string()),
                            };
                            self.answer_submission(connector, number, Err(refusal));
                        }
                    }
                }
            }
        }
        if let Some(point) = self.delivery_point(connector) {
            point.incoming = incoming;
        }
        if taken {
            self.engine.submit(WOKEN, Operation::Wake { waker: port.thread_waker() });
        }
    }

    /// Takes the next octets of a submission; `true` when they were the last, and it is on its way to the disk.
    fn take_submitted(
        &mut self,
        connector: ConnectorIndex,
        current: &mut Current,
        octets: &[u8],
    ) -> Result<bool, IntakeError> {
        let is_last = current.taken + octets.len() >= current.size;
        let is_whole = is_last && current.taken == 0;
        if !is_last {
            let stored = self.logs[0].chunk_request(&mut current.chunks, octets)?;
            current.kept.keep(stored);
            current.taken += octets.len();
        }
        let room = ENVELOPE_SIZE_MAX.saturating_sub(current.head.len());
        let before = current.head.len();
        if !is_whole {
            current.head.extend_from_slice(&octets[..octets.len().min(room)]);
        }
        if !is_last {
            return Ok(false);
        }
        let (number, apdu_size) = (current.number, current.taken + octets.len());
        let appended = self.append_submission(connector, current, octets, is_whole, apdu_size);
        if appended.is_err() {
            // It is asked again with the same octets.
            current.head.truncate(before);
        }
        if appended? == Admission::NotOurs {
            let refusal = Refusal::Wrong("it has no recipient".to_owned());
            self.answer_submission(connector, number, Err(refusal));
            if let Some(chunks) = current.chunks_taken() {
                self.logs[0].abandon(chunks);
            }
        }
        Ok(true)
    }

    fn append_submission(
        &mut self,
        connector: ConnectorIndex,
        current: &mut Current,
        octets: &[u8],
        is_whole: bool,
        apdu_size: usize,
    ) -> Result<Admission, IntakeError> {
        let source = Source::Submission { connector, number: current.number };
        let head = if is_whole { octets } else { &current.head[..] };
        if is_whole {
            scan(head, &mut self.scan)?;
        } else if scan_prefix(head, &mut self.scan)? == Progress::NeedMore {
            return Err(IntakeError::Incomplete);
        }
        let arrival = Arrival {
            source,
            inbound: Some(connector),
            arrived: self.now.wall,
            head,
            octets,
            streamed: (!is_whole).then_some((&mut current.chunks, &mut current.kept)),
            apdu_start: 0,
            apdu_size: apdu_size as u32,
            origin: Origin::default(),
        };
        Ok(self.admit(arrival, iter::empty())?)
    }

    fn abandon_submission(&mut self, incoming: &mut Incoming) {
        incoming.put_off = None;
        if let Some(chunks) = incoming.current.take().and_then(|mut it| it.chunks_taken()) {
            self.logs[0].abandon(chunks);
        }
    }

    /// Tells a delivery point's thread what became of a submission.
    pub(super) fn answer_submission(
        &mut self,
        connector: ConnectorIndex,
        number: u64,
        result: Result<(), Refusal>,
    ) {
        let Some(point) = self.delivery_point(connector) else { return };
        point.give(Work::Submitted { number, result });
        let waker = point.port.thread_waker();
        self.engine.submit(WOKEN, Operation::Wake { waker });
    }
}

impl Current {
    /// The chunks that are in the log, if there are any.
    fn chunks_taken(&mut self) -> Option<Chunks> {
        (self.taken > 0).then(|| std::mem::take(&mut self.chunks))
    }
}

const _: () = assert!(CHUNK_SIZE <= ENVELOPE_SIZE_MAX);
