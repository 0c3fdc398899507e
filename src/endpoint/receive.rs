//! A script that receives: counts, digests, and remembers what arrived twice.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;

use super::Script;
use super::manifest::Manifest;
use super::send::new_histogram;
use super::template::sent_ns;
use crate::base::clock::{Instant, Now};
use crate::p1::scan::{ApduKind, Scan, scan};

/// Takes what it gets and confirms at once.
pub struct Receiver {
    /// Ends after so many different messages.
    count: Option<u64>,
    scan: Scan,
    arrivals: HashMap<Box<[u8]>, u32>,
    /// The last identifier of each sender: what stands before its counter.
    latest: HashMap<Box<[u8]>, Box<[u8]>>,
    manifest: Option<Manifest>,
    directory: Option<PathBuf>,
    stopped: bool,
    /// APDUs taken, duplicates among them.
    pub received_count: u64,
    /// APDUs whose MTS-identifier had come before.
    pub duplicate_count: u64,
    /// APDUs of a sender that came after a later one of the same sender.
    pub out_of_order_count: u64,
    /// APDUs that could not be read.
    pub malformed_count: u64,
    /// From the sending time in the content to arrival, nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// When the first and the last came.
    pub span: Option<(Instant, Instant)>,
    /// Lines for a person, the oldest first.
    pub notes: Vec<String>,
}

impl Receiver {
    /// Ends after `count` different messages, or when told to.
    pub fn new(count: Option<u64>) -> Receiver {
        Receiver {
            count,
            scan: Scan::default(),
            arrivals: HashMap::new(),
            latest: HashMap::new(),
            manifest: None,
            directory: None,
            stopped: false,
            received_count: 0,
            duplicate_count: 0,
            out_of_order_count: 0,
            malformed_count: 0,
            latency_ns: new_histogram(),
            span: None,
            notes: Vec::new(),
        }
    }

    /// Also lists each arrival.
    pub fn with_manifest(mut self, out: Box<dyn Write + Send>) -> Receiver {
        self.manifest = Some(Manifest::new(out));
        self
    }

    /// Writes out what the manifest still holds.
    ///
    /// # Errors
    /// The first error of writing it.
    pub fn finish_manifest(&mut self) -> anyhow::Result<()> {
        self.manifest.as_mut().map_or(Ok(()), Manifest::finish)
    }

    /// Also writes every APDU to a file of its own.
    pub fn with_directory(mut self, directory: PathBuf) -> Receiver {
        self.directory = Some(directory);
        self
    }

    /// Different messages so far.
    pub fn distinct_count(&self) -> u64 {
        self.arrivals.len() as u64
    }

    /// Ends now.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// What arrived more than once: local identifiers.
    pub fn duplicates(&self) -> impl Iterator<Item = &[u8]> {
        self.arrivals.iter().filter(|(_, count)| **count > 1).map(|(identifier, _)| &identifier[..])
    }

    fn keep(&self, directory: &Path, apdu: &[u8]) -> std::io::Result<()> {
        let local_identifier = self.scan.mts_identifier.local_identifier.octets(apdu);
        let safe = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'.';
        let name: String = local_identifier
            .iter()
            .map(|it| if safe(it) { char::from(*it) } else { '_' })
            .collect();
        std::fs::write(directory.join(format!("{name}-{}.p1", self.received_count)), apdu)
    }
}

impl Script for Receiver {
    fn received(&mut self, apdu: &[u8], now: Now) {
        self.received_count += 1;
        let (first, _) = self.span.unwrap_or((now.instant, now.instant));
        self.span = Some((first, now.instant));
        if let Err(error) = scan(apdu, &mut self.scan) {
            self.malformed_count += 1;
            return self.notes.push(format!("malformed MTS-APDU: {error}"));
        }
        if self.scan.kind == ApduKind::Message
            && let Some(content) = self.scan.content
            && let Some(sent) = sent_ns(content.octets(apdu))
        {
            self.latency_ns.saturating_record(now.instant.0.saturating_sub(sent));
        }
        let identifier = self.scan.mts_identifier.local_identifier.octets(apdu);
        let sender =
            &identifier[..identifier.iter().rposition(|octet| *octet == b'.').unwrap_or(0)];
        match self.latest.get_mut(sender) {
            Some(latest) if identifier <= &latest[..] => self.out_of_order_count += 1,
            Some(latest) if latest.len() == identifier.len() => latest.copy_from_slice(identifier),
            _ => {
                self.latest.insert(sender.into(), identifier.into());
            }
        }
        let arrivals = self.arrivals.entry(identifier.into()).or_insert(0);
        *arrivals += 1;
        self.duplicate_count += u64::from(*arrivals > 1);
        if let Some(manifest) = &mut self.manifest {
            manifest.add(apdu);
        }
        if let Some(Err(error)) =
            self.directory.as_deref().map(|directory| self.keep(directory, apdu))
        {
            self.notes.push(format!("an arrival could not be kept: {error}"));
        }
    }

    fn note(&mut self, line: &str) {
        self.notes.push(line.to_owned());
    }

    fn is_finished(&self) -> bool {
        self.stopped || self.count.is_some_and(|count| self.distinct_count() >= count)
    }
}
