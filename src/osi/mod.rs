//! The OSI upper layers over TCP, sans-IO: RFC 1006, X.224 class 0, X.225, X.226, X.227, X.228.
//!
//! [`stack::Stack`] composes the protocol machines of one application context; sockets, time and
//! threads are the caller's. Each machine's states stand in one table (`machine.rs` of its module):
//! state and event give the next state, a discard, or a refusal. Data transfer is parsed where it lies
//! and handed out as slices; only control PDUs are assembled, in a bounded buffer.
//!
//! # Deviations of peers that are tolerated
//!
//! | what | where |
//! |---|---|
//! | GIVE TOKENS in a TSDU of its own, before the SPDU that belongs behind it | `session::receive`, `gives_nothing` |
//! | GIVE TOKENS with an empty token item or other parameters | `session::receive`, `names_tokens` |
//! | MINOR SYNC ACK and the like without PLEASE TOKENS before them | `session::receive`, `poll` |
//! | lengths of 255 and two octets where one would do, in SPDUs and parameters | `session::spdu`, `header` |
//! | parameters that are not known, user data where none is expected | `session::spdu`, `Parameters` |
//! | session version in one octet or two, left out, or alone outside of its group | `session::spdu`, `versions` |
//! | ACCEPT with all versions instead of the one selected | `session`, `connect_confirm` |
//! | definite and indefinite lengths, octets behind what is read | [`tlv`] |
//! | CPA without the results of its contexts | `presentation::ppdu`, `parse_cpa` |
//! | release without RLRQ or RLRE | `stack::normal`, `release_indication` and `release_confirm` |
//! | PLEASE TOKENS without RTTP | `stack::upper`, `token_please_indication` |
//! | application protocol 12 or 1 with its octets swapped | `stack::context`, `of_application_protocol` |
//! | RTAB with a universal tag | `rtse::apdu`, `parse_rtab` |
//! | RTORQ or RTOAC without sizes, modes or application protocol | `rtse::apdu`, `stack::context` |

/// An enum of states or events: every variant with the name that logs use.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them, in the table's order.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// The name used in logs.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

pub mod acse;
pub mod error;
pub mod presentation;
pub mod rtse;
pub mod session;
pub mod stack;
mod tlv;
pub mod tpkt;
pub mod transport;

/// What a protocol machine does about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<S> {
    /// Take it and go to this state.
    Next(S),
    /// Drop it: it crossed something of ours.
    Discard,
    /// Refuse it: the peer is aborted, a local request has no effect.
    Refuse,
}

impl<S: Copy> Step<S> {
    /// Goes where the table says; `false` when the event is to be dropped.
    fn take(
        self,
        layer: error::Layer,
        state: &mut S,
        pdu: &'static str,
        name: impl Fn(S) -> &'static str,
    ) -> Result<bool, error::Error> {
        match self {
            Step::Next(next) => {
                *state = next;
                Ok(true)
            }
            Step::Discard => Ok(false),
            Step::Refuse => Err(error::Error::PduUnexpected { layer, pdu, state: name(*state) }),
        }
    }
}

/// A machine's whole table as text, a line for each state; refusals are left out.
#[cfg(test)]
pub(crate) fn table<S: Copy + std::fmt::Debug, E: Copy + std::fmt::Debug>(
    states: &[S],
    events: &[E],
    step: impl Fn(S, E) -> Step<S>,
) -> String {
    let mut text = String::new();
    for state in states {
        text += &format!("{state:?}\n");
        for event in events {
            match step(*state, *event) {
                Step::Next(next) => text += &format!("    {event:?} -> {next:?}\n"),
                Step::Discard => text += &format!("    {event:?} discarded\n"),
                Step::Refuse => {}
            }
        }
    }
    text
}
