//! Starting and stopping: SIGTERM lets what is in flight finish, and waits for nothing else.

use std::net::TcpStream;
use std::time::Duration;

use crate::support::edge::{Edge, Settings, check, configuration, server_of};
use crate::support::http::{Ask, Connection, Cut, ok};
use crate::support::rude::{EVENT_STREAM_HEAD, endless_stream, event, stalls_after};
use crate::support::scratch::Scratch;
use crate::support::tmpfs::Tmpfs;
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, timed, until};

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";

fn edge(grace: &str, url: &str) -> Edge {
    let settings = Settings { shutdown_grace: grace, ..Settings::default() };
    Edge::start_with(&settings, Scratch::new(), SECTIONS, &[("one", url)])
}

#[test]
fn several_binds_and_frontends_open_together() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}, {address: \"[::1]:0\"}], default_backend: ai}
  other: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    for address in edge.addresses("web").iter().chain(edge.addresses("other")) {
        assert_eq!(server_of(&Connection::open(*address).ask(&Ask::get("/v1/models"))), "one");
    }
    assert_eq!(edge.addresses("web").len(), 2);
}

/// A node whose disk became read-only has to come back after a restart.
#[test]
fn a_read_only_disk_keeps_nobody_from_starting() {
    let (directory, one) = (Scratch::new(), Upstream::named("one"));
    let Some(disk) = Tmpfs::mount(&directory.path().join("state"), 1 << 20) else { return };
    disk.set_writable(false);
    let text = configuration(&Settings::default(), directory.path(), SECTIONS, &[("one", &one.url())]);
    let text = text.replace("/admin.sock", "/state/admin.sock");
    let checked = check(&directory.write("tidegate.yaml", &text));
    let warned = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{warned}");
    for part in
        ["warning: nothing can be kept in `state_dir`", "warning: no `socket` can be made at", "2 warnings"]
    {
        assert!(warned.contains(part), "{part}: {warned}");
    }
    let edge = Edge::start_text(directory, &text);
    assert_eq!(edge.servers(1), ["one"]);
    edge.says("state/admin.sock cannot be made: Read-only file system");
    edge.process.signal("HUP");
    edge.says("is in force");
    drop(disk);
}

#[test]
fn idle_process_stops_at_once() {
    let one = Upstream::named("one");
    let mut edge = edge("20s", &one.url());
    let mut idle = edge.open();
    assert_eq!(idle.ask(&Ask::get("/v1/models")).status(), 200);
    edge.process.signal("TERM");
    let (status, took) = timed(|| edge.process.wait());
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(10), "{took:?} with nothing in flight");
}

#[test]
fn request_in_flight_finishes_while_no_new_one_is_taken() {
    let slow = Upstream::start(|peer| {
        while peer.request().is_some() {
            if peer.connection.silent_for(Duration::from_millis(800)) {
                peer.send(ok("{\"server\":\"slow\"}"));
            }
        }
    });
    let mut edge = edge("20s", &slow.url());
    let address = edge.address("web");
    let mut client = edge.open();
    client.send(Ask::get("/v1/models").bytes());
    until("the server has it", || slow.count() == 1);
    edge.process.signal("TERM");
    until("no new connection is taken", || TcpStream::connect(address).is_err());
    let answer = client.answer().expect("the request in flight is answered");
    assert_eq!(server_of(&answer), "slow");
    assert!(edge.process.wait().success());
}

#[test]
fn stream_in_flight_finishes() {
    let one = Upstream::start(|peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(EVENT_STREAM_HEAD);
        for number in 0..20 {
            peer.send(event(&number.to_string()));
            peer.connection.silent_for(Duration::from_millis(50));
        }
        peer.send([event("[DONE]"), b"0\r\n\r\n".to_vec()].concat());
    });
    let mut edge = edge("20s", &one.url());
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    client.chunk().unwrap();
    edge.process.signal("TERM");
    let mut text = String::new();
    while let Some(data) = client.chunk().expect("the stream ends whole") {
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    assert!(text.ends_with("data: 19\n\ndata: [DONE]\n\n"), "{text}");
    assert!(edge.process.wait().success());
}

#[test]
fn grace_bounds_a_stream_that_does_not_end() {
    let endless = endless_stream(Duration::from_millis(20));
    let stuck = stalls_after([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat());
    for upstream in [endless, stuck] {
        let mut edge = edge("1s", &upstream.url());
        let mut client = edge.open();
        client.send(Ask::chat(true).bytes());
        assert_eq!(client.head().unwrap().status(), 200);
        client.chunk().unwrap();
        let (_, took) = timed(|| {
            edge.process.signal("TERM");
            edge.process.wait()
        });
        assert!(took >= Duration::from_millis(900), "{took:?}: the grace was not given");
        assert!(took < Duration::from_secs(10), "{took:?}: the grace was not the bound");
        let end = loop {
            match client.chunk() {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        assert!(end == Err(Cut) || end == Ok(None));
    }
}

#[test]
fn ready_says_no_while_draining() {
    let stuck = stalls_after([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat());
    let edge = edge("20s", &stuck.url());
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    assert_eq!(edge.admin_get("/ready").status(), 200);
    edge.process.signal("TERM");
    until("/ready says 503", || edge.admin_get("/ready").status() == 503);
    assert_eq!(edge.admin_get("/health").status(), 200, "it is alive");
}

#[test]
fn interrupt_stops_at_once() {
    let endless = endless_stream(Duration::from_millis(20));
    let mut edge = edge("60s", &endless.url());
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    edge.process.signal("INT");
    let (_, took) = timed(|| edge.process.wait());
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(client.ended_within(DEADLINE));
}

#[test]
fn idle_client_may_still_send_while_it_drains_or_is_told_to_go() {
    let one = Upstream::named("one");
    let stuck = stalls_after([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat());
    let edge = Edge::start(
        "
acls: {stuck: {path_beg: /v1/chat}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{use_backend: stuck, if: stuck}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}
  stuck: {servers: {one: {url: <stuck>}}}",
        &[("one", &one.url()), ("stuck", &stuck.url())],
    );
    let mut streaming = edge.open();
    streaming.send(Ask::chat(true).bytes());
    assert_eq!(streaming.head().unwrap().status(), 200);
    let mut idle = edge.open();
    assert_eq!(idle.ask(&Ask::get("/v1/models")).status(), 200);
    edge.process.signal("TERM");
    until("it drains", || edge.admin_get("/ready").status() == 503);
    // Whatever it does with an idle connection: an answer it gives is a whole one, and says that it is the last.
    if idle.try_send(Ask::get("/v1/models").bytes()).is_ok()
        && let Some(answer) = idle.answer()
    {
        assert_eq!(answer.status(), 200);
        assert!(answer.whole);
        assert!(idle.ended_within(DEADLINE), "the connection goes on in a process that is to end");
    }
}
