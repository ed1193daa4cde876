//! A reload is felt by nobody: connections stay, requests end as they began, load goes on; and a signal at an awkward time
//! harms nothing.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::curl;
use crate::support::edge::{Edge, Settings, configuration};
use crate::support::http::{Ask, Connection, chunk, ok};
use crate::support::http2::Http2;
use crate::support::process::Process;
use crate::support::reload::APPLIED;
use crate::support::rude::{Deaf, EVENT_STREAM_HEAD, endless_stream, event};
use crate::support::scratch::Scratch;
use crate::support::tls::{Offer, connect, der};
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, timed, until};

const PLAIN: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";

/// A stream of events that the test sends one by one, and ends.
struct Source {
    upstream: Upstream,
    sent: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Source {
    fn new() -> Source {
        let (sent, over) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicBool::new(false)));
        let (wanted, end) = (sent.clone(), over.clone());
        let upstream = Upstream::start(move |peer| {
            if peer.request().is_none() {
                return;
            }
            peer.send(EVENT_STREAM_HEAD);
            let mut done = 0;
            while peer.going_on() {
                if done < wanted.load(Ordering::SeqCst) {
                    peer.send(event(&done.to_string()));
                    done += 1;
                } else if end.load(Ordering::SeqCst) {
                    break;
                } else if peer.connection.ended_within(Duration::from_millis(5)) {
                    return;
                }
            }
            peer.send(chunk(b"")); // the last one
        });
        Source { upstream, sent, over }
    }

    fn next(&self) {
        self.sent.fetch_add(1, Ordering::SeqCst);
    }
}

#[track_caller]
fn next_event(client: &mut Connection) -> String {
    String::from_utf8(client.chunk().unwrap().unwrap()).unwrap()
}

#[test]
fn replaced_certificate_is_shown_to_new_connections_and_open_ones_go_on() {
    let directory = Scratch::new();
    let authority = Authority::new("a");
    let old = authority.issue(&["one.test"]);
    old.write(&directory, "one.pem");
    let (one, source) = (Upstream::named("one"), Source::new());
    let path = directory.path().display().to_string();
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
acls: {stream: {path: /stream}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0, tls: {certificates: <dir>/one.pem}}]
    rules: [{use_backend: source, if: stream}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}
  source: {servers: {one: {url: <source>}}}",
        &[("dir", &path), ("one", &one.url()), ("source", &source.upstream.url())],
    );
    let address = edge.address("web");
    let open = || connect(address, &authority, &Offer::http1("one.test")).unwrap();
    let ask = |target| Ask::get(target).header("host", "one.test");
    let (mut kept, mut streaming) = (open(), open());
    assert_eq!(kept.certificate, der(&old).to_vec());
    assert_eq!(kept.connection.ask(&ask("/")).status(), 200);
    streaming.connection.send(ask("/stream").bytes());
    assert_eq!(streaming.connection.head().unwrap().status(), 200);
    assert_eq!(next_event(&mut streaming.connection), "data: 0\n\n");
    let ca = authority.write(&edge.directory, "ca.pem");
    let http2 = std::thread::spawn(move || curl::https(address, "one.test", &ca, "/stream", &["--http2"]));
    until("both streams", || source.upstream.count() == 2);

    let new = authority.issue(&["one.test"]);
    new.write(&edge.directory, "one.pem");
    assert_eq!(open().certificate, der(&old).to_vec(), "not before it is told");
    assert!(edge.hang_up());
    assert_eq!(open().certificate, der(&new).to_vec());
    assert_eq!(kept.connection.ask(&ask("/")).status(), 200);
    source.next();
    assert_eq!(next_event(&mut streaming.connection), "data: 1\n\n");
    source.over.store(true, Ordering::SeqCst);
    assert_eq!(streaming.connection.chunk(), Ok(None), "the stream ends whole");
    let got = http2.join().unwrap();
    assert_eq!((got.exit, got.version.as_str(), got.body.as_str()), (0, "2", "data: 0\n\ndata: 1\n\n"));
}

