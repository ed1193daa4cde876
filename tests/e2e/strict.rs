//! As strict as the best: tables of raw bytes, the exact status or reset that comes out, and what a recording origin
//! saw. Every table runs against one edge, and tells all its failing cases together.

mod answers;
mod beside;
mod chunks;
mod floods;
mod frames_http2;
mod requests_http1;
mod requests_http2;
mod served_http1;
mod slow;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::h2_raw::Client;
use crate::support::http::{Connection, Message};
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::now;

/// How long a case waits for what must come; only a failing one waits in full.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a case came to: nothing to say, or what is wrong.
type Verdict = Result<(), String>;

/// An edge with a plain and a TLS listener before one server.
struct Site {
    edge: Edge,
    authority: Authority,
}

impl Site {
    /// One frontend on both ports, with these `defaults`, and one server that is asked once.
    fn new(defaults: &str, server: &Upstream) -> Site {
        let directory = Scratch::new();
        let authority = Authority::new("a");
        let pem = authority.issue(&["one.test"]).write(&directory, "one.pem");
        let edge = Edge::start_with(
            &Settings::default(),
            directory,
            "
defaults: {<defaults>}
frontends:
  web:
    bind:
      - address: 127.0.0.1:0
      - {address: 127.0.0.1:0, tls: {certificates: [<pem>]}}
    default_backend: ai
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <server>}}}",
            &[("defaults", defaults), ("pem", &pem.display().to_string()), ("server", &server.url())],
        );
        Site { edge, authority }
    }

    /// A plain connection.
    fn open(&self) -> Connection {
        Connection::open(self.edge.addresses("web")[0])
    }

    /// An HTTP/2 connection over TLS, its preface sent.
    fn open_h2(&self) -> Client {
        Client::open(self.edge.addresses("web")[1], &self.authority)
    }

    /// What is counted as refused so far, by reason.
    fn denied(&self) -> Vec<(String, f64)> {
        let metrics = self.edge.metrics();
        let counted = metrics.matching("tidegate_denied_total", &[]).filter(|sample| sample.value > 0.0);
        counted.map(|sample| (sample.labels["reason"].clone(), sample.value)).collect()
    }

    /// At least so many refusals are counted under reasons, and so many logged as what they are.
    fn refusals_are_told(&self, count: usize, lines: usize) -> Verdict {
        let counted = || self.denied().iter().map(|(_, value)| value).sum::<f64>();
        let logged = || self.edge.log().iter().filter(|line| line["termination"] == "PR--").count();
        soon(&format!("{count} refusals are counted"), || counted() >= count as f64)
            .and(soon(&format!("{lines} refusals are logged as PR--"), || logged() >= lines))
            .map_err(|what| format!("{what}: {:?}, {} lines", self.denied(), logged()))
    }
}

/// Judges the cases of one table.
struct Table {
    name: &'static str,
    judged: usize,
    failed: Vec<String>,
}

impl Table {
    fn new(name: &'static str) -> Table {
        Table { name, judged: 0, failed: Vec::new() }
    }

    /// One case; a panic in it is its verdict.
    fn case(&mut self, name: &str, sent: &[u8], judge: impl FnOnce() -> Verdict) {
        self.judged += 1;
        let verdict = catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|panic| Err(words_of(&*panic)));
        if let Err(what) = verdict {
            self.failed.push(format!("* {name}\n    in:  {}\n    out: {what}", shown(sent)));
        }
    }

    /// A case about all the others together, which says nothing new once one of them failed.
    fn case_if_all_is_well(&mut self, name: &str, judge: impl FnOnce() -> Verdict) {
        if self.failed.is_empty() {
            self.case(name, b"", judge);
        }
    }

    /// Panics with every case that failed.
    #[track_caller]
    fn conclude(self) {
        let Table { name, judged, failed } = self;
        assert!(
            failed.is_empty(),
            "{name}: {} of {judged} cases failed\n{}",
            failed.len(),
            failed.join("\n")
        );
    }
}

/// Bytes written as text: each character is one byte, so that `\u{ff}` is 0xff.
fn raw(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

/// Bytes for people: escaped, the middle of long ones left out.
fn shown(bytes: &[u8]) -> String {
    if bytes.len() <= 300 {
        return bytes.escape_ascii().to_string();
    }
    let (start, end) = (&bytes[..200], &bytes[bytes.len() - 50..]);
    format!("{} ...({} bytes)... {}", start.escape_ascii(), bytes.len(), end.escape_ascii())
}

/// Requests for people: their first lines, fields and what of their bodies there is.
fn shown_requests(requests: &[Message]) -> String {
    let one = |request: &Message| {
        let Message { head, body, whole } = request;
        format!("{:?} {:?} body {:?} whole {whole}", head.first_line, head.headers, shown(body))
    };
    requests.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// `Ok` once it holds.
fn soon(what: &str, holds: impl Fn() -> bool) -> Verdict {
    let end = now() + PATIENCE;
    while !holds() {
        if now() > end {
            return Err(format!("not within {PATIENCE:?}: {what}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// `Ok` if these are equal.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("{what}: {got:?} instead of {expected:?}")) }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let words = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    words.unwrap_or_else(|| "a panic".to_owned())
}
