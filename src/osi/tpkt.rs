//! TPKT: the packets that carry TPDUs over TCP (RFC 1006 section 6).
//!
//! Four octets: version 3, reserved, length of the whole packet.

use super::error::Error;

/// Octets of a TPKT header.
pub const HEADER_SIZE: usize = 4;
/// Shortest packet: the header and the shortest TPDU, three octets.
pub const SIZE_MIN: u16 = 7;

/// The size of the TPDU that follows the header `octets`. The reserved octet may hold anything.
pub fn parse(octets: [u8; HEADER_SIZE]) -> Result<usize, Error> {
    let [version, _reserved, high, low] = octets;
    if version != 3 {
        return Err(Error::TpktVersion { version });
    }
    let length = u16::from_be_bytes([high, low]);
    if length < SIZE_MIN {
        return Err(Error::TpktLength { length });
    }
    Ok(usize::from(length) - HEADER_SIZE)
}

/// The header in front of a TPDU of `tpdu_size` octets, at most `TPDU_SIZE_MAX`.
pub fn header(tpdu_size: usize) -> [u8; HEADER_SIZE] {
    let [high, low] = ((tpdu_size + HEADER_SIZE) as u16).to_be_bytes();
    [3, 0, high, low]
}
