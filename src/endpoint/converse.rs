//! What the partner says on an association, and what the endpoint answers.

use super::fault::{Fault, WRONG_CONFIRMATION};
use super::peer::Stage;
use super::{Endpoint, Script, shown};
use crate::base::buffer::Lease;
use crate::base::limits::APDU_SIZE_MAX;
use crate::base::transmit::Transmit;
use crate::io::{Engine, Operation};
use crate::osi::error::Layer;
use crate::osi::rtse::{AbortReason, RefuseReason, TransferRefusal};
use crate::osi::session::SessionConnectionIdentifier;
use crate::osi::stack::recovery::{ResumeIndication, ResumeResponse};
use crate::osi::stack::{AbortIndication, BindIndication, Indication, RecoverIndication};
use crate::p1::bind::{self, BindError, Mode};

impl<E: Engine, S: Script> Endpoint<E, S> {
    pub(super) fn received(&mut self, index: usize, octets: &Lease) {
        let before = self.peers[index].octets_received;
        self.peers[index].octets_received += octets.len() as u64;
        match self.fault {
            Some(Fault::Cut(at)) if before + octets.len() as u64 >= at => {
                self.run_through(index, &octets[..at.saturating_sub(before) as usize]);
                return self.close(index);
            }
            Some(Fault::Mute) => return,
            _ => {}
        }
        self.run_through(index, octets);
    }

    fn run_through(&mut self, index: usize, octets: &[u8]) {
        let mut input = octets;
        while !matches!(self.peers[index].stage, Stage::Silent | Stage::Closing | Stage::Gone) {
            let Some(association) = &mut self.peers[index].association else { return };
            match association.stack.poll_indication(&mut input) {
                Ok(Some(indication)) => self.indicated(index, indication),
                Ok(None) => break,
                Err(error) => {
                    self.script.note(&format!("protocol error: {error}"));
                    self.peers[index].stage = Stage::Closing;
                }
            }
        }
        let peer = &mut self.peers[index];
        if let (Some(association), Some(_)) = (&mut peer.association, &peer.sending) {
            peer.outgoing.proceed(&mut association.stack);
        }
        peer.dirty = true;
    }

    fn indicated(&mut self, index: usize, indication: Indication<'_>) {
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        let stack = &mut association.stack;
        match indication {
            Indication::TransferStart => {
                peer.completed = false;
                peer.transfer.clear();
            }
            Indication::TransferDiscarded => {
                peer.transfer.clear();
                self.send_next(index);
            }
            Indication::TransferInterrupted(partial) => {
                self.memory.suspend(*partial, std::mem::take(&mut peer.transfer));
                self.send_next(index);
            }
            Indication::TransferResume(resume) => self.resume_indicated(index, &resume),
            Indication::TransferData(octets) => {
                if peer.transfer.len() + octets.len() > APDU_SIZE_MAX {
                    stack.transfer_refuse(TransferRefusal::Permanent);
                } else {
                    peer.transfer.extend_from_slice(octets);
                }
            }
            Indication::TransferEnd => self.transfer_ended(index),
            Indication::TransferConfirm => self.transfer_confirmed(index),
            refused @ (Indication::TransferRefused(_)
            | Indication::TransferInterruptConfirm(_)
            | Indication::TransferDiscardConfirm
            | Indication::TransferResumeRefused) => {
                self.script.note(&format!("transfer refused: {refused:?}"));
                peer.outgoing.clear();
                if let Some(transfer) = peer.sending.take() {
                    let in_doubt = transfer.resumption.is_some_and(|it| it.end_sent);
                    self.script.returned(transfer.number, in_doubt);
                }
                peer.wake_at = Some(self.now.instant + self.config.retry_delay);
            }
            Indication::Bind(bind) => self.bind_indicated(index, &bind),
            Indication::Recover(recover) => self.recover_indicated(index, &recover),
            Indication::BindConfirm(_) | Indication::RecoverConfirm => {
                peer.stage = Stage::Bound;
                peer.is_up = true;
                peer.recovering = None;
                self.send_next(index);
            }
            Indication::BindRefused(refusal) => {
                if let Some(recovered) = peer.recovering.take().filter(|_| !refusal.transient) {
                    self.memory.cannot_recover(&recovered);
                }
                self.script.note(&format!(
                    "bind refused by the partner: {}: {}",
                    refusal.layer.as_str(),
                    refusal.text
                ));
                peer.stage = Stage::Closing;
            }
            Indication::TurnPlease(_) => self.turn_pleased(index),
            Indication::TurnGiven => self.turn_given(index),
            Indication::Release => {
                stack.release_response();
                peer.is_up = false;
                peer.stage = Stage::Releasing;
            }
            Indication::ReleaseConfirm => {
                peer.is_up = false;
                peer.stage = Stage::Closing;
            }
            Indication::Abort(abort) => self.aborted(index, &abort),
        }
    }

