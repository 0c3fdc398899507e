//! The demo's two foreign MTAs, each a process of its own.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{SITES, password};
use crate::endpoint::receive::Receiver;
use crate::endpoint::send::{Sender, Source};
use crate::endpoint::template::{Template, TemplateConfig};
use crate::endpoint::{Endpoint, EndpointConfig, Script};
use crate::io::Engine;
use crate::io::epoll::Epoll;
use crate::osi::stack::StackConfig;
use crate::p1::scan::Priority;

/// MTA name of the sender.
pub(super) const SENDER: &str = "SENDER";
/// MTA name of the receiver.
pub(super) const RECEIVER: &str = "RECEIVER";

/// Arguments of the hidden `demo-send`.
#[derive(Debug, Args)]
pub struct SendArguments {
    /// The relay to call.
    #[arg(long)]
    pub to: SocketAddr,
    /// Messages to send.
    #[arg(long)]
    pub count: u64,
    /// Size of each text, octets.
    #[arg(long)]
    pub size: usize,
    /// Associations to open.
    #[arg(long)]
    pub associations: usize,
    /// Where to list what was sent.
    #[arg(long)]
    pub manifest: PathBuf,
}

/// Arguments of the hidden `demo-receive`.
#[derive(Debug, Args)]
pub struct ReceiveArguments {
    /// Different messages to wait for.
    #[arg(long)]
    pub count: u64,
    /// Where to list what arrived.
    #[arg(long)]
    pub manifest: PathBuf,
}

/// A line that sender and receiver write about themselves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct EndpointReport {
    /// Where it listens.
    pub(super) address: Option<SocketAddr>,
    /// Process id.
    pub(super) pid: u32,
    /// Messages confirmed, or different messages arrived.
    pub(super) count: u64,
    /// Messages that arrived more than once.
    pub(super) duplicates: u64,
    /// Messages that may have arrived without a confirmation and were sent again.
    pub(super) in_doubt: u64,
    /// Latency, microseconds: p50, p90, p99, p99.9, largest.
    pub(super) latency_us: [u64; 5],
}

impl EndpointReport {
    fn print(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(self)?)?;
        Ok(out.flush()?)
    }
}

fn percentiles_us(latency_ns: &Histogram<u64>) -> [u64; 5] {
    [0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| latency_ns.value_at_quantile(quantile) / 1000)
}

/// The sending MTA: ends when all is confirmed.
///
/// # Errors
/// When the engine or the manifest fails.
pub fn send(arguments: &SendArguments) -> anyhow::Result<()> {
    let engine = Epoll::new()?;
    let wall = engine.now().wall;
    let template = Template::new(
        &TemplateConfig {
            domain: SITES[0].domain.parse()?,
            originator: "C=GB;A=CARRIER1;P=ACME-A;O=SALES;S=SMITH;G=ANNE".parse()?,
            recipients: vec!["C=FR;A=CARRIER2;P=ACME-B;O=RESEARCH;S=DURAND;G=JEAN".parse()?],
            priority: Priority::Normal,
            text_size: arguments.size,
            subject: "Backbone demo".to_owned(),
            incarnation: wall.0 as u64 / 1000,
            sender: 0,
        },
        wall,
    )?;
    let manifest = File::create(&arguments.manifest).context("the manifest cannot be written")?;
    let sender = Sender::new(Source::Template(Box::new(template)), arguments.count, None)
        .with_manifest(Box::new(BufWriter::new(manifest)));
    let config = EndpointConfig {
        local: (SENDER.to_owned(), password(SENDER)),
        remote: Some((SITES[0].mta_name.to_owned(), password(SITES[0].mta_name))),
        stack: Arc::new(StackConfig::default()),
        call: Some((arguments.to, arguments.associations)),
        retry_delay: Duration::from_millis(200),
    };
    let mut endpoint = Endpoint::new(engine, config, sender);
    run_reporting(&mut endpoint, |sender: &Sender| EndpointReport {
        pid: std::process::id(),
        count: sender.confirmed_count(),
        in_doubt: sender.in_doubt.len() as u64,
        latency_us: percentiles_us(&sender.latency_ns),
        ..EndpointReport::default()
    })?;
    endpoint.script.notes.iter().for_each(|note| eprintln!("{note}"));
    endpoint.script.finish_manifest()
}

/// The receiving MTA: ends when all has arrived and the relay has released.
///
/// # Errors
/// When the engine or the manifest fails.
pub fn receive(arguments: &ReceiveArguments) -> anyhow::Result<()> {
    let manifest = File::create(&arguments.manifest).context("the manifest cannot be written")?;
    let receiver =
        Receiver::new(Some(arguments.count)).with_manifest(Box::new(BufWriter::new(manifest)));
    let last = SITES.len() - 1;
    let config = EndpointConfig {
        local: (RECEIVER.to_owned(), password(RECEIVER)),
        remote: Some((SITES[last].mta_name.to_owned(), password(SITES[last].mta_name))),
        stack: Arc::new(StackConfig::default()),
        call: None,
        retry_delay: Duration::from_millis(200),
    };
    let mut endpoint = Endpoint::new(Epoll::new()?, config, receiver);
    let (_, address) = endpoint.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    run_reporting(&mut endpoint, |receiver: &Receiver| EndpointReport {
        address: Some(address),
        pid: std::process::id(),
        count: receiver.distinct_count(),
        duplicates: receiver.duplicate_count,
        latency_us: percentiles_us(&receiver.latency_ns),
        ..EndpointReport::default()
    })?;
    endpoint.script.notes.iter().for_each(|note| eprintln!("{note}"));
    endpoint.script.finish_manifest()
}

fn run_reporting<E: Engine, S: Script>(
    endpoint: &mut Endpoint<E, S>,
    report: impl Fn(&S) -> EndpointReport,
) -> anyhow::Result<()> {
    report(&endpoint.script).print()?;
    loop {
        let next = endpoint.engine().now().instant + Duration::from_millis(100);
        let finished = endpoint.run(Some(next))?;
        report(&endpoint.script).print()?;
        if finished {
            return Ok(());
        }
    }
}
