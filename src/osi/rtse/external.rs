//! The EXTERNAL that normal mode puts around an MTS-APDU (X.228 RT-TRANSFER; X.208 EXTERNAL).
//!
//! What RTTRs carry is, put together, `EXTERNAL { indirect-reference, single-ASN1-type { MTS-APDU } }`.
//! We write definite lengths, so that nothing follows the MTS-APDU; peers may write indefinite ones,
//! a direct reference or a descriptor, or the octet-aligned form.

use super::{ber, invalid};
use crate::ber::write::{length, length_size};
use crate::ber::{ErrorKind, Length};
use crate::osi::error::Error;
use crate::osi::tlv::{self, Header};
use smallvec::SmallVec;
use std::ops::Range;

const EXTERNAL: u8 = 0x28;
const OBJECT_IDENTIFIER: u8 = 0x06;
const INTEGER: u8 = 0x02;
const OBJECT_DESCRIPTOR: u8 = 0x07;
const SINGLE_ASN1_TYPE: u8 = 0xa0;
const OCTET_ALIGNED: u8 = 0x81;

/// Longest reference or descriptor in front of the encoding that is skipped, octets.
const REFERENCE_SIZE_MAX: u32 = 256;

/// The octets in front of an MTS-APDU of `apdu_size` octets, in the presentation context `context` of
/// MTSE ([`crate::osi::presentation::Contexts`]). Nothing goes behind it.
pub fn wrap_header(context: u32, apdu_size: usize) -> SmallVec<[u8; 24]> {
    let reference = tlv::integer_short(context);
    let encoding = 1 + length_size(apdu_size) + apdu_size;
    let mut out = SmallVec::new();
    out.push(EXTERNAL);
    length(&mut out, reference.len() + encoding);
    out.extend_from_slice(&reference);
    out.push(SINGLE_ASN1_TYPE);
    length(&mut out, apdu_size);
    out
}

struct Start {
    at: usize,
    external: Length,
    encoding: Length,
    octet_aligned: bool,
}

fn start(transfer: &[u8]) -> Result<Option<Start>, Error> {
    let header = |at: usize| Header::parse(transfer.get(at..).unwrap_or_default()).map_err(ber);
    let Some(outer) = header(0)? else { return Ok(None) };
    if outer.tag != EXTERNAL {
        return Err(invalid("a transferred value that is not an EXTERNAL"));
    }
    let mut at = outer.size;
    // Two references and a descriptor at most.
    for _ in 0..4 {
        let Some(inner) = header(at)? else { return Ok(None) };
        match (inner.tag, inner.length) {
            (
                OBJECT_IDENTIFIER | INTEGER | OBJECT_DESCRIPTOR,
                Length::Definite(size @ 0..=REFERENCE_SIZE_MAX),
            ) => at += inner.size + size as usize,
            (SINGLE_ASN1_TYPE | OCTET_ALIGNED, encoding) => {
                at += inner.size;
                let octet_aligned = inner.tag == OCTET_ALIGNED;
                return Ok(Some(Start { at, external: outer.length, encoding, octet_aligned }));
            }
            _ => return Err(invalid("an EXTERNAL without a single ASN.1 type")),
        }
    }
    Err(invalid("an EXTERNAL with more references than there are"))
}

/// What stands around an MTS-APDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enclosure {
    /// Octets before it.
    pub header: usize,
    /// Octets behind it: the ends of contents of indefinite lengths.
    pub trailer: usize,
}

/// What encloses the MTS-APDU in the transfer whose first octets `prefix` holds; `None` when more octets are
/// needed.
///
/// # Errors
/// When the octets cannot be an EXTERNAL.
pub fn unwrap_prefix(prefix: &[u8]) -> Result<Option<Enclosure>, Error> {
    Ok(start(prefix)?.map(|start| start.enclosure()))
}

impl Start {
    fn enclosure(&self) -> Enclosure {
        let trailer = |length| if length == Length::Indefinite { 2 } else { 0 };
        Enclosure { header: self.at, trailer: trailer(self.encoding) + trailer(self.external) }
    }
}

/// Where the MTS-APDU stands in the complete octets of a transfer.
///
/// # Errors
/// When they are not exactly one EXTERNAL around one element.
pub fn unwrap(transfer: &[u8]) -> Result<Range<usize>, Error> {
    let start = start(transfer)?.ok_or(ber(ErrorKind::Truncated))?;
    let all = tlv::take(&mut &*transfer).map_err(ber)?;
    if all.whole.len() != transfer.len() {
        return Err(invalid("octets behind the transferred EXTERNAL"));
    }
    let rest = transfer.get(start.at..).unwrap_or_default();
    let apdu = match start.encoding {
        Length::Definite(size) if start.octet_aligned => {
            rest.get(..size as usize).ok_or(ber(ErrorKind::Overrun))?
        }
        _ => tlv::take(&mut &*rest).map_err(ber)?.whole,
    };
    let end = start.at + apdu.len();
    let enclosed = match start.encoding {
        Length::Definite(size) => apdu.len() == size as usize,
        Length::Indefinite => true,
    };
    if !enclosed || end + start.enclosure().trailer != transfer.len() {
        return Err(invalid("an EXTERNAL around more than one element"));
    }
    Ok(start.at..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_what_it_wraps_whatever_the_size() {
        for size in [2, 127, 130, 255, 256, 65_535, 1 << 20] {
            let mut apdu = vec![0; size];
            let header = if size < 130 { 2 } else { 6 };
            apdu[0] = 0x04;
            match header {
                2 => apdu[1] = (size - 2) as u8,
                _ => {
                    apdu[1] = 0x84;
                    apdu[2..6].copy_from_slice(&((size - 6) as u32).to_be_bytes());
                }
            }
            let mut transfer = wrap_header(5, size).to_vec();
            let at = transfer.len();
            transfer.extend_from_slice(&apdu);
            assert_eq!(unwrap(&transfer), Ok(at..at + size));
            assert_eq!(unwrap_prefix(&transfer).map(|it| it.map(|it| it.header)), Ok(Some(at)));
            assert_eq!(unwrap_prefix(&transfer[..at - 1]), Ok(None));
        }
    }

    #[test]
    fn reads_other_forms_and_refuses_lies() {
        let indefinite =
            [0x28, 0x80, 6, 2, 0x51, 1, 2, 1, 5, 0xa0, 0x80, 0xa0, 0x80, 0, 0, 0, 0, 0, 0];
        assert_eq!(unwrap(&indefinite), Ok(11..15));
        assert_eq!(unwrap(&[0x28, 9, 2, 1, 5, 0x81, 4, 4, 2, 7, 7]), Ok(7..11));
        for lie in [
            &indefinite[..17],
            &[0x28, 7, 2, 1, 5, 0xa0, 2, 4, 1],
            &[0x28, 8, 2, 1, 5, 0xa0, 3, 4, 0, 0],
            &[0x30, 0],
            &[0x28, 3, 2, 1, 5],
            &[],
        ] {
            assert!(unwrap(lie).is_err(), "{lie:x?}");
        }
    }
}
