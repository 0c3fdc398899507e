//! `p1load receive`: takes what an MTA sends; counts, digests, keeps.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use p1relay::endpoint::Endpoint;
use p1relay::endpoint::fault::Fault;
use p1relay::endpoint::receive::Receiver;
use p1relay::io::epoll::Epoll;
use serde::Serialize;

use crate::common::{Identity, Percentiles, print, progress, run};

/// Arguments of `p1load receive`.
#[derive(Debug, Args)]
pub(crate) struct ReceiveArguments {
    #[command(flatten)]
    identity: Identity,
    /// Where to listen, ADDRESS:PORT; port 0 takes a free one, told on standard error.
    #[arg(long)]
    listen: SocketAddr,
    /// Ends after so many different messages.
    #[arg(long)]
    count: Option<u64>,
    /// Lists arrivals, with SHA-256 of each content, in this file.
    #[arg(long)]
    manifest: Option<PathBuf>,
    /// Writes each MTS-APDU to a file of its own in this directory.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// The partner promises order: one association, one priority. An arrival out of order is an error.
    #[arg(long)]
    ordered: bool,
    /// Misbehaves: refuse, busy, mute (connections are accepted and nothing is said), stall (binds are, and
    /// nothing more), cut=N (each connection behind N octets), wrong-confirmation, no-recovery or forget.
    #[arg(long)]
    fault: Option<Fault>,
    /// Ends after so many seconds.
    #[arg(long)]
    timeout_s: Option<f64>,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

/// What `p1load receive` tells.
#[derive(Debug, Serialize)]
struct ReceiveResult {
    messages: u64,
    distinct: u64,
    duplicated: u64,
    duplicates: Vec<String>,
    malformed: u64,
    out_of_order: Option<u64>,
    seconds: f64,
    messages_per_s: f64,
    latency_us: Percentiles,
    notes: Vec<String>,
}

pub(crate) fn receive(arguments: &ReceiveArguments) -> anyhow::Result<bool> {
    let mut receiver = Receiver::new(arguments.count);
    if let Some(path) = &arguments.manifest {
        let file = std::fs::File::create(path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        receiver = receiver.with_manifest(Box::new(std::io::BufWriter::new(file)));
    }
    if let Some(directory) = &arguments.directory {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("{} cannot be made", directory.display()))?;
        receiver = receiver.with_directory(directory.clone());
    }
    let mut endpoint = Endpoint::new(Epoll::new()?, arguments.identity.config(None), receiver)
        .with_fault(arguments.fault);
    let (_, address) = endpoint.listen(arguments.listen)?;
    eprintln!("listening on {address}");
    let bar = progress(arguments.count);
    let timeout = arguments.timeout_s.map(Duration::from_secs_f64);
    let finished =
        run(&mut endpoint, timeout, |receiver| bar.set_position(receiver.distinct_count()))?;
    bar.finish_and_clear();
    let receiver = &mut endpoint.script;
    receiver.finish_manifest()?;
    let seconds = receiver.span.map_or(0.0, |(first, last)| last.since(first).as_secs_f64());
    let result = ReceiveResult {
        messages: receiver.received_count,
        distinct: receiver.distinct_count(),
        duplicated: receiver.duplicate_count,
        duplicates: receiver
            .duplicates()
            .map(|it| String::from_utf8_lossy(it).into_owned())
            .collect(),
        malformed: receiver.malformed_count,
        out_of_order: arguments.ordered.then_some(receiver.out_of_order_count),
        seconds,
        messages_per_s: receiver.received_count as f64 / seconds.max(1e-9),
        latency_us: Percentiles::of(&receiver.latency_ns),
        notes: receiver.notes.clone(),
    };
    print(arguments.json, &result, || {
        let mut text = result.notes.iter().map(|note| format!("{note}\n")).collect::<String>();
        text += &format!(
            "{} arrived in {:.3} s, {:.0} a second, {} twice, {} malformed; {}",
            result.distinct,
            result.seconds,
            result.messages_per_s,
            result.duplicated,
            result.malformed,
            result.latency_us
        );
        if let Some(count) = result.out_of_order {
            text += &format!("; {count} out of order");
        }
        text
    })?;
    Ok((finished || arguments.count.is_none())
        && result.malformed == 0
        && result.out_of_order.unwrap_or(0) == 0)
}
