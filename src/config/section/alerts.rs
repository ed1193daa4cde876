//! `alerts`: who is told of what.

mod events;
mod receiver;

use std::collections::HashSet;
use std::time::Duration;

use crate::config::checked::{Alert, AlertEvent};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::names::Names;
use crate::config::reader::{Keys, Map};
use crate::config::tree::Kind;
use crate::config::value::{LONGEST, Value};
use receiver::Receiver;

pub(super) const KEYS: &[&Keys] = &[&ALERT];

const ALERT: Keys = Keys {
    path: "alerts",
    known: &["webhook", "format", "routing_key", "events", "backends", "every"],
    not_yet: &[],
    elsewhere: &[
        ("url", "the key is `webhook`"),
        ("slack", "write `webhook: ...` and `format: slack`"),
        ("pagerduty", "write `format: pagerduty` and `routing_key: ...`"),
        ("type", "the key is `format`"),
        ("channel", "the webhook says which channel it is; make another one for another channel"),
        ("key", "the key is `routing_key`"),
        ("service_key", "the key is `routing_key`"),
        ("integration_key", "the key is `routing_key`"),
        ("on", "the key is `events`"),
        ("when", "the key is `events`"),
        ("latency_p95", "it stands in the list `events`: `events: [latency_p95 > 2s]`"),
        ("error_rate", "it stands in the list `events`: `events: [error_rate > 5%]`"),
        ("servers", "the key is `backends`; an alert is of all servers of a backend"),
        ("repeat", "the key is `every`"),
        ("interval", "the key is `every`"),
    ],
};

/// What of the rest of the file makes events.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub backends: &'a Names,
    /// Whether there is any budget.
    pub budgets: bool,
    pub ledger: bool,
}

/// Without those that an empty value switches off.
pub(super) fn read(root: &Map<'_>, around: Around<'_>) -> Option<Vec<Alert>> {
    let Some(value) = root.get("alerts") else { return Some(Vec::new()) };
    if !matches!(value.node.kind, Kind::List(_)) && !value.node.is_empty() {
        let message = format!("`alerts` must be a list, not {}", value.kind());
        let hint = "one item for each receiver, like `- {webhook: ..., format: slack}`; `[]` for none";
        return value.reject(Code::WrongType, message, hint);
    }
    let alerts = Value::each(value.items()?, |item| alert(item, around))?;
    Some(alerts.into_iter().flatten().collect())
}

/// `Some(None)` where it is switched off.
fn alert(value: Value<'_>, around: Around<'_>) -> Option<Option<Alert>> {
    let map = Map::open(value, &ALERT, "an alert")?;
    let receiver = receiver::read(&map);
    let events = map.get("events").map_or_else(|| Some(events::all()), events::read);
    let backends = map.get("backends").map(|v| {
        let named = Value::each(v.one_or_more()?, |item| around.backends.index(item))?;
        let mut seen = HashSet::new();
        Some(named.into_iter().filter(|backend| seen.insert(*backend)).collect::<Vec<usize>>())
    });
    let every = map.or("every", Duration::from_secs(300), |v| v.duration(Duration::from_secs(1)..=LONGEST));
    if let Some(events) = &events {
        warn_of_events(&map, events, around);
    }
    let (events, backends) = (events?, backends.map_or(Some(None), |b| b.map(Some))?);
    Some(match receiver? {
        Receiver::Off => None,
        Receiver::On { webhook, format } => Some(Alert { webhook, format, events, backends, every }),
    })
}

/// Of events that the file names and that cannot happen, and of a restraint that restrains nothing.
fn warn_of_events(map: &Map<'_>, events: &[AlertEvent], around: Around<'_>) {
    if map.context.has_errors() || !map.has("events") {
        return;
    }
    let warn = |key, message: &str, hint: &str| {
        let warning = Diagnostic::warning(Code::Conflict, map.key_span(key), message);
        map.context.report(warning.hint(hint));
    };
    if events.contains(&AlertEvent::Budget) && !around.budgets {
        let hint = "add `budget` to a plan, a client key or `ai`, or remove the event";
        warn("events", "the event `budget` never happens: the file has no budget", hint);
    }
    if events.contains(&AlertEvent::Ledger) && !around.ledger {
        let hint = "remove `ledger: off` from `ai`, or the event";
        warn("events", "the event `ledger` never happens: there is no ledger", hint);
    }
    if map.has("backends") && !events.iter().any(|event| events::is_of_backends(*event)) {
        let hint = "remove it; these are told whatever the backend";
        warn("backends", "`backends` has no effect: none of these events is a backend's", hint);
    }
}
