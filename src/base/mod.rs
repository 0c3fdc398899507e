//! Layer 0: what every other layer stands on. Imports nothing of this crate.

pub mod buffer;
pub mod clock;
pub mod durations;
pub mod fault;
pub mod limits;
pub mod timer;
pub mod transmit;
