//! The relay's changes to an APDU, expressed as pieces of the original between inserted octets.
//!
//! What a relay owns: a new element of trace-information, the internal-trace-information extension,
//! responsibility bits; and what follows from them, the lengths of enclosing elements of definite length.
//! Every other octet of the outcome is the original's. A changed length keeps its number of octets where
//! the new value fits, so that encodings stay as odd as they came; indefinite lengths stay indefinite.
//!
//! Invariants: pieces do not overlap and are in order; those of the original cover all that was not
//! replaced; their sizes sum up to [`Patched::size`].

use super::scan::{ApduKind, Responsibility, Scan};
use super::{tag, trace};
use crate::ber::{Element, Header, Length, Span, write};

/// What happens to internal-trace-information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InternalTraceChange<'a> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is taken off, the whole extension field; nothing happens when there is none.
    Strip,
    /// These encoded elements are put behind its last; it is created when there is none.
    Append(&'a [u8]),
}

/// What a relay changes.
#[derive(Clone, Copy)]
pub struct RelayChanges<'a> {
    /// Encoded trace-information elements to put behind the last.
    pub trace_element: Option<&'a [u8]>,
    /// What happens to internal-trace-information.
    pub internal_trace: InternalTraceChange<'a>,
    /// Whether per-domain bilateral information is taken off.
    pub strip_bilateral_information: bool,
    /// Who is responsible for the recipient with this index from now on; `None` leaves all as they are.
    pub responsibility: Option<&'a dyn Fn(usize) -> Responsibility>,
}

/// A stretch of a patched APDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// So many octets of the original.
    Original(Span),
    /// A range of [`Patched::inserted`].
    Inserted(Span),
}

/// One replacement: `insert` takes the place of `removed`.
#[derive(Debug, Clone, Copy)]
struct Edit {
    removed: Span,
    insert: Span,
}

/// A patched APDU. Reuse one: its vectors keep their memory.
#[derive(Debug, Clone, Default)]
pub struct Patched {
    inserted: Vec<u8>,
    pieces: Vec<Piece>,
    edits: Vec<Edit>,
    size: usize,
}

impl Patched {
    /// Nothing patched yet.
    pub fn new() -> Patched {
        Patched::default()
    }

    /// The pieces in order; none is empty.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The octets that [`Piece::Inserted`] ranges over.
    pub fn inserted(&self) -> &[u8] {
        &self.inserted
    }

    /// Total octets of all pieces.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The patched octets, in order, as slices of `apdu` and of what was inserted.
    pub fn slices<'s>(&'s self, apdu: &'s [u8]) -> impl Iterator<Item = &'s [u8]> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Original(span) => span.octets(apdu),
            Piece::Inserted(span) => span.octets(&self.inserted),
        })
    }

    /// Appends the patched octets to `out`.
    pub fn write_to(&self, apdu: &[u8], out: &mut Vec<u8>) {
        out.reserve(self.size);
        self.slices(apdu).for_each(|slice| out.extend_from_slice(slice));
    }

    /// Forgets all edits and pieces.
    pub(super) fn begin(&mut self) {
        self.inserted.clear();
        self.pieces.clear();
        self.edits.clear();
    }

    /// How many edits and inserted octets there are, to come back to by [`Patched::rewind`].
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.edits.len(), self.inserted.len())
    }

    /// Takes back the edits made since a [`Patched::mark`].
    pub(super) fn rewind(&mut self, (edit_count, inserted_size): (usize, usize)) {
        self.edits.truncate(edit_count);
        self.inserted.truncate(inserted_size);
    }

    /// Makes pieces of the edits made since [`Patched::begin`], over an original of `size` octets.
    ///
    /// Edits at one position stay in the order in which they were made: an insertion there must come
    /// before a removal.
    pub(super) fn finish(&mut self, size: u32) {
        sort_by_position(&mut self.edits);
        assemble(self, size);
    }

    /// Puts `fill`'s octets in the place of `removed`; gives by how much the whole grows.
    #[inline]
    pub(super) fn edit(&mut self, removed: Span, fill: impl FnOnce(&mut Vec<u8>)) -> i64 {
        let start = self.inserted.len() as u32;
        fill(&mut self.inserted);
        let insert = Span::new(start, self.inserted.len() as u32);
        self.edits.push(Edit { removed, insert });
        insert.size() as i64 - removed.size() as i64
    }

    /// Puts `octets` behind the content of `element`; gives by how much it grows as a whole.
    #[inline]
    pub(super) fn append(&mut self, element: &Element, octets: &[u8]) -> i64 {
        let end = element.content.end;
        let growth = self.edit(Span::new(end, end), |out| out.extend_from_slice(octets));
        self.lengthen(&element.header, growth)
    }

    /// Changes the length of an element whose content grows by `growth`; gives by how much the element
    /// as a whole grows.
    #[inline]
    pub(super) fn lengthen(&mut self, header: &Header, growth: i64) -> i64 {
        let Length::Definite(size) = header.length() else { return growth };
        if growth == 0 {
            return 0;
        }
        let removed = Span::new(header.length_start(), header.content_start);
        let size = (i64::from(size) + growth) as usize;
        growth + self.edit(removed, |out| length_as_long_as(out, size, removed.size()))
    }
}

