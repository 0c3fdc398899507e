//! O/R addresses: read in place from an O/R name, and owned (ORName, ORAddress, MTSAbstractService).
//!
//! [`attributes`] gives every attribute of every address form with its raw characters; which of several
//! variants of one attribute counts (printable, teletex, universal) is for the reader to say, and
//! [`OrAddressView::value`] says: printable or numeric before teletex before universal.
//! [`OrAddress`] is for what an operator writes: printable only.
//!
//! Comparing is [`folded_eq`]: case, and leading, trailing and repeated spaces do not count (X.402 18.4,
//! unverified).

use smallvec::SmallVec;

use super::error::clause;
use super::{Error, tag};
use crate::base::limits::OR_ADDRESS_ATTRIBUTE_COUNT_MAX;
use crate::ber::{Header, Reader, Tag};

mod fold;
mod owned;
mod short;

pub use fold::{folded, folded_eq, folded_hash, mix};
pub use owned::{DomainDefinedAttribute, OrAddress, TextError};
pub use short::visit_short_form;

/// Which attribute of an O/R address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AttributeKind {
    /// Country-name: ISO 3166 alpha-2 or X.121 code.
    Country,
    /// Administration-domain-name.
    AdministrationDomain,
    /// Private-domain-name.
    PrivateDomain,
    /// Network-address (X.121), or extended-network-address (E.163, E.164 number).
    NetworkAddress,
    /// Terminal-identifier.
    TerminalIdentifier,
    /// Terminal-type; the octets are those of its INTEGER.
    TerminalType,
    /// Numeric-user-identifier.
    NumericUserIdentifier,
    /// Organization-name.
    Organization,
    /// Organizational-unit-names, the first.
    OrganizationalUnit1,
    /// The second.
    OrganizationalUnit2,
    /// The third.
    OrganizationalUnit3,
    /// The fourth.
    OrganizationalUnit4,
    /// Personal-name, surname.
    Surname,
    /// Personal-name, given-name.
    GivenName,
    /// Personal-name, initials.
    Initials,
    /// Personal-name, generation-qualifier.
    GenerationQualifier,
    /// Common-name.
    CommonName,
    /// A domain-defined attribute; [`Attribute::type_octets`] holds its type.
    DomainDefined,
    /// An extension attribute not read further, by its number: postal ones, and those to come. The octets
    /// are its whole value element.
    Extension(u16),
}

/// How an attribute's characters are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repertoire {
    /// NumericString or PrintableString: ASCII.
    Printable,
    /// TeletexString: T.61.
    Teletex,
    /// BMPString: two octets a character.
    Bmp,
    /// UniversalString: four octets a character.
    Universal,
    /// Not characters, or of no known type.
    Other,
}

/// One attribute in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Which.
    pub kind: AttributeKind,
    /// How `octets` and `type_octets` are encoded.
    pub repertoire: Repertoire,
    /// The raw characters.
    pub octets: &'a [u8],
    /// The type of a domain-defined attribute, else empty.
    pub type_octets: &'a [u8],
}

/// The attributes of one O/R address, in the order in which they are encoded.
#[derive(Debug, Clone, Default)]
pub struct OrAddressView<'a> {
    attributes: SmallVec<[Attribute<'a>; 16]>,
}

