//! Actions that more than one list of rules has.

use http::HeaderName;

use crate::config::checked::HeaderText;
use crate::config::diagnostic::Code;
use crate::config::section::rules::Stage;
use crate::config::section::{header_text, headers};
use crate::config::value::Value;

/// An action without any detail is written `NAME: true`.
pub(super) fn switch(value: Value<'_>) -> Option<()> {
    if value.boolean()? {
        return Some(());
    }
    value.reject(Code::BadValue, format!("`{}: false` does nothing", value.name), "remove the rule")
}

/// The headers of `set_header` and `add_header`.
pub(super) fn fields(value: Value<'_>, stage: Stage) -> Option<Vec<(HeaderName, HeaderText)>> {
    let fields = headers::pairs(value, |v| header_text::read(v, stage))?;
    if fields.is_empty() {
        let hint = format!("like `{{{}: {{x-name: value}}}}`", value.name);
        return value.reject(Code::BadValue, format!("`{}` names no header", value.name), hint);
    }
    Some(fields)
}

/// The headers of `remove_header`.
pub(super) fn names(value: Value<'_>) -> Option<Vec<HeaderName>> {
    Value::each(value.one_or_more()?, |v| headers::changeable(v.context, &v.nonempty()?, v.span()))
}
