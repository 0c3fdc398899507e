//! Layer 3: which connector serves an address.
//!
//! All connectors' address spaces are compiled into one immutable [`Table`], published by one pointer
//! swap together with the configuration it was compiled from. Shards read it without lock, wait or
//! allocation. Whether a connector works right now is in [`LinkStates`], an array of atomics beside the
//! table, so that a partner going down never republishes it.

mod link;
mod pattern;
mod table;

pub use link::{LinkFault, LinkState, LinkStates};
pub use pattern::{Attribute, Pattern, PatternError};
pub use table::{Address, Candidate, ConnectorIndex, Entry, Table};
