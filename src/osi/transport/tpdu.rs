//! TPDUs of class 0 other than DT: CR, CC, DR and ER (X.224 clause 13), and the negotiation of the
//! TPDU size, by code (X.224) or by RFC 2126's preferred maximum in units of 128 octets.

use super::invalid;
use super::machine::Event;
use crate::base::limits::TPDU_SIZE_MAX;
use crate::osi::error::{Error, Layer};

/// CONNECTION REQUEST.
pub(super) const CR: u8 = 0xe0;
/// CONNECTION CONFIRM.
pub(super) const CC: u8 = 0xd0;
/// DISCONNECT REQUEST.
pub(super) const DR: u8 = 0x80;
/// DATA.
pub(super) const DT: u8 = 0xf0;
/// ERROR.
pub(super) const ER: u8 = 0x70;

/// Smallest TPDU size that can be negotiated, octets.
pub(super) const SIZE_MIN: usize = 128;
/// Largest TPDU size that has a code, octets.
const SIZE_CODED_MAX: usize = 8192;

const TPDU_SIZE: u8 = 0xc0;
const CALLING_SELECTOR: u8 = 0xc1;
const CALLED_SELECTOR: u8 = 0xc2;
const PREFERRED_TPDU_SIZE_MAX: u8 = 0xf0;

/// How a TPDU size is proposed or answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeOffer {
    /// Parameter C0: the size is two to this power, 7 to 13; some peers go on to 16.
    Code(u8),
    /// Parameter F0: units of 128 octets.
    Preferred(u32),
}

impl SizeOffer {
    /// The offer for at most `size` octets.
    pub(super) fn new(size: usize) -> SizeOffer {
        let size = size.clamp(SIZE_MIN, TPDU_SIZE_MAX);
        if size <= SIZE_CODED_MAX {
            SizeOffer::Code(size.ilog2() as u8)
        } else {
            SizeOffer::Preferred((size / 128) as u32)
        }
    }

    /// The size meant, octets, bounded to what a TPKT can carry.
    pub(super) fn size(self) -> usize {
        match self {
            SizeOffer::Code(code) => (1 << code.clamp(7, 16)).min(TPDU_SIZE_MAX),
            SizeOffer::Preferred(units) => {
                (units.min(512) as usize * 128).clamp(SIZE_MIN, TPDU_SIZE_MAX)
            }
        }
    }
}

/// The called side's answer to `proposed`, and the size that holds afterwards.
pub(super) fn answer(size_max: usize, proposed: Option<SizeOffer>) -> (Option<SizeOffer>, usize) {
    let size_max = size_max.clamp(SIZE_MIN, TPDU_SIZE_MAX);
    let size = proposed.map_or(TPDU_SIZE_MAX, SizeOffer::size).min(size_max);
    let offer = match proposed {
        Some(SizeOffer::Preferred(_)) => SizeOffer::Preferred((size / 128) as u32),
        // RFC 1006: without the parameter the largest size holds, and needs no answer.
        None if size == TPDU_SIZE_MAX => return (None, size),
        Some(SizeOffer::Code(_)) | None => SizeOffer::new(size.min(SIZE_CODED_MAX)),
    };
    (Some(offer), offer.size())
}

/// What a CR or CC TPDU carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// Destination reference.
    pub destination_reference: u16,
    /// Source reference.
    pub source_reference: u16,
    /// Preferred class.
    pub class: u8,
    /// Calling transport selector; empty when absent.
    pub calling_selector: Vec<u8>,
    /// Called transport selector; empty when absent.
    pub called_selector: Vec<u8>,
    /// TPDU size, if proposed.
    pub size: Option<SizeOffer>,
}

/// A TPDU other than DT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tpdu {
    /// CONNECTION REQUEST.
    Cr(Parameters),
    /// CONNECTION CONFIRM.
    Cc(Parameters),
    /// DISCONNECT REQUEST, with its reason.
    Dr(u8),
    /// ERROR, with its reject cause.
    Er(u8),
}

impl Tpdu {
    pub(super) fn event(&self) -> Event {
        match self {
            Tpdu::Cr(_) => Event::Cr,
            Tpdu::Cc(_) => Event::Cc,
            Tpdu::Dr(_) => Event::Dr,
            Tpdu::Er(_) => Event::Er,
        }
    }
}

/// Reads a whole TPDU; octets behind its length indicator are ignored.
pub(super) fn parse(octets: &[u8]) -> Result<Tpdu, Error> {
    let header = match octets {
        [length_indicator, rest @ ..] => rest
            .get(..usize::from(*length_indicator))
            .ok_or(invalid("a length indicator beyond the TPDU"))?,
        [] => return Err(invalid("an empty TPDU")),
    };
    match *header {
        [code, ref rest @ ..] if matches!(code & 0xf0, CR | CC) => {
            let parameters = parse_parameters(rest)?;
            Ok(if code & 0xf0 == CR { Tpdu::Cr(parameters) } else { Tpdu::Cc(parameters) })
        }
        [DR, _, _, _, _, reason, ..] => Ok(Tpdu::Dr(reason)),
        [ER, _, _, cause, ..] => Ok(Tpdu::Er(cause)),
        [DR | ER, ..] => Err(invalid("a TPDU too short")),
        [code, ..] => Err(Error::PduUnknown { layer: Layer::Transport, code }),
        [] => Err(invalid("a length indicator of 0")),
    }
}

