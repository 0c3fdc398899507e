//! The states of a session connection, in one table (X.225 annex on state tables (unverified)).
//!
//! Only what RTSE uses: kernel, half-duplex, exceptions, minor synchronize, activity management. The
//! tokens always move together, so holding them is part of the state ("the turn").

use crate::osi::Step;

named! {
    /// States of a session connection.
    State {
        /// No connection.
        Idle = "idle",
        /// CN sent.
        AwaitAccept = "awaiting accept",
        /// CN received, the user has not answered.
        AwaitConnectResponse = "awaiting connect response",
        /// Connected, no activity, the turn is ours.
        QuietWithTurn = "quiet with turn",
        /// Connected, no activity, the turn is the peer's.
        QuietWithoutTurn = "quiet without turn",
        /// Our activity.
        Sending = "sending",
        /// AE sent.
        AwaitActivityEndAck = "awaiting activity end ack",
        /// AI sent.
        AwaitInterruptAck = "awaiting activity interrupt ack",
        /// AD sent.
        AwaitDiscardAck = "awaiting activity discard ack",
        /// The peer's activity.
        Receiving = "receiving",
        /// AE received, the user has not answered.
        AwaitActivityEndResponse = "awaiting activity end response",
        /// ED sent: the peer has to interrupt or discard its activity.
        Excepted = "awaiting recovery",
        /// GTC sent.
        AwaitTokensAck = "awaiting tokens ack",
        /// FN sent.
        AwaitDisconnect = "awaiting disconnect",
        /// FN received, the user has not answered.
        AwaitReleaseResponse = "awaiting release response",
        /// DN, RF or AB sent: the transport connection is to end.
        AwaitTransportDisconnect = "awaiting transport disconnect",
        /// Over.
        Closed = "closed",
    }
}

named! {
    /// Events of a session connection: local requests, then SPDUs.
    Event {
        /// S-CONNECT request.
        ConnectRequest = "S-CONNECT request",
        /// S-CONNECT accept, the turn is the caller's.
        AcceptRequest = "S-CONNECT response",
        /// S-CONNECT accept, the turn is ours.
        AcceptRequestWithTurn = "S-CONNECT response with turn",
        /// S-CONNECT reject.
        RefuseRequest = "S-CONNECT refusal",
        /// S-ACTIVITY-START request.
        ActivityStartRequest = "S-ACTIVITY-START request",
        /// S-ACTIVITY-RESUME request.
        ActivityResumeRequest = "S-ACTIVITY-RESUME request",
        /// S-DATA and S-SYNC-MINOR requests.
        DataRequest = "S-DATA request",
        /// S-ACTIVITY-END request.
        ActivityEndRequest = "S-ACTIVITY-END request",
        /// S-ACTIVITY-END response.
        ActivityEndResponse = "S-ACTIVITY-END response",
        /// S-ACTIVITY-INTERRUPT request.
        ActivityInterruptRequest = "S-ACTIVITY-INTERRUPT request",
        /// S-ACTIVITY-DISCARD request.
        ActivityDiscardRequest = "S-ACTIVITY-DISCARD request",
        /// S-U-EXCEPTION-REPORT request.
        ExceptionReportRequest = "S-U-EXCEPTION-REPORT request",
        /// S-TOKEN-PLEASE request.
        TokenPleaseRequest = "S-TOKEN-PLEASE request",
        /// S-CONTROL-GIVE request.
        ControlGiveRequest = "S-CONTROL-GIVE request",
        /// S-RELEASE request.
        ReleaseRequest = "S-RELEASE request",
        /// S-RELEASE response.
        ReleaseResponse = "S-RELEASE response",
        /// S-U-ABORT request, or an abort by this provider.
        AbortRequest = "S-ABORT request",
        /// CONNECT.
        Cn = "CONNECT",
        /// ACCEPT, the turn is ours.
        Ac = "ACCEPT",
        /// ACCEPT, the turn is the peer's.
        AcWithoutTurn = "ACCEPT without turn",
        /// REFUSE.
        Rf = "REFUSE",
        /// ACTIVITY START.
        As = "ACTIVITY START",
        /// ACTIVITY RESUME.
        Ar = "ACTIVITY RESUME",
        /// DATA TRANSFER.
        Dt = "DATA TRANSFER",
        /// MINOR SYNC POINT.
        Mip = "MINOR SYNC POINT",
        /// MINOR SYNC ACK.
        Mia = "MINOR SYNC ACK",
        /// ACTIVITY END.
        Ae = "ACTIVITY END",
        /// ACTIVITY END ACK.
        Aea = "ACTIVITY END ACK",
        /// EXCEPTION DATA, the peer's report.
        Ed = "EXCEPTION DATA",
        /// EXCEPTION REPORT, the peer provider's report.
        Er = "EXCEPTION REPORT",
        /// ACTIVITY INTERRUPT.
        Ai = "ACTIVITY INTERRUPT",
        /// ACTIVITY INTERRUPT ACK.
        Aia = "ACTIVITY INTERRUPT ACK",
        /// ACTIVITY DISCARD.
        Ad = "ACTIVITY DISCARD",
        /// ACTIVITY DISCARD ACK.
        Ada = "ACTIVITY DISCARD ACK",
        /// PLEASE TOKENS with parameters, or alone.
        Pt = "PLEASE TOKENS",
        /// GIVE TOKENS with parameters, or alone.
        Gt = "GIVE TOKENS",
        /// GIVE TOKENS CONFIRM.
        Gtc = "GIVE TOKENS CONFIRM",
        /// GIVE TOKENS ACK.
        Gta = "GIVE TOKENS ACK",
        /// FINISH.
        Fn = "FINISH",
        /// DISCONNECT.
        Dn = "DISCONNECT",
        /// NOT FINISHED.
        Nf = "NOT FINISHED",
        /// ABORT.
        Ab = "ABORT",
        /// ABORT ACCEPT.
        Aa = "ABORT ACCEPT",
        /// An SPDU of a functional unit that was not selected.
        Unselected = "SPDU of an unselected functional unit",
        /// The transport connection is gone.
        TransportDisconnect = "T-DISCONNECT indication",
    }
}

