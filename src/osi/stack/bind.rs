//! Establishing the association, both sides: the RTORQ and what answers it ride in the user data of the
//! session's connect, in what `upper` puts around them.

use super::upper::{Offer, Upper};
use super::{BindIndication, BindRefusal, Indication, NORMAL_DISCONNECT, RecoverIndication, Stack};
use crate::osi::error::{Error, Layer};
use crate::osi::rtse::apdu::{ConnectionData, Open};
use crate::osi::rtse::machine::Event as RtseEvent;
use crate::osi::rtse::{DialogueMode, RefuseReason, Turn};
use crate::osi::session::machine::Event as SessionEvent;
use crate::osi::session::{ConnectParameters, SessionConnectionIdentifier, Spdu, refuse_reason};
use crate::osi::transport::tpdu::Parameters as TpduParameters;

/// Reason code of an RF SPDU: refused by the called session user, user data follows.
const REFUSED_BY_USER: u8 = 2;

/// What is kept until the association stands.
#[derive(Debug, Default)]
pub(super) struct Binding {
    bind_argument: Vec<u8>,
    /// The session connection whose association is recovered.
    recovered: Option<SessionConnectionIdentifier>,
    identifier: SessionConnectionIdentifier,
    transport: TpduParameters,
    session: ConnectParameters,
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

    pub(super) fn recovering(
        recovered: SessionConnectionIdentifier,
        identifier: SessionConnectionIdentifier,
    ) -> Binding {
        Binding { recovered: Some(recovered), identifier, ..Binding::default() }
    }
}

impl Stack {
    /// Accepts the caller's bind. `bind_result` goes into the RTOAC as it stands: with its wrapper in
    /// normal mode, without one in X.410 mode.
    pub fn bind_accept(&mut self, bind_result: &[u8]) -> bool {
        let recovering = self.binding.as_ref().is_some_and(|binding| binding.recovered.is_some());
        !recovering && self.accept(bind_result)
    }

    /// Accepts the caller's recovery: the association goes on, and so may its transfers.
    pub fn recover_accept(&mut self) -> bool {
        let recovering = self.binding.as_ref().is_some_and(|binding| binding.recovered.is_some());
        recovering && self.accept(&[])
    }

    fn accept(&mut self, bind_result: &[u8]) -> bool {
        if !self.rtse_request(RtseEvent::OpenResponse) {
            return false;
        }
        let Some(binding) = self.binding.take() else { return false };
        let ours = &self.config.rtse;
        self.checkpoint_size_kib = match (ours.checkpoint_size_kib, binding.checkpoint_size_kib) {
            // The caller has no limit of its own and leaves it to us.
            (ours, 0) => ours,
            (ours, proposed) => ours.min(proposed),
        };
        self.window_size = ours.window_size.min(binding.window_size).max(1);
        let open = Open {
            checkpoint_size_kib: self.checkpoint_size_kib,
            window_size: self.window_size,
            dialogue_mode: self.dialogue_mode,
            connection_data: match binding.recovered {
                Some(recovered) => ConnectionData::Recover(recovered),
                None => ConnectionData::Open(bind_result),
            },
            application_protocol: None,
        };
        let user_data = self.upper.connect_response(&self.config, &open);
        let ac = self.session.connect_response(&self.config.session, &binding.session, &user_data);
        self.push_tsdu(&ac);
        true
    }

    /// Refuses the caller's bind or recovery. Normal mode carries `bind_error`, as it stands, wrapper
    /// included; X.410 mode carries `reason`.
    pub fn bind_reject(&mut self, reason: RefuseReason, bind_error: &[u8]) -> bool {
        if !self.rtse_request(RtseEvent::OpenRefusal) {
            return false;
        }
        let user_data = self.upper.refuse(&self.config, reason, bind_error);
        self.refuse(REFUSED_BY_USER, &user_data);
        true
    }

    fn refuse(&mut self, reason: u8, user_data: &[u8]) {
        let rf = self.session.refuse_request(reason, user_data);
        self.push_tsdu(&rf);
        self.close_association();
    }

    /// Refuses a connect that cannot be accepted, in the words of the layer that cannot.
    pub(super) fn refuse_bind(&mut self, error: &Error) {
        match (error.layer(), error) {
            (Layer::Session, Error::Unsupported { reason, .. }) => self.refuse(*reason, &[]),
            (Layer::Presentation | Layer::Acse | Layer::Rtse, _) => {
                let user_data = self.upper.refuse_error(&self.config, error);
                self.refuse(REFUSED_BY_USER, &user_data);
            }
            _ => self.remedy(error.remedy()),
        }
    }

