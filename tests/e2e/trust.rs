//! `forwarded_for.trust`: whose word about the client is believed. The right-most address that no trusted proxy has.

use serde_json::Value;

use crate::support::edge::{Edge, Settings};
use crate::support::http::{Ask, Connection};
use crate::support::proxy_protocol::v2;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;

const SECTIONS: &str = "
tables: {by_ip: {key: src, size: 100, expire: 60s, counters: [http_req_cnt]}}
acls:
  inner: {src: [198.51.100.0/24, \"2001:db8:1::/48\"]}
  more: {table: by_ip, counter: http_req_cnt, above: 2}
frontends:
  web:
    bind: [{address: 127.0.0.1:0<bind>}, {address: \"[::1]:0\"<bind>}]
    forwarded_for: {trust: [<trust>]}
    rules:
      - {track: by_ip}
      - {deny: {status: 429}, if: more}
      - {set_header: {x-src: \"%[src]\"}}
      - {set_header: {x-inner: \"yes\"}, if: inner}
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}";

struct Site {
    edge: Edge,
    one: Upstream,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    src: String,
    /// The ACL on `src` held.
    inner: bool,
    /// The header that reached the server.
    forwarded: String,
}

impl Site {
    fn new(trust: &str, bind: &str) -> Site {
        let one = Upstream::named("one");
        let settings = Settings::default();
        let values = [("trust", trust), ("bind", bind), ("one", &one.url())];
        Site { edge: Edge::start_with(&settings, Scratch::new(), SECTIONS, &values), one }
    }

    /// Trusts those who connect from this machine, and 10.0.0.0/8.
    fn trusting() -> Site {
        Site::new("127.0.0.0/8, \"::1\", 10.0.0.0/8, \"2001:db8:ff::/48\"", "")
    }

    #[track_caller]
    fn sees(&self, lines: &[&str]) -> Seen {
        self.sees_on(self.edge.open(), b"", lines)
    }

    #[track_caller]
    fn sees_on(&self, mut client: Connection, before: &[u8], lines: &[&str]) -> Seen {
        let ask = lines.iter().fold(Ask::get("/v1/models"), |ask, line| ask.header("X-Forwarded-For", line));
        client.send([before, &ask.bytes()].concat());
        assert_eq!(client.answer().expect("an answer").status(), 200);
        let request = self.one.requests().pop().unwrap();
        Seen {
            src: request.header("x-src").unwrap().to_owned(),
            inner: request.header("x-inner").is_some(),
            forwarded: request.head.all("x-forwarded-for").join("|"),
        }
    }
}

fn seen(src: &str, inner: bool, forwarded: &str) -> Seen {
    Seen { src: src.to_owned(), inner, forwarded: forwarded.to_owned() }
}

#[test]
fn rightmost_address_that_is_not_trusted_is_the_client() {
    let site = Site::trusting();
    for (lines, src, inner) in [
        (&["198.51.100.1"][..], "198.51.100.1", true),
        (&["203.0.113.1, 198.51.100.2"], "198.51.100.2", true),
        (&["198.51.100.3, 203.0.113.2"], "203.0.113.2", false),
        (&["203.0.113.3, 198.51.100.4, 10.1.1.1, 10.2.2.2"], "198.51.100.4", true),
        (&["10.3.3.3, 10.1.1.1"], "10.3.3.3", false),
        (&["198.51.100.5:4711"], "198.51.100.5", true),
        (&["2001:db8:1::1"], "2001:db8:1::1", true),
        (&["198.51.100.6, [2001:db8:1::2]:443, 2001:db8:ff::9"], "2001:db8:1::2", true),
        (&["::ffff:198.51.100.7"], "198.51.100.7", true),
        (&["  198.51.100.8\t,10.0.0.1  "], "198.51.100.8", true),
    ] {
        let seen = site.sees(lines);
        assert_eq!((seen.src.as_str(), seen.inner), (src, inner), "{lines:?}");
    }
}

#[test]
fn several_lines_are_one_list() {
    let site = Site::trusting();
    assert_eq!(
        site.sees(&["198.51.100.1", "203.0.113.1", "10.0.0.1"]),
        seen("203.0.113.1", false, "198.51.100.1, 203.0.113.1, 10.0.0.1, 127.0.0.1")
    );
    assert_eq!(
        site.sees(&["198.51.100.2", "", "10.0.0.1"]).src,
        "10.0.0.1",
        "an empty line is an element that is no address"
    );
}

#[test]
fn what_is_no_address_ends_the_list() {
    let site = Site::trusting();
    for (garbage, n) in
        ["unknown", "_hidden", "1.2.3", "198.51.100.1.5", "a b", "\"198.51.100.1\"", "-"].iter().zip(1..)
    {
        let line = format!("198.51.100.9, {garbage}, 10.0.0.{n}");
        assert_eq!(site.sees(&[&line]).src, format!("10.0.0.{n}"), "{line}");
        let nearest = format!("198.51.100.9, 10.1.0.{n}, 203.0.113.{n}, 10.0.0.1");
        assert_eq!(site.sees(&[&nearest]).src, format!("203.0.113.{n}"), "{nearest}");
    }
    let endless = vec!["10.9.9.9"; 500].join(",");
    assert_eq!(site.sees(&[&format!("198.51.100.9,{endless}")]).src, "10.9.9.9");
}

#[test]
fn log_tells_whose_request_a_trusted_proxy_sent() {
    let site = Site::trusting();
    for (number, (lines, src)) in
        [(&["198.51.100.77"][..], Some("198.51.100.77")), (&[], None)].into_iter().enumerate()
    {
        let id = format!("trust-{number}");
        let ask = lines.iter().fold(Ask::get("/v1/models"), |ask, line| ask.header("x-forwarded-for", line));
        site.edge.ask(&ask.header("x-request-id", &id));
        let line = site.edge.logged("the request", |line| line["request_id"] == *id);
        assert_eq!(line["src"].as_str(), src, "{line}");
        assert!(line["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    }
}

#[test]
fn stranger_decides_nothing() {
    let site = Site::new("10.0.0.0/8", "");
    for lines in [&["198.51.100.1"][..], &["198.51.100.1, 10.0.0.1"]] {
        let expected = format!("{}, 127.0.0.1", lines[0]);
        assert_eq!(site.sees(lines), seen("127.0.0.1", false, &expected), "the header still tells the peer");
    }
    let answer = site.edge.ask(&Ask::get("/v1/models").header("x-forwarded-for", "198.51.100.250"));
    assert_eq!(answer.status(), 429, "the table has counted the peer, not his inventions");
    let shown = site.edge.command("show table by_ip");
    assert!(shown.contains("key=127.0.0.1 ") && !shown.contains("key=198.51."), "{shown}");
}

#[test]
fn nobody_is_trusted_by_default() {
    let site = Site::new("", "");
    assert_eq!(site.sees(&["198.51.100.1"]), seen("127.0.0.1", false, "198.51.100.1, 127.0.0.1"));
}

#[test]
fn client_cannot_push_a_claim_past_its_proxy() {
    let site = Site::trusting();
    // What the proxy appends stands behind all that the client has written, whatever that is.
    for (claim, n) in ["198.51.100.1", "198.51.100.1, 10.0.0.1", ", ,", "unknown, 127.0.0.1"].iter().zip(1..)
    {
        let line = format!("{claim}, 203.0.113.{n}");
        let seen = site.sees(&[&line]);
        assert_eq!((seen.src, seen.inner), (format!("203.0.113.{n}"), false), "{line}");
    }
}

#[test]
fn tables_count_the_client_behind_the_proxy() {
    let site = Site::trusting();
    let status = |from: &str| site.edge.ask(&Ask::get("/").header("x-forwarded-for", from)).status();
    let first: Vec<u16> = (0..3).map(|_| status("203.0.113.1")).collect();
    assert_eq!(first, [200, 200, 429]);
    assert_eq!(status("203.0.113.2"), 200, "another one");
    assert_eq!(status("203.0.113.2, 203.0.113.1"), 429);
}

#[test]
fn requests_of_one_connection_may_have_many_clients() {
    let site = Site::trusting();
    let mut proxy = site.edge.open();
    for n in 1..=5 {
        let from = format!("203.0.113.{n}");
        assert_eq!(proxy.ask(&Ask::get("/v1/models").header("x-forwarded-for", &from)).status(), 200);
        assert_eq!(site.one.requests().pop().unwrap().header("x-src"), Some(from.as_str()));
    }
}

#[test]
fn peer_of_ipv6_is_trusted_or_not_as_well() {
    let site = Site::trusting();
    let address = site.edge.addresses("web")[1];
    assert_eq!(
        site.sees_on(Connection::open(address), b"", &["2001:db8:1::7"]),
        seen("2001:db8:1::7", true, "2001:db8:1::7, ::1")
    );
    let site = Site::new("127.0.0.0/8", "");
    let address = site.edge.addresses("web")[1];
    assert_eq!(
        site.sees_on(Connection::open(address), b"", &["2001:db8:1::7"]),
        seen("::1", false, "2001:db8:1::7, ::1")
    );
}

#[test]
fn proxy_that_a_balancer_passes_on_is_the_peer() {
    let site = Site::new("10.0.0.0/8", ", accept_proxy: true");
    let to = "192.0.2.1:80".parse().unwrap();
    let proxy = v2("10.0.0.7:4711".parse().unwrap(), to, &[]);
    assert_eq!(
        site.sees_on(site.edge.open(), &proxy, &["198.51.100.1"]),
        seen("198.51.100.1", true, "198.51.100.1, 10.0.0.7")
    );
    let stranger = v2("203.0.113.5:4711".parse().unwrap(), to, &[]);
    assert_eq!(
        site.sees_on(site.edge.open(), &stranger, &["198.51.100.1"]),
        seen("203.0.113.5", false, "198.51.100.1, 203.0.113.5")
    );
}

#[test]
fn log_names_who_connected() {
    let site = Site::trusting();
    let mut client = site.edge.open();
    let own = client.socket().local_addr().unwrap().to_string();
    client
        .ask(&Ask::get("/v1/models").header("x-forwarded-for", "198.51.100.1").header("x-request-id", "r1"));
    let line: Value = site.edge.logged("r1", |line| line["request_id"] == "r1");
    assert_eq!(line["client"], own.as_str(), "{line}");
}
