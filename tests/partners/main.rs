//! Partners of every kind: the three application contexts, both dialogue modes, calling and called; those that
//! break off and resume, and those that misbehave.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod link;
mod network;
mod recovery;
