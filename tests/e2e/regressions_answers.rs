//! Bugs that were found in what a server sends, or does not, and in how it is counted.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::admin::column;
use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings, server_of};
use crate::support::http::{Ask, Cut, answer, chunk, ok};
use crate::support::rude::{CHUNKED_HEAD, EVENT_STREAM_HEAD, Refusing, event, says};
use crate::support::scratch::Scratch;
use crate::support::tls::{Offer, connect};
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, now, timed, until};

/// One server, one attempt, and these `defaults`.
fn edge(defaults: &str, one: &Upstream) -> Edge {
    Edge::start(
        "
<defaults>
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <one>}}}",
        &[("defaults", defaults), ("one", &one.url())],
    )
}

#[test]
fn dead_server_beside_a_good_one_costs_no_request() {
    let (dead, good) = (Refusing::new(), Upstream::named("good"));
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {dead: {url: <dead>}, good: {url: <good>}}}",
        &[("dead", &dead.url()), ("good", &good.url())],
    );
    assert_eq!(edge.servers(200), ["good"; 200]);
}

#[test]
fn cut_answer_to_http_1_0_is_a_reset_and_not_an_end() {
    let upstream = says([CHUNKED_HEAD.as_bytes(), &chunk(b"some"), &chunk(b"more")].concat());
    let edge = edge("", &upstream);
    let mut client = TcpStream::connect(edge.address("web")).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"GET /v1/files/content HTTP/1.0\r\nHost: a.test\r\n\r\n").unwrap();
    let mut got = Vec::new();
    let end = client.read_to_end(&mut got).map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset), "{:?}", String::from_utf8_lossy(&got));
}

#[test]
fn whole_answer_to_http_1_0_is_an_end() {
    let upstream = Upstream::replying(|_| [CHUNKED_HEAD.as_bytes(), &chunk(b"some"), b"0\r\n\r\n"].concat());
    let edge = edge("", &upstream);
    let mut client = TcpStream::connect(edge.address("web")).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"GET /v1/files/content HTTP/1.0\r\nHost: a.test\r\n\r\n").unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert!(got.ends_with(b"\r\n\r\nsome"), "{:?}", String::from_utf8_lossy(&got));
}

#[test]
fn total_ends_an_answer_that_never_stops_flowing() {
    let flood = Upstream::start(|peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(CHUNKED_HEAD);
        let part = chunk(&[b'x'; 32 * 1024]);
        while peer.going_on() && peer.send(&part) {}
    });
    let edge = edge("defaults: {timeouts: {total: 1s}}", &flood);
    let mut client = edge.open();
    client.send(Ask::get("/v1/files/content").bytes());
    let (end, took) = timed(|| {
        assert_eq!(client.head().unwrap().status(), 200);
        let late = now() + DEADLINE;
        loop {
            match client.chunk() {
                Ok(Some(_)) => assert!(now() < late, "it flows for ever"),
                end => break end,
            }
        }
    });
    assert_eq!(end, Err(Cut), "cut, and not as if it were whole");
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn nonsense_for_a_first_chunk_goes_to_the_next_server() {
    let bad =
        says("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n");
    let good = Upstream::named("good");
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 2, when: [connect_failure, empty_response, 502], backoff: 1ms..5ms}
    servers: {bad: {url: <bad>, tier: 1}, good: {url: <good>, tier: 2}}",
        &[("bad", &bad.url()), ("good", &good.url())],
    );
    assert_eq!(server_of(&edge.ask(&Ask::chat(false))), "good");
    assert_eq!(bad.count(), 1);
}

#[test]
fn a_204_that_announces_a_body_is_no_answer() {
    let one = Upstream::replying(|request| match request.head.target() {
        "/v1/none" => b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n".to_vec(),
        _ => ok("{\"server\":\"one\"}"),
    });
    let edge = edge("", &one);
    let mut client = edge.open();
    assert_eq!(client.ask(&Ask::get("/v1/none")).status(), 502);
    assert_eq!(server_of(&client.ask(&Ask::get("/v1/models"))), "one");
}

