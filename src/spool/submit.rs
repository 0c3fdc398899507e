//! Taking in: `NAME.json` and `NAME.content` out of a directory, each once.
//!
//! ```text
//! NAME.json ──claimed──> work/ID.NAME.json ──durable in the store──> accepted/NAME.json
//!                              └──wrong──> rejected/NAME.json, rejected/NAME.error.json
//! ```
//!
//! The claim's rename assigns the local identifier ID and is made durable before anything is given to the
//! shard: a submission that a crash interrupts is submitted again under the same identifier, unless its
//! acceptance says that it was taken.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use serde::{Deserialize, Serialize};

use super::SpoolSettings;
use super::compose::{self, Kind, Problem};
use super::envelope::{MtsIdentifier, VERSION, time_text};
use super::files;
use super::port::{Port, Refusal, Submission};
use crate::base::clock::WallTime;
use crate::base::limits::{CHUNK_SIZE, SPOOL_ENVELOPE_SIZE_MAX, SPOOL_SUBMISSION_COUNT_MAX};
use crate::mta::identifier::Identifiers;
use crate::p1::domain::GlobalDomainIdentifier;

/// Submissions claimed at a time; the others wait where they are.
const CLAIM_COUNT_MAX: usize = 64;
/// Longest NAME, octets: with what is put around it, it is still a file name.
const NAME_SIZE_MAX: usize = 200;
/// How often the directory is looked at though nothing tells of a change.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long nothing is tried after the directories or the store failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);
/// How often acceptances that are kept no longer are removed.
const CLEAN_INTERVAL: Duration = Duration::from_secs(60);

/// What takes in for one delivery point.
pub struct Submitter {
    connector: String,
    directory: PathBuf,
    work: PathBuf,
    accepted: PathBuf,
    rejected: PathBuf,
    retention: Duration,
    count_max: usize,
    apdu_size_max: usize,
    domain: GlobalDomainIdentifier,
    identifiers: Identifiers,
    prepared: bool,
    watch: Option<OwnedFd>,
    /// Not before this the directory is looked at again, unless it tells of a change.
    look_at: WallTime,
    /// Not before this anything is tried.
    resume_at: WallTime,
    clean_at: WallTime,
    /// Claimed, not begun.
    claimed: VecDeque<Claim>,
    /// On its way to the shard.
    sending: Option<Sending>,
    /// Whole at the shard, not answered.
    waiting: Vec<(u64, Claim)>,
    /// Answered, not settled in the directories.
    settling: Vec<(Claim, Settlement)>,
    count: u64,
}

/// A claimed submission.
#[derive(Debug, Clone)]
struct Claim {
    name: String,
    identifier: String,
}

enum Settlement {
    Accepted(WallTime),
    Rejected(Problem),
}

/// A submission on its way to the shard.
struct Sending {
    number: u64,
    claim: Claim,
    /// What found no room.
    put_off: Option<Submission>,
    head: Vec<u8>,
    content: Option<File>,
    /// Octets of the content that are still to come.
    remaining: u64,
}

/// What a turn has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TurnOutcome {
    /// Whether the shard is to look.
    pub told: bool,
    /// Whether there is more to do as soon as the shard has room.
    pub unfinished: bool,
}

/// `accepted/NAME.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Acceptance {
    version: u32,
    mts_identifier: MtsIdentifier,
    submission_time: String,
}

/// `rejected/NAME.error.json`.
#[derive(Debug, Serialize)]
struct Rejection<'a> {
    version: u32,
    submission: &'a str,
    #[serde(flatten)]
    problem: &'a Problem,
}

impl Claim {
    fn envelope(&self) -> String {
        format!("{}.{}.json", self.identifier, self.name)
    }

    fn content(&self) -> String {
        format!("{}.{}.content", self.identifier, self.name)
    }

    /// From the name of a claimed envelope.
    fn parse(file: &str) -> Option<Claim> {
        let (identifier, name) = file.strip_suffix(".json")?.split_once('.')?;
        Some(Claim { name: name.to_owned(), identifier: identifier.to_owned() })
    }
}

