//! Commits: groups on their way to disk, and what their completion confirms.
//!
//! Invariants:
//! - Groups are written in any order and confirmed in theirs; a group counts as confirmed when it and all
//!   before it are durable.
//! - No group is given to the disk before its segment's header is durable.
//! - Of the footers, one piece at a time is with the disk, behind the groups: many megabytes at once would
//!   keep the commits waiting that came after.
//! - After a failed write nothing more is written and every ticket not yet confirmed fails.

use std::io;

use super::error::Error;
use super::fetch::Fetch;
use super::log::Log;
use super::{Confirm, segment::Segment};
use crate::base::buffer::Lease;
use crate::base::clock::Instant;
use crate::base::limits::COMMIT_IN_FLIGHT_COUNT_MAX;
use crate::io::{Operation, Outcome};

/// An operation of the log that has not completed.
pub(super) enum UnderWay {
    Group { sequence: u64, segment: usize },
    Header { segment: usize },
    Footer { segment: usize },
    Create { name: u32 },
    Fetch(Fetch),
}

/// A group that waits to be written.
pub(super) struct ClosedGroup {
    pub(super) segment: usize,
    pub(super) sequence: u64,
    pub(super) offset: u64,
    pub(super) octets: Lease,
}

/// A piece of a footer that waits to be written.
pub(super) struct FooterPiece {
    pub(super) segment: usize,
    pub(super) offset: u64,
    pub(super) octets: Lease,
}

/// A closed group that is not confirmed.
pub(super) struct Commit {
    pub(super) sequence: u64,
    pub(super) segment: usize,
    /// Where it ends in the segment, octets.
    pub(super) end: u64,
    pub(super) ticket_count: usize,
    /// When its first record was appended.
    pub(super) begun: Instant,
    /// When it was given to the disk, once it was.
    pub(super) submitted: Instant,
    /// When it was durable, once it is.
    pub(super) written: Option<Instant>,
}

impl Log {
    /// The next operation to submit, with the token to give back to [`Log::handle_completion`]. To be
    /// called until it has none, at the end of each turn: what was appended since then is one group.
    pub fn poll_operation(&mut self) -> Option<(u32, Operation)> {
        if let Some(operation) = self.operations.pop_front() {
            return Some(operation);
        }
        if self.failure.is_some() {
            return None;
        }
        self.next_group().or_else(|| self.next_footer_piece())
    }

    fn next_group(&mut self) -> Option<(u32, Operation)> {
        if self.commits_under_way >= COMMIT_IN_FLIGHT_COUNT_MAX {
            return None;
        }
        if self.closed_groups.is_empty() {
            self.close_group();
        }
        let ready = self.closed_groups.front().map(|group| &self.segments[group.segment]);
        if !ready.is_some_and(|segment| segment.header_durable) {
            return None;
        }
        let ClosedGroup { segment, sequence, offset, octets } = self.closed_groups.pop_front()?;
        self.commits_under_way += 1;
        self.segments[segment].under_way_count += 1;
        self.counters.octets_written += octets.len() as u64;
        let file = self.segments[segment].file;
        let token = self.under_way.insert(UnderWay::Group { sequence, segment }) as u32;
        let now = self.now;
        if let Some(commit) = self.commit_of(sequence) {
            commit.submitted = now;
        }
        Some((token, Operation::Write { file, offset, octets, durable: true }))
    }

    fn next_footer_piece(&mut self) -> Option<(u32, Operation)> {
        if self.footer_under_way {
            return None;
        }
        let FooterPiece { segment, offset, octets } = self.footer_pieces.pop_front()?;
        self.footer_under_way = true;
        let file = self.segments[segment].file;
        let token = self.under_way.insert(UnderWay::Footer { segment }) as u32;
        Some((token, Operation::Write { file, offset, octets, durable: true }))
    }

    fn commit_of(&mut self, sequence: u64) -> Option<&mut Commit> {
        let first = self.commits.front()?.sequence;
        self.commits.get_mut(sequence.checked_sub(first)? as usize)
    }

