//! What a reload makes of servers and their checks: what is known of one stays known, what is new is looked at before
//! anybody is sent there. The checks here come once a minute, so that nothing is known but by the reload.

use crate::support::admin::column;
use crate::support::edge::Edge;
use crate::support::http::{Ask, Message, answer};
use crate::support::rude::Refusing;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const CHECK: &str = "check: {http: {path: /health, headers: {x-probe: \"1\"}}, interval: 60s, timeout: 2s}, ";

/// A frontend over one backend. `check` is [`CHECK`] or nothing.
fn sections(check: &str, servers: &str) -> String {
    format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{{check}retry: {{attempts: 1}}, servers: {{{servers}}}}}"
    )
}

/// Passes its checks or not; always answers requests.
fn server(name: &'static str, healthy: bool) -> Upstream {
    Upstream::replying(move |request| {
        let status = if is_check(request) && !healthy { 500 } else { 200 };
        answer(status, &[], format!(r#"{{"server":"{name}"}}"#))
    })
}

fn is_check(request: &Message) -> bool {
    request.header("x-probe").is_some()
}

fn checks(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| is_check(request)).count()
}

fn traffic(upstream: &Upstream) -> usize {
    upstream.count() - checks(upstream)
}

/// `show stat`'s status of a server.
fn status(edge: &Edge, server: &str) -> String {
    let rows = edge.show_stat();
    let row = rows.iter().find(|row| column(row, "svname") == server).unwrap();
    column(row, "status").to_owned()
}

#[test]
fn known_health_stays_known_without_another_check() {
    let (good, bad) = (server("good", true), server("bad", false));
    let text = sections(CHECK, "good: {url: <good>}, bad: {url: <bad>}");
    let values = [("good", good.url()), ("bad", bad.url())];
    let values = values.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(&text, &values);
    for _ in 0..3 {
        assert_eq!([status(&edge, "good"), status(&edge, "bad")], ["UP", "DOWN"]);
        assert_eq!(edge.servers(4), ["good"; 4]);
        edge.reload(&text, &values);
    }
    assert_eq!((checks(&good), checks(&bad), traffic(&bad)), (1, 1, 0));
}

#[test]
fn new_servers_are_checked_before_they_get_a_request() {
    let (old, new, bad) = (server("old", true), server("new", true), server("bad", false));
    let refusing = Refusing::new();
    let urls = [("old", old.url()), ("new", new.url()), ("bad", bad.url()), ("refusing", refusing.url())];
    let values = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(&sections(CHECK, "old: {url: <old>}"), &values);
    let more = "bad: {url: <bad>}, old: {url: <old>}, refusing: {url: <refusing>}, new: {url: <new>}";
    edge.reload(&sections(CHECK, more), &values);
    let mut served = edge.servers(10);
    served.sort();
    served.dedup();
    assert_eq!(served, ["new", "old"], "at once, and nobody else");
    assert_eq!((traffic(&bad), checks(&bad), checks(&new), checks(&old)), (0, 1, 1, 1));
    assert_eq!([status(&edge, "bad"), status(&edge, "refusing")], ["DOWN", "DOWN"]);
}

#[test]
fn server_at_another_address_is_a_new_one() {
    let (good, bad) = (server("good", true), server("bad", false));
    let urls = [("good", good.url()), ("bad", bad.url())];
    let values = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(&sections(CHECK, "one: {url: <bad>}"), &values);
    edge.ask(&Ask::get("/")).is_error(503, "no_server_available");
    edge.reload(&sections(CHECK, "one: {url: <good>}"), &values);
    assert_eq!(edge.servers(1), ["good"], "what failed was the old address");
    let spare = "one: {url: <bad>}, two: {url: <good>}";
    edge.reload(&sections(CHECK, spare), &values);
    assert_eq!(edge.servers(4), ["good"; 4], "what passed was the old address");
    assert_eq!((status(&edge, "one"), traffic(&bad)), ("DOWN".to_owned(), 0));
}

#[test]
fn server_that_comes_back_is_a_new_one() {
    let (good, bad) = (server("good", true), Refusing::new());
    let urls = [("good", good.url()), ("bad", bad.url())];
    let values = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(&sections(CHECK, "one: {url: <bad>}, two: {url: <good>}"), &values);
    assert_eq!(status(&edge, "one"), "DOWN");
    edge.reload(&sections(CHECK, "two: {url: <good>}"), &values);
    let _alive = bad.revive("alive");
    edge.reload(&sections(CHECK, "one: {url: <bad>}, two: {url: <good>}"), &values);
    assert_eq!(status(&edge, "one"), "UP");
}

#[test]
fn backend_without_checks_uses_every_server_again() {
    let (good, bad) = (server("good", true), server("bad", false));
    let urls = [("good", good.url()), ("bad", bad.url())];
    let values = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let servers = "good: {url: <good>}, bad: {url: <bad>}";
    let edge = Edge::start(&sections(CHECK, servers), &values);
    assert_eq!(edge.servers(2), ["good"; 2]);
    edge.reload(&sections("", servers), &values);
    let mut served = edge.servers(2);
    served.sort();
    assert_eq!(served, ["bad", "good"]);
    assert_eq!(status(&edge, "bad"), "no check");
    // It serves, so the checks that come back begin by believing that.
    edge.reload(&sections(CHECK, servers), &values);
    let mut served = edge.servers(2);
    served.sort();
    assert_eq!(served, ["bad", "good"]);
    until("it is checked at once all the same", || checks(&bad) >= 2);
}

#[test]
fn backend_that_gains_checks_goes_on_with_what_served() {
    let (one, new) = (server("one", true), server("new", false));
    let urls = [("one", one.url()), ("new", new.url())];
    let values = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(&sections("", "one: {url: <one>}"), &values);
    assert_eq!(edge.servers(1), ["one"]);
    edge.reload(&sections(CHECK, "one: {url: <one>}, new: {url: <new>}"), &values);
    assert_eq!(edge.servers(4), ["one"; 4], "the new one fails its check, the old one is believed");
    assert_eq!(traffic(&new), 0);
}

#[test]
fn frequent_reloads_do_not_hold_the_checks_up() {
    let fails_later = {
        let asked = std::sync::atomic::AtomicUsize::new(0);
        Upstream::replying(move |request| {
            let first = !is_check(request) || asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            answer(if first { 200 } else { 500 }, &[], r#"{"server":"one"}"#)
        })
    };
    let quick = CHECK.replace("60s", "700ms, fast_interval: 700ms, fall: 1");
    let text = sections(&quick, "one: {url: <one>}");
    let url = fails_later.url();
    let edge = Edge::start(&text, &[("one", &url)]);
    let mut looks = 0;
    until("it is found out between reloads", || {
        looks += 1;
        if looks % 10 == 0 {
            edge.reload(&text, &[("one", &url)]);
        }
        status(&edge, "one") == "DOWN"
    });
}

#[test]
fn name_that_left_the_configuration_is_looked_up_no_more() {
    let one = server("one", true);
    let url = one.url();
    let edge = Edge::start(
        &sections("", "one: {url: <one>}, two: {url: \"http://gone.invalid\"}"),
        &[("one", &url)],
    );
    let complaints = || edge.told("gone.invalid cannot be resolved");
    until("it is complained about", || complaints() > 0);
    let before = complaints();
    for _ in 0..2 {
        edge.reload(&sections("", "one: {url: <one>}"), &[("one", &url)]);
    }
    assert_eq!(complaints(), before);
    assert_eq!(edge.servers(1), ["one"]);
}
