//! A message that takes another one's place: after a crash at any instant either it is there and the target
//! whose place it takes has its outcome, or neither.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::driver::{Asked, Model, Party, body, metadata};
use p1relay::base::limits::CHUNK_SIZE;
use p1relay::io::simulated::{Disk, Random};
use p1relay::store::{
    Chunks, Error, MessageReference, NewMessage, Outcome, Settlement, TargetState,
};

const SUBJECT_COUNT: u64 = 24;
/// The message derived from subject `n` has this number more.
const DERIVED: u64 = 1 << 32;
const SIZES: [usize; 6] = [1, 2048, 30_000, CHUNK_SIZE, CHUNK_SIZE + 1, 200_000];

/// How the derived message and the outcome are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    Together,
    /// The mistake that the checker must see.
    Apart,
}

fn derived_size(subject: u64) -> usize {
    SIZES[(subject as usize + 1) % SIZES.len()]
}

/// What a crash leaves must be whole.
fn check(image: &Disk, seed: u64) -> Result<usize, String> {
    let model = Rc::new(RefCell::new(Model::default()));
    let (mut party, recovered) =
        Party::open(image, seed, model).map_err(|error| error.to_string())?;
    let number = |metadata: &[u8]| u64::from_le_bytes(metadata[..8].try_into().unwrap());
    let found: BTreeMap<u64, (MessageReference, Vec<TargetState>)> = recovered
        .iter()
        .map(|it| (number(&it.metadata), (it.reference, it.targets.to_vec())))
        .collect();
    let mut derived_count = 0;
    for (subject, (_, targets)) in found.range(..DERIVED) {
        let derived = found.contains_key(&(subject + DERIVED));
        if derived != (targets[0] == TargetState::Final) {
            return Err(format!("subject {subject}: {targets:?}, derived: {derived}"));
        }
    }
    for (derived, (reference, _)) in found.range(DERIVED..) {
        derived_count += 1;
        let size = derived_size(derived - DERIVED);
        let read = party.fetch(*reference, size).map_err(|error| error.to_string())?;
        if read != body(*derived, size) {
            return Err(format!("{derived} has another body"));
        }
        // The second target keeps its subject alive.
        if !found.contains_key(&(derived - DERIVED)) {
            return Err(format!("subject {} is lost", derived - DERIVED));
        }
    }
    Ok(derived_count)
}

fn derive(party: &mut Party, subject: u64, asking: Asking) -> Result<(), Error> {
    let reference = party.model.borrow().messages[&subject].reference.unwrap();
    let octets = body(subject + DERIVED, derived_size(subject));
    let mut chunks = Chunks::default();
    let (head, last) = octets.split_at((octets.len() - 1) / CHUNK_SIZE * CHUNK_SIZE);
    for chunk in head.chunks(CHUNK_SIZE) {
        if let Err(error) = party.log.chunk_request(&mut chunks, chunk) {
            party.log.abandon(chunks);
            return Err(error);
        }
    }
    let described = metadata(subject + DERIVED);
    let message = NewMessage { metadata: &described, target_count: 1, attempted: 0 };
    let settled = [Settlement { reference, target: 0, outcome: Outcome::Returned }];
    let together = if asking == Asking::Together { &settled[..] } else { &[] };
    let ticket = party.model.borrow_mut().ticket(Asked::Other);
    let asked = party.log.append_settling_request(ticket, &message, &mut chunks, &[last], together);
    if let Err(error) = asked {
        party.log.abandon(chunks);
        return Err(error);
    }
    if asking == Asking::Apart {
        party.turn();
        party.log.outcome_request(None, reference, 0, Outcome::Returned)?;
    }
    Ok(())
}

/// Derives from every subject, and at each step of the disk looks at what crashes leave; gives the first
/// complaint and the largest number of derived messages seen.
fn run(seed: u64, asking: Asking) -> (Option<String>, usize) {
    let disk = Disk::new();
    let model = Rc::new(RefCell::new(Model::default()));
    let (mut party, _) = Party::open(&disk, seed, model).unwrap();
    let complaint = Rc::new(RefCell::new(None));
    let seen = Rc::new(Cell::new(0));
    let (told, most) = (Rc::clone(&complaint), Rc::clone(&seen));
    disk.set_step_hook(Some(Box::new(move |step, disk| {
        for crash in 0..2 {
            let chance = seed.wrapping_mul(7919) ^ (step * 31 + crash);
            match check(&disk.crash_image(chance), chance) {
                Ok(count) => most.set(most.get().max(count)),
                Err(what) => {
                    told.borrow_mut().get_or_insert(format!("step {step}: {what}"));
                }
            }
        }
    })));
    let mut random = Random::new(seed);
    let mut waiting: Vec<u64> = Vec::new();
    let mut appended = 0;
    while appended < SUBJECT_COUNT || !waiting.is_empty() {
        for _ in 0..random.below(6) {
            let size = SIZES[random.below(3) as usize];
            if appended < SUBJECT_COUNT && party.append(appended, size, 2, 0).is_ok() {
                waiting.push(appended);
                appended += 1;
            }
        }
        for _ in 0..random.below(4) {
            let next = waiting.first().copied();
            let next = next.filter(|it| party.model.borrow().messages[it].acknowledged);
            let Some(subject) = next else { break };
            match derive(&mut party, subject, asking) {
                Ok(()) => _ = waiting.remove(0),
                Err(Error::Full | Error::Busy) => break,
                Err(error) => panic!("{error}"),
            }
        }
        party.turn();
        party.world.advance();
        if complaint.borrow().is_some() {
            break;
        }
    }
    party.settle();
    disk.set_step_hook(None);
    let complaint = complaint.borrow().clone();
    (complaint, seen.get())
}

#[test]
fn a_crash_leaves_the_derived_message_and_the_outcome_or_neither() {
    for seed in [3, 4] {
        let (complaint, seen) = run(seed, Asking::Together);
        assert_eq!(complaint, None, "seed {seed}");
        assert!(seen > SUBJECT_COUNT as usize / 2, "{seen} seen at most");
    }
}

#[test]
fn asking_for_them_one_after_the_other_is_seen() {
    let (complaint, _) = run(3, Asking::Apart);
    assert!(complaint.is_some());
}
