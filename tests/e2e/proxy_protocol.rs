//! `accept_proxy`: a balancer in front says for whom it comes, in a header of version 1 or 2, and nobody else may.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings, server_of};
use crate::support::foreign;
use crate::support::http::{Ask, Connection};
use crate::support::proxy_protocol::{field, v1, v2, v2_raw};
use crate::support::scratch::Scratch;
use crate::support::tls::{Offer, connect, connect_behind};
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, until};
use crate::support::{admin::column, curl};

const SECTIONS: &str = "
defaults: {timeouts: {request_head: <patience>}}
acls:
  inner: {src: [198.51.100.7, \"2001:db8::7\"]}
frontends:
  web:
    bind: [{address: 127.0.0.1:0, accept_proxy: <accept><tls>}]
    rules: [{set_header: {x-inner: \"yes\"}, if: inner}, {set_header: {x-src: \"%[src]\"}}]
    default_backend: ai
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <one>}}}";

const NOTHING: &[u8] = b"";

fn edge(accept: &str, one: &Upstream) -> Edge {
    patient("10s", accept, one)
}

fn patient(patience: &str, accept: &str, one: &Upstream) -> Edge {
    let values = [("patience", patience), ("accept", accept), ("tls", ""), ("one", &one.url())];
    Edge::start(SECTIONS, &values)
}

struct Encrypted {
    edge: Edge,
    authority: Authority,
    ca: PathBuf,
}

fn encrypted(accept: &str, one: &Upstream) -> Encrypted {
    let directory = Scratch::new();
    let authority = Authority::new("edge authority");
    let file = authority.issue(&["one.test"]).write(&directory, "one.pem");
    let ca = authority.write(&directory, "ca.pem");
    let tls = format!(", tls: {{certificates: [{}]}}", file.display());
    let values = [("patience", "10s"), ("accept", accept), ("tls", tls.as_str()), ("one", &one.url())];
    Encrypted { edge: Edge::start_with(&Settings::default(), directory, SECTIONS, &values), authority, ca }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn header() -> Vec<u8> {
    v2(at("198.51.100.7:4711"), at("192.0.2.1:443"), &[])
}

#[track_caller]
fn served(edge: &Edge, header: &[u8]) -> Connection {
    let mut client = edge.open();
    client.send([header, &Ask::get("/v1/models").bytes()].concat());
    let answer = client.answer();
    assert_eq!(server_of(&answer.unwrap_or_else(|| panic!("closed after {header:?}"))), "one");
    client
}

/// The connection ends without a byte.
#[track_caller]
fn closed(edge: &Edge, bytes: &[u8]) {
    let mut client = edge.open();
    // It may be closed before all of it is written.
    let _ = client.try_send(bytes);
    let got = client.rest();
    assert_eq!(got, b"", "{:?} after {:?}", String::from_utf8_lossy(&got), String::from_utf8_lossy(bytes));
}

fn denied(edge: &Edge, reason: &str) -> f64 {
    edge.metrics().sum("tidegate_denied_total", &[("reason", reason)])
}

#[test]
fn told_address_is_the_client_everywhere() {
    let one = Upstream::named("one");
    let edge = edge("true", &one);
    let four = (at("198.51.100.7:4711"), at("192.0.2.1:443"));
    let six = (at("[2001:db8::7]:4712"), at("[2001:db8::1]:443"));
    for (n, (header, source)) in [
        (v1(four.0, four.1), four.0),
        (v1(six.0, six.1), six.0),
        (v2(four.0, four.1, &[]), four.0),
        (v2(six.0, six.1, &[]), six.0),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = edge.open();
        let id = format!("id-{n}");
        client.send([header, Ask::get("/v1/models").header("x-request-id", &id).bytes()].concat());
        assert_eq!(client.answer().expect("an answer").status(), 200);
        let request = one.requests().pop().unwrap();
        let ip = source.ip().to_string();
        assert_eq!(request.header("x-forwarded-for"), Some(ip.as_str()));
        assert_eq!((request.header("x-src"), request.header("x-inner")), (Some(ip.as_str()), Some("yes")));
        let line = edge.logged(&id, |line| line["request_id"] == id.as_str());
        assert_eq!(line["client"], source.to_string(), "{line}");
    }
}

#[test]
fn header_holds_for_all_requests_of_its_connection() {
    let one = Upstream::named("one");
    let edge = edge("true", &one);
    let mut client = served(&edge, &header());
    for _ in 0..3 {
        assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200);
    }
    assert!(one.requests().iter().all(|request| request.header("x-src") == Some("198.51.100.7")));
    assert_eq!(one.count(), 4);
}

#[test]
fn connection_may_speak_for_itself() {
    let one = Upstream::named("one");
    let edge = edge("true", &one);
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
        v2_raw(0x20, 0x00, &[]),
        v2_raw(0x20, 0x11, &[9; 12]),
        v2_raw(0x21, 0x00, &[]),
        v2_raw(0x21, 0x31, &[0; 216]),
    ] {
        served(&edge, &header);
        let request = one.requests().pop().unwrap();
        assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"), "{header:?}");
    }
}

#[test]
fn header_may_come_byte_by_byte() {
    let one = Upstream::named("one");
    let edge = edge("true", &one);
    for header in [v1(at("198.51.100.7:1"), at("192.0.2.1:2")), header()] {
        let mut client = edge.open();
        for byte in [header, Ask::get("/v1/models").bytes()].concat() {
            client.send([byte]);
        }
        assert_eq!(client.answer().expect("an answer").status(), 200);
        assert_eq!(one.requests().pop().unwrap().header("x-src"), Some("198.51.100.7"));
    }
}

#[test]
fn first_bytes_of_tls_may_come_with_it() {
    let one = Upstream::named("one");
    let site = encrypted("true", &one);
    let address = site.edge.address("web");
    for header in [header(), v1(at("198.51.100.7:1"), at("192.0.2.1:2"))] {
        let agreed = connect_behind(&header, address, &site.authority, &Offer::http1("one.test")).unwrap();
        let mut client = agreed.connection;
        assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200);
        assert_eq!(one.requests().pop().unwrap().header("x-src"), Some("198.51.100.7"));
    }
    assert!(connect(address, &site.authority, &Offer::http1("one.test")).is_err(), "TLS without a header");
    assert_eq!(denied(&site.edge, "bad_proxy_header"), 1.0);
}

