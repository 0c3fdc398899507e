//! Tags: class and number (X.680), apart from the constructed bit, which is a matter of encoding.

/// The class of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Types of X.680 itself.
    Universal = 0,
    /// Types of an application standard.
    Application = 1,
    /// Meaning given by the enclosing type.
    Context = 2,
    /// Private use.
    Private = 3,
}

/// A class and a number of at most 28 bits, packed so that comparing is comparing integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(u32);

impl Tag {
    /// End-of-contents octets.
    pub const END_OF_CONTENTS: Tag = Tag::universal(0);
    /// BOOLEAN.
    pub const BOOLEAN: Tag = Tag::universal(1);
    /// INTEGER.
    pub const INTEGER: Tag = Tag::universal(2);
    /// BIT STRING.
    pub const BIT_STRING: Tag = Tag::universal(3);
    /// OCTET STRING.
    pub const OCTET_STRING: Tag = Tag::universal(4);
    /// NULL.
    pub const NULL: Tag = Tag::universal(5);
    /// OBJECT IDENTIFIER.
    pub const OBJECT_IDENTIFIER: Tag = Tag::universal(6);
    /// ENUMERATED.
    pub const ENUMERATED: Tag = Tag::universal(10);
    /// SEQUENCE and SEQUENCE OF.
    pub const SEQUENCE: Tag = Tag::universal(16);
    /// SET and SET OF.
    pub const SET: Tag = Tag::universal(17);
    /// NumericString.
    pub const NUMERIC_STRING: Tag = Tag::universal(18);
    /// PrintableString.
    pub const PRINTABLE_STRING: Tag = Tag::universal(19);
    /// TeletexString (T61String).
    pub const TELETEX_STRING: Tag = Tag::universal(20);
    /// IA5String.
    pub const IA5_STRING: Tag = Tag::universal(22);
    /// UTCTime.
    pub const UTC_TIME: Tag = Tag::universal(23);
    /// UniversalString.
    pub const UNIVERSAL_STRING: Tag = Tag::universal(28);
    /// BMPString.
    pub const BMP_STRING: Tag = Tag::universal(30);

    /// A universal tag.
    pub const fn universal(number: u32) -> Tag {
        Tag::new(Class::Universal, number)
    }

    /// An application tag.
    pub const fn application(number: u32) -> Tag {
        Tag::new(Class::Application, number)
    }

    /// A context-specific tag.
    pub const fn context(number: u32) -> Tag {
        Tag::new(Class::Context, number)
    }

    /// Any tag; the number is cut to 28 bits.
    pub const fn new(class: Class, number: u32) -> Tag {
        Tag((class as u32) << 28 | (number & 0x0fff_ffff))
    }

    pub(super) const fn from_identifier(octet: u8) -> Tag {
        Tag(((octet & 0xc0) as u32) << 22 | (octet & 0x1f) as u32)
    }

    /// Number of identifier octets (X.690 8.1.2): one form only is valid for each number.
    pub(super) const fn identifier_size(self) -> u32 {
        match self.number() {
            0..0x1f => 1,
            0x1f..0x80 => 2,
            0x80..0x4000 => 3,
            0x4000..0x20_0000 => 4,
            _ => 5,
        }
    }

    pub(super) const fn with_number(self, number: u32) -> Tag {
        Tag(self.0 & 0x3000_0000 | number)
    }

    /// The class.
    pub const fn class(self) -> Class {
        match self.0 >> 28 {
            0 => Class::Universal,
            1 => Class::Application,
            2 => Class::Context,
            _ => Class::Private,
        }
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0 & 0x0fff_ffff
    }
}
