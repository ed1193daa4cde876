//! `backends.NAME.servers.NAME.models`: what a server knows, and what it calls it.

use std::collections::HashSet;

use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::section::ai::names::ModelNames;
use crate::config::suggest;
use crate::config::tree::Kind;
use crate::config::value::Value;

/// A list of names, or a mapping of names to those that the server has for them.
pub(super) fn read(value: Value<'_>, known: &ModelNames) -> Option<Vec<(String, String)>> {
    let models = if let Kind::Map(_) = &value.node.kind {
        let pairs = value.pairs("{gpt-4.1: gpt-4.1-2025-04-14}")?;
        let read = pairs.iter().map(|(key, v)| {
            let there = name(v.called(&key.text));
            (key.text.clone(), key.span, there)
        });
        let read: Vec<_> = read.collect();
        read.into_iter().map(|(ours, span, there)| Some((ours, span, there?))).collect::<Option<Vec<_>>>()?
    } else {
        Value::each(value.one_or_more()?, |v| name(v).map(|both| (both.clone(), v.span(), both)))?
    };
    if models.is_empty() {
        let hint = "name some, or remove `models`: then any model may go there";
        return value.reject(Code::BadValue, "a server that knows no model", hint);
    }
    let mut seen = HashSet::new();
    let mut good = true;
    for (ours, span, _) in &models {
        if !seen.insert(ours) {
            let wrong = Diagnostic::error(Code::Conflict, *span, "this model is named twice");
            value.context.report(wrong.hint("remove it here"));
            good = false;
        }
        warn_unknown(value, ours, *span, known);
    }
    good.then(|| models.into_iter().map(|(ours, _, there)| (ours, there)).collect())
}

/// Providers call their models as they like; only what no log and no header could hold is refused.
fn name(value: Value<'_>) -> Option<String> {
    let name = value.nonempty()?;
    if name.len() > 256 || name.contains(char::is_whitespace) {
        let hint = "at most 256 characters, no spaces";
        return value.reject(Code::BadValue, "not a name that a model can have", hint);
    }
    Some(name)
}

/// A name that `ai.models` lacks is never asked for.
fn warn_unknown(value: Value<'_>, ours: &str, span: Span, known: &ModelNames) {
    if !known.has_some() || known.is_broken() {
        return;
    }
    let hint = match known.find(ours) {
        Some((_, false)) => return,
        Some((model, true)) => format!("it is an alias; write its model `{}`", known.of(model)),
        None => suggest::nearest(ours, known.models())
            .map(|near| format!("did you mean `{near}`?"))
            .unwrap_or_else(|| "add it to `ai.models`, or remove it here".to_owned()),
    };
    let message = "a model that no request has: `ai.models` does not list it";
    value.context.report(Diagnostic::warning(Code::Unused, span, message).hint(hint));
}
