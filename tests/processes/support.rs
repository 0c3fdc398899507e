//! Relay processes with a store of their own, and foreign MTAs in threads to both sides of them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as Lines, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use p1relay::base::clock::Now;
use p1relay::endpoint::fault::Fault;
use p1relay::endpoint::receive::Receiver;
use p1relay::endpoint::send::{Sender, Source};
use p1relay::endpoint::template::{Template, TemplateConfig};
use p1relay::endpoint::{Endpoint, EndpointConfig, Next, Script};
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::osi::stack::StackConfig;
use p1relay::p1::scan::Priority;
use p1relay::run::Status;
use p1relay::shard::counters::CounterValues;
use support::port::Port;

/// The MTAs that may send, by [`Load::sender`].
pub(crate) const SENDERS: [&str; 2] = ["SENDER", "SECOND"];

/// Nothing waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The program under test.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_p1relay"));
    command.env_remove("RUST_LOG");
    command
}

/// A relay between the sending MTAs [`SENDERS`] and the MTA `RECEIVER`.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    /// Where the relay listens.
    pub(crate) port: Port,
    /// Where `RECEIVER` listens, or will.
    pub(crate) receiver: Port,
}

/// What a relay is configured with beyond names.
pub(crate) struct Setting {
    pub(crate) shards: u16,
    /// Further lines of `[mta]`.
    pub(crate) mta_lines: &'static str,
    /// Most associations to the receiver.
    pub(crate) associations: u16,
}

impl Site {
    pub(crate) fn new() -> Site {
        Site {
            folder: tempfile::tempdir().unwrap(),
            port: Port::reserve(),
            receiver: Port::reserve(),
        }
    }

    /// Writes the configuration. The senders' connectors come first: of two shards each owns one.
    pub(crate) fn configure(&self, setting: &Setting) -> PathBuf {
        let mut text = format!(
            "[mta]\nname = \"RELAY\"\npassword = \"relay-secret\"\ndomain = \"C=GB;A=CARRIER\"\n\
             listen = [\"{}\"]\nstore = \"store\"\nshards = {}\npin = false\n{}\n",
            self.port.address, setting.shards, setting.mta_lines,
        );
        for sender in SENDERS {
            let name = sender.to_lowercase();
            text += &format!(
                "[[connector]]\nname = \"{name}\"\nremote_mta_name = \"{sender}\"\n\
                 remote_password = \"{name}-secret\"\n",
            );
        }
        text += &format!(
            "[[connector]]\nname = \"receiver\"\naddress = [\"{}\"]\n\
             remote_mta_name = \"RECEIVER\"\nremote_password = \"receiver-secret\"\n\
             association_count_max = {}\nopen_retry_delay_s = 0.05\nopen_retry_delay_s_max = 0.2\n\
             address_space = [{{ pattern = \"C=FR\" }}]\n",
            self.receiver.address, setting.associations,
        );
        let path = self.folder.path().join("relay.toml");
        fs::write(&path, text).unwrap();
        path
    }

    /// Starts a relay on the configuration written last, its log appended to `relay.log`.
    pub(crate) fn start(&self, io: &str) -> Relay {
        Relay::start(self.command(io))
    }

    /// Starts a relay in the same way and kills it after so long, whether it has become ready or not.
    pub(crate) fn start_briefly(&self, io: &str, lifetime: Duration) {
        let mut child = self.command(io).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(lifetime);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn command(&self, io: &str) -> Command {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = program();
        command.arg("run").arg("--config").arg(self.folder.path().join("relay.toml"));
        command.args(["--io", io, "--status-interval-ms", "20", "--log-json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        command
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.path().join("relay.log")
    }

    /// Where a sender lists what it sends.
    pub(crate) fn sent(&self, incarnation: u64, sender: u16) -> PathBuf {
        self.folder.path().join(format!("sent-{incarnation}-{sender}"))
    }

    /// The relay's log so far, a value a line.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.log_path()).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.log_path()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(20)..].iter().for_each(|line| println!("{line}"));
        }
    }
}

/// How a process ended.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Runs a program to its end.
pub(crate) fn finish(mut command: Command) -> Finished {
    let (output, errors) = (tempfile::NamedTempFile::new(), tempfile::NamedTempFile::new());
    let (output, errors) = (output.unwrap(), errors.unwrap());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.reopen().unwrap())
        .stderr(errors.reopen().unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let ended = loop {
        match child.try_wait().unwrap() {
            Some(ended) => break ended,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let read = |file: tempfile::NamedTempFile| fs::read_to_string(file.path()).unwrap();
    Finished { code: ended.code(), output: read(output), errors: read(errors) }
}

/// A relay process; killed when dropped.
pub(crate) struct Relay {
    child: Child,
    lines: Lines<Status>,
    status: Status,
}

impl Relay {
    /// Starts it, and waits until it is ready.
    fn start(mut command: Command) -> Relay {
        let mut child = command.spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(status) = serde_json::from_str(&line) else { return };
                if sender.send(status).is_err() {
                    return;
                }
            }
        });
        match lines.recv_timeout(PATIENCE) {
            Ok(status) => Relay { child, lines, status },
            Err(error) => {
                // Whatever it was doing, it is not to outlive the test.
                let _ = child.kill();
                panic!("the relay did not become ready: {error}");
            }
        }
    }

