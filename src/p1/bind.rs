//! MTA-bind: who connects, with what password, and the answer (MTABindArgument, MTABindResult,
//! MTABindError, MTAAbstractService).
//!
//! In normal mode argument, result and error ride in the `[16]`, `[17]`, `[18]` of the remote operations
//! bind (X.219, unverified), and the password is an OCTET STRING; in X.410-1984 mode there is no wrapper, and the
//! password is an IA5String. Either string is read in either mode. The two contexts of that mode,
//! mts-transfer-protocol and mts-transfer-protocol-1984, have the same forms: what 1988 adds, a security
//! context and other credentials, we never say.
//!
//! A refusal rides in normal mode as an MTABindError in RTORJ's user data; X.410 mode has no place for it, and
//! RTORJ's refuse reason says it.

use super::Error;
use super::error::clause;
use crate::base::limits::{MTA_NAME_SIZE_MAX, PASSWORD_SIZE_MAX};
use crate::ber::{self, ErrorKind, Header, Reader, Tag, write};

/// How a bind is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Normal mode of RTSE, over ACSE.
    Normal,
    /// X.410-1984 mode of RTSE: applicationProtocol 12 (1988) and 1 (1984).
    X410,
}

/// Who binds, or answers, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind<'a> {
    /// No authentication: NULL.
    Unauthenticated,
    /// An MTA name and a simple password; either may be empty.
    Simple {
        /// The MTA name, IA5 characters.
        mta_name: &'a [u8],
        /// The password.
        password: &'a [u8],
    },
    /// An MTA name and credentials that we do not check: strong or protected ones.
    OtherCredentials {
        /// The MTA name, IA5 characters.
        mta_name: &'a [u8],
    },
}

/// Why a bind is refused (MTABindError). There is no 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindError {
    /// Not now.
    Busy = 0,
    /// Name or password is wrong.
    AuthenticationError = 2,
    /// The dialogue mode is not offered.
    UnacceptableDialogueMode = 3,
    /// The security context is not offered.
    UnacceptableSecurityContext = 4,
}

impl BindError {
    /// Its name in MTABindError.
    pub const fn as_str(self) -> &'static str {
        match self {
            BindError::Busy => "busy",
            BindError::AuthenticationError => "authentication-error",
            BindError::UnacceptableDialogueMode => "unacceptable-dialogue-mode",
            BindError::UnacceptableSecurityContext => "unacceptable-security-context",
        }
    }

    /// The code on the wire.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// The error of this code.
    pub const fn from_code(code: i64) -> Option<BindError> {
        match code {
            0 => Some(BindError::Busy),
            2 => Some(BindError::AuthenticationError),
            3 => Some(BindError::UnacceptableDialogueMode),
            4 => Some(BindError::UnacceptableSecurityContext),
            _ => None,
        }
    }
}

const ARGUMENT: Tag = Tag::context(16);
const RESULT: Tag = Tag::context(17);
const ERROR: Tag = Tag::context(18);
const AUTHENTICATED: Tag = Tag::context(1);
const NAME: Tag = Tag::context(0);
const CREDENTIALS: Tag = Tag::context(1);

/// Appends a bind argument.
pub fn encode_bind_argument(mode: Mode, bind: &Bind<'_>, out: &mut Vec<u8>) {
    encode(mode, ARGUMENT, bind, out);
}

/// Appends a bind result.
pub fn encode_bind_result(mode: Mode, bind: &Bind<'_>, out: &mut Vec<u8>) {
    encode(mode, RESULT, bind, out);
}

/// Appends a bind error, as normal mode has it; X.410 mode says it by RTSE's refuse reason instead.
pub fn encode_bind_error(error: BindError, out: &mut Vec<u8>) {
    write::constructed(out, ERROR, |out| write::integer(out, Tag::INTEGER, error.code()));
}

