//! O/R addresses as nearly all are encoded: standard attributes only, every length in one octet.
//!
//! The relay reads the address of every recipient; this takes a fifth of the instructions that
//! [`visit_attributes`](super::visit_attributes) needs, which reads what this does not.

use super::{AttributeKind, ORGANIZATIONAL_UNITS, PERSONAL_NAME};
use crate::ber::short_form;

/// Tells `visit` of each attribute of a whole O/R name element, in their order, all printable.
///
/// Gives `false` when anything is encoded in another way, malformed or not: then what `visit` was told
/// until there does not count.
#[inline]
pub fn visit_short_form<'a>(
    or_name: &'a [u8],
    mut visit: impl FnMut(AttributeKind, &'a [u8]),
) -> bool {
    walk(or_name, &mut visit).is_some()
}

// The identifier octets of BuiltInStandardAttributes and of the strings inside.
const SEQUENCE: u8 = 0x30;
const NUMERIC: u8 = 0x12;
const PRINTABLE: u8 = 0x13;
const COUNTRY: u8 = 0x61;
const ADMINISTRATION_DOMAIN: u8 = 0x62;
const PRIVATE_DOMAIN: u8 = 0xa2;
const ORGANIZATION: u8 = 0x83;
const PERSONAL: u8 = 0xa5;
const UNITS: u8 = 0xa6;

#[inline(always)]
fn walk<'a>(or_name: &'a [u8], visit: &mut impl FnMut(AttributeKind, &'a [u8])) -> Option<()> {
    // 127 octets hold no more attributes than OR_ADDRESS_ATTRIBUTE_COUNT_MAX.
    let (0x20..0x3f | 0x60..0x7f | 0xa0..0xbf, content, []) = short_form(or_name)? else {
        return None;
    };
    let (SEQUENCE, mut rest, []) = short_form(content)? else { return None };
    while !rest.is_empty() {
        let (identifier, content, behind) = short_form(rest)?;
        rest = behind;
        match identifier {
            COUNTRY => visit(AttributeKind::Country, string(content)?),
            ADMINISTRATION_DOMAIN => visit(AttributeKind::AdministrationDomain, string(content)?),
            PRIVATE_DOMAIN => visit(AttributeKind::PrivateDomain, string(content)?),
            ORGANIZATION => visit(AttributeKind::Organization, content),
            PERSONAL => {
                let mut parts = content;
                while !parts.is_empty() {
                    let (identifier @ 0x80..0x84, octets, behind) = short_form(parts)? else {
                        return None;
                    };
                    visit(PERSONAL_NAME[usize::from(identifier & 3)], octets);
                    parts = behind;
                }
            }
            UNITS => {
                let mut parts = content;
                let mut kinds = ORGANIZATIONAL_UNITS.into_iter();
                while !parts.is_empty() {
                    let (PRINTABLE, octets, behind) = short_form(parts)? else { return None };
                    visit(kinds.next()?, octets);
                    parts = behind;
                }
            }
            _ => return None,
        }
    }
    Some(())
}

/// The characters of a string inside an explicit tag or CHOICE.
#[inline(always)]
fn string(content: &[u8]) -> Option<&[u8]> {
    match short_form(content)? {
        (NUMERIC | PRINTABLE, octets, []) => Some(octets),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::or_address::{Attribute, OrAddress, Repertoire, attributes};
    use proptest::prelude::*;

    fn of_short_form(or_name: &[u8]) -> Option<Vec<Attribute<'_>>> {
        let mut found = Vec::new();
        let repertoire = Repertoire::Printable;
        visit_short_form(or_name, |kind, octets| {
            found.push(Attribute { kind, repertoire, octets, type_octets: &[] });
        })
        .then_some(found)
    }

    fn encoded(text: &str) -> Vec<u8> {
        let mut or_name = Vec::new();
        text.parse::<OrAddress>().unwrap().encode(&mut or_name);
        or_name
    }

    const ALL: &str = "C=XX;A=TEST;P=PPTEST;O=PP2;OU1=a;OU2=b;OU3=c;OU4=d;S=s;G=g;I=i;Q=q";

    #[test]
    fn reads_what_the_general_reader_reads() {
        let or_name = encoded(ALL);
        let attributes = attributes(&or_name).unwrap();
        assert_eq!(of_short_form(&or_name).unwrap(), attributes.attributes());
        for text in ["C=XX;A=TEST;CN=name", "C=XX;A=TEST;N-ID=1", "C=XX;A=TEST;DDA:t=v"] {
            assert_eq!(of_short_form(&encoded(text)), None);
        }
    }

    proptest! {
        /// Damage is seen as damage, or read as the general reader reads it.
        #[test]
        fn agrees_on_damaged_names(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            size in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut or_name = encoded(ALL);
            for (at, octet) in changes {
                let at = at.index(or_name.len());
                or_name[at] = octet;
            }
            if cut {
                or_name.truncate(size.index(or_name.len()));
            }
            if let Some(found) = of_short_form(&or_name) {
                let expected = attributes(&or_name).unwrap();
                prop_assert_eq!(&found[..], expected.attributes());
            }
        }
    }
}
