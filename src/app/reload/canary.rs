//! A configuration that is tried on a share of the clients first: it is put in force for all of them when it does no worse
//! than the one in force in the same time, else for nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use log::info;
use parking_lot::Mutex;

use super::report::changes;
use super::{Probes, Ready, Reloader};
use crate::config;
use crate::runtime::events;
use crate::runtime::orders::Answer;
use crate::runtime::store::{ALL, Canary};

/// What is tried now, if anything is.
#[derive(Default)]
pub(super) struct Attempt {
    ready: Mutex<Option<Ready>>,
    /// Its servers may be others than those in force.
    probes: Probes,
}

impl Attempt {
    pub(super) fn end(&self) -> Option<Ready> {
        self.probes.end();
        self.ready.lock().take()
    }
}

impl Reloader {
    /// Reads the file again and gives it to `share` of the clients (of 10,000). What is tried is in the second part.
    pub async fn attempt(&self, share: u64, who: &str) -> (Answer, Option<Arc<Canary>>) {
        let file = &self.fixed.file;
        info!("canary: reading {} (ordered by {who})", file.display());
        let ready = match self.ready(config::load(file)).await {
            Ok(ready) => ready,
            Err(refused) => return (refused, None),
        };
        self.canary.end();
        let canary = Arc::new(Canary::new(ready.snapshot.clone(), share));
        self.canary.probes.follow(ready.snapshot.clone(), &self.shared);
        let changes = changes(&self.in_force.lock().text, &ready.checked.source_text);
        *self.canary.ready.lock() = Some(ready);
        self.shared.store.attempt(Some(canary.clone()));
        self.generation.fetch_add(1, Ordering::Relaxed);
        let share = share as f64 * 100.0 / ALL as f64;
        info!("canary: {share} % of the clients get the new configuration");
        let message = format!("{share} % of the clients got {}", file.display());
        (Answer { changes, ..Answer::done(message) }, Some(canary))
    }

    /// The canary that came as `generation` is over: it is for all from now on, or, where something is `worse`, for nobody.
    pub async fn end_attempt(&self, generation: u64, worse: Option<&str>) -> Answer {
        if self.generation.load(Ordering::Relaxed) != generation {
            return Answer::refused("another configuration is in force meanwhile");
        }
        self.shared.store.attempt(None);
        self.generation.fetch_add(1, Ordering::Relaxed);
        match (self.canary.end(), worse) {
            (Some(ready), None) => self.put_ready(ready, "canary").await,
            (_, Some(why)) => {
                events::rolled_back(&self.shared.state, &format!("as a canary it did worse: {why}"));
                Answer::refused(format!(
                    "the canary is over, and what was in force is in force for all: {why}"
                ))
            }
            (None, None) => Answer::refused("nothing is tried"),
        }
    }
}
