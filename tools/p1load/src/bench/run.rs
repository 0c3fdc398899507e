//! One run: load through a process under test, and what it gives.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use p1relay::base::durations::StageLatency;
use p1relay::io::probe::IoChoice;
use p1relay::run::Status;
use serde::Serialize;

use super::device::Device;
use super::process::{Cores, Process, ThreadTime, Usage};
use super::{LoadArguments, RelayOptions};
use crate::common::Percentiles;
use crate::floor::FloorStatus;
use crate::load::bare::Bare;
use crate::load::{Load, Mark, Plan, Protocol, Turnaround};

/// Share of a core from which a shard counts as saturated.
const SATURATED_FROM: f64 = 0.95;
/// Share of a core from which the load counts as the limit.
const LOAD_BUSY_FROM: f64 = 0.9;
/// Share of a message's cycle from which what passes of it in the load counts as the limit.
const LOAD_TURNAROUND_FROM: f64 = 0.25;
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
    /// From the last octet written at the source to the first one read at the sink.
    pub(crate) wire_latency_us: Percentiles,
    /// From handing a commit to the kernel to its completion, warm-up included; the floor alone tells.
    pub(crate) commit_us: Option<Percentiles>,
    /// How long messages were in each stage of their way, warm-up included; the relay alone tells.
    pub(crate) stage_latency_us: Option<StageLatency>,
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
    /// Share of the time from one transfer to the next on an association that passes in the load.
    pub(crate) load_turnaround: f64,
    /// Writes and flushes under way at the store's device, on average; of all programs.
    pub(crate) device_in_flight: Option<f64>,
    pub(crate) limited_by: Limit,
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

/// What kept a run from being faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    /// The process under test had its core to 95 % and more.
    Shard,
    /// The load: its core, or its part of the time from one transfer to the next.
    Load,
    /// Neither: commits and round trips, which nobody shortens by working harder.
    Commits,
}

impl Limit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Limit::Shard => "shard",
            Limit::Load => "load",
            Limit::Commits => "commits",
        }
    }

    fn of(busy: f64, load_busy: f64, load_turnaround: f64) -> Limit {
        if busy >= SATURATED_FROM {
            Limit::Shard
        } else if load_busy >= LOAD_BUSY_FROM || load_turnaround >= LOAD_TURNAROUND_FROM {
            Limit::Load
        } else {
            Limit::Commits
        }
    }
}

/// What the process under test counts itself.
struct Counts {
    messages: u64,
    system_calls: u64,
    commits: u64,
    octets_written: u64,
    commit_us: Option<Percentiles>,
    stage_latency_us: Option<StageLatency>,
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
    turnaround: Turnaround,
    device_ms: Option<u64>,
}

/// A run of the relay.
pub(crate) fn run_relay(
    options: &RelayOptions,
    arguments: &LoadArguments,
    folder: &Path,
) -> anyhow::Result<BenchResult> {
    let folder = folder.join("relay");
    std::fs::create_dir_all(&folder)?;
    let subject = RelaySubject { options, arguments, folder: &folder };
    let result = drive(&arguments.protocol()?, &subject, arguments, options.shards);
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
    // Its log stays for the next run, as once-written as any.
    drive(&Bare::new(size, confirmation_size), &subject, arguments, 1)
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
        arrive: true,
        rate: arguments.rate,
        deadline: Instant::now() + Duration::from_secs_f64(arguments.timeout_s),
    };
    let (mut load, sink) = Load::new(protocol.clone(), transfer_size, plan)?;
    let (process, address) = subject.start(sink, &cores)?;
    load.connect(address, arguments.associations)?;
    let mut readings = Vec::new();
    let device = Device::under(&arguments.directory)?;
    let in_time = load.run(plan, |mark: Mark, turnaround| {
        let reading = Reading {
            at: Instant::now(),
            relay: process.usage()?,
            load: ThreadTime::own()?,
            turnaround: *turnaround,
            device_ms: device.as_ref().map(Device::ticks_ms).transpose()?,
        };
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
    let seconds = elapsed_ns as f64 / 1e9;
    // With a rate to keep, an association has nothing to do between its transfers, on purpose.
    let cycle_s = arguments.associations as f64 * seconds / arguments.messages.max(1) as f64;
    let load_turnaround = end.turnaround.mean_s_since(&start.turnaround) / cycle_s;
    Ok(BenchResult {
        messages: load.tally.arrived_count - plan.warm_up,
        size: arguments.shape.size,
        transfer_size,
        associations: arguments.associations,
        shards,
        seconds,
        messages_per_s: arguments.messages as f64 / seconds,
        latency_us: Percentiles::of(&load.tally.latency_ns),
        wire_latency_us: Percentiles::of(&load.tally.wire_latency_ns),
        commit_us: counts.commit_us,
        stage_latency_us: counts.stage_latency_us,
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
        load_turnaround,
        device_in_flight: end
            .device_ms
            .zip(start.device_ms)
            .map(|(end, start)| (end - start) as f64 / 1000.0 / seconds),
        limited_by: Limit::of(relay_busy, load_busy, load_turnaround),
        cores_apart: cores.are_apart(),
        io_engine: counts.io_engine,
        store_filesystem: p1relay::demo::file_system(&arguments.directory)?,
    })
}

struct RelaySubject<'a> {
    options: &'a RelayOptions,
    arguments: &'a LoadArguments,
    folder: &'a Path,
}

