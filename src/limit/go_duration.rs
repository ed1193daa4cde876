//! Durations as Go prints them, which is what `x-ratelimit-reset-requests` carries: `12ms`, `1s`, `1.5s`, `6m0s`.

use std::fmt;
use std::time::Duration;

/// Writes a duration, rounded up to whole milliseconds, without allocating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoDuration(pub Duration);

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_nanos().div_ceil(1_000_000);
        if ms == 0 {
            return f.write_str("0s");
        }
        if ms < 1000 {
            return write!(f, "{ms}ms");
        }
        let seconds = ms / 1000;
        if seconds >= 3600 {
            write!(f, "{}h", seconds / 3600)?;
        }
        if seconds >= 60 {
            write!(f, "{}m", seconds / 60 % 60)?;
        }
        write!(f, "{}", seconds % 60)?;
        match ms % 1000 {
            0 => {}
            rest if rest % 100 == 0 => write!(f, ".{}", rest / 100)?,
            rest if rest % 10 == 0 => write!(f, ".{:02}", rest / 10)?,
            rest => write!(f, ".{rest:03}")?,
        }
        f.write_str("s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_what_go_writes() {
        for (ms, text) in [
            (0, "0s"),
            (12, "12ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (8640, "8.64s"),
            (59_993, "59.993s"),
            (60_000, "1m0s"),
            (90_050, "1m30.05s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
            (90_000_000, "25h0m0s"),
        ] {
            assert_eq!(GoDuration(Duration::from_millis(ms)).to_string(), text);
        }
        assert_eq!(GoDuration(Duration::from_nanos(1)).to_string(), "1ms");
        assert!(GoDuration(Duration::MAX).to_string().ends_with("s"));
    }
}
