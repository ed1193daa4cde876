//! What became of servers and tiers is told the same through every door, and the figures of each are there.

use std::collections::BTreeMap;

use crate::support::edge::{Edge, server_of};
use crate::support::fickle::{Does, Fickle};
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    breaker: {failures: 2, open_for: 60s}
    eject: off
    servers: {one: {url: <one>, api_key: sk-a-secret}, two: {url: <two>, tier: 2}}
  other:
    servers: {three: {url: <two>}}";

struct Pair {
    edge: Edge,
    one: Fickle,
    _two: Upstream,
}

fn pair() -> Pair {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let edge = Edge::start(SECTIONS, &[("one", &one.url()), ("two", &two.url())]);
    Pair { edge, one, _two: two }
}

fn open_breaker(pair: &Pair) {
    pair.one.fails(502);
    for _ in 0..2 {
        assert_eq!(pair.edge.ask(&Ask::chat(false)).status(), 502);
    }
    assert_eq!(pair.edge.state("one"), "breaker_open");
}

#[test]
fn every_door_tells_from_to_why_and_for_how_long() {
    let pair = pair();
    let edge = &pair.edge;
    assert_eq!(edge.command("show events").trim(), "Nothing has changed since the start.");
    open_breaker(&pair);

    let events = edge.events();
    assert_eq!(events.len(), 2, "{events:?}");
    let [server, tier] = [&events[0], &events[1]];
    assert_eq!(
        [&server["kind"], &server["backend"], &server["server"], &server["from"], &server["to"]],
        ["server", "ai", "one", "up", "breaker_open"]
    );
    assert_eq!((server["expected_seconds"].as_f64(), server["tone"].as_str()), (Some(60.0), Some("worse")));
    assert!(server["at"].as_f64().unwrap() > 1.7e9 && server["lasted_seconds"].is_number(), "{server}");
    let why = "2 failures in a row, the last: status 502";
    assert_eq!(server["why"], why);
    assert_eq!([&tier["kind"], &tier["from"], &tier["to"]], ["failover", "tier 1", "tier 2"]);
    assert!(tier["server"].is_null() && tier["why"].as_str().unwrap().contains("one"), "{tier}");

    let text = edge.command("show events");
    let lines: Vec<&str> = text.trim().lines().collect();
    assert!(lines[0].contains("ai failover tier 1 -> tier 2"), "newest first: {text}");
    assert!(lines[1].contains("ai/one up -> breaker_open for 1m") && lines[1].contains(why), "{text}");
    assert_eq!(edge.command("show events ai"), text);
    assert_eq!(edge.command("show events other").trim(), "Nothing has changed since the start.");
    assert!(edge.command("show events nope").contains("No such backend: nope"));

    edge.says(&format!("server ai/one is CUT OFF by its circuit breaker for 1m: {why}"));
    edge.says("failover from tier 1 to tier 2");
    assert_eq!(edge.told("ai/one"), 1, "one line");
    let page = edge.admin_get("/stats").text();
    assert!(page.contains("breaker") && page.contains(why), "{page}");
    let metrics = edge.metrics();
    let count = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
    assert_eq!(count("tidegate_server_changes_total", &[("server", "one"), ("to", "breaker_open")]), 1.0);
    assert_eq!(count("tidegate_server_changes_total", &[]), 1.0);
    assert_eq!(count("tidegate_tier_changes_total", &[]), 1.0);
    let status = edge.server_status("one");
    assert_eq!(status["why"], why);
    assert!((30..=60).contains(&status["state_ends_seconds"].as_u64().unwrap()), "{status}");
    let attention = edge.status()["attention"].to_string();
    assert!(attention.contains("circuit breaker"), "{attention}");
    let stat = edge.command("show stat");
    assert!(stat.contains("DOWN (breaker open)"), "{stat}");
    for text in [page, text, stat, attention, edge.process.transcript()] {
        assert!(!text.contains("sk-a-secret"));
    }
}

#[test]
fn kept_events_are_the_last_ones_and_all_are_counted() {
    let pair = pair();
    let edge = &pair.edge;
    for _ in 0..100 {
        edge.command("set server other/three weight 0");
        edge.command("set server other/three weight 100");
        edge.command("set server ai/one state maint");
        edge.command("set server ai/one state ready");
    }
    edge.command("set server ai/two state maint");
    let document = edge.admin_get("/api/v1/events").json();
    let events = document["events"].as_array().unwrap();
    assert_eq!(events.len(), 256);
    assert!(document["total"].as_u64().unwrap() > 400, "{}", document["total"]);
    assert_eq!((events[0]["server"].as_str(), events[0]["to"].as_str()), (Some("two"), Some("maint")));
    let times: Vec<f64> = events.iter().map(|event| event["at"].as_f64().unwrap()).collect();
    assert!(times.windows(2).all(|two| two[0] >= two[1]), "newest first");
    assert_eq!(edge.admin_get("/stats").status(), 200);
}

#[test]
fn same_order_twice_is_one_event() {
    let pair = pair();
    for _ in 0..3 {
        pair.edge.command("set server ai/one state ready");
    }
    assert!(pair.edge.events().is_empty());
    for _ in 0..3 {
        pair.edge.command("set server ai/two state drain");
    }
    assert_eq!(pair.edge.events_to("two", "drain").len(), 1);
}

