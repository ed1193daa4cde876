//! The question that people ask of the ledger: who took how much, in which time, by what. The command and the admin
//! listener ask it here. Sums are whole micro-dollars; those of the rows add up to the total.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row as SqlRow};

use super::error::Error;
use super::range::Range;
use super::reader;

/// What rows are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Client,
    Plan,
    Model,
    Backend,
    Server,
    Day,
    Month,
    Hour,
}

impl By {
    pub const ALL: [By; 8] =
        [By::Client, By::Plan, By::Model, By::Backend, By::Server, By::Day, By::Month, By::Hour];

    pub fn name(self) -> &'static str {
        match self {
            By::Client => "client",
            By::Plan => "plan",
            By::Model => "model",
            By::Backend => "backend",
            By::Server => "server",
            By::Day => "day",
            By::Month => "month",
            By::Hour => "hour",
        }
    }

    pub fn from_name(name: &str) -> Option<By> {
        By::ALL.into_iter().find(|by| by.name() == name)
    }

    fn is_time(self) -> bool {
        matches!(self, By::Day | By::Month | By::Hour)
    }

    fn sql(self) -> &'static str {
        match self {
            By::Day => "date(hour, 'unixepoch')",
            By::Month => "strftime('%Y-%m', hour, 'unixepoch')",
            By::Hour => "strftime('%Y-%m-%dT%H:00Z', hour, 'unixepoch')",
            By::Client | By::Plan | By::Model | By::Backend | By::Server => self.name(),
        }
    }
}

/// `--by` and the like: names with commas between, each once.
///
/// # Errors
/// The name that is none, for [`By::ALL`] to be told.
pub fn parse_by(text: &str) -> Result<Vec<By>, String> {
    let mut list = Vec::new();
    for name in text.split(',').map(str::trim) {
        let by = By::from_name(name).ok_or_else(|| name.to_owned())?;
        if !list.contains(&by) {
            list.push(by);
        }
    }
    Ok(list)
}

#[derive(Clone, Debug)]
pub struct Question {
    pub by: Vec<By>,
    pub range: Range,
    /// Also tell the models of each row apart, to compare their prices.
    pub models: bool,
}

#[derive(Clone, Debug)]
pub struct Report {
    /// The file that it was read from.
    pub file: PathBuf,
    pub by: Vec<By>,
    pub range: Range,
    /// By time in its order where it is asked for; else the dearest first.
    pub rows: Vec<Row>,
    pub total: Sums,
    /// The first hour that the ledger has anything of, in unix seconds; `None`: it is empty.
    pub begins: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// In the order of the question. An empty one: there was none (a call without a key has no client).
    pub names: Vec<String>,
    pub sums: Sums,
    /// Where the question asks for them.
    pub models: BTreeMap<String, Sums>,
}

/// Tokens and costs are `None` where no call said anything of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub requests: u64,
    /// Answered with an error, or not at all.
    pub failed: u64,
    /// With tokens that were reckoned, not told by the provider.
    pub estimated: u64,
    /// Without a count of tokens, and no error: not part of the sums.
    pub uncounted: u64,
    /// Without a cost, and no error: not part of the cost.
    pub unpriced: u64,
    pub prompt: Option<u64>,
    pub completion: Option<u64>,
    pub cached: Option<u64>,
    pub reasoning: Option<u64>,
    /// Micro-dollars.
    pub cost: Option<u64>,
    /// Tokens of the calls that have a cost.
    pub priced: Priced,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    pub prompt: u64,
    pub completion: u64,
    pub cached: u64,
}

impl Sums {
    pub fn add(&mut self, other: &Sums) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.estimated += other.estimated;
        self.uncounted += other.uncounted;
        self.unpriced += other.unpriced;
        for (sum, other) in [
            (&mut self.prompt, other.prompt),
            (&mut self.completion, other.completion),
            (&mut self.cached, other.cached),
            (&mut self.reasoning, other.reasoning),
            (&mut self.cost, other.cost),
        ] {
            if let Some(other) = other {
                *sum = Some(sum.unwrap_or(0).saturating_add(other));
            }
        }
        self.priced.prompt += other.priced.prompt;
        self.priced.completion += other.priced.completion;
        self.priced.cached += other.priced.cached;
    }
}

