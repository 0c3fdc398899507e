//! Layer 4: how a connector keeps its associations, as a pure policy: settings, counts and time in, what to
//! open, carry and close out.
//!
//! - [`schedule`]: when the partner may be called.
//! - [`retry`]: how long to wait after failures, and how long a transfer may take.
//! - [`associations`]: how many associations, for whom, and until when.
//!
//! The vocabulary (lifetime, threshold, open and transfer retries, seconds per KiB) is that of the classic
//! X.400 connectors, so that an operator finds each value where he expects it.

pub mod associations;
pub mod retry;
pub mod schedule;

pub use associations::{AssociationPolicy, Associations, Traffic};
pub use retry::{RetryPolicy, TransferTimeouts};
pub use schedule::Schedule;
