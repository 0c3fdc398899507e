//! Searching a journal, while it is written or not.
//!
//! A sealed segment is looked up in its index by the rarest key that is asked for; the segment being written,
//! and a question by time alone, are read through. Either way each record is compared with the question, so
//! that both give the same.
//!
//! What a relay is just writing is not seen, and ends the search without an error. A sealed segment that is
//! damaged is an error, once, and the search goes on behind it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::block::records;
use super::error::Error;
use super::event::{Event, Record};
use super::index::{Index, Span};
use super::key::{KeyKind, attribute_number, hash, narrowed};
use super::segment::{Location, Reading, SEGMENT_HEADER_SIZE};
use crate::base::clock::WallTime;
use crate::p1::identifier::{identifier_text, local_identifier};
use crate::p1::or_address::{AttributeKind, OrAddress, attributes, folded_eq};

/// What is asked for: everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The MTS-identifier, as [`identifier_text`] writes it, or its local part alone; of the APDU, or of what
    /// a report is about.
    pub identifier: Option<String>,
    /// Attributes that an originator has.
    pub originator: Option<OrAddress>,
    /// Attributes that one recipient has.
    pub recipient: Option<OrAddress>,
    /// The content-identifier.
    pub content_identifier: Option<String>,
    /// A connector's name.
    pub connector: Option<String>,
    /// Not before this.
    pub since: Option<WallTime>,
    /// Not after this.
    pub until: Option<WallTime>,
}

impl Query {
    /// Whether a record is asked for.
    pub fn matches(&self, record: &Record<'_>) -> bool {
        self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time <= until)
            && self.identifier.as_ref().is_none_or(|text| has_identifier(record, text))
            && self.connector.as_ref().is_none_or(|name| {
                record.event.connector().is_some_and(|it| folded_eq(it.as_bytes(), name.as_bytes()))
            })
            && self.content_identifier.as_ref().is_none_or(|text| {
                envelope_of(record)
                    .is_some_and(|it| folded_eq(it.content_identifier, text.as_bytes()))
            })
            && self.originator.as_ref().is_none_or(|address| {
                envelope_of(record).is_some_and(|it| has_attributes(it.originator, address))
            })
            && self.recipient.as_ref().is_none_or(|address| has_recipient(record, address))
    }

    /// The hashes of which a record that is asked for has one; `None`: it need not have any.
    fn keys(&self) -> Option<Vec<u32>> {
        if let Some(text) = &self.identifier {
            // Where the domain ends and the local part begins only the element tells: a name may hold any
            // of these characters.
            let slashes = text.match_indices('/').map(|(at, _)| at + 1);
            let parts = std::iter::once(0).chain(slashes).map(|at| &text.as_bytes()[at..]);
            return Some(parts.map(|part| hash(KeyKind::Identifier, 0, part)).collect());
        }
        if let Some(text) = &self.content_identifier {
            return Some(vec![hash(KeyKind::ContentIdentifier, 0, text.as_bytes())]);
        }
        let recipient = self.recipient.as_ref().and_then(|it| address_key(KeyKind::Recipient, it));
        let originator =
            self.originator.as_ref().and_then(|it| address_key(KeyKind::Originator, it));
        let connector =
            self.connector.as_ref().map(|name| hash(KeyKind::Connector, 0, name.as_bytes()));
        recipient.or(originator).or(connector).map(|key| vec![key])
    }
}

fn envelope_of<'a>(record: &Record<'a>) -> Option<super::event::Envelope<'a>> {
    match record.event {
        Event::TransferIn { envelope, .. } | Event::Submission { envelope } => Some(envelope),
        _ => None,
    }
}

fn has_identifier(record: &Record<'_>, text: &str) -> bool {
    let subject = match record.event {
        Event::Report { subject, .. } => subject,
        _ => envelope_of(record).map_or(&[][..], |envelope| envelope.subject),
    };
    [record.identifier, subject].iter().any(|element| {
        local_identifier(element).is_some_and(|local| {
            folded_eq(local, text.as_bytes())
                || text.len() > local.len()
                    && folded_eq(identifier_text(element).as_bytes(), text.as_bytes())
        })
    })
}

fn has_recipient(record: &Record<'_>, address: &OrAddress) -> bool {
    let others = match record.event {
        Event::Report { recipient, .. } | Event::Delivery { recipient, .. } => [recipient, &[]],
        Event::Redirect { from, to } => [from, to],
        Event::Expansion { list, .. } => [list, &[]],
        _ => [&[][..]; 2],
    };
    let recipients = record.event.recipients();
    let named = recipients.iter().flat_map(|recipients| recipients.iter().map(|(name, _)| name));
    named.chain(others).any(|name| has_attributes(name, address))
}

/// Whether an O/R name has all attributes of an address, each in any of its variants.
fn has_attributes(or_name: &[u8], address: &OrAddress) -> bool {
    let Ok(view) = attributes(or_name) else { return false };
    let mut wanted = Vec::new();
    address.encode(&mut wanted);
    let Ok(wanted) = attributes(&wanted) else { return false };
    wanted.attributes().iter().all(|wanted| {
        view.attributes().iter().any(|found| {
            found.kind == wanted.kind
                && folded_eq(found.type_octets, wanted.type_octets)
                && folded_eq(&narrowed(found), &narrowed(wanted))
        })
    })
}

