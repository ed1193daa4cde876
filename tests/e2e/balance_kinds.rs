//! Ways to spread requests other than round robin: `least_conn`, `latency`, `hash`, `first`, `random`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::admin::column;
use crate::support::edge::{Edge, server_of};
use crate::support::http::{Ask, Connection, answer, ok};
use crate::support::rude::{EVENT_STREAM_HEAD, event, never_answers};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// A server that answers GET with its name, and POST with a stream that does not end.
fn holding(name: &str) -> Upstream {
    let body = format!(r#"{{"server":"{name}"}}"#);
    Upstream::start(move |peer| {
        while let Some(request) = peer.request() {
            if request.head.method() == "POST" {
                peer.send(EVENT_STREAM_HEAD);
                peer.send(event(&body));
                return peer.wait_until_left();
            }
            peer.send(ok(&body));
        }
    })
}

fn servers(count: usize) -> Vec<Upstream> {
    (1..=count).map(|number| holding(&number.to_string())).collect()
}

/// `extra`: what each server has beside its url, by its place.
fn edge(balance: &str, upstreams: &[Upstream], extra: &[&str]) -> Edge {
    let servers: Vec<String> = upstreams
        .iter()
        .enumerate()
        .map(|(place, upstream)| {
            let extra = extra.get(place).copied().unwrap_or_default();
            format!("s{}: {{url: \"{}\"{extra}}}", place + 1, upstream.url())
        })
        .collect();
    let sections = format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{balance: \"{balance}\", servers: {{{}}}}}",
        servers.join(", ")
    );
    Edge::start(&sections, &[])
}

/// Begins a stream; it is held until the connection is dropped.
fn stream(edge: &Edge, headers: &[(&str, &str)]) -> Connection {
    let ask = headers.iter().fold(Ask::chat(true), |ask, (name, value)| ask.header(name, value));
    let mut client = edge.open();
    client.send(ask.bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    client
}

/// Requests in flight on each server, as `show stat` has them.
fn in_flight(edge: &Edge) -> Vec<u32> {
    let rows = edge.show_stat();
    let servers = rows.iter().filter(|row| column(row, "type") == "2");
    servers.map(|row| column(row, "scur").parse().unwrap()).collect()
}

fn with(name: &str, value: &str) -> Ask {
    Ask::get("/v1/models").header(name, value)
}

fn shares(servers: &[String]) -> BTreeMap<&str, usize> {
    let mut shares = BTreeMap::new();
    for server in servers {
        *shares.entry(server.as_str()).or_default() += 1;
    }
    shares
}

#[test]
fn least_conn_takes_turns_among_idle_servers() {
    let upstreams = servers(4);
    let edge = edge("least_conn", &upstreams, &[]);
    let got: Vec<String> = (0..5).flat_map(|_| edge.servers(1)).collect();
    assert_eq!(got, ["1", "2", "3", "4", "1"]);
}

#[test]
fn least_conn_counts_a_stream_until_its_end() {
    let upstreams = servers(3);
    let edge = edge("least_conn", &upstreams, &[]);
    let held = stream(&edge, &[]);
    assert_eq!(edge.servers(4), ["2", "3", "2", "3"]);
    drop(held);
    until("the stream has ended", || in_flight(&edge) == [0, 0, 0]);
    assert!(edge.servers(3).contains(&"1".to_owned()));
}

#[test]
fn least_conn_spreads_streams_evenly_and_by_weight() {
    let upstreams = servers(3);
    let edge = edge("least_conn", &upstreams, &[", weight: 200", "", ", weight: 0"]);
    let held: Vec<_> = (0..12).map(|_| stream(&edge, &[])).collect();
    assert_eq!(in_flight(&edge), [8, 4, 0]);
    drop(held);
}

#[test]
fn latency_leaves_the_slow_server_alone() {
    let slow = Upstream::start(|peer| {
        while peer.request().is_some() {
            peer.connection.silent_for(Duration::from_millis(250));
            peer.send(ok(r#"{"server":"slow"}"#));
        }
    });
    let upstreams = [slow, Upstream::named("fast"), Upstream::named("fast")];
    let edge = edge("latency", &upstreams, &[]);
    let got = edge.servers(40);
    let slow = got.iter().filter(|server| *server == "slow").count();
    assert!((1..=3).contains(&slow), "it was tried, and then not: {slow} of 40");
}

#[test]
fn latency_does_not_take_a_fast_failure_for_a_fast_server() {
    let upstreams = [
        Upstream::failing(503),
        Upstream::replying(|_| {
            std::thread::sleep(Duration::from_millis(20));
            ok(r#"{"server":"good"}"#)
        }),
    ];
    let edge = edge("latency", &upstreams, &[]);
    assert_eq!(shares(&edge.servers(40)), BTreeMap::from([("good", 40)]));
    let asked = upstreams[0].count();
    assert!((1..=3).contains(&asked), "the failing server got {asked} of 40");
}

#[test]
fn latency_learns_from_clients_that_did_not_want_to_wait() {
    let upstreams = [never_answers(), Upstream::named("fast")];
    let edge = edge("latency", &upstreams, &[]);
    let left = (0..3).any(|_| {
        let mut client = edge.open();
        client.send(Ask::get("/v1/models").bytes());
        client.silent_for(Duration::from_millis(1200))
    });
    assert!(left, "a server that is not known yet is tried");
    until("it has given up", || in_flight(&edge) == [0, 0]);
    assert_eq!(shares(&edge.servers(20)), BTreeMap::from([("fast", 20)]));
    assert_eq!(upstreams[0].count(), 1);
}

#[test]
fn hash_keeps_a_key_on_its_server() {
    let upstreams = servers(4);
    let edge = edge("hash(header(x-session))", &upstreams, &[]);
    let mut client = edge.open();
    let mut owners = BTreeMap::new();
    for key in 0..40 {
        let key = format!("session-{key}");
        let owner = server_of(&client.ask(&with("x-session", &key)));
        assert_eq!(server_of(&edge.ask(&with("x-session", &key))), owner, "on another connection");
        owners.insert(key, owner);
    }
    assert_eq!(owners.values().collect::<BTreeSet<_>>().len(), 4, "all servers have keys: {owners:?}");

    // A server that goes gives its keys away; the others' stay.
    edge.command("disable server ai/s2");
    for (key, owner) in &owners {
        let now = server_of(&client.ask(&with("x-session", key)));
        assert!(now != "2" && (owner == "2" || now == *owner), "{key} went from {owner} to {now}");
    }
    edge.command("enable server ai/s2");
    for (key, owner) in &owners {
        assert_eq!(server_of(&client.ask(&with("x-session", key))), *owner, "back where it was");
    }
}

#[test]
fn hash_without_a_value_is_round_robin() {
    let upstreams = servers(3);
    let edge = edge("hash(header(x-session))", &upstreams, &[]);
    assert_eq!(edge.servers(4), ["1", "2", "3", "1"]);
    let mut client = edge.open();
    let empty: Vec<_> = (0..3).map(|_| server_of(&client.ask(&with("x-session", " ")))).collect();
    assert_eq!(empty, ["2", "3", "1"]);
}

#[test]
fn hash_bounds_what_one_key_puts_on_a_server() {
    let upstreams = servers(4);
    let edge = edge("hash(header(x-session))", &upstreams, &[]);
    let _held: Vec<_> = (0..16).map(|_| stream(&edge, &[("x-session", "hot")])).collect();
    let loads = in_flight(&edge);
    assert_eq!(loads.iter().sum::<u32>(), 16);
    // Five quarters of a fourth of 16.
    assert_eq!(loads.iter().max(), Some(&5), "{loads:?}");
}

/// Where each of these goes, asked twice.
fn owners(edge: &Edge, asks: impl Iterator<Item = Ask>) -> BTreeSet<String> {
    let owner = |ask: Ask| {
        let owner = server_of(&edge.ask(&ask));
        assert_eq!(server_of(&edge.ask(&ask)), owner);
        owner
    };
    asks.map(owner).collect()
}

#[test]
fn hash_knows_path_query_key_and_address() {
    let upstreams = servers(3);
    let numbered = |text: &'static str| (0..20).map(move |n| text.replace('#', &n.to_string()));
    let path = edge("hash(path)", &upstreams, &[]);
    assert_eq!(owners(&path, numbered("/v1/models/m#").map(|path| Ask::get(&path))).len(), 3);
    assert_eq!(owners(&path, numbered("/v1/models?n=#").map(|path| Ask::get(&path))).len(), 1);
    let query = edge("hash(query(user))", &upstreams, &[]);
    assert_eq!(owners(&query, numbered("/v1/models?n=1&user=u#").map(|path| Ask::get(&path))).len(), 3);
    let same = ["/v1/models?user=a%62c", "/v1/models?x=1&user=abc", "/v1/models?user=abc&user=other"];
    assert_eq!(owners(&query, same.into_iter().map(Ask::get)).len(), 1);
    let key = edge("hash(api_key)", &upstreams, &[]);
    assert_eq!(owners(&key, numbered("sk-#").map(|key| Ask::get("/v1/models").bearer(&key))).len(), 3);
    let both = [Ask::get("/").bearer("sk-1"), Ask::get("/").header("x-api-key", "sk-1")];
    assert_eq!(owners(&key, both.into_iter()).len(), 1, "a key is a key in each of its places");
    assert_eq!(key.servers(3), ["1", "2", "3"], "who has no key takes turns");
    let src = edge("hash(src)", &upstreams, &[]);
    assert_eq!(owners(&src, numbered("/v1/models/m#").map(|path| Ask::get(&path))).len(), 1);
}

#[test]
fn a_retry_leaves_the_server_of_its_key() {
    let upstreams = [Upstream::failing(503), Upstream::failing(503), Upstream::named("good")];
    let edge = edge("hash(header(x-session))", &upstreams, &[]);
    for key in ["a", "b", "c", "d", "e"] {
        assert_eq!(server_of(&edge.ask(&with("x-session", key))), "good");
    }
}

#[test]
fn first_fills_a_server_before_it_uses_the_next() {
    let upstreams = servers(3);
    let edge = edge("first", &upstreams, &[", max_concurrent: 2", ", max_concurrent: 1", ""]);
    assert_eq!(shares(&edge.servers(10)), BTreeMap::from([("1", 10)]));
    let mut held: Vec<_> = (0..5).map(|_| stream(&edge, &[])).collect();
    assert_eq!(in_flight(&edge), [2, 1, 2]);
    held.remove(0);
    until("the first has room again", || in_flight(&edge) == [1, 1, 2]);
    assert_eq!(shares(&edge.servers(3)), BTreeMap::from([("1", 3)]));
}

#[test]
fn random_spreads_by_weight_and_looks_at_what_is_in_flight() {
    let upstreams = servers(3);
    let edge = edge("random", &upstreams, &[", weight: 150", ", weight: 50", ", weight: 0"]);
    let got = edge.servers(200);
    let shares = shares(&got);
    assert!((120..=180).contains(&shares["1"]) && !shares.contains_key("3"), "{shares:?}");
    let _held: Vec<_> = (0..16).map(|_| stream(&edge, &[])).collect();
    let loads = in_flight(&edge);
    assert!((11..=13).contains(&loads[0]), "of two servers both are drawn: {loads:?}");
}

#[test]
fn every_kind_waits_for_a_place_and_goes_to_another_server_on_a_retry() {
    for (balance, algo) in [
        ("round_robin", "roundrobin"),
        ("least_conn", "leastconn"),
        ("latency", "latency"),
        ("hash(src)", "hash"),
        ("first", "first"),
        ("random", "random"),
    ] {
        let upstreams = [holding("1"), Upstream::replying(|_| answer(503, &[], "{}")), holding("3")];
        let limit = ", max_concurrent: 1";
        let edge = edge(balance, &upstreams, &[limit, limit, limit]);
        for _ in 0..6 {
            assert_ne!(server_of(&edge.ask(&Ask::get("/v1/models"))), "2", "{balance}");
        }
        let rows = edge.show_stat();
        let backend = rows.iter().find(|row| column(row, "svname") == "BACKEND").unwrap();
        assert_eq!(column(backend, "algo"), algo);
        assert!(edge.admin_get("/stats").text().contains(balance));

        edge.command("disable server ai/s2");
        let mut held = vec![stream(&edge, &[]), stream(&edge, &[])];
        assert_eq!(in_flight(&edge), [1, 0, 1], "{balance}");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| server_of(&edge.ask(&Ask::get("/v1/models"))));
            until("it waits", || {
                edge.show_stat()
                    .iter()
                    .any(|row| column(row, "svname") == "BACKEND" && column(row, "qcur") == "1")
            });
            held.pop();
            let served = waits.join().unwrap();
            assert!(served == "1" || served == "3", "{balance}: {served}");
        });
    }
}
