//! `cooldown`: who says that it is asked too much is left alone for as long as it says, and that is no failure.

use std::time::{Duration, SystemTime};

use crate::support::edge::{Edge, server_of};
use crate::support::fickle::Fickle;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// A breaker that opens at the first failure shows that a limit is none.
fn sections(cooldown: &str, servers: &str) -> String {
    format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{retry: {{attempts: 1}}, breaker: {{failures: 1}}, cooldown: {cooldown}, servers: {{{servers}}}}}"
    )
}

const KEYED: &str = "one: {url: <one>, api_key: sk-ours}, two: {url: <two>, tier: 2}";
const KEYLESS: &str = "one: {url: <one>}, two: {url: <two>, tier: 2}";

struct Pair {
    edge: Edge,
    one: Fickle,
    two: Upstream,
}

impl Pair {
    fn new(cooldown: &str, servers: &str) -> Pair {
        let (one, two) = (Fickle::new("one"), Upstream::named("two"));
        let edge = Edge::start(&sections(cooldown, servers), &[("one", &one.url()), ("two", &two.url())]);
        Pair { edge, one, two }
    }

    /// One answer of `one` with that status and header; for how many seconds it is left alone, if it is.
    fn answered(&self, status: u16, headers: &[(&str, &str)]) -> Option<f64> {
        self.edge.command("set server ai/one state ready");
        let before = self.edge.events_to("one", "cooldown").len();
        self.one.answers(status, headers);
        assert_eq!(self.edge.ask(&Ask::chat(false)).status(), status);
        let after = self.edge.events_to("one", "cooldown");
        assert!(after.len() <= before + 1, "{after:?}");
        let (served, reached) = (self.two.count(), self.one.count());
        let event = after.get(before)?;
        assert_eq!(self.edge.state("one"), "cooldown");
        assert_eq!(server_of(&self.edge.ask(&Ask::chat(false))), "two");
        assert_eq!((self.two.count(), self.one.count()), (served + 1, reached));
        Some(event["expected_seconds"].as_f64().unwrap())
    }
}

#[test]
fn retry_after_is_obeyed_in_all_its_spellings_up_to_a_limit() {
    let pair = Pair::new("{default: 5s, up_to: 60s}", KEYED);
    let of = |name: &str, value: &str| pair.answered(429, &[(name, value)]);
    assert_eq!(of("retry-after", "7"), Some(7.0));
    assert_eq!(of("Retry-After", "1"), Some(1.0));
    assert_eq!(of("retry-after-ms", "1500"), Some(1.5));
    assert_eq!(of("retry-after", "60"), Some(60.0));
    assert_eq!(of("retry-after", "61"), Some(60.0));
    assert_eq!(of("retry-after", "86400"), Some(60.0));
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
    let until_date = of("retry-after", &date).unwrap();
    assert!((20.0..=30.0).contains(&until_date), "{until_date}");
    let year = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(365 * 86400));
    assert_eq!(of("retry-after", &year), Some(60.0));
}

#[test]
fn without_retry_after_the_limits_own_reset_counts() {
    let pair = Pair::new("{default: 5s, up_to: 10m}", KEYED);
    let of = |headers: &[(&str, &str)]| pair.answered(429, headers);
    assert_eq!(of(&[("x-ratelimit-reset-requests", "12s")]), Some(12.0));
    assert_eq!(of(&[("x-ratelimit-reset-tokens", "1m30s")]), Some(90.0));
    let both = [("x-ratelimit-reset-requests", "2m0s"), ("x-ratelimit-reset-tokens", "3s")];
    assert_eq!(of(&[&both[..], &[("x-ratelimit-remaining-requests", "0")]].concat()), Some(120.0));
    assert_eq!(of(&[&both[..], &[("x-ratelimit-remaining-tokens", "0")]].concat()), Some(3.0));
    assert_eq!(of(&[&both[..], &[("retry-after", "9")]].concat()), Some(9.0));
}

#[test]
fn nonsense_is_as_good_as_nothing() {
    let pair = Pair::new("{default: 5s, up_to: 60s}", KEYED);
    for nonsense in ["soon", "-5", "", "1e9", "NaN", "inf", "0x10", "7s", "Mon, 99 Foo 2026 00:00:00 GMT"] {
        assert_eq!(pair.answered(429, &[("retry-after", nonsense)]), Some(5.0), "{nonsense}");
        assert_eq!(pair.answered(429, &[("x-ratelimit-reset-requests", "in 5 minutes")]), Some(5.0));
    }
}

