//! What was spent came to a mark of a budget.

use std::borrow::Cow;
use std::time::Duration;

use log::{Level, log};

use super::{EventKind, State, Tone, Word};
use crate::base::calendar::Civil;
use crate::base::clock;
use crate::observe::stats::dollars;

/// A budget at the moment at which it came to a mark.
#[derive(Clone, Copy, Debug)]
pub struct Spending<'a> {
    /// Whose: `client mobile`, `plan premium`, `all clients`.
    pub subject: &'a str,
    /// All of it is spent, and calls are refused; else it came to its `alert_at`.
    pub used_up: bool,
    /// Whether it had come to its `alert_at` before, which was told then.
    pub was_near: bool,
    /// Micro-dollars.
    pub spent: u64,
    /// Micro-dollars.
    pub cap: u64,
    /// `day` or `month`.
    pub period: &'static str,
    /// When it begins anew, since 1970 UTC.
    pub anew: Duration,
}

/// Tells that a budget came to a mark. Once for each mark and period: whoever counts the money knows.
pub fn budget(state: &State, spending: &Spending<'_>) {
    let &Spending { subject, used_up, was_near, spent, cap, anew, .. } = spending;
    let why = words(spending);
    let (tone, from, to) = if used_up {
        (Tone::Alarm, if was_near { "nearly_used_up" } else { "in_budget" }, "used_up")
    } else {
        (Tone::Worse, "in_budget", "nearly_used_up")
    };
    let level = if used_up { Level::Error } else { Level::Warn };
    let then = if used_up {
        "calls are refused until then. To let them through, raise the budget and reload"
    } else {
        "with nothing left calls will be refused until then"
    };
    log!(level, "budget: spent by {subject}: {why}; {then}. `tidegate usage` shows on what");
    let subject = Cow::Owned(subject.to_owned());
    let mut event = Word { kind: EventKind::Budget, tone, subject, from, to, why }.event();
    event.expected = Some(anew.saturating_sub(clock::unix_time()));
    event.figures = vec![("spent_usd", dollars(spent)), ("budget_usd", dollars(cap))];
    state.events.push(event);
}

/// `$40.12 of the $50 for this day, which begins anew on 2026-11-22 at 00:00 UTC`.
fn words(spending: &Spending<'_>) -> String {
    let anew = Civil::from_unix(spending.anew);
    format!(
        "{} of the {} for this {}; it begins anew on {:04}-{:02}-{:02} at {:02}:{:02} UTC",
        money(spending.spent),
        money(spending.cap),
        spending.period,
        anew.year,
        anew.month,
        anew.day,
        anew.hour,
        anew.minute,
    )
}

/// `$50`, `$40.12`, `$0.049983`: cents, and below ten dollars all there is.
fn money(micro_dollars: u64) -> String {
    let (whole, rest) = (micro_dollars / 1_000_000, micro_dollars % 1_000_000);
    let digits = format!("{rest:06}");
    let needed = if whole < 10 { digits.trim_end_matches('0').len().max(2) } else { 2 };
    match rest {
        0 => format!("${whole}"),
        _ => format!("${whole}.{}", digits.get(..needed).unwrap_or(&digits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;

    #[test]
    fn a_mark_of_a_budget_is_told_with_its_figures() {
        let state = State::new(Clock::fake());
        let anew = Duration::from_secs(20_779 * 86_400);
        let (subject, spent, cap) = ("client mobile", 40_129_999, 50_000_000);
        let near = Spending { subject, used_up: false, was_near: false, spent, cap, period: "day", anew };
        budget(&state, &near);
        let event = state.events.recent(1).remove(0);
        assert_eq!(event.why, "$40.12 of the $50 for this day; it begins anew on 2026-11-22 at 00:00 UTC");
        assert_eq!((event.subject, event.backend, event.tone), ("client mobile".into(), None, Tone::Worse));
        assert_eq!(event.figures, [("spent_usd", 40.129_999), ("budget_usd", 50.0)]);
        for (was_near, from) in [(true, "nearly_used_up"), (false, "in_budget")] {
            let (subject, period) = ("all clients", "month");
            budget(&state, &Spending { subject, used_up: true, was_near, spent: cap, period, ..near });
            let event = state.events.recent(1).remove(0);
            assert_eq!((&*event.from, &*event.to, event.tone), (from, "used_up", Tone::Alarm));
        }
    }

    #[test]
    fn money_is_in_cents_and_in_all_its_digits_below_ten_dollars() {
        let shown = [0, 150, 49_983, 50_000, 500_000, 1_000_000, 9_999_990].map(money);
        assert_eq!(shown, ["$0", "$0.00015", "$0.049983", "$0.05", "$0.50", "$1", "$9.99999"]);
        let shown = [10_000_000, 40_129_999, 20_005_000_000].map(money);
        assert_eq!(shown, ["$10", "$40.12", "$20005"]);
    }
}
