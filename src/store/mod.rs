//! Layer 3: the store. Messages are safe here before anybody is told so.
//!
//! A [`Log`] is an append-only sequence of records in preallocated, once-written, recycled segments. It
//! is sans-IO on the I/O contract: it gives [`crate::io::Operation`]s with tokens of its own
//! ([`Log::poll_operation`]) and takes their completions ([`Log::handle_completion`]); only opening
//! uses an engine's set-up calls. Records appended between two polls form one group, and one durable
//! write commits a group: a new one is begun whenever fewer than `COMMIT_IN_FLIGHT_COUNT_MAX` are under
//! way, so that nothing waits on an idle disk and much is gathered on a busy one.
//!
//! What a caller may rely on:
//! - [`Confirm::Committed`] comes only once the record, and all records before it in this log, are
//!   durable; confirms come in the order of the requests. After it, a crash at any instant leaves the
//!   message to be found by [`Log::open`], once and whole, until each target has a final outcome.
//! - What [`Log::append_settling_request`] appends stands in one group: the message, and the outcomes of the
//!   targets whose place it takes. A crash leaves both or neither.
//! - A message is live until every target has a final outcome. A segment is overwritten only when it is
//!   the oldest, holds nothing live, no read of it is under way, and the outcomes that ended its
//!   messages are durable: an outcome is never lost before the message it ends.
//! - An [`Outcome::Attempted`] that is confirmed survives: after a kill the messages in doubt are known.
//! - What the metadata of messages said outlives them where the caller wants it to
//!   (`LogConfig::note_size_max`): a segment is overwritten only when a note in a later one, which sums it
//!   up, is durable (`note`).
//! - When nothing can be taken, `append_request` says [`Error::Full`] or [`Error::Busy`] and nothing
//!   happens; segments are kept in reserve so that outcomes still find room. When a write fails the log
//!   closes: what was not confirmed is reported [`Confirm::Failed`], what was stays on disk.
//! - Leases point into the buffers that were written; they do not hold up recycling on disk, but a
//!   buffer is not used again while one is left.
//!
//! Recovery walks the segments by generation, sealed ones by their footers, and their groups by
//! sequence. It stops at the first group that does not verify. Incarnations never fall and sequence
//! numbers rise by one, so a group left over from an earlier generation or from beyond an earlier
//! recovery's end is never taken up. `format` has the octets.

mod append;
mod commit;
mod error;
mod fetch;
mod footer;
mod format;
mod group;
mod log;
mod message;
mod note;
mod recovery;
mod segment;
mod superblock;

use crate::base::buffer::Lease;
use crate::base::limits::{GROUP_BUFFER_COUNT, SEGMENT_SIZE};

pub use append::{Chunks, NewMessage, Settlement};
pub use error::Error;
pub use log::{Counters, Log};
pub use message::TargetState;
pub use note::NoteScope;
pub use recovery::{Entry, RecoveredMessage};
pub use superblock::{SUPERBLOCK_NAME, Superblock, open_superblock};

/// Names a message of the store for as long as it is live, also over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageReference {
    /// Generation of the segment that holds its record.
    pub generation: u32,
    /// Its number among the segment's messages.
    pub index: u32,
    /// The log.
    pub log: u16,
}

/// What became of one target of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// The activity end is about to leave: from here on the target may be in doubt.
    Attempted = 1,
    /// An attempt is known not to have succeeded; the target waits again.
    Deferred = 2,
    /// The partner has taken responsibility, or the recipients have it.
    Transferred = 3,
    /// A non-delivery report stands in its place.
    Returned = 4,
    /// Its time ran out.
    Expired = 5,
    /// The operator or a rule removed it.
    Discarded = 6,
}

impl Outcome {
    fn decode(octet: u8) -> Option<Outcome> {
        let all = [
            Outcome::Attempted,
            Outcome::Deferred,
            Outcome::Transferred,
            Outcome::Returned,
            Outcome::Expired,
            Outcome::Discarded,
        ];
        all.into_iter().find(|outcome| *outcome as u8 == octet)
    }
}

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// Size of segments made from now on, octets: whole blocks, at least `SEGMENT_SIZE_MIN`.
    pub segment_size: u64,
    /// Segments at most, one of them for outcomes: the bound on disk space. Where one does not do for
    /// the outcomes of a full log, more are made.
    pub segment_count_max: usize,
    /// Group buffers at most, each of `GROUP_BUFFER_SIZE`: the bound on what leases hold in memory.
    pub group_buffer_count: usize,
    /// Fetches under way or leased at most.
    pub fetch_buffer_count: usize,
    /// Octets of a note at most, no more than `NOTE_SIZE_MAX`; 0: no notes are wanted, nor waited for.
    pub note_size_max: usize,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_size: SEGMENT_SIZE,
            segment_count_max: 1024,
            group_buffer_count: GROUP_BUFFER_COUNT,
            fetch_buffer_count: 64,
            note_size_max: 0,
        }
    }
}

/// A message taken into the log, not yet durable.
#[derive(Debug, Clone)]
pub struct Appended {
    /// Its name.
    pub reference: MessageReference,
    /// The body, or its last part where there are chunks, as it stands in the group buffer.
    pub body: Lease,
}

/// An answer of the log to an earlier request.
#[derive(Debug)]
pub enum Confirm {
    /// The record of this ticket is durable, and all before it.
    Committed {
        /// The request's ticket.
        ticket: u64,
    },
    /// The record of this ticket could not be made durable; the log is closed.
    Failed {
        /// The request's ticket.
        ticket: u64,
        /// Why the log closed.
        error: std::io::ErrorKind,
    },
    /// The octets asked for.
    Fetched {
        /// The request's ticket.
        ticket: u64,
        /// From the offset asked for, up to the size asked for or the end of the chunk.
        octets: Lease,
    },
    /// The octets asked for could not be read, or do not verify.
    FetchFailed {
        /// The request's ticket.
        ticket: u64,
        /// Why.
        error: Error,
    },
}
