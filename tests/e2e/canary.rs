//! A configuration that is tried on a share of the clients: always the same clients, then all of them or none.

use std::thread;
use std::time::Duration;

use crate::support::edge::{Edge, Settings, configuration, server_of};
use crate::support::http::{Ask, Connection, Message, answer};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {breaker: off, eject: off, retry: {attempts: 1}, servers: {one: {url: <one>}}}";

const CLIENTS: usize = 40;

fn change(edge: &Edge, url: &str) {
    let text = configuration(&Settings::default(), edge.directory.path(), SECTIONS, &[("one", url)]);
    edge.directory.write("tidegate.yaml", &text);
}

/// Every client asks once, on one connection.
fn round(edge: &Edge) -> Vec<Message> {
    let mut connection = Connection::open(edge.address("web"));
    let ask = |client| Ask::get("/").header("authorization", &format!("Bearer sk-{client}"));
    (0..CLIENTS).map(|client| connection.ask(&ask(client))).collect()
}

/// Lets clients ask until the command has its answer: what each of them got, round by round.
fn during(edge: &Edge, command: &str) -> (String, Vec<Vec<String>>) {
    let mut rounds = Vec::new();
    let said = thread::scope(|scope| {
        let command = scope.spawn(|| edge.command(command));
        edge.says("of the clients get the new configuration");
        while !command.is_finished() {
            let got = |answer: &Message| match answer.status() {
                200 => server_of(answer),
                _ => "broken".to_owned(),
            };
            rounds.push(round(edge).iter().map(got).collect());
            thread::sleep(Duration::from_millis(20));
        }
        command.join().unwrap()
    });
    (said, rounds)
}

/// How many clients got the new one while it was tried. A few of them are a quarter; all of them nearly never.
fn tried(rounds: &[Vec<String>], new: &str) -> usize {
    let first = &rounds[0];
    let same = rounds.iter().take_while(|round| *round == first).count();
    assert!(same >= 5, "always the same clients, until it is over: {rounds:?}");
    let tried = first.iter().filter(|got| *got == new).count();
    assert!((2..CLIENTS / 2 + 2).contains(&tried), "{tried} of {CLIENTS}");
    tried
}

#[test]
fn what_does_as_well_is_for_all_in_the_end_and_until_then_for_the_same_clients() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    assert!(round(&edge).iter().all(|answer| server_of(answer) == "one"));
    change(&edge, &two.url());
    let (said, rounds) = during(&edge, "reload canary 25% for 5s");
    assert!(said.starts_with("Success=1\n--\n25 % of the clients got"), "{said}");
    assert!(said.contains("nothing is worse in") && said.contains("is in force"), "{said}");
    tried(&rounds, "two");
    assert!(round(&edge).iter().all(|answer| server_of(answer) == "two"));
    assert!(edge.command("show config").contains(&two.url()));
}

#[test]
fn what_fails_is_for_nobody_and_most_never_saw_it() {
    let good = Upstream::named("one");
    let bad = Upstream::replying(|_| answer(500, &[], "broken"));
    let edge = Edge::start(SECTIONS, &[("one", &good.url())]);
    change(&edge, &bad.url());
    let (said, rounds) = during(&edge, "reload canary 25% for 60s");
    assert!(said.starts_with("Success=0\n--\n") && said.contains("failed on the server's side"), "{said}");
    let hurt = tried(&rounds, "broken");
    assert!(rounds.iter().all(|round| round.iter().filter(|got| *got == "broken").count() <= hurt));
    assert!(round(&edge).iter().all(|answer| answer.status() == 200));
    assert!(edge.command("show config").contains(&good.url()));
    assert!(edge.events().iter().any(|event| event["kind"] == "rollback"));
}

#[test]
fn a_reload_ends_a_canary_and_nobody_coming_proves_nothing() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    change(&edge, &two.url());
    thread::scope(|scope| {
        let canary = scope.spawn(|| edge.command("reload canary 50% for 60s"));
        edge.says("of the clients get the new configuration");
        assert!(edge.command("reload").starts_with("Success=1\n"));
        let said = canary.join().unwrap();
        assert!(
            said.starts_with("Success=0\n") && said.contains("another configuration is in force"),
            "{said}"
        );
    });
    until("it is for all", || round(&edge).iter().all(|answer| server_of(answer) == "two"));
    change(&edge, &one.url());
    let said = edge.command("reload canary 1% for 5s");
    assert!(said.starts_with("Success=0\n") && said.contains("nothing is known of it"), "{said}");
    assert!(round(&edge).iter().all(|answer| server_of(answer) == "two"));
    for wrong in [
        "reload canary",
        "reload canary 5",
        "reload canary 90%",
        "reload canary 5% for 1s",
        "reload canary 5% now",
    ] {
        assert!(!edge.command(wrong).contains("Success"), "{wrong}");
    }
}

/// Tables and their entries are those in force, whatever was tried.
#[test]
fn what_is_tried_takes_nothing_from_what_is_in_force() {
    let one = Upstream::named("one");
    let sections = SECTIONS.replace("default_backend: ai}", "default_backend: ai, rules: [{track: t}]}")
        + "\ntables: {t: {key: src, size: <size>, expire: 5m, counters: [http_req_cnt]}}";
    let edge = Edge::start(&sections, &[("one", &one.url()), ("size", "100")]);
    let write = |size: &str| {
        let values = [("one", &*one.url()), ("size", size)];
        let text = configuration(&Settings::default(), edge.directory.path(), &sections, &values);
        edge.directory.write("tidegate.yaml", &text);
    };
    round(&edge);
    assert!(edge.command("show table t").contains(&format!("http_req_cnt={CLIENTS}")));
    write("200");
    assert!(edge.command("reload canary 1% for 5s").starts_with("Success=0\n"));
    write("100");
    assert!(edge.command("reload").starts_with("Success=1\n"));
    assert!(edge.command("show table t").contains(&format!("http_req_cnt={CLIENTS}")));
}
