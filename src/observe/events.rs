//! What has changed lately: the last events, for the one who was just woken and asks what happened. Each is also a line in
//! the log and a count in the metrics; this ring only saves looking for them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// Events that are kept; the oldest goes.
pub const KEPT: usize = 256;

/// What kind of change it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A server's state.
    Server,
    /// A later tier took over: the one before has no usable server.
    Failover,
    /// An earlier tier has a usable server again, and the requests.
    Failback,
    /// No tier has a usable server any more.
    Outage,
    /// One has again.
    Recovery,
    /// The next tier takes a share, because too few servers of the active one are usable.
    HelpBegins,
    HelpEnds,
}

impl EventKind {
    /// In JSON, and of `tidegate_tier_changes_total`.
    pub fn label(self) -> &'static str {
        match self {
            EventKind::Server => "server",
            EventKind::Failover => "failover",
            EventKind::Failback => "failback",
            EventKind::Outage => "outage",
            EventKind::Recovery => "recovery",
            EventKind::HelpBegins => "help_begins",
            EventKind::HelpEnds => "help_ends",
        }
    }
}

/// Whether it is for the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Better,
    Worse,
    /// A person is needed.
    Alarm,
}

impl Tone {
    pub fn label(self) -> &'static str {
        match self {
            Tone::Better => "better",
            Tone::Worse => "worse",
            Tone::Alarm => "alarm",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, since 1970 UTC.
    pub at: Duration,
    pub kind: EventKind,
    pub tone: Tone,
    pub backend: Arc<str>,
    /// `None` where it was the whole backend's.
    pub server: Option<Arc<str>>,
    /// A state's label (`up`, `breaker_open`), or a tier in words (`tier 1`, `none`).
    pub from: Cow<'static, str>,
    pub to: Cow<'static, str>,
    /// For people; no secrets.
    pub why: String,
    /// How long it had been `from`; `None` where nobody saw it begin.
    pub lasted: Option<Duration>,
    /// How long it will be `to`, where that is known.
    pub expected: Option<Duration>,
}

/// The last [`KEPT`] events.
#[derive(Debug, Default)]
pub struct Events(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// Oldest first.
    kept: VecDeque<Event>,
    total: u64,
}

impl Events {
    pub fn push(&self, event: Event) {
        let mut ring = self.0.lock();
        if ring.kept.len() >= KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back(event);
        ring.total += 1;
    }

    /// The last `most`, newest first.
    pub fn recent(&self, most: usize) -> Vec<Event> {
        self.0.lock().kept.iter().rev().take(most).cloned().collect()
    }

    /// All there ever were, those that are no longer kept too.
    pub fn total(&self) -> u64 {
        self.0.lock().total
    }
}

/// A time for people: `250ms`, `1.5s`, `12s`, `3m 20s`, `5h 12m`, `3d 4h`.
pub fn span(time: Duration) -> String {
    let (ms, total) = (time.as_millis(), time.as_secs());
    if ms < 1000 {
        return format!("{ms}ms");
    }
    if ms < 10_000 && ms % 1000 >= 100 {
        return format!("{}.{}s", ms / 1000, ms % 1000 / 100);
    }
    let (days, hours, minutes, seconds) = (total / 86_400, total / 3600 % 24, total / 60 % 60, total % 60);
    let (whole, rest, unit) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{seconds}s"),
        (0, 0, _) => (format!("{minutes}m"), seconds, 's'),
        (0, _, _) => (format!("{hours}h"), minutes, 'm'),
        _ => (format!("{days}d"), hours, 'h'),
    };
    if rest == 0 { whole } else { format!("{whole} {rest}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize) -> Event {
        Event {
            at: Duration::from_secs(number as u64),
            kind: EventKind::Server,
            tone: Tone::Worse,
            backend: "ai".into(),
            server: Some("one".into()),
            from: "up".into(),
            to: "down".into(),
            why: number.to_string(),
            lasted: None,
            expected: None,
        }
    }

    #[test]
    fn the_newest_come_first_and_the_oldest_go() {
        let events = Events::default();
        (0..KEPT + 3).for_each(|number| events.push(event(number)));
        let recent = events.recent(usize::MAX);
        assert_eq!((recent.len(), events.total()), (KEPT, 259));
        assert_eq!((recent[0].why.as_str(), recent[KEPT - 1].why.as_str()), ("258", "3"));
        assert_eq!(events.recent(2).len(), 2);
    }

    #[test]
    fn times_have_few_digits() {
        let shown = [0, 250, 1000, 1050, 1500, 12_700, 60_000, 200_000, 18_720_000, 273_600_000];
        assert_eq!(
            shown.map(|ms| span(Duration::from_millis(ms))),
            ["0ms", "250ms", "1s", "1s", "1.5s", "12s", "1m", "3m 20s", "5h 12m", "3d 4h"]
        );
    }
}
