//! Elements with one identifier and one length octet, taken from a slice: what nearly all small elements
//! are, and much cheaper to read than what [`Reader`](super::Reader) must be ready for.

/// The identifier octet, the content and what follows of an element that begins `octets`; `None` when its
/// length takes more octets than one, or goes beyond `octets`.
///
/// A high tag number is for the caller to exclude, by naming the identifiers that it knows.
#[inline(always)]
pub fn short_form(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[identifier, size], rest) = octets.split_first_chunk()?;
    let (content, rest) = rest.split_at_checked(usize::from(size))?;
    (size < 0x80).then_some((identifier, content, rest))
}
