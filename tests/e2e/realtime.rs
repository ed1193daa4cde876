//! OpenAI's Realtime API: a WebSocket that goes by the model in the query of its upgrade.

use crate::support::edge::Edge;
use crate::support::http::{Ask, Connection, Head};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
clients:
  mode: required
  keys: [{name: all, key: sk-all-0123456789, plan: all}, {name: few, key: sk-few-0123456789, plan: few}]
plans: {all: {}, few: {models: [gpt-4.1]}}
ai:
  models: {gpt-4.1: {input: 2, output: 8}, gpt-realtime: {input: 4, output: 16}}
  aliases: {voice: gpt-realtime}
backends:
  ai:
    servers:
      text: {url: <text>, models: [gpt-4.1]}
      sound: {url: <sound>, models: {gpt-realtime: \"gpt+realtime/2026\"}}";

/// Agrees to an upgrade, and echoes four bytes at a time.
fn echo() -> Upstream {
    Upstream::start(|peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: abc\r\n\r\n");
        while let Ok(bytes) = peer.connection.exactly(4) {
            peer.send(bytes);
        }
        peer.wait_until_left();
    })
}

fn edge(text: &Upstream, sound: &Upstream) -> Edge {
    Edge::start(SECTIONS, &[("text", &text.url()), ("sound", &sound.url())])
}

fn ask(target: &str, key: &str) -> Ask {
    Ask::get(target)
        .header("Authorization", &format!("Bearer {key}"))
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
}

fn begin(edge: &Edge, target: &str) -> (Connection, Head) {
    let mut client = edge.open();
    client.send(ask(target, "sk-all-0123456789").bytes());
    let head = client.head().unwrap();
    (client, head)
}

#[test]
fn it_goes_to_the_server_that_knows_its_model_and_under_the_name_there() {
    let (text, sound) = (echo(), echo());
    let edge = edge(&text, &sound);
    for model in ["gpt-realtime", "voice", "gpt%2Drealtime"] {
        let (mut client, head) = begin(&edge, &format!("/v1/realtime?voice=alloy&model={model}&x=%20"));
        assert_eq!((head.status(), head.header("x-tidegate-model")), (101, Some("gpt-realtime")));
        assert_eq!(
            sound.requests().last().unwrap().head.target(),
            "/v1/realtime?voice=alloy&model=gpt%2Brealtime/2026&x=%20"
        );
        client.send(b"ping");
        assert_eq!(client.exactly(4).unwrap(), b"ping");
    }
    assert_eq!(text.count(), 0);
    let (_client, head) = begin(&edge, "/v1/realtime?model=gpt-4.1");
    assert_eq!(head.status(), 101);
    assert_eq!(text.request().head.target(), "/v1/realtime?model=gpt-4.1");
}

#[test]
fn models_that_there_are_not_or_that_the_plan_has_not_are_refused() {
    let (text, sound) = (echo(), echo());
    let edge = edge(&text, &sound);
    let refused = |target: &str, key: &str| edge.open().ask(&ask(target, key));
    refused("/v1/realtime?model=nothing", "sk-all-0123456789").is_error(404, "model_not_found");
    refused("/v1/realtime?model=gpt-realtime", "sk-few-0123456789").is_error(403, "forbidden");
    refused("/v1/realtime?model=gpt-4.1&model=voice", "sk-few-0123456789").is_error(400, "bad_request");
    refused("/v1//realtime/?mode%6c=voice", "sk-few-0123456789").is_error(403, "forbidden");
    assert_eq!((text.count(), sound.count()), (0, 0));
}

#[test]
fn it_is_among_the_streams_in_flight_and_can_be_killed() {
    let (text, sound) = (echo(), echo());
    let edge = edge(&text, &sound);
    let (mut client, head) = begin(&edge, "/v1/realtime?model=voice");
    let id = head.header("x-request-id").unwrap();
    let streams = edge.command("show streams");
    assert!(
        streams.contains("gpt-realtime") && streams.contains("ai/sound") && streams.contains(id),
        "{streams}"
    );
    edge.command(&format!("kill stream {id}"));
    assert!(client.ended_within(crate::support::wait::DEADLINE));
    until("the server is left", || sound.departures() == 1);
    until("it is gone", || !edge.command("show streams").contains(id));
}
