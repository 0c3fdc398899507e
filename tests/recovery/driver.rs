//! A log on a simulated disk, and the record of what its users were told.
//!
//! [`Model`] knows of each message what was requested and what was acknowledged; [`check`] opens a disk
//! image and holds the recovered log against it. Bodies are made from the message's number, so that
//! nothing but the number needs to be kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::rc::Rc;

use p1relay::base::limits::{CHUNK_SIZE, NOTE_SIZE_MAX};
use p1relay::io::simulated::{Disk, Random, Simulated, World, WorldConfig};
use p1relay::io::{Engine, Token};
use p1relay::store::{
    Chunks, Confirm, Entry, Error, Log, LogConfig, MessageReference, NoteScope, Outcome,
    RecoveredMessage, TargetState, open_superblock,
};

pub(crate) const DIRECTORY: &str = "store";
pub(crate) const UUID: [u8; 16] = *b"sixteen octets!!";
pub(crate) const CONFIG: LogConfig = LogConfig {
    segment_size: 256 << 10,
    segment_count_max: 14,
    group_buffer_count: 16,
    fetch_buffer_count: 4,
    note_size_max: NOTE_SIZE_MAX,
};

/// The body of message `number`.
pub(crate) fn body(number: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut octets = Vec::with_capacity(size + 8);
    while octets.len() < size {
        octets.extend_from_slice(&random.number().to_le_bytes());
    }
    octets.truncate(size);
    octets
}

/// The metadata of message `number`: the number, and some octets more.
pub(crate) fn metadata(number: u64) -> Vec<u8> {
    let mut octets = number.to_le_bytes().to_vec();
    octets.resize(8 + (number % 90) as usize, 0x5A);
    octets
}

/// The association by which message `number` came. Some have but one message, long ago.
fn association(number: u64) -> u64 {
    if number < 20 { number } else { 20 + number % 7 }
}

/// The last message of an association, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    pub(crate) appended: u64,
    pub(crate) acknowledged: Option<u64>,
}

/// The last message of each association, as a log tells it.
pub(crate) type Told = BTreeMap<u64, u64>;

/// Takes up what an entry of the log says; whether it is a note.
fn hear(told: &mut Told, entry: Entry<'_>) -> bool {
    match entry {
        Entry::Message(metadata) => {
            let number = u64::from_le_bytes(metadata[..8].try_into().unwrap());
            told.insert(association(number), number);
            false
        }
        Entry::Note(note) => {
            told.extend(note.chunks_exact(16).map(|pair| {
                let number = |at: usize| u64::from_le_bytes(pair[at..at + 8].try_into().unwrap());
                (number(0), number(8))
            }));
            true
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Target {
    initially: TargetState,
    /// Each with whether it was acknowledged.
    outcomes: Vec<(Outcome, bool)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) reference: Option<MessageReference>,
    pub(crate) size: usize,
    pub(crate) acknowledged: bool,
    pub(crate) targets: Vec<Target>,
}

impl Expected {
    pub(crate) fn outcome(&mut self, target: u16, outcome: Outcome) {
        self.targets[usize::from(target)].outcomes.push((outcome, false));
    }

    pub(crate) fn acknowledge_outcome(&mut self, target: u16) {
        let outcomes = &mut self.targets[usize::from(target)].outcomes;
        if let Some(first) = outcomes.iter_mut().find(|(_, acknowledged)| !acknowledged) {
            first.1 = true;
        }
    }
}

fn is_final(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Attempted | Outcome::Deferred)
}

impl Target {
    fn ended(&self, acknowledged: bool) -> bool {
        let ends =
            |(outcome, told): &(Outcome, bool)| is_final(*outcome) && (*told || !acknowledged);
        self.outcomes.iter().any(ends)
    }

    /// Every state that recovery may find: after each outcome from the last acknowledged one on.
    fn allowed(&self) -> Vec<TargetState> {
        let after = |outcome| match outcome {
            Outcome::Attempted => TargetState::Attempted,
            Outcome::Deferred => TargetState::Pending,
            _ => TargetState::Final,
        };
        let told = self.outcomes.iter().rposition(|(_, told)| *told).map_or(0, |at| at + 1);
        let states: Vec<TargetState> = std::iter::once(self.initially)
            .chain(self.outcomes.iter().map(|(outcome, _)| after(*outcome)))
            .collect();
        states[told..].to_vec()
    }
}

/// What a ticket stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    Message(u64),
    Outcome(u64, u16),
    /// What the model does not follow.
    Other,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) messages: BTreeMap<u64, Expected>,
    pub(crate) associations: BTreeMap<u64, Last>,
    pub(crate) note_count: usize,
    /// The mistake that the checker must see: notes that leave out what was said long ago.
    pub(crate) forgets: bool,
    pub(crate) asked: BTreeMap<u64, Asked>,
    pub(crate) next_ticket: u64,
    pub(crate) last_confirmed: u64,
    /// The mistake that the checker must see: acknowledging what is not durable.
    pub(crate) acknowledges_at_once: bool,
    pub(crate) confirmed_count: usize,
}

