//! Numbers as people read them: thousands apart, and US dollars with as many decimals as they need.

/// Micro-dollars of a dollar.
const MICRO: u128 = 1_000_000;

/// `1,234,567`.
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many decimals an amount needs, from two to six.
pub fn decimals(micro: i128) -> usize {
    let mut rest = micro.unsigned_abs() % MICRO;
    let mut decimals = 6;
    while decimals > 2 && rest.is_multiple_of(10) {
        rest /= 10;
        decimals -= 1;
    }
    decimals
}

/// Micro-dollars as dollars. With fewer decimals than it needs it is cut, so take those of [`decimals`].
pub fn dollars(micro: i128, decimals: usize) -> String {
    let amount = micro.unsigned_abs();
    let fraction = format!("{:06}", amount % MICRO);
    let sign = if micro < 0 { "-" } else { "" };
    format!("{sign}{}.{}", grouped(amount / MICRO), fraction.get(..decimals).unwrap_or(&fraction))
}

/// For programs: no thousands, all six decimals.
pub fn plain_dollars(micro: i128) -> String {
    let amount = micro.unsigned_abs();
    let sign = if micro < 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", amount / MICRO, amount % MICRO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn dollars_have_two_to_six_decimals() {
        for (micro, text) in [
            (0, "0.00"),
            (1_500_000, "1.50"),
            (1_234_000, "1.234"),
            (1, "0.000001"),
            (-2_000_010, "-2.00001"),
            (1_234_567_890_000, "1,234,567.89"),
        ] {
            assert_eq!(dollars(micro, decimals(micro)), text);
        }
        assert_eq!(plain_dollars(-1_234_567_890_001), "-1234567.890001");
    }
}
