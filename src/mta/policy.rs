//! What the operator decides for all traffic, beside address spaces: how long messages may take, which
//! recipients are redirected, which are distribution lists.

use std::time::Duration;

use crate::base::clock::WallTime;
use crate::mta::names::{Addressed, ByAddress};
use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::or_address::OrAddress;
use crate::p1::scan::Priority;
use crate::routing::Pattern;

/// The policy of one configuration snapshot.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How long a message waits for its transfer before it is reported as expired.
    pub expiry: Expiry,
    /// What becomes of messages whose deferred-delivery-time has not come.
    pub deferral: Deferral,
    /// Largest content that a non-delivery report returns, octets.
    pub returned_content_size_max: usize,
    /// Recipients that are redirected, whatever the originator asked for.
    pub redirections: ByAddress<RecipientRedirection>,
    /// Distribution lists that are expanded here.
    pub lists: ByAddress<DistributionList>,
    /// Domains, ours perhaps, that an APDU may enter again after another: their parts are linked by
    /// others.
    pub split_domains: Vec<GlobalDomainIdentifier>,
}

/// Time until forced non-delivery, by priority (F.410 (unverified)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Of urgent messages.
    pub urgent: Duration,
    /// Of normal ones, and of probes.
    pub normal: Duration,
    /// Of non-urgent ones, and of reports.
    pub non_urgent: Duration,
}

impl Expiry {
    /// When a message that came in at `arrived` expires.
    pub fn at(&self, priority: Priority, arrived: WallTime) -> WallTime {
        let time = match priority {
            Priority::Urgent => self.urgent,
            Priority::Normal => self.normal,
            Priority::NonUrgent => self.non_urgent,
        };
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let milliseconds =
            seconds.saturating_mul(1000).saturating_add(i64::from(time.subsec_millis()));
        WallTime(arrived.0.saturating_add(milliseconds))
    }
}

/// What becomes of a message whose deferred-delivery-time has not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deferral {
    /// It waits here.
    #[default]
    Hold,
    /// It goes on at once: another MTA defers it.
    PassOn,
}

/// Redirection that the recipient has asked for (recipient-assigned alternate recipient).
#[derive(Debug, Clone, PartialEq)]
pub struct RecipientRedirection {
    /// Whom messages are for.
    pub from: OrAddress,
    /// Who gets them.
    pub to: OrAddress,
}

/// A distribution list with its expansion point here.
#[derive(Debug, Clone, PartialEq)]
pub struct DistributionList {
    /// The list's O/R address.
    pub address: OrAddress,
    /// Its members.
    pub members: Vec<OrAddress>,
    /// Who owns it.
    pub owner: Option<OrAddress>,
    /// Who may send to it.
    pub submit_permission: SubmitPermission,
    /// Who hears of members that are not delivered to.
    pub report_policy: ReportPolicy,
}

impl Addressed for DistributionList {
    fn address(&self) -> &OrAddress {
        &self.address
    }

    fn related(&self) -> &[OrAddress] {
        &self.members
    }
}

impl Addressed for RecipientRedirection {
    fn address(&self) -> &OrAddress {
        &self.from
    }

    fn related(&self) -> &[OrAddress] {
        std::slice::from_ref(&self.to)
    }
}

/// Who may send to a distribution list (DL submit permission, X.402 (unverified)).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SubmitPermission {
    /// Anyone.
    #[default]
    Anyone,
    /// Its members.
    Members,
    /// Those whose addresses one of these patterns takes.
    Patterns(Vec<Pattern>),
}

/// Who hears of members that are not delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReportPolicy {
    /// The originator, or the list through which the message came.
    #[default]
    Originator,
    /// The list's owner.
    Owner,
    /// Both.
    Both,
}

impl Default for Policy {
    fn default() -> Policy {
        let hours = |count: u64| Duration::from_secs(count * 3600);
        Policy {
            expiry: Expiry { urgent: hours(4), normal: hours(24), non_urgent: hours(36) },
            deferral: Deferral::default(),
            returned_content_size_max: 1 << 20,
            redirections: ByAddress::default(),
            lists: ByAddress::default(),
            split_domains: Vec::new(),
        }
    }
}