#[test]
fn zero_is_no_cooldown() {
    let pair = Pair::new("{default: 5s, up_to: 60s}", KEYED);
    for past in ["0", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        assert_eq!(pair.answered(429, &[("retry-after", past)]), None, "{past}");
        assert_eq!(pair.edge.state("one"), "up");
    }
}

#[test]
fn without_a_time_it_doubles_until_the_server_is_well_again() {
    let pair = Pair::new("{default: 100ms, up_to: 300ms}", KEYED);
    let (edge, one) = (&pair.edge, &pair.one);
    let limited = |count: usize| {
        one.fails(429);
        assert_eq!(edge.ask(&Ask::chat(false)).status(), 429);
        until("it is over", || edge.events_to("one", "up").len() == count);
    };
    (1..=4).for_each(limited);
    one.recovers();
    assert_eq!(edge.servers(1), ["one"]);
    limited(5);
    let times: Vec<f64> = edge
        .events_to("one", "cooldown")
        .iter()
        .map(|event| event["expected_seconds"].as_f64().unwrap())
        .collect();
    assert_eq!(times, [0.1, 0.2, 0.3, 0.3, 0.1]);
}

#[test]
fn a_limit_is_never_a_failure() {
    let pair = Pair::new("{default: 20ms, up_to: 60s}", KEYED);
    for _ in 0..12 {
        pair.one.answers(429, &[("retry-after-ms", "20")]);
        assert_eq!(pair.edge.ask(&Ask::chat(false)).status(), 429);
        pair.edge.becomes("one", "up");
    }
    assert!(pair.edge.events_to("one", "breaker_open").is_empty());
    assert!(pair.edge.events_to("one", "ejected").is_empty());
    let failures = pair.edge.metrics().sum("tidegate_server_failures_total", &[("server", "one")]);
    assert_eq!((failures, pair.one.count()), (0.0, 12));
}

#[test]
fn an_empty_account_is_a_limit_where_the_key_is_ours() {
    let pair = Pair::new("{default: 5s, up_to: 60s}", KEYED);
    assert_eq!(pair.answered(402, &[]), Some(5.0));
    let keyless = Pair::new("{default: 5s, up_to: 60s}", KEYLESS);
    assert_eq!(keyless.answered(402, &[]), None);
}

#[test]
fn last_answer_of_a_quota_is_one_where_the_key_is_ours() {
    let used_up = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "20s")];
    let some_left = [("x-ratelimit-remaining-requests", "1"), ("x-ratelimit-reset-requests", "20s")];
    let pair = Pair::new("{default: 5s, up_to: 60s}", KEYED);
    assert_eq!(pair.answered(200, &some_left), None);
    assert_eq!(pair.answered(200, &used_up[..1]), None, "until when, it does not say");
    assert_eq!(pair.answered(200, &used_up), Some(20.0));
    let keyless = Pair::new("{default: 5s, up_to: 60s}", KEYLESS);
    assert_eq!(keyless.answered(200, &used_up), None);
}

#[test]
fn other_servers_get_what_it_was_asked_and_it_comes_back_by_itself() {
    let text = sections("{default: 300ms, up_to: 60s}", "one: {url: <one>}, two: {url: <two>}")
        .replace("attempts: 1", "attempts: 2, budget: 100%");
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = Edge::start(&text, &[("one", &one.url()), ("two", &two.url())]);
    one.fails(429);
    assert_eq!(edge.servers(10), ["two"; 10], "no client notices");
    assert!(one.count() <= 3, "{}", one.count());
    one.recovers();
    until("it is asked again", || edge.servers(2).contains(&"one".to_owned()));
    let back = &edge.events_to("one", "up")[0];
    assert_eq!(back["from"], "cooldown");
    assert!(back["lasted_seconds"].as_f64().unwrap() >= 0.299, "{back}");
}

