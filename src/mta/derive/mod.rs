//! What takes the place of recipients that an APDU is not sent on for as it is: a report on them, a copy
//! to where they are redirected, a copy to the members of a list.
//!
//! Pure: the subject's octets, what was decided, the policy and the time give the derived APDU's octets.
//! Whoever stores the derived APDU settles the subject's target in the same commit.

mod expand;
mod list_report;
mod redirect;
mod report;

use self::redirect::Alternate;
pub use self::report::is_delivery_reported;
use crate::base::clock::WallTime;
use crate::base::limits::{ENVELOPE_SIZE_MAX, EXTENSION_COUNT_MAX};
use crate::mta::policy::{Deferral, Policy, ReportPolicy};
use crate::p1::Error;
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::patch::Patched;
use crate::p1::scan::{ApduKind, Scan};
use crate::p1::time::wall_time;
use crate::p1::trace::Supplied;

/// TypeOfMTSUser of a distribution list.
const DISTRIBUTION_LIST: u8 = 3;

/// What takes the place of some recipients of an APDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// A report says so of them.
    Report(Verdict),
    /// A copy goes to the alternate recipient that the originator asked for.
    AlternateRecipient,
    /// A copy goes where this one of the policy's redirections says.
    Redirection(u16),
    /// A copy goes to the members of this one of the policy's lists; a report that came for this list goes
    /// where its report policy says. See [`companion`].
    Expansion(u16),
    /// A report that came for this one of the policy's lists goes to the list's owner.
    OwnerReport(u16),
    /// The same once more, for these recipients alone.
    Copy,
    /// Nothing, and no report: a report that cannot go on, or a list that was expanded before (X.411 14.3
    /// (unverified)).
    Discard(NonDelivery),
}

/// What a report says of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Delivered, or of a probe: it could be.
    Delivery {
        /// When.
        at: WallTime,
        /// TypeOfMTSUser.
        type_of_mts_user: u8,
    },
    /// Not delivered.
    NonDelivery(NonDelivery),
}

/// Who derives, and when.
#[derive(Clone, Copy)]
pub struct Acting<'a> {
    /// Our domain.
    pub domain: &'a GlobalDomainIdentifier,
    /// Our MTA name.
    pub mta_name: &'a str,
    /// The policy.
    pub policy: &'a Policy,
    /// The time of deriving.
    pub now: WallTime,
    /// When the subject came in.
    pub arrived: WallTime,
    /// Local part of a report's own MTS-identifier, 1 to 32 IA5 characters.
    pub local_identifier: &'a str,
    /// Words for the human who reads the report; empty: those of the diagnostic.
    pub supplementary_information: &'a str,
}

/// What was derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derived {
    /// Nothing: nobody wants a report, or the subject is a report. The subject's target is done with.
    Nothing,
    /// `out` holds the whole APDU.
    Whole,
    /// `patched` is over the subject's envelope, behind which the subject goes on.
    Patched,
}

/// Whether the subject's content is needed to derive: it is returned by a report.
pub fn needs_content(scan: &Scan, derivation: Derivation, policy: &Policy) -> bool {
    match derivation {
        Derivation::Report(verdict) => report::returns_content(scan, verdict, policy),
        _ => false,
    }
}

/// What is derived from the same recipients beside `derivation`, in the same commit, as an APDU of its own
/// with a local identifier of its own: of an expansion the report that the list was reached, of a report on
/// members the second one where both originator and owner hear of them.
pub fn companion(scan: &Scan, derivation: Derivation, acting: &Acting<'_>) -> Option<Derivation> {
    let Derivation::Expansion(list) = derivation else { return None };
    match scan.kind {
        ApduKind::Report => {
            let list_policy = acting.policy.lists.get(usize::from(list))?.report_policy;
            (list_policy == ReportPolicy::Both).then_some(Derivation::OwnerReport(list))
        }
        ApduKind::Message | ApduKind::Probe => Some(Derivation::Report(Verdict::Delivery {
            at: acting.now,
            type_of_mts_user: DISTRIBUTION_LIST,
        })),
    }
}

