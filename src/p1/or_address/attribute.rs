//! Which attributes an O/R address may have: their kinds, their keys in text, and how long they may be.
//!
//! Keys are those of F.401 Annex (RFC 1685, tables F.1 to F.3), with the ones of RFC 2156 4.1 taken as
//! well; where F.401 has none, that of RFC 2156 is written. Sizes are those of MTSUpperBounds.

/// Which attribute of an O/R address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AttributeKind {
    /// Country-name: ISO 3166 alpha-2 or X.121 code.
    Country,
    /// Administration-domain-name.
    AdministrationDomain,
    /// Private-domain-name.
    PrivateDomain,
    /// Network-address (X.121).
    NetworkAddress,
    /// Terminal-identifier.
    TerminalIdentifier,
    /// Terminal-type; the octets in place are those of its INTEGER.
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
    /// Extended-network-address, the number of an E.163 or E.164 address.
    E164Number,
    /// Extended-network-address, the sub-address behind that number.
    E164SubAddress,
    /// Extended-network-address, a PSAP address; the octets in place are its whole element, tagged `[0]`.
    PresentationAddress,
    /// Pds-name: the physical delivery system.
    PhysicalDeliveryService,
    /// Physical-delivery-country-name.
    PhysicalDeliveryCountry,
    /// Postal-code.
    PostalCode,
    /// Physical-delivery-office-name.
    PhysicalDeliveryOfficeName,
    /// Physical-delivery-office-number.
    PhysicalDeliveryOfficeNumber,
    /// Extension-OR-address-components.
    ExtensionOrAddressComponents,
    /// Physical-delivery-personal-name.
    PhysicalDeliveryPersonalName,
    /// Physical-delivery-organization-name.
    PhysicalDeliveryOrganizationName,
    /// Extension-physical-delivery-address-components.
    ExtensionPhysicalDeliveryAddressComponents,
    /// Unformatted-postal-address; in place each printable line is an attribute of its own.
    UnformattedPostalAddress,
    /// Street-address.
    StreetAddress,
    /// Post-office-box-address.
    PostOfficeBoxAddress,
    /// Poste-restante-address.
    PosteRestanteAddress,
    /// Unique-postal-name.
    UniquePostalName,
    /// Local-postal-attributes.
    LocalPostalAttributes,
    /// A domain-defined attribute; `Attribute::type_octets` holds its type.
    DomainDefined,
    /// An extension attribute not read further, by its number: of no edition known here, or with a value of
    /// another type than its number asks for. The octets are its whole value element.
    Extension(u16),
}

/// What the characters of an attribute may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Characters {
    /// PrintableString, or a NumericString.
    Printable,
    /// NumericString.
    Numeric,
    /// Two letters or three digits.
    Country,
    /// Any, in up to three variants.
    Any,
    /// The name or number of a terminal type.
    TerminalType,
    /// Lines, each up to `size_max` printable characters.
    Lines,
    /// Hexadecimal digits of a whole element.
    Element,
}

/// An attribute in text.
pub(super) struct Entry {
    pub(super) kind: AttributeKind,
    /// Its key where it is written.
    pub(super) key: &'static str,
    /// Other keys that are taken for it.
    pub(super) aliases: &'static [&'static str],
    pub(super) characters: Characters,
    /// Most characters of its printable and its teletex variant.
    pub(super) size_max: usize,
    /// Most characters of its universal variant.
    pub(super) universal_size_max: usize,
}

const fn entry(
    kind: AttributeKind,
    key: &'static str,
    aliases: &'static [&'static str],
    characters: Characters,
    size_max: usize,
) -> Entry {
    Entry { kind, key, aliases, characters, size_max, universal_size_max: size_max }
}

/// A part of a personal name: longer as universal-personal-name.
const fn personal(
    kind: AttributeKind,
    key: &'static str,
    aliases: &'static [&'static str],
    size_max: usize,
    universal_size_max: usize,
) -> Entry {
    Entry { kind, key, aliases, characters: Characters::Any, size_max, universal_size_max }
}

