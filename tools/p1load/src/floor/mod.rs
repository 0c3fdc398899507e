//! `p1load floor`: what the machine can do at most. The same octets over the same number of connections
//! as a relay moves, one transfer at a time on each, every one durable before it is confirmed, and no
//! protocol at all.

mod log;
mod relay;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::common::Percentiles;

/// Arguments of the floor's relay process.
#[derive(Debug, Args)]
pub(crate) struct FloorRelayArguments {
    /// The sink.
    #[arg(long)]
    to: SocketAddr,
    /// Connections in, and as many out.
    #[arg(long)]
    connections: usize,
    /// Octets of a transfer.
    #[arg(long)]
    size: usize,
    /// Octets of a confirmation.
    #[arg(long)]
    confirmation_size: usize,
    /// The log, which is made unless it is there.
    #[arg(long)]
    log: PathBuf,
    /// Commits that may be in flight.
    #[arg(long)]
    in_flight: usize,
}

/// What the floor's relay process tells: a line when it listens, a line when it has ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct FloorStatus {
    /// Where it listens; in the first line only.
    pub(crate) address: Option<SocketAddr>,
    /// Transfers that were committed.
    pub(crate) messages: u64,
    /// `io_uring_enter` calls.
    pub(crate) system_calls: u64,
    /// Writes of the log.
    pub(crate) commits: u64,
    /// Octets of those writes.
    pub(crate) octets_written: u64,
    /// From handing a group to the kernel to its completion.
    pub(crate) commit_us: Percentiles,
}

/// The floor's relay process: runs until its callers have closed and everything was passed on.
pub(crate) fn floor_relay(arguments: &FloorRelayArguments) -> anyhow::Result<bool> {
    let (relay, address) = relay::Relay::start(arguments)?;
    tell(&FloorStatus { address: Some(address), ..FloorStatus::default() })?;
    tell(&relay.run()?)?;
    Ok(true)
}

fn tell(status: &FloorStatus) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(status)?)?;
    Ok(out.flush()?)
}
