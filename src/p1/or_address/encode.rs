//! Writing an O/R address as an ORName: what is a built-in attribute, and what an extension attribute.
//!
//! Printable variants of the attributes that 1984 has are built in; everything else is an extension
//! attribute (ExtensionAttributeTable). A personal name, and the organizational units, are one attribute in
//! each repertoire: a part that lacks the repertoire of another is said in it too, so that none stands alone.

use super::attribute::{POSTAL_PARAMETERS, TERMINAL_TYPES};
use super::characters::{encode_printable, encode_teletex, is_teletex};
use super::owned::{LINE_END, Variants, repertoire_of};
use super::{
    AttributeKind, DomainDefinedAttribute, E164_NUMBER, E164_SUB_ADDRESS, EXTENSION_ATTRIBUTE_TYPE,
    EXTENSION_ATTRIBUTE_VALUE, NETWORK_ADDRESS, NUMERIC_USER_IDENTIFIER, ORGANIZATION_NAME,
    ORGANIZATIONAL_UNIT_NAMES, ORGANIZATIONAL_UNITS, OrAddress, PERSONAL_NAME, PERSONAL_NAME_TAG,
    PRIVATE_DOMAIN_NAME, Repertoire, TERMINAL_IDENTIFIER,
};
use crate::ber::{Tag, write};
use crate::p1::domain::{encode_administration_domain_name, encode_country_name};
use crate::p1::tag;

/// The repertoires in which an attribute can be said, each able to say what those before it say.
const REPERTOIRES: [Repertoire; 3] =
    [Repertoire::Printable, Repertoire::Teletex, Repertoire::Universal];

