//! Active checks: every server of a backend with a `check`, each on its own schedule, so that one that hangs delays
//! nobody. Results go to [`crate::pool::server::Server::report`], which decides.

mod http;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use log::{info, warn};

use crate::pool::health::{CheckResult, State as ServerState, Thresholds, Transition};
use crate::runtime::snapshot::{Backend, Snapshot};
use crate::runtime::state::State;

/// One server and how it is checked.
struct Probe {
    snapshot: Arc<Snapshot>,
    state: Arc<State>,
    backend: usize,
    server: usize,
}

fn probes(snapshot: &Arc<Snapshot>, state: &Arc<State>) -> Vec<Probe> {
    let checked = snapshot.backends.iter().enumerate().filter(|(_, backend)| backend.check.is_some());
    checked
        .flat_map(|(backend, of)| (0..of.servers.len()).map(move |server| (backend, server)))
        .map(|(backend, server)| Probe { snapshot: snapshot.clone(), state: state.clone(), backend, server })
        .collect()
}

/// Checks every server once, all at the same time; takes no longer than the longest `check.timeout`.
pub async fn first_round(snapshot: &Arc<Snapshot>, state: &Arc<State>) {
    join_all(probes(snapshot, state).iter().map(Probe::once)).await;
}

/// Checks every server once that has never been checked, so that a reload sends nothing to a dead one. One that served
/// already, in a backend without checks, counts as up.
pub async fn first_round_of_new(before: &Snapshot, now: &Arc<Snapshot>, state: &Arc<State>) {
    let served = |backend: &str, server: &str| {
        let of = |found: &&Backend| *found.name == *backend && found.check.is_none();
        let servers = before.backends.iter().find(of).map_or(&[][..], |found| &found.servers);
        servers.iter().any(|found| *found.target.name == *server)
    };
    let mut new = Vec::new();
    for probe in probes(now, state) {
        let backend = probe.backend();
        let server = &backend.pool.members()[probe.server].server;
        match &backend.check {
            Some(check) if server.state() == ServerState::Unknown && served(&backend.name, server.name()) => {
                server.assume_up(Thresholds { rise: check.rise, fall: check.fall });
            }
            Some(_) if server.state() == ServerState::Unknown => new.push(probe),
            _ => {}
        }
    }
    join_all(new.iter().map(Probe::once)).await;
}

/// Goes on checking until dropped.
pub async fn run(snapshot: Arc<Snapshot>, state: Arc<State>) {
    join_all(probes(&snapshot, &state).into_iter().map(Probe::run)).await;
}

impl Probe {
    fn backend(&self) -> &Backend {
        &self.snapshot.backends[self.backend]
    }

    async fn run(self) {
        loop {
            tokio::time::sleep(self.pause()).await;
            self.once().await;
        }
    }

    /// The interval with up to a tenth of jitter, so that checks of many servers, and of many tidegates, spread out.
    fn pause(&self) -> Duration {
        let Some(check) = &self.backend().check else { return Duration::MAX };
        let member = &self.backend().pool.members()[self.server];
        let interval = member.server.next_interval(check.interval, check.fast_interval);
        let jitter = crate::base::clock::unix_time().subsec_nanos() % 200;
        interval * (900 + jitter) / 1000
    }

    async fn once(&self) {
        let backend = self.backend();
        let Some(check) = &backend.check else { return };
        let result = http::check(check, &backend.servers[self.server]).await;
        let now = self.state.clock.now();
        let stats = &backend.servers[self.server].stats;
        stats.checks.one();
        let server = &backend.pool.members()[self.server].server;
        let thresholds = Thresholds { rise: check.rise, fall: check.fall };
        if !result.passed() && server.state() == ServerState::Up {
            stats.check_failures.one();
        }
        let told = result.clone();
        let transition = server.report(result, thresholds, now);
        stats.traffic.availability.note(server.state() == ServerState::Up, now);
        backend.stats.traffic.availability.note(backend.pool.usable_count() > 0, now);
        if let Some(transition) = transition {
            self.tell(transition, &told);
        }
    }

    fn tell(&self, transition: Transition, result: &CheckResult) {
        let backend = self.backend();
        let server = &backend.servers[self.server].target.name;
        let (usable, all) = (backend.pool.usable_count(), backend.servers.len());
        let tier = backend.pool.active_tier().map_or("none".to_owned(), |tier| tier.to_string());
        let rest = format!("{usable} of {all} servers usable, active tier {tier}");
        match transition {
            Transition::Up => info!("server {}/{server} is UP: {}; {rest}", backend.name, result.reason),
            Transition::Down => warn!("server {}/{server} is DOWN: {}; {rest}", backend.name, result.reason),
        }
    }
}
