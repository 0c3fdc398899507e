//! APDUs of RTSE in normal mode: RTORQ, RTOAC, RTORJ, RTTP, RTAB (X.228 clause 9 (unverified); the
//! ASN.1 module Reliable-Transfer-APDU). User data is opaque: the caller gives and gets all its octets.

use super::{DialogueMode, ber, invalid};
use crate::osi::error::{Error, Layer};
use crate::osi::tlv::{self, element, integer};

const RTORQ: u8 = 0xb0;
const RTOAC: u8 = 0xb1;
const RTORJ: u8 = 0xb2;
const RTAB: u8 = 0xb6;

/// Checkpoint size and window where the APDU names none.
const CHECKPOINT_SIZE_KIB_DEFAULT: u32 = 0;
const WINDOW_SIZE_DEFAULT: u32 = 3;

/// What an RTORQ asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::osi) struct Open<'a> {
    pub(in crate::osi) checkpoint_size_kib: u32,
    pub(in crate::osi) window_size: u32,
    pub(in crate::osi) dialogue_mode: DialogueMode,
    /// The bind argument or result.
    pub(in crate::osi) user_data: &'a [u8],
}

/// The RTORQ.
pub(in crate::osi) fn rtorq(open: &Open<'_>) -> Vec<u8> {
    let dialogue_mode = match open.dialogue_mode {
        DialogueMode::Monologue => 0,
        DialogueMode::TwoWayAlternate => 1,
    };
    let window_size = match open.window_size {
        WINDOW_SIZE_DEFAULT => Vec::new(),
        size => integer(0x81, size),
    };
    element(
        RTORQ,
        &[
            &integer(0x80, open.checkpoint_size_kib),
            &window_size,
            &integer(0x82, dialogue_mode),
            &connection_data(0xa3, open.user_data),
        ],
    )
}

/// The RTOAC.
pub(in crate::osi) fn rtoac(
    checkpoint_size_kib: u32,
    window_size: u32,
    user_data: &[u8],
) -> Vec<u8> {
    element(
        RTOAC,
        &[
            &integer(0x80, checkpoint_size_kib),
            &integer(0x81, window_size),
            &connection_data(0xa2, user_data),
        ],
    )
}

/// The RTORJ with the bind error; normal mode has no refuse reason.
pub(in crate::osi) fn rtorj(user_data: &[u8]) -> Vec<u8> {
    element(RTORJ, &[&element(0xa1, &[user_data])])
}

/// `open`; without user data it is an implicit NULL.
fn connection_data(tag: u8, user_data: &[u8]) -> Vec<u8> {
    let open = if user_data.is_empty() { 0x80 } else { 0xa0 };
    element(tag, &[&element(open, &[user_data])])
}

fn parse_open(octets: &[u8], tag: u8, connection_data: u8) -> Result<Open<'_>, Error> {
    let set = tlv::expect(&mut &*octets, tag).map_err(ber)?.content;
    let number = |tag, default| match tlv::find(set, tag).map_err(ber)? {
        Some(number) => tlv::unsigned(number.content).map_err(ber),
        None => Ok(default),
    };
    let data =
        tlv::find(set, connection_data).map_err(ber)?.ok_or(invalid("no connection data"))?;
    let data = tlv::take(&mut &*data.content).map_err(ber)?;
    if data.tag & 0x1f != 0 {
        return Err(Error::Unsupported {
            layer: Layer::Rtse,
            what: "recovery of an earlier association",
            reason: 0,
        });
    }
    Ok(Open {
        checkpoint_size_kib: number(0x80, CHECKPOINT_SIZE_KIB_DEFAULT)?.min(1 << 20),
        window_size: number(0x81, WINDOW_SIZE_DEFAULT)?.max(1),
        dialogue_mode: match (tag, number(0x82, 0)?) {
            (RTORQ, 1) => DialogueMode::TwoWayAlternate,
            _ => DialogueMode::Monologue,
        },
        user_data: data.content,
    })
}

/// Reads an RTORQ.
pub(in crate::osi) fn parse_rtorq(octets: &[u8]) -> Result<Open<'_>, Error> {
    parse_open(octets, RTORQ, 0xa3)
}

/// Reads an RTOAC.
pub(in crate::osi) fn parse_rtoac(octets: &[u8]) -> Result<Open<'_>, Error> {
    parse_open(octets, RTOAC, 0xa2)
}

/// Reads an RTORJ: the bind error; empty when there is none.
pub(in crate::osi) fn parse_rtorj(octets: &[u8]) -> Result<&[u8], Error> {
    let set = tlv::expect(&mut &*octets, RTORJ).map_err(ber)?.content;
    Ok(tlv::find(set, 0xa1).map_err(ber)?.map_or(&[], |data| data.content))
}

/// The RTTP.
pub(in crate::osi) fn rttp(priority: u8) -> Vec<u8> {
    integer(0x02, u32::from(priority))
}

/// Reads an RTTP; 0 is the highest priority.
pub(in crate::osi) fn parse_rttp(octets: &[u8]) -> Result<u8, Error> {
    let value = tlv::expect(&mut &*octets, 0x02).map_err(ber)?;
    let priority = tlv::unsigned(value.content).map_err(ber)?;
    Ok(u8::try_from(priority).unwrap_or(u8::MAX))
}

/// The RTAB.
pub(in crate::osi) fn rtab(reason: u8) -> Vec<u8> {
    element(RTAB, &[&integer(0x80, u32::from(reason))])
}

/// Reads an RTAB: its reason, if it names one.
pub(in crate::osi) fn parse_rtab(octets: &[u8]) -> Result<Option<u32>, Error> {
    let set = tlv::expect(&mut &*octets, RTAB).map_err(ber)?.content;
    match tlv::find(set, 0x80).map_err(ber)? {
        Some(reason) => tlv::unsigned(reason.content).map(Some).map_err(ber),
        None => Ok(None),
    }
}
