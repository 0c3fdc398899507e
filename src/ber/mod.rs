//! Layer 1: the Basic Encoding Rules (X.690), read in place and written in definite form.
//!
//! A [`Reader`] walks encodings without copying and gives absolute positions ([`Span`]); a [`Skipper`]
//! walks an element that streams past in chunks; [`write`] appends encodings to a vector.
//!
//! Invariants: no length is trusted before it was compared with what encloses it; nothing recurses;
//! nesting is bounded by [`BER_DEPTH_MAX`](crate::base::limits::BER_DEPTH_MAX). The inside of an element
//! of definite length that nobody asks for is not looked at: it passes as it came.
//!
//! Clause numbers are those of X.690 in its 2008 edition.

mod error;
mod reader;
mod short;
mod skipper;
mod tag;
pub mod write;

pub use error::{Error, ErrorKind};
pub use reader::{Element, Header, Length, Reader, Scope, Span};
pub use short::short_form;
pub use skipper::{Progress, Skipper};
pub use tag::{Class, Tag};
