//! `kill stream`: the client is told, the server is stopped, what it took is paid, and nobody else notices.

use serde_json::json;

use super::{half, in_flight, lines, listener, number, till};
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::rude::{never_answers, stalls_after};
use crate::support::sse::{END, Gate, ROLE, begun, content};
use crate::support::till::{Take, chat, reply};
use crate::support::upstream::Upstream;
use crate::support::usage_db::UsageDb;
use crate::support::wait::until;

#[test]
fn a_stream_is_told_and_cut_and_paid_as_far_as_it_came() {
    let till = till(half());
    let mut client = listener(&till, "doomed");
    let number = number(&till.edge, "doomed");
    let said = till.edge.command(&format!("kill stream {number}"));
    assert!(
        said.starts_with(&format!(
            "Ended stream {number} (request doomed of client app, model gpt-4.1 on ai/one, "
        )),
        "{said}"
    );
    let event = client.chunk().unwrap().unwrap();
    let event = String::from_utf8(event).unwrap();
    assert!(
        event.trim_start().starts_with("data: {\"error\":") && event.contains("stream_killed"),
        "{event}"
    );
    assert!(event.ends_with("\n\n"));
    assert!(client.chunk().is_err(), "no clean end");
    until("the server is left", || till.one.departures() == 1);

    let line = till.edge.logged("the killed stream", |line| line["request_id"] == "doomed");
    assert_eq!((&line["termination"], &line["status"]), (&"KD--".into(), &200.into()), "{line}");
    assert_eq!(
        (&line["completion_tokens"], &line["tokens_estimated"]),
        (&100.into(), &true.into()),
        "{line}"
    );
    let prompt = chat("sk-app", "gpt-4.1", true, 500, Take::default()).body.unwrap().len().div_ceil(4) as u64;
    till.comes_to("all", "", prompt * 2 + 800);
    let kept = UsageDb::of(&till.edge)
        .call("prompt_tokens, completion_tokens, cost, estimated", "request_id = 'doomed'");
    assert_eq!(json!(kept), json!([prompt, 100, prompt * 2 + 800, 1]));

    assert_eq!(lines(&till.edge), Vec::<String>::new());
    let again = till.edge.command(&format!("kill stream {number}"));
    assert!(again.contains(&format!("No such stream: {number}.")), "{again}");
    till.edge.says("is ended by an order on the runtime socket");
}

#[test]
fn one_without_an_answer_yet_gets_a_clean_error() {
    let unanswered = [
        never_answers(),
        stalls_after(begun(ROLE)),
        stalls_after("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
    ];
    for (one, stream) in unanswered.into_iter().zip([false, true, false]) {
        let till = till(one);
        let mut client = till.edge.open();
        client.send(
            chat("sk-app", "gpt-4.1", stream, 5, Take::default()).header("x-request-id", "slow").bytes(),
        );
        until("the server has it", || till.one.count() == 1);
        let said = till.edge.command("kill stream slow");
        assert!(said.contains("request slow of client app"), "{said}");
        let answer = client.answer().unwrap();
        answer.is_error(503, "stream_killed");
        assert_eq!((answer.header("x-should-retry"), answer.header("retry-after")), (Some("false"), None));
        until("the server is left", || till.one.departures() == 1);
        let line = till.edge.logged("the killed call", |line| line["request_id"] == "slow");
        assert_eq!((&line["termination"], &line["status"]), (&"KD--".into(), &503.into()), "{line}");
        let kept = UsageDb::of(&till.edge).call("status, attempts", "request_id = 'slow'");
        assert_eq!(json!(kept), json!([503, 1]), "one server was asked for it");
        let metrics = till.edge.metrics();
        assert_eq!(metrics.sum("tidegate_denied_total", &[("reason", "killed")]), 1.0);
    }
}

#[test]
fn anthropics_clients_are_told_in_their_own_shape() {
    let till = till(never_answers());
    let mut client = till.edge.open();
    let ask = crate::support::till::message("sk-app", false, Take::default());
    client.send(ask.header("x-request-id", "slow").bytes());
    until("the server has it", || till.one.count() == 1);
    till.edge.command("kill stream slow");
    let answer = client.answer().unwrap();
    assert_eq!((answer.status(), answer.header("x-should-retry")), (503, Some("false")));
    assert_eq!(answer.json()["type"], "error");
}

#[test]
fn nobody_else_notices() {
    let gate = Gate::default();
    let door = gate.clone();
    let one = Upstream::start(move |peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(begun(&[ROLE, &content("begun")].concat()));
        if door.passed_by(peer) {
            let end = [content("over").as_str(), END].concat();
            peer.send([crate::support::http::chunk(end.as_bytes()), b"0\r\n\r\n".to_vec()].concat());
            peer.wait_until_left();
        }
    });
    let till = till(one);
    let mut clients: Vec<_> = ["a", "b", "c"].into_iter().map(|id| listener(&till, id)).collect();
    in_flight(&till.edge, 3);
    till.edge.command("kill stream b");
    let killed = clients.remove(1);
    until("one is left", || till.one.departures() == 1);
    gate.open();
    for mut client in clients {
        let mut text = String::new();
        while let Some(part) = client.chunk().unwrap() {
            text.push_str(&String::from_utf8(part).unwrap());
        }
        assert!(
            text.contains("over") && text.ends_with("data: [DONE]\n\n") && !text.contains("error"),
            "{text}"
        );
    }
    drop(killed);
    let ends: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|id| till.edge.logged("its end", |line| line["request_id"] == *id)["termination"].clone())
        .collect();
    assert_eq!(ends, ["----", "KD--", "----"]);
}

