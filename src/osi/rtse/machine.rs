//! The states of an RTSE association, in one table (X.228 annex on state tables (unverified)).

use crate::osi::Step;

named! {
    /// States of the reliable transfer protocol machine.
    State {
        /// No association.
        Unassociated = "unassociated",
        /// RTORQ sent.
        AwaitOpenConfirm = "awaiting open confirm",
        /// RTORQ received, the user has not answered.
        AwaitOpenResponse = "awaiting open response",
        /// Open, nothing under way.
        Idle = "idle",
        /// Our transfer is under way.
        Sending = "sending",
        /// All of our transfer is sent.
        AwaitTransferConfirm = "awaiting transfer confirm",
        /// We give our transfer up.
        Discarding = "discarding",
        /// The peer's transfer is under way.
        Receiving = "receiving",
        /// All of the peer's transfer came, the user has not answered.
        AwaitTransferResponse = "awaiting transfer response",
        /// We reported that we cannot take the peer's transfer.
        Refusing = "refusing",
        /// RT-CLOSE requested.
        AwaitCloseConfirm = "awaiting close confirm",
        /// The peer wants to close, the user has not answered.
        AwaitCloseResponse = "awaiting close response",
        /// Over.
        Closed = "closed",
    }
}

named! {
    /// Events of the reliable transfer protocol machine: the user's requests, then what the peer sent.
    Event {
        /// RT-OPEN request.
        OpenRequest = "RT-OPEN request",
        /// RT-OPEN accept.
        OpenResponse = "RT-OPEN response",
        /// RT-OPEN reject.
        OpenRefusal = "RT-OPEN refusal",
        /// RT-TRANSFER request.
        TransferRequest = "RT-TRANSFER request",
        /// Octets of the transfer.
        TransferData = "RT-TRANSFER data",
        /// The last octets went out.
        TransferSent = "activity end",
        /// RT-TRANSFER response.
        TransferResponse = "RT-TRANSFER response",
        /// The user cannot take the transfer.
        TransferRefusal = "RT-TRANSFER refusal",
        /// RT-TURN-PLEASE request.
        TurnPleaseRequest = "RT-TURN-PLEASE request",
        /// RT-TURN-GIVE request.
        TurnGiveRequest = "RT-TURN-GIVE request",
        /// RT-CLOSE request.
        CloseRequest = "RT-CLOSE request",
        /// RT-CLOSE response.
        CloseResponse = "RT-CLOSE response",
        /// RT-U-ABORT request, or an abort by this provider.
        AbortRequest = "RT-ABORT request",
        /// RTORQ.
        Rtorq = "RTORQ",
        /// RTOAC.
        Rtoac = "RTOAC",
        /// RTORJ, or any refusal from below.
        Rtorj = "RTORJ",
        /// P-ACTIVITY-START indication.
        ActivityStart = "activity start",
        /// P-ACTIVITY-RESUME indication: not offered, reported as an exception.
        ActivityResume = "activity resume",
        /// RTTR.
        Rttr = "RTTR",
        /// P-SYNC-MINOR indication.
        SyncMinor = "minor sync",
        /// P-SYNC-MINOR confirm.
        SyncMinorConfirm = "minor sync confirm",
        /// P-ACTIVITY-END indication.
        ActivityEnd = "activity end indication",
        /// P-ACTIVITY-END confirm.
        ActivityEndConfirm = "activity end confirm",
        /// P-U- or P-P-EXCEPTION-REPORT indication.
        ExceptionReport = "exception report",
        /// P-ACTIVITY-INTERRUPT or -DISCARD indication.
        ActivityGivenUp = "activity interrupt or discard",
        /// P-ACTIVITY-DISCARD confirm.
        ActivityDiscardConfirm = "activity discard confirm",
        /// RTTP.
        Rttp = "RTTP",
        /// P-CONTROL-GIVE indication.
        TurnGiven = "turn given",
        /// A-RELEASE indication.
        Release = "release",
        /// A-RELEASE confirm.
        ReleaseConfirm = "release confirm",
        /// RTAB, or an abort from below.
        Abort = "RTAB",
    }
}

/// The table.
pub fn step(state: State, event: Event) -> Step<State> {
    use Event::*;
    use State::*;
    use Step::{Discard, Next, Refuse};
    match (state, event) {
        (Closed, event) if event as u8 >= Rtorq as u8 => Discard,
        (Closed, _) => Refuse,
        (_, AbortRequest | Abort) => Next(Closed),

        (Unassociated, OpenRequest) => Next(AwaitOpenConfirm),
        (Unassociated, Rtorq) => Next(AwaitOpenResponse),

        (AwaitOpenConfirm, Rtoac) => Next(Idle),
        (AwaitOpenConfirm, Rtorj) => Next(Closed),

        (AwaitOpenResponse, OpenResponse) => Next(Idle),
        (AwaitOpenResponse, OpenRefusal) => Next(Closed),

        (Idle, TransferRequest) => Next(Sending),
        (Idle, TurnPleaseRequest | TurnGiveRequest | Rttp | TurnGiven) => Next(Idle),
        (Idle, CloseRequest) => Next(AwaitCloseConfirm),
        (Idle, ActivityStart) => Next(Receiving),
        (Idle, ActivityResume) => Next(Refusing),
        (Idle, Release) => Next(AwaitCloseResponse),

        (Sending, TransferData | SyncMinorConfirm | Rttp) => Next(Sending),
        (Sending, TransferSent) => Next(AwaitTransferConfirm),
        (Sending, ExceptionReport) => Next(Discarding),

        (AwaitTransferConfirm, SyncMinorConfirm | Rttp) => Next(AwaitTransferConfirm),
        (AwaitTransferConfirm, ActivityEndConfirm) => Next(Idle),
        (AwaitTransferConfirm, ExceptionReport) => Next(Discarding),

        (Discarding, ActivityDiscardConfirm) => Next(Idle),
        (Discarding, Rttp) => Next(Discarding),

        (Receiving, Rttr | SyncMinor | TurnPleaseRequest) => Next(Receiving),
        (Receiving, ActivityEnd) => Next(AwaitTransferResponse),
        (Receiving, TransferRefusal) => Next(Refusing),
        (Receiving, ActivityGivenUp) => Next(Idle),

        (AwaitTransferResponse, TransferResponse) => Next(Idle),
        (AwaitTransferResponse, TransferRefusal) => Next(Refusing),
        (AwaitTransferResponse, TurnPleaseRequest) => Next(AwaitTransferResponse),
        (AwaitTransferResponse, ActivityGivenUp) => Next(Idle),

        (Refusing, ActivityGivenUp) => Next(Idle),
        (Refusing, TurnPleaseRequest) => Next(Refusing),
        (Refusing, Rttr | SyncMinor | ActivityEnd) => Discard,

        (AwaitCloseConfirm, ReleaseConfirm) => Next(Closed),
        (AwaitCloseConfirm, Rttp) => Discard,

        (AwaitCloseResponse, CloseResponse) => Next(Closed),

        _ => Refuse,
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
