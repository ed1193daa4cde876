//! What has changed lately: the last events, for the one who was just woken and asks what happened. Each is also a line in
//! the log and a count in the metrics; this ring only saves looking for them, and is where alerts are made from.

mod alerts;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::cell::ByLabel;

pub use alerts::{AlertCounts, ByFormat};

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
    /// What a client, a plan or everybody has spent came to a mark of its budget.
    Budget,
    /// Whether calls are kept on disk.
    Ledger,
    /// A changed file was put in force, or refused.
    Reload,
    /// A certificate ends soon, or has ended.
    Certificate,
    /// Answers of a backend are slower than an alert allows, or no longer.
    Latency,
    /// More requests of a backend fail than an alert allows, or no longer.
    Errors,
    /// What was in force before is in force again.
    Rollback,
}

impl EventKind {
    /// In JSON, and in `tidegate_events_total` and `tidegate_tier_changes_total`.
    pub fn label(self) -> &'static str {
        match self {
            EventKind::Server => "server",
            EventKind::Failover => "failover",
            EventKind::Failback => "failback",
            EventKind::Outage => "outage",
            EventKind::Recovery => "recovery",
            EventKind::HelpBegins => "help_begins",
            EventKind::HelpEnds => "help_ends",
            EventKind::Budget => "budget",
            EventKind::Ledger => "ledger",
            EventKind::Reload => "reload",
            EventKind::Certificate => "certificate",
            EventKind::Latency => "latency",
            EventKind::Errors => "errors",
            EventKind::Rollback => "rollback",
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
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, since 1970 UTC.
    pub at: Duration,
    pub kind: EventKind,
    pub tone: Tone,
    /// What it happened to, in words: `ai/primary`, `ai`, `client mobile`, `plan premium`, `all clients`, `ledger`.
    pub subject: Cow<'static, str>,
    /// `None` where it was no backend's.
    pub backend: Option<Arc<str>>,
    /// `None` where it was the whole backend's, or no backend's.
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
    /// Numbers behind the words, for programs: `("spent_usd", 40.5)`.
    pub figures: Vec<(&'static str, f64)>,
}

/// The last [`KEPT`] events, and how many there were of each kind.
#[derive(Debug, Default)]
pub struct Events {
    ring: Mutex<Ring>,
    pushed: Condvar,
    counts: ByLabel,
    /// What became of the alerts made from them.
    pub alerts: AlertCounts,
}

#[derive(Debug, Default)]
struct Ring {
    /// Oldest first.
    kept: VecDeque<Event>,
    total: u64,
}

impl Events {
    pub fn push(&self, event: Event) {
        self.counts.count(event.kind.label());
        let mut ring = self.ring.lock();
        if ring.kept.len() >= KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back(event);
        ring.total += 1;
        drop(ring);
        self.pushed.notify_all();
    }

    /// The last `most`, newest first.
    pub fn recent(&self, most: usize) -> Vec<Event> {
        self.ring.lock().kept.iter().rev().take(most).cloned().collect()
    }

    /// All there ever were, those that are no longer kept too.
    pub fn total(&self) -> u64 {
        self.ring.lock().total
    }

    /// By kind, in the order in which they first came.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        self.counts.read()
    }

    /// What came after the first `seen` events, oldest first; waits for it up to `patience`.
    pub fn news(&self, seen: u64, patience: Duration) -> News {
        let mut ring = self.ring.lock();
        self.pushed.wait_while_for(&mut ring, |ring| ring.total <= seen, patience);
        let new = ring.total.saturating_sub(seen);
        let kept = usize::try_from(new).unwrap_or(KEPT).min(ring.kept.len());
        News {
            events: ring.kept.iter().skip(ring.kept.len() - kept).cloned().collect(),
            missed: new - kept as u64,
            total: ring.total,
        }
    }
}

/// What a subscriber of the ring has not seen yet.
#[derive(Debug)]
pub struct News {
    /// Oldest first.
    pub events: Vec<Event>,
    /// Those that went before they were looked at.
    pub missed: u64,
    /// What to call `seen` the next time.
    pub total: u64,
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
            subject: "ai/one".into(),
            backend: Some("ai".into()),
            server: Some("one".into()),
            from: "up".into(),
            to: "down".into(),
            why: number.to_string(),
            lasted: None,
            expected: None,
            figures: Vec::new(),
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
    fn a_subscriber_reads_each_event_once_and_hears_of_those_it_missed() {
        let events = Events::default();
        (0..3).for_each(|number| events.push(event(number)));
        let news = events.news(1, Duration::ZERO);
        assert_eq!(news.events.iter().map(|event| event.why.as_str()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((news.missed, news.total), (0, 3));
        let none = events.news(news.total, Duration::from_millis(1));
        assert_eq!((none.events.len(), none.missed, none.total), (0, 0, 3));
        (0..KEPT + 7).for_each(|number| events.push(event(number)));
        let news = events.news(3, Duration::ZERO);
        assert_eq!((news.events.len(), news.missed, news.total), (KEPT, 7, KEPT as u64 + 10));
        assert_eq!(events.counts(), [("server", KEPT as u64 + 10)]);
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
