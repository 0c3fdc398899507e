//! What stands between session and RTSE in normal mode: presentation (X.226) and ACSE (X.227), each APDU
//! of RTSE a presentation data value.

use super::upper::Offer;
use super::{AbortIndication, ApplicationContext, BindRefusal};
use crate::osi::acse::machine::Event as AcseEvent;
use crate::osi::error::{Error, Layer};
use crate::osi::presentation::data::DataReader;
use crate::osi::presentation::machine::Event as PresentationEvent;
use crate::osi::presentation::{Contexts, PresentationConfig, ppdu};
use crate::osi::rtse::RefuseReason;
use crate::osi::rtse::apdu::{NORMAL, Open};
use crate::osi::{Step, acse, presentation, rtse};

/// Provider-reason of a CPR where the presentation provider has no better one.
const PRESENTATION_NO_REASON: u8 = 0;
/// Provider-reason of a CPR: user data not readable.
const USER_DATA_NOT_READABLE: u8 = 6;
/// Provider-reason of a CPR: called presentation address unknown.
const CALLED_ADDRESS_UNKNOWN: u8 = 3;

/// Presentation and ACSE of one association.
#[derive(Debug)]
pub(super) struct NormalMode {
    presentation: presentation::machine::State,
    acse: acse::machine::State,
    pub(super) contexts: Contexts,
    pub(super) data: DataReader,
    /// The caller's CP, until it is answered.
    connect: Option<Box<ppdu::Connect>>,
}

impl NormalMode {
    pub(super) fn new() -> NormalMode {
        NormalMode {
            presentation: presentation::machine::State::Idle,
            acse: acse::machine::State::Unassociated,
            contexts: Contexts::PROPOSED,
            data: DataReader::new(),
            connect: None,
        }
    }

    pub(super) fn connect_request(
        &mut self,
        config: &PresentationConfig,
        open: &Open<'_>,
    ) -> Vec<u8> {
        self.acse_request(AcseEvent::AssociateRequest);
        self.presentation_request(PresentationEvent::ConnectRequest);
        let aarq = acse::apdu::aarq(self.contexts.rtse, &NORMAL.rtorq(open));
        ppdu::cp(config, &aarq)
    }

