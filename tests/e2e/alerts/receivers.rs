//! Receivers that are slow, broken, gone or changed: nothing is lost that should not be, and requests know nothing of it.

use std::time::Duration;

use super::{Scene, json, untouched};
use crate::support::http::{Ask, answer};
use crate::support::pager::Pager;
use crate::support::rude::{Refusing, closes_unanswered, never_answers, says};
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, timed, until};

#[test]
fn flapping_server_is_told_once_within_every_and_late_rather_than_never() {
    let scene = Scene::new(&json(", events: [server_down, server_up], every: 3s"));
    for _ in 0..4 {
        scene.goes_down(&scene.one, "one");
        scene.comes_up(&scene.one, "one");
    }
    scene.goes_down(&scene.one, "one");
    let (_, waited) = timed(|| until("it is told again", || scene.pager.names("/json").len() > 2));
    assert_eq!(
        scene.pager.names("/json"),
        ["server_down", "server_up over", "server_down"],
        "after {waited:?}"
    );
    let last = scene.pager.told("/json").pop().unwrap();
    assert!(last["message"].as_str().unwrap().contains("times since it was last told)"), "{last}");
    assert!(scene.count("suppressed", &[("reason", "repeated")]) >= 3.0);
}

#[test]
fn end_that_comes_within_every_is_told_at_once() {
    let scene = Scene::new(&json(", events: [server_down, server_up], every: 1h"));
    scene.goes_down(&scene.one, "one");
    scene.comes_up(&scene.one, "one");
    scene.pager.event("/json", "server_up", true);
    scene.goes_down(&scene.one, "one");
    scene.comes_up(&scene.one, "one");
    scene.goes_down(&scene.three, "three");
    scene.pager.tells("/json", "another server", |message| message["subject"] == "other/three");
    assert_eq!(scene.pager.names("/json"), ["server_down", "server_up over", "server_down"]);
}

#[test]
fn failing_receiver_is_tried_again_and_gets_it_once() {
    let scene = Scene::with(Pager::answering(&[500, 429]), &json(", events: [server_down]"));
    scene.pager.answers_next(&[500]);
    scene.goes_down(&scene.one, "one");
    until("it is tried again", || scene.pager.count() == 2);
    until("it was taken", || scene.count("sent", &[]) == 1.0);
    assert_eq!(scene.count("failed", &[]), 0.0);
    let told = scene.pager.told("/json");
    assert_eq!(told[0], told[1], "the same message, with its own time");
    assert_eq!(scene.edge.told("alerts:"), 0, "no word of what came right by itself");
}

#[test]
fn retry_after_of_a_receiver_is_obeyed() {
    let busy = answer(429, &[("retry-after", "2")], "slow down");
    let scene = Scene::with(Pager::saying(vec![busy]), &json(", events: [server_down]"));
    scene.goes_down(&scene.one, "one");
    until("the first try", || scene.pager.count() == 1);
    let (_, waited) = timed(|| until("the second try", || scene.pager.count() == 2));
    assert!(waited > Duration::from_millis(1500), "{waited:?}");
}

#[test]
fn refusal_is_final_and_what_stands_is_told_again_after_every() {
    let scene = Scene::with(Pager::answering(&[404]), &json(", events: [server_down, server_up], every: 1s"));
    scene.goes_down(&scene.one, "one");
    scene.edge.says("did not take server_down of ai/one: status 404");
    assert_eq!(scene.count("failed", &[("event", "server_down")]), 1.0);
    until("it is told again", || scene.count("sent", &[]) == 1.0);
    assert_eq!(scene.pager.count(), 2);
    scene.comes_up(&scene.one, "one");
    scene.pager.event("/json", "server_up", true);
}

#[test]
fn redirect_is_not_followed_and_is_said() {
    let elsewhere = Upstream::named("elsewhere");
    let moved = answer(302, &[("location", &elsewhere.url())], "");
    let scene = Scene::with(Pager::saying(vec![moved]), &json(", events: [server_down]"));
    scene.goes_down(&scene.one, "one");
    scene.edge.says("a redirect, which is not followed");
    assert!(untouched(&elsewhere));
    assert_eq!(scene.pager.count(), 1);
}

#[test]
fn receivers_that_are_gone_or_silent_slow_no_request_and_no_other_receiver() {
    let (silent, gone) = (never_answers(), Refusing::new());
    let hooks = format!(
        "  - {{webhook: {}/T0SECRET/B0SECRET, format: json}}\n  - {{webhook: {}/T1SECRET/B1SECRET, format: slack}}\n{}",
        silent.url(),
        gone.url(),
        json("")
    );
    let scene = Scene::new(&hooks);
    scene.goes_down(&scene.one, "one");
    scene.pager.event("/json", "server_down", false);
    scene.pager.event("/json", "failover", false);
    until("the silent one was asked", || silent.count() == 1);
    let (_, took) = timed(|| (0..50).for_each(|_| scene.serves()));
    assert!(took < DEADLINE / 4, "{took:?}");
    let (_, took) = timed(|| scene.edge.obeys("reload"));
    assert!(took < DEADLINE / 4, "a reload waits for nobody either: {took:?}");
    let mut edge = scene.edge;
    edge.process.signal("TERM");
    let (status, took) = timed(|| edge.process.wait());
    assert!(status.success() && took < Duration::from_secs(6), "{status} after {took:?}");
    assert!(!edge.process.transcript().contains("SECRET"), "{}", edge.process.transcript());
}

