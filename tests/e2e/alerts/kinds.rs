//! What is told of, and what it says.

use std::time::{Duration, UNIX_EPOCH};

use rcgen::{KeyPair, date_time_ymd};
use serde_json::Value;

use super::{Scene, json};
use crate::support::certificates::{Authority, params};
use crate::support::edge::Edge;
use crate::support::fickle::Fickle;
use crate::support::http::Ask;
use crate::support::pager::Pager;
use crate::support::scratch::Scratch;
use crate::support::till::{Terms, Till, provider};
use crate::support::wait::until;

#[track_caller]
fn text<'a>(message: &'a Value, name: &str) -> &'a str {
    message[name].as_str().unwrap_or_else(|| panic!("no {name} in {message}"))
}

#[test]
fn server_down_and_up_have_all_that_is_documented() {
    let scene = Scene::new(&json(", events: [server_down, server_up]"));
    scene.goes_down(&scene.one, "one");
    let down = scene.pager.event("/json", "server_down", false);
    let fields: Vec<&str> = down.as_object().unwrap().keys().map(String::as_str).collect();
    let documented = ["event", "severity", "resolved", "at", "node", "subject", "message", "details"];
    assert!(fields.len() == 8 && documented.iter().all(|name| fields.contains(name)), "{fields:?}");
    assert_eq!((text(&down, "subject"), text(&down, "severity")), ("ai/one", "error"));
    let message = text(&down, "message");
    assert!(message.starts_with("server ai/one is down: ") && message.contains("(was up for "), "{message}");
    let node = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(text(&down, "node"), node.trim());
    let at = text(&down, "at");
    assert!(at.len() == 24 && at.starts_with("20") && at.ends_with('Z') && &at[10..11] == "T", "{at}");
    let details = &down["details"];
    assert_eq!(
        [&details["backend"], &details["server"], &details["from"], &details["to"]],
        ["ai", "one", "up", "down"]
    );
    assert!(text(details, "why").contains("503") && details["lasted_seconds"].is_number(), "{details}");
    scene.comes_up(&scene.one, "one");
    let up = scene.pager.event("/json", "server_up", true);
    assert_eq!((text(&up, "subject"), text(&up, "severity")), ("ai/one", "info"));
    assert!(text(&up, "message").starts_with("server ai/one is up: "), "{up}");
    assert_eq!(scene.pager.names("/json"), ["server_down", "server_up over"]);
    for request in scene.pager.requests() {
        assert_eq!(
            (request.head.method(), request.header("content-type")),
            ("POST", Some("application/json"))
        );
        assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("tidegate/")));
    }
    until("both are counted", || scene.count("sent", &[("format", "json")]) == 2.0);
    assert_eq!(scene.count("sent", &[("event", "server_down")]), 1.0);
}

#[test]
fn failover_and_no_server_are_told_to_their_ends() {
    let scene = Scene::new(&json(", events: [failover, no_server]"));
    let pager = &scene.pager;
    scene.goes_down(&scene.one, "one");
    let failover = pager.event("/json", "failover", false);
    assert_eq!((text(&failover, "subject"), text(&failover, "severity")), ("ai", "warning"));
    assert!(
        text(&failover, "message").starts_with("backend ai fails over from tier 1 to tier 2"),
        "{failover}"
    );
    scene.goes_down(&scene.two, "two");
    let none = pager.event("/json", "no_server", false);
    assert_eq!((text(&none, "severity"), text(&none["details"], "backend")), ("critical", "ai"));
    assert!(text(&none, "message").contains("its requests get 503"), "{none}");
    scene.comes_up(&scene.two, "two");
    let back = pager.event("/json", "no_server", true);
    assert!(text(&back, "message").contains("has a usable server again"), "{back}");
    scene.comes_up(&scene.one, "one");
    pager.event("/json", "failover", true);
    assert_eq!(pager.names("/json"), ["failover", "no_server", "no_server over", "failover over"]);
}

