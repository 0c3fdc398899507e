//! What an endpoint sends next on an association, and whose turn it is: in a monologue always the caller's,
//! in two-way alternate whoever asks for it and gets it (X.228 7.4 to 7.5 (unverified)).

use super::peer::{Stage, Transfer};
use super::{Endpoint, Next, Script};
use crate::base::buffer::Lease;
use crate::io::Engine;
use crate::osi::rtse::{AbortReason, DialogueMode};

/// The priority that a turn is asked for with; 0 is the highest.
const TURN_PRIORITY: u8 = 1;

impl<E: Engine, S: Script> Endpoint<E, S> {
    /// Begins what is to be sent next, or asks for the turn to send it, or gives back a turn without use.
    pub(super) fn send_next(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        let stack = &mut association.stack;
        let two_way = stack.negotiated().dialogue_mode == DialogueMode::TwoWayAlternate;
        let may_send = stack.holds_turn() || two_way;
        if peer.stage != Stage::Bound || peer.sending.is_some() || !stack.is_idle() || !may_send {
            return;
        }
        if std::mem::take(&mut peer.turn_wanted) {
            peer.dirty |= stack.turn_give_request();
        }
        if peer.ready.is_none() {
            peer.ready = self.memory.next_to_resume();
        }
        if peer.ready.is_none() {
            match self.script.next(index, self.now) {
                Next::Transfer { number, apdu } => {
                    peer.ready = Some(Transfer { number, apdu, resumption: None });
                }
                Next::Wait(at) => peer.wake_at = Some(at),
                Next::Idle => {}
                Next::Done => return self.release(index),
            }
        }
        let holds_turn = stack.holds_turn();
        match peer.ready.take() {
            Some(transfer) if holds_turn => self.begin(index, transfer),
            Some(transfer) => {
                peer.ready = Some(transfer);
                self.ask_for_turn(index);
            }
            None if holds_turn && two_way && !peer.calling => {
                peer.dirty |= stack.turn_give_request();
            }
            None => {}
        }
    }

    fn begin(&mut self, index: usize, transfer: Transfer) {
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        let stack = &mut association.stack;
        let header = Lease::copied(&stack.negotiated().wrap_header(transfer.apdu.len()));
        let pieces = [header, transfer.apdu.clone()];
        match &transfer.resumption {
            None => peer.outgoing.start(stack, pieces, 0),
            Some(resumption) => {
                if peer.outgoing.resume(stack, pieces, 0, resumption).is_none() {
                    // Here it is another transfer, or another context: it begins anew.
                    return self.script.returned(transfer.number, resumption.end_sent);
                }
            }
        }
        peer.sending = Some(transfer);
        peer.dirty = true;
    }

    fn ask_for_turn(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        if !peer.turn_asked
            && let Some(association) = &mut peer.association
            && association.stack.turn_please_request(TURN_PRIORITY)
        {
            peer.turn_asked = true;
            peer.dirty = true;
        }
    }

    /// The partner asks for the turn: it gets it when our transfer is over.
    pub(super) fn turn_pleased(&mut self, index: usize) {
        self.peers[index].turn_wanted = true;
        self.send_next(index);
    }

    /// The turn is ours.
    pub(super) fn turn_given(&mut self, index: usize) {
        self.peers[index].turn_asked = false;
        self.send_next(index);
    }

    /// Only the caller may release, and only with the turn; a called association is given time for that, then
    /// aborted.
    pub(super) fn release_if_finished(&mut self, index: usize) {
        let impatient = self.patience_ends.is_some_and(|end| end <= self.now.instant);
        if !self.script.is_finished() {
            return;
        }
        if self.peers[index].stage == Stage::Silent {
            self.close(index);
        } else if self.peers[index].calling || impatient {
            self.release(index);
        }
    }

    pub(super) fn release(&mut self, index: usize) {
        let impatient = self.patience_ends.is_some_and(|end| end <= self.now.instant);
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        if peer.stage != Stage::Bound || peer.sending.is_some() || !association.stack.is_idle() {
            return;
        }
        if peer.calling && association.stack.release_request() {
            peer.stage = Stage::Releasing;
        } else if peer.calling && !impatient {
            return self.ask_for_turn(index);
        } else {
            association.stack.abort_request(AbortReason::TemporaryProblem);
            peer.stage = Stage::Closing;
        }
        peer.dirty = true;
    }
}
