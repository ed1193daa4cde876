//! Puts a changed file in force while the process serves: it is read, checked and compiled, then the snapshot is
//! replaced in one step, or nothing changes at all. Requests in flight go on with the snapshot that they began with, and
//! connections stay open: only their next request sees the new one.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use log::{info, warn};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::app::ledger::Keeper;
use crate::app::{access_log, descriptors};
use crate::base::clock::{self, Tick};
use crate::config;
use crate::config::checked::{Admin, BindAddress, Checked, Threads};
use crate::config::diagnostic::Diagnostics;
use crate::config::difference::{Change, Difference, difference};
use crate::config::source::Process;
use crate::history::{Applied, History};
use crate::notify::Notifier;
use crate::proxy::Shared;
use crate::runtime::compile::compile;
use crate::runtime::events;
use crate::runtime::orders::Answer;
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
    notifier: Notifier,
    /// The text that is in force, and its number in the history, where it could be kept.
    in_force: Mutex<(String, Option<u64>)>,
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
        };
        reloader.follow(checked);
        reloader.keep(checked, "start").await;
        reloader
    }

    /// Reads the file again and puts it in force. Whatever comes of it stands in the log too.
    pub async fn reload(&self, who: &str) -> Answer {
        let file = &self.fixed.file;
        info!("reload: reading {} (ordered by {who})", file.display());
        self.put(config::load(file), who).await
    }

    /// Puts a text of the history in force: `to`, or the one that was in force before. `write`: the file has it then too,
    /// and what it had stands beside it.
    pub async fn rollback(&self, to: Option<u64>, write: bool, who: &str) -> Answer {
        let (number, text) = match self.older(to) {
            Ok(older) => older,
            Err(why) => return Answer::refused(format!("rollback refused, nothing has changed: {why}")),
        };
        info!("rollback: to number {number} (ordered by {who})");
        let file = &self.fixed.file;
        let loaded = config::load_text(file, &text, &Process);
        let mut answer = self.put(loaded, &format!("rollback to {number} by {who}")).await;
        if !answer.done {
            return answer;
        }
        events::rolled_back(
            &self.shared.state,
            &format!("{who} ordered it, to number {number} of the history"),
        );
        let _ = match (write, std::fs::read_to_string(file).is_ok_and(|now| now == text)) {
            (_, true) => Ok(()),
            (false, false) => writeln!(
                answer.message,
                "{} still has another text: the next reload or restart puts that in force. `tidegate rollback {number} \
                 --write` puts this one in its place",
                file.display()
            ),
            (true, false) => match replace(file, &text) {
                Ok(beside) => writeln!(
                    answer.message,
                    "{} has it too; what it had is in {}",
                    file.display(),
                    beside.display()
                ),
                Err(error) => writeln!(answer.message, "{} could not be written: {error}", file.display()),
            },
        };
        answer
    }

    fn older(&self, to: Option<u64>) -> Result<(u64, String), String> {
        let history = History::open(&self.fixed.state_dir);
        let number = match (to, self.in_force.lock().1) {
            (Some(number), _) => number,
            (None, None) => {
                return Err(
                    "the configuration in force could not be kept, so none is known to be before it".into()
                );
            }
            (None, Some(now)) => match history.before(now).map_err(|error| error.to_string())? {
                Some(entry) => entry.number,
                None => return Err(format!("the history has nothing before number {now}")),
            },
        };
        let text = history.text(number).map_err(|error| error.to_string())?;
        Ok((number, text))
    }

    async fn put(&self, loaded: Result<Checked, Diagnostics>, who: &str) -> Answer {
        let (file, state) = (&self.fixed.file, &self.shared.state);
        let checked = match loaded {
            Ok(checked) => checked,
            Err(mistakes) => {
                let mistakes = mistakes.to_string();
                events::reload_refused(state, file, &mistakes);
                return Answer::refused(format!("refused, nothing has changed:\n{}", mistakes.trim_end()));
            }
        };
        if checked.warnings.warnings() > 0 {
            warn!("reload:\n{}", checked.warnings);
        }
        let waiting = match apply(&checked, &self.fixed, &self.shared).await {
            Ok(waiting) => waiting,
            Err(why) => {
                events::reload_refused(state, file, &why);
                return Answer::refused(format!("refused, nothing has changed: {why}"));
            }
        };
        self.follow(&checked);
        events::reload_applied(state, file);
        let before = std::mem::take(&mut self.in_force.lock().0);
        let difference = difference(&before, &checked.source_text);
        let number = self.keep(&checked, who).await;
        report(&checked, &difference, waiting, number)
    }

    /// What goes on beside the requests goes by the configuration in force.
    fn follow(&self, checked: &Checked) {
        self.probes.follow(self.shared.store.load(), &self.shared);
        self.keeper.follow(checked, &self.shared);
        self.notifier.follow(checked);
    }

    /// This text is in force: the history keeps it.
    async fn keep(&self, checked: &Checked, who: &str) -> Option<u64> {
        let (text, file, who) = (checked.source_text.clone(), checked.file.clone(), who.to_owned());
        let dir = self.fixed.state_dir.clone();
        // It waits for the disk, and this thread has checks to make.
        let kept = tokio::task::spawn_blocking(move || {
            let applied = Applied { text: &text, file: &file, at: clock::unix_time(), who: &who };
            History::open(&dir).keep(applied).map_err(|error| error.to_string())
        });
        let kept = kept.await.unwrap_or_else(|error| Err(error.to_string()));
        let number = kept.map_err(|why| {
            warn!("the configuration in force is not kept in the history, so no rollback leads to it: {why}");
        });
        *self.in_force.lock() = (checked.source_text.clone(), number.ok());
        number.ok()
    }
}

/// What was put in force, in words.
fn report(checked: &Checked, difference: &Difference, waiting: Vec<&str>, number: Option<u64>) -> Answer {
    let waiting: Vec<String> = waiting.into_iter().map(str::to_owned).collect();
    let changes: Vec<String> =
        difference.changes().unwrap_or_default().iter().map(Change::to_string).collect();
    let mut message = format!("{} is in force", checked.file.display());
    if let Some(number) = number {
        let _ = write!(message, ", as number {number} of the history");
    }
    message.push_str(match (changes.is_empty(), difference.is_empty()) {
        (true, true) => ": nothing has changed\n",
        (true, false) => ": only its layout or its comments have changed\n",
        (false, _) => ". What has changed:\n",
    });
    for change in &changes {
        let _ = writeln!(message, "  {change}");
    }
    if !waiting.is_empty() {
        let _ = writeln!(message, "waits for a restart: {}", waiting.join(", "));
    }
    if checked.warnings.warnings() > 0 {
        let _ = writeln!(message, "{}", checked.warnings);
    }
    Answer { done: true, message, number, changes, waiting }
}

/// Writes a text in the place of a file, in one step; what the file had is kept beside it, in the path that comes back.
fn replace(file: &Path, text: &str) -> std::io::Result<PathBuf> {
    let beside = |end: String| {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let (kept, new) = (beside(format!(".before-{}", clock::unix_time().as_secs())), beside(".new".into()));
    std::fs::copy(file, &kept)?;
    // With the rights of the file that it replaces.
    std::fs::copy(file, &new)?;
    std::fs::write(&new, text)?;
    std::fs::rename(&new, file)?;
    Ok(kept)
}

/// Settings that wait for a restart.
async fn apply(checked: &Checked, fixed: &Fixed, shared: &Shared) -> Result<Vec<&'static str>, String> {
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
    Ok(waiting)
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
