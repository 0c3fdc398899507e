//! APDUs of RTSE: RTORQ, RTOAC, RTORJ, RTTP, RTAB (X.228 clause 9 (unverified); the ASN.1 module
//! Reliable-Transfer-APDU). User data is opaque: the caller gives and gets all its octets.
//!
//! Both modes use the same components; they stand in an APDU with a tag of its own in normal mode, in
//! the presentation's X.410 mode parameters otherwise. [`Tags`] is the difference.

use super::{DialogueMode, RefuseReason, ber, invalid};
use crate::ber::ErrorKind;
use crate::osi::error::Error;
use crate::osi::session::SessionConnectionIdentifier;
use crate::osi::tlv::{self, element, integer};

/// The tags around the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::osi) struct Tags {
    rtorq: u8,
    rtoac: u8,
    rtorj: u8,
    rtab: u8,
}

/// Normal mode: APDUs of the RTSE context.
pub(in crate::osi) const NORMAL: Tags = Tags { rtorq: 0xb0, rtoac: 0xb1, rtorj: 0xb2, rtab: 0xb6 };
/// X.410 mode: `[1] x410-mode-parameters` of CP and CPA; the SETs that are CPR and ARU (the ASN.1
/// module ISO8823-PRESENTATION).
pub(in crate::osi) const X410: Tags = Tags { rtorq: 0xa1, rtoac: 0xa1, rtorj: 0x31, rtab: 0x31 };

/// Checkpoint size and window where the APDU names none.
/// RTAB with the class of its tag lost.
const RTAB_UNIVERSAL: u8 = 0x36;
const CHECKPOINT_SIZE_KIB_DEFAULT: u32 = 0;
const WINDOW_SIZE_DEFAULT: u32 = 3;

const T61_STRING: u8 = 0x14;
const OCTET_STRING: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const ADDITIONAL_REFERENCE: u8 = 0x80;

/// What an RTORQ asks for, or an RTOAC answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::osi) struct Open<'a> {
    pub(in crate::osi) checkpoint_size_kib: u32,
    pub(in crate::osi) window_size: u32,
    /// The RTORQ's alone.
    pub(in crate::osi) dialogue_mode: DialogueMode,
    pub(in crate::osi) connection_data: ConnectionData<'a>,
    /// The RTORQ's alone, and only in X.410 mode.
    pub(in crate::osi) application_protocol: Option<u32>,
}

/// Whether an association is new, or stands for an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::osi) enum ConnectionData<'a> {
    /// The bind argument or result.
    Open(&'a [u8]),
    /// The session connection whose association is recovered.
    Recover(SessionConnectionIdentifier),
}

impl ConnectionData<'_> {
    fn encode(&self, tag: u8) -> Vec<u8> {
        let inner = match self {
            // Without user data it is an implicit NULL.
            ConnectionData::Open([]) => element(0x80, &[]),
            ConnectionData::Open(user_data) => element(0xa0, &[user_data]),
            ConnectionData::Recover(identifier) => element(0xa1, &[&encode_identifier(identifier)]),
        };
        element(tag, &[&inner])
    }

    fn parse(octets: &[u8]) -> Result<ConnectionData<'_>, Error> {
        let data = tlv::take(&mut &*octets).map_err(ber)?;
        match data.tag {
            0x80 | 0xa0 => Ok(ConnectionData::Open(data.content)),
            0xa1 => parse_identifier(data.content).map(ConnectionData::Recover),
            _ => Err(ber(ErrorKind::UnexpectedTag)),
        }
    }
}

/// The components of a SessionConnectionIdentifier. The session's references are encoded values, so
/// they go in as they stand, but for the additional one, whose type is implicit here.
fn encode_identifier(identifier: &SessionConnectionIdentifier) -> Vec<u8> {
    let additional = match tlv::take(&mut &*identifier.additional_reference) {
        Ok(additional) => element(ADDITIONAL_REFERENCE, &[additional.content]),
        Err(_) => Vec::new(),
    };
    [&identifier.calling_user_reference[..], &identifier.common_reference, &additional].concat()
}

fn parse_identifier(mut octets: &[u8]) -> Result<SessionConnectionIdentifier, Error> {
    let calling = tlv::take(&mut octets).map_err(ber)?;
    if !matches!(calling.tag, T61_STRING | OCTET_STRING) {
        return Err(ber(ErrorKind::UnexpectedTag));
    }
    let common = tlv::expect(&mut octets, UTC_TIME).map_err(ber)?;
    let additional = tlv::find(octets, ADDITIONAL_REFERENCE).map_err(ber)?;
    Ok(SessionConnectionIdentifier {
        calling_user_reference: calling.whole.to_vec(),
        common_reference: common.whole.to_vec(),
        additional_reference: additional
            .map(|additional| element(T61_STRING, &[additional.content]))
            .unwrap_or_default(),
    })
}

impl Tags {
    /// The RTORQ.
    pub(in crate::osi) fn rtorq(self, open: &Open<'_>) -> Vec<u8> {
        let dialogue_mode = match open.dialogue_mode {
            DialogueMode::Monologue => 0,
            DialogueMode::TwoWayAlternate => 1,
        };
        let window_size = match open.window_size {
            WINDOW_SIZE_DEFAULT => Vec::new(),
            size => integer(0x81, size),
        };
        let protocol = open.application_protocol.map(|protocol| integer(0x84, protocol));
        element(
            self.rtorq,
            &[
                &integer(0x80, open.checkpoint_size_kib),
                &window_size,
                &integer(0x82, dialogue_mode),
                &open.connection_data.encode(0xa3),
                protocol.as_deref().unwrap_or_default(),
            ],
        )
    }