/// Derives from the subject `apdu`, which may be a prefix that holds the envelope unless
/// [`needs_content`] says otherwise, for these of its recipients, by index; of a report, none.
///
/// What was decided by a policy whose redirection or list is not there becomes a copy, to be decided on
/// anew.
///
/// # Errors
/// When a part of the subject that must be read is malformed, and when more would be derived than an
/// envelope may hold: a list has too many members.
pub fn derive(
    apdu: &[u8],
    scan: &Scan,
    recipients: &[u16],
    derivation: Derivation,
    acting: &Acting<'_>,
    out: &mut Vec<u8>,
    patched: &mut Patched,
) -> Result<Derived, Error> {
    out.clear();
    match derivation {
        Derivation::Report(verdict) => report::derive(apdu, scan, recipients, verdict, acting, out),
        Derivation::AlternateRecipient => {
            redirect::derive(apdu, scan, recipients, Alternate::OfOriginator, acting, patched)
        }
        Derivation::Redirection(index) => {
            match acting.policy.redirections.get(usize::from(index)) {
                Some(found) => {
                    let alternate = Alternate::Assigned(&found.to);
                    redirect::derive(apdu, scan, recipients, alternate, acting, patched)
                }
                None => Ok(redirect::copy(apdu, scan, recipients, patched)),
            }
        }
        Derivation::Expansion(index) | Derivation::OwnerReport(index) => {
            let Some(list) = acting.policy.lists.get(usize::from(index)) else {
                return Ok(redirect::copy(apdu, scan, recipients, patched));
            };
            match (scan.kind, derivation) {
                (ApduKind::Message, Derivation::Expansion(_)) => {
                    let members = acting.policy.lists.related(usize::from(index));
                    expand::derive(apdu, scan, recipients, list, members, acting, patched)
                }
                (ApduKind::Report, Derivation::Expansion(_)) => {
                    list_report::derive(apdu, scan, list, acting, patched)
                }
                (ApduKind::Report, _) => {
                    list_report::derive_for_owner(apdu, scan, list, acting, patched)
                }
                // A probe ends at the list: it is answered, and goes to no member.
                (ApduKind::Message | ApduKind::Probe, _) => Ok(Derived::Nothing),
            }
        }
        Derivation::Copy => Ok(redirect::copy(apdu, scan, recipients, patched)),
        Derivation::Discard(_) => Ok(Derived::Nothing),
    }
}

/// For each recipient of an APDU, by index, whether it is among `recipients`.
fn members_of(scan: &Scan, recipients: &[u16]) -> Vec<bool> {
    let mut members = vec![false; scan.recipients.len()];
    for index in recipients {
        if let Some(member) = members.get_mut(usize::from(*index)) {
            *member = true;
        }
    }
    members
}

/// What our element of trace says of a message: when it came in, and until when what is made of it waits here.
fn supplied(apdu: &[u8], scan: &Scan, acting: &Acting<'_>) -> Supplied {
    let is_held = scan.kind == ApduKind::Message && acting.policy.deferral == Deferral::Hold;
    let deferred = scan
        .deferred_delivery_time
        .filter(|_| is_held)
        .and_then(|time| wall_time(time.octets(apdu)))
        .filter(|time| *time > acting.arrived);
    Supplied { deferred, ..Supplied::relayed(acting.arrived) }
}

/// Refuses an envelope, of so many octets and with so many extension fields of recipients, that we would
/// not take in ourselves.
fn within_bounds(envelope_size: usize, extension_count: usize) -> Result<(), Error> {
    for (count, field, maximum) in [
        (envelope_size, "derived envelope octets", ENVELOPE_SIZE_MAX),
        (extension_count, "derived extensions", EXTENSION_COUNT_MAX),
    ] {
        if count > maximum {
            return Err(Error::TooMany { offset: 0, field, maximum });
        }
    }
    Ok(())
}
