//! The counters of stick tables, through `show table` and through ACLs above N, and what rules raise themselves.

use std::time::Duration;

use crate::support::edge::Edge;
use crate::support::http::{Ask, answer, chunk};
use crate::support::rude::{CHUNKED_HEAD, EVENT_STREAM_HEAD, event};
use crate::support::site::Site;
use crate::support::upstream::Upstream;
use crate::support::wait::{eventually, until};

const ALL: &str = "conn_cnt, conn_rate(1m), conn_cur, http_req_cnt, http_req_rate(1m), http_err_cnt, http_err_rate(1m), \
                   http_fail_cnt, http_fail_rate(1m), bytes_in_cnt, bytes_in_rate(1m), bytes_out_cnt, bytes_out_rate(1m), \
                   gpc0, gpc0_rate(1m), gpc1, gpc1_rate(1m), gpt0";

fn table() -> String {
    format!("tables: {{t: {{key: src, expire: 60s, counters: [{ALL}]}}}}")
}

/// The figure of a counter of the only entry, its period left out.
#[track_caller]
fn figure(edge: &Edge, counter: &str) -> u64 {
    let shown = edge.command("show table t");
    let line = shown
        .lines()
        .find(|line| line.contains("key=127.0.0.1"))
        .unwrap_or_else(|| panic!("no entry: {shown}"));
    let named = |word: &&str| word.split(['(', '=']).next() == Some(counter);
    let word = line.split(' ').find(named).unwrap_or_else(|| panic!("no {counter} in {line}"));
    word.rsplit('=').next().unwrap().parse().unwrap()
}

/// Answers with the status that the path names, or in the way it names.
fn scripted() -> Upstream {
    Upstream::start(|peer| {
        while let Some(request) = peer.request() {
            let sent = match request.head.target().trim_start_matches("/v1/") {
                "cut" => {
                    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
                    return;
                }
                "cut-chunks" => {
                    peer.send([CHUNKED_HEAD.as_bytes(), &chunk(b"abc")].concat());
                    return;
                }
                "nothing" => return,
                "junk" => {
                    peer.send("SMTP\r\n\r\n");
                    return;
                }
                number => peer.send(answer(number.parse().unwrap_or(200), &[], "0123456789")),
            };
            if !sent {
                return;
            }
        }
    })
}

fn site(rules: &str) -> Site {
    Site::new(&table(), &format!("    rules:\n      - {{track: t}}\n{rules}"), scripted())
}

#[test]
fn requests_count_as_connections_where_they_track() {
    let site = site("");
    let mut client = site.open();
    for _ in 0..3 {
        assert_eq!(client.ask(&Ask::get("/v1/200")).status(), 200);
    }
    for counter in ["conn_cnt", "conn_rate", "http_req_cnt", "http_req_rate"] {
        assert_eq!(figure(&site.edge, counter), 3, "{counter}");
    }
    until("no request is left", || figure(&site.edge, "conn_cur") == 0);
}

#[test]
fn connections_count_once_where_they_track() {
    let frontend = "    connection_rules: [{track: t}]\n    rules: [{track: t}]";
    let site = Site::new(&table(), frontend, scripted());
    let mut client = site.open();
    for _ in 0..3 {
        assert_eq!(client.ask(&Ask::get("/v1/200")).status(), 200);
    }
    let mut http2 = site.http2();
    for _ in 0..2 {
        assert_eq!(http2.ask(&Ask::get("/v1/200")).status(), 200);
    }
    let idle = site.open();
    until("three connections", || figure(&site.edge, "conn_cur") == 3);
    assert_eq!((figure(&site.edge, "conn_cnt"), figure(&site.edge, "conn_rate")), (3, 3));
    assert_eq!((figure(&site.edge, "http_req_cnt"), figure(&site.edge, "http_req_rate")), (5, 5));
    drop((client, http2, idle));
    until("all connections have ended", || figure(&site.edge, "conn_cur") == 0);
    assert_eq!(figure(&site.edge, "conn_cnt"), 3);
}

