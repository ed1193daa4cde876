//! The actions `raise` and `set_gpt0`: what rules write into stick tables themselves.

use super::{Stage, connection};
use crate::config::checked::{Counter, CounterRef, Table};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::{Keys, Map};
use crate::config::section::frontends::Around;
use crate::config::value::Value;

pub(super) const RAISE: Keys = Keys {
    path: "frontends.NAME.rules.raise",
    known: &["table", "counter"],
    not_yet: &[],
    elsewhere: &[("by", "every raise adds one")],
};

pub(super) const SET_GPT0: Keys =
    Keys { path: "frontends.NAME.rules.set_gpt0", known: &["table", "value"], not_yet: &[], elsewhere: &[] };

pub(super) const CONNECTION_RAISE: Keys = Keys { path: "frontends.NAME.connection_rules.raise", ..RAISE };

pub(super) const CONNECTION_SET_GPT0: Keys =
    Keys { path: "frontends.NAME.connection_rules.set_gpt0", ..SET_GPT0 };

pub(super) fn raise(value: Value<'_>, stage: Stage, around: &Around<'_>) -> Option<CounterRef> {
    let keys = if stage == Stage::Connection { &CONNECTION_RAISE } else { &RAISE };
    let map = Map::open(value, keys, "`raise`")?;
    let counter = map.required("counter", |v| counter(v).map(|name| (v, name)));
    let (index, table) = map.required("table", |v| table(v, stage, around))?;
    let (value, name) = counter?;
    let find = |wanted: fn(&Counter) -> bool| table.counters.iter().position(wanted);
    // Raising the count raises its rate too; a table may have the rate alone.
    let found = match name {
        "gpc0" => find(|c| matches!(c, Counter::Gpc0)).or(find(|c| matches!(c, Counter::Gpc0Rate(_)))),
        _ => find(|c| matches!(c, Counter::Gpc1)).or(find(|c| matches!(c, Counter::Gpc1Rate(_)))),
    };
    match found {
        Some(counter) => Some(CounterRef { table: index, counter }),
        None => missing(value, table, name, &format!("`{name}` or `{name}_rate(1m)`")),
    }
}

pub(super) fn set_gpt0(value: Value<'_>, stage: Stage, around: &Around<'_>) -> Option<(CounterRef, u32)> {
    let keys = if stage == Stage::Connection { &CONNECTION_SET_GPT0 } else { &SET_GPT0 };
    let map = Map::open(value, keys, "`set_gpt0`")?;
    let number = map.required("value", |v| v.count_u32(0..=u32::MAX));
    let place = map.required("table", |v| table(v, stage, around).map(|found| (v, found)));
    let (value, (index, table)) = place?;
    match table.counters.iter().position(|c| *c == Counter::Gpt0) {
        Some(counter) => Some((CounterRef { table: index, counter }, number?)),
        None => missing(value, table, "gpt0", "`gpt0`"),
    }
}

/// Writing is not tracking: only `track` makes a table used.
fn table<'a>(value: Value<'_>, stage: Stage, around: &Around<'a>) -> Option<(usize, &'a Table)> {
    let index = around.known.tables.index(value)?;
    if stage == Stage::Connection && !connection::keyed_by_src(value, index, around) {
        return None;
    }
    // A table with a mistake is `None` here, and reported where it stands.
    around.known.table_list.get(index)?.as_ref().map(|table| (index, table))
}

fn counter(value: Value<'_>) -> Option<&'static str> {
    let text = value.nonempty()?;
    match text.split(['(', '_']).next() {
        Some(name @ ("gpc0" | "gpc1")) if text != name && text == value.shown() => value.reject(
            Code::BadValue,
            format!("a rule raises `{name}`, not `{text}`"),
            format!("write `{name}`; its rate, where the table has one, is raised with it"),
        ),
        _ => value.word(&[("gpc0", "gpc0"), ("gpc1", "gpc1")], &[]),
    }
}

fn missing<T>(value: Value<'_>, table: &Table, name: &str, add: &str) -> Option<T> {
    let message = format!("table `{}` has no counter `{name}`", table.name);
    let wrong = Diagnostic::error(Code::UnknownName, value.span(), message);
    value.context.reject(wrong.hint(format!("add {add} to its `counters`")))
}
