//! /metrics: what a scraper reads, with figures that add up.

use std::time::SystemTime;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::http::Ask;
use crate::support::rude::Refusing;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn edge(one: &Upstream, two: &Refusing) -> Edge {
    Edge::start(
        "
tables:
  by_ip: {key: src, size: 100, expire: 60s, counters: [http_req_cnt]}
acls:
  bad: {path_beg: /v1/bad}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
      - {track: by_ip}
      - {deny: {status: 403}, if: bad}
    default_backend: ai
backends:
  ai:
    check: {http: {method: GET, path: /models}, interval: 10s, timeout: 1s}
    servers: {one: {url: <one>}, two: {url: <two>}}",
        &[("one", &one.url()), ("two", &two.url())],
    )
}

#[test]
fn requests_are_counted_by_where_they_went_and_how_they_ended() {
    let (one, two) = (Upstream::named("one"), Refusing::new());
    let edge = edge(&one, &two);
    edge.servers(7);
    edge.ask(&Ask::get("/v1/bad"));
    let served = [("frontend", "web"), ("backend", "ai"), ("server", "one"), ("code", "200")];
    until("all are counted", || edge.metrics().sum("tidegate_requests_total", &[("frontend", "web")]) == 8.0);
    let metrics = edge.metrics();
    assert_eq!(metrics.sum("tidegate_requests_total", &served), 7.0);
    assert_eq!(metrics.sum("tidegate_requests_total", &[("frontend", "web"), ("code", "403")]), 1.0);
    assert_eq!(metrics.sum("tidegate_denied_total", &[]), 1.0);
}

#[test]
fn histograms_count_every_request_and_never_fall() {
    let (one, two) = (Upstream::named("one"), Refusing::new());
    let edge = edge(&one, &two);
    edge.servers(9);
    for name in ["tidegate_request_duration_seconds", "tidegate_first_byte_seconds"] {
        until("the histogram has them all", || {
            edge.metrics().sum(&format!("{name}_count"), &[("backend", "ai")]) == 9.0
        });
        let metrics = edge.metrics();
        assert_eq!(metrics.types.get(name).map(String::as_str), Some("histogram"), "{name}");
        let bucket = format!("{name}_bucket");
        assert_eq!(
            metrics.sum(&bucket, &[("le", "+Inf")]),
            metrics.sum(&format!("{name}_count"), &[]),
            "{name}"
        );
        let mut by_series = std::collections::BTreeMap::<String, Vec<(f64, f64)>>::new();
        for sample in metrics.matching(&bucket, &[]) {
            let mut labels = sample.labels.clone();
            let edge = labels.remove("le").unwrap();
            let edge = if edge == "+Inf" { f64::INFINITY } else { edge.parse().unwrap() };
            by_series.entry(format!("{labels:?}")).or_default().push((edge, sample.value));
        }
        assert!(!by_series.is_empty(), "no buckets of {name}");
        for (labels, buckets) in by_series {
            assert!(buckets.is_sorted(), "{name}{labels}: {buckets:?}");
        }
        assert!(metrics.sum(&format!("{name}_sum"), &[("backend", "ai")]) > 0.0);
    }
}

#[test]
fn states_tables_and_connections_are_there() {
    let (one, two) = (Upstream::named("one"), Refusing::new());
    let edge = edge(&one, &two);
    let client = edge.servers(1);
    assert_eq!(client, ["one"]);
    let metrics = edge.metrics();
    let state = |server: &str, state: &str| {
        metrics.sum("tidegate_server_state", &[("backend", "ai"), ("server", server), ("state", state)])
    };
    assert_eq!((state("one", "up"), state("one", "down")), (1.0, 0.0));
    assert_eq!((state("two", "up"), state("two", "down")), (0.0, 1.0));
    assert_eq!(metrics.sum("tidegate_table_entries", &[("table", "by_ip")]), 1.0);
    for name in [
        "tidegate_connections",
        "tidegate_retries_total",
        "tidegate_requests_total",
        "tidegate_table_entries",
    ] {
        assert!(metrics.has(name, &[]), "no {name}");
    }
    for sample in ["tidegate_retries_total", "tidegate_requests_total", "tidegate_denied_total"] {
        assert_eq!(metrics.types.get(sample).map(String::as_str), Some("counter"), "{sample}");
    }
}

#[test]
fn content_type_is_what_scrapers_expect() {
    let (one, two) = (Upstream::named("one"), Refusing::new());
    let edge = edge(&one, &two);
    let answer = edge.admin_get("/metrics");
    let kind = answer.header("content-type").unwrap();
    assert!(
        kind.starts_with("text/plain; version=0.0.4") || kind.starts_with("application/openmetrics-text"),
        "{kind}"
    );
}

#[test]
fn names_cannot_break_the_format() {
    // A server's name and a client's path are not the place for quotes: whatever is asked, the text parses.
    let (one, two) = (Upstream::named("one"), Refusing::new());
    let edge = edge(&one, &two);
    for target in ["/v1/a\"b", "/v1/a\\b", "/v1/{x=\"y\"}"] {
        edge.ask(&Ask::get(target));
    }
    edge.metrics();
}

#[test]
fn a_refused_reload_and_the_end_of_a_certificate_show() {
    let (directory, one) = (Scratch::new(), Upstream::named("one"));
    let file = Authority::new("metrics").issue(&["one.test"]).write(&directory, "one.pem");
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0, tls: {certificates: [<file>]}}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("file", &file.display().to_string()), ("one", &one.url())],
    );
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let reload = || {
        let metrics = edge.metrics();
        (metrics.sum("tidegate_reload_success", &[]), metrics.sum("tidegate_reload_timestamp_seconds", &[]))
    };
    let (good, began) = reload();
    assert!(good == 1.0 && (now() - began).abs() < 60.0, "{good} {began}");
    let name = file.display().to_string();
    assert!(edge.metrics().sum("tidegate_certificate_expiry_seconds", &[("file", &name)]) > now());
    assert!(!edge.reload_text("nonsense: true\n"));
    assert_eq!(reload(), (0.0, began));
}
