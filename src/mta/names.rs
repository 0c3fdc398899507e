//! O/R names with a meaning here, distribution lists and redirected recipients, found by the octets of an
//! envelope.
//!
//! Two names are the same as X.402 says ([`OrAddress::is_equivalent`]). Asking costs nothing where there is
//! no such name, and allocates only for a name that may be one of them: one whose printable attributes hash
//! as another's do, or one with an attribute in another repertoire, which is compared with them all.

use std::ops::Deref;

use crate::p1::Error;
use crate::p1::or_address::{
    AttributeKind, OrAddress, Repertoire, folded_hash, mix, visit_attributes,
};

/// Something that an O/R address names.
pub trait Addressed {
    /// The address.
    fn address(&self) -> &OrAddress;

    /// The addresses that it leads to.
    fn related(&self) -> &[OrAddress];
}

/// Things by their O/R addresses; a slice of them otherwise. Of two with one address the first counts.
#[derive(Debug, Clone, PartialEq)]
pub struct ByAddress<T> {
    items: Vec<T>,
    names: Names,
    related: Vec<Names>,
}

impl<T> Default for ByAddress<T> {
    fn default() -> ByAddress<T> {
        ByAddress { items: Vec::new(), names: Names::default(), related: Vec::new() }
    }
}

impl<T: Addressed> From<Vec<T>> for ByAddress<T> {
    fn from(items: Vec<T>) -> ByAddress<T> {
        ByAddress {
            names: items.iter().map(T::address).collect(),
            related: items.iter().map(|item| item.related().iter().collect()).collect(),
            items,
        }
    }
}

impl<T> ByAddress<T> {
    /// Which one an O/R name element names, by index.
    ///
    /// # Errors
    /// When the name must be read and is malformed.
    #[inline]
    pub fn find(&self, or_name: &[u8]) -> Result<Option<usize>, Error> {
        self.names.find(or_name)
    }

    /// The addresses that one of them leads to.
    pub fn related(&self, index: usize) -> Option<&Names> {
        self.related.get(index)
    }
}

impl<T> Deref for ByAddress<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

/// O/R names, numbered from 0, and an index of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Names {
    addresses: Vec<OrAddress>,
    /// Open addressing, a power of two and at least twice the names: a name's hash and its number.
    slots: Box<[Option<(u64, u32)>]>,
}

impl<'a> FromIterator<&'a OrAddress> for Names {
    fn from_iter<I: IntoIterator<Item = &'a OrAddress>>(addresses: I) -> Names {
        let addresses: Vec<OrAddress> = addresses.into_iter().cloned().collect();
        if addresses.is_empty() {
            return Names::default();
        }
        let mut slots = vec![None; (addresses.len() * 2).next_power_of_two()].into_boxed_slice();
        let mask = slots.len() - 1;
        let mut octets = Vec::new();
        for (number, address) in (0..).zip(&addresses) {
            octets.clear();
            address.encode(&mut octets);
            // What was encoded here can be read.
            let Ok(Digest { hash, .. }) = digest(&octets) else { continue };
            let mut at = hash as usize & mask;
            while slots[at].is_some() {
                at = (at + 1) & mask;
            }
            slots[at] = Some((hash, number));
        }
        Names { addresses, slots }
    }
}

impl Names {
    /// The number of the name that a whole O/R name element is, whatever the element's tag.
    ///
    /// # Errors
    /// When the element must be read and is malformed.
    #[inline]
    pub fn find(&self, or_name: &[u8]) -> Result<Option<usize>, Error> {
        if self.addresses.is_empty() {
            return Ok(None);
        }
        self.find_among(or_name)
    }

    /// Whether one of the names is this.
    ///
    /// # Errors
    /// As [`Names::find`].
    pub fn contains(&self, or_name: &[u8]) -> Result<bool, Error> {
        Ok(self.find(or_name)?.is_some())
    }