#[test]
fn all_of_one_request_id_end_together() {
    let till = till(half());
    let mut clients: Vec<_> = ["twin", "twin", "other"].into_iter().map(|id| listener(&till, id)).collect();
    in_flight(&till.edge, 3);
    let said = till.edge.command("kill stream twin");
    assert_eq!(said.matches("Ended stream").count(), 2, "{said}");
    for client in &mut clients[..2] {
        assert!(String::from_utf8(client.rest()).unwrap().contains("stream_killed"));
    }
    assert_eq!(in_flight(&till.edge, 1)[0]["request_id"], "other");
}

#[test]
fn what_is_not_there_is_said_so() {
    let till = till(half());
    let _client = listener(&till, "real");
    for id in ["99999", "nobody", "-1", "18446744073709551616", "'; DROP TABLE calls", "real-not"] {
        let said = till.edge.command(&format!("kill stream {id}"));
        assert!(said.starts_with("No such stream: ") && said.contains("show streams"), "{said}");
    }
    for command in ["kill stream", "kill stream ", "kill stream   "] {
        let said = till.edge.command(command);
        assert!(said.starts_with("Which one?"), "{said}");
    }
    in_flight(&till.edge, 1);
}

/// A client must not be able to shield another's stream, or have it killed, by the id that it chose.
#[test]
fn a_number_is_ours_before_it_is_a_request_id() {
    let till = till(half());
    let first = listener(&till, "plain");
    let taken = number(&till.edge, "plain");
    let _second = listener(&till, &taken);
    in_flight(&till.edge, 2);
    assert!(till.edge.command(&format!("kill stream {taken}")).contains("request plain"));
    let left = in_flight(&till.edge, 1);
    assert_eq!(left[0]["request_id"], taken.as_str());
    drop(first);
}

fn one_at_a_time(one: &Upstream, ai: &str) -> Edge {
    Edge::start(
        "
<ai>
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {queue: {max: 10}, servers: {one: {url: <one>, max_concurrent: 1}}}",
        &[("one", &one.url()), ("ai", ai)],
    )
}

const MODELS: &str = "ai: {models: {gpt-4.1: {input: 2.00, output: 8.00}}}";

#[test]
fn one_that_waits_in_line_can_be_ended_too() {
    let gate = Gate::default();
    let door = gate.clone();
    let one = Upstream::start(move |peer| {
        while let Some(request) = peer.request() {
            if !door.passed_by(peer) || !peer.send(reply(&request)) {
                return;
            }
        }
    });
    let edge = one_at_a_time(&one, MODELS);
    let ask = |id| {
        chat("", "gpt-4.1", false, 5, Take { prompt: 1, completion: 1, cached: 0 }).header("x-request-id", id)
    };
    let mut first = edge.open();
    first.send(ask("first").bytes());
    until("the server has it", || one.count() == 1);
    let mut second = edge.open();
    second.send(ask("second").bytes());
    in_flight(&edge, 2);
    edge.command("kill stream second");
    let answer = second.answer().unwrap();
    answer.is_error(503, "stream_killed");
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    let line = edge.logged("the killed one", |line| line["request_id"] == "second");
    assert!(line["server"].is_null(), "{line}");
    gate.open();
    assert_eq!(first.answer().unwrap().status(), 200);
    assert_eq!(edge.ask(&ask("third")).status(), 200);
    assert_eq!(one.count(), 2);
    let book = UsageDb::of(&edge);
    book.comes_to(2);
    assert_eq!(
        book.number("SELECT count(*) FROM calls WHERE request_id = 'second'"),
        0,
        "no server was asked for it"
    );
}

#[test]
fn the_place_of_the_ended_one_is_free_at_once() {
    for ai in [MODELS, ""] {
        let one = Upstream::start(|peer| {
            while let Some(request) = peer.request() {
                if request.header("x-request-id").is_some_and(|id| id.starts_with("stuck")) {
                    return peer.wait_until_left();
                }
                peer.send(reply(&request));
            }
        });
        let edge = one_at_a_time(&one, ai);
        for times in 0..3 {
            let id = format!("stuck-{times}");
            let mut stuck = edge.open();
            stuck.send(
                chat("", "gpt-4.1", times == 1, 5, Take::default()).header("x-request-id", &id).bytes(),
            );
            until("the server has it", || {
                one.requests().iter().any(|request| request.header("x-request-id") == Some(&id))
            });
            edge.command(&format!("kill stream {id}"));
            assert_eq!(stuck.answer().unwrap().status(), 503);
            assert_eq!(edge.ask(&chat("", "gpt-4.1", false, 5, Take::default())).status(), 200);
        }
    }
}

#[test]
fn one_whose_body_is_still_coming_is_ended_cleanly() {
    let edge_of = |one: &Upstream| one_at_a_time(one, "");
    let one = Upstream::start(|peer| {
        if peer.connection.head().is_some() {
            peer.wait_until_left();
        }
    });
    let edge = edge_of(&one);
    let bytes = Ask::chat(true).header("x-request-id", "sending").bytes();
    let mut client = edge.open();
    client.send(&bytes[..bytes.len() - 9]);
    number(&edge, "sending");
    edge.command("kill stream sending");
    client.answer().unwrap().is_error(503, "stream_killed");
    until("nothing is left of it", || lines(&edge).is_empty());
}