/// The table.
pub fn step(state: State, event: Event) -> Step<State> {
    use Event::*;
    use State::*;
    use Step::{Discard, Next, Refuse};
    match (state, event) {
        (_, TransportDisconnect) => Next(Closed),
        (Closed, AbortRequest) => Refuse,
        (Idle, AbortRequest) => Next(Closed),
        (_, AbortRequest) => Next(AwaitTransportDisconnect),

        (Idle, ConnectRequest) => Next(AwaitAccept),
        (Idle, Cn) => Next(AwaitConnectResponse),

        (AwaitTransportDisconnect, Aa) => Next(Closed),
        (AwaitTransportDisconnect | Closed, spdu) if spdu.is_spdu() => Discard,
        (Idle | Closed, _) => Refuse,
        (_, Ab) => Next(Closed),

        (AwaitAccept, Ac) => Next(QuietWithTurn),
        (AwaitAccept, AcWithoutTurn) => Next(QuietWithoutTurn),
        (AwaitAccept, Rf) => Next(Closed),

        (AwaitConnectResponse, AcceptRequest) => Next(QuietWithoutTurn),
        (AwaitConnectResponse, AcceptRequestWithTurn) => Next(QuietWithTurn),
        (AwaitConnectResponse, RefuseRequest) => Next(AwaitTransportDisconnect),

        (QuietWithTurn, ActivityStartRequest | ActivityResumeRequest) => Next(Sending),
        (QuietWithTurn, ControlGiveRequest) => Next(AwaitTokensAck),
        (QuietWithTurn, ReleaseRequest) => Next(AwaitDisconnect),
        (QuietWithTurn, Pt) => Next(QuietWithTurn),

        (QuietWithoutTurn, As | Ar) => Next(Receiving),
        (QuietWithoutTurn, Gtc) => Next(QuietWithTurn),
        (QuietWithoutTurn, Fn) => Next(AwaitReleaseResponse),
        (QuietWithoutTurn, TokenPleaseRequest) => Next(QuietWithoutTurn),

        (Sending, DataRequest | Mia | Pt | Ed | Er) => Next(Sending),
        (Sending, ActivityEndRequest) => Next(AwaitActivityEndAck),
        (Sending, ActivityInterruptRequest) => Next(AwaitInterruptAck),
        (Sending, ActivityDiscardRequest) => Next(AwaitDiscardAck),

        (AwaitActivityEndAck, Mia | Pt | Ed | Er) => Next(AwaitActivityEndAck),
        (AwaitActivityEndAck, Aea) => Next(QuietWithTurn),
        (AwaitActivityEndAck, ActivityInterruptRequest) => Next(AwaitInterruptAck),
        (AwaitActivityEndAck, ActivityDiscardRequest) => Next(AwaitDiscardAck),

        (AwaitInterruptAck, Aia) => Next(QuietWithTurn),
        (AwaitInterruptAck, Pt) => Next(AwaitInterruptAck),
        (AwaitInterruptAck, Mia | Aea | Ed | Er) => Discard,

        (AwaitDiscardAck, Ada) => Next(QuietWithTurn),
        (AwaitDiscardAck, Pt) => Next(AwaitDiscardAck),
        (AwaitDiscardAck, Mia | Aea | Ed | Er) => Discard,

        (Receiving, Dt | Mip | TokenPleaseRequest) => Next(Receiving),
        (Receiving, Ae) => Next(AwaitActivityEndResponse),
        (Receiving, Ai | Ad) => Next(QuietWithoutTurn),
        (Receiving, ExceptionReportRequest) => Next(Excepted),

        (AwaitActivityEndResponse, TokenPleaseRequest) => Next(AwaitActivityEndResponse),
        (AwaitActivityEndResponse, ActivityEndResponse) => Next(QuietWithoutTurn),
        (AwaitActivityEndResponse, Ai | Ad) => Next(QuietWithoutTurn),
        (AwaitActivityEndResponse, ExceptionReportRequest) => Next(Excepted),

        (Excepted, Ai | Ad) => Next(QuietWithoutTurn),
        (Excepted, TokenPleaseRequest) => Next(Excepted),
        (Excepted, Dt | Mip | Ae) => Discard,

        (AwaitTokensAck, Gta) => Next(QuietWithoutTurn),
        (AwaitTokensAck, Pt) => Discard,

        (AwaitDisconnect, Dn) => Next(Closed),
        (AwaitDisconnect, Pt) => Discard,

        (AwaitReleaseResponse, ReleaseResponse) => Next(AwaitTransportDisconnect),

        _ => Refuse,
    }
}

impl Event {
    /// Whether it is something received, not a local request.
    const fn is_spdu(self) -> bool {
        self as u8 >= Event::Cn as u8
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
