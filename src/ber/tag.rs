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
///
/// The low octet is as it is encoded, without the constructed bit: the class, and the five low bits of the
/// number. The other bits of the number stand above, so that a low number needs no unpacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub(super) u32);

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
        Tag((class as u32) << 6).with_number(number)
    }

    pub(super) const fn from_identifier(octet: u8) -> Tag {
        Tag((octet & 0xdf) as u32)
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
        Tag(self.0 & 0xc0 | number & 0x1f | (number & 0x0fff_ffff) >> 5 << 8)
    }

    /// The class.
    pub const fn class(self) -> Class {
        match self.0 >> 6 & 3 {
            0 => Class::Universal,
            1 => Class::Application,
            2 => Class::Context,
            _ => Class::Private,
        }
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0 >> 8 << 5 | self.0 & 0x1f
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_and_number_survive_packing() {
        for class in [Class::Universal, Class::Application, Class::Context, Class::Private] {
            for number in [0, 1, 30, 31, 32, 127, 128, 0x3fff, 0x4000, 0x0fff_ffff] {
                let tag = Tag::new(class, number);
                assert_eq!((tag.class(), tag.number()), (class, number));
                if number < 0x1f {
                    assert_eq!(tag, Tag::from_identifier((class as u8) << 6 | number as u8));
                }
            }
        }
    }
}
