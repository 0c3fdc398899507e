//! Received TSDUs: finds the SPDUs in them, and joins segmented ones (X.225 6.3.5 (unverified)).

use super::machine::Event;
use super::spdu::{self, Parameters, pi, si};
use super::{ConnectParameters, ENCLOSURE_BEGINNING, ENCLOSURE_END, invalid};
use crate::base::limits::CONTROL_PDU_SIZE_MAX;
use crate::osi::error::{Error, Layer};

/// What came next in a TSDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// An SPDU other than DATA TRANSFER stands in [`Receive::assembled`].
    Spdu,
    /// A DATA TRANSFER SPDU; its user information follows.
    DataTransfer,
    /// User information stands at the front of the input.
    UserInformation,
}

/// What the end of a TSDU means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TsduEnd {
    /// Nothing more.
    Nothing,
    /// A token SPDU stood alone; it is in [`Receive::assembled`].
    Spdu,
    /// The SSDU under way is complete.
    SsduEnd,
}

/// An SPDU that was understood.
#[derive(Debug)]
pub(crate) struct Spdu<'a> {
    pub(crate) event: Event,
    pub(super) parameters: Parameters<'a>,
    code: u8,
    pub(crate) user_data: std::borrow::Cow<'a, [u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// Before the first SPDU.
    #[default]
    Start,
    /// A token SPDU was read.
    BehindTokens,
    /// User information of a DATA TRANSFER SPDU.
    UserInformation,
    /// The last SPDU was read.
    Complete,
}

#[derive(Debug)]
struct Segments {
    first: Vec<u8>,
    user_data: Vec<u8>,
}

/// The receiving half of a session.
#[derive(Debug, Default)]
pub(crate) struct Receive {
    phase: Phase,
    /// The SPDU under way or just read.
    assembled: Vec<u8>,
    /// Whether the SPDU in `assembled` is complete.
    complete: bool,
    /// The token SPDU that was read has been handed out.
    tokens_reported: bool,
    /// A DATA TRANSFER began an SSDU that has not ended.
    ssdu_open: bool,
    enclosure: u8,
    segments: Option<Segments>,
}

