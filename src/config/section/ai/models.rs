//! `ai.models`: what each model costs, and what is asked instead of it.

use super::aliases::entries;
use super::fallback::{self, Fallback};
use super::names::ModelNames;
use crate::config::checked::Model;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const MODEL: Keys = Keys {
    path: "ai.models.NAME",
    known: &["input", "output", "cached_input", "fallback"],
    not_yet: &[],
    elsewhere: &[
        ("price", "the keys are `input` and `output`, in US dollars for a million tokens"),
        ("cached", "the key is `cached_input`"),
        ("alias", "it stands in `ai.aliases`: `{fast: gemini-2.5-flash}`"),
        ("name", "what a server calls it stands there: `servers: {one: {models: {gpt-4.1: its-name}}}`"),
    ],
};

/// A million dollars for a million tokens.
const DEAREST: u64 = 1_000_000_000_000;

pub(super) fn read(value: Value<'_>, names: &ModelNames) -> Option<Vec<Model>> {
    let entries = entries(value, "{gpt-4.1: {input: 2.00, output: 8.00}}")?;
    let read: Vec<_> =
        entries.iter().enumerate().map(|(at, (key, value))| model(at, &key.text, *value, names)).collect();
    let fallbacks: Vec<&Fallback> = read.iter().map(|(_, fallback)| fallback).collect();
    fallback::refuse_circles(value.context, &fallbacks, names);
    read.into_iter().map(|(model, _)| model).collect()
}

/// The model, `None` after a mistake, and what it falls back to.
fn model(at: usize, name: &str, value: Value<'_>, names: &ModelNames) -> (Option<Model>, Fallback) {
    let Some(map) = Map::open(value, &MODEL, format!("model `{name}`")) else { return (None, Vec::new()) };
    let price = |key| match map.get(key) {
        Some(value) => value.dollars(0..=DEAREST),
        None if map.misspelt(key) || !map.is_clean() => None,
        None => {
            let message = format!("{} needs `{key}`", map.what);
            let wrong = Diagnostic::error(Code::MissingKey, map.span, message);
            map.context.reject(wrong.hint("in US dollars for a million tokens; 0 where it costs nothing"))
        }
    };
    let (input, output) = (price("input"), price("output"));
    let cached_input = map.get("cached_input").map(|v| v.dollars(0..=DEAREST));
    if let (Some(input), Some(Some(cached))) = (input, cached_input)
        && cached > input
    {
        let message = format!("cached input of model `{name}` costs more than other input");
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("cached_input"), message);
        map.context.report(warning.hint("look at the price; providers sell it cheaper"));
    }
    let fallback = map.get("fallback").map_or(Some(Vec::new()), |v| fallback::read(v, Some(at), names));
    let all = || {
        Some(Model {
            name: name.to_owned(),
            input: input?,
            output: output?,
            cached_input: cached_input.unwrap_or(input)?,
            fallback: fallback.as_ref()?.iter().map(|(model, _)| *model).collect(),
        })
    };
    (all(), fallback.clone().unwrap_or_default())
}
