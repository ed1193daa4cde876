//! A checked configuration and the state become a snapshot. The only translator from the schema to the engines.

pub mod access_log;
mod acls;
mod ai;
mod backends;
mod clients;
mod frontends;
mod rules;
pub mod tls;

use std::path::PathBuf;

use thiserror::Error;

use crate::config::checked::{self, Balance, Checked, ClientMode, Counter, HashKey, TableKey};
use crate::runtime::snapshot::{Admin, Snapshot, StickTable};
use crate::runtime::state::State;
use crate::stick::{CounterKind, Period, TableSpec};

/// What only shows when the parts are put to use.
#[derive(Debug, Error)]
pub enum CompileError {
    #[error("{}: {error}", path.display())]
    Certificate { path: PathBuf, error: rustls::Error },
    #[error("{}: clients cannot be verified with it: {error}", path.display())]
    ClientAuthorities { path: PathBuf, error: String },
    #[error("a bind with TLS has no certificate")]
    NoCertificate,
    #[error(
        "the system has no certificate authorities to verify servers with: install ca-certificates, or set tls.ca_file"
    )]
    NoSystemRoots,
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("`{0}` cannot be used as a header value or a name for TLS")]
    BadName(String),
    #[error("rule of frontend `{frontend}`, line {line}: {error}")]
    Rule { frontend: String, line: usize, error: String },
    #[error("acl `{acl}`: {error}")]
    Acl { acl: String, error: String },
}

/// Compiles; what the state knows already (tables, servers, queues, counters) goes on under its name. It changes nothing of
/// what is in force: see [`State::keep_tables`].
///
/// # Errors
/// See [`CompileError`]: certificates and names that the checks of the file cannot judge.
pub fn compile(checked: &Checked, state: &State) -> Result<Snapshot, CompileError> {
    let tables: Vec<StickTable> = checked
        .tables
        .iter()
        .map(|table| StickTable { key: table.key, table: state.table(table.key, table_spec(table)) })
        .collect();
    let backends = backends::compile(checked, state)?;
    let frontends = frontends::compile(checked, state, &backends)?;
    let binds = frontends::binds(checked, state)?;
    let backends_decide = backends.iter().any(|backend| backend.models.decide());
    let asks = checked.clients.mode != ClientMode::Passthrough || !checked.clients.keys.is_empty();
    let hashed = checked.backends.iter().any(|backend| backend.balance == Balance::Hash(HashKey::ApiKey));
    let acls = acls::compile(checked)?;
    let ai = ai::compile(checked, state, backends_decide);
    Ok(Snapshot {
        needs_identity: asks
            || ai.counts
            || tables.iter().any(|table| table.key == TableKey::ApiKey)
            || hashed,
        frontends,
        binds,
        backends,
        tables,
        acls,
        directory: clients::directory(&checked.clients),
        clients: clients::clients(checked, state),
        plans: clients::plans(checked, state),
        ai,
        admin: Admin {
            token: checked.admin.token.clone(),
            allow_changes_from: checked.admin.allow_changes_from.clone(),
        },
        max_connections: checked.global.max_connections,
        max_body_memory: checked.global.max_body_memory,
        shutdown_grace: checked.global.shutdown_grace,
        access_log: access_log::compile(&checked.log),
    })
}

fn table_spec(table: &checked::Table) -> TableSpec {
    let counters = table.counters.iter().map(|counter| counter_kind(*counter)).collect();
    TableSpec { name: table.name.clone(), size: table.size, expire: table.expire, counters }
}

fn counter_kind(counter: Counter) -> CounterKind {
    match counter {
        Counter::HttpReqRate(period) => CounterKind::HttpReqRate(Period::of(period)),
        Counter::HttpReqCnt => CounterKind::HttpReqCnt,
        Counter::HttpErrRate(period) => CounterKind::HttpErrRate(Period::of(period)),
        Counter::HttpErrCnt => CounterKind::HttpErrCnt,
        Counter::HttpFailRate(period) => CounterKind::HttpFailRate(Period::of(period)),
        Counter::HttpFailCnt => CounterKind::HttpFailCnt,
        Counter::ConnCur => CounterKind::ConnCur,
        Counter::ConnRate(period) => CounterKind::ConnRate(Period::of(period)),
        Counter::ConnCnt => CounterKind::ConnCnt,
        Counter::BytesInRate(period) => CounterKind::BytesInRate(Period::of(period)),
        Counter::BytesInCnt => CounterKind::BytesInCnt,
        Counter::BytesOutRate(period) => CounterKind::BytesOutRate(Period::of(period)),
        Counter::BytesOutCnt => CounterKind::BytesOutCnt,
        Counter::TokensRate(period) => CounterKind::TokensRate(Period::of(period)),
        Counter::TokensCnt => CounterKind::TokensCnt,
        Counter::CostRate(period) => CounterKind::CostRate(Period::of(period)),
        Counter::Gpc0 => CounterKind::Gpc0,
        Counter::Gpc0Rate(period) => CounterKind::Gpc0Rate(Period::of(period)),
        Counter::Gpc1 => CounterKind::Gpc1,
        Counter::Gpc1Rate(period) => CounterKind::Gpc1Rate(Period::of(period)),
        Counter::Gpt0 => CounterKind::Gpt0,
    }
}
