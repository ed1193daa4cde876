//! `ai.ledger`: how long what calls took and cost is kept.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::off::{self, Said};
use crate::config::checked::Keep;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const LEDGER: Keys = Keys {
    path: "ai.ledger",
    known: &["keep_calls", "keep_totals"],
    not_yet: &[],
    elsewhere: &[
        ("keep", "the keys are `keep_calls` and `keep_totals`"),
        ("retention", "the keys are `keep_calls` and `keep_totals`"),
        ("path", "it is the file `usage.db` in `global.state_dir`"),
        ("file", "it is the file `usage.db` in `global.state_dir`"),
        ("enabled", "`ledger: off` switches it off"),
    ],
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Ten years.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// `None`: `ledger: off`.
pub(super) fn read(ai: &Map<'_>) -> Option<Keep> {
    let mut keep = Keep::default();
    match off::open(ai, "ledger", &LEDGER) {
        Some(Said::Off) => return None,
        Some(Said::Own(map)) => {
            keep.calls = map.or("keep_calls", keep.calls, |v| days(v, HOUR..=LONGEST));
            keep.totals = map.or("keep_totals", keep.totals, |v| days(v, DAY..=LONGEST));
            warn_of_calls(&map, &keep);
        }
        Some(Said::On) | None => {}
    }
    Some(keep)
}

/// A duration of which an operator thinks in days.
fn days(value: Value<'_>, range: RangeInclusive<Duration>) -> Option<Duration> {
    let text = value.nonempty()?;
    if text != "0" && text.bytes().all(|b| b.is_ascii_digit()) && text == value.shown() {
        let message = format!("`{}` must be a duration, not `{text}`", value.name);
        return value.reject(Code::BadValue, message, format!("did you mean `{text}d`?"));
    }
    value.duration(range)
}

fn warn_of_calls(map: &Map<'_>, keep: &Keep) {
    if keep.calls <= keep.totals || map.context.has_errors() {
        return;
    }
    let key = if map.has("keep_calls") { "keep_calls" } else { "keep_totals" };
    let message = "calls are kept longer than the totals, of which `tidegate usage` tells";
    let warning = Diagnostic::warning(Code::Conflict, map.key_span(key), message);
    map.context.report(warning.hint("let `keep_totals` be at least as long as `keep_calls`"));
}
