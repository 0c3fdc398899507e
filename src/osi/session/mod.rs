//! X.225: kernel, half-duplex, exceptions, minor synchronize and activity management, versions 1 and 2.
//!
//! `Session` finds SPDUs in TSDUs (one SPDU of category 0, then at most one of category 2: basic
//! concatenation), keeps the synchronization point serial numbers and the state table. An SPDU is
//! assembled in a buffer bounded by `CONTROL_PDU_SIZE_MAX`; the user information of DATA TRANSFER is
//! never assembled, `Arrival::UserInformation` leaves it in the input.

pub(super) mod activity;
pub mod machine;
mod receive;
mod spdu;

pub use activity::ActivityIdentifier;
pub(super) use activity::ShortTsdu;
pub(super) use receive::{Arrival, Spdu, TsduEnd};
pub(super) use spdu::{ENCLOSURE_BEGINNING, ENCLOSURE_END};

use super::Step;
use super::error::{Error, Layer};
use crate::base::limits::{SELECTOR_SIZE_MAX, TRANSFER_SIZE_MAX};
use machine::{Event, State};
use spdu::{Parameters, parameter, pi, push, si};

/// Identifies a presentation entity (X.225); empty means absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct SessionSelector(pub Vec<u8>);

/// One side's session parameters.
#[derive(Debug, Clone, Default)]
pub struct SessionConfig {
    /// Sent by the caller; a called side ignores it.
    pub calling_selector: SessionSelector,
    /// Sent by the caller; a called side refuses another one, unless its own is empty.
    pub called_selector: SessionSelector,
    /// Largest TSDU proposed for both directions, octets; 0 is unlimited.
    pub tsdu_size_max: u16,
}

/// The references of a session connection (X.225 7.1.1 (unverified)), by which RTSE recovers an
/// association and resumes its activities: encoded values, each unlike any other the caller uses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct SessionConnectionIdentifier {
    /// Calling SS-user reference, at most 64 octets: a T61String, or an OCTET STRING in normal mode.
    pub calling_user_reference: Vec<u8>,
    /// Common reference, at most 64 octets: a UTCTime.
    pub common_reference: Vec<u8>,
    /// Additional reference information, at most 4 octets: a T61String; empty when absent.
    pub additional_reference: Vec<u8>,
}

impl SessionConnectionIdentifier {
    /// Whether it names a session connection at all: one without references cannot be recovered.
    pub fn is_empty(&self) -> bool {
        self.calling_user_reference.is_empty() && self.common_reference.is_empty()
    }

    fn encode(&self, user_reference: u8) -> Vec<u8> {
        let mut out = Vec::new();
        for (code, reference, size_max) in [
            (user_reference, &self.calling_user_reference, 64),
            (pi::COMMON_REFERENCE, &self.common_reference, 64),
            (pi::ADDITIONAL_REFERENCE, &self.additional_reference, 4),
        ] {
            if !reference.is_empty() {
                push(&mut out, code, &[&reference[..reference.len().min(size_max)]]);
            }
        }
        out
    }

    fn parse(
        parameters: Parameters<'_>,
        user_reference: u8,
    ) -> Result<SessionConnectionIdentifier, Error> {
        Ok(SessionConnectionIdentifier {
            calling_user_reference: parameters.octets(user_reference, 64)?,
            common_reference: parameters.octets(pi::COMMON_REFERENCE, 64)?,
            additional_reference: parameters.octets(pi::ADDITIONAL_REFERENCE, 4)?,
        })
    }
}

/// Who may send first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// The calling side.
    #[default]
    Initiator,
    /// The called side.
    Responder,
}

impl Turn {
    /// The token setting item: data, synchronize-minor and major/activity token together.
    fn token_setting(self) -> u8 {
        match self {
            Turn::Initiator => 0,
            Turn::Responder => 0x15,
        }
    }
}

/// Protocol version 1, in a version number parameter.
const VERSION_1: u8 = 1;
/// Protocol version 2.
const VERSION_2: u8 = 2;