/// The key of the rarest attribute of an address; `None`: it has none that is a key.
fn address_key(kind: KeyKind, address: &OrAddress) -> Option<u32> {
    let mut wanted = Vec::new();
    address.encode(&mut wanted);
    let wanted = attributes(&wanted).ok()?;
    let keys = wanted.attributes().iter();
    let keys = keys.filter_map(|it| Some((attribute_number(it.kind)?, it)));
    // A unit may be a department: it is the key where nothing else is.
    let (number, attribute) =
        keys.min_by_key(|(number, it)| (it.kind == AttributeKind::OrganizationalUnit1, *number))?;
    Some(hash(kind, number, &narrowed(attribute)))
}

/// An event that was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// The shard that recorded it.
    pub shard: u16,
    octets: Vec<u8>,
}

impl Found {
    /// What happened.
    pub fn record(&self) -> Record<'_> {
        let event = Event::Lost { count: 0 };
        // It was read from these octets before.
        Record::read(&self.octets)
            .map_or(Record { time: WallTime(0), identifier: &[], event }, |(record, _)| record)
    }
}

/// The events that a question asks for, in the order in which they were written: that of time, but for what
/// several shards recorded within `JOURNAL_DELAY_MS` of one another.
///
/// # Errors
/// When the directory cannot be read.
pub fn search(directory: &Path, query: Query) -> Result<Search, Error> {
    let locations = Location::all(directory)?.into();
    let keys = query.keys();
    Ok(Search { query, keys, locations, at: None, found: VecDeque::new() })
}

/// See [`search`].
#[derive(Debug)]
pub struct Search {
    query: Query,
    keys: Option<Vec<u32>>,
    locations: VecDeque<Location>,
    at: Option<Position>,
    found: VecDeque<Found>,
}

/// Where in which segment it goes on.
#[derive(Debug)]
struct Position {
    reading: Reading,
    path: PathBuf,
    /// Whether nothing is added to it any more.
    sealed: bool,
    next: Next,
}

#[derive(Debug)]
enum Next {
    /// Each block, from here to the end.
    All(u64),
    /// These blocks of a sealed segment.
    These(std::vec::IntoIter<u64>),
}

impl Search {
    /// Opens a segment, if it has anything of the time.
    fn open(&self, location: Location) -> Result<Option<Position>, Error> {
        let index = Index::open(&location.index)?;
        let (since, until) = (self.query.since, self.query.until);
        if index.as_ref().is_some_and(|index| !index.span.meets(since, until)) {
            return Ok(None);
        }
        let Some(reading) = Reading::open(&location.events)? else { return Ok(None) };
        let sealed = index.is_some();
        let next = match (index, &self.keys) {
            (Some(index), Some(keys)) => {
                let mut blocks: Vec<u64> = keys.iter().flat_map(|key| index.blocks(*key)).collect();
                blocks.sort_unstable();
                blocks.dedup();
                Next::These(blocks.into_iter())
            }
            _ => Next::All(SEGMENT_HEADER_SIZE),
        };
        Ok(Some(Position { reading, path: location.events, sealed, next }))
    }

    /// Looks at the next block; `false`: there is none in this segment.
    fn advance(&mut self) -> Result<bool, Error> {
        let Search { query, at, found, .. } = self;
        let Some(Position { reading, path, sealed, next }) = at else { return Ok(false) };
        let offset = match next {
            Next::All(offset) => *offset,
            Next::These(blocks) => match blocks.next() {
                Some(offset) => offset,
                None => return Ok(false),
            },
        };
        let block = reading.block(offset, |header| {
            let span = Span { earliest: header.earliest, latest: header.latest };
            span.meets(query.since, query.until)
        })?;
        let Some(block) = block else {
            let ends_here = matches!(next, Next::All(_)) && reading.size()? <= offset;
            // What is being written, or was torn and not cut off yet, ends where its whole blocks do.
            return match ends_here || !*sealed {
                true => Ok(false),
                false => Err(Error::Damaged { path: path.clone(), offset }),
            };
        };
        if let Next::All(offset) = next {
            *offset = block.next;
        }
        for record in records(block.records).filter(|record| query.matches(record)) {
            let mut octets = Vec::new();
            record.put(&mut octets);
            found.push_back(Found { shard: block.header.shard, octets });
        }
        Ok(true)
    }
}

impl Iterator for Search {
    type Item = Result<Found, Error>;

    fn next(&mut self) -> Option<Result<Found, Error>> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Some(Ok(found));
            }
            match self.advance() {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    self.at = None;
                    return Some(Err(error));
                }
            }
            let location = self.locations.pop_front()?;
            match self.open(location) {
                Ok(position) => self.at = position,
                Err(error) => {
                    self.at = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
