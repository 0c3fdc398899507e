//! Layer 7: `p1relay connector sheet|test|preview`, what an operator asks of one connector before it works,
//! or when it does not.
//!
//! Exit status: 0 all is well; 1 the partner refused, or a file cannot be used; 2 the arguments or the
//! configuration are wrong.

mod climb;
mod hint;
mod preview;
mod reach;
mod sheet;
mod tell;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use crate::config;
use crate::osi::rtse::DialogueMode;
use crate::shard::settings::{ConnectorSettings, Settings};

/// What is asked of a connector.
#[derive(Debug, Subcommand)]
pub enum ConnectorCommand {
    /// Prints what the partner's administrator must configure: the mirror of our settings.
    Sheet {
        /// The connector's name.
        name: String,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Prints the passwords too.
        #[arg(long)]
        show_passwords: bool,
    },
    /// Calls the partner and climbs the layers one by one, saying at which it differs.
    Test {
        /// The connector's name.
        name: String,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Longest wait for each answer.
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
        timeout: u64,
        /// Prints every PDU in full.
        #[arg(long)]
        verbose: bool,
    },
    /// Prints what an MTS-APDU would lose on its way to the partner.
    Preview {
        /// The connector's name.
        name: String,
        /// The octets of an MTS-APDU.
        file: PathBuf,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Runs one of them.
pub fn connector(command: &ConnectorCommand) -> ExitCode {
    match command {
        ConnectorCommand::Sheet { name, config, show_passwords } => {
            with_connector(name, config, |settings, connector| {
                print!("{}", sheet::sheet(settings, connector, *show_passwords));
                ExitCode::SUCCESS
            })
        }
        ConnectorCommand::Test { name, config, timeout, verbose } => {
            with_connector(name, config, |_, connector| {
                let timeout = std::time::Duration::from_secs(*timeout);
                match climb::climb(connector, timeout, *verbose) {
                    true => ExitCode::SUCCESS,
                    false => ExitCode::FAILURE,
                }
            })
        }
        ConnectorCommand::Preview { name, file, config } => {
            with_connector(name, config, |settings, connector| {
                match preview::preview(settings, connector, file) {
                    Ok(lines) => {
                        lines.iter().for_each(|line| println!("{line}"));
                        ExitCode::SUCCESS
                    }
                    Err(error) => {
                        eprintln!("p1relay: {error:#}");
                        ExitCode::FAILURE
                    }
                }
            })
        }
    }
}

fn with_connector(
    name: &str,
    path: &Path,
    act: impl FnOnce(&Settings, &ConnectorSettings) -> ExitCode,
) -> ExitCode {
    let settings = match config::load(path) {
        Ok(settings) => settings,
        Err(problems) => {
            config::report(path, &problems);
            return ExitCode::from(2);
        }
    };
    let Some(connector) = settings.connectors.iter().find(|connector| connector.name == name)
    else {
        let names: Vec<&str> = settings.connectors.iter().map(|it| it.name.as_str()).collect();
        eprintln!("p1relay: no connector is called \"{name}\"; there are: {}", names.join(", "));
        return ExitCode::from(2);
    };
    if connector.spool.is_some() {
        eprintln!(
            "p1relay: \"{name}\" is a local delivery point and has no partner; docs/spool.md is for its gateway"
        );
        return ExitCode::from(2);
    }
    act(&settings, connector)
}

/// A selector as it is written in the configuration; blank when there is none.
fn selector_text(octets: &[u8]) -> String {
    match octets {
        [] => "blank".to_owned(),
        _ if octets.iter().all(|octet| (b'!'..=b'~').contains(octet)) => {
            let hexadecimal: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("\"{}\" (0x{hexadecimal})", String::from_utf8_lossy(octets))
        }
        _ => format!("0x{}", octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>()),
    }
}

/// A dialogue mode as it is written in the configuration.
fn dialogue_mode_text(mode: DialogueMode) -> &'static str {
    match mode {
        DialogueMode::Monologue => "monologue",
        DialogueMode::TwoWayAlternate => "two-way-alternate",
    }
}
