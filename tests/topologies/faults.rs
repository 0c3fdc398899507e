//! What goes wrong: connections that break, relays that are killed, MTAs that are down.

use p1relay::io::simulated::Random;

/// What a network has to bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// Nothing but its routes.
    Fair,
    /// Broken connections, MTAs that are down and that refuse, times that run out.
    Faults,
    /// All that, and relays that are killed.
    Crashes,
}

impl Conditions {
    /// Simulated time after the last fate in which nothing more may come: all that waits has expired by then.
    pub(crate) fn quiet_s(self) -> u64 {
        match self {
            Conditions::Fair => 30,
            Conditions::Faults | Conditions::Crashes => 60,
        }
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Some connection breaks.
    Cut,
    /// This relay is killed, and down for so long, nanoseconds.
    Crash { relay: usize, down_ns: u64 },
}

/// When what goes wrong, the last first.
pub(crate) fn schedule(
    random: &mut Random,
    conditions: Conditions,
    relay_count: usize,
) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    if conditions != Conditions::Fair {
        for _ in 0..random.below(10) {
            faults.push((moment(random), Fault::Cut));
        }
    }
    if conditions == Conditions::Crashes {
        for _ in 0..1 + random.below(5) {
            let relay = random.below(relay_count as u64) as usize;
            faults.push((moment(random), Fault::Crash { relay, down_ns: moment(random) }));
        }
    }
    faults.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    faults
}

/// Most often within the few milliseconds in which most happens, at the latest after four seconds.
fn moment(random: &mut Random) -> u64 {
    let magnitude = 18 + random.below(15);
    random.below(1 << magnitude)
}

/// When an MTA begins to listen; `None`: never.
pub(crate) fn opening(random: &mut Random, conditions: Conditions) -> Option<u64> {
    match (conditions, random.below(8)) {
        (Conditions::Fair, _) => Some(0),
        (_, 0) => None,
        (_, 1 | 2) => Some(random.below(15_000_000_000)),
        _ => Some(0),
    }
}