#[test]
fn errors_are_the_clients_and_failures_the_servers() {
    let site = site("");
    // (what is asked, errors, failures)
    let cases: [(&str, u64, u64); 12] = [
        ("200", 0, 0),
        ("304", 0, 0),
        ("400", 1, 0),
        ("499", 1, 0),
        ("500", 0, 1),
        ("501", 0, 0),
        ("503", 0, 1),
        ("505", 0, 0),
        ("599", 0, 1),
        ("cut", 0, 1),
        ("cut-chunks", 0, 1),
        ("nothing", 0, 1),
    ];
    let (mut errors, mut failures) = (0, 0);
    for (path, error, failure) in cases.into_iter().chain([("junk", 0, 1)]) {
        let mut client = site.open();
        client.send(Ask::get(&format!("/v1/{path}")).bytes());
        let _ = client.answer();
        errors += error;
        failures += failure;
        site.edge.logged(path, |line| line["path"] == format!("/v1/{path}"));
        until(&format!("{path} is counted"), || {
            (figure(&site.edge, "http_err_cnt"), figure(&site.edge, "http_fail_cnt")) == (errors, failures)
        });
    }
    assert_eq!(
        (figure(&site.edge, "http_err_rate"), figure(&site.edge, "http_fail_rate")),
        (errors, failures)
    );
}

#[test]
fn malformed_requests_of_a_tracked_connection_are_errors() {
    let site = Site::new(&table(), "    connection_rules: [{track: t}]", scripted());
    for _ in 0..2 {
        let mut client = site.open();
        client.send("GET /v1/200 HTTP/1.1\r\n\r\n");
        assert_eq!(client.answer().unwrap().status(), 400);
    }
    until("both are counted", || figure(&site.edge, "http_err_cnt") == 2);
    assert_eq!(figure(&site.edge, "bytes_in_cnt"), 2 * 24);
    assert!(figure(&site.edge, "bytes_out_cnt") > 400);
}

#[test]
fn bytes_are_those_of_the_log() {
    let site = site("");
    let mut client = site.open();
    client.ask(&Ask::post("/v1/200", vec![b'x'; 100_000]));
    client.ask(&Ask::post("/v1/200", vec![b'x'; 50_000]).chunked());
    site.http2().ask(&Ask::post("/v1/200", vec![b'x'; 30_000]));
    eventually("three lines", || (site.edge.log().len() == 3).then_some(()));
    let sum = |name: &str| site.edge.log().iter().map(|line| line[name].as_u64().unwrap()).sum::<u64>();
    let (received, sent) = (sum("bytes_in"), sum("bytes_out"));
    assert!(received > 180_000 && received < 182_000, "{received}");
    assert!(sent > 30, "{sent}");
    for (counter, expected) in [
        ("bytes_in_cnt", received),
        ("bytes_in_rate", received),
        ("bytes_out_cnt", sent),
        ("bytes_out_rate", sent),
    ] {
        assert_eq!(figure(&site.edge, counter), expected, "{counter}");
    }
}

/// Sends a megabyte and goes on when asked for, the answer still open.
fn generous() -> Upstream {
    Upstream::start(|peer| {
        if peer.request().is_some() {
            peer.send(CHUNKED_HEAD);
            for _ in 0..16 {
                peer.send(chunk(&[b'x'; 65_536]));
            }
            peer.wait_until_left();
        }
    })
}

#[test]
fn bytes_count_while_an_answer_is_still_being_sent() {
    let sections =
        format!("{}\nacls: {{heavy: {{table: t, counter: bytes_out_rate, above: 900000}}}}", table());
    let rules = "    rules: [{track: t}, {deny: {status: 429}, if: heavy}]";
    let site = Site::new(&sections, rules, generous());
    let mut client = site.open();
    client.send(Ask::get("/v1/long").bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    let mut received = 0;
    while received < 16 * 65_536 {
        received += client.chunk().unwrap().unwrap().len();
    }
    until("the rate has risen", || figure(&site.edge, "bytes_out_rate") > 900_000);
    assert!(site.edge.log().is_empty(), "the answer was over");
    let refused = site.ask(&Ask::get("/v1/long"));
    refused.is_error(429, "rate_limit_exceeded");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=120).contains(&wait), "{wait}");
    let all = figure(&site.edge, "bytes_out_cnt");
    drop(client);
    site.edge.logged("the long one", |line| line["path"] == "/v1/long" && line["status"] == 200);
    let after = figure(&site.edge, "bytes_out_cnt");
    assert!(after >= 16 * 65_536 && after < all + 100_000, "counted twice: {all}, then {after}");
}

