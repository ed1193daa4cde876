//! Requests and answers look as they do on HTTP/1.1.

use h2::Reason;

use super::{front, well};
use crate::support::h2_server::Gate;
use crate::support::http::Ask;

#[test]
fn a_request_is_rewritten_as_on_http1() {
    let (front, server) = front("", well);
    let ask = Ask::post("/v1/chat/completions?a=b", "{}")
        .header("Cookie", "a=1; b=2")
        .header("Connection", "close, x-hop")
        .header("X-Hop", "1")
        .header("TE", "gzip, trailers")
        .header("X-Request-Id", "mine")
        .header("X-Some", "Value");
    let answer = front.ask(&ask);
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    let request = &server.requests()[0];
    assert_eq!(request.head.first_line, "POST /v1/chat/completions?a=b HTTP/2");
    assert_eq!(request.header(":authority"), Some(server.address().to_string().as_str()));
    assert_eq!(request.head.all("cookie").join("; "), "a=1; b=2");
    assert_eq!(request.header("x-request-id"), Some("mine"));
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("x-some"), Some("Value"));
    assert_eq!(request.header("content-length"), Some("2"));
    for name in ["host", "connection", "x-hop", "keep-alive", "transfer-encoding", "upgrade"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!(request.text(), "{}");
    // Over HTTP/2 too, with cookies in fields of their own, and a body whose length nobody tells.
    let ask = Ask::post("/v1/chat/completions", "body").header("cookie", "a=1").header("cookie", "b=2");
    assert_eq!(front.http2().ask(&ask).status(), 200);
    let request = &server.requests()[1];
    assert_eq!(request.head.all("cookie").join("; "), "a=1; b=2");
    assert_eq!(request.text(), "body");
}

#[test]
fn a_base_path_takes_the_place_of_v1() {
    use crate::support::h2_front::Ground;
    use crate::support::h2_server::{H2Server, Speaks};
    let ground = Ground::new();
    let server = H2Server::start(&ground.config, &Speaks::default(), well);
    let front = ground.front("", &format!("{}/base/v2", server.url()));
    assert_eq!(front.ask(&Ask::get("/v1/models?a")).status(), 200);
    assert_eq!(server.requests()[0].head.target(), "/base/v2/models?a");
}

