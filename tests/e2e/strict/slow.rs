//! Clients that take their time, all at once beside one that does not: each is cut by its own deadline, told 408 where
//! it can still be told, and the one beside them waits for nobody.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::beside::{beside, median_while};
use super::{PATIENCE, Site, Table, Verdict, same, soon};
use crate::support::h2_raw::{
    self as h2, Client, End, HEADERS, Heard, PREFACE, data, frame, get, headers, request_fields,
};
use crate::support::http::{Ask, Connection, chunk, ok};
use crate::support::rude::CHUNKED_HEAD;
use crate::support::tls::{Offer, connect};
use crate::support::upstream::{Peer, Upstream};
use crate::support::wait::now;

/// Silence and what never becomes whole end within a fraction of [`PATIENCE`].
const IMPATIENT: &str = "timeouts: {request_head: 300ms, client: 400ms, keep_alive: 600ms, total: 60s}";

/// The same for what goes on and on.
const SHORT: &str = "timeouts: {total: 1s}";

/// Pause of a client that drips: shorter than any of the deadlines.
const DRIP: Duration = Duration::from_millis(40);

struct Scene {
    site: Site,
    /// The targets of answers that the server could not finish because it was left.
    left: Arc<Mutex<HashSet<String>>>,
    _server: Upstream,
}

impl Scene {
    fn new(timeouts: &str) -> Scene {
        let left = Arc::new(Mutex::new(HashSet::new()));
        let leaving = Arc::clone(&left);
        let server = Upstream::start(move |peer| serve(peer, &leaving));
        Scene { site: Site::new(timeouts, &server), left, _server: server }
    }

    fn tls(&self) -> Connection {
        let address = self.site.edge.addresses("web")[1];
        connect(address, &self.site.authority, &Offer::http1("one.test")).unwrap().connection
    }

    fn tls_port(&self) -> Connection {
        Connection::open(self.site.edge.addresses("web")[1])
    }

    fn server_is_left(&self, target: &str) -> Verdict {
        soon("the server is left", || self.left.lock().unwrap().contains(target))
    }
}

/// `/v1/flood...` is answered without an end as fast as it is read, `/v1/drip...` a little at a time.
fn serve(peer: &mut Peer, left: &Mutex<HashSet<String>>) {
    while let Some(request) = peer.request() {
        let target = request.head.target().to_owned();
        let (part, pause) = match &target {
            target if target.starts_with("/v1/flood") => (chunk(&[b'x'; 16 * 1024]), Duration::ZERO),
            target if target.starts_with("/v1/drip") => (chunk(b"x"), DRIP),
            _ if !request.whole => return,
            _ => {
                peer.send(ok("{}"));
                continue;
            }
        };
        peer.send(CHUNKED_HEAD);
        while peer.going_on() && peer.send(&part) && !peer.connection.ended_within(pause) {}
        left.lock().unwrap().insert(target);
        return;
    }
}

/// Sends byte after byte until nobody listens any more.
fn drip(client: &mut Connection, bytes: &[u8]) -> Verdict {
    let end = now() + PATIENCE;
    for byte in bytes.iter().cycle() {
        if now() > end {
            return Err("it may drip for ever".to_owned());
        }
        if client.try_send([*byte]).is_err() || !client.silent_for(DRIP) {
            break;
        }
    }
    Ok(())
}

/// A 408, and the end.
fn told(client: &mut Connection) -> Verdict {
    if client.silent_for(PATIENCE) {
        return Err("no answer, and no end".to_owned());
    }
    match client.answer() {
        Some(answer) => same("status", answer.status(), 408)?,
        None => return Err("the end, without an answer".to_owned()),
    }
    ended(client)
}

fn ended(client: &mut Connection) -> Verdict {
    if client.ended_within(PATIENCE) { Ok(()) } else { Err("the connection goes on".to_owned()) }
}

/// The end, and not a word before it.
fn ended_silently(client: &mut Connection) -> Verdict {
    ended(client).and_then(|()| same("what was said", client.rest().len(), 0))
}

/// The end of an HTTP/2 connection, with a GOAWAY or without.
fn given_up(client: &mut Client) -> Verdict {
    client.end(PATIENCE).map(drop).map_err(str::to_owned)
}

