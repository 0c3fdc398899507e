//! Layer 7: `p1relay track`, where messages have been and where they are, read from the journal.
//!
//! Originator, recipient and content-identifier select messages, all of whose events are shown; connector and
//! time select among events. For one message the last line says where it is.
//!
//! Exit status: 0 something was found; 1 nothing was, or the journal cannot be read; 2 the arguments or the
//! configuration are wrong.

mod whereabouts;
mod words;

use std::collections::{HashSet, VecDeque};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::base::clock::WallTime;
use crate::config;
use crate::io::wall_time;
use crate::journal::{Found, Query, search};
use crate::p1::identifier::identifier_text;
use crate::p1::or_address::OrAddress;

/// Events of several shards are this far out of order at most, milliseconds: what a shard's buffer waits, and
/// the writer behind it.
const DISORDER_MS: i64 = 2_000;

/// Arguments of `p1relay track`.
#[derive(Debug, Args)]
pub struct TrackArguments {
    /// An MTS-identifier, as log lines show it (`C=GB;A=CARRIER/LOCAL`), or its local part.
    #[arg(value_name = "MTS-ID")]
    mts_identifier: Option<String>,
    /// The relay's configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Messages whose originator has these attributes, as `C=GB;A=CARRIER;S=SMITH`.
    #[arg(long, value_name = "ADDRESS")]
    originator: Option<OrAddress>,
    /// Messages with a recipient that has these attributes.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<OrAddress>,
    /// Messages with this content-identifier.
    #[arg(long, value_name = "TEXT")]
    content_identifier: Option<String>,
    /// Events at this connector.
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,
    /// Events from this time on: `2026-01-31T12:00`, UTC unless it says otherwise, or how long ago, as `2h`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<WallTime>,
    /// Events up to this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<WallTime>,
    /// Prints a JSON object for each event.
    #[arg(long)]
    json: bool,
}

/// Reads a point in time, or how long ago it was.
fn time(text: &str) -> Result<WallTime, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(WallTime(time.as_millisecond()));
    }
    if let Ok(time) = text.parse::<DateTime>() {
        let time = TimeZone::UTC.to_timestamp(time).map_err(|error| error.to_string())?;
        return Ok(WallTime(time.as_millisecond()));
    }
    match text.parse::<SignedDuration>() {
        Ok(ago) => Ok(WallTime(wall_time().0 - ago.as_millis() as i64)),
        Err(_) => Err("write a time like 2026-01-31T12:00, or how long ago, like 2h".to_owned()),
    }
}

