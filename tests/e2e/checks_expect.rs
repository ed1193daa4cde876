//! What a check asks, and which answer is well: every kind of check and of expectation, on servers that are as expected
//! and on servers that are not. The first check decides; here it is the only one.

use crate::support::admin::column;
use crate::support::edge::{Edge, Settings};
use crate::support::http::{Message, answer, ok};
use crate::support::rude::{Refusing, says, stalls_after};
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;

/// What came of a server's first check, in `show stat`.
#[derive(Debug, PartialEq)]
struct Verdict {
    up: bool,
    /// HAProxy's words.
    status: String,
    code: String,
}

fn up(status: &str, code: &str) -> Verdict {
    Verdict { up: true, status: status.to_owned(), code: code.to_owned() }
}

fn down(status: &str, code: &str) -> Verdict {
    Verdict { up: false, status: status.to_owned(), code: code.to_owned() }
}

/// A backend `b0`, `b1`... for each pair of a check and the URL of its only server.
#[track_caller]
fn edge(directory: Scratch, backends: &[(&str, String)]) -> Edge {
    let mut sections =
        "frontends:\n  web: {bind: [{address: 127.0.0.1:0}], default_backend: b0}\nbackends:\n".to_owned();
    for (index, (check, server)) in backends.iter().enumerate() {
        sections += &format!(
            "  b{index}: {{check: {{{check}, interval: 60s, fast_interval: 60s, down_interval: 60s}}, servers: {{one: {server}}}}}\n"
        );
    }
    Edge::start_with(&Settings::default(), directory, &sections, &[])
}

#[track_caller]
fn verdicts(edge: &Edge) -> Vec<Verdict> {
    judgements(edge).into_iter().map(|(verdict, _)| verdict).collect()
}

/// With the reason.
#[track_caller]
fn judgements(edge: &Edge) -> Vec<(Verdict, String)> {
    let rows = edge.show_stat();
    let servers = rows.iter().filter(|row| column(row, "svname") == "one");
    let judgement = |row: &Vec<(String, String)>| {
        let text = |name: &str| column(row, name).to_owned();
        let up = text("status") == "UP";
        (Verdict { up, status: text("check_status"), code: text("check_code") }, text("last_chk"))
    };
    servers.map(judgement).collect()
}

/// A check, an answer to it, and what must come of it; what the reason must have in it.
struct Case {
    check: &'static str,
    answer: Vec<u8>,
    verdict: Verdict,
    reason: &'static str,
}

fn good(check: &'static str, answer: Vec<u8>) -> Case {
    Case { check, answer, verdict: up("L7OK", "200"), reason: "" }
}

fn bad(check: &'static str, answer: Vec<u8>, reason: &'static str) -> Case {
    Case { check, answer, verdict: down("L7RSP", "200"), reason }
}

/// All cases in one process: the base path of its URL tells a server which one it is.
#[track_caller]
fn judged(cases: Vec<Case>) -> Upstream {
    let answers: Vec<Vec<u8>> = cases.iter().map(|case| case.answer.clone()).collect();
    let upstream = Upstream::replying(move |request| {
        let case = request.head.target().split('/').nth(1).and_then(|word| word.parse::<usize>().ok());
        case.and_then(|case| answers.get(case)).cloned().unwrap_or_else(|| answer(404, &[], ""))
    });
    let url = upstream.url();
    let backends: Vec<(&str, String)> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| (case.check, format!("{{url: {url}/{index}, api_key: server-key}}")))
        .collect();
    let edge = edge(Scratch::new(), &backends);
    for (case, (verdict, reason)) in cases.iter().zip(judgements(&edge)) {
        assert_eq!(verdict, case.verdict, "{}: {reason}", case.check);
        assert!(reason.contains(case.reason), "{}: no `{}` in: {reason}", case.check, case.reason);
    }
    let log = edge.process.transcript();
    assert!(!log.contains("secret"), "{log}");
    upstream
}

fn with(name: &str, value: &str) -> Vec<u8> {
    answer(200, &[(name, value)], "")
}

#[test]
fn statuses_are_a_list_or_a_range() {
    let status = |code: u16| answer(code, &[], if code == 204 { "" } else { "x" });
    let well = |check, code: u16| Case {
        check,
        answer: status(code),
        verdict: up("L7OK", &code.to_string()),
        reason: "",
    };
    let ill = |check, code: u16, reason| Case {
        check,
        answer: status(code),
        verdict: down("L7STS", &code.to_string()),
        reason,
    };
    judged(vec![
        well("http: {}", 200),
        ill("http: {}", 204, "status 204, expected 200"),
        well("http: {expect: {status: [200, 204]}}", 204),
        well("http: {expect: {status: [200-299, 401]}}", 401),
        ill("http: {expect: {status: [200-299, 401]}}", 500, "status 500, expected 200-299 or 401"),
        ill("http: {}", 429, "status 429, expected 200"),
        ill("http: {expect: {body: {contains: x}}}", 503, "status 503, expected 200"),
    ]);
}

