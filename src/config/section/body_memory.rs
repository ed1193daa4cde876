//! `global.max_body_memory` beside the sizes of single bodies.

use crate::config::checked::{Backend, Frontend, Global};
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::reader::Map;
use crate::config::tree::Kind;
use crate::config::value::count_text;

/// Warns when one body that is allowed could never be held.
pub(super) fn warn(
    root: &Map<'_>,
    global: &Global,
    frontends: &[Option<Frontend>],
    backends: &[Option<Backend>],
) {
    let of_frontends = frontends.iter().flatten().map(|f| f.max_request_body);
    let of_backends = backends.iter().flatten().filter_map(|b| b.own_max_request_body);
    let Some(largest) = of_frontends.chain(of_backends).max() else { return };
    if largest <= global.max_body_memory {
        return;
    }
    let (one, all) = (count_text(largest), count_text(global.max_body_memory));
    let message =
        format!("`max_request_body` allows {one}, `max_body_memory` only {all} for all bodies together");
    let warning = Diagnostic::warning(Code::Conflict, place(root), message);
    root.context.report(warning.hint("larger bodies get 503: raise the one in `global`, or lower the other"));
}

/// Where the file says how much may be held, or begins.
fn place(root: &Map<'_>) -> Span {
    let global = root.get("global").map(|v| v.node);
    let entries = global.and_then(|node| match &node.kind {
        Kind::Map(entries) => Some(entries),
        _ => None,
    });
    let entry = entries.and_then(|entries| entries.iter().find(|e| e.key.text == "max_body_memory"));
    entry.map_or(root.span, |e| e.key.span)
}
