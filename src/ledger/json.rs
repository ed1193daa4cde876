//! A report for programs. Names do not change; what is unknown is null.

use serde_json::{Map, Value, json};

use super::compare::{Compared, Comparison};
use super::query::{Report, Sums};
use super::range;

impl Report {
    /// Money is there twice: `cost_micro_usd` is exact for every reader, `cost_usd` is for people.
    pub fn to_json(&self, comparison: Option<&Comparison>) -> Value {
        let by: Vec<&str> = self.by.iter().map(|by| by.name()).collect();
        let compared = |at: usize| comparison.map(|found| found.rows.get(at).copied().flatten());
        let rows = self.rows.iter().enumerate().map(|(at, row)| {
            let mut object = Map::new();
            for (by, name) in by.iter().zip(&row.names) {
                object.insert((*by).to_owned(), if name.is_empty() { Value::Null } else { json!(name) });
            }
            fill(&mut object, &row.sums);
            if let Some(compared) = compared(at) {
                object.insert("compared".to_owned(), compared.map_or(Value::Null, of_compared));
            }
            Value::Object(object)
        });
        let rows: Vec<Value> = rows.collect();
        let mut total = Map::new();
        fill(&mut total, &self.total);
        let mut report = json!({
            "file": self.file.display().to_string(),
            "since": range::text(self.range.since),
            "until": range::text(self.range.until),
            "ledger_begins": self.begins.map(range::text),
            "by": by,
            "rows": rows,
            "total": total,
        });
        if let (Some(found), Value::Object(report)) = (comparison, &mut report) {
            let missing: Map<String, Value> = found
                .missing
                .iter()
                .map(|(model, cost)| {
                    (model.clone(), json!({ "cost_usd": usd(*cost), "cost_micro_usd": cost }))
                })
                .collect();
            let total = found.total.map_or(Value::Null, of_compared);
            report
                .insert("comparison".to_owned(), json!({ "total": total, "models_without_price": missing }));
        }
        report
    }
}

fn fill(object: &mut Map<String, Value>, sums: &Sums) {
    for (name, value) in [
        ("requests", Some(sums.requests)),
        ("failed", Some(sums.failed)),
        ("estimated", Some(sums.estimated)),
        ("uncounted", Some(sums.uncounted)),
        ("unpriced", Some(sums.unpriced)),
        ("prompt_tokens", sums.prompt),
        ("cached_tokens", sums.cached),
        ("completion_tokens", sums.completion),
        ("reasoning_tokens", sums.reasoning),
        ("cost_micro_usd", sums.cost),
    ] {
        object.insert(name.to_owned(), json!(value));
    }
    object.insert("cost_usd".to_owned(), json!(sums.cost.map(usd)));
}

fn of_compared(compared: Compared) -> Value {
    let saved = compared.saved();
    json!({
        "here_usd": usd(compared.here),
        "here_micro_usd": compared.here,
        "there_usd": usd(compared.there),
        "there_micro_usd": compared.there,
        "saved_usd": saved as f64 / 1e6,
        "saved_micro_usd": i64::try_from(saved).ok(),
        "saved_percent": compared.percent().map(|percent| (percent * 100.0).round() / 100.0),
    })
}

fn usd(micro: u64) -> f64 {
    micro as f64 / 1e6
}
