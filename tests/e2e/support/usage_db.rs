//! The ledger's file, read as anybody may read it: by SQLite, beside the process that writes it.

use std::path::PathBuf;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::edge::Edge;
use super::scratch::Scratch;
use super::wait::eventually;

pub struct UsageDb {
    pub path: PathBuf,
}

/// Sums that must be the same in both tables, whatever happened.
const SUMS: [&str; 2] = [
    "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(cost), 0), \
     coalesce(sum(estimated), 0) FROM calls",
    "SELECT coalesce(sum(requests), 0), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), \
     coalesce(sum(cost), 0), coalesce(sum(estimated), 0) FROM totals",
];

impl UsageDb {
    pub fn of(edge: &Edge) -> UsageDb {
        UsageDb::within(&edge.directory)
    }

    pub fn within(directory: &Scratch) -> UsageDb {
        UsageDb { path: directory.path().join("state/usage.db") }
    }

    /// The rows of a query; none while there is no such file or table.
    #[track_caller]
    pub fn rows(&self, query: &str) -> Vec<Vec<Value>> {
        self.try_rows(query).unwrap_or_default()
    }

    /// One call that waits for its place in the file, by the columns that are asked for.
    #[track_caller]
    pub fn call(&self, columns: &str, condition: &str) -> Vec<Value> {
        let query = format!("SELECT {columns} FROM calls WHERE {condition}");
        let rows = eventually(&query, || Some(self.rows(&query)).filter(|rows| !rows.is_empty()));
        assert_eq!(rows.len(), 1, "more than once: {rows:?}");
        rows.into_iter().next().unwrap()
    }

    /// A whole number.
    #[track_caller]
    pub fn number(&self, query: &str) -> i64 {
        self.rows(query).first().and_then(|row| row[0].as_i64()).unwrap_or(0)
    }

    #[track_caller]
    pub fn calls(&self) -> i64 {
        self.number("SELECT count(*) FROM calls")
    }

    #[track_caller]
    pub fn comes_to(&self, calls: i64) {
        eventually(&format!("{calls} calls in the ledger"), || (self.calls() == calls).then_some(()));
    }

    /// Nothing is damaged, nothing is there twice, and the sums are those of the calls.
    #[track_caller]
    pub fn is_sound(&self) {
        assert_eq!(self.rows("PRAGMA integrity_check"), [[Value::from("ok")]]);
        let twice = "SELECT writer, number, count(*) FROM calls GROUP BY 1, 2 HAVING count(*) > 1";
        assert_eq!(self.rows(twice), Vec::<Vec<Value>>::new());
        let both = format!("SELECT * FROM ({}) UNION ALL SELECT * FROM ({})", SUMS[0], SUMS[1]);
        let [calls, totals] = self.rows(&both).try_into().unwrap();
        assert_eq!(calls, totals);
    }

    fn try_rows(&self, query: &str) -> Option<Vec<Vec<Value>>> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        connection.busy_timeout(super::wait::DEADLINE).ok()?;
        let mut statement = connection.prepare(query).ok()?;
        let width = statement.column_count();
        let rows = statement.query_map([], |row| (0..width).map(|at| Ok(value(row.get_ref(at)?))).collect());
        rows.ok()?.collect::<Result<_, _>>().ok()
    }
}

fn value(of: ValueRef<'_>) -> Value {
    match of {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned().into(),
    }
}
