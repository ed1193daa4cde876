//! Formats of one's own, what HAProxy's tools make of our lines, and the sample.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::edge::{Edge, Settings};
use crate::support::http::{Ask, answer, ok};
use crate::support::rude::Refusing;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

use super::line;

const AI: &str = "
clients: {mode: optional, keys: [{name: mobile, key: key-of-mobile, plan: premium}]}
plans: {premium: {requests_per_minute: 1000}}
ai: {models: {small: {input: 1.00, output: 10.00}}, aliases: {tiny: small}}
acls: {bad: {path_beg: /bad}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], rules: [{deny: {status: 403}, if: bad}], default_backend: ai}
backends:
  ai:
    retry: {attempts: 2}
    servers: {down: {url: <down>, weight: 1}, one: {url: <one>, models: [small], api_key: sk-server, weight: 1}}";

/// A provider that says what its answers took.
fn provider() -> Upstream {
    let body = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#;
    Upstream::replying(move |_| {
        answer(200, &[("content-type", "application/json"), ("x-served-by", "a\"b")], body)
    })
}

fn edge(access_log: &str, sections: &str, one: &Upstream) -> Edge {
    let (settings, down) = (Settings { access_log, ..Settings::default() }, Refusing::new());
    let values = [("one", &*one.url()), ("down", &*down.url())];
    Edge::start_with(&settings, Scratch::new(), sections, &values)
}

#[test]
fn a_format_of_ones_own_tells_what_it_asks_for() {
    let one = provider();
    let format = "%ID %ci %ft %b/%s %ST %tsc %[client_name]/%[plan] %[model] %[prompt_tokens]+%[completion_tokens] \
                  $%[cost_usd] %[header(x-team)] %{+Q}[response_header(x-served-by)] %[stream] %{+Q}HP%HQ %{+Q}r";
    let edge = edge(&format!("{{to: stdout, format: '{format}'}}"), AI, &one);
    let body = r#"{"model":"tiny","messages":[]}"#;
    let ask = Ask::post("/v1/chat/completions?a=b&api_key=abc", body).header("x-team", "blue\u{e9}");
    edge.ask(&ask.header("x-request-id", "id-1").bearer("key-of-mobile"));
    assert_eq!(
        line(&edge, "id-1"),
        "id-1 127.0.0.1 web ai/one 200 ---- mobile/premium small 7+3 $0.000037 blue#C3#A9 \"a#22b\" false \
         \"/v1/chat/completions\"?a=b&api_key=*** \"POST /v1/chat/completions?a=b&api_key=*** HTTP/1.1\""
    );
    edge.ask(&Ask::get("/bad").header("x-request-id", "id-2"));
    assert_eq!(
        line(&edge, "id-2"),
        "id-2 127.0.0.1 web web/<NOSRV> 403 PR-- -/- - -+- $- - \"\" false \"/bad\" \"GET /bad HTTP/1.1\""
    );
    let mut client = edge.open();
    client.send("GET /v1/\x01 HTTP/1.1\r\nhost: a\r\n\r\n");
    client.answer();
    let bad = line(&edge, "<BADREQ>");
    assert!(bad.contains(" 400 PR-- ") && bad.ends_with(" \"<BADREQ>\"<BADREQ> \"<BADREQ>\""), "{bad}");
}