    fn find_among(&self, or_name: &[u8]) -> Result<Option<usize>, Error> {
        let Digest { hash, is_printable } = digest(or_name)?;
        if !is_printable {
            let address = OrAddress::read(or_name)?;
            return Ok(self.addresses.iter().position(|other| other.is_equivalent(&address)));
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some((other, number)) = self.slots[at] {
            let number = number as usize;
            if other == hash && self.addresses[number].is_equivalent(&OrAddress::read(or_name)?) {
                return Ok(Some(number));
            }
            at = (at + 1) & mask;
        }
        Ok(None)
    }
}

/// What the attributes of a name that are printable come to.
struct Digest {
    /// The same for names that are the same, if both are printable.
    hash: u64,
    /// Whether no attribute has characters of another repertoire.
    is_printable: bool,
}

/// The attributes that tell most names apart, and whose printable values are the same where their folded
/// octets are. A country has two codes, and an administration domain may be left out.
const HASHED: [AttributeKind; 11] = [
    AttributeKind::PrivateDomain,
    AttributeKind::NetworkAddress,
    AttributeKind::NumericUserIdentifier,
    AttributeKind::Organization,
    AttributeKind::OrganizationalUnit1,
    AttributeKind::OrganizationalUnit2,
    AttributeKind::OrganizationalUnit3,
    AttributeKind::OrganizationalUnit4,
    AttributeKind::Surname,
    AttributeKind::GivenName,
    AttributeKind::CommonName,
];

fn digest(or_name: &[u8]) -> Result<Digest, Error> {
    let mut found = [0; HASHED.len()];
    let mut is_printable = true;
    visit_attributes(or_name, |attribute| match attribute.repertoire {
        Repertoire::Printable => {
            if let Some(at) = HASHED.iter().position(|kind| *kind == attribute.kind) {
                found[at] = folded_hash(attribute.octets);
            }
        }
        Repertoire::Teletex | Repertoire::Bmp | Repertoire::Universal => is_printable = false,
        Repertoire::Other => {}
    })?;
    Ok(Digest { hash: found.into_iter().fold(0, mix), is_printable })
}

/// Whether two whole O/R name elements are the same name, whatever their tags.
///
/// # Errors
/// When one is malformed.
pub fn same(left: &[u8], right: &[u8]) -> Result<bool, Error> {
    Ok(left.get(1..) == right.get(1..)
        || OrAddress::read(left)?.is_equivalent(&OrAddress::read(right)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::or_address::Variants;

    fn address(text: &str) -> OrAddress {
        text.parse().unwrap()
    }

    fn encoded(text: &str) -> Vec<u8> {
        let mut octets = Vec::new();
        address(text).encode(&mut octets);
        octets
    }

    #[test]
    fn finds_a_name_by_what_counts() {
        let texts: Vec<OrAddress> = (0..100)
            .map(|number| address(&format!("C=GB;A=CARRIER;P=ACME;O=Unit {number};CN=staff")))
            .chain([
                address("C=GB;A=CARRIER;P=GATEWAY;DDA:RFC-822=staff(a)acme.example"),
                address("C=GB;A=CARRIER;P=ACME;S=a;I=b"),
            ])
            .collect();
        let names: Names = texts.iter().collect();
        for (text, found) in [
            ("C=GB;A=CARRIER;P=ACME;O=Unit 7;CN=staff", Some(7)),
            ("C=gb;A= carrier;P=Acme;O=UNIT  7;CN=Staff ", Some(7)),
            ("C=GB;A=CARRIER;P=GATEWAY;DDA:rfc-822=Staff(a)acme.example", Some(100)),
            ("C=234;A=CARRIER;P=ACME;O=Unit 7;CN=staff", Some(7)),
            ("C=GB;A=CARRIER;P=ACME;O=Unit 7", None),
            ("C=GB;A=CARRIER;P=ACME;O=Unit 7;CN=staff;S=x", None),
            ("C=GB;A=CARRIER;P=ACME;S=a;I=b", Some(101)),
            ("C=GB;A=CARRIER;P=ACME;S=a", None),
            ("C=GB;A=CARRIER;P=ACME;S=a;I=b;Q=c", None),
            ("C=GB;A=CARRIER;P=ACME;O=Unit 100;CN=staff", None),
            ("C=GB;A=CARRIER;P=GATEWAY;DDA:RFC-822=other(a)acme.example", None),
        ] {
            assert_eq!(names.find(&encoded(text)).unwrap(), found, "{text}");
        }
    }

    #[test]
    fn a_name_is_found_in_whatever_repertoire_it_is_written() {
        let names: Names =
            [address("C=DE;A=X;S=Schmidt"), address("C=DE;A= ;P=Y;S=Müller")].iter().collect();
        let teletex =
            |text: &str| Variants { teletex: Some(text.to_owned()), ..Variants::default() };
        for (surname, rest, found) in [
            ("SCHMIDT", "C=DE;A=X", Some(0)),
            ("MÜLLER", "C=262;P=Y", Some(1)),
            ("Muller", "C=DE;P=Y", None),
        ] {
            let written = address(rest).with(AttributeKind::Surname, teletex(surname));
            let mut octets = Vec::new();
            written.encode(&mut octets);
            assert_eq!(names.find(&octets).unwrap(), found, "{surname}");
        }
    }

    #[test]
    fn of_two_with_one_address_the_first_counts() {
        let names: Names = [address("C=GB;A=X;S=a"), address("C=GB;A=x;S=A")].iter().collect();
        assert_eq!(names.find(&encoded("C=GB;A=X;S=A")).unwrap(), Some(0));
    }

    #[test]
    fn what_is_malformed_is_an_error_only_where_it_must_be_read() {
        assert_eq!(Names::default().find(b"\x60").unwrap(), None);
        let names: Names = [address("C=GB;A=X;S=a")].iter().collect();
        assert!(names.find(b"\x60").is_err());
    }
}