#[test]
fn rules_raise_by_condition() {
    let sections = format!(
        "{}
acls:
  trap: {{path_beg: /trap}}
  offender: {{table: t, counter: gpc0, above: 2}}
  other: {{path_beg: /other}}
  quick: {{table: t, counter: gpc1_rate, above: 0}}",
        table()
    );
    let rules = "
    rules:
      - {raise: {table: t, counter: gpc0}, if: trap}
      - {track: t}
      - {deny: {status: 403}, if: offender}
      - {raise: {table: t, counter: gpc0}, if: trap}
      - {raise: {table: t, counter: gpc1}, if: other}
      - {deny: {status: 429}, if: quick}
      - {deny: {status: 404}, if: trap}";
    let site = Site::new(&sections, rules, scripted());
    let status = |path: &str| site.ask(&Ask::get(path)).status();
    assert_eq!((status("/v1/200"), figure(&site.edge, "gpc0")), (200, 0));
    // What is raised before the table is tracked is raised in nothing.
    assert_eq!((status("/trap"), status("/trap"), status("/v1/200")), (404, 404, 200));
    assert_eq!((figure(&site.edge, "gpc0"), figure(&site.edge, "gpc0_rate")), (2, 2));
    assert!(!site.edge.command("show table t data.gpc0 gt 2").contains("key="), "the filter");
    assert_eq!((status("/trap"), status("/trap"), status("/v1/200")), (404, 403, 403));
    assert_eq!((figure(&site.edge, "gpc0"), figure(&site.edge, "gpc1")), (3, 0));
    assert!(site.edge.command("show table t data.gpc0 gt 2").contains("gpc0=3"));
    let site = Site::new(&sections, rules, scripted());
    // Raised before the test: the very request that raises it is refused.
    assert_eq!(site.ask(&Ask::get("/other")).status(), 429);
    assert_eq!((figure(&site.edge, "gpc1"), figure(&site.edge, "gpc1_rate")), (1, 1));
}

#[test]
fn rules_mark_by_condition() {
    let sections = format!(
        "{}
acls:
  mark: {{path_beg: /mark}}
  wipe: {{path_beg: /wipe}}
  marked: {{table: t, counter: gpt0, above: 41}}",
        table()
    );
    let rules = "
    rules:
      - {track: t}
      - {set_gpt0: {table: t, value: 0}, if: wipe}
      - {deny: {status: 451}, if: marked}
      - {set_gpt0: {table: t, value: 42}, if: mark}";
    let site = Site::new(&sections, rules, scripted());
    let status = |path: &str| site.ask(&Ask::get(path)).status();
    assert_eq!((status("/v1/200"), status("/mark"), figure(&site.edge, "gpt0")), (200, 200, 42));
    let refused = site.ask(&Ask::get("/v1/200"));
    assert_eq!(
        (refused.status(), refused.header("retry-after")),
        (451, Some("60")),
        "until the entry expires"
    );
    assert_eq!((status("/wipe"), status("/v1/200"), figure(&site.edge, "gpt0")), (200, 200, 0));
}

#[test]
fn connection_rules_raise_and_mark_too() {
    let sections = format!("{}\nacls: {{second: {{table: t, counter: gpc0, above: 1}}}}", table());
    let frontend = "
    connection_rules:
      - {track: t}
      - {raise: {table: t, counter: gpc0}}
      - {set_gpt0: {table: t, value: 7}, if: second}
    rules: [{deny: {status: 403}, if: second}]";
    let site = Site::new(&sections, frontend, scripted());
    assert_eq!((site.ask(&Ask::get("/v1/200")).status(), figure(&site.edge, "gpt0")), (200, 0));
    let mut client = site.open_tls();
    assert_eq!(client.ask(&Ask::get("/v1/200")).status(), 403);
    assert_eq!((figure(&site.edge, "gpc0"), figure(&site.edge, "gpt0")), (2, 7));
}

