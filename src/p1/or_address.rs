//! O/R addresses: read in place from an O/R name, and owned (ORName, ORAddress, MTSAbstractService).
//!
//! [`attributes`] gives every attribute of every address form with its raw characters; which of several
//! variants of one attribute counts (printable, teletex, universal) is for the reader to say, and
//! [`OrAddressView::value`] says: printable or numeric before teletex before universal.
//! [`OrAddress`] owns them, in all variants; text is parsed into it and printed from it, as from the view.
//!
//! Comparing is [`folded_eq`]: case, and leading, trailing and repeated spaces do not count (X.402 18.4,
//! unverified).

use smallvec::SmallVec;

use crate::ber::Tag;

mod attribute;
mod characters;
mod compare;
mod country;
mod encode;
mod fold;
mod form;
mod owned;
mod read;
mod short;
mod text;

pub use attribute::AttributeKind;
pub use characters::{Characters, teletex_string};
pub use fold::{folded, folded_eq, folded_hash, mix};
pub use form::{Form, FormProblem};
pub use owned::{DomainDefinedAttribute, OrAddress, Variants};
pub use read::{attributes, visit_attributes};
pub use short::visit_short_form;
pub use text::TextError;

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

    /// The owned form: all of it but the languages of universal strings.
    pub fn to_owned(&self) -> OrAddress {
        OrAddress::from(self)
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
// ExtendedNetworkAddress
const E164_NUMBER: Tag = Tag::context(0);
const E164_SUB_ADDRESS: Tag = Tag::context(1);
const PSAP_ADDRESS: Tag = Tag::context(0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::write;
    use crate::p1::{Error, tag};

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
                extension(out, 10, &|out| write::primitive(out, Tag::NULL, b""));
                extension(out, 41, &|out| write::primitive(out, Tag::NUMERIC_STRING, b"8"));
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
        assert_eq!(view.value(AttributeKind::E164Number), Some(&b"4989"[..]));
        assert_eq!(view.value(AttributeKind::E164SubAddress), Some(&b"7"[..]));
        assert_eq!(view.value(AttributeKind::PostalCode), Some(&b"8000"[..]));
        assert_eq!(view.value(AttributeKind::Extension(10)), Some(&b"\x05\0"[..]));
        assert_eq!(view.value(AttributeKind::Extension(41)), Some(&b"\x12\x018"[..]));
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
