//! HTTP/2 as others speak it.

use crate::support::edge::server_of;
use crate::support::foreign::{Foreign, haproxy, nginx};
use crate::support::h2_front::{Front, Ground};
use crate::support::http::Ask;

/// Clients with many requests each, none of which may fail.
#[track_caller]
fn hammer(front: &Front, path: &str, expected: &str) {
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let mut client = front.open();
                for round in 0..50 {
                    let ask = match (number + round) % 3 {
                        0 => Ask::get("/v1/models"),
                        1 => Ask::post(path, vec![b'x'; 20_000]),
                        _ => Ask::chat(false),
                    };
                    let answer = client.ask(&ask);
                    assert_eq!(server_of(&answer), expected);
                    if answer.header("connection") == Some("close") {
                        // The server has answered before it had the whole body.
                        client = front.open();
                    }
                }
            });
        }
    });
    let metrics = front.edge.metrics();
    assert_eq!(metrics.sum("tidegate_server_failures_total", &[("kind", "broken")]), 0.0);
}

fn over(ground: Ground, server: &Foreign) -> Front {
    // On a machine that stands still, even a new connection may be idle for too long for a server with little patience.
    ground.front("    retry: {budget: 100%}", &format!("https://{}", server.address))
}

#[test]
fn nginx_is_spoken_to_on_http2_and_may_take_leave_every_few_requests() {
    let ground = Ground::new();
    let server = nginx(&format!(
        "listen <address> ssl http2; ssl_certificate {pem}; ssl_certificate_key {pem}; \
         http2_max_concurrent_streams 3; keepalive_requests 7; \
         location / {{ default_type application/json; return 200 '{{\"server\":\"$server_protocol\"}}'; }}",
        pem = ground.pem
    ));
    let Some(server) = server else { return };
    hammer(&over(ground, &server), "/orders", "HTTP/2.0");
}

#[test]
fn haproxy_is_spoken_to_on_http2() {
    let ground = Ground::new();
    let server = haproxy(&format!(
        "frontend f\n  mode http\n  timeout http-keep-alive 50ms\n  bind <address> ssl crt {} alpn h2,http/1.1\n  \
         http-request return status 200 content-type application/json lf-string {{\\\"server\\\":\\\"%HV\\\"}}",
        ground.pem
    ));
    // So short a keep-alive that its connections end under requests, which must be such as may be sent twice.
    hammer(&over(ground, &server), "/v1/embeddings", "HTTP/2.0");
}

#[test]
fn haproxy_passes_large_bodies_both_ways() {
    use crate::support::http::{answer, ok};
    use crate::support::upstream::Upstream;
    let echo = Upstream::replying(|request| match request.head.method() {
        "POST" => answer(200, &[], &request.body),
        _ => ok("{}"),
    });
    let ground = Ground::new();
    let server = haproxy(&format!(
        "frontend f\n  mode http\n  bind <address> ssl crt {} alpn h2\n  default_backend b\n\
         backend b\n  mode http\n  server s {}",
        ground.pem,
        echo.address()
    ));
    let front = over(ground, &server);
    let body: Vec<u8> = (0..5_000_000_u32).flat_map(|number| (number as u16).to_be_bytes()).collect();
    let answer = front.ask(&Ask::post("/upload", body.clone()));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(answer.whole && answer.body == body);
    let answer = front.http2().ask(&Ask::post("/upload", body.clone()));
    assert!(answer.whole && answer.body == body);
}
