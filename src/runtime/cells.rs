//! The cells that count what calls take on one server, by model. Each is made when it is first needed: with many servers
//! and many models most pairs never meet.

use std::sync::{Arc, OnceLock};

use crate::observe::stats::CallStats;
use crate::runtime::snapshot::Ai;
use crate::runtime::state::State;

#[derive(Debug)]
pub struct CallCells {
    backend: Arc<str>,
    server: Arc<str>,
    /// By index of the model; then for those that the file does not list, then for what is no call.
    cells: Box<[OnceLock<Arc<CallStats>>]>,
}

impl CallCells {
    /// `models`: how many the file lists.
    pub fn new(backend: &str, server: &str, models: usize) -> CallCells {
        let cells = (0..models + 2).map(|_| OnceLock::new()).collect();
        CallCells { backend: backend.into(), server: server.into(), cells }
    }

    /// Of a model by its index; `None`: one that the file does not list.
    pub fn of(&self, model: Option<usize>, ai: &Ai, state: &State) -> Arc<CallStats> {
        let listed = self.cells.len() - 2;
        let place = model.filter(|model| *model < listed).unwrap_or(listed);
        self.at(place, ai.name_of(model), state)
    }

    /// Of event streams that are no AI calls, or whose model nobody asked for.
    pub fn of_none(&self, state: &State) -> Arc<CallStats> {
        self.at(self.cells.len() - 1, "", state)
    }

    fn at(&self, place: usize, model: &str, state: &State) -> Arc<CallStats> {
        let make = || state.call_stats(model, &self.backend, &self.server);
        self.cells.get(place).map_or_else(make, |cell| cell.get_or_init(make).clone())
    }
}
