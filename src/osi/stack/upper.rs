//! What stands between session and RTSE, by mode: presentation and ACSE in normal mode, next to nothing
//! in X.410 mode (X.228 clause 8 and annex B (unverified)).
//!
//! In X.410 mode RTSE's components ride in CP, CPA, CPR and ARU, an RTTP is the user data of PLEASE TOKENS,
//! the SSDUs of a transfer are its octets, and a release carries nothing.

use super::normal::{self, NormalMode};
use super::{AbortIndication, ApplicationContext, BindRefusal, StackConfig};
use crate::osi::error::{Error, Layer, Remedy};
use crate::osi::presentation::machine::Event as PresentationEvent;
use crate::osi::presentation::{Contexts, ppdu};
use crate::osi::rtse::apdu::{Open, X410, parse_rttp, rttp};
use crate::osi::rtse::{AbortReason, RefuseReason, abort_reason_text, refuse_reason_text};

/// Priority of a PT that names none.
const PRIORITY_LOWEST: u8 = u8::MAX;

/// What a caller offers.
pub(super) struct Offer<'o> {
    pub(super) open: Open<'o>,
    pub(super) context: ApplicationContext,
    pub(super) calling_selector: Vec<u8>,
    pub(super) called_selector: Vec<u8>,
}

/// The layers between session and RTSE of one association.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one an association, mostly the large one; a box would be one more step on the data path"
)]
pub(super) enum Upper {
    Normal(NormalMode),
    /// With the application protocol that the RTORQ names.
    X410(ApplicationContext),
}

impl Upper {
    /// Those of an application context.
    pub(super) fn new(context: ApplicationContext) -> Upper {
        match context {
            ApplicationContext::MtsTransfer => Upper::Normal(NormalMode::new()),
            _ => Upper::X410(context),
        }
    }

    /// Those that a caller's CP asks for.
    pub(super) fn offered(cp: &[u8]) -> Result<Upper, Error> {
        Ok(match ppdu::Mode::of(cp)? {
            ppdu::Mode::Normal => Upper::Normal(NormalMode::new()),
            // Which protocol is told by the parameters.
            ppdu::Mode::X410 => Upper::X410(ApplicationContext::MtsTransferProtocol1984),
        })
    }

    pub(super) fn context(&self) -> ApplicationContext {
        match self {
            Upper::Normal(_) => ApplicationContext::MtsTransfer,
            Upper::X410(context) => *context,
        }
    }

    /// Presentation contexts, in normal mode.
    pub(super) fn contexts(&self) -> Option<Contexts> {
        match self {
            Upper::Normal(normal) => Some(normal.contexts),
            Upper::X410(_) => None,
        }
    }

    /// User data of the CN.
    pub(super) fn connect_request(&mut self, config: &StackConfig, open: Open<'_>) -> Vec<u8> {
        match self {
            Upper::Normal(normal) => normal.connect_request(&config.presentation, &open),
            Upper::X410(context) => {
                let application_protocol = context.application_protocol();
                ppdu::x410(&X410.rtorq(&Open { application_protocol, ..open }))
            }
        }
    }

