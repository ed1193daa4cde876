//! What an operator orders of a server on the runtime socket: `set server`, `enable server`, `disable server`.

use crate::support::admin::column;
use crate::support::edge::Edge;
use crate::support::http::{Ask, ok};
use crate::support::rude::{EVENT_STREAM_HEAD, event};
use crate::support::upstream::Upstream;
use crate::support::wait::{eventually, until};

const CHECK: &str = "check: {http: {method: GET, path: /health}, interval: 100ms, fast_interval: 50ms, timeout: 1s, rise: 2, fall: 3}";

fn sections(extra: &str, one: &str, two: &str) -> String {
    format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai:
    {extra}
    servers: {{one: {{url: <one>, {one}}}, two: {{url: <two>, {two}}}}}"
    )
}

fn values<'a>(one: &'a str, two: &'a str) -> [(&'static str, &'a str); 2] {
    [("one", one), ("two", two)]
}

/// An answer of the socket; the empty line that ends it aside.
fn say(edge: &Edge, command: &str) -> String {
    edge.command(command).trim_end_matches('\n').to_owned()
}

/// A column of `show stat` for one server.
fn stat(edge: &Edge, server: &str, name: &str) -> String {
    let rows = edge.show_stat();
    let row = rows.iter().find(|row| column(row, "svname") == server).unwrap();
    column(row, name).to_owned()
}

/// A column of `show servers state` for one server.
fn state(edge: &Edge, server: &str, name: &str) -> String {
    let text = edge.command("show servers state ai");
    let mut lines = text.lines().skip(1);
    let names: Vec<&str> = lines.next().unwrap().trim_start_matches("# ").split(' ').collect();
    let row = lines.map(|line| line.split(' ').collect::<Vec<_>>()).find(|row| row.get(3) == Some(&server));
    row.unwrap()[names.iter().position(|known| *known == name).unwrap()].to_owned()
}

fn checks(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| request.head.target() == "/health").count()
}

#[test]
fn drain_lets_a_stream_end_and_gives_nothing_new_while_checks_go_on() {
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let one = Upstream::start(move |peer| {
        while let Some(request) = peer.request() {
            if request.head.method() == "POST" {
                peer.send(EVENT_STREAM_HEAD);
                peer.send(event("first"));
                let _ = told.lock().unwrap().recv();
                peer.send(event("last"));
                peer.send(b"0\r\n\r\n");
                continue;
            }
            peer.send(ok(r#"{"server":"one"}"#));
        }
    });
    let two = Upstream::named("two");
    let edge = Edge::start(&sections(CHECK, "tier: 1", "tier: 2"), &values(&one.url(), &two.url()));
    let mut client = edge.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().status(), 200);

    assert_eq!(say(&edge, "set server ai/one state drain"), "");
    assert_eq!(edge.servers(5), ["two"; 5], "the next tier takes over");
    assert_eq!((stat(&edge, "one", "status"), stat(&edge, "one", "scur")), ("DRAIN".into(), "1".into()));
    assert_eq!(
        (state(&edge, "one", "srv_admin_state"), state(&edge, "one", "srv_op_state")),
        ("8".into(), "2".into())
    );
    let before = checks(&one);
    until("checks go on", || checks(&one) > before + 2);

    go_on.send(()).unwrap();
    let events: Vec<_> = std::iter::from_fn(|| client.chunk().unwrap()).collect();
    assert_eq!(events.concat(), b"data: first\n\ndata: last\n\n");
    until("the stream is over", || stat(&edge, "one", "scur") == "0");

    assert_eq!(say(&edge, "set server ai/one state ready"), "");
    assert_eq!(edge.servers(3), ["one"; 3]);
    assert_eq!(
        (stat(&edge, "one", "status"), state(&edge, "one", "srv_admin_state")),
        ("UP".into(), "0".into())
    );
}

#[test]
fn maint_stops_traffic_and_checks() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(&sections(CHECK, "tier: 1", "tier: 1"), &values(&one.url(), &two.url()));
    assert_eq!(say(&edge, "disable server ai/one"), "");
    assert_eq!(stat(&edge, "one", "status"), "MAINT");
    assert_eq!(
        (state(&edge, "one", "srv_admin_state"), state(&edge, "one", "srv_op_state")),
        ("1".into(), "0".into())
    );
    assert_eq!(state(&edge, "one", "srv_check_state"), "14");
    let text = edge.command("show servers ai");
    assert!(text.contains("ai/one MAINT"), "{text}");
    // One that was on its way may still arrive.
    let settled = checks(&two);
    until("the other is checked", || checks(&two) > settled + 2);
    let (mine, others) = (checks(&one), checks(&two));
    assert_eq!(edge.servers(6), ["two"; 6]);
    until("the other is checked on", || checks(&two) > others + 5);
    assert_eq!(checks(&one), mine, "no checks in maintenance");

    assert_eq!(say(&edge, "enable server ai/one"), "");
    until("it is checked again", || checks(&one) > mine);
    until("it is up", || stat(&edge, "one", "status") == "UP");
    assert_eq!(edge.servers(4).iter().filter(|server| *server == "one").count(), 2);
}

