//! A thread that does file operations which would block an engine's own thread.
//!
//! Jobs are done in the order given. Durable writes that wait behind one another and are neighbours
//! in one file become one write, so that a log's commits share what a commit costs.
//!
//! Invariants: no more than `DISK_JOB_COUNT_MAX` jobs are with the thread, so neither channel is ever
//! full and neither side ever waits to put something in; dropping the owner finishes what was given.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};
use rustix::io::{Errno, ReadWriteFlags};
use smallvec::SmallVec;

use super::files::{self, OpenFile};
use super::interrupt::{Interrupt, Nudge};
use super::{Haste, Token};
use crate::base::buffer::{Fill, Lease};
use crate::base::limits::{DISK_JOB_COUNT_MAX, DISK_WRITE_MERGE_COUNT_MAX};

/// A file operation, checked by the engine.
pub(super) enum Job {
    Write { token: Token, file: Arc<OpenFile>, offset: u64, octets: Lease, durable: bool },
    Sync { token: Token, file: Arc<OpenFile> },
    Read { token: Token, file: Arc<OpenFile>, offset: u64, size: usize, into: Fill },
    Create { token: Token, path: PathBuf, size: u64, haste: Haste },
}

/// How a job ended well.
pub(super) enum Done {
    Written,
    Synced,
    Read(Fill),
    Created(OpenFile),
}

type Report = (Token, io::Result<Done>);

/// The owner's end of the thread.
pub(super) struct DiskThread {
    jobs: Option<Sender<Job>>,
    reports: Receiver<Report>,
    waiting: VecDeque<Job>,
    under_way: usize,
    thread: Option<JoinHandle<()>>,
}

impl DiskThread {
    /// Starts the thread; it interrupts its engine after it has reported.
    pub(super) fn start<N: Nudge + 'static>(
        name: &str,
        interrupt: Arc<Interrupt<N>>,
    ) -> io::Result<DiskThread> {
        let (jobs, jobs_in) = bounded(DISK_JOB_COUNT_MAX);
        let (reports_out, reports) = bounded(DISK_JOB_COUNT_MAX);
        let worker = Worker { jobs: jobs_in, reports: reports_out, interrupt };
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || worker.run())?;
        Ok(DiskThread {
            jobs: Some(jobs),
            reports,
            waiting: VecDeque::new(),
            under_way: 0,
            thread: Some(thread),
        })
    }

    /// Gives the thread a job.
    pub(super) fn submit(&mut self, job: Job) {
        self.waiting.push_back(job);
        self.hand_over();
    }

    /// The next job's report, if there is one.
    pub(super) fn report(&mut self) -> Option<Report> {
        let report = self.reports.try_recv().ok()?;
        self.under_way -= 1;
        self.hand_over();
        Some(report)
    }

    fn hand_over(&mut self) {
        while self.under_way < DISK_JOB_COUNT_MAX {
            let (Some(jobs), Some(job)) = (&self.jobs, self.waiting.pop_front()) else { return };
            if let Err(refused) = jobs.try_send(job) {
                self.waiting.push_front(refused.into_inner());
                return;
            }
            self.under_way += 1;
        }
    }
}

impl Drop for DiskThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic on the thread has been reported there; there is no one to pass it to.
            let _ = thread.join();
        }
    }
}

struct Worker<N> {
    jobs: Receiver<Job>,
    reports: Sender<Report>,
    interrupt: Arc<Interrupt<N>>,
}

impl<N: Nudge> Worker<N> {
    fn run(&self) {
        let mut run = Vec::with_capacity(DISK_WRITE_MERGE_COUNT_MAX);
        let mut held = None;
        while let Some(job) = held.take().or_else(|| self.next()) {
            match job {
                Job::Write { token, file, offset, octets, durable } => {
                    let mut end = offset + octets.len() as u64;
                    run.push((token, octets));
                    while durable && run.len() < DISK_WRITE_MERGE_COUNT_MAX && held.is_none() {
                        match self.jobs.try_recv() {
                            Ok(Job::Write { token, file: next, offset, octets, durable: true })
                                if Arc::ptr_eq(&next, &file) && offset == end =>
                            {
                                end += octets.len() as u64;
                                run.push((token, octets));
                            }
                            Ok(other) => held = Some(other),
                            Err(_) => break,
                        }
                    }
                    self.write(&file, offset, durable, &mut run);
                }
                Job::Sync { token, file } => {
                    self.count();
                    let synced = retry(|| rustix::fs::fdatasync(&*file));
                    self.report(token, synced.map(|()| Done::Synced));
                }
                Job::Read { token, file, offset, size, into } => {
                    self.report(token, self.read(&file, offset, size, into).map(Done::Read));
                }
                Job::Create { token, path, size, haste } => {
                    let created = files::create(&path, size, &haste, self.interrupt.counter());
                    self.report(token, created.map(Done::Created));
                }
            }
            self.interrupt.report();
        }
    }

    fn next(&self) -> Option<Job> {
        self.jobs.try_recv().ok().or_else(|| {
            // One call to sleep here and one to be woken by the engine.
            self.interrupt.counter().fetch_add(2, Ordering::Relaxed);
            self.jobs.recv().ok()
        })
    }

    /// Writes neighbours in one go, and reports each when its lease is dropped.
    fn write(&self, file: &OpenFile, offset: u64, durable: bool, run: &mut Vec<(Token, Lease)>) {
        let flags = if durable { ReadWriteFlags::DSYNC } else { ReadWriteFlags::empty() };
        let total = run.iter().map(|(_, octets)| octets.len()).sum();
        let mut written = 0;
        let mut failed = None;
        while written < total && failed.is_none() {
            let mut before = written;
            let mut slices = SmallVec::<[IoSlice<'_>; DISK_WRITE_MERGE_COUNT_MAX]>::new();
            for (_, octets) in run.iter() {
                let skipped = before.min(octets.len());
                before -= skipped;
                slices.push(IoSlice::new(&octets[skipped..]));
            }
            self.count();
            let at = offset + written as u64;
            match retry(|| rustix::io::pwritev2(file, &slices, at, flags)) {
                Ok(0) => failed = Some(Errno::IO.into()),
                Ok(count) => written += count,
                Err(error) => failed = Some(error),
            }
        }
        for (token, octets) in run.drain(..) {
            drop(octets);
            let result = match &failed {
                None => Ok(Done::Written),
                Some(error) => Err(repeated(error)),
            };
            self.report(token, result);
        }
    }

    fn read(&self, file: &OpenFile, offset: u64, size: usize, mut into: Fill) -> io::Result<Fill> {
        let mut wanted = size;
        while wanted > 0 {
            self.count();
            let at = offset + (size - wanted) as u64;
            let spare = &mut into.spare_mut()[..wanted];
            let count = retry(|| rustix::io::pread(file, &mut *spare, at))?;
            into.advance(count);
            wanted -= count;
            // A short count is the file's end: what follows would not be aligned.
            if count == 0 || !count.is_multiple_of(crate::base::limits::STORE_BLOCK_SIZE) {
                break;
            }
        }
        Ok(into)
    }

    fn report(&self, token: Token, result: io::Result<Done>) {
        // Not full, by the module's invariant; no one listens any more when the engine is dropped.
        let _ = self.reports.try_send((token, result));
    }

    fn count(&self) {
        self.interrupt.counter().fetch_add(1, Ordering::Relaxed);
    }
}

fn repeated(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
