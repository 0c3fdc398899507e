//! The SPDUs of an activity, from ACTIVITY START or RESUME to ACTIVITY END, each in its TSDU behind the
//! token SPDU of its direction (X.225 clause 8), and what names an activity.

use super::spdu::{self, Parameters, parameter, pi, push, si};
use super::{SessionConnectionIdentifier, invalid};
use crate::osi::error::Error;
use crate::osi::tlv;
use smallvec::SmallVec;

/// A short SPDU, no allocation.
pub(in crate::osi) type ShortTsdu = SmallVec<[u8; 32]>;

/// Longest activity identifier, octets (X.225 8.3.24 (unverified)).
const ACTIVITY_IDENTIFIER_SIZE_MAX: usize = 6;

/// Names an activity within its session connection: opaque, compared octet by octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ActivityIdentifier {
    octets: [u8; ACTIVITY_IDENTIFIER_SIZE_MAX],
    size: u8,
}

impl ActivityIdentifier {
    /// Of octets that were kept; `None` when there are more than 6.
    pub fn new(octets: &[u8]) -> Option<ActivityIdentifier> {
        let mut identifier = ActivityIdentifier { size: octets.len() as u8, ..Default::default() };
        identifier.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(identifier)
    }

    /// RTSE's: a BER INTEGER.
    pub(in crate::osi) fn of_number(number: u32) -> ActivityIdentifier {
        // Two octets of header leave four for the number.
        ActivityIdentifier::new(&tlv::integer_short(number & 0x7fff_ffff)).unwrap_or_default()
    }

    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.size)]
    }

    fn parse(parameters: Parameters<'_>) -> Result<ActivityIdentifier, Error> {
        let octets = parameters.get(pi::ACTIVITY_IDENTIFIER).unwrap_or_default();
        ActivityIdentifier::new(octets).ok_or(invalid("an activity identifier too long"))
    }
}

/// Where an ACTIVITY RESUME goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::osi) struct Resumed {
    /// The activity that was broken off or interrupted.
    pub(in crate::osi) activity: ActivityIdentifier,
    /// The synchronization point behind which it goes on.
    pub(in crate::osi) serial: u32,
    /// The session connection it ran on, unless it is this one.
    pub(in crate::osi) connection: Option<SessionConnectionIdentifier>,
}

impl super::Spdu<'_> {
    /// The identifier of an ACTIVITY START, or the new one of an ACTIVITY RESUME.
    pub(in crate::osi) fn activity_identifier(&self) -> Result<ActivityIdentifier, Error> {
        ActivityIdentifier::parse(self.parameters)
    }

    /// The linking information of an ACTIVITY RESUME.
    pub(in crate::osi) fn resumed(&self) -> Result<Resumed, Error> {
        let linking = self.parameters.get(pi::LINKING_INFORMATION);
        let linking = Parameters::parse(linking.ok_or(invalid("no linking information"))?)?;
        let connection = SessionConnectionIdentifier::parse(linking, pi::CALLING_USER_REFERENCE)?;
        Ok(Resumed {
            activity: ActivityIdentifier::parse(linking)?,
            serial: linking.serial_number()?,
            connection: Some(connection).filter(|connection| !connection.is_empty()),
        })
    }
}

/// An SPDU with a serial number, behind the token SPDU of its direction.
fn with_serial_number(token: u8, code: u8, serial: u32) -> ShortTsdu {
    let (octets, skip) = spdu::digits(serial);
    let digits = &octets[skip..];
    let size = digits.len() as u8;
    let mut tsdu = ShortTsdu::from_slice(&[token, 0, code, size + 2, pi::SERIAL_NUMBER, size]);
    tsdu.extend_from_slice(digits);
    tsdu
}

/// GIVE TOKENS and ACTIVITY START.
pub(in crate::osi) fn activity_start(activity: ActivityIdentifier) -> ShortTsdu {
    let identifier = activity.octets();
    let size = identifier.len() as u8;
    let mut tsdu = ShortTsdu::from_slice(&[
        si::GIVE_TOKENS,
        0,
        si::ACTIVITY_START,
        size + 2,
        pi::ACTIVITY_IDENTIFIER,
        size,
    ]);
    tsdu.extend_from_slice(identifier);
    tsdu
}