#[test]
fn a_server_that_died_in_maintenance_is_down_with_its_first_check() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let slowly = CHECK.replace("fall: 3", "fall: 1000");
    let edge = Edge::start(&sections(&slowly, "tier: 1", "tier: 1"), &values(&one.url(), &two.url()));
    say(&edge, "set server ai/one state maint");
    drop(one);
    say(&edge, "set server ai/one state ready");
    until("one check is enough", || stat(&edge, "one", "status") == "DOWN");
    assert_eq!(edge.servers(3), ["two"; 3]);
}

#[test]
fn without_a_usable_server_the_answer_says_so() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(&sections("", "tier: 1", "tier: 2"), &values(&one.url(), &two.url()));
    assert_eq!(say(&edge, "disable server ai/one; set server ai/two state drain"), "");
    edge.ask(&Ask::get("/v1/models")).is_error(503, "no_server_available");
    assert_eq!(stat(&edge, "BACKEND", "status"), "DOWN");
    // `enable` ends a drain too.
    say(&edge, "enable server ai/two");
    assert_eq!(edge.servers(1), ["two"]);
}

#[test]
fn weights_are_set_absolute_or_in_per_cent_of_the_configured_one() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(&sections("", "weight: 40", "weight: 40"), &values(&one.url(), &two.url()));
    let count = |turns: usize| edge.servers(turns).iter().filter(|server| *server == "one").count();
    let weights = || (state(&edge, "one", "srv_uweight"), state(&edge, "one", "srv_iweight"));
    assert_eq!(count(8), 4);
    assert_eq!(say(&edge, "set server ai/one weight 120"), "");
    assert_eq!((count(8), weights()), (6, ("120".into(), "40".into())));
    assert_eq!(say(&edge, "set server ai/one weight 50%"), "");
    assert_eq!((count(9), weights().0, stat(&edge, "one", "weight")), (3, "20".into(), "20".into()));
    assert_eq!(say(&edge, "set server ai/one weight 0"), "");
    assert_eq!((count(8), stat(&edge, "one", "status")), (0, "DRAIN".into()));
    assert_eq!(say(&edge, "set server ai/one weight 100%"), "");
    assert_eq!((count(8), weights()), (4, ("40".into(), "40".into())));
}