    /// Takes the completion of an operation that [`Log::poll_operation`] gave. A token that is not under
    /// way is ignored.
    pub fn handle_completion<D>(&mut self, local_token: u32, result: io::Result<Outcome<D>>) {
        let Some(operation) = self.under_way.try_remove(local_token as usize) else { return };
        match (operation, result) {
            (UnderWay::Group { sequence, segment }, result) => {
                self.commits_under_way -= 1;
                self.segments[segment].under_way_count -= 1;
                match result {
                    Ok(_) => self.group_written(sequence),
                    Err(error) => self.fail(error.kind()),
                }
            }
            (UnderWay::Header { segment }, result) => {
                self.header_under_way = false;
                self.segments[segment].under_way_count -= 1;
                match result {
                    Ok(_) => self.segments[segment].header_durable = true,
                    Err(error) => self.fail(error.kind()),
                }
            }
            (UnderWay::Footer { segment }, result) => {
                self.footer_under_way = false;
                self.segments[segment].under_way_count -= 1;
                if let Err(error) = result {
                    self.fail(error.kind());
                }
            }
            (UnderWay::Create { name }, Ok(Outcome::Created(file))) => {
                self.creating = false;
                self.segments.push(Segment::fresh(file, name, self.config.segment_size));
                self.fresh.push(self.segments.len() - 1);
            }
            (UnderWay::Create { name }, _) => {
                // A full disk is no failure of what is stored: what there is goes on being used.
                self.creating = false;
                self.growth_refused = true;
                self.blank_names.push(name);
            }
            (UnderWay::Fetch(fetch), Ok(Outcome::Read(fill))) => self.fetched(fetch, Ok(fill)),
            (UnderWay::Fetch(fetch), Err(error)) => self.fetched(fetch, Err(error)),
            (UnderWay::Fetch(fetch), Ok(_)) => {
                self.fetched(fetch, Err(io::ErrorKind::InvalidData.into()));
            }
        }
        self.prepare();
    }

    /// The next answer to an earlier request.
    pub fn poll_confirm(&mut self) -> Option<Confirm> {
        self.confirms.pop_front()
    }

    /// Whether records wait to become durable.
    pub fn has_uncommitted(&self) -> bool {
        self.group_open || !self.commits.is_empty()
    }

    /// Whether [`Log::poll_operation`] would give what somebody waits for; if not, what is gathered are
    /// outcomes, which lose nothing by waiting for company.
    pub fn is_waited_for(&self) -> bool {
        let footer_is_due = !self.footer_pieces.is_empty() && !self.footer_under_way;
        self.open_ticket_count > 0
            || !self.operations.is_empty()
            || !self.closed_groups.is_empty()
            || footer_is_due
    }

    /// Why the log takes nothing more, if it is closed.
    pub fn failure(&self) -> Option<Error> {
        self.failure.map(Error::Closed)
    }

    fn group_written(&mut self, sequence: u64) {
        if self.failure.is_some() {
            return;
        }
        let now = self.now;
        if let Some(commit) = self.commit_of(sequence) {
            commit.written = Some(now);
        }
        while let Some(commit) = self.commits.pop_front_if(|commit| commit.written.is_some()) {
            self.record_stages_of(&commit);
            self.confirmed = commit.sequence;
            self.counters.commits += 1;
            self.segments[commit.segment].confirmed_end = commit.end;
            for ticket in self.tickets.drain(..commit.ticket_count) {
                self.confirms.push_back(Confirm::Committed { ticket });
            }
            self.write_footer_if_confirmed(commit.segment);
        }
        self.notes.confirm(self.confirmed);
    }

    /// Writes down how long a commit took, for each that waited for it.
    fn record_stages_of(&self, commit: &Commit) {
        let Commit { begun, submitted, written, ticket_count, .. } = *commit;
        let (Some(written), 1..) = (written, ticket_count) else { return };
        let count = ticket_count as u64;
        self.stages.commit_wait.record(begun, submitted, count);
        self.stages.commit_write.record(submitted, written, count);
        self.stages.commit_order.record(written, self.now, count);
    }

