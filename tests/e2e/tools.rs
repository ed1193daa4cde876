//! The tools themselves: a test that cannot see a cut would pass for the wrong reason.

use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::http::{Ask, Connection, Cut, chunk};
use crate::support::rude::{CHUNKED_HEAD, Deaf, Refusing, endless_stream, listens, says};
use crate::support::tls::{Offer, connect, server_config};
use crate::support::upstream::{Upstream, serve};
use crate::support::wait::until;

#[test]
fn named_upstream_answers_and_records() {
    let one = Upstream::named("one");
    let mut client = Connection::open(one.address());
    let body = vec![7; 100_000];
    let answer = client.ask(&Ask::post("/v1/x?y=1", body.clone()).header("x-a", "b"));
    assert_eq!(answer.json()["server"], "one");
    let chunked = client.ask(&Ask::post("/v1/z", body.clone()).chunked());
    assert_eq!(chunked.status(), 200);
    let seen = one.requests();
    assert_eq!((seen.len(), one.connections()), (2, 1));
    assert_eq!(seen[0].head.target(), "/v1/x?y=1");
    assert_eq!(seen[0].header("x-a"), Some("b"));
    assert!(seen.iter().all(|request| request.whole && request.body == body));
}

#[test]
fn cut_bodies_are_seen_as_cut() {
    let chunked = says([CHUNKED_HEAD.as_bytes(), &chunk(b"abc")].concat());
    let answer = Connection::open(chunked.address()).ask(&Ask::get("/"));
    assert_eq!((answer.whole, answer.text().as_str()), (false, "abc"));
    let short = says("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
    let answer = Connection::open(short.address()).ask(&Ask::get("/"));
    assert_eq!((answer.whole, answer.text().as_str()), (false, "abc"));
    let mut client = Connection::open(chunked.address());
    client.send(Ask::get("/").bytes());
    client.head().unwrap();
    assert_eq!((client.chunk(), client.chunk()), (Ok(Some(b"abc".to_vec())), Err(Cut)));
}

#[test]
fn departing_client_is_counted() {
    let endless = endless_stream(Duration::from_millis(10));
    let mut client = Connection::open(endless.address());
    client.send(Ask::get("/").bytes());
    client.head().unwrap();
    client.chunk().unwrap();
    drop(client);
    until("the upstream sees the client leave", || endless.departures() == 1);
}

#[test]
fn refusing_and_deaf_addresses_are_that() {
    let refusing = Refusing::new();
    assert!(!listens(refusing.address()));
    let revived = refusing.revive("back");
    assert_eq!(Connection::open(revived.address()).ask(&Ask::get("/")).json()["server"], "back");
    let deaf = Deaf::new();
    assert!(!listens(deaf.url().trim_start_matches("http://").parse().unwrap()));
}

#[test]
fn tls_works_on_both_ends_and_is_verified() {
    let authority = Authority::new("a");
    let config = server_config(&authority.issue(&["localhost"]));
    let server = Upstream::start_tls(config, serve(|_| crate::support::http::ok("{}")));
    let agreed = connect(server.address(), &authority, &Offer::http1("localhost"));
    assert_eq!(agreed.unwrap().connection.ask(&Ask::get("/")).status(), 200);
    let stranger = Authority::new("b");
    assert!(connect(server.address(), &stranger, &Offer::http1("localhost")).is_err());
}
