//! The compiled table.
//!
//! Entries are grouped by the set of attributes that they fix. A lookup hashes each value of the address
//! once, walks the sets from the most specific to the most general, and probes each one's open
//! hash index with its attributes' hashes combined; the first set that has a match decides. Its cost grows
//! with the number of distinct sets, not with the number of entries.

use super::pattern::{Attribute, Pattern};
use crate::p1::Error;
use crate::p1::or_address::{folded_eq, folded_hash, mix, visit_attributes, visit_short_form};

/// A connector's place in the configuration snapshot that the table was compiled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorIndex(pub u16);

/// One address space of one connector.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it matches.
    pub pattern: Pattern,
    /// 1 to 100; the cheapest wins among equally specific matches.
    pub cost: u8,
    /// Who serves it.
    pub connector: ConnectorIndex,
}

/// An address's attributes as they stand in an envelope, not folded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Address<'a> {
    values: [Option<&'a [u8]>; Attribute::COUNT],
}

impl<'a> Address<'a> {
    /// Reads a whole O/R name element: each attribute in the variant that counts, as
    /// [`crate::p1::or_address::OrAddressView::value`] says.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn read(or_name: &'a [u8]) -> Result<Address<'a>, Error> {
        let mut address = Address::default();
        let is_short_form = visit_short_form(or_name, |kind, octets| {
            if let Some(attribute) = Attribute::of_kind(kind) {
                address.values[attribute as usize].get_or_insert(octets);
            }
        });
        if is_short_form { Ok(address) } else { Address::read_any_form(or_name) }
    }

    fn read_any_form(or_name: &'a [u8]) -> Result<Address<'a>, Error> {
        let mut address = Address::default();
        let mut ranks = [u8::MAX; Attribute::COUNT];
        visit_attributes(or_name, |found| {
            let Some(attribute) = Attribute::of_kind(found.kind) else { return };
            let rank = found.repertoire as u8;
            if rank < ranks[attribute as usize] {
                ranks[attribute as usize] = rank;
                address.values[attribute as usize] = Some(found.octets);
            }
        })?;
        Ok(address)
    }

    /// One attribute's octets.
    pub fn value(&self, attribute: Attribute) -> Option<&'a [u8]> {
        self.values[attribute as usize]
    }
}

/// A connector that serves an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub connector: ConnectorIndex,
    /// At what cost.
    pub cost: u8,
}

/// Entries that fix the same attributes and the same values, cheapest first.
#[derive(Debug)]
struct Bucket {
    /// The values in the order of their attributes, each behind its size in two octets.
    values: Box<[u8]>,
    candidates: Box<[Candidate]>,
}

/// A place in the hash index.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// The half of the hash that does not choose the slot: another one spares the look at the bucket.
    tag: u32,
    /// 0 is empty, else a bucket's index plus one.
    bucket: u32,
}

#[derive(Debug)]
struct Group {
    mask: u16,
    /// Open addressing, a power of two.
    index: Box<[Slot]>,
    buckets: Vec<Bucket>,
}

/// The immutable table.
#[derive(Debug, Default)]
pub struct Table {
    groups: Vec<Group>,
    /// The attributes that any entry fixes.
    mask: u16,
    entry_count: usize,
}

impl Table {
    /// Compiles all connectors' entries.
    pub fn compile(entries: &[Entry]) -> Table {
        let mut masks: Vec<u16> = entries.iter().map(|entry| entry.pattern.mask()).collect();
        // The most specific attribute is a mask's highest bit, so masks order by specificity.
        masks.sort_unstable_by_key(|&mask| std::cmp::Reverse(mask));
        masks.dedup();
        let mask = masks.iter().fold(0, |all, mask| all | mask);
        let groups = masks.into_iter().map(|mask| Group::compile(mask, entries)).collect();
        Table { groups, mask, entry_count: entries.len() }
    }

    /// How many entries were compiled.
    pub fn entry_count(&self) -> usize {
        self.entry_count
    }