/// Half-duplex, minor synchronize, activity management, exceptions.
pub(super) const REQUIREMENTS: u16 = 0x0249;
/// Smallest TSDU that is worth segmenting for, octets.
const TSDU_SIZE_MIN: u16 = 64;
/// Largest serial number (X.225 8.3 (unverified)): six digits.
const SERIAL_NUMBER_MAX: u32 = 999_999;

const _: () = assert!(TRANSFER_SIZE_MAX / 1024 < SERIAL_NUMBER_MAX as usize - 2);

/// What CONNECT or ACCEPT carries besides user data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ConnectParameters {
    pub(super) identifier: SessionConnectionIdentifier,
    pub(super) versions: u8,
    pub(super) requirements: u16,
    /// Towards the responder, towards the initiator; 0 is unlimited.
    pub(super) tsdu_size_max: (u16, u16),
    pub(super) token_setting: u8,
    pub(super) calling_selector: Vec<u8>,
    pub(super) called_selector: Vec<u8>,
}

/// One end of a session connection.
#[derive(Debug)]
pub(super) struct Session {
    state: State,
    receive: receive::Receive,
    version: u8,
    /// Largest TSDU that we send, octets; 0 is unlimited.
    tsdu_size_send: u16,
    serial_next: u32,
    serial_confirmed: u32,
    identifier: SessionConnectionIdentifier,
}

impl Session {
    pub(super) fn new() -> Session {
        Session {
            state: State::Idle,
            receive: receive::Receive::default(),
            version: 2,
            tsdu_size_send: 0,
            serial_next: 1,
            serial_confirmed: 0,
            identifier: SessionConnectionIdentifier::default(),
        }
    }

