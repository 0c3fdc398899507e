//! An MTS-APDU of 1988 made one of 1984: what a partner of X.411 (1984) cannot read is taken off, moved or
//! mapped, and where that would lose what its originator insists on, the transfer is refused (X.419
//! Annex B).
//!
//! Annex B's text could not be had; what it must come to follows from the two ASN.1 modules: a field is
//! touched exactly where the P1 module of 1984 (UMPDUEnvelope, ProbeEnvelope, DeliveryReportEnvelope,
//! DeliveryReportContent and below) has no place for it. Where the modules leave a choice, [`Rule`] says
//! what was chosen and by what source; such a choice is marked (unverified). The other way there is nothing
//! to do: every APDU of 1984 is one of 1988.
//!
//! Pure. The outcome is pieces of the original between inserted octets, as in [`patch`](super::patch);
//! contents are never changed, so a content that would need conversion is refused.
//!
//! Invariants: the pieces of a downgraded APDU scan; downgrading them again changes nothing; where there is
//! nothing to do, one walk over the envelope says so and nothing is copied.

use super::Error;
use super::non_delivery::NonDelivery;
use super::patch::{Patched, Piece};
use super::scan::{ApduKind, Scan};
use crate::ber::Reader;

mod content;
mod envelope;
mod name;
mod report;
mod rule;
mod walk;
mod words;

pub use content::{Fit, fit_of_content, fit_of_prefix};
pub use rule::{Change, Detail, Effect, Place, Rule};

use walk::Walk;

/// What becomes of a common name, which 1984 does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommonName {
    /// It goes to the domain-defined attribute `Common`, where it is all that 1984 lacks (RFC 1328 3.2).
    #[default]
    ToDomainDefined,
    /// The name cannot be expressed.
    Refuse,
}

/// For which criticality an extension refuses the transfer instead of being lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CriticalExtensions {
    /// Critical for transfer, or for delivery: nobody behind a 1984 partner would obey the latter either.
    #[default]
    ForTransferOrDelivery,
    /// Critical for transfer only.
    ForTransfer,
}

/// What a 1984 partner's connector is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What becomes of common names.
    pub common_name: CommonName,
    /// Which extensions refuse.
    pub critical_extensions: CriticalExtensions,
}

/// What [`downgrade`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is of 1984 already: the original goes out.
    Unchanged,
    /// [`Downgrade::pieces`] go out, for the recipients that are not refused.
    Downgraded,
    /// Nothing goes out: every recipient is reported, or, if it is a report, it is discarded.
    Refused(NonDelivery),
    /// It is a P22 message, and too little of its content is at hand to tell whether it is P2 as well.
    NeedsContent,
}

/// A downgraded APDU and what that changed. Reuse one: its vectors keep their memory.
#[derive(Debug, Clone, Default)]
pub struct Downgrade {
    patched: Patched,
    changes: Vec<Change>,
    refused: Vec<u16>,
    removed: Vec<u16>,
    refusal: Option<NonDelivery>,
    content_unseen: bool,
}

impl Downgrade {
    /// Nothing downgraded yet.
    pub fn new() -> Downgrade {
        Downgrade::default()
    }

    /// The pieces in order; they range over the original and [`Downgrade::inserted`].
    pub fn pieces(&self) -> &[Piece] {
        self.patched.pieces()
    }

    /// The octets that [`Piece::Inserted`] ranges over.
    pub fn inserted(&self) -> &[u8] {
        self.patched.inserted()
    }

    /// The downgraded octets, in order, as slices of `apdu` and of what was inserted.
    pub fn slices<'s>(&'s self, apdu: &'s [u8]) -> impl Iterator<Item = &'s [u8]> {
        self.patched.slices(apdu)
    }

    /// Appends the downgraded octets to `out`.
    pub fn write_to(&self, apdu: &[u8], out: &mut Vec<u8>) {
        self.patched.write_to(apdu, out);
    }

    /// What was changed, lost or refused, in the order of the octets. Its `Display` is a line of words.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The recipients that must be reported with [`NonDelivery::UNABLE_TO_DOWNGRADE`] by whoever is responsible for them,
    /// by index in the original, ascending.
    pub fn refused_recipients(&self) -> &[u16] {
        &self.refused
    }

    /// The index in the original of the recipient at `index` in the downgraded envelope: recipients whose
    /// names cannot be expressed are not in it.
    pub fn original_index(&self, index: usize) -> usize {
        let mut original = index;
        for &removed in &self.removed {
            if usize::from(removed) > original {
                break;
            }
            original += 1;
        }
        original
    }

    fn clear(&mut self) {
        self.patched.begin();
        self.changes.clear();
        self.refused.clear();
        self.removed.clear();
        self.refusal = None;
        self.content_unseen = false;
    }
}

/// Downgrades the APDU of which `scan` speaks; the pieces cover `apdu` as given.
///
/// Of a message or probe `apdu` may be a prefix that holds at least the envelope: what follows it follows
/// the pieces unchanged. A report must be whole, for its content changes too. `scan` must be a successful
/// one of these octets.
///
/// # Errors
/// When what `scan` passes over is malformed: an O/R name, encoded information types, a report's content.
pub fn downgrade(
    apdu: &[u8],
    scan: &Scan,
    options: &Options,
    out: &mut Downgrade,
) -> Result<Outcome, Error> {
    out.clear();
    let reader = Reader::over_span(apdu, scan.envelope.span());
    let mut walk = Walk::new(apdu, reader, scan, options, out);
    match scan.kind {
        ApduKind::Message | ApduKind::Probe => walk.envelope()?,
        ApduKind::Report => walk.report()?,
    }
    // The envelope of a probe is the APDU.
    if scan.kind != ApduKind::Probe {
        walk.lengthen_apdu();
    }
    out.patched.finish(apdu.len() as u32);
    Ok(match out.refusal {
        Some(refusal) => Outcome::Refused(refusal),
        None if out.content_unseen => Outcome::NeedsContent,
        None if out.changes.is_empty() => Outcome::Unchanged,
        None => Outcome::Downgraded,
    })
}
