//! Connection and abort PPDUs: CP, CPA, CPR, ARU, ARP (X.226 8.2 (unverified); the ASN.1 module
//! ISO8823-PRESENTATION). In X.410 mode they are no more than a selector of that mode around the
//! components of RTSE's APDUs, or nothing at all.

use super::{Contexts, PresentationConfig, ber, invalid, oid};
use crate::base::limits::SELECTOR_SIZE_MAX;
use crate::ber::ErrorKind;
use crate::osi::error::{Error, Layer};
use crate::osi::tlv::{self, element, integer};

/// Most contexts that a peer may define.
const CONTEXT_COUNT_MAX: usize = 32;

const USER_DATA: u8 = 0x61;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// What a peer's CP asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::osi) struct Connect {
    pub(in crate::osi) calling_selector: Vec<u8>,
    pub(in crate::osi) called_selector: Vec<u8>,
    /// One result for each context defined, in order.
    results: Vec<ContextResult>,
    /// `None` when one that is needed is missing.
    pub(in crate::osi) contexts: Option<Contexts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContextResult {
    Acceptance,
    /// provider-rejection, abstract-syntax-not-supported.
    AbstractSyntax,
    /// provider-rejection, proposed-transfer-syntaxes-not-supported.
    TransferSyntax,
}

/// Fully encoded user data: one PDV in `context`.
pub(in crate::osi) fn user_data(context: u32, value: &[u8]) -> Vec<u8> {
    let value = element(0xa0, &[value]);
    element(USER_DATA, &[&element(SEQUENCE, &[&integer(0x02, context), &value])])
}

/// Reads fully encoded user data of one PDV: its context and its value.
pub(in crate::osi) fn parse_user_data(octets: &[u8]) -> Result<(u32, &[u8]), Error> {
    let mut rest = octets;
    let data = tlv::expect(&mut rest, USER_DATA).map_err(ber)?;
    let mut list = tlv::expect(&mut &*data.content, SEQUENCE).map_err(ber)?.content;
    let mut item = tlv::take(&mut list).map_err(ber)?;
    if item.tag == 0x06 {
        item = tlv::take(&mut list).map_err(ber)?;
    }
    if item.tag != 0x02 {
        return Err(ber(ErrorKind::UnexpectedTag));
    }
    let context = tlv::unsigned(item.content).map_err(ber)?;
    match tlv::take(&mut list).map_err(ber)? {
        value if value.tag == 0xa0 || value.tag == 0x81 => Ok((context, value.content)),
        _ => Err(ber(ErrorKind::UnexpectedTag)),
    }
}

/// Mode-selector, in CP and CPA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::osi) enum Mode {
    /// x410-1984-mode.
    X410 = 0,
    /// normal-mode.
    Normal = 1,
}

impl Mode {
    fn encode(self) -> Vec<u8> {
        element(0xa0, &[&integer(0x80, self as u32)])
    }

    /// The mode of a CP or CPA.
    pub(in crate::osi) fn of(octets: &[u8]) -> Result<Mode, Error> {
        let set = tlv::expect(&mut &*octets, SET).map_err(ber)?.content;
        let selector = tlv::find(set, 0xa0).map_err(ber)?.ok_or(invalid("no mode selector"))?;
        let mode =
            tlv::find(selector.content, 0x80).map_err(ber)?.ok_or(invalid("no mode value"))?;
        match tlv::unsigned(mode.content).map_err(ber)? {
            0 => Ok(Mode::X410),
            1 => Ok(Mode::Normal),
            _ => Err(Error::Unsupported {
                layer: Layer::Presentation,
                what: "a mode that is neither normal nor X.410",
                reason: 0,
            }),
        }
    }
}

/// The CP or CPA of X.410 mode around RTSE's components, which bring their tag.
pub(in crate::osi) fn x410(parameters: &[u8]) -> Vec<u8> {
    element(SET, &[&Mode::X410.encode(), parameters])
}