    fn bind_indicated(&mut self, index: usize, bind: &BindIndication) {
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        let mode = mode(bind.application_context.is_x410_mode());
        let argument = bind::decode_bind_argument(mode, &bind.bind_argument);
        let known = match (&self.config.remote, argument) {
            (None, Ok(_)) => true,
            (Some(remote), Ok(argument)) => argument == shown(remote),
            (_, Err(_)) => false,
        };
        let refusal = match self.fault {
            Some(Fault::Busy) => Some((RefuseReason::Busy, BindError::Busy)),
            Some(Fault::Refuse) => {
                Some((RefuseReason::ValidationFailure, BindError::AuthenticationError))
            }
            _ if !known => {
                self.script.note("bind refused: wrong name or password");
                Some((RefuseReason::ValidationFailure, BindError::AuthenticationError))
            }
            _ => None,
        };
        let mut answer = Vec::new();
        match refusal {
            Some((reason, error)) => {
                bind::encode_bind_error(error, &mut answer);
                association.stack.bind_reject(reason, &answer);
                peer.stage = Stage::Closing;
            }
            None => {
                bind::encode_bind_result(mode, &shown(&self.config.local), &mut answer);
                association.stack.bind_accept(&answer);
                self.called_is_up(index);
            }
        }
    }

    fn called_is_up(&mut self, index: usize) {
        if self.fault == Some(Fault::Stall) {
            self.peers[index].stage = Stage::Silent;
        } else {
            self.peers[index].stage = Stage::Bound;
            self.peers[index].is_up = true;
            self.send_next(index);
        }
    }

    fn recover_indicated(&mut self, index: usize, recover: &RecoverIndication) {
        let forgets = matches!(self.fault, Some(Fault::NoRecovery | Fault::Forget));
        if !forgets {
            self.break_predecessor(index, &recover.recovered);
        }
        let known = !forgets && self.memory.knows(&recover.recovered);
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        if known {
            association.stack.recover_accept();
            self.called_is_up(index);
        } else {
            association.stack.bind_reject(RefuseReason::CannotRecover, &[]);
            peer.stage = Stage::Closing;
        }
    }

    /// A partner that goes on with what it broke off has seen that association break before we did.
    fn break_predecessor(&mut self, but: usize, broken: &SessionConnectionIdentifier) {
        let is_it = |index: &usize| {
            let peer = &self.peers[*index];
            *index != but
                && !matches!(peer.stage, Stage::Gone | Stage::Closing)
                && peer.association.as_ref().is_some_and(|association| {
                    association.stack.session_connection_identifier() == broken
                })
        };
        if let Some(index) = (0..self.peers.len()).find(is_it) {
            self.close(index);
        }
    }

    fn resume_indicated(&mut self, index: usize, resume: &ResumeIndication) {
        self.break_predecessor(index, &resume.name.connection);
        let (response, octets) = match self.fault {
            Some(Fault::Forget) => (ResumeResponse::Unrecognized, Vec::new()),
            _ => self.memory.resume(resume),
        };
        let peer = &mut self.peers[index];
        peer.completed = response == ResumeResponse::Completed;
        peer.transfer = octets;
        if let Some(association) = &mut peer.association {
            association.stack.transfer_resume_response(response);
        }
    }

    fn transfer_ended(&mut self, index: usize) {
        if self.fault == Some(Fault::WrongConfirmation) {
            return self.confirm_wrongly(index);
        }
        let peer = &mut self.peers[index];
        let Some(association) = &mut peer.association else { return };
        match association.stack.negotiated().unwrap(&peer.transfer) {
            Ok(range) => {
                if let Some(refusal) = self.script.refusal(&peer.transfer[range.clone()], self.now)
                {
                    association.stack.transfer_refuse(refusal);
                    return peer.transfer.clear();
                }
                self.script.received(&peer.transfer[range], self.now);
                association.stack.transfer_response();
                peer.completed = true;
                peer.transfer.clear();
                self.send_next(index);
            }
            Err(error) => {
                self.script.note(&format!("malformed transfer: {error}"));
                association.stack.transfer_refuse(TransferRefusal::Permanent);
            }
        }
    }

    fn confirm_wrongly(&mut self, index: usize) {
        let token = self.token(index);
        let peer = &mut self.peers[index];
        let Some(association) = &peer.association else { return };
        let socket = association.socket();
        let mut transmit = Transmit::new();
        transmit.push_owned(&WRONG_CONFIRMATION);
        self.engine.submit(token, Operation::Send { socket, transmit });
        peer.stage = Stage::Silent;
    }

    fn transfer_confirmed(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        peer.outgoing.clear();
        if let Some(transfer) = peer.sending.take() {
            self.script.confirmed(transfer.number, self.now);
        }
        self.send_next(index);
    }

    fn aborted(&mut self, index: usize, abort: &AbortIndication) {
        let peer = &mut self.peers[index];
        self.script.note(&format!(
            "aborted by the partner: {}: {}",
            abort.layer.as_str(),
            abort.text
        ));
        peer.stage = Stage::Closing;
        let is =
            |reason: AbortReason| abort.layer == Layer::Rtse && abort.reason == Some(reason as u32);
        if is(AbortReason::TransferCompleted) {
            self.transfer_confirmed(index);
        } else if is(AbortReason::UnrecognizedActivity)
            && let Some(transfer) = peer.sending.take()
        {
            self.script
                .returned(transfer.number, transfer.resumption.is_some_and(|it| it.end_sent));
        }
    }
}

/// How the bind is wrapped.
pub(super) fn mode(is_x410_mode: bool) -> Mode {
    if is_x410_mode { Mode::X410 } else { Mode::Normal }
}
