//! Sections that are also switches: `off` or `false`, `true` for the defaults, or a mapping.

use crate::config::reader::{Keys, Map};
use crate::config::tree::Kind;
use crate::config::value::Value;

/// What a section says.
pub(super) enum Said<'a> {
    Off,
    /// Nothing of its own: `true`, or a mistake that is reported.
    On,
    /// Its keys.
    Own(Map<'a>),
}

/// `None` when the section is not there.
pub(super) fn open<'a>(backend: &Map<'a>, key: &'static str, keys: &'static Keys) -> Option<Said<'a>> {
    let value: Value<'a> = backend.get(key)?;
    if matches!(value.node.kind, Kind::Scalar(_)) && !value.node.is_empty() {
        let words = [("off", false), ("false", false), ("true", true)];
        return Some(if value.word(&words, &[]) == Some(false) { Said::Off } else { Said::On });
    }
    let what = format!("`{key}` of {}", backend.what);
    Some(Map::open(value, keys, what).map_or(Said::On, Said::Own))
}