/// Opens a CP or CPA of X.410 mode: RTSE's components, with their tag.
pub(in crate::osi) fn parse_x410(octets: &[u8]) -> Result<&[u8], Error> {
    parameters(octets, Mode::X410, 0xa1).map(|parameters| parameters.whole)
}

fn selector(tag: u8, octets: &[u8]) -> Vec<u8> {
    if octets.is_empty() { Vec::new() } else { element(tag, &[octets]) }
}

/// The CP of the caller.
pub(in crate::osi) fn cp(config: &PresentationConfig, value: &[u8]) -> Vec<u8> {
    let Contexts { acse, rtse, mtse } = Contexts::PROPOSED;
    let syntaxes = element(SEQUENCE, &[&element(0x06, &[oid::BER])]);
    let contexts = [(acse, oid::ACSE), (rtse, oid::MTA_RTSE), (mtse, oid::MTSE)].map(
        |(identifier, syntax)| {
            let parts = [&integer(0x02, identifier)[..], &element(0x06, &[syntax]), &syntaxes];
            element(SEQUENCE, &parts)
        },
    );
    let parameters = element(
        0xa2,
        &[
            &selector(0x81, &config.calling_selector.0),
            &selector(0x82, &config.called_selector.0),
            &element(0xa4, &contexts.each_ref().map(|context| &context[..])),
            &user_data(acse, value),
        ],
    );
    element(SET, &[&Mode::Normal.encode(), &parameters])
}

fn parameters(octets: &[u8], mode: Mode, tag: u8) -> Result<tlv::Element<'_>, Error> {
    if Mode::of(octets)? != mode {
        return Err(Error::Unsupported {
            layer: Layer::Presentation,
            what: "an answer in the other mode",
            reason: 0,
        });
    }
    let set = tlv::expect(&mut &*octets, SET).map_err(ber)?.content;
    tlv::find(set, tag).map_err(ber)?.ok_or(invalid("no parameters of the mode selected"))
}

/// Opens a CP or CPA: its normal mode parameters.
fn normal_mode_parameters(octets: &[u8]) -> Result<&[u8], Error> {
    parameters(octets, Mode::Normal, 0xa2).map(|parameters| parameters.content)
}

fn find_selector(parameters: &[u8], tag: u8) -> Result<Vec<u8>, Error> {
    match tlv::find(parameters, tag).map_err(ber)? {
        Some(element) if element.content.len() > SELECTOR_SIZE_MAX => {
            Err(invalid("a presentation selector too long"))
        }
        Some(element) => Ok(element.content.to_vec()),
        None => Ok(Vec::new()),
    }
}

/// Reads a CP: contexts in any order, with any identifiers; and the ACSE APDU.
pub(in crate::osi) fn parse_cp(octets: &[u8]) -> Result<(Connect, &[u8]), Error> {
    let parameters = normal_mode_parameters(octets)?;
    let mut list = tlv::find(parameters, 0xa4)
        .map_err(ber)?
        .ok_or(invalid("no presentation context definition list"))?
        .content;
    let (mut acse, mut rtse, mut mtse) = (None, None, None);
    let mut results = Vec::new();
    while !list.is_empty() {
        if results.len() == CONTEXT_COUNT_MAX {
            return Err(invalid("too many presentation contexts"));
        }
        let mut item = tlv::expect(&mut list, SEQUENCE).map_err(ber)?.content;
        let identifier = tlv::expect(&mut item, 0x02).map_err(ber)?;
        let identifier = tlv::unsigned(identifier.content).map_err(ber)?;
        let syntax = tlv::expect(&mut item, 0x06).map_err(ber)?.content;
        let mut transfer = tlv::expect(&mut item, SEQUENCE).map_err(ber)?.content;
        let mut ber_offered = false;
        while !transfer.is_empty() {
            ber_offered |= tlv::expect(&mut transfer, 0x06).map_err(ber)?.content == oid::BER;
        }
        let slot = match syntax {
            oid::ACSE => Some(&mut acse),
            oid::MTA_RTSE => Some(&mut rtse),
            oid::MTSE => Some(&mut mtse),
            _ => None,
        };
        results.push(match (slot, ber_offered) {
            (None, _) => ContextResult::AbstractSyntax,
            (_, false) => ContextResult::TransferSyntax,
            (Some(slot), true) => {
                slot.get_or_insert(identifier);
                ContextResult::Acceptance
            }
        });
    }
    let user_data = tlv::find(parameters, USER_DATA)
        .map_err(ber)?
        .ok_or(invalid("no user data in the connect"))?;
    let (context, value) = parse_user_data(user_data.whole)?;
    let contexts = match (acse, rtse, mtse) {
        (Some(acse), Some(rtse), Some(mtse)) => Some(Contexts { acse, rtse, mtse }),
        _ => None,
    };
    if contexts.is_some_and(|contexts| contexts.acse != context) {
        return Err(invalid("the first presentation data value is not in ACSE's context"));
    }
    let connect = Connect {
        calling_selector: find_selector(parameters, 0x81)?,
        called_selector: find_selector(parameters, 0x82)?,
        results,
        contexts,
    };
    Ok((connect, value))
}