    pub(super) fn connect_indication<'o>(
        &mut self,
        config: &PresentationConfig,
        cp: &'o [u8],
    ) -> Result<Offer<'o>, Error> {
        self.presentation_step(PresentationEvent::Cp)?;
        let (connect, aarq) = ppdu::parse_cp(cp)?;
        let connect = self.connect.insert(Box::new(connect));
        let unsupported =
            |what, reason| Err(Error::Unsupported { layer: Layer::Presentation, what, reason });
        let expected = &config.called_selector.0;
        if !expected.is_empty() && *expected != connect.called_selector {
            return unsupported("an unknown called presentation selector", CALLED_ADDRESS_UNKNOWN);
        }
        let Some(contexts) = connect.contexts else {
            let what = "a presentation context that is needed is missing";
            return unsupported(what, PRESENTATION_NO_REASON);
        };
        let selectors = (connect.calling_selector.clone(), connect.called_selector.clone());
        self.contexts = contexts;
        let (known, rtorq) = acse::apdu::parse_aarq(aarq)?;
        self.acse_step(AcseEvent::Aarq)?;
        if !known {
            return Err(NormalMode::context_unsupported());
        }
        Ok(Offer {
            open: NORMAL.parse_rtorq(rtorq)?,
            context: ApplicationContext::MtsTransfer,
            calling_selector: selectors.0,
            called_selector: selectors.1,
        })
    }

    /// The application context that is offered is not taken here.
    pub(super) fn context_unsupported() -> Error {
        Error::Unsupported {
            layer: Layer::Acse,
            what: "an application context that is not accepted here",
            reason: acse::apdu::CONTEXT_NAME_NOT_SUPPORTED as u8,
        }
    }

    /// The CPA.
    pub(super) fn connect_response(
        &mut self,
        config: &PresentationConfig,
        open: &Open<'_>,
    ) -> Vec<u8> {
        self.acse_request(AcseEvent::AcceptRequest);
        self.presentation_request(PresentationEvent::AcceptRequest);
        let aare = acse::apdu::aare(0, 0, self.contexts.rtse, Some(&NORMAL.rtoac(open)));
        match self.connect.take() {
            Some(connect) => connect.accept(config, &aare),
            None => Vec::new(),
        }
    }

    pub(super) fn connect_confirm<'o>(&mut self, cpa: &'o [u8]) -> Result<Open<'o>, Error> {
        let aare = ppdu::parse_cpa(cpa)?;
        self.presentation_step(PresentationEvent::Cpa)?;
        let aare = acse::apdu::parse_aare(aare)?;
        if aare.result != 0 {
            return Err(Error::PduInvalid {
                layer: Layer::Acse,
                what: "a rejection inside of a presentation accept",
            });
        }
        self.acse_step(AcseEvent::Aare)?;
        NORMAL.parse_rtoac(aare.user_information.unwrap_or_default())
    }

    /// The CPR around an AARE that rejects, with an RTORJ.
    pub(super) fn refuse(
        &mut self,
        config: &PresentationConfig,
        reason: RefuseReason,
        bind_error: &[u8],
    ) -> Vec<u8> {
        let rtorj = NORMAL.rtorj(reason, bind_error);
        self.reject(config, acse::apdu::NO_REASON, Some(&rtorj))
    }

    /// The CPR for a connect that cannot be accepted, in the words of the layer that cannot.
    pub(super) fn refuse_error(&mut self, config: &PresentationConfig, error: &Error) -> Vec<u8> {
        match (error.layer(), error) {
            (Layer::Acse, Error::Unsupported { reason, .. }) => {
                self.reject(config, u32::from(*reason), None)
            }
            (Layer::Presentation, Error::Unsupported { reason, .. }) => match &self.connect {
                Some(connect) => connect.reject_by_provider(*reason),
                None => ppdu::cpr_unreadable(*reason),
            },
            (Layer::Presentation, _) => ppdu::cpr_unreadable(USER_DATA_NOT_READABLE),
            _ => self.reject(config, acse::apdu::NO_REASON, None),
        }
    }

    fn reject(
        &mut self,
        config: &PresentationConfig,
        diagnostic: u32,
        value: Option<&[u8]>,
    ) -> Vec<u8> {
        let aare = acse::apdu::aare(1, diagnostic, self.contexts.rtse, value);
        match &self.connect {
            Some(connect) => connect.reject(config, &aare),
            None => ppdu::cpr_unreadable(PRESENTATION_NO_REASON),
        }
    }

    /// The ARU around an RTAB.
    pub(super) fn abort(&self, reason: u8) -> Vec<u8> {
        let rtab = NORMAL.rtab(reason);
        ppdu::aru(&self.contexts, &acse::apdu::abrt(self.contexts.rtse, Some(&rtab)))
    }

    /// The ARU around an abort of the ACSE service provider.
    pub(super) fn abort_association(&self) -> Vec<u8> {
        ppdu::aru(&self.contexts, &acse::apdu::abrt(self.contexts.rtse, None))
    }

    pub(super) fn release_request(&mut self) -> Vec<u8> {
        self.acse_request(AcseEvent::ReleaseRequest);
        ppdu::user_data(self.contexts.acse, &acse::apdu::rlrq())
    }

    pub(super) fn release_response(&mut self) -> Vec<u8> {
        self.acse_request(AcseEvent::ReleaseResponse);
        self.presentation_request(PresentationEvent::CloseRequest);
        ppdu::user_data(self.contexts.acse, &acse::apdu::rlre())
    }

    pub(super) fn release_indication(&mut self, user_data: &[u8]) -> Result<(), Error> {
        // Some peers release without a word.
        if !user_data.is_empty() {
            let (_, rlrq) = ppdu::parse_user_data(user_data)?;
            acse::apdu::parse_rlrq(rlrq)?;
        }
        self.acse_step(AcseEvent::Rlrq).map(drop)
    }

    pub(super) fn release_confirm(&mut self, user_data: &[u8]) -> Result<(), Error> {
        if !user_data.is_empty() {
            let (_, rlre) = ppdu::parse_user_data(user_data)?;
            acse::apdu::parse_rlre(rlre)?;
        }
        self.acse_step(AcseEvent::Rlre).map(drop)
    }

    /// Everything of these layers is over.
    pub(super) fn close(&mut self) {
        self.acse_request(AcseEvent::AbortRequest);
        self.presentation_request(PresentationEvent::CloseRequest);
        self.data.reset();
        self.connect = None;
    }

    fn acse_request(&mut self, event: AcseEvent) {
        if let Step::Next(next) = acse::machine::step(self.acse, event) {
            self.acse = next;
        }
    }

    fn presentation_request(&mut self, event: PresentationEvent) {
        if let Step::Next(next) = presentation::machine::step(self.presentation, event) {
            self.presentation = next;
        }
    }

    pub(super) fn presentation_step(&mut self, event: PresentationEvent) -> Result<bool, Error> {
        let step = presentation::machine::step(self.presentation, event);
        let name = presentation::machine::State::name;
        step.take(Layer::Presentation, &mut self.presentation, event.name(), name)
    }

    fn acse_step(&mut self, event: AcseEvent) -> Result<bool, Error> {
        let step = acse::machine::step(self.acse, event);
        step.take(Layer::Acse, &mut self.acse, event.name(), acse::machine::State::name)
    }
}

/// Opens a CPR down to the layer that refused; `None` when it is not one.
pub(super) fn refusal(cpr: &[u8]) -> Option<BindRefusal> {
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
    match aare.user_information.map(|rtorj| NORMAL.parse_rtorj(rtorj)) {
        Some(Ok((_, bind_error))) => Some(BindRefusal {
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

/// Opens an ARU or ARP down to whoever aborted; `None` when it is neither.
pub(super) fn aborted(user_data: &[u8]) -> Option<AbortIndication> {
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
        Some(value) => NORMAL.parse_rtab(value).ok()?,
        None => None,
    };
    let text = reason.map_or("aborted by the user", rtse::abort_reason_text);
    Some(AbortIndication { layer: Layer::Rtse, reason, text })
}