    /// The references of this session connection.
    pub(super) fn identifier(&self) -> &SessionConnectionIdentifier {
        &self.identifier
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn version(&self) -> u8 {
        self.version
    }

    pub(super) fn tsdu_size_send(&self) -> u16 {
        self.tsdu_size_send
    }

    pub(super) fn receive(&mut self) -> &mut receive::Receive {
        &mut self.receive
    }

    /// What an SPDU is in this state: ABORT ACCEPT and ACTIVITY INTERRUPT ACK share an identifier.
    pub(super) fn event_of(&self, spdu: &Spdu<'_>) -> Event {
        match (spdu.event, self.state) {
            (Event::Aa, State::AwaitInterruptAck) => Event::Aia,
            (event, _) => event,
        }
    }

    /// Takes a received event: `true` when it counts, `false` when it is to be dropped.
    pub(super) fn step(&mut self, event: Event) -> Result<bool, Error> {
        match machine::step(self.state, event) {
            Step::Next(next) => {
                self.state = next;
                Ok(true)
            }
            Step::Discard => Ok(false),
            Step::Refuse => Err(Error::PduUnexpected {
                layer: Layer::Session,
                pdu: event.name(),
                state: self.state.name(),
            }),
        }
    }

    /// Takes a local request, if this state has it.
    pub(super) fn request(&mut self, event: Event) -> bool {
        matches!(self.step(event), Ok(true))
    }

    /// The serial number of the next synchronization point; it counts as used.
    pub(super) fn serial_number_take(&mut self) -> Option<u32> {
        let serial = self.serial_next;
        self.serial_next += 1;
        (serial <= SERIAL_NUMBER_MAX).then_some(serial)
    }

    /// Numbers the synchronization points of an activity from behind `serial`: 0 for a new one, that of
    /// the ACTIVITY RESUME otherwise (X.225 table A-4).
    pub(super) fn serial_number_set(&mut self, serial: u32) {
        self.serial_next = serial + 1;
        self.serial_confirmed = serial;
    }

    /// Checks the serial number of a received MIP or AE, and counts it as used.
    pub(super) fn sync_point_indication(&mut self, serial: u32) -> Result<(), Error> {
        if self.serial_number_take() != Some(serial) {
            return Err(invalid("a serial number out of sequence"));
        }
        Ok(())
    }

    /// Checks the serial number of a received MIA; it confirms all up to itself.
    pub(super) fn sync_minor_confirm(&mut self, serial: u32) -> Result<(), Error> {
        if serial <= self.serial_confirmed || serial >= self.serial_next {
            return Err(invalid("a confirmed serial number that is not outstanding"));
        }
        self.serial_confirmed = serial;
        Ok(())
    }

    /// Checks the serial number of a received AEA: the last one used.
    pub(super) fn activity_end_confirm(&mut self, serial: u32) -> Result<(), Error> {
        if serial + 1 != self.serial_next {
            return Err(invalid("an activity end acknowledged with another serial number"));
        }
        Ok(())
    }

    /// The serial number last used.
    pub(super) fn serial_number_last(&self) -> u32 {
        self.serial_next - 1
    }

    /// Synchronization points of this activity that are confirmed.
    pub(super) fn serial_number_confirmed(&self) -> u32 {
        self.serial_confirmed
    }

    /// Sync points that were sent and are not confirmed.
    pub(super) fn sync_points_outstanding(&self) -> u32 {
        self.serial_number_last() - self.serial_confirmed
    }

    /// The CN SPDU.
    pub(super) fn connect_request(
        &mut self,
        config: &SessionConfig,
        identifier: &SessionConnectionIdentifier,
        initial_turn: Turn,
        user_data: &[u8],
    ) -> Vec<u8> {
        self.request(Event::ConnectRequest);
        self.identifier = identifier.clone();
        // Extended user data is version 2's alone.
        let versions = if user_data.len() > 512 { VERSION_2 } else { VERSION_1 | VERSION_2 };
        let parameters = ConnectParameters {
            identifier: identifier.clone(),
            versions,
            requirements: REQUIREMENTS,
            tsdu_size_max: (config.tsdu_size_max, config.tsdu_size_max),
            token_setting: initial_turn.token_setting(),
            calling_selector: config.calling_selector.0.clone(),
            called_selector: config.called_selector.0.clone(),
        };
        parameters.encode(si::CONNECT, user_data)
    }

    /// Judges the peer's CN and settles what holds from now on; an error is a refusal.
    pub(super) fn connect_indication(
        &mut self,
        config: &SessionConfig,
        proposed: &ConnectParameters,
    ) -> Result<(), Error> {
        self.version = if proposed.versions & VERSION_2 != 0 { 2 } else { 1 };
        self.identifier = proposed.identifier.clone();
        if proposed.versions & 3 == 0 {
            return Err(unsupported("no common session protocol version", 132));
        }
        let expected = &config.called_selector.0;
        if !expected.is_empty() && *expected != proposed.called_selector {
            return Err(unsupported("an unknown called session selector", 129));
        }
        if proposed.requirements & REQUIREMENTS != REQUIREMENTS {
            return Err(unsupported("session functional units that RTSE needs are missing", 134));
        }
        let (to_responder, to_initiator) = proposed.tsdu_size_max;
        if [to_responder, to_initiator].iter().any(|size| (1..TSDU_SIZE_MIN).contains(size)) {
            return Err(unsupported("a TSDU maximum size too small", 134));
        }
        self.tsdu_size_send = smaller(config.tsdu_size_max, to_initiator);
        Ok(())
    }

    /// The AC SPDU in answer to `proposed`.
    pub(super) fn connect_response(
        &mut self,
        config: &SessionConfig,
        proposed: &ConnectParameters,
        user_data: &[u8],
    ) -> Vec<u8> {
        let turn = proposed.turn();
        let with_turn = turn == Turn::Responder;
        self.request(if with_turn { Event::AcceptRequestWithTurn } else { Event::AcceptRequest });
        let parameters = ConnectParameters {
            identifier: proposed.identifier.clone(),
            versions: self.version,
            requirements: REQUIREMENTS,
            tsdu_size_max: (
                smaller(config.tsdu_size_max, proposed.tsdu_size_max.0),
                self.tsdu_size_send,
            ),
            token_setting: turn.token_setting(),
            calling_selector: Vec::new(),
            called_selector: config.called_selector.0.clone(),
        };
        parameters.encode(si::ACCEPT, user_data)
    }

    /// The RF SPDU: `reason` 2 with user data for the user's refusal, 128 and more the provider's.
    pub(super) fn refuse_request(&mut self, reason: u8, user_data: &[u8]) -> Vec<u8> {
        self.request(Event::RefuseRequest);
        let disconnect = parameter(pi::TRANSPORT_DISCONNECT, &[1]);
        let version = parameter(pi::VERSION_NUMBER, &[self.version]);
        let mut reason_code = Vec::new();
        push(&mut reason_code, pi::REASON_CODE, &[&[reason], user_data]);
        let mut out = Vec::new();
        push(&mut out, si::REFUSE, &[&disconnect, &version, &reason_code]);
        out
    }

    /// Settles what the peer's AC answered; the turn is in the parameters' token setting.
    pub(super) fn connect_confirm(&mut self, accepted: &ConnectParameters) -> Result<(), Error> {
        // Some peers answer with all versions that they know, not with the one selected.
        self.version = match accepted.versions & 3 {
            1 => 1,
            2 | 3 => 2,
            _ => return Err(invalid("an ACCEPT that selects no protocol version")),
        };
        if accepted.requirements & REQUIREMENTS != REQUIREMENTS {
            return Err(unsupported("session functional units that RTSE needs are missing", 134));
        }
        let (to_responder, _) = accepted.tsdu_size_max;
        if (1..TSDU_SIZE_MIN).contains(&to_responder) {
            return Err(invalid("a TSDU maximum size too small"));
        }
        self.tsdu_size_send = to_responder;
        Ok(())
    }

    /// The PT SPDU that asks for the turn.
    pub(super) fn token_please(user_data: &[u8]) -> Vec<u8> {
        let token = parameter(pi::TOKEN_ITEM, &[spdu::DATA_TOKEN]);
        let mut out = Vec::new();
        push(&mut out, si::PLEASE_TOKENS, &[&token, &parameter(pi::USER_DATA, user_data)]);
        out
    }

    /// The FN SPDU; the transport connection is released with it.
    pub(super) fn finish(user_data: &[u8]) -> Vec<u8> {
        let disconnect = parameter(pi::TRANSPORT_DISCONNECT, &[1]);
        let mut out = Vec::new();
        push(&mut out, si::FINISH, &[&disconnect, &optional_user_data(user_data)]);
        out
    }

    /// The DN SPDU.
    pub(super) fn disconnect(user_data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, si::DISCONNECT, &[&optional_user_data(user_data)]);
        out
    }

