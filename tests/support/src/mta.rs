//! A foreign MTA over real sockets, in a thread of its own: it calls or is called, sends a list, keeps what it
//! gets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use p1relay::base::buffer::Lease;
use p1relay::base::clock::Now;
use p1relay::endpoint::fault::Fault;
use p1relay::endpoint::{Endpoint, EndpointConfig, Next, Script};
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::osi::rtse::DialogueMode;
use p1relay::osi::stack::{ApplicationContext, StackConfig};

use crate::wait_until;

/// What an MTA is.
#[derive(Clone, Default)]
pub struct MtaConfig<'a> {
    /// Its MTA name.
    pub name: &'a str,
    /// What it shows.
    pub password: &'a str,
    /// What it speaks.
    pub context: ApplicationContext,
    /// Whether it sends on associations that others open.
    pub two_way: bool,
    /// Whom it calls; `None`: it is only called.
    pub call: Option<SocketAddr>,
    /// Where it listens; `None`: anywhere.
    pub listen: Option<SocketAddr>,
    /// What it sends, in order.
    pub apdus: Vec<Vec<u8>>,
    /// How it misbehaves.
    pub fault: Option<Fault>,
}

#[derive(Default)]
struct Kept {
    received: Mutex<Vec<Vec<u8>>>,
    confirmed: Mutex<usize>,
    notes: Mutex<Vec<String>>,
    has_bound: AtomicBool,
    stop: AtomicBool,
}

struct Keeping {
    kept: Arc<Kept>,
    /// To be sent, the next one last.
    waiting: Vec<(u64, Lease)>,
    under_way: Vec<(u64, Lease)>,
}

impl Script for Keeping {
    fn next(&mut self, _association: usize, _now: Now) -> Next {
        self.kept.has_bound.store(true, Ordering::Release);
        let Some((number, apdu)) = self.waiting.pop() else { return Next::Idle };
        self.under_way.push((number, apdu.clone()));
        Next::Transfer { number, apdu }
    }

    fn confirmed(&mut self, number: u64, _now: Now) {
        self.under_way.retain(|under_way| under_way.0 != number);
        *self.kept.confirmed.lock().unwrap() += 1;
    }

    fn returned(&mut self, number: u64, _in_doubt: bool) {
        let found = self.under_way.iter().position(|under_way| under_way.0 == number).unwrap();
        self.waiting.push(self.under_way.swap_remove(found));
    }

    fn received(&mut self, apdu: &[u8], _now: Now) {
        self.kept.received.lock().unwrap().push(apdu.to_vec());
    }

    fn note(&mut self, line: &str) {
        self.kept.notes.lock().unwrap().push(line.to_owned());
    }

    fn is_finished(&self) -> bool {
        self.kept.stop.load(Ordering::Acquire)
    }
}

/// A running MTA; it releases and ends when it is dropped.
pub struct Mta {
    /// Where it listens.
    pub address: SocketAddr,
    kept: Arc<Kept>,
    /// Whether it has nothing to say: it waits to be called, and does as it should.
    behaves: bool,
    thread: Option<JoinHandle<()>>,
}

impl Mta {
    /// One that is only called.
    pub fn called(name: &str, password: &str) -> Mta {
        Mta::start(MtaConfig { name, password, ..MtaConfig::default() })
    }

    /// Listens, and calls if it is to call.
    pub fn start(config: MtaConfig<'_>) -> Mta {
        let behaves = config.fault.is_none() && config.call.is_none();
        let kept = Arc::new(Kept::default());
        let numbered = (1..).zip(config.apdus.iter().map(|apdu| Lease::copied(apdu)));
        let mut waiting: Vec<_> = numbered.collect();
        waiting.reverse();
        let script = Keeping { kept: Arc::clone(&kept), waiting, under_way: Vec::new() };
        let mut stack = StackConfig {
            application_context: config.context,
            accepted_application_contexts: vec![config.context],
            ..StackConfig::default()
        };
        stack.rtse.checkpoint_size_kib = 30;
        stack.rtse.window_size = 3;
        if config.two_way {
            stack.rtse.dialogue_mode = DialogueMode::TwoWayAlternate;
        }
        let endpoint = EndpointConfig {
            local: (config.name.to_owned(), config.password.to_owned()),
            remote: None,
            stack: Arc::new(stack),
            call: config.call.map(|address| (address, 1)),
            retry_delay: Duration::from_millis(100),
        };
        let listen = config.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let mut endpoint =
            Endpoint::new(Epoll::new().unwrap(), endpoint, script).with_fault(config.fault);
        let (_, address) = endpoint.listen(listen).unwrap();
        let thread = std::thread::spawn(move || {
            loop {
                let soon = endpoint.engine().now().instant + Duration::from_millis(10);
                if endpoint.turn(Some(soon)).unwrap() {
                    return;
                }
            }
        });
        Mta { address, kept, behaves, thread: Some(thread) }
    }

    /// How many of its APDUs were confirmed.
    pub fn confirmed_count(&self) -> usize {
        *self.kept.confirmed.lock().unwrap()
    }

    /// What it received so far.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.kept.received.lock().unwrap().clone()
    }

    /// What it had to say so far.
    pub fn notes(&self) -> Vec<String> {
        self.kept.notes.lock().unwrap().clone()
    }

    /// Whether it has, or had, an association that it may send on.
    pub fn has_bound(&self) -> bool {
        self.kept.has_bound.load(Ordering::Acquire)
    }

    /// APDUs received so far.
    pub fn count(&self) -> usize {
        self.kept.received.lock().unwrap().len()
    }

    /// Whether an APDU for which `condition` holds was received.
    pub fn any(&self, condition: impl Fn(&[u8]) -> bool) -> bool {
        self.kept.received.lock().unwrap().iter().any(|apdu| condition(apdu))
    }

    /// Waits for so many APDUs, and that there are no more; nor may one that behaves, and is only called, have
    /// had to say anything.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        wait_until("APDUs at the MTA", || self.count() >= count);
        let received = self.received();
        assert_eq!(received.len(), count);
        if self.behaves {
            assert_eq!(self.notes(), [""; 0]);
        }
        received
    }

    /// Releases, and waits until it has.
    pub fn stop(&mut self) {
        self.kept.stop.store(true, Ordering::Release);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            panic!("an MTA failed");
        }
    }
}

impl Drop for Mta {
    fn drop(&mut self) {
        self.stop();
    }
}
