//! Why a journal cannot be written or read.

use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be written or read. All of it is on our side: nothing that a partner sends does this.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// Another relay writes to the directory.
    #[error("{}: another relay keeps its journal there; name another [tracking] directory", directory.display())]
    Taken {
        /// The directory.
        directory: PathBuf,
    },
    /// Another program's file, or a later version's.
    #[error("{}: no journal file that this version can read (version {version})", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The version that it names; 0 where it is no journal file at all.
        version: u32,
    },
    /// A part that was whole is not any more.
    #[error("{}: damaged at octet {offset}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
}

/// Names the file in what the operating system said.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |error| Error::Io { path: path.to_owned(), error }
}
