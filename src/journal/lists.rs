//! Lists inside journal events: recipients by name, and recipients by their index in the envelope.
//!
//! Each is written from where the shard has it, without being gathered first, and read in place.

use super::fields::{Fields, put_name};
use crate::base::limits::{JOURNAL_EVENT_SIZE_MAX, JOURNAL_NAME_SIZE_MAX, RECIPIENT_COUNT_MAX};
use crate::p1::scan::{Recipient, Responsibility};

/// Recipients by O/R name, each with whether it was for us.
#[derive(Debug, Clone, Copy)]
pub enum Recipients<'a> {
    /// As found in an APDU.
    Scanned {
        /// The APDU, or enough of its beginning.
        apdu: &'a [u8],
        /// Where they are.
        recipients: &'a [Recipient],
    },
    /// One, for whom we answer.
    One(&'a [u8]),
    /// As written: how many, and their octets.
    Stored(u16, &'a [u8]),
}

impl<'a> Recipients<'a> {
    /// Nobody.
    pub const NONE: Recipients<'static> = Recipients::Stored(0, &[]);

    /// Each recipient's O/R name, a whole element, empty where it was too long to be kept.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Responsibility)> + use<'a> {
        let (scanned, one, mut stored) = match *self {
            Recipients::Scanned { apdu, recipients } => (Some((apdu, recipients)), None, None),
            Recipients::One(name) => (None, Some(name), None),
            Recipients::Stored(count, octets) => (None, None, Some((count, Fields::new(octets)))),
        };
        let scanned = scanned.into_iter().flat_map(|(apdu, recipients)| {
            recipients.iter().map(|it| (it.or_name.octets(apdu), it.responsibility()))
        });
        let one = one.map(|name| (name, Responsibility::Responsible));
        let stored = std::iter::from_fn(move || {
            let (count, fields) = stored.as_mut()?;
            *count = count.checked_sub(1)?;
            let responsibility = match fields.octet()? {
                0 => Responsibility::NotResponsible,
                _ => Responsibility::Responsible,
            };
            Some((fields.name()?, responsibility))
        });
        scanned.chain(one).chain(stored)
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn skipped(self, count: usize) -> Recipients<'a> {
        match self {
            Recipients::Scanned { apdu, recipients } => Recipients::Scanned {
                apdu,
                recipients: recipients.get(count..).unwrap_or_default(),
            },
            Recipients::One(_) if count > 0 => Recipients::NONE,
            Recipients::One(name) => Recipients::One(name),
            Recipients::Stored(total, octets) => {
                let mut fields = Fields::new(octets);
                for _ in 0..count {
                    let _ = fields.octet().and_then(|_| fields.name());
                }
                let left = usize::from(total).saturating_sub(count) as u16;
                Recipients::Stored(left, fields.take(fields.len()).unwrap_or_default())
            }
        }
    }

    /// Appends as many as the event that began at `start` has room for; gives the rest.
    pub(super) fn put(self, start: usize, out: &mut Vec<u8>) -> Recipients<'a> {
        let count_at = out.len();
        out.extend_from_slice(&[0; 2]);
        let mut count = 0u16;
        for (name, responsibility) in self.iter() {
            let room = JOURNAL_EVENT_SIZE_MAX.saturating_sub(out.len() - start);
            if room < 3 + name.len().min(JOURNAL_NAME_SIZE_MAX) || count == u16::MAX {
                break;
            }
            out.push(u8::from(responsibility == Responsibility::Responsible));
            put_name(name, out);
            count += 1;
        }
        out[count_at..count_at + 2].copy_from_slice(&count.to_le_bytes());
        self.skipped(usize::from(count))
    }

    pub(super) fn read(fields: &mut Fields<'a>) -> Option<Recipients<'a>> {
        let count = u16::from_le_bytes(fields.array()?);
        let whole = *fields;
        for _ in 0..count {
            fields.octet()?;
            fields.name()?;
        }
        let size = whole.len() - fields.len();
        Some(Recipients::Stored(count, { whole }.take(size)?))
    }
}

impl PartialEq for Recipients<'_> {
    fn eq(&self, other: &Recipients<'_>) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Recipients<'_> {}

/// Recipients by index in the envelope.
#[derive(Debug, Clone, Copy)]
pub enum Indices<'a> {
    /// All that we answer for.
    All,
    /// These.
    These(&'a [u16]),
    /// As written, two octets each.
    Stored(&'a [u8]),
}

/// Stands for [`Indices::All`] in place of a count.
const ALL: u16 = u16::MAX;

impl<'a> Indices<'a> {
    /// These, or all when there is no list.
    pub fn of(list: Option<&'a [u16]>) -> Indices<'a> {
        list.map_or(Indices::All, Indices::These)
    }

    /// The indices; `None`: all that we answer for.
    pub fn list(&self) -> Option<Vec<u16>> {
        match self {
            Indices::All => None,
            Indices::These(list) => Some(list.to_vec()),
            Indices::Stored(octets) => {
                let (pairs, _) = octets.as_chunks();
                Some(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
            }
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Indices::All => out.extend_from_slice(&ALL.to_le_bytes()),
            Indices::These(list) => {
                let list = &list[..list.len().min(RECIPIENT_COUNT_MAX)];
                out.extend_from_slice(&(list.len() as u16).to_le_bytes());
                list.iter().for_each(|index| out.extend_from_slice(&index.to_le_bytes()));
            }
            Indices::Stored(octets) => {
                out.extend_from_slice(&((octets.len() / 2) as u16).to_le_bytes());
                out.extend_from_slice(octets);
            }
        }
    }

    pub(super) fn read(fields: &mut Fields<'a>) -> Option<Indices<'a>> {
        match u16::from_le_bytes(fields.array()?) {
            ALL => Some(Indices::All),
            count => Some(Indices::Stored(fields.take(usize::from(count) * 2)?)),
        }
    }
}

impl PartialEq for Indices<'_> {
    fn eq(&self, other: &Indices<'_>) -> bool {
        self.list() == other.list()
    }
}

impl Eq for Indices<'_> {}
