//! p1relay: a carrier-scale X.400 relay.

pub mod base;
pub mod io;
