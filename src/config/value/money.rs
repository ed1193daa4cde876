//! US dollars, read and kept as whole micro-dollars: no sum is ever rounded before it is paid.

use std::ops::RangeInclusive;

use super::Value;
use crate::config::diagnostic::Code;

const MICRO: u64 = 1_000_000;

impl Value<'_> {
    /// Dollars with up to six decimals, as micro-dollars within the range.
    pub fn dollars(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.nonempty()?;
        match micro_dollars(&text) {
            Ok(n) if range.contains(&n) => Some(n),
            Ok(_) | Err(Wrong::TooLarge) => {
                self.out_of_range(&dollars_text(*range.start()), &dollars_text(*range.end()))
            }
            Err(Wrong::Text) => {
                let message = format!("`{}` must be US dollars, not `{}`", self.name, self.shown());
                self.reject(Code::BadValue, message, "a plain number like `500`, `8.00` or `0.15`")
            }
            Err(Wrong::Decimals) => {
                let message = format!("`{}` is finer than a millionth of a dollar", self.name);
                self.reject(Code::BadValue, message, "at most six decimals")
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Text,
    Decimals,
    TooLarge,
}

fn micro_dollars(text: &str) -> Result<u64, Wrong> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(Wrong::Text);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 6 {
        return Err(Wrong::Decimals);
    }
    let dollars: u64 = whole.parse().map_err(|_| Wrong::TooLarge)?;
    let rest: u64 = format!("{fraction:0<6}").parse().map_err(|_| Wrong::Text)?;
    dollars.checked_mul(MICRO).and_then(|micro| micro.checked_add(rest)).ok_or(Wrong::TooLarge)
}

fn dollars_text(micro: u64) -> String {
    let text = format!("{}.{:06}", micro / MICRO, micro % MICRO);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        for (text, micro) in [
            ("8.00", 8_000_000),
            ("0.42", 420_000),
            ("0.000001", 1),
            ("0.0750000000", 75_000),
            ("500", 500_000_000),
            ("0", 0),
            ("007", 7_000_000),
        ] {
            assert_eq!(micro_dollars(text), Ok(micro), "{text}");
        }
        assert_eq!(micro_dollars("18446744073709.551615"), Ok(u64::MAX));
        assert_eq!(micro_dollars("18446744073709.551616"), Err(Wrong::TooLarge));
        assert_eq!(micro_dollars("99999999999999999999"), Err(Wrong::TooLarge));
        assert_eq!(micro_dollars("0.0000001"), Err(Wrong::Decimals));
        for bad in ["", "$5", "5 USD", "5,00", "-1", "+1", "1e3", ".5", "5.", "1.2.3", "5k", "1_000", "NaN"] {
            assert_eq!(micro_dollars(bad), Err(Wrong::Text), "{bad}");
        }
    }

    #[test]
    fn they_are_shown_as_short_as_they_are_written() {
        for (micro, text) in [(1, "0.000001"), (8_000_000, "8"), (1_500_000, "1.5"), (0, "0")] {
            assert_eq!(dollars_text(micro), text);
        }
    }
}
