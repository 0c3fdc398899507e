//! What can be wrong with an encoding, and where.

use crate::base::fault::Fault;

/// A fault of encoding at an absolute offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("octet {offset}: {kind}")]
pub struct Error {
    /// Where, in octets from the start of what is read.
    pub offset: u32,
    /// What.
    pub kind: ErrorKind,
}

/// The kinds of encoding fault.
///
/// As wide as the fields of a header, with which it shares the memory of a `Result`: narrower, it would cut
/// them in two, and each header read would go through memory in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u32)]
pub enum ErrorKind {
    /// The octets at hand end before the encoding does; more of it may still come.
    #[error("the encoding goes on beyond the octets at hand")]
    Truncated,
    /// An element is longer than what encloses it.
    #[error("an element is longer than what encloses it")]
    Overrun,
    /// A tag number of more than 28 bits, or one in more octets than it needs (X.690 8.1.2).
    #[error("the identifier octets are not valid")]
    Identifier,
    /// A reserved length form, or a length of more than 32 bits (X.690 8.1.3).
    #[error("the length octets are not valid")]
    LengthForm,
    /// A primitive encoding of indefinite length (X.690 8.1.3).
    #[error("a primitive encoding has indefinite length")]
    IndefinitePrimitive,
    /// End-of-contents octets where none belong (X.690 8.1.5).
    #[error("end-of-contents octets where none belong")]
    EndOfContents,
    /// Deeper nesting than `BER_DEPTH_MAX`.
    #[error("nested too deeply")]
    Depth,
    /// A constructed encoding was needed and a primitive one found.
    #[error("a constructed encoding was expected")]
    Primitive,
    /// A primitive encoding was needed and a constructed one found.
    #[error("a primitive encoding was expected")]
    Constructed,
    /// Another element than the one that belongs here.
    #[error("an unexpected element")]
    UnexpectedTag,
    /// Octets or elements behind the end of what was to be read.
    #[error("something follows the end")]
    Trailing,
    /// An INTEGER or ENUMERATED without octets, or of more than 64 bits (X.690 8.3).
    #[error("the integer is not valid")]
    Integer,
    /// A BIT STRING without its initial octet, or with one above 7 (X.690 8.6).
    #[error("the bit string is not valid")]
    BitString,
}

impl Error {
    /// Whose fault it is: the peer's, but for the bound on nesting, and for what we do not read.
    pub const fn fault(&self) -> Fault {
        match self.kind {
            ErrorKind::Depth => Fault::LocalLimit,
            ErrorKind::Constructed => Fault::PeerUnsupported,
            _ => Fault::PeerViolated,
        }
    }
}
