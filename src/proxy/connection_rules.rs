//! The rules of a frontend's connections: run when one comes, before TLS, when nothing is known of it but where it comes
//! from. HAProxy's `tcp-request connection`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderName;

use crate::acl::Facts;
use crate::base::clock::Tick;
use crate::listen::connection::Entry;
use crate::runtime::snapshot::{Bind, ConnectionAction, Snapshot};
use crate::stick::{Key, Tracked};

pub fn run(snapshot: &Snapshot, bind: &Bind, peer: SocketAddr, now: Tick) -> Entry {
    let frontend = &snapshot.frontends[bind.frontend];
    let src = peer.ip().to_canonical();
    let mut arrival = Arrival { src, tls: bind.tls.is_some(), tracked: Vec::new(), now };
    for rule in &frontend.connection_rules {
        let holds = rule
            .condition
            .as_ref()
            .is_none_or(|condition| condition.evaluate(&snapshot.acls, &arrival).matched);
        if !holds {
            continue;
        }
        let refused = match rule.action {
            ConnectionAction::Track(table) => {
                arrival.track(snapshot, table);
                continue;
            }
            ConnectionAction::Raise { table, which } => {
                arrival.tracked(table).inspect(|tracked| tracked.raise_gpc(which, now));
                continue;
            }
            ConnectionAction::SetGpt0 { table, value } => {
                arrival.tracked(table).inspect(|tracked| tracked.set_gpt0(value, now));
                continue;
            }
            ConnectionAction::Accept => break,
            ConnectionAction::Reject => Entry::Rejected,
            ConnectionAction::SilentDrop => Entry::Forgotten,
        };
        frontend.stats.refused_connections.one();
        frontend.stats.denied.count("connection_rule");
        return refused;
    }
    Entry::Open(arrival.tracked.into_iter().map(|(_, tracked)| Arc::new(tracked)).collect())
}

/// A connection of which nothing was read yet, as conditions see it.
struct Arrival {
    src: IpAddr,
    tls: bool,
    /// By the index of the table.
    tracked: Vec<(usize, Tracked)>,
    now: Tick,
}

impl Arrival {
    /// A second `track` of one table changes nothing, as in HAProxy.
    fn track(&mut self, snapshot: &Snapshot, index: usize) {
        if self.tracked(index).is_some() {
            return;
        }
        if let Some(tracked) = snapshot.tables[index].table.track(Key::address(self.src), self.now) {
            self.tracked.push((index, tracked));
        }
    }

    fn tracked(&self, table: usize) -> Option<&Tracked> {
        self.tracked.iter().find(|(index, _)| *index == table).map(|(_, tracked)| tracked)
    }
}

/// There is no request yet; the checks of the file see to it that none is asked for.
impl Facts for Arrival {
    fn method(&self) -> &str {
        ""
    }

    fn normalised_path(&self) -> &str {
        ""
    }

    fn query(&self) -> Option<&str> {
        None
    }

    fn host(&self) -> &str {
        ""
    }

    fn any_header(&self, _name: &HeaderName, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn src(&self) -> IpAddr {
        self.src
    }

    fn client(&self) -> Option<&str> {
        None
    }

    fn plan(&self) -> Option<&str> {
        None
    }

    fn model(&self) -> Option<&str> {
        None
    }

    fn task(&self) -> Option<&str> {
        None
    }

    fn tls(&self) -> bool {
        self.tls
    }

    fn client_cn(&self) -> Option<&str> {
        None
    }

    fn client_dn(&self) -> Option<&str> {
        None
    }

    fn status(&self) -> Option<u16> {
        None
    }

    fn counter(&self, table: usize, counter: usize) -> Option<u64> {
        Some(self.tracked(table)?.read(counter, self.now))
    }
}