impl Model {
    pub(crate) fn ticket(&mut self, asked: Asked) -> u64 {
        self.next_ticket += 1;
        self.asked.insert(self.next_ticket, asked);
        self.next_ticket
    }

    /// What sums up the log.
    fn note(&self) -> Vec<u8> {
        let all = self.associations.iter().filter(|(name, _)| !self.forgets || **name >= 20);
        all.flat_map(|(name, last)| [name.to_le_bytes(), last.appended.to_le_bytes()].concat())
            .collect()
    }

    fn acknowledge(&mut self, ticket: u64) {
        match self.asked.remove(&ticket) {
            Some(Asked::Message(number)) => {
                self.messages.get_mut(&number).unwrap().acknowledged = true;
                let last = self.associations.get_mut(&association(number)).unwrap();
                last.acknowledged = last.acknowledged.max(Some(number));
            }
            Some(Asked::Outcome(number, target)) => {
                self.messages.get_mut(&number).unwrap().acknowledge_outcome(target);
            }
            Some(Asked::Other) => {}
            None => assert!(self.acknowledges_at_once, "confirmed twice"),
        }
    }
}

/// One party: an engine with a log on it.
pub(crate) struct Party {
    pub(crate) world: World,
    pub(crate) engine: Simulated,
    pub(crate) log: Log,
    pub(crate) model: Rc<RefCell<Model>>,
    pub(crate) fetched: VecDeque<(u64, Result<Vec<u8>, Error>)>,
    pub(crate) failed: Vec<u64>,
}

