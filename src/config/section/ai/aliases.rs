//! `ai.aliases`: other names of models. Read first, with the names of the models themselves, as everything that follows may
//! use either.

use super::names::{self, ModelNames};
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::reader::Map;
use crate::config::tree::Key;
use crate::config::value::Value;

type Entries<'a> = Vec<(&'a Key, Value<'a>)>;

/// The aliases, `None` after a mistake, and all names.
pub(super) fn read(ai: &Map<'_>) -> (Option<Vec<(String, usize)>>, ModelNames) {
    let models =
        ai.get("models").map_or(Some(Vec::new()), |v| entries(v, "{gpt-4.1: {input: 2.00, output: 8.00}}"));
    let broken = models.is_none() || ai.misspelt("models");
    let own: Vec<_> = models.unwrap_or_default();
    for (key, value) in &own {
        let _: Option<()> = names::check(value.context, &key.text, key.span);
    }
    let own: Vec<(String, Span, Option<usize>)> =
        own.iter().enumerate().map(|(at, (key, _))| (key.text.clone(), key.span, Some(at))).collect();
    let models = ModelNames::new(own.clone(), broken);
    let Some(found) = ai.get("aliases").map_or(Some(Vec::new()), |v| entries(v, "{fast: gemini-2.5-flash}"))
    else {
        return (None, ModelNames::new(own, true));
    };
    let aliases: Vec<Option<(String, usize)>> =
        found.iter().map(|(key, value)| alias(key, *value, &models, &found)).collect();
    let named = found
        .iter()
        .zip(&aliases)
        .map(|((key, _), alias)| (key.text.clone(), key.span, alias.as_ref().map(|(_, model)| *model)));
    let all = own.into_iter().chain(named).collect();
    (aliases.into_iter().collect(), ModelNames::new(all, broken))
}

/// The entries of a mapping whose keys are names of models.
pub(super) fn entries<'a>(value: Value<'a>, example: &str) -> Option<Entries<'a>> {
    if value.node.is_empty() {
        return Some(Vec::new());
    }
    let pairs = value.pairs(example)?;
    // A name says nothing of its value: that a model is called `token-1` hides no price.
    Some(pairs.into_iter().map(|(key, value)| (key, value.called(&key.text))).collect())
}

fn alias(key: &Key, value: Value<'_>, models: &ModelNames, all: &Entries<'_>) -> Option<(String, usize)> {
    let mut good = names::check(value.context, &key.text, key.span).is_some();
    if good && models.find(&key.text).is_some() {
        let message = format!("alias `{}` is the name of a model", key.text);
        let wrong = Diagnostic::error(Code::Conflict, key.span, message);
        value.context.report(wrong.hint("the model would never be asked; give the alias another name"));
        good = false;
    }
    let meant = value.nonempty()?;
    if models.find(&meant).is_none() && all.iter().any(|(other, _)| other.text == meant) {
        let message = format!("`{}` is an alias itself", value.shown());
        return value.reject(Code::Conflict, message, "an alias names a model, not another alias");
    }
    let model = models.resolve(value)?;
    good.then(|| (key.text.clone(), model))
}
