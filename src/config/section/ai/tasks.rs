//! `ai.tasks`: what a client that asks for `auto` gets. The first task with a keyword in the text decides.

use super::fallback;
use super::names::ModelNames;
use crate::config::checked::Task;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::names::Names;
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const TASK: Keys = Keys {
    path: "ai.tasks.NAME",
    known: &["model", "keywords", "fallback"],
    not_yet: &[],
    elsewhere: &[("models", "a task has one `model`; others stand in for it with `fallback`")],
};

/// The tasks, `None` after a mistake, and their names.
pub(super) fn read(ai: &Map<'_>, names: &ModelNames) -> (Option<Vec<Task>>, Names) {
    let entries = ai.get("tasks").map_or(Some(Vec::new()), |v| v.named());
    let whole = entries.is_some();
    let entries = entries.unwrap_or_default();
    let mut taken = Vec::new();
    let tasks: Option<Vec<Task>> = entries
        .iter()
        .map(|(key, value)| task(&key.text, *value, names, &mut taken))
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    (tasks.filter(|_| whole), Names::of("task", &entries))
}

/// A keyword without regard to case, its task, its line.
type Taken = Vec<(String, String, usize)>;

fn task(name: &str, value: Value<'_>, names: &ModelNames, taken: &mut Taken) -> Option<Task> {
    let map = Map::open(value, &TASK, format!("task `{name}`"))?;
    let model = map.required("model", |v| names.resolve(v));
    let keywords = map
        .get("keywords")
        .map_or(Some(Vec::new()), |v| Value::each(v.one_or_more()?, |item| keyword(item, name, taken)));
    let fallback = map.get("fallback").map_or(Some(Vec::new()), |v| fallback::read(v, model, names));
    Some(Task {
        name: name.to_owned(),
        model: model?,
        keywords: keywords?,
        fallback: fallback?.into_iter().map(|(model, _)| model).collect(),
    })
}

/// A word or a few; a space at its end is part of it.
fn keyword(value: Value<'_>, task: &str, taken: &mut Taken) -> Option<String> {
    let word = value.nonempty()?;
    if word.trim().is_empty() {
        return value.reject(
            Code::BadValue,
            "a keyword of spaces alone",
            "every text would have it; remove it",
        );
    }
    let folded = word.to_ascii_lowercase();
    match taken.iter().find(|(other, ..)| *other == folded) {
        Some((_, other, line)) => {
            let message = format!("keyword `{}` decides for task `{other}` already", value.shown());
            let warning = Diagnostic::warning(Code::Unreachable, value.span(), message);
            value.context.report(warning.hint(format!("it stands in line {line} too; remove one of them")));
        }
        None => taken.push((folded, task.to_owned(), value.span().line)),
    }
    Some(word)
}
