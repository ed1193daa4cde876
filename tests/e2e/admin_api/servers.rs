//! Servers are changed by PATCH, as on the socket, and only as they were seen.

use super::{ask, audit, change, is_wrong, json, node};
use crate::support::http::Ask;
use crate::support::wait::eventually;

const ONE: &str = "/api/v1/servers/ai/one";

#[test]
fn a_server_is_drained_weighed_and_taken_back() {
    let edge = node();
    let drained = ask(&edge, &change("PATCH", ONE, r#"{"state":"drain","weight":7,"max_concurrent":3}"#));
    assert_eq!(drained.status(), 200, "{}", drained.text());
    let document = drained.json();
    assert_eq!((&document["backend"], &document["name"]), (&"ai".into(), &"one".into()));
    assert_eq!((&document["state"], &document["weight"]), (&"drain".into(), &7.into()), "{document}");
    assert_eq!(
        document["set"],
        serde_json::json!({
            "state": "drain", "weight": 7, "configured_weight": 50, "max_concurrent": 3, "configured_max_concurrent": null
        })
    );
    assert_eq!(document["max_concurrent"], 3);
    let seen = edge.admin_get(ONE);
    assert_eq!(seen.json()["set"], document["set"]);
    assert_eq!(seen.header("etag"), drained.header("etag"));
    assert!(edge.command("show servers").contains("ai/one DRAIN"), "{}", edge.command("show servers"));
    edge.says("server ai/one is set to drain (was ready) over HTTP");

    let back =
        ask(&edge, &change("PATCH", ONE, r#"{"state":"ready","weight":null,"max_concurrent":null}"#)).json();
    assert_eq!((&back["set"]["state"], &back["set"]["weight"]), (&"ready".into(), &serde_json::Value::Null));
    assert_eq!(back["set"]["max_concurrent"], serde_json::Value::Null);
    assert_eq!(back["weight"], 50);
    let lines = eventually("both lines", || Some(audit(&edge)).filter(|lines| lines.len() >= 2));
    assert_eq!(
        lines[0],
        r#"by="http 127.0.0.1" change="PATCH /api/v1/servers/ai/one {\"max_concurrent\":3,\"state\":\"drain\",\"weight\":7}" outcome=done"#
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn who_saw_another_state_changes_nothing() {
    let edge = node();
    let tag = edge.admin_get(ONE).header("etag").unwrap().to_owned();
    let patch = |body, tag: &str| ask(&edge, &change("PATCH", ONE, body).header("if-match", tag));
    let first = patch(r#"{"weight":10}"#, &tag);
    assert_eq!(first.status(), 200, "{}", first.text());
    is_wrong(&patch(r#"{"state":"maint"}"#, &tag), 412, "precondition_failed", "no longer as If-Match says");
    assert_eq!(json(&edge, ONE)["set"]["state"], "ready");
    assert_eq!(patch(r#"{"weight":11}"#, first.header("etag").unwrap()).status(), 200);
    assert_eq!(patch(r#"{"weight":12}"#, "*").status(), 200);
    // What a reload brings is another state, too.
    let tag = edge.admin_get(ONE).header("etag").unwrap().to_owned();
    assert!(edge.reload_text(&super::text(&edge.directory, "").replace("weight: 50", "weight: 60")));
    assert_eq!(patch(r#"{"weight":13}"#, &tag).status(), 412);
    // And who has it already need not be told again.
    let now = edge.admin_get(ONE).header("etag").unwrap().to_owned();
    let known = ask(&edge, &Ask::get(ONE).header("if-none-match", &now));
    assert_eq!((known.status(), known.header("etag")), (304, Some(&*now)));
}

#[test]
fn of_two_who_saw_the_same_one_changes_it() {
    let edge = node();
    let tag = edge.admin_get(ONE).header("etag").unwrap().to_owned();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let patches: Vec<_> = (1..=8)
            .map(|weight| {
                let ask_one =
                    change("PATCH", ONE, &format!("{{\"weight\":{weight}}}")).header("if-match", &tag);
                let edge = &edge;
                scope.spawn(move || ask(edge, &ask_one).status())
            })
            .collect();
        patches.into_iter().map(|patch| patch.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 412)), "{statuses:?}");
}

#[test]
fn mistakes_are_told_and_change_nothing() {
    let edge = node();
    let many = format!("{{\"state\":\"{}\"}}", "x".repeat(64 * 1024 - 12));
    let too_many = format!("{{\"state\":\"{}\"}}", "x".repeat(64 * 1024 - 11));
    for (body, says) in [
        ("", "nothing to change"),
        ("{}", "nothing to change"),
        ("[]", "must be a JSON object"),
        ("{\"weight\":", "the body is no JSON"),
        (r#"{"wieght":5}"#, "unknown key `wieght`: did you mean `weight`?"),
        (r#"{"colour":5}"#, "unknown key `colour`: there is: state, weight, max_concurrent"),
        (r#"{"weight":257}"#, "`weight` must be a whole number from 0 to 256, or null"),
        (
            r#"{"max_concurrent":1000001}"#,
            "`max_concurrent` must be a whole number from 0 to 1000000, or null",
        ),
        (r#"{"weight":-1}"#, "`weight` must be"),
        (r#"{"weight":1.5}"#, "`weight` must be"),
        (r#"{"weight":"5"}"#, "`weight` must be"),
        (r#"{"state":"up"}"#, "`state` must be one of ready, drain, maint"),
        (r#"{"state":null}"#, "`state` must be"),
        (r#"{"weight":5,"state":"off"}"#, "`state` must be"),
        (&many, "`state` must be one of"),
    ] {
        is_wrong(&ask(&edge, &change("PATCH", ONE, body)), 400, "bad_request", says);
    }
    is_wrong(&ask(&edge, &change("PATCH", ONE, &too_many)), 413, "too_large", "65536 bytes");
    is_wrong(&ask(&edge, &change("PATCH", ONE, &too_many).chunked()), 413, "too_large", "65536 bytes");
    let mut plain =
        Ask::post(ONE, "{\"weight\":5}").header("x-requested-with", "x").header("content-type", "text/plain");
    plain.method = "PATCH".to_owned();
    is_wrong(&ask(&edge, &plain), 415, "unsupported_media_type", "application/json");
    for (path, says) in [
        ("/api/v1/servers/ai/three", "no such server"),
        ("/api/v1/servers/nope/one", "no such backend"),
        ("/api/v1/servers/ai", "there is no /api/v1/servers/ai"),
        ("/api/v1/servers/ai/on%65x", "no such server"),
        ("/api/v1/servers/ai/%zz", "there is no"),
    ] {
        is_wrong(&ask(&edge, &change("PATCH", path, "{\"weight\":5}")), 404, "not_found", says);
    }
    assert_eq!(json(&edge, ONE)["set"]["weight"], serde_json::Value::Null);
    assert_eq!(ask(&edge, &change("PATCH", "/api/v1/servers/%61i/%6fne", "{\"weight\":5}")).status(), 200);
}

#[test]
fn what_is_not_possible_says_what_is() {
    let edge = node();
    for (method, path, allowed) in [
        ("DELETE", ONE, "GET, PATCH, HEAD"),
        ("PUT", ONE, "GET, PATCH, HEAD"),
        ("POST", "/api/v1/config", "GET, HEAD"),
        ("GET", "/api/v1/reload", "POST"),
        ("HEAD", "/api/v1/drain", "POST"),
        ("OPTIONS", ONE, "GET, PATCH, HEAD"),
    ] {
        let answer = ask(&edge, &change(method, path, ""));
        assert_eq!((answer.status(), answer.header("allow")), (405, Some(allowed)), "{method} {path}");
        if method != "HEAD" {
            is_wrong(&answer, 405, "method_not_allowed", method);
        }
    }
    assert_eq!(edge.admin_get("/ready").status(), 200);
}