/// Runs halog on lines without a syslog header.
fn halog(arguments: &[&str], lines: &str) -> String {
    let command = ["halog", "/usr/sbin/halog", "/usr/bin/halog"]
        .into_iter()
        .find(|name| Command::new(name).arg("-h").output().is_ok())
        .expect("halog comes with HAProxy: apt-get install haproxy");
    let mut child = Command::new(command)
        .args(["-s", "-4"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let unread = complaints.contains("parsing errors") && !complaints.contains(" 0 parsing errors");
    assert!(!unread, "{arguments:?}: {complaints}\n{lines}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn halog_reads_httplog_lines() {
    let one = Upstream::replying(|request| match request.head.target() {
        "/missing" => answer(404, &[], "no"),
        _ => ok("{}"),
    });
    let directory = Scratch::new();
    let file = directory.path().join("access.log");
    let sections = "
acls: {bad: {path_beg: /bad}, gone: {path_beg: /gone}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{deny: {status: 403}, if: bad}, {use_backend: gone, if: gone}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}
  gone: {retry: {attempts: 1}, servers: {down: {url: <down>}}}";
    let edge = edge(&format!("{{to: {}, format: httplog}}", file.display()), sections, &one);
    let asked = ["/a?x=1", "/a?x=2", "/b", "/missing", "/bad", "/gone"];
    for target in asked {
        edge.ask(&Ask::get(target));
    }
    let read = || std::fs::read_to_string(&file).unwrap();
    until("all lines are in the file", || read().lines().count() == asked.len());
    let lines = read();

    let columns = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let statuses = columns(&halog(&["-st"], &lines));
    for (status, count) in [("200", "3"), ("404", "1"), ("403", "1"), ("503", "1")] {
        assert!(statuses.iter().any(|row| row[..] == [status, count]), "{status}: {statuses:?}");
    }
    // srv_name 1xx 2xx 3xx 4xx 5xx other tot_req ...
    let servers = columns(&halog(&["-srv"], &lines));
    let server = servers.iter().find(|row| row.first().is_some_and(|name| name == "ai/one"));
    assert_eq!(server.unwrap()[1..8], ["0", "3", "0", "1", "0", "0", "4"], "{servers:?}");
    let urls = halog(&["-u"], &lines);
    let url = |name: &str| columns(&urls).into_iter().find(|row| row.last().is_some_and(|url| url == name));
    assert_eq!(url("/a").map(|row| row[0].clone()).as_deref(), Some("2"), "{urls}");
    assert!(url("/missing").is_some() && url("/bad").is_some(), "{urls}");
    let terminations = columns(&halog(&["-tc"], &lines));
    assert!(terminations.iter().any(|row| row[..] == ["--", "4"]), "{terminations:?}");
    assert!(terminations.iter().any(|row| row[..] == ["PR", "1"]), "{terminations:?}");
    assert!(halog(&["-pct"], &lines).lines().count() > 10);
    assert!(halog(&["-e", "-c"], &lines).trim_start().starts_with('1'), "one 5xx");
    assert!(halog(&["-tc"], &lines).contains("SC 1"));
    assert_eq!(halog(&["-hs", "404"], &lines).lines().count(), 1);
}

#[test]
fn a_sample_leaves_out_successes_only_and_tells_how_many() {
    let one = Upstream::replying(|request| match request.head.target() {
        "/missing" => answer(404, &[], "no"),
        _ => ok(r#"{"server":"one"}"#),
    });
    let sections = "
frontends: {web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}}
backends: {ai: {servers: {one: {url: <one>}}}}";
    let mut edge = edge("{to: stdout, format: '%ST %r', sample: 10%}", sections, &one);
    let mut client = edge.open();
    for count in 0..300 {
        client.ask(&Ask::get(if count % 10 == 0 { "/missing" } else { "/found" }));
    }
    drop(client);
    until("all are counted", || edge.metrics().sum("tidegate_requests_total", &[]) >= 300.0);
    let left_out = edge.metrics().sum("tidegate_log_lines_sampled_out_total", &[]);
    edge.process.signal("TERM");
    edge.process.wait();
    let lines = edge.process.stdout();
    let with = |status: &str| lines.iter().filter(|line| line.starts_with(status)).count();
    assert_eq!(with("404"), 30, "all failures");
    assert!((24..=30).contains(&with("200")), "a tenth of 270: {}", with("200"));
    #[expect(clippy::cast_precision_loss, reason = "there are a few hundred")]
    let logged = with("200") as f64;
    assert!((logged + left_out - 270.0).abs() < 0.5, "{logged} and {left_out}");
}

#[test]
fn a_reload_changes_format_sample_and_place() {
    let one = Upstream::named("one");
    let sections = "
frontends: {web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}}
backends: {ai: {servers: {one: {url: <one>}}}}";
    let edge = edge("{to: stdout, format: '%ST %HU'}", sections, &one);
    edge.ask(&Ask::get("/first"));
    assert_eq!(line(&edge, "/first"), "200 /first");
    let url = one.url();
    let reload = |access_log: &str| {
        let settings = Settings { access_log, ..Settings::default() };
        edge.reload_with(&settings, sections, &[("one", &url)]);
    };
    reload("{to: stdout, format: 'again %HU', sample: 0%}");
    edge.ask(&Ask::get("/left-out"));
    reload("{to: stdout, format: 'again %HU'}");
    edge.ask(&Ask::get("/second"));
    assert_eq!(line(&edge, "/second"), "again /second");
    let file = edge.directory.path().join("access.log");
    let to_file = format!("{{to: {}, format: 'file %HU'}}", file.display());
    reload(&to_file);
    edge.ask(&Ask::get("/third"));
    let holds = |text: &str| std::fs::read_to_string(&file).is_ok_and(|file| file == text);
    until("the line is in the file", || holds("file /third\n"));
    reload("{to: off}");
    edge.ask(&Ask::get("/unheard"));
    reload(&to_file);
    edge.ask(&Ask::get("/fourth"));
    until("only the next line is", || holds("file /third\nfile /fourth\n"));
    assert_eq!(edge.process.stdout(), ["200 /first", "again /second"]);
    // What cannot be written is refused, and nothing changes.
    let nowhere = format!("{{to: {}, format: json}}", edge.directory.path().display());
    let settings = Settings { access_log: &nowhere, ..Settings::default() };
    let text =
        crate::support::edge::configuration(&settings, edge.directory.path(), sections, &[("one", &url)]);
    assert!(!edge.reload_text(&text));
    edge.ask(&Ask::get("/fifth"));
    until("the old file goes on", || holds("file /third\nfile /fourth\nfile /fifth\n"));
}
