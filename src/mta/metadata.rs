//! What the relay keeps beside an APDU in the store: enough to queue, send and explain it again after a
//! restart without looking into the APDU.
//!
//! The layout is little-endian and versioned by its first octet; every version reads those before it.
//! Connectors are kept by name, since their indices change with the configuration. Version 2 adds the names
//! of the activity that brought the APDU ([`activity`](super::activity)); version 3 when the APDU expires,
//! until when it is deferred, and how many derivations it has behind it.

use thiserror::Error;

use super::activity::{NameReference, StoredActivity, StoredNames, write_names};
use crate::base::clock::WallTime;
pub use crate::p1::identifier::identifier_text;
use crate::p1::scan::{ApduKind, Priority};

const VERSION: u8 = 3;
/// Has no times but that of arrival.
const VERSION_WITHOUT_TIMES: u8 = 2;
/// Has no names of activities either.
const VERSION_WITHOUT_NAMES: u8 = 1;
/// Stands for "no time".
const NO_TIME: i64 = i64::MIN;
/// Stands for "every recipient that is our responsibility" in place of a list.
const ALL_RECIPIENTS: u16 = u16::MAX;
/// Longest connector name or identifier kept, octets: a length is one octet.
pub const NAME_SIZE_MAX: usize = 255;

/// Stored metadata that cannot be read: written by a newer version, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("stored message metadata of version {version} cannot be read at octet {offset}")]
pub struct MetadataError {
    /// The version octet found.
    pub version: u8,
    /// Where reading failed.
    pub offset: usize,
}

/// The fixed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// Message, probe or report.
    pub kind: ApduKind,
    /// The queue it waits in.
    pub priority: Priority,
    /// When the transfer in ended: the arrival time of our trace element.
    pub arrived: WallTime,
    /// The configuration revision the decision was made by.
    pub revision: u64,
    /// Where the MTS-APDU stands in the stored transfer octets.
    pub apdu_start: u32,
    /// How long it is, octets.
    pub apdu_size: u32,
    /// The connector it came in by; empty: it originates here.
    pub inbound: &'a str,
    /// The MTS-identifier, its whole element, for logs.
    pub identifier: &'a [u8],
    /// When it expires where it waits; `None` where a version wrote it that let nothing expire.
    pub expires_at: Option<WallTime>,
    /// Until when it waits before it goes anywhere.
    pub deferred_until: Option<WallTime>,
    /// How many times in a row an APDU took the place of the one before it until this one did.
    pub derivation_count: u8,
}

/// One next hop, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTarget<'a> {
    /// The connector's name; `None`: to be decided, since something other takes its place.
    pub connector: Option<&'a str>,
    /// The recipients that go this way, by index in the envelope, two octets each; `None`: all of ours.
    recipients: Option<&'a [u8]>,
}

impl StoredTarget<'_> {
    /// The recipients that go this way; `None`: all of ours.
    pub fn recipients(&self) -> Option<Vec<u16>> {
        let list = self.recipients?;
        Some(list.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
    }

    /// Whether the recipient with this index, ours so far, goes this way.
    pub fn serves(&self, recipient: usize) -> bool {
        self.recipients.is_none_or(|list| {
            list.chunks_exact(2)
                .any(|pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])) == recipient)
        })
    }
}

/// Writes metadata and the names of the activity that brought the APDU, its own first; the targets follow
/// by [`write_target`], `target_count` of them.
pub fn write<'a>(
    metadata: &Metadata<'_>,
    activity: impl Iterator<Item = NameReference<'a>>,
    target_count: u16,
    out: &mut Vec<u8>,
) {
    out.push(VERSION);
    out.push(match metadata.kind {
        ApduKind::Message => 0,
        ApduKind::Probe => 1,
        ApduKind::Report => 2,
    });
    out.push(match metadata.priority {
        Priority::Normal => 0,
        Priority::NonUrgent => 1,
        Priority::Urgent => 2,
    });
    out.extend_from_slice(&metadata.arrived.0.to_le_bytes());
    out.extend_from_slice(&metadata.revision.to_le_bytes());
    out.extend_from_slice(&metadata.apdu_start.to_le_bytes());
    out.extend_from_slice(&metadata.apdu_size.to_le_bytes());
    write_name(metadata.inbound, out);
    out.push(metadata.identifier.len().min(NAME_SIZE_MAX) as u8);
    out.extend_from_slice(&metadata.identifier[..metadata.identifier.len().min(NAME_SIZE_MAX)]);
    write_names(activity, out);
    let time = |time: Option<WallTime>| time.map_or(NO_TIME, |time| time.0).to_le_bytes();
    out.extend_from_slice(&time(metadata.expires_at));
    out.extend_from_slice(&time(metadata.deferred_until));
    out.push(metadata.derivation_count);
    out.extend_from_slice(&target_count.to_le_bytes());
}

