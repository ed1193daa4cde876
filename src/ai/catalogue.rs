//! Which model a call goes to: the names and aliases that are known, `auto` (the task of a call decides, told by a header
//! or found by keywords in what the user wrote), and which models stand in when nobody can serve it.

mod keyword;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;

use keyword::Keyword;

/// The model's name with which a client lets us choose.
pub const AUTO: &str = "auto";

/// A model as it is configured. Its index in the list is what everything else names it by.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub name: String,
    pub fallback: Vec<usize>,
}

/// What a call of model `auto` can be about.
#[derive(Clone, Debug, Default)]
pub struct Task {
    pub name: String,
    pub model: usize,
    pub keywords: Vec<String>,
    pub fallback: Vec<usize>,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Aliases and `auto` are resolved.
    pub model: Arc<str>,
    /// Its index in the list of models; `None`: there is no list, every name passes.
    pub id: Option<usize>,
    /// Index of the task that chose it; `None`: the client did, or the default.
    pub task: Option<usize>,
    /// Models that stand in for it, in this order: those of the task before those of the model, then what stands in for
    /// those. None twice, and not the model itself.
    pub chain: Vec<usize>,
}

/// There is no such model: 404 `model_not_found`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownModel {
    #[error("the model `{0}` does not exist")]
    Named(String),
    #[error("the call has no `model`, and there is no default model")]
    Unnamed,
}

/// All models, compiled.
#[derive(Debug, Default)]
pub struct Catalogue {
    models: Vec<Entry>,
    /// Models and aliases.
    names: AHashMap<String, usize>,
    tasks: Vec<Choice>,
    default: Option<usize>,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    chain: Vec<usize>,
}

#[derive(Debug)]
struct Choice {
    name: String,
    model: usize,
    keywords: Vec<Keyword>,
    chain: Vec<usize>,
}

impl Catalogue {
    /// All numbers are indices into `models`; what names a model that is not there is left out.
    pub fn new(
        models: &[Model],
        aliases: &[(String, usize)],
        tasks: &[Task],
        default: Option<usize>,
    ) -> Catalogue {
        let named = models.iter().enumerate().map(|(id, model)| (model.name.clone(), id));
        let known = |id: &usize| *id < models.len();
        Catalogue {
            names: aliases.iter().filter(|(_, id)| known(id)).cloned().chain(named).collect(),
            models: (models.iter().enumerate())
                .map(|(id, model)| Entry {
                    name: model.name.as_str().into(),
                    chain: chain(models, id, &model.fallback),
                })
                .collect(),
            tasks: (tasks.iter())
                .map(|task| {
                    let own = models.get(task.model).map_or(&[][..], |model| &model.fallback);
                    Choice {
                        name: task.name.clone(),
                        model: task.model,
                        keywords: task.keywords.iter().map(|keyword| Keyword::new(keyword)).collect(),
                        chain: chain(models, task.model, &[&task.fallback, own].concat()),
                    }
                })
                .collect(),
            default: default.filter(known),
        }
    }

    /// Without a list of models every name passes.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// The name of a model by its index.
    pub fn name(&self, id: usize) -> Option<&Arc<str>> {
        self.models.get(id).map(|model| &model.name)
    }

    /// The name of a task by its index.
    pub fn task_name(&self, task: usize) -> Option<&str> {
        self.tasks.get(task).map(|task| task.name.as_str())
    }

    /// Where a call goes that asks for the model `asked`. For `auto` the task named by the client (header `x-task`; a name
    /// that is no task is ignored) decides, then the first task, in the file's order, with a keyword in `text`, which is
    /// only asked for where it is needed; then the default.
    ///
    /// # Errors
    /// There is no such model, or neither a name nor a default.
    pub fn resolve(
        &self,
        asked: Option<&str>,
        task: Option<&str>,
        text: &mut dyn FnMut() -> String,
    ) -> Result<Route, UnknownModel> {
        let asked = match asked {
            None => return self.route(self.default).ok_or(UnknownModel::Unnamed),
            Some(asked) => asked,
        };
        if self.is_empty() {
            return Ok(Route { model: asked.into(), id: None, task: None, chain: Vec::new() });
        }
        let route = if asked == AUTO {
            let task = task.and_then(|task| self.tasks.iter().position(|choice| choice.name == task));
            let task = task.or_else(|| self.task_of(text));
            task.and_then(|task| self.route_of(task)).or_else(|| self.route(self.default))
        } else {
            self.route(self.names.get(asked).copied())
        };
        route.ok_or_else(|| UnknownModel::Named(asked.to_owned()))
    }

    /// The first task with a keyword in the text.
    fn task_of(&self, text: &mut dyn FnMut() -> String) -> Option<usize> {
        if self.tasks.iter().all(|task| task.keywords.is_empty()) {
            return None;
        }
        let mut text = text();
        text.make_ascii_lowercase();
        self.tasks.iter().position(|task| task.keywords.iter().any(|keyword| keyword.is_in(&text)))
    }

    fn route(&self, id: Option<usize>) -> Option<Route> {
        let model = self.models.get(id?)?;
        Some(Route { model: model.name.clone(), id, task: None, chain: model.chain.clone() })
    }

    fn route_of(&self, task: usize) -> Option<Route> {
        let choice = self.tasks.get(task)?;
        let route = self.route(Some(choice.model))?;
        Some(Route { task: Some(task), chain: choice.chain.clone(), ..route })
    }
}

/// What stands in for `model`: first `fallback`, then what stands in for those, and so on.
fn chain(models: &[Model], model: usize, fallback: &[usize]) -> Vec<usize> {
    let mut chain = Vec::new();
    let mut waiting: VecDeque<usize> = fallback.iter().copied().collect();
    while let Some(next) = waiting.pop_front() {
        if next != model
            && !chain.contains(&next)
            && let Some(found) = models.get(next)
        {
            chain.push(next);
            waiting.extend(&found.fallback);
        }
    }
    chain
}
