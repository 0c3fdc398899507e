//! The states of a presentation connection in normal mode, in one table (X.226 annex on state tables
//! (unverified)).

use crate::osi::Step;

named! {
    /// States of a presentation connection.
    State {
        /// No connection.
        Idle = "presentation idle",
        /// CP sent.
        AwaitConnectConfirm = "awaiting presentation connect confirm",
        /// CP received, the user has not answered.
        AwaitConnectResponse = "awaiting presentation connect response",
        /// Data may flow.
        Connected = "presentation connected",
        /// Over.
        Closed = "presentation closed",
    }
}

named! {
    /// Events of a presentation connection: local requests, then PPDUs.
    Event {
        /// P-CONNECT request.
        ConnectRequest = "P-CONNECT request",
        /// P-CONNECT accept.
        AcceptRequest = "P-CONNECT response",
        /// P-CONNECT reject.
        RefuseRequest = "P-CONNECT refusal",
        /// P-U-ABORT request, P-RELEASE done, or an abort by this provider.
        CloseRequest = "P-ABORT or P-RELEASE",
        /// CONNECT PRESENTATION.
        Cp = "CP",
        /// CONNECT PRESENTATION ACCEPT.
        Cpa = "CPA",
        /// CONNECT PRESENTATION REJECT.
        Cpr = "CPR",
        /// PRESENTATION DATA.
        Td = "TD",
        /// ABNORMAL RELEASE, by user or provider.
        Abort = "ARU or ARP",
    }
}

/// The table.
pub fn step(state: State, event: Event) -> Step<State> {
    use Event::*;
    use State::*;
    use Step::{Discard, Next, Refuse};
    match (state, event) {
        (_, CloseRequest) => Next(Closed),
        (Closed, Cp | Cpa | Cpr | Td | Abort) => Discard,
        (Closed, _) => Refuse,
        (Idle, ConnectRequest) => Next(AwaitConnectConfirm),
        (Idle, Cp) => Next(AwaitConnectResponse),
        (Idle, _) => Refuse,
        (_, Abort) => Next(Closed),
        (AwaitConnectConfirm, Cpa) => Next(Connected),
        (AwaitConnectConfirm, Cpr) => Next(Closed),
        (AwaitConnectResponse, AcceptRequest) => Next(Connected),
        (AwaitConnectResponse, RefuseRequest) => Next(Closed),
        (Connected, Td) => Next(Connected),
        (AwaitConnectConfirm | AwaitConnectResponse | Connected, _) => Refuse,
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
