use super::*;
use crate::alert::fact::{Measure, Stand, What};
use crate::config::checked::AlertEvent;

const SLACK: u64 = 1;
const DUTY: u64 = 2;
const EVERY: Duration = Duration::from_secs(300);

fn all() -> Vec<AlertEvent> {
    use AlertEvent::*;
    let figures = [LatencyP95(Duration::from_secs(2)), ErrorRate(0.05)];
    let others =
        [ServerDown, ServerUp, Failover, BreakerOpen, NoServer, Budget, Certificate, ReloadFailed, Rollback];
    figures.into_iter().chain(others).chain([Ledger]).collect()
}

fn rule(id: u64, events: Vec<AlertEvent>) -> Rule {
    Rule { id, events, backends: None, every: EVERY, incidents: id == DUTY }
}

struct Bench {
    engine: Engine,
    now: Tick,
}

impl Bench {
    fn with(rules: Vec<Rule>) -> Bench {
        let mut bench = Bench { engine: Engine::default(), now: Tick(0) };
        bench.engine.configure(rules, |_, _| true, Duration::ZERO);
        bench
    }

    fn new() -> Bench {
        Bench::with(vec![rule(SLACK, all()), rule(DUTY, all())])
    }

    fn fact(&self, subject: &str, what: What) -> Fact {
        let backend = subject.split_once('/').map(|(backend, _)| backend);
        let of_backend = matches!(what, What::Tiers { .. } | What::Figure { .. }).then_some(subject);
        Fact {
            at: Duration::from_millis(self.now.0),
            what,
            subject: subject.into(),
            backend: backend.or(of_backend).map(Into::into),
            text: format!("{subject}: {what:?}"),
            details: Vec::new(),
        }
    }

    /// `1 server_down ai/one`, with `over` behind it for an end; sorted.
    fn note(&mut self, subject: &str, what: What) -> Vec<String> {
        let fact = self.fact(subject, what);
        shown(self.engine.note(&fact, self.now))
    }

    fn server(&mut self, subject: &str, stand: Stand) -> Vec<String> {
        self.note(subject, What::Server(stand))
    }

    fn tiers(&mut self, from: Option<u32>, to: Option<u32>) -> Vec<String> {
        self.note("ai", What::Tiers { from, to })
    }

    /// Second for second.
    fn wait(&mut self, seconds: u64) -> Vec<String> {
        let mut out = Vec::new();
        for _ in 0..seconds {
            self.now = self.now + Duration::from_secs(1);
            out.extend(self.engine.tick(self.now, Duration::from_millis(self.now.0)));
        }
        shown(out)
    }
}

