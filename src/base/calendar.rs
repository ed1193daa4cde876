//! The calendar: from time since 1970 to year, month, day and back (proleptic Gregorian, UTC), after Howard Hinnant's
//! `civil_from_days` and `days_from_civil`.

use std::io::{self, Write};
use std::time::Duration;

const DAY: u64 = 86_400;

/// Days before 1970-01-01 in the calendar that counts from 0000-03-01.
const EPOCH: u64 = 719_468;

/// A moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: u64,
    pub month: u64,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
    pub millisecond: u32,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Civil {
    /// From the time since 1970-01-01 00:00:00 UTC.
    pub fn from_unix(time: Duration) -> Civil {
        let seconds = time.as_secs();
        let (year, month, day) = date(day(time));
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        Civil { year, month, day, hour, minute, second, millisecond: time.subsec_millis() }
    }

    /// `Nov`, as logs write it.
    pub fn month_name(self) -> &'static str {
        usize::try_from(self.month)
            .ok()
            .and_then(|month| MONTHS.get(month.wrapping_sub(1)))
            .copied()
            .unwrap_or("???")
    }

    /// RFC 3339 with milliseconds: `2026-11-21T23:56:23.250Z`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_rfc3339(self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{:04}-{:02}-{:02}T", self.year, self.month, self.day)?;
        write!(out, "{:02}:{:02}:{:02}.{:03}Z", self.hour, self.minute, self.second, self.millisecond)
    }

    /// As HAProxy's logs begin a date: `21/Nov/2026:23:56:23`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_haproxy(self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{:02}/{}/{:04}:", self.day, self.month_name(), self.year)?;
        write!(out, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

/// Number of the UTC day; 1970-01-01 is 0.
pub fn day(time: Duration) -> u64 {
    time.as_secs() / DAY
}

/// Number of the month that a day is in; January 1970 is 0.
pub fn month(day: u64) -> u64 {
    let (year, month, _) = date(day);
    (year - 1970) * 12 + month - 1
}

/// The first day of a month, both by their numbers.
pub fn first_day(month: u64) -> u64 {
    // As in `date`: years from March, of which January and February are the last months.
    let (year, month) = (1970 + month / 12, month % 12 + 1);
    let (year, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year.saturating_mul(365).saturating_add(leap_days + (153 * shifted + 2) / 5).saturating_sub(EPOCH)
}

/// When a day begins.
pub fn start_of_day(day: u64) -> Duration {
    Duration::from_secs(day.saturating_mul(DAY))
}

/// Day 0 is 1970-01-01. Years are counted from March, so that the leap day is their last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(EPOCH);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_778), (2026, 11, 21));
        assert_eq!(date(47_540), (2100, 2, 28));
        assert_eq!(date(47_541), (2100, 3, 1));
    }

    #[test]
    fn every_day_of_five_centuries_follows_the_one_before() {
        let leap = |y: u64| (y.is_multiple_of(4) && !y.is_multiple_of(100)) || y.is_multiple_of(400);
        let mut expected = (1970, 1, 1);
        for day in 0..182_500 {
            assert_eq!(date(day), expected);
            let (y, m, d) = expected;
            let length =
                [31, if leap(y) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][m as usize - 1];
            expected = match (d == length, m == 12) {
                (false, _) => (y, m, d + 1),
                (true, false) => (y, m + 1, 1),
                (true, true) => (y + 1, 1, 1),
            };
        }
    }

    #[test]
    fn months_follow_each_other_without_a_gap() {
        assert_eq!((month(0), first_day(0)), (0, 0));
        for number in 1..6000 {
            let first = first_day(number);
            assert_eq!((month(first - 1), month(first), date(first).2), (number - 1, number, 1));
        }
    }

    #[test]
    fn no_time_is_too_late() {
        let last = Duration::MAX;
        assert!(first_day(month(day(last))) <= day(last));
        assert!(first_day(u64::MAX) > 0);
        assert_eq!(start_of_day(u64::MAX), Duration::from_secs(u64::MAX));
    }

    #[test]
    fn the_time_of_day() {
        let at = Civil::from_unix(Duration::from_millis(20_778 * 86_400_000 + 52_404_123));
        assert_eq!(
            (at.hour, at.minute, at.second, at.millisecond, at.month_name()),
            (14, 33, 24, 123, "Nov")
        );
    }
}
