//! SPDUs: identifiers, parameters, encoding (X.225 clause 8).
//!
//! An SPDU is an identifier (SI), a length (one octet, or 255 and two more) and parameters, some of
//! them in groups; the user information of DATA TRANSFER follows behind its SPDU.

use super::invalid;
use crate::osi::error::Error;

/// SPDU identifiers. GIVE TOKENS and DATA TRANSFER share 1: GIVE TOKENS comes first in its TSDU.
pub(super) mod si {
    pub(crate) const EXCEPTION_REPORT: u8 = 0;
    pub(crate) const GIVE_TOKENS: u8 = 1;
    pub(crate) const DATA_TRANSFER: u8 = 1;
    pub(crate) const PLEASE_TOKENS: u8 = 2;
    pub(crate) const NOT_FINISHED: u8 = 8;
    pub(crate) const FINISH: u8 = 9;
    pub(crate) const DISCONNECT: u8 = 10;
    pub(crate) const REFUSE: u8 = 12;
    pub(crate) const CONNECT: u8 = 13;
    pub(crate) const ACCEPT: u8 = 14;
    pub(crate) const GIVE_TOKENS_CONFIRM: u8 = 21;
    pub(crate) const GIVE_TOKENS_ACK: u8 = 22;
    pub(crate) const ABORT: u8 = 25;
    pub(crate) const ACTIVITY_INTERRUPT: u8 = 25;
    pub(crate) const ABORT_ACCEPT: u8 = 26;
    pub(crate) const ACTIVITY_INTERRUPT_ACK: u8 = 26;
    pub(crate) const ACTIVITY_RESUME: u8 = 29;
    pub(crate) const MAJOR_SYNC_POINT: u8 = 41;
    pub(crate) const ACTIVITY_END: u8 = 41;
    pub(crate) const ACTIVITY_END_ACK: u8 = 42;
    pub(crate) const ACTIVITY_START: u8 = 45;
    pub(crate) const EXCEPTION_DATA: u8 = 48;
    pub(crate) const MINOR_SYNC_POINT: u8 = 49;
    pub(crate) const MINOR_SYNC_ACK: u8 = 50;
    pub(crate) const ACTIVITY_DISCARD: u8 = 57;
    pub(crate) const ACTIVITY_DISCARD_ACK: u8 = 58;
    /// Known SPDUs of functional units that are never selected here: EXPEDITED, PREPARE, CONNECT DATA
    /// OVERFLOW, OVERFLOW ACCEPT, TYPED DATA, RESYNCHRONIZE (and ACK), CAPABILITY DATA (and ACK).
    pub(crate) const UNSELECTED: [u8; 9] = [5, 7, 15, 16, 33, 34, 53, 61, 62];
}

/// Parameter and parameter group identifiers.
pub(super) mod pi {
    pub(crate) const CONNECTION_IDENTIFIER: u8 = 1;
    pub(crate) const CONNECT_ACCEPT_ITEM: u8 = 5;
    pub(crate) const CALLED_USER_REFERENCE: u8 = 9;
    pub(crate) const CALLING_USER_REFERENCE: u8 = 10;
    pub(crate) const COMMON_REFERENCE: u8 = 11;
    pub(crate) const ADDITIONAL_REFERENCE: u8 = 12;
    pub(crate) const SYNC_TYPE_ITEM: u8 = 15;
    pub(crate) const TOKEN_ITEM: u8 = 16;
    pub(crate) const TRANSPORT_DISCONNECT: u8 = 17;
    pub(crate) const PROTOCOL_OPTIONS: u8 = 19;
    pub(crate) const SESSION_USER_REQUIREMENTS: u8 = 20;
    pub(crate) const TSDU_MAXIMUM_SIZE: u8 = 21;
    pub(crate) const VERSION_NUMBER: u8 = 22;
    pub(crate) const ENCLOSURE_ITEM: u8 = 25;
    pub(crate) const TOKEN_SETTING_ITEM: u8 = 26;
    pub(crate) const LINKING_INFORMATION: u8 = 33;
    pub(crate) const ACTIVITY_IDENTIFIER: u8 = 41;
    pub(crate) const SERIAL_NUMBER: u8 = 42;
    pub(crate) const MINOR_SYNC_ACK_USER_DATA: u8 = 46;
    pub(crate) const REASON_CODE: u8 = 50;
    pub(crate) const CALLING_SELECTOR: u8 = 51;
    pub(crate) const CALLED_SELECTOR: u8 = 52;
    pub(crate) const USER_DATA: u8 = 193;
    pub(crate) const EXTENDED_USER_DATA: u8 = 194;
}

/// Enclosure item: the SPDU begins the SSDU.
pub(crate) const ENCLOSURE_BEGINNING: u8 = 1;
/// Enclosure item: the SPDU ends the SSDU.
pub(crate) const ENCLOSURE_END: u8 = 2;
/// Data token in a token item.
pub(super) const DATA_TOKEN: u8 = 1;
/// Data, synchronize-minor and major/activity token in a token item.
pub(super) const TOKENS: u8 = 0x15;
/// User data of CONNECT longer than this goes into the extended parameter, octets.
const USER_DATA_SIZE_MAX: usize = 512;

/// The header's size and the length of what follows, or `None` while `octets` do not hold it.
pub(super) fn header(octets: &[u8]) -> Option<(usize, usize)> {
    match *octets {
        [_, 255, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([high, low])))),
        [_, 255, ..] | [] | [_] => None,
        [_, length, ..] => Some((2, usize::from(length))),
    }
}

/// The parameters of an SPDU, groups opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters<'a>(&'a [u8]);

