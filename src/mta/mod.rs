//! Layer 4: the MTA's judgement between transfer in and transfer out (X.411 section 4), pure.
//!
//! [`decide`] takes a scanned APDU, the relay's identity, the routing snapshot and the time, and says
//! where each recipient goes. [`metadata`] is what the store keeps of that decision, [`activity`] what it
//! keeps of the activity by which the APDU came; [`prepare`] makes the octets that leave, by patching the
//! original; for a partner of 1984 [`downgrade`] does. [`identifier`] names what we originate.

pub mod activity;
pub mod decide;
pub mod derive;
pub mod downgrade;
pub mod identifier;
pub mod metadata;
pub mod names;
pub mod policy;
pub mod prepare;
pub mod quirks;
