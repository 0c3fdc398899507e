//! O/R names with a meaning here, distribution lists and redirected recipients, found by the octets of an
//! envelope.
//!
//! Two names are the same when they have the same attributes with the same values, case and spacing
//! folded (X.402 18.4 (unverified)), in whatever variant (printable, teletex, universal) the values that
//! count are encoded. What is compiled once from owned addresses is asked without allocating; asking
//! costs nothing where there is no such name.

use std::ops::Deref;

use smallvec::SmallVec;

use crate::p1::Error;
use crate::p1::or_address::{
    Attribute, AttributeKind, OrAddress, OrAddressView, attributes, folded_eq, folded_hash, mix,
    visit_attributes,
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Whole O/R name elements.
    names: Vec<Box<[u8]>>,
    /// Open addressing, a power of two and at least twice the names: a name's hash and its number.
    slots: Box<[Option<(u64, u32)>]>,
}

impl<'a> FromIterator<&'a OrAddress> for Names {
    fn from_iter<I: IntoIterator<Item = &'a OrAddress>>(addresses: I) -> Names {
        let encode = |address: &OrAddress| {
            let mut octets = Vec::new();
            address.encode(&mut octets);
            octets.into_boxed_slice()
        };
        let names: Vec<Box<[u8]>> = addresses.into_iter().map(encode).collect();
        if names.is_empty() {
            return Names::default();
        }
        let mut slots = vec![None; (names.len() * 2).next_power_of_two()].into_boxed_slice();
        let mask = slots.len() - 1;
        for (number, name) in (0..).zip(&names) {
            // What was encoded here can be read.
            let Ok(hash) = hash(name) else { continue };
            let mut at = hash as usize & mask;
            while slots[at].is_some() {
                at = (at + 1) & mask;
            }
            slots[at] = Some((hash, number));
        }
        Names { names, slots }
    }
}

impl Names {
    /// The number of the name that a whole O/R name element is, whatever the element's tag.
    ///
    /// # Errors
    /// When the element must be read and is malformed.
    #[inline]
    pub fn find(&self, or_name: &[u8]) -> Result<Option<usize>, Error> {
        if self.names.is_empty() {
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
        let hash = hash(or_name)?;
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some((other, number)) = self.slots[at] {
            if other == hash && same(&self.names[number as usize], or_name)? {
                return Ok(Some(number as usize));
            }
            at = (at + 1) & mask;
        }
        Ok(None)
    }
}

/// The attributes that tell most names apart and that every variant of a name states.
const HASHED: [AttributeKind; 13] = [
    AttributeKind::Country,
    AttributeKind::AdministrationDomain,
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

/// The hash of what counts in a name: the same for names that are the same.
fn hash(or_name: &[u8]) -> Result<u64, Error> {
    let mut found = [(u8::MAX, 0); HASHED.len()];
    let mut defined = (u8::MAX, 0_u64);
    visit_attributes(or_name, |attribute| {
        let rank = attribute.repertoire as u8;
        if let Some(at) = HASHED.iter().position(|kind| *kind == attribute.kind) {
            if rank < found[at].0 {
                found[at] = (rank, folded_hash(attribute.octets));
            }
        } else if attribute.kind == AttributeKind::DomainDefined {
            let one = mix(folded_hash(attribute.type_octets), folded_hash(attribute.octets));
            match rank.cmp(&defined.0) {
                std::cmp::Ordering::Less => defined = (rank, one),
                std::cmp::Ordering::Equal => defined.1 = defined.1.wrapping_add(one),
                std::cmp::Ordering::Greater => {}
            }
        }
    })?;
    Ok(found.iter().fold(defined.1, |hash, (_, value)| mix(hash, *value)))
}

/// Whether two whole O/R name elements are the same name, whatever their tags.
///
/// # Errors
/// When one is malformed.
pub fn same(left: &[u8], right: &[u8]) -> Result<bool, Error> {
    if left.get(1..) == right.get(1..) {
        return Ok(true);
    }
    let (left, right) = (attributes(left)?, attributes(right)?);
    let (left, right) = (counting(&left), counting(&right));
    let within = |some: &Counting<'_, '_>, others: &Counting<'_, '_>| {
        some.iter().all(|one| others.iter().any(|other| same_attribute(one, other)))
    };
    Ok(within(&left, &right) && within(&right, &left))
}

type Counting<'s, 'a> = SmallVec<[&'s Attribute<'a>; 16]>;

/// The attributes in the variant that counts: of those of one kind, the domain-defined ones together.
fn counting<'s, 'a>(view: &'s OrAddressView<'a>) -> Counting<'s, 'a> {
    let all = view.attributes();
    let counts = |one: &&Attribute<'_>| {
        !all.iter()
            .any(|other| one.kind == other.kind && (other.repertoire as u8) < one.repertoire as u8)
    };
    all.iter().filter(counts).collect()
}

fn same_attribute(one: &Attribute<'_>, other: &Attribute<'_>) -> bool {
    one.kind == other.kind
        && folded_eq(one.octets, other.octets)
        && folded_eq(one.type_octets, other.type_octets)
}

#[cfg(test)]
mod tests {
    use super::*;

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