fn shown(out: Vec<Outgoing>) -> Vec<String> {
    let line = |Outgoing { to, message }: &Outgoing| {
        let over = if message.resolved { " over" } else { "" };
        format!("{to} {} {}{over}", message.event, message.subject)
    };
    let mut lines: Vec<String> = out.iter().map(line).collect();
    lines.sort();
    lines
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_server_that_falls_is_told_and_its_return_ends_the_incident() {
    let mut bench = Bench::new();
    assert_eq!(bench.server("ai/one", Stand::Up), NOTHING, "the first state is no news");
    assert_eq!(bench.server("ai/one", Stand::Down), ["1 server_down ai/one", "2 server_down ai/one"]);
    assert_eq!(bench.server("ai/one", Stand::Passing), NOTHING);
    assert_eq!(bench.server("ai/one", Stand::Up), ["1 server_up ai/one over", "2 server_down ai/one over"]);
    assert_eq!(bench.wait(1000), NOTHING);
}

#[test]
fn the_same_is_not_told_again_within_every_but_what_stands_then_is() {
    let mut bench = Bench::with(vec![rule(DUTY, all())]);
    bench.server("ai/one", Stand::Down);
    bench.wait(10);
    assert_eq!(bench.server("ai/one", Stand::Up), ["2 server_down ai/one over"]);
    assert_eq!(bench.server("ai/one", Stand::Down), NOTHING);
    assert_eq!(bench.server("ai/two", Stand::Down), ["2 server_down ai/two"], "another subject");
    assert_eq!(bench.wait(289), NOTHING);
    assert_eq!(bench.wait(1), ["2 server_down ai/one"], "it is still down");
    assert_eq!(bench.engine.take_suppressed(), Suppressed { repeated: 1, rate: 0 });
}

#[test]
fn what_is_over_before_it_may_be_told_again_is_not_told() {
    let mut bench = Bench::new();
    bench.server("ai/one", Stand::Down);
    bench.server("ai/one", Stand::Up);
    for _ in 0..5 {
        assert_eq!(bench.server("ai/one", Stand::Down), NOTHING);
        assert_eq!(bench.server("ai/one", Stand::Up), NOTHING);
    }
    assert_eq!(bench.wait(1000), NOTHING);
}

#[test]
fn a_server_that_somebody_takes_out_ends_incidents_and_bothers_nobody_else() {
    let mut bench = Bench::new();
    bench.server("ai/one", Stand::Down);
    assert_eq!(bench.server("ai/one", Stand::TakenOut), ["2 server_down ai/one over"]);
    assert_eq!(bench.server("ai/one", Stand::Up), NOTHING);
}

#[test]
fn only_what_a_rule_names_is_told_and_only_of_its_backends() {
    let mut of_other = rule(SLACK, vec![AlertEvent::ServerDown]);
    of_other.backends = Some(vec!["other".into()]);
    let ups = rule(3, vec![AlertEvent::ServerUp]);
    let mut bench = Bench::with(vec![of_other, ups]);
    assert_eq!(bench.server("ai/one", Stand::Down), NOTHING);
    assert_eq!(bench.server("other/one", Stand::Down), ["1 server_down other/one"]);
    assert_eq!(
        bench.server("other/one", Stand::Up),
        ["3 server_up other/one over"],
        "without server_up no end"
    );
    assert_eq!(bench.server("ai/one", Stand::Up), ["3 server_up ai/one over"]);
    assert_eq!(bench.note("client a", What::Budget { used_up: true, anew: None }), NOTHING);
}

#[test]
fn a_failover_is_over_when_the_tier_that_is_missed_is_back() {
    let mut bench = Bench::with(vec![rule(DUTY, all())]);
    assert_eq!(bench.tiers(Some(1), Some(2)), ["2 failover ai"]);
    assert_eq!(bench.tiers(Some(2), None), ["2 no_server ai"]);
    assert_eq!(bench.tiers(None, Some(3)), ["2 no_server ai over"]);
    assert_eq!(bench.tiers(Some(3), Some(2)), NOTHING, "told before, and still so");
    assert_eq!(bench.tiers(Some(2), Some(1)), ["2 failover ai over"]);
    bench.wait(400);
    assert_eq!(bench.tiers(Some(1), Some(2)), ["2 failover ai"]);
    bench.tiers(Some(2), None);
    assert_eq!(bench.tiers(None, Some(1)), ["2 failover ai over", "2 no_server ai over"]);
}

#[test]
fn both_marks_of_a_budget_are_told_and_a_new_period_ends_them() {
    let mut bench = Bench::new();
    let anew = |seconds| Some(Duration::from_secs(seconds));
    let told = bench.note("client a", What::Budget { used_up: false, anew: anew(100) });
    assert_eq!(told, ["1 budget client a", "2 budget client a"]);
    bench.wait(10);
    let told = bench.note("client a", What::Budget { used_up: true, anew: anew(90) });
    assert_eq!(told, ["1 budget client a", "2 budget client a"], "worse is no repetition");
    assert_eq!(bench.wait(89), NOTHING);
    assert_eq!(bench.wait(1), ["2 budget client a over", "2 budget client a over"]);
}

#[test]
fn the_rest_is_told_and_ends() {
    let mut bench = Bench::with(vec![rule(DUTY, all())]);
    let slow = Measure::Latency(Duration::from_secs(2));
    assert_eq!(bench.note("ai", What::Figure { measure: slow, over: true }), ["2 latency_p95 ai"]);
    let other = Measure::Latency(Duration::from_secs(3));
    assert_eq!(bench.note("ai", What::Figure { measure: other, over: true }), NOTHING, "nobody's figure");
    assert_eq!(bench.note("ai", What::Figure { measure: slow, over: false }), ["2 latency_p95 ai over"]);
    assert_eq!(bench.note("configuration", What::ReloadRefused), ["2 reload_failed configuration"]);
    assert_eq!(bench.note("configuration", What::ReloadApplied), ["2 reload_failed configuration over"]);
    assert_eq!(bench.note("configuration", What::ReloadApplied), NOTHING);
    assert_eq!(bench.note("configuration", What::RolledBack), ["2 rollback configuration"]);
    assert_eq!(bench.note("ledger", What::LedgerDegraded), ["2 ledger ledger"]);
    assert_eq!(bench.note("ledger", What::CallsLost), ["2 ledger ledger"], "worse is no repetition");
    assert_eq!(bench.note("ledger", What::LedgerBack).len(), 2);
    assert_eq!(
        bench.note("certificate a.pem", What::Certificate { ended: false }),
        ["2 certificate certificate a.pem"]
    );
    assert_eq!(bench.note("certificate a.pem", What::CertificateRenewed).len(), 1);
}

#[test]
fn too_much_within_a_minute_becomes_one_message() {
    let mut bench = Bench::with(vec![rule(SLACK, all())]);
    let told: usize = (0..100).map(|n| bench.server(&format!("ai/s{n}"), Stand::Down).len()).sum();
    assert_eq!(told, 20);
    assert_eq!(bench.engine.take_suppressed().rate, 80);
    assert_eq!(bench.wait(59), NOTHING);
    bench.now = bench.now + Duration::from_secs(1);
    let out = bench.engine.tick(bench.now, Duration::ZERO);
    assert_eq!(out.len(), 1);
    let message = &out[0].message;
    assert_eq!((message.event, message.severity), ("many", Severity::Error));
    assert!(
        message.text.contains("80 server_down (ai/s20, ai/s21, ai/s22, ai/s23, ai/s24, ...)"),
        "{}",
        message.text
    );
    // Of all that was told in one message no end is told one by one.
    let ends: usize = (0..100).map(|n| bench.server(&format!("ai/s{n}"), Stand::Up).len()).sum();
    assert_eq!(ends, 20);
}

#[test]
fn a_summary_is_an_incident_that_ends() {
    let mut bench = Bench::with(vec![rule(DUTY, all())]);
    (0..25).for_each(|n| drop(bench.server(&format!("ai/s{n}"), Stand::Down)));
    assert_eq!(bench.wait(60), ["2 many 5 alerts"]);
    assert_eq!(bench.wait(600), ["2 many 5 alerts over"]);
}

#[test]
fn what_did_not_arrive_is_tried_again_while_it_stands() {
    let mut bench = Bench::with(vec![rule(DUTY, all())]);
    let fact = bench.fact("ai/one", What::Server(Stand::Down));
    let sent = bench.engine.note(&fact, bench.now).remove(0);
    bench.wait(60);
    bench.engine.undelivered(sent.clone(), bench.now);
    assert_eq!(bench.wait(299), NOTHING);
    assert_eq!(bench.wait(1), ["2 server_down ai/one"]);
    bench.engine.undelivered(sent, bench.now);
    assert_eq!(bench.server("ai/one", Stand::Up), NOTHING, "nobody knows of it");
    assert_eq!(bench.wait(1000), NOTHING);
}

#[test]
fn an_end_that_did_not_arrive_is_tried_again_unless_it_began_anew() {
    let mut bench = Bench::with(vec![rule(DUTY, all())]);
    bench.server("ai/one", Stand::Down);
    let up = bench.fact("ai/one", What::Server(Stand::Up));
    let end = bench.engine.note(&up, bench.now).remove(0);
    bench.engine.undelivered(end.clone(), bench.now);
    assert_eq!(bench.wait(300), ["2 server_down ai/one over"]);
    bench.server("ai/one", Stand::Down);
    bench.engine.note(&up, bench.now);
    bench.engine.undelivered(end, bench.now);
    assert_eq!(bench.server("ai/one", Stand::Down), NOTHING, "the incident is still open, and rightly");
    assert_eq!(bench.server("ai/one", Stand::Up), ["2 server_down ai/one over"]);
}

#[test]
fn a_reload_forgets_nothing_but_what_is_gone() {
    let mut bench = Bench::new();
    bench.server("ai/one", Stand::Down);
    bench.server("ai/two", Stand::Down);
    let rules = vec![rule(DUTY, all()), rule(3, all())];
    let out = bench.engine.configure(
        rules,
        |backend, subject| backend == "ai" && subject != "ai/two",
        Duration::ZERO,
    );
    assert_eq!(shown(out), ["2 server_down ai/two over"]);
    assert_eq!(
        bench.server("ai/one", Stand::Up),
        ["2 server_down ai/one over"],
        "who is new knows of nothing"
    );
}

#[test]
fn a_repeated_failure_is_told_once_in_every_with_how_often_it_was() {
    let mut bench = Bench::with(vec![rule(SLACK, all())]);
    assert_eq!(bench.note("configuration", What::ReloadRefused).len(), 1);
    for _ in 0..3 {
        bench.wait(10);
        assert_eq!(bench.note("configuration", What::ReloadRefused), NOTHING);
    }
    bench.now = Tick(300_000);
    let out = bench.engine.tick(bench.now, Duration::ZERO);
    assert!(out[0].message.text.ends_with("(3 times since it was last told)"), "{}", out[0].message.text);
}
