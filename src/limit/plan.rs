//! The limits of a plan, applied to one client. The limits come with each call, from the snapshot; what was used is kept
//! here and survives a reload. Check and count are one step under one lock: requests, concurrency and tokens together or
//! none of them. What is denied is not counted: a client that hammers is let in at the time it was told.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::Tick;
use crate::stick::{CounterKind, Entry, Key, Table, TableSpec, Tracked};

use super::concurrency;
use super::reservation::{self, Reservation};
use super::window::{self, Quota, WINDOW};

/// Clients remembered at most, about 140 bytes each. When there are more, the one that came longest ago and has nothing
/// in flight is forgotten, and with it what it used of its minute.
pub const MOST_CLIENTS: usize = 1_000_000;

/// Places of the counters of an entry.
const REQUESTS: usize = 0;
const TOKENS: usize = 1;

/// What a plan allows one client; None is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub requests_per_minute: Option<u64>,
    pub concurrent: Option<u32>,
    pub tokens_per_minute: Option<u64>,
}

/// What an answer says about the client's limits, whether it was admitted or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// None: the plan does not limit requests.
    pub requests: Option<Quota>,
    /// None: the plan does not limit tokens.
    pub tokens: Option<Quota>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Requests,
    Concurrency,
    Tokens,
}

/// The verdict on one request.
#[must_use]
pub enum Verdict {
    Admitted(Admission),
    Denied(Denial),
}

pub struct Admission {
    pub permit: Permit,
    pub figures: Figures,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    pub limit: Limit,
    /// Until a request fits if nothing more comes, more than zero: exact for requests and tokens, 1 s for
    /// concurrency. Tokens may fit earlier, when a request in flight needs less than it reserved.
    pub retry_after: Duration,
    pub figures: Figures,
}

impl Denial {
    /// For the `retry-after` header: rounded up, so at least 1.
    pub fn retry_after_seconds(&self) -> u64 {
        self.retry_after.as_secs() + u64::from(self.retry_after.subsec_nanos() > 0)
    }
}

/// One request in flight. Dropping it, at the end of the answer's last byte, lets the next one in, and refunds the
/// tokens of a request that was not settled.
pub struct Permit {
    tracked: Tracked,
    /// Locked before the entry, never after.
    tokens: Mutex<Reservation>,
    tokens_per_minute: Option<u64>,
}

impl Permit {
    /// Says what time it is, at the end of a request: see [`Tracked::touch`].
    pub fn touch(&self, now: Tick) {
        self.tracked.touch(now);
    }

    /// Puts the tokens that the request really used in the place of those it reserved. Only the first time counts.
    /// What it used above them is owed: nothing more is admitted until the limit has room again.
    pub fn settle(&self, truth: u64, now: Tick) {
        let mut tokens = self.tokens.lock();
        if !tokens.is_settled() {
            self.tracked.change(now, |entry| tokens.settle(entry, TOKENS, truth, now));
        }
    }

    /// For a limit that ends an answer in the middle: raises what is reserved to the tokens used so far. False, with
    /// nothing raised: the limit has no room for them, so stop the answer and settle.
    pub fn grow(&self, used: u64, now: Tick) -> bool {
        let mut tokens = self.tokens.lock();
        if tokens.is_settled() || tokens.covers(used) {
            return true;
        }
        let limit = self.tokens_per_minute;
        self.tracked.change(now, |entry| tokens.grow(entry, TOKENS, used, limit, now))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let tokens = self.tokens.get_mut();
        if !tokens.is_settled() && tokens.covers(1) {
            self.tracked.correct(|entry| tokens.refund(entry, TOKENS));
        }
    }
}

/// What every client has used. One for the life of the process.
pub struct PlanLimits(Arc<Table>);

impl Default for PlanLimits {
    fn default() -> PlanLimits {
        PlanLimits::with_room(MOST_CLIENTS)
    }
}

impl PlanLimits {
    /// Remembers at most so many clients.
    pub fn with_room(clients: usize) -> PlanLimits {
        PlanLimits(Arc::new(Table::new(TableSpec {
            name: "plans".into(),
            size: clients,
            // After two periods a rate reads 0: nothing is lost with the entry.
            expire: 2 * WINDOW.length(),
            counters: vec![CounterKind::HttpReqRate(WINDOW), CounterKind::TokensRate(WINDOW)],
        })))
    }

    /// Admits and counts a request and reserves the tokens that it is estimated to need (None: it needs none), or denies
    /// it and counts nothing. When there is no room for one more client because every one that is remembered has
    /// requests in flight, the answer is that of too many in flight.
    pub fn admit(&self, key: Key, plan: &Plan, estimate: Option<u64>, now: Tick) -> Verdict {
        let tokens_per_minute = plan.tokens_per_minute;
        let needed = estimate.map(|estimate| reservation::amount(estimate, tokens_per_minute));
        let decided = self.0.track_if(key, now, |entry| {
            if let Some((limit, retry_after)) = refusal(entry, plan, needed, now) {
                return Err(Denial { limit, retry_after, figures: figures(entry, plan, now) });
            }
            entry.request(now);
            let mut tokens = Reservation::default();
            tokens.add(entry, TOKENS, needed.unwrap_or(0), now);
            Ok((tokens, figures(entry, plan, now)))
        });
        match decided {
            Some(Ok((tracked, (tokens, figures)))) => {
                let permit = Permit { tracked, tokens: Mutex::new(tokens), tokens_per_minute };
                Verdict::Admitted(Admission { permit, figures })
            }
            Some(Err(denial)) => Verdict::Denied(denial),
            None => Verdict::Denied(Denial {
                limit: Limit::Concurrency,
                retry_after: concurrency::WAIT,
                figures: Figures::default(),
            }),
        }
    }

    /// The table behind it: to purge it each second, to show it, to count what it had to forget.
    pub fn table(&self) -> &Arc<Table> {
        &self.0
    }
}

/// Which limit has no room, and for how long: of requests and tokens the one that takes longer, then concurrency.
fn refusal(entry: &Entry<'_>, plan: &Plan, needed: Option<u64>, now: Tick) -> Option<(Limit, Duration)> {
    let wait = |limit: Option<u64>, counter, amount: Option<u64>| match (limit, amount) {
        (Some(limit), Some(amount)) => window::wait(entry, counter, amount, limit, now),
        _ => Duration::ZERO,
    };
    let requests = wait(plan.requests_per_minute, REQUESTS, Some(1));
    let tokens = wait(plan.tokens_per_minute, TOKENS, needed);
    if tokens > requests {
        Some((Limit::Tokens, tokens))
    } else if !requests.is_zero() {
        Some((Limit::Requests, requests))
    } else if !concurrency::fits(entry, plan.concurrent) {
        Some((Limit::Concurrency, concurrency::WAIT))
    } else {
        None
    }
}

fn figures(entry: &Entry<'_>, plan: &Plan, now: Tick) -> Figures {
    let quota = |limit: Option<u64>, counter| limit.map(|limit| window::quota(entry, counter, limit, now));
    Figures {
        requests: quota(plan.requests_per_minute, REQUESTS),
        tokens: quota(plan.tokens_per_minute, TOKENS),
    }
}

#[cfg(test)]
mod tests;
