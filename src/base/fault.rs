//! Whose fault an error is: the one question every layer's error enum answers.

/// The class of an error. Each layer maps its errors to one of these, and each class to a wire reason,
/// in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The peer sent what the protocol forbids here.
    PeerViolated,
    /// The peer asked for something lawful that we do not offer.
    PeerUnsupported,
    /// A bound of ours (`base::limits`) or of our configuration was reached.
    LocalLimit,
    /// The peer, or the provider below it, ended it.
    AbortedBy,
}

impl Fault {
    /// The label used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Fault::PeerViolated => "peer_violated",
            Fault::PeerUnsupported => "peer_unsupported",
            Fault::LocalLimit => "local_limit",
            Fault::AbortedBy => "aborted_by",
        }
    }
}