impl<'a> OrAddressView<'a> {
    /// All of them.
    pub fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    /// The characters of an attribute in the variant that counts, or `None` when it is absent.
    pub fn value(&self, kind: AttributeKind) -> Option<&'a [u8]> {
        self.attribute(kind).map(|attribute| attribute.octets)
    }

    /// An attribute in the variant that counts.
    pub fn attribute(&self, kind: AttributeKind) -> Option<&Attribute<'a>> {
        let of_kind = self.attributes.iter().filter(|attribute| attribute.kind == kind);
        of_kind.min_by_key(|attribute| attribute.repertoire as u8)
    }

    /// Country.
    pub fn country(&self) -> Option<&'a [u8]> {
        self.value(AttributeKind::Country)
    }

    /// Administration domain.
    pub fn administration_domain(&self) -> Option<&'a [u8]> {
        self.value(AttributeKind::AdministrationDomain)
    }

    /// Private domain.
    pub fn private_domain(&self) -> Option<&'a [u8]> {
        self.value(AttributeKind::PrivateDomain)
    }

    /// Organization.
    pub fn organization(&self) -> Option<&'a [u8]> {
        self.value(AttributeKind::Organization)
    }

    /// Organizational unit, `index` from 0 to 3.
    pub fn organizational_unit(&self, index: usize) -> Option<&'a [u8]> {
        self.value(*ORGANIZATIONAL_UNITS.get(index)?)
    }

    /// Domain-defined attributes.
    pub fn domain_defined(&self) -> impl Iterator<Item = &Attribute<'a>> {
        self.attributes.iter().filter(|attribute| attribute.kind == AttributeKind::DomainDefined)
    }

    /// The owned form of what [`OrAddress`] can say; characters that are no ASCII are replaced, postal
    /// and other extension attributes left out.
    pub fn to_owned(&self) -> OrAddress {
        owned::from_view(self)
    }
}

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

const ORGANIZATIONAL_UNITS: [AttributeKind; 4] = [
    AttributeKind::OrganizationalUnit1,
    AttributeKind::OrganizationalUnit2,
    AttributeKind::OrganizationalUnit3,
    AttributeKind::OrganizationalUnit4,
];

const PERSONAL_NAME: [AttributeKind; 4] = [
    AttributeKind::Surname,
    AttributeKind::GivenName,
    AttributeKind::Initials,
    AttributeKind::GenerationQualifier,
];

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

// BuiltInStandardAttributes
const NETWORK_ADDRESS: Tag = Tag::context(0);
const TERMINAL_IDENTIFIER: Tag = Tag::context(1);
const PRIVATE_DOMAIN_NAME: Tag = Tag::context(2);
const ORGANIZATION_NAME: Tag = Tag::context(3);
const NUMERIC_USER_IDENTIFIER: Tag = Tag::context(4);
const PERSONAL_NAME_TAG: Tag = Tag::context(5);
const ORGANIZATIONAL_UNIT_NAMES: Tag = Tag::context(6);
// ExtensionAttribute
const EXTENSION_ATTRIBUTE_TYPE: Tag = Tag::context(0);
const EXTENSION_ATTRIBUTE_VALUE: Tag = Tag::context(1);

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
        super::scan::expect(&type_header, EXTENSION_ATTRIBUTE_TYPE)?;
        let number = reader.integer(&type_header)?;
        let value_header = reader.header()?;
        super::scan::expect(&value_header, EXTENSION_ATTRIBUTE_VALUE)?;
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
        22 if value.tag == Tag::SEQUENCE => extended_network_address(reader, value, visitor),
        23 => any_string(reader, value, AttributeKind::TerminalType, Repertoire::Other, visitor),
        _ => {
            let element = reader.skip(value)?.span();
            let attribute = Attribute {
                kind: AttributeKind::Extension(number.clamp(0, i64::from(u16::MAX)) as u16),
                repertoire: Repertoire::Other,
                octets: reader.octets_of(element),
                type_octets: &[],
            };
            visitor.push(attribute, value.start)
        }
    }
}

