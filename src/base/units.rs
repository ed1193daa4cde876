//! Quantities as an operator writes them: `50s`, `100k`, `20%`. Units are part of the text, never assumed.

use std::time::Duration;

use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum UnitError {
    #[error("a duration carries a unit, like 500ms, 50s, 10m, 1h or 1d")]
    Duration,
    #[error("a number like 500, 100k, 32m or 1g (k = 1000)")]
    Count,
    #[error("a share like 20%, from 0% to 100%")]
    Share,
    #[error("too large")]
    TooLarge,
}

/// `500ms`, `50s`, `10m`, `1h`, `7d`; a plain `0` is zero. Decimals are allowed (`1.5s`), resolution is one millisecond.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (number, unit) = split(text);
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(UnitError::Duration),
    };
    scale(number, ms, UnitError::Duration).map(Duration::from_millis)
}

/// `500`, `100k`, `32m`, `1g`: k = 1000, m = 1000k, g = 1000m. Used for sizes in bytes and for counts.
pub fn parse_count(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text);
    let factor = match unit {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        _ => return Err(UnitError::Count),
    };
    scale(number, factor, UnitError::Count)
}

/// `20%` as 0.2.
pub fn parse_share(text: &str) -> Result<f64, UnitError> {
    let number = text.strip_suffix('%').ok_or(UnitError::Share)?;
    match number.parse::<f64>() {
        Ok(n) if (0.0..=100.0).contains(&n) && plain(number) => Ok(n / 100.0),
        _ => Err(UnitError::Share),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

fn plain(number: &str) -> bool {
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// `number * factor` without a detour over floating point, so that `0.1s` is exactly 100 ms.
fn scale(number: &str, factor: u64, wrong: UnitError) -> Result<u64, UnitError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return Err(wrong);
    }
    let digits = |s: &str| s.parse::<u64>().map_err(|_| UnitError::TooLarge);
    let base = digits(whole)?.checked_mul(factor).ok_or(UnitError::TooLarge)?;
    if fraction.is_empty() {
        return Ok(base);
    }
    let divisor = u32::try_from(fraction.len()).ok().and_then(|n| 10u64.checked_pow(n)).ok_or(wrong)?;
    let rest = digits(fraction)?.checked_mul(factor).ok_or(UnitError::TooLarge)? / divisor;
    base.checked_add(rest).ok_or(UnitError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        for bad in ["50", "", "s", "-1s", "1 s", "1.s", ".5s", "1.2.3s", "5sec", "1e3s"] {
            assert_eq!(parse_duration(bad), Err(UnitError::Duration), "{bad}");
        }
        assert_eq!(parse_duration("99999999999999999999s"), Err(UnitError::TooLarge));
        assert_eq!(parse_duration("9999999999999999999d"), Err(UnitError::TooLarge));
    }

    #[test]
    fn k_is_a_thousand() {
        assert_eq!(parse_count("100k"), Ok(100_000));
        assert_eq!(parse_count("32m"), Ok(32_000_000));
        assert_eq!(parse_count("1.5k"), Ok(1500));
        assert_eq!(parse_count("7"), Ok(7));
        for bad in ["", "k", "1K", "1 k", "-1", "1kb"] {
            assert_eq!(parse_count(bad), Err(UnitError::Count), "{bad}");
        }
    }

    #[test]
    fn shares_are_percent() {
        assert_eq!(parse_share("20%"), Ok(0.2));
        assert_eq!(parse_share("100%"), Ok(1.0));
        for bad in ["20", "101%", "-1%", "%", "NaN%", "+5%"] {
            assert_eq!(parse_share(bad), Err(UnitError::Share), "{bad}");
        }
    }
}