impl Receive {
    /// The SPDU of the last [`Arrival::Spdu`] or [`TsduEnd::Spdu`].
    pub(crate) fn assembled(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.assembled)
    }

    /// Gives the buffer back for the next SPDU.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        if buffer.capacity() <= 256 {
            self.assembled = buffer;
        }
    }

    /// Forgets an SSDU of which only a part came: its activity is over.
    pub(crate) fn ssdu_forget(&mut self) {
        self.ssdu_open = false;
        self.segments = None;
    }

    /// Reads on in the content of a TSDU; `None` when `content` is used up.
    pub(crate) fn poll(&mut self, content: &mut &[u8]) -> Result<Option<Arrival>, Error> {
        while !content.is_empty() {
            match self.phase {
                Phase::UserInformation => return Ok(Some(Arrival::UserInformation)),
                Phase::Complete => return Err(invalid("more SPDUs than basic concatenation has")),
                Phase::Start | Phase::BehindTokens => {}
            }
            if !self.take(content)? {
                return Ok(None);
            }
            let behind = self.phase == Phase::BehindTokens;
            match self.assembled.first() {
                Some(&(si::GIVE_TOKENS | si::PLEASE_TOKENS)) if !behind => {
                    self.phase = Phase::BehindTokens;
                    // With tokens it says something of its own, whatever follows it.
                    self.tokens_reported = names_tokens(&self.assembled)?;
                    if self.tokens_reported {
                        return Ok(Some(Arrival::Spdu));
                    }
                }
                Some(&si::DATA_TRANSFER) => {
                    self.phase = Phase::UserInformation;
                    self.data_transfer()?;
                    return Ok(Some(Arrival::DataTransfer));
                }
                _ => {
                    self.phase = Phase::Complete;
                    return Ok(Some(Arrival::Spdu));
                }
            }
        }
        Ok(None)
    }

    /// Assembles one SPDU; `true` when it is complete.
    fn take(&mut self, content: &mut &[u8]) -> Result<bool, Error> {
        if self.complete {
            self.assembled.clear();
            self.complete = false;
        }
        while let [octet, rest @ ..] = *content {
            let wanted = match spdu::header(&self.assembled) {
                None => 1,
                Some((size, length)) => (size + length).saturating_sub(self.assembled.len()),
            };
            if wanted == 0 {
                break;
            }
            if spdu::header(&self.assembled).is_none() {
                self.assembled.push(*octet);
                *content = rest;
                if spdu::header(&self.assembled)
                    .is_some_and(|(size, length)| size + length > CONTROL_PDU_SIZE_MAX)
                {
                    return Err(Error::PduTooLong {
                        layer: Layer::Session,
                        size_max: CONTROL_PDU_SIZE_MAX,
                    });
                }
            } else {
                let (octets, rest) = content.split_at(wanted.min(content.len()));
                self.assembled.extend_from_slice(octets);
                *content = rest;
            }
        }
        self.complete = spdu::header(&self.assembled)
            .is_some_and(|(size, length)| size + length == self.assembled.len());
        Ok(self.complete)
    }

    fn data_transfer(&mut self) -> Result<(), Error> {
        let parameters = parameters(&self.assembled)?;
        self.enclosure =
            parameters.octet(pi::ENCLOSURE_ITEM).unwrap_or(ENCLOSURE_BEGINNING | ENCLOSURE_END);
        if (self.enclosure & ENCLOSURE_BEGINNING != 0) == self.ssdu_open {
            return Err(invalid("a segment that does not continue what came before"));
        }
        self.ssdu_open = true;
        Ok(())
    }

    /// The TSDU is complete.
    pub(crate) fn tsdu_end(&mut self) -> Result<TsduEnd, Error> {
        let phase = std::mem::take(&mut self.phase);
        match phase {
            Phase::Complete => Ok(TsduEnd::Nothing),
            Phase::UserInformation if self.enclosure & ENCLOSURE_END != 0 => {
                self.ssdu_open = false;
                Ok(TsduEnd::SsduEnd)
            }
            Phase::UserInformation => Ok(TsduEnd::Nothing),
            Phase::BehindTokens if self.complete && self.tokens_reported => Ok(TsduEnd::Nothing),
            Phase::BehindTokens if self.complete && self.gives_nothing() => {
                self.phase = Phase::BehindTokens;
                Ok(TsduEnd::Nothing)
            }
            Phase::BehindTokens if self.complete => Ok(TsduEnd::Spdu),
            Phase::Start | Phase::BehindTokens => Err(invalid("a TSDU that ends inside an SPDU")),
        }
    }

    /// Whether GIVE TOKENS without tokens stood alone in its TSDU: some peers do not concatenate it, and
    /// the SPDU that belongs behind it comes in the next TSDU.
    fn gives_nothing(&self) -> bool {
        self.assembled.first() == Some(&si::GIVE_TOKENS)
    }

    /// Understands the SPDU in `octets`, which [`Receive::assembled`] gave. `None`: a segment of one
    /// that is not complete yet.
    pub(crate) fn parse<'a>(&mut self, octets: &'a mut Vec<u8>) -> Result<Option<Spdu<'a>>, Error> {
        let Some(joined) = self.join(octets)? else { return Ok(None) };
        let octets: &'a [u8] = octets;
        let code = octets.first().copied().unwrap_or_default();
        let parameters = parameters(octets)?;
        let event = identify(code, self.phase, parameters)?;
        if self.ssdu_open && matches!(event, Event::Mip | Event::Ae) {
            return Err(invalid("a synchronization point inside an SSDU"));
        }
        if matches!(event, Event::Ai | Event::Ad | Event::Ab) {
            self.ssdu_forget();
        }
        let user_data = match joined {
            Joined::Whole => parameters.user_data().into(),
            Joined::UserData(user_data) => user_data.into(),
        };
        Ok(Some(Spdu { event, parameters, code, user_data }))
    }

    /// Joins segments. Only user data is segmented: when its last segment comes, the first one, with
    /// all the other parameters, takes the place of `octets`.
    fn join(&mut self, octets: &mut Vec<u8>) -> Result<Option<Joined>, Error> {
        let parameters = parameters(octets)?;
        let user_data = parameters.user_data();
        let whole = ENCLOSURE_BEGINNING | ENCLOSURE_END;
        let enclosure = parameters.octet(pi::ENCLOSURE_ITEM).unwrap_or(whole) & whole;
        if enclosure == whole {
            return Ok(Some(Joined::Whole));
        }
        if enclosure & ENCLOSURE_BEGINNING != 0 {
            let user_data = user_data.to_vec();
            self.segments = Some(Segments { first: std::mem::take(octets), user_data });
            return Ok(None);
        }
        let Some(mut segments) = self.segments.take() else {
            return Err(invalid("a segment that does not continue what came before"));
        };
        if segments.first.first() != octets.first() {
            return Err(invalid("a segment of another SPDU"));
        }
        if segments.user_data.len() + user_data.len() > CONTROL_PDU_SIZE_MAX {
            return Err(Error::PduTooLong {
                layer: Layer::Session,
                size_max: CONTROL_PDU_SIZE_MAX,
            });
        }
        segments.user_data.extend_from_slice(user_data);
        if enclosure & ENCLOSURE_END == 0 {
            self.segments = Some(segments);
            return Ok(None);
        }
        *octets = segments.first;
        Ok(Some(Joined::UserData(segments.user_data)))
    }
}