/// Writes one target; `recipients` is `None` when all of ours go this way.
pub fn write_target(connector: Option<&str>, recipients: Option<&[u16]>, out: &mut Vec<u8>) {
    write_name(connector.unwrap_or(""), out);
    match recipients {
        None => out.extend_from_slice(&ALL_RECIPIENTS.to_le_bytes()),
        Some(list) => {
            out.extend_from_slice(&(list.len() as u16).to_le_bytes());
            list.iter().for_each(|recipient| out.extend_from_slice(&recipient.to_le_bytes()));
        }
    }
}

pub(super) fn write_name(name: &str, out: &mut Vec<u8>) {
    let size = name.floor_char_boundary(NAME_SIZE_MAX);
    out.push(size as u8);
    out.extend_from_slice(&name.as_bytes()[..size]);
}

/// Reads metadata and gives an iterator over its targets.
pub fn read(octets: &[u8]) -> Result<(Metadata<'_>, Targets<'_>), MetadataError> {
    let mut reader = Fields::new(octets);
    let version = reader.version()?;
    let kind = match reader.octet()? {
        0 => ApduKind::Message,
        1 => ApduKind::Probe,
        2 => ApduKind::Report,
        _ => return Err(reader.error()),
    };
    let priority = match reader.octet()? {
        0 => Priority::Normal,
        1 => Priority::NonUrgent,
        2 => Priority::Urgent,
        _ => return Err(reader.error()),
    };
    let mut metadata = Metadata {
        kind,
        priority,
        arrived: WallTime(i64::from_le_bytes(reader.array()?)),
        revision: u64::from_le_bytes(reader.array()?),
        apdu_start: u32::from_le_bytes(reader.array()?),
        apdu_size: u32::from_le_bytes(reader.array()?),
        inbound: reader.name()?,
        identifier: reader.counted()?,
        expires_at: None,
        deferred_until: None,
        derivation_count: 0,
    };
    reader.activity(version)?;
    if version == VERSION {
        metadata.expires_at = reader.time()?;
        metadata.deferred_until = reader.time()?;
        metadata.derivation_count = reader.octet()?;
    }
    let remaining = u16::from_le_bytes(reader.array()?);
    Ok((metadata, Targets { reader, remaining }))
}

/// Of metadata, the activity that brought the APDU and no more: what a log is searched for.
///
/// # Errors
/// As [`read`], of what comes before the targets.
pub fn read_activity(octets: &[u8]) -> Result<StoredActivity<'_>, MetadataError> {
    let mut reader = Fields::new(octets);
    let version = reader.version()?;
    reader.take(2)?;
    let time = WallTime(i64::from_le_bytes(reader.array()?));
    reader.take(16)?;
    let connector = reader.counted()?;
    reader.counted()?;
    let names = reader.activity(version)?;
    let connector = std::str::from_utf8(connector).map_err(|_| reader.error())?;
    Ok(StoredActivity { connector, time, names })
}

/// The targets of a message, in the order of their outcomes' indices.
#[derive(Debug, Clone)]
pub struct Targets<'a> {
    reader: Fields<'a>,
    remaining: u16,
}

impl<'a> Iterator for Targets<'a> {
    type Item = Result<StoredTarget<'a>, MetadataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let target = self.reader.target();
        if target.is_err() {
            self.remaining = 0;
        }
        Some(target)
    }
}