impl Connect {
    fn result_list(&self) -> Vec<u8> {
        let results: Vec<Vec<u8>> = self
            .results
            .iter()
            .map(|result| match result {
                ContextResult::Acceptance => {
                    element(SEQUENCE, &[&integer(0x80, 0), &element(0x81, &[oid::BER])])
                }
                ContextResult::AbstractSyntax => {
                    element(SEQUENCE, &[&integer(0x80, 2), &integer(0x82, 1)])
                }
                ContextResult::TransferSyntax => {
                    element(SEQUENCE, &[&integer(0x80, 2), &integer(0x82, 2)])
                }
            })
            .collect();
        element(0xa5, &results.iter().map(|result| &result[..]).collect::<Vec<_>>())
    }

    /// The CPA with an ACSE APDU.
    pub(in crate::osi) fn accept(&self, config: &PresentationConfig, value: &[u8]) -> Vec<u8> {
        let context = self.contexts.unwrap_or(Contexts::PROPOSED).acse;
        let parameters = element(
            0xa2,
            &[
                &selector(0x83, &config.called_selector.0),
                &self.result_list(),
                &user_data(context, value),
            ],
        );
        element(SET, &[&Mode::Normal.encode(), &parameters])
    }

    /// The CPR of the presentation user, with an ACSE APDU.
    pub(in crate::osi) fn reject(&self, config: &PresentationConfig, value: &[u8]) -> Vec<u8> {
        let context = self.contexts.unwrap_or(Contexts::PROPOSED).acse;
        element(
            SEQUENCE,
            &[
                &selector(0x83, &config.called_selector.0),
                &self.result_list(),
                &user_data(context, value),
            ],
        )
    }

    /// The CPR of the presentation provider, with a Provider-reason.
    pub(in crate::osi) fn reject_by_provider(&self, reason: u8) -> Vec<u8> {
        element(SEQUENCE, &[&self.result_list(), &provider_reason(reason)])
    }
}

fn provider_reason(reason: u8) -> Vec<u8> {
    integer(0x8a, u32::from(reason))
}

/// The CPR of the presentation provider for a CP that could not be read.
pub(in crate::osi) fn cpr_unreadable(reason: u8) -> Vec<u8> {
    element(SEQUENCE, &[&provider_reason(reason)])
}

