//! The names of completed activities as the store keeps them: beside the message that an activity brought,
//! and in the notes that outlive it.
//!
//! ```text
//! names = count (1)  name*
//! name  = calling user reference  common reference  additional reference  activity identifier
//! note  = version (1)  entry*
//! entry = connector's name  wall time (8)  names
//! ```
//!
//! References, identifiers and the connector's name are counted by one octet; numbers are little-endian. An
//! activity has two names where it was resumed, and none where they do not hold beyond its connection.

use std::collections::HashMap;

use super::metadata::{Fields, MetadataError, read_activity, write_name};
use crate::base::clock::WallTime;
use crate::base::limits::ACTIVITY_MEMORY_S;
use crate::osi::session::{ActivityIdentifier, SessionConnectionIdentifier};
use crate::osi::stack::recovery::ActivityName;

const NOTE_VERSION: u8 = 1;

/// The name of an activity where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameReference<'a> {
    /// The session connection that it began on, or was last resumed on.
    pub connection: &'a SessionConnectionIdentifier,
    /// Its identifier there.
    pub activity: ActivityIdentifier,
}

impl<'a> From<&'a ActivityName> for NameReference<'a> {
    fn from(name: &'a ActivityName) -> NameReference<'a> {
        NameReference { connection: &name.connection, activity: name.activity }
    }
}

/// Writes the names of one activity, its own first. References have at most 64 octets, as the session
/// protocol takes no longer ones.
pub fn write_names<'a>(names: impl Iterator<Item = NameReference<'a>>, out: &mut Vec<u8>) {
    let count_at = out.len();
    out.push(0);
    for name in names {
        out[count_at] += 1;
        for octets in [
            &name.connection.calling_user_reference[..],
            &name.connection.common_reference,
            &name.connection.additional_reference,
            name.activity.octets(),
        ] {
            out.push(octets.len() as u8);
            out.extend_from_slice(octets);
        }
    }
}

/// The names of one activity as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredNames<'a> {
    octets: &'a [u8],
    /// Of the session connection in the first name, octets.
    connection_size: usize,
}

impl<'a> StoredNames<'a> {
    pub(super) fn read(fields: &mut Fields<'a>) -> Result<StoredNames<'a>, MetadataError> {
        let start = fields.offset();
        let count = fields.octet()?;
        let mut connection_size = 0;
        for index in 0..count {
            for _ in 0..3 {
                fields.counted()?;
            }
            if index == 0 {
                connection_size = fields.offset() - start - 1;
            }
            fields.counted()?;
        }
        Ok(StoredNames { octets: fields.since(start), connection_size })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.connection_size == 0
    }

    /// The octets that are equal where the session connection of the first name is.
    pub fn connection(&self) -> &'a [u8] {
        self.octets.get(1..1 + self.connection_size).unwrap_or(&[])
    }

    /// As stored: read them by [`StoredNames::of`].
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Names that were kept by their octets.
    ///
    /// # Errors
    /// The octets are no names.
    pub fn of(octets: &'a [u8]) -> Result<StoredNames<'a>, MetadataError> {
        StoredNames::read(&mut Fields::new(octets))
    }

    /// The names themselves, the activity's own first.
    ///
    /// # Errors
    /// An activity identifier is too long.
    pub fn names(&self) -> Result<Vec<ActivityName>, MetadataError> {
        let mut fields = Fields::new(self.octets);
        let count = if self.octets.is_empty() { 0 } else { fields.octet()? };
        let name = |_| {
            let connection = SessionConnectionIdentifier {
                calling_user_reference: fields.counted()?.to_vec(),
                common_reference: fields.counted()?.to_vec(),
                additional_reference: fields.counted()?.to_vec(),
            };
            let activity = ActivityIdentifier::new(fields.counted()?);
            let activity = activity.ok_or_else(|| fields.error())?;
            Ok(ActivityName { connection, activity })
        };
        (0..count).map(name).collect()
    }
}

/// An activity that was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredActivity<'a> {
    /// The connector that it came in by.
    pub connector: &'a str,
    /// When it ended, or was last known to be the last of its association.
    pub time: WallTime,
    /// Its names.
    pub names: StoredNames<'a>,
}

/// Begins a note; [`write_note_entry`] goes on.
pub fn begin_note(out: &mut Vec<u8>) {
    out.clear();
    out.push(NOTE_VERSION);
}

