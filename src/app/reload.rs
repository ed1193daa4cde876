//! Puts a changed file in force while the process serves: it is read, checked and compiled, then the snapshot is
//! replaced in one step, or nothing changes at all. Requests in flight go on with the snapshot that they began with, and
//! connections stay open: only their next request sees the new one.

mod canary;
mod fixed;
mod report;
mod rollback;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use canary::Attempt;
use fixed::Fixed;
use log::{info, warn};
use parking_lot::Mutex;
use report::report;
use tokio::task::AbortHandle;

use crate::app::ledger::Keeper;
use crate::app::{access_log, descriptors};
use crate::base::clock::{self, Tick};
use crate::config;
use crate::config::checked::Checked;
use crate::config::diagnostic::Diagnostics;
use crate::config::difference::difference;
use crate::history::{Applied, History};
use crate::log_writer::Prepared;
use crate::notify::Notifier;
use crate::proxy::Shared;
use crate::runtime::compile::compile;
use crate::runtime::events;
use crate::runtime::orders::Answer;
use crate::runtime::snapshot::Snapshot;
use crate::{probe, resolve};

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

    fn end(&self) {
        if let Some(before) = self.0.lock().take() {
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
    notifier: Notifier,
    in_force: Mutex<InForce>,
    /// Counts the changes.
    generation: Arc<AtomicU64>,
    canary: Attempt,
}

/// The text that is in force.
#[derive(Default)]
struct InForce {
    text: String,
    /// In the history; `None`: it could not be kept.
    number: Option<u64>,
    /// What was in force before it.
    before: String,
}

impl Reloader {
    /// Begins with the configuration of the start, which is in force already.
    pub async fn start(checked: &Checked, shared: &Arc<Shared>, notifier: &Notifier) -> Reloader {
        let reloader = Reloader {
            fixed: Fixed::of(checked),
            shared: shared.clone(),
            probes: Probes::default(),
            keeper: Keeper::new(checked),
            notifier: notifier.clone(),
            in_force: Mutex::default(),
            generation: Arc::default(),
            canary: Attempt::default(),
        };
        reloader.follow(checked);
        // Where it fails it is told there.
        let _ = reloader.keep(checked, "start").await;
        reloader
    }

    /// Reads the file again and puts it in force. Whatever comes of it stands in the log too.
    pub async fn reload(&self, who: &str) -> Answer {
        let file = &self.fixed.file;
        info!("reload: reading {} (ordered by {who})", file.display());
        self.put(config::load(file), who).await
    }

    async fn put(&self, loaded: Result<Checked, Diagnostics>, who: &str) -> Answer {
        match self.ready(loaded).await {
            Ok(ready) => self.put_ready(ready, who).await,
            Err(refused) => refused,
        }
    }

    /// What was loaded, ready to be put in force; or why not, which is told.
    async fn ready(&self, loaded: Result<Checked, Diagnostics>) -> Result<Ready, Answer> {
        let (file, state) = (&self.fixed.file, &self.shared.state);
        let checked = match loaded {
            Ok(checked) => checked,
            Err(mistakes) => {
                let mistakes = mistakes.to_string();
                events::reload_refused(state, file, &mistakes);
                return Err(Answer::refused(format!(
                    "refused, nothing has changed:\n{}",
                    mistakes.trim_end()
                )));
            }
        };
        if checked.warnings.warnings() > 0 {
            warn!("reload:\n{}", checked.warnings);
        }
        prepare(checked, &self.fixed, &self.shared).await.map_err(|why| {
            events::reload_refused(state, file, &why);
            Answer::refused(format!("refused, nothing has changed: {why}"))
        })
    }

    async fn put_ready(&self, ready: Ready, who: &str) -> Answer {
        let Ready { checked, snapshot, log, waiting } = ready;
        switch(snapshot, log, &self.shared);
        self.canary.end();
        self.follow(&checked);
        events::reload_applied(&self.shared.state, &self.fixed.file);
        self.generation.fetch_add(1, Ordering::Relaxed);
        let difference = difference(&self.in_force.lock().text, &checked.source_text);
        let kept = self.keep(&checked, who).await;
        report(&checked, &difference, waiting, kept)
    }

    /// Of the change that came last, for those who want to know whether another one came.
    pub fn generation(&self) -> Arc<AtomicU64> {
        self.generation.clone()
    }

    /// What goes on beside the requests goes by the configuration in force.
    fn follow(&self, checked: &Checked) {
        self.probes.follow(self.shared.store.load(), &self.shared);
        self.keeper.follow(checked, &self.shared);
        self.notifier.follow(checked);
    }

    /// This text is in force: the history keeps it.
    async fn keep(&self, checked: &Checked, who: &str) -> Result<u64, String> {
        let (text, file, who) = (checked.source_text.clone(), checked.file.clone(), who.to_owned());
        let dir = self.fixed.state_dir.clone();
        // It waits for the disk, and this thread has checks to make.
        let kept = tokio::task::spawn_blocking(move || {
            let applied = Applied { text: &text, file: &file, at: clock::unix_time(), who: &who };
            History::open(&dir).keep(applied).map_err(|error| error.to_string())
        });
        let kept = kept.await.unwrap_or_else(|error| Err(error.to_string()));
        if let Err(why) = &kept {
            warn!("the configuration in force is not kept in the history, so no rollback leads to it: {why}");
        }
        let mut in_force = self.in_force.lock();
        let before = std::mem::take(&mut in_force.text);
        let number = kept.as_ref().ok().copied();
        *in_force = InForce { text: checked.source_text.clone(), number, before };
        kept
    }
}

/// A configuration that is good and ready, and not in force yet.
struct Ready {
    checked: Checked,
    snapshot: Arc<Snapshot>,
    log: Prepared,
    /// Settings that wait for a restart.
    waiting: Vec<&'static str>,
}

/// Makes everything that can fail. Nothing changes by it.
async fn prepare(checked: Checked, fixed: &Fixed, shared: &Shared) -> Result<Ready, String> {
    let places = fixed.places(&checked)?;
    let log = access_log::prepare(&checked, &shared.log)?;
    let before = shared.store.load();
    let mut snapshot = compile(&checked, &shared.state).map_err(|error| error.to_string())?;
    let mut binds: Vec<_> = snapshot.binds.into_iter().map(Some).collect();
    snapshot.binds = places.into_iter().filter_map(|place| binds.get_mut(place)?.take()).collect();
    let waiting = fixed.differences(&checked);
    if !waiting.is_empty() {
        warn!("reload: a restart is needed for what has changed in {}", waiting.join(", "));
    }
    let affordable = shared.state.affordable_connections.load(Ordering::Relaxed);
    descriptors::warn_if_short(snapshot.max_connections, affordable);
    let snapshot = Arc::new(snapshot);
    resolve::first(&snapshot).await;
    probe::first_round_of_new(&before, &snapshot, &shared.state).await;
    Ok(Ready { checked, snapshot, log, waiting })
}

/// In one breath: until here the servers were what the old configuration says of them.
fn switch(snapshot: Arc<Snapshot>, log: Prepared, shared: &Shared) {
    resolve::mark(&shared.state, &snapshot);
    forget_strangers(&shared.store.load(), &snapshot, shared.state.clock.now());
    shared.state.keep_tables(&snapshot);
    shared.log.switch(log);
    shared.store.replace(snapshot);
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