impl Submitter {
    /// For the delivery point of this connector; `None` when nothing is submitted there.
    pub fn new(
        connector: String,
        settings: &SpoolSettings,
        apdu_size_max: usize,
        domain: GlobalDomainIdentifier,
        identifiers: Identifiers,
    ) -> Option<Submitter> {
        let directory = settings.submit_directory.clone()?;
        Some(Submitter {
            connector,
            work: directory.join("work"),
            accepted: directory.join("accepted"),
            rejected: directory.join("rejected"),
            directory,
            retention: settings.acceptance_retention,
            count_max: settings.acceptance_count_max,
            apdu_size_max,
            domain,
            identifiers,
            prepared: false,
            watch: None,
            look_at: WallTime::default(),
            resume_at: WallTime::default(),
            clean_at: WallTime::default(),
            claimed: VecDeque::new(),
            sending: None,
            waiting: Vec::new(),
            settling: Vec::new(),
            count: 0,
        })
    }

    /// What tells of changes in the directory, where the operating system does.
    pub fn watch(&self) -> Option<&OwnedFd> {
        self.watch.as_ref()
    }

    /// Looks, claims, and gives the shard what it has room for.
    pub fn turn(&mut self, port: &Port, now: WallTime) -> TurnOutcome {
        let mut outcome = TurnOutcome::default();
        if port.is_stopping() || now < self.resume_at {
            return outcome;
        }
        if let Err(error) = self.try_turn(port, now, &mut outcome) {
            tracing::error!(
                connector = self.connector,
                directory = %self.directory.display(),
                %error,
                "submissions cannot be taken; tried again"
            );
            self.pause(now);
            // Perhaps a directory is gone, and must be made again.
            self.prepared = false;
        }
        outcome
    }

    fn pause(&mut self, now: WallTime) {
        self.resume_at = later(now, FAILURE_PAUSE);
    }

    fn try_turn(
        &mut self,
        port: &Port,
        now: WallTime,
        outcome: &mut TurnOutcome,
    ) -> io::Result<()> {
        if !self.prepared {
            self.prepare()?;
            self.prepared = true;
        }
        self.settle()?;
        if self.has_changed() || now >= self.look_at {
            self.look_at = later(now, LOOK_INTERVAL);
            self.claim()?;
        }
        if now >= self.clean_at {
            self.clean_at = later(now, CLEAN_INTERVAL);
            self.clean(now)?;
        }
        outcome.unfinished = self.send(port, now, &mut outcome.told)?;
        self.settle()
    }

    /// Makes the directories, and takes up what an earlier run had claimed.
    fn prepare(&mut self) -> io::Result<()> {
        files::prepare(&self.directory)?;
        for directory in [&self.work, &self.accepted, &self.rejected] {
            files::prepare(directory)?;
        }
        self.watch = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        if let Some(watch) = &self.watch {
            let flags = WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE;
            if add_watch(watch, &self.directory, flags).is_err() {
                self.watch = None;
            }
        }
        for entry in fs::read_dir(&self.work)? {
            let file = entry?.file_name();
            let Some(claim) = file.to_str().and_then(Claim::parse) else { continue };
            if self.is_accepted(&claim) {
                self.remove(&claim)?;
            } else if !self.is_under_way(&claim) {
                self.claim_content(&claim)?;
                self.claimed.push_back(claim);
            }
        }
        Ok(())
    }

    fn is_under_way(&self, claim: &Claim) -> bool {
        let waiting = self.waiting.iter().map(|(_, claim)| claim);
        let settling = self.settling.iter().map(|(claim, _)| claim);
        let sending = self.sending.iter().map(|sending| &sending.claim);
        let mut all = self.claimed.iter().chain(sending).chain(waiting).chain(settling);
        all.any(|it| it.identifier == claim.identifier)
    }

    fn is_accepted(&self, claim: &Claim) -> bool {
        let read = fs::read(self.accepted.join(format!("{}.json", claim.name)));
        read.ok()
            .and_then(|octets| serde_json::from_slice::<Acceptance>(&octets).ok())
            .is_some_and(|acceptance| acceptance.mts_identifier.local == claim.identifier)
    }