/// Adds an activity to a note, unless that makes it longer than `size_max` octets: then it is left as it was.
pub fn write_note_entry<'a>(
    connector: &str,
    time: WallTime,
    names: impl Iterator<Item = NameReference<'a>>,
    size_max: usize,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    write_name(connector, out);
    out.extend_from_slice(&time.0.to_le_bytes());
    write_names(names, out);
    let fits = out.len() <= size_max;
    if !fits {
        out.truncate(start);
    }
    fits
}

/// The activities of a note.
///
/// # Errors
/// It was written by a newer version.
pub fn read_note(octets: &[u8]) -> Result<NoteEntries<'_>, MetadataError> {
    let mut fields = Fields::new(octets);
    match fields.octet()? {
        NOTE_VERSION => Ok(NoteEntries { fields }),
        _ => Err(fields.error()),
    }
}

/// The activities of a note; the first one that cannot be read is the last one given.
#[derive(Debug, Clone)]
pub struct NoteEntries<'a> {
    fields: Fields<'a>,
}

impl<'a> Iterator for NoteEntries<'a> {
    type Item = Result<StoredActivity<'a>, MetadataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.fields.is_empty() {
            return None;
        }
        let mut read = || {
            Ok(StoredActivity {
                connector: self.fields.name()?,
                time: WallTime(i64::from_le_bytes(self.fields.array()?)),
                names: StoredNames::read(&mut self.fields)?,
            })
        };
        let entry = read();
        if entry.is_err() {
            self.fields = Fields::new(&[]);
        }
        Some(entry)
    }
}

/// Whether an activity of this time may still be resumed.
pub fn is_remembered(time: WallTime, now: WallTime) -> bool {
    time.0.saturating_add(1000 * ACTIVITY_MEMORY_S as i64) > now.0
}

/// The last activity of each association that what is stored tells of, read from its beginning to its end.
///
/// Bounded without a search for the oldest: when the newer half is full it becomes the older one, and what
/// was the older one is forgotten.
#[derive(Debug)]
pub struct LastActivities {
    now: WallTime,
    half_count_max: usize,
    newer: HashMap<Vec<u8>, Stored>,
    older: HashMap<Vec<u8>, Stored>,
    unreadable_count: usize,
}

/// One of them, its names as they are stored.
#[derive(Debug, Default)]
struct Stored {
    connector: String,
    time: WallTime,
    names: Vec<u8>,
}

/// The last activity of an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastActivity {
    /// The connector's name.
    pub connector: String,
    /// As [`StoredActivity::time`].
    pub time: WallTime,
    /// Its names, its own first.
    pub names: Vec<ActivityName>,
}

impl LastActivities {
    /// Those that may still be resumed now, `count_max` at most.
    pub fn new(now: WallTime, count_max: usize) -> LastActivities {
        let (newer, older) = (HashMap::new(), HashMap::new());
        let half_count_max = (count_max / 2).max(1);
        LastActivities { now, half_count_max, newer, older, unreadable_count: 0 }
    }

    /// Takes the metadata of the next message.
    pub fn see_message(&mut self, metadata: &[u8]) {
        match read_activity(metadata) {
            Ok(activity) => self.see(&activity),
            Err(_) => self.unreadable_count += 1,
        }
    }

    /// Takes the next note.
    pub fn see_note(&mut self, note: &[u8]) {
        let Ok(entries) = read_note(note) else {
            self.unreadable_count += 1;
            return;
        };
        for entry in entries {
            match entry {
                Ok(activity) => self.see(&activity),
                Err(_) => self.unreadable_count += 1,
            }
        }
    }

    /// What could not be read.
    pub fn unreadable_count(&self) -> usize {
        self.unreadable_count
    }

    fn see(&mut self, activity: &StoredActivity<'_>) {
        if activity.names.is_empty() || !is_remembered(activity.time, self.now) {
            return;
        }
        let key = activity.names.connection();
        if let Some(stored) = self.newer.get_mut(key) {
            return stored.renew(activity);
        }
        if self.newer.len() >= self.half_count_max {
            self.older = std::mem::take(&mut self.newer);
        }
        let mut stored = Stored::default();
        stored.renew(activity);
        self.newer.insert(key.to_vec(), stored);
    }
}

