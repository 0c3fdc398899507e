//! `p1relay run`: one relay until it is told to stop.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config;
use crate::io::probe::IoChoice;
use crate::routing::{ConnectorIndex, LinkFault};
use crate::shard::counters::CounterValues;
use crate::shard::node::Node;
use crate::shard::settings::Snapshot;

/// Arguments of `p1relay run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// I/O engine, in place of the configured one: auto, uring or epoll.
    #[arg(long)]
    pub io: Option<IoChoice>,
    /// Writes the counters to standard output as JSON lines, so often.
    #[arg(long, value_name = "MILLISECONDS")]
    pub status_interval_ms: Option<u64>,
    /// Log lines as JSON.
    #[arg(long)]
    pub log_json: bool,
}

/// A line of `--status-interval-ms`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// `ready`, `running` or `stopped`.
    pub state: String,
    /// Process id.
    pub pid: u32,
    /// `uring` or `epoll`.
    pub io_engine: String,
    /// Why that engine.
    pub io_engine_reason: String,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// What has been counted.
    #[serde(flatten)]
    pub counters: CounterValues,
    /// The connectors, in the order of the configuration.
    pub connectors: Vec<ConnectorStatus>,
}

/// How a connector does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectorStatus {
    /// Its name.
    pub name: String,
    /// `open`, `idle`, `retrying` or `down`.
    pub state: String,
    /// Messages waiting for it.
    pub queued: u32,
    /// How often the partner has failed us, by kind of failure.
    pub faults: BTreeMap<String, u64>,
}

/// Every connector's status.
fn connectors(snapshot: &Snapshot) -> Vec<ConnectorStatus> {
    let connectors = snapshot.settings.connectors.iter().enumerate();
    connectors
        .map(|(index, settings)| {
            let connector = ConnectorIndex(index as u16);
            let counts = LinkFault::ALL.iter().zip(snapshot.links.faults(connector));
            ConnectorStatus {
                name: settings.name.clone(),
                state: snapshot.links.state(connector).as_str().to_owned(),
                queued: snapshot.links.queued(connector),
                faults: counts.map(|(fault, count)| (fault.as_str().to_owned(), count)).collect(),
            }
        })
        .collect()
}

/// Starts the log on standard error; `RUST_LOG` narrows it.
pub fn start_log(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if json { log.json().try_init() } else { log.try_init() };
    if started.is_err() {
        eprintln!("p1relay: a log is already running");
    }
}

/// Runs a relay; the exit status is 0 after a graceful stop, 2 for a wrong configuration, else 1.
pub fn run(arguments: &RunArguments) -> ExitCode {
    start_log(arguments.log_json);
    let mut settings = match config::load(&arguments.config) {
        Ok(settings) => settings,
        Err(problems) => {
            config::report(&arguments.config, &problems);
            return ExitCode::from(2);
        }
    };
    if let Some(io) = arguments.io {
        settings.io = io;
    }
    match run_until_signal(settings, arguments.status_interval_ms.map(Duration::from_millis)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a relay in this process until SIGTERM or SIGINT, or until a shard fails.
///
/// # Errors
/// What kept it from starting, or made it stop.
pub fn run_until_signal(
    settings: crate::shard::settings::Settings,
    status_interval: Option<Duration>,
) -> anyhow::Result<()> {
    check_alone(&settings.listen)?;
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let node = Node::start(settings)?;
    for address in &node.addresses {
        tracing::info!(%address, "listening");
    }
    let (engine, reason) = (node.engine, node.engine_reason.clone());
    let (addresses, snapshot) = (node.addresses.clone(), node.snapshot());
    let status = |state: &str, counters: CounterValues| {
        if status_interval.is_some() {
            print_status(&Status {
                state: state.to_owned(),
                pid: std::process::id(),
                io_engine: engine.to_owned(),
                io_engine_reason: reason.clone(),
                addresses: addresses.clone(),
                counters,
                connectors: connectors(&snapshot),
            });
        }
    };
    status("ready", node.counters());
    let stopper = node.stopper();
    let interval = status_interval.unwrap_or(Duration::from_secs(1));
    let (signalled, signal) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for number in signals.forever() {
            if signalled.send(number).is_err() {
                return;
            }
        }
    });
    while node.is_running() {
        match signal.recv_timeout(interval) {
            Ok(number) => {
                tracing::info!(signal = number, "told to stop");
                stopper();
                break;
            }
            Err(_) => status("running", node.counters()),
        }
    }
    let counters = node.join()?;
    status("stopped", counters);
    tracing::info!("stopped");
    Ok(())
}

/// Makes sure that nobody listens yet where we shall. The kernel would not tell: shards share a port by
/// SO_REUSEPORT, and so would a second relay of the same user, which took half of the calls.
fn check_alone(listen: &[SocketAddr]) -> anyhow::Result<()> {
    for address in listen.iter().filter(|address| address.port() != 0) {
        let mut reached = *address;
        if reached.ip().is_unspecified() {
            reached.set_ip(match reached {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let answers = || TcpStream::connect_timeout(&reached, ANSWER_TIME).is_ok();
        let patience_ends = Instant::now() + LINGER_TIME;
        while answers() {
            if Instant::now() < patience_ends {
                std::thread::sleep(LINGER_TIME / 40);
                continue;
            }
            anyhow::bail!(
                "cannot listen on {address}: Address already in use: a process answers there; stop it, or \
                 write another port in `listen`"
            );
        }
    }
    Ok(())
}

/// How long the sockets of a process that was killed may still answer: the kernel ends rings behind it.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// How soon a process on this machine that listens has answered.
const ANSWER_TIME: Duration = Duration::from_millis(500);

fn print_status(status: &Status) {
    if let Ok(line) = serde_json::to_string(status) {
        let mut out = std::io::stdout().lock();
        // A reader that has gone away is no reason to stop relaying.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}
