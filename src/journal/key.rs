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
use crate::p1::or_address::{Attribute, AttributeKind, Repertoire, folded, visit_attributes};

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
    let octets: SmallVec<[u8; 64]> =
        [kind as u8, attribute].into_iter().chain(folded(characters)).collect();
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

/// Gives the hash of each attribute of an O/R name that is a key.
fn address_keys(kind: KeyKind, or_name: &[u8], mut give: impl FnMut(u32)) {
    let visit = |attribute: Attribute<'_>| {
        if let Some(number) = attribute_number(attribute.kind) {
            give(hash(kind, number, &narrowed(&attribute)));
        }
    };
    // A name that cannot be read is found by the other keys of its message.
    let _ = visit_attributes(or_name, visit);
}

/// Gives the hash of each key of a record, some of them perhaps more than once.
pub(super) fn keys(record: &Record<'_>, mut give: impl FnMut(u32)) {
    let identifier = |element: &[u8], give: &mut dyn FnMut(u32)| {
        if let Some(local) = local_identifier(element) {
            give(hash(KeyKind::Identifier, 0, local));
        }
    };
    identifier(record.identifier, &mut give);
    if let Some(name) = record.event.connector() {
        give(hash(KeyKind::Connector, 0, name.as_bytes()));
    }
    for (name, _) in record.event.recipients().iter().flat_map(|recipients| recipients.iter()) {
        address_keys(KeyKind::Recipient, name, &mut give);
    }
    match &record.event {
        Event::TransferIn { envelope, .. } | Event::Submission { envelope } => {
            address_keys(KeyKind::Originator, envelope.originator, &mut give);
            if !envelope.content_identifier.is_empty() {
                give(hash(KeyKind::ContentIdentifier, 0, envelope.content_identifier));
            }
            identifier(envelope.subject, &mut give);
        }
        Event::Report { subject, recipient, .. } => {
            identifier(subject, &mut give);
            address_keys(KeyKind::Recipient, recipient, &mut give);
        }
        Event::Redirect { from, to } => {
            address_keys(KeyKind::Recipient, from, &mut give);
            address_keys(KeyKind::Recipient, to, &mut give);
        }
        Event::Expansion { list, .. } => address_keys(KeyKind::Recipient, list, &mut give),
        Event::Delivery { recipient, .. } => address_keys(KeyKind::Recipient, recipient, &mut give),
        _ => {}
    }
}
