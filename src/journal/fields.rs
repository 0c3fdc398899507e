//! The fields of journal records: how they are written, and read without trust.

use crate::base::limits::JOURNAL_NAME_SIZE_MAX;

/// Appends at most 255 octets behind their count.
pub(super) fn put_counted(octets: &[u8], out: &mut Vec<u8>) {
    let size = octets.len().min(usize::from(u8::MAX));
    out.push(size as u8);
    out.extend_from_slice(&octets[..size]);
}

/// Appends an O/R name behind its size; a name that is too long is left empty, since half of it is none.
pub(super) fn put_name(octets: &[u8], out: &mut Vec<u8>) {
    let octets = if octets.len() <= JOURNAL_NAME_SIZE_MAX { octets } else { &[] };
    out.extend_from_slice(&(octets.len() as u16).to_le_bytes());
    out.extend_from_slice(octets);
}

/// Fields that are read one after the other; each is `None` when it is not there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Fields<'a> {
        Fields(octets)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Octets left.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn octet(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let size = self.octet()?;
        self.take(usize::from(size))
    }

    /// Counted characters; what a cut made of the last one is left out.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let octets = self.counted()?;
        match std::str::from_utf8(octets) {
            Ok(text) => Some(text),
            Err(error) => std::str::from_utf8(&octets[..error.valid_up_to()]).ok(),
        }
    }

    pub(super) fn name(&mut self) -> Option<&'a [u8]> {
        let size = u16::from_le_bytes(self.array()?);
        self.take(usize::from(size))
    }
}
