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
        /// We break our transfer off, to resume it.
        Interrupting = "interrupting",
        /// We give our transfer up.
        Discarding = "discarding",
        /// The peer's transfer is under way.
        Receiving = "receiving",
        /// The peer wants to resume a transfer, the user has not answered.
        AwaitResumeResponse = "awaiting resume response",
        /// The peer repeats a transfer that was completed: nothing of it is handed out.
        Repeating = "receiving what was completed",
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
        /// The user goes on with a transfer that was broken off.
        ResumeRequest = "transfer resumption",
        /// The user breaks its transfer off.
        InterruptRequest = "transfer interrupt",
        /// The user gives its transfer up.
        DiscardRequest = "transfer discard",
        /// Octets of the transfer.
        TransferData = "RT-TRANSFER data",
        /// The last octets went out.
        TransferSent = "activity end",
        /// RT-TRANSFER response.
        TransferResponse = "RT-TRANSFER response",
        /// The user goes on taking a transfer that was broken off.
        ResumeAccepted = "resume accepted",
        /// The user has that transfer already.
        ResumeCompleted = "resume of a completed transfer",
        /// The user knows no such transfer.
        ResumeRefusal = "resume refused",
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
        /// P-ACTIVITY-RESUME indication.
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
        /// P-U- or P-P-EXCEPTION-REPORT indication, the transfer may be resumed.
        ExceptionReport = "exception report",
        /// P-U- or P-P-EXCEPTION-REPORT indication, the transfer is void.
        SevereExceptionReport = "severe exception report",
        /// P-ACTIVITY-INTERRUPT indication.
        ActivityInterrupt = "activity interrupt",
        /// P-ACTIVITY-INTERRUPT confirm.
        ActivityInterruptConfirm = "activity interrupt confirm",
        /// P-ACTIVITY-DISCARD indication.
        ActivityDiscard = "activity discard",
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

        (Idle, TransferRequest | ResumeRequest) => Next(Sending),
        (Idle, TurnPleaseRequest | TurnGiveRequest | Rttp | TurnGiven) => Next(Idle),
        (Idle, CloseRequest) => Next(AwaitCloseConfirm),
        (Idle, ActivityStart) => Next(Receiving),
        (Idle, ActivityResume) => Next(AwaitResumeResponse),
        (Idle, Release) => Next(AwaitCloseResponse),

        (Sending, TransferData | SyncMinorConfirm | Rttp) => Next(Sending),
        (Sending, TransferSent) => Next(AwaitTransferConfirm),
        // Behind the activity end its acknowledgement could cross them.
        (Sending, InterruptRequest) => Next(Interrupting),
        (Sending, DiscardRequest) => Next(Discarding),
        (Sending | AwaitTransferConfirm, ExceptionReport) => Next(Interrupting),
        (Sending | AwaitTransferConfirm, SevereExceptionReport) => Next(Discarding),

        (AwaitTransferConfirm, SyncMinorConfirm | Rttp) => Next(AwaitTransferConfirm),
        (AwaitTransferConfirm, ActivityEndConfirm) => Next(Idle),

        (Interrupting, ActivityInterruptConfirm) => Next(Idle),
        (Interrupting, Rttp) => Next(Interrupting),

        (Discarding, ActivityDiscardConfirm) => Next(Idle),
        (Discarding, Rttp) => Next(Discarding),

        (Receiving, Rttr | SyncMinor | TurnPleaseRequest) => Next(Receiving),
        (Receiving, ActivityEnd) => Next(AwaitTransferResponse),
        (Receiving, TransferRefusal) => Next(Refusing),
        (Receiving, ActivityInterrupt | ActivityDiscard) => Next(Idle),

        (AwaitResumeResponse, ResumeAccepted) => Next(Receiving),
        (AwaitResumeResponse, ResumeCompleted) => Next(Repeating),
        (AwaitResumeResponse, ResumeRefusal) => Next(Refusing),

        (Repeating, Rttr | SyncMinor | TurnPleaseRequest) => Next(Repeating),
        (Repeating, ActivityEnd | ActivityInterrupt) => Next(Idle),

        (AwaitTransferResponse, TransferResponse) => Next(Idle),
        (AwaitTransferResponse, TransferRefusal) => Next(Refusing),
        (AwaitTransferResponse, TurnPleaseRequest) => Next(AwaitTransferResponse),
        (AwaitTransferResponse, ActivityInterrupt | ActivityDiscard) => Next(Idle),

        (Refusing, ActivityInterrupt | ActivityDiscard) => Next(Idle),
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
