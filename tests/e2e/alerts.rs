//! Whoever is to be told is told, once, in the format of the receiver; and a receiver that does not listen harms nobody.

mod formats;
mod kinds;
mod receivers;
mod test_command;

use crate::support::edge::Edge;
use crate::support::fickle::Fickle;
use crate::support::http::Ask;
use crate::support::pager::Pager;
use crate::support::upstream::Upstream;

/// Servers that are down as soon as they fail a check, in two tiers, and another backend beside them.
const BACKENDS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    check: {http: {path: /}, interval: 100ms, fast_interval: 50ms, timeout: 5s, fall: 1, rise: 1}
    servers: {one: {url: <one>}, two: {url: <two>, tier: 2}}
  other:
    check: {http: {path: /}, interval: 100ms, fast_interval: 50ms, timeout: 5s, fall: 1, rise: 1}
    servers: {three: {url: <three>}}";

struct Scene {
    edge: Edge,
    one: Fickle,
    two: Fickle,
    three: Fickle,
    pager: Pager,
}

impl Scene {
    /// `alerts`: the list, in which `<hook>` is where the pager listens.
    #[track_caller]
    fn new(alerts: &str) -> Scene {
        Scene::with(Pager::new(), alerts)
    }

    #[track_caller]
    fn with(pager: Pager, alerts: &str) -> Scene {
        let (one, two, three) = (Fickle::new("one"), Fickle::new("two"), Fickle::new("three"));
        let sections = format!("alerts:\n{alerts}{BACKENDS}");
        let values =
            [("one", one.url()), ("two", two.url()), ("three", three.url()), ("hook", pager.upstream.url())];
        let values = values.each_ref().map(|(name, url)| (*name, url.as_str()));
        let edge = Edge::start(&sections, &values);
        Scene { edge, one, two, three, pager }
    }

    #[track_caller]
    fn goes_down(&self, server: &Fickle, name: &str) {
        server.fails(503);
        self.edge.becomes(name, "down");
    }

    #[track_caller]
    fn comes_up(&self, server: &Fickle, name: &str) {
        server.recovers();
        self.edge.becomes(name, "up");
    }

    #[track_caller]
    fn serves(&self) {
        assert_eq!(self.edge.ask(&Ask::get("/")).status(), 200);
    }

    /// Of the counters of alerts.
    fn count(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.edge.metrics().sum(&format!("tidegate_alerts_{name}_total"), labels)
    }
}

/// An alert to `/json` about everything that has these keys besides.
fn json(rest: &str) -> String {
    format!("  - {{webhook: <hook>/json, format: json{rest}}}\n")
}

/// A receiver that is never asked anything.
fn untouched(upstream: &Upstream) -> bool {
    upstream.connections() == 0
}
