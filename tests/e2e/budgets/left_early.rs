//! What is not heard to its end is paid as far as it came: a client that leaves must not have for nothing what its server
//! has read.

use serde_json::json;

use crate::support::http::{Ask, ok};
use crate::support::rude::stalls_after;
use crate::support::sse::{ROLE, begun, content};
use crate::support::till::{Take, Terms, Till, chat};
use crate::support::upstream::Upstream;
use crate::support::usage_db::UsageDb;
use crate::support::wait::until;

const ALL: Terms = Terms { app: "", plan: ", tokens_per_minute: 100000", ai: "\n  budget: {usd: 1}" };

fn ask(stream: bool) -> Ask {
    chat("sk-app", "gpt-4.1", stream, 500, Take::default())
}

/// A token for four bytes, as long as nothing is known of the model.
fn prompt(ask: &Ask) -> u64 {
    ask.body.as_ref().unwrap().len().div_ceil(4) as u64
}

fn tokens_left(till: &Till) -> u64 {
    let answer = till.ask(&Ask::get("/v1/models").bearer("sk-app"));
    answer.header("x-ratelimit-remaining-tokens").unwrap().parse().unwrap()
}

#[test]
fn leaving_before_the_answer_costs_the_prompt() {
    let till = Till::with(&ALL, stalls_after(Vec::new()));
    for (stream, times) in [(false, 1), (true, 2)] {
        let ask = ask(stream).header("x-request-id", &format!("left-{times}"));
        let before = tokens_left(&till);
        let mut client = till.edge.open();
        client.send(ask.bytes());
        until("the server has it", || till.one.count() == times);
        let spent = till.spent("all", "");
        drop(client);
        let prompt = prompt(&ask);
        till.comes_to("all", "", spent + prompt * 2);
        assert_eq!(tokens_left(&till), before - prompt);
        let kept = UsageDb::of(&till.edge).call(
            "status, prompt_tokens, completion_tokens, cost, estimated, client, server",
            &format!("request_id = 'left-{times}'"),
        );
        assert_eq!(json!(kept), json!([null, prompt, 0, prompt * 2, 1, "app", "one"]));
    }
    until("the server is left", || till.one.departures() == 2);
}

#[test]
fn leaving_before_a_server_has_it_costs_nothing() {
    let till = Till::with(&ALL, Upstream::replying(|_| ok("{}")));
    let bytes = ask(true).bytes();
    let before = tokens_left(&till);
    for _ in 0..3 {
        let mut client = till.edge.open();
        client.send(&bytes[..bytes.len() - 5]);
        drop(client);
    }
    until("they are logged", || {
        till.edge.log().iter().filter(|line| line["path"] == "/v1/chat/completions").count() == 3
    });
    assert_eq!((till.spent("all", ""), tokens_left(&till)), (0, before));
    till.ask(&chat("sk-app", "exact", false, 1, Take::default()));
    UsageDb::of(&till.edge).comes_to(1);
}

#[test]
fn leaving_in_the_middle_of_an_error_costs_nothing() {
    let head =
        "HTTP/1.1 500 Oops\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"error\":";
    let till = Till::with(&ALL, stalls_after(head));
    let mut client = till.edge.open();
    client.send(ask(false).header("x-request-id", "broken").bytes());
    assert_eq!(client.head().unwrap().status(), 500);
    drop(client);
    let kept = UsageDb::of(&till.edge).call("status, prompt_tokens, cost", "request_id = 'broken'");
    assert_eq!(json!(kept), json!([500, null, null]));
    assert_eq!(till.spent("all", ""), 0);
}

/// Says a hundred tokens, and then nothing any more.
fn half() -> Upstream {
    stalls_after(begun(&[ROLE, &content(&"abcdefgh".repeat(50))].concat()))
}

#[test]
fn leaving_in_the_middle_costs_what_was_seen() {
    let till = Till::with(&ALL, half());
    let ask = ask(true);
    let mut client = till.edge.open();
    client.send(ask.bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    client.chunk().unwrap();
    drop(client);
    let cost = prompt(&ask) * 2 + 100 * 8;
    till.comes_to("all", "", cost);
    let kept = UsageDb::of(&till.edge)
        .call("status, prompt_tokens, completion_tokens, cost, estimated, stream", "1");
    assert_eq!(json!(kept), json!([200, prompt(&ask), 100, cost, 1, 1]));
}

#[test]
fn a_stream_that_a_stop_cuts_is_counted_by_what_was_seen() {
    let till = Till::with(&ALL, half());
    let ask = ask(true);
    let mut client = till.edge.open();
    client.send(ask.bytes());
    assert_eq!(client.head().unwrap().status(), 200);
    client.chunk().unwrap();
    let directory = till.stop();
    let cut = String::from_utf8(client.rest()).unwrap();
    assert!(cut.contains("\"error\""), "{cut}");
    let book = UsageDb::within(&directory);
    let kept = book.call("prompt_tokens, completion_tokens, cost, estimated", "1");
    assert_eq!(json!(kept), json!([prompt(&ask), 100, prompt(&ask) * 2 + 800, 1]));
    book.is_sound();
}
