//! `p1load bench`: a sender, a durable relay in a process of its own, and a receiver.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use p1relay::demo::file_system;
use p1relay::endpoint::receive::Receiver;
use p1relay::endpoint::send::Sender;
use p1relay::endpoint::{Endpoint, EndpointConfig};
use p1relay::io::epoll::Epoll;
use p1relay::io::probe::IoChoice;
use p1relay::osi::stack::StackConfig;
use p1relay::run::Status;
use serde::Serialize;

use crate::common::{Percentiles, print, progress, run};
use crate::send::Shape;

/// Arguments of `p1load bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    #[command(flatten)]
    shape: Shape,
    /// Messages to measure.
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
    /// Associations in, and as many out.
    #[arg(long, default_value_t = 10)]
    associations: usize,
    /// Messages a second, open loop; without it as fast as the relay confirms.
    #[arg(long)]
    rate: Option<f64>,
    /// I/O engine of the relay: auto, uring or epoll.
    #[arg(long, default_value = "auto")]
    io: IoChoice,
    /// Shards of the relay.
    #[arg(long, default_value_t = 1)]
    shards: u16,
    /// Where the relay's store is made, and removed again; not on tmpfs.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// Gives up after so many seconds.
    #[arg(long, default_value_t = 300.0)]
    timeout_s: f64,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

/// What a run gives.
#[derive(Debug, Serialize)]
struct BenchResult {
    messages: u64,
    size: usize,
    associations: usize,
    shards: u16,
    seconds: f64,
    messages_per_s: f64,
    /// From the scheduled sending to the arrival at the receiver.
    latency_us: Percentiles,
    /// From the scheduled sending to the relay's confirmation.
    acknowledged_us: Percentiles,
    lost: u64,
    duplicated: u64,
    relay_cpu_us_per_message: f64,
    syscalls_per_message: f64,
    commits: u64,
    octets_written_per_message: f64,
    io_engine: String,
    store_filesystem: String,
}

/// The relay under test, killed when dropped.
struct Relay {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Nothing can be done about a process that resists.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Relay {
    fn start(config: &Path, io: IoChoice) -> anyhow::Result<Relay> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["relay", "--status-interval-ms", "1000", "--io"])
            .arg(io.to_string())
            .arg("--config")
            .arg(config)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("no standard output")?;
        Ok(Relay { child, lines: BufReader::new(output).lines() })
    }

    fn next_status(&mut self) -> anyhow::Result<Option<Status>> {
        self.lines.next().map(|line| Ok(serde_json::from_str(&line?)?)).transpose()
    }

    /// Stops it gracefully; gives its last counters.
    fn stop(&mut self) -> anyhow::Result<Status> {
        let pid = rustix_pid(self.child.id())?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let mut last = None;
        while let Some(status) = self.next_status()? {
            last = Some(status);
        }
        let status = self.child.wait()?;
        ensure!(status.success(), "the relay ended with {status}");
        last.context("the relay told nothing")
    }

    /// Processor time of all its threads so far, nanoseconds.
    fn cpu_ns(&self) -> anyhow::Result<u64> {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            total +=
                text.split(' ').next().unwrap_or_default().parse::<u64>().context("schedstat")?;
        }
        Ok(total)
    }
}

fn rustix_pid(pid: u32) -> anyhow::Result<rustix::process::Pid> {
    rustix::process::Pid::from_raw(pid as i32).context("no process id")
}

