//! Both ends of a mailbox on one thread.

use std::sync::Arc;

use p1relay::io::{Wake, Waker};
use p1relay::shard::mail_bench::{Receiving, Sending, between_shards};

/// Waking costs what the engine makes of it, and is measured apart.
struct Awake;

impl Wake for Awake {
    fn wake(&self) {}
}

pub(crate) struct Pair {
    sending: Sending,
    receiving: Receiving,
}

impl Pair {
    pub(crate) fn new() -> Pair {
        let (sending, receiving) = between_shards(Waker::new(Arc::new(Awake)));
        Pair { sending, receiving }
    }

    /// One turn of either side: so many sent, all received; gives their sum.
    pub(crate) fn turn(&mut self, count: u64) -> u64 {
        (0..count).for_each(|number| self.sending.send(number));
        self.sending.end_turn();
        std::iter::from_fn(|| self.receiving.receive()).sum()
    }
}
