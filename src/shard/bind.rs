//! The MTA-bind, both ways: who calls, and what is answered (X.411 12.1.1 (unverified)).
//!
//! A wrong name and a wrong password are refused alike, so that a caller learns nothing from the answer;
//! the log says what was wrong.

use std::fmt;

use super::settings::{Credentials, Snapshot, equal_in_constant_time};
use crate::osi::stack::Stack;
use crate::p1;
use crate::p1::bind::{self, Bind, BindError, Mode};
use crate::routing::ConnectorIndex;

/// Why a bind is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BindRefused {
    /// The caller gave no name and password.
    NoCredentials,
    /// No connector expects this name with this password.
    WrongCredentials {
        /// The name that was given.
        mta_name: String,
    },
    /// The argument or result is malformed.
    Malformed(String),
}

impl fmt::Display for BindRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindRefused::NoCredentials => f.write_str("no MTA name and password were given"),
            BindRefused::WrongCredentials { mta_name } => {
                write!(f, "no connector expects MTA name {mta_name:?} with the password given")
            }
            BindRefused::Malformed(what) => write!(f, "the bind is malformed: {what}"),
        }
    }
}

impl BindRefused {
    fn wrong(mta_name: &[u8]) -> BindRefused {
        BindRefused::WrongCredentials { mta_name: String::from_utf8_lossy(mta_name).into_owned() }
    }
}

/// What we show of ourselves.
fn shown(local: &Credentials) -> Bind<'_> {
    Bind::Simple { mta_name: local.mta_name.as_bytes(), password: local.password.as_bytes() }
}

/// The name and password that were shown.
fn simple(decoded: Result<Bind<'_>, p1::Error>) -> Result<(&[u8], &[u8]), BindRefused> {
    match decoded {
        Ok(Bind::Simple { mta_name, password }) => Ok((mta_name, password)),
        Ok(Bind::Unauthenticated | Bind::OtherCredentials { .. }) => {
            Err(BindRefused::NoCredentials)
        }
        Err(error) => Err(BindRefused::Malformed(error.to_string())),
    }
}

/// The argument to call a partner with.
pub(super) fn bind_argument(local: &Credentials) -> Vec<u8> {
    let mut octets = Vec::new();
    bind::encode_bind_argument(Mode::Normal, &shown(local), &mut octets);
    octets
}

/// Finds the connector whose partner calls.
pub(super) fn read_bind(
    snapshot: &Snapshot,
    argument: &[u8],
) -> Result<ConnectorIndex, BindRefused> {
    let (mta_name, password) = simple(bind::decode_bind_argument(Mode::Normal, argument))?;
    snapshot.connector_authenticated(mta_name, password).ok_or_else(|| BindRefused::wrong(mta_name))
}

/// Whether the called MTA is the one it should be.
pub(super) fn check_bind_result(remote: &Credentials, result: &[u8]) -> Result<(), BindRefused> {
    let (mta_name, password) = simple(bind::decode_bind_result(Mode::Normal, result))?;
    let same_password = equal_in_constant_time(password, remote.password.as_bytes());
    if mta_name != remote.mta_name.as_bytes() || !same_password {
        return Err(BindRefused::wrong(mta_name));
    }
    Ok(())
}

/// Accepts, showing who we are.
pub(super) fn answer_accepted(stack: &mut Stack, local: &Credentials) {
    let mut octets = Vec::new();
    bind::encode_bind_result(Mode::Normal, &shown(local), &mut octets);
    stack.bind_accept(&octets);
}

/// Refuses with the bind error that fits, and nothing more.
pub(super) fn answer_refused(stack: &mut Stack, refused: &BindRefused) {
    let error = match refused {
        BindRefused::NoCredentials
        | BindRefused::WrongCredentials { .. }
        | BindRefused::Malformed(_) => BindError::AuthenticationError,
    };
    let mut octets = Vec::new();
    bind::encode_bind_error(error, &mut octets);
    stack.bind_reject(&octets);
}