#[test]
fn slow_reader_over_tls_gets_the_end_of_a_large_answer() {
    let body: Vec<u8> = (0..8_000_000_u32).map(|number| (number % 251) as u8).collect();
    let all = body.clone();
    let upstream = Upstream::replying(move |request| {
        let size: usize = request.head.target().trim_start_matches("/v1/files/").parse().unwrap();
        ok(&all[..size])
    });
    let directory = Scratch::new();
    let authority = Authority::new("a");
    let pem = authority.issue(&["one.test"]).write(&directory, "one.pem");
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
frontends:
  web:
    bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("pem", &pem.display().to_string()), ("one", &upstream.url())],
    );
    let mut client = connect(edge.address("web"), &authority, &Offer::http1("one.test")).unwrap().connection;
    socket2::SockRef::from(client.socket()).set_recv_buffer_size(16 * 1024).unwrap();
    // Where the buffers of the sockets are full is the kernel's secret: one of the sizes ends right behind it.
    for size in (1..=80).map(|step| step * 50_000).chain([8_000_000]) {
        client.send(Ask::get(&format!("/v1/files/{size}")).bytes());
        assert_eq!(client.head().unwrap().status(), 200);
        // The pace of the reader, nothing that is waited for.
        std::thread::sleep(Duration::from_millis(15));
        let mut got = Vec::new();
        while got.len() < size {
            let part = client.exactly((size - got.len()).min(100_000));
            got.extend(part.unwrap_or_else(|Cut| panic!("cut after {} of {size} bytes", got.len())));
        }
        assert!(got == body[..size], "{size}");
    }
}

#[test]
fn stream_that_said_done_gets_no_error_after_it() {
    let events = [EVENT_STREAM_HEAD.as_bytes(), &event("{}"), &event("[DONE]")].concat();
    let split = events.clone();
    let apart = Upstream::start(move |peer| {
        if peer.request().is_some() {
            peer.send(&split);
            peer.connection.silent_for(Duration::from_millis(100));
        }
    });
    for upstream in [says(events), apart] {
        let edge = edge("", &upstream);
        let answer = edge.ask(&Ask::chat(true));
        assert_eq!((answer.status(), answer.text().as_str()), (200, "data: {}\n\ndata: [DONE]\n\n"));
    }
}

#[test]
fn errors_of_a_backend_without_a_server_are_its_own() {
    let dead = Refusing::new();
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    check: {http: {method: GET, path: /models}, interval: 10s, timeout: 1s}
    servers: {dead: {url: <dead>}}",
        &[("dead", &dead.url())],
    );
    until("the server is down", || {
        let down = [("backend", "ai"), ("server", "dead"), ("state", "down")];
        edge.metrics().sum("tidegate_server_state", &down) == 1.0
    });
    for _ in 0..3 {
        edge.ask(&Ask::chat(false)).is_error(503, "no_server_available");
    }
    until("the row of the backend has them", || {
        let rows = edge.show_stat();
        let row = rows.iter().find(|row| column(row, "svname") == "BACKEND").unwrap();
        column(row, "hrsp_5xx") == "3"
    });
    let refused = [("frontend", "web"), ("backend", "ai"), ("server", ""), ("code", "503")];
    until("the metrics have them", || edge.metrics().sum("tidegate_requests_total", &refused) == 3.0);
}

#[test]
fn only_errors_of_servers_raise_the_rate_of_a_client() {
    let one = Upstream::replying(|_| answer(404, &[], "{}"));
    let edge = Edge::start(
        "
tables:
  t: {key: src, size: 100, expire: 60s, counters: [http_err_rate(60s), http_req_cnt, conn_cur]}
acls:
  ours: {path_beg: /v1/ours}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
      - {track: t}
      - {return: {status: 404, body: no}, if: ours}
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    for (target, requests, errors) in [("/v1/ours", 1, 0), ("/v1/ours", 2, 0), ("/v1/other", 3, 1)] {
        assert_eq!(edge.ask(&Ask::get(target)).status(), 404);
        let all = format!("http_req_cnt={requests}");
        until(&format!("{all} in the table"), || {
            let shown = edge.command("show table t");
            shown.contains(&all) && shown.contains("conn_cur=0")
        });
        let shown = edge.command("show table t");
        assert!(shown.contains(&format!("http_err_rate(60000)={errors}")), "{target}: {shown}");
    }
    assert_eq!(one.count(), 1);
}