fn parse_parameters(octets: &[u8]) -> Result<Parameters, Error> {
    let [d1, d0, s1, s0, class, ref rest @ ..] = *octets else {
        return Err(invalid("a connection TPDU too short"));
    };
    let mut parameters = Parameters {
        destination_reference: u16::from_be_bytes([d1, d0]),
        source_reference: u16::from_be_bytes([s1, s0]),
        class: class >> 4,
        ..Parameters::default()
    };
    let mut rest = rest;
    while let [code, length, tail @ ..] = rest {
        let value =
            tail.get(..usize::from(*length)).ok_or(invalid("a parameter beyond its TPDU"))?;
        rest = &tail[value.len()..];
        match (*code, value) {
            (CALLING_SELECTOR, value) => parameters.calling_selector = value.to_vec(),
            (CALLED_SELECTOR, value) => parameters.called_selector = value.to_vec(),
            (TPDU_SIZE, [power @ 7..=16]) => {
                // The preferred maximum takes precedence over the code (RFC 2126 (unverified)).
                parameters.size = parameters.size.or(Some(SizeOffer::Code(*power)));
            }
            (TPDU_SIZE, _) => return Err(invalid("a TPDU size code out of range")),
            (PREFERRED_TPDU_SIZE_MAX, value) if (1..=4).contains(&value.len()) => {
                let units = value.iter().fold(0, |units, octet| units << 8 | u32::from(*octet));
                parameters.size = Some(SizeOffer::Preferred(units));
            }
            (PREFERRED_TPDU_SIZE_MAX, _) => {
                return Err(invalid("a preferred maximum TPDU size out of range"));
            }
            _ => {}
        }
    }
    match rest {
        [] => Ok(parameters),
        _ => Err(invalid("half a parameter")),
    }
}

/// Appends a CR or CC TPDU in its TPKT.
pub(super) fn push_connect(
    out: &mut Vec<u8>,
    code: u8,
    destination_reference: u16,
    source_reference: u16,
    calling_selector: &[u8],
    called_selector: &[u8],
    offer: Option<SizeOffer>,
) {
    let mut tpdu = vec![0, code];
    tpdu.extend_from_slice(&destination_reference.to_be_bytes());
    tpdu.extend_from_slice(&source_reference.to_be_bytes());
    tpdu.push(0);
    for (code, selector) in
        [(CALLING_SELECTOR, calling_selector), (CALLED_SELECTOR, called_selector)]
    {
        if !selector.is_empty() {
            tpdu.extend_from_slice(&[code, selector.len() as u8]);
            tpdu.extend_from_slice(selector);
        }
    }
    match offer {
        Some(SizeOffer::Code(power)) => tpdu.extend_from_slice(&[TPDU_SIZE, 1, power]),
        Some(SizeOffer::Preferred(units)) => {
            let [_, _, high, low] = units.to_be_bytes();
            tpdu.extend_from_slice(&[PREFERRED_TPDU_SIZE_MAX, 2, high, low]);
        }
        None => {}
    }
    push(out, tpdu);
}

/// Appends a DR TPDU in its TPKT.
pub(super) fn push_disconnect(out: &mut Vec<u8>, destination: u16, source: u16, reason: u8) {
    let ([d1, d0], [s1, s0]) = (destination.to_be_bytes(), source.to_be_bytes());
    push(out, vec![0, DR, d1, d0, s1, s0, reason]);
}

/// Appends an ER TPDU in its TPKT.
pub(super) fn push_error(out: &mut Vec<u8>, destination: u16, cause: u8) {
    let [d1, d0] = destination.to_be_bytes();
    push(out, vec![0, ER, d1, d0, cause]);
}

fn push(out: &mut Vec<u8>, mut tpdu: Vec<u8>) {
    tpdu[0] = (tpdu.len() - 1) as u8;
    out.extend_from_slice(&crate::osi::tpkt::header(tpdu.len()));
    out.extend_from_slice(&tpdu);
}

/// What a DR TPDU's reason means (X.224 13.5.3 (unverified)).
pub fn disconnect_reason(reason: u8) -> &'static str {
    match reason {
        0 => "reason not specified",
        1 => "congestion at the called address",
        2 => "session entity not attached to the called address",
        3 => "address unknown",
        0x80 => "normal disconnect",
        0x81 => "congestion at connect time",
        0x82 => "negotiation failed",
        0x83 => "duplicate source reference",
        0x84 => "mismatched references",
        0x85 => "protocol error",
        0x87 => "reference overflow",
        0x88 => "connection request refused",
        0x8a => "header or parameter length invalid",
        _ => "unknown reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_negotiated_downwards() {
        let code = |power| Some(SizeOffer::Code(power));
        assert_eq!(answer(TPDU_SIZE_MAX, None), (None, 65_531));
        assert_eq!(answer(TPDU_SIZE_MAX, code(11)), (code(11), 2048));
        assert_eq!(answer(1024, code(11)), (code(10), 1024));
        assert_eq!(answer(TPDU_SIZE_MAX, code(16)), (code(13), 8192));
        assert_eq!(answer(5000, None), (code(12), 4096));
        let preferred = Some(SizeOffer::Preferred(511));
        assert_eq!(answer(TPDU_SIZE_MAX, preferred), (preferred, 65_408));
        assert_eq!(SizeOffer::new(2048), SizeOffer::Code(11));
    }

    #[test]
    fn lying_lengths_are_refused() {
        assert!(parse(&[9, CR, 0, 0, 0, 1, 0]).is_err());
        assert!(parse(&[8, CR, 0, 0, 0, 1, 0, 0xc1, 5]).is_err());
        assert!(parse(&[9, CR, 0, 0, 0, 1, 0, 0xc0, 1, 40]).is_err());
        assert_eq!(
            parse(&[2, 0x10, 0]),
            Err(Error::PduUnknown { layer: Layer::Transport, code: 0x10 })
        );
    }
}
