//! `clear counters`: the maxima begin anew. With `all`, so does what `show stat` counts: the readings of that moment are
//! taken off from then on. The counters themselves go on, since metrics, alerts and money are reckoned from them.

use std::collections::HashMap;

use log::info;
use parking_lot::Mutex;

use crate::admin::{View, stats_csv};
use crate::observe::csv::{Column, Row};

/// What [`Cleared`] takes off. Sessions that go on are in `scur`, not here; times of state (`lastchg`, `downtime`) and
/// means are no counts.
const COUNTED: &[Column] = &[
    Column::Stot,
    Column::Bin,
    Column::Bout,
    Column::Dreq,
    Column::Ereq,
    Column::Econ,
    Column::Eresp,
    Column::Wretr,
    Column::Wredis,
    Column::Chkfail,
    Column::Chkdown,
    Column::Lbtot,
    Column::Hrsp1xx,
    Column::Hrsp2xx,
    Column::Hrsp3xx,
    Column::Hrsp4xx,
    Column::Hrsp5xx,
    Column::HrspOther,
    Column::ReqTot,
    Column::CliAbrt,
    Column::SrvAbrt,
    Column::ConnTot,
    Column::Intercepted,
    Column::Dcon,
    Column::SslFailedHandshake,
    Column::Connect,
    Column::Reuse,
];

/// Readings at the latest `clear counters all`, by proxy and server.
#[derive(Debug, Default)]
pub struct Cleared(Mutex<HashMap<(String, String), Vec<u64>>>);

impl Cleared {
    fn note(&self, rows: &[Row]) {
        let read = |row: &Row| COUNTED.iter().map(|column| number(row, *column)).collect();
        *self.0.lock() = rows.iter().map(|row| (place(row), read(row))).collect();
    }

    /// Shows what was counted since.
    pub fn take_off(&self, rows: &mut [Row]) {
        let cleared = self.0.lock();
        for row in rows {
            let Some(before) = cleared.get(&place(row)) else { continue };
            for (column, before) in COUNTED.iter().zip(before) {
                if row.get(*column).is_some() {
                    row.set(*column, number(row, *column).saturating_sub(*before));
                }
            }
        }
    }
}

fn number(row: &Row, column: Column) -> u64 {
    row.get(column).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn place(row: &Row) -> (String, String) {
    let text = |column| row.get(column).unwrap_or_default().to_owned();
    (text(Column::Pxname), text(Column::Svname))
}

pub fn clear(view: &View, all: bool) -> String {
    let snapshot = view.store.load();
    for frontend in &snapshot.frontends {
        frontend.stats.forget_peaks();
    }
    for backend in &snapshot.backends {
        backend.stats.traffic.forget_peaks();
        backend.pool.queue().forget_peak();
        backend.servers.iter().for_each(|server| server.stats.traffic.forget_peaks());
    }
    if all {
        view.cleared.note(&stats_csv::rows(view));
    }
    info!("{} cleared by an order on the runtime socket", if all { "counters are" } else { "maxima are" });
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::csv::Type;

    fn row(server: &str, counted: u64) -> Row {
        let mut row = Row::new("ai", server, Type::Server);
        row.set(Column::Stot, counted).set(Column::Scur, 5);
        row
    }

    #[test]
    fn only_counts_begin_anew_and_only_of_what_was_there() {
        let cleared = Cleared::default();
        cleared.note(&[row("one", 7)]);
        let mut rows = [row("one", 9), row("new", 4)];
        cleared.take_off(&mut rows);
        let read = rows.each_ref().map(|row| (row.get(Column::Stot), row.get(Column::Scur)));
        assert_eq!(read, [(Some("2"), Some("5")), (Some("4"), Some("5"))]);
        assert_eq!(rows[0].get(Column::Bin), None);
    }
}
