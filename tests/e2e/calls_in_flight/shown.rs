//! What is in flight is seen as it is.

use super::{half, in_flight, lines, listener, till};
use crate::support::rude::never_answers;
use crate::support::till::{Take, chat};
use crate::support::wait::until;

#[test]
fn nothing_in_flight_is_said_so() {
    let till = till(half());
    assert_eq!(till.edge.command("show streams").trim_end(), "No call and no event stream is in flight.");
    assert_eq!(till.edge.metrics().sum("tidegate_streams", &[]), 0.0);
    in_flight(&till.edge, 0);
}

#[test]
fn a_stream_shows_whose_where_and_how_much() {
    let till = till(half());
    let client = listener(&till, "seen-1");
    let prompt = chat("sk-app", "gpt-4.1", true, 500, Take::default()).body.unwrap().len().div_ceil(4);
    let cost = prompt * 2 + 800;
    let wanted = [
        "1",
        "app",
        "p",
        "gpt-4.1",
        "ai/one",
        "1",
        "yes",
        &prompt.to_string(),
        "100",
        &format!("0.{cost:06}"),
        "seen-1",
    ];
    until("it is shown", || {
        let [line] = lines(&till.edge).try_into().unwrap();
        // Without its age.
        let cells: Vec<&str> =
            line.split_whitespace().enumerate().filter(|(at, _)| *at != 1).map(|(_, cell)| cell).collect();
        cells == wanted
    });
    let shown = &in_flight(&till.edge, 1)[0];
    assert_eq!((&shown["client"], &shown["request_id"]), (&"app".into(), &"seen-1".into()), "{shown}");
    assert_eq!(till.edge.metrics().sum("tidegate_streams", &[]), 1.0);
    drop(client);
    until("it is gone", || lines(&till.edge).is_empty());
}

#[test]
fn a_call_without_an_answer_yet_is_there_too() {
    let till = till(never_answers());
    let mut client = till.edge.open();
    client.send(chat("sk-other", "exact", false, 5, Take::default()).header("x-request-id", "waits").bytes());
    until("the server has it", || till.one.count() == 1);
    let [text] = lines(&till.edge).try_into().unwrap();
    let cells: Vec<&str> = text.split_whitespace().collect();
    assert_eq!((cells[2], cells[4], cells[7], cells[9]), ("other", "exact", "-", "-"), "{text}");
    assert_eq!(cells[11], "waits");
    drop(client);
    until("it is gone", || lines(&till.edge).is_empty());
}

/// Request ids and models come from clients.
#[test]
fn what_clients_write_makes_no_line_of_its_own() {
    let till = till(never_answers());
    let mut client = till.edge.open();
    let body = "{\"model\":\"exact\\nkill stream 1\\t\\u001b[31m\",\"messages\":[]}";
    client.send(crate::ai_usage::call("/v1/chat/completions", body).bearer("sk-app").bytes());
    let answer = client.answer().unwrap();
    assert_eq!(answer.status(), 404, "such a model is nobody's");
    client.send(chat("sk-app", "exact", false, 5, Take::default()).header("x-request-id", "1 2 3").bytes());
    until("the server has it", || till.one.count() == 1);
    let [text] = lines(&till.edge).try_into().unwrap();
    assert_eq!(text.split_whitespace().count(), 12, "{text}");
}
