//! Received octets on their way up: TPDU, TSDU, SPDU, and what each SPDU means to RTSE.

use super::{AbortIndication, BindRefusal, Indication, NORMAL_DISCONNECT, Stack};
use crate::osi::error::{Error, Layer};
use crate::osi::rtse::DialogueMode;
use crate::osi::rtse::machine::{Event as RtseEvent, State as RtseState};
use crate::osi::session::machine::{Event as SessionEvent, State as SessionState};
use crate::osi::session::{self, Spdu, TsduEnd};
use crate::osi::transport::tpdu::{Tpdu, disconnect_reason};
use crate::osi::{rtse, transport};

/// Reason of a report that names none: non-specific.
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
                    if let Some(octets) = self.upper.data(content)? {
                        self.incoming.octets += octets.len();
                        return Ok(Some(Indication::TransferData(octets)));
                    }
                }
                session::Arrival::DataTransfer => {
                    let taken = self.session.step(SessionEvent::Dt)?
                        && self.upper.data_indication()?
                        && self.rtse_step(RtseEvent::Rttr)?;
                    self.data_dropped = !taken || self.rtse == RtseState::Repeating;
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
            TsduEnd::SsduEnd => self.upper.data_end().map(|()| None),
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
        let event = self.session.event_of(spdu);
        if !self.session.step(event)? {
            return Ok(None);
        }
        match event {
            SessionEvent::Cn => self.connect_indication(spdu).map(Some),
            SessionEvent::Rf => Ok(Some(self.refuse_indication(spdu))),
            SessionEvent::As => {
                self.activity_start(spdu.activity_identifier()?);
                self.transfer_indicated = true;
                self.indicate(RtseEvent::ActivityStart, Indication::TransferStart)
            }
            SessionEvent::Ar => self.activity_resume(spdu),
            SessionEvent::Mip => {
                let serial = spdu.serial_number()?;
                self.session.sync_point_indication(serial)?;
                if self.rtse_step(RtseEvent::SyncMinor)? {
                    self.incoming.checkpoint(serial, self.window_size);
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
                self.activity_end()
            }
            SessionEvent::Aea => {
                self.session.activity_end_confirm(spdu.serial_number()?)?;
                self.outgoing.finish();
                self.indicate(RtseEvent::ActivityEndConfirm, Indication::TransferConfirm)
            }
            SessionEvent::Ed => self.exception_report(spdu.reason().0),
            SessionEvent::Er => self.exception_report(NON_SPECIFIC),
            SessionEvent::Aia => self.interrupt_confirm(),
            SessionEvent::Ada => self.discard_confirm(),
            SessionEvent::Ai => self.activity_interrupt(),
            SessionEvent::Ad => self.activity_discard(),
            SessionEvent::Pt => self.token_please(spdu),
            SessionEvent::Gtc => {
                self.push_tsdu(&session::activity::GIVE_TOKENS_ACK);
                self.indicate(RtseEvent::TurnGiven, Indication::TurnGiven)
            }
            SessionEvent::Fn => {
                self.upper.release_indication(&spdu.user_data)?;
                self.indicate(RtseEvent::Release, Indication::Release)
            }
            SessionEvent::Dn => {
                self.upper.release_confirm(&spdu.user_data)?;
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

    pub(super) fn indicate(
        &mut self,
        event: RtseEvent,
        indication: Indication<'static>,
    ) -> Result<Option<Indication<'static>>, Error> {
        Ok(self.rtse_step(event)?.then_some(indication))
    }

    fn token_please(&mut self, spdu: &Spdu<'_>) -> Result<Option<Indication<'static>>, Error> {
        if !spdu.asks_for_data_token() || self.dialogue_mode == DialogueMode::Monologue {
            return Ok(None);
        }
        let priority = self.upper.token_please_indication(&spdu.user_data)?;
        self.indicate(RtseEvent::Rttp, Indication::TurnPlease(priority))
    }

    /// An AB came: who aborted, and why. What cannot be read is an abort all the same.
    fn abort_indication(&mut self, spdu: &Spdu<'_>) -> Indication<'static> {
        let bits = spdu.transport_disconnect();
        let by_user = bits & 0x02 != 0 && !spdu.user_data.is_empty();
        let aborted = by_user.then(|| self.upper.aborted(&spdu.user_data)).flatten();
        let indication = aborted.unwrap_or(AbortIndication {
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

    pub(super) fn rtse_step(&mut self, event: RtseEvent) -> Result<bool, Error> {
        let step = rtse::machine::step(self.rtse, event);
        step.take(Layer::Rtse, &mut self.rtse, event.name(), RtseState::name)
    }
}
