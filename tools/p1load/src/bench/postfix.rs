//! A durable Postfix of its own between smtp-source and smtp-sink: the yardstick of `--versus postfix`.
//!
//! Configuration, queue and data stand in the bench's folder; it listens on the loopback interface only,
//! and is tuned for relaying to one next hop: no lookups, no delays, as many processes as sessions, no
//! connection cache (which cost a sixth more processor time where it was tried). It keeps its durability: each message is synced to the queue before it is confirmed.
//! Set-up installs the Debian package where it is missing, which needs root, as Postfix itself does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

const COMMANDS: &str = "/usr/sbin";
const DAEMONS: &str = "/usr/lib/postfix/sbin";
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How often is looked whether everything is delivered.
const QUEUE_INTERVAL: Duration = Duration::from_millis(5);
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A Postfix that runs, and its sink.
pub(super) struct Postfix {
    configuration: PathBuf,
    address: SocketAddr,
    sessions: usize,
    size: usize,
    /// The master's process id.
    master: u32,
    sink: Child,
    queue: PathBuf,
}

/// What a run through Postfix gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct PostfixRun {
    pub(super) messages_per_s: f64,
    /// Of all its processes.
    pub(super) cpu_us_per_message: f64,
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // The master takes its processes with it; nothing can be done about one that resists.
        let _ = postfix(&self.configuration, "abort");
        let deadline = Instant::now() + STOP_PATIENCE;
        while is_running(self.master) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.sink.kill();
        let _ = self.sink.wait();
    }
}

