//! What partners may resume, kept over a crash: the names of completed activities, written with each message
//! and summed up in a note for each segment of a log that is begun, and read back when the log is opened.
//!
//! Each log has what was written to it itself: the last activity of each association whose message went
//! there. So any shard that opens it later sums it up. A note is bounded by the log; where it is full, the
//! associations that broke off longest ago are left out, and are forgotten with their records' segment.

use std::cmp::Reverse;
use std::iter;
use std::sync::PoisonError;

use super::Shard;
use super::commit::Pending;
use super::connection::Connection;
use super::memory::AssociationMemory;
use super::settings::Snapshot;
use crate::base::clock::WallTime;
use crate::base::limits::{ACTIVITY_MEMORY_COUNT_MAX, NOTE_SIZE_MAX};
use crate::io::Engine;
use crate::mta::activity::{
    LastActivities, NameReference, begin_note, is_remembered, write_note_entry,
};
use crate::osi::stack::Stack;
use crate::routing::ConnectorIndex;
use crate::store::{Entry, NoteScope};

impl<E: Engine> Shard<E> {
    /// Gives each log that has begun a segment its note.
    pub(super) fn write_notes(&mut self) {
        for slot in 0..self.logs.len() {
            if self.logs[slot].wants_note() {
                self.write_note(slot);
            }
        }
    }

    fn write_note(&mut self, slot: usize) {
        let mut note = std::mem::take(&mut self.note);
        let left_out = self.sum_up(slot, self.logs[slot].note_size_max(), &mut note);
        match self.logs[slot].note_request(None, &note, NoteScope::Summary) {
            Ok(()) if left_out > 0 => {
                tracing::warn!(
                    left_out,
                    "a note is full; associations that broke long ago cannot be resumed after a restart"
                );
            }
            Ok(()) => {}
            // The log asks again.
            Err(error) => tracing::debug!(%error, "a note was not taken"),
        }
        self.note = note;
    }

    /// Everything that the log in `slot` must know of completed activities, what is most likely to be
    /// resumed first; gives how many did not fit.
    fn sum_up(&self, slot: usize, size_max: usize, note: &mut Vec<u8>) -> usize {
        begin_note(note);
        let now = self.now.wall;
        let mut left_out = 0;
        let name = |connector: ConnectorIndex| self.snapshot.connector(connector).name.as_str();
        if slot == 0 {
            for connection in self.connections.iter() {
                if connection.completed || connection.committing {
                    left_out += usize::from(!self.write_last(connection, size_max, note));
                }
            }
            for (_, connector, names) in self.finishing.iter().filter(|it| !it.2.is_empty()) {
                let names = names.iter().map(NameReference::from);
                let fits = write_note_entry(name(*connector), now, names, size_max, note);
                left_out += usize::from(!fits);
            }
        }
        let memory = self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut broken: Vec<_> = memory.completed(self.logs[slot].number()).collect();
        broken.sort_unstable_by_key(|(_, _, time)| Reverse(*time));
        for (connector, names, time) in broken.into_iter().filter(|it| is_remembered(it.2, now)) {
            let names = names.iter().map(NameReference::from);
            left_out +=
                usize::from(!write_note_entry(name(connector), time, names, size_max, note));
        }
        left_out
    }

    /// Adds the partner's last activity on an association to a note; `false` when it does not fit.
    fn write_last(&self, connection: &Connection, size_max: usize, note: &mut Vec<u8>) -> bool {
        let (Some(connector), Some(association)) = (connection.connector, &connection.association)
        else {
            return true;
        };
        let mut names = activity_references(&association.stack).peekable();
        let name = &self.snapshot.connector(connector).name;
        names.peek().is_none() || write_note_entry(name, self.now.wall, names, size_max, note)
    }

    /// The partner has resumed an activity that is ours already, and may name it by that from now on.
    pub(super) fn note_renamed(&mut self, connection: &Connection) {
        let mut note = std::mem::take(&mut self.note);
        begin_note(&mut note);
        self.write_last(connection, NOTE_SIZE_MAX, &mut note);
        let ticket = self.pending.insert(Pending::Note);
        let asked = self.logs[0].note_request(Some(ticket as u64), &note, NoteScope::Addition);
        if let Err(error) = asked {
            self.pending.try_remove(ticket);
            tracing::warn!(%error, "a resumed transfer will not be known by its new name after a restart");
        }
        self.note = note;
    }
}

/// The names of the peer's activity that began last, its own first; none where they do not hold beyond the
/// connection.
pub(super) fn activity_references(stack: &Stack) -> impl Iterator<Item = NameReference<'_>> {
    let connection = stack.session_connection_identifier();
    let own = NameReference { connection, activity: stack.transfer_activity() };
    let names = iter::once(own).chain(stack.transfer_resumed().map(NameReference::from));
    names.filter(|_| !connection.is_empty())
}

/// Has what was found in log `log` remembered.
pub(super) fn remember_found(
    found: LastActivities,
    snapshot: &Snapshot,
    log: u16,
    memory: &mut AssociationMemory,
) {
    if found.unreadable_count() > 0 {
        tracing::error!(
            log,
            count = found.unreadable_count(),
            "stored names of activities cannot be read"
        );
    }
    for last in found {
        if let Some(connector) = snapshot.connector_named(&last.connector) {
            memory.complete(last.names, connector, log, last.time);
        }
    }
}

/// What looks into a log that is opened for the last activities of its associations. Of associations that
/// were released nothing tells, so all logs together may fill but half of the memory.
pub(super) fn looking_for_activities(now: WallTime, log_count: u16) -> LastActivities {
    LastActivities::new(now, ACTIVITY_MEMORY_COUNT_MAX / 2 / usize::from(log_count.max(1)))
}

/// Shows an entry of a log to it.
pub(super) fn look_into(entry: Entry<'_>, found: &mut LastActivities) {
    match entry {
        Entry::Message(metadata) => found.see_message(metadata),
        Entry::Note(note) => found.see_note(note),
    }
}
