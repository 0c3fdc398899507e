//! APDUs of ACSE: AARQ, AARE, RLRQ, RLRE, ABRT (X.227 clause 9 (unverified); the ASN.1 module ACSE-1).

use super::{ber, invalid};
use crate::ber::ErrorKind;
use crate::osi::error::Error;
use crate::osi::presentation::oid;
use crate::osi::tlv::{self, element, integer};

const AARQ: u8 = 0x60;
const AARE: u8 = 0x61;
const RLRQ: u8 = 0x62;
const RLRE: u8 = 0x63;
const ABRT: u8 = 0x64;
const USER_INFORMATION: u8 = 0xbe;
const EXTERNAL: u8 = 0x28;
const SINGLE_ASN1_TYPE: u8 = 0xa0;

/// Diagnostic of the ACSE service user: application-context-name-not-supported.
pub(in crate::osi) const CONTEXT_NAME_NOT_SUPPORTED: u32 = 2;
/// Diagnostic of the ACSE service user: no-reason-given.
pub(in crate::osi) const NO_REASON: u32 = 1;

/// User information: one EXTERNAL that holds a value of the presentation context `context`.
fn user_information(context: u32, value: &[u8]) -> Vec<u8> {
    let external = element(
        EXTERNAL,
        &[
            &element(0x06, &[oid::BER]),
            &integer(0x02, context),
            &element(SINGLE_ASN1_TYPE, &[value]),
        ],
    );
    element(USER_INFORMATION, &[&external])
}

fn find_user_information(apdu: &[u8]) -> Result<Option<&[u8]>, Error> {
    let Some(information) = tlv::find(apdu, USER_INFORMATION).map_err(ber)? else {
        return Ok(None);
    };
    let mut rest = information.content;
    if rest.is_empty() {
        return Ok(None);
    }
    let external = tlv::expect(&mut rest, EXTERNAL).map_err(ber)?.content;
    let value = tlv::find(external, SINGLE_ASN1_TYPE)
        .map_err(ber)?
        .ok_or(invalid("user information that is not a single ASN.1 type"))?;
    Ok(Some(value.content))
}

fn application_context() -> Vec<u8> {
    element(0xa1, &[&element(0x06, &[oid::MTS_TRANSFER])])
}

/// The AARQ for application context mts-transfer.
pub(in crate::osi) fn aarq(rtse_context: u32, value: &[u8]) -> Vec<u8> {
    element(AARQ, &[&application_context(), &user_information(rtse_context, value)])
}

/// The AARE: `result` 0 accepted, 1 rejected permanently, 2 rejected for now; the diagnostic is the
/// ACSE service user's.
pub(in crate::osi) fn aare(
    result: u32,
    diagnostic: u32,
    rtse_context: u32,
    value: Option<&[u8]>,
) -> Vec<u8> {
    let information = value.map(|value| user_information(rtse_context, value));
    element(
        AARE,
        &[
            &application_context(),
            &element(0xa2, &[&integer(0x02, result)]),
            &element(0xa3, &[&element(0xa1, &[&integer(0x02, diagnostic)])]),
            information.as_deref().unwrap_or_default(),
        ],
    )
}

/// Reads an AARQ: whether the application context is ours, and the user information.
pub(in crate::osi) fn parse_aarq(octets: &[u8]) -> Result<(bool, &[u8]), Error> {
    let apdu = tlv::expect(&mut &*octets, AARQ).map_err(ber)?.content;
    let name = tlv::find(apdu, 0xa1).map_err(ber)?.ok_or(invalid("no application context name"))?;
    let name = tlv::expect(&mut &*name.content, 0x06).map_err(ber)?.content;
    let value = find_user_information(apdu)?.unwrap_or_default();
    Ok((name == oid::MTS_TRANSFER, value))
}