#[test]
fn mistakes_are_answered_in_haproxys_words() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(&sections("", "tier: 1", "tier: 2"), &values(&one.url(), &two.url()));
    for (command, answer) in [
        ("set server", "Require 'backend/server'."),
        ("set server ai", "Require 'backend/server'."),
        ("set server ai/ state drain", "Require 'backend/server'."),
        ("disable server one", "Require 'backend/server'."),
        ("set server web/one state drain", "No such backend."),
        ("enable server ia/one", "No such backend."),
        ("disable server ai/three", "No such server."),
        ("set server ai/one state down", "'set server <srv> state' expects 'ready', 'drain' and 'maint'."),
        ("set server ai/one state", "'set server <srv> state' expects 'ready', 'drain' and 'maint'."),
        ("set server ai/one weight", "Require <weight> or <weight%>."),
        ("set server ai/one weight 257", "Absolute weight can only be between 0 and 256 inclusive."),
        ("set server ai/one weight heavy", "Empty weight string empty or preceded by garbage"),
        (
            "set server ai/one agent down",
            "usage: set server <backend>/<server> addr | max_concurrent | state | weight",
        ),
        ("set server ai/one", "usage: set server <backend>/<server> addr | max_concurrent | state | weight"),
    ] {
        assert_eq!(say(&edge, command), answer, "{command}");
    }
    assert!(say(&edge, "help set").contains("set server <backend>/<server> weight <N|N%>"));
    assert_eq!(edge.servers(2), ["one"; 2], "nothing has changed");
}

#[test]
fn every_change_is_one_line_in_the_log() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(&sections("", "tier: 1", "tier: 2"), &values(&one.url(), &two.url()));
    for command in [
        "set server ai/one state drain",
        "set server ai/one state drain",
        "set server ai/one weight 7",
        "set server ai/one weight 7",
        "set server ai/one state nonsense",
        "disable server ai/one",
        "enable server ai/one",
    ] {
        say(&edge, command);
    }
    let lines = eventually("the lines", || {
        let lines: Vec<String> =
            edge.process.stderr().into_iter().filter(|line| line.contains("server ai/one is set")).collect();
        (lines.len() >= 4).then_some(lines)
    });
    for (line, words) in lines.iter().zip([
        "is set to drain (was ready) on the runtime socket: 0 in flight; 1 of 2 servers usable, active tier 2",
        "is set to weight 7 (was 100, configured 100) on the runtime socket: 0 in flight; 1 of 2 servers usable",
        "is set to maint (was drain) on the runtime socket",
        "is set to ready (was maint) on the runtime socket: 0 in flight; 2 of 2 servers usable, active tier 1",
    ]) {
        assert!(line.contains(words) && line.contains("INFO"), "{line}");
    }
    assert_eq!(lines.len(), 4, "{lines:#?}");
}

#[test]
fn orders_hold_over_a_reload() {
    let (one, two, three) = (Upstream::named("one"), Upstream::named("two"), Upstream::named("three"));
    let values = values(&one.url(), &two.url()).map(|(name, url)| (name, url.to_owned()));
    let values = values.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(&sections(CHECK, "weight: 100", "weight: 100"), &values);
    say(&edge, "set server ai/one state maint; set server ai/two weight 30");
    edge.reload(&sections(CHECK, "weight: 50", "weight: 50"), &values);
    assert_eq!((stat(&edge, "one", "status"), stat(&edge, "two", "weight")), ("MAINT".into(), "30".into()));
    assert_eq!(edge.servers(4), ["two"; 4]);
    let before = checks(&one);
    let others = checks(&two);
    until("the other is checked", || checks(&two) > others + 4);
    assert!(checks(&one) <= before + 1, "no checks in maintenance");

    // Another address is no reason to forget what was ordered of a server of this name.
    let url = three.url();
    edge.reload(&sections(CHECK, "weight: 50", "weight: 50"), &[("one", url.as_str()), values[1]]);
    assert_eq!((edge.servers(3), three.count()), (vec!["two".to_owned(); 3], 0));

    // Back at what the file has, the weight follows the file.
    say(&edge, "enable server ai/one; set server ai/two weight 100%");
    assert_eq!(stat(&edge, "two", "weight"), "50");
    edge.reload(&sections(CHECK, "weight: 80", "weight: 80"), &[("one", url.as_str()), values[1]]);
    assert_eq!(stat(&edge, "two", "weight"), "80");
    until("both serve", || edge.servers(2).contains(&"three".to_owned()));
}
