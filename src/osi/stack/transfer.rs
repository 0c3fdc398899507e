//! Transfers, both ways: sending one, taking one, refusing, interrupting, discarding and resuming it
//! (X.228 7.3 to 7.9 (unverified)).
//!
//! An exception report of the peer (or of a session provider) is an error that ends the activity, not
//! the association. It is severe when its reason is an unrecoverable procedural error, or when no
//! checkpoint is confirmed: the transfer is discarded. Otherwise it is interrupted, and may be resumed.

use super::recovery::{
    ActivityName, PartialTransfer, ResumeIndication, ResumeResponse, TransferResumption,
};
use super::{Indication, Stack};
use crate::base::buffer::Lease;
use crate::base::limits::TRANSFER_SIZE_MAX;
use crate::osi::error::Error;
use crate::osi::rtse::machine::{Event as RtseEvent, State as RtseState};
use crate::osi::rtse::{AbortReason, TransferRefusal};
use crate::osi::session::activity::{self, Resumed};
use crate::osi::session::machine::Event as SessionEvent;
use crate::osi::session::{ActivityIdentifier, Spdu};
use crate::osi::transport::data_header;

/// Reason of an ACTIVITY DISCARD or INTERRUPT: non-specific.
const NON_SPECIFIC: u8 = 0;
/// Reason of an ACTIVITY DISCARD or INTERRUPT by the user: local SS-user error.
const LOCAL_USER: u8 = 5;

/// Why our transfer is being discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivingUp {
    /// The user wants it.
    Requested,
    /// The peer refused it.
    Refused(TransferRefusal),
    /// The peer does not know what we resumed.
    ResumeRefused,
}

impl Stack {
    /// Begins a transfer of `size` octets, at most `TRANSFER_SIZE_MAX`; needs the turn and no other
    /// transfer under way.
    pub fn transfer_request(&mut self, size: usize) -> bool {
        let taken = size <= TRANSFER_SIZE_MAX
            && self.request(RtseEvent::TransferRequest, SessionEvent::ActivityStartRequest);
        if taken {
            self.begin(size);
            self.resumed = None;
            self.session.serial_number_set(0);
        }
        taken
    }

    /// Goes on with a transfer that was broken off or interrupted, here or on another connection: its
    /// octets from `octets_confirmed` on are wanted next. Needs what [`Stack::transfer_request`] needs,
    /// and the same application context; and, from another connection, that this one's caller had given
    /// it references.
    pub fn transfer_resume_request(&mut self, resumption: &TransferResumption) -> bool {
        let here = resumption.name.connection == *self.session.identifier();
        let lawful = resumption.size <= TRANSFER_SIZE_MAX
            && resumption.octets_confirmed <= resumption.size
            && (here || resumption.name.is_unique());
        let taken =
            lawful && self.request(RtseEvent::ResumeRequest, SessionEvent::ActivityResumeRequest);
        if taken {
            self.begin(resumption.size);
            self.outgoing.resume(resumption.checkpoint, resumption.octets_confirmed);
            self.session.serial_number_set(resumption.checkpoint);
            let resumed = Resumed {
                activity: resumption.name.activity,
                serial: resumption.checkpoint,
                connection: (!here).then(|| resumption.name.connection.clone()),
            };
            self.push_tsdu(&activity::activity_resume(self.outgoing.activity(), &resumed));
            self.resumed = Some(Box::new(resumption.clone()));
        }
        taken
    }

    fn begin(&mut self, size: usize) {
        let contexts = self.upper.contexts();
        self.outgoing.start(size, self.checkpoint_size_kib, self.window_size, contexts);
    }

    /// Octets of the transfer that are taken now: at most window + 1 checkpoint intervals are
    /// outstanding, and what waits here is bounded.
    pub fn transfer_wanted(&self) -> usize {
        match self.rtse {
            RtseState::Sending => self.outgoing.wanted(self.session.serial_number_confirmed()),
            _ => 0,
        }
    }

    /// The next octets of the transfer, at most [`Stack::transfer_wanted`]. The activity end goes out
    /// behind the last ones.
    pub fn transfer_data(&mut self, lease: Lease) {
        if self.rtse_request(RtseEvent::TransferData) {
            self.outgoing.give(lease);
        }
    }

    /// Interrupts our transfer, to resume it later: it took too long, or something more urgent waits.
    /// Answered by [`Indication::TransferInterruptConfirm`].
    pub fn transfer_interrupt_request(&mut self) -> bool {
        let taken =
            self.request(RtseEvent::InterruptRequest, SessionEvent::ActivityInterruptRequest);
        if taken {
            self.send_interrupt(LOCAL_USER);
        }
        taken
    }

