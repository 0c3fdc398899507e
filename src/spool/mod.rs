//! Layer 5: local delivery points. A connector of kind `spool` hands the messages and reports addressed to it
//! to a directory, and takes submissions from another, so that gateways and applications attach without an OSI
//! stack (the message delivery and message submission ports of X.411, in files).
//!
//! `docs/spool.md` is the format for those who write gateways. Each delivery point has one thread ([`thread`]),
//! the only one that touches its directories; it meets the connector's owner shard at a [`port`], whose bounded
//! queues never block either side.
//!
//! - [`envelope`]: the JSON envelopes; [`describe`] and [`report`] write them from MTS-APDUs, [`compose`] makes
//!   MTS-APDUs from them.
//! - [`content`]: content out of an MTS-APDU that streams past.
//! - [`deliver`]: files that appear whole or not at all; [`submit`]: files taken in, once.
//!
//! What may be relied on:
//! - A delivery is reported to the shard only when its files and their names are durable. Until then a crash
//!   repeats it, under the same names: what was not taken yet is replaced.
//! - A submission is answered only when its record is durable in the store. Its MTS-identifier is assigned
//!   when it is claimed, and kept over a crash.

pub mod compose;
pub mod content;
pub mod deliver;
pub mod describe;
pub mod envelope;
pub mod files;
pub mod port;
pub mod report;
pub mod submit;
pub mod thread;

use std::path::PathBuf;
use std::time::Duration;

pub use port::Port;

use crate::mta::decide::AcceptedContentType;

/// What a delivery point is told by its connector's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Where messages and reports are handed out.
    pub directory: PathBuf,
    /// Where submissions are taken from; `None`: none are.
    pub submit_directory: Option<PathBuf>,
    /// Content types that are handed out; none: any.
    pub content_types: Vec<AcceptedContentType>,
    /// How long the acceptance of a submission is kept.
    pub acceptance_retention: Duration,
    /// How many acceptances are kept.
    pub acceptance_count_max: usize,
}
