//! The tables of `usage.db`, by version. People query them, and an older and a newer process may write to one file during
//! an upgrade: so a new version only adds columns with a default, tables and views.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Each takes the file from the version of its place to the next.
const STEPS: &[&str] = &[V1, V2];

/// What this tidegate writes.
pub fn version() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// `calls` is one row for each call; `totals` the same by hour, which is kept longer; `writers` the last number that each
/// process wrote, so that nothing is ever counted twice. Times are seconds (`hour`) or milliseconds (`at`) since 1970.
const V1: &str = "
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    writer INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    client TEXT NOT NULL,
    plan TEXT NOT NULL,
    model TEXT NOT NULL,
    backend TEXT NOT NULL,
    server TEXT NOT NULL,
    status INTEGER,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cached_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost INTEGER,
    estimated INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    first_content_ms INTEGER
);
CREATE INDEX calls_at ON calls (at);
CREATE TABLE totals (
    hour INTEGER NOT NULL,
    client TEXT NOT NULL,
    plan TEXT NOT NULL,
    model TEXT NOT NULL,
    backend TEXT NOT NULL,
    server TEXT NOT NULL,
    requests INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cached_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost INTEGER,
    unpriced INTEGER NOT NULL,
    PRIMARY KEY (hour, client, plan, model, backend, server)
) WITHOUT ROWID;
CREATE TABLE writers (
    id INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    seen INTEGER NOT NULL
);
";

/// Of calls with a cost, how many tokens they had: what these would have cost elsewhere can be told exactly. Of calls that were
/// written before it is taken for granted that all had one. The views are for people.
const V2: &str = "
ALTER TABLE totals ADD COLUMN uncounted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN priced_prompt_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN priced_completion_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN priced_cached_tokens INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET
    priced_prompt_tokens = coalesce(prompt_tokens, 0),
    priced_completion_tokens = coalesce(completion_tokens, 0),
    priced_cached_tokens = coalesce(cached_tokens, 0)
WHERE cost IS NOT NULL;
CREATE VIEW usage_by_hour AS
    SELECT strftime('%Y-%m-%dT%H:00Z', hour, 'unixepoch') AS hour, client, plan, model, backend, server, requests,
        failed, estimated, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost / 1e6 AS usd,
        unpriced, uncounted
    FROM totals;
CREATE VIEW usage_by_day AS
    SELECT date(hour, 'unixepoch') AS day, client, plan, model, backend, server, sum(requests) AS requests,
        sum(failed) AS failed, sum(estimated) AS estimated, sum(prompt_tokens) AS prompt_tokens,
        sum(completion_tokens) AS completion_tokens, sum(cached_tokens) AS cached_tokens,
        sum(reasoning_tokens) AS reasoning_tokens, sum(cost) / 1e6 AS usd, sum(unpriced) AS unpriced,
        sum(uncounted) AS uncounted
    FROM totals GROUP BY hour / 86400, client, plan, model, backend, server;
CREATE VIEW usage_by_month AS
    SELECT strftime('%Y-%m', hour, 'unixepoch') AS month, client, plan, model, backend, server,
        sum(requests) AS requests, sum(failed) AS failed, sum(estimated) AS estimated,
        sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens,
        sum(cached_tokens) AS cached_tokens, sum(reasoning_tokens) AS reasoning_tokens, sum(cost) / 1e6 AS usd,
        sum(unpriced) AS unpriced, sum(uncounted) AS uncounted
    FROM totals GROUP BY 1, client, plan, model, backend, server;
CREATE VIEW calls_in_words AS
    SELECT strftime('%Y-%m-%dT%H:%M:%SZ', at / 1000, 'unixepoch') AS time, request_id, client, plan, model, backend,
        server, status, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost / 1e6 AS usd, estimated,
        stream, attempts, duration_ms, first_content_ms
    FROM calls;
";

/// The version of a file; 0 of one that is empty.
pub fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Takes the file to the version that is written here, in one transaction. A newer one is left alone. The version that
/// it has then.
pub fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    if version_of(connection)? >= version() {
        return version_of(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been here since.
    let found = version_of(&transaction)?;
    apply(&transaction, found)?;
    transaction.commit()?;
    version_of(connection)
}

fn apply(transaction: &Transaction<'_>, found: i64) -> rusqlite::Result<()> {
    for (step, to) in STEPS.iter().zip(1i64..) {
        if found < to {
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", to)?;
        }
    }
    Ok(())
}

/// Makes a file as an older tidegate made it.
#[cfg(test)]
pub(super) fn make(connection: &Connection, version: i64) {
    for (step, number) in STEPS.iter().zip(1i64..).filter(|(_, number)| *number <= version) {
        connection.execute_batch(step).unwrap();
        connection.pragma_update(None, "user_version", number).unwrap();
    }
}
