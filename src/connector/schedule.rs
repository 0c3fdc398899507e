//! When a partner may be called: always, never, at selected times, or only by the partner's own call.
//!
//! Times are UTC, minutes of a day, on days of the week. `Schedule::RemoteInitiated` sends over associations
//! that the partner opened, two-way alternate.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::base::clock::WallTime;

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;
const WEEK_MINUTES: i64 = 7 * DAY_MINUTES;
/// 1970-01-01 was a Thursday; weeks start on Monday here.
const EPOCH_WEEKDAY: i64 = 3;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// When a connector's partner may be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Schedule {
    /// Whenever there is something to send.
    #[default]
    Always,
    /// The connector is out of use: nobody is called, and a caller is told to come again.
    Never,
    /// The partner calls; what waits for it goes out when it gives the turn.
    RemoteInitiated,
    /// At these times.
    Selected(Vec<Period>),
}

/// A stretch of the same hours on some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Bit 0 is Monday.
    days: u8,
    /// First minute of the day.
    from: u16,
    /// The minute after the last, 1440 at most.
    to: u16,
}

impl Schedule {
    /// Whether the partner may be called now.
    pub fn allows_calling(&self, now: WallTime) -> bool {
        match self {
            Schedule::Always => true,
            Schedule::Never | Schedule::RemoteInitiated => false,
            Schedule::Selected(periods) => {
                let minute = minute_of_week(now);
                periods.iter().any(|period| period.holds(minute))
            }
        }
    }

    /// Whether a partner that calls is taken.
    pub fn allows_called(&self) -> bool {
        *self != Schedule::Never
    }

    /// How long until the partner may be called; `None`: not by the passing of time.
    pub fn opens_in(&self, now: WallTime) -> Option<Duration> {
        let Schedule::Selected(periods) = self else {
            return self.allows_calling(now).then_some(Duration::ZERO);
        };
        let minute = minute_of_week(now);
        let ahead = (0..WEEK_MINUTES).find(|ahead| {
            periods.iter().any(|period| period.holds((minute + ahead) % WEEK_MINUTES))
        })?;
        let into_minute = now.0.rem_euclid(MINUTE_MS);
        Some(Duration::from_millis((ahead * MINUTE_MS - into_minute).max(0) as u64))
    }
}

impl Period {
    fn holds(&self, minute_of_week: i64) -> bool {
        let day = minute_of_week / DAY_MINUTES;
        let minute = (minute_of_week % DAY_MINUTES) as u16;
        self.days & (1 << day) != 0 && (self.from..self.to).contains(&minute)
    }
}

fn minute_of_week(now: WallTime) -> i64 {
    (now.0.div_euclid(MINUTE_MS) + EPOCH_WEEKDAY * DAY_MINUTES).rem_euclid(WEEK_MINUTES)
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither days nor hours")]
pub struct ScheduleError(String);

impl FromStr for Schedule {
    type Err = ScheduleError;

    /// `always`, `never`, `remote-initiated`, or periods: `Mon-Fri 08:00-18:00, Sat 10:00-12:30`.
    fn from_str(text: &str) -> Result<Schedule, ScheduleError> {
        match text.trim() {
            "always" => Ok(Schedule::Always),
            "never" => Ok(Schedule::Never),
            "remote-initiated" => Ok(Schedule::RemoteInitiated),
            periods => Ok(Schedule::Selected(
                periods.split(',').map(|period| period.trim().parse()).collect::<Result<_, _>>()?,
            )),
        }
    }
}

impl FromStr for Period {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Period, ScheduleError> {
        let wrong = || ScheduleError(text.to_owned());
        let (days, hours) = match text.split_once(' ') {
            Some((days, hours)) => (days_of(days).ok_or_else(wrong)?, hours.trim()),
            None => (0x7f, text),
        };
        let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (minute_of(from).ok_or_else(wrong)?, minute_of(to).ok_or_else(wrong)?);
        if from >= to {
            return Err(wrong());
        }
        Ok(Period { days, from, to })
    }
}

fn days_of(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let count = (last + 7 - first) % 7 + 1;
    Some((0..count).fold(0, |days, ahead| days | 1 << ((first + ahead) % 7)))
}

fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))).then_some(hour * 60 + minute)
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Always => f.write_str("always"),
            Schedule::Never => f.write_str("never"),
            Schedule::RemoteInitiated => f.write_str("remote-initiated"),
            Schedule::Selected(periods) => {
                for (index, period) in periods.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    write!(f, "{period}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != 0x7f {
            let first = (0..7)
                .find(|day| self.days & 1 << day != 0 && self.days & 1 << ((day + 6) % 7) == 0);
            let first = first.unwrap_or(0);
            let last = first + self.days.count_ones() as usize - 1;
            f.write_str(DAYS[first])?;
            if last > first {
                write!(f, "-{}", DAYS[last % 7])?;
            }
            f.write_str(" ")?;
        }
        let (from, to) = (self.from, self.to);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T00:00:00Z, a Monday.
    const MONDAY_MS: i64 = 1_795_392_000_000;

    fn at(day: i64, hour: i64, minute: i64) -> WallTime {
        WallTime(MONDAY_MS + ((day * 24 + hour) * 60 + minute) * MINUTE_MS)
    }

    #[test]
    fn selected_times_open_and_close_on_the_minute() {
        let schedule: Schedule = "Mon-Fri 08:00-18:00, Sat 10:00-12:30".parse().unwrap();
        for (day, hour, minute, open) in [
            (0, 7, 59, false),
            (0, 8, 0, true),
            (4, 17, 59, true),
            (4, 18, 0, false),
            (5, 12, 29, true),
            (6, 12, 0, false),
            (-1, 11, 0, false),
        ] {
            assert_eq!(
                schedule.allows_calling(at(day, hour, minute)),
                open,
                "{day} {hour}:{minute}"
            );
        }
        assert_eq!(schedule.opens_in(at(6, 8, 0)), Some(Duration::from_secs(24 * 3600)));
        assert_eq!(
            schedule.opens_in(WallTime(at(0, 7, 59).0 + 45_000)),
            Some(Duration::from_secs(15))
        );
        assert_eq!(schedule.opens_in(at(0, 9, 0)), Some(Duration::ZERO));
    }

    #[test]
    fn texts_are_read_and_written_alike() {
        for text in ["always", "never", "remote-initiated", "Mon-Fri 08:00-18:00, Sat 10:00-24:00"]
        {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!(
            "Sat-Mon 00:00-01:00".parse::<Schedule>().unwrap().to_string(),
            "Sat-Mon 00:00-01:00"
        );
        assert_eq!("06:00-07:00".parse::<Schedule>().unwrap().to_string(), "06:00-07:00");
        for text in [
            "",
            "sometimes",
            "Mon",
            "Mon 8-9",
            "Mon 09:00-08:00",
            "Moon 08:00-09:00",
            "08:00-24:01",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }

    #[test]
    fn who_may_call_whom() {
        assert_eq!(Schedule::Never.opens_in(at(0, 0, 0)), None);
        assert!(!Schedule::Never.allows_called() && Schedule::RemoteInitiated.allows_called());
        assert!(!Schedule::RemoteInitiated.allows_calling(at(0, 0, 0)));
    }
}
