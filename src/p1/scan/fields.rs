//! Simple fields of the envelope: MTS-identifier, content type, priority, indicators
//! (MTSAbstractService, common parameter types).

use super::{LOCAL_IDENTIFIER_SIZE_MAX, expect, invalid};
use crate::ber::{Header, Reader, Span, Tag};
use crate::p1::{Error, tag};

/// An MTS-identifier: which message, probe or report this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MtsIdentifier {
    /// The whole element.
    pub element: Span,
    /// Its global-domain-identifier, the whole element; for `domain::GlobalDomainIdentifier`.
    pub domain: Span,
    /// The characters of its local-identifier, 1 to 32.
    pub local_identifier: Span,
}

/// What kind of content the message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// By number: 2 interpersonal messaging of 1984, 22 of 1988, 35 EDI, 40 voice.
    BuiltIn(i64),
    /// By object identifier, its content octets.
    Extended(Span),
}

/// Priority of a message (`[APPLICATION 7] ENUMERATED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Priority {
    /// What an absent field means.
    #[default]
    Normal = 0,
    /// The least urgent.
    NonUrgent = 1,
    /// The most urgent.
    Urgent = 2,
}

impl Priority {
    /// All priorities, the most urgent first.
    pub const BY_URGENCY: [Priority; 3] = [Priority::Urgent, Priority::Normal, Priority::NonUrgent];
}

/// Per-message-indicators: bits 0 to 7, bit 0 the most significant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerMessageIndicators(pub u8);

impl PerMessageIndicators {
    /// Recipients may learn of each other.
    pub const fn disclosure_of_other_recipients(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// No implicit conversion may be made.
    pub const fn implicit_conversion_prohibited(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Delivery to an alternate recipient is allowed.
    pub const fn alternate_recipient_allowed(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// A non-delivery report shall return the content.
    pub const fn content_return_request(self) -> bool {
        self.0 & 0x10 != 0
    }
}

pub(super) fn mts_identifier(
    reader: &mut Reader<'_>,
    header: &Header,
) -> Result<MtsIdentifier, Error> {
    let scope = reader.enter(header)?;
    let domain = reader.header()?;
    expect(&domain, tag::GLOBAL_DOMAIN_IDENTIFIER)?;
    let domain = reader.skip(&domain)?.span();
    let local = reader.header()?;
    expect(&local, Tag::IA5_STRING)?;
    let local_identifier = reader.primitive_span(&local)?;
    if !(1..=LOCAL_IDENTIFIER_SIZE_MAX).contains(&local_identifier.size()) {
        return Err(invalid(&local, "local-identifier"));
    }
    let element = reader.leave(&scope)?.span();
    Ok(MtsIdentifier { element, domain, local_identifier })
}

pub(super) fn content_type(reader: &mut Reader<'_>, header: &Header) -> Result<ContentType, Error> {
    if header.tag == Tag::OBJECT_IDENTIFIER {
        return Ok(ContentType::Extended(reader.primitive_span(header)?));
    }
    Ok(ContentType::BuiltIn(reader.integer(header)?))
}

pub(super) fn priority(reader: &mut Reader<'_>, header: &Header) -> Result<Priority, Error> {
    match reader.integer(header)? {
        0 => Ok(Priority::Normal),
        1 => Ok(Priority::NonUrgent),
        2 => Ok(Priority::Urgent),
        _ => Err(invalid(header, "priority")),
    }
}
