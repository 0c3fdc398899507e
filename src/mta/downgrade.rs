//! The octets that leave for a partner of 1984: downgraded first, then prepared as for any other.
//!
//! [`prepare_1984`] stands where `prepare` does for other partners. Where there is nothing to downgrade it is
//! `prepare`; otherwise the downgraded envelope becomes the base that is patched. Internal trace leaves off
//! in any case, for 1984 has no place for it.
//!
//! [`preview`] says in words what a message would lose.

use super::prepare::{Relay, prepare};
use crate::ber::Span;
use crate::p1::Error;
use crate::p1::downgrade::{Change, Downgrade, Options, Outcome, downgrade};
use crate::p1::non_delivery::NonDelivery;
use crate::p1::patch::{Patched, Piece};
use crate::p1::scan::{ApduKind, Responsibility, Scan, scan, scan_prefix};

/// Working memory; reuse one, its vectors keep their memory.
#[derive(Debug, Default)]
pub struct Work {
    downgrade: Downgrade,
    base: Vec<u8>,
    scan: Scan,
    elements: Vec<u8>,
}

impl Work {
    /// The recipients that the partner cannot be given, by index in the original: those among them that we
    /// are responsible for are reported.
    pub fn refused_recipients(&self) -> &[u16] {
        self.downgrade.refused_recipients()
    }
}

/// What follows the patched envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest<'w> {
    /// The original from this offset on: a message's content.
    Original(usize),
    /// These octets: a report's downgraded content; none for a probe.
    Rewritten(&'w [u8]),
}

/// What goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing<'w> {
    /// `patched` ranges over the original's envelope, behind which the original goes on.
    Original,
    /// `patched` ranges over this envelope instead.
    Rewritten {
        /// The downgraded envelope, with what stands before it.
        envelope: &'w [u8],
        /// What follows it.
        rest: Rest<'w>,
    },
    /// Nothing: all recipients that `serves` names are reported with this; a report is discarded.
    Refused(NonDelivery),
    /// More of the content is needed to judge it: call again with more of the APDU.
    NeedsContent,
}

/// Downgrades and patches a scanned APDU for one next hop of 1984; the parameters are those of
/// [`prepare`]. A report must be whole; of a message the envelope will do unless its content is P22.
///
/// # Errors
/// When the APDU holds a name or report content that cannot be read; it cannot be downgraded either.
pub fn prepare_1984<'w>(
    apdu: &[u8],
    scan: &Scan,
    relay: &Relay<'_>,
    options: &Options,
    serves: impl Fn(usize) -> bool,
    work: &'w mut Work,
    patched: &mut Patched,
) -> Result<Outgoing<'w>, Error> {
    let Work { downgrade: downgraded, base, scan: base_scan, elements } = work;
    let outcome = downgrade(apdu, scan, options, downgraded)?;
    let refused = downgraded.refused_recipients();
    match outcome {
        Outcome::Refused(refusal) => return Ok(Outgoing::Refused(refusal)),
        Outcome::NeedsContent => return Ok(Outgoing::NeedsContent),
        Outcome::Unchanged | Outcome::Downgraded => {}
    }
    let goes =
        |recipient: usize| serves(recipient) && refused.binary_search(&(recipient as u16)).is_err();
    let is_ours = |index: usize| {
        let recipient = scan.recipients.get(index);
        recipient.is_some_and(|it| it.responsibility() == Responsibility::Responsible)
    };
    let any_goes = (0..scan.recipients.len()).any(|index| is_ours(index) && goes(index));
    if scan.kind != ApduKind::Report && !refused.is_empty() && !any_goes {
        return Ok(Outgoing::Refused(NonDelivery::UNABLE_TO_DOWNGRADE));
    }
    let relay = Relay { is_internal: false, ..*relay };
    if outcome == Outcome::Unchanged {
        prepare(apdu, scan, &relay, serves, elements, patched);
        return Ok(Outgoing::Original);
    }
    base.clear();
    // Of a message the content's header is in the base, for it ends the envelope's scan.
    let base_end = match (scan.kind, &scan.content_header) {
        (ApduKind::Message, Some(content)) => content.content_start,
        _ => apdu.len() as u32,
    };
    for piece in downgraded.pieces() {
        base.extend_from_slice(match *piece {
            Piece::Original(span) => Span::new(span.start, span.end.min(base_end)).octets(apdu),
            Piece::Inserted(span) => span.octets(downgraded.inserted()),
        });
    }
    scan_prefix(base, base_scan)?;
    let goes = |index: usize| goes(downgraded.original_index(index));
    prepare(base, base_scan, &relay, goes, elements, patched);
    let (envelope, behind) = base.split_at(base_scan.envelope_end() as usize);
    let rest = match scan.kind {
        ApduKind::Message => Rest::Original(scan.envelope_end() as usize),
        ApduKind::Probe | ApduKind::Report => Rest::Rewritten(behind),
    };
    Ok(Outgoing::Rewritten { envelope, rest })
}

/// What an APDU would lose on its way to a partner of 1984, a line of words each; then what becomes of it.
///
/// # Errors
/// When it is no APDU, or holds what cannot be read.
pub fn preview(apdu: &[u8], options: &Options) -> Result<Vec<String>, Error> {
    let mut scanned = Scan::new();
    scan(apdu, &mut scanned)?;
    let mut downgraded = Downgrade::new();
    let outcome = downgrade(apdu, &scanned, options, &mut downgraded)?;
    let mut lines: Vec<String> = downgraded.changes().iter().map(Change::to_string).collect();
    let refused = downgraded.refused_recipients().len();
    let recipients = scanned.recipients.len();
    lines.push(match outcome {
        Outcome::Unchanged => "nothing is lost".to_owned(),
        Outcome::Refused(_) if scanned.kind == ApduKind::Report => {
            "the report is not transferred, and discarded".to_owned()
        }
        Outcome::Refused(refusal) => format!("nothing is transferred; {refusal}"),
        Outcome::Downgraded if refused > 0 => format!(
            "transferred for {} of {recipients} recipients; for the others {}",
            recipients - refused,
            NonDelivery::UNABLE_TO_DOWNGRADE
        ),
        Outcome::Downgraded => "transferred with these changes".to_owned(),
        Outcome::NeedsContent => "the content cannot be judged".to_owned(),
    });
    Ok(lines)
}