/// ub-unformatted-address-length
pub(super) const UNFORMATTED_ADDRESS_SIZE_MAX: usize = 180;
/// ub-pds-physical-address-lines
pub(super) const ADDRESS_LINE_COUNT_MAX: usize = 6;
/// ub-pds-parameter-length
pub(super) const POSTAL_SIZE_MAX: usize = 30;
/// ub-domain-defined-attributes
pub(super) const DOMAIN_DEFINED_COUNT_MAX: usize = 4;
/// ub-domain-defined-attribute-type-length
pub(super) const DOMAIN_DEFINED_TYPE_SIZE_MAX: usize = 8;
/// ub-domain-defined-attribute-value-length
pub(super) const DOMAIN_DEFINED_VALUE_SIZE_MAX: usize = 128;

use AttributeKind as Kind;
use Characters::{Any, Country, Numeric, Printable};

/// All that stand in text, in the order in which they are written; domain-defined attributes follow.
pub(super) static ENTRIES: [Entry; 35] = [
    entry(Kind::Country, "C", &["COUNTRY"], Country, 3),
    entry(Kind::AdministrationDomain, "A", &["ADMD"], Printable, 16),
    entry(Kind::PrivateDomain, "P", &["PRMD"], Printable, 16),
    entry(Kind::NetworkAddress, "X.121", &["X121"], Numeric, 16),
    entry(Kind::E164Number, "ISDN", &["E.164", "NET-NUM"], Numeric, 15),
    entry(Kind::E164SubAddress, "NET-SUB", &[], Numeric, 40),
    entry(Kind::PresentationAddress, "PSAP", &["NET-PSAP"], Characters::Element, usize::MAX),
    entry(Kind::TerminalIdentifier, "T-ID", &[], Printable, 24),
    entry(Kind::TerminalType, "T-TY", &["NET-TTYPE"], Characters::TerminalType, 16),
    entry(Kind::NumericUserIdentifier, "N-ID", &["UA-ID"], Numeric, 32),
    entry(Kind::Organization, "O", &[], Any, 64),
    entry(Kind::OrganizationalUnit1, "OU1", &[], Any, 32),
    entry(Kind::OrganizationalUnit2, "OU2", &[], Any, 32),
    entry(Kind::OrganizationalUnit3, "OU3", &[], Any, 32),
    entry(Kind::OrganizationalUnit4, "OU4", &[], Any, 32),
    entry(Kind::CommonName, "CN", &[], Any, 64),
    personal(Kind::Surname, "S", &[], 40, 64),
    personal(Kind::GivenName, "G", &[], 16, 40),
    personal(Kind::Initials, "I", &[], 5, 16),
    personal(Kind::GenerationQualifier, "Q", &["GQ"], 3, 16),
    entry(Kind::PhysicalDeliveryService, "PD-SN", &["PD-SERVICE", "PD-SYSTEM"], Printable, 16),
    entry(Kind::PhysicalDeliveryCountry, "PD-C", &["PD-COUNTRY"], Country, 3),
    entry(Kind::PostalCode, "PD-PC", &["PD-CODE", "POSTCODE"], Printable, 16),
    entry(Kind::PhysicalDeliveryOfficeName, "PD-OF", &["PD-OFFICE"], Any, POSTAL_SIZE_MAX),
    entry(
        Kind::PhysicalDeliveryOfficeNumber,
        "PD-OFN",
        &["PD-OFFICE NUMBER", "PD-OFFICE-NUMBER", "PD-OFFICE-NUM"],
        Any,
        POSTAL_SIZE_MAX,
    ),
    entry(
        Kind::ExtensionOrAddressComponents,
        "PD-EA",
        &["PD-EXT.ADDRESS", "PD-EXT-ADDRESS"],
        Any,
        POSTAL_SIZE_MAX,
    ),
    entry(Kind::PhysicalDeliveryPersonalName, "PD-PN", &["PD-PERSON"], Any, POSTAL_SIZE_MAX),
    entry(
        Kind::PhysicalDeliveryOrganizationName,
        "PD-O",
        &["PD-ORGANIZATION"],
        Any,
        POSTAL_SIZE_MAX,
    ),
    entry(
        Kind::ExtensionPhysicalDeliveryAddressComponents,
        "PD-ED",
        &["PD-EXT.DELIVERY", "PD-EXT-DELIVERY"],
        Any,
        POSTAL_SIZE_MAX,
    ),
    Entry {
        kind: Kind::UnformattedPostalAddress,
        key: "PD-ADDRESS",
        aliases: &["PD-A"],
        characters: Characters::Lines,
        size_max: POSTAL_SIZE_MAX,
        universal_size_max: UNFORMATTED_ADDRESS_SIZE_MAX,
    },
    entry(Kind::StreetAddress, "PD-S", &["PD-STREET", "STREET"], Any, POSTAL_SIZE_MAX),
    entry(Kind::PostOfficeBoxAddress, "PD-B", &["PD-BOX", "PO-BOX"], Any, POSTAL_SIZE_MAX),
    entry(
        Kind::PosteRestanteAddress,
        "PD-R",
        &["PD-RESTANTE", "POSTE-RESTANTE"],
        Any,
        POSTAL_SIZE_MAX,
    ),
    entry(Kind::UniquePostalName, "PD-U", &["PD-UNIQUE"], Any, POSTAL_SIZE_MAX),
    entry(Kind::LocalPostalAttributes, "PD-L", &["PD-LOCAL"], Any, POSTAL_SIZE_MAX),
];

