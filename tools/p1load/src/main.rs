//! `p1load`: load generator, foreign MTA and sink for any P1 MTA.

mod bench;
mod common;
mod floor;
mod frame;
mod load;
mod receive;
mod ring;
mod send;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Loads and measures P1 MTAs.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends messages to an MTA.
    Send(send::SendArguments),
    /// Takes messages from an MTA.
    Receive(receive::ReceiveArguments),
    /// Sender, durable relay and receiver in one run.
    Bench(bench::BenchArguments),
    /// What the machine can do at most: the same octets, connections and commits without any protocol.
    Floor(bench::FloorArguments),
    /// How long a killed relay with many queued messages takes to accept again.
    Reopen(bench::ReopenArguments),
    /// The floor's own process.
    #[command(hide = true)]
    FloorRelay(floor::FloorRelayArguments),
    /// The relay of `bench`.
    #[command(hide = true)]
    Relay(p1relay::run::RunArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Send(arguments) => send::send(&arguments),
        Command::Receive(arguments) => receive::receive(&arguments),
        Command::Bench(arguments) => bench::bench(&arguments),
        Command::Floor(arguments) => bench::floor(&arguments),
        Command::Reopen(arguments) => bench::reopen(&arguments),
        Command::FloorRelay(arguments) => floor::floor_relay(&arguments),
        Command::Relay(arguments) => return p1relay::run::run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("p1load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