/// Whether there is a file in a folder or in those below it.
fn holds_files(folder: &Path) -> anyhow::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A message that moves on meanwhile was there.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || holds_files(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

impl Postfix {
    /// Installs it if it is missing, writes its configuration into `folder`, and starts it.
    pub(super) fn start(folder: &Path, sessions: usize, size: usize) -> anyhow::Result<Postfix> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "--versus postfix needs root, as Postfix does"
        );
        install()?;
        let folder = folder.canonicalize()?.join("postfix");
        let (configuration, queue, data) =
            (folder.join("etc"), folder.join("queue"), folder.join("data"));
        for directory in [&folder, &configuration, &queue, &data] {
            std::fs::create_dir(directory)?;
        }
        run(Command::new("chown").arg("postfix").arg(&data))?;
        let (address, sink_address) = (free_address()?, free_address()?);
        let main = main_cf(&queue, &data, sink_address, sessions);
        std::fs::write(configuration.join("main.cf"), main)?;
        std::fs::write(configuration.join("master.cf"), master_cf(address, sessions))?;
        let sink = Command::new(format!("{COMMANDS}/smtp-sink"))
            .args(["-u", "postfix", &sink_address.to_string(), "1000"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("smtp-sink")?;
        postfix(&configuration, "start").context("Postfix does not start")?;
        let pid = std::fs::read_to_string(queue.join("pid/master.pid"))?;
        let started = Postfix {
            configuration,
            address,
            sessions,
            size,
            master: pid.trim().parse()?,
            sink,
            queue,
        };
        let deadline = Instant::now() + START_PATIENCE;
        while !started.is_up() {
            ensure!(Instant::now() < deadline, "Postfix does not answer on {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(started)
    }

    fn is_up(&self) -> bool {
        let mut banner = [0; 3];
        TcpStream::connect(self.address)
            .and_then(|mut stream| {
                stream.set_read_timeout(Some(Duration::from_secs(1)))?;
                stream.read_exact(&mut banner)?;
                stream.write_all(b"QUIT\r\n")
            })
            .is_ok()
            && banner == *b"220"
    }

    /// What it was told that differs from its defaults, and its services.
    pub(super) fn configuration(&self) -> anyhow::Result<String> {
        let settings = Command::new(format!("{COMMANDS}/postconf"))
            .arg("-c")
            .arg(&self.configuration)
            .arg("-n")
            .output()?;
        let services = std::fs::read_to_string(self.configuration.join("master.cf"))?;
        Ok(format!("{}\n{services}", String::from_utf8_lossy(&settings.stdout)))
    }

    /// Its version.
    pub(super) fn version(&self) -> anyhow::Result<String> {
        let output =
            Command::new(format!("{COMMANDS}/postconf")).args(["-dh", "mail_version"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Sends so many messages through it; over when it has none left.
    pub(super) fn run(&self, messages: u64) -> anyhow::Result<PostfixRun> {
        let cpu_before = self.cpu_s()?;
        let started = Instant::now();
        let mut source = Command::new(format!("{COMMANDS}/smtp-source"));
        source
            .args(["-d", "-s", &self.sessions.to_string(), "-m", &messages.to_string()])
            .args(["-l", &self.size.to_string(), "-f", "sender@source.test"])
            .args(["-t", "receiver@sink.test", &self.address.to_string()]);
        run(&mut source)?;
        // All are confirmed and so on disk; what is not delivered stands in one of the queues.
        while self.queued("incoming")? || self.queued("active")? {
            std::thread::sleep(QUEUE_INTERVAL);
        }
        let seconds = started.elapsed().as_secs_f64();
        ensure!(!self.queued("deferred")?, "the sink has not taken everything");
        Ok(PostfixRun {
            messages_per_s: messages as f64 / seconds,
            cpu_us_per_message: (self.cpu_s()? - cpu_before) * 1e6 / messages as f64,
        })
    }

    /// Whether there is a message in a queue.
    fn queued(&self, name: &str) -> anyhow::Result<bool> {
        holds_files(&self.queue.join(name))
    }

    /// Processor time of the master and everything below it, ended processes included, seconds.
    fn cpu_s(&self) -> anyhow::Result<f64> {
        let mut processes = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let path = entry?.path().join("stat");
            // A process may end meanwhile; its time is then its parent's.
            if let Ok(stat) = std::fs::read_to_string(path) {
                processes.extend(ProcessTime::parse(&stat));
            }
        }
        let mut family = vec![self.master];
        let mut ticks = 0;
        while let Some(parent) = family.pop() {
            ticks += processes
                .iter()
                .filter(|process| process.pid == parent)
                .map(|process| process.ticks)
                .sum::<u64>();
            family.extend(
                processes.iter().filter(|process| process.parent == parent).map(|it| it.pid),
            );
        }
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }
}

/// What /proc/PID/stat tells.
struct ProcessTime {
    pid: u32,
    parent: u32,
    /// User and system time, its own and that of children it has waited for.
    ticks: u64,
}

impl ProcessTime {
    fn parse(stat: &str) -> Option<ProcessTime> {
        // The name in parentheses may hold anything.
        let (head, rest) = (stat.split(' ').next()?, &stat[stat.rfind(')')? + 1..]);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(ProcessTime { pid: head.parse().ok()?, parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

/// `postfix start`, `postfix abort`. It must not have a pipe of ours, which the master would keep open.
fn postfix(configuration: &Path, command: &str) -> anyhow::Result<()> {
    let status = Command::new(format!("{COMMANDS}/postfix"))
        .arg("-c")
        .arg(configuration)
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    ensure!(status.success(), "postfix {command} ended with {status}");
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Installs the Debian package, without a configuration and so without a service.
fn install() -> anyhow::Result<()> {
    let installed = ["postfix", "smtp-source", "smtp-sink"]
        .iter()
        .all(|name| Path::new(COMMANDS).join(name).exists());
    if installed {
        return Ok(());
    }
    let script = "echo 'postfix postfix/main_mailer_type select No configuration' \
                  | debconf-set-selections && \
                  { apt-get install -qy --no-install-recommends postfix || \
                  { apt-get update -q && apt-get install -qy --no-install-recommends postfix; }; }";
    run(Command::new("sh").args(["-c", script]).env("DEBIAN_FRONTEND", "noninteractive"))
        .context("Postfix is missing and cannot be installed")
}

fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?)
}

fn main_cf(queue: &Path, data: &Path, sink: SocketAddr, sessions: usize) -> String {
    let (queue, data) = (queue.display(), data.display());
    let (ip, port) = (sink.ip(), sink.port());
    // A process for each session on either side, and some to clean up behind them.
    let processes = 2 * sessions + 20;
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {queue}\n\
         data_directory = {data}\n\
         command_directory = {COMMANDS}\n\
         daemon_directory = {DAEMONS}\n\
         myhostname = relay.test\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         mynetworks = 127.0.0.0/8\n\
         mydestination =\n\
         local_recipient_maps =\n\
         alias_maps =\n\
         alias_database =\n\
         relayhost = [{ip}]:{port}\n\
         disable_dns_lookups = yes\n\
         smtpd_peername_lookup = no\n\
         smtpd_recipient_restrictions = permit_mynetworks, reject\n\
         smtpd_client_connection_count_limit = 0\n\
         smtpd_tls_security_level = none\n\
         smtp_tls_security_level = none\n\
         local_header_rewrite_clients =\n\
         fast_flush_domains =\n\
         in_flow_delay = 0\n\
         default_process_limit = {processes}\n\
         default_destination_concurrency_limit = {sessions}\n\
         smtp_destination_concurrency_limit = {sessions}\n\
         initial_destination_concurrency = {sessions}\n\
         smtp_connection_cache_on_demand = no\n\
         max_use = 1000000\n\
         qmgr_message_active_limit = 40000\n\
         qmgr_message_recipient_limit = 40000\n\
         hash_queue_names = deferred\n\
         enable_long_queue_ids = no\n"
    )
}

fn master_cf(address: SocketAddr, sessions: usize) -> String {
    format!(
        "{address} inet n - n - {sessions} smtpd\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         smtp unix - - n - {sessions} smtp\n\
         error unix - - n - - error\n\
         retry unix - - n - - error\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let stat = "42 (a ) b) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5";
        let found = ProcessTime::parse(stat).unwrap();
        assert_eq!((found.pid, found.parent, found.ticks), (42, 7, 100));
    }
}
