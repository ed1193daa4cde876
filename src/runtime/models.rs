//! Which servers of a backend know a model, and what they call it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use ahash::AHashMap;

use crate::config::checked;
use crate::pool::Allowed;

/// The models that the servers of one backend know.
#[derive(Debug, Default)]
pub struct Models {
    known: AHashMap<Box<str>, Known>,
    /// Servers that pass any name on; `None`: there are none.
    others: Option<Known>,
}

/// The servers that know one model.
#[derive(Debug)]
pub struct Known {
    /// `None`: all of them.
    pub servers: Option<Allowed>,
    /// Stands for the servers in the queue; 0 for all of them.
    pub wants: u64,
    /// What a server calls it, where that is another name.
    names: Vec<Option<Arc<str>>>,
}

impl Known {
    /// What the server at this position calls it; `None`: as the client does.
    pub fn name_at(&self, index: usize) -> Option<&Arc<str>> {
        self.names.get(index)?.as_ref()
    }
}

impl Models {
    pub fn new(servers: &[checked::Server]) -> Models {
        let listed = servers.iter().filter_map(|server| server.models.as_ref()).flatten();
        let mut known = AHashMap::new();
        for (model, _) in listed {
            if !known.contains_key(model.as_str()) {
                known.insert(Box::from(model.as_str()), one(servers, Some(model)));
            }
        }
        let passes = servers.iter().any(|server| server.models.is_none());
        Models { known, others: passes.then(|| one(servers, None)) }
    }

    /// Whether some server knows only what it lists: then the model decides where a call goes.
    pub fn decide(&self) -> bool {
        !self.known.is_empty()
    }

    /// Who serves this model; `None`: nobody.
    pub fn of(&self, model: &str) -> Option<&Known> {
        self.known.get(model).or(self.others.as_ref())
    }
}

/// `model` `None`: one that nobody lists.
fn one(servers: &[checked::Server], model: Option<&str>) -> Known {
    let name_of = |server: &checked::Server| -> Option<Option<Arc<str>>> {
        let Some(models) = &server.models else { return Some(None) };
        let (known, there) = models.iter().find(|(known, _)| Some(known.as_str()) == model)?;
        Some((known != there).then(|| Arc::from(there.as_str())))
    };
    let found: Vec<Option<Option<Arc<str>>>> = servers.iter().map(name_of).collect();
    let positions: Vec<usize> =
        found.iter().enumerate().filter(|(_, name)| name.is_some()).map(|(index, _)| index).collect();
    let all = positions.len() == servers.len();
    let mut hasher = DefaultHasher::new();
    positions.hash(&mut hasher);
    Known {
        wants: if all { 0 } else { hasher.finish().max(1) },
        servers: (!all).then(|| positions.into_iter().collect()),
        names: found.into_iter().map(Option::flatten).collect(),
    }
}