#[test]
fn events_survive_a_reload() {
    let pair = pair();
    open_breaker(&pair);
    let before = pair.edge.events();
    let (one, two) = (pair.one.url(), pair._two.url());
    pair.edge.reload(SECTIONS, &[("one", &one), ("two", &two)]);
    let (own, earlier): (Vec<_>, Vec<_>) =
        pair.edge.events().into_iter().partition(|event| event["kind"] == "reload");
    assert_eq!(earlier, before, "a reload that changes nothing is no event of a server");
    assert_eq!(own.len(), 1);
}

#[test]
fn failures_are_told_by_kind() {
    let pair = pair();
    let text = SECTIONS.replace("breaker: {failures: 2, open_for: 60s}", "breaker: off");
    pair.edge.reload(&text, &[("one", &pair.one.url()), ("two", &pair._two.url())]);
    pair.one.fails(500);
    (0..3).for_each(|_| drop(pair.edge.ask(&Ask::chat(false))));
    pair.one.does(Does::Ends(Vec::new()));
    (0..2).for_each(|_| drop(pair.edge.ask(&Ask::chat(false))));
    pair.one.does(Does::Ends(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()));
    drop(pair.edge.ask(&Ask::chat(false)));
    pair.one.fails(404);
    drop(pair.edge.ask(&Ask::chat(false)));
    let kinds = |server: &serde_json::Value| -> BTreeMap<String, u64> {
        let all = server["failures"].as_array().unwrap().iter();
        all.map(|f| (f["kind"].as_str().unwrap().to_owned(), f["count"].as_u64().unwrap())).collect()
    };
    let expected: BTreeMap<String, u64> =
        [("status", 3), ("empty", 2), ("cut", 1)].map(|(kind, count)| (kind.to_owned(), count)).into();
    until("all are told", || kinds(&pair.edge.server_status("one")) == expected);
    assert_eq!(kinds(&pair.edge.status()["backends"][0]), expected);
    assert_eq!(kinds(&pair.edge.server_status("one")["recent"]), expected);
    let metrics = pair.edge.metrics();
    for (kind, count) in expected {
        let labels = [("server", "one"), ("kind", kind.as_str())];
        assert_eq!(metrics.sum("tidegate_server_failures_total", &labels), count as f64);
    }
}

#[test]
fn quantiles_of_each_server_are_there_once_it_has_answered() {
    let pair = pair();
    let figures = ["p50", "p95", "p99"];
    for name in ["duration", "first_byte", "first_content"] {
        let unknown = &pair.edge.server_status("one")[name];
        assert!(figures.iter().all(|figure| unknown[figure].is_null()), "{name}: {unknown}");
    }
    for _ in 0..30 {
        assert_eq!(server_of(&pair.edge.ask(&Ask::chat(false))), "one");
    }
    for name in ["duration", "first_byte"] {
        for within in ["since the start", "lately"] {
            until(&format!("{name} {within}"), || {
                let server = pair.edge.server_status("one");
                let known = if within == "lately" { &server["recent"][name] } else { &server[name] };
                let [p50, p95, p99] = figures.map(|figure| known[figure].as_f64().unwrap_or(-1.0));
                0.0 <= p50 && p50 <= p95 && p95 <= p99 && p99 < 20.0
            });
        }
    }
    assert!(pair.edge.server_status("one")["first_content"]["p50"].is_null(), "nothing was a stream");
    let page = pair.edge.admin_get("/stats").text();
    assert!(figures.iter().all(|figure| page.contains(figure)), "no quantiles on the page");
}

#[test]
fn metrics_stay_well_formed_in_every_state() {
    let pair = pair();
    open_breaker(&pair);
    pair.edge.command("set server other/three state maint");
    let text = pair.edge.admin_get("/metrics").text();
    let metrics = pair.edge.metrics();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            name.strip_suffix(end)
                .filter(|base| metrics.types.get(*base).is_some_and(|kind| kind == "histogram"))
        });
        let family = family.unwrap_or(name);
        assert!(metrics.types.contains_key(family), "{name} has no TYPE");
        assert!(text.contains(&format!("# HELP {family} ")), "{name} has no HELP");
        let counts = metrics.types[family] == "counter";
        assert!(!counts || family.ends_with("_total"), "a counter without _total: {family}");
    }
    let mut series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    series.iter_mut().for_each(|line| *line = line.rsplit_once(' ').map_or(*line, |(series, _)| series));
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all, "a series is there twice");
    for (server, state) in [("one", "breaker_open"), ("two", "up"), ("three", "maint")] {
        let states: Vec<_> = metrics.matching("tidegate_server_state", &[("server", server)]).collect();
        assert_eq!(states.len(), 12, "{server}");
        let on: Vec<_> = states.iter().filter(|sample| sample.value == 1.0).collect();
        assert!(on.len() == 1 && on[0].labels["state"] == state, "{server}");
    }
    assert_eq!(metrics.sum("tidegate_backend_usable_servers", &[("backend", "ai")]), 1.0);
    assert_eq!(metrics.sum("tidegate_backend_active_tier", &[("backend", "ai")]), 2.0);
}
