//! SIGHUP puts a changed file in force, for the next request and the next connection, or not at all. That nobody is cut
//! by it is shown in [`super::reload_uncut`], what becomes of servers in [`super::reload_servers`].

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings, configuration};
use crate::support::http::{Ask, Connection, ok};
use crate::support::scratch::Scratch;
use crate::support::tls::{Offer, connect};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const PLAIN: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";

#[test]
fn bad_file_changes_nothing_and_says_why() {
    let directory = Scratch::new();
    let authority = Authority::new("a");
    authority.issue(&["one.test"]).write(&directory, "one.pem");
    let one = Upstream::named("one");
    let path = directory.path().display().to_string();
    let sections = "
tables: {t: {key: src, size: 100, expire: 60s, counters: [http_req_cnt]}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0, tls: {certificates: <dir>/one.pem}}, {address: 127.0.0.1:0}]
    rules: [{track: t}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}";
    let values = [("dir", path.as_str()), ("one", &one.url())];
    let edge = Edge::start_with(&Settings::default(), directory, sections, &values);
    let good = configuration(&Settings::default(), edge.directory.path(), sections, &values);
    let plain = edge.addresses("web")[1];
    let mut client = Connection::open(plain);
    assert_eq!(client.ask(&Ask::get("/")).status(), 200);
    let other = authority.issue(&["one.test"]);
    edge.directory.write("foreign.pem", &format!("{}{}", authority.issue(&["b"]).certificate, other.key));
    edge.directory.write("cut.pem", &other.certificate[..200]);
    for (count, (text, why)) in [
        (good.replace("frontends:", "frontends: ["), "tidegate.yaml:"),
        (good.replace("one.pem", "absent.pem"), "absent.pem"),
        (good.replace("one.pem", "foreign.pem"), "foreign.pem"),
        (good.replace("one.pem", "cut.pem"), "cut.pem"),
        (good.replace("track: t}", "track: u}"), "`u`"),
        (good.replace("default_backend: ai", "default_backend: gone"), "gone"),
        (String::new(), "tidegate.yaml"),
        // Good up to its last section, and then not: nothing of it may be in force.
        (good.replace("size: 100", "size: 200").replace("servers: {one: {url", "servers: {one: {ulr"), "ulr"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(!edge.reload_text(&text), "taken:\n{text}");
        edge.says(why);
        assert_eq!(client.ask(&Ask::get("/")).status(), 200);
        let requests = format!("http_req_cnt={}", count + 2);
        until("the table counts on", || edge.command("show table t").contains(&requests));
    }
    std::fs::remove_file(edge.directory.path().join("tidegate.yaml")).unwrap();
    assert!(!edge.hang_up());
    assert!(connect(edge.address("web"), &authority, &Offer::http1("one.test")).is_ok());
    assert!(edge.reload_text(&good), "and a good one is taken again");
    assert!(edge.command("show table t").contains("http_req_cnt=9"));
}

#[test]
fn next_request_of_an_open_connection_sees_the_new_rules() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let values = [("one", one.url()), ("two", two.url())];
    let values = values.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(PLAIN, &values);
    let mut client = edge.open();
    assert_eq!(client.ask(&Ask::get("/v1/models")).json()["server"], "one");
    let changed = "