impl Subject for RelaySubject<'_> {
    fn start(&self, sink: SocketAddr, cores: &Cores) -> anyhow::Result<(Process, SocketAddr)> {
        let config = self.folder.join("relay.toml");
        let mut text = configuration(sink, self.options.shards, self.arguments.associations);
        if self.options.untracked {
            text += "\n[tracking]\nenabled = false\n";
        }
        for (name, address) in
            ["dead", "mute"].iter().zip(self.options.bad_partners.iter().flatten())
        {
            text += &bad_partner(name, *address);
        }
        std::fs::write(&config, text)?;
        let (process, ready) = start_relay(&config, self.options.io, "warn", cores)?;
        Ok((process, *ready.addresses.first().context("the relay listens nowhere")?))
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
            commit_us: None,
            stage_latency_us: Some(status.stage_latency_us),
            io_engine: status.io_engine,
        })
    }
}

/// Starts a relay that logs from `level`; gives what it tells when it is ready.
pub(super) fn start_relay(
    config: &Path,
    io: IoChoice,
    level: &str,
    cores: &Cores,
) -> anyhow::Result<(Process, Status)> {
    let arguments = [
        "relay".to_owned(),
        "--status-interval-ms=3600000".to_owned(),
        format!("--io={io}"),
        format!("--config={}", config.display()),
    ];
    let mut process = Process::start(&arguments, level, cores)?;
    let ready = process.next_line()?;
    Ok((process, ready))
}

/// A relay between the load's sources and `sink`.
pub(super) fn configuration(sink: SocketAddr, shards: u16, associations: usize) -> String {
    format!(
        "[mta]\nname = \"RELAY\"\npassword = \"relay\"\ndomain = \"C=GB;A=CARRIER\"\n\
         listen = [\"127.0.0.1:0\"]\nshards = {shards}\npin = false\n\n\
         [[connector]]\nname = \"source\"\nremote_mta_name = \"SOURCE\"\n\
         remote_password = \"source\"\ncalled_association_count_max = {associations}\n\n\
         [[connector]]\nname = \"sink\"\naddress = [\"{sink}\"]\nremote_mta_name = \"SINK\"\n\
         remote_password = \"sink\"\nassociation_count_max = {}\n\
         open_retry_delay_s = 0.1\naddress_space = [{{ pattern = \"*\" }}]\n",
        // One more than the load uses: one is kept for urgent messages.
        associations + 1,
    )
}

/// A partner that is called again and again, in vain.
fn bad_partner(name: &str, address: SocketAddr) -> String {
    format!(
        "\n[[connector]]\nname = \"{name}\"\naddress = [\"{address}\"]\nremote_mta_name = \"BAD\"\n\
         remote_password = \"{name}\"\npermanent_association_count = 2\nopen_retry_delay_s = 0.1\n\
         open_retry_delay_s_max = 0.1\n"
    )
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
        let mut process = Process::start(&arguments, "warn", cores)?;
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
            commit_us: Some(status.commit_us),
            stage_latency_us: None,
            io_engine: "uring".to_owned(),
        })
    }
}
