//! `p1load reopen`: a relay with a dead partner is filled through the wire, killed by SIGKILL, and
//! started again with nothing of its store in memory, until it accepts.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use rustix::fs::{Advice, fadvise};
use serde::Serialize;

use super::process::Cores;
use super::run::{configuration, start_relay};
use super::spread::Spread;
use super::{LoadArguments, RelayOptions};
use crate::common::print;
use crate::load::{Load, Plan};

/// What the relay logs: it would warn of its dead partner again and again.
const LEVEL: &str = "error";

/// Arguments of `p1load reopen`.
#[derive(Debug, Args)]
pub(crate) struct ReopenArguments {
    #[command(flatten)]
    load: LoadArguments,
    #[command(flatten)]
    relay: RelayOptions,
    /// How often it is killed and started again.
    #[arg(long, default_value_t = 3)]
    openings: usize,
}

#[derive(Debug, Serialize)]
struct ReopenResult {
    messages: u64,
    size: usize,
    associations: usize,
    fill_seconds: f64,
    /// Octets of the store's files.
    store_size: u64,
    /// How nothing of it stayed in memory.
    cold_by: &'static str,
    /// From starting the process to accepting connections.
    reopen_seconds: Spread,
    /// Octets of resident memory that each queued message added, buffers included.
    resident_octets_per_message: f64,
    /// The same after reopening, compared with the relay that was opened empty.
    resident_octets_per_message_reopened: f64,
    io_engine: String,
    store_filesystem: String,
}

pub(crate) fn reopen(arguments: &ReopenArguments) -> anyhow::Result<bool> {
    arguments.load.in_folder(|folder| fill_and_reopen(arguments, folder))
}

fn fill_and_reopen(arguments: &ReopenArguments, folder: &Path) -> anyhow::Result<bool> {
    let load = &arguments.load;
    ensure!(arguments.openings > 0, "--openings 0 measures nothing");
    // The dead partner: a port on which nobody listens any more.
    let sink = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.local_addr()?;
    let config = folder.join("relay.toml");
    fs::write(&config, configuration(sink, arguments.relay.shards, load.associations))?;
    let cores = Cores::split(usize::from(arguments.relay.shards))?;
    let (process, ready) = start_relay(&config, arguments.relay.io, LEVEL, &cores)?;
    let address = *ready.addresses.first().context("the relay listens nowhere")?;
    let plan = Plan {
        warm_up: 0,
        messages: load.messages,
        arrive: false,
        rate: None,
        deadline: Instant::now() + Duration::from_secs_f64(load.timeout_s),
    };
    let protocol = load.protocol()?;
    let transfer_size = protocol.wire_sizes()?.0;
    let (mut sources, _) = Load::new(protocol, transfer_size, plan)?;
    sources.connect(address, load.associations)?;
    let empty_kib = process.resident_kib()?;
    let started = Instant::now();
    let in_time = sources.run(plan, |_, _| Ok(()))?;
    ensure!(
        in_time,
        "gave up after {} s: {} confirmed",
        load.timeout_s,
        sources.tally.confirmed_count
    );
    let fill_seconds = started.elapsed().as_secs_f64();
    let full_kib = process.resident_kib()?;
    // SIGKILL.
    drop(process);
    let store = folder.join("store");
    let mut times = Vec::new();
    let (mut cold_by, mut reopened_kib) = ("", 0);
    for _ in 0..arguments.openings {
        cold_by = forget_pages(&store)?;
        let started = Instant::now();
        let (process, ready) = start_relay(&config, arguments.relay.io, LEVEL, &cores)?;
        let address = ready.addresses.first().context("the relay listens nowhere")?;
        TcpStream::connect(address).context("the relay does not accept")?;
        times.push(started.elapsed().as_secs_f64());
        ensure!(
            ready.counters.recovered == load.messages,
            "{} messages were acknowledged, {} recovered",
            load.messages,
            ready.counters.recovered
        );
        reopened_kib = process.resident_kib()?;
    }
    let per_message =
        |kib: u64| (kib.saturating_sub(empty_kib) * 1024) as f64 / load.messages as f64;
    let result = ReopenResult {
        messages: load.messages,
        size: load.shape.size,
        associations: load.associations,
        fill_seconds,
        store_size: store_size(&store)?,
        cold_by,
        reopen_seconds: Spread::of(times),
        resident_octets_per_message: per_message(full_kib),
        resident_octets_per_message_reopened: per_message(reopened_kib),
        io_engine: ready.io_engine,
        store_filesystem: p1relay::demo::file_system(&load.directory)?,
    };
    print(load.json, &result, || {
        format!(
            "{} messages of {} octets queued in {:.1} s; store {} MiB on {}, io {}\n\
             killed, {}, and accepting again in {} s\n\
             resident octets a queued message: {:.0}, {:.0} after reopening",
            result.messages,
            result.size,
            result.fill_seconds,
            result.store_size >> 20,
            result.store_filesystem,
            result.io_engine,
            result.cold_by,
            result.reopen_seconds,
            result.resident_octets_per_message,
            result.resident_octets_per_message_reopened,
        )
    })?;
    Ok(true)
}

fn files(store: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(store).with_context(|| store.display().to_string())?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Octets that a store takes on disk.
fn store_size(store: &Path) -> anyhow::Result<u64> {
    let size = |path: &PathBuf| Ok(fs::metadata(path)?.blocks() * 512);
    files(store)?.iter().map(size).sum()
}

/// Writes back and drops the pages of a store's files, and with root's rights all others; tells which.
fn forget_pages(store: &Path) -> anyhow::Result<&'static str> {
    for path in files(store)? {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(match fs::write("/proc/sys/vm/drop_caches", "3") {
        Ok(()) => "all caches dropped",
        Err(_) => "the store's pages dropped by posix_fadvise (all caches: needs root)",
    })
}
