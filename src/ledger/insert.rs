//! A batch becomes one transaction: its calls, their sums by hour, and the number up to which this process has written.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Statement, TransactionBehavior, params};

use super::backlog::Numbered;
use super::call::Call;
use super::store::Store;

/// The most that one call counts, in tokens and micro-dollars (a million dollars): sums of them stay whole numbers, whatever a
/// provider claims.
const MOST: u64 = 1_000_000_000_000;

/// What `totals` knows apart.
type Key<'a> = (i64, &'a str, &'a str, &'a str, &'a str, &'a str);

#[derive(Debug, Default)]
struct Sums {
    requests: i64,
    failed: i64,
    estimated: i64,
    prompt: Option<i64>,
    completion: Option<i64>,
    cached: Option<i64>,
    reasoning: Option<i64>,
    cost: Option<i64>,
    unpriced: i64,
    uncounted: i64,
    /// Tokens of the calls with a cost.
    priced_prompt: i64,
    priced_completion: i64,
    priced_cached: i64,
}

impl Sums {
    fn add(&mut self, call: &Call) {
        self.requests += 1;
        self.failed += i64::from(call.failed());
        self.estimated += i64::from(call.estimated);
        add(&mut self.prompt, call.prompt);
        add(&mut self.completion, call.completion);
        add(&mut self.cached, call.cached);
        add(&mut self.reasoning, call.reasoning);
        add(&mut self.cost, call.cost);
        self.unpriced += i64::from(call.cost.is_none() && call.is_billable());
        self.uncounted += i64::from(call.tokens_unknown() && call.is_billable());
        if call.cost.is_some() {
            self.priced_prompt += whole(call.prompt).unwrap_or(0);
            self.priced_completion += whole(call.completion).unwrap_or(0);
            self.priced_cached += whole(call.cached).unwrap_or(0);
        }
    }
}

fn add(sum: &mut Option<i64>, value: Option<u64>) {
    if let Some(value) = whole(value) {
        *sum = Some(sum.unwrap_or(0).saturating_add(value));
    }
}

fn whole(value: Option<u64>) -> Option<i64> {
    value.and_then(|value| i64::try_from(value.min(MOST)).ok())
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

const LAST: &str = "SELECT last FROM writers WHERE id = ?1";

const INSERT: &str = "
INSERT INTO calls (writer, number, at, request_id, client, plan, model, backend, server, status,
    prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, estimated, stream, attempts,
    duration_ms, first_content_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";

/// A sum that nobody knew anything of stays NULL.
const ADD_UP: &str = "
INSERT INTO totals (hour, client, plan, model, backend, server, requests, failed, estimated,
    prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, unpriced, uncounted,
    priced_prompt_tokens, priced_completion_tokens, priced_cached_tokens)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
ON CONFLICT (hour, client, plan, model, backend, server) DO UPDATE SET
    requests = requests + excluded.requests,
    failed = failed + excluded.failed,
    estimated = estimated + excluded.estimated,
    prompt_tokens = coalesce(prompt_tokens + excluded.prompt_tokens, prompt_tokens, excluded.prompt_tokens),
    completion_tokens =
        coalesce(completion_tokens + excluded.completion_tokens, completion_tokens, excluded.completion_tokens),
    cached_tokens = coalesce(cached_tokens + excluded.cached_tokens, cached_tokens, excluded.cached_tokens),
    reasoning_tokens =
        coalesce(reasoning_tokens + excluded.reasoning_tokens, reasoning_tokens, excluded.reasoning_tokens),
    cost = coalesce(cost + excluded.cost, cost, excluded.cost),
    unpriced = unpriced + excluded.unpriced,
    uncounted = uncounted + excluded.uncounted,
    priced_prompt_tokens = priced_prompt_tokens + excluded.priced_prompt_tokens,
    priced_completion_tokens = priced_completion_tokens + excluded.priced_completion_tokens,
    priced_cached_tokens = priced_cached_tokens + excluded.priced_cached_tokens";

const ADVANCE: &str = "
INSERT INTO writers (id, last, seen) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET last = excluded.last, seen = excluded.seen";

impl Store {
    /// Writes what this process (`writer`) has not written yet. How many calls that were. An error means that it is
    /// not known whether they are on disk; the same batch may be written again, and nothing will be there twice.
    pub fn write<'a>(
        &mut self,
        writer: i64,
        batch: impl IntoIterator<Item = &'a Numbered>,
    ) -> rusqlite::Result<u64> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let last = transaction.query_row(LAST, [writer], |row| row.get(0)).optional()?.unwrap_or(0);
        let mut sums: HashMap<Key<'a>, Sums> = HashMap::new();
        let (mut written, mut newest, mut seen) = (0, last, 0);
        let mut insert = transaction.prepare(INSERT)?;
        for Numbered { number, call } in batch.into_iter().filter(|entry| entry.number > last) {
            insert_call(&mut insert, writer, *number, call)?;
            let hour = i64::try_from(call.at.as_secs() / 3600 * 3600).unwrap_or(i64::MAX);
            let key = (hour, &*call.client, &*call.plan, &*call.model, &*call.backend, &*call.server);
            sums.entry(key).or_default().add(call);
            (newest, seen, written) = (*number, milliseconds(call.at), written + 1);
        }
        drop(insert);
        if written > 0 {
            let mut add = transaction.prepare(ADD_UP)?;
            sums.iter().try_for_each(|(key, sums)| add_up(&mut add, key, sums))?;
            transaction.execute(ADVANCE, params![writer, newest, seen])?;
        }
        transaction.commit()?;
        Ok(written)
    }
}

fn insert_call(insert: &mut Statement<'_>, writer: i64, number: i64, call: &Call) -> rusqlite::Result<()> {
    insert.execute(params![
        writer,
        number,
        milliseconds(call.at),
        call.request_id,
        &*call.client,
        &*call.plan,
        &*call.model,
        &*call.backend,
        &*call.server,
        call.status,
        whole(call.prompt),
        whole(call.completion),
        whole(call.cached),
        whole(call.reasoning),
        whole(call.cost),
        call.estimated,
        call.stream,
        call.attempts,
        milliseconds(call.duration),
        call.first_content.map(milliseconds),
    ])?;
    Ok(())
}

fn add_up(add: &mut Statement<'_>, key: &Key<'_>, sums: &Sums) -> rusqlite::Result<()> {
    let (hour, client, plan, model, backend, server) = key;
    add.execute(params![
        hour,
        client,
        plan,
        model,
        backend,
        server,
        sums.requests,
        sums.failed,
        sums.estimated,
        sums.prompt,
        sums.completion,
        sums.cached,
        sums.reasoning,
        sums.cost,
        sums.unpriced,
        sums.uncounted,
        sums.priced_prompt,
        sums.priced_completion,
        sums.priced_cached,
    ])?;
    Ok(())
}
