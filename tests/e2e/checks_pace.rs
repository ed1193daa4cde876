//! How often servers are checked and how many checks make a change; what slow answers come to; what a check that hangs
//! and a reload mean for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::admin::column;
use crate::support::edge::Edge;
use crate::support::http::{Message, answer};
use crate::support::upstream::Upstream;
use crate::support::wait::{timed, until};

/// Passes its checks or not, sooner or later, as the test says; always answers requests with its name.
struct Server {
    upstream: Upstream,
    status: Arc<AtomicU64>,
    delay_ms: Arc<AtomicU64>,
}

impl Server {
    fn new(name: &'static str, status: u64) -> Server {
        let status = Arc::new(AtomicU64::new(status));
        let delay_ms = Arc::new(AtomicU64::new(0));
        let (now, delay) = (Arc::clone(&status), Arc::clone(&delay_ms));
        let upstream = Upstream::replying(move |request| {
            let body = format!(r#"{{"server":"{name}"}}"#);
            if !is_check(request) {
                return answer(200, &[], body);
            }
            let status = now.load(Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(delay.load(Ordering::SeqCst)));
            answer(u16::try_from(status).unwrap(), &[], body)
        });
        Server { upstream, status, delay_ms }
    }

    fn says(&self, status: u64) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn takes(&self, ms: u64) {
        self.delay_ms.store(ms, Ordering::SeqCst);
    }

    fn checks(&self) -> usize {
        self.upstream.requests().iter().filter(|request| is_check(request)).count()
    }

    fn traffic(&self) -> usize {
        self.upstream.count() - self.checks()
    }
}

fn is_check(request: &Message) -> bool {
    request.header("x-probe").is_some()
}

const HTTP: &str = "http: {path: /health, headers: {x-probe: \"1\"}}";

fn sections(check: &str) -> String {
    format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{check: {{{check}}}, retry: {{attempts: 1}}, servers: {{one: {{url: <one>}}, two: {{url: <two>}}}}}}"
    )
}

struct Site {
    edge: Edge,
    one: Server,
    two: Server,
}

impl Site {
    /// `one` begins with that status, `two` is well.
    #[track_caller]
    fn new(check: &str, one: u64) -> Site {
        let (one, two) = (Server::new("one", one), Server::new("two", 200));
        let (one_url, two_url) = (one.upstream.url(), two.upstream.url());
        let edge = Edge::start(&sections(check), &[("one", &one_url), ("two", &two_url)]);
        Site { edge, one, two }
    }

    #[track_caller]
    fn reload(&self, check: &str) {
        let (one, two) = (self.one.upstream.url(), self.two.upstream.url());
        self.edge.reload(&sections(check), &[("one", &one), ("two", &two)]);
    }

    #[track_caller]
    fn stat(&self, server: &str, name: &str) -> String {
        let rows = self.edge.show_stat();
        column(rows.iter().find(|row| column(row, "svname") == server).unwrap(), name).to_owned()
    }

    fn is(&self, server: &str, status: &str) -> bool {
        self.stat(server, "status") == status
    }
}

#[test]
fn exactly_fall_failures_take_a_server_down() {
    // Once it is down nobody asks again for a minute: what was asked is what it took.
    let check = format!("{HTTP}, interval: 50ms, fast_interval: 20ms, down_interval: 60s, fall: 4");
    let site = Site::new(&check, 200);
    until("checks go on while all is well", || site.one.checks() > 3);
    site.one.says(503);
    until("down", || site.is("one", "DOWN"));
    let failed = site.stat("one", "chkfail");
    assert_eq!(failed, "4", "checks that failed while it was up");
    let asked = site.one.checks();
    let two = site.two.checks();
    until("the other one is still checked", || site.two.checks() > two + 10);
    assert_eq!(site.one.checks(), asked, "a server that is down is checked every down_interval");
}

#[test]
fn exactly_rise_passes_bring_it_up() {
    // Once it is up nobody asks again for a minute.
    let check = format!("{HTTP}, interval: 60s, fast_interval: 20ms, down_interval: 50ms, rise: 4");
    let site = Site::new(&check, 503);
    assert!(site.is("one", "DOWN"));
    until("checks go on while it is down", || site.one.checks() > 3);
    let fast = site.one.checks();
    site.one.says(200);
    until("up", || site.is("one", "UP"));
    let passed = site.one.checks() - fast;
    // One may have been under way when the answer changed.
    assert!((4..=5).contains(&passed), "{passed} checks after the change");
    assert_eq!(site.two.checks(), 1);
}

