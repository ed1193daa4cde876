//! `eject`: who fails too large a share of its requests is out for a time that grows, but never too many of a tier.

use std::time::Duration;

use crate::support::edge::{Edge, server_of};
use crate::support::fickle::Fickle;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// Nothing but ejection takes a server out.
fn sections(eject: &str, servers: &str) -> String {
    format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{retry: {{attempts: 1}}, breaker: off, eject: {eject}, cooldown: off, servers: {{{servers}}}}}"
    )
}

const TIERS: &str = "one: {url: <one>}, two: {url: <two>, tier: 2}";

/// `one` may be ejected, `two` gets what does not go there.
fn pair(eject: &str, one: &Fickle, two: &Upstream) -> Edge {
    Edge::start(&sections(eject, TIERS), &[("one", &one.url()), ("two", &two.url())])
}

/// `F` fails, `.` does not; every one must reach the server.
fn does(edge: &Edge, one: &Fickle, what: &str) {
    for (index, letter) in what.chars().enumerate() {
        let before = one.count();
        let status = if letter == 'F' { 500 } else { 200 };
        if letter == 'F' {
            one.fails(500)
        } else {
            one.recovers()
        }
        assert_eq!(edge.ask(&Ask::chat(false)).status(), status);
        assert_eq!(one.count(), before + 1, "request {index} of {what} went elsewhere");
    }
}

fn ejections(edge: &Edge, server: &str) -> usize {
    edge.events_to(server, "ejected").len()
}

#[test]
fn more_than_the_share_of_the_window_ejects_and_not_one_less() {
    for (pattern, last) in [("F.F.F....", "F"), ("F...F....F", "FF"), ("FFF", "F")] {
        let (one, two) = (Fickle::new("one"), Upstream::named("two"));
        let edge = pair("{error_rate: 30%, over: 10, for: 60s, up_to: 5m, max_ejected: 100%}", &one, &two);
        does(&edge, &one, pattern);
        assert_eq!(ejections(&edge, "one"), 0, "{pattern}: three of ten are 30 %");
        does(&edge, &one, last);
        assert_eq!(edge.state("one"), "ejected", "{pattern}{last}");
        let event = edge.event_to("one", "ejected");
        assert!(event["why"].as_str().unwrap().contains("4 of the last 10 failed"), "{event}");
        assert_eq!(event["expected_seconds"], 60.0);
        let before = one.count();
        one.recovers();
        assert_eq!(edge.servers(5), ["two"; 5]);
        assert_eq!(one.count(), before);
    }
}

#[test]
fn failures_that_left_the_window_do_not_count() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = pair("{error_rate: 30%, over: 10, for: 60s, up_to: 5m, max_ejected: 100%}", &one, &two);
    // Each further failure pushes an old one out.
    does(&edge, &one, "FFF.......");
    does(&edge, &one, "FFF.......");
    does(&edge, &one, ".....FFF..");
    assert_eq!(ejections(&edge, "one"), 0);
    does(&edge, &one, "F");
    assert_eq!(edge.state("one"), "ejected");
}

#[test]
fn window_of_one_ejects_at_the_first_failure() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = pair("{error_rate: 0%, over: 1, for: 60s, up_to: 60s, max_ejected: 100%}", &one, &two);
    does(&edge, &one, "...F");
    assert_eq!(edge.state("one"), "ejected");
}

#[test]
fn clients_mistakes_and_limits_are_no_failures() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = pair("{error_rate: 0%, over: 1, for: 60s, up_to: 60s, max_ejected: 100%}", &one, &two);
    for status in [400, 401, 403, 404, 422, 429, 501] {
        one.fails(status);
        assert_eq!(edge.ask(&Ask::chat(false)).status(), status);
    }
    one.holds();
    let mut client = edge.open();
    client.send(Ask::chat(false).bytes());
    until("it is there", || one.count() == 8);
    drop(client);
    until("it has left", || edge.metrics().sum("tidegate_server_in_flight", &[]) == 0.0);
    one.recovers();
    assert_eq!(server_of(&edge.ask(&Ask::chat(false))), "one");
    assert_eq!(ejections(&edge, "one"), 0);
}

