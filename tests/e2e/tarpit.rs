//! `tarpit` and `silent_drop`: a client that is not wanted is held up, or hears nothing at all, and nobody else notices.

use std::time::Duration;

use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::site::Site;
use crate::support::upstream::Upstream;
use crate::support::wait::{timed, until};

const SECTIONS: &str = "
tables: {t: {key: src, expire: 60s, counters: [http_req_cnt, http_err_cnt, http_req_rate(10s)]}}
acls:
  tar: {path_beg: /tar}
  long: {path_beg: /long}
  mute: {path_beg: /mute}
  busy: {table: t, counter: http_req_rate, above: 1}
  rate: {path_beg: /rate}";

const RULES: &str = "
    rules:
      - {track: t}
      - {silent_drop: true, if: mute}
      - {tarpit: {for: 300ms}, if: tar}
      - {tarpit: {for: 50ms, status: 429}, if: rate and busy}
      - {tarpit: {for: 1m, status: 403}, if: long}";

fn site() -> Site {
    Site::new(SECTIONS, RULES, Upstream::named("one"))
}

fn termination(edge: &Edge, path: &str) -> (String, Option<u64>) {
    let line = edge.logged(path, |line| line["path"] == path);
    (line["termination"].as_str().unwrap().to_owned(), line["status"].as_u64())
}

#[test]
fn client_is_held_for_the_time_then_refused() {
    let site = site();
    let mut http2 = site.http2();
    let mut client = site.open();
    for http1 in [true, false] {
        let ask = Ask::get(if http1 { "/tar/1" } else { "/tar/2" });
        let (answer, took) = timed(|| if http1 { client.ask(&ask) } else { http2.ask(&ask) });
        answer.is_error(500, "server_error");
        assert!(took >= Duration::from_millis(300), "{took:?}");
        assert_eq!(answer.header("retry-after"), None, "no counter decided");
        assert_eq!(termination(&site.edge, &ask.target), ("PT--".to_owned(), Some(500)));
    }
    assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200, "the connection goes on");
    assert_eq!(site.one.count(), 1, "what was held reached the server");
    assert!(site.edge.command("show table t").contains("http_err_cnt=2"));
    assert_eq!(site.edge.metrics().sum("tidegate_denied_total", &[("reason", "tarpit_rule")]), 2.0);
}

#[test]
fn counter_that_decided_says_when_to_come_back() {
    let site = site();
    assert_eq!(site.ask(&Ask::get("/rate")).status(), 200);
    let answer = site.ask(&Ask::get("/rate"));
    answer.is_error(429, "rate_limit_exceeded");
    let wait: u64 = answer.header("retry-after").expect("a retry-after").parse().unwrap();
    assert!((2..=20).contains(&wait), "{wait}");
}

#[test]
fn client_that_leaves_while_it_is_held_is_noticed() {
    let site = site();
    let gone = |path: &str| {
        let line = site.edge.logged(path, |line| line["path"] == path);
        assert_eq!((line["termination"].as_str(), line["status"].as_u64()), (Some("CH--"), None), "{path}");
        assert!(line["duration_ms"].as_f64().unwrap() < 30_000.0);
    };
    let asks = [
        Ask::get("/long/none"),
        Ask::post("/long/small", "{}"),
        Ask::post("/long/chunked", "{}".repeat(4000)).chunked(),
        Ask::post("/long/large", "x".repeat(300_000)),
    ];
    for ask in &asks {
        let mut client = site.open();
        client.send(ask.bytes());
        assert!(client.silent_for(Duration::from_millis(100)));
        drop(client);
        gone(&ask.target);
    }
    let mut reset = site.open_tls();
    reset.send(Ask::post("/long/reset", "{}").bytes());
    assert!(reset.silent_for(Duration::from_millis(100)));
    reset.reset_when_dropped();
    drop(reset);
    gone("/long/reset");
}

