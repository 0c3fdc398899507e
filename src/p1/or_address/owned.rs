//! O/R addresses as an operator writes them: `C=GB;A=CARRIER;P=ACME;O=SALES;S=SMITH`.
//!
//! Keys are those of F.401: C, A, P, X121, T-ID, N-ID, O, OU1 to OU4 (or OU, once a unit), S, G, I, Q, CN,
//! and `DDA:TYPE=VALUE`. Keys are taken in either case and any order, values as they stand; `;` parts them.

use std::fmt;
use std::str::FromStr;

use super::{AttributeKind, ORGANIZATIONAL_UNITS, OrAddressView, PERSONAL_NAME};
use crate::ber::{Tag, write};
use crate::p1::domain::{
    GlobalDomainIdentifier, encode_administration_domain_name, encode_country_name,
};
use crate::p1::tag;

/// A domain-defined attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainDefinedAttribute {
    /// Its type, 1 to 8 characters.
    pub type_name: String,
    /// Its value, 1 to 128 characters.
    pub value: String,
}

/// An O/R address of printable attributes. An absent attribute is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OrAddress {
    /// C: country.
    pub country: Option<String>,
    /// A: administration domain; a single space is any, `0` none.
    pub administration_domain: Option<String>,
    /// P: private domain.
    pub private_domain: Option<String>,
    /// X121: network address.
    pub network_address: Option<String>,
    /// T-ID: terminal identifier.
    pub terminal_identifier: Option<String>,
    /// N-ID: numeric user identifier.
    pub numeric_user_identifier: Option<String>,
    /// O: organization.
    pub organization: Option<String>,
    /// OU1 to OU4: organizational units; none stands behind an absent one.
    pub organizational_units: [Option<String>; 4],
    /// S: surname.
    pub surname: Option<String>,
    /// G: given name.
    pub given_name: Option<String>,
    /// I: initials.
    pub initials: Option<String>,
    /// Q: generation qualifier.
    pub generation_qualifier: Option<String>,
    /// CN: common name.
    pub common_name: Option<String>,
    /// DDA: domain-defined attributes, at most four.
    pub domain_defined: Vec<DomainDefinedAttribute>,
}

/// Text that is no O/R address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("character {}: {problem}", .character + 1)]
pub struct TextError {
    /// Index of the character at fault, from 0.
    pub character: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Keys of the text form and the most characters of their values (MTSUpperBounds), in the order of
/// printing.
const KEYS: [(&str, AttributeKind, usize); 17] = [
    ("C", AttributeKind::Country, 3),
    ("A", AttributeKind::AdministrationDomain, 16),
    ("P", AttributeKind::PrivateDomain, 16),
    ("X121", AttributeKind::NetworkAddress, 16),
    ("T-ID", AttributeKind::TerminalIdentifier, 24),
    ("N-ID", AttributeKind::NumericUserIdentifier, 32),
    ("O", AttributeKind::Organization, 64),
    ("OU1", AttributeKind::OrganizationalUnit1, 32),
    ("OU2", AttributeKind::OrganizationalUnit2, 32),
    ("OU3", AttributeKind::OrganizationalUnit3, 32),
    ("OU4", AttributeKind::OrganizationalUnit4, 32),
    ("CN", AttributeKind::CommonName, 64),
    ("S", AttributeKind::Surname, 40),
    ("G", AttributeKind::GivenName, 16),
    ("I", AttributeKind::Initials, 5),
    ("Q", AttributeKind::GenerationQualifier, 3),
    ("DDA", AttributeKind::DomainDefined, 128),
];

const DOMAIN_DEFINED_COUNT_MAX: usize = 4;
const DOMAIN_DEFINED_TYPE_SIZE_MAX: usize = 8;

impl OrAddress {
    /// The value of an attribute; `None` when absent, and for domain-defined and other attributes.
    pub fn value(&self, kind: AttributeKind) -> Option<&str> {
        self.slot(kind)?.as_deref()
    }