#[test]
fn never_more_than_the_share_of_a_tier_is_out_whatever_the_threads() {
    for (servers, most, share) in
        [(4, 2, "50%"), (5, 2, "50%"), (3, 0, "30%"), (10, 3, "30%"), (4, 4, "100%")]
    {
        let all: Vec<Fickle> = (0..servers).map(|_| Fickle::new("bad")).collect();
        all.iter().for_each(|server| server.fails(500));
        let text: Vec<String> =
            all.iter().enumerate().map(|(n, s)| format!("s{n}: {{url: {}}}", s.url())).collect();
        let eject = format!("{{error_rate: 10%, over: 5, for: 60s, up_to: 60s, max_ejected: {share}}}");
        let edge = Edge::start(&sections(&eject, &text.join(", ")), &[]);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let status = edge.ask(&Ask::chat(false)).status();
                        assert!([500, 503].contains(&status), "{status}");
                    }
                });
            }
        });
        let out = (0..servers).filter(|n| edge.state(&format!("s{n}")) == "ejected").count();
        assert_eq!(out, most, "{share} of {servers}");
    }
}

#[test]
fn each_ejection_is_twice_as_long_up_to_a_limit_and_it_comes_back() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = pair("{error_rate: 50%, over: 2, for: 150ms, up_to: 1s, max_ejected: 100%}", &one, &two);
    for count in 1..=4 {
        does(&edge, &one, "FF");
        until("it is back", || edge.events_to("one", "up").len() == count);
    }
    let times: Vec<f64> = edge
        .events_to("one", "ejected")
        .iter()
        .map(|event| event["expected_seconds"].as_f64().unwrap())
        .collect();
    assert_eq!(times, [0.15, 0.3, 0.6, 1.0]);
    for (event, time) in edge.events_to("one", "up").iter().zip(times) {
        let lasted = event["lasted_seconds"].as_f64().unwrap();
        assert!(lasted >= time - 0.001, "{lasted} of {time}");
        assert_eq!(event["from"], "ejected");
    }
    one.recovers();
    assert_eq!(edge.servers(5), ["one"; 5]);
    // As long as the longest without one more: the doubling is forgotten.
    std::thread::sleep(Duration::from_millis(1050));
    does(&edge, &one, "FF");
    assert_eq!(edge.events_to("one", "ejected").last().unwrap()["expected_seconds"], 0.15);
}

#[test]
fn alone_and_ejected_is_a_503_that_says_when_to_come_back() {
    let one = Fickle::new("one");
    let eject = "{error_rate: 0%, over: 1, for: 30s, up_to: 60s, max_ejected: 100%}";
    let edge = Edge::start(&sections(eject, "one: {url: <one>}"), &[("one", &one.url())]);
    does(&edge, &one, "F");
    let refused = edge.ask(&Ask::chat(false));
    refused.is_error(503, "no_server_available");
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((15..=30).contains(&after), "{after}");
    assert_eq!(one.count(), 1);
}

#[test]
fn off_and_the_share_by_default_leave_a_single_server_alone() {
    let one = Fickle::new("one");
    for eject in ["off", "{error_rate: 0%, over: 1}"] {
        let edge = Edge::start(&sections(eject, "one: {url: <one>}"), &[("one", &one.url())]);
        does(&edge, &one, "FFFFFFFFFFFFFFFFFFFFFFFFF");
        assert_eq!((ejections(&edge, "one"), edge.state("one").as_str()), (0, "up"), "{eject}");
    }
}

#[test]
fn operators_ready_ends_it() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = pair("{error_rate: 0%, over: 1, for: 60s, up_to: 60s, max_ejected: 100%}", &one, &two);
    does(&edge, &one, "F");
    assert_eq!(edge.servers(1), ["two"]);
    edge.command("enable server ai/one");
    does(&edge, &one, "..");
}

#[test]
fn reload_keeps_it_out_until_the_server_is_another_or_nobody_is_ejected() {
    let (one, two, other) = (Fickle::new("one"), Upstream::named("two"), Upstream::named("other"));
    let urls = [("one", one.url()), ("two", two.url()), ("other", other.url())];
    let values = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let eject = "{error_rate: 0%, over: 1, for: 60s, up_to: 60s, max_ejected: 100%}";
    let edge = Edge::start(&sections(eject, TIERS), &values);
    does(&edge, &one, "F");
    one.recovers();
    for same in [TIERS, "two: {url: <two>, tier: 2}, one: {url: <one>, weight: 9}", TIERS] {
        edge.reload(&sections(eject, same), &values);
        assert_eq!(edge.servers(3), ["two"; 3], "{same}");
    }
    let moved = TIERS.replace("<one>", "<other>");
    edge.reload(&sections(eject, &moved), &values);
    assert_eq!(edge.servers(3), ["other"; 3]);
    edge.reload(&sections(eject, TIERS), &values);
    does(&edge, &one, ".F");
    one.recovers();
    edge.reload(&sections("off", TIERS), &values);
    assert_eq!(edge.servers(3), ["one"; 3]);
}
