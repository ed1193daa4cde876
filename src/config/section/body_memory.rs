//! `global.max_body_memory` beside the sizes of single bodies.

use crate::config::checked::{Backend, Frontend, Global};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::Map;

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
    let span = root.get("global").map_or(root.span, |v| v.at);
    let message = format!(
        "`max_request_body` allows {largest} bytes, `max_body_memory` only {} for all bodies together",
        global.max_body_memory
    );
    let warning = Diagnostic::warning(Code::Conflict, span, message);
    root.context.report(warning.hint("larger bodies get 503: raise the one in `global`, or lower the other"));
}
