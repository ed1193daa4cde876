//! Reading a mapping: which keys it may have, which it must have. Whatever else is in it is reported, so that nothing
//! an operator wrote is silently ignored.

use super::context::Context;
use super::diagnostic::{Code, Diagnostic, MOST, Span};
use super::suggest;
use super::tree::{Entry, Kind};
use super::value::Value;

/// The keys of one kind of mapping.
#[derive(Debug)]
pub struct Keys {
    /// Where it stands in the file, with `NAME` for names that the operator chooses: `backends.NAME.retry`.
    pub path: &'static str,
    pub known: &'static [&'static str],
    /// Keys of the design that do nothing yet: an error that says so.
    pub not_yet: &'static [&'static str],
    /// Keys that stand elsewhere, with a hint that says where.
    pub elsewhere: &'static [(&'static str, &'static str)],
}

/// A mapping whose keys are all known.
pub(super) struct Map<'a> {
    pub context: &'a Context<'a>,
    /// As a message names it: "frontend `https`".
    pub what: String,
    /// Where to point when something is missing.
    pub span: Span,
    keys: &'static Keys,
    entries: &'a [Entry],
    /// What the unknown keys were probably meant to be.
    meant: Vec<&'static str>,
}

impl<'a> Map<'a> {
    /// Reports every key that has no business here. `None` when `value` is no mapping.
    pub fn open(value: Value<'a>, keys: &'static Keys, what: impl Into<String>) -> Option<Map<'a>> {
        let what = what.into();
        let context = value.context;
        let entries: &[Entry] = match &value.node.kind {
            Kind::Map(entries) => entries,
            _ if value.node.is_empty() => &[],
            _ => {
                let example = keys.known.first().copied().unwrap_or_default();
                let wrong = Diagnostic::error(
                    Code::WrongType,
                    value.node.span,
                    format!("{what} must be a mapping, not {}", value.kind()),
                );
                let below = if keys.path.is_empty() { "at the start of a line" } else { "indented below it" };
                return context.reject(wrong.hint(format!("like `{example}: ...`, {below}")));
            }
        };
        let (mut meant, mut unknown) = (Vec::new(), 0);
        for entry in entries {
            let (key, span) = (entry.key.text.as_str(), entry.key.span);
            if keys.known.contains(&key) {
                continue;
            }
            let diagnostic = if keys.not_yet.contains(&key) {
                Diagnostic::error(
                    Code::NotImplemented,
                    span,
                    format!("`{key}` in {what} is not implemented yet"),
                )
                .hint("remove it; this version would not act on it")
            } else if let Some((_, hint)) = keys.elsewhere.iter().find(|(k, _)| *k == key) {
                Diagnostic::error(Code::UnknownKey, span, format!("`{key}` does not belong in {what}"))
                    .hint(*hint)
            } else {
                unknown += 1;
                // More are not shown anyway, and to compare them all would take long.
                let wrong = format!("unknown key `{key}` in {what}");
                let wrong = Diagnostic::error(Code::UnknownKey, span, wrong);
                if unknown <= MOST {
                    let near = suggest::nearest(key, keys.known.iter().copied());
                    meant.extend(near);
                    wrong.maybe_hint(suggest::hint(near, keys.known))
                } else {
                    wrong
                }
            };
            context.report(diagnostic);
        }
        Some(Map { context, what, span: value.at, keys, entries, meant })
    }

    /// The value of a key, if the key is there. `null` counts as not there.
    pub fn get(&self, key: &'static str) -> Option<Value<'a>> {
        debug_assert!(self.keys.known.contains(&key), "{key} is not listed in {}", self.keys.path);
        #[cfg(test)]
        self.context.asked.borrow_mut().insert((self.keys.path, key.to_owned()));
        let entry = self.entries.iter().find(|e| e.key.text == key)?;
        (!entry.value.is_null()).then(|| Value::of(self.context, entry))
    }

    /// Whether an unknown key was probably meant to be this one; then that it is missing needs no second message.
    pub fn misspelt(&self, key: &str) -> bool {
        self.meant.contains(&key)
    }

    /// Whether all keys are known.
    pub fn is_clean(&self) -> bool {
        self.entries.iter().all(|e| self.keys.known.contains(&e.key.text.as_str()))
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key.text == key)
    }

    /// Where a key stands, or the whole mapping when it is not there.
    pub fn key_span(&self, key: &str) -> Span {
        self.entries.iter().find(|e| e.key.text == key).map_or(self.span, |e| e.key.span)
    }

    /// What `read` makes of the key; reports a missing key.
    pub fn required<T>(&self, key: &'static str, read: impl FnOnce(Value<'a>) -> Option<T>) -> Option<T> {
        match self.get(key) {
            Some(value) => read(value),
            None if self.misspelt(key) => None,
            None => self.context.reject(Diagnostic::error(
                Code::MissingKey,
                self.span,
                format!("{} needs `{key}`", self.what),
            )),
        }
    }

    /// What `read` makes of the key, or the default. After a mistake the default too: the mistake is reported.
    pub fn or<T>(&self, key: &'static str, default: T, read: impl FnOnce(Value<'a>) -> Option<T>) -> T {
        self.get(key).and_then(read).unwrap_or(default)
    }

    pub fn maybe<T>(&self, key: &'static str, read: impl FnOnce(Value<'a>) -> Option<T>) -> Option<T> {
        self.get(key).and_then(read)
    }
}