#[test]
fn headers_are_as_expected_or_the_server_is_down() {
    const YES: &str = "http: {expect: {header: {x-ready: \"yes\"}}}";
    const REGEX: &str = "http: {expect: {header: {x-v: {regex: \"^2\"}}}}";
    const CONTAINS: &str = "http: {expect: {header: {x-c: {contains: a}}}}";
    const PRESENT: &str = "http: {expect: {header: {x-p: {present: true}}}}";
    judged(vec![
        good(YES, with("X-Ready", "yes")),
        good(YES, answer(200, &[("x-ready", "no"), ("x-ready", "yes")], "")),
        bad(YES, with("x-ready", "no"), "header x-ready is \"no\", expected \"yes\""),
        bad(YES, ok("yes"), "header x-ready is missing"),
        good(REGEX, with("x-v", "2.1")),
        bad(REGEX, with("x-v", "1.2"), "header x-v is \"1.2\", expected one that matches \"^2\""),
        good(CONTAINS, with("x-c", "bar")),
        bad(CONTAINS, with("x-c", "bor"), "expected one that contains \"a\""),
        good(PRESENT, with("x-p", "")),
        bad(PRESENT, ok("x-p: 1"), "header x-p is missing"),
    ]);
}

#[test]
fn bodies_are_as_expected_or_the_server_is_down() {
    const TEXT: &str = "http: {expect: {body: {contains: all well}}}";
    const REGEX: &str = "http: {expect: {body: {regex: \"(up|ready)$\"}}}";
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nall \r\n4\r\nwell\r\n0\r\n\r\n";
    judged(vec![
        good(TEXT, ok("it is all well here")),
        good(TEXT, chunked.to_vec()),
        bad(TEXT, ok("all is well, secret-word"), "body does not contain \"all well\""),
        bad(TEXT, ok(""), "body does not contain \"all well\""),
        good(REGEX, ok("\u{e9} is ready")),
        bad(REGEX, ok("is ready now"), "body does not match \"(up|ready)$\""),
    ]);
}