    /// The AB SPDU; `bits` as in PI 17. Version 1 has room for nine octets of user data.
    pub(super) fn abort(&self, bits: u8, user_data: &[u8]) -> Vec<u8> {
        let disconnect = parameter(pi::TRANSPORT_DISCONNECT, &[bits]);
        let user_data = match user_data.len() {
            0 => Vec::new(),
            10.. if self.version == 1 => Vec::new(),
            _ => parameter(pi::USER_DATA, user_data),
        };
        let mut out = Vec::new();
        push(&mut out, si::ABORT, &[&disconnect, &user_data]);
        out
    }
}

impl ConnectParameters {
    /// Who has the turn first; what is left to the called side's choice is the caller's.
    pub(super) fn turn(&self) -> Turn {
        if self.token_setting & 3 == 1 { Turn::Responder } else { Turn::Initiator }
    }

    fn encode(&self, code: u8, user_data: &[u8]) -> Vec<u8> {
        let user_reference = match code {
            si::CONNECT => pi::CALLING_USER_REFERENCE,
            _ => pi::CALLED_USER_REFERENCE,
        };
        let selectors = [
            (pi::CALLING_SELECTOR, &self.calling_selector),
            (pi::CALLED_SELECTOR, &self.called_selector),
        ];
        let identifier = self.identifier.encode(user_reference);
        let mut item = parameter(pi::PROTOCOL_OPTIONS, &[0]);
        if self.tsdu_size_max != (0, 0) {
            let [a, b] = self.tsdu_size_max.0.to_be_bytes();
            let [c, d] = self.tsdu_size_max.1.to_be_bytes();
            push(&mut item, pi::TSDU_MAXIMUM_SIZE, &[&[a, b, c, d]]);
        }
        push(&mut item, pi::VERSION_NUMBER, &[&[self.versions]]);
        push(&mut item, pi::TOKEN_SETTING_ITEM, &[&[self.token_setting]]);

        let mut body = Vec::new();
        if !identifier.is_empty() {
            push(&mut body, pi::CONNECTION_IDENTIFIER, &[&identifier]);
        }
        push(&mut body, pi::CONNECT_ACCEPT_ITEM, &[&item]);
        let requirements = self.requirements.to_be_bytes();
        push(&mut body, pi::SESSION_USER_REQUIREMENTS, &[&requirements]);
        for (code, selector) in selectors {
            if !selector.is_empty() {
                push(&mut body, code, &[selector]);
            }
        }
        match code {
            si::CONNECT => body.extend_from_slice(&spdu::connect_user_data(user_data)),
            _ => push(&mut body, pi::USER_DATA, &[user_data]),
        }
        let mut out = Vec::new();
        push(&mut out, code, &[&body]);
        out
    }