#[test]
fn alone_in_a_cooldown_is_a_503_that_says_when_to_come_back() {
    let one = Fickle::new("one");
    let text = sections("{default: 5s, up_to: 60s}", "one: {url: <one>}");
    let edge = Edge::start(&text, &[("one", &one.url())]);
    one.answers(429, &[("retry-after", "50")]);
    assert_eq!(edge.ask(&Ask::chat(false)).status(), 429, "what the server said");
    one.recovers();
    for _ in 0..3 {
        let refused = edge.ask(&Ask::chat(false));
        refused.is_error(503, "no_server_available");
        let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((30..=50).contains(&after), "{after}");
    }
    assert_eq!(one.count(), 1);
}

#[test]
fn first_who_comes_back_is_what_retry_after_tells() {
    let (one, two) = (Fickle::new("one"), Fickle::new("two"));
    let text = sections("{default: 5s, up_to: 10m}", "one: {url: <one>}, two: {url: <two>}");
    let edge = Edge::start(&text, &[("one", &one.url()), ("two", &two.url())]);
    one.answers(429, &[("retry-after", "500")]);
    two.answers(429, &[("retry-after", "100")]);
    assert_eq!([(); 2].map(|()| edge.ask(&Ask::chat(false)).status()), [429, 429]);
    let refused = edge.ask(&Ask::chat(false));
    refused.is_error(503, "no_server_available");
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((80..=100).contains(&after), "{after}");
}

#[test]
fn off_is_off() {
    let pair = Pair::new("off", KEYED);
    for _ in 0..10 {
        pair.one.answers(429, &[("retry-after", "60")]);
        assert_eq!(pair.edge.ask(&Ask::chat(false)).status(), 429);
    }
    assert_eq!((pair.one.count(), pair.two.count(), pair.edge.state("one").as_str()), (10, 0, "up"));
}

#[test]
fn reload_keeps_it_until_the_server_is_another_or_there_are_none() {
    let (one, two, other) = (Fickle::new("one"), Upstream::named("two"), Upstream::named("other"));
    let urls = [("one", one.url()), ("two", two.url()), ("other", other.url())];
    let values = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let cooldown = "{default: 60s, up_to: 60s}";
    let edge = Edge::start(&sections(cooldown, KEYED), &values);
    let limited = || {
        one.fails(429);
        assert_eq!(edge.ask(&Ask::chat(false)).status(), 429);
        one.recovers();
        assert_eq!(edge.servers(2), ["two"; 2]);
    };
    limited();
    edge.reload(&sections(cooldown, &KEYED.replace("sk-ours}", "sk-ours, weight: 3}")), &values);
    assert_eq!(edge.servers(2), ["two"; 2]);
    edge.reload(&sections(cooldown, &KEYED.replace("sk-ours", "sk-other")), &values);
    assert_eq!(edge.servers(2), ["one"; 2], "another key has another quota");
    limited();
    edge.reload(&sections(cooldown, &KEYED.replace("<one>", "<other>")), &values);
    assert_eq!(edge.servers(2), ["other"; 2]);
    edge.reload(&sections(cooldown, KEYED), &values);
    limited();
    edge.reload(&sections("off", KEYED), &values);
    assert_eq!(edge.servers(2), ["one"; 2]);
}

#[test]
fn limit_of_a_clients_own_key_is_not_everybodys() {
    let pair = Pair::new("{default: 5s, up_to: 60s}", KEYLESS);
    let (edge, one) = (&pair.edge, &pair.one);
    one.answers(429, &[("retry-after", "50")]);
    assert_eq!(edge.ask(&Ask::chat(false).bearer("sk-of-a-client")).status(), 429);
    one.recovers();
    assert_eq!(edge.state("one"), "slow");
    let event = edge.event_to("one", "slow");
    assert!(event["why"].as_str().unwrap().contains("client's own key"), "{event}");
    assert_eq!(edge.servers(2), ["two"; 2], "last in line");
    edge.command("set server ai/two state maint");
    assert_eq!(edge.servers(2), ["one"; 2], "but not out");
    assert!(edge.events_to("one", "cooldown").is_empty());
}

#[test]
fn limit_of_a_clients_own_key_is_over_when_it_said() {
    let pair = Pair::new("{default: 5s, up_to: 60s}", KEYLESS);
    let (edge, one) = (&pair.edge, &pair.one);
    one.answers(429, &[("retry-after-ms", "200")]);
    assert_eq!(edge.ask(&Ask::chat(false).header("x-api-key", "sk-of-a-client")).status(), 429);
    one.recovers();
    edge.event_to("one", "slow");
    until("it is first again", || edge.servers(1) == ["one"]);
}