/// A table with one counter, a rule that raises what a request may raise by itself, and a 429 above `above`.
fn limited(counter: &str, above: u64, one: Upstream) -> Site {
    let kind = counter.split('(').next().unwrap();
    let sections = format!(
        "tables: {{t: {{key: src, expire: 2s, counters: [{counter}]}}}}
acls: {{full: {{table: t, counter: {kind}, above: {above}}}}}"
    );
    let raise = match kind {
        "gpc0_rate" => "\n      - {raise: {table: t, counter: gpc0}}",
        _ => "",
    };
    Site::new(
        &sections,
        &format!("    rules:\n      - {{track: t}}\n      - {{deny: {{status: 429}}, if: full}}{raise}"),
        one,
    )
}

#[test]
fn client_that_obeys_retry_after_is_let_in() {
    let cases = [
        ("http_req_rate(1s)", 1, "200"),
        ("conn_rate(1s)", 1, "200"),
        ("http_err_rate(1s)", 1, "404"),
        ("http_fail_rate(1s)", 1, "500"),
        ("gpc0_rate(1s)", 1, "200"),
        ("bytes_out_rate(1s)", 200, "200"),
    ];
    std::thread::scope(|scope| {
        for (counter, above, path) in cases {
            scope.spawn(move || {
                let site = limited(counter, above, scripted());
                let ask = Ask::get(&format!("/v1/{path}"));
                let refused =
                    eventually("a refusal", || Some(site.ask(&ask)).filter(|answer| answer.status() == 429));
                let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=3).contains(&wait), "{counter}: {wait}");
                std::thread::sleep(Duration::from_secs(wait));
                assert_eq!(site.ask(&ask).status().to_string(), path, "{counter} after {wait} s");
            });
        }
    });
}

#[test]
fn refusal_that_raises_nothing_needs_no_room_for_itself() {
    // A refusal is no failure. Were there to be room for another one, the wait would be longer than two periods.
    let site = limited("http_fail_rate(10s)", 0, scripted());
    assert_eq!(site.ask(&Ask::get("/v1/500")).status(), 500);
    let refused = site.ask(&Ask::get("/v1/500"));
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    // One event reads 1 for a period and 0 from the first moment of the next one on.
    assert!((9..=11).contains(&wait), "{wait}");
}

#[test]
fn requests_in_flight_are_seen_by_conn_cur_on_one_http2_connection() {
    let stream = Upstream::start(|peer| {
        if peer.request().is_some() {
            peer.send([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat());
            peer.wait_until_left();
        }
    });
    let sections = format!("{}\nacls: {{many: {{table: t, counter: conn_cur, above: 2}}}}", table());
    let site = Site::new(&sections, "    rules: [{track: t}, {deny: {status: 429}, if: many}]", stream);
    let mut http2 = site.http2();
    let held = [http2.start(&Ask::chat(true)), http2.start(&Ask::chat(true))];
    until("two are in flight", || site.one.count() == 2 && figure(&site.edge, "conn_cur") == 2);
    let refused = http2.ask(&Ask::chat(true));
    assert_eq!((refused.status(), refused.header("retry-after")), (429, Some("1")));
    held.into_iter().for_each(crate::support::http2::Stream::reset);
    until("the places are free", || figure(&site.edge, "conn_cur") == 0);
}

#[test]
fn slow_uploads_count_before_they_are_over() {
    for answers in [true, false] {
        let one = Upstream::start(move |peer| {
            if peer.connection.head().is_some() {
                if answers {
                    peer.send(CHUNKED_HEAD);
                }
                peer.wait_until_left();
            }
        });
        let site = Site::new(&table(), "    rules: [{track: t}]", one);
        let mut client = site.open();
        client.send("POST /v1/200 HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
        if answers {
            assert_eq!(client.head().unwrap().status(), 200);
        }
        client.send(vec![b'x'; 200_000]);
        until("it is tracked", || site.edge.command("show table t").contains("key="));
        until("bytes are counted", || figure(&site.edge, "bytes_in_rate") > 100_000);
        assert!(site.edge.log().is_empty(), "it was over");
        drop(client);
        let line = site.edge.logged("the upload", |line| line["path"] == "/v1/200");
        until("each byte counts once", || {
            Some(figure(&site.edge, "bytes_in_cnt")) == line["bytes_in"].as_u64()
        });
    }
}
