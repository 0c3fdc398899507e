//! The misbehaviour that an endpoint can be asked for: partners that refuse, hang, break and forget.

use std::str::FromStr;

/// How an endpoint fails its partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It refuses every bind: wrong name or password.
    Refuse,
    /// It refuses every bind for now.
    Busy,
    /// It accepts connections and says nothing on them.
    Mute,
    /// It accepts binds and then answers nothing.
    Stall,
    /// It drops each connection behind so many octets that came in on it.
    Cut(u64),
    /// It confirms the end of a transfer that was not the last: another synchronization point.
    WrongConfirmation,
    /// It recovers no association, but resumes transfers.
    NoRecovery,
    /// It knows nothing of what broke off: it resumes no transfer, neither the partner's nor its own.
    Forget,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        if let Some(count) = text.strip_prefix("cut=") {
            return count.parse().map(Fault::Cut).map_err(|error| format!("cut=N: {error}"));
        }
        Ok(match text {
            "refuse" => Fault::Refuse,
            "busy" => Fault::Busy,
            "mute" => Fault::Mute,
            "stall" => Fault::Stall,
            "wrong-confirmation" => Fault::WrongConfirmation,
            "no-recovery" => Fault::NoRecovery,
            "forget" => Fault::Forget,
            _ => {
                return Err(
                    "write refuse, busy, mute, stall, cut=N, wrong-confirmation, no-recovery \
                            or forget"
                        .to_owned(),
                );
            }
        })
    }
}

/// An acknowledgement of an activity end whose synchronization point is not that of any: behind PLEASE
/// TOKENS, MAJOR SYNC ACK of serial number 999,999, as a TPKT of its own.
pub(super) const WRONG_CONFIRMATION: [u8; 19] = [
    3, 0, 0, 19, 2, 0xf0, 0x80, // TPKT, DT
    2, 0, // PLEASE TOKENS
    42, 8, 0x2a, 6, b'9', b'9', b'9', b'9', b'9', b'9',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        assert_eq!("cut=5000".parse(), Ok(Fault::Cut(5000)));
        assert_eq!("wrong-confirmation".parse(), Ok(Fault::WrongConfirmation));
        assert!("cut=x".parse::<Fault>().is_err() && "unkind".parse::<Fault>().is_err());
        assert_eq!(usize::from(WRONG_CONFIRMATION[3]), WRONG_CONFIRMATION.len());
    }
}
