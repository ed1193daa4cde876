//! Bugs that were found in what is counted of clients that leave or misbehave, in what bodies cost, and in how a file
//! comes into force.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::curl;
use crate::support::edge::{Edge, Settings, configuration, server_of};
use crate::support::h2_raw::{CANCEL, Client, GOAWAY, HEADERS, Next, PREFACE, get, ping, reset, settings};
use crate::support::http::{Ask, Connection, Cut, chunk, ok};
use crate::support::reload::APPLIED;
use crate::support::rude::{
    CHUNKED_HEAD, EVENT_STREAM_HEAD, closes_unanswered, event, never_answers, stalls_after,
};
use crate::support::scratch::Scratch;
use crate::support::tls::{Offer, connect};
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, now, timed, until};

/// One server behind a plain port and one for TLS, every request counted in the table `t`.
const SECTIONS: &str = r#"
defaults: {timeouts: {client: 400ms}}
tables: {t: {key: src, expire: 60s, counters: [http_err_cnt, http_req_cnt]}}
acls: {bad: {path_beg: /v1/bad}}
frontends:
  web:
    bind:
      - address: 127.0.0.1:0
      - {address: 127.0.0.1:0, tls: {certificates: [<pem>]}}
      - {address: "unix:<dir>/web.sock"}
    connection_rules: [{track: t}]
    rules: [{deny: {status: 403}, if: bad}]
    default_backend: ai
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <one>}}}"#;

struct Site {
    edge: Edge,
    authority: Authority,
}

impl Site {
    fn new(one: &Upstream) -> Site {
        let directory = Scratch::new();
        let authority = Authority::new("a");
        let pem = authority.issue(&["one.test"]).write(&directory, "one.pem").display().to_string();
        let path = directory.path().display().to_string();
        let values = [("pem", pem.as_str()), ("dir", &path), ("one", &one.url())];
        let edge = Edge::start_with(&Settings::default(), directory, SECTIONS, &values);
        Site { edge, authority }
    }

    /// An HTTP/2 connection that lets no stream send a byte of a body.
    fn closed_window(&self) -> Client {
        let mut client = Client::connect(self.edge.addresses("web")[1], &self.authority);
        client.send(&[PREFACE, &settings(&[(NO_TABLE, 0), (INITIAL_WINDOW, 0)])].concat());
        client
    }

    #[track_caller]
    fn errors_become(&self, count: usize) {
        until(&format!("{count} errors in the table"), || errors(&self.edge) == count);
    }
}

/// `http_err_cnt` of the only entry.
#[track_caller]
fn errors(edge: &Edge) -> usize {
    let shown = edge.command("show table t");
    let mut words = shown.split_whitespace();
    let value = words.find_map(|word| word.strip_prefix("http_err_cnt="));
    value.unwrap_or_else(|| panic!("no entry: {shown}")).parse().unwrap()
}

const NO_TABLE: u16 = 1;
const INITIAL_WINDOW: u16 = 4;

fn denied(edge: &Edge, reason: &str) -> f64 {
    edge.metrics().sum("tidegate_denied_total", &[("reason", reason)])
}

/// Reads frames until the head of that stream's answer has come.
#[track_caller]
fn await_head(client: &mut Client, stream: u32) {
    loop {
        match client.next(DEADLINE) {
            Next::Frame(frame) if frame.kind == HEADERS && frame.stream == stream => return,
            Next::Frame(_) => {}
            Next::Closed => panic!("the connection ended before the answer to {stream}"),
            Next::Nothing => panic!("no answer to {stream}"),
        }
    }
}

