//! The commit point of event streams: until the first content another server can be asked, and the client sees one clean
//! stream; from the first content on nothing is asked again.

mod after;
mod bytes;
mod failover;
mod held;
mod lost;

use std::path::PathBuf;
use std::thread::scope;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::http::{Ask, Message};
use crate::support::http2::Http2;
use crate::support::scratch::Scratch;
use crate::support::sse::well;
use crate::support::upstream::Upstream;

/// What differs from one test to another.
#[derive(Clone, Copy)]
struct Site {
    retry: &'static str,
    timeouts: &'static str,
}

const SITE: Site = Site {
    retry: "{attempts: 3, when: [connect_failure, empty_response, timeout, 429, 500, 502, 503, 504, 529], backoff: 1ms..5ms}",
    timeouts: "{first_content: 20s}",
};

/// The same where content must come within a second.
const IMPATIENT: Site = Site { timeouts: "{first_content: 1s}", ..SITE };

const SECTIONS: &str = "
defaults: {timeouts: <timeouts>}
frontends:
  web: {bind: [{address: 127.0.0.1:0<tls>}], default_backend: ai}
backends:
  ai:
    breaker: off
    eject: off
    cooldown: off
    retry: <retry>
    servers:
<servers>";

impl Site {
    /// Servers in the order of their tiers: a later one is reached only by a retry.
    fn before(self, servers: &[&Upstream]) -> Edge {
        Edge::start(SECTIONS, &self.values("", &lines(servers)))
    }

    /// The same over TLS, for clients that speak HTTP/2.
    fn secured(self, servers: &[&Upstream]) -> (Edge, Authority) {
        let directory = Scratch::new();
        let authority = Authority::new("commit point");
        let pem: PathBuf = authority.issue(&["one.test"]).write(&directory, "one.pem");
        let tls = format!(", tls: {{certificates: [{}]}}", pem.display());
        let edge =
            Edge::start_with(&Settings::default(), directory, SECTIONS, &self.values(&tls, &lines(servers)));
        (edge, authority)
    }

    fn values<'a>(self, tls: &'a str, servers: &'a str) -> [(&'static str, &'a str); 4] {
        [("timeouts", self.timeouts), ("tls", tls), ("retry", self.retry), ("servers", servers)]
    }
}

fn lines(servers: &[&Upstream]) -> String {
    let line = |(index, server): (usize, &&Upstream)| {
        format!("      s{index}: {{url: {}, tier: {}}}\n", server.url(), index + 1)
    };
    servers.iter().enumerate().map(line).collect()
}

fn http2(edge: &Edge, authority: &Authority) -> Http2 {
    Http2::connect(edge.address("web"), authority, "one.test")
}

/// Each of the servers fails before content: the client sees the other one's stream, and nothing of the failed one.
#[track_caller]
fn is_saved(what: &str, site: Site, bad: &Upstream, ask: &Ask) {
    let stream = super::support::sse::completion("saved");
    let good = well("saved");
    let edge = site.before(&[bad, &good]);
    let answer = edge.ask(ask);
    assert_eq!((answer.status(), answer.text()), (200, stream), "{what}");
    assert!(answer.whole, "{what}");
    assert_eq!(answer.header("x-tidegate-attempts"), Some("2"), "{what}");
    assert_eq!((bad.count(), good.count()), (1, 1), "{what}");
}

/// The answer is what the only server sent, asked once, although another one stands by.
#[track_caller]
fn is_passed_on(what: &str, first: &Upstream, ask: &Ask, events: &str) -> Message {
    let spare = well("spare");
    let edge = SITE.before(&[first, &spare]);
    let answer = edge.ask(ask);
    assert_eq!(answer.status(), 200, "{what}");
    // Not assert_eq: some of them are long.
    assert!(answer.text() == events && answer.whole, "{what}: {:.2000}", answer.text());
    assert_eq!(answer.header("x-tidegate-attempts"), Some("1"), "{what}");
    assert_eq!((first.count(), spare.count()), (1, 0), "{what}");
    answer
}

/// All at once: most of them wait for a timeout.
fn each<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    scope(|threads| {
        let running: Vec<_> = cases.iter().map(|case| threads.spawn(|| run(case))).collect();
        for case in running {
            case.join().unwrap();
        }
    });
}
