//! Which connector takes an APDU onward to a name (X.411 14.3, routing decision (unverified)).

use super::{AcceptedContentType, ConnectorFacts, Subject};
use crate::p1::Error;
use crate::p1::encoded_information_types::AcceptedTypes;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::{ApduKind, ContentType};
use crate::routing::{Address, Candidate, ConnectorIndex, LinkState};

/// Why a connector cannot take it, the one that explains most last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Obstacle {
    ContentType,
    EncodedInformationTypes,
    Size,
    Loop,
}

/// A connector that takes the APDU.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) connector: ConnectorIndex,
    /// Whether it delivers here.
    pub(super) is_local: bool,
}

impl Subject<'_, '_> {
    /// The connector to this name, or why there is none: none serves it, the APDU was where they lead, it
    /// is too long for them, or they do not take its content type or encoded information types. An address
    /// that is delivered to here goes nowhere less specific, whatever stands in the way.
    pub(super) fn route(&self, or_name: &[u8]) -> Result<Result<Route, NonDelivery>, Error> {
        let address = Address::read(or_name)?;
        let mut worst = None;
        let mut is_local = false;
        let mut is_ours = false;
        let table = self.context.table;
        let chosen = table.lookup_accepted(&address, |candidates| {
            if is_ours {
                return None;
            }
            let route = self.choose(candidates, &mut worst, &mut is_ours)?;
            is_local = route.is_local;
            Some(route.connector)
        });
        let chosen = chosen.map(|connector| Route { connector, is_local });
        if let Some(connector) = chosen {
            return Ok(Ok(connector));
        }
        Ok(Err(match worst {
            Some(Obstacle::Loop) => NonDelivery::LOOP_DETECTED,
            Some(Obstacle::Size) => NonDelivery::CONTENT_TOO_LONG,
            Some(Obstacle::EncodedInformationTypes) => {
                NonDelivery::ENCODED_INFORMATION_TYPES_UNSUPPORTED
            }
            Some(Obstacle::ContentType) => NonDelivery::CONTENT_TYPE_NOT_SUPPORTED,
            None => NonDelivery::UNRECOGNISED_OR_NAME,
        }))
    }

    /// Among equally specific routes without an obstacle: links that work first, then the cheapest.
    #[inline(always)]
    fn choose(
        &self,
        candidates: &[Candidate],
        worst: &mut Option<Obstacle>,
        is_ours: &mut bool,
    ) -> Option<Route> {
        let free = candidates.iter().filter_map(|candidate| {
            let facts = (self.context.connector)(candidate.connector);
            if let Some(obstacle) = self.obstacle(&facts) {
                *worst = (*worst).max(Some(obstacle));
                *is_ours |= facts.is_local;
                return None;
            }
            let state = self.context.links.state(candidate.connector);
            let route = Route { connector: candidate.connector, is_local: facts.is_local };
            Some((state == LinkState::Retrying, candidate.cost, route))
        });
        free.min_by_key(|(is_retrying, cost, _)| (*is_retrying, *cost)).map(|(.., route)| route)
    }

    #[inline(always)]
    fn obstacle(&self, facts: &ConnectorFacts<'_>) -> Option<Obstacle> {
        let is_visited = |domain| domain != self.context.domain && self.trace.has_visited(domain);
        if facts.domain.is_some_and(is_visited) {
            return Some(Obstacle::Loop);
        }
        if self.size_in_question() > facts.message_size_max as u64 {
            return Some(Obstacle::Size);
        }
        let accepts = |accepted: &[AcceptedContentType]| {
            self.scan.content_type.is_none_or(|content_type| {
                accepted.iter().any(|one| one.is(content_type, self.apdu))
            })
        };
        if !facts.content_types.is_none_or(accepts) {
            return Some(Obstacle::ContentType);
        }
        let accepted = facts.encoded_information_types?;
        (!self.has_only(accepted)).then_some(Obstacle::EncodedInformationTypes)
    }

    /// Whether the content holds types among these alone, as far as it says what it holds. Types that
    /// cannot be read are among none.
    fn has_only(&self, accepted: &AcceptedTypes) -> bool {
        let original = self.scan.original_encoded_information_types;
        original.is_none_or(|types| accepted.contain(self.apdu, types).unwrap_or(false))
    }

    /// How long the APDU is, octets; what a probe asks about would be longer by its content.
    fn size_in_question(&self) -> u64 {
        let own = self.context.apdu_size as u64;
        match self.scan.kind {
            ApduKind::Probe => own.saturating_add(self.scan.content_length.unwrap_or(0)),
            ApduKind::Message | ApduKind::Report => own,
        }
    }
}

impl AcceptedContentType {
    /// Whether it is this one of `apdu`.
    pub fn is(&self, content_type: ContentType, apdu: &[u8]) -> bool {
        match (self, content_type) {
            (AcceptedContentType::BuiltIn(own), ContentType::BuiltIn(other)) => *own == other,
            (AcceptedContentType::Extended(own), ContentType::Extended(other)) => {
                **own == *other.octets(apdu)
            }
            _ => false,
        }
    }
}
