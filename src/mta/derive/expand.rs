//! A copy of a message for the members of a distribution list (X.411 14.3.10, DL expansion (unverified)).
//!
//! The members take the place of all recipients: each with the list's number, by which reports on it are
//! told from those on other recipients, the list's explicit-conversion, report requests and extensions, and
//! in our responsibility. That is what DLPolicy says where the list does not say otherwise (X.402,
//! MHSDirectoryObjectsAndAttributes): report requests unchanged, proof of delivery asked of the members,
//! originator-requested-alternate-recipient removed. The redirections by which the message came to the list
//! are no member's. A message-token stays: whoever has no keys can neither make nor judge one (unverified).
//!
//! Members that the originator exempted, lists among them, get nothing (dl-exempted-recipients, X.411 1999
//! (unverified)).
//!
//! The originator stays too; the list enters dl-expansion-history, and with it becomes whom reports on the
//! members go to. Members that sent the message or are lists that it came through are no exception: lists
//! that contain each other end where a list finds itself in the history.

use super::{Acting, Derived, members_of, supplied, within_bounds};
use crate::base::limits::RECIPIENT_COUNT_MAX;
use crate::ber::Reader;
use crate::mta::names::Names;
use crate::mta::policy::DistributionList;
use crate::p1::Error;
use crate::p1::history::{
    DL_EXEMPTED_RECIPIENTS, DL_EXPANSION_HISTORY, ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT,
    REDIRECTION_HISTORY, encode_entry, find,
};
use crate::p1::patch::Patched;
use crate::p1::rewrite::{Rewrite, encode_recipient_like};
use crate::p1::scan::{ExtensionId, Scan};
use crate::p1::time::utc_time;
use crate::p1::trace::{OtherAction, encode_trace_element_with};

/// The extensions of a list that no member inherits.
const NO_MEMBERS: [i64; 2] = [ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT, REDIRECTION_HISTORY];

/// Expands the list, which these recipients of a message name; `members` are the list's, by name.
pub(super) fn derive(
    apdu: &[u8],
    scan: &Scan,
    recipients: &[u16],
    list: &DistributionList,
    members: Option<&Names>,
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
    let is_exempted = exempted(apdu, scan, list, members);
    let members =
        || list.members.iter().zip(&is_exempted).filter(|(_, is_exempted)| !**is_exempted);
    let count = members().count();
    if count == 0 {
        return Ok(Derived::Nothing);
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
    let (mut kept, mut kept_count) = (Vec::new(), 0);
    for extension in scan.recipient_extensions(named) {
        if !NO_MEMBERS.map(ExtensionId::Standard).contains(&extension.id) {
            kept.extend_from_slice(extension.field.octets(apdu));
            kept_count += 1;
        }
    }
    rewrite.replace_recipients(|out| {
        for (member, _) in members() {
            name.clear();
            member.encode(&mut name);
            encode_recipient_like(named, &name, &kept, out);
        }
    })?;
    within_bounds(rewrite.finish()?, count * kept_count)?;
    Ok(Derived::Patched)
}

/// For each member of a list, whether the originator exempted it (dl-exempted-recipients, a SET OF O/R
/// names). From what cannot be read on, nobody is exempted.
fn exempted(
    apdu: &[u8],
    scan: &Scan,
    list: &DistributionList,
    members: Option<&Names>,
) -> Vec<bool> {
    let mut is_exempted = vec![false; list.members.len()];
    let found = find(&scan.extensions, DL_EXEMPTED_RECIPIENTS);
    if let (Some(found), Some(members)) = (found, members) {
        let mut exempt = || -> Result<(), Error> {
            let mut reader = Reader::over_span(apdu, found.value);
            let header = reader.header()?;
            let names = reader.enter(&header)?;
            while let Some(name) = reader.next(&names)? {
                let name = reader.skip(&name)?.span();
                let member = members.find(name.octets(apdu))?;
                if let Some(member) = member.and_then(|number| is_exempted.get_mut(number)) {
                    *member = true;
                }
            }
            Ok(())
        };
        // An error ends the reading.
        let _ = exempt();
    }
    is_exempted
}