/// Stored fields, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    octets: &'a [u8],
    offset: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Fields<'a> {
        Fields { octets, offset: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// What was read from an offset on.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.octets.get(start..self.offset).unwrap_or(&[])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.offset >= self.octets.len()
    }

    /// The version octet of metadata, if that can be read.
    fn version(&mut self) -> Result<u8, MetadataError> {
        match self.octet()? {
            version @ (VERSION | VERSION_WITHOUT_TIMES | VERSION_WITHOUT_NAMES) => Ok(version),
            _ => Err(self.error()),
        }
    }

    fn activity(&mut self, version: u8) -> Result<StoredNames<'a>, MetadataError> {
        match version {
            VERSION_WITHOUT_NAMES => Ok(StoredNames::default()),
            _ => StoredNames::read(self),
        }
    }

    pub(super) fn error(&self) -> MetadataError {
        MetadataError { version: self.octets.first().copied().unwrap_or(0), offset: self.offset }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], MetadataError> {
        let taken =
            self.octets.get(self.offset..self.offset + count).ok_or_else(|| self.error())?;
        self.offset += count;
        Ok(taken)
    }

    pub(super) fn octet(&mut self) -> Result<u8, MetadataError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], MetadataError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.error())
    }

    pub(super) fn counted(&mut self) -> Result<&'a [u8], MetadataError> {
        let size = usize::from(self.octet()?);
        self.take(size)
    }

    pub(super) fn name(&mut self) -> Result<&'a str, MetadataError> {
        std::str::from_utf8(self.counted()?).map_err(|_| self.error())
    }

    fn time(&mut self) -> Result<Option<WallTime>, MetadataError> {
        let time = i64::from_le_bytes(self.array()?);
        Ok((time != NO_TIME).then_some(WallTime(time)))
    }

    fn target(&mut self) -> Result<StoredTarget<'a>, MetadataError> {
        let name = self.name()?;
        let count = u16::from_le_bytes(self.array()?);
        let recipients = match count {
            ALL_RECIPIENTS => None,
            count => Some(self.take(usize::from(count) * 2)?),
        };
        Ok(StoredTarget { connector: (!name.is_empty()).then_some(name), recipients })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::osi::session::{ActivityIdentifier, SessionConnectionIdentifier};
    use crate::osi::stack::recovery::ActivityName;

    fn name(activity: u8) -> ActivityName {
        ActivityName {
            connection: SessionConnectionIdentifier {
                calling_user_reference: vec![0x14, 1, b'a'],
                ..SessionConnectionIdentifier::default()
            },
            activity: ActivityIdentifier::new(&[2, 1, activity]).unwrap(),
        }
    }

    #[test]
    fn version_1_is_read_and_has_no_names() {
        let octets = b"\x01\x02\x02\
            \x7b\x68\xe5\xcf\x8b\x01\x00\x00\x07\0\0\0\0\0\0\0\x0a\0\0\0\0\x08\0\0\
            \x02in\x01d\x01\0\x03out\xff\xff";
        let (metadata, mut targets) = read(octets).unwrap();
        assert_eq!((metadata.kind, metadata.inbound), (ApduKind::Report, "in"));
        assert_eq!((metadata.revision, metadata.apdu_size), (7, 2048));
        assert_eq!(targets.next().unwrap().unwrap().connector, Some("out"));
        let activity = read_activity(octets).unwrap();
        assert!(activity.names.is_empty() && activity.names.names().unwrap().is_empty());
        assert_eq!((activity.connector, activity.time), ("in", metadata.arrived));
        let newer = [&[4], &octets[1..]].concat();
        assert_eq!(read(&newer).unwrap_err().version, 4);
        assert!(read_activity(&newer).is_err());
    }

    #[test]
    fn version_2_is_read_and_has_names_but_no_times() {
        let metadata = Metadata {
            kind: ApduKind::Message,
            priority: Priority::Normal,
            arrived: WallTime(5),
            revision: 1,
            apdu_start: 0,
            apdu_size: 9,
            inbound: "in",
            identifier: b"d",
            expires_at: Some(WallTime(6)),
            deferred_until: Some(WallTime(7)),
            derivation_count: 1,
        };
        let mut octets = Vec::new();
        write(&metadata, [name(7)].iter().map(NameReference::from), 1, &mut octets);
        write_target(Some("out"), None, &mut octets);
        // Behind the names stand two times and a count, then the count of targets.
        let behind = octets.len() - b"\x03out\xff\xff".len() - 2;
        octets.drain(behind - 17..behind);
        octets[0] = 2;
        let (read_back, mut targets) = read(&octets).unwrap();
        let times = (read_back.expires_at, read_back.deferred_until, read_back.derivation_count);
        assert_eq!(times, (None, None, 0));
        assert_eq!(targets.next().unwrap().unwrap().connector, Some("out"));
        assert_eq!(read_activity(&octets).unwrap().names.names().unwrap(), [name(7)]);
    }

    #[test]
    fn reads_what_it_wrote_and_refuses_every_truncation() {
        let metadata = Metadata {
            kind: ApduKind::Report,
            priority: Priority::Urgent,
            arrived: WallTime(1_700_000_000_123),
            revision: 7,
            apdu_start: 10,
            apdu_size: 2048,
            inbound: "carrier-1",
            identifier: &[0x64, 2, 1, 2],
            expires_at: Some(WallTime(1_700_000_400_000)),
            deferred_until: None,
            derivation_count: 2,
        };
        let mut octets = Vec::new();
        let names = [name(7), name(3)];
        write(&metadata, names.iter().map(NameReference::from), 2, &mut octets);
        write_target(Some("site-b"), Some(&[0, 3]), &mut octets);
        write_target(None, None, &mut octets);
        let (read_back, targets) = read(&octets).unwrap();
        assert_eq!(read_back, metadata);
        let activity = read_activity(&octets).unwrap();
        assert_eq!(activity.names.names().unwrap(), names);
        assert_eq!((activity.connector, activity.time), ("carrier-1", metadata.arrived));
        let targets: Vec<_> = targets.map(Result::unwrap).collect();
        assert_eq!(targets[0].connector, Some("site-b"));
        assert!(targets[0].serves(3) && !targets[0].serves(1));
        assert_eq!(targets[1].connector, None);
        assert!(targets[1].serves(9));
        for size in 0..octets.len() {
            let whole = read(&octets[..size])
                .is_ok_and(|(_, mut targets)| targets.all(|target| target.is_ok()));
            assert!(!whole, "accepted {size} of {} octets", octets.len());
        }
    }
}