pub(crate) fn bench(arguments: &BenchArguments) -> anyhow::Result<bool> {
    let store_filesystem = file_system(&arguments.directory)?;
    if matches!(store_filesystem.as_str(), "tmpfs" | "ramfs") {
        bail!(
            "{} is on {store_filesystem}, where nothing is durable; name another --directory",
            arguments.directory.display()
        );
    }
    let folder = arguments.directory.join(format!("p1load-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let outcome = measure(arguments, &folder, store_filesystem);
    std::fs::remove_dir_all(&folder)
        .with_context(|| format!("{} cannot be removed", folder.display()))?;
    outcome
}

fn measure(
    arguments: &BenchArguments,
    folder: &Path,
    store_filesystem: String,
) -> anyhow::Result<bool> {
    let timeout = Duration::from_secs_f64(arguments.timeout_s);
    let mut sink = Endpoint::new(
        Epoll::new()?,
        endpoint("SINK", None),
        Receiver::new(Some(arguments.messages)),
    );
    let (_, sink_address) = sink.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let config = folder.join("relay.toml");
    std::fs::write(&config, configuration(arguments, sink_address))?;
    let mut relay = Relay::start(&config, arguments.io)?;
    let ready = relay.next_status()?.context("the relay did not start")?;
    let to = *ready.addresses.first().context("the relay listens nowhere")?;

    let failed = Arc::new(AtomicBool::new(false));
    let sink_failed = Arc::clone(&failed);
    let receiving = std::thread::spawn(move || -> anyhow::Result<Receiver> {
        run(&mut sink, Some(timeout), |receiver| {
            if sink_failed.load(Ordering::Relaxed) {
                receiver.stop();
            }
        })?;
        Ok(sink.script)
    });
    let engine = Epoll::new()?;
    let source = arguments.shape.source(&engine)?;
    let sender = Sender::new(source, arguments.messages, arguments.rate);
    let mut source =
        Endpoint::new(engine, endpoint("SOURCE", Some((to, arguments.associations))), sender);
    let cpu_before = relay.cpu_ns()?;
    let bar = progress(Some(arguments.messages));
    let sent =
        run(&mut source, Some(timeout), |sender| bar.set_position(sender.confirmed_count()))?;
    bar.finish_and_clear();
    if !sent {
        failed.store(true, Ordering::Relaxed);
    }
    let receiver = receiving.join().map_err(|_| anyhow::anyhow!("the receiver has failed"))??;
    let cpu_ns = relay.cpu_ns()? - cpu_before;
    let last = relay.stop()?;
    for note in source.script.notes.iter().chain(&receiver.notes) {
        eprintln!("{note}");
    }
    let (first, end) = (source.script.started(), receiver.span.map(|(_, last)| last));
    let seconds = first.zip(end).map_or(0.0, |(first, end)| end.since(first).as_secs_f64());
    let messages = receiver.distinct_count();
    let per_message = |total: f64| total / messages.max(1) as f64;
    let result = BenchResult {
        messages,
        size: arguments.shape.size,
        associations: arguments.associations,
        shards: arguments.shards,
        seconds,
        messages_per_s: messages as f64 / seconds.max(1e-9),
        latency_us: Percentiles::of(&receiver.latency_ns),
        acknowledged_us: Percentiles::of(&source.script.latency_ns),
        lost: source.script.confirmed_count().saturating_sub(messages),
        duplicated: receiver.duplicate_count,
        relay_cpu_us_per_message: per_message(cpu_ns as f64 / 1000.0),
        syscalls_per_message: per_message(last.counters.system_calls as f64),
        commits: last.counters.commits,
        octets_written_per_message: per_message(last.counters.octets_written as f64),
        io_engine: last.io_engine,
        store_filesystem,
    };
    print(arguments.json, &result, || {
        format!(
            "{} messages in {:.3} s: {:.0} a second\nlatency      {}\nacknowledged {}\n\
             relay CPU {:.1} microseconds, {:.2} system calls, {:.0} octets written a message; {} commits\n\
             lost {}, twice {}; io {}, store on {}",
            result.messages,
            result.seconds,
            result.messages_per_s,
            result.latency_us,
            result.acknowledged_us,
            result.relay_cpu_us_per_message,
            result.syscalls_per_message,
            result.octets_written_per_message,
            result.commits,
            result.lost,
            result.duplicated,
            result.io_engine,
            result.store_filesystem,
        )
    })?;
    Ok(sent && result.lost == 0 && result.duplicated == 0 && messages == arguments.messages)
}

fn endpoint(name: &str, call: Option<(SocketAddr, usize)>) -> EndpointConfig {
    EndpointConfig {
        local: (name.to_owned(), name.to_lowercase()),
        remote: Some(("RELAY".to_owned(), "relay".to_owned())),
        stack: Arc::new(StackConfig::default()),
        call,
        retry_delay: Duration::from_millis(100),
    }
}

fn configuration(arguments: &BenchArguments, sink: SocketAddr) -> String {
    format!(
        "[mta]\nname = \"RELAY\"\npassword = \"relay\"\ndomain = \"C=GB;A=CARRIER\"\nlisten = [\"127.0.0.1:0\"]\n\
         shards = {}\npin = false\n\n\
         [[connector]]\nname = \"source\"\nremote_mta_name = \"SOURCE\"\nremote_password = \"source\"\n\n\
         [[connector]]\nname = \"sink\"\naddress = [\"{sink}\"]\nremote_mta_name = \"SINK\"\n\
         remote_password = \"sink\"\nassociation_count_max = {}\nretry_delay_s = 0.1\n\
         address_space = [{{ pattern = \"*\" }}]\n",
        arguments.shards, arguments.associations,
    )
}
