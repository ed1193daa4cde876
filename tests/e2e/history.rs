//! What is in force can be changed, seen, compared and taken back: by every door the same, with an answer that says what
//! came of it, and never a secret.

mod answers;
mod kept;
mod nothing_secret;
mod refused;
mod rollback;
mod storm;

use crate::support::edge::Edge;
use crate::support::upstream::Upstream;

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}";

/// A site whose file can name either of two servers.
struct House {
    edge: Edge,
    one: Upstream,
    two: Upstream,
}

impl House {
    #[track_caller]
    fn new() -> House {
        let (one, two) = (Upstream::named("one"), Upstream::named("two"));
        House { edge: Edge::start(SECTIONS, &[("one", &one.url())]), one, two }
    }

    /// The text of the file with the second server in the place of the first.
    #[track_caller]
    fn other(&self) -> String {
        self.edge.text().replace(&self.one.url(), &self.two.url())
    }

    /// Number 1 of the history names the first server, number 2 the second, which is in force.
    #[track_caller]
    fn changed() -> House {
        let house = House::new();
        house.edge.writes(house.other());
        house.edge.obeys("reload");
        house.serves("two");
        house
    }

    #[track_caller]
    fn serves(&self, server: &str) {
        assert_eq!(self.edge.servers(1), [server]);
    }
}