/// Reads a CPA: all proposed contexts must be accepted, which they are where the list of results is
/// left out. The ACSE APDU.
pub(in crate::osi) fn parse_cpa(octets: &[u8]) -> Result<&[u8], Error> {
    let parameters = normal_mode_parameters(octets)?;
    let results = tlv::find(parameters, 0xa5).map_err(ber)?;
    let mut list = results.map_or(&[][..], |results| results.content);
    let mut accepted = 0;
    while !list.is_empty() {
        let item = tlv::expect(&mut list, SEQUENCE).map_err(ber)?.content;
        let result =
            tlv::find(item, 0x80).map_err(ber)?.ok_or(invalid("a context without result"))?;
        if tlv::unsigned(result.content).map_err(ber)? != 0 {
            return Err(Error::Unsupported {
                layer: Layer::Presentation,
                what: "the peer refused a presentation context",
                reason: 0,
            });
        }
        accepted += 1;
    }
    if results.is_some() && accepted != 3 {
        return Err(invalid("not as many context results as contexts"));
    }
    let user_data = tlv::find(parameters, USER_DATA)
        .map_err(ber)?
        .ok_or(invalid("no user data in the connect confirm"))?;
    let (context, value) = parse_user_data(user_data.whole)?;
    if context != Contexts::PROPOSED.acse {
        return Err(invalid("the first presentation data value is not in ACSE's context"));
    }
    Ok(value)
}

/// Reads a CPR: the provider's reason, if it was the provider, and the ACSE APDU, if any.
pub(in crate::osi) fn parse_cpr(octets: &[u8]) -> Result<(Option<u32>, Option<&[u8]>), Error> {
    let parameters = tlv::expect(&mut &*octets, SEQUENCE).map_err(ber)?.content;
    let reason = match tlv::find(parameters, 0x8a).map_err(ber)? {
        Some(reason) => Some(tlv::unsigned(reason.content).map_err(ber)?),
        None => None,
    };
    let value = match tlv::find(parameters, USER_DATA).map_err(ber)? {
        Some(data) => Some(parse_user_data(data.whole)?.1),
        None => None,
    };
    Ok((reason, value))
}

/// The ARU around an ACSE abort.
pub(in crate::osi) fn aru(contexts: &Contexts, value: &[u8]) -> Vec<u8> {
    let identifiers = [contexts.acse, contexts.rtse].map(|identifier| {
        element(SEQUENCE, &[&integer(0x02, identifier), &element(0x06, &[oid::BER])])
    });
    let list = element(0xa0, &identifiers.each_ref().map(|item| &item[..]));
    element(0xa0, &[&list, &user_data(contexts.acse, value)])
}

/// The ARP with an Abort-reason.
pub(in crate::osi) fn arp(reason: u8) -> Vec<u8> {
    element(SEQUENCE, &[&integer(0x80, u32::from(reason))])
}

/// An abort that was read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::osi) enum Abort<'a> {
    /// ARU, with the ACSE APDU if there is one.
    User(Option<&'a [u8]>),
    /// ARP, with its reason.
    Provider(Option<u32>),
}

/// Reads an Abort-type.
pub(in crate::osi) fn parse_abort(octets: &[u8]) -> Result<Abort<'_>, Error> {
    let outer = tlv::take(&mut &*octets).map_err(ber)?;
    match outer.tag {
        0xa0 => Ok(Abort::User(match tlv::find(outer.content, USER_DATA).map_err(ber)? {
            Some(data) => Some(parse_user_data(data.whole)?.1),
            None => None,
        })),
        SEQUENCE => Ok(Abort::Provider(match tlv::find(outer.content, 0x80).map_err(ber)? {
            Some(reason) => Some(tlv::unsigned(reason.content).map_err(ber)?),
            None => None,
        })),
        _ => Err(ber(ErrorKind::UnexpectedTag)),
    }
}

/// What a Provider-reason in a CPR means.
pub(in crate::osi) fn provider_reason_text(reason: u32) -> &'static str {
    match reason {
        1 => "temporary congestion",
        2 => "local limit exceeded",
        3 => "called presentation address unknown",
        4 => "protocol version not supported",
        5 => "default context not supported",
        6 => "user data not readable",
        7 => "no PSAP available",
        _ => "reason not specified",
    }
}
