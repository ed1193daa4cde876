//! ACLs that ask for the model that a request gets, and for the task that chose it.

use crate::config::checked::Pattern;
use crate::config::diagnostic::Code;
use crate::config::section::Known;
use crate::config::section::ai::names::ModelNames;
use crate::config::value::Value;

/// A name, of which an alias becomes its model's, or the beginning of names before a `*`.
pub(super) fn model(value: Value<'_>, known: &ModelNames) -> Option<Pattern> {
    let text = value.nonempty()?;
    let (beginning, prefix) = match text.strip_suffix('*') {
        Some(beginning) => (beginning, true),
        None => (text.as_str(), false),
    };
    if beginning.contains('*') {
        let message = format!("`{}` has its `*` in the middle", value.shown());
        return value.reject(Code::BadValue, message, "`*` stands at the end, like `gpt-*`");
    }
    let folded = beginning.to_ascii_lowercase();
    if !known.has_some() {
        return Some(Pattern { text: folded, prefix });
    }
    if !prefix {
        let model = known.resolve_folded(value)?;
        return Some(Pattern { text: known.of(model).to_ascii_lowercase(), prefix });
    }
    if !known.is_broken() && !known.models().any(|name| name.to_ascii_lowercase().starts_with(&folded)) {
        let mut wrong = known.unknown(beginning, value.span());
        wrong.message = format!("no model begins like `{}`", value.shown());
        return value.context.reject(wrong);
    }
    Some(Pattern { text: folded, prefix })
}

pub(super) fn task(value: Value<'_>, known: &Known<'_>) -> Option<String> {
    known.tasks.resolve(value)?;
    value.nonempty()
}