    /// The connectors of the most specific matching entries, cheapest first; none when nothing matches.
    pub fn lookup(&self, address: &Address<'_>) -> &[Candidate] {
        let hashes = Hashes::of(self.mask, |attribute| address.values[attribute]);
        self.groups.iter().find_map(|group| group.lookup(address, &hashes)).unwrap_or(&[])
    }

    /// As [`Table::lookup`], from the most specific set to the most general, until `accept` takes one.
    pub fn lookup_accepted(
        &self,
        address: &Address<'_>,
        mut accept: impl FnMut(&[Candidate]) -> Option<ConnectorIndex>,
    ) -> Option<ConnectorIndex> {
        let hashes = Hashes::of(self.mask, |attribute| address.values[attribute]);
        self.groups.iter().find_map(|group| group.lookup(address, &hashes).and_then(&mut accept))
    }
}

impl Group {
    fn compile(mask: u16, entries: &[Entry]) -> Group {
        let members: Vec<&Entry> =
            entries.iter().filter(|entry| entry.pattern.mask() == mask).collect();
        let slot_count = (members.len() * 2).next_power_of_two();
        let mut index = vec![Slot::default(); slot_count].into_boxed_slice();
        let mut gathered: Vec<(Vec<u8>, Vec<Candidate>)> = Vec::new();
        for entry in members {
            let values = joined_values(mask, &entry.pattern);
            let candidate = Candidate { connector: entry.connector, cost: entry.cost };
            let hashes =
                Hashes::of(mask, |attribute| entry.pattern.value(Attribute::ALL[attribute]));
            let hash = hashes.of_group(mask);
            let mut slot = hash as usize & (slot_count - 1);
            loop {
                match index[slot].bucket {
                    0 => {
                        gathered.push((values, vec![candidate]));
                        index[slot] = Slot { tag: tag(hash), bucket: gathered.len() as u32 };
                        break;
                    }
                    bucket if gathered[bucket as usize - 1].0 == values => {
                        gathered[bucket as usize - 1].1.push(candidate);
                        break;
                    }
                    _ => slot = (slot + 1) & (slot_count - 1),
                }
            }
        }
        let buckets = gathered
            .into_iter()
            .map(|(values, mut candidates)| {
                candidates.sort_by_key(|candidate| (candidate.cost, candidate.connector));
                Bucket { values: values.into(), candidates: candidates.into() }
            })
            .collect();
        Group { mask, index, buckets }
    }

    fn lookup(&self, address: &Address<'_>, hashes: &Hashes) -> Option<&[Candidate]> {
        if self.mask & !hashes.present != 0 {
            return None;
        }
        let hash = hashes.of_group(self.mask);
        let slot_mask = self.index.len() - 1;
        let mut at = hash as usize & slot_mask;
        loop {
            let slot = self.index[at];
            let bucket = slot.bucket.checked_sub(1)?;
            if slot.tag == tag(hash) {
                let bucket = self.buckets.get(bucket as usize)?;
                if self.matches(bucket, address) {
                    return Some(&bucket.candidates);
                }
            }
            at = (at + 1) & slot_mask;
        }
    }

