//! What events are found by: the keys of a record, and their hashes in an index.
//!
//! A hash is the CRC32C of the kind of key and of its characters, folded as X.402 compares names. It never
//! changes, since it stands on disk. Different keys may share one: who finds a block by it looks at its
//! records.
//!
//! An O/R address has a key for each attribute that tells users apart: common name, surname, X.121 address,
//! numeric user identifier, first organizational unit, and values of domain-defined attributes. Every variant
//! of an attribute is a key, so that any of them is found.

use smallvec::SmallVec;

use super::event::{Event, Record};
use crate::p1::identifier::local_identifier;
use crate::p1::or_address::{
    Attribute, AttributeKind, Repertoire, folded, visit_attributes, visit_short_form,
};

/// What a key is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum KeyKind {
    /// The local part of an MTS-identifier, of the APDU itself or of what a report is about.
    Identifier = 1,
    /// An attribute of an originator.
    Originator = 2,
    /// An attribute of a recipient.
    Recipient = 3,
    /// A content-identifier.
    ContentIdentifier = 4,
    /// A connector's name.
    Connector = 5,
}

/// The number of an attribute in hashes; `None`: it is no key. These never change.
pub(super) fn attribute_number(kind: AttributeKind) -> Option<u8> {
    match kind {
        AttributeKind::CommonName => Some(1),
        AttributeKind::Surname => Some(2),
        AttributeKind::NetworkAddress => Some(3),
        AttributeKind::NumericUserIdentifier => Some(4),
        AttributeKind::DomainDefined => Some(5),
        AttributeKind::OrganizationalUnit1 => Some(6),
        _ => None,
    }
}

/// The hash of a key; `attribute` is 0 where it is of no address.
pub(super) fn hash(kind: KeyKind, attribute: u8, characters: &[u8]) -> u32 {
    let mut octets = SmallVec::<[u8; 64]>::from_buf_and_len([0; 64], 2);
    (octets[0], octets[1]) = (kind as u8, attribute);
    if characters.contains(&b' ') {
        octets.extend(folded(characters));
    } else {
        octets.extend_from_slice(characters);
        octets[2..].make_ascii_lowercase();
    }
    crc32c::crc32c(&octets)
}

/// An attribute's characters with those of the wide repertoires brought to one octet each where they are
/// ASCII, and left out where they are not.
pub(super) fn narrowed(attribute: &Attribute<'_>) -> SmallVec<[u8; 64]> {
    let ascii = |unit: &[u8]| match unit {
        [front @ .., last] if front.iter().all(|octet| *octet == 0) => Some(*last),
        _ => None,
    };
    match attribute.repertoire {
        Repertoire::Bmp => attribute.octets.chunks_exact(2).filter_map(ascii).collect(),
        Repertoire::Universal => attribute.octets.chunks_exact(4).filter_map(ascii).collect(),
        _ => SmallVec::from_slice(attribute.octets),
    }
}

/// Gives the hash of each attribute of an O/R name that is a key, some of them perhaps more than once.
fn address_keys(kind: KeyKind, or_name: &[u8], mut give: impl FnMut(u32)) {
    let is_short_form = visit_short_form(or_name, |attribute, octets| {
        if let Some(number) = attribute_number(attribute) {
            give(hash(kind, number, octets));
        }
    });
    if is_short_form {
        return;
    }
    let visit = |attribute: Attribute<'_>| {
        if let Some(number) = attribute_number(attribute.kind) {
            give(match attribute.repertoire {
                Repertoire::Bmp | Repertoire::Universal => {
                    hash(kind, number, &narrowed(&attribute))
                }
                _ => hash(kind, number, attribute.octets),
            });
        }
    };
    // A name that cannot be read is found by the other keys of its message.
    let _ = visit_attributes(or_name, visit);
}

/// Connectors whose hashes are remembered: more than most relays use at a time.
const CONNECTOR_COUNT: usize = 8;

/// Hashes the keys of records, and remembers what comes again and again: connectors, and the identifier of
/// events that follow one another.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    identifier: Option<(&'a [u8], Option<u32>)>,
    connectors: SmallVec<[(&'a str, u32); CONNECTOR_COUNT]>,
}

impl<'a> Keys<'a> {
    fn identifier(&mut self, element: &'a [u8]) -> Option<u32> {
        match self.identifier {
            Some((last, hash)) if last == element => hash,
            _ => {
                let local = local_identifier(element);
                let hash = local.map(|local| hash(KeyKind::Identifier, 0, local));
                self.identifier = Some((element, hash));
                hash
            }
        }
    }

    fn connector(&mut self, name: &'a str) -> u32 {
        if let Some((_, hash)) = self.connectors.iter().find(|(other, _)| *other == name) {
            return *hash;
        }
        if self.connectors.len() == CONNECTOR_COUNT {
            self.connectors.clear();
        }
        let hash = hash(KeyKind::Connector, 0, name.as_bytes());
        self.connectors.push((name, hash));
        hash
    }

    /// Gives the hash of each key of a record, some of them perhaps more than once.
    pub(super) fn of(&mut self, record: &Record<'a>, mut give: impl FnMut(u32)) {
        self.identifier(record.identifier).into_iter().for_each(&mut give);
        if let Some(name) = record.event.connector() {
            give(self.connector(name));
        }
        for (name, _) in record.event.recipients().iter().flat_map(|recipients| recipients.iter()) {
            address_keys(KeyKind::Recipient, name, &mut give);
        }
        match record.event {
            Event::TransferIn { envelope, .. } | Event::Submission { envelope } => {
                address_keys(KeyKind::Originator, envelope.originator, &mut give);
                if !envelope.content_identifier.is_empty() {
                    give(hash(KeyKind::ContentIdentifier, 0, envelope.content_identifier));
                }
                if !envelope.subject.is_empty() {
                    self.identifier(envelope.subject).into_iter().for_each(&mut give);
                }
            }
            Event::Report { subject, recipient, .. } => {
                self.identifier(subject).into_iter().for_each(&mut give);
                address_keys(KeyKind::Recipient, recipient, &mut give);
            }
            Event::Redirect { from, to } => {
                address_keys(KeyKind::Recipient, from, &mut give);
                address_keys(KeyKind::Recipient, to, &mut give);
            }
            Event::Expansion { list, .. } => address_keys(KeyKind::Recipient, list, &mut give),
            Event::Delivery { recipient, .. } => {
                address_keys(KeyKind::Recipient, recipient, &mut give)
            }
            _ => {}
        }
    }
}
