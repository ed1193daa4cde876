//! The official SDKs of OpenAI and Anthropic, unmodified, over TLS: the scripts of `tests/sdk`, against tidegate and its
//! mocks.

mod ai;
mod money;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::mock::Mock;
use crate::support::scratch::Scratch;

/// Three providers behind `web`, the third alone behind `lone`, all over TLS.
struct Site {
    edge: Edge,
    mocks: Vec<Mock>,
    authority: PathBuf,
}

const POOL: &str = "
  ai:
    retry: {attempts: 3, when: [connect_failure, empty_response, timeout, 500, 502, 503, 504], backoff: 1ms..20ms}
    check: {http: {method: GET, path: /models}, interval: 500ms, fast_interval: 100ms, timeout: 1s, rise: 2, fall: 2}
    servers:
      alpha: {url: <alpha>/v1, api_key: sk-of-alpha}
      beta: {url: <beta>/v1, api_key: sk-of-beta}
      gamma: {url: <gamma>/v1, api_key: sk-of-gamma}
  lone:
    servers:
      gamma: {url: <gamma>/v1, api_key: sk-of-gamma}";

/// Alpha is asked first, and alone behind `lone`.
const TIERS: &str = "
  ai:
    timeouts: {first_content: 1s}
    breaker: off
    eject: off
    cooldown: off
    servers:
      alpha: {url: <alpha>/v1, api_key: sk-of-alpha, tier: 1}
      beta: {url: <beta>/v1, api_key: sk-of-beta, tier: 2}
  lone:
    timeouts: {first_content: 1s}
    retry: {attempts: 1}
    servers:
      alpha: {url: <alpha>/v1, api_key: sk-of-alpha}";

fn site() -> Site {
    site_with(POOL)
}

fn site_with(backends: &str) -> Site {
    let directory = Scratch::new();
    let signer = Authority::new("sdk authority");
    let authority = signer.write(&directory, "ca.pem");
    let pem = signer.issue(&["localhost", "127.0.0.1"]).write(&directory, "localhost.pem");
    let mocks: Vec<Mock> = ["alpha", "beta", "gamma"].into_iter().map(Mock::start).collect();
    let urls: Vec<String> = mocks.iter().map(Mock::url).collect();
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        "
clients:
  mode: required
  keys:
    - {name: sdk, key: sk-of-the-sdk, plan: wide}
    - {name: trial, key: sk-of-the-trial, plan: narrow}
plans:
  wide: {requests_per_minute: 100000, concurrent: 100}
  narrow: {requests_per_minute: 2, concurrent: 2}
frontends:
  web: {bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}], default_backend: ai}
  lone: {bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}], default_backend: lone}
backends:<backends>",
        &[
            ("backends", backends),
            ("pem", &pem.display().to_string()),
            ("alpha", &urls[0]),
            ("beta", &urls[1]),
            ("gamma", &urls[2]),
        ],
    );
    Site { edge, mocks, authority }
}

/// A script that is running; killed when dropped.
struct Script {
    name: &'static str,
    child: Child,
}

impl Site {
    fn script(&self, name: &'static str) -> Script {
        let url = |frontend| format!("https://localhost:{}/v1", self.edge.address(frontend).port());
        let environment = [
            ("TIDEGATE_URL", url("web")),
            ("TIDEGATE_LONE_URL", url("lone")),
            ("TIDEGATE_MOCK_URL", self.mocks[0].url()),
        ];
        Script::start(name, &environment, &self.authority)
    }
}

impl Script {
    /// `authority`: the file with the certificate to trust.
    fn start(name: &'static str, environment: &[(&str, String)], authority: &Path) -> Script {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(name);
        let child = Command::new(python())
            .arg(path)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("SSL_CERT_FILE", authority)
            .env("NO_PROXY", "*")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Script { name, child }
    }

    /// Waits for the line by which the script asks for something to be done, if it comes before the end.
    fn await_line(&mut self, wanted: &str) {
        let mut reader = BufReader::new(self.child.stdout.as_mut().unwrap());
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 0 {
            if line.trim_end() == wanted {
                return;
            }
            line.clear();
        }
    }

    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    #[track_caller]
    fn succeeds(mut self) {
        let mut errors = String::new();
        std::io::Read::read_to_string(self.child.stderr.as_mut().unwrap(), &mut errors).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{} failed:\n{errors}", self.name);
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter that has the packages `openai` and `anthropic`.
fn python() -> PathBuf {
    if let Some(path) = std::env::var_os("TIDEGATE_TEST_PYTHON") {
        return path.into();
    }
    let built = PathBuf::from(env!("CARGO_BIN_EXE_tidegate"));
    let path = built.parent().and_then(|profile| profile.parent()).unwrap().join("venv/bin/python");
    assert!(
        path.exists(),
        "no Python with the SDKs at {}: `make test` makes it, or set TIDEGATE_TEST_PYTHON",
        path.display()
    );
    path
}

#[test]
fn sdk_does_what_it_does_with_a_provider() {
    site().script("api.py").succeeds();
}

#[test]
fn streams_that_begin_badly_are_not_noticed() {
    site_with(TIERS).script("bad_start.py").succeeds();
}

#[test]
fn sdk_understands_what_is_refused() {
    site().script("refusals.py").succeeds();
}

#[test]
fn death_of_a_provider_is_not_noticed() {
    let mut site = site();
    let mut script = site.script("provider_death.py");
    script.await_line("kill one");
    site.mocks[1].process.kill();
    script.go_on();
    script.succeeds();
}

#[test]
fn stream_of_a_provider_that_dies_does_not_look_complete() {
    let mut site = site();
    site.mocks[2].faults(&json!({"chunks": 1000, "chunk_delay_ms": 20}));
    let mut script = site.script("stream_death.py");
    script.await_line("kill the provider");
    site.mocks[2].process.kill();
    script.go_on();
    script.succeeds();
}
