//! Reading the attributes of an O/R name in place (ORAddress, MTSAbstractService).
//!
//! Nothing is copied. An extension attribute whose value is of another type than its number asks for is
//! given as it stands, [`AttributeKind::Extension`]; what is no BER is refused.

use super::attribute::POSTAL_PARAMETERS;
use super::{
    Attribute, AttributeKind, E164_NUMBER, E164_SUB_ADDRESS, EXTENSION_ATTRIBUTE_TYPE,
    EXTENSION_ATTRIBUTE_VALUE, NETWORK_ADDRESS, NUMERIC_USER_IDENTIFIER, ORGANIZATION_NAME,
    ORGANIZATIONAL_UNIT_NAMES, ORGANIZATIONAL_UNITS, OrAddressView, PERSONAL_NAME,
    PERSONAL_NAME_TAG, PRIVATE_DOMAIN_NAME, PSAP_ADDRESS, Repertoire, TERMINAL_IDENTIFIER,
};
use crate::base::limits::OR_ADDRESS_ATTRIBUTE_COUNT_MAX;
use crate::ber::{Header, Reader, Tag};
use crate::p1::error::clause;
use crate::p1::scan::expect;
use crate::p1::{Error, tag};

/// Who is told of attributes, and how many that were.
struct Visitor<F> {
    visit: F,
    count: usize,
}

impl<'a, F: FnMut(Attribute<'a>)> Visitor<F> {
    #[inline]
    fn push(&mut self, attribute: Attribute<'a>, offset: u32) -> Result<(), Error> {
        if self.count == OR_ADDRESS_ATTRIBUTE_COUNT_MAX {
            return Err(Error::TooMany {
                offset,
                field: "O/R address attributes",
                maximum: OR_ADDRESS_ATTRIBUTE_COUNT_MAX,
            });
        }
        self.count += 1;
        (self.visit)(attribute);
        Ok(())
    }

    /// Reads one string element, whose `header` was just read, as this attribute.
    #[inline]
    fn push_string(
        &mut self,
        reader: &mut Reader<'a>,
        header: &Header,
        kind: AttributeKind,
        repertoire: Repertoire,
    ) -> Result<(), Error> {
        let octets = reader.primitive(header)?;
        self.push(Attribute { kind, repertoire, octets, type_octets: &[] }, header.start)
    }
}

/// Reads the address of a whole O/R name element, whatever the element's tag: offsets in errors count
/// from its start. A directory name is passed over.
pub fn attributes(or_name: &[u8]) -> Result<OrAddressView<'_>, Error> {
    let mut view = OrAddressView::default();
    visit_attributes(or_name, |attribute| view.attributes.push(attribute))?;
    Ok(view)
}

/// As [`attributes`], for who wants to gather none: `visit` is told of each, in their order.
#[inline]
pub fn visit_attributes<'a>(
    or_name: &'a [u8],
    visit: impl FnMut(Attribute<'a>),
) -> Result<(), Error> {
    let mut reader = Reader::new(or_name);
    let mut visitor = Visitor { visit, count: 0 };
    let outer = reader.header()?;
    let scope = reader.enter(&outer)?;
    while let Some(part) = reader.next(&scope)? {
        match part.tag {
            // The domain-defined attributes are a SEQUENCE as the standard attributes are, but second.
            Tag::SEQUENCE if part.start == outer.content_start => {
                standard_attributes(&mut reader, &part, &mut visitor)?;
            }
            Tag::SEQUENCE => {
                domain_defined_attributes(&mut reader, &part, Repertoire::Printable, &mut visitor)?;
            }
            Tag::SET => extension_attributes(&mut reader, &part, &mut visitor)?,
            _ => {
                reader.skip(&part)?;
            }
        }
    }
    Ok(())
}