fn encode(mode: Mode, wrapper: Tag, bind: &Bind<'_>, out: &mut Vec<u8>) {
    match mode {
        Mode::Normal => write::constructed(out, wrapper, |out| encode_bare(mode, bind, out)),
        Mode::X410 => encode_bare(mode, bind, out),
    }
}

fn encode_bare(mode: Mode, bind: &Bind<'_>, out: &mut Vec<u8>) {
    let (mta_name, password) = match bind {
        Bind::Unauthenticated => return write::primitive(out, Tag::NULL, &[]),
        Bind::Simple { mta_name, password } => (*mta_name, *password),
        // Credentials of other kinds are not ours to make: an empty password goes out.
        Bind::OtherCredentials { mta_name } => (*mta_name, &[][..]),
    };
    let string = match mode {
        Mode::Normal => Tag::OCTET_STRING,
        Mode::X410 => Tag::IA5_STRING,
    };
    write::constructed(out, AUTHENTICATED, |out| {
        write::primitive(out, NAME, mta_name);
        write::constructed(out, CREDENTIALS, |out| write::primitive(out, string, password));
    });
}

/// Reads a bind argument, whole.
pub fn decode_bind_argument(mode: Mode, octets: &[u8]) -> Result<Bind<'_>, Error> {
    decode(mode, ARGUMENT, octets)
}

/// Reads a bind result, whole.
pub fn decode_bind_result(mode: Mode, octets: &[u8]) -> Result<Bind<'_>, Error> {
    decode(mode, RESULT, octets)
}

/// Reads a bind error of normal mode, whole: its code, of which [`BindError::from_code`] knows some.
pub fn decode_bind_error(octets: &[u8]) -> Result<i64, Error> {
    let mut reader = Reader::new(octets);
    let header = reader.header()?;
    // A foreign MTA leaves the wrapper out.
    if header.tag == Tag::INTEGER {
        return Ok(reader.integer(&header)?);
    }
    super::scan::expect(&header, ERROR)?;
    let scope = reader.enter(&header)?;
    let inner = reader.header()?;
    super::scan::expect(&inner, Tag::INTEGER)?;
    let code = reader.integer(&inner)?;
    reader.leave(&scope)?;
    Ok(code)
}

fn decode(mode: Mode, wrapper: Tag, octets: &[u8]) -> Result<Bind<'_>, Error> {
    let mut reader = Reader::new(octets);
    let header = reader.header()?;
    let bind = match mode {
        Mode::X410 => decode_bare(&mut reader, &header)?,
        Mode::Normal => {
            super::scan::expect(&header, wrapper)?;
            let scope = reader.enter(&header)?;
            let inner = reader.header()?;
            let bind = decode_bare(&mut reader, &inner)?;
            reader.leave(&scope)?;
            bind
        }
    };
    if !reader.is_at_end() {
        return Err(reader.error(ErrorKind::Trailing).into());
    }
    Ok(bind)
}

fn decode_bare<'a>(reader: &mut Reader<'a>, header: &Header) -> Result<Bind<'a>, Error> {
    match header.tag {
        Tag::NULL => {
            reader.skip(header)?;
            return Ok(Bind::Unauthenticated);
        }
        AUTHENTICATED => {}
        _ => return Err(unexpected(header)),
    }
    let scope = reader.enter(header)?;
    let mut mta_name = None;
    let mut credentials = None;
    while let Some(part) = reader.next(&scope)? {
        match part.tag {
            NAME => {
                let name = reader.primitive(&part)?;
                if name.len() > MTA_NAME_SIZE_MAX {
                    return Err(invalid(&part, "MTA name"));
                }
                mta_name = Some(name);
            }
            CREDENTIALS => credentials = Some(password(reader, &part)?),
            // A security context, or what later editions add.
            _ => {
                reader.skip(&part)?;
            }
        }
    }
    let absent = |field| Error::Absent { offset: header.start, field, clause: clause::MTA };
    let mta_name = mta_name.ok_or(absent("MTA name"))?;
    Ok(match credentials.ok_or(absent("credentials"))? {
        Some(password) => Bind::Simple { mta_name, password },
        None => Bind::OtherCredentials { mta_name },
    })
}

