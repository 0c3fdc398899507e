//! Establishing the association, both sides: each layer's connect rides in the user data of the one
//! below, from RTORQ in AARQ in CP in CN down to the TSDU.

use super::{BindIndication, BindRefusal, Indication, NORMAL_DISCONNECT, Stack};
use crate::osi::acse::machine::Event as AcseEvent;
use crate::osi::error::{Error, Layer};
use crate::osi::presentation::machine::Event as PresentationEvent;
use crate::osi::presentation::ppdu;
use crate::osi::rtse::DialogueMode;
use crate::osi::rtse::apdu::Open;
use crate::osi::rtse::machine::Event as RtseEvent;
use crate::osi::session::machine::Event as SessionEvent;
use crate::osi::session::{ConnectParameters, SessionConnectionIdentifier, Spdu, refuse_reason};
use crate::osi::transport::tpdu::Parameters as TpduParameters;
use crate::osi::{acse, rtse};

/// Reason code of an RF SPDU: refused by the called session user, user data follows.
const REFUSED_BY_USER: u8 = 2;
/// Provider-reason of a CPR where the presentation provider has no better one.
const PRESENTATION_NO_REASON: u8 = 0;

/// What is kept until the association stands.
#[derive(Debug, Default)]
pub(super) struct Binding {
    bind_argument: Vec<u8>,
    identifier: SessionConnectionIdentifier,
    transport: TpduParameters,
    session: ConnectParameters,
    presentation: Option<ppdu::Connect>,
    checkpoint_size_kib: u32,
    window_size: u32,
}

impl Binding {
    pub(super) fn calling(
        bind_argument: &[u8],
        identifier: SessionConnectionIdentifier,
    ) -> Binding {
        Binding { bind_argument: bind_argument.to_vec(), identifier, ..Binding::default() }
    }
}

impl Stack {
    /// Accepts the caller's bind. `bind_result` goes into the RTOAC as it stands, wrapper included.
    pub fn bind_accept(&mut self, bind_result: &[u8]) -> bool {
        if !self.rtse_request(RtseEvent::OpenResponse) {
            return false;
        }
        let Some(binding) = self.binding.take() else { return false };
        let Some(connect) = &binding.presentation else { return false };
        let ours = &self.config.rtse;
        self.checkpoint_size_kib = match (ours.checkpoint_size_kib, binding.checkpoint_size_kib) {
            // The caller has no limit of its own and leaves it to us.
            (ours, 0) => ours,
            (ours, proposed) => ours.min(proposed),
        };
        self.window_size = ours.window_size.min(binding.window_size).max(1);
        let rtoac = rtse::apdu::rtoac(self.checkpoint_size_kib, self.window_size, bind_result);
        let aare = acse::apdu::aare(0, 0, self.contexts.rtse, Some(&rtoac));
        let cpa = connect.accept(&self.config.presentation, &aare);
        let ac = self.session.connect_response(&self.config.session, &binding.session, &cpa);
        self.acse_request(AcseEvent::AcceptRequest);
        self.presentation_request(PresentationEvent::AcceptRequest);
        self.push_tsdu(&ac);
        true
    }

    /// Refuses the caller's bind. `bind_error` goes into the RTORJ as it stands, wrapper included.
    pub fn bind_reject(&mut self, bind_error: &[u8]) -> bool {
        if !self.rtse_request(RtseEvent::OpenRefusal) {
            return false;
        }
        self.reject(acse::apdu::NO_REASON, Some(&rtse::apdu::rtorj(bind_error)));
        true
    }

    /// An AARE that rejects, in CPR and RF.
    fn reject(&mut self, diagnostic: u32, value: Option<&[u8]>) {
        let aare = acse::apdu::aare(1, diagnostic, self.contexts.rtse, value);
        let cpr = match self.binding.as_ref().and_then(|binding| binding.presentation.as_ref()) {
            Some(connect) => connect.reject(&self.config.presentation, &aare),
            None => ppdu::cpr_unreadable(PRESENTATION_NO_REASON),
        };
        self.refuse(REFUSED_BY_USER, &cpr);
    }

    fn refuse(&mut self, reason: u8, user_data: &[u8]) {
        let rf = self.session.refuse_request(reason, user_data);
        self.push_tsdu(&rf);
        self.acse_request(AcseEvent::RejectRequest);
        self.presentation_request(PresentationEvent::RefuseRequest);
        self.close_association();
    }

