//! One run: load through a process under test, and what it gives.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use p1relay::run::Status;
use serde::Serialize;

use super::process::{Cores, Process, ThreadTime, Usage};
use super::{BenchArguments, LoadArguments};
use crate::common::Percentiles;
use crate::floor::FloorStatus;
use crate::load::bare::Bare;
use crate::load::{Load, Mark, Plan, Protocol};

/// Share of a core from which a thread counts as saturated.
const SATURATED_FROM: f64 = 0.95;
/// How long connections may take to end after a run.
const WIND_UP_PATIENCE: Duration = Duration::from_secs(3);

/// What a run gives.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BenchResult {
    /// Measured messages that have arrived.
    pub(crate) messages: u64,
    /// Size of the text, octets.
    pub(crate) size: usize,
    /// Octets of one transfer on the wire.
    pub(crate) transfer_size: usize,
    pub(crate) associations: usize,
    pub(crate) shards: u16,
    /// The measured part.
    pub(crate) seconds: f64,
    /// At the sink.
    pub(crate) messages_per_s: f64,
    /// From due at the source to arrived at the sink.
    pub(crate) latency_us: Percentiles,
    /// From due at the source to the relay's confirmation.
    pub(crate) acknowledged_us: Percentiles,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    /// Of all its threads.
    pub(crate) relay_cpu_us_per_message: f64,
    pub(crate) syscalls_per_message: f64,
    pub(crate) context_switches_per_message: f64,
    pub(crate) commits: u64,
    pub(crate) octets_written_per_message: f64,
    pub(crate) peak_memory_kib: u64,
    /// Share of the time that the busiest thread of the relay was on its core, of that in which the core
    /// was not another's.
    pub(crate) relay_busy: f64,
    /// The same of the load's thread.
    pub(crate) load_busy: f64,
    /// Whether the relay's thread was at least 95 % busy.
    pub(crate) saturated: bool,
    /// `relay`, `load`, or `latency`: round trips and commits that nobody can shorten by working harder.
    pub(crate) limited_by: &'static str,
    /// Whether relay and load had cores of their own.
    pub(crate) cores_apart: bool,
    pub(crate) io_engine: String,
    pub(crate) store_filesystem: String,
}

impl BenchResult {
    /// Whether every message arrived, once.
    pub(crate) fn is_whole(&self) -> bool {
        self.lost == 0 && self.duplicated == 0
    }
}

/// What the process under test counts itself.
struct Counts {
    messages: u64,
    system_calls: u64,
    commits: u64,
    octets_written: u64,
    io_engine: String,
}

/// What stands between source and sink.
trait Subject {
    /// Starts it; gives where it listens.
    fn start(&self, sink: SocketAddr, cores: &Cores) -> anyhow::Result<(Process, SocketAddr)>;

    /// Tells it to end, unless it does so by itself when its callers are gone.
    fn terminate(&self, process: &Process) -> anyhow::Result<()>;

    /// Waits for its end.
    fn finish(&self, process: Process) -> anyhow::Result<Counts>;
}

struct Reading {
    at: Instant,
    relay: Usage,
    load: ThreadTime,
}

/// A run of the relay.
pub(crate) fn run_relay(
    bench: &BenchArguments,
    arguments: &LoadArguments,
    folder: &Path,
) -> anyhow::Result<BenchResult> {
    let folder = folder.join("relay");
    std::fs::create_dir_all(&folder)?;
    let subject = RelaySubject { bench, arguments, folder: &folder };
    let result = drive(&arguments.protocol()?, &subject, arguments, bench.shards);
    std::fs::remove_dir_all(&folder)?;
    result
}

/// A run of the floor.
pub(crate) fn run_floor(
    arguments: &LoadArguments,
    in_flight: usize,
    folder: &Path,
) -> anyhow::Result<BenchResult> {
    let (size, confirmation_size) = arguments.protocol()?.wire_sizes()?;
    let log = folder.join("floor.log");
    let subject = FloorSubject { arguments, size, confirmation_size, in_flight, log: &log };
    let result = drive(&Bare::new(size, confirmation_size), &subject, arguments, 1);
    std::fs::remove_file(&log)?;
    result
}