    /// Closes the log.
    fn fail(&mut self, error: io::ErrorKind) {
        if self.failure.is_some() {
            return;
        }
        self.failure = Some(error);
        self.closed_groups.clear();
        self.commits.clear();
        self.group_open = false;
        self.open_ticket_count = 0;
        for ticket in self.tickets.drain(..) {
            self.confirms.push_back(Confirm::Failed { ticket, error });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Log, LogConfig, open_superblock};
    use super::*;
    use crate::base::limits::CHUNK_SIZE;
    use crate::io::Haste;
    use crate::io::simulated::{Detached, Simulated, World, WorldConfig};
    use crate::io::{Engine, Token};

    fn ready() -> Log {
        let world = World::new(WorldConfig::new(1));
        let mut engine: Simulated = world.engine();
        let directory = Path::new("store");
        let superblock = open_superblock(&mut engine, directory, [1; 16], 1).unwrap();
        let config = LogConfig { segment_size: 1 << 20, ..LogConfig::default() };
        let (mut log, _) = Log::open(&mut engine, directory, &superblock, 0, &config).unwrap();
        assert!(!log.is_ready());
        let mut completions = Vec::new();
        loop {
            engine.poll(None, &mut completions).unwrap();
            for completion in completions.drain(..) {
                log.handle_completion(completion.token.0 as u32, completion.result);
            }
            while let Some((token, operation)) = log.poll_operation() {
                engine.submit(Token(u64::from(token)), operation);
            }
            if !world.advance() {
                assert!(log.is_ready());
                return log;
            }
        }
    }

    fn append(log: &mut Log, ticket: u64) {
        log.append_request(ticket, b"metadata", 1, 0, &[b"body"]).unwrap();
    }

    fn write_token(log: &mut Log) -> Option<u32> {
        log.poll_operation().map(|(token, operation)| {
            assert!(matches!(operation, Operation::Write { durable: true, .. }));
            token
        })
    }

    fn confirmed(log: &mut Log) -> Vec<u64> {
        let confirms = std::iter::from_fn(|| log.poll_confirm());
        let ticket = |confirm| match confirm {
            Confirm::Committed { ticket } => ticket,
            other => panic!("{other:?}"),
        };
        confirms.map(ticket).collect()
    }

    #[test]
    fn idle_commits_at_once_busy_gathers_and_confirms_keep_order() {
        let mut log = ready();
        let mut tokens = Vec::new();
        for ticket in 0..COMMIT_IN_FLIGHT_COUNT_MAX as u64 {
            append(&mut log, ticket);
            tokens.push(write_token(&mut log).unwrap());
            assert!(log.poll_operation().is_none());
        }
        for ticket in 10..20 {
            append(&mut log, ticket);
            assert!(log.poll_operation().is_none(), "all are under way");
        }
        let written = || Ok::<Outcome<Detached>, _>(Outcome::Written);
        log.handle_completion(tokens[1], written());
        let gathered = write_token(&mut log).unwrap();
        assert!(log.poll_operation().is_none(), "ten records in one group");
        log.handle_completion(gathered, written());
        log.handle_completion(tokens[2], written());
        assert!(confirmed(&mut log).is_empty(), "the first is not durable");
        log.handle_completion(tokens[0], written());
        assert_eq!(confirmed(&mut log), [0, 1, 2]);
        log.handle_completion(tokens[3], written());
        assert_eq!(confirmed(&mut log), [3, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
        assert!(!log.has_uncommitted());
        log.handle_completion(tokens[3], written());
        assert_eq!(log.counters().commits, 5);
    }

    #[test]
    fn a_segment_is_made_in_haste_only_when_the_active_one_is_half_full() {
        let mut log = ready();
        let body = vec![7; CHUNK_SIZE];
        let (mut made, mut hasty) = (None::<Haste>, Vec::new());
        for ticket in 0..24 {
            log.append_request(ticket, b"metadata", 1, 0, &[&body]).unwrap();
            while let Some((token, operation)) = log.poll_operation() {
                match operation {
                    Operation::CreateFile { haste, .. } => made = Some(haste),
                    _ => log.handle_completion::<Detached>(token, Ok(Outcome::Written)),
                }
            }
            hasty.extend(made.as_ref().map(Haste::is_set));
        }
        assert_eq!((hasty.first(), hasty.last()), (Some(&false), Some(&true)), "{hasty:?}");
    }

    #[test]
    fn footers_are_written_behind_groups_and_a_piece_at_a_time() {
        let mut log = ready();
        for segment in 0..2 {
            let octets = Lease::copied(&[segment; 4096]);
            log.footer_pieces.push_back(FooterPiece { segment: 0, offset: 0, octets });
            log.segments[0].under_way_count += 1;
        }
        append(&mut log, 1);
        let group = write_token(&mut log).unwrap();
        let first = write_token(&mut log).unwrap();
        assert!(write_token(&mut log).is_none() && !log.is_waited_for());
        log.handle_completion::<Detached>(first, Ok(Outcome::Written));
        assert!(confirmed(&mut log).is_empty() && log.is_waited_for());
        log.handle_completion::<Detached>(group, Ok(Outcome::Written));
        assert_eq!(confirmed(&mut log), [1]);
        let second = write_token(&mut log).unwrap();
        log.handle_completion::<Detached>(second, Ok(Outcome::Written));
        assert!(!log.is_waited_for() && write_token(&mut log).is_none());
        assert_eq!(log.segments[0].under_way_count, 0);
    }

    #[test]
    fn a_failed_group_fails_everything_behind_it() {
        let mut log = ready();
        append(&mut log, 1);
        let first = write_token(&mut log).unwrap();
        append(&mut log, 2);
        let second = write_token(&mut log).unwrap();
        append(&mut log, 3);
        log.handle_completion::<Detached>(second, Ok(Outcome::Written));
        log.handle_completion::<Detached>(first, Err(io::ErrorKind::StorageFull.into()));
        let failed: Vec<_> = std::iter::from_fn(|| log.poll_confirm()).collect();
        assert!(failed.iter().all(|confirm| matches!(confirm, Confirm::Failed { .. })));
        assert_eq!(failed.len(), 3);
        assert!(log.poll_operation().is_none() && !log.has_uncommitted());
    }
}
