//! `alerts.events`: what is told, some of it with the figure above which it is.

use std::time::Duration;

use crate::config::checked::AlertEvent;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::suggest;
use crate::config::tree::Kind;
use crate::config::value::Value;

/// All there are, with the figures that hold where the file names none.
const EVENTS: &[(&str, AlertEvent)] = &[
    ("server_down", AlertEvent::ServerDown),
    ("server_up", AlertEvent::ServerUp),
    ("failover", AlertEvent::Failover),
    ("breaker_open", AlertEvent::BreakerOpen),
    ("no_server", AlertEvent::NoServer),
    ("latency_p95", AlertEvent::LatencyP95(Duration::from_secs(2))),
    ("error_rate", AlertEvent::ErrorRate(0.05)),
    ("budget", AlertEvent::Budget),
    ("certificate", AlertEvent::Certificate),
    ("reload_failed", AlertEvent::ReloadFailed),
    ("rollback", AlertEvent::Rollback),
    ("ledger", AlertEvent::Ledger),
];

/// Longer than any `total` that makes sense.
const SLOWEST: Duration = Duration::from_secs(3600);

pub(super) fn all() -> Vec<AlertEvent> {
    EVENTS.iter().map(|(_, event)| *event).collect()
}

/// Whether `backends` can restrain it.
pub(super) fn is_of_backends(event: AlertEvent) -> bool {
    match event {
        AlertEvent::ServerDown
        | AlertEvent::ServerUp
        | AlertEvent::Failover
        | AlertEvent::BreakerOpen
        | AlertEvent::NoServer
        | AlertEvent::LatencyP95(_)
        | AlertEvent::ErrorRate(_) => true,
        AlertEvent::Budget
        | AlertEvent::Certificate
        | AlertEvent::ReloadFailed
        | AlertEvent::Rollback
        | AlertEvent::Ledger => false,
    }
}

pub(super) fn read(value: Value<'_>) -> Option<Vec<AlertEvent>> {
    if matches!(&value.node.kind, Kind::Scalar(s) if s.text == "all") {
        let hint = "remove `events`: without it all of them are told";
        return value.reject(Code::BadValue, "there is no event `all`", hint);
    }
    let mut seen: Vec<(&str, usize)> = Vec::new();
    Value::each(value.one_or_more()?, |item| {
        let (name, event) = event(item)?;
        if let Some((_, line)) = seen.iter().find(|(other, _)| *other == name) {
            let message = format!("the event `{name}` stands there twice");
            let hint = format!("the first is in line {line}; another figure needs an alert of its own");
            return item.reject(Code::Conflict, message, hint);
        }
        seen.push((name, item.span().line));
        Some(event)
    })
}

fn event(value: Value<'_>) -> Option<(&'static str, AlertEvent)> {
    if let Kind::Map(_) = value.node.kind {
        let hint = "a figure stands behind `>`: `latency_p95 > 2s`, `error_rate > 5%`";
        return value.reject(Code::WrongType, "an event must be a single value, not a mapping", hint);
    }
    let text = value.nonempty()?;
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some((name, event)) = EVENTS.iter().find(|(known, _)| *known == name) else {
        return unknown(value, &text, name);
    };
    let rest = rest.trim();
    if rest.is_empty() {
        return Some((name, *event));
    }
    let figure = rest.strip_prefix('>').map(str::trim).filter(|f| !f.is_empty() && !f.starts_with('='));
    let called = value.called(name);
    // What came from a variable is not quoted.
    let quoted = |figure: &str| if text == value.shown() { figure.to_owned() } else { value.shown() };
    match (event, figure) {
        (AlertEvent::LatencyP95(_), Some(figure)) => {
            let range = Duration::from_millis(1)..=SLOWEST;
            let time = called.duration_of(figure, &quoted(figure), range)?;
            Some((name, AlertEvent::LatencyP95(time)))
        }
        (AlertEvent::ErrorRate(_), Some(figure)) => {
            let share = called.share_of(figure, &quoted(figure), 0.001..=0.99)?;
            Some((name, AlertEvent::ErrorRate(share)))
        }
        (AlertEvent::LatencyP95(_) | AlertEvent::ErrorRate(_), None) => {
            let message = format!("`{}` is not understood", value.shown());
            value.reject(Code::BadValue, message, "like `latency_p95 > 2s` or `error_rate > 5%`")
        }
        _ if rest.starts_with(',') => list(value),
        _ => {
            let message = format!("the event `{name}` has no figure");
            let hint = format!("write `{name}` alone; only `latency_p95` and `error_rate` have one");
            value.reject(Code::BadValue, message, hint)
        }
    }
}

fn list<T>(value: Value<'_>) -> Option<T> {
    let message = "several events in one value";
    value.reject(Code::BadValue, message, "put them in square brackets: `[server_down, server_up]`")
}

fn unknown<T>(value: Value<'_>, text: &str, name: &str) -> Option<T> {
    let names: Vec<&str> = EVENTS.iter().map(|(known, _)| *known).collect();
    let shown = if text == value.shown() { name } else { "" };
    if shown.is_empty() {
        let wrong = Diagnostic::error(
            Code::UnknownName,
            value.span(),
            format!("there is no event `{}`", value.shown()),
        );
        return value.context.reject(wrong.maybe_hint(suggest::hint(None, &names)));
    }
    // Of a long name the end is left out sooner than a letter is mistyped.
    let near = suggest::nearest(shown, names.iter().copied())
        .or_else(|| names.iter().copied().find(|known| shown.len() >= 4 && known.starts_with(shown)));
    let wrong = Diagnostic::error(Code::UnknownName, value.span(), format!("there is no event `{shown}`"));
    value.context.reject(wrong.maybe_hint(suggest::hint(near, &names)))
}