    fn slot(&self, kind: AttributeKind) -> Option<&Option<String>> {
        Some(match kind {
            AttributeKind::Country => &self.country,
            AttributeKind::AdministrationDomain => &self.administration_domain,
            AttributeKind::PrivateDomain => &self.private_domain,
            AttributeKind::NetworkAddress => &self.network_address,
            AttributeKind::TerminalIdentifier => &self.terminal_identifier,
            AttributeKind::NumericUserIdentifier => &self.numeric_user_identifier,
            AttributeKind::Organization => &self.organization,
            AttributeKind::OrganizationalUnit1 => &self.organizational_units[0],
            AttributeKind::OrganizationalUnit2 => &self.organizational_units[1],
            AttributeKind::OrganizationalUnit3 => &self.organizational_units[2],
            AttributeKind::OrganizationalUnit4 => &self.organizational_units[3],
            AttributeKind::Surname => &self.surname,
            AttributeKind::GivenName => &self.given_name,
            AttributeKind::Initials => &self.initials,
            AttributeKind::GenerationQualifier => &self.generation_qualifier,
            AttributeKind::CommonName => &self.common_name,
            AttributeKind::TerminalType
            | AttributeKind::DomainDefined
            | AttributeKind::Extension(_) => return None,
        })
    }

    fn slot_mut(&mut self, kind: AttributeKind) -> Option<&mut Option<String>> {
        Some(match kind {
            AttributeKind::Country => &mut self.country,
            AttributeKind::AdministrationDomain => &mut self.administration_domain,
            AttributeKind::PrivateDomain => &mut self.private_domain,
            AttributeKind::NetworkAddress => &mut self.network_address,
            AttributeKind::TerminalIdentifier => &mut self.terminal_identifier,
            AttributeKind::NumericUserIdentifier => &mut self.numeric_user_identifier,
            AttributeKind::Organization => &mut self.organization,
            AttributeKind::OrganizationalUnit1 => &mut self.organizational_units[0],
            AttributeKind::OrganizationalUnit2 => &mut self.organizational_units[1],
            AttributeKind::OrganizationalUnit3 => &mut self.organizational_units[2],
            AttributeKind::OrganizationalUnit4 => &mut self.organizational_units[3],
            AttributeKind::Surname => &mut self.surname,
            AttributeKind::GivenName => &mut self.given_name,
            AttributeKind::Initials => &mut self.initials,
            AttributeKind::GenerationQualifier => &mut self.generation_qualifier,
            AttributeKind::CommonName => &mut self.common_name,
            AttributeKind::TerminalType
            | AttributeKind::DomainDefined
            | AttributeKind::Extension(_) => return None,
        })
    }

    /// The domain that this names, if it has country and administration domain, and nothing beyond the
    /// private domain.
    pub fn to_domain(&self) -> Option<GlobalDomainIdentifier> {
        let domain = OrAddress {
            country: self.country.clone(),
            administration_domain: self.administration_domain.clone(),
            private_domain: self.private_domain.clone(),
            ..OrAddress::default()
        };
        if *self != domain {
            return None;
        }
        Some(GlobalDomainIdentifier::new(
            domain.country?,
            domain.administration_domain?,
            domain.private_domain,
        ))
    }

    /// Appends an ORName element with this address and no directory name.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_under(tag::OR_NAME, out);
    }

    /// Appends an ORName under another, implicit tag.
    pub fn encode_under(&self, tag: Tag, out: &mut Vec<u8>) {
        write::constructed(out, tag, |out| {
            write::constructed(out, Tag::SEQUENCE, |out| self.encode_standard_attributes(out));
            if !self.domain_defined.is_empty() {
                write::constructed(out, Tag::SEQUENCE, |out| {
                    for attribute in &self.domain_defined {
                        write::constructed(out, Tag::SEQUENCE, |out| {
                            let DomainDefinedAttribute { type_name, value } = attribute;
                            write::primitive(out, Tag::PRINTABLE_STRING, type_name.as_bytes());
                            write::primitive(out, Tag::PRINTABLE_STRING, value.as_bytes());
                        });
                    }
                });
            }
            if let Some(name) = &self.common_name {
                write::constructed(out, Tag::SET, |out| {
                    write::constructed(out, Tag::SEQUENCE, |out| {
                        write::integer(out, super::EXTENSION_ATTRIBUTE_TYPE, 1);
                        write::constructed(out, super::EXTENSION_ATTRIBUTE_VALUE, |out| {
                            write::primitive(out, Tag::PRINTABLE_STRING, name.as_bytes());
                        });
                    });
                });
            }
        });
    }

