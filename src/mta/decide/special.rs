//! Recipients that stand for others: redirected ones, and distribution lists (X.411 14.3, redirection and
//! distribution list expansion (unverified)).
//!
//! A list that was expanded for this copy before is not expanded again, and nobody is told: its members
//! have their copies (as PP does).

use super::extensions::RecipientExtensions;
use super::{Hop, Subject};
use crate::mta::derive::Derivation;
use crate::mta::policy::SubmitPermission;
use crate::p1::Error;
use crate::p1::history;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::or_address::folded_eq;
use crate::p1::scan::ApduKind;
use crate::routing::{Address, Attribute, Pattern};

/// TypeOfMTSUser dl.
const DISTRIBUTION_LIST: u8 = 3;

impl Subject<'_, '_> {
    /// The recipient has asked for this one of the policy's redirections.
    pub(super) fn redirection(
        &self,
        index: usize,
        extensions: &RecipientExtensions<'_>,
    ) -> Result<Hop, NonDelivery> {
        if self.extensions.is_reassignment_prohibited {
            return Err(NonDelivery::RECIPIENT_REASSIGNMENT_PROHIBITED);
        }
        let redirections = &self.context.policy.redirections;
        let leads_back = redirections.related(index).is_none_or(|to| {
            extensions.has_been_for(self.apdu, to).unwrap_or(true)
                || redirections[index].from == redirections[index].to
        });
        match leads_back {
            true => Err(NonDelivery::REDIRECTION_LOOP_DETECTED),
            false => Ok(Hop::Derive(Derivation::Redirection(index as u16))),
        }
    }

    /// The recipient is this one of the policy's lists.
    ///
    /// # Errors
    /// When the name of who sends to the list is malformed.
    pub(super) fn expansion(&self, index: usize) -> Result<Result<Hop, NonDelivery>, Error> {
        let lists = &self.context.policy.lists;
        // Who sends to a list: the last list that the copy came through, else the originator.
        let mut sender = self.scan.originator.octets(self.apdu);
        let mut is_expanded = false;
        let expanded = self.extensions.expansion_history;
        let mut names = expanded.into_iter().flat_map(|value| history::names(self.apdu, value));
        let read = names.try_for_each(|name| {
            sender = name?.octets(self.apdu);
            is_expanded |= lists.find(sender)? == Some(index);
            Ok::<(), Error>(())
        });
        if is_expanded {
            return Ok(Ok(Hop::Derive(Derivation::Discard(NonDelivery::LOOP_DETECTED))));
        }
        if self.extensions.is_expansion_prohibited {
            return Ok(Err(NonDelivery::DL_EXPANSION_PROHIBITED));
        }
        if !self.may_submit(sender, index)? {
            return Ok(Err(NonDelivery::NO_DL_SUBMIT_PERMISSION));
        }
        if read.is_err() || lists.get(index).is_none_or(|list| list.members.is_empty()) {
            return Ok(Err(NonDelivery::DL_EXPANSION_FAILURE));
        }
        Ok(Ok(match self.scan.kind {
            ApduKind::Probe => self.deliverable(DISTRIBUTION_LIST),
            ApduKind::Message | ApduKind::Report => {
                Hop::Derive(Derivation::Expansion(index as u16))
            }
        }))
    }

    fn may_submit(&self, sender: &[u8], index: usize) -> Result<bool, Error> {
        let lists = &self.context.policy.lists;
        match lists.get(index).map(|list| &list.submit_permission) {
            None => Ok(false),
            Some(SubmitPermission::Anyone) => Ok(true),
            Some(SubmitPermission::Members) => {
                lists.related(index).map_or(Ok(false), |members| members.contains(sender))
            }
            Some(SubmitPermission::Patterns(patterns)) => {
                let address = Address::read(sender)?;
                Ok(patterns.iter().any(|pattern| takes(pattern, &address)))
            }
        }
    }
}

/// Whether an address has all that a pattern asks for.
fn takes(pattern: &Pattern, address: &Address<'_>) -> bool {
    Attribute::ALL.into_iter().all(|attribute| {
        pattern.value(attribute).is_none_or(|value| {
            address.value(attribute).is_some_and(|other| folded_eq(value, other))
        })
    })
}
