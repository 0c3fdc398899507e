//! What the subcommands share: who we are, the engine, percentiles, progress.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use p1relay::endpoint::{Endpoint, EndpointConfig, Script};
use p1relay::io::Engine;
use p1relay::osi::rtse::DialogueMode;
use p1relay::osi::stack::{ApplicationContext, StackConfig};
use p1relay::osi::transport::TransportSelector;
use serde::{Deserialize, Serialize};

/// Who the endpoint is, towards whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct Identity {
    /// Our MTA name.
    #[arg(long, default_value = "P1LOAD")]
    pub(crate) local_mta_name: String,
    /// Our password.
    #[arg(long, default_value = "")]
    pub(crate) local_password: String,
    /// The partner's MTA name; without it anyone is accepted.
    #[arg(long)]
    pub(crate) remote_mta_name: Option<String>,
    /// The partner's password.
    #[arg(long, default_value = "")]
    pub(crate) remote_password: String,
    /// Transport selector that we call.
    #[arg(long, default_value = "")]
    pub(crate) called_transport_selector: String,
    /// Checkpoint size, KiB; 0: no checkpoints.
    #[arg(long, default_value_t = 30)]
    pub(crate) checkpoint_size_kib: u32,
    /// Unconfirmed checkpoints allowed.
    #[arg(long, default_value_t = 5)]
    pub(crate) window_size: u32,
    /// Application context that we speak, or take: mts-transfer, mts-transfer-protocol or
    /// mts-transfer-protocol-1984.
    #[arg(long, default_value = "mts-transfer", value_parser = context)]
    pub(crate) context: ApplicationContext,
    /// Who may send on an association that we open: monologue or two-way-alternate.
    #[arg(long, default_value = "monologue", value_parser = dialogue_mode)]
    pub(crate) dialogue_mode: DialogueMode,
}

fn context(text: &str) -> Result<ApplicationContext, String> {
    let found = ApplicationContext::ALL.into_iter().find(|context| context.as_str() == text);
    found.ok_or_else(|| {
        format!("write {}", ApplicationContext::ALL.map(ApplicationContext::as_str).join(", "))
    })
}

fn dialogue_mode(text: &str) -> Result<DialogueMode, String> {
    match text {
        "monologue" => Ok(DialogueMode::Monologue),
        "two-way-alternate" => Ok(DialogueMode::TwoWayAlternate),
        _ => Err("write monologue or two-way-alternate".to_owned()),
    }
}

impl Identity {
    pub(crate) fn config(&self, call: Option<(SocketAddr, usize)>) -> EndpointConfig {
        let mut stack = StackConfig {
            application_context: self.context,
            accepted_application_contexts: vec![self.context],
            ..StackConfig::default()
        };
        stack.rtse.dialogue_mode = self.dialogue_mode;
        stack.transport.called_selector =
            TransportSelector(self.called_transport_selector.as_bytes().to_vec());
        stack.rtse.checkpoint_size_kib = self.checkpoint_size_kib;
        stack.rtse.window_size = self.window_size;
        EndpointConfig {
            local: (self.local_mta_name.clone(), self.local_password.clone()),
            remote: self.remote_mta_name.clone().map(|name| (name, self.remote_password.clone())),
            stack: Arc::new(stack),
            call,
            retry_delay: Duration::from_millis(200),
        }
    }
}

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Percentiles {
    pub(crate) fn of(nanoseconds: &Histogram<u64>) -> Percentiles {
        let at = |quantile| nanoseconds.value_at_quantile(quantile) / 1000;
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: nanoseconds.max() / 1000,
        }
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Percentiles { p50, p90, p99, p999, max } = self;
        write!(f, "p50 {p50} p90 {p90} p99 {p99} p99.9 {p999} max {max} microseconds")
    }
}

/// A bar on a terminal, nothing elsewhere.
pub(crate) fn progress(total: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match total {
        Some(total) => ProgressBar::new(total).with_style(
            ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        ),
        None => ProgressBar::new_spinner(),
    }
}

/// Runs an endpoint to its end, `each` at least ten times a second.
pub(crate) fn run<E: Engine, S: Script>(
    endpoint: &mut Endpoint<E, S>,
    timeout: Option<Duration>,
    mut each: impl FnMut(&mut S),
) -> anyhow::Result<bool> {
    let started = endpoint.engine().now().instant;
    loop {
        let now = endpoint.engine().now().instant;
        if timeout.is_some_and(|timeout| now.since(started) >= timeout) {
            return Ok(false);
        }
        let finished = endpoint.run(Some(now + Duration::from_millis(100)))?;
        each(&mut endpoint.script);
        if finished {
            return Ok(true);
        }
    }
}

/// Prints a result for people or for programs.
pub(crate) fn print<T: Serialize>(
    json: bool,
    result: &T,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(result)?);
    } else {
        println!("{}", text());
    }
    Ok(())
}
