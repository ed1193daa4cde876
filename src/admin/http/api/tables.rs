//! The entries of a stick table: one, or as many as are asked for.

use std::ops::ControlFlow;

use serde_json::{Map, Value, json};

use super::Call;
use super::answer::Answer;
use super::problem::Problem;
use super::routes::ROWS;
use crate::admin::View;
use crate::stick::{Key, Row, Table};

pub async fn entries(call: &Call) -> Result<Answer, Problem> {
    let (view, name) = (call.view.clone(), call.part(0));
    let snapshot = view.store.load();
    let found = snapshot.tables.iter().find(|table| table.table.name() == name);
    let Some(found) = found else {
        return Err(Problem::not_found("no such table: GET /api/v1/tables has those that there are"));
    };
    let key = call.query.text("key").map(str::parse::<Key>).transpose();
    let key = key.map_err(|error| Problem::bad_request(format!("`key`: {error}")))?;
    let most = usize::try_from(call.query.number("limit").unwrap_or(ROWS)).unwrap_or(usize::MAX);
    let mut document = serde_json::to_value(crate::admin::collect::table(found))
        .map_err(|error| Problem::failed(error.to_string()))?;
    let (table, now) = (found.table.clone(), view.state.clock.now());
    // On a thread of its own: a million entries would keep /health waiting.
    let rows = View::aside(move || {
        let mut rows = Vec::new();
        let mut more = false;
        match key {
            Some(key) => rows.extend(table.row(&key, now).map(|row| entry(&table, &row))),
            None => table.for_each(now, |row| {
                if rows.len() == most {
                    more = true;
                    return ControlFlow::Break(());
                }
                rows.push(entry(&table, row));
                ControlFlow::Continue(())
            }),
        }
        (rows, more)
    });
    let (rows, more) = rows.await.map_err(Problem::failed)?;
    document["list"] = Value::Array(rows);
    document["more"] = json!(more);
    Answer::of(&document)
}

fn entry(table: &Table, row: &Row) -> Value {
    let values = table.spec().counters.iter().zip(&row.values);
    let counters: Map<String, Value> =
        values.map(|(counter, value)| (counter.to_string(), json!(value))).collect();
    json!({
        "key": row.key.to_string(),
        "in_use": row.in_use,
        "expires_seconds": row.expires_in.as_secs_f64(),
        "counters": counters,
    })
}
