//! Extension fields (ExtensionField) and the one that a relay owns, internal-trace-information.
//!
//! The type of an extension field is encoded in three ways, all read: `[0]` around an INTEGER or around
//! an OBJECT IDENTIFIER (1988), `[0]` as an INTEGER itself (later), `[3]` around or as an OBJECT
//! IDENTIFIER for private ones.

use super::{Scan, expect, invalid, trace};
use crate::base::limits::EXTENSION_COUNT_MAX;
use crate::ber::{Element, Header, Reader, Span, Tag};
use crate::p1::error::clause;
use crate::p1::{Error, tag};

/// The number of internal-trace-information.
pub const INTERNAL_TRACE_INFORMATION: i64 = 38;

/// Which extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionId {
    /// One of the Recommendations', by number.
    Standard(i64),
    /// A private one: the content octets of its object identifier.
    Private(Span),
}

/// For whom an extension is critical: bits 0 to 2, bit 0 the most significant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Criticality(pub u8);

impl Criticality {
    /// Bit 0.
    pub const fn for_submission(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Bit 1.
    pub const fn for_transfer(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Bit 2.
    pub const fn for_delivery(self) -> bool {
        self.0 & 0x20 != 0
    }
}

/// One extension field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Which extension.
    pub id: ExtensionId,
    /// For whom it is critical.
    pub criticality: Criticality,
    /// The value: the whole element inside `[2]`; empty when absent, which means NULL.
    pub value: Span,
    /// The whole field.
    pub field: Span,
}

/// Where internal-trace-information lies; each element encloses the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternalTrace {
    /// The extension field.
    pub field: Element,
    /// Its `[2]`.
    pub value: Element,
    /// The SEQUENCE OF.
    pub sequence: Element,
}

/// A field's parts as elements, with their headers.
struct Field {
    extension: Extension,
    element: Element,
    value: Element,
}

pub(super) fn all(
    reader: &mut Reader<'_>,
    header: &Header,
    extensions: &mut Vec<Extension>,
) -> Result<Element, Error> {
    let scope = reader.enter(header)?;
    while let Some(field) = reader.next(&scope)? {
        bound(extensions, &field)?;
        extensions.push(one(reader, &field, None)?.extension);
    }
    Ok(reader.element(&scope))
}

pub(super) fn of_envelope(
    reader: &mut Reader<'_>,
    header: &Header,
    scan: &mut Scan,
) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    while let Some(field_header) = reader.next(&scope)? {
        bound(&scan.extensions, &field_header)?;
        let mut sequence = None;
        let field =
            one(reader, &field_header, Some((&mut sequence, &mut scan.internal_trace_elements)))?;
        if field.extension.id == ExtensionId::Standard(INTERNAL_TRACE_INFORMATION) {
            let sequence =
                sequence.ok_or_else(|| invalid(&field_header, "internal-trace-information"))?;
            let internal_trace =
                InternalTrace { field: field.element, value: field.value, sequence };
            if scan.internal_trace.replace(internal_trace).is_some() {
                return Err(Error::Repeated {
                    offset: field_header.start,
                    field: "internal-trace-information",
                    clause: clause::MTA,
                });
            }
        }
        scan.extensions.push(field.extension);
    }
    scan.extensions_element = Some(reader.element(&scope));
    Ok(())
}

fn bound(extensions: &[Extension], header: &Header) -> Result<(), Error> {
    if extensions.len() < EXTENSION_COUNT_MAX {
        return Ok(());
    }
    Err(Error::TooMany { offset: header.start, field: "extensions", maximum: EXTENSION_COUNT_MAX })
}

/// Where the parts of an internal trace go, when the field turns out to be one.
type InternalTraceParts<'s> = (&'s mut Option<Element>, &'s mut Vec<super::InternalTraceElement>);

fn one(
    reader: &mut Reader<'_>,
    header: &Header,
    internal: Option<InternalTraceParts<'_>>,
) -> Result<Field, Error> {
    expect(header, Tag::SEQUENCE)?;
    let scope = reader.enter(header)?;
    let type_header = reader.header()?;
    let id = extension_type(reader, &type_header)?;
    let mut internal = internal.filter(|_| id == ExtensionId::Standard(INTERNAL_TRACE_INFORMATION));
    let mut criticality = Criticality::default();
    let mut value = Element::default();
    let mut value_content = Span::default();
    while let Some(part) = reader.next(&scope)? {
        match part.tag {
            tag::CRITICALITY => {
                criticality = Criticality(reader.leading_bits(&part)?.map_or(0, |(bits, _)| bits));
            }
            tag::EXTENSION_VALUE if value_content.is_empty() => {
                let explicit = reader.enter(&part)?;
                let inner = reader.header()?;
                let element = match internal.as_mut() {
                    Some((sequence, elements)) => {
                        expect(&inner, Tag::SEQUENCE)?;
                        let element = trace::internal_information(reader, &inner, elements)?;
                        **sequence = Some(element);
                        element
                    }
                    None => reader.skip(&inner)?,
                };
                value_content = element.span();
                value = reader.leave(&explicit)?;
            }
            _ => {
                reader.skip(&part)?;
            }
        }
    }
    let element = reader.element(&scope);
    let extension = Extension { id, criticality, value: value_content, field: element.span() };
    Ok(Field { extension, element, value })
}

fn extension_type(reader: &mut Reader<'_>, header: &Header) -> Result<ExtensionId, Error> {
    if !matches!(header.tag, tag::STANDARD_EXTENSION | tag::PRIVATE_EXTENSION) {
        return Err(invalid_type(header));
    }
    if !header.is_constructed() {
        return match header.tag {
            tag::STANDARD_EXTENSION => Ok(ExtensionId::Standard(reader.integer(header)?)),
            _ => Ok(ExtensionId::Private(reader.primitive_span(header)?)),
        };
    }
    let explicit = reader.enter(header)?;
    let inner = reader.header()?;
    let id = match inner.tag {
        Tag::INTEGER => ExtensionId::Standard(reader.integer(&inner)?),
        Tag::OBJECT_IDENTIFIER => ExtensionId::Private(reader.primitive_span(&inner)?),
        _ => return Err(invalid_type(&inner)),
    };
    reader.leave(&explicit)?;
    Ok(id)
}

#[cold]
fn invalid_type(header: &Header) -> Error {
    Error::Invalid { offset: header.start, field: "extension type", clause: clause::MTS }
}
