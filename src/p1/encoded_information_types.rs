//! Encoded information types: what forms of information a content holds (EncodedInformationTypes of
//! MTSAbstractService), and the sets of them that somebody takes.
//!
//! ```text
//! [APPLICATION 5] SET { [0] BIT STRING, non-basic parameters [1] [2] [3], [4] SET OF OBJECT IDENTIFIER }
//! ```
//!
//! Only the types themselves count here, not the non-basic parameters of facsimile and teletex.

use super::{Error, scan, tag};
use crate::ber::{Reader, Span, Tag};
use rasn::types::ObjectIdentifier;

/// Each built-in type by its bit (BuiltInEncodedInformationTypes). Bit 0 is `undefined` in 1988.
pub const BUILT_IN: &[(i64, &str)] = &[
    (0, "unknown"),
    (1, "telex"),
    (2, "ia5-text"),
    (3, "g3-facsimile"),
    (4, "g4-class-1"),
    (5, "teletex"),
    (6, "videotex"),
    (7, "voice"),
    (8, "sfd"),
    (9, "mixed-mode"),
];

const BUILT_IN_TYPES: Tag = Tag::context(0);
const EXTENDED_TYPES: Tag = Tag::context(4);

/// The types that somebody takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptedTypes {
    /// Bit 0 the most significant.
    built_in: u32,
    /// The content octets of object identifiers.
    extended: Vec<Box<[u8]>>,
}

impl AcceptedTypes {
    /// Adds a type by its built-in name, or by its object identifier as `1.2.3`; `false`, and nothing
    /// added, when it is neither.
    #[must_use]
    pub fn add(&mut self, text: &str) -> bool {
        let text = if text == "undefined" { "unknown" } else { text };
        if let Some((bit, _)) = BUILT_IN.iter().find(|(_, name)| *name == text) {
            self.built_in |= 1 << (31 - bit);
            return true;
        }
        let arcs = text.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
        let Some(identifier) = arcs.ok().and_then(ObjectIdentifier::new) else { return false };
        let Ok(encoded) = rasn::ber::encode(&identifier) else { return false };
        let mut reader = Reader::new(&encoded);
        let content = reader.header().and_then(|header| reader.primitive(&header));
        content.map(|octets| self.extended.push(octets.into())).is_ok()
    }

    /// Whether every type of an EncodedInformationTypes, a whole element of `apdu`, is among them.
    ///
    /// # Errors
    /// When the element is malformed.
    pub fn contain(&self, apdu: &[u8], element: Span) -> Result<bool, Error> {
        let mut reader = Reader::over_span(apdu, element);
        let header = reader.header()?;
        scan::expect(&header, tag::ENCODED_INFORMATION_TYPES)?;
        let types = reader.enter(&header)?;
        let mut contained = true;
        while let Some(field) = reader.next(&types)? {
            match field.tag {
                BUILT_IN_TYPES => contained &= reader.bits(&field)? & !self.built_in == 0,
                EXTENDED_TYPES => {
                    let extended = reader.enter(&field)?;
                    while let Some(item) = reader.next(&extended)? {
                        scan::expect(&item, Tag::OBJECT_IDENTIFIER)?;
                        let identifier = reader.primitive(&item)?;
                        contained &= self.extended.iter().any(|own| **own == *identifier);
                    }
                }
                _ => {
                    reader.skip(&field)?;
                }
            }
        }
        Ok(contained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(texts: &[&str]) -> AcceptedTypes {
        let mut types = AcceptedTypes::default();
        texts.iter().for_each(|text| assert!(types.add(text), "{text}"));
        types
    }

    fn contain(types: &AcceptedTypes, element: &[u8]) -> Option<bool> {
        types.contain(element, Span::new(0, element.len() as u32)).ok()
    }

    #[test]
    fn every_type_must_be_taken() {
        // ia5-text and mixed-mode, which stands in the second octet, and 2.6.1.12.1.
        let element = b"\x65\x0d\x80\x03\x06\x20\x40\xa4\x06\x06\x04\x56\x01\x0c\x01";
        let all = ["ia5-text", "mixed-mode", "2.6.1.12.1"];
        assert_eq!(contain(&accepted(&all), element), Some(true));
        for left_out in all {
            let others: Vec<&str> = all.into_iter().filter(|one| *one != left_out).collect();
            assert_eq!(contain(&accepted(&others), element), Some(false), "{left_out}");
        }
        // No type at all, and non-basic parameters alone.
        for nothing in [&b"\x65\x03\x80\x01\x00"[..], b"\x65\x07\x80\x01\x00\x81\x02\x00\xff"] {
            assert_eq!(contain(&accepted(&[]), nothing), Some(true));
        }
    }

    #[test]
    fn every_form_of_the_bits_reads_the_same() {
        // Unused bits of any value, a trailing octet without bits, indefinite lengths, segments.
        for element in [
            &b"\x65\x04\x80\x02\x05\x3f"[..],
            b"\x65\x05\x80\x03\x00\x20\x00",
            b"\x65\x80\x80\x02\x00\x20\x00\x00",
            b"\x65\x0b\xa0\x80\x03\x01\x00\x03\x02\x05\x20\x00\x00",
        ] {
            assert_eq!(contain(&accepted(&["ia5-text"]), element), Some(true), "{element:02x?}");
            assert_eq!(contain(&accepted(&["voice"]), element), Some(false), "{element:02x?}");
        }
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in ["", "text", "3.1", "1", "1..2", "1.2.x", "IA5-text"] {
            assert!(!AcceptedTypes::default().add(text), "{text}");
        }
        assert_eq!(accepted(&["undefined"]), accepted(&["unknown"]));
        for element in
            [&b"\x30\x00"[..], b"\x65\x03\x80\x01\x09", b"\x65\x04\xa4\x02\x05\x00", b"\x65"]
        {
            assert_eq!(contain(&accepted(&["ia5-text"]), element), None, "{element:02x?}");
        }
    }
}