    /// Opens the user data of a CN, which [`Upper::offered`] has seen.
    ///
    /// # Errors
    /// When it cannot be read, or offers what is not accepted here.
    pub(super) fn connect_indication<'o>(
        &mut self,
        config: &StackConfig,
        user_data: &'o [u8],
    ) -> Result<Offer<'o>, Error> {
        let offer = match self {
            Upper::Normal(normal) => normal.connect_indication(&config.presentation, user_data)?,
            Upper::X410(context) => {
                let open = X410.parse_rtorq(ppdu::parse_x410(user_data)?)?;
                *context = ApplicationContext::of_application_protocol(open.application_protocol)
                    .ok_or_else(context_unsupported)?;
                Offer {
                    open,
                    context: *context,
                    calling_selector: Vec::new(),
                    called_selector: Vec::new(),
                }
            }
        };
        if !config.accepted_application_contexts.contains(&offer.context) {
            return Err(match self {
                Upper::Normal(_) => NormalMode::context_unsupported(),
                Upper::X410(_) => context_unsupported(),
            });
        }
        Ok(offer)
    }

    /// User data of the AC.
    pub(super) fn connect_response(&mut self, config: &StackConfig, open: &Open<'_>) -> Vec<u8> {
        match self {
            Upper::Normal(normal) => normal.connect_response(&config.presentation, open),
            Upper::X410(_) => ppdu::x410(&X410.rtoac(open)),
        }
    }

    /// Opens the user data of an AC.
    pub(super) fn connect_confirm<'o>(&mut self, user_data: &'o [u8]) -> Result<Open<'o>, Error> {
        match self {
            Upper::Normal(normal) => normal.connect_confirm(user_data),
            Upper::X410(_) => X410.parse_rtoac(ppdu::parse_x410(user_data)?),
        }
    }

    /// User data of an RF by which our user refuses.
    pub(super) fn refuse(
        &mut self,
        config: &StackConfig,
        reason: RefuseReason,
        bind_error: &[u8],
    ) -> Vec<u8> {
        match self {
            Upper::Normal(normal) => normal.refuse(&config.presentation, reason, bind_error),
            Upper::X410(_) => X410.rtorj(reason, &[]),
        }
    }

    /// User data of an RF for a connect that cannot be accepted.
    pub(super) fn refuse_error(&mut self, config: &StackConfig, error: &Error) -> Vec<u8> {
        match self {
            Upper::Normal(normal) => normal.refuse_error(&config.presentation, error),
            Upper::X410(_) => X410.rtorj(RefuseReason::ValidationFailure, &[]),
        }
    }

    /// What the user data of an RF says; `None` when it cannot be read.
    pub(super) fn refusal(&self, user_data: &[u8]) -> Option<BindRefusal> {
        match self {
            Upper::Normal(_) => normal::refusal(user_data),
            Upper::X410(_) => {
                let (reason, _) = X410.parse_rtorj(user_data).ok()?;
                Some(BindRefusal {
                    layer: Layer::Rtse,
                    reason: reason.unwrap_or_default(),
                    text: reason.map_or("the bind was refused", refuse_reason_text),
                    transient: reason == Some(RefuseReason::Busy as u32),
                    bind_error: Vec::new(),
                })
            }
        }
    }

    /// User data of an AB: what is wrong, in the words of the layer that saw it.
    pub(super) fn abort(&self, remedy: Remedy) -> Vec<u8> {
        match (self, remedy) {
            (Upper::Normal(normal), Remedy::TransferAbort(reason)) => normal.abort(reason),
            (Upper::Normal(_), Remedy::PresentationAbort(reason)) => ppdu::arp(reason),
            (Upper::Normal(normal), _) => normal.abort_association(),
            (Upper::X410(_), Remedy::TransferAbort(reason)) => X410.rtab(x410_abort_reason(reason)),
            (Upper::X410(_), _) => X410.rtab(AbortReason::ProtocolError as u8),
        }
    }

    /// What the user data of an AB says; `None` when it cannot be read.
    pub(super) fn aborted(&self, user_data: &[u8]) -> Option<AbortIndication> {
        match self {
            Upper::Normal(_) => normal::aborted(user_data),
            Upper::X410(_) => {
                let reason = X410.parse_rtab(user_data).ok()?;
                let text = reason.map_or("aborted by the user", abort_reason_text);
                Some(AbortIndication { layer: Layer::Rtse, reason, text })
            }
        }
    }

    /// User data of the PT that asks for the turn.
    pub(super) fn token_please(&self, priority: u8) -> Vec<u8> {
        match self {
            Upper::Normal(normal) => ppdu::user_data(normal.contexts.rtse, &rttp(priority)),
            Upper::X410(_) => rttp(priority),
        }
    }

    /// The priority that the user data of a PT names; the lowest where it names none.
    pub(super) fn token_please_indication(&self, user_data: &[u8]) -> Result<u8, Error> {
        match self {
            _ if user_data.is_empty() => Ok(PRIORITY_LOWEST),
            Upper::Normal(_) => parse_rttp(ppdu::parse_user_data(user_data)?.1),
            Upper::X410(_) => parse_rttp(user_data),
        }
    }

    /// User data of the FN.
    pub(super) fn release_request(&mut self) -> Vec<u8> {
        match self {
            Upper::Normal(normal) => normal.release_request(),
            Upper::X410(_) => Vec::new(),
        }
    }

    /// User data of the DN.
    pub(super) fn release_response(&mut self) -> Vec<u8> {
        match self {
            Upper::Normal(normal) => normal.release_response(),
            Upper::X410(_) => Vec::new(),
        }
    }

    pub(super) fn release_indication(&mut self, user_data: &[u8]) -> Result<(), Error> {
        match self {
            Upper::Normal(normal) => normal.release_indication(user_data),
            Upper::X410(_) => Ok(()),
        }
    }

    pub(super) fn release_confirm(&mut self, user_data: &[u8]) -> Result<(), Error> {
        match self {
            Upper::Normal(normal) => normal.release_confirm(user_data),
            Upper::X410(_) => Ok(()),
        }
    }

    /// A DATA TRANSFER begins.
    pub(super) fn data_indication(&mut self) -> Result<bool, Error> {
        match self {
            Upper::Normal(normal) => normal.presentation_step(PresentationEvent::Td),
            Upper::X410(_) => Ok(true),
        }
    }

    /// Reads on in an SSDU; the next octets of the transfer, or `None` when `content` is used up.
    pub(super) fn data<'i>(&mut self, content: &mut &'i [u8]) -> Result<Option<&'i [u8]>, Error> {
        match self {
            Upper::Normal(normal) => normal.data.poll(content, &normal.contexts),
            Upper::X410(_) => Ok(Some(std::mem::take(content)).filter(|octets| !octets.is_empty())),
        }
    }

    /// The SSDU is complete.
    pub(super) fn data_end(&mut self) -> Result<(), Error> {
        match self {
            Upper::Normal(normal) => normal.data.end(),
            Upper::X410(_) => Ok(()),
        }
    }

    /// Forgets an SSDU under way.
    pub(super) fn data_reset(&mut self) {
        if let Upper::Normal(normal) = self {
            normal.data.reset();
        }
    }

    /// Everything of these layers is over.
    pub(super) fn close(&mut self) {
        if let Upper::Normal(normal) = self {
            normal.close();
        }
    }
}

/// permanentProblem and userError are normal mode's alone.
fn x410_abort_reason(reason: u8) -> u8 {
    const PERMANENT_PROBLEM: u8 = AbortReason::PermanentProblem as u8;
    const USER_ERROR: u8 = AbortReason::UserError as u8;
    match reason {
        PERMANENT_PROBLEM | USER_ERROR => AbortReason::LocalSystemProblem as u8,
        reason => reason,
    }
}

fn context_unsupported() -> Error {
    Error::Unsupported {
        layer: Layer::Rtse,
        what: "an application protocol that is not accepted here",
        reason: RefuseReason::ValidationFailure as u8,
    }
}
