//! A list of messages, to compare what was sent with what arrived: a line a message, with the local part
//! of its MTS-identifier, the SHA-256 of its content and the domains of its trace, divided by tabs.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use crate::p1::domain::GlobalDomainIdentifier;
use crate::p1::scan::{Scan, scan};

/// A manifest being written.
pub(super) struct Manifest {
    out: Box<dyn Write + Send>,
    scan: Scan,
    /// The first error; nothing is written after it.
    failed: Option<io::Error>,
}

impl Manifest {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Manifest {
        Manifest { out, scan: Scan::default(), failed: None }
    }

    /// Adds a line for an APDU; one that cannot be read is listed as such.
    pub(super) fn add(&mut self, apdu: &[u8]) {
        if self.failed.is_none()
            && let Err(error) = self.write_line(apdu)
        {
            self.failed = Some(error);
        }
    }

    fn write_line(&mut self, apdu: &[u8]) -> io::Result<()> {
        if scan(apdu, &mut self.scan).is_err() {
            return writeln!(self.out, "?\t?");
        }
        let identifier = self.scan.mts_identifier.local_identifier.octets(apdu);
        write!(self.out, "{}\t", String::from_utf8_lossy(identifier))?;
        let content = self.scan.content.map_or(&[][..], |content| content.octets(apdu));
        Sha256::digest(content).iter().try_for_each(|octet| write!(self.out, "{octet:02x}"))?;
        for element in &self.scan.trace {
            match GlobalDomainIdentifier::decode(element.domain.octets(apdu)) {
                Ok(domain) => write!(self.out, "\t{domain}")?,
                Err(_) => write!(self.out, "\t?")?,
            }
        }
        writeln!(self.out)
    }

    /// Writes out what is still held, and reports the first error.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None => Ok(self.out.flush()?),
        }
    }
}
