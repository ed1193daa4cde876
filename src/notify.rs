//! Tells people: alerts to webhooks. One thread follows the events and reads the figures of backends, and asks the engine
//! whom to tell of what; one more for each receiver posts. Nothing waits for any of them: events come from the ring, which
//! forgets the oldest, and the lines before receivers are bounded.

mod certificates;
pub mod courier;
mod facts;
pub mod post;
mod watcher;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use log::error;

use crate::config::checked::Checked;
use crate::runtime::state::State;
use crate::runtime::store::Store;
use watcher::Watcher;

/// A handle; the threads end with [`Notifier::stop`], or with the process.
#[derive(Clone)]
pub struct Notifier(Arc<Watcher>);

impl Notifier {
    /// Begins with everything that has happened since the start of the process. Never fails: without a thread it says so in
    /// the log, and nobody is told of anything.
    pub fn start(state: &Arc<State>, store: &Arc<Store>, checked: &Checked) -> Notifier {
        let watcher = Arc::new(Watcher::new(state.clone(), store.clone()));
        let notifier = Notifier(watcher.clone());
        notifier.follow(checked);
        let begun: io::Result<_> =
            thread::Builder::new().name("alerts".to_owned()).spawn(move || watcher.run());
        if let Err(error) = begun {
            error!(
                "alerts: no thread can be started, so nobody will be told of anything: {error}. Restart tidegate"
            );
        }
        notifier
    }

    /// The configuration in force is this one: after the snapshot was replaced. What receivers were told is remembered.
    pub fn follow(&self, checked: &Checked) {
        self.0.follow(checked);
    }

    /// Tells what is still to be told, takes nothing more, and waits for that no longer than `patience`; not at all where
    /// there is nobody to tell.
    pub fn stop(&self, patience: Duration) {
        self.0.stop(patience);
    }
}

/// The name of this machine, as messages have it.
pub fn node() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests;
