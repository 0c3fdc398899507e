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
use crate::ber::{Element, Header, Tag, write};
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

/// What was seen of a name.
#[derive(Default)]
struct Seen<'a> {
    has_attributes: bool,
    has_organization: bool,
    has_personal_name: bool,
    has_organizational_units: bool,
    domain_defined: Option<Element>,
    domain_defined_count: usize,
    /// The value of a domain-defined attribute `Common`.
    common: Option<&'a [u8]>,
    extension_attributes: Option<Element>,
    attributes: SmallVec<[(i64, &'a [u8]); 4]>,
    directory_name: Option<Element>,
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
        let mut seen = Seen::default();
        while let Some(part) = self.next(&open)? {
            match part.tag {
                Tag::SEQUENCE if part.start == header.content_start => {
                    self.see_standard_attributes(&part, &mut seen)?;
                }
                Tag::SEQUENCE => self.see_domain_defined(&part, &mut seen)?,
                Tag::SET => self.see_extension_attributes(&part, &mut seen)?,
                DIRECTORY_NAME => seen.directory_name = Some(self.skip(&part)?),
                _ => {
                    self.skip(&part)?;
                }
            }
        }
        let expressible = self.edit_name(&seen, name_use, place);
        self.close(open);
        Ok(expressible)
    }

    fn see_standard_attributes(
        &mut self,
        header: &Header,
        seen: &mut Seen<'a>,
    ) -> Result<(), Error> {
        let open = self.open(header)?;
        while let Some(part) = self.next(&open)? {
            seen.has_attributes = true;
            match part.tag {
                ORGANIZATION_NAME => seen.has_organization = true,
                PERSONAL_NAME => seen.has_personal_name = true,
                ORGANIZATIONAL_UNIT_NAMES => seen.has_organizational_units = true,
                _ => {}
            }
            self.skip(&part)?;
        }
        self.close(open);
        Ok(())
    }

    fn see_domain_defined(&mut self, header: &Header, seen: &mut Seen<'a>) -> Result<(), Error> {
        let open = self.open(header)?;
        while let Some(part) = self.next(&open)? {
            let inner = self.open(&part)?;
            let type_header = self.reader.header()?;
            let attribute_type = self.reader.primitive(&type_header)?;
            let value_header = self.reader.header()?;
            let value = self.reader.primitive(&value_header)?;
            while let Some(rest) = self.next(&inner)? {
                self.skip(&rest)?;
            }
            self.close(inner);
            seen.domain_defined_count += 1;
            if folded_eq(attribute_type, COMMON) {
                seen.common = Some(value);
            }
        }
        seen.domain_defined = Some(self.close(open));
        Ok(())
    }

    fn see_extension_attributes(
        &mut self,
        header: &Header,
        seen: &mut Seen<'a>,
    ) -> Result<(), Error> {
        if seen.extension_attributes.is_some() {
            return Err(Error::Repeated {
                offset: header.start,
                field: "extension-attributes",
                clause: clause::MTS,
            });
        }
        let open = self.open(header)?;
        while let Some(part) = self.next(&open)? {
            let inner = self.open(&part)?;
            let type_header = self.reader.header()?;
            expect(&type_header, ATTRIBUTE_TYPE)?;
            let number = self.reader.integer(&type_header)?;
            let value_header = self.reader.header()?;
            expect(&value_header, ATTRIBUTE_VALUE)?;
            let explicit = self.open(&value_header)?;
            let value = self.reader.header()?;
            let octets = self.skip(&value)?.content.octets(self.apdu);
            for open in [explicit, inner] {
                while let Some(rest) = self.next(&open)? {
                    self.skip(&rest)?;
                }
                self.close(open);
            }
            seen.attributes.push((number, octets));
        }
        seen.extension_attributes = Some(self.close(open));
        Ok(())
    }

    fn edit_name(&mut self, seen: &Seen<'a>, name_use: NameUse, place: Place) -> bool {
        if seen.extension_attributes.is_none() && seen.directory_name.is_none() {
            return true;
        }
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
        self.move_common_name(seen, common_name);
        if let Some(directory_name) = seen.directory_name {
            self.remove(directory_name.span());
            self.note(place, Rule::DirectoryName, Detail::None);
        }
        true
    }

    /// Takes the extension attributes off, and puts the common name among the domain-defined ones.
    fn move_common_name(&mut self, seen: &Seen<'a>, common_name: Option<&[u8]>) {
        let Some(extension_attributes) = seen.extension_attributes else { return };
        let encode = |out: &mut Vec<u8>, value: &[u8]| {
            write::constructed(out, Tag::SEQUENCE, |out| {
                write::primitive(out, Tag::PRINTABLE_STRING, COMMON);
                write::primitive(out, Tag::PRINTABLE_STRING, value);
            });
        };
        let new = common_name.filter(|_| seen.common.is_none());
        match (new, &seen.domain_defined) {
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
            6 | 28 => self.domain_defined.is_some(),
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
