//! MTAs that call the relay: one sends a list and goes, one goes on and on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use p1relay::base::buffer::Lease;
use p1relay::endpoint::send::{Sender, Source};
use p1relay::endpoint::{Endpoint, EndpointConfig};
use p1relay::io::Engine;
use p1relay::io::epoll::Epoll;
use p1relay::osi::stack::StackConfig;

use super::relay::{RELAY_NAME, RELAY_PASSWORD};
use super::wait_until;
use crate::mta::{Mta, MtaConfig};

/// Calls, sends each APDU once, and releases; fails when one is not confirmed.
#[track_caller]
pub fn send(to: SocketAddr, name: &str, password: &str, apdus: &[&[u8]]) {
    let apdus: Vec<Vec<u8>> = apdus.iter().map(|apdu| apdu.to_vec()).collect();
    let count = apdus.len();
    let config = MtaConfig { name, password, call: Some(to), apdus, ..MtaConfig::default() };
    let mut mta = Mta::start(config);
    wait_until("confirmations", || mta.has_bound() && mta.confirmed_count() == count);
    mta.stop();
    assert_eq!(mta.notes(), [""; 0]);
    assert_eq!(mta.received().len(), 0);
}

/// Sends the same APDU again and again until it is stopped, some hundred a second.
pub struct CallingMta {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl CallingMta {
    /// Calls and begins.
    pub fn start(to: SocketAddr, name: &str, password: &str, apdu: &[u8]) -> CallingMta {
        let config = EndpointConfig {
            local: (name.to_owned(), password.to_owned()),
            remote: Some((RELAY_NAME.to_owned(), RELAY_PASSWORD.to_owned())),
            stack: Arc::new(StackConfig::default()),
            call: Some((to, 1)),
            retry_delay: Duration::from_millis(100),
        };
        let sender = Sender::new(Source::Replay(Lease::copied(apdu)), u64::MAX, Some(200.0));
        let mut endpoint = Endpoint::new(Epoll::new().unwrap(), config, sender);
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
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        assert_eq!(self.thread.join().unwrap(), [""; 0]);
    }
}