#[test]
fn http2_connection_goes_on_and_its_next_request_sees_the_new_rules() {
    let directory = Scratch::new();
    let authority = Authority::new("a");
    let pem = authority.issue(&["one.test"]).write(&directory, "one.pem").display().to_string();
    let one = Upstream::named("one");
    let url = one.url();
    let values = [("pem", pem.as_str()), ("one", &url)];
    let sections = PLAIN.replace("127.0.0.1:0}", "127.0.0.1:0, tls: {certificates: <pem>}}");
    let edge = Edge::start_with(&Settings::default(), directory, &sections, &values);
    let mut client = Http2::connect(edge.address("web"), &authority, "one.test");
    assert_eq!(client.ask(&Ask::get("/")).status(), 200);
    edge.reload(&sections.replace("web: {", "web: {rules: [{deny: {status: 403}}], "), &values);
    assert_eq!(client.ask(&Ask::get("/")).status(), 403);
    edge.reload(&sections, &values);
    assert_eq!(client.ask(&Ask::get("/")).status(), 200);
    assert!(!client.has_ended());
}

#[test]
fn request_in_flight_ends_as_it_began() {
    let (source, two) = (Source::new(), Upstream::named("two"));
    let values = [("one", source.upstream.url()), ("two", two.url())];
    let values = values.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(PLAIN, &values);
    let mut client = edge.open();
    client.send(Ask::get("/").bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    assert_eq!(next_event(&mut client), "data: 0\n\n");
    let gone = PLAIN.replace("ai", "other").replace("<one>", "<two>").replace("one:", "two:");
    for _ in 0..3 {
        edge.reload(&gone, &values);
        source.next();
    }
    for number in 1..4 {
        assert_eq!(next_event(&mut client), format!("data: {number}\n\n"));
    }
    source.over.store(true, Ordering::SeqCst);
    assert_eq!(client.chunk(), Ok(None));
    let line = edge.logged("of the stream", |line| line["stream"] == true);
    assert_eq!((line["backend"].as_str(), line["server"].as_str()), (Some("ai"), Some("one")));
    assert_eq!(client.ask(&Ask::get("/")).json()["server"], "two", "the connection is still good");
}

#[test]
fn twenty_reloads_under_load_cut_and_fail_nothing() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let values = [("one", one.url()), ("two", two.url())];
    let values = values.each_ref().map(|(name, url)| (*name, url.as_str()));
    let variants =
        [PLAIN.to_owned(), PLAIN.replace("{one: {url: <one>}}", "{one: {url: <one>}, two: {url: <two>}}")];
    let edge = Edge::start(&variants[0], &values);
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let bad = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (over, served, bad, edge) = (&over, &served, &bad, &edge);
            scope.spawn(move || {
                let mut client = edge.open();
                while !over.load(Ordering::SeqCst) {
                    let body = vec![b'x'; 1 + number * 20_000];
                    let _ = client.try_send(Ask::post("/v1/chat/completions", body).bytes());
                    match client.answer() {
                        Some(answer) if answer.status() == 200 && answer.whole => {
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                        other => return bad.lock().unwrap().push(format!("{other:?}")),
                    }
                }
            });
        }
        for round in 0..20 {
            let before = served.load(Ordering::SeqCst);
            edge.reload(&variants[(round + 1) % 2], &values);
            until("requests go on", || {
                served.load(Ordering::SeqCst) >= before + 8 || !bad.lock().unwrap().is_empty()
            });
        }
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!(*bad.lock().unwrap(), Vec::<String>::new());
    assert_eq!(edge.told(APPLIED), 20);
    let opened = edge.metrics().sum("tidegate_connections_total", &[("frontend", "web")]);
    assert_eq!(opened, 4.0, "every client had one connection from beginning to end");
}

#[test]
fn signals_that_come_together_end_in_the_last_file() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(PLAIN, &[("one", &one.url())]);
    let text = configuration(&Settings::default(), edge.directory.path(), PLAIN, &[("one", &two.url())]);
    edge.directory.write("tidegate.yaml", &text);
    for _ in 0..10 {
        edge.process.signal("HUP");
    }
    until("the new file is in force", || edge.servers(1) == ["two"]);
    assert!(edge.hang_up());
    assert_eq!(edge.servers(1), ["two"]);
}