    /// The RTOAC.
    pub(in crate::osi) fn rtoac(self, open: &Open<'_>) -> Vec<u8> {
        element(
            self.rtoac,
            &[
                &integer(0x80, open.checkpoint_size_kib),
                &integer(0x81, open.window_size),
                &open.connection_data.encode(0xa2),
            ],
        )
    }

    /// The RTORJ: normal mode has the bind error and no reason, X.410 mode the reason and no bind
    /// error.
    pub(in crate::osi) fn rtorj(self, reason: RefuseReason, bind_error: &[u8]) -> Vec<u8> {
        match self {
            X410 => element(self.rtorj, &[&integer(0x80, reason as u32)]),
            _ if bind_error.is_empty() => element(self.rtorj, &[]),
            _ => element(self.rtorj, &[&element(0xa1, &[bind_error])]),
        }
    }

    /// The RTAB.
    pub(in crate::osi) fn rtab(self, reason: u8) -> Vec<u8> {
        element(self.rtab, &[&integer(0x80, u32::from(reason))])
    }

    /// Reads an RTORQ.
    pub(in crate::osi) fn parse_rtorq(self, octets: &[u8]) -> Result<Open<'_>, Error> {
        let set = tlv::expect(&mut &*octets, self.rtorq).map_err(ber)?.content;
        let open = parse_open(set, 0xa3)?;
        let dialogue_mode = match number(set, 0x82)?.unwrap_or(0) {
            1 => DialogueMode::TwoWayAlternate,
            _ => DialogueMode::Monologue,
        };
        Ok(Open { dialogue_mode, application_protocol: number(set, 0x84)?, ..open })
    }

    /// Reads an RTOAC.
    pub(in crate::osi) fn parse_rtoac(self, octets: &[u8]) -> Result<Open<'_>, Error> {
        parse_open(tlv::expect(&mut &*octets, self.rtoac).map_err(ber)?.content, 0xa2)
    }

    /// Reads an RTORJ: its reason, if it names one, and the bind error, empty when there is none.
    pub(in crate::osi) fn parse_rtorj(self, octets: &[u8]) -> Result<(Option<u32>, &[u8]), Error> {
        let set = tlv::expect(&mut &*octets, self.rtorj).map_err(ber)?.content;
        let bind_error = tlv::find(set, 0xa1).map_err(ber)?.map_or(&[][..], |data| data.content);
        Ok((number(set, 0x80)?, bind_error))
    }

    /// Reads an RTAB: its reason, if it names one.
    pub(in crate::osi) fn parse_rtab(self, octets: &[u8]) -> Result<Option<u32>, Error> {
        // A foreign stack writes its tag as a universal one.
        let tag = match octets.first() {
            Some(&RTAB_UNIVERSAL) => RTAB_UNIVERSAL,
            _ => self.rtab,
        };
        number(tlv::expect(&mut &*octets, tag).map_err(ber)?.content, 0x80)
    }
}

fn number(set: &[u8], tag: u8) -> Result<Option<u32>, Error> {
    match tlv::find(set, tag).map_err(ber)? {
        Some(number) => tlv::unsigned(number.content).map(Some).map_err(ber),
        None => Ok(None),
    }
}

fn parse_open(set: &[u8], connection_data: u8) -> Result<Open<'_>, Error> {
    let data =
        tlv::find(set, connection_data).map_err(ber)?.ok_or(invalid("no connection data"))?;
    let checkpoint_size_kib = number(set, 0x80)?.unwrap_or(CHECKPOINT_SIZE_KIB_DEFAULT);
    Ok(Open {
        checkpoint_size_kib: checkpoint_size_kib.min(1 << 20),
        window_size: number(set, 0x81)?.unwrap_or(WINDOW_SIZE_DEFAULT).max(1),
        dialogue_mode: DialogueMode::Monologue,
        connection_data: ConnectionData::parse(data.content)?,
        application_protocol: None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_comes_back_as_it_went() {
        for additional in [&b""[..], b"\x14\x02ab"] {
            let identifier = SessionConnectionIdentifier {
                calling_user_reference: b"\x04\x03abc".to_vec(),
                common_reference: b"\x17\x0d261123230409Z".to_vec(),
                additional_reference: additional.to_vec(),
            };
            let open = Open {
                checkpoint_size_kib: 1,
                window_size: 2,
                dialogue_mode: DialogueMode::TwoWayAlternate,
                connection_data: ConnectionData::Recover(identifier),
                application_protocol: Some(12),
            };
            for tags in [NORMAL, X410] {
                assert_eq!(tags.parse_rtorq(&tags.rtorq(&open)), Ok(open.clone()));
            }
        }
    }

    #[test]
    fn an_abort_is_read_with_either_tag() {
        for tags in [NORMAL, X410] {
            assert_eq!(tags.parse_rtab(&tags.rtab(3)), Ok(Some(3)));
            assert_eq!(tags.parse_rtab(b"\x36\x03\x80\x01\x03"), Ok(Some(3)));
        }
        assert!(NORMAL.parse_rtab(b"\x30\x03\x80\x01\x03").is_err());
    }
}
