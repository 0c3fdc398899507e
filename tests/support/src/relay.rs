//! The relay: `p1relay run` as a child process with a configuration and a store in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use p1relay::run::Status;
use p1relay::shard::counters::CounterValues;
use tempfile::TempDir;

use super::wait_until;

/// MTA name of the relay under test.
pub const RELAY_NAME: &str = "RELAY";
/// The password that it shows.
pub const RELAY_PASSWORD: &str = "RELAY password";

/// A connector to be configured.
#[derive(Default)]
pub struct Partner<'a> {
    /// MTA name and connector name.
    pub name: &'a str,
    /// What it shows.
    pub password: &'a str,
    /// Its domain, if it is configured.
    pub domain: Option<&'a str>,
    /// Where it is called; `None`: it only calls.
    pub address: Option<SocketAddr>,
    /// Address spaces, all at the same cost.
    pub address_spaces: &'a [&'a str],
    /// More lines of its table.
    pub lines: &'a str,
}

/// Segments large enough for every message of a test but the largest, and small enough to be made fast.
pub const SMALL_STORE: &str = "segment_size_mib = 16";

/// A relay to be configured; it shows its name followed by ` password`.
pub struct RelayConfig<'a> {
    /// MTA name.
    pub name: &'a str,
    /// Its domain.
    pub domain: &'a str,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its shards.
    pub shard_count: usize,
    /// More lines of `[mta]`.
    pub lines: &'a str,
    /// Its connectors.
    pub partners: &'a [Partner<'a>],
    /// More tables.
    pub tables: &'a str,
}

impl RelayConfig<'_> {
    /// The text of its configuration.
    pub fn text(&self) -> String {
        let RelayConfig { name, domain, listen, shard_count, lines, partners, tables } = self;
        let mut text = format!(
            "[mta]\nname = \"{name}\"\npassword = \"{name} password\"\ndomain = \"{domain}\"\n\
             listen = [\"{listen}\"]\nshards = {shard_count}\npin = false\n{lines}\n"
        );
        for partner in *partners {
            partner.write_to(&mut text);
        }
        text + tables
    }
}

impl Partner<'_> {
    fn write_to(&self, text: &mut String) {
        let Partner { name, password, domain, address, address_spaces, lines } = self;
        *text += &format!(
            "\n[[connector]]\nname = \"{}\"\nremote_mta_name = \"{name}\"\n\
             remote_password = \"{password}\"\nopen_retry_delay_s = 0.1\n{lines}\n",
            name.to_lowercase(),
        );
        if let Some(domain) = domain {
            *text += &format!("domain = \"{domain}\"\n");
        }
        if let Some(address) = address {
            *text += &format!("address = [\"{address}\"]\n");
        }
        let spaces: Vec<String> =
            address_spaces.iter().map(|pattern| format!("{{ pattern = \"{pattern}\" }}")).collect();
        *text += &format!("address_space = [{}]\n", spaces.join(", "));
    }
}

/// The text of the configuration of a relay that is alone; `lines` are more lines of `[mta]`.
pub fn configuration(domain: &str, lines: &str, partners: &[Partner<'_>]) -> String {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    RelayConfig { name: RELAY_NAME, domain, listen, shard_count: 1, lines, partners, tables: "" }
        .text()
}

/// A running relay; killed when dropped.
pub struct Relay {
    child: Child,
    status: Arc<Mutex<Option<Status>>>,
    log: Arc<Mutex<Vec<String>>>,
    /// Where it listens.
    pub address: SocketAddr,
    folder: TempDir,
}

/// The program: cargo builds it with the tests of its package, one folder above theirs.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("p1relay");
    assert!(program.is_file(), "{} is not there: build it with its tests", program.display());
    program
}

impl Relay {
    /// Starts it on an engine, `epoll` or `uring`, and waits until it accepts.
    pub fn start(configuration: &str, engine: &str) -> Relay {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relay.toml");
        fs::write(&file, configuration).unwrap();
        let mut child = Command::new(program())
            .args(["run", "--io", engine, "--status-interval-ms", "20", "--config"])
            .arg(&file)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&status);
        each_line(child.stdout.take().unwrap(), move |line| {
            *kept.lock().unwrap() = serde_json::from_str(&line).ok();
        });
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        each_line(child.stderr.take().unwrap(), move |line| kept.lock().unwrap().push(line));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut relay = Relay { child, status, log, address, folder };
        wait_until("the relay's first status line", || {
            let ended = relay.child.try_wait().unwrap();
            assert!(ended.is_none(), "the relay ended with {ended:?}: {:#?}", relay.log());
            relay.status.lock().unwrap().is_some()
        });
        let first = relay.status.lock().unwrap().clone().unwrap();
        assert_eq!(first.io_engine, engine, "{}", first.io_engine_reason);
        relay.address = first.addresses[0];
        relay
    }

    /// The last counters that it printed.
    pub fn counters(&self) -> CounterValues {
        self.status.lock().unwrap().as_ref().map(|status| status.counters).unwrap_or_default()
    }

    /// Resident memory of the process, octets.
    pub fn resident_size(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    /// What its journal says of a message, as `p1relay track` does, one line an event.
    pub fn track(&self, mts_identifier: &str) -> String {
        let output = Command::new(program())
            .args(["track", mts_identifier, "--config"])
            .arg(self.folder.path().join("relay.toml"))
            .output()
            .unwrap();
        // Before the first event is written there is nothing to be found, which is said by the status too.
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until its journal says all of this of a message.
    #[track_caller]
    pub fn wait_for_events(&self, mts_identifier: &str, texts: &[&str]) {
        wait_until(&format!("{texts:?} in the journal"), || {
            let told = self.track(mts_identifier);
            texts.iter().all(|text| told.contains(text))
        });
    }

    /// Log lines so far that hold this text.
    pub fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    /// Its log lines so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Nothing is to be done about a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the relay's log: {:#?}", self.log());
        }
    }
}

fn each_line(pipe: impl Read + Send + 'static, mut take: impl FnMut(String) + Send + 'static) {
    std::thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).for_each(&mut take);
    });
}
