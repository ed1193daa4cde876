//! The ledger in the life of the process: what was spent before a restart is known again, and the file decides whether and
//! for how long calls are kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log::warn;
use parking_lot::Mutex;

use crate::base::clock;
use crate::config::checked::{Checked, Keep};
use crate::ledger::{Change, Ledger};
use crate::proxy::Shared;
use crate::runtime::events;
use crate::runtime::state::{Payer, State};

/// How long what is not on disk yet may take at the end.
const FLUSH: Duration = Duration::from_secs(5);
/// How the names of clients begin that the configuration does not know: none of them has a budget.
const STRANGERS: &str = "key:";

/// Keeps the ledger as the configuration in force wants it.
pub struct Keeper {
    /// As it was at the start: it cannot change.
    dir: PathBuf,
    kept: Mutex<Option<Keep>>,
}

impl Keeper {
    pub fn new(checked: &Checked) -> Keeper {
        Keeper { dir: checked.global.state_dir.clone(), kept: Mutex::default() }
    }

    /// Starts it, stops it, or changes how long it keeps.
    pub fn follow(&self, checked: &Checked, shared: &Shared) {
        let wanted = checked.ai.ledger.filter(|_| shared.store.load().ai.counts);
        let mut kept = self.kept.lock();
        if *kept == wanted {
            return;
        }
        let begun = wanted.map(|keep| {
            let state = shared.state.clone();
            Arc::new(Ledger::start(&self.dir, keep, move |change| tell(&state, &change)))
        });
        if let Some(before) = shared.ledger.swap(begun) {
            // It may have to wait for the disk; nobody has to wait for it.
            tokio::task::spawn_blocking(move || before.flush_and_stop(FLUSH));
        }
        *kept = wanted;
    }
}

/// Writes what is not on disk yet, at the end.
pub fn stop(shared: &Shared) {
    if let Some(ledger) = shared.ledger.load_full() {
        ledger.flush_and_stop(FLUSH);
    }
}

/// Lets budgets go on from what was spent this day and this month.
pub fn restore(checked: &Checked, state: &State) {
    if checked.ai.ledger.is_none() {
        return;
    }
    let (dir, unix): (&Path, _) = (&checked.global.state_dir, clock::unix_time());
    let totals = match Ledger::restore(dir, unix) {
        Ok(totals) => totals,
        Err(error) => {
            return warn!(
                "budgets begin as if nothing had been spent this month: the ledger in {} cannot be read: {error}",
                dir.display()
            );
        }
    };
    let put = |payer: Payer, (day, month)| state.purse(&payer).restore(day, month, unix);
    put(Payer::All, totals.all);
    for (name, spent) in totals.plans.into_iter().filter(|(name, _)| !name.is_empty()) {
        put(Payer::Plan(name), spent);
    }
    let named = |name: &str| !name.is_empty() && !name.starts_with(STRANGERS);
    for (name, spent) in totals.clients.into_iter().filter(|(name, _)| named(name)) {
        put(Payer::Client(name), spent);
    }
}

fn tell(state: &State, change: &Change) {
    match change {
        Change::Degraded(why) => events::ledger_degraded(state, why),
        Change::Recovered { kept } => events::ledger_recovered(state, *kept),
        Change::Lost(calls) => events::calls_lost(state, *calls),
    }
}
