//! The configuration file: TOML in, [`Settings`] or every problem at once out.
//!
//! [`file`] holds the structs that parse it, each key with its default and its words; [`check`],
//! [`connector`], [`spool`] and [`policy`] turn them into settings and gather what is wrong, each with its line and what to write
//! instead; [`reference`](mod@reference) writes the README's reference page from the same structs.

mod check;
mod connector;
mod file;
mod key;
mod names;
mod policy;
mod reference;
mod spool;

use std::fmt;
use std::path::Path;

pub use check::check;
pub use reference::reference;

use crate::shard::settings::Settings;

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}; {}", self.line, self.reason, self.remedy)
    }
}

/// Reads and checks a file. Relative paths in it are taken from its own directory.
///
/// # Errors
/// Every problem found; a file that cannot be read is one problem at line 1.
pub fn load(path: &Path) -> Result<Settings, Vec<Problem>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        vec![Problem {
            line: 1,
            reason: format!("{} cannot be read: {error}", path.display()),
            remedy: "name a readable file with --config".to_owned(),
        }]
    })?;
    check(&text, path.parent().unwrap_or(Path::new(".")))
}

/// Writes all problems to standard error, one a line, behind the file's name.
pub fn report(path: &Path, problems: &[Problem]) {
    for problem in problems {
        eprintln!("{}: {problem}", path.display());
    }
}
