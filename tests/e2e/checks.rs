//! Active checks: a server is believed only after it has been seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message, answer};
use crate::support::rude::Refusing;
use crate::support::upstream::Upstream;
use crate::support::wait::{eventually, until};

const CHECK: &str = "{http: {method: GET, path: /models, headers: {authorization: Bearer check-key, x-probe: \"1\"}, \
     expect: {status: [200, 204]}}, interval: 100ms, fast_interval: 50ms, timeout: 1s, rise: 2, fall: 3}";

/// A server whose checks (and only they) are answered with a status that the test sets.
struct Checked {
    upstream: Upstream,
    status: Arc<AtomicU16>,
}

impl Checked {
    fn new(name: &'static str, status: u16) -> Checked {
        let status = Arc::new(AtomicU16::new(status));
        let current = Arc::clone(&status);
        let upstream = Upstream::replying(move |request| {
            let status = if is_check(request) { current.load(Ordering::SeqCst) } else { 200 };
            answer(
                status,
                &[],
                if status == 204 { String::new() } else { format!(r#"{{"server":"{name}"}}"#) },
            )
        });
        Checked { upstream, status }
    }

    fn traffic(&self) -> usize {
        self.upstream.requests().iter().filter(|request| !is_check(request)).count()
    }

    fn checks(&self) -> Vec<Message> {
        self.upstream.requests().into_iter().filter(is_check).collect()
    }
}

fn is_check(request: &Message) -> bool {
    request.header("x-probe").is_some()
}

fn edge(servers: &str, values: &[(&str, &str)]) -> Edge {
    let sections = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    check: <check>
    servers: <servers>"
        .replace("<check>", CHECK)
        .replace("<servers>", servers);
    Edge::start(&sections, values)
}

#[test]
fn cold_start_sends_nothing_to_a_dead_server() {
    let (dead, alive) = (Checked::new("dead", 500), Checked::new("alive", 200));
    let refusing = Refusing::new();
    let edge = edge(
        "{dead: {url: <dead>}, refusing: {url: <refusing>}, alive: {url: <alive>}}",
        &[("dead", &dead.upstream.url()), ("refusing", &refusing.url()), ("alive", &alive.upstream.url())],
    );
    assert_eq!(edge.servers(6), ["alive"; 6]);
    assert_eq!(dead.traffic(), 0);
}

#[test]
fn check_asks_what_the_configuration_says() {
    let one = Checked::new("one", 200);
    let edge = edge("{one: {url: <one>/api/v1}}", &[("one", &one.upstream.url())]);
    let check = eventually("a check", || one.checks().into_iter().next());
    assert_eq!(check.head.first_line, "GET /api/v1/models HTTP/1.1");
    assert_eq!(check.header("authorization"), Some("Bearer check-key"));
    assert_eq!(check.header("host"), Some(one.upstream.address().to_string().as_str()));
    drop(edge);
}

#[test]
fn every_expected_status_counts_as_well() {
    let one = Checked::new("one", 204);
    let edge = edge("{one: {url: <one>}}", &[("one", &one.upstream.url())]);
    assert_eq!(edge.servers(2), ["one", "one"]);
}

#[test]
fn server_falls_after_three_and_rises_after_two() {
    let (one, two) = (Checked::new("one", 200), Checked::new("two", 200));
    let edge = edge(
        "{one: {url: <one>}, two: {url: <two>}}",
        &[("one", &one.upstream.url()), ("two", &two.upstream.url())],
    );
    assert_eq!(edge.servers(2), ["one", "two"]);

    one.status.store(503, Ordering::SeqCst);
    let before = one.checks().len();
    until("the failing server gets nothing more", || edge.servers(2) == ["two", "two"]);
    assert!(one.checks().len() >= before + 3, "fell before three failed checks");
    assert!(edge.show_stat_status("one").starts_with("DOWN"), "{}", edge.show_stat_status("one"));

    one.status.store(200, Ordering::SeqCst);
    let before = one.checks().len();
    until("the mended server is used again", || edge.servers(2).contains(&"one".to_owned()));
    assert!(one.checks().len() >= before + 2, "rose before two good checks");
    assert!(edge.show_stat_status("one").starts_with("UP"));
}

#[test]
fn all_down_is_503_and_still_ready() {
    let one = Checked::new("one", 500);
    let edge = edge("{one: {url: <one>}}", &[("one", &one.upstream.url())]);
    let refused = edge.ask(&Ask::chat(false));
    refused.is_error(503, "no_server_available");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(one.traffic(), 0);
    assert_eq!(edge.admin_get("/ready").status(), 200, "/ready speaks of this node alone");
    assert_eq!(edge.admin_get("/health").status(), 200);
}

#[test]
fn stuck_check_counts_as_failed_and_delays_no_other() {
    let stuck = crate::support::rude::never_answers();
    let good = Checked::new("good", 200);
    let edge = edge(
        "{stuck: {url: <stuck>}, good: {url: <good>}}",
        &[("stuck", &stuck.url()), ("good", &good.upstream.url())],
    );
    assert_eq!(edge.servers(4), ["good"; 4]);
    let before = good.checks().len();
    until("the good server is checked on", || good.checks().len() > before + 3);
}

impl Edge {
    /// The `status` column of a server of the backend `ai`.
    fn show_stat_status(&self, server: &str) -> String {
        use crate::support::admin::column;
        let rows = self.show_stat();
        let row =
            rows.iter().find(|row| column(row, "pxname") == "ai" && column(row, "svname") == server).unwrap();
        column(row, "status").to_owned()
    }
}