#[test]
fn what_happened_just_before_a_stop_is_told() {
    let scene = Scene::new(&json(", events: [rollback]"));
    let Scene { mut edge, pager, .. } = scene;
    edge.writes(format!("{}# two\n", edge.text()));
    edge.obeys("reload");
    edge.obeys("rollback");
    edge.process.signal("TERM");
    assert!(edge.process.wait().success());
    assert_eq!(pager.names("/json"), ["rollback"]);
}

#[test]
fn reload_changes_who_is_told_and_what_they_know_is_remembered() {
    let scene = Scene::new(&json(", events: [server_down, server_up]"));
    scene.goes_down(&scene.one, "one");
    scene.pager.event("/json", "server_down", false);
    let text = scene.edge.text();
    let line = text.lines().find(|line| line.contains("/json")).unwrap().to_owned();
    let slack = line.replace("/json", "/later");
    scene.edge.writes(text.replace(&line, &format!("{line}\n{slack}")));
    scene.edge.obeys("reload");
    scene.goes_down(&scene.three, "three");
    for path in ["/json", "/later"] {
        scene.pager.tells(path, "the other server", |message| message["subject"] == "other/three");
    }
    assert_eq!(scene.pager.names("/json").len(), 2, "nothing is told twice for a reload");
    scene.comes_up(&scene.one, "one");
    scene.pager.event("/json", "server_up", true);
    scene.edge.writes(text.replace(&line, &slack));
    scene.edge.obeys("reload");
    scene.comes_up(&scene.three, "three");
    scene.pager.event("/later", "server_up", true);
    assert_eq!(
        scene.pager.names("/json"),
        ["server_down", "server_down", "server_up over"],
        "it was taken out"
    );
    assert_eq!(scene.pager.names("/later"), ["server_down", "server_up over"]);
    scene.edge.writes(text.replace(&format!("alerts:\n{line}\n"), ""));
    scene.edge.obeys("reload");
    scene.goes_down(&scene.three, "three");
    scene.edge.obeys("rollback");
    scene.goes_down(&scene.one, "one");
    scene.pager.tells("/later", "after the rollback", |message| message["subject"] == "ai/one");
    assert_eq!(scene.pager.names("/json").len(), 3);
}

#[test]
fn backends_of_an_alert_are_the_only_ones_that_it_tells_of() {
    let both =
        [json(", events: [server_down, reload_failed], backends: other"), json("").replace("/json", "/all")];
    let scene = Scene::new(&both.concat());
    scene.goes_down(&scene.one, "one");
    scene.goes_down(&scene.three, "three");
    scene.edge.writes("nothing");
    scene.edge.refuses("reload");
    scene.pager.event("/json", "reload_failed", false);
    scene.pager.event("/all", "reload_failed", false);
    let subjects: Vec<_> =
        scene.pager.told("/json").into_iter().map(|message| message["subject"].clone()).collect();
    assert_eq!(subjects, ["other/three", "configuration"]);
    assert!(scene.pager.told("/all").iter().any(|message| message["subject"] == "ai/one"));
}

#[test]
fn more_than_twenty_in_a_minute_are_held_back_and_counted() {
    let (pager, one) = (Pager::new(), crate::support::fickle::Fickle::new("one"));
    let servers: Vec<String> = (0..30).map(|number| format!("s{number}: {{url: {}}}", one.url())).collect();
    let sections = format!(
        "
alerts: [{{webhook: <hook>/json, format: json, events: [server_down, server_up]}}]
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai:
    check: {{http: {{path: /}}, interval: 100ms, fast_interval: 50ms, timeout: 5s, fall: 1, rise: 1}}
    servers: {{{}}}",
        servers.join(", ")
    );
    let edge = crate::support::edge::Edge::start(&sections, &[("hook", &pager.upstream.url())]);
    one.fails(503);
    let held = || edge.metrics().sum("tidegate_alerts_suppressed_total", &[("reason", "rate")]);
    until("all are down", || held() == 10.0);
    until("the first are told", || pager.count() == 20);
    one.recovers();
    until("the ends of those that were told", || pager.count() == 40);
    assert_eq!(edge.ask(&Ask::get("/")).status(), 200);
    let names = pager.names("/json");
    assert_eq!(names.iter().filter(|name| *name == "server_up over").count(), 20);
}

#[test]
fn receiver_that_talks_for_ever_is_not_listened_to() {
    let chatty = Upstream::start(|peer| {
        while peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            while peer.going_on() && peer.send(crate::support::http::chunk(&[b'x'; 4096])) {}
        }
    });
    let hooks = format!("  - {{webhook: {}/, format: json, events: [server_down]}}\n", chatty.url());
    let scene = Scene::new(&hooks);
    scene.goes_down(&scene.one, "one");
    scene.goes_down(&scene.three, "three");
    until("both were taken", || scene.count("sent", &[]) == 2.0);
    assert_eq!(chatty.count(), 2);
}

#[test]
fn receiver_that_closes_or_talks_nonsense_is_tried_again() {
    let (closing, odd) = (closes_unanswered(), says("220 mail.example ESMTP\r\n\r\n"));
    let hook = |at: &Upstream| {
        format!("  - {{webhook: {}/T0SECRET, format: slack, events: [server_down]}}\n", at.url())
    };
    let scene = Scene::new(&[hook(&closing), hook(&odd)].concat());
    scene.goes_down(&scene.one, "one");
    until("both are tried again", || closing.count() >= 2 && odd.count() >= 2);
    assert_eq!(scene.count("sent", &[]), 0.0);
    assert!(!scene.edge.process.transcript().contains("SECRET"));
}