/// Appends a definite length in `octet_count` octets, or in more if it does not fit.
fn length_as_long_as(out: &mut Vec<u8>, size: usize, octet_count: usize) {
    let shortest = write::length_size(size);
    if octet_count <= shortest {
        return write::length(out, size);
    }
    // A long form with leading zeros (X.690 8.1.3 allows it).
    out.push(0x80 | (octet_count - 1) as u8);
    let octets = size.to_be_bytes();
    let significant = (octet_count - 1).min(octets.len());
    out.resize(out.len() + octet_count - 1 - significant, 0);
    out.extend_from_slice(&octets[octets.len() - significant..]);
}

/// Applies `changes` to the APDU of which `scan` speaks; the pieces cover `apdu` as given.
///
/// `apdu` may be a prefix of the whole that holds at least the envelope ([`Scan::envelope_end`]): what
/// follows it in the original follows the pieces unchanged. `scan` must be a successful one of these
/// octets.
pub fn patch(apdu: &[u8], scan: &Scan, changes: &RelayChanges<'_>, out: &mut Patched) {
    out.begin();
    let mut growth = 0;
    if let Some(bilateral) = scan.per_domain_bilateral_information
        && changes.strip_bilateral_information
    {
        growth += out.edit(bilateral, |_| {});
    }
    if let Some(element) = changes.trace_element {
        growth += out.append(&scan.trace_information, element);
    }
    growth += internal_trace(out, scan, changes.internal_trace);
    let growth = out.lengthen(&scan.envelope.header, growth);
    // The envelope of a probe is the APDU.
    if scan.kind != ApduKind::Probe {
        out.lengthen(&scan.apdu, growth);
    }
    if let Some(responsibility) = changes.responsibility {
        for (index, recipient) in scan.recipients.iter().enumerate() {
            let wanted = responsibility(index);
            if wanted != recipient.responsibility() {
                let at = recipient.indicators_offset;
                // The octet as it stands: what `scan` holds has its unused bits cleared.
                let octet = apdu.get(at as usize).copied().unwrap_or_default() ^ 0x80;
                out.edit(Span::new(at, at + 1), |out| out.push(octet));
            }
        }
    }
    out.finish(apdu.len() as u32);
}

/// Gives by how much the content of the envelope grows.
fn internal_trace(out: &mut Patched, scan: &Scan, change: InternalTraceChange<'_>) -> i64 {
    match (change, &scan.internal_trace, &scan.extensions_element) {
        (InternalTraceChange::Keep, ..) | (InternalTraceChange::Strip, None, _) => 0,
        (InternalTraceChange::Strip, Some(found), Some(extensions)) => {
            let growth = out.edit(found.field.span(), |_| {});
            out.lengthen(&extensions.header, growth)
        }
        (InternalTraceChange::Append(elements), Some(found), Some(extensions)) => {
            let mut growth = out.append(&found.sequence, elements);
            for enclosing in [&found.value, &found.field, extensions] {
                growth = out.lengthen(&enclosing.header, growth);
            }
            growth
        }
        (InternalTraceChange::Append(elements), None, Some(extensions)) => {
            let end = extensions.content.end;
            let growth = out.edit(Span::new(end, end), |out| {
                trace::encode_internal_trace_field(elements, out);
            });
            out.lengthen(&extensions.header, growth)
        }
        (InternalTraceChange::Append(elements), _, None) => {
            let end = scan.envelope.content.end;
            let extensions = match scan.kind {
                ApduKind::Report => tag::REPORT_EXTENSIONS,
                ApduKind::Message | ApduKind::Probe => tag::EXTENSIONS,
            };
            out.edit(Span::new(end, end), |out| {
                write::constructed(out, extensions, |out| {
                    trace::encode_internal_trace_field(elements, out);
                });
            })
        }
        // A field without the element that holds it does not come from `scan`.
        (InternalTraceChange::Strip, Some(_), None) => 0,
    }
}

/// Stable, for two insertions at one place stay in the order in which they were made; the lists are
/// short and nearly sorted, for which insertion is the fastest way and needs no memory.
fn sort_by_position(edits: &mut [Edit]) {
    for index in 1..edits.len() {
        let mut at = index;
        while at > 0 && edits[at - 1].removed.start > edits[at].removed.start {
            edits.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Makes pieces of the sorted edits and of the original between them, up to `end`.
fn assemble(out: &mut Patched, end: u32) {
    let mut position = 0;
    let mut size = 0;
    for edit in &out.edits {
        let original = Span::new(position, edit.removed.start);
        if !original.is_empty() {
            out.pieces.push(Piece::Original(original));
            size += original.size();
        }
        if !edit.insert.is_empty() {
            out.pieces.push(Piece::Inserted(edit.insert));
            size += edit.insert.size();
        }
        position = edit.removed.end;
    }
    let original = Span::new(position, end);
    if !original.is_empty() {
        out.pieces.push(Piece::Original(original));
        size += original.size();
    }
    out.size = size;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_keep_their_octets_where_they_fit() {
        for (size, octet_count, expected) in [
            (5, 1, &[5][..]),
            (200, 1, &[0x81, 200]),
            (5, 2, &[0x81, 5]),
            (5, 4, &[0x83, 0, 0, 5]),
            (300, 2, &[0x82, 1, 44]),
            (5, 12, &[0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]),
        ] {
            let mut out = Vec::new();
            length_as_long_as(&mut out, size, octet_count);
            assert_eq!(out, expected);
        }
    }
}
