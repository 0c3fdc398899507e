//! O/R names: 1984 has the built-in attributes and domain-defined attributes, in printable characters
//! (X.411 (1984) ORName), neither extension attributes nor a directory name.
//!
//! A common name goes to the domain-defined attribute `Common` where it is the only attribute of 1988 (RFC
//! 1328 3.2). A teletex or universal variant is lost where the printable attribute stands beside it. Nothing
//! else can be expressed.

use smallvec::SmallVec;

use super::CommonName;
use super::rule::{Detail, Place, Rule};
use super::walk::Walk;
use crate::ber::{Element, Header, Reader, Tag, write};
use crate::p1::Error;
use crate::p1::error::clause;
use crate::p1::or_address::folded_eq;
use crate::p1::scan::expect;

/// The type of the domain-defined attribute that holds a common name (RFC 1328 3.2).
const COMMON: &[u8] = b"Common";
/// ub-domain-defined-attributes
const DOMAIN_DEFINED_COUNT_MAX: usize = 4;

/// Whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameUse {
    Originator,
    Recipient,
    ReportDestination,
    /// One that a report speaks of: it loses what cannot be expressed.
    Reported,
}

/// Where the parts of a name stand.
#[derive(Default)]
struct Parts {
    standard: Option<Element>,
    domain_defined: Option<Element>,
    extension: Option<Element>,
    directory_name: Option<Element>,
}

/// What was seen in the parts of a name.
#[derive(Default)]
struct Seen<'a> {
    has_attributes: bool,
    has_organization: bool,
    has_personal_name: bool,
    has_organizational_units: bool,
    domain_defined_count: usize,
    /// The value of a domain-defined attribute `Common`.
    common: Option<&'a [u8]>,
    /// Extension attributes: their numbers, and the content of their values.
    attributes: SmallVec<[(i64, &'a [u8]); 4]>,
}

// BuiltInStandardAttributes
const ORGANIZATION_NAME: Tag = Tag::context(3);
const PERSONAL_NAME: Tag = Tag::context(5);
const ORGANIZATIONAL_UNIT_NAMES: Tag = Tag::context(6);
// ORName
const DIRECTORY_NAME: Tag = Tag::context(0);
// ExtensionAttribute
const ATTRIBUTE_TYPE: Tag = Tag::context(0);
const ATTRIBUTE_VALUE: Tag = Tag::context(1);
// ExtensionAttributeTable
const PRINTABLE_COMMON_NAME: i64 = 1;
const TELETEX_COMMON_NAME: i64 = 2;

impl<'a> Walk<'a, '_> {
    /// Downgrades the name of `header`, whatever its tag; `false` when 1984 cannot express it.
    pub(super) fn name(
        &mut self,
        header: &Header,
        name_use: NameUse,
        place: Place,
    ) -> Result<bool, Error> {
        let open = self.open(header)?;
        let mut parts = Parts::default();
        while let Some(part) = self.next(&open)? {
            let element = self.skip(&part)?;
            let known = match part.tag {
                Tag::SEQUENCE if part.start == header.content_start => &mut parts.standard,
                Tag::SEQUENCE => &mut parts.domain_defined,
                Tag::SET => &mut parts.extension,
                DIRECTORY_NAME => &mut parts.directory_name,
                _ => continue,
            };
            if known.replace(element).is_some() {
                return Err(Error::Repeated {
                    offset: part.start,
                    field: "a part of an O/R name",
                    clause: clause::MTS,
                });
            }
        }
        let mut expressible = true;
        // Most names are of 1984, and nothing in them need be looked at.
        if parts.extension.is_some() || parts.directory_name.is_some() {
            let seen = Seen::read(self.apdu, &parts)?;
            expressible = self.edit_name(&parts, &seen, name_use, place);
        }
        self.close(open);
        Ok(expressible)
    }

    fn edit_name(
        &mut self,
        parts: &Parts,
        seen: &Seen<'a>,
        name_use: NameUse,
        place: Place,
    ) -> bool {
        let has_address = seen.has_attributes || !seen.attributes.is_empty();
        let mut expressible = has_address || name_use == NameUse::Reported;
        if !expressible {
            self.note(place, Rule::DirectoryNameAlone, Detail::None);
        }
        let only_common_name = seen
            .attributes
            .iter()
            .all(|(number, _)| seen.is_common_name(*number) || seen.is_variant(*number));
        let common_name = match self.options.common_name {
            CommonName::ToDomainDefined if only_common_name => seen.common_name(),
            _ => None,
        };
        for &(number, _) in &seen.attributes {
            let rule = if seen.is_variant(number) {
                Rule::AttributeVariant
            } else if seen.is_common_name(number) && common_name.is_some() {
                Rule::CommonName
            } else if name_use == NameUse::Reported {
                Rule::ReportedAttribute
            } else {
                expressible = false;
                Rule::Attribute
            };
            self.note(place, rule, Detail::Attribute(number));
        }
        if !expressible {
            return false;
        }
        self.move_common_name(parts, seen, common_name);
        if let Some(directory_name) = parts.directory_name {
            self.remove(directory_name.span());
            self.note(place, Rule::DirectoryName, Detail::None);
        }
        true
    }

    /// Takes the extension attributes off, and puts the common name among the domain-defined ones.
    fn move_common_name(&mut self, parts: &Parts, seen: &Seen<'a>, common_name: Option<&[u8]>) {
        let Some(extension_attributes) = parts.extension else { return };
        let encode = |out: &mut Vec<u8>, value: &[u8]| {
            write::constructed(out, Tag::SEQUENCE, |out| {
                write::primitive(out, Tag::PRINTABLE_STRING, COMMON);
                write::primitive(out, Tag::PRINTABLE_STRING, value);
            });
        };
        let new = common_name.filter(|_| seen.common.is_none());
        match (new, &parts.domain_defined) {
            (Some(value), Some(list)) => {
                self.append(list, |out| encode(out, value));
                self.remove(extension_attributes.span());
            }
            (Some(value), None) => self.replace(extension_attributes.span(), |out| {
                write::constructed(out, Tag::SEQUENCE, |out| encode(out, value));
            }),
            (None, _) => self.remove(extension_attributes.span()),
        }
    }
}