    /// Whether the directory has told of a change since this was last asked.
    fn has_changed(&self) -> bool {
        let Some(watch) = &self.watch else { return false };
        let mut events = [0_u8; 4096];
        let mut changed = false;
        while rustix::io::read(watch, &mut events).is_ok_and(|size| size > 0) {
            changed = true;
        }
        changed
    }

    /// Claims what has appeared, as much as is taken at a time.
    fn claim(&mut self) -> io::Result<()> {
        let mut any = false;
        let mut entries = fs::read_dir(&self.directory)?;
        while self.claimed.len() < CLAIM_COUNT_MAX
            && let Some(entry) = entries.next()
        {
            let file = entry?.file_name();
            let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".json")) else {
                continue;
            };
            if name.is_empty() || name.starts_with('.') || name.len() > NAME_SIZE_MAX {
                continue;
            }
            let identifier = self.identifiers.next_identifier().to_string();
            let claim = Claim { name: name.to_owned(), identifier };
            fs::rename(self.directory.join(&file), self.work.join(claim.envelope()))?;
            self.claim_content(&claim)?;
            self.claimed.push_back(claim);
            any = true;
        }
        if any {
            files::sync(&self.work)?;
            files::sync(&self.directory)?;
        }
        Ok(())
    }

    /// Takes the content along, unless that was done before, or there is none.
    fn claim_content(&self, claim: &Claim) -> io::Result<()> {
        let from = self.directory.join(format!("{}.content", claim.name));
        let to = self.work.join(claim.content());
        if to.exists() {
            return Ok(());
        }
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives the shard what it has room for; whether something is left.
    fn send(&mut self, port: &Port, now: WallTime, told: &mut bool) -> io::Result<bool> {
        loop {
            if self.sending.is_none() {
                if self.waiting.len() >= SPOOL_SUBMISSION_COUNT_MAX {
                    return Ok(false);
                }
                let Some(claim) = self.claimed.pop_front() else { return Ok(false) };
                match self.open(&claim, now) {
                    Ok(Ok(sending)) => self.sending = Some(sending),
                    Ok(Err(problem)) => {
                        self.settling.push((claim, Settlement::Rejected(problem)));
                        continue;
                    }
                    Err(error) => {
                        self.claimed.push_front(claim);
                        return Err(error);
                    }
                }
            }
            let Some(sending) = &mut self.sending else { return Ok(false) };
            match sending.next() {
                Ok(Some(part)) => match port.offer(part) {
                    Ok(()) => *told = true,
                    Err(part) => {
                        sending.put_off = Some(part);
                        return Ok(true);
                    }
                },
                Ok(None) => {
                    if let Some(sending) = self.sending.take() {
                        self.waiting.push((sending.number, sending.claim));
                    }
                }
                // It has become shorter, or cannot be read: from the beginning, later.
                Err(error) => {
                    if port.offer(Submission::Abandon).is_err() {
                        return Ok(true);
                    }
                    *told = true;
                    if let Some(sending) = self.sending.take() {
                        self.claimed.push_back(sending.claim);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Reads a claimed envelope and makes the MTS-APDU's beginning.
    fn open(&mut self, claim: &Claim, now: WallTime) -> io::Result<Result<Sending, Problem>> {
        let no_file = |what: &str, error: &io::Error| {
            let remedy = "write a regular file, and rename it";
            Ok(Err(Problem::new(what, error.to_string(), remedy)))
        };
        let envelope = match files::open(&self.work.join(claim.envelope())) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return no_file("", &error);
            }
            envelope => envelope?,
        };
        if envelope.metadata()?.len() > SPOOL_ENVELOPE_SIZE_MAX {
            let problem = format!("the envelope exceeds {SPOOL_ENVELOPE_SIZE_MAX} octets");
            return Ok(Err(Problem::new("", problem, "submit it in parts")));
        }
        let mut octets = Vec::new();
        envelope.take(SPOOL_ENVELOPE_SIZE_MAX).read_to_end(&mut octets)?;
        let submission = match compose::read(&octets) {
            Ok(submission) => submission,
            Err(problem) => return Ok(Err(problem)),
        };
        let content = match (submission.kind, files::open(&self.work.join(claim.content()))) {
            (Kind::Probe, _) => None,
            (Kind::Message, Ok(file)) => Some(file),
            (Kind::Message, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                let problem = format!("there was no {}.content", claim.name);
                let remedy = "write the content first, then rename the envelope to its name";
                return Ok(Err(Problem::new("", problem, remedy)));
            }
            (Kind::Message, Err(error)) if error.kind() == io::ErrorKind::InvalidInput => {
                return no_file("content", &error);
            }
            (Kind::Message, Err(error)) => return Err(error),
        };
        let size = content.as_ref().map_or(Ok(0), |file| file.metadata().map(|it| it.len()))?;
        let too_long = |size: u64| {
            let problem = format!("{size} octets are more than message_size_max_kib allows");
            let remedy = format!("submit at most {} octets, envelope included", self.apdu_size_max);
            Ok(Err(Problem::new("content", problem, remedy)))
        };
        if size > self.apdu_size_max as u64 {
            return too_long(size);
        }
        let head =
            compose::compose(&submission, &self.domain, &claim.identifier, now, size as usize);
        let head = match head {
            Ok(head) => head,
            Err(problem) => return Ok(Err(problem)),
        };
        let apdu_size = head.len() as u64 + size;
        if apdu_size > self.apdu_size_max as u64 {
            return too_long(apdu_size);
        }
        self.count += 1;
        Ok(Ok(Sending {
            number: self.count,
            claim: claim.clone(),
            put_off: Some(Submission::Begin(self.count, apdu_size as u32)),
            head,
            content,
            remaining: size,
        }))
    }

    /// The shard's answer to a submission.
    pub fn submitted(&mut self, number: u64, result: Result<(), Refusal>, now: WallTime) {
        let sent = self.waiting.iter().position(|(waiting, _)| *waiting == number);
        let claim = match sent {
            Some(index) => self.waiting.swap_remove(index).1,
            None => match self.sending.take_if(|sending| sending.number == number) {
                // Refused before all of it was there.
                Some(sending) => sending.claim,
                None => return,
            },
        };
        match result {
            Ok(()) => self.settling.push((claim, Settlement::Accepted(now))),
            Err(Refusal::Busy) => {
                self.claimed.push_back(claim);
                self.pause(now);
            }
            Err(Refusal::Wrong(problem)) => {
                let problem = Problem::new("", problem, "correct the envelope");
                self.settling.push((claim, Settlement::Rejected(problem)));
            }
        }
        if let Err(error) = self.settle() {
            tracing::error!(connector = self.connector, %error, "an answer cannot be written; tried again");
            self.pause(now);
        }
    }

    /// Writes answers, and moves away what they are for.
    fn settle(&mut self) -> io::Result<()> {
        while let Some((claim, settlement)) = self.settling.pop() {
            let settled = match &settlement {
                Settlement::Accepted(time) => self.accept(&claim, *time),
                Settlement::Rejected(problem) => self.reject(&claim, problem),
            };
            if let Err(error) = settled {
                self.settling.push((claim, settlement));
                return Err(error);
            }
        }
        Ok(())
    }

    fn accept(&self, claim: &Claim, time: WallTime) -> io::Result<()> {
        let acceptance = Acceptance {
            version: VERSION,
            mts_identifier: MtsIdentifier {
                domain: self.domain.to_string(),
                local: claim.identifier.clone(),
            },
            submission_time: time_text(time),
        };
        write_json(&self.accepted, &format!("{}.json", claim.name), &acceptance)?;
        self.remove(claim)
    }

    fn remove(&self, claim: &Claim) -> io::Result<()> {
        files::remove(&self.work.join(claim.content()))?;
        files::remove(&self.work.join(claim.envelope()))
    }

    fn reject(&self, claim: &Claim, problem: &Problem) -> io::Result<()> {
        tracing::warn!(
            connector = self.connector,
            submission = claim.name,
            field = problem.field,
            problem = problem.problem,
            remedy = problem.remedy,
            "a submission is rejected"
        );
        let rejection = Rejection { version: VERSION, submission: &claim.name, problem };
        write_json(&self.rejected, &format!("{}.error.json", claim.name), &rejection)?;
        for (from, extension) in [(claim.content(), "content"), (claim.envelope(), "json")] {
            let to = self.rejected.join(format!("{}.{extension}", claim.name));
            match fs::rename(self.work.join(from), to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        files::sync(&self.rejected)
    }

    /// Removes acceptances that are kept no longer.
    fn clean(&self, now: WallTime) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.accepted)? {
            let entry = entry?;
            let modified = entry.metadata()?.modified()?;
            kept.push((modified, entry.path()));
        }
        kept.sort();
        let excess = kept.len().saturating_sub(self.count_max);
        let oldest = Duration::from_millis(now.0.unsigned_abs()).saturating_sub(self.retention);
        let oldest = std::time::UNIX_EPOCH + oldest;
        for (index, (modified, path)) in kept.iter().enumerate() {
            if index < excess || *modified < oldest {
                files::remove(path)?;
            }
        }
        Ok(())
    }
}

impl Sending {
    /// The next part for the shard; `None` when all are given.
    fn next(&mut self) -> io::Result<Option<Submission>> {
        if let Some(part) = self.put_off.take() {
            return Ok(Some(part));
        }
        let head_size = self.head.len().min(CHUNK_SIZE);
        let mut piece: Vec<u8> = self.head.drain(..head_size).collect();
        let room = (CHUNK_SIZE - piece.len()) as u64;
        if let Some(content) = &self.content {
            let size = self.remaining.min(room);
            let read = content.take(size).read_to_end(&mut piece)? as u64;
            if read < size {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "a content has become shorter",
                ));
            }
            self.remaining -= read;
        }
        Ok((!piece.is_empty()).then_some(Submission::Piece(piece)))
    }
}

fn write_json(directory: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let octets = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    files::write(directory, name, &octets)?;
    files::publish(directory, name)?;
    files::sync(directory)
}

fn later(now: WallTime, by: Duration) -> WallTime {
    WallTime(now.0.saturating_add(by.as_millis() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mta::identifier::Issuer;
    use crate::p1::scan::{Scan, scan};

    const NOW: WallTime = WallTime(1_795_477_237_000);
    const ENVELOPE: &str = r#"{ "version": 1, "kind": "message", "originator": "C=GB;A=CARRIER;S=A",
        "recipients": [{ "address": "C=FR;A=OTHER;S=B" }] }"#;

    fn submitter(directory: &Path, incarnation: u64) -> Submitter {
        let settings = SpoolSettings {
            directory: directory.join("out"),
            submit_directory: Some(directory.join("in")),
            content_types: Vec::new(),
            acceptance_retention: Duration::from_secs(3600),
            acceptance_count_max: 2,
        };
        let identifiers = Identifiers::new(&[7; 16], incarnation, Issuer::DeliveryPoint(0));
        let domain = "C=GB;A=CARRIER".parse().unwrap();
        Submitter::new("gateway".to_owned(), &settings, 1 << 20, domain, identifiers).unwrap()
    }

    fn place(directory: &Path, name: &str, envelope: &str, content: &[u8]) {
        fs::create_dir_all(directory.join("in")).unwrap();
        fs::write(directory.join("in").join(format!("{name}.content")), content).unwrap();
        fs::write(directory.join("in").join(format!("{name}.json")), envelope).unwrap();
    }

    /// Everything that the shard is given: each submission's number and octets.
    fn taken(submitter: &mut Submitter, port: &Port, now: WallTime) -> Vec<(u64, Vec<u8>)> {
        let mut all: Vec<(u64, Vec<u8>)> = Vec::new();
        for _ in 0..100 {
            submitter.turn(port, now);
            while let Some(part) = port.submission() {
                match part {
                    Submission::Begin(number, size) => {
                        all.push((number, Vec::with_capacity(size as usize)));
                    }
                    Submission::Piece(octets) => all.last_mut().unwrap().1.extend(octets),
                    Submission::Abandon => drop(all.pop()),
                }
            }
        }
        all
    }

    #[test]
    fn a_submission_is_taken_once_and_answered_by_its_identifier() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..300_000_u32).map(|each| each as u8).collect();
        place(folder.path(), "one.two", ENVELOPE, &content);
        let port = Port::new().unwrap();
        let mut first = submitter(folder.path(), 1);
        let all = taken(&mut first, &port, NOW);
        let mut scanned = Scan::new();
        assert_eq!(all.len(), 1);
        scan(&all[0].1, &mut scanned).unwrap();
        assert_eq!(scanned.content_octets(&all[0].1).unwrap(), content);
        let local = scanned.mts_identifier.local_identifier.octets(&all[0].1).to_vec();
        // A crash before the answer: the same again, under the same identifier.
        let port = Port::new().unwrap();
        let mut second = submitter(folder.path(), 2);
        let again = taken(&mut second, &port, NOW);
        scan(&again[0].1, &mut scanned).unwrap();
        assert_eq!(scanned.mts_identifier.local_identifier.octets(&again[0].1), local);
        second.submitted(again[0].0, Ok(()), NOW);
        let accepted = folder.path().join("in/accepted/one.two.json");
        let acceptance: Acceptance = serde_json::from_slice(&fs::read(accepted).unwrap()).unwrap();
        assert_eq!(acceptance.mts_identifier.local.as_bytes(), local);
        assert_eq!(fs::read_dir(folder.path().join("in/work")).unwrap().count(), 0);
        // A crash behind the acceptance and before the end of the work: nothing again.
        let claim =
            Claim { name: "one.two".to_owned(), identifier: acceptance.mts_identifier.local };
        fs::write(folder.path().join("in/work").join(claim.envelope()), ENVELOPE).unwrap();
        let mut third = submitter(folder.path(), 3);
        assert!(taken(&mut third, &Port::new().unwrap(), NOW).is_empty());
        assert_eq!(fs::read_dir(folder.path().join("in/work")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_wrong_is_rejected_in_words_and_a_busy_store_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        place(folder.path(), "bad", &ENVELOPE.replace("S=B", "Z=B"), b"x");
        place(folder.path(), "huge", ENVELOPE, &vec![0; 1 << 20]);
        place(folder.path(), "good", ENVELOPE, b"x");
        fs::write(folder.path().join("in/alone.json"), ENVELOPE).unwrap();
        fs::write(folder.path().join("in/.hidden.json"), "{").unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "not to be sent").unwrap();
        std::os::unix::fs::symlink(&secret, folder.path().join("in/link.content")).unwrap();
        fs::write(folder.path().join("in/link.json"), ENVELOPE).unwrap();
        let port = Port::new().unwrap();
        let mut submitter = submitter(folder.path(), 1);
        let all = taken(&mut submitter, &port, NOW);
        assert_eq!(all.len(), 1);
        let error = |name: &str| -> serde_json::Value {
            let path = folder.path().join(format!("in/rejected/{name}.error.json"));
            serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
        };
        assert_eq!(error("bad")["field"], "recipients[0].address");
        assert!(error("bad")["remedy"].as_str().unwrap().contains("C=GB"));
        assert_eq!(error("huge")["field"], "content");
        assert_eq!(error("link")["field"], "content");
        assert!(error("alone")["problem"].as_str().unwrap().contains("alone.content"));
        assert!(folder.path().join("in/rejected/bad.content").exists());
        submitter.submitted(all[0].0, Err(Refusal::Busy), NOW);
        assert!(taken(&mut submitter, &port, NOW).is_empty());
        let after = later(NOW, FAILURE_PAUSE);
        let again = taken(&mut submitter, &port, after);
        assert_eq!(again.len(), 1);
        submitter.submitted(again[0].0, Err(Refusal::Wrong("no".to_owned())), after);
        assert_eq!(error("good")["problem"], "no");
        assert!(folder.path().join("in/.hidden.json").exists());
    }

    #[test]
    fn acceptances_are_kept_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let mut submitter = submitter(folder.path(), 1);
        let port = Port::new().unwrap();
        let now = WallTime(jiff::Timestamp::now().as_millisecond());
        submitter.turn(&port, now);
        for name in ["a", "b", "c"] {
            fs::write(folder.path().join(format!("in/accepted/{name}.json")), "{}").unwrap();
        }
        let count = || fs::read_dir(folder.path().join("in/accepted")).unwrap().count();
        submitter.turn(&port, later(now, CLEAN_INTERVAL));
        assert_eq!(count(), 2);
        submitter.turn(&port, later(now, Duration::from_secs(7200)));
        assert_eq!(count(), 0);
    }
}
