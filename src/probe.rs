//! Active checks: every server of a backend with a `check`, each on its own schedule, so that one that hangs delays
//! nobody. Results go to [`crate::pool::server::Server::report`], which decides.

mod exchange;
mod expect;
mod request;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use self::exchange::Check;
use self::schedule::Schedule;
use crate::config::checked;
use crate::pool::health::{CheckResult, State as ServerState, Thresholds};
use crate::pool::server::{Admin, Server};
use crate::runtime::events;
use crate::runtime::snapshot::{self, Backend, Snapshot};
use crate::runtime::state::State;

/// How soon a server that is in maintenance no longer is checked again.
const MAINTENANCE: Duration = Duration::from_millis(200);

/// One server and how it is checked.
struct Probe {
    snapshot: Arc<Snapshot>,
    state: Arc<State>,
    backend: usize,
    server: usize,
    settings: Arc<checked::Check>,
    /// The same for all servers of the backend.
    check: Arc<Check>,
    schedule: Schedule,
}

fn probes(snapshot: &Arc<Snapshot>, state: &Arc<State>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (backend, of) in snapshot.backends.iter().enumerate() {
        let Some(settings) = &of.check else { continue };
        let check = Arc::new(Check::new(settings));
        probes.extend((0..of.servers.len()).map(|server| Probe {
            snapshot: snapshot.clone(),
            state: state.clone(),
            backend,
            server,
            settings: settings.clone(),
            check: check.clone(),
            schedule: Schedule::default(),
        }));
    }
    probes
}

/// Checks every server once, all at the same time; takes no longer than the longest `check.timeout`.
pub async fn first_round(snapshot: &Arc<Snapshot>, state: &Arc<State>) {
    join_all(probes(snapshot, state).iter().map(Probe::once)).await;
}

/// What a reload finds of a server in the snapshot before it.
enum Before {
    /// It is checked there, at the same address: what is known of it stays known.
    Checked,
    /// It serves there without checks.
    Served,
    /// There is nothing, or it has another address: whatever is known under its name says nothing about it.
    Unknown,
}

/// Checks every server that is new with `now`, so that a reload sends nothing to a dead one; the first result decides.
/// One that served without checks counts as up until they say otherwise. What comes of it is told to the servers at the
/// end, in one step: the caller puts `now` in force without waiting for anything, so that no check of the snapshot before
/// has a say any more.
pub async fn first_round_of_new(before: &Snapshot, now: &Arc<Snapshot>, state: &Arc<State>) {
    let known: Vec<(Probe, Before)> = probes(now, state)
        .into_iter()
        .map(|probe| {
            let found = probe.find_in(before);
            (probe, found)
        })
        .collect();
    let new = known.iter().filter(|(_, before)| matches!(before, Before::Unknown));
    let results = join_all(new.map(|(probe, _)| async move { (probe, probe.look().await) })).await;
    for (probe, _) in known.iter().filter(|(_, before)| matches!(before, Before::Served)) {
        probe.server().assume_up();
    }
    for (probe, result) in results {
        if let Some(result) = result {
            probe.server().forget_checks();
            probe.take(result);
        }
    }
}

/// Goes on checking until dropped.
pub async fn run(snapshot: Arc<Snapshot>, state: Arc<State>) {
    join_all(probes(&snapshot, &state).into_iter().map(Probe::run)).await;
}

impl Probe {
    fn backend(&self) -> &Backend {
        &self.snapshot.backends[self.backend]
    }

    fn server(&self) -> &Server {
        &self.backend().pool.members()[self.server].server
    }

    fn find_in(&self, before: &Snapshot) -> Before {
        let target = &self.backend().servers[self.server].target;
        let Some(backend) = before.backends.iter().find(|backend| backend.name == self.backend().name) else {
            return Before::Unknown;
        };
        let same =
            |server: &&snapshot::Server| server.target.name == target.name && server.target.id == target.id;
        // Another check of the same server starts from what the one before knew.
        match (backend.servers.iter().find(same), &backend.check) {
            (None, _) => Before::Unknown,
            (Some(_), None) => Before::Served,
            (Some(_), Some(_)) => Before::Checked,
        }
    }

    async fn run(self) {
        let now = self.state.clock.now();
        let since = self.server().last_check().map_or(Duration::MAX, |last| now.since(last.at));
        // Reloads, however often they come, do not put the next check off.
        let mut pause = self.pause().saturating_sub(since);
        loop {
            tokio::time::sleep(pause).await;
            self.once().await;
            pause = self.pause();
            while self.server().admin() == Admin::Maint {
                tokio::time::sleep(MAINTENANCE).await;
                pause = Duration::ZERO;
            }
        }
    }

    fn pause(&self) -> Duration {
        self.schedule.pause(&self.settings, self.server())
    }

    async fn once(&self) {
        if let Some(result) = self.look().await {
            self.take(result);
        }
    }

    /// `None` in maintenance: also when it came meanwhile.
    async fn look(&self) -> Option<CheckResult> {
        if self.server().admin() == Admin::Maint {
            return None;
        }
        let result = self.check.make(&self.backend().servers[self.server]).await;
        (self.server().admin() != Admin::Maint).then_some(result)
    }

    fn take(&self, result: CheckResult) {
        let now = self.state.clock.now();
        let stats = &self.backend().servers[self.server].stats;
        let server = self.server();
        stats.checks.one();
        if !result.passed() && server.state() == ServerState::Up {
            stats.check_failures.one();
        }
        let checked::Check { rise, fall, slow_above, .. } = *self.settings;
        let change = server.report(result, Thresholds { rise, fall, slow_above }, now);
        stats.traffic.availability.note(!server.lost() && server.state() == ServerState::Up, now);
        if let Some(change) = change {
            events::server_changed(&self.state, self.backend(), self.server, &change);
        }
    }
}
