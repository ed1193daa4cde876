//! `budget` of a client key, of a plan or of all together: money for a day or a month.

use crate::config::checked::{Budget, Period};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::tree::Kind;
use crate::config::value::Value;

pub(super) const KEYS: &[&Keys] = &[&OF_PLAN, &TOTAL_OF_PLAN, &OF_CLIENT, &OF_ALL];

pub(super) const OF_PLAN: Keys = Keys {
    path: "plans.NAME.budget",
    known: &["usd", "per", "alert_at"],
    not_yet: &[],
    elsewhere: &[
        ("limit", "the key is `usd`"),
        ("max", "the key is `usd`"),
        ("amount", "the key is `usd`"),
        ("dollars", "the key is `usd`"),
        ("eur", "budgets are in US dollars, as the prices of the models are: `usd`"),
        ("000", "a comma ends the value: write `1000`, not `1,000`"),
        ("period", "the key is `per`"),
        ("every", "the key is `per`"),
        ("alert", "the key is `alert_at`"),
        ("tokens", "tokens are limited by `tokens_per_minute` of a plan"),
    ],
};

pub(super) const TOTAL_OF_PLAN: Keys = Keys { path: "plans.NAME.total_budget", ..OF_PLAN };

pub(super) const OF_CLIENT: Keys = Keys { path: "clients.keys.budget", ..OF_PLAN };

pub(super) const OF_ALL: Keys = Keys { path: "ai.budget", ..OF_PLAN };

/// A billion dollars.
const LARGEST: u64 = 1_000_000_000_000_000;

const PERIODS: &[(&str, Period)] = &[("day", Period::Day), ("month", Period::Month)];

/// `key` of `map`, `Some(None)` where it is not there. `what` is for messages, `free` says why nothing is ever spent.
pub(super) fn read(
    map: &Map<'_>,
    key: &'static str,
    keys: &'static Keys,
    what: &str,
    free: Option<&str>,
) -> Option<Option<Budget>> {
    map.get(key).map_or(Some(None), |value| budget(value, keys, what, free).map(Some))
}

fn budget(value: Value<'_>, keys: &'static Keys, what: &str, free: Option<&str>) -> Option<Budget> {
    if matches!(value.node.kind, Kind::Scalar(_)) && !value.node.is_empty() {
        let message = format!("{what} must be a mapping, not a single value");
        let hint = match value.source() {
            "off" | "false" | "none" | "unlimited" if keys.path == OF_CLIENT.path => {
                "remove it: then that of the plan holds. For none at all give the key a plan without `budget`"
                    .to_owned()
            }
            "off" | "false" | "none" | "unlimited" => "remove it: without it nothing is limited".to_owned(),
            _ => format!("like `{}: {{usd: 500, per: month}}`", value.name),
        };
        return value.reject(Code::WrongType, message, hint);
    }
    let map = Map::open(value, keys, what)?;
    let usd = match map.get("usd") {
        Some(value) => usd(value),
        None if !map.is_clean() => None,
        None => {
            let wrong = Diagnostic::error(Code::MissingKey, map.span, format!("{what} needs `usd`"));
            map.context.reject(wrong.hint("US dollars for the whole day or month, like `usd: 500`"))
        }
    };
    let per = map.or("per", Period::default(), period);
    let alert_at = map.or("alert_at", 0.8, |v| v.share_within(0.01..=1.0));
    if let Some(why) = free {
        let warning =
            Diagnostic::warning(Code::Conflict, value.at, format!("{what} is never used up: {why}"));
        value.context.report(warning.hint("give prices in `ai.models`, or remove it"));
    }
    Some(Budget { micro_dollars: usd?, per, alert_at })
}

fn usd(value: Value<'_>) -> Option<u64> {
    let text = value.nonempty()?;
    if !text.starts_with('.') && text.trim_matches(['0', '.']).is_empty() {
        let hint = "remove the budget to limit nothing; to let nobody in, remove the keys";
        return value.reject(Code::OutOfRange, "a budget of 0 refuses every request", hint);
    }
    value.dollars(1..=LARGEST)
}

fn period(value: Value<'_>) -> Option<Period> {
    let text = value.nonempty()?;
    let hint = match text.as_str() {
        "daily" | "1d" | "24h" => "did you mean `day`?",
        "monthly" | "30d" | "31d" => "did you mean `month`?",
        "second" | "minute" | "hour" | "week" | "quarter" | "year" => {
            "a budget is for a `day` or a `month` of UTC; for a minute there is `tokens_per_minute` of a plan"
        }
        _ => return value.word(PERIODS, &[]),
    };
    value.reject(Code::BadValue, format!("`per` cannot be `{}`", value.shown()), hint)
}