fn standard_attributes<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    let printable = Repertoire::Printable;
    while let Some(part) = reader.next(&scope)? {
        let explicit = match part.tag {
            tag::COUNTRY_NAME => Some(AttributeKind::Country),
            tag::ADMINISTRATION_DOMAIN_NAME => Some(AttributeKind::AdministrationDomain),
            PRIVATE_DOMAIN_NAME => Some(AttributeKind::PrivateDomain),
            _ => None,
        };
        if let Some(kind) = explicit {
            let explicit = reader.enter(&part)?;
            let inner = reader.header()?;
            visitor.push_string(reader, &inner, kind, printable)?;
            reader.leave(&explicit)?;
            continue;
        }
        match part.tag {
            NETWORK_ADDRESS => {
                visitor.push_string(reader, &part, AttributeKind::NetworkAddress, printable)?;
            }
            TERMINAL_IDENTIFIER => {
                visitor.push_string(reader, &part, AttributeKind::TerminalIdentifier, printable)?;
            }
            ORGANIZATION_NAME => {
                visitor.push_string(reader, &part, AttributeKind::Organization, printable)?;
            }
            NUMERIC_USER_IDENTIFIER => {
                visitor.push_string(
                    reader,
                    &part,
                    AttributeKind::NumericUserIdentifier,
                    printable,
                )?;
            }
            PERSONAL_NAME_TAG => personal_name(reader, &part, printable, visitor)?,
            ORGANIZATIONAL_UNIT_NAMES => organizational_units(reader, &part, printable, visitor)?,
            _ => {
                reader.skip(&part)?;
            }
        }
    }
    Ok(())
}

fn personal_name<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    repertoire: Repertoire,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    while let Some(part) = reader.next(&scope)? {
        let index = part.tag.number() as usize;
        match PERSONAL_NAME.get(index) {
            Some(&kind) if part.tag == Tag::context(index as u32) => {
                any_string(reader, &part, kind, repertoire, visitor)?;
            }
            _ => {
                reader.skip(&part)?;
            }
        }
    }
    Ok(())
}

fn organizational_units<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    repertoire: Repertoire,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    let mut kinds = ORGANIZATIONAL_UNITS.into_iter();
    while let Some(part) = reader.next(&scope)? {
        let kind = kinds.next().ok_or_else(|| too_many_units(&part))?;
        any_string(reader, &part, kind, repertoire, visitor)?;
    }
    Ok(())
}

fn too_many_units(header: &Header) -> Error {
    Error::Invalid { offset: header.start, field: "organizational-unit-names", clause: clause::MTS }
}

fn domain_defined_attributes<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    repertoire: Repertoire,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    while let Some(part) = reader.next(&scope)? {
        let inner = reader.enter(&part)?;
        let type_header = reader.header()?;
        let (_, type_octets) = characters(reader, &type_header, repertoire)?;
        let value_header = reader.header()?;
        let (repertoire, octets) = characters(reader, &value_header, repertoire)?;
        reader.leave(&inner)?;
        let kind = AttributeKind::DomainDefined;
        visitor.push(Attribute { kind, repertoire, octets, type_octets }, part.start)?;
    }
    Ok(())
}

/// A string of the repertoire said, or, where that is universal, a UniversalOrBMPString.
fn any_string<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    kind: AttributeKind,
    repertoire: Repertoire,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let (repertoire, octets) = characters(reader, header, repertoire)?;
    visitor.push(Attribute { kind, repertoire, octets, type_octets: &[] }, header.start)
}

#[inline]
fn characters<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    repertoire: Repertoire,
) -> Result<(Repertoire, &'a [u8]), Error> {
    if repertoire != Repertoire::Universal {
        return Ok((repertoire, reader.primitive(header)?));
    }
    // UniversalOrBMPString: a SET of the characters and perhaps a language, in any order.
    let scope = reader.enter(header)?;
    let mut found = None;
    while let Some(part) = reader.next(&scope)? {
        let repertoire = match part.tag {
            Tag::BMP_STRING => Repertoire::Bmp,
            Tag::UNIVERSAL_STRING => Repertoire::Universal,
            _ => {
                reader.skip(&part)?;
                continue;
            }
        };
        found = Some((repertoire, reader.primitive(&part)?));
    }
    found.ok_or(Error::Absent {
        offset: header.start,
        field: "character-encoding",
        clause: clause::MTS,
    })
}

fn extension_attributes<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    while let Some(attribute) = reader.next(&scope)? {
        let inner = reader.enter(&attribute)?;
        let type_header = reader.header()?;
        expect(&type_header, EXTENSION_ATTRIBUTE_TYPE)?;
        let number = reader.integer(&type_header)?;
        let value_header = reader.header()?;
        expect(&value_header, EXTENSION_ATTRIBUTE_VALUE)?;
        let explicit = reader.enter(&value_header)?;
        let value = reader.header()?;
        extension_attribute(reader, number, &value, visitor)?;
        reader.leave(&explicit)?;
        reader.leave(&inner)?;
    }
    Ok(())
}

