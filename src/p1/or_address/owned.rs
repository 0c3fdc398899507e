//! An O/R address that owns its attributes: what an operator writes, and what is taken out of an envelope.
//!
//! Characters are kept as Unicode, each variant for itself. What was read is written back with the same
//! meaning: a NumericString where either is allowed may come back as a PrintableString, a UniversalString as
//! a BMPString, and the language of a universal string is left out.

use std::collections::BTreeMap;

use super::attribute::{TERMINAL_TYPES, is_printable};
use super::characters::is_teletex;
use super::{
    Attribute, AttributeKind, Characters, ORGANIZATIONAL_UNITS, OrAddressView, Repertoire,
};
use crate::p1::Error;
use crate::p1::domain::GlobalDomainIdentifier;

/// The characters of one attribute, in each repertoire in which it has them; one at least.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Variants {
    /// As PrintableString or NumericString.
    pub printable: Option<String>,
    /// As TeletexString; see [`Characters`] for octets that T.61 does not define.
    pub teletex: Option<String>,
    /// As BMPString or UniversalString.
    pub universal: Option<String>,
}

impl Variants {
    /// Of the repertoire that can say it: printable before teletex before universal.
    pub fn of(text: String) -> Variants {
        let mut variants = Variants::default();
        let repertoire = repertoire_of(&text);
        *variants.slot_mut(repertoire) = Some(text);
        variants
    }

    /// The variant that counts: printable before teletex before universal; nothing when there is none.
    pub fn characters(&self) -> &str {
        self.all().next().unwrap_or_default()
    }

    /// All of them, in that order.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        [&self.printable, &self.teletex, &self.universal].into_iter().filter_map(Option::as_deref)
    }

    /// One of them: universal for any repertoire that is neither printable nor teletex.
    pub(super) fn slot_mut(&mut self, repertoire: Repertoire) -> &mut Option<String> {
        match repertoire {
            Repertoire::Printable => &mut self.printable,
            Repertoire::Teletex => &mut self.teletex,
            Repertoire::Bmp | Repertoire::Universal | Repertoire::Other => &mut self.universal,
        }
    }
}

/// The first repertoire that can say it all.
pub(super) fn repertoire_of(text: &str) -> Repertoire {
    if text.chars().all(is_printable) {
        Repertoire::Printable
    } else if is_teletex(text) {
        Repertoire::Teletex
    } else {
        Repertoire::Universal
    }
}

impl From<&str> for Variants {
    fn from(text: &str) -> Variants {
        Variants::of(text.to_owned())
    }
}

impl From<String> for Variants {
    fn from(text: String) -> Variants {
        Variants::of(text)
    }
}

/// A domain-defined attribute. Which repertoire it is written in follows from its characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainDefinedAttribute {
    /// Its type, 1 to 8 characters.
    pub type_name: String,
    /// Its value, 1 to 128 characters.
    pub value: String,
}

/// An O/R address.
///
/// Equal is what is written the same; whether two name the same is said by
/// [`OrAddress::is_equivalent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OrAddress {
    pub(super) values: BTreeMap<AttributeKind, Variants>,
    /// Domain-defined attributes, in their order; at most four of each repertoire.
    pub domain_defined: Vec<DomainDefinedAttribute>,
    /// Extension attributes that are not read further: their number, and their whole value element.
    pub(super) extensions: BTreeMap<u16, Box<[u8]>>,
}

impl OrAddress {
    /// Reads a whole O/R name element, whatever its tag.
    ///
    /// # Errors
    /// When it is malformed, or has more attributes than any address may have.
    pub fn read(or_name: &[u8]) -> Result<OrAddress, Error> {
        Ok(OrAddress::from(&super::attributes(or_name)?))
    }

    /// The characters of an attribute, in the variant that counts; `None` when absent, and for
    /// domain-defined and unread extension attributes.
    pub fn value(&self, kind: AttributeKind) -> Option<&str> {
        self.values.get(&kind).map(Variants::characters)
    }

    /// All variants of an attribute, as for [`OrAddress::value`].
    pub fn variants(&self, kind: AttributeKind) -> Option<&Variants> {
        self.values.get(&kind)
    }