    /// The caller's CC came: send CN with all that rides in it.
    pub(super) fn transport_connect_confirm(&mut self, peer: &TpduParameters) -> Result<(), Error> {
        self.transport.connect_confirm(&self.config.transport, peer)?;
        let Some(binding) = self.binding.take() else { return Ok(()) };
        let rtse = &self.config.rtse;
        self.dialogue_mode = rtse.dialogue_mode;
        let open = Open {
            checkpoint_size_kib: rtse.checkpoint_size_kib,
            window_size: rtse.window_size.max(1),
            dialogue_mode: rtse.dialogue_mode,
            connection_data: match binding.recovered {
                Some(recovered) => ConnectionData::Recover(recovered),
                None => ConnectionData::Open(&binding.bind_argument),
            },
            application_protocol: None,
        };
        let user_data = self.upper.connect_request(&self.config, open);
        let cn = self.session.connect_request(
            &self.config.session,
            &binding.identifier,
            rtse.initial_turn,
            &user_data,
        );
        self.rtse_request(RtseEvent::OpenRequest);
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

        self.upper = Upper::offered(&spdu.user_data)?;
        let Offer { open, context, calling_selector, called_selector } =
            self.upper.connect_indication(&self.config, &spdu.user_data)?;
        binding.checkpoint_size_kib = open.checkpoint_size_kib;
        binding.window_size = open.window_size;
        self.dialogue_mode = open.dialogue_mode;
        let caller = BindIndication {
            calling_transport_selector: std::mem::take(&mut binding.transport.calling_selector),
            called_transport_selector: std::mem::take(&mut binding.transport.called_selector),
            calling_session_selector: binding.session.calling_selector.clone(),
            called_session_selector: binding.session.called_selector.clone(),
            calling_presentation_selector: calling_selector,
            called_presentation_selector: called_selector,
            session_connection_identifier: binding.session.identifier.clone(),
            application_context: context,
            dialogue_mode: open.dialogue_mode,
            initial_turn: binding.session.turn(),
            bind_argument: Vec::new(),
        };
        let indication = match open.connection_data {
            ConnectionData::Open(bind_argument) => Indication::Bind(Box::new(BindIndication {
                bind_argument: bind_argument.to_vec(),
                ..caller
            })),
            ConnectionData::Recover(recovered) => {
                binding.recovered = Some(recovered.clone());
                Indication::Recover(Box::new(RecoverIndication { recovered, caller }))
            }
        };
        self.binding = Some(binding);
        self.rtse_step(RtseEvent::Rtorq)?;
        Ok(indication)
    }

    /// An AC came: the association stands if all layers say so.
    pub(super) fn connect_confirm(
        &mut self,
        spdu: &Spdu<'_>,
    ) -> Result<Indication<'static>, Error> {
        let accepted = spdu.connect_parameters()?;
        self.session.step(match accepted.turn() {
            Turn::Initiator => SessionEvent::Ac,
            Turn::Responder => SessionEvent::AcWithoutTurn,
        })?;
        self.session.connect_confirm(&accepted)?;
        let open = self.upper.connect_confirm(&spdu.user_data)?;
        self.rtse_step(RtseEvent::Rtoac)?;
        let ours = &self.config.rtse;
        self.checkpoint_size_kib = match ours.checkpoint_size_kib {
            // We proposed no limit: the answer decides.
            0 => open.checkpoint_size_kib,
            proposed => open.checkpoint_size_kib.min(proposed),
        };
        self.window_size = open.window_size.min(ours.window_size.max(1));
        if self.dialogue_mode == DialogueMode::Monologue && accepted.turn() != ours.initial_turn {
            return Err(Error::PduInvalid {
                layer: Layer::Rtse,
                what: "a monologue whose turn is on the other side",
            });
        }
        Ok(match open.connection_data {
            ConnectionData::Open(bind_result) => Indication::BindConfirm(bind_result.to_vec()),
            ConnectionData::Recover(_) => Indication::RecoverConfirm,
        })
    }

    /// An RF came: who refused, and why.
    pub(super) fn refuse_indication(&mut self, spdu: &Spdu<'_>) -> Indication<'static> {
        let (reason, user_data) = spdu.reason();
        let refusal = match reason {
            REFUSED_BY_USER => self.upper.refusal(user_data),
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
