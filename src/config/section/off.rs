//! Sections that are also switches: `off` or `false`, `true` for the defaults, or a mapping.

use std::time::Duration;

use super::timeouts::nonzero;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::tree::Kind;
use crate::config::value::Value;

/// What a section says.
pub(super) enum Said<'a> {
    Off,
    /// `true`: nothing of its own.
    On,
    /// Its keys.
    Own(Map<'a>),
}

/// `None` when the section is not there, also after a mistake, which is reported.
pub(super) fn open<'a>(backend: &Map<'a>, key: &'static str, keys: &'static Keys) -> Option<Said<'a>> {
    let value: Value<'a> = backend.get(key)?;
    if matches!(value.node.kind, Kind::Scalar(_)) && !value.node.is_empty() {
        let words = [("off", false), ("false", false), ("true", true)];
        return value.word(&words, &[]).map(|on| if on { Said::On } else { Said::Off });
    }
    Map::open(value, keys, format!("`{key}` of {}", backend.what)).map(Said::Own)
}

/// `up_to`, the longest of the times that begin with the one under `key`; never below it, not by default either.
pub(super) fn longest(map: &Map<'_>, key: &str, first: Duration, default: Duration) -> Duration {
    let longest = map.or("up_to", default.max(first), nonzero);
    if longest < first {
        let message = format!("`up_to` is below `{key}`, which is where the times begin");
        let wrong = Diagnostic::error(Code::Conflict, map.key_span("up_to"), message);
        map.context.report(wrong.hint(format!("let `up_to` be at least as long as `{key}`")));
    }
    longest
}