#[test]
fn signal_before_the_process_is_ready_is_obeyed_when_it_is() {
    let (one, held) = (Upstream::named("one"), Arc::new(AtomicBool::new(true)));
    let hold = held.clone();
    let slow = Upstream::replying(move |_| {
        until("the check may go on", || !hold.load(Ordering::SeqCst));
        ok("{}")
    });
    let directory = Scratch::new();
    let text = PLAIN.replace("ai: {", "ai: {check: {http: {path: /}, interval: 60s, timeout: 20s}, ");
    let text = configuration(&Settings::default(), directory.path(), &text, &[("one", &slow.url())]);
    let file = directory.write("tidegate.yaml", &text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let mut process = Process::start(command.args(["run", "-c"]).arg(file).env_remove("RUST_LOG"));
    until("the first check", || slow.count() > 0);
    process.signal("HUP");
    process.signal("USR2");
    directory.write("tidegate.yaml", &text.replace(&slow.url(), &one.url()));
    held.store(false, Ordering::SeqCst);
    process
        .await_lines("a reload", |_, stderr| stderr.iter().any(|line| line.contains(APPLIED)).then_some(()));
    assert_eq!(process.exited(), None);
}

#[test]
fn connection_limits_hold_at_once() {
    let one = Upstream::named("one");
    let url = one.url();
    let edge = Edge::start(PLAIN, &[("one", &url)]);
    let limited = PLAIN.replace("web: {", "web: {max_connections: 2, ");
    let mut first = edge.open();
    assert_eq!(first.ask(&Ask::get("/")).status(), 200);
    edge.reload(&limited, &[("one", &url)]);
    let mut second = edge.open();
    assert_eq!(second.ask(&Ask::get("/")).status(), 200);
    let mut third = edge.open();
    third.send(Ask::get("/").bytes());
    assert!(third.silent_for(Duration::from_millis(150)), "a third one waits");
    edge.reload(PLAIN, &[("one", &url)]);
    assert_eq!(third.answer().unwrap().status(), 200, "and comes in when the limit is gone");
    let few = Settings { max_connections: 3, ..Settings::default() };
    edge.reload_with(&few, PLAIN, &[("one", &url)]);
    let mut fourth = edge.open();
    fourth.send(Ask::get("/").bytes());
    assert!(fourth.silent_for(Duration::from_millis(150)), "the limit of the process");
    assert_eq!(first.ask(&Ask::get("/")).status(), 200, "open ones are not cut by a lower limit");
    drop(second);
    assert_eq!(fourth.answer().unwrap().status(), 200);
}

#[test]
fn old_snapshot_serves_while_a_new_server_is_checked_and_a_stop_does_not_wait() {
    let (one, deaf) = (Upstream::named("one"), Deaf::new());
    let (url, never) = (one.url(), deaf.url());
    let values = [("one", url.as_str()), ("never", &never)];
    let checked = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {check: {http: {path: /}, interval: 60s, timeout: 15s}, servers: {one: {url: <one>}}}";
    let mut edge = Edge::start(checked, &values);
    let slow = checked.replace("{one: {url: <one>}}", "{one: {url: <one>}, never: {url: <never>}}");
    let text = configuration(&Settings::default(), edge.directory.path(), &slow, &values);
    edge.directory.write("tidegate.yaml", &text);
    edge.process.signal("HUP");
    edge.says("reload: reading");
    assert_eq!(edge.servers(2), ["one", "one"]);
    edge.process.signal("TERM");
    let (status, took) = timed(|| edge.process.wait());
    assert!(status.success(), "{status}");
    assert!(took < DEADLINE / 2, "{took:?}");
    assert_eq!(edge.told(APPLIED), 0);
}

#[test]
fn stop_waits_as_long_as_the_new_file_says() {
    let one = endless_stream(Duration::from_millis(10));
    let url = one.url();
    let patient = Settings { shutdown_grace: "60s", ..Settings::default() };
    let mut edge = Edge::start_with(&patient, Scratch::new(), PLAIN, &[("one", &url)]);
    let mut client = edge.open();
    client.send(Ask::get("/").bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    let hasty = Settings { shutdown_grace: "100ms", ..Settings::default() };
    edge.reload_with(&hasty, PLAIN, &[("one", &url)]);
    edge.process.signal("TERM");
    assert!(edge.process.wait().success());
}