/// A 408 or a reset of stream 1, the connection being as good as before.
fn stream_given_up(client: &mut Client) -> Verdict {
    match client.hear(1, PATIENCE) {
        Heard::Answer { status: 408, .. } | Heard::Reset(_) => {}
        heard => return Err(format!("{heard:?}")),
    }
    client.send(&get(3, "/v1/after"));
    match client.hear(3, PATIENCE) {
        Heard::Answer { status: 200, end: End::Whole, .. } => Ok(()),
        heard => Err(format!("given up as it must, but the next stream: {heard:?}")),
    }
}

/// An answer that was cut while it came.
fn cut(client: &mut Connection) -> Verdict {
    if client.silent_for(PATIENCE) {
        return Err("no answer, and no end".to_owned());
    }
    match client.answer() {
        Some(answer) => same("status and wholeness", (answer.status(), answer.whole), (200, false)),
        None => Err("the end, without an answer".to_owned()),
    }
}

fn body(lines: &str, begun: &str) -> String {
    format!("POST /v1/x HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n\r\n{begun}")
}

fn client_hello() -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut session = ClientConnection::new(Arc::new(config), "one.test".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    hello
}

type Slow = (&'static str, fn(&Scene) -> Verdict);

/// Those whose head or handshake does not come.
const HEADS: [Slow; 14] = [
    ("head that drips", |scene| {
        let mut client = scene.site.open();
        drip(
            &mut client,
            b"GET /v1/x HTTP/1.1\r\nHost: a.test\r\nX-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        )?;
        told(&mut client)
    }),
    ("head that drips header after header", |scene| {
        let mut client = scene.site.open();
        client.send("GET /v1/x HTTP/1.1\r\nHost: a.test\r\n");
        drip(&mut client, b"X-A: b\r\n")?;
        told(&mut client)
    }),
    ("head that stops", |scene| {
        let mut client = scene.site.open();
        client.send("GET /v1/x HTTP/1.1\r\nHost: a.t");
        told(&mut client)
    }),
    ("head that lacks its empty line", |scene| {
        let mut client = scene.site.open();
        client.send("GET /v1/x HTTP/1.1\r\nHost: a.test\r\n");
        told(&mut client)
    }),
    ("second head that stops", |scene| {
        let mut client = scene.site.open();
        client.send([Ask::get("/v1/x").bytes(), b"GET /v1/y HT".to_vec()].concat());
        same("first answer", client.answer().map(|answer| answer.status()), Some(200))?;
        told(&mut client)
    }),
    ("head over TLS that stops", |scene| {
        let mut client = scene.tls();
        client.send("GET /v1/x HTTP/1.1\r\nHost: a.t");
        told(&mut client)
    }),
    ("connection without a word", |scene| ended_silently(&mut scene.site.open())),
    ("connection without a second word", |scene| {
        let mut client = scene.site.open();
        same("first answer", client.ask(&Ask::get("/v1/x")).status(), 200)?;
        ended_silently(&mut client)
    }),
    ("handshake that never begins", |scene| ended(&mut scene.tls_port())),
    ("handshake that stops", |scene| {
        let mut client = scene.tls_port();
        let hello = client_hello();
        client.send(&hello[..hello.len() / 2]);
        ended(&mut client)
    }),
    ("handshake that drips", |scene| {
        let mut client = scene.tls_port();
        drip(&mut client, &client_hello())?;
        ended(&mut client)
    }),
    ("handshake without a request", |scene| ended_silently(&mut scene.tls())),
    ("HTTP/2 without its preface", |scene| {
        let mut client = Client::connect(scene.site.edge.addresses("web")[1], &scene.site.authority);
        given_up(&mut client)
    }),
    ("HTTP/2 with half its preface", |scene| {
        let mut client = Client::connect(scene.site.edge.addresses("web")[1], &scene.site.authority);
        client.send(&PREFACE[..12]);
        given_up(&mut client)
    }),
];

/// Those whose HTTP/2 connection or stream does not go on.
const STREAMS: [Slow; 8] = [
    ("HTTP/2 without a request", |scene| given_up(&mut scene.site.open_h2())),
    ("HTTP/2 without a second request", |scene| {
        let mut client = scene.site.open_h2();
        client.send(&get(1, "/v1/x"));
        match client.hear(1, PATIENCE) {
            Heard::Answer { status: 200, end: End::Whole, .. } => given_up(&mut client),
            heard => Err(format!("{heard:?}")),
        }
    }),
    ("header block that stops", |scene| {
        let mut client = scene.site.open_h2();
        client.send(&frame(HEADERS, 0, 1, &request_fields("GET", "/v1/x")));
        given_up(&mut client)
    }),
    ("frame that stops", |scene| {
        let mut client = scene.site.open_h2();
        client.send(&get(1, "/v1/x")[..30]);
        given_up(&mut client)
    }),
    ("frame that drips", |scene| {
        let mut client = scene.site.open_h2();
        client.send(&h2::frame_of_length(16_000, HEADERS, h2::END_HEADERS, 1, b""));
        let end = now() + PATIENCE;
        while client.send(b"\0") {
            if now() > end {
                return Err("it may drip for ever".to_owned());
            }
            match client.next(DRIP) {
                h2::Next::Closed => return Ok(()),
                h2::Next::Frame(_) | h2::Next::Nothing => {}
            }
        }
        Ok(())
    }),
    ("HTTP/2 body that never comes", |scene| {
        let mut client = scene.site.open_h2();
        client.send(&headers(1, false, &request_fields("POST", "/v1/x")));
        stream_given_up(&mut client)
    }),
    ("HTTP/2 body that stops", |scene| {
        let mut client = scene.site.open_h2();
        let head = headers(1, false, &request_fields("POST", "/v1/x"));
        client.send(&[head, data(1, false, b"abc")].concat());
        stream_given_up(&mut client)
    }),
    ("HTTP/2 body of empty frames", |scene| {
        let mut client = scene.site.open_h2();
        client.send(&headers(1, false, &request_fields("POST", "/v1/x")));
        let end = now() + PATIENCE;
        loop {
            client.send(&data(1, false, b""));
            match client.hear(1, DRIP) {
                Heard::Nothing if now() < end => {}
                Heard::Answer { status: 408, .. } | Heard::Reset(_) | Heard::GoAway(_) => return Ok(()),
                heard => return Err(format!("{heard:?}")),
            }
        }
    }),
];

/// Those whose HTTP/1 body does not come.
const BODIES: [Slow; 7] = [
    ("body that never comes", |scene| {
        let mut client = scene.site.open();
        client.send(body("Content-Length: 10", ""));
        told(&mut client)
    }),
    ("body that stops", |scene| {
        let mut client = scene.site.open();
        client.send(body("Content-Length: 10", "12345"));
        told(&mut client)
    }),
    ("chunk that stops", |scene| {
        let mut client = scene.site.open();
        client.send(body("Transfer-Encoding: chunked", "5\r\nabc"));
        told(&mut client)
    }),
    ("chunk size that stops", |scene| {
        let mut client = scene.site.open();
        client.send(body("Transfer-Encoding: chunked", "3\r\nabc\r\n1"));
        told(&mut client)
    }),
    ("trailers that stop", |scene| {
        let mut client = scene.site.open();
        client.send(body("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\nX-A: b\r\n"));
        told(&mut client)
    }),
    ("body over TLS that stops", |scene| {
        let mut client = scene.tls();
        client.send(body("Content-Length: 10", "12345"));
        told(&mut client)
    }),
    ("body that was asked for and does not come", |scene| {
        let mut client = scene.site.open();
        client.send(body("Content-Length: 10\r\nExpect: 100-continue", ""));
        same("interim answer", client.head().map(|head| head.status()), Some(100))?;
        told(&mut client)
    }),
];

/// How many of the cases above must get a 408.
const TOLD: f64 = 13.0;

/// Those that do not read what they asked for.
const READERS: [Slow; 5] = [
    ("client that does not read", |scene| {
        let mut client = scene.site.open();
        client.send(Ask::get("/v1/flood/plain").bytes());
        scene.server_is_left("/v1/flood/plain").and(cut(&mut client))
    }),
    ("client that does not read, over TLS", |scene| {
        let mut client = scene.tls();
        client.send(Ask::get("/v1/flood/tls").bytes());
        scene.server_is_left("/v1/flood/tls").and(cut(&mut client))
    }),
    ("client that does not read, by HTTP/2", |scene| {
        let mut client = scene.site.open_h2();
        // Windows as wide as they go: it is the socket that is full.
        client.send(&[h2::settings(&[(4, 1 << 30)]), h2::window_update(0, 1 << 30)].concat());
        client.send(&get(1, "/v1/flood/h2"));
        scene.server_is_left("/v1/flood/h2")
    }),
    ("window that is never opened", |scene| {
        let mut client = scene.site.open_h2();
        client.stingy = true;
        client.send(&get(1, "/v1/flood/window"));
        let heard = client.hear(1, PATIENCE);
        scene.server_is_left("/v1/flood/window")?;
        match heard {
            Heard::Answer { status: 200, end: End::Reset(_) | End::Lost, .. } => Ok(()),
            heard => Err(format!("{heard:?}")),
        }
    }),
    ("window of nothing", |scene| {
        let mut client = scene.site.open_h2();
        client.send(&[h2::settings(&[(4, 0)]), get(1, "/v1/flood/nothing")].concat());
        let heard = client.hear(1, PATIENCE);
        scene.server_is_left("/v1/flood/nothing")?;
        match heard {
            Heard::Answer { status: 200, end: End::Reset(_) | End::Lost, .. } => Ok(()),
            Heard::Reset(_) => Ok(()),
            heard => Err(format!("{heard:?}")),
        }
    }),
];

/// Those that are never silent for long, and never done.
const ENDLESS: [Slow; 4] = [
    ("HTTP/2 body that drips longer than the whole may take", |scene| {
        let mut client = scene.site.open_h2();
        client.send(&headers(1, false, &request_fields("POST", "/v1/x")));
        let end = now() + PATIENCE;
        loop {
            client.send(&data(1, false, b"x"));
            match client.hear(1, DRIP) {
                Heard::Nothing if now() < end => {}
                Heard::Answer { status: 408 | 504, .. } | Heard::Reset(_) => return Ok(()),
                heard => return Err(format!("{heard:?}")),
            }
        }
    }),
    ("body that drips longer than the whole may take", |scene| {
        let mut client = scene.site.open();
        client.send(body("Content-Length: 100000", ""));
        drip(&mut client, b"x")?;
        ended(&mut client)
    }),
    ("answer that takes longer than the whole may", |scene| {
        let mut client = scene.site.open();
        client.send(Ask::get("/v1/drip/plain").bytes());
        cut(&mut client).and(scene.server_is_left("/v1/drip/plain"))
    }),
    ("answer that takes longer than the whole may, by HTTP/2", |scene| {
        let mut client = scene.site.open_h2();
        client.send(&get(1, "/v1/drip/h2"));
        match client.hear(1, PATIENCE) {
            Heard::Answer { status: 200, end: End::Reset(_), .. } => scene.server_is_left("/v1/drip/h2"),
            heard => Err(format!("{heard:?}")),
        }
    }),
];

#[test]
fn slow_clients_are_cut_and_nobody_waits_for_them() {
    let mut table = Table::new("slow clients");
    let scene = judge_all(&mut table, IMPATIENT, &[&HEADS, &STREAMS, &BODIES, &READERS]);
    let timed_out =
        || scene.site.edge.metrics().sum("tidegate_denied_total", &[("reason", "request_timeout")]);
    table.case_if_all_is_well("those that were told 408 are counted", || {
        soon("so many", || timed_out() >= TOLD)
    });
    judge_all(&mut table, SHORT, &[&ENDLESS]);
    table.conclude();
}

/// The cases of a group all at once, one group after another, on an edge with these timeouts.
fn judge_all(table: &mut Table, timeouts: &str, groups: &[&[Slow]]) -> Scene {
    let scene = Scene::new(timeouts);
    let quiet = median_while(&scene.site, 50, || false);
    for cases in groups {
        let (verdicts, noticed) = beside(&scene.site, quiet, || all_at_once(&scene, cases));
        for ((name, _), verdict) in cases.iter().zip(verdicts) {
            table.case(name, b"", || verdict);
        }
        table.case("the client beside them", b"", || noticed);
    }
    scene
}

fn all_at_once(scene: &Scene, cases: &[Slow]) -> Vec<Verdict> {
    std::thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|(_, judge)| scope.spawn(move || judge(scene))).collect();
        running
            .into_iter()
            .map(|judging| judging.join().unwrap_or_else(|panic| Err(super::words_of(&*panic))))
            .collect()
    })
}
