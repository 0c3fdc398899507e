//! What can go wrong in the store, each with whose fault it is.

use std::io;
use std::path::PathBuf;

use super::MessageReference;
use crate::base::fault::Fault;

/// An error of the store. None of them loses what was acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("{}: {source}", file.display())]
    Io {
        /// Which file or directory.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file belongs to something else.
    #[error("{}: {what} is {found}, expected {expected}", file.display())]
    Foreign {
        /// Which file.
        file: PathBuf,
        /// What differs.
        what: &'static str,
        /// What stands in the file.
        found: String,
        /// What should stand there.
        expected: String,
    },
    /// The file was written by a newer version.
    #[error("{}: format version {found} is newer than {expected}, the newest this version reads", file.display())]
    NewerFormat {
        /// Which file.
        file: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version understood.
        expected: u32,
    },
    /// The file does not hold what it once did.
    #[error("{}: damaged at octet {offset}: {what}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Where in it, octets.
        offset: u64,
        /// What was found.
        what: &'static str,
    },
    /// The configuration cannot work.
    #[error("{what} is {found}, and must be at least {minimum}")]
    Configuration {
        /// Which setting.
        what: &'static str,
        /// Its value.
        found: u64,
        /// The least that works.
        minimum: u64,
    },
    /// No segment is free: refuse for now, and again until outcomes free one.
    #[error("no segment is free for appending")]
    Full,
    /// Every group or fetch buffer is leased out: refuse for now.
    #[error("every buffer is in use")]
    Busy,
    /// More octets than one record may hold.
    #[error("{what} of {size} octets exceeds {maximum}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size, octets.
        size: usize,
        /// The most that is taken, octets.
        maximum: usize,
    },
    /// The reference names no message that is stored and live.
    #[error("no live message {0:?}")]
    Unknown(MessageReference),
    /// The message has no such target that is still open, or a message came without targets.
    #[error("target {target} is not open")]
    Target {
        /// Its index.
        target: u16,
    },
    /// The message is not on disk yet; its caller holds its lease.
    #[error("message {0:?} is not committed yet")]
    NotCommitted(MessageReference),
    /// A write failed earlier; the log takes nothing more until it is opened anew.
    #[error("the log is closed since a write failed: {0}")]
    Closed(io::ErrorKind),
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Error::Io { .. } | Error::Closed(_) => Fault::AbortedBy,
            Error::Foreign { .. } | Error::Damaged { .. } => Fault::PeerViolated,
            Error::NewerFormat { .. } => Fault::PeerUnsupported,
            Error::Configuration { .. }
            | Error::Full
            | Error::Busy
            | Error::TooLarge { .. }
            | Error::Unknown(_)
            | Error::Target { .. }
            | Error::NotCommitted(_) => Fault::LocalLimit,
        }
    }
}