    /// Sets an attribute, whatever it was. Domain-defined attributes have a field of their own, and extension
    /// attributes are only read: for both nothing is done.
    pub fn set(&mut self, kind: AttributeKind, value: impl Into<Variants>) {
        if !matches!(kind, AttributeKind::DomainDefined | AttributeKind::Extension(_)) {
            self.values.insert(kind, value.into());
        }
    }

    /// As [`OrAddress::set`], for an address in the making.
    #[must_use]
    pub fn with(mut self, kind: AttributeKind, value: impl Into<Variants>) -> OrAddress {
        self.set(kind, value);
        self
    }

    /// Takes an attribute away.
    pub fn remove(&mut self, kind: AttributeKind) {
        self.values.remove(&kind);
    }

    /// Whether it has no attribute at all.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.domain_defined.is_empty() && self.extensions.is_empty()
    }

    /// The domain that this names, if it has country and administration domain, and nothing beyond the
    /// private domain.
    pub fn to_domain(&self) -> Option<GlobalDomainIdentifier> {
        let private = self.value(AttributeKind::PrivateDomain);
        let count = 2 + usize::from(private.is_some());
        let others = self.domain_defined.len() + self.extensions.len();
        if self.values.len() != count || others != 0 {
            return None;
        }
        Some(GlobalDomainIdentifier::new(
            self.value(AttributeKind::Country)?.to_owned(),
            self.value(AttributeKind::AdministrationDomain)?.to_owned(),
            private.map(str::to_owned),
        ))
    }

    /// The first organizational unit that is absent.
    pub(super) fn next_unit(&self) -> Option<AttributeKind> {
        ORGANIZATIONAL_UNITS.into_iter().find(|kind| !self.values.contains_key(kind))
    }

    fn take(&mut self, attribute: &Attribute<'_>) {
        let Attribute { kind, repertoire, octets, type_octets } = *attribute;
        let text = || Characters::new(repertoire, octets).collect::<String>();
        match kind {
            AttributeKind::DomainDefined => {
                let type_name = Characters::new(repertoire, type_octets).collect();
                self.domain_defined.push(DomainDefinedAttribute { type_name, value: text() });
            }
            AttributeKind::Extension(number) => {
                self.extensions.entry(number).or_insert_with(|| octets.into());
            }
            AttributeKind::TerminalType => {
                let printable = Some(terminal_type_text(octets));
                let value = Variants { printable, ..Variants::default() };
                self.values.entry(kind).or_insert(value);
            }
            AttributeKind::PresentationAddress => {
                let hexadecimal = octets.iter().map(|octet| format!("{octet:02X}")).collect();
                self.values.entry(kind).or_insert_with(|| Variants::of(hexadecimal));
            }
            _ => {
                let slot = self.values.entry(kind).or_default().slot_mut(repertoire);
                match slot {
                    Some(lines) if kind == AttributeKind::UnformattedPostalAddress => {
                        lines.push_str(LINE_END);
                        lines.push_str(&text());
                    }
                    Some(_) => {}
                    None => *slot = Some(text()),
                }
            }
        }
    }
}

/// What parts the lines of an unformatted postal address.
pub(super) const LINE_END: &str = "\r\n";

/// The name of a terminal type, or its number; of the content of its INTEGER.
pub(super) fn terminal_type_text(octets: &[u8]) -> String {
    let number = terminal_type_number(octets);
    let name = TERMINAL_TYPES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
    name.map_or_else(|| number.to_string(), str::to_owned)
}

/// The number in the content of an INTEGER; of too many octets, the last eight.
pub(super) fn terminal_type_number(octets: &[u8]) -> i64 {
    let sign = octets.first().map_or(0, |first| i64::from(*first as i8) >> 7);
    octets.iter().fold(sign, |number, octet| number << 8 | i64::from(*octet))
}

impl From<&OrAddressView<'_>> for OrAddress {
    fn from(view: &OrAddressView<'_>) -> OrAddress {
        let mut address = OrAddress::default();
        for attribute in view.attributes() {
            address.take(attribute);
        }
        address
    }
}
