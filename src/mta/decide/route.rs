//! Which connector takes an APDU onward to a name (X.411 14.3, routing decision (unverified)).

use super::{AcceptedContentType, ConnectorFacts, Subject};
use crate::p1::Error;
use crate::p1::non_delivery::NonDelivery;
use crate::p1::scan::{ApduKind, ContentType};
use crate::routing::{Address, Candidate, ConnectorIndex, LinkState};

/// Why a connector cannot take it, the one that explains most last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Obstacle {
    ContentType,
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
    /// is too long for them, or they do not take its content type.
    pub(super) fn route(&self, or_name: &[u8]) -> Result<Result<Route, NonDelivery>, Error> {
        let address = Address::read(or_name)?;
        let mut worst = None;
        let mut is_local = false;
        let table = self.context.table;
        let chosen = table.lookup_accepted(&address, |candidates| {
            let route = self.choose(candidates, &mut worst)?;
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
            Some(Obstacle::ContentType) => NonDelivery::CONTENT_TYPE_NOT_SUPPORTED,
            None => NonDelivery::UNRECOGNISED_OR_NAME,
        }))
    }

    /// Among equally specific routes without an obstacle: links that work first, then the cheapest.
    #[inline(always)]
    fn choose(&self, candidates: &[Candidate], worst: &mut Option<Obstacle>) -> Option<Route> {
        let free = candidates.iter().filter_map(|candidate| {
            let facts = (self.context.connector)(candidate.connector);
            if let Some(obstacle) = self.obstacle(&facts) {
                *worst = (*worst).max(Some(obstacle));
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
        (!facts.content_types.is_none_or(accepts)).then_some(Obstacle::ContentType)
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