#[test]
fn cancelled_stream_is_noticed_and_the_others_go_on() {
    let site = site();
    let mut http2 = site.http2();
    let held = http2.start(&Ask::get("/long/get"));
    let posted = http2.start(&Ask::post("/long/post", "x".repeat(1000)));
    let (answer, took) = timed(|| http2.ask(&Ask::get("/v1/models")));
    assert_eq!(answer.status(), 200);
    assert!(took < Duration::from_secs(10), "{took:?}");
    held.reset();
    posted.reset();
    for path in ["/long/get", "/long/post"] {
        assert_eq!(termination(&site.edge, path).0, "CH--");
    }
    assert_eq!(http2.ask(&Ask::get("/v1/models")).status(), 200);
}

#[test]
fn held_requests_hold_up_neither_others_nor_a_stop() {
    let mut site = site();
    let mut held: Vec<_> = (0..20).map(|_| site.open()).collect();
    for client in &mut held {
        client.send(Ask::post("/long", "{}").bytes());
    }
    let (_, took) = timed(|| assert_eq!(site.ask(&Ask::get("/v1/models")).status(), 200));
    assert!(took < Duration::from_secs(5), "{took:?}");
    site.edge.process.signal("INT");
    assert!(site.edge.process.wait().success() || site.edge.process.exited().is_some());
}

#[test]
fn body_behind_a_held_request_is_never_read_as_another() {
    let site = site();
    let mut client = site.open();
    client.ask(&Ask::post("/tar/body", "GET /v1/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    if client.try_send(Ask::get("/v1/next").bytes()).is_ok() {
        let _ = client.answer();
    }
    assert!(site.one.requests().iter().all(|request| request.head.target() == "/v1/next"));
}

#[test]
fn client_that_sends_and_sends_is_held_all_the_same() {
    let site = site();
    let mut client = site.open();
    client.send("POST /tar/flood HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    let part = vec![b'x'; 1_000_000];
    for _ in 0..2 {
        let _ = client.try_send(&part);
    }
    let answer = client.answer().unwrap();
    answer.is_error(500, "server_error");
    let mut broken = site.open();
    broken.send("POST /long/broken HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    broken.answer().unwrap().is_error(400, "bad_request");
    assert_eq!(termination(&site.edge, "/long/broken"), ("PR--".to_owned(), Some(400)));
}

#[test]
fn dropped_client_hears_nothing_at_all() {
    let site = site();
    for (path, mut client) in [("/mute/plain", site.open()), ("/mute/tls", site.open_tls())] {
        client.send(Ask::get(path).bytes());
        assert_eq!(termination(&site.edge, path), ("PR--".to_owned(), None));
        // Neither an answer, nor an end, nor a reset.
        assert!(client.silent_for(Duration::from_millis(300)), "{path}");
    }
    let posted = Ask::post("/mute/post", "x".repeat(100_000));
    let mut client = site.open();
    let _ = client.try_send(posted.bytes());
    assert_eq!(termination(&site.edge, "/mute/post"), ("PR--".to_owned(), None));
    let denied = [("reason", "silent_drop_rule")];
    assert_eq!(site.edge.metrics().sum("tidegate_denied_total", &denied), 3.0);
    assert_eq!(site.one.count(), 0);
    until("the place of the connections is free again", || {
        site.edge.metrics().sum("tidegate_connections", &[]) == 0.0
    });
    assert!(site.edge.command("show table t").contains("http_err_cnt=3"));
}

#[test]
fn dropped_stream_takes_its_connection_along() {
    let site = site();
    let mut http2 = site.http2();
    let held = http2.start(&Ask::get("/long/beside"));
    assert_eq!(http2.ask(&Ask::get("/v1/models")).status(), 200);
    let _mute = http2.start(&Ask::get("/mute/h2"));
    assert_eq!(termination(&site.edge, "/mute/h2"), ("PR--".to_owned(), None));
    // The others on it have nobody left to answer to.
    site.edge.logged("the request beside it", |line| line["path"] == "/long/beside");
    assert!(!http2.has_ended(), "the client was told");
    drop(held);
    let mut another = site.http2();
    assert_eq!(another.ask(&Ask::get("/v1/models")).status(), 200);
    until("one connection is left", || site.edge.metrics().sum("tidegate_connections", &[]) <= 1.0);
}