pub(crate) fn open_log(
    disk: &Disk,
    seed: u64,
    config: &LogConfig,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<(World, Simulated, Log, Vec<RecoveredMessage>), Error> {
    let world = World::new(WorldConfig::new(seed));
    let mut engine = world.engine_on(disk);
    let directory = Path::new(DIRECTORY);
    let superblock = open_superblock(&mut engine, directory, UUID, 1)?;
    let (log, recovered) =
        Log::open_visiting(&mut engine, directory, &superblock, 0, config, visit)?;
    Ok((world, engine, log, recovered))
}

impl Party {
    pub(crate) fn open(
        disk: &Disk,
        seed: u64,
        model: Rc<RefCell<Model>>,
    ) -> Result<(Party, Vec<RecoveredMessage>), Error> {
        Party::open_told(disk, seed, model, &mut |_| ())
    }

    pub(crate) fn open_told(
        disk: &Disk,
        seed: u64,
        model: Rc<RefCell<Model>>,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<(Party, Vec<RecoveredMessage>), Error> {
        let (world, engine, log, recovered) = open_log(disk, seed, &CONFIG, visit)?;
        let (fetched, failed) = (VecDeque::new(), Vec::new());
        Ok((Party { world, engine, log, model, fetched, failed }, recovered))
    }

    /// Takes completions and confirms, then gives operations to the engine one by one.
    pub(crate) fn turn(&mut self) {
        let mut completions = Vec::new();
        self.engine.poll(None, &mut completions).unwrap();
        for completion in completions {
            self.log.handle_completion(completion.token.0 as u32, completion.result);
            self.take_confirms();
        }
        self.write_note();
        while let Some((token, operation)) = self.log.poll_operation() {
            self.engine.submit(Token(u64::from(token)), operation);
        }
        self.take_confirms();
    }

    /// Answers when the log wants a note.
    fn write_note(&mut self) {
        if !self.log.wants_note() {
            return;
        }
        let mut model = self.model.borrow_mut();
        match self.log.note_request(None, &model.note(), NoteScope::Summary) {
            Ok(()) => model.note_count += 1,
            Err(Error::Full) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn take_confirms(&mut self) {
        let mut model = self.model.borrow_mut();
        while let Some(confirm) = self.log.poll_confirm() {
            match confirm {
                Confirm::Committed { ticket } => {
                    assert!(ticket > model.last_confirmed, "confirms come in log order");
                    model.last_confirmed = ticket;
                    model.confirmed_count += 1;
                    model.acknowledge(ticket);
                }
                Confirm::Failed { ticket, .. } => self.failed.push(ticket),
                Confirm::Fetched { ticket, octets } => {
                    self.fetched.push_back((ticket, Ok(octets.to_vec())));
                }
                Confirm::FetchFailed { ticket, error } => {
                    self.fetched.push_back((ticket, Err(error)));
                }
            }
        }
    }

    /// Turns until nothing is under way any more.
    pub(crate) fn settle(&mut self) {
        loop {
            self.turn();
            if !self.world.advance() {
                return;
            }
        }
    }

    /// Appends message `number`; bodies above `CHUNK_SIZE` go in chunks.
    pub(crate) fn append(
        &mut self,
        number: u64,
        size: usize,
        target_count: u16,
        attempted: u64,
    ) -> Result<(), Error> {
        let octets = body(number, size);
        let initially = |target| match target < 64 && attempted >> target & 1 == 1 {
            true => TargetState::Attempted,
            false => TargetState::Pending,
        };
        let targets = (0..target_count).map(initially);
        let expected = Expected {
            reference: None,
            size,
            acknowledged: false,
            targets: targets.map(|state| Target { initially: state, outcomes: vec![] }).collect(),
        };
        let mut chunks = Chunks::default();
        let (head, last) = octets.split_at(size.saturating_sub(1) / CHUNK_SIZE * CHUNK_SIZE);
        for chunk in head.chunks(CHUNK_SIZE) {
            match self.log.chunk_request(&mut chunks, chunk) {
                Ok(lease) => assert!(lease[..] == *chunk),
                Err(error) => {
                    self.log.abandon(chunks);
                    return Err(error);
                }
            }
        }
        let model = Rc::clone(&self.model);
        let mut model = model.borrow_mut();
        let ticket = model.ticket(Asked::Message(number));
        let metadata = metadata(number);
        let appended = if chunks.count() == 0 {
            let (front, back) = last.split_at(last.len() / 3);
            self.log.append_request(ticket, &metadata, target_count, attempted, &[front, back])
        } else {
            let log = &mut self.log;
            log.append_chunked_request(
                ticket,
                &metadata,
                target_count,
                attempted,
                &mut chunks,
                last,
            )
        };
        match appended {
            Ok(appended) => {
                assert!(appended.body[..] == *last);
                let reference = Some(appended.reference);
                model.messages.insert(number, Expected { reference, ..expected });
                let last = model.associations.entry(association(number));
                let last = last.or_insert(Last { appended: number, acknowledged: None });
                last.appended = number;
                if model.acknowledges_at_once {
                    model.acknowledge(ticket);
                }
                Ok(())
            }
            Err(error) => {
                self.log.abandon(chunks);
                model.asked.remove(&ticket);
                Err(error)
            }
        }
    }

    pub(crate) fn outcome(
        &mut self,
        number: u64,
        target: u16,
        outcome: Outcome,
    ) -> Result<(), Error> {
        let model = Rc::clone(&self.model);
        let mut model = model.borrow_mut();
        let reference = model.messages[&number].reference.unwrap();
        let ticket = model.ticket(Asked::Outcome(number, target));
        let result = self.log.outcome_request(Some(ticket), reference, target, outcome);
        if result.is_err() {
            model.asked.remove(&ticket);
            return result;
        }
        model.messages.get_mut(&number).unwrap().outcome(target, outcome);
        Ok(())
    }

    /// The body of a message, read back from the disk.
    pub(crate) fn fetch(
        &mut self,
        reference: MessageReference,
        size: usize,
    ) -> Result<Vec<u8>, Error> {
        let mut octets = Vec::new();
        loop {
            let rest = size - octets.len();
            self.log.fetch_request(7, reference, octets.len() as u64, rest)?;
            while self.fetched.is_empty() {
                self.turn();
                self.world.advance();
            }
            let (ticket, part) = self.fetched.pop_front().unwrap();
            assert_eq!(ticket, 7);
            octets.extend_from_slice(&part?);
            if octets.len() >= size {
                return Ok(octets);
            }
        }
    }
}

/// Whether a log tells of each association its last acknowledged message, or a later one.
fn check_told(told: &Told, model: &Model) -> Result<(), String> {
    if let Some(name) = told.keys().find(|name| !model.associations.contains_key(name)) {
        return Err(format!("association {name} never was"));
    }
    for (name, last) in &model.associations {
        let found = told.get(name).copied();
        if found > Some(last.appended) || found < last.acknowledged {
            return Err(format!("of association {name} {found:?} is told, {last:?}"));
        }
    }
    Ok(())
}

/// Opens `image` and says what is not as the model demands; else gives the party that opened it.
pub(crate) fn check(image: &Disk, seed: u64, model: &Model) -> Result<Party, String> {
    let own = Rc::new(RefCell::new(Model { acknowledges_at_once: false, ..model.clone() }));
    let (mut told, mut note_count) = (Told::new(), 0);
    let visit = &mut |entry: Entry<'_>| note_count += usize::from(hear(&mut told, entry));
    let (mut party, recovered) = Party::open_told(image, seed, Rc::clone(&own), visit)
        .map_err(|error| format!("opening: {error}"))?;
    // From here on, what was found is acknowledged, what was not is gone, and states are as found.
    let last = |number: &u64| Last { appended: *number, acknowledged: Some(*number) };
    own.borrow_mut().associations = told.iter().map(|(name, it)| (*name, last(it))).collect();
    if note_count > party.log.counters().segments as usize {
        return Err(format!("{note_count} notes"));
    }
    let mut found = BTreeMap::new();
    for message in &recovered {
        let octets = message.metadata.get(..8).ok_or("metadata cut short")?;
        let number = u64::from_le_bytes(octets.try_into().unwrap());
        let Some(expected) = model.messages.get(&number) else {
            return Err(format!("message {number} was never appended"));
        };
        if found.insert(number, message.reference).is_some() {
            return Err(format!("message {number} was found twice"));
        }
        if message.metadata != metadata(number) || message.body_size != expected.size as u64 {
            return Err(format!("message {number} has changed"));
        }
        if !expected.targets.is_empty() && expected.targets.iter().all(|t| t.ended(true)) {
            return Err(format!("message {number} came back after its acknowledged end"));
        }
        for (index, target) in expected.targets.iter().enumerate() {
            if !target.allowed().contains(&message.targets[index]) {
                let state = message.targets[index];
                return Err(format!("target {index} of message {number} is {state:?}: {target:?}"));
            }
        }
        let read = party.fetch(message.reference, expected.size);
        if read.map_err(|error| error.to_string())? != body(number, expected.size) {
            return Err(format!("message {number} has another body"));
        }
    }
    for (number, expected) in &model.messages {
        let may_be_gone = expected.targets.iter().all(|target| target.ended(false));
        if expected.acknowledged && !may_be_gone && !found.contains_key(number) {
            return Err(format!("message {number} is lost"));
        }
    }
    check_told(&told, model)?;
    let mut model = own.borrow_mut();
    model.asked.clear();
    model.messages.retain(|number, _| found.contains_key(number));
    for message in recovered {
        let number = u64::from_le_bytes(message.metadata[..8].try_into().unwrap());
        let expected = model.messages.get_mut(&number).unwrap();
        expected.acknowledged = true;
        expected.reference = Some(message.reference);
        for (target, state) in expected.targets.iter_mut().zip(&message.targets) {
            *target = Target { initially: *state, outcomes: Vec::new() };
            if *state == TargetState::Final {
                target.outcomes.push((Outcome::Transferred, true));
            }
        }
    }
    drop(model);
    Ok(party)
}
