//! How long a provider wants to be left alone, from the header of its answer.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// Limits that a provider counts apart, as in `x-ratelimit-remaining-requests`.
const KINDS: [&str; 2] = ["requests", "tokens"];

/// What `retry-after-ms` or `Retry-After` asks for (RFC 9110 10.2.3; a date counts from `unix_time`, since 1970).
pub fn retry_after(headers: &HeaderMap, unix_time: Duration) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(number) {
        return seconds(milliseconds / 1000.0);
    }
    let asked = text("retry-after")?;
    match number(asked) {
        Some(number) => seconds(number),
        None => {
            let until = httpdate::parse_http_date(asked).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            Some(until.saturating_sub(unix_time))
        }
    }
}

/// How long after a 429: what it asks for, else until the limits that are used up begin anew. `None`: it does not say.
pub fn after_429(headers: &HeaderMap, unix_time: Duration) -> Option<Duration> {
    retry_after(headers, unix_time).or_else(|| exhausted(headers)).or_else(|| {
        // Which of the limits it was, it does not say: the shortest is where to look again.
        KINDS.iter().filter_map(|kind| reset(headers, kind)).min()
    })
}

/// How long until a limit that this answer has used up begins anew; `None`: there is something left.
pub fn exhausted(headers: &HeaderMap) -> Option<Duration> {
    let empty = |kind: &&&str| {
        let left = headers.get(format!("x-ratelimit-remaining-{kind}"));
        left.is_some_and(|left| left.as_bytes().trim_ascii() == b"0")
    };
    KINDS.iter().filter(empty).filter_map(|kind| reset(headers, kind)).max()
}

fn reset(headers: &HeaderMap, kind: &str) -> Option<Duration> {
    go_duration(headers.get(format!("x-ratelimit-reset-{kind}"))?.to_str().ok()?.trim())
}

/// `6m0s`, `1.5s`, `12ms`, as Go prints durations; a bare number is seconds.
fn go_duration(text: &str) -> Option<Duration> {
    if let Some(number) = number(text) {
        return seconds(number);
    }
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value = number(&rest[..digits])?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        sum += value
            * match &rest[digits..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    if text.is_empty() { None } else { seconds(sum) }
}

fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse::<f64>().ok().filter(|number| plain && number.is_finite())
}

fn seconds(number: f64) -> Option<Duration> {
    // What is too large for a duration is very long all the same.
    Some(Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)).filter(|_| number >= 0.0)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    fn after(fields: &[(&'static str, &'static str)]) -> Option<u128> {
        after_429(&headers(fields), Duration::from_secs(784_111_777)).map(|wait| wait.as_millis())
    }

    #[test]
    fn retry_after_comes_in_three_spellings() {
        assert_eq!(after(&[("retry-after", "20")]), Some(20_000));
        assert_eq!(after(&[("retry-after", "20"), ("retry-after-ms", "1500")]), Some(1500));
        assert_eq!(after(&[("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT")]), Some(2000));
        assert_eq!(after(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(0));
        assert_eq!(after(&[("retry-after", "soon")]), None);
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn without_it_the_limit_that_is_used_up_tells() {
        let both = [("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-reset-tokens", "1.5s")];
        assert_eq!(after(&both), Some(1500));
        let used_up = [both[0], both[1], ("x-ratelimit-remaining-requests", "0")];
        assert_eq!(after(&used_up), Some(360_000));
        assert_eq!(exhausted(&headers(&both)), None);
        assert_eq!(exhausted(&headers(&[("x-ratelimit-remaining-tokens", "0")])), None);
    }

    #[test]
    fn go_durations_are_read_in_all_their_units() {
        let read = |text| go_duration(text).map(|d| d.as_nanos());
        assert_eq!(read("1h2m3.5s"), Some(3_723_500_000_000));
        assert_eq!(read("12ms"), Some(12_000_000));
        assert_eq!(read("7"), Some(7_000_000_000));
        for bad in ["", "s", "1x", "-1s", "1s2", "NaN", "inf", "1e9s", "."] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = go_duration(&text);
        }
    }
}
