//! The store's promise, on a disk that loses, tears and reorders what is not yet durable: after a crash
//! at any instant every acknowledged message is there once and whole, and nothing by halves.

#![allow(clippy::unwrap_used, reason = "what the tests share may panic as they may")]

mod derived;
mod driver;
mod errors;
mod format;
mod notes;
mod relay;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use driver::{Model, Party, check};
use p1relay::base::limits::CHUNK_SIZE;
use p1relay::io::simulated::{Disk, Random};
use p1relay::store::{Error, Outcome};

const MESSAGE_COUNT: u64 = 200;
const SIZES: [usize; 10] =
    [0, 1, 300, 2048, 2048, 5000, 20_000, CHUNK_SIZE - 1, CHUNK_SIZE, 300 << 10];

/// What a run did besides surviving.
#[derive(Debug, Default)]
struct Run {
    steps: u64,
    images: u64,
    segments_recycled: u64,
    confirmed: usize,
    note_count: usize,
    complaint: Option<String>,
}

/// Runs `MESSAGE_COUNT` messages through a log, whose user may make a mistake, and at every step of the disk recovers from images of
/// `crashes_per_step` crashes. Ends at the first complaint.
fn run(seed: u64, crashes_per_step: u64, mistake: Model) -> Run {
    let disk = Disk::new();
    let model = Rc::new(RefCell::new(mistake));
    let (mut party, recovered) = Party::open(&disk, seed, Rc::clone(&model)).unwrap();
    assert!(recovered.is_empty());
    let complaint = Rc::new(RefCell::new(None));
    let images = Rc::new(Cell::new(0));
    {
        let (model, complaint, images) =
            (Rc::clone(&model), Rc::clone(&complaint), Rc::clone(&images));
        disk.set_step_hook(Some(Box::new(move |step, disk| {
            for crash in 0..crashes_per_step {
                if complaint.borrow().is_some() {
                    return;
                }
                let chance = seed.wrapping_mul(1_000_003) ^ (step * 101 + crash);
                images.set(images.get() + 1);
                let result = survive(&disk.crash_image(chance), chance, &model);
                if let Err(what) = result {
                    *complaint.borrow_mut() = Some(format!("step {step}, crash {crash}: {what}"));
                }
            }
        })));
    }
    let mut random = Random::new(seed);
    let mut number = 0;
    let mut live: Vec<(u64, u16)> = Vec::new();
    while (number < MESSAGE_COUNT || !live.is_empty()) && complaint.borrow().is_none() {
        for _ in 0..random.below(4) {
            if number < MESSAGE_COUNT && append_one(&mut party, number, &mut random, &mut live) {
                number += 1;
            }
        }
        for _ in 0..random.below(14) {
            let draining = number == MESSAGE_COUNT || !party.log.is_ready();
            settle_one(&mut party, &mut random, &mut live, draining);
        }
        party.turn();
        party.world.advance();
    }
    party.settle();
    disk.set_step_hook(None);
    let complaint = complaint.borrow().clone();
    let confirmed = model.borrow().confirmed_count;
    let note_count = model.borrow().note_count;
    Run {
        steps: disk.step(),
        images: images.get(),
        segments_recycled: party.log.counters().segments_recycled,
        confirmed,
        note_count,
        complaint,
    }
}

fn append_one(
    party: &mut Party,
    number: u64,
    random: &mut Random,
    live: &mut Vec<(u64, u16)>,
) -> bool {
    let size = SIZES[random.below(SIZES.len() as u64) as usize];
    let target_count = [1, 1, 1, 2, 3, 20][random.below(6) as usize];
    let attempted = if random.one_in(3) { 1 } else { 0 };
    match party.append(number, size, target_count, attempted) {
        Ok(()) => {
            live.extend((0..target_count).map(|target| (number, target)));
            true
        }
        Err(Error::Full | Error::Busy) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Gives an old open target of an acknowledged message its next outcome.
fn settle_one(party: &mut Party, random: &mut Random, live: &mut Vec<(u64, u16)>, draining: bool) {
    let backlog = if draining { 0 } else { 12 };
    if live.len() <= backlog {
        return;
    }
    let index = random.below((live.len() as u64).min(20)) as usize;
    let (number, target) = live[index];
    if !party.model.borrow().messages[&number].acknowledged {
        return;
    }
    let (outcome, ends) = match random.below(8) {
        0 | 1 => (Outcome::Attempted, false),
        2 => (Outcome::Deferred, false),
        3 => (Outcome::Expired, true),
        4 => (Outcome::Returned, true),
        _ => (Outcome::Transferred, true),
    };
    match party.outcome(number, target, outcome) {
        Ok(()) if ends => _ = live.remove(index),
        Ok(()) | Err(Error::Full) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Recovers from an image, goes on from there, crashes again, and recovers again.
fn survive(image: &Disk, seed: u64, model: &RefCell<Model>) -> Result<(), String> {
    let mut party = check(image, seed, &model.borrow())?;
    let mut random = Random::new(seed);
    for number in 1000..1003 {
        let size = SIZES[random.below(7) as usize];
        while let Err(error) = party.append(number, size, 1, 0) {
            if !matches!(error, Error::Full) || !party.world.advance() {
                // The image was full of live messages already.
                break;
            }
            party.turn();
        }
        party.turn();
        if random.one_in(2) {
            party.world.advance();
            party.turn();
        }
    }
    let again = image.crash_image(seed ^ 0x5555);
    let went_on = party.model.borrow();
    check(&again, seed, &went_on).map_err(|what| format!("after going on: {what}"))?;
    Ok(())
}

#[test]
fn every_acknowledged_message_survives_a_crash_at_every_step() {
    for seed in [1, 2] {
        let run = run(seed, 3, Model::default());
        assert_eq!(run.complaint, None, "seed {seed}");
        assert!(run.steps > 300 && run.images > 3 * 290, "{run:?}");
        assert!(run.segments_recycled >= 5, "{run:?}");
        assert!(run.note_count as u64 >= run.segments_recycled, "{run:?}");
        assert!(run.confirmed as u64 > 2 * MESSAGE_COUNT, "{run:?}");
    }
}

#[test]
fn acknowledging_before_the_commit_is_seen_as_loss() {
    let run = run(1, 2, Model { acknowledges_at_once: true, ..Model::default() });
    let complaint = run.complaint.expect("the checker must see the loss");
    assert!(complaint.ends_with("is lost"), "{complaint}");
}

#[test]
fn what_no_note_sums_up_is_seen_as_forgotten_with_its_segment() {
    let run = run(1, 1, Model { forgets: true, ..Model::default() });
    let complaint = run.complaint.expect("the checker must see the loss");
    assert!(complaint.contains("None is told, Last"), "{complaint}");
}