    fn matches(&self, bucket: &Bucket, address: &Address<'_>) -> bool {
        let mut rest = &bucket.values[..];
        attributes(self.mask).all(|attribute| {
            let Some((size, behind)) = rest.split_first_chunk() else { return false };
            let size = usize::from(u16::from_le_bytes(*size));
            let Some((expected, behind)) = behind.split_at_checked(size) else { return false };
            rest = behind;
            address.values[attribute].is_some_and(|value| folded_eq(value, expected))
        })
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The attributes of a mask, as indices.
#[inline]
fn attributes(mask: u16) -> impl Iterator<Item = usize> {
    let mut rest = mask & ALL_ATTRIBUTES;
    std::iter::from_fn(move || {
        let attribute = rest.trailing_zeros() as usize;
        rest &= rest.checked_sub(1)?;
        Some(attribute)
    })
}

const ALL_ATTRIBUTES: u16 = (1 << Attribute::COUNT) - 1;

fn joined_values(mask: u16, pattern: &Pattern) -> Vec<u8> {
    let mut joined = Vec::new();
    for attribute in attributes(mask) {
        let value = pattern.value(Attribute::ALL[attribute]).unwrap_or_default();
        joined.extend_from_slice(&(value.len() as u16).to_le_bytes());
        joined.extend_from_slice(value);
    }
    joined
}

/// The hashes of values, by attribute.
struct Hashes {
    values: [u64; Attribute::COUNT],
    /// A bit for each attribute that has a value.
    present: u16,
}

impl Hashes {
    /// Those of the attributes in `mask`.
    #[inline]
    fn of<'a>(mask: u16, value: impl Fn(usize) -> Option<&'a [u8]>) -> Hashes {
        let mut hashes = Hashes { values: [0; Attribute::COUNT], present: 0 };
        for attribute in attributes(mask) {
            if let Some(value) = value(attribute) {
                hashes.values[attribute] = folded_hash(value);
                hashes.present |= 1 << attribute;
            }
        }
        hashes
    }

    /// The hash of a group's values together.
    #[inline]
    fn of_group(&self, mask: u16) -> u64 {
        attributes(mask).fold(0, |all, attribute| mix(all, self.values[attribute]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pattern: &str, cost: u8, connector: u16) -> Entry {
        Entry {
            pattern: Pattern::parse(pattern).unwrap(),
            cost,
            connector: ConnectorIndex(connector),
        }
    }

    fn address<'a>(pairs: &[(Attribute, &'a str)]) -> Address<'a> {
        let mut values = [None; Attribute::COUNT];
        for &(attribute, value) in pairs {
            values[attribute as usize] = Some(value.as_bytes());
        }
        Address { values }
    }

    #[test]
    fn the_most_specific_entry_wins_then_the_cheapest() {
        let table = Table::compile(&[
            entry("C=GB", 1, 0),
            entry("C=GB;A=CARRIER;P=ACME", 20, 1),
            entry("C=GB;A=CARRIER;P=ACME", 10, 2),
            entry("C=GB;P=ACME", 1, 3),
            entry("*", 50, 4),
        ]);
        let acme = address(&[
            (Attribute::Country, "gb"),
            (Attribute::Administration, "Carrier"),
            (Attribute::Private, " ACME "),
        ]);
        assert_eq!(table.lookup(&acme).iter().map(|c| c.connector.0).collect::<Vec<_>>(), [2, 1]);
        let other = address(&[(Attribute::Country, "GB"), (Attribute::Private, "X")]);
        assert_eq!(table.lookup(&other)[0].connector.0, 0);
        let foreign = address(&[(Attribute::Country, "FR")]);
        assert_eq!(table.lookup(&foreign)[0].connector.0, 4);
        assert!(Table::default().lookup(&foreign).is_empty());
    }

    #[test]
    fn values_do_not_run_into_one_another() {
        let table = Table::compile(&[entry("O=AB;OU1=C", 1, 0)]);
        let shifted = address(&[(Attribute::Organization, "A"), (Attribute::Unit1, "BC")]);
        assert!(table.lookup(&shifted).is_empty());
    }

    #[test]
    fn many_entries_are_each_found() {
        let entries: Vec<Entry> =
            (0..5000).map(|n| entry(&format!("C=GB;A=X;P=P{n}"), 1, (n % 7) as u16)).collect();
        let table = Table::compile(&entries);
        for n in 0..5000 {
            let private = format!("p{n}");
            let address = address(&[
                (Attribute::Country, "GB"),
                (Attribute::Administration, "x"),
                (Attribute::Private, &private),
            ]);
            assert_eq!(table.lookup(&address)[0].connector.0, (n % 7) as u16);
        }
    }
}