#[test]
fn denial_counts_although_the_client_reads_only_its_head() {
    let one = Upstream::named("one");
    let site = Site::new(&one);
    let mut client = site.closed_window();
    for stream in (1..20).step_by(2) {
        client.send(&get(stream, "/v1/bad"));
        await_head(&mut client, stream);
        client.send(&reset(stream, CANCEL));
    }
    site.errors_become(10);
    until("all are counted", || denied(&site.edge, "deny_rule") == 10.0);
    until("all are logged", || site.edge.log().len() == 10);
    for line in site.edge.log() {
        assert_eq!((&line["status"], &line["termination"]), (&403.into(), &"PR--".into()), "{line}");
    }
}

#[test]
fn unauthorized_of_a_server_counts_although_the_client_reads_only_its_head() {
    const HEAD: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 8000000\r\n\r\n";
    // More than sockets hold: the client is noticed when it is written to.
    let flows = stalls_after([HEAD.as_bytes(), &[b'x'; 8_000_000]].concat());
    // Less: it is noticed when it is read from.
    let stalls = stalls_after([HEAD.as_bytes(), &[b'x'; 100_000]].concat());
    for one in [flows, stalls] {
        let site = Site::new(&one);
        let mut client = small_client(&site.edge);
        client.send(Ask::get("/v1/models").bytes());
        assert_eq!(client.head().unwrap().status(), 401);
        drop(client);
        site.errors_become(1);
        let line = site.edge.logged("the 401", |line| line["status"] == 401);
        assert_eq!(line["termination"], "CD--", "{line}");
    }
}

/// A client whose socket takes little that it does not read.
fn small_client(edge: &Edge) -> Connection {
    let client = edge.open();
    socket2::SockRef::from(client.socket()).set_recv_buffer_size(4096).unwrap();
    client
}

fn chunked_post(chunks: &[u8]) -> Vec<u8> {
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    [head.as_bytes(), chunks, b"0\r\n\r\n"].concat()
}

/// Bytes of memory that the process has.
fn resident(edge: &Edge) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", edge.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn body_in_single_bytes_costs_little_more_than_it_holds() {
    const SIZE: usize = 200_000;
    let one = never_answers();
    let site = Site::new(&one);
    let before = resident(&site.edge);
    let mut client = site.edge.open();
    client.send(chunked_post(&chunk(b"x").repeat(SIZE)));
    until("the server has it", || one.count() == 1);
    assert_eq!(one.request().body.len(), SIZE);
    let held = site.edge.metrics().sum("tidegate_body_memory_bytes", &[]);
    assert!((SIZE as f64..4.0 * SIZE as f64).contains(&held), "{held} bytes are said to be held");
    let grown = resident(&site.edge).saturating_sub(before);
    assert!(grown < 5_000_000, "{grown} bytes for {SIZE}");
}

#[test]
fn body_in_parts_of_all_sizes_is_sent_again_byte_for_byte() {
    let (first, second) = (closes_unanswered(), Upstream::named("second"));
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 2, when: [empty_response], backoff: 1ms..5ms}
    servers: {first: {url: <first>, tier: 1}, second: {url: <second>, tier: 2}}",
        &[("first", &first.url()), ("second", &second.url())],
    );
    let sizes =
        [1, 1, 5000, 1, 100_000, 5000, 1, 1, 4095, 4096, 4097, 100_000, 1, 3000, 3000, 3000, 3000, 3000, 1];
    let body: Vec<u8> = (0..sizes.iter().sum::<usize>() * 2).map(|number| (number % 251) as u8).collect();
    let (mut chunks, mut rest) = (Vec::new(), &body[..]);
    for size in sizes.iter().chain(&sizes) {
        let (part, after) = rest.split_at(*size);
        chunks.extend(chunk(part));
        rest = after;
    }
    let mut client = edge.open();
    client.send(chunked_post(&chunks));
    assert_eq!(server_of(&client.answer().unwrap()), "second");
    for server in [&first, &second] {
        let request = server.request();
        assert!(request.whole && request.body == body, "{} of {} bytes", request.body.len(), body.len());
    }
}

