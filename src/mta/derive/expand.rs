//! A copy of a message for the members of a distribution list (X.411 14.3.10, DL expansion (unverified)).
//!
//! The members take the place of all recipients: each with the list's number, by which reports on it are
//! told from those on other recipients, the list's explicit-conversion, report requests and extensions, and
//! in our responsibility. That is what DLPolicy says where the list does not say otherwise (X.402,
//! MHSDirectoryObjectsAndAttributes): report requests unchanged, proof of delivery asked of the members,
//! originator-requested-alternate-recipient removed. The redirections by which the message came to the list
//! are no member's. A message-token stays: whoever has no keys can neither make nor judge one (unverified).
//!
//! The originator stays too; the list enters dl-expansion-history, and with it becomes whom reports on the
//! members go to. Members that sent the message or are lists that it came through are no exception: lists
//! that contain each other end where a list finds itself in the history.

use super::{Acting, Derived, members_of, supplied, within_bounds};
use crate::base::limits::RECIPIENT_COUNT_MAX;
use crate::mta::policy::DistributionList;
use crate::p1::Error;
use crate::p1::history::{
    DL_EXPANSION_HISTORY, ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT, REDIRECTION_HISTORY,
    encode_entry,
};
use crate::p1::patch::Patched;
use crate::p1::rewrite::{Rewrite, encode_recipient_like};
use crate::p1::scan::{ExtensionId, Recipient, Scan};
use crate::p1::time::utc_time;
use crate::p1::trace::{OtherAction, encode_trace_element_with};

/// Responsibility, of per-recipient-indicators.
const RESPONSIBLE: u8 = 0x80;
/// The extensions of a list that no member inherits.
const NO_MEMBERS: [i64; 2] = [ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT, REDIRECTION_HISTORY];

/// Expands the list, which these recipients of a message name.
pub(super) fn derive(
    apdu: &[u8],
    scan: &Scan,
    recipients: &[u16],
    list: &DistributionList,
    acting: &Acting<'_>,
    patched: &mut Patched,
) -> Result<Derived, Error> {
    // A list that is named twice has its members once.
    let named = members_of(scan, recipients).iter().position(|named| *named);
    let Some(named) = named.and_then(|index| scan.recipients.get(index)) else {
        return Ok(Derived::Nothing);
    };
    if list.members.is_empty() {
        return Ok(Derived::Nothing);
    }
    if list.members.len() > RECIPIENT_COUNT_MAX {
        return Err(Error::TooMany {
            offset: named.field.start,
            field: "members of a list",
            maximum: RECIPIENT_COUNT_MAX,
        });
    }
    let mut rewrite = Rewrite::new(apdu, scan, patched);
    let mut octets = Vec::new();
    let supplied = supplied(apdu, scan, acting);
    encode_trace_element_with(acting.domain, supplied, OtherAction::DlOperation, &mut octets);
    rewrite.append_trace(&octets);
    let mut name = Vec::new();
    list.address.encode(&mut name);
    octets.clear();
    encode_entry(&name, &utc_time(acting.now), &mut octets);
    rewrite.extend_history(DL_EXPANSION_HISTORY, &octets)?;
    let like = Recipient { indicators: named.indicators | RESPONSIBLE, ..*named };
    let (mut kept, mut kept_count) = (Vec::new(), 0);
    for extension in scan.recipient_extensions(named) {
        if !NO_MEMBERS.map(ExtensionId::Standard).contains(&extension.id) {
            kept.extend_from_slice(extension.field.octets(apdu));
            kept_count += 1;
        }
    }
    rewrite.replace_recipients(|out| {
        for member in &list.members {
            name.clear();
            member.encode(&mut name);
            encode_recipient_like(&like, &name, &kept, out);
        }
    })?;
    within_bounds(rewrite.finish()?, list.members.len() * kept_count)?;
    Ok(Derived::Patched)
}