    /// Gives our transfer up. Answered by [`Indication::TransferDiscardConfirm`], or by an abort with
    /// [`AbortReason::TransferCompleted`] when the peer is responsible for it already.
    pub fn transfer_discard_request(&mut self) -> bool {
        let taken = self.request(RtseEvent::DiscardRequest, SessionEvent::ActivityDiscardRequest);
        if taken {
            self.send_discard(LOCAL_USER, GivingUp::Requested);
        }
        taken
    }

    /// The transfer of ours that is neither confirmed nor given up, also when the connection is over:
    /// what to resume it by.
    pub fn transfer_resumption(&self) -> Option<TransferResumption> {
        if !self.outgoing.is_unfinished() {
            return None;
        }
        let end_sent = self.outgoing.end_sent();
        match self.resumed.as_deref() {
            // The peer may not have seen that it was resumed.
            Some(resumed) if resumed.checkpoint == self.session.serial_number_confirmed() => {
                Some(TransferResumption {
                    end_sent: end_sent || resumed.end_sent,
                    ..resumed.clone()
                })
            }
            _ => Some(self.resumption(end_sent)),
        }
    }

    fn resumption(&self, end_sent: bool) -> TransferResumption {
        let checkpoint = self.session.serial_number_confirmed();
        TransferResumption {
            name: ActivityName {
                connection: self.session.identifier().clone(),
                activity: self.outgoing.activity(),
            },
            size: self.outgoing.size(),
            checkpoint,
            octets_confirmed: self.outgoing.octets_before(checkpoint),
            end_sent: end_sent || self.resumed.as_ref().is_some_and(|resumed| resumed.end_sent),
        }
    }

    /// Takes responsibility for the transfer that ended: acknowledges the activity end.
    pub fn transfer_response(&mut self) -> bool {
        let taken = self.request(RtseEvent::TransferResponse, SessionEvent::ActivityEndResponse);
        if taken {
            // It confirms the synchronization points before it, too.
            self.minor_sync_confirm = None;
            self.incoming.unfinished = false;
            self.push_tsdu(&activity::activity_end_ack(self.session.serial_number_last()));
        }
        taken
    }

    /// Refuses the transfer under way, or just ended, by an exception report; the peer then gives it
    /// up or interrupts it, which is indicated.
    pub fn transfer_refuse(&mut self, refusal: TransferRefusal) -> bool {
        self.report_exception(RtseEvent::TransferRefusal, refusal)
    }

    /// Answers [`Indication::TransferResume`].
    pub fn transfer_resume_response(&mut self, response: ResumeResponse) -> bool {
        match response {
            ResumeResponse::Continue { octets } => {
                let taken = self.rtse_request(RtseEvent::ResumeAccepted);
                if taken {
                    self.transfer_indicated = true;
                    self.incoming.resume(self.session.serial_number_confirmed(), octets);
                }
                taken
            }
            ResumeResponse::Completed => self.rtse_request(RtseEvent::ResumeCompleted),
            ResumeResponse::Unrecognized => {
                self.report_exception(RtseEvent::ResumeRefusal, TransferRefusal::Permanent)
            }
        }
    }

    /// The peer's activity that began last: with [`Stack::session_connection_identifier`] its name, by
    /// which it is remembered once it is completed.
    pub fn transfer_activity(&self) -> ActivityIdentifier {
        self.incoming.activity
    }

    /// The activity that the peer's last one goes on from, if it was resumed: its other name, to be
    /// remembered with it.
    pub fn transfer_resumed(&self) -> Option<&ActivityName> {
        self.incoming.resumed.as_deref()
    }

    /// The peer's transfer that has neither ended nor been given up, also when the connection is over.
    pub fn transfer_partial(&self) -> Option<PartialTransfer> {
        self.incoming.unfinished.then(|| self.incoming.partial(self.session.identifier()))
    }

    fn report_exception(&mut self, event: RtseEvent, refusal: TransferRefusal) -> bool {
        let taken = self.request(event, SessionEvent::ExceptionReportRequest);
        if taken {
            self.minor_sync_confirm = None;
            self.data_dropped = true;
            self.push_tsdu(&activity::exception_data(refusal.report_reason()));
        }
        taken
    }

    fn send_interrupt(&mut self, reason: u8) {
        self.stop_sending();
        self.push_tsdu(&activity::activity_interrupt(reason));
    }

    fn send_discard(&mut self, reason: u8, giving_up: GivingUp) {
        self.giving_up = giving_up;
        self.stop_sending();
        self.push_tsdu(&activity::activity_discard(reason));
    }

    /// Sends no more data; a TSDU that is half sent is ended.
    fn stop_sending(&mut self) {
        if self.outgoing.tsdu_open() {
            self.control.extend_from_slice(&data_header(0, true));
        }
        if self.outgoing.start_is_due() {
            self.push_tsdu(&activity::activity_start(self.outgoing.activity()));
        }
        self.outgoing.clear();
    }

