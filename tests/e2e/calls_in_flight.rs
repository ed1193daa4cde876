//! `show streams` and `kill stream`: an operator sees what is in flight, and ends it.

mod ended;
mod hard;
mod shown;

use serde_json::Value;

use crate::support::edge::Edge;
use crate::support::http::Connection;
use crate::support::rude::stalls_after;
use crate::support::sse::{ROLE, begun, content};
use crate::support::till::{Take, Terms, Till, chat};
use crate::support::upstream::Upstream;
use crate::support::wait::eventually;

/// `show streams` line by line, without its heading.
#[track_caller]
fn lines(edge: &Edge) -> Vec<String> {
    let text = edge.command("show streams");
    if text.trim_end() == "No call and no event stream is in flight." {
        return Vec::new();
    }
    let (heading, rest) = text.trim_end().split_once('\n').unwrap();
    assert!(heading.starts_with("# number"), "{text}");
    rest.lines().map(str::to_owned).collect()
}

/// Says a hundred tokens, and then nothing any more.
fn half() -> Upstream {
    stalls_after(begun(&[ROLE, &content(&"abcdefgh".repeat(50))].concat()))
}

/// A client that has got so much of the answer as there is.
#[track_caller]
fn listener(till: &Till, id: &str) -> Connection {
    let mut client = till.edge.open();
    client.send(chat("sk-app", "gpt-4.1", true, 500, Take::default()).header("x-request-id", id).bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    client.chunk().unwrap();
    client
}

fn till(one: Upstream) -> Till {
    Till::with(&Terms { ai: "\n  budget: {usd: 1}", ..Terms::default() }, one)
}

/// `/api/v1/streams`, once there are so many.
#[track_caller]
fn in_flight(edge: &Edge, count: usize) -> Vec<Value> {
    eventually(&format!("{count} in flight"), || {
        let shown = edge.admin_get("/api/v1/streams").json();
        shown["list"].as_array().filter(|list| list.len() == count).cloned()
    })
}

/// The number of the one with this request id.
#[track_caller]
fn number(edge: &Edge, id: &str) -> String {
    let of = |line: &str| line.ends_with(id).then(|| line.split(' ').next().unwrap().to_owned());
    eventually("it is in flight", || lines(edge).iter().map(String::as_str).find_map(of))
}