impl<'a> Seen<'a> {
    fn read(apdu: &'a [u8], parts: &Parts) -> Result<Seen<'a>, Error> {
        let mut seen = Seen::default();
        let inside =
            |part: &Option<Element>| part.map(|element| Reader::over_span(apdu, element.span()));
        if let Some(mut reader) = inside(&parts.standard) {
            seen.read_standard_attributes(&mut reader)?;
        }
        if let Some(mut reader) = inside(&parts.domain_defined) {
            seen.read_domain_defined(&mut reader)?;
        }
        if let Some(mut reader) = inside(&parts.extension) {
            seen.read_extension_attributes(apdu, &mut reader)?;
        }
        Ok(seen)
    }

    fn read_standard_attributes(&mut self, reader: &mut Reader<'a>) -> Result<(), Error> {
        let header = reader.header()?;
        let scope = reader.enter(&header)?;
        while let Some(part) = reader.next(&scope)? {
            self.has_attributes = true;
            match part.tag {
                ORGANIZATION_NAME => self.has_organization = true,
                PERSONAL_NAME => self.has_personal_name = true,
                ORGANIZATIONAL_UNIT_NAMES => self.has_organizational_units = true,
                _ => {}
            }
            reader.skip(&part)?;
        }
        Ok(())
    }

    fn read_domain_defined(&mut self, reader: &mut Reader<'a>) -> Result<(), Error> {
        let header = reader.header()?;
        let scope = reader.enter(&header)?;
        while let Some(part) = reader.next(&scope)? {
            let inner = reader.enter(&part)?;
            let type_header = reader.header()?;
            let attribute_type = reader.primitive(&type_header)?;
            let value_header = reader.header()?;
            let value = reader.primitive(&value_header)?;
            reader.leave(&inner)?;
            self.domain_defined_count += 1;
            if folded_eq(attribute_type, COMMON) {
                self.common = Some(value);
            }
        }
        Ok(())
    }

    fn read_extension_attributes(
        &mut self,
        apdu: &'a [u8],
        reader: &mut Reader<'a>,
    ) -> Result<(), Error> {
        let header = reader.header()?;
        let scope = reader.enter(&header)?;
        while let Some(part) = reader.next(&scope)? {
            let inner = reader.enter(&part)?;
            let type_header = reader.header()?;
            expect(&type_header, ATTRIBUTE_TYPE)?;
            let number = reader.integer(&type_header)?;
            let value_header = reader.header()?;
            expect(&value_header, ATTRIBUTE_VALUE)?;
            let explicit = reader.enter(&value_header)?;
            let value = reader.header()?;
            let octets = reader.skip(&value)?.content.octets(apdu);
            reader.leave(&explicit)?;
            reader.leave(&inner)?;
            self.attributes.push((number, octets));
        }
        Ok(())
    }

    fn has(&self, number: i64) -> bool {
        self.attributes.iter().any(|(other, _)| *other == number)
    }

    /// The common name that counts: the printable one, or the teletex one.
    fn is_common_name(&self, number: i64) -> bool {
        number == PRINTABLE_COMMON_NAME
            || number == TELETEX_COMMON_NAME && !self.has(PRINTABLE_COMMON_NAME)
    }

    /// Whether this is another spelling of an attribute that stands in printable characters.
    fn is_variant(&self, number: i64) -> bool {
        match number {
            TELETEX_COMMON_NAME => self.has(PRINTABLE_COMMON_NAME),
            // universal-common-name
            24 => self.has(PRINTABLE_COMMON_NAME) || self.has(TELETEX_COMMON_NAME),
            // Organization-name, personal-name, organizational-unit-names, domain-defined-attributes, each
            // teletex and universal.
            3 | 25 => self.has_organization,
            4 | 26 => self.has_personal_name,
            5 | 27 => self.has_organizational_units,
            6 | 28 => self.domain_defined_count > 0,
            _ => false,
        }
    }

    /// The common name's characters, where a domain-defined attribute can hold them.
    fn common_name(&self) -> Option<&'a [u8]> {
        let (_, value) = self.attributes.iter().find(|(number, _)| self.is_common_name(*number))?;
        if value.is_empty() || !value.iter().all(|octet| is_printable(*octet)) {
            return None;
        }
        match self.common {
            Some(common) => folded_eq(common, value).then_some(value),
            None => (self.domain_defined_count < DOMAIN_DEFINED_COUNT_MAX).then_some(value),
        }
    }
}

/// Whether a PrintableString may hold it (X.680 41.4 (unverified)).
fn is_printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet)
}
