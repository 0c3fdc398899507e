//! A mailbox between two shards as `benches/mailbox.rs` uses it: numbers go in, the same numbers come out.
//! Mail of every kind is as large and takes the same way; this one needs no message.

use std::sync::Arc;

use super::mail::{Mail, Mailbox, Route};
use crate::io::Waker;

/// The sending shard's end.
pub struct Sending(Route<()>);

/// The receiving shard's end.
pub struct Receiving(Arc<Mailbox<()>>);

/// A mailbox, and the way to it of a shard that wakes its owner by `waker`.
pub fn between_shards(waker: Waker) -> (Sending, Receiving) {
    let mailbox = Mailbox::new();
    (Sending(Route::new(Arc::clone(&mailbox), waker)), Receiving(mailbox))
}

impl Sending {
    /// Sends a number; it waits on this side while the lane is full.
    pub fn send(&mut self, number: u64) {
        self.0.send(Mail::FetchConfirm { transfer: number, octets: None });
    }

    /// As at the end of a shard's turn: what waits is tried again. Gives the receiver's waker if mail was
    /// delivered.
    pub fn end_turn(&mut self) -> Option<Waker> {
        self.0.retry();
        self.0.take_wake()
    }
}

impl Receiving {
    /// The next number.
    pub fn receive(&self) -> Option<u64> {
        match self.0.receive()? {
            Mail::FetchConfirm { transfer, .. } => Some(transfer),
            _ => None,
        }
    }
}
