//! Received octets on their way up: TPDU, TSDU, SPDU, and what each SPDU means to RTSE.

use super::{AbortIndication, BindRefusal, Indication, NORMAL_DISCONNECT, Stack};
use crate::osi::acse::machine::Event as AcseEvent;
use crate::osi::error::{Error, Layer};
use crate::osi::presentation::machine::{Event as PresentationEvent, State as PresentationState};
use crate::osi::presentation::ppdu;
use crate::osi::rtse::machine::{Event as RtseEvent, State as RtseState};
use crate::osi::rtse::{DialogueMode, TransferRefusal, abort_reason_text};
use crate::osi::session::machine::{Event as SessionEvent, State as SessionState};
use crate::osi::session::{self, Spdu, TsduEnd};
use crate::osi::transport::tpdu::{Tpdu, disconnect_reason};
use crate::osi::{Step, acse, presentation, rtse, transport};

/// Reason of an ACTIVITY DISCARD: non-specific.
const NON_SPECIFIC: u8 = 0;

impl Stack {
    pub(super) fn read<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Indication<'i>>, Error> {
        loop {
            if self.is_closed() {
                *input = &[];
                return Ok(None);
            }
            let Some(arrival) = self.transport.poll(input)? else { return Ok(None) };
            let indication = match arrival {
                transport::Arrival::Control(tpdu) => self.handle_tpdu(tpdu)?,
                transport::Arrival::TsduEnd => self.handle_tsdu_end()?,
                transport::Arrival::Content => {
                    let all = *input;
                    let (mut content, _) =
                        all.split_at(self.transport.content_remaining().min(all.len()));
                    let size = content.len();
                    let result = self.handle_content(&mut content);
                    let taken = size - content.len();
                    self.transport.content_taken(taken);
                    *input = &all[taken..];
                    result?
                }
            };
            if indication.is_some() {
                return Ok(indication);
            }
        }
    }

    fn handle_tpdu(&mut self, tpdu: Tpdu) -> Result<Option<Indication<'static>>, Error> {
        let (reason, text) = match tpdu {
            Tpdu::Cr(peer) => return self.transport_connect_indication(peer).map(|()| None),
            Tpdu::Cc(peer) => return self.transport_connect_confirm(&peer).map(|()| None),
            Tpdu::Dr(reason) => (reason, disconnect_reason(reason)),
            Tpdu::Er(cause) => (cause, "the peer could not read a TPDU of ours"),
        };
        let refused = self.binding.is_some() || self.session.state() == SessionState::AwaitAccept;
        let calling = matches!(self.rtse, RtseState::Unassociated | RtseState::AwaitOpenConfirm);
        let over = self.session.state() == SessionState::AwaitTransportDisconnect;
        self.close();
        Ok(match (over, refused && calling) {
            (true, _) => None,
            (false, true) => Some(Indication::BindRefused(Box::new(BindRefusal {
                layer: Layer::Transport,
                reason: u32::from(reason),
                text,
                transient: matches!(reason, 1 | 0x81),
                bind_error: Vec::new(),
            }))),
            (false, false) => Some(Indication::Abort(AbortIndication {
                layer: Layer::Transport,
                reason: Some(u32::from(reason)),
                text,
            })),
        })
    }

    fn handle_content<'i>(
        &mut self,
        content: &mut &'i [u8],
    ) -> Result<Option<Indication<'i>>, Error> {
        while let Some(arrival) = self.session.receive().poll(content)? {
            match arrival {
                session::Arrival::UserInformation if self.data_dropped => *content = &[],
                session::Arrival::UserInformation => {
                    if let Some(octets) = self.data.poll(content, &self.contexts)? {
                        return Ok(Some(Indication::TransferData(octets)));
                    }
                }
                session::Arrival::DataTransfer => {
                    let taken = self.session.step(SessionEvent::Dt)?
                        && self.presentation_step(PresentationEvent::Td)?
                        && self.rtse_step(RtseEvent::Rttr)?;
                    self.data_dropped = !taken;
                }
                session::Arrival::Spdu => {
                    let indication = self.handle_spdu()?;
                    if indication.is_some() {
                        return Ok(indication);
                    }
                }
            }
        }
        Ok(None)
    }

    fn handle_tsdu_end(&mut self) -> Result<Option<Indication<'static>>, Error> {
        match self.session.receive().tsdu_end()? {
            TsduEnd::Nothing => Ok(None),
            TsduEnd::Spdu => self.handle_spdu(),
            TsduEnd::SsduEnd if self.data_dropped => Ok(None),
            TsduEnd::SsduEnd => self.data.end().map(|()| None),
        }
    }

    fn handle_spdu(&mut self) -> Result<Option<Indication<'static>>, Error> {
        let mut octets = self.session.receive().assembled();
        let result = match self.session.receive().parse(&mut octets) {
            Ok(Some(spdu)) => self.handle(&spdu),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        self.session.receive().recycle(octets);
        result
    }

    fn handle(&mut self, spdu: &Spdu<'_>) -> Result<Option<Indication<'static>>, Error> {
        if spdu.event == SessionEvent::Ac {
            return self.connect_confirm(spdu).map(Some);
        }
        if !self.session.step(spdu.event)? {
            return Ok(None);
        }
        match spdu.event {
            SessionEvent::Cn => self.connect_indication(spdu).map(Some),
            SessionEvent::Rf => Ok(Some(self.refuse_indication(spdu))),
            SessionEvent::As => {
                self.session.serial_number_reset();
                self.data.reset();
                self.data_dropped = false;
                self.transfer_indicated = true;
                self.indicate(RtseEvent::ActivityStart, Indication::TransferStart)
            }
            SessionEvent::Ar => {
                self.rtse_step(RtseEvent::ActivityResume)?;
                self.transfer_indicated = false;
                self.session.request(SessionEvent::ExceptionReportRequest);
                let reason = TransferRefusal::Permanent.report_reason();
                self.push_tsdu(&session::exception_data(reason));
                Ok(None)
            }
            SessionEvent::Mip => {
                let serial = spdu.serial_number()?;
                self.session.sync_point_indication(serial)?;
                if self.rtse_step(RtseEvent::SyncMinor)? {
                    self.minor_sync_confirm = Some(serial);
                }
                Ok(None)
            }
            SessionEvent::Mia => {
                self.session.sync_minor_confirm(spdu.serial_number()?)?;
                self.rtse_step(RtseEvent::SyncMinorConfirm).map(|_| None)
            }
            SessionEvent::Ae => {
                self.session.sync_point_indication(spdu.serial_number()?)?;
                self.indicate(RtseEvent::ActivityEnd, Indication::TransferEnd)
            }
            SessionEvent::Aea => {
                self.session.activity_end_confirm(spdu.serial_number()?)?;
                self.outgoing.clear();
                self.indicate(RtseEvent::ActivityEndConfirm, Indication::TransferConfirm)
            }
            SessionEvent::Ed => self.exception_report(spdu.reason().0),
            SessionEvent::Er => self.exception_report(NON_SPECIFIC),
            SessionEvent::Ada => {
                let refused = Indication::TransferRefused(self.refusal);
                self.indicate(RtseEvent::ActivityDiscardConfirm, refused)
            }
            SessionEvent::Ai => self.activity_given_up(&session::ACTIVITY_INTERRUPT_ACK),
            SessionEvent::Ad => self.activity_given_up(&session::ACTIVITY_DISCARD_ACK),
            SessionEvent::Pt => self.token_please(spdu),
            SessionEvent::Gtc => {
                self.push_tsdu(&session::GIVE_TOKENS_ACK);
                self.indicate(RtseEvent::TurnGiven, Indication::TurnGiven)
            }
            SessionEvent::Fn => {
                let (_, rlrq) = ppdu::parse_user_data(&spdu.user_data)?;
                acse::apdu::parse_rlrq(rlrq)?;
                self.acse_step(AcseEvent::Rlrq)?;
                self.indicate(RtseEvent::Release, Indication::Release)
            }
            SessionEvent::Dn => {
                let (_, rlre) = ppdu::parse_user_data(&spdu.user_data)?;
                acse::apdu::parse_rlre(rlre)?;
                self.acse_step(AcseEvent::Rlre)?;
                self.rtse_step(RtseEvent::ReleaseConfirm)?;
                self.transport.disconnect_request(NORMAL_DISCONNECT, &mut self.control);
                self.close();
                Ok(Some(Indication::ReleaseConfirm))
            }
            SessionEvent::Ab => Ok(Some(self.abort_indication(spdu))),
            SessionEvent::Gta | SessionEvent::Aa => Ok(None),
            // The session's table takes no other SPDU in any state.
            other => Err(Error::PduUnexpected {
                layer: Layer::Session,
                pdu: other.name(),
                state: self.session.state().name(),
            }),
        }
    }

    fn indicate(
        &mut self,
        event: RtseEvent,
        indication: Indication<'static>,
    ) -> Result<Option<Indication<'static>>, Error> {
        Ok(self.rtse_step(event)?.then_some(indication))
    }

    /// The peer cannot go on with our transfer: give it up.
    fn exception_report(&mut self, reason: u8) -> Result<Option<Indication<'static>>, Error> {
        self.rtse_step(RtseEvent::ExceptionReport)?;
        self.refusal = TransferRefusal::from_report_reason(reason);
        if self.outgoing.tsdu_open() {
            self.control.extend_from_slice(&transport::data_header(0, true));
        }
        self.outgoing.clear();
        self.session.request(SessionEvent::ActivityDiscardRequest);
        self.push_tsdu(&session::activity_discard(NON_SPECIFIC));
        Ok(None)
    }

    fn activity_given_up(&mut self, ack: &[u8]) -> Result<Option<Indication<'static>>, Error> {
        self.data.reset();
        self.minor_sync_confirm = None;
        self.push_tsdu(ack);
        let taken = self.rtse_step(RtseEvent::ActivityGivenUp)?;
        let indicated = std::mem::take(&mut self.transfer_indicated);
        Ok((taken && indicated).then_some(Indication::TransferDiscarded))
    }

    fn token_please(&mut self, spdu: &Spdu<'_>) -> Result<Option<Indication<'static>>, Error> {
        if !spdu.asks_for_data_token() || self.dialogue_mode == DialogueMode::Monologue {
            return Ok(None);
        }
        let (_, rttp) = ppdu::parse_user_data(&spdu.user_data)?;
        let priority = rtse::apdu::parse_rttp(rttp)?;
        self.indicate(RtseEvent::Rttp, Indication::TurnPlease(priority))
    }

    /// An AB came: who aborted, and why. What cannot be read is an abort all the same.
    fn abort_indication(&mut self, spdu: &Spdu<'_>) -> Indication<'static> {
        let bits = spdu.transport_disconnect();
        let indication = abort_of(bits, &spdu.user_data).unwrap_or(AbortIndication {
            layer: Layer::Session,
            reason: Some(u32::from(bits)),
            text: match bits {
                bits if bits & 0x02 != 0 => "aborted by the session user",
                bits if bits & 0x04 != 0 => "the peer's session saw a protocol error",
                bits if bits & 0x10 != 0 => "the peer's session reached a restriction of its own",
                _ => "aborted by the session provider",
            },
        });
        self.transport.disconnect_request(NORMAL_DISCONNECT, &mut self.control);
        self.close();
        Indication::Abort(indication)
    }

    pub(super) fn presentation_step(&mut self, event: PresentationEvent) -> Result<bool, Error> {
        let step = presentation::machine::step(self.presentation, event);
        take(
            Layer::Presentation,
            &mut self.presentation,
            step,
            event.name(),
            PresentationState::name,
        )
    }

    pub(super) fn acse_step(&mut self, event: AcseEvent) -> Result<bool, Error> {
        let step = acse::machine::step(self.acse, event);
        take(Layer::Acse, &mut self.acse, step, event.name(), acse::machine::State::name)
    }

    pub(super) fn rtse_step(&mut self, event: RtseEvent) -> Result<bool, Error> {
        let step = rtse::machine::step(self.rtse, event);
        take(Layer::Rtse, &mut self.rtse, step, event.name(), RtseState::name)
    }
}

/// Goes where a table says; `false` when the event is to be dropped.
fn take<S: Copy>(
    layer: Layer,
    state: &mut S,
    step: Step<S>,
    pdu: &'static str,
    name: impl Fn(S) -> &'static str,
) -> Result<bool, Error> {
    match step {
        Step::Next(next) => {
            *state = next;
            Ok(true)
        }
        Step::Discard => Ok(false),
        Step::Refuse => Err(Error::PduUnexpected { layer, pdu, state: name(*state) }),
    }
}

fn abort_of(bits: u8, user_data: &[u8]) -> Option<AbortIndication> {
    if bits & 0x02 == 0 || user_data.is_empty() {
        return None;
    }
    let abrt = match ppdu::parse_abort(user_data).ok()? {
        ppdu::Abort::Provider(reason) => {
            return Some(AbortIndication {
                layer: Layer::Presentation,
                reason,
                text: "aborted by the presentation provider",
            });
        }
        ppdu::Abort::User(value) => value?,
    };
    let (provider, value) = acse::apdu::parse_abrt(abrt).ok()?;
    if provider {
        return Some(AbortIndication {
            layer: Layer::Acse,
            reason: None,
            text: "aborted by the ACSE service provider",
        });
    }
    let reason = match value {
        Some(value) => rtse::apdu::parse_rtab(value).ok()?,
        None => None,
    };
    let text = reason.map_or("aborted by the user", abort_reason_text);
    Some(AbortIndication { layer: Layer::Rtse, reason, text })
}
