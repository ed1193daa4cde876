//! What was spent before this process began: where the budgets go on.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::error::Error;
use super::reader;
use crate::base::calendar;

/// Micro-dollars of this UTC day, and of this UTC month. Who is not there spent nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// By the name of the client; the empty one is everybody without a key.
    pub clients: HashMap<String, (u64, u64)>,
    pub plans: HashMap<String, (u64, u64)>,
    /// All calls together.
    pub all: (u64, u64),
}

pub fn restore(dir: &Path, unix: Duration) -> Result<Totals, Error> {
    let Some(reader) = reader::open(dir)? else { return Ok(Totals::default()) };
    read(&reader.connection, unix).map_err(|cause| reader.wrong(cause))
}

fn read(connection: &Connection, unix: Duration) -> rusqlite::Result<Totals> {
    let today = calendar::day(unix);
    let first = calendar::first_day(calendar::month(today));
    let bounds = [today, first, today + 1].map(|day| seconds(calendar::start_of_day(day)));
    let sql = "SELECT client, plan, sum(CASE WHEN hour >= ?1 THEN cost ELSE 0 END), sum(cost)
        FROM totals WHERE hour >= ?2 AND hour < ?3 AND cost > 0 GROUP BY client, plan";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(bounds)?;
    let mut totals = Totals::default();
    while let Some(row) = rows.next()? {
        let (client, plan): (String, String) = (row.get(0)?, row.get(1)?);
        let spent = (unsigned(row.get(2)?), unsigned(row.get(3)?));
        add(totals.clients.entry(client).or_default(), spent);
        add(totals.plans.entry(plan).or_default(), spent);
        add(&mut totals.all, spent);
    }
    Ok(totals)
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn unsigned(sum: Option<i64>) -> u64 {
    sum.and_then(|sum| u64::try_from(sum).ok()).unwrap_or(0)
}

fn add(sum: &mut (u64, u64), spent: (u64, u64)) {
    *sum = (sum.0.saturating_add(spent.0), sum.1.saturating_add(spent.1));
}
