//! The `p1relay` program: arguments in, exit status out.
//!
//! Exit status: 0 all is well; 1 the work failed; 2 the arguments or the configuration are wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use p1relay::{config, connector_command, demo, run, track_command};

/// Carrier-scale X.400 relay.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the backbone scenario on loopback: two sites over two carrier points.
    Demo(demo::DemoArguments),
    /// Runs a relay until SIGTERM or SIGINT.
    Run(run::RunArguments),
    /// Reports every problem of a configuration at once.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// What an operator asks of one connector.
    #[command(subcommand)]
    Connector(connector_command::ConnectorCommand),
    /// Prints where messages have been, from the journal of a relay that runs or does not.
    Track(Box<track_command::TrackArguments>),
    /// Prints the configuration reference, as it stands in the README.
    Reference,
    /// The demo's sending MTA.
    #[command(hide = true)]
    DemoSend(demo::SendArguments),
    /// The demo's receiving MTA.
    #[command(hide = true)]
    DemoReceive(demo::ReceiveArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Run(arguments) => return run::run(&arguments),
        Command::Connector(command) => return connector_command::connector(&command),
        Command::Track(arguments) => return track_command::track(&arguments),
        Command::Check { config } => return check(&config),
        Command::Reference => {
            print!("{}", config::reference());
            Ok(())
        }
        Command::DemoSend(arguments) => demo::send(&arguments),
        Command::DemoReceive(arguments) => demo::receive(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("p1relay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(path: &std::path::Path) -> ExitCode {
    match config::load(path) {
        Ok(settings) => {
            println!("{}: no problems; {} connectors", path.display(), settings.connectors.len());
            ExitCode::SUCCESS
        }
        Err(problems) => {
            config::report(path, &problems);
            ExitCode::from(2)
        }
    }
}
