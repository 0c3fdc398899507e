//! A report that came to a distribution list, whose members it speaks of, sent on to whom the list's report
//! policy says (X.411 14.4, report of a DL expansion point (unverified); DLPolicy, report-propagation,
//! X.402).
//!
//! The report stays what it is, with its identifier; it gets another report-destination-name and our
//! trace element. Whom the message came from is in its originator-and-DL-expansion-history: before the
//! list's own entry stands the list that the message came through, or the originator. Where it goes to the
//! list's owner, reporting-DL-name says on behalf of which list.

use super::{Acting, Derived, within_bounds};
use crate::ber::Span;
use crate::mta::policy::{DistributionList, ReportPolicy};
use crate::p1::Error;
use crate::p1::build::encode_standard_extension;
use crate::p1::history::{self, ORIGINATOR_AND_DL_EXPANSION_HISTORY, REPORTING_DL_NAME};
use crate::p1::or_address::OrAddress;
use crate::p1::patch::Patched;
use crate::p1::rewrite::Rewrite;
use crate::p1::scan::Scan;
use crate::p1::trace::{OtherAction, Supplied, encode_trace_element_with};

/// Sends a report on as the list's report policy says first: to its owner where he alone hears of members,
/// or where there is nobody else to be found; otherwise to whom the message came from.
pub(super) fn derive(
    apdu: &[u8],
    scan: &Scan,
    list: &DistributionList,
    acting: &Acting<'_>,
    patched: &mut Patched,
) -> Result<Derived, Error> {
    let previous = previous(apdu, scan, list);
    match (list.report_policy, &list.owner, previous) {
        (ReportPolicy::Owner, Some(owner), _) | (ReportPolicy::Originator, Some(owner), None) => {
            to_owner(apdu, scan, list, owner, acting, patched)
        }
        (_, _, Some(previous)) => send_on(apdu, scan, previous.octets(apdu), None, acting, patched),
        (_, _, None) => Ok(Derived::Nothing),
    }
}

/// Sends a report on to the list's owner.
pub(super) fn derive_for_owner(
    apdu: &[u8],
    scan: &Scan,
    list: &DistributionList,
    acting: &Acting<'_>,
    patched: &mut Patched,
) -> Result<Derived, Error> {
    match &list.owner {
        Some(owner) => to_owner(apdu, scan, list, owner, acting, patched),
        None => Ok(Derived::Nothing),
    }
}

fn to_owner(
    apdu: &[u8],
    scan: &Scan,
    list: &DistributionList,
    owner: &OrAddress,
    acting: &Acting<'_>,
    patched: &mut Patched,
) -> Result<Derived, Error> {
    let mut name = Vec::new();
    owner.encode(&mut name);
    send_on(apdu, scan, &name, Some(list), acting, patched)
}

fn send_on(
    apdu: &[u8],
    scan: &Scan,
    destination: &[u8],
    for_list: Option<&DistributionList>,
    acting: &Acting<'_>,
    patched: &mut Patched,
) -> Result<Derived, Error> {
    let mut rewrite = Rewrite::new(apdu, scan, patched);
    let mut octets = Vec::new();
    let supplied = Supplied::relayed(acting.arrived);
    encode_trace_element_with(acting.domain, supplied, OtherAction::DlOperation, &mut octets);
    rewrite.append_trace(&octets);
    if let Some(list) = for_list
        && history::find(&scan.extensions, REPORTING_DL_NAME).is_none()
    {
        let mut name = Vec::new();
        list.address.encode(&mut name);
        octets.clear();
        encode_standard_extension(REPORTING_DL_NAME, 0, &name, &mut octets);
        rewrite.append_extension(&octets);
    }
    rewrite.replace_destination(destination);
    within_bounds(rewrite.finish()?, 0)?;
    Ok(Derived::Patched)
}

/// The O/R name of the list or originator that the message came to this list from, when the report tells.
fn previous(apdu: &[u8], scan: &Scan, list: &DistributionList) -> Option<Span> {
    let found = history::find(&scan.extensions, ORIGINATOR_AND_DL_EXPANSION_HISTORY)?;
    let names: Vec<Span> = history::names(apdu, found.value).collect::<Result<_, _>>().ok()?;
    let at = names.iter().rposition(|name| {
        OrAddress::read(name.octets(apdu)).is_ok_and(|other| other.is_equivalent(&list.address))
    })?;
    names.get(at.checked_sub(1)?).copied()
}