    /// The last status line.
    pub(crate) fn status(&mut self) -> &Status {
        while let Ok(status) = self.lines.try_recv() {
            self.status = status;
        }
        &self.status
    }

    /// Waits for a status line whose counters are as wanted.
    pub(crate) fn wait_until(&mut self, what: &str, wanted: impl Fn(&CounterValues) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(&self.status().counters) {
            assert!(Instant::now() < deadline, "waited for {what}: {:?}", self.status.counters);
            match self.lines.recv_timeout(Duration::from_secs(5)) {
                Ok(status) => self.status = status,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the relay ended; waited for {what}"),
            }
        }
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; gives the exit status and the last status line.
    pub(crate) fn terminate(mut self) -> (ExitStatus, Status) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let ended = loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                break ended;
            }
            assert!(Instant::now() < deadline, "the relay does not stop");
            std::thread::sleep(Duration::from_millis(5));
        };
        while let Ok(status) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.status = status;
        }
        (ended, self.status.clone())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // After an orderly end there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a foreign MTA in a thread has done so far.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) started: AtomicU64,
    pub(crate) confirmed: AtomicU64,
    /// Transfers that ended without a confirmation.
    pub(crate) returned: AtomicU64,
    pub(crate) received: AtomicU64,
    stop: AtomicBool,
    vanish: AtomicBool,
}

impl Progress {
    pub(crate) fn count(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::SeqCst)
    }

    /// Transfers begun and neither confirmed nor returned.
    pub(crate) fn under_way(&self) -> u64 {
        let ended = Self::count(&self.confirmed) + Self::count(&self.returned);
        Self::count(&self.started).saturating_sub(ended)
    }
}

/// A script that is watched from outside.
struct Watched<S> {
    script: S,
    progress: Arc<Progress>,
}

impl<S: Script> Script for Watched<S> {
    fn next(&mut self, association: usize, now: Now) -> Next {
        let next = self.script.next(association, now);
        if matches!(next, Next::Transfer { .. }) {
            self.progress.started.fetch_add(1, Ordering::SeqCst);
        }
        next
    }

    fn confirmed(&mut self, number: u64, now: Now) {
        self.progress.confirmed.fetch_add(1, Ordering::SeqCst);
        self.script.confirmed(number, now);
    }

    fn returned(&mut self, number: u64, in_doubt: bool) {
        self.progress.returned.fetch_add(1, Ordering::SeqCst);
        self.script.returned(number, in_doubt);
    }

    fn received(&mut self, apdu: &[u8], now: Now) {
        self.progress.received.fetch_add(1, Ordering::SeqCst);
        self.script.received(apdu, now);
        if self.progress.vanish.load(Ordering::SeqCst) {
            // The thread ends here, by its unwinding, and what it holds is closed.
            std::panic::resume_unwind(Box::new(()));
        }
    }

    fn note(&mut self, line: &str) {
        self.script.note(line);
    }

    fn is_finished(&self) -> bool {
        self.script.is_finished() || self.progress.stop.load(Ordering::SeqCst)
    }
}

/// A foreign MTA in a thread.
pub(crate) struct Player<S> {
    pub(crate) progress: Arc<Progress>,
    thread: JoinHandle<S>,
}

