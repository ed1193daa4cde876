//! `/api/v1`: what there is to see as JSON, who may change something, and what becomes of it.

mod described;
mod orders;
mod servers;
mod shown;
mod who;

use serde_json::Value;

use crate::support::edge::{Edge, Settings, configuration};
use crate::support::http::{Ask, Connection, Message};
use crate::support::scratch::Scratch;

const SECTIONS: &str = "
tables:
  by_ip: {key: src, size: 1000, expire: 5m, counters: [http_req_cnt, conn_cur]}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], rules: [{track: by_ip}], default_backend: ai}
backends:
  ai:
    servers: {one: {url: http://127.0.0.1:9/v1, weight: 50, api_key: sk-of-one}, two: {url: http://127.0.0.1:9/v1}}";

fn node() -> Edge {
    node_with("")
}

/// With more keys in `admin`, each after a comma.
fn node_with(admin: &str) -> Edge {
    let directory = Scratch::new();
    let text = text(&directory, admin);
    Edge::start_text(directory, &text)
}

fn text(directory: &Scratch, admin: &str) -> String {
    let text = configuration(&Settings::default(), directory.path(), SECTIONS, &[]);
    text.replace("admin.sock}", &format!("admin.sock{admin}}}"))
}

/// A change as a program sends it.
fn change(method: &str, path: &str, body: &str) -> Ask {
    let mut ask = Ask::post(path, body).header("content-type", "application/json");
    ask.method = method.to_owned();
    ask
}

/// On the admin listener.
#[track_caller]
fn ask(edge: &Edge, ask: &Ask) -> Message {
    Connection::open(edge.admin()).ask(ask)
}

#[track_caller]
fn json(edge: &Edge, path: &str) -> Value {
    let answer = edge.admin_get(path);
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

/// Asserts an error of the API.
#[track_caller]
fn is_wrong(answer: &Message, status: u16, code: &str, says: &str) {
    let text = answer.text();
    assert_eq!(answer.status(), status, "{text}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code, "{text}");
    assert!(error["message"].as_str().unwrap().contains(says), "{text}");
}

/// The lines of the audit log so far.
fn audit(edge: &Edge) -> Vec<String> {
    let lines = edge.process.stderr();
    lines.iter().filter_map(|line| line.split_once(" audit] ").map(|(_, rest)| rest.to_owned())).collect()
}
