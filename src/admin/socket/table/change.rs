//! `set table` and `clear table`: an operator lets a client start anew, or blocks one at once. Each is one line in the log.

use log::info;

use crate::admin::View;
use crate::admin::socket::table::filter::Filter;
use crate::admin::socket::table::{counter, find, read_key};
use crate::runtime::snapshot::StickTable;
use crate::stick::CounterKind;

const SET: &str = "Required arguments: <table> key <key> [data.<counter> <value>]*\n";
const CLEAR: &str = "Required arguments: <table> [data.<counter> <operator> <value> | key <key>]\n";

/// Removes the entries that the filter picks, all without one: empty when it is done, else what is wrong.
pub fn clear(view: &View, words: &[&str]) -> String {
    let [name, filter @ ..] = words else { return CLEAR.to_owned() };
    let snapshot = view.store.load();
    let table = match find(&snapshot, name) {
        Ok(table) => table,
        Err(message) => return message,
    };
    let filter = match Filter::read(filter, table) {
        Ok(filter) => filter,
        Err(message) => return message,
    };
    let now = view.state.clock.now();
    let cleared = match &filter {
        Filter::All => table.table.clear(None),
        Filter::Key(key) => table.table.clear(Some(key)),
        Filter::Data { .. } => table.table.clear_where(now, |row| filter.passes(row)),
    };
    info!("{cleared} entries of table {name} are cleared by an order on the runtime socket");
    String::new()
}

/// Makes counters of an entry read what is given; makes the entry, where there is none. All of it or nothing.
pub fn set(view: &View, words: &[&str]) -> String {
    let [name, "key", key, data @ ..] = words else {
        let keyless = matches!(words, [_, "key"]);
        return if keyless { "Key value expected\n".to_owned() } else { SET.to_owned() };
    };
    let snapshot = view.store.load();
    let order =
        find(&snapshot, name).and_then(|table| Ok((table, read_key(key, table.key)?, values(data, table)?)));
    let (table, key, values) = match order {
        Ok(order) => order,
        Err(message) => return message,
    };
    if !table.table.set(key, &values, view.state.clock.now()) {
        return format!(
            "Table {name} is full, and all of its {} entries are in use: none could make room.\n",
            table.table.size()
        );
    }
    info!("entry {key} of table {name} is set on the runtime socket: {}", data.join(" "));
    String::new()
}

/// Places of counters and what they shall read.
fn values(data: &[&str], table: &StickTable) -> Result<Vec<(usize, u64)>, String> {
    let one = |pair: &[&str]| {
        let name = pair.first().copied().unwrap_or_default();
        if !name.starts_with("data.") {
            return Err(format!("{name}: \"data.<counter>\" followed by a value expected\n"));
        }
        let place = counter(name, &table.table)?;
        let kind = table.table.spec().counters.get(place);
        if kind == Some(&CounterKind::ConnCur) {
            return Err("conn_cur is what tracks the entry now: it cannot be set.\n".to_owned());
        }
        let value = pair.get(1).and_then(|value| value.parse::<u64>().ok());
        let value = value.ok_or("Require a valid integer value to store\n")?;
        if kind.is_some_and(|kind| kind.is_narrow()) && u32::try_from(value).is_err() {
            return Err(format!("{value} is too much for {name}: at most {}.\n", u32::MAX));
        }
        Ok((place, value))
    };
    data.chunks(2).map(one).collect()
}
