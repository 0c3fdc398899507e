//! Partners of every kind: the three application contexts, both dialogue modes, calling and called; those that
//! break off and resume, and those that misbehave.
//!
//! - [`recovery`]: connections cut anywhere, in the simulated world.
//! - [`matrix`]: every kind of partner against the relay as a process, over real sockets.
//! - [`beside`]: how long messages for good partners take beside bad ones, in simulated time.
//! - [`foreign_1984`]: a foreign caller of 1984, and what a partner of 1984 is spared.
//! - [`misbehaving`]: partners that are dead, hang, refuse or lie, beside good ones.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod apdus;
mod beside;
mod foreign_1984;
mod link;
mod matrix;
mod misbehaving;
mod network;
mod recovery;
