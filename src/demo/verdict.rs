//! Whether what arrived is what was sent, and the figures of the run.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use super::{DemoArguments, Part, SITES};

/// Prints figures and checks; an error when any of the promises is broken.
pub(super) fn pronounce(
    parts: &[Part],
    arguments: &DemoArguments,
    folder: &Path,
) -> anyhow::Result<()> {
    let pids: HashSet<u32> = parts.iter().map(|part| part.child.id()).collect();
    ensure!(pids.len() == 6, "six processes were to take part, {} did", pids.len());
    for part in parts {
        if let Some(status) = &part.status {
            let counters = &status.counters;
            println!(
                "{:>10}  pid {:<7} in {:<7} out {:<7} commits {:<6} system calls {:<7} io {} ({})",
                part.name,
                status.pid,
                counters.transfers_in,
                counters.transfers_out,
                counters.commits,
                counters.system_calls,
                status.io_engine,
                status.io_engine_reason,
            );
        }
        if let Some(report) = &part.report {
            let [p50, p90, p99, p999, max] = report.latency_us;
            println!(
                "{:>10}  pid {:<7} count {:<7} latency p50 {p50} p90 {p90} p99 {p99} p99.9 {p999} max {max} microseconds",
                part.name, report.pid, report.count,
            );
        }
    }
    println!("     store  {}", file_system(folder)?);

    let sent = read_manifest(&folder.join("sent"))?;
    let received = read_manifest(&folder.join("received"))?;
    let mut arrivals: HashMap<&str, Vec<&Line>> = HashMap::new();
    for line in &received {
        arrivals.entry(&line.identifier).or_default().push(line);
    }
    let expected_trace: Vec<&str> = SITES.iter().map(|site| site.domain).collect();
    let mut missing = 0;
    let mut twice = 0;
    let mut altered = 0;
    let mut mistraced = 0;
    for line in &sent {
        match arrivals.remove(line.identifier.as_str()).as_deref() {
            None => missing += 1,
            Some(found) => {
                twice += found.len() - 1;
                altered += usize::from(found.iter().any(|found| found.digest != line.digest));
                mistraced += usize::from(found.iter().any(|found| found.trace != expected_trace));
            }
        }
    }
    println!(
        "{} sent, {} arrived, {missing} missing, {twice} twice, {altered} altered, {mistraced} with a wrong trace, {} never sent",
        sent.len(),
        received.len(),
        arrivals.len(),
    );
    ensure!(
        sent.len() as u64 == arguments.messages,
        "{} messages were to be sent",
        arguments.messages
    );
    ensure!(missing == 0 && twice == 0, "not every message arrived exactly once");
    ensure!(altered == 0, "contents were altered");
    ensure!(mistraced == 0, "traces do not show {}", expected_trace.join(", "));
    ensure!(arrivals.is_empty(), "messages arrived that were never sent");
    Ok(())
}

struct Line {
    identifier: String,
    digest: String,
    trace: Vec<String>,
}

fn read_manifest(path: &Path) -> anyhow::Result<Vec<Line>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    text.lines()
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            Ok(Line {
                identifier: fields.next().context("a manifest line is empty")?,
                digest: fields.next().context("a manifest line has no digest")?,
                trace: fields.collect(),
            })
        })
        .collect()
}

/// The type of the file system that a folder stands on, by the longest mount point above it.
pub fn file_system(folder: &Path) -> anyhow::Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let found = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((Path::new(fields.next()?), fields.next()?))
        })
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.components().count());
    Ok(found.map_or("unknown", |(_, kind)| kind).to_owned())
}