acls: {secret: {path_beg: /secret}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
      - {deny: {status: 403}, if: secret}
      - {set_header: {x-new: rule}}
    response_rules: [{set_header: {x-reloaded: \"yes\"}}]
    default_backend: fresh
backends:
  fresh: {servers: {two: {url: <two>}}}";
    edge.reload(changed, &values);
    let answer = client.ask(&Ask::get("/v1/models"));
    assert_eq!(answer.json()["server"], "two");
    assert_eq!(answer.header("x-reloaded"), Some("yes"));
    assert_eq!(two.request().header("x-new"), Some("rule"));
    client.ask(&Ask::get("/secret")).is_error(403, "forbidden");
    edge.reload(&changed.replace("path_beg: /secret", "path_beg: /v1"), &values);
    assert_eq!(edge.open().ask(&Ask::get("/v1/models")).status(), 403);
    edge.reload(PLAIN, &values);
    assert_eq!(edge.ask(&Ask::get("/secret")).json()["server"], "one");
}

#[test]
fn tables_keep_their_entries_unless_they_are_others_now() {
    let one = Upstream::named("one");
    let sections = "
tables:
  a: {key: src, size: <size>, expire: 60s, counters: [http_req_cnt]}
  b: {key: src, size: 100, expire: 60s, counters: [http_req_cnt, gpc0]}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], rules: [{track: a}, {track: b}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";
    let url = one.url();
    let values = |size: &'static str| [("size", size), ("one", url.as_str())];
    let edge = Edge::start(sections, &values("100"));
    let mut client = edge.open();
    let count = |table: &str, count: usize| {
        let (command, wanted) = (format!("show table {table}"), format!("http_req_cnt={count}"));
        until(&format!("{table}: {wanted}"), || edge.command(&command).contains(&wanted));
    };
    for number in 1..4 {
        assert_eq!(client.ask(&Ask::get("/")).status(), 200);
        count("a", number);
        edge.reload(sections, &values("100"));
        count("a", number);
        count("b", number);
    }
    edge.reload(sections, &values("200"));
    assert_eq!(client.ask(&Ask::get("/")).status(), 200);
    count("a", 1);
    count("b", 4);
}

#[test]
fn listeners_that_come_or_go_are_refused_by_name() {
    let one = Upstream::named("one");
    let edge = Edge::start(PLAIN, &[("one", &one.url())]);
    let text = |bind: &str| {
        let sections = PLAIN.replace("{address: 127.0.0.1:0}", bind);
        configuration(&Settings::default(), edge.directory.path(), &sections, &[("one", &one.url())])
    };
    assert!(!edge.reload_text(&text("{address: 127.0.0.1:0}, {address: 127.0.0.3:7999}")));
    edge.says("listeners cannot change without a restart: added 127.0.0.3:7999");
    assert!(!edge.reload_text(&text("{address: 127.0.0.4:7999}")));
    edge.says("listeners cannot change without a restart: added 127.0.0.4:7999 gone 127.0.0.1:0");
    assert_eq!(edge.ask(&Ask::get("/")).status(), 200);
    assert!(edge.reload_text(&text("{address: 127.0.0.1:0}")));
}

#[test]
fn binds_in_another_order_keep_their_sockets() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let values = [("one", one.url()), ("two", two.url())];
    let values = values.each_ref().map(|(name, url)| (*name, url.as_str()));
    let backends = "
backends:
  first: {servers: {one: {url: <one>}}}
  second: {servers: {two: {url: <two>}}}";
    let web = "  web: {bind: [{address: 127.0.0.1:0}], default_backend: first}";
    let api = "  api: {bind: [{address: 127.0.0.2:0}], default_backend: second}";
    let edge = Edge::start(&format!("frontends:\n{web}\n{api}{backends}"), &values);
    let served = || {
        ["web", "api"].map(|name| {
            let mut client = Connection::open(edge.address(name));
            client.ask(&Ask::get("/")).json()["server"].as_str().unwrap().to_owned()
        })
    };
    assert_eq!(served(), ["one", "two"]);
    edge.reload(&format!("frontends:\n{api}\n{web}{backends}"), &values);
    assert_eq!(served(), ["one", "two"]);
    // An address may move to another frontend, which may have a new name.
    let both = "  all: {bind: [{address: 127.0.0.2:0}, {address: 127.0.0.1:0}], default_backend: second}";
    edge.reload(&format!("frontends:\n{both}{backends}"), &values);
    assert_eq!(served(), ["two", "two"]);
    edge.logged("under the new name", |line| line["frontend"] == "all");
    let metrics = edge.metrics();
    assert_eq!(metrics.sum("tidegate_connections_total", &[("frontend", "all")]), 2.0);
    edge.reload(&format!("frontends:\n{web}\n{api}{backends}"), &values);
    assert_eq!(served(), ["one", "two"]);
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_in_force() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(PLAIN, &[("one", &one.url())]);
    let file = edge.directory.path().join("tidegate.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let text = text
        .replace("threads: 2", "threads: 1")
        .replace("listen: 127.0.0.1:0, socket: ", "listen: 127.0.0.9:0, socket: /tmp")
        .replace("level: info", "level: debug")
        .replace("to: stdout", "to: off")
        .replace(&one.url(), &two.url());
    assert!(edge.reload_text(&text), "{text}");
    edge.says(
        "a restart is needed for what has changed in global.threads, admin.listen, admin.socket, log.level",
    );
    assert_eq!(edge.servers(1), ["two"]);
}

#[test]
fn timeouts_and_body_limits_hold_for_the_next_request() {
    let one = Upstream::replying(|_| ok("{}"));
    let url = one.url();
    let edge = Edge::start(PLAIN, &[("one", &url)]);
    let mut client = edge.open();
    assert_eq!(client.ask(&Ask::post("/", "12345")).status(), 200);
    edge.reload(&format!("defaults: {{max_request_body: 4}}{PLAIN}"), &[("one", &url)]);
    client.ask(&Ask::post("/", "12345")).is_error(413, "request_too_large");
}

#[test]
fn key_that_was_taken_away_is_refused_on_an_open_connection() {
    let one = Upstream::named("one");
    let url = one.url();
    let keys = |names: &str| format!("clients: {{mode: required, keys: {names}}}{PLAIN}");
    let both = keys("[{name: a, key: key-of-a-0123456789}, {name: b, key: key-of-b-0123456789}]");
    let edge = Edge::start(&both, &[("one", &url)]);
    let mut client = edge.open();
    let ask = Ask::get("/").bearer("key-of-a-0123456789");
    assert_eq!(client.ask(&ask).status(), 200);
    edge.reload(&keys("[{name: b, key: key-of-b-0123456789}]"), &[("one", &url)]);
    assert_eq!(client.ask(&ask).status(), 401);
    assert_eq!(edge.ask(&Ask::get("/").bearer("key-of-b-0123456789")).status(), 200);
}
