//! `p1relay demo`: two sites backboned over two public carrier points, on loopback.
//!
//! Six processes, all of this program: a sending MTA, site A, carrier points 1 and 2, site B, a
//! receiving MTA. Each relay has a configuration, a store and a domain of its own. The demo fails unless
//! every message arrives exactly once, with identical content and the four domains in its trace.

mod parts;
mod verdict;

pub use parts::{ReceiveArguments, SendArguments, receive, send};
pub use verdict::file_system;

use std::fs;
use std::io::{BufRead, BufReader, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use socket2::{Domain, Protocol, Socket, Type};

use crate::io::probe::IoChoice;
use crate::run::Status;
use parts::EndpointReport;

/// Arguments of `p1relay demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Messages to send.
    #[arg(long, default_value_t = 1000)]
    pub messages: u64,
    /// Size of each message's text, octets.
    #[arg(long, default_value_t = 2048)]
    pub size: usize,
    /// Associations of the sender and of each connector.
    #[arg(long, default_value_t = 4)]
    pub associations: u16,
    /// I/O engine of the relays: auto, uring or epoll.
    #[arg(long, default_value = "auto")]
    pub io: IoChoice,
    /// Shards of each relay.
    #[arg(long, default_value_t = 1)]
    pub shards: u16,
    /// Keeps the folder with configurations, stores and logs.
    #[arg(long)]
    pub keep: bool,
    /// Gives up after so many seconds.
    #[arg(long, default_value_t = 120)]
    pub timeout_s: u64,
}

/// One relay of the scenario.
struct Site {
    name: &'static str,
    mta_name: &'static str,
    domain: &'static str,
}

const SITES: [Site; 4] = [
    Site { name: "site-a", mta_name: "SITE-A", domain: "C=GB;A=CARRIER1;P=ACME-A" },
    Site { name: "carrier-1", mta_name: "POINT-1", domain: "C=GB;A=CARRIER1" },
    Site { name: "carrier-2", mta_name: "POINT-2", domain: "C=FR;A=CARRIER2" },
    Site { name: "site-b", mta_name: "SITE-B", domain: "C=FR;A=CARRIER2;P=ACME-B" },
];

/// Address spaces beyond each relay's own domain: westwards and eastwards.
const WEST: &str = "C=GB";
const EAST: &str = "C=FR";

/// Runs the scenario.
///
/// # Errors
/// When a process fails, when the time is over, or when what arrived is not what was sent.
pub fn demo(arguments: &DemoArguments) -> anyhow::Result<()> {
    ensure!(arguments.messages > 0, "--messages must be at least 1");
    let folder = Folder::make(arguments.keep)?;
    let outcome = run_scenario(arguments, &folder.path);
    if outcome.is_err() && !arguments.keep {
        show_logs(&folder.path);
    }
    if arguments.keep {
        println!("kept: {}", folder.path.display());
    }
    outcome
}

fn run_scenario(arguments: &DemoArguments, folder: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(arguments.timeout_s);
    let ports = SITES.iter().map(|_| reserve_port()).collect::<anyhow::Result<Vec<_>>>()?;
    let receiver = Part::start_receiver(arguments, folder)?;
    let receiver_address =
        receiver.first_report(deadline)?.address.context("the receiver told no address")?;

    let mut relays = Vec::new();
    for (index, site) in SITES.iter().enumerate() {
        let config = folder.join(format!("{}.toml", site.name));
        let east = ports.get(index + 1).map_or(receiver_address, |(_, address)| *address);
        let west = index.checked_sub(1).map(|west| ports[west].1);
        fs::write(&config, configuration(index, ports[index].1, west, east, arguments))?;
        relays.push(Part::start_relay(site.name, &config, arguments, folder)?);
    }
    for relay in &relays {
        relay.first_status(deadline)?;
    }
    let sender = Part::start_sender(arguments, folder, ports[0].1)?;

    let mut parts = vec![sender];
    parts.append(&mut relays);
    parts.push(receiver);
    watch(&mut parts, arguments, deadline)?;
    for part in &mut parts {
        part.stop(deadline)?;
    }
    verdict::pronounce(&parts, arguments, folder)
}