#[test]
fn fields_of_version_2_are_skipped_and_a_checksum_is_verified() {
    let one = Upstream::named("one");
    let edge = edge("true", &one);
    let (from, to) = (at("198.51.100.7:4711"), at("192.0.2.1:443"));
    let fields = [field(0x01, b"h2"), field(0x02, b"example.test"), field(0x04, &[0; 500]), field(0xea, b"")];
    served(&edge, &v2(from, to, &fields.concat()));
    let mut summed = v2(from, to, &[fields[0].clone(), field(0x03, &[0; 4])].concat());
    let end = summed.len();
    let sum = crc32c(&summed).to_be_bytes();
    summed[end - 4..].copy_from_slice(&sum);
    served(&edge, &summed);
    summed[20] ^= 1;
    closed(&edge, &summed);
    closed(&edge, &v2(from, to, &[0x01, 0xff, 0xff, 0x00]));
}

/// CRC-32C (RFC 3720 B.4), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8)
            .fold(sum ^ u32::from(*byte), |sum: u32, _| (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg()))
    })
}

#[test]
fn whoever_must_send_a_header_and_does_not_is_closed_out() {
    let one = Upstream::named("one");
    let edge = edge("true", &one);
    let ask = Ask::get("/v1/models").bytes();
    let behind = |header: &[u8]| [header, &ask].concat();
    let wrong: Vec<Vec<u8>> = vec![
        ask.clone(),
        behind(b"\r\n\r\n"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        behind(b"PROXY TCP4 198.51.100.7 192.0.2.1 4711\r\n"),
        behind(b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 443 9\r\n"),
        behind(b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\n"),
        behind(b"PROXY  TCP4 198.51.100.7 192.0.2.1 4711 443\r\n"),
        behind(b"PROXY TCP4 198.51.100.256 192.0.2.1 4711 443\r\n"),
        behind(b"PROXY TCP4 2001:db8::7 192.0.2.1 4711 443\r\n"),
        behind(b"PROXY TCP6 198.51.100.7 192.0.2.1 4711 443\r\n"),
        behind(b"PROXY TCP4 198.51.100.7 192.0.2.1 65536 443\r\n"),
        behind(b"PROXY TCP4 198.51.100.7 192.0.2.1 -1 443\r\n"),
        behind(b"PROXY UDP4 198.51.100.7 192.0.2.1 4711 443\r\n"),
        behind(b"proxy TCP4 198.51.100.7 192.0.2.1 4711 443\r\n"),
        behind(&[b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat()),
        [b"PROXY TCP4 ", &[b'1'; 200][..]].concat(),
        behind(&v2_raw(0x11, 0x11, &[1; 12])),
        behind(&v2_raw(0x22, 0x11, &[1; 12])),
        behind(&v2_raw(0x21, 0x12, &[1; 12])),
        behind(&v2_raw(0x21, 0x41, &[1; 12])),
        behind(&v2_raw(0x21, 0x11, &[1; 11])),
        behind(&v2_raw(0x21, 0x21, &[1; 12])),
        behind(&v2_raw(0x21, 0x11, &[1; 5000])),
    ];
    for bytes in &wrong {
        closed(&edge, bytes);
    }
    assert_eq!(denied(&edge, "bad_proxy_header"), wrong.len() as f64);
    let rows = edge.show_stat();
    let row = rows.iter().find(|row| column(row, "svname") == "FRONTEND").unwrap();
    assert_eq!((column(row, "dcon"), column(row, "req_tot")), (wrong.len().to_string().as_str(), "0"));
    assert_eq!(one.count(), 0);
    served(&edge, &header());
}

#[test]
fn header_that_ends_early_is_counted_and_a_slow_one_is_cut() {
    let one = Upstream::named("one");
    let edge = patient("300ms", "true", &one);
    for part in [1, 10, 15, 20] {
        let mut leaves = edge.open();
        leaves.send(&header()[..part]);
        leaves.finish_sending();
        assert_eq!(leaves.rest(), b"", "cut after {part} bytes");
    }
    let whole = header();
    for part in [0, 5, whole.len() - 1] {
        let mut slow = edge.open();
        slow.send(&whole[..part]);
        assert!(slow.ended_within(DEADLINE), "not cut, {part} bytes sent");
    }
    until("all are counted", || (denied(&edge, "bad_proxy_header") - 7.0).abs() < 0.1);
    served(&edge, &whole);
}

#[test]
fn second_header_is_a_malformed_request() {
    let one = Upstream::named("one");
    let edge = edge("true", &one);
    for second in [header(), v1(at("203.0.113.1:1"), at("192.0.2.1:2"))] {
        let mut client = edge.open();
        client.send([header(), second, Ask::get("/").bytes()].concat());
        client.answer().expect("an answer").is_error(400, "bad_request");
    }
    assert_eq!(one.count(), 0);
}

#[test]
fn who_is_not_listed_speaks_for_himself() {
    let one = Upstream::named("one");
    for accept in ["[10.0.0.0/8]", "false"] {
        let edge = edge(accept, &one);
        served(&edge, NOTHING);
        assert_eq!(one.requests().pop().unwrap().header("x-src"), Some("127.0.0.1"));
        let before = one.count();
        for header in [header(), v1(at("198.51.100.7:1"), at("192.0.2.1:2"))] {
            let mut client = edge.open();
            client.send([header, Ask::get("/").bytes()].concat());
            client.answer().expect("an answer").is_error(400, "bad_request");
        }
        edge.logged("a refused one", |line| line["termination"] == "PR--" && line["status"] == 400);
        assert_eq!(one.count(), before);
        assert!(denied(&edge, "bad_proxy_header").abs() < 0.1, "he owed none");
    }
    let edge = edge("[127.0.0.1]", &one);
    served(&edge, &header());
    closed(&edge, &Ask::get("/").bytes());
}

#[test]
fn curl_is_heard_over_http1_and_http2() {
    let one = Upstream::named("one");
    let plain = edge("true", &one);
    assert_eq!(curl::http(plain.address("web"), "/v1/models", &["--haproxy-protocol"]).status, 200);
    assert_ne!(curl::http(plain.address("web"), "/v1/models", &[]).exit, 0);
    let site = encrypted("true", &one);
    for (version, flag) in [("1.1", "--http1.1"), ("2", "--http2")] {
        let more = ["--haproxy-protocol", flag];
        let answer = curl::https(site.edge.address("web"), "one.test", &site.ca, "/v1/models", &more);
        assert_eq!((answer.exit, answer.status, answer.version.as_str()), (0, 200, version));
    }
    assert!(one.requests().iter().all(|request| request.header("x-src") == Some("127.0.0.1")));
}

#[test]
fn haproxy_in_front_is_believed() {
    let one = Upstream::named("one");
    for how in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"] {
        let edge = edge("[127.0.0.0/8]", &one);
        let to = edge.address("web");
        let sections = format!("listen front\n  mode tcp\n  bind <address>\n  server edge {to} {how}");
        let balancer = foreign::haproxy(&sections);
        // A client with an address of its own, which HAProxy sees and the edge is told.
        let mut client = from("127.0.0.77", balancer.address);
        let own = client.socket().local_addr().unwrap();
        for _ in 0..2 {
            assert_eq!(server_of(&client.ask(&Ask::get("/v1/models"))), "one", "{how}");
        }
        let request = one.requests().pop().unwrap();
        assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.77"), "{how}");
        let line = edge.logged("a request", |line| line["status"] == 200);
        assert_eq!(line["client"], own.to_string(), "{how}: {line}");
    }
}

fn from(source: &str, to: SocketAddr) -> Connection {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source.parse().unwrap(), 0).into()).unwrap();
    socket.connect_timeout(&to.into(), DEADLINE).unwrap();
    Connection::over(std::net::TcpStream::from(socket))
}
