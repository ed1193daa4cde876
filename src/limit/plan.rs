//! The limits of a plan, applied to one client. The limits come with each call, from the snapshot; what was used is kept
//! here and survives a reload. Check and count are one step under one lock. What is denied is not counted: a client that
//! hammers is let in at the time it was told.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Tick;
use crate::stick::{CounterKind, Key, Table, TableSpec, Tracked};

use super::concurrency;
use super::requests::{self, Quota, WINDOW};

/// Clients remembered at most, about 100 bytes each. When there are more, the one that came longest ago and has nothing
/// in flight is forgotten, and with it what it used of its minute.
pub const MOST_CLIENTS: usize = 1_000_000;

/// Place of the one counter of an entry.
const RATE: usize = 0;

/// What a plan allows one client; None is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub requests_per_minute: Option<u64>,
    pub concurrent: Option<u32>,
}

/// What an answer says about the client's limits, whether it was admitted or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// None: the plan does not limit requests.
    pub requests: Option<Quota>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Requests,
    Concurrency,
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
    /// Until a request fits if nothing more comes, more than zero: exact for requests, 1 s for concurrency.
    pub retry_after: Duration,
    pub figures: Figures,
}

impl Denial {
    /// For the `retry-after` header: rounded up, so at least 1.
    pub fn retry_after_seconds(&self) -> u64 {
        self.retry_after.as_secs() + u64::from(self.retry_after.subsec_nanos() > 0)
    }
}

/// One request in flight. Dropping it, at the end of the answer's last byte, lets the next one in.
pub struct Permit(Tracked);

impl Permit {
    /// Says what time it is, at the end of a request: see [`Tracked::touch`].
    pub fn touch(&self, now: Tick) {
        self.0.touch(now);
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
            counters: vec![CounterKind::HttpReqRate(WINDOW)],
        })))
    }

    /// Admits and counts a request, or denies it and counts nothing. When there is no room for one more client because
    /// every one that is remembered has requests in flight, the answer is that of too many in flight.
    pub fn admit(&self, key: Key, plan: &Plan, now: Tick) -> Verdict {
        let decided = self.0.track_if(key, now, |entry| {
            let figures = |entry: &_| Figures {
                requests: plan.requests_per_minute.map(|limit| requests::quota(entry, RATE, limit, now)),
            };
            let wait = plan
                .requests_per_minute
                .map_or(Duration::ZERO, |limit| requests::wait(entry, RATE, limit, now));
            if !wait.is_zero() {
                return Err(Denial { limit: Limit::Requests, retry_after: wait, figures: figures(entry) });
            }
            if !concurrency::fits(entry, plan.concurrent) {
                let figures = figures(entry);
                return Err(Denial { limit: Limit::Concurrency, retry_after: concurrency::WAIT, figures });
            }
            entry.request(now);
            Ok(figures(entry))
        });
        match decided {
            Some(Ok((tracked, figures))) => Verdict::Admitted(Admission { permit: Permit(tracked), figures }),
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

#[cfg(test)]
mod tests;
