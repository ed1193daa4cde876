//! From when to when: `30d`, `2026-11-01`, `2026-11-01T14:30`, all in UTC. The ledger's sums are by the hour, so that a
//! range begins and ends with one.

use std::time::Duration;

use thiserror::Error;

use crate::base::calendar::{self, Civil};
use crate::base::units;

const HOUR: u64 = 3600;

/// Before any call.
const FIRST_YEAR: u64 = 1970;
/// What SQLite and a person can still print.
const LAST_YEAR: u64 = 9999;

/// Unix seconds, whole hours; the end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub since: u64,
    pub until: u64,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum Wrong {
    #[error(
        "`{0}` is no time: write how long ago (30d, 6h, 90m), a day (2026-11-01), a month (2026-11) or a time \
         (2026-11-01T14:30), in UTC"
    )]
    Moment(String),
    #[error("the range is empty: it would begin at {0} and end at {1}")]
    Empty(String, String),
}

impl Range {
    /// `since` is rounded down and `until` up to a whole hour. Without `until` up to now, the hour that runs included.
    ///
    /// # Errors
    /// A text that says no time, or an end that is not after the beginning.
    pub fn parse(since: &str, until: Option<&str>, now: Duration) -> Result<Range, Wrong> {
        let since = moment(since, now)? / HOUR * HOUR;
        let until = until.map_or(Ok(now.as_secs() + 1), |text| moment(text, now))?.div_ceil(HOUR) * HOUR;
        if since >= until {
            return Err(Wrong::Empty(text(since), text(until)));
        }
        Ok(Range { since, until })
    }
}

/// `2026-11-21T14:00Z`, as the ledger writes hours.
pub fn text(seconds: u64) -> String {
    let at = Civil::from_unix(Duration::from_secs(seconds));
    format!("{:04}-{:02}-{:02}T{:02}:{:02}Z", at.year, at.month, at.day, at.hour, at.minute)
}

fn moment(text: &str, now: Duration) -> Result<u64, Wrong> {
    let wrong = || Wrong::Moment(text.chars().take(60).collect());
    match units::parse_duration(text) {
        Ok(ago) => Ok(now.saturating_sub(ago).as_secs()),
        Err(units::UnitError::TooLarge) => Ok(0),
        Err(_) => date_and_time(text).ok_or_else(wrong),
    }
}

fn date_and_time(text: &str) -> Option<u64> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (date, time) =
        text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4).filter(|year| (FIRST_YEAR..=LAST_YEAR).contains(year))?;
    let month = digits(parts.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let day = parts.next().map(|day| digits(day, 2)).map_or(Some(None), |day| day.map(Some))?;
    if parts.next().is_some() || (day.is_none() && time.is_some()) {
        return None;
    }
    let month = (year - FIRST_YEAR) * 12 + month - 1;
    let first = calendar::first_day(month);
    let day = day.unwrap_or(1).checked_sub(1)? + first;
    if day >= calendar::first_day(month + 1) {
        return None;
    }
    Some(calendar::start_of_day(day).as_secs() + time.map_or(Some(0), time_of_day)?)
}

fn time_of_day(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = parts.next().map_or(Some(0), |second| digits(second, 2)).filter(|second| *second < 60)?;
    parts.next().is_none().then_some(hour * HOUR + minute * 60 + second)
}

fn digits(text: &str, count: usize) -> Option<u64> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T14:33:24Z.
    const NOW: Duration = Duration::from_secs(20_778 * 86_400 + 52_404);

    fn range(since: &str, until: Option<&str>) -> Result<(String, String), String> {
        let range = Range::parse(since, until, NOW).map_err(|wrong| wrong.to_string())?;
        Ok((text(range.since), text(range.until)))
    }

    #[test]
    fn a_range_is_whole_hours() {
        for (since, until, from, to) in [
            ("30d", None, "2026-10-22T14:00Z", "2026-11-21T15:00Z"),
            ("6h", None, "2026-11-21T08:00Z", "2026-11-21T15:00Z"),
            ("2d", Some("1d"), "2026-11-19T14:00Z", "2026-11-20T15:00Z"),
            ("2026-11-01", None, "2026-11-01T00:00Z", "2026-11-21T15:00Z"),
            ("2026-11-01", Some("2026-11-02"), "2026-11-01T00:00Z", "2026-11-02T00:00Z"),
            ("2026-10", Some("2026-11"), "2026-10-01T00:00Z", "2026-11-01T00:00Z"),
            ("2026-11-01T14:30", Some("2026-11-01 16:00:01Z"), "2026-11-01T14:00Z", "2026-11-01T17:00Z"),
            ("2024-02-29", Some("2024-03"), "2024-02-29T00:00Z", "2024-03-01T00:00Z"),
            ("0", None, "2026-11-21T14:00Z", "2026-11-21T15:00Z"),
            ("99999999999d", None, "1970-01-01T00:00Z", "2026-11-21T15:00Z"),
        ] {
            assert_eq!(range(since, until), Ok((from.to_owned(), to.to_owned())), "{since} {until:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_with_what_would_be() {
        for bad in [
            "",
            "yesterday",
            "30",
            "2026",
            "2026-13",
            "2026-00",
            "2026-02-29",
            "2026-11-31",
            "2026-11-00",
            "26-11-01",
            "2026-11-1",
            "2026-11-01T25:00",
            "2026-11-01T14",
            "2026-11-01T14:60",
            "2026-11T14:00",
            "1969-12-31",
            "2026-11-01-01",
            "2026-11-01T14:00+01:00",
            "-1d",
            "20261101",
        ] {
            let wrong = range(bad, None).unwrap_err();
            assert!(wrong.starts_with(&format!("`{bad}` is no time: write how long ago (30d")), "{wrong}");
        }
        assert_eq!(
            range("2026-11-05", Some("2026-11-05")).unwrap_err(),
            "the range is empty: it would begin at 2026-11-05T00:00Z and end at 2026-11-05T00:00Z"
        );
        assert!(range("2027-01", None).is_err());
    }
}