/// Prints what was asked for.
pub fn track(arguments: &TrackArguments) -> ExitCode {
    let settings = match config::load(&arguments.config) {
        Ok(settings) => settings,
        Err(problems) => {
            config::report(&arguments.config, &problems);
            return ExitCode::from(2);
        }
    };
    let Some(tracking) = settings.tracking else {
        eprintln!("p1relay: [tracking] is not enabled in {}", arguments.config.display());
        return ExitCode::from(2);
    };
    match print_events(arguments, &tracking.directory) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("p1relay: nothing found in {}", tracking.directory.display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("p1relay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the events; gives whether there were any.
fn print_events(arguments: &TrackArguments, directory: &Path) -> anyhow::Result<bool> {
    let (since, until) = (arguments.since, arguments.until);
    let connector = arguments.connector.clone();
    let selects_messages = arguments.originator.is_some()
        || arguments.recipient.is_some()
        || arguments.content_identifier.is_some();
    let mut printer = Printer { json: arguments.json, printed: false };
    if arguments.mts_identifier.is_none() && !selects_messages {
        let query = Query { connector, since, until, ..Query::default() };
        in_time_order(events(directory, query)?, |found| printer.event(&found))?;
        return Ok(printer.printed);
    }
    let identifiers = match (&arguments.mts_identifier, selects_messages) {
        (Some(identifier), false) => vec![identifier.clone()],
        (identifier, _) => {
            let query = Query {
                identifier: identifier.clone(),
                originator: arguments.originator.clone(),
                recipient: arguments.recipient.clone(),
                content_identifier: arguments.content_identifier.clone(),
                // A message came in before what happened to it later.
                until,
                ..Query::default()
            };
            messages(events(directory, query)?)
        }
    };
    let mut all = Vec::new();
    for identifier in &identifiers {
        let query = Query { identifier: Some(identifier.clone()), ..Query::default() };
        all.extend(events(directory, query)?);
    }
    all.sort_by_key(|found| found.record().time);
    // A report stands under its own identifier and under that of what it is about.
    let mut known = HashSet::new();
    all.retain(|found: &Found| known.insert(found.clone()));
    let shown = Query { connector, since, until, ..Query::default() };
    for found in all.iter().filter(|found| shown.matches(&found.record())) {
        printer.event(found)?;
    }
    if let [identifier] = &identifiers[..]
        && let Some(now) = whereabouts::whereabouts(identifier, &all)
    {
        printer.now(&now)?;
    }
    Ok(printer.printed)
}

/// What a search finds; what cannot be read is told on standard error, and passed over.
fn events(directory: &Path, query: Query) -> anyhow::Result<impl Iterator<Item = Found>> {
    let tell = |found: Result<Found, _>| {
        found.inspect_err(|error| eprintln!("p1relay: {error}; passed over")).ok()
    };
    Ok(search(directory, query)?.filter_map(tell))
}

/// The MTS-identifiers of events, each once, in their order.
fn messages(events: impl Iterator<Item = Found>) -> Vec<String> {
    let mut known = HashSet::new();
    events
        .map(|found| found.record().identifier.to_vec())
        .filter(|identifier| !identifier.is_empty() && known.insert(identifier.clone()))
        .map(|identifier| identifier_text(&identifier))
        .collect()
}

/// Gives events that are nearly in time order in that order, holding few of them.
fn in_time_order(
    events: impl Iterator<Item = Found>,
    mut give: impl FnMut(Found) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut held: VecDeque<(WallTime, Found)> = VecDeque::new();
    for found in events {
        let time = found.record().time;
        held.insert(held.partition_point(|(other, _)| *other <= time), (time, found));
        let latest = held.back().map_or(time, |(latest, _)| *latest);
        while let Some((_, found)) = held.pop_front_if(|(time, _)| time.0 + DISORDER_MS < latest.0)
        {
            give(found)?;
        }
    }
    held.into_iter().try_for_each(|(_, found)| give(found))
}

struct Printer {
    json: bool,
    printed: bool,
}

impl Printer {
    fn event(&mut self, found: &Found) -> anyhow::Result<()> {
        self.printed = true;
        let line = match self.json {
            true => words::json(found).to_string(),
            false => words::line(&found.record()),
        };
        Ok(writeln!(std::io::stdout().lock(), "{line}")?)
    }

    fn now(&mut self, now: &str) -> anyhow::Result<()> {
        let line = match self.json {
            true => serde_json::json!({ "now": now }).to_string(),
            false => format!("now: {now}"),
        };
        Ok(writeln!(std::io::stdout().lock(), "{line}")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_three_ways() {
        assert_eq!(time("2026-01-31T12:00:00Z"), Ok(WallTime(1_769_860_800_000)));
        assert_eq!(time("2026-01-31T12:00"), Ok(WallTime(1_769_860_800_000)));
        assert_eq!(time("2026-01-31T14:00:00+02:00"), Ok(WallTime(1_769_860_800_000)));
        assert_eq!(time("2026-01-31"), Ok(WallTime(1_769_817_600_000)));
        let hours = (wall_time().0 - time("2h").unwrap().0 - 7_200_000).abs();
        assert!(hours < 60_000, "{hours}");
        assert!(time("yesterday").is_err());
    }
}
