//! Trace information, of domains and of MTAs (TraceInformation, InternalTraceInformation).

use super::{Seen, TRACE_ELEMENT_COUNT_MAX, expect, invalid};
use crate::ber::{Element, Header, Reader, Span, Tag};
use crate::p1::{Error, tag};

/// How a domain or MTA passed the APDU on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoutingAction {
    /// As its first choice was.
    Relayed = 0,
    /// After another choice had failed.
    Rerouted = 1,
}

/// What a domain or MTA says of its part (DomainSuppliedInformation, MTASuppliedInformation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuppliedInformation {
    /// The characters of the UTCTime of arrival.
    pub arrival_time: Span,
    /// Relayed or rerouted.
    pub routing_action: RoutingAction,
    /// The domain (global-domain-identifier) or, in internal trace, MTA (IA5String) that was tried
    /// before: the whole element.
    pub attempted: Option<Span>,
    /// The characters of the UTCTime until which it was deferred.
    pub deferred_time: Option<Span>,
    /// Converted-encoded-information-types, the whole element.
    pub converted_encoded_information_types: Option<Span>,
    /// Other-actions: bit 0, the most significant, redirected; bit 1 dl-operation.
    pub other_actions: u8,
}

/// One domain's trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceElement {
    /// The whole element.
    pub element: Span,
    /// Global-domain-identifier, the whole element.
    pub domain: Span,
    /// What the domain says.
    pub supplied: SuppliedInformation,
}

/// One MTA's internal trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternalTraceElement {
    /// The whole element.
    pub element: Span,
    /// Global-domain-identifier, the whole element.
    pub domain: Span,
    /// The characters of the MTA name.
    pub mta_name: Span,
    /// What the MTA says.
    pub supplied: SuppliedInformation,
}

fn bound(count: usize, header: &Header) -> Result<(), Error> {
    if count < TRACE_ELEMENT_COUNT_MAX {
        return Ok(());
    }
    Err(Error::TooMany {
        offset: header.start,
        field: "trace elements",
        maximum: TRACE_ELEMENT_COUNT_MAX,
    })
}

pub(super) fn information(
    reader: &mut Reader<'_>,
    header: &Header,
    elements: &mut Vec<TraceElement>,
) -> Result<Element, Error> {
    let scope = reader.enter(header)?;
    while let Some(item) = reader.next(&scope)? {
        expect(&item, Tag::SEQUENCE)?;
        bound(elements.len(), &item)?;
        let inner = reader.enter(&item)?;
        let domain = domain(reader)?;
        let set = reader.header()?;
        let supplied = supplied(reader, &set)?;
        let element = reader.leave(&inner)?.span();
        elements.push(TraceElement { element, domain, supplied });
    }
    if elements.is_empty() {
        return Err(invalid(header, "trace-information"));
    }
    Ok(reader.element(&scope))
}

pub(super) fn internal_information(
    reader: &mut Reader<'_>,
    header: &Header,
    elements: &mut Vec<InternalTraceElement>,
) -> Result<Element, Error> {
    let scope = reader.enter(header)?;
    while let Some(item) = reader.next(&scope)? {
        expect(&item, Tag::SEQUENCE)?;
        bound(elements.len(), &item)?;
        let inner = reader.enter(&item)?;
        let domain = domain(reader)?;
        let name = reader.header()?;
        expect(&name, Tag::IA5_STRING)?;
        let mta_name = reader.primitive_span(&name)?;
        let set = reader.header()?;
        let supplied = supplied(reader, &set)?;
        let element = reader.leave(&inner)?.span();
        elements.push(InternalTraceElement { element, domain, mta_name, supplied });
    }
    Ok(reader.element(&scope))
}

fn domain(reader: &mut Reader<'_>) -> Result<Span, Error> {
    let header = reader.header()?;
    expect(&header, tag::GLOBAL_DOMAIN_IDENTIFIER)?;
    Ok(reader.skip(&header)?.span())
}

const ARRIVAL: u32 = 1;
const ACTION: u32 = 2;
const ATTEMPTED: u32 = 4;
const DEFERRED: u32 = 8;
const CONVERTED: u32 = 16;
const OTHER: u32 = 32;

fn supplied(reader: &mut Reader<'_>, header: &Header) -> Result<SuppliedInformation, Error> {
    expect(header, Tag::SET)?;
    let scope = reader.enter(header)?;
    let mut seen = Seen::default();
    let mut supplied = SuppliedInformation {
        arrival_time: Span::default(),
        routing_action: RoutingAction::Relayed,
        attempted: None,
        deferred_time: None,
        converted_encoded_information_types: None,
        other_actions: 0,
    };
    while let Some(field) = reader.next(&scope)? {
        match field.tag {
            tag::ARRIVAL_TIME => {
                seen.once(ARRIVAL, &field, "arrival-time")?;
                supplied.arrival_time = reader.primitive_span(&field)?;
            }
            tag::ROUTING_ACTION => {
                seen.once(ACTION, &field, "routing-action")?;
                supplied.routing_action = match reader.integer(&field)? {
                    0 => RoutingAction::Relayed,
                    1 => RoutingAction::Rerouted,
                    _ => return Err(invalid(&field, "routing-action")),
                };
            }
            tag::GLOBAL_DOMAIN_IDENTIFIER | Tag::IA5_STRING => {
                seen.once(ATTEMPTED, &field, "attempted")?;
                supplied.attempted = Some(reader.skip(&field)?.span());
            }
            tag::DEFERRED_TIME => {
                seen.once(DEFERRED, &field, "deferred-time")?;
                supplied.deferred_time = Some(reader.primitive_span(&field)?);
            }
            tag::ENCODED_INFORMATION_TYPES => {
                seen.once(CONVERTED, &field, "converted-encoded-information-types")?;
                supplied.converted_encoded_information_types = Some(reader.skip(&field)?.span());
            }
            tag::OTHER_ACTIONS => {
                seen.once(OTHER, &field, "other-actions")?;
                supplied.other_actions = reader.leading_bits(&field)?.map_or(0, |(bits, _)| bits);
            }
            _ => {
                reader.skip(&field)?;
            }
        }
    }
    seen.require(ARRIVAL, header, "arrival-time")?;
    seen.require(ACTION, header, "routing-action")?;
    Ok(supplied)
}
