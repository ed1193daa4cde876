//! Streams and connections that fail.

use h2::Reason;

use super::front;
use crate::support::edge::server_of;
use crate::support::h2_front::{Front, Ground};
use crate::support::h2_raw::{self, data, next_request, reset};
use crate::support::h2_server::Gate;
use crate::support::http::Ask;
use crate::support::wait::until;

/// The attempts that failed for that reason.
#[track_caller]
fn failures(front: &Front, kind: &str) -> f64 {
    front.edge.metrics().sum("tidegate_server_failures_total", &[("kind", kind)])
}

#[test]
fn a_refused_stream_is_sent_again_whatever_it_is() {
    let (front, server) = front("", |mut exchange| async move {
        if exchange.number == 1 {
            exchange.reset(Reason::REFUSED_STREAM);
        } else {
            exchange.well().await;
        }
    });
    assert_eq!(server_of(&front.ask(&Ask::get("/v1/models"))), "h2");
    let answer = front.ask(&Ask::post("/orders", "one"));
    assert_eq!(server_of(&answer), "h2");
    assert_eq!(answer.header("x-tidegate-attempts"), Some("2"));
    assert_eq!(server.requests()[2].text(), "one");
    assert_eq!(failures(&front, "refused"), 1.0);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_request_that_a_server_resets_may_have_been_acted_on() {
    let (front, server) = front("", |mut exchange| async move {
        if exchange.path() == "/orders" {
            exchange.reset(Reason::INTERNAL_ERROR);
        } else {
            exchange.well().await;
        }
    });
    for round in 1..4 {
        front.ask(&Ask::post("/orders", "one")).is_error(502, "upstream_error");
        assert_eq!(server.count(), round, "sent twice");
    }
    assert_eq!(failures(&front, "empty"), 3.0);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_server_that_resets_everything_is_an_error_soon() {
    let (front, server) = front("    retry: {attempts: 3, backoff: 1ms..2ms}", |mut exchange| async move {
        exchange.reset(Reason::INTERNAL_ERROR)
    });
    for round in 1..4 {
        let answer = front.ask(&Ask::chat(false));
        answer.is_error(502, "upstream_error");
        assert_eq!(answer.header("x-tidegate-attempts"), Some("3"));
        assert_eq!(server.count(), 3 * round);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_reset_in_the_middle_of_an_answer_ends_visibly() {
    let (front, _server) = front("", |mut exchange| async move {
        let length = exchange.path() == "/length";
        let fields: &[_] = if length { &[("content-length", "10")] } else { &[] };
        let mut answering = exchange.begin(200, fields, false).unwrap();
        answering.send(b"hello", false).await;
        exchange.body().await;
        tokio::task::yield_now().await;
        answering.reset(Reason::INTERNAL_ERROR);
    });
    for path in ["/length", "/chunked"] {
        let mut client = front.open();
        client.send(Ask::get(path).bytes());
        match client.answer() {
            Some(answer) if answer.status() == 200 => assert!(!answer.whole, "{path}"),
            Some(answer) => answer.is_error(502, "upstream_error"),
            None => panic!("no answer to {path}"),
        }
        match front.http2().start(&Ask::get(path)).answer() {
            Ok(answer) => answer.is_error(502, "upstream_error"),
            Err(error) => assert!(error.is_reset(), "{path}: {error}"),
        }
    }
}

#[test]
fn a_connection_that_dies_costs_only_answers_that_had_begun() {
    let gate = Gate::new();
    let wait = gate.clone();
    let (front, server) = front("    retry: {budget: 100%}", move |mut exchange| {
        let wait = wait.clone();
        async move {
            if exchange.connection > 0 {
                return exchange.well().await;
            }
            if exchange.path() == "/begun" {
                let mut answering = exchange.begin(200, &[], false).unwrap();
                answering.send(b"hello", false).await;
                wait.wait().await;
            } else {
                wait.wait().await;
            }
        }
    });
    let start = |ask: &Ask| {
        let mut client = front.open();
        client.send(ask.bytes());
        client
    };
    let begun: Vec<_> = (0..10)
        .map(|_| {
            let mut client = start(&Ask::get("/begun"));
            assert_eq!(client.head().unwrap().status(), 200);
            assert_eq!(client.chunk().unwrap().unwrap(), b"hello");
            client
        })
        .collect();
    let silent: Vec<_> = (0..10).map(|_| start(&Ask::chat(false))).collect();
    until("all of them are there", || server.running() == 20);
    assert_eq!(server.connections(), 1);
    server.close_connections();
    for mut client in silent {
        assert_eq!(server_of(&client.answer().unwrap()), "h2");
    }
    for mut client in begun {
        assert!(client.chunk().is_err(), "it ended as if it were whole");
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn what_is_no_answer_on_http2_is_refused() {
    let heads: [&[(&[u8], &[u8])]; 5] = [
        &[(b"connection", b"close")],
        &[(b"transfer-encoding", b"chunked")],
        &[(b"keep-alive", b"timeout=5")],
        &[(b"X-Upper", b"a")],
        &[(b"x-line", b"a\r\nx-other: b")],
    ];
    for fields in heads {
        let ground = Ground::new();
        let server = h2_raw::start_server(&ground.config, &[], move |peer| {
            while let Some((stream, _)) = next_request(peer) {
                let answer = [h2_raw::head(stream, false, "200", fields), data(stream, true, b"hello")];
                peer.send(answer.concat());
            }
        });
        let front = ground.front("    retry: {attempts: 1}", &server.url().replace("http:", "https:"));
        let what = String::from_utf8_lossy(fields[0].0);
        let answer = front.ask(&Ask::get("/v1/models"));
        assert_eq!(answer.status(), 502, "{what}: {}", answer.text());
        answer.is_error(502, "upstream_error");
        front.http2().ask(&Ask::get("/v1/models")).is_error(502, "upstream_error");
    }
}

#[test]
fn an_answer_of_another_length_than_it_says_is_never_whole() {
    for (length, body) in [("10", &b"hello"[..]), ("3", b"hello"), ("5", b"")] {
        let ground = Ground::new();
        let server = h2_raw::start_server(&ground.config, &[], move |peer| {
            while let Some((stream, _)) = next_request(peer) {
                let head =
                    h2_raw::head(stream, body.is_empty(), "200", &[(b"content-length", length.as_bytes())]);
                let body = if body.is_empty() { Vec::new() } else { data(stream, true, body) };
                peer.send([head, body].concat());
            }
        });
        let front = ground.front("    retry: {attempts: 1}", &server.url().replace("http:", "https:"));
        let mut client = front.open();
        client.send(Ask::get("/v1/models").bytes());
        match client.answer() {
            Some(answer) if answer.status() == 200 => assert!(!answer.whole, "{length}: {}", answer.text()),
            Some(answer) => answer.is_error(502, "upstream_error"),
            None => panic!("no answer where content-length is {length}"),
        }
        match front.http2().start(&Ask::get("/v1/models")).answer() {
            Ok(answer) => answer.is_error(502, "upstream_error"),
            Err(error) => assert!(error.is_reset(), "{length}: {error}"),
        }
    }
}

#[test]
fn a_reset_behind_a_whole_answer_is_nobodys_failure() {
    let ground = Ground::new();
    let server = h2_raw::start_server(&ground.config, &[], |peer| {
        while let Some((stream, _)) = next_request(peer) {
            let head = h2_raw::head(stream, false, "200", &[(b"content-type", b"application/json")]);
            let body = data(stream, true, br#"{"server":"h2"}"#);
            peer.send([head, body, reset(stream, 0)].concat());
        }
    });
    let front = ground.front("    retry: {attempts: 1}", &server.url().replace("http:", "https:"));
    for _ in 0..5 {
        assert_eq!(server_of(&front.ask(&Ask::chat(false))), "h2");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_event_stream_that_is_reset_ends_with_an_error_event() {
    let gate = Gate::new();
    let wait = gate.clone();
    let (front, _server) = front("", move |mut exchange| {
        let wait = wait.clone();
        async move {
            exchange.body().await;
            let mut answering = exchange.begin(200, &[("content-type", "text/event-stream")], false).unwrap();
            let event = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";
            answering.send(event.as_bytes(), false).await;
            wait.wait().await;
            answering.reset(Reason::INTERNAL_ERROR);
        }
    });
    let mut client = front.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    assert!(client.chunk().unwrap().unwrap().ends_with(b"\"hi\"}}]}\n\n"));
    gate.open();
    let rest = String::from_utf8(client.rest()).unwrap();
    assert!(rest.contains("\"error\""), "{rest}");
    assert!(!rest.ends_with("0\r\n\r\n"), "no clean end");
}
