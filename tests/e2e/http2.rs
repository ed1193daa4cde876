//! HTTP/2 at the edge, by clients that others wrote.

use std::path::PathBuf;
use std::process::Command;

use crate::support::certificates::Authority;
use crate::support::curl;
use crate::support::edge::{Edge, Settings};
use crate::support::http::ok;
use crate::support::rude::{EVENT_STREAM_HEAD, endless_stream, event};
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

struct Site {
    edge: Edge,
    authority: PathBuf,
}

fn site(upstream: &Upstream) -> Site {
    let directory = Scratch::new();
    let signer = Authority::new("a");
    let authority = signer.write(&directory, "ca.pem");
    let pem = signer.issue(&["one.test"]).write(&directory, "one.pem");
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
defaults: {max_request_body: 20m}
frontends:
  web:
    bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>/v1}}}",
        &[("pem", &pem.display().to_string()), ("one", &upstream.url())],
    );
    Site { edge, authority }
}

impl Site {
    fn curl(&self, path: &str, more: &[&str]) -> curl::Curl {
        let got = curl::https(self.edge.address("web"), "one.test", &self.authority, path, more);
        assert_eq!(got.version, "2", "{got:?}");
        got
    }
}

#[test]
fn requests_are_rewritten_as_on_http1() {
    let one = Upstream::named("one");
    let site = site(&one);
    let got = site
        .curl("/v1/models?a=b", &["-H", "x-request-id: mine", "-H", "authorization: Bearer k", "-D", "-"]);
    assert_eq!((got.exit, got.status), (0, 200), "{got:?}");
    assert!(got.body.contains("x-request-id: mine"), "{}", got.body);
    let request = one.request();
    assert_eq!(request.head.first_line, "GET /v1/models?a=b HTTP/1.1");
    assert_eq!(request.header("host"), Some(one.address().to_string().as_str()));
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("authorization"), Some("Bearer k"));
    assert!(request.head.headers.iter().all(|(name, _)| !name.starts_with(':')), "{request:?}");
}

#[test]
fn bodies_arrive_whole_both_ways() {
    let one = Upstream::replying(|request| ok(&request.body));
    let site = site(&one);
    let body: String = (0..400_000).map(|number| char::from(b'a' + (number % 23) as u8)).collect();
    let file = site.edge.directory.write("body", &body);
    let data = format!("@{}", file.display());
    let got = site.curl("/v1/chat/completions", &["--data-binary", &data]);
    assert_eq!((got.exit, got.status), (0, 200));
    assert!(got.body == body, "{} bytes came back", got.body.len());
    // Without a Content-Length: curl reads standard input of unknown size.
    let got = site.curl(
        "/v1/chat/completions",
        &["-X", "POST", "-T", &file.display().to_string(), "-H", "Content-Length:"],
    );
    assert_eq!((got.exit, got.status), (0, 200));
    assert!(got.body == body && one.requests().iter().all(|request| request.whole));
}

#[test]
fn answers_without_body_and_head_requests_end() {
    let one = Upstream::replying(|request| match request.head.method() {
        "HEAD" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 204 None\r\n\r\n".to_vec(),
    });
    let site = site(&one);
    assert_eq!(site.curl("/v1/models", &["--head"]).status, 200);
    let got = site.curl("/v1/models", &[]);
    assert_eq!((got.exit, got.status), (0, 204));
}

#[test]
fn streams_pass() {
    let one = Upstream::replying(|_| {
        [EVENT_STREAM_HEAD.as_bytes(), &event("{}"), &event("[DONE]"), b"0\r\n\r\n"].concat()
    });
    let got = site(&one).curl("/v1/chat/completions", &["-d", "{}"]);
    assert_eq!((got.exit, got.body.as_str()), (0, "data: {}\n\ndata: [DONE]\n\n"));
}

#[test]
fn client_that_leaves_cancels_the_upstream() {
    let endless = endless_stream(std::time::Duration::from_millis(20));
    let site = site(&endless);
    let got = site.curl("/v1/chat/completions", &["-d", "{}", "--max-time", "3"]);
    assert_eq!(got.exit, 28, "curl gave up, as told: {got:?}");
    until("the server is left", || endless.departures() == 1);
}

#[test]
fn errors_have_the_shape_of_the_contract() {
    let site = site(&Upstream::named("gone"));
    until("the server has gone", || {
        let got = site.curl("/v1/models", &[]);
        got.status == 503 && {
            let error: serde_json::Value = serde_json::from_str(&got.body).unwrap();
            error["error"]["code"] == "no_server_available"
        }
    });
}

#[test]
fn many_streams_at_once_are_all_answered() {
    let one = Upstream::named("one");
    let site = site(&one);
    let url = format!("https://{}/v1/models", site.edge.address("web"));
    let output =
        Command::new("h2load").args(["-n", "2000", "-c", "4", "-m", "50", "-t", "1", &url]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{text}");
    assert!(text.contains("2000 2xx"), "{text}");
}
