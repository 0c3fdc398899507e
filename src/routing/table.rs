//! The compiled table.
//!
//! Entries are grouped by the set of attributes that they fix. A lookup walks these sets from the most
//! specific to the most general, hashes the address's folded values of each set and probes one open
//! hash index; the first set that has a match decides. Its cost grows with the number of distinct sets,
//! not with the number of entries.

use super::pattern::{Attribute, Pattern};
use crate::p1::or_address::{OrAddressView, folded};

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
    /// The attributes of an O/R address, each in the variant that counts.
    pub fn of(view: &OrAddressView<'a>) -> Address<'a> {
        Address { values: Attribute::ALL.map(|attribute| view.value(attribute.kind())) }
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
    values: Box<[u8]>,
    candidates: Box<[Candidate]>,
}

#[derive(Debug)]
struct Group {
    mask: u16,
    /// Open addressing, a power of two; 0 is empty, else a bucket's index plus one.
    index: Box<[u32]>,
    buckets: Vec<Bucket>,
}

/// The immutable table.
#[derive(Debug, Default)]
pub struct Table {
    groups: Vec<Group>,
    entry_count: usize,
}

impl Table {
    /// Compiles all connectors' entries.
    pub fn compile(entries: &[Entry]) -> Table {
        let mut masks: Vec<u16> = entries.iter().map(|entry| entry.pattern.mask()).collect();
        // The most specific attribute is a mask's highest bit, so masks order by specificity.
        masks.sort_unstable_by_key(|&mask| std::cmp::Reverse(mask));
        masks.dedup();
        let groups = masks.into_iter().map(|mask| Group::compile(mask, entries)).collect();
        Table { groups, entry_count: entries.len() }
    }

    /// How many entries were compiled.
    pub fn entry_count(&self) -> usize {
        self.entry_count
    }

    /// The connectors of the most specific matching entries, cheapest first; none when nothing matches.
    pub fn lookup(&self, address: &Address<'_>) -> &[Candidate] {
        self.groups.iter().find_map(|group| group.lookup(address)).unwrap_or(&[])
    }

    /// As [`Table::lookup`], from the most specific set to the most general, until `accept` takes one.
    pub fn lookup_accepted(
        &self,
        address: &Address<'_>,
        mut accept: impl FnMut(&[Candidate]) -> Option<ConnectorIndex>,
    ) -> Option<ConnectorIndex> {
        self.groups.iter().find_map(|group| group.lookup(address).and_then(&mut accept))
    }
}

impl Group {
    fn compile(mask: u16, entries: &[Entry]) -> Group {
        let members: Vec<&Entry> =
            entries.iter().filter(|entry| entry.pattern.mask() == mask).collect();
        let slot_count = (members.len() * 2).next_power_of_two();
        let mut index = vec![0u32; slot_count].into_boxed_slice();
        let mut gathered: Vec<(Vec<u8>, Vec<Candidate>)> = Vec::new();
        for entry in members {
            let values = joined_values(mask, &entry.pattern);
            let candidate = Candidate { connector: entry.connector, cost: entry.cost };
            let mut slot = hash_octets(values.iter().copied()) as usize & (slot_count - 1);
            loop {
                match index[slot] {
                    0 => {
                        gathered.push((values, vec![candidate]));
                        index[slot] = gathered.len() as u32;
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

    fn lookup(&self, address: &Address<'_>) -> Option<&[Candidate]> {
        let mut hasher = Hasher::new();
        for attribute in attributes(self.mask) {
            folded(address.value(attribute)?).for_each(|octet| hasher.write(octet));
            hasher.write(0);
        }
        let slot_mask = self.index.len() - 1;
        let mut slot = hasher.finish() as usize & slot_mask;
        loop {
            let bucket = self.buckets.get((self.index[slot] as usize).checked_sub(1)?)?;
            if self.matches(bucket, address) {
                return Some(&bucket.candidates);
            }
            slot = (slot + 1) & slot_mask;
        }
    }

    fn matches(&self, bucket: &Bucket, address: &Address<'_>) -> bool {
        let mut expected = bucket.values.iter().copied();
        let mut equal = true;
        for attribute in attributes(self.mask) {
            let value = folded(address.value(attribute).unwrap_or_default());
            equal &= value.chain([0]).all(|octet| expected.next() == Some(octet));
        }
        equal && expected.next().is_none()
    }
}

fn attributes(mask: u16) -> impl Iterator<Item = Attribute> {
    Attribute::ALL.into_iter().filter(move |&attribute| mask & (1 << attribute as u16) != 0)
}

fn joined_values(mask: u16, pattern: &Pattern) -> Vec<u8> {
    let mut joined = Vec::new();
    for attribute in attributes(mask) {
        joined.extend_from_slice(pattern.value(attribute).unwrap_or_default());
        joined.push(0);
    }
    joined
}

fn hash_octets(octets: impl Iterator<Item = u8>) -> u64 {
    let mut hasher = Hasher::new();
    octets.for_each(|octet| hasher.write(octet));
    hasher.finish()
}

/// FNV-1a with a final mix: good enough for short folded values, one octet at a time as folding yields.
struct Hasher(u64);

impl Hasher {
    fn new() -> Hasher {
        Hasher(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, octet: u8) {
        self.0 = (self.0 ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn finish(&self) -> u64 {
        (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
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
