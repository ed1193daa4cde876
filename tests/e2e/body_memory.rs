//! `global.max_body_memory`: request bodies that are kept, all together, have one bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::curl;
use crate::support::edge::{Edge, Settings, configuration};
use crate::support::http::{Ask, Connection, Message, ok};
use crate::support::rude::endless_stream;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// Three of these fit in a megabyte, four do not.
const LARGE: usize = 300_000;

/// An upstream that takes every request and answers none until it is told to.
struct Stalled {
    upstream: Upstream,
    open: Arc<AtomicBool>,
}

impl Stalled {
    fn new() -> Stalled {
        let open = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&open);
        let upstream = Upstream::start(move |peer| {
            while peer.request().is_some() {
                while !gate.load(Ordering::SeqCst) {
                    if peer.connection.ended_within(Duration::from_millis(10)) {
                        return peer.wait_until_left();
                    }
                }
                if !peer.send(ok("{}")) {
                    return;
                }
            }
        });
        Stalled { upstream, open }
    }

    fn answer(&self, now: bool) {
        self.open.store(now, Ordering::SeqCst);
    }
}

fn edge(directory: Scratch, bind: &str, server: &str, url: &str) -> Edge {
    let sections = "
frontends:
  web: {bind: [{address: 127.0.0.1:0<bind>}], default_backend: ai}
backends:
  ai: {queue: {max: 100}, servers: {one: {url: <url><server>}}}";
    let values = [("bind", bind), ("server", server), ("url", url)];
    let text = configuration(&Settings::default(), directory.path(), sections, &values).replacen(
        "global:\n",
        "global:\n  max_body_memory: 1m\n",
        1,
    );
    Edge::start_text(directory, &text)
}

fn plain(stalled: &Stalled) -> Edge {
    edge(Scratch::new(), "", "", &stalled.upstream.url())
}

fn large() -> Ask {
    Ask::post("/v1/files", vec![b'x'; LARGE])
}

/// Uploads as many as fit, and waits until the server has them.
#[track_caller]
fn fill(edge: &Edge, stalled: &Stalled, ask: &Ask) -> Vec<Connection> {
    let before = whole(stalled);
    let clients: Vec<Connection> = (0..3)
        .map(|_| {
            let mut client = edge.open();
            client.send(ask.bytes());
            client
        })
        .collect();
    until("the server has three uploads", || whole(stalled) == before + 3);
    clients
}

#[track_caller]
fn is_overloaded(answer: &Message) {
    answer.is_error(503, "overloaded");
    let wait: u64 = answer.header("retry-after").expect("a retry-after").parse().unwrap();
    assert!((1..=120).contains(&wait), "{wait}");
}

#[test]
fn upload_that_does_not_fit_is_told_to_come_back() {
    let stalled = Stalled::new();
    let edge = plain(&stalled);
    let mut clients = fill(&edge, &stalled, &large());
    is_overloaded(&edge.ask(&large().header("x-request-id", "too-many")));
    let line = edge.logged("the refused one", |line| line["request_id"] == "too-many");
    assert_eq!((&line["status"], &line["termination"]), (&503.into(), &"RR--".into()), "{line}");
    let labels = [("reason", "body_memory")];
    assert_eq!(edge.metrics().sum("tidegate_denied_total", &labels), 1.0);
    stalled.answer(true);
    for client in &mut clients {
        assert_eq!(client.answer().expect("those in progress go on").status(), 200);
    }
    for client in &mut clients {
        assert_eq!(client.ask(&large()).status(), 200, "there is room again");
    }
}

#[test]
fn small_requests_go_on_when_large_ones_do_not_fit() {
    let stalled = Stalled::new();
    let edge = plain(&stalled);
    let mut clients = fill(&edge, &stalled, &large());
    is_overloaded(&edge.ask(&large()));
    let (mut small, mut none) = (edge.open(), edge.open());
    small.send(Ask::chat(false).bytes());
    none.send(Ask::get("/v1/models").bytes());
    stalled.answer(true);
    for client in clients.iter_mut().chain([&mut small, &mut none]) {
        assert_eq!(client.answer().expect("an answer").status(), 200);
    }
}

#[test]
fn chunked_uploads_are_bounded_as_well() {
    let stalled = Stalled::new();
    let edge = plain(&stalled);
    let mut clients = fill(&edge, &stalled, &large().chunked());
    is_overloaded(&edge.ask(&large().chunked()));
    stalled.answer(true);
    for client in &mut clients {
        assert_eq!(client.answer().expect("those in progress go on").status(), 200);
    }
}

#[test]
fn many_at_once_leave_nothing_behind() {
    let stalled = Stalled::new();
    let edge = plain(&stalled);
    for _ in 0..2 {
        let (refused, mut kept) = crowd(&edge, &stalled, 20);
        assert!((1..=3).contains(&kept.len()), "{} fit", kept.len());
        assert_eq!(refused + kept.len(), 20);
        stalled.answer(true);
        for client in &mut kept {
            assert_eq!(client.answer().expect("an answer").status(), 200);
        }
        until("nothing is held", || held(&edge) == 0.0);
        stalled.answer(false);
    }
    fill(&edge, &stalled, &large());
}

