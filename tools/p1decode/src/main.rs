//! p1decode: octets of P1 conversations as readable PDUs of all layers, in all application contexts.
//!
//! Takes a capture (pcap or pcapng; TCP connections that begin with TPKTs are found whatever their port), a
//! stream of TPKTs, or one bare MTS-APDU; the latter two also in hexadecimal. Exit status: 0 decoded; 1 the
//! file cannot be read or holds nothing of the kind.

mod capture;
mod tcp;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use p1relay::decode::{Conversation, Direction, Edition, Node, is_tpkt, mts_apdu};
use serde::Serialize;

use crate::tcp::{Connection, What};

/// Decodes captures of X.400 MTAs, or bare MTS-APDUs.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    /// A pcap or pcapng file, TPKTs, or an MTS-APDU; the latter two also in hexadecimal.
    file: PathBuf,
    /// Prints one JSON object a line for each PDU.
    #[arg(long)]
    json: bool,
    /// A TCP port whose connections are decoded even if they do not begin with a TPKT.
    #[arg(long)]
    port: Vec<u16>,
    /// By which Recommendation a bare MTS-APDU is read.
    #[arg(long, value_enum, default_value = "1988")]
    edition: EditionChoice,
}

#[derive(Clone, Copy, ValueEnum)]
enum EditionChoice {
    #[value(name = "1984")]
    Of1984,
    #[value(name = "1988")]
    Of1988,
}

/// One PDU, or several that came in one TPKT.
#[derive(Serialize)]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_context: Option<String>,
    #[serde(flatten)]
    node: Node,
    #[serde(skip)]
    sort_time: Duration,
}

impl Record {
    fn bare(node: Node, application_context: Option<&str>) -> Record {
        Record {
            time: None,
            connection: None,
            from: None,
            to: None,
            application_context: application_context.map(str::to_owned),
            node,
            sort_time: Duration::ZERO,
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if let (Some(time), Some(from), Some(to), Some(connection)) =
            (&self.time, self.from, self.to, self.connection)
        {
            let _ = write!(text, "{time} connection {connection} {from} -> {to}");
            if let Some(context) = &self.application_context {
                let _ = write!(text, " {context}");
            }
            text.push('\n');
        }
        let _ = write!(text, "{}", self.node);
        text
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("p1decode: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let octets = std::fs::read(&arguments.file)
        .with_context(|| format!("{} cannot be read", arguments.file.display()))?;
    let records = match capture::is_capture(&octets) {
        true => of_capture(&octets, &arguments.port)?,
        false => of_octets(&octets, arguments.edition)?,
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for record in &records {
        let line = match arguments.json {
            true => serde_json::to_string(record)? + "\n",
            false => record.text() + "\n",
        };
        // A reader that has seen enough is no fault.
        if out.write_all(line.as_bytes()).is_err() {
            return Ok(());
        }
    }
    let _ = out.flush();
    Ok(())
}

/// TPKTs or an MTS-APDU, as they stand or in hexadecimal.
fn of_octets(octets: &[u8], edition: EditionChoice) -> Result<Vec<Record>> {
    let hexadecimal = from_hexadecimal(octets);
    let octets = hexadecimal.as_deref().unwrap_or(octets);
    if is_tpkt(octets) {
        let mut conversation = Conversation::new();
        let nodes = conversation.receive(Direction::ToResponder, octets);
        let context = conversation.application_context();
        return Ok(nodes.into_iter().map(|node| Record::bare(node, context)).collect());
    }
    let edition = match edition {
        EditionChoice::Of1984 => Edition::Of1984,
        EditionChoice::Of1988 => Edition::Of1988,
    };
    match octets.first() {
        // message [0], report [1], probe [2], or the EXTERNAL around one of them
        Some(0xa0..=0xa2 | 0x28) => {
            let nodes = mts_apdu(octets, edition);
            Ok(nodes.into_iter().map(|node| Record::bare(node, None)).collect())
        }
        _ => bail!("neither a capture (pcap, pcapng) nor TPKTs nor an MTS-APDU"),
    }
}

/// The octets that hexadecimal digits stand for; `None` when there is anything but digits and white space.
fn from_hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .iter()
        .filter(|octet| !octet.is_ascii_whitespace())
        .map(|octet| char::from(*octet).to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn of_capture(octets: &[u8], ports: &[u16]) -> Result<Vec<Record>> {
    let connections = tcp::connections(&capture::segments(octets)?);
    let wanted = |connection: &&Connection| {
        let forced = connection.ends.iter().any(|end| ports.contains(&end.port()));
        forced || begins_with_tpkt(connection)
    };
    let mut records = Vec::new();
    for (index, connection) in connections.iter().filter(wanted).enumerate() {
        of_connection(index + 1, connection, &mut records);
    }
    if records.is_empty() {
        bail!("{} TCP connections, none begins with a TPKT", connections.len());
    }
    records.sort_by_key(|record| record.sort_time);
    Ok(records)
}

/// Whether either side's first octets are a TPKT.
fn begins_with_tpkt(connection: &Connection) -> bool {
    (0..2).any(|sender| first_octets(connection, sender).is_some_and(|octets| is_tpkt(&octets)))
}

/// The first octets of one side, as many as tell a TPKT; `None` when none or lost ones come first.
fn first_octets(connection: &Connection, sender: usize) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    for delivery in connection.deliveries.iter().filter(|delivery| delivery.sender == sender) {
        match &delivery.what {
            What::Octets(more) => octets.extend_from_slice(more),
            What::Lost(_) => break,
        }
        if octets.len() >= 7 {
            break;
        }
    }
    (!octets.is_empty()).then_some(octets)
}

/// Which end opened the transport connection: who sent CR, else who sent SYN or was seen first.
fn initiator(connection: &Connection) -> usize {
    let code = |sender| first_octets(connection, sender).and_then(|octets| octets.get(5).copied());
    usize::from(matches!(code(1), Some(0xe0..=0xef)) || matches!(code(0), Some(0xd0..=0xdf)))
}

fn of_connection(number: usize, connection: &Connection, records: &mut Vec<Record>) {
    let initiator = initiator(connection);
    let mut conversation = Conversation::new();
    for delivery in &connection.deliveries {
        let direction = match delivery.sender == initiator {
            true => Direction::ToResponder,
            false => Direction::ToInitiator,
        };
        let nodes = match &delivery.what {
            What::Octets(octets) => conversation.receive(direction, octets),
            What::Lost(count) => vec![conversation.lost(direction, *count)],
        };
        let time = i64::try_from(delivery.time.as_nanos())
            .ok()
            .map(|nanoseconds| jiff_time(nanoseconds).unwrap_or_else(|| nanoseconds.to_string()));
        records.extend(nodes.into_iter().map(|node| Record {
            time: time.clone(),
            connection: Some(number),
            from: Some(connection.ends[delivery.sender]),
            to: Some(connection.ends[1 - delivery.sender]),
            application_context: conversation.application_context().map(str::to_owned),
            node,
            sort_time: delivery.time,
        }));
    }
}

fn jiff_time(nanoseconds: i64) -> Option<String> {
    let timestamp = jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()?;
    Some(format!("{timestamp:.6}"))
}