#[test]
fn an_answer_is_passed_on_with_all_of_its_fields() {
    let (front, _server) = front("", |mut exchange| async move {
        let fields = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-some", "Value"), ("server", "them")];
        exchange.answer(201, &fields, b"made").await;
    });
    for answer in [front.ask(&Ask::post("/v1/x", "")), front.http2().ask(&Ask::post("/v1/x", ""))] {
        assert_eq!((answer.status(), answer.text().as_str()), (201, "made"));
        assert_eq!(answer.head.all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(answer.header("x-some"), Some("Value"));
        assert_eq!(answer.header("content-length"), Some("4"));
        assert_eq!(answer.header("transfer-encoding"), None);
    }
}

#[test]
fn answers_without_a_body_have_none() {
    let (front, server) = front("", |mut exchange| async move {
        let (status, fields): (u16, &[_]) = match exchange.path() {
            "/head" => (200, &[("content-length", "1234")]),
            "/204" => (204, &[]),
            "/304" => (304, &[("content-length", "1234"), ("etag", "\"a\"")]),
            _ => (200, &[]),
        };
        exchange.begin(status, fields, true);
    });
    let mut client = front.open();
    let head = client.ask(&Ask::new("HEAD", "/head"));
    assert_eq!((head.status(), head.header("content-length")), (200, Some("1234")));
    let none = client.ask(&Ask::get("/204"));
    assert_eq!((none.status(), none.header("content-length")), (204, None));
    assert_eq!(none.header("transfer-encoding"), None);
    let same = client.ask(&Ask::get("/304"));
    assert_eq!((same.status(), same.header("etag")), (304, Some("\"a\"")));
    let empty = client.ask(&Ask::get("/empty"));
    assert_eq!((empty.status(), empty.header("content-length"), empty.whole), (200, Some("0"), true));
    let mut client = front.http2();
    for (method, path, status) in
        [("HEAD", "/head", 200), ("GET", "/204", 204), ("GET", "/304", 304), ("GET", "/empty", 200)]
    {
        let answer = client.ask(&Ask::new(method, path));
        assert_eq!((answer.status(), answer.body.len()), (status, 0), "{path}");
    }
    assert_eq!((server.connections(), server.count()), (1, 8));
}

#[test]
fn interim_answers_are_passed_on() {
    let (front, _server) = front("", |mut exchange| async move {
        exchange.inform(103, &[("link", "</style.css>; rel=preload")]);
        exchange.inform(103, &[("link", "</other.css>; rel=preload")]);
        exchange.well().await;
    });
    let mut client = front.open();
    client.send(Ask::get("/v1/models").bytes());
    for style in ["style", "other"] {
        let early = client.head().unwrap();
        assert_eq!(early.status(), 103);
        assert_eq!(early.header("link"), Some(format!("</{style}.css>; rel=preload").as_str()));
    }
    assert_eq!(client.answer().unwrap().status(), 200);
}

#[test]
fn trailers_are_left_out() {
    let (front, server) = front("", |mut exchange| async move {
        let mut answering = exchange.begin(200, &[("trailer", "x-sum")], false).unwrap();
        answering.send(b"hello", false).await;
        answering.trailers(&[("x-sum", "abc")]);
    });
    let mut client = front.open();
    client.send(Ask::get("/v1/models").header("connection", "close").header("te", "trailers").bytes());
    let all = String::from_utf8(client.rest()).unwrap();
    assert!(all.starts_with("HTTP/1.1 200 ") && all.ends_with("\r\n0\r\n\r\n"), "{all}");
    assert!(!all.contains("abc"), "{all}");
    assert_eq!(front.http2().ask(&Ask::get("/v1/models")).text(), "hello");
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_event_stream_flows_event_by_event() {
    let gate = Gate::new();
    let pace = gate.clone();
    let (front, _server) = front("", move |mut exchange| {
        let pace = pace.clone();
        async move {
            exchange.body().await;
            let fields = [("content-type", "text/event-stream")];
            let mut answering = exchange.begin(200, &fields, false).unwrap();
            for number in 0..5 {
                answering.send(event(&format!("{number}")).as_bytes(), false).await;
                pace.wait().await;
            }
            answering.send(b"data: [DONE]\n\n", true).await;
        }
    });
    let mut client = front.open();
    client.send(Ask::chat(true).bytes());
    assert_eq!(client.head().unwrap().header("content-type"), Some("text/event-stream"));
    for number in 0..5 {
        let chunk = String::from_utf8(client.chunk().unwrap().unwrap()).unwrap();
        assert_eq!(chunk, event(&number.to_string()));
        gate.pass();
    }
    assert_eq!(client.chunk().unwrap().unwrap(), b"data: [DONE]\n\n");
    assert_eq!(client.chunk(), Ok(None));
}

#[test]
fn an_event_stream_is_held_until_its_first_content() {
    let (front, server) = front("    retry: {backoff: 1ms..2ms}", |mut exchange| async move {
        exchange.body().await;
        let mut answering = exchange.begin(200, &[("content-type", "text/event-stream")], false).unwrap();
        let role = r#"{"choices":[{"delta":{"role":"assistant"}}]}"#;
        answering.send(format!("data: {role}\n\n").as_bytes(), false).await;
        if exchange.number < 2 {
            return answering.reset(Reason::INTERNAL_ERROR);
        }
        answering.send(event("hello").as_bytes(), false).await;
        answering.send(b"data: [DONE]\n\n", true).await;
    });
    let answer = front.ask(&Ask::chat(true));
    assert_eq!((answer.status(), answer.whole), (200, true));
    assert_eq!(answer.header("x-tidegate-attempts"), Some("3"));
    assert_eq!(answer.text().matches("assistant").count(), 1, "{}", answer.text());
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(server.count(), 3);
}

fn event(content: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n")
}