    /// The peer begins an activity.
    pub(super) fn activity_start(&mut self, activity: ActivityIdentifier) {
        self.session.serial_number_set(0);
        self.upper.data_reset();
        self.data_dropped = false;
        self.incoming.start(activity);
    }

    /// The peer goes on with an activity.
    pub(super) fn activity_resume(
        &mut self,
        spdu: &Spdu<'_>,
    ) -> Result<Option<Indication<'static>>, Error> {
        let resumed = spdu.resumed()?;
        self.activity_start(spdu.activity_identifier()?);
        self.session.serial_number_set(resumed.serial);
        self.transfer_indicated = false;
        let connection = resumed.connection;
        let connection = connection.unwrap_or_else(|| self.session.identifier().clone());
        let name = ActivityName { connection, activity: resumed.activity };
        self.incoming.resumed = Some(Box::new(name.clone()));
        let indication = ResumeIndication { name, checkpoint: resumed.serial };
        self.indicate(RtseEvent::ActivityResume, Indication::TransferResume(Box::new(indication)))
    }

    /// The peer interrupts its activity.
    pub(super) fn activity_interrupt(&mut self) -> Result<Option<Indication<'static>>, Error> {
        self.rtse_step(RtseEvent::ActivityInterrupt)?;
        let partial = self.incoming.partial(self.session.identifier());
        self.activity_given_up(&activity::ACTIVITY_INTERRUPT_ACK);
        let indicated = std::mem::take(&mut self.transfer_indicated);
        Ok(indicated.then(|| Indication::TransferInterrupted(Box::new(partial))))
    }

    /// The peer discards its activity: too late, when we have completed it.
    pub(super) fn activity_discard(&mut self) -> Result<Option<Indication<'static>>, Error> {
        if self.rtse == RtseState::Repeating {
            self.abort_request(AbortReason::TransferCompleted);
            return Ok(None);
        }
        self.rtse_step(RtseEvent::ActivityDiscard)?;
        self.activity_given_up(&activity::ACTIVITY_DISCARD_ACK);
        let indicated = std::mem::take(&mut self.transfer_indicated);
        Ok(indicated.then_some(Indication::TransferDiscarded))
    }

    fn activity_given_up(&mut self, ack: &[u8]) {
        self.upper.data_reset();
        self.minor_sync_confirm = None;
        self.incoming.unfinished = false;
        self.push_tsdu(ack);
    }

    /// The peer's activity has ended.
    pub(super) fn activity_end(&mut self) -> Result<Option<Indication<'static>>, Error> {
        let repeated = self.rtse == RtseState::Repeating;
        if !self.rtse_step(RtseEvent::ActivityEnd)? {
            return Ok(None);
        }
        if repeated {
            self.minor_sync_confirm = None;
            self.incoming.unfinished = false;
            self.session.request(SessionEvent::ActivityEndResponse);
            self.push_tsdu(&activity::activity_end_ack(self.session.serial_number_last()));
            return Ok(None);
        }
        Ok(Some(Indication::TransferEnd))
    }

    /// The peer, or a session provider, cannot go on with our transfer.
    pub(super) fn exception_report(
        &mut self,
        reason: u8,
    ) -> Result<Option<Indication<'static>>, Error> {
        let refusal = TransferRefusal::from_report_reason(reason);
        let held = self.session.serial_number_confirmed() > 0;
        if refusal == TransferRefusal::Temporary && held {
            self.rtse_step(RtseEvent::ExceptionReport)?;
            self.session.request(SessionEvent::ActivityInterruptRequest);
            self.send_interrupt(NON_SPECIFIC);
            return Ok(None);
        }
        self.rtse_step(RtseEvent::SevereExceptionReport)?;
        self.session.request(SessionEvent::ActivityDiscardRequest);
        let resumed = refusal == TransferRefusal::Permanent && self.resumed.is_some();
        self.send_discard(
            NON_SPECIFIC,
            if resumed { GivingUp::ResumeRefused } else { GivingUp::Refused(refusal) },
        );
        Ok(None)
    }

    /// Our transfer is interrupted.
    pub(super) fn interrupt_confirm(&mut self) -> Result<Option<Indication<'static>>, Error> {
        self.rtse_step(RtseEvent::ActivityInterruptConfirm)?;
        let resumption = self.resumption(self.outgoing.end_sent());
        self.outgoing.finish();
        Ok(Some(Indication::TransferInterruptConfirm(Box::new(resumption))))
    }

    /// Our transfer is given up.
    pub(super) fn discard_confirm(&mut self) -> Result<Option<Indication<'static>>, Error> {
        self.outgoing.finish();
        self.indicate(
            RtseEvent::ActivityDiscardConfirm,
            match self.giving_up {
                GivingUp::Requested => Indication::TransferDiscardConfirm,
                GivingUp::Refused(refusal) => Indication::TransferRefused(refusal),
                GivingUp::ResumeRefused => Indication::TransferResumeRefused,
            },
        )
    }
}