#[test]
fn open_breaker_and_a_refused_key_are_told() {
    let (one, pager) = (Fickle::new("one"), Pager::new());
    let sections = "
alerts: [{webhook: <hook>/json, format: json, events: [breaker_open, server_down]}]
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 1}
    breaker: {failures: 2, open_for: 100ms}
    eject: off
    servers: {one: {url: <one>, api_key: sk-of-one}}";
    let edge = Edge::start(sections, &[("one", &one.url()), ("hook", &pager.upstream.url())]);
    one.fails(502);
    (0..2).for_each(|_| drop(edge.ask(&Ask::chat(false))));
    let open = pager.event("/json", "breaker_open", false);
    assert_eq!((text(&open, "subject"), text(&open, "severity")), ("ai/one", "warning"));
    assert!(text(&open, "message").contains("2 failures in a row, the last: status 502"), "{open}");
    assert!(open["details"]["expected_seconds"].is_number(), "{open}");
    one.recovers();
    until("it is up", || {
        drop(edge.ask(&Ask::chat(false)));
        edge.state("one") == "up"
    });
    pager.event("/json", "breaker_open", true);
    one.fails(401);
    drop(edge.ask(&Ask::chat(false)));
    let down = pager.event("/json", "server_down", false);
    assert!(text(&down, "message").contains("Put a good key in backends.ai.servers.one.api_key"), "{down}");
    assert!(!down.to_string().contains("sk-of-one"));
}

#[test]
fn budget_is_told_at_its_mark_and_at_its_end() {
    let pager = Pager::new();
    let app = ", budget: {usd: 0.001, per: day, alert_at: 80%}";
    let till = Till::new(&Terms { app, ..Terms::default() });
    let alerts =
        format!("\nalerts: [{{webhook: {}/json, format: json, events: [budget]}}]\n", pager.upstream.url());
    till.edge.writes(format!("{}{alerts}", till.edge.text()));
    till.edge.obeys("reload");
    assert_eq!(till.spends("sk-app", 500).status(), 200);
    till.comes_to("client", "app", 500);
    assert_eq!(till.spends("sk-app", 350).status(), 200);
    let mark = pager.tells("/json", "80 %", |message| message["severity"] == "warning");
    assert_eq!((text(&mark, "event"), text(&mark, "subject")), ("budget", "client app"));
    assert!(mark["details"]["backend"].is_null() && mark["resolved"] == false, "{mark}");
    assert_eq!(mark["details"]["budget_usd"], 0.001);
    assert!((mark["details"]["spent_usd"].as_f64().unwrap() - 0.00085).abs() < 1e-9, "{mark}");
    till.spends("sk-app", 150);
    let end = pager.tells("/json", "all of it", |message| message["severity"] == "error");
    assert!(text(&end, "message").contains("calls are refused until then"), "{end}");
    assert_eq!(pager.count(), 2);
}

#[test]
fn refused_reload_is_told_until_one_is_applied() {
    let scene = Scene::new(&json(", events: [reload_failed, rollback]"));
    let (edge, pager) = (&scene.edge, &scene.pager);
    let good = edge.text();
    edge.writes(good.replace("default_backend: ai", "default_backend: gone"));
    edge.refuses("reload");
    let failed = pager.event("/json", "reload_failed", false);
    assert_eq!((text(&failed, "subject"), text(&failed, "severity")), ("configuration", "error"));
    let message = text(&failed, "message");
    assert!(
        message.contains("nothing has changed")
            && message.contains("tidegate.yaml:")
            && message.contains("gone")
    );
    edge.refuses("reload");
    assert!(!edge.hang_up());
    edge.writes(good.replace("shutdown_grace: 10s", "shutdown_grace: 9s"));
    edge.obeys("reload");
    pager.event("/json", "reload_failed", true);
    edge.obeys("rollback");
    let back = pager.event("/json", "rollback", false);
    assert!(text(&back, "message").contains("number 1 of the history"), "{back}");
    assert_eq!(pager.names("/json"), ["reload_failed", "reload_failed over", "rollback"], "once");
    until("two are counted", || scene.count("suppressed", &[("reason", "repeated")]) == 2.0);
}