    /// Refuses a connect that cannot be accepted, in the words of the layer that cannot.
    pub(super) fn refuse_bind(&mut self, error: &Error) {
        match (error.layer(), error) {
            (Layer::Session, Error::Unsupported { reason, .. }) => self.refuse(*reason, &[]),
            (Layer::Acse, Error::Unsupported { reason, .. }) => {
                self.reject(u32::from(*reason), None);
            }
            (Layer::Acse | Layer::Rtse, _) => self.reject(acse::apdu::NO_REASON, None),
            (Layer::Presentation, Error::Unsupported { reason, .. }) => {
                let cpr = match self.binding.as_ref().and_then(|b| b.presentation.as_ref()) {
                    Some(connect) => connect.reject_by_provider(*reason),
                    None => ppdu::cpr_unreadable(*reason),
                };
                self.refuse(REFUSED_BY_USER, &cpr);
            }
            // user-data-not-readable
            (Layer::Presentation, _) => self.refuse(REFUSED_BY_USER, &ppdu::cpr_unreadable(6)),
            _ => self.remedy(error.remedy()),
        }
    }

    /// The caller's CC came: send CN with all that rides in it.
    pub(super) fn transport_connect_confirm(&mut self, peer: &TpduParameters) -> Result<(), Error> {
        self.transport.connect_confirm(&self.config.transport, peer)?;
        let Some(binding) = self.binding.take() else { return Ok(()) };
        let rtse = &self.config.rtse;
        self.dialogue_mode = rtse.dialogue_mode;
        let rtorq = rtse::apdu::rtorq(&Open {
            checkpoint_size_kib: rtse.checkpoint_size_kib,
            window_size: rtse.window_size.max(1),
            dialogue_mode: rtse.dialogue_mode,
            user_data: &binding.bind_argument,
        });
        let aarq = acse::apdu::aarq(self.contexts.rtse, &rtorq);
        let cp = ppdu::cp(&self.config.presentation, &aarq);
        let cn = self.session.connect_request(&self.config.session, &binding.identifier, &cp);
        self.rtse_request(RtseEvent::OpenRequest);
        self.acse_request(AcseEvent::AssociateRequest);
        self.presentation_request(PresentationEvent::ConnectRequest);
        self.push_tsdu(&cn);
        Ok(())
    }

    /// A CR came: accept it and remember its selectors.
    pub(super) fn transport_connect_indication(
        &mut self,
        peer: TpduParameters,
    ) -> Result<(), Error> {
        self.transport.connect_response(&self.config.transport, &peer, &mut self.control)?;
        self.binding = Some(Box::new(Binding { transport: peer, ..Binding::default() }));
        Ok(())
    }

    /// A CN came: open it layer by layer.
    pub(super) fn connect_indication(
        &mut self,
        spdu: &Spdu<'_>,
    ) -> Result<Indication<'static>, Error> {
        let mut binding = self.binding.take().unwrap_or_default();
        binding.session = spdu.connect_parameters()?;
        self.session.connect_indication(&self.config.session, &binding.session)?;

        self.presentation_step(PresentationEvent::Cp)?;
        let connect = ppdu::parse_cp(&spdu.user_data)?;
        let contexts = connect.contexts;
        let aarq = connect.user_data.clone();
        let calling_presentation_selector = connect.calling_selector.clone();
        let called_presentation_selector = connect.called_selector.clone();
        binding.presentation = Some(connect);
        let binding = self.binding.insert(binding);
        let unsupported =
            |what, reason| Err(Error::Unsupported { layer: Layer::Presentation, what, reason });
        let expected = &self.config.presentation.called_selector.0;
        if !expected.is_empty() && *expected != called_presentation_selector {
            return unsupported("an unknown called presentation selector", 3);
        }
        let Some(contexts) = contexts else {
            return unsupported("a presentation context that is needed is missing", 0);
        };
        self.contexts = contexts;

