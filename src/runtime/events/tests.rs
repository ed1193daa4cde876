use std::sync::Arc;

use super::*;
use crate::base::clock::Clock;
use crate::config::load_text;
use crate::config::source::Environment;
use crate::pool::health::{CheckResult, Thresholds, Verdict};
use crate::runtime::compile::compile;

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

const CONFIG: &str = "
frontends: {web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}}
backends:
  ai:
    tiers: {help_below: 100%}
    check: {http: {path: /models}}
    servers:
      one: {url: http://127.0.0.1:9001/v1}
      other: {url: http://127.0.0.1:9002/v1}
      last: {url: http://127.0.0.1:9003/v1, tier: 2}
";

struct Node {
    state: Arc<State>,
    snapshot: Snapshot,
}

/// Every server up, and the start over.
fn node() -> Node {
    let state = Arc::new(State::new(Clock::fake()));
    let checked = load_text(std::path::Path::new("test.yaml"), CONFIG, &Nothing).unwrap();
    let node = Node { snapshot: compile(&checked, &state).unwrap(), state };
    (0..3).for_each(|server| node.check(server, true));
    node.state.ready.store(true, Ordering::Relaxed);
    settle(&node.state, &node.snapshot);
    node
}

impl Node {
    fn check(&self, server: usize, passes: bool) {
        let verdict = if passes { Verdict::AnswerOk } else { Verdict::ConnectFailed };
        let result = CheckResult { verdict, code: None, reason: "so it was".into(), took: Duration::ZERO };
        let backend = &self.snapshot.backends[0];
        let thresholds = Thresholds { rise: 1, fall: 1, slow_above: None };
        let of = &backend.pool.members()[server].server;
        if let Some(change) = of.report(result, thresholds, self.state.clock.now()) {
            server_changed(&self.state, backend, server, &change);
        }
    }

    /// `kind from -> to`, oldest first, of what came since `before`.
    fn since(&self, before: u64) -> Vec<String> {
        let new = usize::try_from(self.state.events.total() - before).unwrap();
        let events = self.state.events.recent(new);
        let told = |event: &Event| format!("{} {} -> {}", event.kind.label(), event.from, event.to);
        events.iter().rev().map(told).collect()
    }
}

#[test]
fn a_good_start_tells_of_no_tier() {
    let node = node();
    assert_eq!(node.since(0), ["server not_checked -> up"; 3]);
}

#[test]
fn every_switch_of_tiers_is_an_event_after_what_brought_it() {
    let node = node();
    let mut seen = node.state.events.total();
    let mut then = |server, passes| {
        node.state.clock.advance(Duration::from_secs(10));
        node.check(server, passes);
        settle(&node.state, &node.snapshot);
        let new = node.since(seen);
        seen = node.state.events.total();
        new
    };
    assert_eq!(then(0, false), ["server up -> down", "help_begins none -> tier 2"]);
    assert_eq!(
        then(1, false),
        ["server up -> down", "failover tier 1 -> tier 2", "help_ends tier 2 -> none"]
    );
    assert_eq!(then(2, false), ["server up -> down", "outage tier 2 -> none"]);
    assert_eq!(then(2, true), ["server down -> up", "recovery none -> tier 2"]);
    assert_eq!(
        then(0, true),
        ["server down -> up", "failback tier 2 -> tier 1", "help_begins none -> tier 2"]
    );
    assert_eq!(then(1, true), ["server down -> up", "help_ends tier 2 -> none"]);
    assert_eq!(then(1, true), [""; 0]);

    let backend = &node.snapshot.backends[0];
    let kinds = ["help_begins", "failover", "help_ends", "outage", "recovery", "failback"];
    let told: Vec<&str> = backend.stats.tier_changes.read().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(told, kinds);
    assert_eq!(backend.servers[1].stats.changes.read(), [("up", 2), ("down", 1)]);
    let last = &node.state.events.recent(1)[0];
    assert_eq!((last.why.as_str(), last.lasted), ("other is up", Some(Duration::from_secs(10))));
    assert_eq!(backend.servers[1].stats.traffic.availability.read(Tick(0)).times_down, 1);
}

#[test]
fn a_start_on_a_later_tier_is_a_failover() {
    let state = Arc::new(State::new(Clock::fake()));
    let checked = load_text(std::path::Path::new("test.yaml"), CONFIG, &Nothing).unwrap();
    let node = Node { snapshot: compile(&checked, &state).unwrap(), state };
    (0..3).for_each(|server| node.check(server, server == 2));
    settle(&node.state, &node.snapshot);
    let seen = node.state.events.total();
    assert_eq!(seen, 3, "the start is not over");
    node.state.ready.store(true, Ordering::Relaxed);
    settle(&node.state, &node.snapshot);
    assert_eq!(node.since(seen), ["failover tier 1 -> tier 2"]);
    assert_eq!(node.state.events.recent(1)[0].why, "so the first checks found it");
}

#[track_caller]
fn told(from: Status, to: Status, why: &'static str, expected: Option<u64>, line: &str, of_tone: Tone) {
    let node = node();
    let lasted = Duration::from_secs(7380);
    let change = Change { from, to, why: why.into(), lasted, expected: expected.map(Duration::from_secs) };
    let shown = Line { backend: &node.snapshot.backends[0], name: "one", change: &change };
    assert_eq!((shown.to_string().as_str(), tone(&change)), (line, of_tone));
}

#[test]
fn a_line_says_who_what_why_and_for_how_long() {
    let line = "server ai/one is DOWN: connection refused (was up for 2h 3m)";
    told(Status::Up, Status::Down, "connection refused", None, line, Tone::Worse);
    let line = "server ai/one is UP: status 200";
    told(Status::NotChecked, Status::Up, "status 200", None, line, Tone::Better);
    let line = "server ai/one is COOLING DOWN for 20s: rate limited (was up for 2h 3m)";
    told(Status::Up, Status::Cooldown, "rate limited", Some(20), line, Tone::Worse);
    let line = "server ai/one is ON TRIAL: 60s are over (was breaker open for 2h 3m)";
    told(Status::BreakerOpen, Status::HalfOpen, "60s are over", None, line, Tone::Better);
    let line = "server ai/one refuses our api_key (status 401): it is asked last from now on. Put a good key in \
                backends.ai.servers.one.api_key and reload";
    told(
        Status::Up,
        Status::Misconfigured,
        "status 401: it refuses our api_key",
        Some(60),
        line,
        Tone::Alarm,
    );
    let line = "server ai/one is SLOW, so last in line: status 200 (was down for 2h 3m)";
    told(Status::Down, Status::Slow, "status 200", None, line, Tone::Better);
}