/// An AARE that was read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::osi) struct Aare<'a> {
    /// 0 accepted, 1 rejected permanently, 2 rejected for now.
    pub(in crate::osi) result: u32,
    /// Whether the diagnostic is the ACSE service provider's, and its value.
    pub(in crate::osi) diagnostic: (bool, u32),
    pub(in crate::osi) user_information: Option<&'a [u8]>,
}

/// Reads an AARE.
pub(in crate::osi) fn parse_aare(octets: &[u8]) -> Result<Aare<'_>, Error> {
    let apdu = tlv::expect(&mut &*octets, AARE).map_err(ber)?.content;
    let result = tlv::find(apdu, 0xa2).map_err(ber)?.ok_or(invalid("no associate result"))?;
    let result = tlv::expect(&mut &*result.content, 0x02).map_err(ber)?;
    let source = tlv::find(apdu, 0xa3).map_err(ber)?.ok_or(invalid("no result source"))?;
    let source = tlv::take(&mut &*source.content).map_err(ber)?;
    let diagnostic = tlv::expect(&mut &*source.content, 0x02).map_err(ber)?;
    Ok(Aare {
        result: tlv::unsigned(result.content).map_err(ber)?,
        diagnostic: (source.tag == 0xa2, tlv::unsigned(diagnostic.content).map_err(ber)?),
        user_information: find_user_information(apdu)?,
    })
}

/// The RLRQ of a normal release.
pub(in crate::osi) fn rlrq() -> Vec<u8> {
    element(RLRQ, &[&integer(0x80, 0)])
}

/// The RLRE of a normal release.
pub(in crate::osi) fn rlre() -> Vec<u8> {
    element(RLRE, &[&integer(0x80, 0)])
}

/// Checks an RLRQ, whatever its reason.
pub(in crate::osi) fn parse_rlrq(octets: &[u8]) -> Result<(), Error> {
    tlv::expect(&mut &*octets, RLRQ).map(|_| ()).map_err(ber)
}

/// Checks an RLRE, whatever its reason.
pub(in crate::osi) fn parse_rlre(octets: &[u8]) -> Result<(), Error> {
    tlv::expect(&mut &*octets, RLRE).map(|_| ()).map_err(ber)
}

/// The ABRT: by the service user with an RTAB, or by the service provider.
pub(in crate::osi) fn abrt(rtse_context: u32, value: Option<&[u8]>) -> Vec<u8> {
    match value {
        Some(value) => element(ABRT, &[&integer(0x80, 0), &user_information(rtse_context, value)]),
        None => element(ABRT, &[&integer(0x80, 1)]),
    }
}

/// Reads an ABRT: whether the service provider aborted, and the user information.
pub(in crate::osi) fn parse_abrt(octets: &[u8]) -> Result<(bool, Option<&[u8]>), Error> {
    let apdu = tlv::take(&mut &*octets).map_err(ber)?;
    if apdu.tag != ABRT {
        return Err(ber(ErrorKind::UnexpectedTag));
    }
    let source = tlv::find(apdu.content, 0x80).map_err(ber)?.ok_or(invalid("no abort source"))?;
    let provider = tlv::unsigned(source.content).map_err(ber)? == 1;
    Ok((provider, find_user_information(apdu.content)?))
}

/// What a diagnostic in an AARE means.
pub(in crate::osi) fn diagnostic_text(diagnostic: (bool, u32)) -> &'static str {
    match diagnostic {
        (true, 2) => "no common ACSE version",
        (true, _) => "rejected by the ACSE service provider",
        (false, 2) => "application context name not supported",
        (false, 3 | 4) => "calling AP title or invocation not recognized",
        (false, 5 | 6) => "calling AE qualifier or invocation not recognized",
        (false, 7 | 8) => "called AP title or invocation not recognized",
        (false, 9 | 10) => "called AE qualifier or invocation not recognized",
        (false, 11..=14) => "authentication demanded or failed",
        (false, _) => "no reason given",
    }
}