impl OrAddress {
    /// Appends an ORName element with this address and no directory name.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_under(tag::OR_NAME, out);
    }

    /// Appends an ORName under another, implicit tag.
    pub fn encode_under(&self, tag: Tag, out: &mut Vec<u8>) {
        write::constructed(out, tag, |out| {
            write::constructed(out, Tag::SEQUENCE, |out| self.encode_standard_attributes(out));
            self.encode_domain_defined(Repertoire::Printable, out);
            let mut extensions = Extensions { attributes: Vec::new() };
            self.gather_extensions(&mut extensions);
            extensions.encode(out);
        });
    }

    /// Whether anything of it is said by an extension attribute, which 1984 has not.
    pub fn has_extension_attributes(&self) -> bool {
        let mut extensions = Extensions { attributes: Vec::new() };
        self.gather_extensions(&mut extensions);
        !extensions.attributes.is_empty()
    }

    fn encode_standard_attributes(&self, out: &mut Vec<u8>) {
        let optional = |out: &mut Vec<u8>, tag, kind| {
            if let Some(value) = self.printable(kind) {
                write::primitive(out, tag, &encode_printable(value));
            }
        };
        if let Some(name) = self.value(AttributeKind::Country) {
            encode_country_name(name, out);
        }
        if let Some(name) = self.value(AttributeKind::AdministrationDomain) {
            encode_administration_domain_name(name, out);
        }
        optional(out, NETWORK_ADDRESS, AttributeKind::NetworkAddress);
        optional(out, TERMINAL_IDENTIFIER, AttributeKind::TerminalIdentifier);
        if let Some(name) = self.value(AttributeKind::PrivateDomain) {
            write::constructed(out, PRIVATE_DOMAIN_NAME, |out| {
                write::primitive(out, Tag::PRINTABLE_STRING, &encode_printable(name));
            });
        }
        optional(out, ORGANIZATION_NAME, AttributeKind::Organization);
        optional(out, NUMERIC_USER_IDENTIFIER, AttributeKind::NumericUserIdentifier);
        let [personal, ..] = self.groups(PERSONAL_NAME, false);
        encode_personal_name(&personal, Repertoire::Printable, PERSONAL_NAME_TAG, out);
        let [units, ..] = self.groups(ORGANIZATIONAL_UNITS, true);
        encode_units(&units, Repertoire::Printable, ORGANIZATIONAL_UNIT_NAMES, out);
    }

    fn printable(&self, kind: AttributeKind) -> Option<&str> {
        self.values.get(&kind)?.printable.as_deref()
    }

    /// The parts of a personal name, or the organizational units, as they are said in each repertoire; all
    /// absent where that repertoire is not needed, or cannot be used for lack of a first part.
    fn groups(&self, kinds: [AttributeKind; 4], is_list: bool) -> [[Option<&str>; 4]; 3] {
        let parts = kinds.map(|kind| self.values.get(&kind));
        let mut said = [false; 4];
        let mut groups = [[None; 4]; 3];
        for (level, group) in groups.iter_mut().enumerate() {
            let unsaid = (0..4).any(|index| parts[index].is_some() && !said[index]);
            let is_needed = parts.iter().flatten().any(|part| own(part, level).is_some());
            if !(is_needed || level == 2 && unsaid) {
                continue;
            }
            let mut texts = parts.map(|part| part.and_then(|part| at(part, level)));
            if is_list {
                let end = texts.iter().position(Option::is_none).unwrap_or(4);
                texts[end..].fill(None);
            } else if texts[0].is_none() && parts[0].is_some() {
                texts = [None; 4];
            }
            for (said, text) in said.iter_mut().zip(texts) {
                *said |= text.is_some();
            }
            *group = texts;
        }
        groups
    }

    fn encode_domain_defined(&self, repertoire: Repertoire, out: &mut Vec<u8>) {
        let mut of_repertoire = self
            .domain_defined
            .iter()
            .filter(|attribute| domain_defined_repertoire(attribute) == repertoire)
            .peekable();
        if of_repertoire.peek().is_none() {
            return;
        }
        write::constructed(out, Tag::SEQUENCE, |out| {
            for attribute in of_repertoire {
                write::constructed(out, Tag::SEQUENCE, |out| {
                    string(&attribute.type_name, repertoire, None, out);
                    string(&attribute.value, repertoire, None, out);
                });
            }
        });
    }

    fn gather_extensions(&self, extensions: &mut Extensions) {
        use Repertoire::{Printable, Teletex, Universal};
        let variants = |kind| self.values.get(&kind);
        let mut variant = |number, text: Option<&String>, repertoire| {
            if let Some(text) = text {
                extensions.add(number, |out| string(text, repertoire, None, out));
            }
        };
        if let Some(name) = variants(AttributeKind::CommonName) {
            variant(1, name.printable.as_ref(), Printable);
            variant(2, name.teletex.as_ref(), Teletex);
            variant(24, name.universal.as_ref(), Universal);
        }
        if let Some(name) = variants(AttributeKind::Organization) {
            variant(3, name.teletex.as_ref(), Teletex);
            variant(25, name.universal.as_ref(), Universal);
        }
        let [_, teletex, universal] = self.groups(PERSONAL_NAME, false);
        extensions.add(4, |out| encode_personal_name(&teletex, Teletex, Tag::SET, out));
        extensions.add(26, |out| encode_personal_name(&universal, Universal, Tag::SET, out));
        let [_, teletex, universal] = self.groups(ORGANIZATIONAL_UNITS, true);
        extensions.add(5, |out| encode_units(&teletex, Teletex, Tag::SEQUENCE, out));
        extensions.add(27, |out| encode_units(&universal, Universal, Tag::SEQUENCE, out));
        extensions.add(6, |out| self.encode_domain_defined(Teletex, out));
        extensions.add(28, |out| self.encode_domain_defined(Universal, out));
        self.gather_postal(extensions);
        self.gather_terminal(extensions);
        for (number, element) in &self.extensions {
            extensions.add(*number, |out| out.extend_from_slice(element));
        }
    }

    fn gather_postal(&self, extensions: &mut Extensions) {
        if let Some(name) = self.value(AttributeKind::PhysicalDeliveryService) {
            extensions.add(7, |out| string(name, Repertoire::Printable, None, out));
        }
        for (number, kind) in
            [(8, AttributeKind::PhysicalDeliveryCountry), (9, AttributeKind::PostalCode)]
        {
            if let Some(code) = self.value(kind) {
                let is_numeric = code.bytes().all(|octet| octet.is_ascii_digit());
                let tag = if is_numeric { Tag::NUMERIC_STRING } else { Tag::PRINTABLE_STRING };
                extensions.add(number, |out| write::primitive(out, tag, &encode_printable(code)));
            }
        }
        let unformatted = (AttributeKind::UnformattedPostalAddress, 16, 35);
        for (kind, number, universal_number) in POSTAL_PARAMETERS.into_iter().chain([unformatted]) {
            let Some(value) = self.values.get(&kind) else { continue };
            if value.printable.is_some() || value.teletex.is_some() {
                extensions.add(number, |out| {
                    write::constructed(out, Tag::SET, |out| encode_postal(kind, value, out));
                });
            }
            if let Some(text) = &value.universal {
                extensions.add(universal_number, |out| {
                    string(text, Repertoire::Universal, None, out);
                });
            }
        }
    }

    fn gather_terminal(&self, extensions: &mut Extensions) {
        let number = self.value(AttributeKind::E164Number);
        let sub_address = self.value(AttributeKind::E164SubAddress);
        if let Some(element) = self.value(AttributeKind::PresentationAddress) {
            extensions.add(22, |out| out.extend(hexadecimal(element)));
        } else if number.is_some() || sub_address.is_some() {
            extensions.add(22, |out| {
                write::constructed(out, Tag::SEQUENCE, |out| {
                    for (tag, text) in [(E164_NUMBER, number), (E164_SUB_ADDRESS, sub_address)] {
                        if let Some(text) = text {
                            write::primitive(out, tag, &encode_printable(text));
                        }
                    }
                });
            });
        }
        if let Some(text) = self.value(AttributeKind::TerminalType) {
            let named = TERMINAL_TYPES.iter().find(|(_, name)| *name == text).map(|named| named.0);
            if let Some(number) = named.or_else(|| text.parse().ok()) {
                extensions.add(23, |out| write::integer(out, Tag::INTEGER, number));
            }
        }
    }
}