/// A folder of its own for each run, removed at the end unless it is to be kept.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn make(keep: bool) -> anyhow::Result<Folder> {
        let path = std::env::temp_dir().join(format!("p1relay-demo-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Folder { path, keep })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("p1relay: {} could not be removed: {error}", self.path.display());
        }
    }
}

fn show_logs(folder: &Path) {
    for site in &SITES {
        let log = fs::read_to_string(folder.join(format!("{}.log", site.name))).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        for line in &lines[lines.len().saturating_sub(5)..] {
            eprintln!("{}: {line}", site.name);
        }
    }
}

/// Binds a free port without listening: while the socket lives nobody else gets it, and a relay, which
/// sets SO_REUSEPORT too, can listen on it.
fn reserve_port() -> anyhow::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let address = socket.local_addr()?.as_socket().context("no address was bound")?;
    Ok((socket, address))
}

/// The configuration of one relay, as an operator would write it.
fn configuration(
    index: usize,
    listen: SocketAddr,
    west: Option<SocketAddr>,
    east: SocketAddr,
    arguments: &DemoArguments,
) -> String {
    let site = &SITES[index];
    let mut text = format!(
        "[mta]\nname = \"{}\"\npassword = \"{}\"\ndomain = \"{}\"\nlisten = [\"{listen}\"]\n\
         store = \"{}\"\nio = \"{}\"\nshards = {}\npin = false\nsegment_size_mib = 16\n",
        site.mta_name,
        password(site.mta_name),
        site.domain,
        site.name,
        arguments.io,
        arguments.shards,
    );
    let mut connector = |mta_name: &str, domain: &str, address: Option<SocketAddr>, space: &str| {
        let address =
            address.map_or(String::new(), |address| format!("address = [\"{address}\"]\n"));
        text += &format!(
            "\n[[connector]]\nname = \"{}\"\n{address}remote_mta_name = \"{mta_name}\"\n\
             remote_password = \"{}\"\ndomain = \"{domain}\"\nassociation_count_max = {}\n\
             called_association_count_max = {}\nopen_retry_delay_s = 0.2\naddress_space = [{{ pattern = \"{space}\", cost = 10 }}]\n",
            mta_name.to_lowercase(),
            password(mta_name),
            // One more each way than the demo uses: one is kept for urgent messages.
            arguments.associations + 1,
            arguments.associations + 1,
        );
    };
    match index.checked_sub(1) {
        Some(neighbour) => {
            connector(SITES[neighbour].mta_name, SITES[neighbour].domain, west, WEST)
        }
        None => connector(parts::SENDER, site.domain, None, site.domain),
    }
    match SITES.get(index + 1) {
        Some(neighbour) => connector(neighbour.mta_name, neighbour.domain, Some(east), EAST),
        None => connector(parts::RECEIVER, site.domain, Some(east), site.domain),
    }
    text
}

fn password(mta_name: &str) -> String {
    format!("{}-secret", mta_name.to_lowercase())
}

/// One of the six processes.
struct Part {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    /// The last line of a relay.
    status: Option<Status>,
    /// The last line of sender or receiver.
    report: Option<EndpointReport>,
}

