//! ASN.1 modules as tables: what a walk needs to know of a type to name what it finds.
//!
//! The tables name; they do not judge. Elements may come in any order and any number, and what no table
//! names is shown as it stands.

use crate::ber::Tag;

/// Names of values or bits.
pub(super) type Names = &'static [(i64, &'static str)];

/// A component, by its tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// The component's name in its module.
    pub(super) name: &'static str,
    /// Its outermost tag; `None`: any.
    pub(super) tag: Option<Tag>,
    /// What is inside.
    pub(super) kind: Kind,
    /// The layer whose it is, where that is another one than its surroundings'.
    pub(super) layer: Option<&'static str>,
}

/// How contents are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// INTEGER or ENUMERATED, with the names of its values.
    Number(Names),
    /// BIT STRING, with the names of its bits.
    Bits(Names),
    /// A character string.
    Text,
    /// An OCTET STRING.
    Octets,
    /// An OBJECT IDENTIFIER.
    ObjectIdentifier,
    /// A BOOLEAN.
    Boolean,
    /// A NULL.
    Null,
    /// A UTCTime.
    Time,
    /// SET, SEQUENCE, or an explicit tag around a CHOICE: these components.
    Fields(&'static [Field]),
    /// SET OF or SEQUENCE OF these alternatives.
    Many(&'static [Field]),
    /// An explicit tag around this.
    Explicit(&'static Kind),
    /// An O/R name or O/R address.
    OrName,
    /// A GlobalDomainIdentifier.
    Domain,
    /// An ExtensionField of the MTS.
    Extension,
    /// The type of an ExtensionField: standard or private, in the form of 1988 or a later one.
    ExtensionType,
    /// A secret: that it is there, and no more.
    Secret,
    /// ContentType, built-in; the content is read accordingly.
    ContentType,
    /// Content of an MTS-APDU.
    Content,
    /// An IPM inside of an IPM.
    ForwardedIpm,
    /// Anything.
    Any,
}

impl Field {
    pub(super) const fn new(name: &'static str, tag: Tag, kind: Kind) -> Field {
        Field { name, tag: Some(tag), kind, layer: None }
    }

    /// `[number]`, IMPLICIT unless the kind says EXPLICIT.
    pub(super) const fn context(number: u32, name: &'static str, kind: Kind) -> Field {
        Field::new(name, Tag::context(number), kind)
    }

    /// `[APPLICATION number]`.
    pub(super) const fn application(number: u32, name: &'static str, kind: Kind) -> Field {
        Field::new(name, Tag::application(number), kind)
    }

    /// A SET.
    pub(super) const fn set(name: &'static str, fields: &'static [Field]) -> Field {
        Field::new(name, Tag::SET, Kind::Fields(fields))
    }

    /// A SEQUENCE.
    pub(super) const fn sequence(name: &'static str, fields: &'static [Field]) -> Field {
        Field::new(name, Tag::SEQUENCE, Kind::Fields(fields))
    }

    /// An untagged INTEGER.
    pub(super) const fn integer(name: &'static str, names: Names) -> Field {
        Field::new(name, Tag::INTEGER, Kind::Number(names))
    }

    /// An untagged OBJECT IDENTIFIER.
    pub(super) const fn object_identifier(name: &'static str) -> Field {
        Field::new(name, Tag::OBJECT_IDENTIFIER, Kind::ObjectIdentifier)
    }

    /// The same in another layer.
    pub(super) const fn of(self, layer: &'static str) -> Field {
        Field { layer: Some(layer), ..self }
    }

    /// Whatever comes.
    pub(super) const fn any(name: &'static str) -> Field {
        Field { name, tag: None, kind: Kind::Any, layer: None }
    }
}

/// The name of a value, with its number.
pub(super) fn named(names: Names, value: i64) -> String {
    match names.iter().find(|(number, _)| *number == value) {
        Some((_, name)) => format!("{name} ({value})"),
        None => value.to_string(),
    }
}
