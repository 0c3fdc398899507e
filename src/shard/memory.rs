//! What a relay remembers of its partners' associations, so that what they resume arrives once.
//!
//! By session connection: which connector's association it is, and by what names its last activity is known
//! that has ended and is ours. Of each association only the last activity counts: its sender begins the
//! next one when the last is confirmed. An association that is released in order is forgotten at once, one
//! that breaks is remembered for [`ACTIVITY_MEMORY_S`]. All shards share one memory behind a lock, taken when
//! associations begin and end, never for a message.

use std::collections::HashMap;
use std::time::Duration;

use crate::base::clock::WallTime;
use crate::base::limits::{ACTIVITY_MEMORY_COUNT_MAX, ACTIVITY_MEMORY_S};
use crate::osi::session::SessionConnectionIdentifier;
use crate::osi::stack::recovery::ActivityName;
use crate::routing::ConnectorIndex;

/// The names of an activity that was taken: its own, and that of the one it resumed.
pub(crate) type CompletedNames = Vec<ActivityName>;

/// One association.
#[derive(Debug)]
struct Remembered {
    connector: ConnectorIndex,
    completed: CompletedNames,
    /// The log that holds its message.
    log: u16,
    /// When it is forgotten; `None` while it is up.
    until: Option<WallTime>,
}

/// Associations by session connection.
#[derive(Debug, Default)]
pub(crate) struct AssociationMemory {
    associations: HashMap<SessionConnectionIdentifier, Remembered>,
}

impl AssociationMemory {
    /// An association of a connector's partner has begun.
    pub(crate) fn begin(
        &mut self,
        identifier: &SessionConnectionIdentifier,
        connector: ConnectorIndex,
        now: WallTime,
    ) {
        if identifier.is_empty() {
            return;
        }
        if self.associations.len() >= ACTIVITY_MEMORY_COUNT_MAX {
            self.forget_late(now);
        }
        if self.associations.len() < ACTIVITY_MEMORY_COUNT_MAX {
            let remembered = Remembered { connector, completed: Vec::new(), log: 0, until: None };
            self.associations.insert(identifier.clone(), remembered);
        }
    }

    /// It was released: nothing of it can be resumed.
    pub(crate) fn release(&mut self, identifier: &SessionConnectionIdentifier) {
        self.associations.remove(identifier);
    }

    /// It broke, and this was its last activity that is ours, if there was one; its message is in `log`.
    pub(crate) fn break_off(
        &mut self,
        identifier: &SessionConnectionIdentifier,
        completed: CompletedNames,
        log: u16,
        now: WallTime,
    ) {
        if let Some(remembered) = self.associations.get_mut(identifier) {
            remembered.until = Some(later(now));
            if !completed.is_empty() {
                remembered.completed = completed;
                remembered.log = log;
            }
        }
    }

    /// An activity that ended before its association broke is durable only now, or was found in the store.
    pub(crate) fn complete(
        &mut self,
        names: CompletedNames,
        connector: ConnectorIndex,
        log: u16,
        now: WallTime,
    ) {
        let Some(identifier) = names.first().map(|name| name.connection.clone()) else { return };
        if !self.associations.contains_key(&identifier) {
            self.begin(&identifier, connector, now);
        }
        self.break_off(&identifier, names, log, now);
    }

    /// Whose association it was.
    pub(crate) fn connector(
        &self,
        identifier: &SessionConnectionIdentifier,
    ) -> Option<ConnectorIndex> {
        self.associations.get(identifier).map(|remembered| remembered.connector)
    }

    /// Whether a connector's activity of this name has ended and is ours.
    pub(crate) fn is_completed(&self, name: &ActivityName, connector: ConnectorIndex) -> bool {
        // A resumed activity stands under the session connection that it was resumed on.
        let named = |remembered: &Remembered| {
            remembered.connector == connector && remembered.completed.contains(name)
        };
        self.associations.get(&name.connection).is_some_and(named)
            || self.associations.values().any(named)
    }

