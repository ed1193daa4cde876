//! `show events`: what has changed lately, a line for each, the newest first.

use std::fmt::Write;
use std::time::Duration;

use crate::admin::View;
use crate::base::calendar::Civil;
use crate::observe::events::{Event, EventKind, KEPT, span};

/// The last [`KEPT`] events of a backend, or of all.
pub fn text(view: &View, only: Option<&str>) -> String {
    if let Some(name) = only
        && !view.store.load().backends.iter().any(|backend| *backend.name == *name)
    {
        return format!("No such backend: {name}. 'show stat' lists them.\n");
    }
    let events = view.state.events.recent(KEPT);
    let wanted = events.iter().filter(|event| only.is_none_or(|name| event.backend.as_deref() == Some(name)));
    let lines: String = wanted.map(line).collect();
    if lines.is_empty() { "Nothing has changed since the start.\n".to_owned() } else { lines }
}

/// `2026-11-21T14:33:24.123Z ai/primary up -> down: connection refused (was up for 2h 3m)`.
fn line(event: &Event) -> String {
    let mut out = String::new();
    let at = Civil::from_unix(event.at);
    // Writing to a String does not fail.
    let _ = write!(out, "{:04}-{:02}-{:02}T{:02}:", at.year, at.month, at.day, at.hour);
    let _ = write!(out, "{:02}:{:02}.{:03}Z {}", at.minute, at.second, at.millisecond, event.subject);
    if event.kind != EventKind::Server {
        let _ = write!(out, " {}", event.kind.label());
    }
    let _ = write!(out, " {} -> {}", event.from, event.to);
    if let Some(expected) = event.expected {
        let _ = write!(out, " for {}", span(expected));
    }
    let _ = write!(out, ": {}", event.why);
    if let Some(lasted) = event.lasted.filter(|lasted| *lasted > Duration::ZERO) {
        let was = if event.kind == EventKind::Server { &event.from } else { "so" };
        let _ = write!(out, " (was {was} for {})", span(lasted));
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::events::Tone;

    #[test]
    fn a_line_says_when_who_from_to_why_and_how_long() {
        let mut event = Event {
            at: Duration::from_millis(1_795_271_604_123),
            kind: EventKind::Server,
            tone: Tone::Worse,
            subject: "ai/one".into(),
            backend: Some("ai".into()),
            server: Some("one".into()),
            from: "up".into(),
            to: "breaker_open".into(),
            why: "5 failures in a row, the last: status 503".into(),
            lasted: Some(Duration::from_secs(7380)),
            expected: Some(Duration::from_secs(60)),
            figures: Vec::new(),
        };
        assert_eq!(
            line(&event),
            "2026-11-21T14:33:24.123Z ai/one up -> breaker_open for 1m: 5 failures in a row, the last: status 503 \
             (was up for 2h 3m)\n"
        );
        (event.kind, event.server, event.expected) = (EventKind::Failover, None, None);
        event.subject = "ai".into();
        (event.from, event.to, event.why) = ("tier 1".into(), "tier 2".into(), "one is down".into());
        assert_eq!(
            line(&event),
            "2026-11-21T14:33:24.123Z ai failover tier 1 -> tier 2: one is down (was so for 2h 3m)\n"
        );
        (event.kind, event.backend, event.subject) = (EventKind::Reload, None, "configuration".into());
        (event.from, event.to, event.why) =
            ("requested".into(), "refused".into(), "unknown key `bnd`".into());
        event.lasted = None;
        assert_eq!(
            line(&event),
            "2026-11-21T14:33:24.123Z configuration reload requested -> refused: unknown key `bnd`\n"
        );
    }
}