enum Joined {
    Whole,
    UserData(Vec<u8>),
}

impl Spdu<'_> {
    /// The parameters of CN or AC.
    pub(crate) fn connect_parameters(&self) -> Result<ConnectParameters, Error> {
        ConnectParameters::parse(self.code, self.parameters)
    }

    /// The serial number, which must be there.
    pub(crate) fn serial_number(&self) -> Result<u32, Error> {
        self.parameters.serial_number()
    }

    /// The reason code and what follows it.
    pub(crate) fn reason(&self) -> (u8, &[u8]) {
        match self.parameters.get(pi::REASON_CODE) {
            Some([reason, rest @ ..]) => (*reason, rest),
            _ => (0, &[]),
        }
    }

    /// The bits of an AB's transport disconnect parameter.
    pub(crate) fn transport_disconnect(&self) -> u8 {
        self.parameters.octet(pi::TRANSPORT_DISCONNECT).unwrap_or(0)
    }

    /// Whether the data token is asked for.
    pub(crate) fn asks_for_data_token(&self) -> bool {
        self.parameters.octet(pi::TOKEN_ITEM).is_some_and(|item| item & spdu::DATA_TOKEN != 0)
    }
}

/// Whether a token SPDU names tokens. Without a token item, or with one that names none, it only opens
/// its TSDU, whatever else it carries.
fn names_tokens(spdu: &[u8]) -> Result<bool, Error> {
    Ok(spdu.len() > 2
        && parameters(spdu)?.octet(pi::TOKEN_ITEM).is_some_and(|item| item & spdu::TOKENS != 0))
}

fn parameters(spdu: &[u8]) -> Result<Parameters<'_>, Error> {
    let (size, _) = spdu::header(spdu).ok_or(invalid("an SPDU without a length"))?;
    Parameters::parse(spdu.get(size..).unwrap_or_default())
}

fn identify(code: u8, phase: Phase, parameters: Parameters<'_>) -> Result<Event, Error> {
    // Behind a token SPDU there is no other.
    let first = phase != Phase::Complete;
    Ok(match code {
        si::GIVE_TOKENS if first => Event::Gt,
        si::PLEASE_TOKENS if first => Event::Pt,
        si::EXCEPTION_REPORT => Event::Er,
        si::NOT_FINISHED => Event::Nf,
        si::FINISH => Event::Fn,
        si::DISCONNECT => Event::Dn,
        si::REFUSE => Event::Rf,
        si::CONNECT => Event::Cn,
        si::ACCEPT => Event::Ac,
        si::GIVE_TOKENS_CONFIRM => Event::Gtc,
        si::GIVE_TOKENS_ACK => Event::Gta,
        // ABORT must say what becomes of the transport connection; ACTIVITY INTERRUPT never does.
        si::ABORT if parameters.get(pi::TRANSPORT_DISCONNECT).is_some() => Event::Ab,
        si::ACTIVITY_INTERRUPT => Event::Ai,
        si::ABORT_ACCEPT => Event::Aa,
        si::ACTIVITY_RESUME => Event::Ar,
        si::MAJOR_SYNC_POINT
            if parameters.octet(pi::SYNC_TYPE_ITEM).is_some_and(|item| item & 1 != 0) =>
        {
            Event::Unselected
        }
        si::ACTIVITY_END => Event::Ae,
        si::ACTIVITY_END_ACK => Event::Aea,
        si::ACTIVITY_START => Event::As,
        si::EXCEPTION_DATA => Event::Ed,
        si::MINOR_SYNC_POINT => Event::Mip,
        si::MINOR_SYNC_ACK => Event::Mia,
        si::ACTIVITY_DISCARD => Event::Ad,
        si::ACTIVITY_DISCARD_ACK => Event::Ada,
        code if si::UNSELECTED.contains(&code) => Event::Unselected,
        code => return Err(Error::PduUnknown { layer: Layer::Session, code }),
    })
}
