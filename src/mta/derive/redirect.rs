//! A copy of a message or probe for recipients that are redirected (X.411 14.3.8, recipient redirection
//! (unverified)), and a plain copy for some recipients.
//!
//! A redirected recipient keeps its number, indicators and all else, under the name of who gets it instead;
//! whom it was meant for, when it was redirected and why go into its redirection-history, from which
//! reports say the originally intended recipient. The originator's alternate recipient is taken off once it
//! is used: it would be its own alternate next, a loop of one step. One that the recipient's assigned
//! alternate went ahead of stays. The other recipients stay, and are not our responsibility in the copy:
//! whether recipients learn of each other is decided where the message is delivered.

use super::{Acting, Derived, members_of, supplied, within_bounds};
use crate::p1::Error;
use crate::p1::history::{
    ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT, REDIRECTION_HISTORY, RedirectionReason,
    encode_redirection, find,
};
use crate::p1::or_address::OrAddress;
use crate::p1::patch::{InternalTraceChange, Patched, RelayChanges, patch};
use crate::p1::rewrite::{Rewrite, alternate_recipient};
use crate::p1::scan::{Responsibility, Scan};
use crate::p1::trace::{OtherAction, encode_trace_element_with};

/// Who gets what was for a recipient.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alternate<'a> {
    /// Whom the originator named for each.
    OfOriginator,
    /// Whom the recipient has assigned.
    Assigned(&'a OrAddress),
}

/// Redirects these recipients.
pub(super) fn derive(
    apdu: &[u8],
    scan: &Scan,
    recipients: &[u16],
    alternate: Alternate<'_>,
    acting: &Acting<'_>,
    patched: &mut Patched,
) -> Result<Derived, Error> {
    let redirected = members_of(scan, recipients);
    if !redirected.contains(&true) {
        return Ok(Derived::Nothing);
    }
    let mut rewrite = Rewrite::new(apdu, scan, patched);
    let mut octets = Vec::new();
    let supplied = supplied(apdu, scan, acting);
    encode_trace_element_with(acting.domain, supplied, OtherAction::Redirected, &mut octets);
    rewrite.append_trace(&octets);
    let (reason, used, assigned) = match alternate {
        Alternate::OfOriginator => {
            let used = Some(ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT);
            (RedirectionReason::OriginatorRequested, used, None)
        }
        Alternate::Assigned(to) => {
            let mut name = Vec::new();
            to.encode(&mut name);
            (RedirectionReason::RecipientAssigned, None, Some(name))
        }
    };
    let mut extension_count = scan.all_recipient_extensions.len();
    for (recipient, is_redirected) in scan.recipients.iter().zip(redirected) {
        if !is_redirected {
            rewrite.clear_responsibility(recipient);
            continue;
        }
        let name = match &assigned {
            Some(name) => name,
            None => alternate_recipient(apdu, scan, recipient)?.octets(apdu),
        };
        let extensions = scan.recipient_extensions(recipient);
        let has_history = find(extensions, REDIRECTION_HISTORY).is_some();
        extension_count += usize::from(!has_history);
        extension_count -= usize::from(used.is_some());
        octets.clear();
        encode_redirection(recipient.or_name.octets(apdu), acting.now, reason, &mut octets);
        rewrite.redirect(recipient, name, &octets, used)?;
    }
    within_bounds(rewrite.finish()?, extension_count)?;
    Ok(Derived::Patched)
}

/// The same for these recipients alone: the others are not our responsibility in the copy.
pub(super) fn copy(apdu: &[u8], scan: &Scan, recipients: &[u16], patched: &mut Patched) -> Derived {
    let copied = members_of(scan, recipients);
    let responsibility = |index: usize| match (copied.get(index), scan.recipients.get(index)) {
        (Some(true), Some(recipient)) => recipient.responsibility(),
        _ => Responsibility::NotResponsible,
    };
    let changes = RelayChanges {
        trace_element: None,
        internal_trace: InternalTraceChange::Keep,
        strip_bilateral_information: false,
        responsibility: Some(&responsibility),
    };
    let envelope = apdu.get(..scan.envelope_end() as usize).unwrap_or(apdu);
    patch(envelope, scan, &changes, patched);
    Derived::Patched
}
