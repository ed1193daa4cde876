//! Dates of the log: from seconds since 1970 to year, month, day (proleptic Gregorian, UTC), after Howard Hinnant's
//! `civil_from_days`.

use std::time::Duration;

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
        let (year, month, day) = date(seconds / 86_400);
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
}

/// Day 0 is 1970-01-01. Years are counted from March, so that the leap day is their last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
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
    fn the_time_of_day() {
        let at = Civil::from_unix(Duration::from_millis(20_778 * 86_400_000 + 52_404_123));
        assert_eq!(
            (at.hour, at.minute, at.second, at.millisecond, at.month_name()),
            (14, 33, 24, 123, "Nov")
        );
    }
}