/// The octets that hexadecimal digits say; odd ones are left out.
pub(super) fn hexadecimal(digits: &str) -> impl Iterator<Item = u8> {
    digits.as_bytes().chunks(2).filter_map(|pair| {
        std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
    })
}

/// The variant of a repertoire, counted as in [`REPERTOIRES`].
fn own(part: &Variants, level: usize) -> Option<&str> {
    [&part.printable, &part.teletex, &part.universal][level].as_deref()
}

/// As [`own`], or an earlier variant that this repertoire can say.
fn at(part: &Variants, level: usize) -> Option<&str> {
    let earlier = || (0..level).rev().find_map(|level| own(part, level));
    own(part, level).or_else(|| earlier().filter(|text| level == 2 || is_teletex(text)))
}

fn domain_defined_repertoire(attribute: &DomainDefinedAttribute) -> Repertoire {
    let repertoires = [repertoire_of(&attribute.type_name), repertoire_of(&attribute.value)];
    REPERTOIRES
        .into_iter()
        .rfind(|each| repertoires.contains(each))
        .unwrap_or(Repertoire::Universal)
}

fn encode_personal_name(
    names: &[Option<&str>; 4],
    repertoire: Repertoire,
    tag: Tag,
    out: &mut Vec<u8>,
) {
    if names.iter().any(Option::is_some) {
        write::constructed(out, tag, |out| {
            for (number, name) in (0..).zip(names) {
                if let Some(name) = name {
                    string(name, repertoire, Some(Tag::context(number)), out);
                }
            }
        });
    }
}

fn encode_units(units: &[Option<&str>; 4], repertoire: Repertoire, tag: Tag, out: &mut Vec<u8>) {
    if units.iter().any(Option::is_some) {
        write::constructed(out, tag, |out| {
            units.iter().flatten().for_each(|unit| string(unit, repertoire, None, out));
        });
    }
}

/// The members of a PDSParameter or UnformattedPostalAddress.
fn encode_postal(kind: AttributeKind, value: &Variants, out: &mut Vec<u8>) {
    match &value.printable {
        Some(lines) if kind == AttributeKind::UnformattedPostalAddress => {
            write::constructed(out, Tag::SEQUENCE, |out| {
                for line in lines.split(LINE_END) {
                    string(line, Repertoire::Printable, None, out);
                }
            });
        }
        Some(text) => string(text, Repertoire::Printable, None, out),
        None => {}
    }
    if let Some(text) = &value.teletex {
        string(text, Repertoire::Teletex, None, out);
    }
}

/// Appends a string of a repertoire, under its own tag or an implicit one.
fn string(text: &str, repertoire: Repertoire, implicit: Option<Tag>, out: &mut Vec<u8>) {
    match repertoire {
        Repertoire::Printable => {
            let tag = implicit.unwrap_or(Tag::PRINTABLE_STRING);
            write::primitive(out, tag, &encode_printable(text));
        }
        Repertoire::Teletex => {
            let tag = implicit.unwrap_or(Tag::TELETEX_STRING);
            write::primitive(out, tag, &encode_teletex(text));
        }
        Repertoire::Bmp | Repertoire::Universal | Repertoire::Other => {
            // UniversalOrBMPString
            write::constructed(out, implicit.unwrap_or(Tag::SET), |out| {
                if text.chars().all(|character| u32::from(character) <= 0xffff) {
                    let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
                    write::primitive(out, Tag::BMP_STRING, &octets);
                } else {
                    let numbers = text.chars().map(u32::from);
                    let octets: Vec<u8> = numbers.flat_map(u32::to_be_bytes).collect();
                    write::primitive(out, Tag::UNIVERSAL_STRING, &octets);
                }
            });
        }
    }
}

/// Extension attributes on their way into a SET, by number.
struct Extensions {
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Extensions {
    /// Adds one; none where `value` appends nothing.
    fn add(&mut self, number: u16, value: impl FnOnce(&mut Vec<u8>)) {
        let mut element = Vec::new();
        value(&mut element);
        if !element.is_empty() {
            self.attributes.push((number, element));
        }
    }

    fn encode(mut self, out: &mut Vec<u8>) {
        if self.attributes.is_empty() {
            return;
        }
        self.attributes.sort_by_key(|attribute| attribute.0);
        write::constructed(out, Tag::SET, |out| {
            for (number, element) in &self.attributes {
                write::constructed(out, Tag::SEQUENCE, |out| {
                    write::integer(out, EXTENSION_ATTRIBUTE_TYPE, i64::from(*number));
                    write::constructed(out, EXTENSION_ATTRIBUTE_VALUE, |out| {
                        out.extend_from_slice(element);
                    });
                });
            }
        });
    }
}
