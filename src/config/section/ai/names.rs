//! The names by which models are asked for: their own and their aliases.

use std::collections::HashMap;

use crate::config::checked::Model;
use crate::config::context::Context;
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::names::Names;
use crate::config::value::Value;

/// With it a client lets us choose; so it is nobody's name.
const AUTO: &str = "auto";

/// Longer ones come from no provider; the log and `x-tidegate-model` carry them.
const LONGEST: usize = 128;

pub(in crate::config) struct ModelNames {
    /// Models in the order of the file, then aliases.
    names: Names,
    /// The same names with the model that each stands for; `None` where an alias has a mistake.
    list: Vec<(String, Option<usize>)>,
    /// Where a name stands in the list.
    places: HashMap<String, usize>,
    /// The same for names in lower case.
    folded: HashMap<String, usize>,
    /// Of each model whether it costs anything; `None` where the prices could not be read.
    priced: Option<Vec<bool>>,
    /// The names could not be read: that one is missing would be a mistake that follows from another.
    broken: bool,
}

impl ModelNames {
    pub fn new(list: Vec<(String, Span, Option<usize>)>, broken: bool) -> ModelNames {
        let names = Names::new("model", list.iter().map(|(name, span, _)| (name.clone(), *span)).collect());
        let list: Vec<_> = list.into_iter().map(|(name, _, model)| (name, model)).collect();
        let places = |name_of: fn(&str) -> String| {
            let entries = list.iter().enumerate().map(|(at, (name, _))| (name_of(name), at));
            entries.rev().collect::<HashMap<String, usize>>()
        };
        let (exact, folded) = (places(str::to_owned), places(str::to_ascii_lowercase));
        ModelNames { names, places: exact, folded, list, priced: Some(Vec::new()), broken }
    }

    /// Where the file lists none.
    pub fn none(broken: bool) -> ModelNames {
        ModelNames::new(Vec::new(), broken)
    }

    /// Whether there is a list of models, so that others are unknown; true also when it could not be read.
    pub fn has_some(&self) -> bool {
        self.broken || self.models().next().is_some()
    }

    /// Tells what they cost; `None` after a mistake.
    pub fn with_prices(self, models: Option<&[Model]>) -> ModelNames {
        let priced = models.map(|models| models.iter().map(|m| m.input.max(m.output) > 0).collect());
        ModelNames { priced, ..self }
    }

    /// Why calls cost nothing, those for `own` models or for all; `None` when they cost something, or when that is not
    /// known after a mistake.
    pub fn why_free(&self, own: Option<&[usize]>) -> Option<&'static str> {
        let priced = self.priced.as_ref().filter(|_| !self.broken)?;
        if !priced.contains(&true) {
            return Some("no model has a price above 0");
        }
        let mut own = own?.iter();
        let is_priced = |model: &usize| priced.get(*model).copied().unwrap_or(true);
        (!own.any(is_priced)).then_some("none of its models has a price above 0")
    }

    /// The model that a value names, also by an alias; reports one that is not there.
    pub fn resolve(&self, value: Value<'_>) -> Option<usize> {
        self.resolve_by(value, |asked| self.places.get(asked).copied())
    }

    /// The same whatever the letters' case.
    pub fn resolve_folded(&self, value: Value<'_>) -> Option<usize> {
        self.resolve_by(value, |asked| self.folded.get(&asked.to_ascii_lowercase()).copied())
    }

    fn resolve_by(&self, value: Value<'_>, place: impl Fn(&str) -> Option<usize>) -> Option<usize> {
        let asked = value.nonempty()?;
        if let Some(at) = place(&asked) {
            return self.list.get(at)?.1;
        }
        if self.broken {
            return None;
        }
        if asked == AUTO {
            let hint = "write the model; `auto` becomes one before anything asks for it";
            return value.reject(Code::BadValue, "`auto` is no model of its own", hint);
        }
        if !self.has_some() {
            let message = format!("there is no model `{}`", value.shown());
            let hint = "list it with its prices: `ai: {models: {NAME: {input: 2.00, output: 8.00}}}`";
            return value.reject(Code::UnknownName, message, hint);
        }
        value.context.reject(self.unknown(&value.shown(), value.span()))
    }

    /// The name's own entry: the model that it is or stands for, and whether it is an alias.
    pub fn find(&self, name: &str) -> Option<(usize, bool)> {
        let at = *self.places.get(name)?;
        let model = self.list.get(at)?.1?;
        Some((model, model != at))
    }

    pub fn of(&self, model: usize) -> &str {
        self.list.get(model).map_or("", |(name, _)| name)
    }

    /// The models' own names.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let own = self.list.iter().enumerate().filter(|(at, (_, model))| *model == Some(*at));
        own.map(|(_, (name, _))| name.as_str())
    }

    /// The error for a name that is not there.
    pub fn unknown(&self, shown: &str, span: Span) -> Diagnostic {
        let unknown = self.names.unknown(shown, span);
        if unknown.hint.is_none() {
            return unknown;
        }
        // Of a model's name the version is left out sooner than a letter is mistyped.
        match self.list.iter().find(|(name, _)| shown.len() > 1 && name.starts_with(shown)) {
            Some((name, _)) => unknown.hint(format!("did you mean `{name}`?")),
            None => unknown,
        }
    }

    /// The list is not to be trusted, so nothing follows from what it lacks.
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}

/// The names of models go into JSON, headers, metrics and tables: `meta/llama-3:70b`, but no spaces and quotes.
pub(super) fn check(context: &Context<'_>, name: &str, span: Span) -> Option<()> {
    if name == AUTO {
        let wrong = Diagnostic::error(Code::BadValue, span, "`auto` cannot be the name of a model");
        return context.reject(wrong.hint("with it clients let `ai.tasks` choose; take another name"));
    }
    let plain = name.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\*,`".contains(&b));
    if plain && !name.is_empty() && name.len() <= LONGEST {
        return Some(());
    }
    let wrong = Diagnostic::error(Code::BadValue, span, "not a name that a model can have");
    context.reject(
        wrong.hint("at most 128 visible ASCII characters without spaces, quotes, `*`, `,` and backslashes"),
    )
}
