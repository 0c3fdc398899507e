//! What a message would lose on a connector, before anyone sends it.

use std::path::Path;

use anyhow::{Context, Result};

use crate::mta::downgrade;
use crate::mta::quirks::{BilateralInformation, InternalTrace};
use crate::osi::stack::ApplicationContext;
use crate::p1::scan::{Scan, scan};
use crate::shard::settings::{ConnectorSettings, Settings};

/// A line for each loss or change, and one for what becomes of the APDU in `file`.
///
/// # Errors
/// When the file cannot be read, or holds no MTS-APDU.
pub(super) fn preview(
    settings: &Settings,
    connector: &ConnectorSettings,
    file: &Path,
) -> Result<Vec<String>> {
    let octets =
        std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let no_apdu = || format!("{} holds no MTS-APDU", file.display());
    let mut scanned = Scan::new();
    scan(&octets, &mut scanned).with_context(no_apdu)?;
    let mut lines = Vec::new();
    if octets.len() > connector.message_size_max {
        lines.push(format!(
            "{} octets are more than the connector's message_size_max_kib allows: nothing is transferred",
            octets.len()
        ));
    }
    let quirks = &connector.quirks;
    let strips_bilateral = quirks.bilateral_information == BilateralInformation::Strip;
    if strips_bilateral && scanned.per_domain_bilateral_information.is_some() {
        lines.push(
            "per-domain-bilateral-information is left out (bilateral_information)".to_owned(),
        );
    }
    if connector.stack.application_context == ApplicationContext::MtsTransferProtocol1984 {
        let rest = downgrade::preview(&octets, &connector.downgrade).with_context(no_apdu)?;
        lines.extend(rest);
        return Ok(lines);
    }
    let is_internal = connector.domain.as_ref() == Some(&settings.domain);
    let strips_trace = match quirks.internal_trace {
        InternalTrace::Automatic => !is_internal,
        InternalTrace::Keep => false,
        InternalTrace::Strip => true,
    };
    if strips_trace && scanned.internal_trace.is_some() {
        lines.push(format!(
            "internal-trace-information is left out: {} elements (internal_trace)",
            scanned.internal_trace_elements.len()
        ));
    }
    if lines.is_empty() {
        lines.push("nothing is lost".to_owned());
    }
    Ok(lines)
}