fn drive<P: Protocol + Clone>(
    protocol: &P,
    subject: &impl Subject,
    arguments: &LoadArguments,
    shards: u16,
) -> anyhow::Result<BenchResult> {
    let cores = Cores::split(usize::from(shards))?;
    let transfer_size = arguments.protocol()?.wire_sizes()?.0;
    let plan = Plan {
        warm_up: arguments.warm_up(),
        messages: arguments.messages,
        rate: arguments.rate,
        deadline: Instant::now() + Duration::from_secs_f64(arguments.timeout_s),
    };
    let (mut load, sink) = Load::new(protocol.clone(), transfer_size, plan)?;
    let (process, address) = subject.start(sink, &cores)?;
    load.connect(address, arguments.associations)?;
    let mut readings = Vec::new();
    let in_time = load.run(plan, |mark: Mark| {
        let reading =
            Reading { at: Instant::now(), relay: process.usage()?, load: ThreadTime::own()? };
        debug_assert_eq!(readings.len(), usize::from(mark == Mark::End));
        readings.push(reading);
        Ok(())
    })?;
    anyhow::ensure!(
        in_time,
        "gave up after {} s: {} messages confirmed, {} arrived, {} of them twice",
        arguments.timeout_s,
        load.tally.confirmed_count,
        load.tally.arrived_count,
        load.tally.duplicate_count
    );
    load.release()?;
    subject.terminate(&process)?;
    load.wind_up(WIND_UP_PATIENCE)?;
    let counts = subject.finish(process)?;
    let [start, end] = &readings[..] else { anyhow::bail!("nothing was measured") };
    let elapsed_ns = (end.at - start.at).as_nanos() as u64;
    let per_message = |total: u64| total as f64 / arguments.messages.max(1) as f64;
    let per_counted = |total: u64| total as f64 / counts.messages.max(1) as f64;
    let relay_busy = end.relay.busiest_since(&start.relay, elapsed_ns);
    let load_busy = end.load.busy_since(start.load, elapsed_ns);
    let saturated = relay_busy >= SATURATED_FROM;
    let seconds = elapsed_ns as f64 / 1e9;
    Ok(BenchResult {
        messages: load.tally.arrived_count - plan.warm_up,
        size: arguments.shape.size,
        transfer_size,
        associations: arguments.associations,
        shards,
        seconds,
        messages_per_s: arguments.messages as f64 / seconds,
        latency_us: Percentiles::of(&load.tally.latency_ns),
        acknowledged_us: Percentiles::of(&load.tally.acknowledged_ns),
        lost: load.tally.lost_count(),
        duplicated: load.tally.duplicate_count,
        relay_cpu_us_per_message: per_message(end.relay.cpu_ns_since(&start.relay)) / 1000.0,
        syscalls_per_message: per_counted(counts.system_calls),
        context_switches_per_message: per_message(
            end.relay.context_switches - start.relay.context_switches,
        ),
        commits: counts.commits,
        octets_written_per_message: per_counted(counts.octets_written),
        peak_memory_kib: end.relay.peak_memory_kib,
        relay_busy,
        load_busy,
        saturated,
        limited_by: match (saturated, load_busy >= SATURATED_FROM) {
            (true, _) => "relay",
            (false, true) => "load",
            (false, false) => "latency",
        },
        cores_apart: cores.are_apart(),
        io_engine: counts.io_engine,
        store_filesystem: p1relay::demo::file_system(&arguments.directory)?,
    })
}

struct RelaySubject<'a> {
    bench: &'a BenchArguments,
    arguments: &'a LoadArguments,
    folder: &'a Path,
}

impl Subject for RelaySubject<'_> {
    fn start(&self, sink: SocketAddr, cores: &Cores) -> anyhow::Result<(Process, SocketAddr)> {
        let config = self.folder.join("relay.toml");
        std::fs::write(&config, self.configuration(sink))?;
        let arguments = [
            "relay".to_owned(),
            "--status-interval-ms=3600000".to_owned(),
            format!("--io={}", self.bench.io),
            format!("--config={}", config.display()),
        ];
        let mut process = Process::start(&arguments, cores)?;
        let ready: Status = process.next_line()?;
        let address = ready.addresses.first().context("the relay listens nowhere")?;
        Ok((process, *address))
    }

    fn terminate(&self, process: &Process) -> anyhow::Result<()> {
        process.terminate()
    }

    fn finish(&self, process: Process) -> anyhow::Result<Counts> {
        let status: Status = process.finish()?;
        Ok(Counts {
            messages: status.counters.transfers_out,
            system_calls: status.counters.system_calls,
            commits: status.counters.commits,
            octets_written: status.counters.octets_written,
            io_engine: status.io_engine,
        })
    }
}

impl RelaySubject<'_> {
    fn configuration(&self, sink: SocketAddr) -> String {
        format!(
            "[mta]\nname = \"RELAY\"\npassword = \"relay\"\ndomain = \"C=GB;A=CARRIER\"\n\
             listen = [\"127.0.0.1:0\"]\nshards = {}\npin = false\n\n\
             [[connector]]\nname = \"source\"\nremote_mta_name = \"SOURCE\"\n\
             remote_password = \"source\"\ncalled_association_count_max = {}\n\n\
             [[connector]]\nname = \"sink\"\naddress = [\"{sink}\"]\nremote_mta_name = \"SINK\"\n\
             remote_password = \"sink\"\nassociation_count_max = {}\nopen_retry_delay_s = 0.1\n\
             address_space = [{{ pattern = \"*\" }}]\n",
            self.bench.shards,
            self.arguments.associations,
            // One more than the load uses: one is kept for urgent messages.
            self.arguments.associations + 1,
        )
    }
}

struct FloorSubject<'a> {
    arguments: &'a LoadArguments,
    size: usize,
    confirmation_size: usize,
    in_flight: usize,
    log: &'a Path,
}

impl Subject for FloorSubject<'_> {
    fn start(&self, sink: SocketAddr, cores: &Cores) -> anyhow::Result<(Process, SocketAddr)> {
        let arguments = [
            "floor-relay".to_owned(),
            format!("--to={sink}"),
            format!("--connections={}", self.arguments.associations),
            format!("--size={}", self.size),
            format!("--confirmation-size={}", self.confirmation_size),
            format!("--log={}", self.log.display()),
            format!("--in-flight={}", self.in_flight),
        ];
        let mut process = Process::start(&arguments, cores)?;
        let ready: FloorStatus = process.next_line()?;
        Ok((process, ready.address.context("the floor listens nowhere")?))
    }

    fn terminate(&self, _process: &Process) -> anyhow::Result<()> {
        Ok(())
    }

    fn finish(&self, process: Process) -> anyhow::Result<Counts> {
        let status: FloorStatus = process.finish()?;
        Ok(Counts {
            messages: status.messages,
            system_calls: status.system_calls,
            commits: status.commits,
            octets_written: status.octets_written,
            io_engine: "uring".to_owned(),
        })
    }
}