impl<'a> Parameters<'a> {
    /// Reads the parameters once through, so that later look-ups cannot meet a lying length.
    pub(super) fn parse(octets: &'a [u8]) -> Result<Parameters<'a>, Error> {
        let mut rest = octets;
        while !rest.is_empty() {
            let (code, value) = take(&mut rest)?;
            if is_group(code) {
                let mut inner = value;
                while !inner.is_empty() {
                    take(&mut inner)?;
                }
            }
        }
        Ok(Parameters(octets))
    }

    /// The first value of `code`, whether it stands alone or in a group.
    pub(super) fn get(self, code: u8) -> Option<&'a [u8]> {
        let mut rest = self.0;
        while let Ok((found, value)) = take(&mut rest) {
            if found == code {
                return Some(value);
            }
            if is_group(found) {
                let mut inner = value;
                while let Ok((found, value)) = take(&mut inner) {
                    if found == code {
                        return Some(value);
                    }
                }
            }
        }
        None
    }

    /// The octets of `code`, empty when it is absent.
    pub(super) fn octets(self, code: u8, size_max: usize) -> Result<Vec<u8>, Error> {
        match self.get(code) {
            Some(value) if value.len() > size_max => Err(invalid("a parameter too long")),
            value => Ok(value.unwrap_or_default().to_vec()),
        }
    }

    /// Bits of the protocol versions: version 1 where none are given; some peers write two octets.
    pub(super) fn versions(self) -> u8 {
        self.get(pi::VERSION_NUMBER).and_then(|value| value.last().copied()).unwrap_or(1)
    }

    /// A parameter of one octet; absent when it is empty.
    pub(super) fn octet(self, code: u8) -> Option<u8> {
        self.get(code).and_then(|value| value.first().copied())
    }

    /// The synchronization point serial number, one to six digits.
    pub(super) fn serial_number(self) -> Result<u32, Error> {
        match self.get(pi::SERIAL_NUMBER) {
            Some(digits) if (1..=6).contains(&digits.len()) => {
                digits.iter().try_fold(0, |number, digit| match digit {
                    b'0'..=b'9' => Ok(number * 10 + u32::from(digit - b'0')),
                    _ => Err(invalid("a serial number that is not digits")),
                })
            }
            _ => Err(invalid("no serial number of one to six digits")),
        }
    }

    /// User data, whichever parameter carries it; empty when absent.
    pub(super) fn user_data(self) -> &'a [u8] {
        [pi::USER_DATA, pi::EXTENDED_USER_DATA, pi::MINOR_SYNC_ACK_USER_DATA]
            .into_iter()
            .find_map(|code| self.get(code))
            .unwrap_or_default()
    }
}

fn is_group(code: u8) -> bool {
    matches!(code, pi::CONNECTION_IDENTIFIER | pi::CONNECT_ACCEPT_ITEM)
}

fn take<'a>(octets: &mut &'a [u8]) -> Result<(u8, &'a [u8]), Error> {
    let (size, length) = header(octets).ok_or(invalid("half a parameter"))?;
    let code = octets.first().copied().unwrap_or_default();
    let value = octets.get(size..size + length).ok_or(invalid("a parameter beyond its SPDU"))?;
    *octets = &octets[size + length..];
    Ok((code, value))
}

/// Appends one parameter, SPDU or group: identifier, length, contents.
pub(super) fn push(out: &mut Vec<u8>, code: u8, parts: &[&[u8]]) {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    out.push(code);
    match size {
        0..255 => out.push(size as u8),
        _ => {
            let [high, low] = (size as u16).to_be_bytes();
            out.extend_from_slice(&[255, high, low]);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// One parameter.
pub(super) fn parameter(code: u8, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 4);
    push(&mut out, code, &[value]);
    out
}

/// User data as CONNECT carries it.
pub(super) fn connect_user_data(octets: &[u8]) -> Vec<u8> {
    let extended = octets.len() > USER_DATA_SIZE_MAX;
    parameter(if extended { pi::EXTENDED_USER_DATA } else { pi::USER_DATA }, octets)
}

/// The ASCII digits of a serial number, right-aligned; the number of leading octets to skip.
pub(super) fn digits(number: u32) -> ([u8; 6], usize) {
    let mut octets = [b'0'; 6];
    let (mut at, mut rest) = (6, number);
    loop {
        at -= 1;
        octets[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 || at == 0 {
            return (octets, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_in_groups_too() {
        let octets = [5, 6, 22, 1, 3, 26, 1, 0, 20, 2, 2, 0x49, 193, 1, 9];
        let parameters = Parameters::parse(&octets).unwrap();
        assert_eq!(parameters.octet(pi::VERSION_NUMBER), Some(3));
        assert_eq!(parameters.get(pi::SESSION_USER_REQUIREMENTS), Some(&[2, 0x49][..]));
        assert_eq!(parameters.user_data(), [9]);
        for lie in [&[5, 9, 22, 1][..], &[5, 2, 22, 1], &[193], &[193, 255, 1]] {
            assert!(Parameters::parse(lie).is_err(), "{lie:?}");
        }
    }

    #[test]
    fn serial_numbers_are_digits() {
        for (number, text) in [(0, "0"), (1, "1"), (105, "105"), (999_999, "999999")] {
            let (octets, skip) = digits(number);
            assert_eq!(&octets[skip..], text.as_bytes());
            let octets = parameter(pi::SERIAL_NUMBER, text.as_bytes());
            assert_eq!(Parameters::parse(&octets).unwrap().serial_number(), Ok(number));
        }
        let octets = parameter(pi::SERIAL_NUMBER, b"1x");
        assert!(Parameters::parse(&octets).unwrap().serial_number().is_err());
    }
}
