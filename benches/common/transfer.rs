//! Two stacks in memory, bound, with transfers from one to the other.

use std::sync::Arc;

use p1relay::base::buffer::Lease;
use p1relay::base::transmit::Transmit;
use p1relay::osi::stack::{Indication, Stack, StackConfig};

/// A calling and a called stack with their working memory.
pub(crate) struct Pair {
    initiator: Stack,
    responder: Stack,
    transmit: Transmit,
    wire: Vec<u8>,
    message: Lease,
}

impl Pair {
    /// Two stacks that are bound, and the message to be transferred.
    pub(crate) fn bound(message: &[u8]) -> Pair {
        let config = Arc::new(StackConfig::default());
        let mut pair = Pair {
            initiator: Stack::initiator(Arc::clone(&config), &[0xb0, 0]),
            responder: Stack::responder(config),
            transmit: Transmit::new(),
            wire: Vec::new(),
            message: Lease::copied(message),
        };
        for _ in 0..3 {
            pair.round();
        }
        assert!(pair.initiator.is_idle() && pair.responder.is_idle());
        pair
    }

    /// Transfers the message and its confirmation; gives the octets of content that arrived.
    pub(crate) fn transfer(&mut self) -> usize {
        assert!(self.initiator.transfer_request(self.message.len()));
        self.initiator.transfer_data(self.message.clone());
        self.round()
    }

    /// What the initiator has to send, and what the responder answers.
    fn round(&mut self) -> usize {
        let Pair { initiator, responder, transmit, wire, .. } = self;
        let there = carry(initiator, responder, transmit, wire);
        carry(responder, initiator, transmit, wire);
        there
    }
}

fn carry(from: &mut Stack, to: &mut Stack, transmit: &mut Transmit, wire: &mut Vec<u8>) -> usize {
    transmit.clear();
    from.poll_transmit(transmit);
    wire.clear();
    transmit.slices().for_each(|slice| wire.extend_from_slice(slice));
    let mut input = &wire[..];
    let mut size = 0;
    while let Some(indication) = to.poll_indication(&mut input).expect("honest octets") {
        match indication {
            Indication::Bind(_) => assert!(to.bind_accept(&[0xb1, 0])),
            Indication::TransferData(octets) => size += octets.len(),
            Indication::TransferEnd => assert!(to.transfer_response()),
            _ => {}
        }
    }
    size
}