#[test]
fn ledger_that_cannot_be_written_is_told_until_it_can() {
    let (directory, pager) = (Scratch::new(), Pager::new());
    let till = Till::within(directory, &Terms::default(), provider());
    let alerts =
        format!("\nalerts: [{{webhook: {}/json, format: json, events: [ledger]}}]\n", pager.upstream.url());
    till.edge.writes(format!("{}{alerts}", till.edge.text()));
    till.edge.obeys("reload");
    till.spends("sk-app", 1);
    let (state, away) = (till.edge.directory.path().join("state"), till.edge.directory.path().join("away"));
    std::fs::rename(&state, &away).unwrap();
    std::fs::write(&state, "a file where the directory was").unwrap();
    till.spends("sk-app", 1);
    let degraded = pager.event("/json", "ledger", false);
    assert!(text(&degraded, "message").contains("Calls are kept in memory until it can"), "{degraded}");
    std::fs::remove_file(&state).unwrap();
    std::fs::rename(&away, &state).unwrap();
    pager.event("/json", "ledger", true);
    assert_eq!(pager.count(), 2);
}

#[test]
fn certificate_that_ends_soon_is_told() {
    let (directory, pager, one) = (Scratch::new(), Pager::new(), Fickle::new("one"));
    let mut soon = params(&["one.test"]);
    let now = UNIX_EPOCH.elapsed().unwrap();
    soon.not_after = date_time_ymd(1970, 1, 1) + now + Duration::from_secs(5 * 86_400);
    let pem = Authority::new("a").sign(soon, &KeyPair::generate().unwrap()).write(&directory, "soon.pem");
    let sections = "
alerts: [{webhook: <hook>/json, format: json, events: [certificate]}]
frontends:
  web: {bind: [{address: 127.0.0.1:0, tls: {certificates: <pem>}}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";
    let values = [("one", one.url()), ("hook", pager.upstream.url()), ("pem", pem.display().to_string())];
    let values = values.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start_with(&Default::default(), directory, sections, &values);
    let ending = pager.event("/json", "certificate", false);
    assert!(text(&ending, "message").contains("soon.pem"), "{ending}");
    assert_eq!(text(&ending, "severity"), "warning");
    edge.obeys("reload");
    assert_eq!(pager.count(), 1, "a reload is no news of it");
}

/// Failing and slow answers are told of backend by backend once there are enough of them, and when it is over.
#[test]
#[ignore = "takes two minutes: figures are read every five seconds, and are of the last minute"]
fn figures_above_their_limits_are_told_to_their_end() {
    let (one, two, pager) = (Fickle::new("one"), Fickle::new("two"), Pager::new());
    let sections = "
acls: {other: {path: /other}}
alerts: [{webhook: <hook>/json, format: json, events: [error_rate > 10%, latency_p95 > 100ms]}]
frontends:
  web: {bind: [{address: 127.0.0.1:0}], rules: [{use_backend: other, if: other}], default_backend: ai}
backends:
  ai: {retry: {attempts: 1}, breaker: off, eject: off, cooldown: off, servers: {one: {url: <one>}}}
  other: {retry: {attempts: 1}, servers: {two: {url: <two>}}}";
    let values = [("one", one.url()), ("two", two.url()), ("hook", pager.upstream.url())];
    let values = values.each_ref().map(|(name, url)| (*name, url.as_str()));
    let edge = Edge::start(sections, &values);
    one.fails(500);
    let failing = || {
        std::thread::sleep(Duration::from_millis(50));
        drop(edge.ask(&Ask::get("/")));
        drop(edge.ask(&Ask::get("/other")));
        pager.names("/json")
    };
    until("failing is told", || !failing().is_empty());
    let told = pager.event("/json", "error_rate", false);
    assert_eq!((text(&told, "subject"), text(&told, "severity")), ("ai", "error"));
    assert_eq!((&told["details"]["error_rate"], &told["details"]["limit"]), (&1.0.into(), &"10%".into()));
    assert!(told["details"]["requests"].as_u64().unwrap() >= 20, "{told}");
    one.recovers();
    let mut over = false;
    for _ in 0..10 {
        over = over || (0..200).any(|_| failing().contains(&"error_rate over".to_owned()));
    }
    assert!(over, "{:?}", pager.names("/json"));
    assert_eq!(pager.names("/json"), ["error_rate", "error_rate over"], "nothing of the other backend");
}
