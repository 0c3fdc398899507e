//! The states of an association, in one table (X.227 annex on state tables (unverified)).

use crate::osi::Step;

named! {
    /// States of an association.
    State {
        /// None.
        Unassociated = "unassociated",
        /// AARQ sent.
        AwaitAssociateConfirm = "awaiting associate confirm",
        /// AARQ received, the user has not answered.
        AwaitAssociateResponse = "awaiting associate response",
        /// It stands.
        Associated = "associated",
        /// RLRQ sent.
        AwaitReleaseConfirm = "awaiting release confirm",
        /// RLRQ received, the user has not answered.
        AwaitReleaseResponse = "awaiting release response",
        /// Over.
        Closed = "association closed",
    }
}

named! {
    /// Events of an association: local requests, then APDUs.
    Event {
        /// A-ASSOCIATE request.
        AssociateRequest = "A-ASSOCIATE request",
        /// A-ASSOCIATE accept.
        AcceptRequest = "A-ASSOCIATE response",
        /// A-ASSOCIATE reject.
        RejectRequest = "A-ASSOCIATE rejection",
        /// A-RELEASE request.
        ReleaseRequest = "A-RELEASE request",
        /// A-RELEASE response.
        ReleaseResponse = "A-RELEASE response",
        /// A-ABORT request, or an abort by this provider.
        AbortRequest = "A-ABORT request",
        /// A-ASSOCIATE-REQUEST.
        Aarq = "AARQ",
        /// A-ASSOCIATE-RESPONSE, accepted.
        Aare = "AARE accepted",
        /// A-ASSOCIATE-RESPONSE, rejected.
        AareRejected = "AARE rejected",
        /// A-RELEASE-REQUEST.
        Rlrq = "RLRQ",
        /// A-RELEASE-RESPONSE.
        Rlre = "RLRE",
        /// A-ABORT, or an abort from below.
        Abrt = "ABRT",
    }
}

/// The table.
pub fn step(state: State, event: Event) -> Step<State> {
    use Event::*;
    use State::*;
    use Step::{Discard, Next, Refuse};
    match (state, event) {
        (_, AbortRequest) => Next(Closed),
        (Closed, Aarq | Aare | AareRejected | Rlrq | Rlre | Abrt) => Discard,
        (Closed, _) => Refuse,
        (Unassociated, AssociateRequest) => Next(AwaitAssociateConfirm),
        (Unassociated, Aarq) => Next(AwaitAssociateResponse),
        (Unassociated, _) => Refuse,
        (_, Abrt) => Next(Closed),
        (AwaitAssociateConfirm, Aare) => Next(Associated),
        (AwaitAssociateConfirm, AareRejected) => Next(Closed),
        (AwaitAssociateResponse, AcceptRequest) => Next(Associated),
        (AwaitAssociateResponse, RejectRequest) => Next(Closed),
        (Associated, ReleaseRequest) => Next(AwaitReleaseConfirm),
        (Associated, Rlrq) => Next(AwaitReleaseResponse),
        (AwaitReleaseConfirm, Rlre) => Next(Closed),
        (AwaitReleaseResponse, ReleaseResponse) => Next(Closed),
        (
            AwaitAssociateConfirm
            | AwaitAssociateResponse
            | Associated
            | AwaitReleaseConfirm
            | AwaitReleaseResponse,
            _,
        ) => Refuse,
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
