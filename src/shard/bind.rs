//! The MTA-bind, both ways: who calls, and what is answered (X.411 12.1.1 (unverified)); and how a caller
//! that is known comes to the shard that owns its connector.
//!
//! A wrong name and a wrong password are refused alike, so that a caller learns nothing from the answer;
//! the log says what was wrong.

use std::fmt;

use super::Shard;
use super::connection::{Connection, Role, Stage};
use super::mail::{Adopted, Mail};
use super::settings::{Credentials, IncomingSelectors, Snapshot, equal_in_constant_time};
use super::token::Subject;
use crate::association::Association;
use crate::io::{Engine, Operation};
use crate::osi::error::Layer;
use crate::osi::rtse::{AbortReason, RefuseReason};
use crate::osi::stack::{ApplicationContext, BindIndication, BindRefusal, Stack};
use crate::p1;
use crate::p1::bind::{self, Bind, BindError, Mode};
use crate::routing::{ConnectorIndex, LinkFault};

/// Why a bind is refused.
#[derive(Debug, PartialEq, Eq)]
enum BindRefused {
    /// The caller gave no name and password.
    NoCredentials,
    /// No connector expects this name with this password.
    WrongCredentials {
        /// The name that was given.
        mta_name: String,
    },
    /// The argument or result is malformed.
    Malformed(String),
    /// It called another selector than its connector expects.
    WrongSelector {
        /// Which.
        layer: Layer,
        /// What it called.
        called: Vec<u8>,
    },
    /// The partner has as many associations as it may have.
    TooMany,
    /// The connector is out of use.
    OutOfUse,
}

impl fmt::Display for BindRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindRefused::NoCredentials => f.write_str("no MTA name and password were given"),
            BindRefused::WrongCredentials { mta_name } => {
                write!(f, "no connector expects MTA name {mta_name:?} with the password given")
            }
            BindRefused::Malformed(what) => write!(f, "the bind is malformed: {what}"),
            BindRefused::WrongSelector { layer, called } => {
                write!(f, "the {} selector called is \"{}\"", layer.as_str(), called.escape_ascii())
            }
            BindRefused::TooMany => f.write_str("the partner has called_association_count_max"),
            BindRefused::OutOfUse => f.write_str("the connector's schedule is never"),
        }
    }
}

impl BindRefused {
    fn wrong(mta_name: &[u8]) -> BindRefused {
        BindRefused::WrongCredentials { mta_name: String::from_utf8_lossy(mta_name).into_owned() }
    }
}