#[test]
fn client_that_pipelines_much_and_leaves_is_noticed() {
    let ask = [Ask::get("/v1/first").bytes(), Ask::get("/v1/next").bytes().repeat(40_000 / 50)].concat();
    let one = never_answers();
    let site = Site::new(&one);
    let mut gone = 0;
    let mut is_left = |name: &str, client: Box<dyn std::any::Any>| {
        gone += 1;
        until(&format!("{name}: the server has the first"), || one.count() == gone);
        drop(client);
        let (_, took) = timed(|| until("the server is left", || one.departures() == gone));
        assert!(took < Duration::from_secs(2), "{name}: {took:?}");
    };
    let mut plain = site.edge.open();
    plain.send(&ask);
    is_left("plain", Box::new(plain));
    let offer = Offer::http1("one.test");
    let mut secure = connect(site.edge.addresses("web")[1], &site.authority, &offer).unwrap().connection;
    secure.send(&ask);
    is_left("TLS", Box::new(secure));
    let mut local = UnixStream::connect(site.edge.directory.path().join("web.sock")).unwrap();
    local.write_all(&ask).unwrap();
    is_left("Unix socket", Box::new(local));
}

/// The status of a request over a Unix socket; 0 if nobody listens there.
fn over_socket(path: &Path) -> u16 {
    // The address is only a name: curl connects to the socket.
    let address = "127.0.0.1:80".parse().unwrap();
    curl::http(address, "/v1/models", &["--unix-socket", path.to_str().unwrap()]).status
}

#[test]
fn file_of_a_successors_socket_stays_when_the_predecessor_ends() {
    let place = Scratch::new();
    let path = place.path().join("web.sock");
    let (stream, two) =
        (stalls_after([EVENT_STREAM_HEAD.as_bytes(), &event("{}")].concat()), Upstream::named("two"));
    let start = |one: &Upstream| {
        let sections = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}, {address: \"unix:<path>\"}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";
        let values = [("path", path.to_str().unwrap()), ("one", &one.url())];
        let settings = Settings { shutdown_grace: "60s", ..Settings::default() };
        Edge::start_with(&settings, Scratch::new(), sections, &values)
    };
    let mut first = start(&stream);
    let mut client = first.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    first.process.signal("TERM");
    until("it listens no more", || UnixStream::connect(&path).is_err());
    let mut second = start(&two);
    assert_eq!(over_socket(&path), 200);
    drop(client);
    assert!(first.process.wait().success());
    assert!(path.exists(), "the file went with a process that had lost it");
    assert_eq!(over_socket(&path), 200);
    second.process.signal("TERM");
    assert!(second.process.wait().success());
    assert!(!path.exists(), "its own process leaves it behind");
}

