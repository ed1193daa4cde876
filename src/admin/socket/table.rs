//! `show table`: the stick tables, and the entries of one, as HAProxy prints them; `set table` and `clear table`, which change
//! them.

mod change;
mod filter;

use std::fmt::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::admin::View;
use crate::admin::socket::table::filter::Filter;
use crate::base::clock::Tick;
use crate::config::checked::TableKey;
use crate::runtime::snapshot::{Snapshot, StickTable};
use crate::stick::{CounterKind, Key, Row, Table};

pub use change::{clear, set};

/// An answer is sent in parts of this size.
const PART: usize = 32 * 1024;
/// Parts that wait for a slow reader; then the walk over the table waits too.
const PARTS_AHEAD: usize = 4;

/// One line for each table.
pub fn list(view: &View) -> String {
    view.store.load().tables.iter().map(heading).collect()
}

/// The entries that pass the filter.
///
/// # Errors
/// The text to answer: no such table, a filter that is none.
pub fn entries(view: &Arc<View>, name: &str, filter: &[&str]) -> Result<mpsc::Receiver<String>, String> {
    let snapshot = view.store.load();
    let table = find(&snapshot, name)?;
    let filter = Filter::read(filter, table)?;
    let now = view.state.clock.now();
    let (sender, parts) = mpsc::channel(PARTS_AHEAD);
    let (heading, table) = (heading(table), table.table.clone());
    // On a thread of its own: a million entries would keep /health waiting.
    tokio::task::spawn_blocking(move || walk(&heading, &table, &filter, now, &sender));
    Ok(parts)
}

fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a StickTable, String> {
    snapshot.tables.iter().find(|table| table.table.name() == name).ok_or_else(|| {
        let known: Vec<&str> = snapshot.tables.iter().map(|table| table.table.name()).collect();
        format!("No such table: {name}. There are: {}.\n", known.join(", "))
    })
}

/// A key as `show table` writes it; a model and a plan also by their names. The text of an API key is none: a secret has no
/// place in a command.
fn read_key(text: &str, kind: TableKey) -> Result<Key, String> {
    let wrong = |wanted: &str| Err(format!("{text} is no key of this table: {wanted}.\n"));
    let key = text.parse::<Key>().ok();
    match kind {
        TableKey::Src => match key.filter(|_| text.parse::<std::net::IpAddr>().is_ok()) {
            Some(key) => Ok(key),
            None => wrong("its keys are IP addresses"),
        },
        TableKey::ApiKey => match key.filter(|_| text.len() == 64) {
            Some(key) => Ok(key),
            None => wrong("its keys are 64 hex digits, as `tidegate hash-key` prints them"),
        },
        TableKey::Model | TableKey::Plan => {
            Ok(key.filter(|_| text.len() == 64).unwrap_or_else(|| Key::text(text.as_bytes())))
        }
    }
}

/// The place of the counter that `data.<name>` names.
fn counter(data: &str, table: &Table) -> Result<usize, String> {
    let name = data.strip_prefix("data.").unwrap_or(data);
    let counters = &table.spec().counters;
    counters.iter().position(|kind| kind.name() == name).ok_or_else(|| {
        let known: Vec<&str> = counters.iter().map(|kind| kind.name()).collect();
        format!("This table has no {name}. It has: {}.\n", known.join(", "))
    })
}

fn heading(table: &StickTable) -> String {
    let kind = match table.key {
        TableKey::Src => "ip",
        TableKey::ApiKey | TableKey::Model | TableKey::Plan => "string",
    };
    let table = &table.table;
    format!("# table: {}, type: {kind}, size:{}, used:{}\n", table.name(), table.size(), table.entries())
}

fn walk(heading: &str, table: &Table, filter: &Filter, now: Tick, to: &mpsc::Sender<String>) {
    let order = order(&table.spec().counters);
    let mut part = heading.to_owned();
    let mut number = 0u64;
    let mut visit = |row: &Row| {
        if filter.passes(row) {
            number += 1;
            line(&mut part, number, row, &order);
        }
        if part.len() < PART {
            return ControlFlow::Continue(());
        }
        // The reader has gone: nobody wants the rest.
        match to.blocking_send(std::mem::take(&mut part)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    if let Filter::Key(key) = filter {
        if let Some(row) = table.row(key, now) {
            let _ = visit(&row);
        }
    } else {
        table.for_each(now, visit);
    }
    let _ = to.blocking_send(part);
}

/// Counters in HAProxy's order, which is that of [`CounterKind`], with their place in a row.
fn order(counters: &[CounterKind]) -> Vec<(usize, CounterKind)> {
    let mut order: Vec<(usize, CounterKind)> = counters.iter().copied().enumerate().collect();
    order.sort_by_key(|(_, kind)| *kind);
    order
}

/// HAProxy begins with the entry's address; ours have none that means anything, so it is its number.
fn line(out: &mut String, number: u64, row: &Row, order: &[(usize, CounterKind)]) {
    let expires = row.expires_in.as_millis();
    let _ = write!(out, "0x{number:x}: key={} use={} exp={expires}", row.key, row.in_use);
    for (place, kind) in order {
        let value = row.values.get(*place).copied().unwrap_or_default();
        let _ = write!(out, " {kind}={value}");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stick::{Gpc, Period, TableSpec};

    /// A table whose counters are written in an order of the operator's own, and an entry in use.
    fn table() -> Arc<Table> {
        let (three, ten) = (Period::of(Duration::from_secs(3)), Period::of(Duration::from_secs(10)));
        Arc::new(Table::new(TableSpec {
            name: "t".into(),
            size: 10,
            expire: Duration::from_secs(60),
            counters: vec![
                CounterKind::HttpFailCnt,
                CounterKind::BytesOutRate(ten),
                CounterKind::BytesInCnt,
                CounterKind::HttpReqCnt,
                CounterKind::ConnCur,
                CounterKind::ConnRate(three),
                CounterKind::ConnCnt,
                CounterKind::Gpc0Rate(ten),
                CounterKind::Gpc0,
                CounterKind::Gpt0,
            ],
        }))
    }

    #[test]
    fn counters_come_in_haproxys_order_and_every_one_can_be_filtered_by() {
        let (table, now) = (table(), Tick(1000));
        let key = Key::address([192, 0, 2, 7].into());
        let tracked = table.track(key, now).unwrap();
        tracked.request(now);
        tracked.bytes(300, 5_000_000_000, now);
        tracked.set_gpt0(1, now);
        tracked.raise_gpc(Gpc::Zero, now);
        tracked.raise_gpc(Gpc::Zero, now);
        let row = table.row(&key, now).unwrap();
        let known = StickTable { key: TableKey::Src, table: table.clone() };
        let mut out = String::new();
        line(&mut out, 1, &row, &order(&table.spec().counters));
        assert_eq!(
            out,
            "0x1: key=192.0.2.7 use=1 exp=60000 gpt0=1 gpc0=2 gpc0_rate(10000)=2 conn_cnt=1 conn_rate(3000)=1 \
             conn_cur=1 http_req_cnt=1 bytes_in_cnt=300 bytes_out_rate(10000)=5000000000 http_fail_cnt=0\n"
        );
        for (data, value) in [("gpc0", "2"), ("bytes_out_rate", "5000000000"), ("http_fail_cnt", "0")] {
            let words = [&format!("data.{data}"), "eq", value];
            assert!(Filter::read(&words, &known).unwrap().passes(&row), "{data}");
        }
    }
}