/// The attributes that are a PDSParameter, with their numbers in ExtensionAttributeTable: of the attribute,
/// and of its universal variant.
pub(super) const POSTAL_PARAMETERS: [(AttributeKind, u16, u16); 11] = [
    (Kind::PhysicalDeliveryOfficeName, 10, 29),
    (Kind::PhysicalDeliveryOfficeNumber, 11, 30),
    (Kind::ExtensionOrAddressComponents, 12, 31),
    (Kind::PhysicalDeliveryPersonalName, 13, 32),
    (Kind::PhysicalDeliveryOrganizationName, 14, 33),
    (Kind::ExtensionPhysicalDeliveryAddressComponents, 15, 34),
    (Kind::StreetAddress, 17, 36),
    (Kind::PostOfficeBoxAddress, 18, 37),
    (Kind::PosteRestanteAddress, 19, 38),
    (Kind::UniquePostalName, 20, 39),
    (Kind::LocalPostalAttributes, 21, 40),
];

/// TerminalType's named numbers.
pub(super) const TERMINAL_TYPES: [(i64, &str); 6] = [
    (3, "telex"),
    (4, "teletex"),
    (5, "g3-facsimile"),
    (6, "g4-facsimile"),
    (7, "ia5-terminal"),
    (8, "videotex"),
];
/// ub-integer-options
pub(super) const TERMINAL_TYPE_MAX: i64 = 256;

impl AttributeKind {
    /// Its key in text, as F.401 Annex writes it; `DDA` for a domain-defined attribute, and nothing for an
    /// extension attribute that is not read further.
    pub fn key(self) -> &'static str {
        let found = ENTRIES.iter().find(|entry| entry.kind == self).map(|entry| entry.key);
        found.unwrap_or(if self == AttributeKind::DomainDefined { "DDA" } else { "" })
    }

    /// The attribute that a key of text stands for, in either case; none for `OU` and `DDA:...`.
    pub fn from_key(key: &str) -> Option<AttributeKind> {
        entry_of_key(key).map(|entry| entry.kind)
    }
}

/// The attribute that a key stands for, in either case.
pub(super) fn entry_of_key(key: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| {
        entry.key.eq_ignore_ascii_case(key)
            || entry.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(key))
    })
}

/// Whether a PrintableString can hold it (X.680 table of PrintableString).
pub(super) fn is_printable(character: char) -> bool {
    character.is_ascii_alphanumeric() || " '()+,-./:=?".contains(character)
}
