//! A delivery point's thread: hands out what the shard gives, takes submissions in, and waits on its doorbell
//! and on the submission directory. It alone touches the directories, however slow they are.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;

use super::SpoolSettings;
use super::deliver::Deliverer;
use super::port::{Port, Work};
use super::submit::Submitter;
use crate::base::clock::WallTime;
use crate::base::limits::SPOOL_DELIVERY_COUNT_MAX;
use crate::io::Waker;
use crate::mta::identifier::Identifiers;
use crate::p1::domain::GlobalDomainIdentifier;

/// What a delivery point's thread is started with.
pub struct Start {
    /// The connector's name.
    pub connector: String,
    /// Its directories.
    pub settings: SpoolSettings,
    /// Largest MTS-APDU taken, octets.
    pub apdu_size_max: usize,
    /// Our domain.
    pub domain: GlobalDomainIdentifier,
    /// For what is submitted here.
    pub identifiers: Identifiers,
    /// Where it meets the owner shard.
    pub port: Arc<Port>,
    /// Wakes the owner shard.
    pub shard: Waker,
}

/// How often a submission directory is looked at that cannot be watched, or after a failure.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Starts the thread; it ends after [`Port::stop`].
///
/// # Errors
/// When the operating system gives no thread.
pub fn start(start: Start) -> io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(format!("spool-{}", start.connector));
    thread.spawn(move || DeliveryPoint::new(start).run())
}

struct DeliveryPoint {
    port: Arc<Port>,
    shard: Waker,
    deliverer: Deliverer,
    submitter: Option<Submitter>,
}

impl DeliveryPoint {
    fn new(start: Start) -> DeliveryPoint {
        let Start { connector, settings, apdu_size_max, domain, identifiers, port, shard } = start;
        let deliverer = Deliverer::new(
            &connector,
            settings.directory.clone(),
            domain.clone(),
            settings.content_types.clone(),
        );
        let submitter = Submitter::new(connector, &settings, apdu_size_max, domain, identifiers);
        DeliveryPoint { port, shard, deliverer, submitter }
    }

    fn run(mut self) {
        loop {
            self.port.silence();
            let mut told = self.work();
            let mut soon = false;
            if let Some(submitter) = &mut self.submitter {
                let turn = submitter.turn(&self.port, now());
                told |= turn.told;
                soon = turn.unfinished;
            }
            if told {
                self.shard.wake();
            }
            if self.port.is_stopping() && !self.port.has_work() {
                return;
            }
            self.wait(soon);
        }
    }

    /// Does what was given; says whether the shard is to look.
    fn work(&mut self) -> bool {
        let mut told = false;
        loop {
            let work = self.port.work();
            if work.is_none() || self.deliverer.ready_count() >= SPOOL_DELIVERY_COUNT_MAX {
                told |= self.deliverer.ready_count() > 0;
                self.deliverer.commit(now, |answer| self.port.tell(answer));
            }
            match work {
                None => return told,
                Some(Work::Delivery { number, delivery }) => self.deliverer.begin(number, delivery),
                Some(Work::Piece(octets)) => {
                    self.deliverer.piece(&octets);
                    // There is room for the next one.
                    told = true;
                }
                Some(Work::Abandon) => self.deliverer.abandon(),
                Some(Work::Submitted { number, result }) => {
                    if let Some(submitter) = &mut self.submitter {
                        submitter.submitted(number, result, now());
                    }
                }
            }
        }
    }

    /// Waits for the doorbell, for what appears in the submission directory, or for the next look.
    fn wait(&self, soon: bool) {
        let doorbell = self.port.doorbell();
        let watch = self.submitter.as_ref().and_then(Submitter::watch);
        let mut waited = vec![PollFd::new(&doorbell, PollFlags::IN)];
        waited.extend(
            watch.iter().map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)),
        );
        let interval = match soon {
            true => Duration::from_millis(20),
            false => LOOK_INTERVAL,
        };
        let timeout = self.submitter.is_some().then_some(Timespec {
            tv_sec: interval.as_secs() as i64,
            tv_nsec: i64::from(interval.subsec_nanos()),
        });
        // However it ends, what there is is looked at.
        let _ = poll(&mut waited, timeout.as_ref());
    }
}

fn now() -> WallTime {
    WallTime(jiff::Timestamp::now().as_millisecond())
}
