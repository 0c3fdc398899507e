//! The states of a class 0 transport connection, in one table (X.224 annex on state tables
//! (unverified)). The called side accepts a CR at once, so it has no waiting state.

use crate::osi::Step;

named! {
    /// States of a transport connection.
    State {
        /// Nothing sent or received.
        Idle = "transport idle",
        /// CR sent.
        AwaitConfirm = "awaiting transport confirm",
        /// Data may flow.
        Open = "transport open",
        /// Released, refused or broken.
        Closed = "transport closed",
    }
}

named! {
    /// Events of a transport connection: local requests and TPDUs.
    Event {
        /// T-CONNECT request.
        ConnectRequest = "T-CONNECT request",
        /// CONNECTION REQUEST TPDU.
        Cr = "CR TPDU",
        /// CONNECTION CONFIRM TPDU.
        Cc = "CC TPDU",
        /// DATA TPDU.
        Dt = "DT TPDU",
        /// DISCONNECT REQUEST TPDU.
        Dr = "DR TPDU",
        /// ERROR TPDU.
        Er = "ER TPDU",
    }
}

/// The table.
pub fn step(state: State, event: Event) -> Step<State> {
    use Event::*;
    use State::*;
    match (state, event) {
        (Idle, ConnectRequest) => Step::Next(AwaitConfirm),
        (Idle, Cr) => Step::Next(Open),
        (Idle, Cc | Dt | Dr | Er) => Step::Refuse,
        (AwaitConfirm, Cc) => Step::Next(Open),
        (AwaitConfirm, Dr | Er) => Step::Next(Closed),
        (AwaitConfirm, ConnectRequest | Cr | Dt) => Step::Refuse,
        (Open, Dt) => Step::Next(Open),
        (Open, Dr | Er) => Step::Next(Closed),
        (Open, ConnectRequest | Cr | Cc) => Step::Refuse,
        (Closed, ConnectRequest) => Step::Refuse,
        (Closed, Cr | Cc | Dt | Dr | Er) => Step::Discard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        insta::assert_snapshot!(crate::osi::table(State::ALL, Event::ALL, step));
    }
}
