//! What takes the place of recipients that an APDU is not sent on for as it is: a report on them, a copy
//! to where they are redirected, a copy to the members of a list.
//!
//! Pure: the subject's octets, what was decided, the policy and the time give the derived APDU's octets.
//! Whoever stores the derived APDU settles the subject's target in the same commit.

use crate::base::clock::WallTime;
use crate::mta::policy::Policy;
use crate::p1::Error;
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::patch::Patched;
use crate::p1::scan::Scan;

/// What takes the place of some recipients of an APDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// A report says so of them.
    Report(Verdict),
    /// A copy goes to the alternate recipient that the originator asked for.
    AlternateRecipient,
    /// A copy goes where this one of the policy's redirections says.
    Redirection(u16),
    /// A copy goes to the members of this one of the policy's lists; a report that was made for this list
    /// goes where its report policy says.
    Expansion(u16),
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
    let _ = (scan, derivation, policy);
    false
}

/// Derives from the subject `apdu`, which may be a prefix that holds the envelope unless
/// [`needs_content`] says otherwise, for these of its recipients, by index; of a report, none.
///
/// # Errors
/// When a part of the subject that must be read is malformed.
pub fn derive(
    apdu: &[u8],
    scan: &Scan,
    recipients: &[u16],
    derivation: Derivation,
    acting: &Acting<'_>,
    out: &mut Vec<u8>,
    patched: &mut Patched,
) -> Result<Derived, Error> {
    let _ = (apdu, scan, recipients, derivation, acting, out, patched);
    Ok(Derived::Nothing)
}
