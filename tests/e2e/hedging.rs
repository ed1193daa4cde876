//! Hedging: where it is on, a second server is asked when the first content of a stream is late, as lateness was learned.
//! One of the two answers, the other is let go, and the client sees one clean stream.

mod bounds;
mod race;

use std::sync::{Arc, Mutex};

use crate::support::edge::Edge;
use crate::support::http::{Ask, Message};
use crate::support::sse::{Gate, ROLE, begun, completion, content, whole};
use crate::support::upstream::{Peer, Upstream};
use crate::support::wait::until;

/// So many times must be known before anything is late.
const ENOUGH: usize = 20;

type Part = Arc<dyn Fn(&mut Peer) -> bool + Send + Sync>;

/// A server that plays the part it is given, request after request.
struct Actor {
    name: &'static str,
    upstream: Upstream,
    part: Arc<Mutex<Part>>,
}

impl Actor {
    /// It answers at once with a completion that says its name.
    fn new(name: &'static str) -> Actor {
        let part = Arc::new(Mutex::new(at_once(name)));
        let played = part.clone();
        let upstream = Upstream::start(move |peer| {
            while peer.request().is_some_and(|request| request.whole) {
                let part = played.lock().unwrap().clone();
                if !part(peer) {
                    return;
                }
            }
        });
        Actor { name, upstream, part }
    }

    /// From the next request on. The part is false when the connection is to be closed.
    fn plays(&self, part: impl Fn(&mut Peer) -> bool + Send + Sync + 'static) {
        *self.part.lock().unwrap() = Arc::new(part);
    }

    fn answers(&self) {
        *self.part.lock().unwrap() = at_once(self.name);
    }

    /// Says its role and nothing more until the gate is open, then `then`.
    fn stalls(&self, then: impl Fn(&mut Peer) -> bool + Send + Sync + 'static) -> Gate {
        let gate = Gate::default();
        let opened = gate.clone();
        self.plays(move |peer| peer.send(begun(ROLE)) && opened.passed_by(peer) && then(peer));
        gate
    }

    /// Stalls, then goes on with its completion.
    fn is_late(&self) -> Gate {
        let rest = whole(&(content(self.name) + crate::support::sse::END));
        let rest = rest[begun("").len()..].to_vec();
        self.stalls(move |peer| peer.send(&rest))
    }

    fn count(&self) -> usize {
        self.upstream.count()
    }

    fn was_left(&self, times: usize) {
        until(&format!("{} is left {times} times", self.name), || self.upstream.departures() == times);
    }
}

fn at_once(name: &str) -> Part {
    let bytes = whole(&completion(name));
    Arc::new(move |peer| peer.send(&bytes))
}

/// Servers in the order of their tiers, behind a backend with these lines.
fn edge(lines: &str, actors: &[&Actor]) -> Edge {
    Edge::start(SECTIONS, &values(lines, &servers(actors)))
}

const SECTIONS: &str = "
defaults: {timeouts: {first_content: 19s}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    breaker: off
    eject: off
    cooldown: off
    retry: {attempts: 3, when: [connect_failure, empty_response, timeout, 429, 500, 503], backoff: 1ms..5ms}
    <lines>
    servers:
<servers>";

fn values<'a>(lines: &'a str, servers: &'a str) -> [(&'static str, &'a str); 2] {
    [("lines", lines), ("servers", servers)]
}

fn servers(actors: &[&Actor]) -> String {
    let line = |(index, actor): (usize, &&Actor)| {
        format!("      {}: {{url: {}, tier: {}}}\n", actor.name, actor.upstream.url(), index + 1)
    };
    actors.iter().enumerate().map(line).collect()
}

const ON: &str = "hedge: {quantile: 95%, at_least: 20ms, budget: 50%}";

/// Two servers behind a backend that has learned when their streams begin.
fn learned() -> (Actor, Actor, Edge) {
    let (first, second) = (Actor::new("first"), Actor::new("second"));
    let edge = edge(ON, &[&first, &second]);
    learn(&edge, ENOUGH);
    assert_eq!((first.count(), second.count()), (ENOUGH, 0));
    (first, second, edge)
}

fn learn(edge: &Edge, times: usize) {
    let mut client = edge.open();
    for _ in 0..times {
        assert_eq!(client.ask(&Ask::chat(true)).text(), completion("first"));
    }
}

/// Asked, won, refused.
fn hedges(edge: &Edge) -> [f64; 3] {
    let metrics = edge.metrics();
    ["tidegate_hedges_total", "tidegate_hedges_won_total", "tidegate_hedges_refused_total"]
        .map(|name| metrics.sum(name, &[("backend", "ai")]))
}

/// The whole stream of the server with that name, after so many attempts.
#[track_caller]
fn is_stream_of(answer: &Message, name: &str, attempts: &str) {
    assert_eq!((answer.status(), answer.text()), (200, completion(name)));
    assert!(answer.whole);
    assert_eq!(answer.header("x-tidegate-attempts"), Some(attempts));
}