#[test]
fn one_failure_in_between_begins_the_row_anew() {
    let check = format!("{HTTP}, interval: 50ms, fast_interval: 20ms, fall: 1000");
    let site = Site::new(&check, 200);
    site.one.says(503);
    until("a row of failures", || site.stat("one", "status").starts_with("UP 9"));
    site.one.says(200);
    until("one pass ends it", || site.is("one", "UP"));
}

#[test]
fn while_a_server_changes_it_is_checked_faster() {
    let check = format!("{HTTP}, interval: 60s, down_interval: 1s, fast_interval: 20ms, rise: 11");
    let site = Site::new(&check, 503);
    let before = site.one.checks();
    site.one.says(200);
    until("a pass", || site.one.checks() > before);
    let ((), took) = timed(|| until("up", || site.is("one", "UP")));
    assert!(took < Duration::from_secs(6), "ten more checks in {took:?}, not one each second");
}

#[test]
fn a_slow_server_is_last_in_line_until_it_is_quick_again() {
    let times = "interval: 50ms, fast_interval: 20ms, timeout: 10s, fall: 2, rise: 2, slow_above: 500ms";
    let site = Site::new(&format!("{HTTP}, {times}"), 200);
    assert_eq!(site.edge.servers(2), ["one", "two"]);

    site.one.takes(800);
    until("the slow one gets nothing", || site.edge.servers(4) == ["two"; 4]);
    assert!(site.stat("one", "status").contains("slow"), "{}", site.stat("one", "status"));
    site.edge.command("set server ai/two state maint");
    assert_eq!(site.edge.servers(2), ["one", "one"], "last in line is not out");
    site.edge.command("set server ai/two state ready");

    site.one.takes(0);
    until("quick again", || site.edge.servers(2).contains(&"one".to_owned()));
    assert!(site.is("one", "UP"), "{}", site.stat("one", "status"));
}

#[test]
fn a_server_that_is_slow_at_the_start_is_last_in_line_at_once() {
    let (one, two) = (Server::new("one", 200), Server::new("two", 200));
    one.takes(400);
    let check = format!("{HTTP}, interval: 60s, timeout: 10s, slow_above: 200ms");
    let values = [one.upstream.url(), two.upstream.url()];
    let edge = Edge::start(&sections(&check), &[("one", &values[0]), ("two", &values[1])]);
    assert_eq!(edge.servers(4), ["two"; 4]);
}

#[test]
fn an_answer_above_down_above_is_a_failed_check() {
    let times = "interval: 50ms, fast_interval: 20ms, timeout: 10s, fall: 2, down_above: 500ms";
    let site = Site::new(&format!("{HTTP}, {times}"), 200);
    site.one.takes(700);
    until("down", || site.is("one", "DOWN"));
    assert_eq!(site.stat("one", "check_status"), "L7TOUT");
    assert_eq!(site.stat("one", "check_code"), "200");
    let reason = site.stat("one", "last_chk");
    assert!(
        reason.starts_with("answered in ") && reason.ends_with(", more than down_above 500ms"),
        "{reason}"
    );
}

#[test]
fn a_check_that_hangs_delays_nobody() {
    let site = Site::new(&format!("{HTTP}, interval: 50ms, fast_interval: 20ms, timeout: 60s"), 200);
    let before = site.one.checks();
    site.one.takes(30_000);
    until("a check hangs", || site.one.checks() > before);
    let (hung, others) = (site.one.checks(), site.two.checks());
    until("the other server is checked on and on", || site.two.checks() > others + 10);
    assert!(site.one.checks() <= hung + 1, "a server is asked one thing at a time");
}

#[test]
fn another_check_of_the_same_server_starts_from_what_is_known() {
    let minute = "interval: 60s, fast_interval: 60s, down_interval: 60s";
    let site = Site::new(&format!("{HTTP}, {minute}"), 503);
    assert!(site.is("one", "DOWN") && site.is("two", "UP"));
    let kinds = [
        "tcp: {}",
        "http: {path: /other, headers: {x-probe: \"1\"}, expect: {status: [503], body: {contains: x}}}",
        "chat: {model: m, max_tokens: 1}",
        HTTP,
    ];
    for kind in kinds {
        site.reload(&format!("{kind}, {minute}"));
        assert!(site.is("one", "DOWN") && site.is("two", "UP"), "{kind}");
        assert_eq!(site.edge.servers(3), ["two"; 3]);
    }
    assert_eq!((site.one.checks(), site.two.checks(), site.one.traffic()), (1, 1, 0));
}

#[test]
fn a_reload_that_comes_often_does_not_keep_checks_from_coming() {
    let check = format!("{HTTP}, interval: 500ms, fast_interval: 400ms");
    let site = Site::new(&check, 200);
    let before = site.one.checks();
    until("a check between reloads", || {
        site.reload(&check);
        site.one.checks() > before
    });
}
