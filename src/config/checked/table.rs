//! Stick tables without mistakes: what they are keyed by and what they count.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    pub key: TableKey,
    /// Entries, at least 1.
    pub size: usize,
    pub expire: Duration,
    /// Each kind at most once.
    pub counters: Vec<Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKey {
    Src,
    ApiKey,
    /// The model that the request gets, with aliases and `auto` resolved.
    Model,
    /// The plan of the client.
    Plan,
}

/// A rate holds what happened in the last period, a count what happened since the entry was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    HttpReqRate(Duration),
    HttpReqCnt,
    /// Requests that were the client's fault.
    HttpErrRate(Duration),
    HttpErrCnt,
    /// Requests that were the server's fault.
    HttpFailRate(Duration),
    HttpFailCnt,
    /// Connections open now.
    ConnCur,
    ConnRate(Duration),
    ConnCnt,
    /// Bytes from clients.
    BytesInRate(Duration),
    BytesInCnt,
    /// Bytes to clients.
    BytesOutRate(Duration),
    BytesOutCnt,
    /// Tokens of prompts and answers.
    TokensRate(Duration),
    TokensCnt,
    /// Micro-dollars.
    CostRate(Duration),
    /// General purpose counters: rules raise them.
    Gpc0,
    Gpc0Rate(Duration),
    Gpc1,
    Gpc1Rate(Duration),
    /// General purpose tag: rules set it.
    Gpt0,
}

/// One counter of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterRef {
    /// Index in [`super::Checked::tables`].
    pub table: usize,
    /// Index in [`Table::counters`].
    pub counter: usize,
}
