//! What the relay is for, over real sockets: relays as processes, foreign MTAs around them.
//!
//! - [`carrier`]: the three scenarios of the classic X.400 Connector: a foreign system, systems behind a
//!   partner, two sites backboned over public carriers.
//! - [`routes`]: routes that loop, a message split over partners of which one is down.
//! - [`redirection`]: alternate recipients, distribution lists.
//! - [`reports`]: what does not arrive is reported, once, with the right codes.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod carrier;
mod network;
mod redirection;
mod reports;
mod routes;