/// How the bind is wrapped in an application context.
fn mode(context: ApplicationContext) -> Mode {
    if context.is_x410_mode() { Mode::X410 } else { Mode::Normal }
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
pub(super) fn bind_argument(context: ApplicationContext, local: &Credentials) -> Vec<u8> {
    let mut octets = Vec::new();
    bind::encode_bind_argument(mode(context), &shown(local), &mut octets);
    octets
}

/// Finds the connector whose partner calls.
fn read_bind(
    snapshot: &Snapshot,
    mode: Mode,
    argument: &[u8],
) -> Result<ConnectorIndex, BindRefused> {
    let (mta_name, password) = simple(bind::decode_bind_argument(mode, argument))?;
    snapshot.connector_authenticated(mta_name, password).ok_or_else(|| BindRefused::wrong(mta_name))
}

/// Whether the partner called us by the selectors that its connector expects.
fn check_selectors(incoming: &IncomingSelectors, bind: &BindIndication) -> Result<(), BindRefused> {
    for (layer, expected, called) in [
        (Layer::Transport, &incoming.transport, &bind.called_transport_selector),
        (Layer::Session, &incoming.session, &bind.called_session_selector),
        (Layer::Presentation, &incoming.presentation, &bind.called_presentation_selector),
    ] {
        if expected.as_ref().is_some_and(|expected| expected != called) {
            return Err(BindRefused::WrongSelector { layer, called: called.clone() });
        }
    }
    Ok(())
}

/// Whether the called MTA is the one it should be.
fn check_bind_result(remote: &Credentials, mode: Mode, result: &[u8]) -> Result<(), BindRefused> {
    let (mta_name, password) = simple(bind::decode_bind_result(mode, result))?;
    let same_password = equal_in_constant_time(password, remote.password.as_bytes());
    if mta_name != remote.mta_name.as_bytes() || !same_password {
        return Err(BindRefused::wrong(mta_name));
    }
    Ok(())
}

/// Accepts, showing who we are.
fn answer_accepted(stack: &mut Stack, local: &Credentials) {
    let mut octets = Vec::new();
    let mode = mode(stack.negotiated().application_context);
    bind::encode_bind_result(mode, &shown(local), &mut octets);
    stack.bind_accept(&octets);
}

/// Refuses with the bind error that fits, and nothing more.
fn answer_refused(stack: &mut Stack, refused: &BindRefused) {
    let (reason, error) = match refused {
        BindRefused::NoCredentials
        | BindRefused::WrongCredentials { .. }
        | BindRefused::WrongSelector { .. }
        | BindRefused::Malformed(_) => {
            (RefuseReason::ValidationFailure, BindError::AuthenticationError)
        }
        BindRefused::TooMany | BindRefused::OutOfUse => (RefuseReason::Busy, BindError::Busy),
    };
    let mut octets = Vec::new();
    bind::encode_bind_error(error, &mut octets);
    stack.bind_reject(reason, &octets);
}

impl<E: Engine> Shard<E> {
    pub(super) fn bind_indicated(&mut self, connection: &mut Connection, bind: &BindIndication) {
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let checked = read_bind(&snapshot, mode(bind.application_context), &bind.bind_argument)
            .and_then(|connector| {
                check_selectors(&snapshot.connector(connector).incoming, bind).map(|()| connector)
            });
        match checked {
            Ok(connector) => self.caller_known(connection, connector),
            Err(refused) => self.refuse_bind(connection, &refused),
        }
    }

    /// Takes a caller that has shown who it is, here or at the shard that owns its connector.
    pub(super) fn caller_known(&mut self, connection: &mut Connection, connector: ConnectorIndex) {
        connection.connector = Some(connector);
        if self.snapshot.owner(connector) == self.index {
            return self.accept_bind(connection);
        }
        connection.stage = Stage::Moving;
        if let Some(association) = &connection.association {
            let socket = association.socket();
            self.engine
                .submit(Subject::Connection(connection.key).token(), Operation::Detach { socket });
        }
    }

    fn refuse_bind(&mut self, connection: &mut Connection, refused: &BindRefused) {
        tracing::warn!(peer = %connection.peer, reason = %refused, "bind refused");
        self.counters.binds_refused.add(1);
        if let Some(association) = &mut connection.association {
            answer_refused(&mut association.stack, refused);
        }
        self.begin_drain(connection);
    }

    /// At the connector's owner: takes the caller, unless there are enough of its associations.
    fn accept_bind(&mut self, connection: &mut Connection) {
        let Some(connector) = connection.connector else { return };
        // The association that it comes to recover no longer counts.
        self.break_recovered(connection);
        let snapshot = std::sync::Arc::clone(&self.snapshot);
        let settings = snapshot.connector(connector);
        let refused = if !settings.schedule.allows_called() {
            Some(BindRefused::OutOfUse)
        } else if !self.state(connector).associations.may_be_called(&settings.associations) {
            Some(BindRefused::TooMany)
        } else {
            None
        };
        if let Some(refused) = refused {
            return self.refuse_bind(connection, &refused);
        }
        if let Some(association) = &mut connection.association {
            match connection.recovering {
                Some(_) => drop(association.stack.recover_accept()),
                None => answer_accepted(&mut association.stack, &settings.local),
            }
            self.bound(connection, connector);
        }
    }

    pub(super) fn bind_confirmed(&mut self, connection: &mut Connection, result: &[u8]) {
        let Some(connector) = connection.connector else { return };
        let Some(association) = &connection.association else { return };
        let mode = mode(association.stack.negotiated().application_context);
        let remote = &self.snapshot.connector(connector).remote;
        if let Err(refused) = check_bind_result(remote, mode, result) {
            tracing::warn!(peer = %connection.peer, reason = %refused, "the partner's bind result is refused");
            self.counters.binds_refused.add(1);
            connection.fault = Some(LinkFault::Refused);
            if let Some(association) = &mut connection.association {
                association.stack.abort_request(AbortReason::UserError);
            }
            return self.begin_drain(connection);
        }
        self.bound(connection, connector);
        self.became_idle(connection);
    }

    /// The partner refuses our bind or recovery. In normal mode only its bind error says that it is busy.
    pub(super) fn bind_refused(&mut self, connection: &mut Connection, refusal: &BindRefusal) {
        let error = bind::decode_bind_error(&refusal.bind_error).ok();
        let error = error.and_then(BindError::from_code);
        let transient = refusal.transient || error == Some(BindError::Busy);
        tracing::warn!(
            peer = %connection.peer,
            layer = refusal.layer.as_str(),
            reason = refusal.text,
            bind_error = error.map_or("none", BindError::as_str),
            transient,
            "the partner refused the bind"
        );
        if transient || !self.recovery_refused(connection) {
            connection.fault = Some(if transient { LinkFault::Busy } else { LinkFault::Refused });
        }
        self.begin_drain(connection);
    }

    pub(super) fn bound(&mut self, connection: &mut Connection, connector: ConnectorIndex) {
        if connection.role == Role::Called {
            self.unbound_count = self.unbound_count.saturating_sub(1);
        }
        connection.stage = Stage::Bound;
        self.counters.associations.add(1);
        self.envelopes.set_aside(2 * self.connections.len());
        connection.opened_at = self.now.instant;
        connection.idle_since = self.now.instant;
        self.entered_service(connection, connector);
        let settings = self.snapshot.connector(connector);
        tracing::info!(connector = settings.name, peer = %connection.peer, role = ?connection.role, "association is up");
        let idle_time = settings.associations.idle_time;
        self.set_deadline(connection, self.now.instant + idle_time);
    }

    /// The socket has left this engine: the rest is the owner's.
    pub(super) fn detached(&mut self, connection: Connection, detached: E::Detached) {
        let Connection { key, peer, connector, association, early, recovering, .. } = connection;
        self.unbound_count = self.unbound_count.saturating_sub(1);
        if let (Some(association), Some(connector)) = (association, connector) {
            let owner = self.snapshot.owner(connector);
            let stack = association.stack;
            self.tell(
                owner,
                Mail::Adopt(Box::new(Adopted {
                    detached,
                    stack,
                    connector,
                    peer,
                    early,
                    recovering,
                })),
            );
        }
        self.connections.remove(key);
    }

    /// Takes over a connection whose caller another shard has identified.
    pub(super) fn adopt(&mut self, adopted: Adopted<E::Detached>) {
        let Adopted { detached, stack, connector, peer, early, recovering } = adopted;
        if self.is_stopping() {
            return tracing::warn!(%peer, "connection refused: the relay stops");
        }
        let socket = match self.engine.adopt(detached) {
            Ok(socket) => socket,
            Err(error) => {
                return tracing::warn!(%peer, %error, "a connection could not be taken over");
            }
        };
        let key = self.connections.insert(Role::Called, peer, self.now.instant);
        let Some(mut connection) = self.connections.take(key) else { return };
        self.unbound_count += 1;
        connection.connector = Some(connector);
        connection.recovering = recovering;
        connection.association = Some(Association::new(socket, stack));
        self.accept_bind(&mut connection);
        self.engine.submit(Subject::Connection(key).token(), Operation::Receive { socket });
        if !early.is_empty() {
            self.feed(&mut connection, &early);
        }
        self.mark_dirty(&mut connection);
        self.connections.put_back(connection);
    }
}
