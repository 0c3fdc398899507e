//! Layer 2: P1, the MTS-APDUs of X.411, seen in place, changed by splicing, and built.
//!
//! The relay's path: [`scan`] finds what a relay must know of an APDU without copying an octet, `mta`
//! decides, [`patch`] expresses the changes as pieces of the original between inserted octets, and
//! [`downgrade`] does so for a partner of 1984, [`rewrite`] for other recipients. Builders
//! ([`build`], [`ipm`]) and [`bind`] write what we say ourselves. [`schema`] states the ASN.1 as types:
//! the oracle of the scanner's tests, and the decoder of what is off the data path.
//!
//! Tags are those of the ASN.1 modules MTAAbstractService and MTSAbstractService of X.411, checked against
//! a foreign MTA's octets.

pub mod bind;
pub mod body_part;
pub mod build;
pub mod domain;
pub mod downgrade;
pub mod encoded_information_types;
mod error;
pub mod history;
pub mod identifier;
pub mod ipm;
pub mod non_delivery;
pub mod or_address;
pub mod patch;
pub mod rewrite;
pub mod scan;
pub mod schema;
mod tag;
pub mod time;
pub mod trace;
pub mod transfer_1984;

pub use error::Error;
