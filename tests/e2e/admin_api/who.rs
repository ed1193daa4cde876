//! Who may change something: by address, by token, and no page of another site.

use super::{ask, audit, change, is_wrong, json, node, node_with};
use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::wait::until;

const DRAIN: &str = "/api/v1/drain";

fn drain(edge: &Edge, headers: &[(&str, &str)]) -> Message {
    let ask_to = headers.iter().fold(Ask::post(DRAIN, ""), |ask, (name, value)| ask.header(name, value));
    ask(edge, &ask_to)
}

fn is_draining(edge: &Edge) -> bool {
    edge.admin_get("/ready").status() == 503
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_source_that_is_not_listed_reads_and_changes_nothing() {
    let edge = node_with(", allow_changes_from: [10.0.0.0/8]");
    is_wrong(&drain(&edge, &[JSON]), 403, "source_not_allowed", "127.0.0.1 may not change anything");
    assert_eq!(json(&edge, "/api/v1/servers")["servers"].as_array().unwrap().len(), 2);
    assert!(!is_draining(&edge));
    edge.says(r#"by="http 127.0.0.1" change="POST /api/v1/drain" outcome=refused why="127.0.0.1 may not"#);
    // The socket's owner may all the same, and a reload lists others.
    assert!(edge.command("drain").starts_with("Success=1"));
    assert!(edge.reload_text(&super::text(&edge.directory, ", allow_changes_from: [127.0.0.1]")));
    assert_eq!(ask(&edge, &change("POST", "/api/v1/undrain", "")).status(), 200);
    assert!(edge.reload_text(&super::text(&edge.directory, ", allow_changes_from: []")));
    is_wrong(&drain(&edge, &[JSON]), 403, "source_not_allowed", "`admin.allow_changes_from` is empty");
}

#[test]
fn a_flood_of_strangers_is_a_line_a_second() {
    let edge = node_with(", allow_changes_from: []");
    for _ in 0..50 {
        assert_eq!(drain(&edge, &[JSON]).status(), 403);
    }
    assert!(audit(&edge).len() < 25, "{:?}", audit(&edge));
    until("the rest is told", || {
        drain(&edge, &[JSON]);
        audit(&edge).iter().any(|line| line.contains("more were refused since the last)"))
    });
}

#[test]
fn where_there_is_a_token_a_change_needs_both() {
    let edge = node_with(", token: \"the:token\"");
    let shown = ("authorization", "Bearer the:token");
    let refused = drain(&edge, &[JSON]);
    is_wrong(&refused, 401, "unauthorized", "send admin.token");
    assert!(refused.head.all("www-authenticate").iter().any(|scheme| scheme.starts_with("Basic")));
    is_wrong(&drain(&edge, &[JSON, ("authorization", "Bearer the:tokem")]), 401, "unauthorized", "");
    is_wrong(&edge.admin_get("/api/v1/config"), 401, "unauthorized", "");
    is_wrong(&edge.admin_get("/api/v1/nothing"), 401, "unauthorized", "");
    assert!(!is_draining(&edge));
    // A browser sends the password by itself, wherever the page is from.
    let basic = ("authorization", "Basic bWU6dGhlOnRva2Vu");
    is_wrong(&drain(&edge, &[basic, ("content-type", "text/plain")]), 403, "cross_site", "content-type");
    is_wrong(&drain(&edge, &[basic, JSON, ("origin", "https://evil.example")]), 403, "cross_site", "Origin");
    assert!(!is_draining(&edge));
    assert_eq!(drain(&edge, &[basic, JSON, ("origin", "http://tidegate.test")]).status(), 200);
    assert!(is_draining(&edge));
    assert_eq!(ask(&edge, &change("POST", "/api/v1/undrain", "").header(shown.0, shown.1)).status(), 200);
    assert!(
        edge.reload_text(&super::text(&edge.directory, ", token: \"the:token\", allow_changes_from: []"))
    );
    is_wrong(&drain(&edge, &[JSON, shown]), 403, "source_not_allowed", "");
    assert!(!edge.process.transcript().contains("the:token"));
}

#[test]
fn pages_of_other_sites_are_no_way_in() {
    let edge = node();
    let host = edge.admin().to_string();
    let own = format!("http://{host}");
    let host = ("host", &*host);
    for sent in [
        &[host][..],
        &[host, ("content-type", "application/x-www-form-urlencoded")],
        &[host, ("content-type", "multipart/form-data; boundary=x")],
        &[host, JSON, ("origin", "http://evil.example")],
        &[host, JSON, ("origin", "null")],
        &[host, JSON, ("origin", "http://127.0.0.1:1")],
        &[host, JSON, ("sec-fetch-site", "cross-site")],
        &[host, JSON, ("sec-fetch-site", "same-site"), ("origin", &own)],
        // A name that was made to mean 127.0.0.1.
        &[
            ("host", "evil.example:8404"),
            JSON,
            ("origin", "http://evil.example:8404"),
            ("sec-fetch-site", "same-origin"),
        ],
    ] {
        is_wrong(&drain(&edge, sent), 403, "cross_site", "");
        assert!(!is_draining(&edge), "{sent:?}");
    }
    let preflight = Ask::new("OPTIONS", DRAIN).header("origin", "http://evil.example");
    let preflight = preflight.header("access-control-request-method", "POST");
    let answer = ask(&edge, &preflight);
    assert!(answer.status() >= 400 && answer.header("access-control-allow-origin").is_none());
    // What came by way of a proxy may be anybody's.
    is_wrong(&drain(&edge, &[JSON, ("x-forwarded-for", "10.9.8.7")]), 403, "source_not_allowed", "proxy");
    let page = [host, ("x-requested-with", "tidegate"), ("origin", &*own), ("sec-fetch-site", "same-origin")];
    assert_eq!(drain(&edge, &page).status(), 200);
    assert!(is_draining(&edge));
}

#[test]
fn each_change_at_either_door_is_one_line_and_reading_none() {
    let edge = node();
    edge.command(
        "set server ai/one weight 5; set server ai/one weight; show info; disable server ai/nope; drain",
    );
    edge.command("kill stream 7; help; show history; undrain; rollback 99");
    for path in ["/stats", "/metrics", "/api/v1/status", "/api/v1/history", "/api/v1/nothing"] {
        edge.admin_get(path);
    }
    ask(&edge, &change("DELETE", "/api/v1/streams/9", ""));
    ask(&edge, &change("POST", "/api/v1/drain", ""));
    edge.says("POST /api/v1/drain");
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(edge.directory.path()).unwrap());
    let lines = audit(&edge);
    let expected = [
        (r#"set server ai/one weight 5" outcome=done"#, true),
        (r#"set server ai/one weight" outcome=refused why="Require <weight> or <weight%>.""#, true),
        (r#"disable server ai/nope" outcome=refused why="No such server.""#, true),
        (r#"drain" outcome=done"#, true),
        (r#"kill stream 7" outcome=refused why="No such stream: 7."#, true),
        (r#"undrain" outcome=done"#, true),
        (r#"rollback 99" outcome=refused why="rollback refused"#, true),
        (r#"DELETE /api/v1/streams/9" outcome=refused why="no such stream"#, false),
        (r#"POST /api/v1/drain" outcome=done"#, false),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, (text, socket)) in lines.iter().zip(expected) {
        let who = if socket { format!("socket uid {uid}") } else { "http 127.0.0.1".to_owned() };
        assert!(line.starts_with(&format!("by=\"{who}\" change=\"{text}")), "{line}");
    }
}