impl<S: Script + Send + 'static> Player<S> {
    fn start(
        config: EndpointConfig,
        listen: Option<SocketAddr>,
        fault: Option<Fault>,
        script: S,
    ) -> Player<S> {
        let progress = Arc::new(Progress::default());
        let watched = Watched { script, progress: Arc::clone(&progress) };
        let thread = std::thread::spawn(move || {
            let mut endpoint =
                Endpoint::new(Epoll::new().unwrap(), config, watched).with_fault(fault);
            if let Some(address) = listen {
                endpoint.listen(address).unwrap();
            }
            let deadline = endpoint.engine().now().instant + 2 * PATIENCE;
            loop {
                let next = endpoint.engine().now().instant + Duration::from_millis(20);
                let finished = endpoint.run(Some(next)).unwrap();
                if finished || endpoint.engine().now().instant > deadline {
                    return endpoint.script.script;
                }
            }
        });
        Player { progress, thread }
    }

    /// Waits until it has ended by itself.
    pub(crate) fn join(self) -> S {
        self.thread.join().unwrap()
    }

    /// Ends it when nothing is under way.
    pub(crate) fn stop(self) -> S {
        self.progress.stop.store(true, Ordering::SeqCst);
        self.join()
    }

    /// Ends it when it has taken its next message and before it confirms that: its connections break.
    pub(crate) fn vanish(self) {
        self.progress.vanish.store(true, Ordering::SeqCst);
        assert!(self.thread.join().is_err(), "it ended before it could vanish");
    }

    /// Waits until a count has reached a number.
    pub(crate) fn wait_for(
        &self,
        what: &str,
        number: u64,
        counter: impl Fn(&Progress) -> &AtomicU64,
    ) {
        let deadline = Instant::now() + PATIENCE;
        while Progress::count(counter(&self.progress)) < number {
            assert!(
                Instant::now() < deadline,
                "{} {what}, waited for {number}",
                Progress::count(counter(&self.progress))
            );
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn config(name: &str, call: Option<(SocketAddr, usize)>) -> EndpointConfig {
    let credentials = |name: &str| (name.to_owned(), format!("{}-secret", name.to_lowercase()));
    EndpointConfig {
        local: credentials(name),
        remote: Some(credentials("RELAY")),
        stack: Arc::new(StackConfig::default()),
        call,
        retry_delay: Duration::from_millis(20),
    }
}

/// What a sender sends.
pub(crate) struct Load {
    /// Which of [`SENDERS`].
    pub(crate) sender: u16,
    pub(crate) count: u64,
    pub(crate) text_size: usize,
    pub(crate) associations: usize,
    /// Tells runs of one test apart in identifiers.
    pub(crate) incarnation: u64,
}

/// Starts a sender, which lists what it sends in [`Site::sent`].
pub(crate) fn start_sender(site: &Site, load: &Load) -> Player<Sender> {
    let template = Template::new(
        &TemplateConfig {
            domain: "C=GB;A=CARRIER;P=ACME".parse().unwrap(),
            originator: "C=GB;A=CARRIER;P=ACME;S=SMITH".parse().unwrap(),
            recipients: vec!["C=FR;A=OTHER;P=DEST;S=DURAND".parse().unwrap()],
            priority: Priority::Normal,
            text_size: load.text_size,
            subject: "test".to_owned(),
            incarnation: load.incarnation,
            sender: load.sender,
        },
        Epoll::new().unwrap().now().wall,
    )
    .unwrap();
    let manifest = File::create(site.sent(load.incarnation, load.sender)).unwrap();
    let script = Sender::new(Source::Template(Box::new(template)), load.count, None)
        .with_manifest(Box::new(BufWriter::new(manifest)));
    let config =
        config(SENDERS[usize::from(load.sender)], Some((site.port.address, load.associations)));
    // It resumes nothing: what a broken connection leaves unconfirmed comes back, and is sent again.
    Player::start(config, None, Some(Fault::Forget), script)
}

/// Starts `RECEIVER`, which adds what it gets to the list `received` of the folder.
pub(crate) fn start_receiver(site: &Site) -> Player<Receiver> {
    let path = site.folder.path().join("received");
    let manifest = File::options().create(true).append(true).open(path).unwrap();
    let script = Receiver::new(None).with_manifest(Box::new(BufWriter::new(manifest)));
    Player::start(config("RECEIVER", None), Some(site.receiver.address), None, script)
}

/// The lines of a manifest: the local part of the MTS-identifier, and the content's digest.
pub(crate) fn read_manifest(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            (fields.next().unwrap(), fields.next().unwrap())
        })
        .collect()
}
