//! MTAs around the relay: one that is called and keeps what it gets, those that call: one sends a list, one goes on
//! and on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use p1relay::base::buffer::Lease;
use p1relay::base::clock::Now;
use p1relay::endpoint::send::{Sender, Source};
use p1relay::endpoint::{Endpoint, EndpointConfig, Next, Script};
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::osi::stack::StackConfig;

use super::relay::{RELAY_NAME, RELAY_PASSWORD};
use super::{PATIENCE, wait_until};

fn config(name: &str, password: &str, call: Option<SocketAddr>) -> EndpointConfig {
    EndpointConfig {
        local: (name.to_owned(), password.to_owned()),
        remote: Some((RELAY_NAME.to_owned(), RELAY_PASSWORD.to_owned())),
        stack: Arc::new(StackConfig::default()),
        call: call.map(|address| (address, 1)),
        retry_delay: Duration::from_millis(100),
    }
}

/// What a [`CalledMta`] keeps.
#[derive(Default)]
struct Kept {
    apdus: Mutex<Vec<Vec<u8>>>,
    notes: Mutex<Vec<String>>,
    stop: AtomicBool,
}

struct Keeping(Arc<Kept>);

impl Script for Keeping {
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        Next::Idle
    }

    fn confirmed(&mut self, _number: u64, _now: Now) {}

    fn returned(&mut self, _number: u64, _in_doubt: bool) {}

    fn received(&mut self, apdu: &[u8], _now: Now) {
        self.0.apdus.lock().unwrap().push(apdu.to_vec());
    }

    fn note(&mut self, line: &str) {
        self.0.notes.lock().unwrap().push(line.to_owned());
    }

    fn is_finished(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }
}

/// An MTA that the relay calls; it runs until it is dropped.
pub(crate) struct CalledMta {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    kept: Arc<Kept>,
    thread: Option<JoinHandle<()>>,
}

impl CalledMta {
    /// Starts listening.
    pub(crate) fn start(name: &str, password: &str) -> CalledMta {
        let kept = Arc::new(Kept::default());
        let script = Keeping(Arc::clone(&kept));
        let mut endpoint =
            Endpoint::new(Epoll::new().unwrap(), config(name, password, None), script);
        let (_, address) = endpoint.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let stop = Arc::clone(&kept);
        let thread = std::thread::spawn(move || {
            while !stop.stop.load(Ordering::Acquire) {
                let soon = endpoint.engine().now().instant + Duration::from_millis(20);
                endpoint.turn(Some(soon)).unwrap();
            }
        });
        CalledMta { address, kept, thread: Some(thread) }
    }

    /// APDUs received so far.
    pub(crate) fn count(&self) -> usize {
        self.kept.apdus.lock().unwrap().len()
    }

    /// Whether an APDU for which `condition` holds was received.
    pub(crate) fn any(&self, condition: impl Fn(&[u8]) -> bool) -> bool {
        self.kept.apdus.lock().unwrap().iter().any(|apdu| condition(apdu))
    }

    /// Waits for so many APDUs, and that there are no more.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        wait_until("APDUs at the called MTA", || self.count() >= count);
        let apdus = self.kept.apdus.lock().unwrap().clone();
        assert_eq!(apdus.len(), count);
        assert_eq!(*self.kept.notes.lock().unwrap(), [""; 0]);
        apdus
    }
}

impl Drop for CalledMta {
    fn drop(&mut self) {
        self.kept.stop.store(true, Ordering::Release);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            panic!("the called MTA failed");
        }
    }
}

/// Sends a list, once each, in order.
struct Sending {
    apdus: Vec<Lease>,
    next: usize,
    confirmed: usize,
    has_bound: bool,
    notes: Vec<String>,
}

impl Script for Sending {
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        self.has_bound = true;
        let Some(apdu) = self.apdus.get(self.next) else { return Next::Done };
        self.next += 1;
        Next::Transfer { number: self.next as u64, apdu: apdu.clone() }
    }

    fn confirmed(&mut self, _number: u64, _now: Now) {
        self.confirmed += 1;
    }

    fn returned(&mut self, number: u64, in_doubt: bool) {
        self.notes.push(format!("{number} was not confirmed, in doubt: {in_doubt}"));
    }

    fn received(&mut self, _apdu: &[u8], _now: Now) {
        self.notes.push("something was received".to_owned());
    }

    fn note(&mut self, line: &str) {
        self.notes.push(line.to_owned());
    }

    fn is_finished(&self) -> bool {
        self.has_bound && self.confirmed == self.apdus.len() || !self.notes.is_empty()
    }
}

/// Calls, sends each APDU once, and releases; fails when one is not confirmed.
pub(crate) fn send(to: SocketAddr, name: &str, password: &str, apdus: &[&[u8]]) {
    let script = Sending {
        apdus: apdus.iter().map(|apdu| Lease::copied(apdu)).collect(),
        next: 0,
        confirmed: 0,
        has_bound: false,
        notes: Vec::new(),
    };
    let mut endpoint =
        Endpoint::new(Epoll::new().unwrap(), config(name, password, Some(to)), script);
    let deadline = endpoint.engine().now().instant + PATIENCE;
    let finished = endpoint.run(Some(deadline)).unwrap();
    assert_eq!(endpoint.script.notes, [""; 0]);
    assert!(finished, "{} of {} were confirmed", endpoint.script.confirmed, apdus.len());
    assert_eq!(endpoint.script.confirmed, apdus.len());
}

/// Sends the same APDU again and again until it is stopped, some hundred a second.
pub(crate) struct CallingMta {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl CallingMta {
    /// Calls and begins.
    pub(crate) fn start(to: SocketAddr, name: &str, password: &str, apdu: &[u8]) -> CallingMta {
        let sender = Sender::new(Source::Replay(Lease::copied(apdu)), u64::MAX, Some(200.0));
        let mut endpoint =
            Endpoint::new(Epoll::new().unwrap(), config(name, password, Some(to)), sender);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            loop {
                if stopped.load(Ordering::Acquire) {
                    endpoint.script.stop();
                }
                let soon = endpoint.engine().now().instant + Duration::from_millis(20);
                if endpoint.turn(Some(soon)).unwrap() {
                    return endpoint.script.notes;
                }
            }
        });
        CallingMta { stop, thread }
    }

    /// Stops; fails when anything ever went wrong on its association.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        assert_eq!(self.thread.join().unwrap(), [""; 0]);
    }
}
