//! What a file must have, and names that it has for nothing.

use super::Known;
use crate::config::context::Context;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::Map;

/// The entries of a section that must have some; reports when there are none.
pub(super) fn needed<T>(root: &Map<'_>, section: &'static str, entries: Option<Vec<T>>) -> Vec<T> {
    let entries = match entries {
        Some(none) if none.is_empty() && !root.misspelt(section) => none,
        other => return other.unwrap_or_default(),
    };
    let message = if root.has(section) {
        format!("`{section}` is empty")
    } else {
        format!("the file needs `{section}`")
    };
    let hint = match section {
        "frontends" => {
            "at least one, like `frontends: {http: {bind: [{address: 127.0.0.1:8080}], default_backend: ai}}`"
        }
        _ => "at least one, like `backends: {ai: {servers: {one: {url: \"http://127.0.0.1:9001/v1\"}}}}`",
    };
    root.context.report(Diagnostic::error(Code::MissingKey, root.key_span(section), message).hint(hint));
    entries
}

/// Only of a file without mistakes: a misspelt reference would also make its target look unused.
pub(super) fn warn(context: &Context<'_>, known: &Known<'_>) {
    if context.has_errors() {
        return;
    }
    known.plans.warn_unused(
        context,
        "is used by no client key",
        "give it to a key with `plan`, or remove it",
    );
    known.tables.warn_unused(context, "is tracked by no rule", "add a rule `{track: ...}`, or remove it");
    known.acls.warn_unused(context, "is used by no rule", "use it in an `if`, or remove it");
    known.backends.warn_unused(
        context,
        "gets no requests: no rule and no frontend names it",
        "name it in `default_backend` or in a rule `{use_backend: ...}`, or remove it",
    );
}
