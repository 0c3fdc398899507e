//! The process under test: started on cores of its own, read through /proc, killed when dropped.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::Context;
use rustix::thread::CpuSet;

/// Which cores the process under test may use, and which the load.
pub(super) struct Cores {
    all: CpuSet,
    split: Option<(CpuSet, CpuSet)>,
}

impl Cores {
    /// Gives the process under test `count` cores and the load the others, if there are others.
    pub(super) fn split(count: usize) -> anyhow::Result<Cores> {
        let all = rustix::thread::sched_getaffinity(None)?;
        let numbers: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
        let set = |cpus: &[usize]| {
            let mut set = CpuSet::new();
            cpus.iter().for_each(|cpu| set.set(*cpu));
            set
        };
        let split = (count < numbers.len())
            .then(|| (set(&numbers[..count.max(1)]), set(&numbers[count.max(1)..])));
        Ok(Cores { all, split })
    }

    /// Whether load and process under test are kept apart.
    pub(super) fn are_apart(&self) -> bool {
        self.split.is_some()
    }

    fn for_subject(&self) -> anyhow::Result<()> {
        let cpus = self.split.as_ref().map_or(&self.all, |(subject, _)| subject);
        Ok(rustix::thread::sched_setaffinity(None, cpus)?)
    }

    fn for_load(&self) -> anyhow::Result<()> {
        let cpus = self.split.as_ref().map_or(&self.all, |(_, load)| load);
        Ok(rustix::thread::sched_setaffinity(None, cpus)?)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        // What cannot be undone changes only where the rest of this process runs.
        let _ = rustix::thread::sched_setaffinity(None, &self.all);
    }
}

/// A process that was started for a run.
pub(super) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a process that resists.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts this program again with other arguments, on the cores of the process under test; it logs
    /// from `level`.
    pub(super) fn start(
        arguments: &[String],
        level: &str,
        cores: &Cores,
    ) -> anyhow::Result<Process> {
        cores.for_subject()?;
        let child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .env("RUST_LOG", level)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        cores.for_load()?;
        let mut child = child?;
        let output = child.stdout.take().context("no standard output")?;
        Ok(Process { child, lines: BufReader::new(output).lines() })
    }

    /// The next line that it writes, read as JSON.
    pub(super) fn next_line<T: serde::de::DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let line = self.lines.next().context("the process has ended early")??;
        Ok(serde_json::from_str(&line)?)
    }

    /// Asks it to stop.
    pub(super) fn terminate(&self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).context("no process")?;
        Ok(rustix::process::kill_process(pid, rustix::process::Signal::TERM)?)
    }

    /// Waits for its end; gives the last line that it wrote.
    pub(super) fn finish<T: serde::de::DeserializeOwned>(mut self) -> anyhow::Result<T> {
        let mut last = None;
        for line in self.lines.by_ref() {
            last = Some(line?);
        }
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the process under test ended with {status}");
        Ok(serde_json::from_str(&last.context("the process told nothing")?)?)
    }

    /// Its resident memory, KiB.
    pub(super) fn resident_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        number(&status, "\nVmRSS:")
    }

    /// What it has used so far.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let mut usage = Usage::default();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let path = task?.path();
            let time = ThreadTime::read(&path.join("schedstat").to_string_lossy())?;
            usage.threads.insert(path.to_string_lossy().into_owned(), time);
            let status = std::fs::read_to_string(path.join("status"))?;
            usage.context_switches += number(&status, "\nvoluntary_ctxt_switches:")?
                + number(&status, "\nnonvoluntary_ctxt_switches:")?;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        usage.peak_memory_kib = number(&status, "\nVmHWM:")?;
        Ok(usage)
    }
}

/// The number behind a name in a file of /proc.
fn number(text: &str, name: &str) -> anyhow::Result<u64> {
    let rest = text.split(name).nth(1).with_context(|| format!("no {name} in /proc"))?;
    Ok(rest.split_whitespace().next().unwrap_or_default().parse()?)
}

/// What a thread has used, nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ThreadTime {
    /// On a core.
    pub(super) running: u64,
    /// Ready to run, but not on a core.
    pub(super) waiting: u64,
}

impl ThreadTime {
    fn read(path: &str) -> anyhow::Result<ThreadTime> {
        let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
        let mut numbers = text.split_whitespace().map(str::parse::<u64>);
        let mut next = || anyhow::Ok(numbers.next().context("schedstat")??);
        Ok(ThreadTime { running: next()?, waiting: next()? })
    }

    /// This thread's.
    pub(super) fn own() -> anyhow::Result<ThreadTime> {
        ThreadTime::read("/proc/thread-self/schedstat")
    }

    /// The part of the time in which it could have run, in which it did.
    pub(super) fn busy_since(self, earlier: ThreadTime, elapsed_ns: u64) -> f64 {
        let running = self.running.saturating_sub(earlier.running);
        let waiting = self.waiting.saturating_sub(earlier.waiting);
        running as f64 / elapsed_ns.saturating_sub(waiting).max(1) as f64
    }
}

/// What a process has used.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    threads: HashMap<String, ThreadTime>,
    /// Voluntary and not, of all threads.
    pub(super) context_switches: u64,
    /// Largest resident set, KiB.
    pub(super) peak_memory_kib: u64,
}

impl Usage {
    /// Processor time of all threads since an earlier reading, nanoseconds.
    pub(super) fn cpu_ns_since(&self, earlier: &Usage) -> u64 {
        let total = |usage: &Usage| usage.threads.values().map(|time| time.running).sum::<u64>();
        total(self).saturating_sub(total(earlier))
    }

    /// [`ThreadTime::busy_since`] of the busiest thread.
    pub(super) fn busiest_since(&self, earlier: &Usage, elapsed_ns: u64) -> f64 {
        let busy = self.threads.iter().map(|(name, time)| {
            let before = earlier.threads.get(name).copied().unwrap_or_default();
            time.busy_since(before, elapsed_ns)
        });
        busy.fold(0.0, f64::max)
    }
}
