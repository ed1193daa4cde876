//! Small pieces of HTML that all sections of the page are made of.

use std::borrow::Cow;
use std::fmt::Write;

use crate::admin::report::{Listed, Quantiles, Recent};
use crate::admin::units;

/// Where there is nothing to say.
pub const UNKNOWN: &str = "<td class=\"none\">&ndash;</td>";

/// For text and for attributes in double quotes.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A count; a zero is there but does not shout.
pub fn count(out: &mut String, n: u64) {
    let class = if n == 0 { " class=\"zero\"" } else { "" };
    let _ = write!(out, "<td{class}>{}</td>", units::count(n));
}

/// `3 / 20`, or `3` where there is no limit.
pub fn of_limit(out: &mut String, used: u64, limit: Option<u64>) {
    let class = match limit {
        Some(limit) if used >= limit => "full",
        _ if used == 0 => "zero",
        _ => "",
    };
    let _ = write!(out, "<td class=\"{class}\">{}", units::count(used));
    if let Some(limit) = limit {
        let _ = write!(out, "<i>/{}</i>", units::count(limit));
    }
    out.push_str("</td>");
}

pub fn rate(out: &mut String, recent: &Recent) {
    let class = if recent.requests == 0 { " class=\"zero\"" } else { "" };
    let _ = write!(out, "<td{class}>{}</td>", units::rate(recent.requests_per_second));
}

/// A share of the last minute's requests: `2.5%`.
pub fn share(out: &mut String, part: u64, recent: &Recent, class: &str) {
    if recent.requests == 0 {
        out.push_str(UNKNOWN);
    } else if part == 0 {
        out.push_str("<td class=\"zero\">0%</td>");
    } else {
        let percent = (100.0 * part as f64 / recent.requests as f64).min(100.0);
        let digits = usize::from(percent < 9.95);
        let _ = write!(out, "<td class=\"{class}\" title=\"{part} requests\">{percent:.digits$}%</td>");
    }
}

pub fn latencies<const N: usize>(out: &mut String, of: [Option<f64>; N]) {
    for seconds in of {
        match seconds {
            Some(seconds) => {
                let _ = write!(out, "<td>{}</td>", units::latency(seconds));
            }
            None => out.push_str(UNKNOWN),
        }
    }
}

pub fn all(quantiles: &Quantiles) -> [Option<f64>; 3] {
    [quantiles.p50, quantiles.p95, quantiles.p99]
}

/// Dollars; `None` is unknown.
pub fn money(out: &mut String, dollars: Option<f64>) {
    let Some(dollars) = dollars else { return out.push_str(UNKNOWN) };
    let class = if dollars == 0.0 { " class=\"zero\"" } else { "" };
    let _ = write!(out, "<td{class}>{}</td>", units::money(dollars));
}

/// `50 of 1,234: those that cost most`; nothing, where all of them are there.
pub fn rest<T>(of: &Listed<T>, which: &str) -> String {
    if of.rest() == 0 {
        return String::new();
    }
    format!("{} of {}: {which}", units::count(of.list.len() as u64), units::count(of.total as u64))
}

pub fn bytes(out: &mut String, n: u64) {
    let class = if n == 0 { " class=\"zero\"" } else { "" };
    let _ = write!(out, "<td{class}>{}</td>", units::bytes(n));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_place() {
        assert_eq!(escape("a<b>\"c\"&'d'"), "a&lt;b&gt;&quot;c&quot;&amp;&#39;d&#39;");
        assert_eq!(escape("plain"), "plain");
    }
}
