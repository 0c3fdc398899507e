//! What good partners notice of bad ones: the relay with a dead partner and one that accepts and never answers,
//! both called all the time, in turn with one without them; and that one in turn with itself, which tells what
//! the machine's own unrest is. Within 10 %, or that unrest, is the design page's target.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use serde::Serialize;

use super::run::{BenchResult, run_relay};
use super::spread::Spread;
use super::versus::in_turn;
use super::{BenchArguments, RelayOptions};
use crate::common::print;

/// Ratios of pairs of runs.
#[derive(Debug, Serialize)]
struct Ratios {
    messages_per_s: Spread,
    latency_p99: Spread,
    cpu_per_message: Spread,
}

impl Ratios {
    fn of(ones: &[BenchResult], others: &[BenchResult]) -> Ratios {
        let ratio = |figure: fn(&BenchResult) -> f64| {
            Spread::of(ones.iter().zip(others).map(|(one, other)| figure(one) / figure(other)))
        };
        Ratios {
            messages_per_s: ratio(|run| run.messages_per_s),
            latency_p99: ratio(|run| run.latency_us.p99 as f64),
            cpu_per_message: ratio(|run| run.relay_cpu_us_per_message),
        }
    }
}

impl std::fmt::Display for Ratios {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ratios { messages_per_s, latency_p99, cpu_per_message } = self;
        writeln!(f, "  messages/s   {messages_per_s}")?;
        writeln!(f, "  latency p99  {latency_p99}")?;
        write!(f, "  CPU/message  {cpu_per_message}")
    }
}

/// What it comes to.
#[derive(Debug, Serialize)]
struct Beside {
    pairs: usize,
    messages: u64,
    associations: usize,
    /// With the bad partners, by without.
    beside_to_without: Ratios,
    /// Without, by without.
    without_to_without: Ratios,
    lost: u64,
    duplicated: u64,
}

pub(super) fn beside(arguments: &BenchArguments, folder: &Path) -> anyhow::Result<bool> {
    let load = &arguments.load;
    // Nobody ever accepts here: the system does, and nothing is answered.
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let dead = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let bad_partners = Some([dead, mute.local_addr()?]);
    let with = RelayOptions { bad_partners, ..arguments.relay };
    let without = || run_relay(&arguments.relay, load, folder);
    let (beside, plain) = in_turn(arguments.pairs, || run_relay(&with, load, folder), without)?;
    let (again, once) = in_turn(arguments.pairs, without, without)?;
    let runs = || [&beside, &plain, &again, &once].into_iter().flatten();
    let result = Beside {
        pairs: arguments.pairs,
        messages: load.messages,
        associations: load.associations,
        beside_to_without: Ratios::of(&beside, &plain),
        without_to_without: Ratios::of(&again, &once),
        lost: runs().map(|run| run.lost).sum(),
        duplicated: runs().map(|run| run.duplicated).sum(),
    };
    print(load.json, &result, || {
        format!(
            "{} pairs of {} messages, {} associations\nbeside bad partners by without them\n{}\n\
             without them by without them\n{}\nlost {}, twice {}",
            result.pairs,
            result.messages,
            result.associations,
            result.beside_to_without,
            result.without_to_without,
            result.lost,
            result.duplicated
        )
    })?;
    Ok(result.lost == 0 && result.duplicated == 0)
}
