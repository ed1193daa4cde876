//! Who gets the next request: smooth weighted round robin, and tiers that take over and give back.

use std::collections::BTreeMap;

use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::rude::Refusing;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn edge(backend: &str, values: &[(&str, &str)]) -> Edge {
    let sections = format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai:
{backend}"
    );
    Edge::start(&sections, values)
}

fn shares(servers: &[String]) -> BTreeMap<&str, usize> {
    let mut shares = BTreeMap::new();
    for server in servers {
        *shares.entry(server.as_str()).or_default() += 1;
    }
    shares
}

#[test]
fn equal_servers_take_turns_exactly() {
    let servers = [Upstream::named("1"), Upstream::named("2"), Upstream::named("3")];
    let urls = servers.iter().map(Upstream::url).collect::<Vec<_>>();
    let edge = edge(
        "    servers: {s1: {url: <1>}, s2: {url: <2>}, s3: {url: <3>}}",
        &[("1", &urls[0]), ("2", &urls[1]), ("3", &urls[2])],
    );
    assert_eq!(edge.servers(7), ["1", "2", "3", "1", "2", "3", "1"]);
}

#[test]
fn turns_are_exact_over_connections_and_threads() {
    let servers = [Upstream::named("1"), Upstream::named("2"), Upstream::named("3")];
    let urls = servers.iter().map(Upstream::url).collect::<Vec<_>>();
    let edge = edge(
        "    servers: {s1: {url: <1>}, s2: {url: <2>}, s3: {url: <3>}}",
        &[("1", &urls[0]), ("2", &urls[1]), ("3", &urls[2])],
    );
    let got: Vec<String> = (0..30).flat_map(|_| edge.servers(1)).collect();
    assert_eq!(got[..4], ["1", "2", "3", "1"]);
    assert!(shares(&got).values().all(|count| *count == 10), "{:?}", shares(&got));
}

#[test]
fn weights_are_followed_smoothly() {
    let servers = [Upstream::named("a"), Upstream::named("b"), Upstream::named("c")];
    let urls = servers.iter().map(Upstream::url).collect::<Vec<_>>();
    let edge = edge(
        "    servers: {a: {url: <a>, weight: 5}, b: {url: <b>, weight: 1}, c: {url: <c>, weight: 1}}",
        &[("a", &urls[0]), ("b", &urls[1]), ("c", &urls[2])],
    );
    let got = edge.servers(70);
    assert_eq!(shares(&got), BTreeMap::from([("a", 50), ("b", 10), ("c", 10)]));
    let longest = got.chunk_by(|left, right| left == right).map(<[String]>::len).max().unwrap();
    assert!(longest <= 4, "{longest} in a row: not smooth");
}

#[test]
fn weight_zero_gets_nothing() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let edge =
        edge("    servers: {a: {url: <a>}, b: {url: <b>, weight: 0}}", &[("a", &a.url()), ("b", &b.url())]);
    assert_eq!(shares(&edge.servers(10)), BTreeMap::from([("a", 10)]));
}

#[test]
fn next_tier_takes_over_and_gives_back() {
    let (first, second) = (Refusing::new(), Upstream::named("second"));
    let edge = edge(
        "    check: {http: {method: GET, path: /models}, interval: 100ms, fast_interval: 50ms, timeout: 1s, rise: 2, fall: 2}
    servers: {first: {url: <first>, tier: 1}, second: {url: <second>, tier: 2}}",
        &[("first", &first.url()), ("second", &second.url())],
    );
    assert_eq!(shares(&edge.servers(5)), BTreeMap::from([("second", 5)]));
    let first = first.revive("first");
    until("the first tier has it again", || edge.servers(1) == ["first"]);
    assert_eq!(shares(&edge.servers(5)), BTreeMap::from([("first", 5)]));
    drop(first);
    until("the second tier has it again", || {
        let answer = edge.ask(&Ask::get("/v1/models"));
        answer.status() == 200 && answer.json()["server"] == "second"
    });
}

#[test]
fn lower_tier_is_left_alone_while_the_upper_one_works() {
    let (a, b, spare) = (Upstream::named("a"), Upstream::named("b"), Upstream::named("spare"));
    let edge = edge(
        "    servers: {a: {url: <a>, tier: 1}, b: {url: <b>, tier: 1}, spare: {url: <spare>, tier: 2}}",
        &[("a", &a.url()), ("b", &b.url()), ("spare", &spare.url())],
    );
    assert_eq!(shares(&edge.servers(10)), BTreeMap::from([("a", 5), ("b", 5)]));
    assert_eq!(spare.count(), 0);
}