/// The simple password inside `[1]`, or `None` when the credentials are of another kind.
fn password<'a>(reader: &mut Reader<'a>, header: &Header) -> Result<Option<&'a [u8]>, Error> {
    let scope = reader.enter(header)?;
    let inner = reader.header()?;
    let password = match inner.tag {
        Tag::OCTET_STRING | Tag::IA5_STRING => Some(reader.primitive(&inner)?),
        _ => {
            reader.skip(&inner)?;
            None
        }
    };
    if password.is_some_and(|password| password.len() > PASSWORD_SIZE_MAX) {
        return Err(invalid(&inner, "password"));
    }
    reader.leave(&scope)?;
    Ok(password)
}

fn unexpected(header: &Header) -> Error {
    ber::Error { offset: header.start, kind: ErrorKind::UnexpectedTag }.into()
}

fn invalid(header: &Header, field: &'static str) -> Error {
    Error::Invalid { offset: header.start, field, clause: clause::MTA }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PP1: Bind<'_> = Bind::Simple { mta_name: b"PP1", password: b"pp1pass" };

    #[test]
    fn writes_and_reads_the_octets_of_a_foreign_mta() {
        let normal = b"\xb0\x12\xa1\x10\x80\x03PP1\xa1\x09\x04\x07pp1pass";
        let mut out = Vec::new();
        encode_bind_argument(Mode::Normal, &PP1, &mut out);
        assert_eq!(out, normal);
        assert_eq!(decode_bind_argument(Mode::Normal, normal).unwrap(), PP1);
        assert!(decode_bind_result(Mode::Normal, normal).is_err());

        let x410 = b"\xa1\x10\x80\x03PP1\xa1\x09\x16\x07pp1pass";
        let mut out = Vec::new();
        encode_bind_result(Mode::X410, &PP1, &mut out);
        assert_eq!(out, x410);
        assert_eq!(decode_bind_argument(Mode::X410, x410).unwrap(), PP1);
    }

    #[test]
    fn null_and_other_credentials() {
        let mut out = Vec::new();
        encode_bind_result(Mode::Normal, &Bind::Unauthenticated, &mut out);
        assert_eq!(out, [0xb1, 2, 5, 0]);
        assert_eq!(decode_bind_result(Mode::Normal, &out).unwrap(), Bind::Unauthenticated);
        let strong = b"\xa1\x09\x80\x03PP1\xa1\x02\xa0\x00";
        let bind = decode_bind_argument(Mode::X410, strong).unwrap();
        assert_eq!(bind, Bind::OtherCredentials { mta_name: b"PP1" });
    }

    #[test]
    fn errors_round_trip() {
        for error in [
            BindError::Busy,
            BindError::AuthenticationError,
            BindError::UnacceptableDialogueMode,
            BindError::UnacceptableSecurityContext,
        ] {
            let mut out = Vec::new();
            encode_bind_error(error, &mut out);
            assert_eq!(BindError::from_code(decode_bind_error(&out).unwrap()), Some(error));
            assert_eq!(decode_bind_error(&out[2..]).unwrap(), error.code());
        }
        assert_eq!(BindError::from_code(1), None);
    }

    #[test]
    fn what_is_too_long_or_incomplete_is_refused() {
        let long = vec![b'x'; PASSWORD_SIZE_MAX + 1];
        for bind in [
            Bind::Simple { mta_name: b"PP1", password: &long },
            Bind::Simple { mta_name: &long, password: b"" },
        ] {
            let mut out = Vec::new();
            encode_bind_argument(Mode::Normal, &bind, &mut out);
            let error = decode_bind_argument(Mode::Normal, &out).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }));
        }
        let error = decode_bind_argument(Mode::X410, b"\xa1\x05\x80\x03PP1").unwrap_err();
        assert!(matches!(error, Error::Absent { field: "credentials", .. }));
    }
}
