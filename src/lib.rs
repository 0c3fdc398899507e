//! p1relay: a carrier-scale X.400 relay, between foreign MTAs over P1.
//!
//! # The layers
//!
//! Imports point down, never up; `tests/tidy.rs` holds it.
//!
//! | layer | modules | what |
//! |---|---|---|
//! | 7 | [`config`], [`run`], [`demo`], [`connector_command`], [`track_command`], `main` | arguments, TOML, the demo, what an operator asks of a connector and of a message |
//! | 6 | [`shard`], [`endpoint`] | where protocol meets I/O: the relay's core loop; the foreign MTA that demo, tests and `p1load` play |
//! | 5 | [`association`], [`spool`] | one stack over one socket, for both; local delivery points, messages in directories |
//! | 4 | [`mta`], [`connector`], [`decode`] | X.411 procedures: APDU in, decision and octets out; when and how a partner is called; octets in words; pure |
//! | 3 | [`routing`], [`store`], [`journal`] | compiled address spaces; the log, commit, recovery; what happened to each message |
//! | 2 | [`osi`], [`p1`] | sans-IO protocol machines; views of MTS-APDUs |
//! | 1 | [`ber`], [`io`] | X.690 in place; io_uring, epoll, simulated |
//! | 0 | [`base`] | limits, clock, buffers, timers |
//!
//! # The life of a message
//!
//! 1. [`io`] hands received octets to a [`shard`], which feeds them to the connection's [`osi::stack`].
//! 2. The stack gives back the octets of a transfer, in place; `shard::intake` gathers them, or streams
//!    them into the log when they are many.
//! 3. At the activity's end [`p1::scan`] finds identifier, trace and recipients without copying.
//! 4. [`mta::decide`] asks [`routing`] where each recipient goes. Where it goes nowhere as it is, something
//!    takes its place once it is stored: [`mta::derive`] makes a report, a redirected or an expanded copy, and
//!    `shard::derive` has it settle the recipient in the same commit, and goes on with it as with any other.
//! 5. The [`store`] appends one record; one durable write commits many.
//! 6. When it is durable, and only then, `shard::commit` has the activity's end confirmed:
//!    responsibility is ours.
//! 7. The message waits by reference in its connector's queue, at the shard that owns the connector.
//! 8. `shard::dispatch` takes it to an idle association; [`mta::prepare`] patches trace and
//!    responsibility between slices of the original, which leaves from the buffer it was committed from.
//! 9. The partner's confirmation is logged as an outcome; when every target has one, the record is dead
//!    and its segment is used again.

pub mod association;
pub mod base;
pub mod ber;
pub mod config;
pub mod connector;
pub mod connector_command;
pub mod decode;
pub mod demo;
pub mod endpoint;
pub mod io;
pub mod journal;
pub mod mta;
pub mod osi;
pub mod p1;
pub mod routing;
pub mod run;
pub mod shard;
pub mod spool;
pub mod store;
pub mod track_command;