    fn encode_standard_attributes(&self, out: &mut Vec<u8>) {
        let optional = |out: &mut Vec<u8>, tag, value: &Option<String>| {
            if let Some(value) = value {
                write::primitive(out, tag, value.as_bytes());
            }
        };
        if let Some(name) = &self.country {
            encode_country_name(name, out);
        }
        if let Some(name) = &self.administration_domain {
            encode_administration_domain_name(name, out);
        }
        optional(out, super::NETWORK_ADDRESS, &self.network_address);
        optional(out, super::TERMINAL_IDENTIFIER, &self.terminal_identifier);
        if let Some(name) = &self.private_domain {
            write::constructed(out, super::PRIVATE_DOMAIN_NAME, |out| {
                write::primitive(out, Tag::PRINTABLE_STRING, name.as_bytes());
            });
        }
        optional(out, super::ORGANIZATION_NAME, &self.organization);
        optional(out, super::NUMERIC_USER_IDENTIFIER, &self.numeric_user_identifier);
        let names = PERSONAL_NAME.map(|kind| self.value(kind));
        if names.iter().any(Option::is_some) {
            write::constructed(out, super::PERSONAL_NAME_TAG, |out| {
                for (number, name) in (0..).zip(names) {
                    if let Some(name) = name {
                        write::primitive(out, Tag::context(number), name.as_bytes());
                    }
                }
            });
        }
        if self.organizational_units[0].is_some() {
            write::constructed(out, super::ORGANIZATIONAL_UNIT_NAMES, |out| {
                for unit in self.organizational_units.iter().flatten() {
                    write::primitive(out, Tag::PRINTABLE_STRING, unit.as_bytes());
                }
            });
        }
    }
}

pub(super) fn from_view(view: &OrAddressView<'_>) -> OrAddress {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let mut address = OrAddress::default();
    for (_, kind, _) in KEYS {
        if let Some(slot) = address.slot_mut(kind) {
            *slot = view.value(kind).map(text);
        }
    }
    for attribute in view.domain_defined() {
        address.domain_defined.push(DomainDefinedAttribute {
            type_name: text(attribute.type_octets),
            value: text(attribute.octets),
        });
    }
    address
}

/// Whether a PrintableString can hold it (X.680 table of PrintableString).
fn is_printable(character: char) -> bool {
    character.is_ascii_alphanumeric() || " '()+,-./:=?".contains(character)
}

impl FromStr for OrAddress {
    type Err = TextError;

    fn from_str(text: &str) -> Result<OrAddress, TextError> {
        let mut address = OrAddress::default();
        let mut character = 0;
        for part in text.split(';') {
            if !part.trim().is_empty() {
                attribute(&mut address, part, character)?;
            }
            character += part.chars().count() + 1;
        }
        let end = character.saturating_sub(1);
        let units = &address.organizational_units;
        if units.windows(2).any(|pair| pair[0].is_none() && pair[1].is_some()) {
            return Err(TextError {
                character: end,
                problem: "an organizational unit is left out",
            });
        }
        if address.surname.is_none()
            && PERSONAL_NAME.iter().any(|kind| address.value(*kind).is_some())
        {
            return Err(TextError {
                character: end,
                problem: "a personal name needs a surname (S)",
            });
        }
        if address == OrAddress::default() {
            return Err(TextError { character: 0, problem: "an O/R address has attributes" });
        }
        Ok(address)
    }
}