    /// Reads the parameters of CN or AC; absent ones take the defaults of X.225 8.3
    /// (unverified).
    fn parse(code: u8, parameters: Parameters<'_>) -> Result<ConnectParameters, Error> {
        let user_reference = match code {
            si::CONNECT => pi::CALLING_USER_REFERENCE,
            _ => pi::CALLED_USER_REFERENCE,
        };
        Ok(ConnectParameters {
            identifier: SessionConnectionIdentifier::parse(parameters, user_reference)?,
            versions: parameters.versions(),
            requirements: match parameters.get(pi::SESSION_USER_REQUIREMENTS) {
                Some([high, low]) => u16::from_be_bytes([*high, *low]),
                Some(_) => {
                    return Err(invalid("session user requirements that are not two octets"));
                }
                // Half-duplex, minor synchronize, activity management, capability data, exceptions.
                None => 0x0349,
            },
            tsdu_size_max: match parameters.get(pi::TSDU_MAXIMUM_SIZE) {
                Some([a, b, c, d]) => (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])),
                Some([]) | None => (0, 0),
                Some(_) => return Err(invalid("a TSDU maximum size that is not four octets")),
            },
            token_setting: parameters.octet(pi::TOKEN_SETTING_ITEM).unwrap_or(0),
            calling_selector: parameters.octets(pi::CALLING_SELECTOR, SELECTOR_SIZE_MAX)?,
            called_selector: parameters.octets(pi::CALLED_SELECTOR, SELECTOR_SIZE_MAX)?,
        })
    }
}

/// A user data parameter, unless there is nothing in it.
fn optional_user_data(octets: &[u8]) -> Vec<u8> {
    if octets.is_empty() { Vec::new() } else { parameter(pi::USER_DATA, octets) }
}

/// The smaller of a bound of ours and a proposal; without a proposal there is no bound.
fn smaller(ours: u16, proposed: u16) -> u16 {
    if ours == 0 || proposed == 0 { proposed } else { ours.min(proposed) }
}

/// What the reason of an RF SPDU means (X.225 8.3.5 (unverified)).
pub fn refuse_reason(reason: u8) -> &'static str {
    match reason {
        0 => "refused by the called session user",
        1 => "temporary congestion of the called session user",
        2 => "refused by the called session user, with user data",
        129 => "session selector unknown",
        130 => "session user not attached to its address",
        131 => "congestion at connect time",
        132 => "proposed protocol versions not supported",
        133 => "refused by the session provider",
        134 => "refused by the session provider: implementation restriction",
        _ => "unknown reason",
    }
}

fn invalid(what: &'static str) -> Error {
    Error::PduInvalid { layer: Layer::Session, what }
}

fn unsupported(what: &'static str, reason: u8) -> Error {
    Error::Unsupported { layer: Layer::Session, what, reason }
}