#[test]
fn address_that_a_reload_finds_is_served_to_the_very_next_request() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let one = Upstream::replying(move |request| {
        if request.head.target() == "/check" {
            let _ = gone.lock().unwrap().recv_timeout(DEADLINE);
        }
        ok(r#"{"server":"one"}"#)
    });
    let sections = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    check: {http: {method: GET, path: /check}, interval: 60s, timeout: 20s}
    servers: {one: {url: \"http://<host>:<port>\"}}";
    let port = one.address().port().to_string();
    let values = |host| [("host", host), ("port", port.as_str())];
    let edge = Edge::start(sections, &values("nosuchhost.invalid"));
    edge.ask(&Ask::chat(false)).is_error(503, "no_server_available");
    let directory = edge.directory.path();
    let repaired = configuration(&Settings::default(), directory, sections, &values("localhost"));
    edge.directory.write("tidegate.yaml", &repaired);
    edge.process.signal("HUP");
    until("the server is looked at", || one.count() == 1);
    // Meanwhile the old name is looked up again, as it is every five seconds: it says nothing of the new one.
    let known = edge.told("nosuchhost.invalid cannot be resolved");
    until("another look-up", || edge.told("nosuchhost.invalid cannot be resolved") > known);
    go.send(()).unwrap();
    edge.says(APPLIED);
    assert_eq!(server_of(&edge.ask(&Ask::chat(false))), "one");
}

#[test]
fn malformed_chunk_in_an_answer_is_the_clients_fault() {
    // It answers when it has the head, and reads on.
    let one = Upstream::start(|peer| {
        if peer.connection.head().is_some() {
            peer.send([CHUNKED_HEAD.as_bytes(), &chunk(b"begun")].concat());
            peer.wait_until_left();
        }
    });
    let site = Site::new(&one);
    let mut client = site.edge.open();
    client.send("POST /v1/files HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(chunk(b"good"));
    assert_eq!(client.head().unwrap().status(), 200);
    assert_eq!(client.chunk(), Ok(Some(b"begun".to_vec())));
    client.send("junk\r\n");
    let line = site.edge.logged("the request", |line| line["path"] == "/v1/files");
    assert_eq!((&line["status"], &line["termination"]), (&200.into(), &"PD--".into()), "{line}");
    site.errors_become(1);
    assert_eq!(denied(&site.edge, "invalid_chunk_size"), 1.0);
    assert_eq!(client.chunk(), Err(Cut), "it ended as if it were whole");
}

#[test]
fn client_that_takes_nothing_more_of_its_answer_is_told_from_one_that_leaves() {
    let flood = Upstream::start(|peer| {
        if peer.request().is_some() {
            peer.send(CHUNKED_HEAD);
            let part = chunk(&[b'x'; 32 * 1024]);
            while peer.going_on() && peer.send(&part) {}
        }
    });
    let site = Site::new(&flood);
    let mut http1 = small_client(&site.edge);
    http1.send(Ask::get("/v1/http1").bytes());
    let mut http2 = site.closed_window();
    http2.send(&get(1, "/v1/http2"));
    await_head(&mut http2, 1);
    assert_eq!(http1.head().unwrap().status(), 200);
    for path in ["/v1/http1", "/v1/http2"] {
        let line = site.edge.logged(path, |line| line["path"] == path);
        assert_eq!((&line["status"], &line["termination"]), (&200.into(), &"cD--".into()), "{line}");
    }
    assert_eq!(errors(&site.edge), 0, "slowness is no error");
}

#[test]
fn refusals_are_not_forgotten_with_the_name_of_a_frontend() {
    let one = Upstream::named("one");
    let sections = "
acls: {bad: {path_beg: /v1/bad}}
frontends:
  <name>: {bind: [{address: 127.0.0.1:0}], rules: [{deny: {status: 403}, if: bad}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";
    let url = one.url();
    let values = |name| [("name", name), ("one", url.as_str())];
    let edge = Edge::start(sections, &values("web"));
    let mut client = edge.open();
    let mut refused = 0.0;
    for name in ["web", "site", "web"] {
        edge.reload(sections, &values(name));
        assert_eq!(denied(&edge, "deny_rule"), refused, "as {name}");
        client.ask(&Ask::get("/v1/bad")).is_error(403, "forbidden");
        refused += 1.0;
        until("it is counted", || denied(&edge, "deny_rule") == refused);
    }
}

#[test]
fn flood_over_http2_is_an_error_of_its_client() {
    let one = Upstream::named("one");
    let site = Site::new(&one);
    let mut client = Client::open(site.edge.addresses("web")[1], &site.authority);
    let end = now() + DEADLINE;
    'flood: while client.send(&ping(0).repeat(50)) {
        assert!(now() < end, "it may go on for ever");
        loop {
            match client.next(Duration::from_millis(2)) {
                Next::Frame(frame) if frame.kind == GOAWAY => break 'flood,
                Next::Frame(_) => {}
                Next::Closed => break 'flood,
                Next::Nothing => break,
            }
        }
    }
    site.errors_become(1);
    assert_eq!(denied(&site.edge, "h2_ping_flood"), 1.0);
}