/// Asks the ledger in a state directory, whether a balancer writes to it or not. `None`: there is none.
///
/// # Errors
/// The file is there and cannot be read.
pub fn ask(dir: &Path, question: &Question) -> Result<Option<Report>, Error> {
    let Some(reader) = reader::open(dir)? else { return Ok(None) };
    let report = answer(&reader.connection, &reader.path, question);
    report.map(Some).map_err(|cause| reader.wrong(cause))
}

const SUMS: &str =
    "sum(requests), sum(failed), sum(estimated), sum(uncounted), sum(unpriced), sum(prompt_tokens),
    sum(completion_tokens), sum(cached_tokens), sum(reasoning_tokens), sum(cost), sum(priced_prompt_tokens),
    sum(priced_completion_tokens), sum(priced_cached_tokens)";

/// What a file of the first version does not have yet, and nobody may write to it now.
const SUMS_1: &str = "sum(requests), sum(failed), sum(estimated), 0, sum(unpriced), sum(prompt_tokens),
    sum(completion_tokens), sum(cached_tokens), sum(reasoning_tokens), sum(cost),
    coalesce(sum(CASE WHEN cost IS NOT NULL THEN prompt_tokens END), 0),
    coalesce(sum(CASE WHEN cost IS NOT NULL THEN completion_tokens END), 0),
    coalesce(sum(CASE WHEN cost IS NOT NULL THEN cached_tokens END), 0)";

fn answer(connection: &Connection, file: &Path, question: &Question) -> rusqlite::Result<Report> {
    // All of it from one moment.
    let moment = connection.unchecked_transaction()?;
    let columns: Vec<&str> =
        question.by.iter().map(|by| by.sql()).chain(question.models.then_some("model")).collect();
    let sums = if super::schema::version_of(&moment)? < 2 { SUMS_1 } else { SUMS };
    let comma = if columns.is_empty() { "" } else { ", " };
    let group = if columns.is_empty() { "" } else { "GROUP BY" };
    let columns = columns.join(", ");
    let sql =
        format!("SELECT {columns}{comma}{sums} FROM totals WHERE hour >= ?1 AND hour < ?2 {group} {columns}");
    let mut statement = moment.prepare(&sql)?;
    let bounds = [question.range.since, question.range.until].map(|at| i64::try_from(at).unwrap_or(i64::MAX));
    let mut found = statement.query(bounds)?;
    let mut rows: BTreeMap<Vec<String>, Row> = BTreeMap::new();
    let mut total = Sums::default();
    while let Some(row) = found.next()? {
        let names =
            (0..question.by.len()).map(|column| row.get(column)).collect::<Result<Vec<String>, _>>()?;
        let sums = sums_of(row, question.by.len() + usize::from(question.models))?;
        if sums.requests == 0 {
            continue;
        }
        total.add(&sums);
        let empty = || Row { names: names.clone(), sums: Sums::default(), models: BTreeMap::new() };
        let entry = rows.entry(names.clone()).or_insert_with(empty);
        entry.sums.add(&sums);
        if question.models {
            entry.models.entry(row.get(question.by.len())?).or_default().add(&sums);
        }
    }
    let begins: Option<i64> = moment.query_row("SELECT min(hour) FROM totals", [], |row| row.get(0))?;
    Ok(Report {
        file: file.to_owned(),
        by: question.by.clone(),
        range: question.range,
        rows: ordered(rows, &question.by),
        total,
        begins: begins.and_then(|hour| u64::try_from(hour).ok()),
    })
}

fn sums_of(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<Sums> {
    let known = |column: usize| -> rusqlite::Result<Option<u64>> {
        let value: Option<i64> = row.get(first + column)?;
        Ok(value.and_then(|value| u64::try_from(value).ok()))
    };
    let count = |column| known(column).map(Option::unwrap_or_default);
    Ok(Sums {
        requests: count(0)?,
        failed: count(1)?,
        estimated: count(2)?,
        uncounted: count(3)?,
        unpriced: count(4)?,
        prompt: known(5)?,
        completion: known(6)?,
        cached: known(7)?,
        reasoning: known(8)?,
        cost: known(9)?,
        priced: Priced { prompt: count(10)?, completion: count(11)?, cached: count(12)? },
    })
}

fn ordered(rows: BTreeMap<Vec<String>, Row>, by: &[By]) -> Vec<Row> {
    let mut rows: Vec<Row> = rows.into_values().collect();
    if !by.iter().any(|by| by.is_time()) {
        // Stable: the names decide between equals.
        rows.sort_by_key(|row| std::cmp::Reverse((row.sums.cost, row.sums.requests)));
    }
    rows
}