#[test]
fn json_is_as_expected_or_the_server_is_down() {
    const ID: &str = "http: {expect: {body: {json: {\"$.data[0].id\": gpt-4, \"$.ok\": true, \"$.n\": 3}}}}";
    const MORE: &str =
        "http: {expect: {body: {json: {\"$[\\\"a.b\\\"]\": {regex: \"^v\"}, \"$.y\": {present: true}}}}}";
    judged(vec![
        good(ID, ok(r#"{"ok": true, "n": 3.0, "data": [{"id": "gpt-4"}]}"#)),
        bad(
            ID,
            ok(r#"{"ok": true, "n": 3, "data": [{"id": "gpt-5"}]}"#),
            "$.data[0].id is \"gpt-5\", expected \"gpt-4\"",
        ),
        bad(ID, ok(r#"{"ok": false, "n": 3, "data": [{"id": "gpt-4"}]}"#), "$.ok is false, expected true"),
        bad(ID, ok(r#"{"ok": true, "n": "3", "data": [{"id": "gpt-4"}]}"#), "$.n is \"3\", expected 3"),
        bad(ID, ok(r#"{"ok": true, "n": 3, "data": []}"#), "$.data[0].id is missing"),
        bad(ID, ok("<html>"), "body is not JSON"),
        good(MORE, ok(r#"{"a.b": "v1", "y": null}"#)),
        bad(MORE, ok(r#"{"a.b": "w1", "y": null}"#), "is \"w1\", expected text that matches \"^v\""),
        bad(MORE, ok(r#"{"a.b": "v1"}"#), "$.y is missing"),
    ]);
}

#[test]
fn every_part_of_an_expectation_must_hold() {
    const ALL: &str = "http: {expect: {status: [200], header: {x-a: \"1\"}, body: {contains: ok}}}";
    judged(vec![
        good(ALL, answer(200, &[("x-a", "1")], "ok")),
        bad(ALL, answer(200, &[("x-a", "1")], "no"), "body does not contain \"ok\""),
        bad(ALL, answer(200, &[("x-a", "2")], "ok"), "header x-a is \"2\""),
        Case {
            check: ALL,
            answer: answer(500, &[("x-a", "1")], "ok"),
            verdict: down("L7STS", "500"),
            reason: "status 500",
        },
    ]);
}

#[test]
fn a_body_is_read_up_to_a_megabyte_and_never_logged() {
    const END: &str = "http: {expect: {body: {contains: the-end}}}";
    let sized = |size: usize| ok([&vec![b'.'; size - 7], b"the-end".as_slice()].concat());
    let secret = [b"sk-secret ".repeat(1000), b"the en".to_vec()].concat();
    let reason = "body is larger than 1 MB";
    judged(vec![
        good(END, sized(1 << 20)),
        bad(END, sized((1 << 20) + 1), reason),
        bad(END, ok(secret), "body does not"),
    ]);
}

#[test]
fn a_chat_is_asked_for_as_a_client_would() {
    const CHAT: &str = "chat: {model: gpt-4.1, max_tokens: 5, prompt: \"say ping\"}";
    let upstream = judged(vec![
        good(CHAT, ok(r#"{"choices": [{"message": {"content": "ping"}}]}"#)),
        bad(CHAT, ok(r#"{"choices": []}"#), "`choices` of the answer is empty"),
        bad(CHAT, ok(r#"{"error": {"message": "no"}}"#), "the answer is an error"),
        bad(CHAT, ok("pong"), "body is not JSON"),
        Case {
            check: CHAT,
            answer: answer(429, &[("retry-after", "60")], "{}"),
            verdict: up("L7OK", "429"),
            reason: "rate limited",
        },
        Case {
            check: CHAT,
            answer: answer(500, &[], "{}"),
            verdict: down("L7STS", "500"),
            reason: "status 500",
        },
    ]);
    let first = |request: &Message| request.head.target().starts_with("/0/");
    let request = upstream.requests().into_iter().find(first).unwrap();
    assert_eq!(request.head.first_line, "POST /0/chat/completions HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), Some("Bearer server-key"));
    let expected = serde_json::json!({
        "model": "gpt-4.1", "max_tokens": 5, "stream": false,
        "messages": [{"role": "user", "content": "say ping"}],
    });
    assert_eq!(request.json(), expected);
}

#[test]
fn a_check_sends_what_the_file_says() {
    let upstream = judged(vec![
        good(
            "http: {method: POST, path: \"/probe?deep=1\", headers: {x-probe: \"1\"}, body: '{\"a\": 1}'}",
            ok(""),
        ),
        good("http: {method: POST, path: /own, headers: {authorization: Bearer own}, body: plain}", ok("")),
        good("http: {method: POST, path: /empty}", ok("")),
        good("http: {method: HEAD, path: /head}", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_vec()),
        good("http: {method: OPTIONS, path: /options}", ok("")),
    ]);
    let asked = |path: &str| {
        let all = upstream.requests();
        all.into_iter().find(|request| request.head.target().ends_with(path)).unwrap()
    };
    let probe = asked("/0/probe?deep=1");
    assert_eq!((probe.head.method(), probe.text().as_str()), ("POST", "{\"a\": 1}"));
    assert_eq!(probe.header("x-probe"), Some("1"));
    assert_eq!(probe.header("content-length"), Some("8"));
    assert_eq!(probe.header("content-type"), Some("application/json"));
    assert_eq!(probe.header("authorization"), Some("Bearer server-key"));
    let own = asked("/1/own");
    assert_eq!((own.header("authorization"), own.header("content-type")), (Some("Bearer own"), None));
    assert_eq!(asked("/2/empty").header("content-length"), Some("0"));
    assert_eq!(asked("/3/head").head.method(), "HEAD");
    assert_eq!(asked("/4/options").head.method(), "OPTIONS");
}

#[test]
fn without_a_base_path_a_chat_goes_to_v1() {
    let upstream = Upstream::replying(|_| ok(r#"{"choices": [{}]}"#));
    let edge =
        edge(Scratch::new(), &[("chat: {model: m, max_tokens: 1}", format!("{{url: {}}}", upstream.url()))]);
    assert_eq!(verdicts(&edge), [up("L7OK", "200")]);
    assert_eq!(upstream.request().head.first_line, "POST /v1/chat/completions HTTP/1.1");
}

#[test]
fn a_tcp_check_wants_a_connection_and_asks_nothing() {
    let silent = Upstream::start(|peer| peer.wait_until_left());
    let refusing = Refusing::new();
    let server = |url: String| format!("{{url: {url}}}");
    let edge =
        edge(Scratch::new(), &[("tcp: {}", server(silent.url())), ("tcp: {}", server(refusing.url()))]);
    assert_eq!(verdicts(&edge), [up("L4OK", ""), down("L4CON", "")]);
    assert_eq!(silent.count(), 0);
}

#[test]
fn what_is_no_answer_says_so() {
    let garbage = says("SSH-2.0-OpenSSH_9.9\r\n");
    let closes = crate::support::rude::closes_unanswered();
    let stuck = stalls_after("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
    let cut = says("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
    let server = |upstream: &Upstream| format!("{{url: {}}}", upstream.url());
    const BODY: &str = "http: {expect: {body: {contains: x}}}, timeout: 300ms";
    let edge = edge(
        Scratch::new(),
        &[
            ("http: {}", server(&garbage)),
            ("http: {}", server(&closes)),
            (BODY, server(&stuck)),
            (BODY, server(&cut)),
        ],
    );
    let expected = [down("L7RSP", ""), down("L7RSP", ""), down("L7TOUT", ""), down("L7RSP", "")];
    assert_eq!(verdicts(&edge), expected, "{}", edge.process.transcript());
    let reasons: Vec<String> = judgements(&edge).into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(reasons[1], "the connection ended before the answer did");
    assert_eq!(reasons[2], "no end of the answer within 300ms");
}

#[test]
fn interim_answers_are_not_the_answer() {
    judged(vec![good("http: {}", [b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec(), ok("")].concat())]);
}
