//! Reload, rollback, drain; streams that are ended.

use serde_json::Value;

use super::{ask, change, is_wrong, json, node, text};
use crate::support::edge::Edge;
use crate::support::http::Message;
use crate::support::rude::stalls_after;
use crate::support::sse::{ROLE, begun, content};
use crate::support::till::{Take, Terms, Till, chat};
use crate::support::wait::{eventually, until};

fn post(edge: &Edge, path: &str, body: &str) -> Message {
    ask(edge, &change("POST", path, body))
}

#[test]
fn a_reload_says_what_changed_and_a_rollback_takes_it_back() {
    let edge = node();
    let first = edge.admin_get("/api/v1/config");
    assert_eq!(first.json()["number"], 1);
    let text = text(&edge.directory, "").replace("weight: 50", "weight: 60");
    let file = edge.directory.write("tidegate.yaml", &text);
    let answer = post(&edge, "/api/v1/reload", "");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let document = answer.json();
    assert_eq!((&document["done"], &document["number"]), (&true.into(), &2.into()), "{document}");
    assert_eq!(document["changes"], serde_json::json!(["backends.ai.servers.one.weight: 50 -> 60"]));
    assert_eq!(json(&edge, "/api/v1/servers/ai/one")["weight"], 60);
    assert_eq!(json(&edge, "/api/v1/history/2")["by"], "http 127.0.0.1");

    let seen = first.header("etag").unwrap();
    let late = ask(&edge, &change("POST", "/api/v1/rollback", "{\"write\":true}").header("if-match", seen));
    is_wrong(&late, 412, "precondition_failed", "");
    let now = edge.admin_get("/api/v1/config").header("etag").unwrap().to_owned();
    let back = ask(&edge, &change("POST", "/api/v1/rollback", "{\"write\":true}").header("if-match", &now));
    assert_eq!(back.json()["done"], true, "{}", back.text());
    assert_eq!(json(&edge, "/api/v1/servers/ai/one")["weight"], 50);
    assert!(std::fs::read_to_string(file).unwrap().contains("weight: 50"));
    let newest = edge.admin_get("/api/v1/config");
    assert_eq!(newest.header("etag"), first.header("etag"));
    assert_eq!(newest.json()["by"], "rollback to 1 by http 127.0.0.1");
    is_wrong(
        &post(&edge, "/api/v1/rollback", "{\"number\":99}"),
        409,
        "refused",
        "there is no configuration 99",
    );
    is_wrong(
        &post(&edge, "/api/v1/rollback", "{\"nunber\":1}"),
        400,
        "bad_request",
        "did you mean `number`?",
    );
    is_wrong(&post(&edge, "/api/v1/rollback", "{\"write\":\"yes\"}"), 400, "bad_request", "true or false");
}

#[test]
fn a_file_with_a_mistake_is_refused_and_told_without_secrets() {
    let edge = node();
    let bad = text(&edge.directory, "").replace("weight: 50", "wieght: 50");
    edge.directory.write("tidegate.yaml", &bad);
    let answer = post(&edge, "/api/v1/reload", "{}");
    is_wrong(&answer, 409, "refused", "unknown key `wieght`");
    assert!(!answer.text().contains("sk-of-one"), "{}", answer.text());
    assert_eq!(json(&edge, "/api/v1/config")["number"], 1);
    is_wrong(&post(&edge, "/api/v1/reload", "{\"guard\":\"1s\"}"), 400, "bad_request", "5s to 10m");
    is_wrong(
        &post(&edge, "/api/v1/reload", "{\"gaurd\":\"1m\"}"),
        400,
        "bad_request",
        "did you mean `guard`?",
    );
}

#[test]
fn a_drain_is_ordered_seen_and_undone() {
    let edge = node();
    let before = edge.admin_get("/api/v1/status").header("etag").unwrap().to_owned();
    let drain = change("POST", "/api/v1/drain", "{}").header("if-match", &before);
    assert_eq!(ask(&edge, &drain).json()["done"], true);
    assert_eq!(edge.admin_get("/ready").status(), 503);
    assert_eq!(json(&edge, "/api/v1/status")["node"]["state"], "draining");
    is_wrong(&ask(&edge, &drain), 412, "precondition_failed", "");
    let message = post(&edge, "/api/v1/undrain", "").json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("no longer draining"), "{message}");
    assert_eq!(edge.admin_get("/ready").status(), 200);
    is_wrong(&post(&edge, "/api/v1/drain", "{\"now\":true}"), 400, "bad_request", "there is no key here");
}

#[test]
fn a_stream_is_ended_by_number_and_by_request_id() {
    let half = stalls_after(begun(&[ROLE, &content("hello")].concat()));
    let till = Till::with(&Terms::default(), half);
    let mut clients = Vec::new();
    for id in ["first", "second one"] {
        let mut client = till.edge.open();
        client.send(chat("sk-app", "gpt-4.1", true, 500, Take::default()).header("x-request-id", id).bytes());
        assert_eq!(client.head().unwrap().status(), 200);
        clients.push(client);
    }
    let list = |edge: &Edge| json(edge, "/api/v1/streams")["list"].as_array().unwrap().clone();
    let streams = eventually("both are in flight", || Some(list(&till.edge)).filter(|list| list.len() == 2));
    let number = streams[0]["number"].as_u64().unwrap();
    let ended = ask(&till.edge, &change("DELETE", &format!("/api/v1/streams/{number}"), ""));
    assert_eq!(ended.status(), 200, "{}", ended.text());
    let ended: Value = ended.json();
    assert_eq!(
        (&ended["ended"][0]["number"], &ended["ended"][0]["request_id"]),
        (&number.into(), &"first".into())
    );
    // What the clients chose is not always what we would have.
    let other = streams[1]["request_id"].as_str().unwrap().replace(' ', "%20");
    let ended = ask(&till.edge, &change("DELETE", &format!("/api/v1/streams/{other}"), ""));
    assert_eq!(ended.json()["ended"].as_array().unwrap().len(), 1, "{}", ended.text());
    until("both are gone", || list(&till.edge).is_empty());
    for client in &mut clients {
        assert!(String::from_utf8_lossy(&client.rest()).contains("stream_killed"));
    }
    let gone = ask(&till.edge, &change("DELETE", &format!("/api/v1/streams/{number}"), ""));
    is_wrong(&gone, 404, "not_found", "no such stream");
}