/// The number of an E.163 or E.164 address; its sub-address takes no part in routing.
fn extended_network_address<'a>(
    reader: &mut Reader<'a>,
    header: &Header,
    visitor: &mut Visitor<impl FnMut(Attribute<'a>)>,
) -> Result<(), Error> {
    let scope = reader.enter(header)?;
    while let Some(part) = reader.next(&scope)? {
        if part.tag == Tag::context(0) {
            let kind = AttributeKind::NetworkAddress;
            visitor.push_string(reader, &part, kind, Repertoire::Printable)?;
        } else {
            reader.skip(&part)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::write;

    #[test]
    fn reads_what_a_foreign_mta_wrote() {
        let or_name =
            b"\x60\x28\x30\x26\x61\x04\x13\x02XX\x62\x06\x13\x04TEST\xa2\x08\x13\x06PPTEST\
                        \x83\x03PP2\xa5\x07\x80\x05alice";
        let view = attributes(or_name).unwrap();
        assert_eq!(view.country(), Some(&b"XX"[..]));
        assert_eq!(view.administration_domain(), Some(&b"TEST"[..]));
        assert_eq!(view.private_domain(), Some(&b"PPTEST"[..]));
        assert_eq!(view.organization(), Some(&b"PP2"[..]));
        assert_eq!(view.value(AttributeKind::Surname), Some(&b"alice"[..]));
        assert_eq!(view.organizational_unit(0), None);
        assert_eq!(view.attributes().len(), 5);
        let text = "C=XX;A=TEST;P=PPTEST;O=PP2;S=alice";
        assert_eq!(view.to_owned().to_string(), text);
        let mut encoded = Vec::new();
        text.parse::<OrAddress>().unwrap().encode(&mut encoded);
        assert_eq!(encoded, or_name);
    }

    #[test]
    fn reads_extension_attributes_in_all_repertoires() {
        let mut or_name = Vec::new();
        let extension = |out: &mut Vec<u8>, number, value: &dyn Fn(&mut Vec<u8>)| {
            write::constructed(out, Tag::SEQUENCE, |out| {
                write::integer(out, EXTENSION_ATTRIBUTE_TYPE, number);
                write::constructed(out, EXTENSION_ATTRIBUTE_VALUE, value);
            });
        };
        write::constructed(&mut or_name, tag::OR_NAME, |out| {
            write::constructed(out, Tag::SEQUENCE, |_| {});
            write::constructed(out, Tag::SET, |out| {
                extension(out, 24, &|out| {
                    write::constructed(out, Tag::SET, |out| {
                        write::primitive(out, Tag::PRINTABLE_STRING, b"en");
                        write::primitive(out, Tag::BMP_STRING, b"\0u\0c");
                    });
                });
                extension(out, 2, &|out| write::primitive(out, Tag::TELETEX_STRING, b"t\xc8u"));
                extension(out, 5, &|out| {
                    write::constructed(out, Tag::SEQUENCE, |out| {
                        write::primitive(out, Tag::TELETEX_STRING, b"one");
                        write::primitive(out, Tag::TELETEX_STRING, b"two");
                    });
                });
                extension(out, 6, &|out| {
                    write::constructed(out, Tag::SEQUENCE, |out| {
                        write::constructed(out, Tag::SEQUENCE, |out| {
                            write::primitive(out, Tag::TELETEX_STRING, b"type");
                            write::primitive(out, Tag::TELETEX_STRING, b"value");
                        });
                    });
                });
                extension(out, 22, &|out| {
                    write::constructed(out, Tag::SEQUENCE, |out| {
                        write::primitive(out, Tag::context(0), b"4989");
                        write::primitive(out, Tag::context(1), b"7");
                    });
                });
                extension(out, 9, &|out| write::primitive(out, Tag::NUMERIC_STRING, b"8000"));
            });
        });
        let view = attributes(&or_name).unwrap();
        let name = view.attribute(AttributeKind::CommonName).unwrap();
        assert_eq!((name.repertoire, name.octets), (Repertoire::Teletex, &b"t\xc8u"[..]));
        assert_eq!(view.attributes()[0].repertoire, Repertoire::Bmp);
        assert_eq!(view.attributes()[0].octets, b"\0u\0c");
        assert_eq!(view.organizational_unit(1), Some(&b"two"[..]));
        let defined = view.domain_defined().next().unwrap();
        assert_eq!((defined.type_octets, defined.octets), (&b"type"[..], &b"value"[..]));
        assert_eq!(view.value(AttributeKind::NetworkAddress), Some(&b"4989"[..]));
        assert_eq!(view.value(AttributeKind::Extension(9)), Some(&b"\x12\x048000"[..]));
    }

    #[test]
    fn more_units_than_four_are_refused() {
        let mut or_name = Vec::new();
        write::constructed(&mut or_name, tag::OR_NAME, |out| {
            write::constructed(out, Tag::SEQUENCE, |out| {
                write::constructed(out, ORGANIZATIONAL_UNIT_NAMES, |out| {
                    (0..5).for_each(|_| write::primitive(out, Tag::PRINTABLE_STRING, b"u"));
                });
            });
        });
        assert!(matches!(attributes(&or_name), Err(Error::Invalid { .. })));
    }
}
