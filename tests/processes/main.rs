//! The relay as a process: started, killed, stopped, refused, each time the way an operator sees it.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod account;
mod cli;
mod connector;
mod fallback;
mod kill;
mod restart;
mod spool;
mod spool_report;
mod support;
mod track;