/// Takes one `KEY=VALUE`, which starts at `character` of the text.
fn attribute(address: &mut OrAddress, part: &str, character: usize) -> Result<(), TextError> {
    let indent = part.chars().take_while(|each| each.is_whitespace()).count();
    let fault = |at: usize, problem| TextError { character: character + at, problem };
    let Some((key, value)) = part.split_once('=') else {
        return Err(fault(indent, "an attribute is written KEY=VALUE"));
    };
    let value_at = key.chars().count() + 1;
    let (name, type_name) = match key.trim().split_once(':') {
        Some((name, type_name)) => (name, Some(type_name)),
        None => (key.trim(), None),
    };
    let unit = name.eq_ignore_ascii_case("OU");
    let name = if unit { "OU1" } else { name };
    let (_, kind, size_max) = *KEYS
        .iter()
        .find(|(known, ..)| name.eq_ignore_ascii_case(known))
        .ok_or_else(|| fault(indent, "no attribute has this key"))?;
    if let Some(at) = value.chars().position(|each| !is_printable(each)) {
        return Err(fault(value_at + at, "a PrintableString cannot hold this character"));
    }
    if value.is_empty() {
        return Err(fault(value_at, "the value is empty"));
    }
    if value.len() > size_max {
        return Err(fault(value_at + size_max, "the value is too long"));
    }
    if kind == AttributeKind::Country
        && !(value.len() == 2 && value.bytes().all(|octet| octet.is_ascii_alphabetic())
            || value.len() == 3 && value.bytes().all(|octet| octet.is_ascii_digit()))
    {
        return Err(fault(value_at, "a country has two letters or three digits"));
    }
    let numeric =
        matches!(kind, AttributeKind::NetworkAddress | AttributeKind::NumericUserIdentifier);
    if numeric
        && let Some(at) = value.bytes().position(|each| !each.is_ascii_digit() && each != b' ')
    {
        return Err(fault(value_at + at, "a NumericString cannot hold this character"));
    }
    match (kind, type_name) {
        (AttributeKind::DomainDefined, Some(type_name)) => {
            if !(1..=DOMAIN_DEFINED_TYPE_SIZE_MAX).contains(&type_name.len())
                || !type_name.chars().all(is_printable)
            {
                let problem = "a domain-defined type has 1 to 8 printable characters";
                return Err(fault(indent + name.len() + 1, problem));
            }
            if address.domain_defined.len() == DOMAIN_DEFINED_COUNT_MAX {
                return Err(fault(indent, "more than four domain-defined attributes"));
            }
            address.domain_defined.push(DomainDefinedAttribute {
                type_name: type_name.to_owned(),
                value: value.to_owned(),
            });
            return Ok(());
        }
        (AttributeKind::DomainDefined, None) => {
            return Err(fault(indent, "a domain-defined attribute is written DDA:TYPE=VALUE"));
        }
        (_, Some(_)) => return Err(fault(indent, "only DDA has a type")),
        (_, None) => {}
    }
    let kind =
        if unit { next_unit(address).ok_or_else(|| fault(indent, TOO_MANY_UNITS))? } else { kind };
    match address.slot_mut(kind) {
        Some(slot @ None) => {
            *slot = Some(value.to_owned());
            Ok(())
        }
        _ => Err(fault(indent, "this attribute is given twice")),
    }
}

const TOO_MANY_UNITS: &str = "more than four organizational units";

fn next_unit(address: &OrAddress) -> Option<AttributeKind> {
    let free = address.organizational_units.iter().position(Option::is_none)?;
    ORGANIZATIONAL_UNITS.get(free).copied()
}

impl fmt::Display for OrAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (key, kind, _) in KEYS {
            if let Some(value) = self.value(kind) {
                write!(f, "{separator}{key}={value}")?;
                separator = ";";
            }
        }
        for DomainDefinedAttribute { type_name, value } in &self.domain_defined {
            write!(f, "{separator}DDA:{type_name}={value}")?;
            separator = ";";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::or_address::attributes;

    const FULL: &str = "C=GB;A=CARRIER;P=ACME;X121=23421;T-ID=T1;N-ID=42;O=SALES;OU1=A;OU2=B;OU3=C;OU4=D;\
                        CN=Printer 1;S=SMITH;G=JOHN;I=JF;Q=II;DDA:FAX=1=2;DDA:b=c";

    #[test]
    fn text_and_octets_round_trip() {
        let address: OrAddress = FULL.parse().unwrap();
        assert_eq!(address.to_string(), FULL);
        let mut octets = Vec::new();
        address.encode(&mut octets);
        let view = attributes(&octets).unwrap();
        assert_eq!(view.attributes().len(), 18);
        assert_eq!(view.to_owned(), address);
    }

    #[test]
    fn order_case_and_spaces_of_keys_do_not_count() {
        let address: OrAddress = " s=SMITH; ou=x;OU=y; a= ;c=826;".parse().unwrap();
        assert_eq!(address.to_string(), "C=826;A= ;OU1=x;OU2=y;S=SMITH");
    }

    #[test]
    fn errors_point_at_the_character() {
        for (text, character) in [
            ("", 0),
            ("C=GB;X", 5),
            ("C=GB; FOO=1", 6),
            ("C=GB;S=a_b", 8),
            ("C=GB;S=ü;A=1", 7),
            ("C=GBX", 2),
            ("C=GB;C=FR", 5),
            ("C=GB;I=ABCDEF", 12),
            ("C=GB;N-ID=12x", 12),
            ("C=GB;OU2=b", 10),
            ("C=GB;G=JOHN", 11),
            ("C=GB;DDA=x", 5),
            ("C=GB;DDA:123456789=x", 9),
            ("C=GB;O:x=y", 5),
            ("C=GB;OU=1;OU=2;OU=3;OU=4;OU=5", 25),
            ("C=GB;A=", 7),
        ] {
            let error = text.parse::<OrAddress>().unwrap_err();
            assert_eq!(error.character, character, "{text}: {error}");
        }
    }
}