/// Reads the value of one extension attribute, by the numbers of ExtensionAttributeTable.
fn extension_attribute<'a>(
    reader: &mut Reader<'a>,
    number: i64,
    value: &Header,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    use Repertoire::{Printable, Teletex, Universal};
    let is_set = value.tag == Tag::SET;
    let is_string = matches!(value.tag, Tag::NUMERIC_STRING | Tag::PRINTABLE_STRING);
    match number {
        1 => any_string(reader, value, AttributeKind::CommonName, Printable, visitor),
        2 => any_string(reader, value, AttributeKind::CommonName, Teletex, visitor),
        24 => any_string(reader, value, AttributeKind::CommonName, Universal, visitor),
        3 => any_string(reader, value, AttributeKind::Organization, Teletex, visitor),
        25 => any_string(reader, value, AttributeKind::Organization, Universal, visitor),
        4 => personal_name(reader, value, Teletex, visitor),
        26 => personal_name(reader, value, Universal, visitor),
        5 => organizational_units(reader, value, Teletex, visitor),
        27 => organizational_units(reader, value, Universal, visitor),
        6 => domain_defined_attributes(reader, value, Teletex, visitor),
        28 => domain_defined_attributes(reader, value, Universal, visitor),
        7 if is_string => {
            any_string(reader, value, AttributeKind::PhysicalDeliveryService, Printable, visitor)
        }
        8 if is_string => {
            any_string(reader, value, AttributeKind::PhysicalDeliveryCountry, Printable, visitor)
        }
        9 if is_string => any_string(reader, value, AttributeKind::PostalCode, Printable, visitor),
        16 if is_set => {
            postal_parameter(reader, value, AttributeKind::UnformattedPostalAddress, visitor)
        }
        35 if is_set => {
            let kind = AttributeKind::UnformattedPostalAddress;
            any_string(reader, value, kind, Universal, visitor)
        }
        22 if value.tag == Tag::SEQUENCE => extended_network_address(reader, value, visitor),
        22 if value.tag == PSAP_ADDRESS => {
            whole_element(reader, value, AttributeKind::PresentationAddress, visitor)
        }
        23 => any_string(reader, value, AttributeKind::TerminalType, Repertoire::Other, visitor),
        _ => {
            let parameter = POSTAL_PARAMETERS.iter().find(|(_, plain, universal)| {
                is_set && (number == i64::from(*plain) || number == i64::from(*universal))
            });
            match parameter {
                Some(&(kind, plain, _)) if number == i64::from(plain) => {
                    postal_parameter(reader, value, kind, visitor)
                }
                Some(&(kind, ..)) => any_string(reader, value, kind, Universal, visitor),
                None => {
                    let number = number.clamp(0, i64::from(u16::MAX)) as u16;
                    whole_element(reader, value, AttributeKind::Extension(number), visitor)
                }
            }
        }
    }
}

fn whole_element<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    kind: AttributeKind,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let element = reader.skip(header)?.span();
    let octets = reader.octets_of(element);
    let repertoire = Repertoire::Other;
    visitor.push(Attribute { kind, repertoire, octets, type_octets: &[] }, header.start)
}

/// A PDSParameter or UnformattedPostalAddress: a SET of a printable string, or lines of them, and a teletex
/// string.
fn postal_parameter<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    kind: AttributeKind,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    while let Some(part) = reader.next(&scope)? {
        match part.tag {
            Tag::PRINTABLE_STRING => {
                visitor.push_string(reader, &part, kind, Repertoire::Printable)?;
            }
            Tag::TELETEX_STRING => visitor.push_string(reader, &part, kind, Repertoire::Teletex)?,
            Tag::SEQUENCE if kind == AttributeKind::UnformattedPostalAddress => {
                let lines = reader.enter(&part)?;
                while let Some(line) = reader.next(&lines)? {
                    visitor.push_string(reader, &line, kind, Repertoire::Printable)?;
                }
            }
            _ => {
                reader.skip(&part)?;
            }
        }
    }
    Ok(())
}

/// E163-4-address.
fn extended_network_address<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    while let Some(part) = reader.next(&scope)? {
        let kind = match part.tag {
            E164_NUMBER => AttributeKind::E164Number,
            E164_SUB_ADDRESS => AttributeKind::E164SubAddress,
            _ => {
                reader.skip(&part)?;
                continue;
            }
        };
        visitor.push_string(reader, &part, kind, Repertoire::Printable)?;
    }
    Ok(())
}
