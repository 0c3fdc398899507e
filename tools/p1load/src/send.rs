//! `p1load send`: messages to an MTA, as fast as it confirms or at a fixed rate.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use p1relay::base::buffer::Lease;
use p1relay::endpoint::Endpoint;
use p1relay::endpoint::send::{Sender, Source};
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::or_address::OrAddress;
use p1relay::p1::scan::Priority;
use serde::Serialize;

use crate::common::{Identity, Percentiles, print, progress, run};

/// Arguments of `p1load send`.
#[derive(Debug, Args)]
pub(crate) struct SendArguments {
    #[command(flatten)]
    identity: Identity,
    /// The MTA to call, ADDRESS:PORT.
    #[arg(long)]
    to: SocketAddr,
    /// What messages look like.
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// How many.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Associations to open.
    #[arg(long, default_value_t = 1)]
    associations: usize,
    /// Messages a second, whether the MTA keeps up or not; without it as fast as it confirms.
    #[arg(long)]
    rate: Option<f64>,
    /// Lists what was sent in this file.
    #[arg(long)]
    manifest: Option<PathBuf>,
    /// Gives up after so many seconds.
    #[arg(long)]
    timeout_s: Option<f64>,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

/// What messages look like.
#[derive(Debug, Clone, Args)]
pub(crate) struct Shape {
    /// Size of the generated text, octets.
    #[arg(long, default_value_t = 2048)]
    pub(crate) size: usize,
    /// Sends this file's octets as the text of an interpersonal message, in place of generated text.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Sends this file's octets as the whole MTS-APDU.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    apdu: Option<PathBuf>,
    /// Who sends.
    #[arg(long, default_value = "C=GB;A=CARRIER1;P=ACME-A;O=LOAD;S=SENDER")]
    originator: String,
    /// To whom; may be given several times.
    #[arg(long = "recipient", default_value = "C=FR;A=CARRIER2;P=ACME-B;O=LOAD;S=RECEIVER")]
    recipients: Vec<String>,
    /// Makes so many recipients of the first one, by numbered given names.
    #[arg(long)]
    recipient_count: Option<usize>,
    /// normal, non-urgent or urgent.
    #[arg(long, default_value = "normal")]
    priority: String,
    /// Subject of the interpersonal message.
    #[arg(long, default_value = "p1load")]
    subject: String,
    /// Tells senders of one run apart in MTS-identifiers.
    #[arg(long, default_value_t = 0)]
    pub(crate) sender: u16,
}

impl Shape {
    /// What a sender of this shape sends.
    pub(crate) fn source(&self, engine: &impl Engine) -> anyhow::Result<Source> {
        if let Some(path) = &self.apdu {
            let octets = std::fs::read(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            return Ok(Source::Replay(Lease::copied(&octets)));
        }
        let wall = engine.now().wall;
        let originator: OrAddress = self.originator.parse().context("--originator")?;
        let mut recipients = self
            .recipients
            .iter()
            .map(|text| text.parse().with_context(|| format!("--recipient {text}")))
            .collect::<anyhow::Result<Vec<OrAddress>>>()?;
        if let Some(count) = self.recipient_count {
            let first = recipients.first().cloned().context("--recipient is needed")?;
            let numbered = |number: usize| OrAddress {
                given_name: Some(format!("N{number}")),
                ..first.clone()
            };
            recipients = (1..=count).map(numbered).collect();
        }
        let priority = match self.priority.as_str() {
            "normal" => Priority::Normal,
            "non-urgent" => Priority::NonUrgent,
            "urgent" => Priority::Urgent,
            other => anyhow::bail!("--priority {other}: write normal, non-urgent or urgent"),
        };
        let config = TemplateConfig {
            domain: domain_of(&originator)
                .context("--originator has no country and administration domain")?,
            originator,
            recipients,
            priority,
            text_size: self.size,
            subject: self.subject.clone(),
            incarnation: wall.0 as u64,
            sender: self.sender,
        };
        let template = match &self.text {
            Some(path) => {
                let text = std::fs::read(path)
                    .with_context(|| format!("{} cannot be read", path.display()))?;
                Template::of_text(&config, &text, wall)?
            }
            None => Template::new(&config, wall)?,
        };
        Ok(Source::Template(Box::new(template)))
    }
}

/// The management domain that an address stands in.
fn domain_of(address: &OrAddress) -> Option<GlobalDomainIdentifier> {
    Some(GlobalDomainIdentifier::new(
        address.country.clone()?,
        address.administration_domain.clone()?,
        address.private_domain.clone(),
    ))
}

/// What `p1load send` tells.
#[derive(Debug, Serialize)]
struct SendResult {
    messages: u64,
    seconds: f64,
    messages_per_s: f64,
    in_doubt: Vec<u64>,
    latency_us: Percentiles,
    notes: Vec<String>,
}

pub(crate) fn send(arguments: &SendArguments) -> anyhow::Result<bool> {
    let engine = Epoll::new()?;
    let source = arguments.shape.source(&engine)?;
    let mut sender = Sender::new(source, arguments.count, arguments.rate);
    if let Some(path) = &arguments.manifest {
        let file = std::fs::File::create(path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        sender = sender.with_manifest(Box::new(std::io::BufWriter::new(file)));
    }
    let config = arguments.identity.config(Some((arguments.to, arguments.associations)));
    let mut endpoint = Endpoint::new(engine, config, sender);
    let bar = progress(Some(arguments.count));
    let timeout = arguments.timeout_s.map(Duration::from_secs_f64);
    let finished =
        run(&mut endpoint, timeout, |sender| bar.set_position(sender.confirmed_count()))?;
    bar.finish_and_clear();
    let sender = &mut endpoint.script;
    sender.finish_manifest()?;
    let seconds = match (sender.started(), sender.last_confirmed) {
        (Some(first), Some(last)) => last.since(first).as_secs_f64(),
        _ => 0.0,
    };
    let result = SendResult {
        messages: sender.confirmed_count(),
        seconds,
        messages_per_s: sender.confirmed_count() as f64 / seconds.max(1e-9),
        in_doubt: sender.in_doubt.clone(),
        latency_us: Percentiles::of(&sender.latency_ns),
        notes: sender.notes.clone(),
    };
    print(arguments.json, &result, || {
        let mut text = result.notes.iter().map(|note| format!("{note}\n")).collect::<String>();
        text += &format!(
            "{} confirmed in {:.3} s, {:.0} a second, {} in doubt; {}",
            result.messages,
            result.seconds,
            result.messages_per_s,
            result.in_doubt.len(),
            result.latency_us
        );
        text
    })?;
    Ok(finished)
}
