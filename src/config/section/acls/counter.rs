//! ACLs that ask a counter of a stick table.

use crate::config::checked::Test;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::Map;
use crate::config::section::{Known, tables};
use crate::config::suggest;
use crate::config::value::Value;

pub(super) fn above(map: &Map<'_>, value: Value<'_>, known: &Known<'_>) -> Option<Test> {
    let above = map.required("above", |v| v.count(0..=u64::MAX / 2));
    let counter = map.required("counter", Some);
    // Asking is not tracking: only a `track` rule makes a table used.
    let table = known.tables.index(value)?;
    let counter = counter?;
    let text = counter.nonempty()?;
    let Some(Some(found)) = known.table_list.get(table) else { return None };
    let wanted = text.split('(').next().unwrap_or_default();
    let index = found.counters.iter().position(|c| tables::name(*c) == wanted);
    let Some(index) = index else {
        let message = format!("table `{}` has no counter `{}`", found.name, counter.shown());
        let names: Vec<&str> = found.counters.iter().map(|c| tables::name(*c)).collect();
        let wrong = Diagnostic::error(Code::UnknownName, counter.span(), message);
        return map.context.reject(wrong.maybe_hint(suggest::among(&counter.shown(), &names)));
    };
    if text != wanted {
        let message = "a condition names the counter without its period";
        return counter.reject(
            Code::BadValue,
            message,
            format!("write `{wanted}`; the table says the period"),
        );
    }
    Some(Test::Above { table, counter: index, above: above? })
}