        let (context_known, rtorq) = acse::apdu::parse_aarq(&aarq)?;
        if !context_known {
            return Err(Error::Unsupported {
                layer: Layer::Acse,
                what: "an application context other than mts-transfer",
                reason: acse::apdu::CONTEXT_NAME_NOT_SUPPORTED as u8,
            });
        }
        let open = rtse::apdu::parse_rtorq(rtorq)?;
        binding.checkpoint_size_kib = open.checkpoint_size_kib;
        binding.window_size = open.window_size;
        self.dialogue_mode = open.dialogue_mode;
        let indication = BindIndication {
            calling_transport_selector: std::mem::take(&mut binding.transport.calling_selector),
            called_transport_selector: std::mem::take(&mut binding.transport.called_selector),
            calling_session_selector: binding.session.calling_selector.clone(),
            called_session_selector: binding.session.called_selector.clone(),
            calling_presentation_selector,
            called_presentation_selector,
            session_connection_identifier: binding.session.identifier.clone(),
            dialogue_mode: open.dialogue_mode,
            bind_argument: open.user_data.to_vec(),
        };
        self.acse_step(AcseEvent::Aarq)?;
        self.rtse_step(RtseEvent::Rtorq)?;
        Ok(Indication::Bind(Box::new(indication)))
    }

    /// An AC came: the association stands if all layers say so.
    pub(super) fn connect_confirm(
        &mut self,
        spdu: &Spdu<'_>,
    ) -> Result<Indication<'static>, Error> {
        let accepted = spdu.connect_parameters()?;
        let with_turn = accepted.token_setting & 3 != 1;
        self.session.step(if with_turn {
            SessionEvent::Ac
        } else {
            SessionEvent::AcWithoutTurn
        })?;
        self.session.connect_confirm(&accepted)?;
        let aare = ppdu::parse_cpa(&spdu.user_data)?;
        self.presentation_step(PresentationEvent::Cpa)?;
        let aare = acse::apdu::parse_aare(aare)?;
        if aare.result != 0 {
            return Err(Error::PduInvalid {
                layer: Layer::Acse,
                what: "a rejection inside of a presentation accept",
            });
        }
        self.acse_step(AcseEvent::Aare)?;
        let open = rtse::apdu::parse_rtoac(aare.user_information.unwrap_or_default())?;
        self.rtse_step(RtseEvent::Rtoac)?;
        let ours = &self.config.rtse;
        self.checkpoint_size_kib = match ours.checkpoint_size_kib {
            // We proposed no limit: the answer decides.
            0 => open.checkpoint_size_kib,
            proposed => open.checkpoint_size_kib.min(proposed),
        };
        self.window_size = open.window_size.min(ours.window_size.max(1));
        if self.dialogue_mode == DialogueMode::Monologue && !with_turn {
            return Err(Error::PduInvalid {
                layer: Layer::Rtse,
                what: "a monologue whose turn is not the caller's",
            });
        }
        Ok(Indication::BindConfirm(open.user_data.to_vec()))
    }

    /// An RF came: who refused, and why.
    pub(super) fn refuse_indication(&mut self, spdu: &Spdu<'_>) -> Indication<'static> {
        let (reason, cpr) = spdu.reason();
        let refusal = match reason {
            REFUSED_BY_USER => presentation_refusal(cpr),
            _ => None,
        };
        self.close_association();
        self.transport.disconnect_request(NORMAL_DISCONNECT, &mut self.control);
        Indication::BindRefused(Box::new(refusal.unwrap_or(BindRefusal {
            layer: Layer::Session,
            reason: u32::from(reason),
            text: refuse_reason(reason),
            transient: matches!(reason, 1 | 131),
            bind_error: Vec::new(),
        })))
    }
}

/// Opens a CPR down to the layer that refused; `None` when it is not one.
fn presentation_refusal(cpr: &[u8]) -> Option<BindRefusal> {
    let (provider_reason, aare) = ppdu::parse_cpr(cpr).ok()?;
    if let Some(reason) = provider_reason {
        return Some(BindRefusal {
            layer: Layer::Presentation,
            reason,
            text: ppdu::provider_reason_text(reason),
            transient: reason == 1,
            bind_error: Vec::new(),
        });
    }
    let aare = acse::apdu::parse_aare(aare?).ok()?;
    let transient = aare.result == 2;
    match aare.user_information.map(rtse::apdu::parse_rtorj) {
        Some(Ok(bind_error)) => Some(BindRefusal {
            layer: Layer::Rtse,
            reason: 0,
            text: "the bind was refused",
            transient,
            bind_error: bind_error.to_vec(),
        }),
        _ => Some(BindRefusal {
            layer: Layer::Acse,
            reason: aare.diagnostic.1,
            text: acse::apdu::diagnostic_text(aare.diagnostic),
            transient,
            bind_error: Vec::new(),
        }),
    }
}