    /// Broken associations with a completed activity whose message is in `log`, and when they broke.
    pub(crate) fn completed(
        &self,
        log: u16,
    ) -> impl Iterator<Item = (ConnectorIndex, &CompletedNames, WallTime)> {
        let completed = self.associations.values();
        let completed = completed.filter(move |it| it.log == log && !it.completed.is_empty());
        completed.filter_map(|it| Some((it.connector, &it.completed, earlier(it.until?))))
    }

    fn forget_late(&mut self, now: WallTime) {
        self.associations.retain(|_, remembered| remembered.until.is_none_or(|until| until > now));
    }
}

const MEMORY_MS: i64 = Duration::from_secs(ACTIVITY_MEMORY_S).as_millis() as i64;

fn later(now: WallTime) -> WallTime {
    WallTime(now.0.saturating_add(MEMORY_MS))
}

fn earlier(until: WallTime) -> WallTime {
    WallTime(until.0 - MEMORY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::osi::session::ActivityIdentifier;

    const CONNECTOR: ConnectorIndex = ConnectorIndex(1);

    fn connection(reference: &str) -> SessionConnectionIdentifier {
        SessionConnectionIdentifier {
            calling_user_reference: reference.as_bytes().to_vec(),
            ..SessionConnectionIdentifier::default()
        }
    }

    fn name(reference: &str, activity: u8) -> ActivityName {
        ActivityName {
            connection: connection(reference),
            activity: ActivityIdentifier::new(&[2, 1, activity]).unwrap(),
        }
    }

    #[test]
    fn the_last_activity_of_a_broken_association_is_known_by_all_its_names() {
        let mut memory = AssociationMemory::default();
        memory.begin(&connection("a"), CONNECTOR, WallTime(0));
        assert_eq!(memory.connector(&connection("a")), Some(CONNECTOR));
        memory.break_off(&connection("a"), vec![name("a", 7), name("old", 3)], 4, WallTime(0));
        assert!(memory.is_completed(&name("a", 7), CONNECTOR));
        assert!(memory.is_completed(&name("old", 3), CONNECTOR));
        assert!(!memory.is_completed(&name("a", 6), CONNECTOR));
        assert!(!memory.is_completed(&name("a", 7), ConnectorIndex(2)));
        let written = [(CONNECTOR, &vec![name("a", 7), name("old", 3)], WallTime(0))];
        assert!(memory.completed(4).eq(written));
        assert_eq!(memory.completed(5).count(), 0);
    }

    #[test]
    fn what_is_released_is_forgotten_and_what_is_durable_late_is_not() {
        let mut memory = AssociationMemory::default();
        memory.begin(&connection("a"), CONNECTOR, WallTime(0));
        memory.release(&connection("a"));
        assert_eq!(memory.connector(&connection("a")), None);
        memory.complete(vec![name("b", 1)], CONNECTOR, 0, WallTime(0));
        assert!(memory.is_completed(&name("b", 1), CONNECTOR));
        memory.begin(&SessionConnectionIdentifier::default(), CONNECTOR, WallTime(0));
        assert_eq!(memory.connector(&SessionConnectionIdentifier::default()), None);
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_late() {
        let mut memory = AssociationMemory::default();
        for index in 0..ACTIVITY_MEMORY_COUNT_MAX {
            memory.complete(vec![name(&index.to_string(), 1)], CONNECTOR, 0, WallTime(0));
        }
        memory.complete(vec![name("late", 1)], CONNECTOR, 0, WallTime(1));
        assert!(!memory.is_completed(&name("late", 1), CONNECTOR));
        let after = WallTime(1 + 1000 * ACTIVITY_MEMORY_S as i64);
        memory.complete(vec![name("late", 1)], CONNECTOR, 0, after);
        assert!(memory.is_completed(&name("late", 1), CONNECTOR));
        assert_eq!(memory.associations.len(), 1);
    }
}
