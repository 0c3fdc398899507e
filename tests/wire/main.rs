//! The relay as its partners see it: real sockets, the real program as a process, and octets judged by
//! what did not write them.
//!
//! - [`tshark`]: an independent dissector reads what crossed the sockets.
//! - [`tshark_x410`]: the same in X.410-1984 mode, as far as it can judge there.
//! - [`derived`]: the same of what is derived: reports, redirected and expanded copies.
//! - [`foreign`]: what a relay may change in an APDU, found by comparing input and output directly.
//! - [`sizes`]: contents from nothing to 16 MiB, and 512 recipients.
//! - [`submission`]: what is submitted as files, as the dissector reads it on the wire.
//! - [`hostile`]: callers that break the protocol, stall, lie, guess or flood.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod derived;
mod foreign;
mod hostile;
mod sizes;
mod submission;
mod tshark;
mod tshark_x410;
