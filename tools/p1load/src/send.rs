//! `p1load send`: messages to an MTA, as fast as it confirms or at a fixed rate.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use p1relay::base::buffer::Lease;
use p1relay::endpoint::Endpoint;
use p1relay::endpoint::send::{Sender, Source};
use p1relay::endpoint::template::{Template, TemplateConfig, generated_text};
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::osi::stack::ApplicationContext;
use p1relay::p1::body_part::BodyPart;
use p1relay::p1::build::CONTENT_TYPE_P22;
use p1relay::p1::domain::GlobalDomainIdentifier;
use p1relay::p1::or_address::{AttributeKind, OrAddress};
use p1relay::p1::scan::Priority;
use p1relay::p1::transfer_1984::CONTENT_TYPE_P2;
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
    /// Sends this file as the text of an interpersonal message, in place of generated text: IA5 if it is that,
    /// else ISO 8859-1, into which UTF-8 is converted.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Sends this file as a file transfer body part, behind the text if one is given.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Sends this file's octets as the whole MTS-APDU.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "file"])]
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
    /// What a sender of this shape sends in this context.
    pub(crate) fn source(
        &self,
        engine: &impl Engine,
        context: ApplicationContext,
    ) -> anyhow::Result<Source> {
        if let Some(path) = &self.apdu {
            return Ok(Source::Replay(Lease::copied(&read(path)?)));
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
            let numbered =
                |number: usize| first.clone().with(AttributeKind::GivenName, format!("N{number}"));
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
        let text = match &self.text {
            Some(path) => Some(read(path)?),
            None if self.file.is_none() => Some(generated_text(self.size)),
            None => None,
        };
        let file = self.file.as_deref().map(read).transpose()?;
        let name = self.file.as_deref().and_then(Path::file_name).unwrap_or_default();
        let characters = text.as_deref().map(characters).transpose()?;
        let text = characters.as_ref().map(|(text, is_ia5)| match is_ia5 {
            true => BodyPart::Ia5Text(text),
            false => BodyPart::Iso8859Text(text),
        });
        let file = file.as_deref().map(|octets| BodyPart::File { name: name.as_bytes(), octets });
        let body: Vec<BodyPart<'_>> = text.into_iter().chain(file).collect();
        let is_1984 = context == ApplicationContext::MtsTransferProtocol1984;
        if is_1984 && !matches!(body[..], [BodyPart::Ia5Text(_)]) {
            anyhow::bail!("1984 has IA5 text only; send this in another --context");
        }
        let content_type = if is_1984 { CONTENT_TYPE_P2 } else { CONTENT_TYPE_P22 };
        let template = Template::of_body(&config, content_type, &body, wall)?;
        Ok(Source::Template(Box::new(template)))
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// A text's characters, and whether they are all of IA5; they are of ISO 8859-1 otherwise.
fn characters(text: &[u8]) -> anyhow::Result<(Vec<u8>, bool)> {
    if text.is_ascii() {
        return Ok((text.to_vec(), true));
    }
    // What is not UTF-8 is taken for ISO 8859-1 as it stands.
    let Ok(unicode) = std::str::from_utf8(text) else { return Ok((text.to_vec(), false)) };
    let converted = unicode.chars().map(|it| {
        u8::try_from(u32::from(it)).with_context(|| format!("--text: {it:?} is not in ISO 8859-1"))
    });
    Ok((converted.collect::<anyhow::Result<_>>()?, false))
}

/// The management domain that an address stands in.
fn domain_of(address: &OrAddress) -> Option<GlobalDomainIdentifier> {
    Some(GlobalDomainIdentifier::new(
        address.value(AttributeKind::Country)?.to_owned(),
        address.value(AttributeKind::AdministrationDomain)?.to_owned(),
        address.value(AttributeKind::PrivateDomain).map(str::to_owned),
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
    let source = arguments.shape.source(&engine, arguments.identity.context)?;
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