impl Part {
    fn start(name: &'static str, mut command: Command, folder: &Path) -> anyhow::Result<Part> {
        let log = fs::File::create(folder.join(format!("{name}.log")))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let output = child.stdout.take().context("no standard output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Part { name, child, lines, status: None, report: None })
    }

    fn program(subcommand: &str) -> anyhow::Result<Command> {
        let mut command =
            Command::new(std::env::current_exe().context("this program's own path is unknown")?);
        command.arg(subcommand);
        Ok(command)
    }

    fn start_relay(
        name: &'static str,
        config: &Path,
        arguments: &DemoArguments,
        folder: &Path,
    ) -> anyhow::Result<Part> {
        let mut command = Part::program("run")?;
        command.arg("--config").arg(config).arg("--io").arg(arguments.io.to_string());
        command.args(["--status-interval-ms", "100"]);
        Part::start(name, command, folder)
    }

    fn start_receiver(arguments: &DemoArguments, folder: &Path) -> anyhow::Result<Part> {
        let mut command = Part::program("demo-receive")?;
        command.arg("--count").arg(arguments.messages.to_string());
        command.arg("--manifest").arg(folder.join("received"));
        Part::start("receiver", command, folder)
    }

    fn start_sender(
        arguments: &DemoArguments,
        folder: &Path,
        to: SocketAddr,
    ) -> anyhow::Result<Part> {
        let mut command = Part::program("demo-send")?;
        command.arg("--to").arg(to.to_string());
        command.arg("--count").arg(arguments.messages.to_string());
        command.arg("--size").arg(arguments.size.to_string());
        command.arg("--associations").arg(arguments.associations.to_string());
        command.arg("--manifest").arg(folder.join("sent"));
        Part::start("sender", command, folder)
    }

    fn is_relay(&self) -> bool {
        !matches!(self.name, "sender" | "receiver")
    }

    fn read_lines(&mut self) -> anyhow::Result<()> {
        while let Ok(line) = self.lines.try_recv() {
            self.take_line(&line)?;
        }
        Ok(())
    }

    fn take_line(&mut self, line: &str) -> anyhow::Result<()> {
        let unreadable = || format!("{} wrote {line:?}", self.name);
        if self.is_relay() {
            self.status = Some(serde_json::from_str(line).with_context(unreadable)?);
        } else {
            self.report = Some(serde_json::from_str(line).with_context(unreadable)?);
        }
        Ok(())
    }

    fn first_line(&self, deadline: Instant) -> anyhow::Result<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).with_context(|| format!("{} did not start", self.name))
    }

    fn first_report(&self, deadline: Instant) -> anyhow::Result<EndpointReport> {
        Ok(serde_json::from_str(&self.first_line(deadline)?)?)
    }

    fn first_status(&self, deadline: Instant) -> anyhow::Result<Status> {
        Ok(serde_json::from_str(&self.first_line(deadline)?)?)
    }

    /// Asks the process to stop and waits until it has, with exit status 0.
    fn stop(&mut self, deadline: Instant) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none()
            && let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        loop {
            if let Some(status) = self.child.try_wait()? {
                // The reader thread ends with the pipe; what it still holds is read first.
                while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
                    self.take_line(&line)?;
                }
                ensure!(status.success(), "{} ended with {status}", self.name);
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline + Duration::from_secs(15),
                "{} does not stop",
                self.name
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // An orphan would outlive the demo; there is nothing more to do about one that resists.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Shows the live table until the receiver has everything.
fn watch(parts: &mut [Part], arguments: &DemoArguments, deadline: Instant) -> anyhow::Result<()> {
    let table = MultiProgress::new();
    let style = ProgressStyle::with_template("{prefix:>10} {bar:30} {pos:>7}/{len} {msg}")?;
    let rows: Vec<ProgressBar> = parts
        .iter()
        .map(|part| {
            let row = table.add(ProgressBar::new(arguments.messages).with_style(style.clone()));
            row.set_prefix(part.name);
            row
        })
        .collect();
    let live = std::io::stderr().is_terminal();
    loop {
        let mut arrived = 0;
        for (part, row) in parts.iter_mut().zip(&rows) {
            part.read_lines()?;
            if let Some(status) = &part.status {
                row.set_position(status.counters.transfers_out);
                row.set_message(format!(
                    "in {} queued {} commits {} io {}",
                    status.counters.transfers_in,
                    status.counters.queued,
                    status.counters.commits,
                    status.io_engine
                ));
            }
            if let Some(report) = &part.report {
                row.set_position(report.count);
                row.set_message(format!(
                    "{} in doubt, {} twice",
                    report.in_doubt, report.duplicates
                ));
                arrived = report.count;
            }
            if live {
                row.tick();
            }
            if let Some(status) = part.child.try_wait()?
                && (part.is_relay() || !status.success())
            {
                bail!("{} ended with {status}", part.name);
            }
        }
        if arrived >= arguments.messages {
            rows.iter().for_each(ProgressBar::abandon);
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{arrived} of {} messages arrived in time",
            arguments.messages
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
