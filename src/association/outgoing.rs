//! A transfer going out: leased pieces, handed to the stack as its window allows.

use std::collections::VecDeque;

use crate::base::buffer::Lease;
use crate::base::limits::FETCH_AHEAD_SIZE;
use crate::osi::stack::Stack;
use crate::osi::stack::recovery::TransferResumption;

/// The pieces of one transfer that the stack has not taken yet.
#[derive(Debug, Default)]
pub struct Outgoing {
    pieces: VecDeque<Lease>,
    /// Octets that will come after `pieces`, still to be fetched.
    to_fetch: usize,
}

impl Outgoing {
    /// Starts an activity of `pieces` and `to_fetch` further octets, to be given by [`Outgoing::fetched`].
    pub fn start(
        &mut self,
        stack: &mut Stack,
        pieces: impl IntoIterator<Item = Lease>,
        to_fetch: usize,
    ) {
        self.pieces.clear();
        self.pieces.extend(pieces.into_iter().filter(|piece| !piece.is_empty()));
        self.to_fetch = to_fetch;
        stack.transfer_request(
            self.pieces.iter().map(|piece| piece.len()).sum::<usize>() + to_fetch,
        );
        self.proceed(stack);
    }

    /// Goes on with an activity that was broken off; `pieces` and `to_fetch` are those it was started with. Gives
    /// how many of the octets to fetch are behind it already, or `None` when the stack cannot go on with it
    /// here: it is another transfer, or another context.
    pub fn resume(
        &mut self,
        stack: &mut Stack,
        pieces: impl IntoIterator<Item = Lease>,
        to_fetch: usize,
        resumption: &TransferResumption,
    ) -> Option<usize> {
        self.pieces.clear();
        let mut before = resumption.octets_confirmed;
        let mut size = to_fetch;
        for piece in pieces {
            size += piece.len();
            let skipped = before.min(piece.len());
            before -= skipped;
            if skipped < piece.len() {
                self.pieces.push_back(piece.slice(skipped..piece.len()));
            }
        }
        self.to_fetch = to_fetch.checked_sub(before)?;
        if size != resumption.size || !stack.transfer_resume_request(resumption) {
            self.clear();
            return None;
        }
        self.proceed(stack);
        Some(before)
    }

    /// Adds octets that were fetched.
    pub fn fetched(&mut self, stack: &mut Stack, piece: Lease) {
        self.to_fetch = self.to_fetch.saturating_sub(piece.len());
        self.pieces.push_back(piece);
        self.proceed(stack);
    }

    /// Hands over what the stack wants now.
    pub fn proceed(&mut self, stack: &mut Stack) {
        loop {
            let wanted = stack.transfer_wanted();
            let Some(piece) = self.pieces.front_mut().filter(|_| wanted > 0) else { return };
            if piece.len() > wanted {
                let rest = piece.slice(wanted..piece.len());
                let head = std::mem::replace(piece, rest).slice(0..wanted);
                stack.transfer_data(head);
            } else if let Some(piece) = self.pieces.pop_front() {
                stack.transfer_data(piece);
            }
        }
    }

    /// Whether there is more to fetch, and less waits here than is fetched ahead.
    pub fn wants_more(&self) -> bool {
        let waiting: usize = self.pieces.iter().map(|piece| piece.len()).sum();
        self.to_fetch > 0 && waiting < FETCH_AHEAD_SIZE
    }

    /// Whether the stack has been given every octet.
    pub fn is_complete(&self) -> bool {
        self.pieces.is_empty() && self.to_fetch == 0
    }

    /// Forgets everything, dropping leases: the transfer has ended, one way or the other.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.to_fetch = 0;
    }
}