/// GIVE TOKENS and ACTIVITY RESUME: `activity` goes on where `resumed` was confirmed.
pub(in crate::osi) fn activity_resume(activity: ActivityIdentifier, resumed: &Resumed) -> Vec<u8> {
    let (digits, skip) = spdu::digits(resumed.serial);
    let connection = resumed.connection.as_ref();
    let mut linking = connection
        .map(|connection| connection.encode(pi::CALLING_USER_REFERENCE))
        .unwrap_or_default();
    push(&mut linking, pi::ACTIVITY_IDENTIFIER, &[resumed.activity.octets()]);
    push(&mut linking, pi::SERIAL_NUMBER, &[&digits[skip..]]);
    let mut body = parameter(pi::LINKING_INFORMATION, &linking);
    push(&mut body, pi::ACTIVITY_IDENTIFIER, &[activity.octets()]);
    let mut tsdu = vec![si::GIVE_TOKENS, 0];
    push(&mut tsdu, si::ACTIVITY_RESUME, &[&body]);
    tsdu
}

/// GIVE TOKENS and MINOR SYNC POINT, explicit confirmation asked for.
pub(in crate::osi) fn minor_sync_point(serial: u32) -> ShortTsdu {
    with_serial_number(si::GIVE_TOKENS, si::MINOR_SYNC_POINT, serial)
}

/// GIVE TOKENS and ACTIVITY END.
pub(in crate::osi) fn activity_end(serial: u32) -> ShortTsdu {
    with_serial_number(si::GIVE_TOKENS, si::ACTIVITY_END, serial)
}

/// PLEASE TOKENS and MINOR SYNC ACK.
pub(in crate::osi) fn minor_sync_ack(serial: u32) -> ShortTsdu {
    with_serial_number(si::PLEASE_TOKENS, si::MINOR_SYNC_ACK, serial)
}

/// PLEASE TOKENS and ACTIVITY END ACK.
pub(in crate::osi) fn activity_end_ack(serial: u32) -> ShortTsdu {
    with_serial_number(si::PLEASE_TOKENS, si::ACTIVITY_END_ACK, serial)
}

/// GIVE TOKENS and ACTIVITY DISCARD with a reason.
pub(in crate::osi) fn activity_discard(reason: u8) -> [u8; 7] {
    [si::GIVE_TOKENS, 0, si::ACTIVITY_DISCARD, 3, pi::REASON_CODE, 1, reason]
}

/// GIVE TOKENS and ACTIVITY INTERRUPT with a reason.
pub(in crate::osi) fn activity_interrupt(reason: u8) -> [u8; 7] {
    [si::GIVE_TOKENS, 0, si::ACTIVITY_INTERRUPT, 3, pi::REASON_CODE, 1, reason]
}

/// PLEASE TOKENS and ACTIVITY DISCARD ACK.
pub(in crate::osi) const ACTIVITY_DISCARD_ACK: [u8; 4] =
    [si::PLEASE_TOKENS, 0, si::ACTIVITY_DISCARD_ACK, 0];
/// PLEASE TOKENS and ACTIVITY INTERRUPT ACK.
pub(in crate::osi) const ACTIVITY_INTERRUPT_ACK: [u8; 4] =
    [si::PLEASE_TOKENS, 0, si::ACTIVITY_INTERRUPT_ACK, 0];
/// GIVE TOKENS CONFIRM, alone.
pub(in crate::osi) const GIVE_TOKENS_CONFIRM: [u8; 2] = [si::GIVE_TOKENS_CONFIRM, 0];
/// GIVE TOKENS ACK, alone.
pub(in crate::osi) const GIVE_TOKENS_ACK: [u8; 2] = [si::GIVE_TOKENS_ACK, 0];

/// PLEASE TOKENS and EXCEPTION DATA with a reason.
pub(in crate::osi) fn exception_data(reason: u8) -> [u8; 7] {
    [si::PLEASE_TOKENS, 0, si::EXCEPTION_DATA, 3, pi::REASON_CODE, 1, reason]
}

/// GIVE TOKENS and DATA TRANSFER, with the enclosure item if TSDUs are bounded.
pub(in crate::osi) fn data_transfer(enclosure: Option<u8>) -> ShortTsdu {
    match enclosure {
        None => ShortTsdu::from_slice(&[si::GIVE_TOKENS, 0, si::DATA_TRANSFER, 0]),
        Some(enclosure) => ShortTsdu::from_slice(&[
            si::GIVE_TOKENS,
            0,
            si::DATA_TRANSFER,
            3,
            pi::ENCLOSURE_ITEM,
            1,
            enclosure,
        ]),
    }
}