/// So many uploads at once: how many were refused, and the clients of the others.
fn crowd(edge: &Edge, stalled: &Stalled, size: usize) -> (usize, Vec<Connection>) {
    let refused = || edge.metrics().sum("tidegate_denied_total", &[("reason", "body_memory")]) as usize;
    let decided = || whole(stalled) + refused();
    let before = decided();
    let mut clients: Vec<Connection> = std::thread::scope(|scope| {
        let upload = || {
            let mut client = edge.open();
            // It may be refused, and the connection closed, before all of this is written.
            let _ = client.try_send(large().bytes());
            client
        };
        let uploads: Vec<_> = (0..size).map(|_| scope.spawn(upload)).collect();
        uploads.into_iter().map(|upload| upload.join().unwrap()).collect()
    });
    until("each of them is with the server or refused", || decided() == before + size);
    let all = clients.len();
    clients.retain_mut(|client| {
        let waits = client.silent_for(Duration::from_millis(100));
        if !waits {
            is_overloaded(&client.answer().expect("an answer"));
        }
        waits
    });
    (all - clients.len(), clients)
}

#[test]
fn clients_that_leave_give_their_room_back() {
    let stalled = Stalled::new();
    let edge = plain(&stalled);
    for round in 1..=3 {
        let clients = fill(&edge, &stalled, &large());
        is_overloaded(&edge.ask(&large()));
        clients.iter().for_each(Connection::reset_when_dropped);
        drop(clients);
        until("all are over, nothing is held", || edge.log().len() == 4 * round && held(&edge) == 0.0);
    }
    // Those who leave in the middle of their upload have sent too little for the server to know them.
    for round in 1..=3 {
        let mut halves: Vec<Connection> = (0..6).map(|_| edge.open()).collect();
        for half in &mut halves {
            half.send(&large().bytes()[..LARGE / 2]);
        }
        drop(halves);
        until("all are over, nothing is held", || edge.log().len() == 12 + 6 * round && held(&edge) == 0.0);
    }
    let mut clients = fill(&edge, &stalled, &large());
    stalled.answer(true);
    for client in &mut clients {
        assert_eq!(client.answer().expect("an answer").status(), 200);
    }
}

#[test]
fn single_upload_above_the_bound_is_refused_while_it_is_kept() {
    let stalled = Stalled::new();
    let edge = plain(&stalled);
    is_overloaded(&edge.ask(&Ask::post("/v1/files", vec![b'x'; 2_000_000])));
    is_overloaded(&edge.ask(&Ask::post("/v1/files", vec![b'x'; 2_000_000]).chunked()));
    until("nothing is held", || held(&edge) == 0.0);
    assert_eq!(whole(&stalled), 0);
}

#[test]
fn what_waits_in_a_queue_is_held_too() {
    let stalled = Stalled::new();
    let edge = edge(Scratch::new(), "", ", max_concurrent: 1", &stalled.upstream.url());
    let mut clients: Vec<Connection> = (0..3)
        .map(|_| {
            let mut client = edge.open();
            client.send(large().bytes());
            client
        })
        .collect();
    until("three are held, and what they take beside", || {
        (1.0..1.1).contains(&(held(&edge) / (3.0 * LARGE as f64)))
    });
    until("one of them is with the server, two in the queue", || stalled.upstream.count() == 1);
    is_overloaded(&edge.ask(&large()));
    stalled.answer(true);
    for client in &mut clients {
        assert_eq!(client.answer().expect("an answer").status(), 200);
    }
    until("nothing is held", || held(&edge) == 0.0);
}

#[test]
fn answered_upload_holds_nothing_while_its_answer_goes_on() {
    let endless = endless_stream(Duration::from_millis(20));
    let edge = edge(Scratch::new(), "", "", &endless.url());
    let mut clients: Vec<Connection> = Vec::new();
    for _ in 0..6 {
        let mut client = edge.open();
        client.send(large().bytes());
        assert_eq!(client.head().expect("the head of a stream").status(), 200);
        clients.push(client);
    }
    until("nothing is held", || held(&edge) == 0.0);
}

#[test]
fn uploads_over_http2_are_bounded_and_the_connection_lives() {
    let directory = Scratch::new();
    let authority = Authority::new("edge authority");
    let file = authority.issue(&["one.test"]).write(&directory, "one.pem");
    let ca = authority.write(&directory, "ca.pem");
    let upload = directory.write("upload", &"x".repeat(LARGE));
    let stalled = Stalled::new();
    let bind = format!(", tls: {{certificates: [{}]}}", file.display());
    let edge = edge(directory, &bind, "", &stalled.upstream.url());
    let data = format!("@{}", upload.display());
    let ask = || {
        let more = ["--http2", "--data-binary", data.as_str(), "-H", "expect:"];
        curl::https(edge.address("web"), "one.test", &ca, "/v1/files", &more)
    };
    std::thread::scope(|scope| {
        let uploads: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
        until("the server has three uploads", || whole(&stalled) == 3);
        let refused = ask();
        assert_eq!((refused.exit, refused.status, refused.version.as_str()), (0, 503, "2"), "{refused:?}");
        assert!(refused.body.contains("overloaded"), "{refused:?}");
        stalled.answer(true);
        for upload in uploads {
            assert_eq!(upload.join().unwrap().status, 200);
        }
    });
    until("nothing is held", || held(&edge) == 0.0);
    assert_eq!(ask().status, 200);
}

/// Uploads that the server has had to their end; of a refused one it may have seen a part.
fn whole(stalled: &Stalled) -> usize {
    stalled.upstream.requests().iter().filter(|request| request.whole).count()
}

/// Bytes of request bodies that are held now.
fn held(edge: &Edge) -> f64 {
    edge.metrics().sum("tidegate_body_memory_bytes", &[])
}
