//! The relay: `p1relay run` as a child process with a configuration and a store in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use p1relay::run::Status;
use p1relay::shard::counters::CounterValues;
use tempfile::TempDir;

use super::wait_until;

/// MTA name of the relay under test.
pub(crate) const RELAY_NAME: &str = "RELAY";
/// The password that it shows.
pub(crate) const RELAY_PASSWORD: &str = "relay password";

/// A connector to be configured.
#[derive(Default)]
pub(crate) struct Partner<'a> {
    /// MTA name and connector name.
    pub(crate) name: &'a str,
    /// What it shows.
    pub(crate) password: &'a str,
    /// Its domain, if it is configured.
    pub(crate) domain: Option<&'a str>,
    /// Where it is called; `None`: it only calls.
    pub(crate) address: Option<SocketAddr>,
    /// Address spaces, all at the same cost.
    pub(crate) address_spaces: &'a [&'a str],
    /// More lines of its table.
    pub(crate) lines: &'a str,
}

/// Segments large enough for every message of a test but the largest, and small enough to be made fast.
pub(crate) const SMALL_STORE: &str = "segment_size_mib = 16";

/// The text of a configuration; `lines` are more lines of `[mta]`.
pub(crate) fn configuration(domain: &str, lines: &str, partners: &[Partner<'_>]) -> String {
    let mut text = format!(
        "[mta]\nname = \"{RELAY_NAME}\"\npassword = \"{RELAY_PASSWORD}\"\ndomain = \"{domain}\"\n\
         listen = [\"127.0.0.1:0\"]\nshards = 1\npin = false\n{lines}\n"
    );
    for partner in partners {
        text += &format!(
            "\n[[connector]]\nname = \"{}\"\nremote_mta_name = \"{}\"\nremote_password = \"{}\"\n\
             open_retry_delay_s = 0.1\n{}\n",
            partner.name.to_lowercase(),
            partner.name,
            partner.password,
            partner.lines,
        );
        if let Some(domain) = partner.domain {
            text += &format!("domain = \"{domain}\"\n");
        }
        if let Some(address) = partner.address {
            text += &format!("address = [\"{address}\"]\n");
        }
        let spaces: Vec<String> = partner
            .address_spaces
            .iter()
            .map(|pattern| format!("{{ pattern = \"{pattern}\" }}"))
            .collect();
        text += &format!("address_space = [{}]\n", spaces.join(", "));
    }
    text
}

/// A running relay; killed when dropped.
pub(crate) struct Relay {
    child: Child,
    status: Arc<Mutex<Option<Status>>>,
    log: Arc<Mutex<Vec<String>>>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Relay {
    /// Starts it on an engine, `epoll` or `uring`, and waits until it accepts.
    pub(crate) fn start(configuration: &str, engine: &str) -> Relay {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relay.toml");
        fs::write(&file, configuration).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_p1relay"))
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
        let mut relay = Relay { child, status, log, address, _folder: folder };
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
    pub(crate) fn counters(&self) -> CounterValues {
        self.status.lock().unwrap().as_ref().map(|status| status.counters).unwrap_or_default()
    }

    /// Resident memory of the process, octets.
    pub(crate) fn resident_size(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    /// Log lines so far that hold this text.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    /// Its log lines so far.
    pub(crate) fn log(&self) -> Vec<String> {
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
