//! How a line is written, whether it is written at all, and how bad the news in it are.

use super::Record;
use crate::base::log_format::{Field, Part};

/// How lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    HttpLog,
    Custom(Box<[Part]>),
}

impl Format {
    /// A format of the operator's own. What is the same on every line becomes text of it here.
    pub fn custom(parts: &[Part], hostname: &str, process: u32) -> Format {
        let parts = parts.iter().map(|part| match part {
            Part::Field(Field::Hostname, flags) if flags.quote => Part::Text(format!("\"{hostname}\"")),
            Part::Field(Field::Hostname, _) => Part::Text(hostname.to_owned()),
            Part::Field(Field::ProcessId, flags) if flags.hex => Part::Text(format!("{process:04X}")),
            Part::Field(Field::ProcessId, _) => Part::Text(process.to_string()),
            other => other.clone(),
        });
        Format::Custom(parts.collect())
    }
}

impl Record<'_> {
    /// One line with its line feed.
    pub fn write(&self, format: &Format, out: &mut Vec<u8>) {
        match format {
            Format::Json => self.write_json(out),
            Format::HttpLog => self.write_httplog(out),
            Format::Custom(parts) => self.write_custom(parts, out),
        }
    }

    /// For a log that asks for it.
    pub fn severity(&self) -> Severity {
        let ours_or_the_servers = self.termination.starts_with(['S', 's', 'K', 'I', 'R']);
        // A tunnel where nobody has said anything for long is nobody's fault.
        let quiet_tunnel = self.status == Some(101) && self.termination == "sD--";
        if quiet_tunnel || is_success(self.status, self.termination) {
            Severity::Info
        } else if ours_or_the_servers || self.status.is_some_and(|status| status >= 500) {
            Severity::Error
        } else {
            Severity::Warning
        }
    }
}

/// RFC 5424, table 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A server's fault, or our own.
    Error,
    /// The client's: refused, malformed, gone.
    Warning,
    Info,
}

impl Severity {
    pub fn code(self) -> u8 {
        match self {
            Severity::Error => 3,
            Severity::Warning => 4,
            Severity::Info => 6,
        }
    }
}

/// A status below 400, and the whole of the answer.
pub fn is_success(status: Option<u16>, termination: &str) -> bool {
    status.is_some_and(|status| status < 400) && matches!(termination, "----" | "LR--")
}

/// Which successes are logged: a share of them, spread evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Of 2^64; `None`: all of them.
    below: Option<u64>,
}

impl Sample {
    /// `share` from 0.0 to 1.0.
    pub fn new(share: f64) -> Sample {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share is between 0 and 1, and the conversion saturates"
        )]
        let below = (share * 18_446_744_073_709_551_616.0) as u64;
        Sample { below: (share < 1.0).then_some(below) }
    }

    /// Whether the success with this number is logged, the first being 0. Multiples of the golden ratio fall evenly on any
    /// stretch of numbers, and traffic in turns (two clients, one after the other) does not fall in step with them.
    pub fn takes(self, number: u64) -> bool {
        self.below.is_none_or(|below| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) < below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_share_and_follows_no_turns() {
        for percent in [0, 1, 10, 33, 50, 99, 100] {
            let sample = Sample::new(f64::from(percent) / 100.0);
            for step in 1..5 {
                let taken = (0..1000).filter(|i| sample.takes(i * step)).count();
                let expected = usize::try_from(percent).unwrap() * 10;
                assert!(taken.abs_diff(expected) <= 5, "{percent} % of every {step}: {taken}");
            }
        }
        assert!(!(0..100_000).any(|i| Sample::new(0.0).takes(i)));
        assert!((0..100_000).all(|i| Sample::new(1.0).takes(i)));
    }

    #[test]
    fn severity_says_whose_fault_it_was() {
        let severity = |status, termination| Record { status, termination, ..Record::default() }.severity();
        assert_eq!(severity(Some(200), "----"), Severity::Info);
        assert_eq!(severity(Some(301), "LR--"), Severity::Info);
        assert_eq!(severity(Some(101), "sD--"), Severity::Info);
        assert_eq!(severity(Some(404), "----"), Severity::Warning);
        assert_eq!(severity(Some(429), "PR--"), Severity::Warning);
        assert_eq!(severity(Some(200), "CD--"), Severity::Warning);
        assert_eq!(severity(None, "CR--"), Severity::Warning);
        assert_eq!(severity(Some(500), "----"), Severity::Error);
        assert_eq!(severity(Some(502), "PH--"), Severity::Error);
        assert_eq!(severity(Some(200), "SD--"), Severity::Error);
        assert_eq!(severity(Some(200), "KD--"), Severity::Error);
        assert_eq!(severity(None, "PR--"), Severity::Warning);
    }
}
