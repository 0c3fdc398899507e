//! References for the session connections that we open.

use crate::base::clock::WallTime;
use crate::osi::session::SessionConnectionIdentifier;
use crate::p1::time::utc_time;

/// X.680 universal tags.
const T61_STRING: u8 = 20;
const UTC_TIME: u8 = 23;

/// With its header, a reference has at most 64 octets.
const USER_REFERENCE_SIZE_MAX: usize = 62;

/// References of our name, the time, and two numbers that together no other connection of this time has.
/// T61Strings and a UTCTime, as both modes of RTSE read them.
pub fn session_reference(
    mta_name: &str,
    now: WallTime,
    numbers: (u32, u64),
) -> SessionConnectionIdentifier {
    let unique = format!("/{:x}.{:x}.{:x}", now.0, numbers.0, numbers.1);
    let mut user = mta_name.as_bytes().to_vec();
    user.truncate(USER_REFERENCE_SIZE_MAX.saturating_sub(unique.len()));
    user.extend_from_slice(unique.as_bytes());
    SessionConnectionIdentifier {
        calling_user_reference: encoded(T61_STRING, &user),
        common_reference: encoded(UTC_TIME, &utc_time(now)),
        additional_reference: Vec::new(),
    }
}

/// A short string in BER.
fn encoded(tag: u8, octets: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, octets.len() as u8];
    out.extend_from_slice(octets);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_short_and_like_no_other() {
        let name = "M".repeat(80);
        let first = session_reference(&name, WallTime(1_767_225_600_000), (3, u64::MAX));
        let second = session_reference(&name, WallTime(1_767_225_600_000), (3, 1));
        assert_ne!(first, second);
        assert_eq!(first.calling_user_reference[..3], [T61_STRING, 62, b'M']);
        assert_eq!(first.calling_user_reference.len(), 64);
        assert_eq!(first.common_reference, b"\x17\x0d260101000000Z");
    }
}