impl Stored {
    fn renew(&mut self, activity: &StoredActivity<'_>) {
        if self.connector != activity.connector {
            activity.connector.clone_into(&mut self.connector);
        }
        self.time = activity.time;
        self.names.clear();
        self.names.extend_from_slice(activity.names.octets());
    }
}

impl IntoIterator for LastActivities {
    type Item = LastActivity;
    type IntoIter = Box<dyn Iterator<Item = LastActivity>>;

    /// Of an association in both halves, what is newer comes last.
    fn into_iter(self) -> Self::IntoIter {
        let all = self.older.into_values().chain(self.newer.into_values());
        Box::new(all.filter_map(|stored| {
            let names = StoredNames::of(&stored.names).and_then(|names| names.names()).ok()?;
            Some(LastActivity { connector: stored.connector, time: stored.time, names })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(reference: &[u8], activity: u8) -> ActivityName {
        ActivityName {
            connection: SessionConnectionIdentifier {
                calling_user_reference: reference.to_vec(),
                common_reference: b"\x17\x0d261124100000Z".to_vec(),
                additional_reference: Vec::new(),
            },
            activity: ActivityIdentifier::new(&[2, 1, activity]).unwrap(),
        }
    }

    #[test]
    fn names_come_back_and_their_connection_is_told_apart() {
        let pair = [name(b"here", 7), name(b"elsewhere", 3)];
        let (mut both, mut one) = (Vec::new(), Vec::new());
        write_names(pair.iter().map(NameReference::from), &mut both);
        write_names(pair[..1].iter().map(NameReference::from), &mut one);
        let (both, one) = (StoredNames::of(&both).unwrap(), StoredNames::of(&one).unwrap());
        assert_eq!(both.names().unwrap(), pair);
        assert_eq!(one.names().unwrap(), pair[..1]);
        assert_eq!(both.connection(), one.connection());
        assert!(!one.is_empty() && StoredNames::of(&[0]).unwrap().is_empty());
        let long = [1, 1, b'a', 0, 0, 7, 1, 2, 3, 4, 5, 6, 7];
        assert!(StoredNames::of(&long).unwrap().names().is_err());
    }

    #[test]
    fn a_note_is_bounded_and_refuses_every_truncation() {
        let mut note = Vec::new();
        begin_note(&mut note);
        let names = [name(b"a", 1)];
        let mut write = |size_max| {
            let names = names.iter().map(NameReference::from);
            write_note_entry("carrier", WallTime(5), names, size_max, &mut note)
        };
        assert!(write(100) && !write(60) && write(100));
        let entries: Vec<_> = read_note(&note).unwrap().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].connector, entries[1].time), ("carrier", WallTime(5)));
        assert_eq!(entries[1].names.names().unwrap(), names);
        let entry_size = (note.len() - 1) / 2;
        for size in 0..note.len() {
            let Ok(entries) = read_note(&note[..size]) else { continue };
            let whole = size.saturating_sub(1).is_multiple_of(entry_size);
            assert_eq!(entries.clone().all(|entry| entry.is_ok()), whole, "{size}");
            assert!(entries.count() <= 2);
        }
        assert!(read_note(&[2]).is_err());
    }

    #[test]
    fn the_last_activity_of_each_association_is_found_within_bounds() {
        let now = WallTime(1000 * ACTIVITY_MEMORY_S as i64 + 10);
        let mut last = LastActivities::new(now, 4);
        let mut note = Vec::new();
        let mut see = |last: &mut LastActivities, reference: &[u8], activity, time| {
            begin_note(&mut note);
            let names = [name(reference, activity)];
            let names = names.iter().map(NameReference::from);
            assert!(write_note_entry("carrier", WallTime(time), names, 1000, &mut note));
            last.see_note(&note);
        };
        see(&mut last, b"late", 1, 10);
        for reference in [b"a", b"b", b"c"] {
            see(&mut last, reference, 1, 11);
        }
        see(&mut last, b"b", 2, 12);
        last.see_message(&[]);
        last.see_note(&[1, 5]);
        assert_eq!(last.unreadable_count(), 2);
        let found: Vec<_> = last.into_iter().map(|it| (it.time.0, it.names)).collect();
        assert_eq!(found.len(), 4, "b stands in both halves");
        assert!(found[..2].contains(&(11, vec![name(b"a", 1)])));
        assert!(found[2..].contains(&(12, vec![name(b"b", 2)])));
        assert!(found[2..].contains(&(11, vec![name(b"c", 1)])));
    }
}
