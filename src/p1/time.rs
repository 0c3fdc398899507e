//! UTCTime, the only time that P1 knows (X.411 `Time`): `YYMMDDhhmm[ss]` and `Z` or an offset.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use smallvec::SmallVec;

use crate::base::clock::WallTime;

/// The octets of a UTCTime to the second: `YYMMDDhhmmssZ`.
pub type UtcTime = [u8; 13];

/// Which of UTCTime's forms is written; they state the same time, but not every reader takes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeFormat {
    /// `YYMMDDhhmmssZ`.
    #[default]
    Seconds,
    /// `YYMMDDhhmmZ`.
    Minutes,
    /// `YYMMDDhhmmss+0000`.
    Offset,
}

impl TimeFormat {
    /// The octets of `time` in this form.
    pub fn utc_time(self, time: WallTime) -> SmallVec<[u8; 17]> {
        let seconds = utc_time(time);
        let mut octets = SmallVec::new();
        match self {
            TimeFormat::Seconds => octets.extend_from_slice(&seconds),
            TimeFormat::Minutes => {
                octets.extend_from_slice(&seconds[..10]);
                octets.push(b'Z');
            }
            TimeFormat::Offset => {
                octets.extend_from_slice(&seconds[..12]);
                octets.extend_from_slice(b"+0000");
            }
        }
        octets
    }
}

/// Two-digit years from here on are of the twentieth century (X.411 is of 1984; nothing is older).
const PIVOT_YEAR: i16 = 70;

/// `time` as UTCTime; milliseconds are cut off. Times that have no UTCTime become the nearest that has.
pub fn utc_time(time: WallTime) -> UtcTime {
    let timestamp = Timestamp::from_millisecond(time.0.clamp(EARLIEST_MS, LATEST_MS))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let civil = Offset::UTC.to_datetime(timestamp);
    let mut octets = *b"000000000000Z";
    let year = civil.year().rem_euclid(100) as u8;
    let fields = [
        year,
        civil.month() as u8,
        civil.day() as u8,
        civil.hour() as u8,
        civil.minute() as u8,
        civil.second() as u8,
    ];
    for (pair, field) in octets.chunks_exact_mut(2).zip(fields) {
        pair[0] = b'0' + field / 10;
        pair[1] = b'0' + field % 10;
    }
    octets
}

/// 1970-01-01T00:00:00Z and 2069-12-31T23:59:59Z, in milliseconds.
const EARLIEST_MS: i64 = 0;
const LATEST_MS: i64 = 3_155_759_999_000;

/// The time that UTCTime octets state, or `None` when they state none.
pub fn wall_time(octets: &[u8]) -> Option<WallTime> {
    let pair = |at: usize| match octets.get(at..at + 2)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(((tens - b'0') * 10 + (ones - b'0')) as i8)
        }
        _ => None,
    };
    let year = i16::from(pair(0)?);
    let year = year + if year >= PIVOT_YEAR { 1900 } else { 2000 };
    let seconds = pair(10);
    let zone_at = if seconds.is_some() { 12 } else { 10 };
    let civil = DateTime::new(
        year,
        pair(2)?,
        pair(4)?,
        pair(6)?,
        pair(8)?,
        // A leap second has no civil time here; it is the second before.
        seconds.unwrap_or(0).min(59),
        0,
    )
    .ok()?;
    let zone = octets.get(zone_at..)?;
    let offset_minutes = match zone {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), _, _, _, _] => {
            let minutes = i32::from(pair(zone_at + 1)?) * 60 + i32::from(pair(zone_at + 3)?);
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    let timestamp = Offset::UTC.to_timestamp(civil).ok()?;
    Some(WallTime(timestamp.as_millisecond() - i64::from(offset_minutes) * 60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_utc_time() {
        for (milliseconds, octets) in [
            (0, b"700101000000Z"),
            (1_795_477_237_999, b"261123234037Z"),
            (951_782_400_000, b"000229000000Z"),
            (LATEST_MS, b"691231235959Z"),
        ] {
            assert_eq!(&utc_time(WallTime(milliseconds)), octets);
            assert_eq!(wall_time(octets), Some(WallTime(milliseconds / 1000 * 1000)));
        }
        assert_eq!(&utc_time(WallTime(i64::MIN)), b"700101000000Z");
        assert_eq!(&utc_time(WallTime(i64::MAX)), b"691231235959Z");
    }

    #[test]
    fn reads_offsets_and_missing_seconds() {
        let expected = wall_time(b"261123234000Z");
        assert_eq!(wall_time(b"2611232340Z"), expected);
        assert_eq!(wall_time(b"261124004000+0100"), expected);
        assert_eq!(wall_time(b"2611231810-0530"), expected);
        for wrong in [
            &b""[..],
            b"26112323",
            b"261123234000",
            b"261323234000Z",
            b"261123234000+01",
            b"2611232340xZ",
        ] {
            assert_eq!(wall_time(wrong), None);
        }
    }
}
