//! Quantities as a person reads them on the page: few digits, always a unit.

/// `12s`, `3m 20s`, `5h 12m`, `3d 4h`; `30m`, where there is nothing else.
pub fn seconds(total: u64) -> String {
    let (days, hours, minutes, seconds) = (total / 86_400, total / 3600 % 24, total / 60 % 60, total % 60);
    let (whole, rest) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{seconds}s"),
        (0, 0, _) => (format!("{minutes}m"), (seconds, 's')),
        (0, _, _) => (format!("{hours}h"), (minutes, 'm')),
        _ => (format!("{days}d"), (hours, 'h')),
    };
    if rest.0 == 0 { whole } else { format!("{whole} {}{}", rest.0, rest.1) }
}

/// A latency: `0.8 ms`, `23 ms`, `1.2 s`, `3m 20s`.
pub fn latency(seconds: f64) -> String {
    let ms = seconds * 1000.0;
    if ms < 9.95 {
        format!("{ms:.1} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else if seconds < 9.95 {
        format!("{seconds:.2} s")
    } else if seconds < 99.5 {
        format!("{seconds:.1} s")
    } else {
        self::seconds(seconds as u64)
    }
}

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `512 B`, `1.5 kB`, `32 MB`: k = 1000, as in the configuration.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    if n < 1000 {
        return format!("{n} B");
    }
    let mut unit = "kB";
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        value /= 1000.0;
        unit = next;
        if value < 999.5 {
            break;
        }
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `0`, `0.3`, `12.4`, `1,240`: events per second.
pub fn rate(per_second: f64) -> String {
    if per_second < 0.005 {
        "0".to_owned()
    } else if per_second < 0.995 {
        format!("{per_second:.2}")
    } else if per_second < 99.5 {
        format!("{per_second:.1}")
    } else {
        count(per_second.round() as u64)
    }
}

/// `$0`, `$0.000024`, `$0.0012`, `$12.35`, `$12,345`: cents are too coarse for one call, and too fine for thousands of dollars.
pub fn money(dollars: f64) -> String {
    if dollars == 0.0 {
        "$0".to_owned()
    } else if dollars < 0.00095 {
        format!("${dollars:.6}")
    } else if dollars < 0.9995 {
        format!("${dollars:.4}")
    } else if dollars < 9_999.995 {
        let cents = (dollars * 100.0).round() as u64;
        format!("${}.{:02}", count(cents / 100), cents % 100)
    } else {
        format!("${}", count(dollars.round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_few_digits_and_a_unit() {
        assert_eq!([59, 200, 18_720, 273_600].map(seconds), ["59s", "3m 20s", "5h 12m", "3d 4h"]);
        assert_eq!([0, 60, 3600, 86_400].map(seconds), ["0s", "1m", "1h", "1d"]);
        assert_eq!(
            [0.0008, 0.0234, 1.234, 12.34, 200.0].map(latency),
            ["0.8 ms", "23 ms", "1.23 s", "12.3 s", "3m 20s"]
        );
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 999, 1500, 32_000_000, 999_999, u64::MAX].map(bytes),
            ["0 B", "999 B", "1.5 kB", "32 MB", "1.0 MB", "18447 PB"]
        );
        assert_eq!(
            [0.0, 0.000_04, 0.0012, 0.99951, 12.345_1, 1234.5, 20_000.0].map(money),
            ["$0", "$0.000040", "$0.0012", "$1.00", "$12.35", "$1,234.50", "$20,000"]
        );
        assert_eq!([0.0, 0.3, 12.44, 1240.2].map(rate), ["0", "0.30", "12.4", "1,240"]);
    }
}
