//! Puts a changed file in force while the process serves: it is read, checked and compiled, then the snapshot is
//! replaced in one step, or nothing changes at all. Requests in flight go on with the snapshot that they began with, and
//! connections stay open: only their next request sees the new one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use log::{info, warn};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::app::ledger::Keeper;
use crate::app::{access_log, descriptors};
use crate::base::clock::Tick;
use crate::config;
use crate::config::checked::{Admin, BindAddress, Checked, Threads};
use crate::proxy::Shared;
use crate::runtime::compile::compile;
use crate::runtime::events;
use crate::runtime::snapshot::Snapshot;
use crate::{probe, resolve};

/// What only a restart can change, as it was at the start.
struct Fixed {
    file: PathBuf,
    /// In the order of [`Snapshot::binds`].
    binds: Vec<BindAddress>,
    threads: Threads,
    state_dir: PathBuf,
    admin: Admin,
    log_level: log::LevelFilter,
}

impl Fixed {
    fn of(checked: &Checked) -> Fixed {
        Fixed {
            file: checked.file.clone(),
            binds: checked.listeners().map(|(_, bind)| bind.address.clone()).collect(),
            threads: checked.global.threads,
            state_dir: checked.global.state_dir.clone(),
            admin: checked.admin.clone(),
            log_level: checked.log.level,
        }
    }

    /// Settings of the new file that wait for a restart.
    fn differences(&self, checked: &Checked) -> Vec<&'static str> {
        let same = [
            ("global.threads", self.threads == checked.global.threads),
            ("global.state_dir", self.state_dir == checked.global.state_dir),
            ("admin.listen", self.admin.listen == checked.admin.listen),
            ("admin.socket", self.admin.socket == checked.admin.socket),
            ("log.level", self.log_level == checked.log.level),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    /// For each bind of the running process its place among those of the new file.
    fn places(&self, checked: &Checked) -> Result<Vec<usize>, String> {
        let mut new: Vec<Option<BindAddress>> =
            checked.listeners().map(|(_, bind)| Some(bind.address.clone())).collect();
        let mut places = Vec::new();
        let mut gone = Vec::new();
        for old in &self.binds {
            match new.iter().position(|new| new.as_ref() == Some(old)) {
                Some(place) => {
                    new[place] = None;
                    places.push(place);
                }
                None => gone.push(old.to_string()),
            }
        }
        let added: Vec<String> = new.into_iter().flatten().map(|address| address.to_string()).collect();
        if gone.is_empty() && added.is_empty() {
            return Ok(places);
        }
        let list = |what: &str, addresses: &[String]| match addresses {
            [] => String::new(),
            some => format!(" {what} {}", some.join(", ")),
        };
        Err(format!(
            "listeners cannot change without a restart:{}{}",
            list("added", &added),
            list("gone", &gone)
        ))
    }
}

/// The checks of the servers, begun anew with each configuration.
#[derive(Default)]
struct Probes(Mutex<Option<AbortHandle>>);

impl Probes {
    /// Checks the servers of this snapshot from now on, and no others.
    fn follow(&self, snapshot: Arc<Snapshot>, shared: &Shared) {
        let task = tokio::runtime::Handle::current().spawn(probe::run(snapshot, shared.state.clone()));
        if let Some(before) = self.0.lock().replace(task.abort_handle()) {
            before.abort();
        }
    }
}

/// Puts files in force, and what goes along with them.
pub struct Reloader {
    fixed: Fixed,
    shared: Arc<Shared>,
    probes: Probes,
    keeper: Keeper,
}

impl Reloader {
    /// Begins with the configuration of the start, which is in force already.
    pub fn start(checked: &Checked, shared: &Arc<Shared>) -> Reloader {
        let reloader = Reloader {
            fixed: Fixed::of(checked),
            shared: shared.clone(),
            probes: Probes::default(),
            keeper: Keeper::new(checked),
        };
        reloader.follow(checked);
        reloader
    }

    /// Reads the file again and puts it in force. Whatever comes of it stands in the log.
    pub async fn run(&self) {
        let (file, state) = (&self.fixed.file, &self.shared.state);
        info!("reload: reading {}", file.display());
        let checked = match config::load(file) {
            Ok(checked) => checked,
            Err(mistakes) => return events::reload_refused(state, file, &mistakes.to_string()),
        };
        if checked.warnings.warnings() > 0 {
            warn!("reload:\n{}", checked.warnings);
        }
        match apply(&checked, &self.fixed, &self.shared).await {
            Ok(()) => {
                self.follow(&checked);
                events::reload_applied(state, file);
            }
            Err(why) => events::reload_refused(state, file, &why),
        }
    }

    /// What goes on beside the requests goes by the configuration in force.
    fn follow(&self, checked: &Checked) {
        self.probes.follow(self.shared.store.load(), &self.shared);
        self.keeper.follow(checked, &self.shared);
    }
}

async fn apply(checked: &Checked, fixed: &Fixed, shared: &Shared) -> Result<(), String> {
    let places = fixed.places(checked)?;
    let log = access_log::prepare(checked, &shared.log)?;
    let before = shared.store.load();
    let mut snapshot = compile(checked, &shared.state).map_err(|error| error.to_string())?;
    let mut binds: Vec<_> = snapshot.binds.into_iter().map(Some).collect();
    snapshot.binds = places.into_iter().filter_map(|place| binds.get_mut(place)?.take()).collect();
    let waiting = fixed.differences(checked);
    if !waiting.is_empty() {
        warn!("reload: a restart is needed for what has changed in {}", waiting.join(", "));
    }
    let affordable = shared.state.affordable_connections.load(Ordering::Relaxed);
    descriptors::warn_if_short(snapshot.max_connections, affordable);
    let snapshot = Arc::new(snapshot);
    resolve::first(&snapshot).await;
    probe::first_round_of_new(&before, &snapshot, &shared.state).await;
    // In one breath: until here the servers were what the old configuration says of them.
    resolve::mark(&shared.state, &snapshot);
    forget_strangers(&before, &snapshot, shared.state.clock.now());
    shared.log.switch(log);
    shared.store.replace(snapshot);
    Ok(())
}

/// What traffic told of a server was told of another address, or of another key: it says nothing about this one.
fn forget_strangers(before: &Snapshot, snapshot: &Snapshot, now: Tick) {
    for backend in &snapshot.backends {
        let Some(was) = before.backends.iter().find(|was| was.name == backend.name) else { continue };
        for (server, member) in backend.servers.iter().zip(backend.pool.members()) {
            let same = was.servers.iter().any(|was| {
                was.target.name == server.target.name
                    && was.target.id == server.target.id
                    && was.authorization == server.authorization
            });
            if !same {
                member.server.forget_traffic(now);
            }
        }
    }
}
