//! Whether a failed attempt is made again, when, and how many retries a backend affords: CONFIG's `retry`. It knows
//! failures and numbers, not requests.

use std::time::Duration;

pub use self::budget::Budget;
pub use self::tried::Tried;

mod budget;
mod tried;

/// How an attempt failed before anything of an answer was passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or none of the request sent: the server cannot have acted.
    Connect,
    /// It refused the stream before it acted (HTTP/2).
    Refused,
    /// It does not take the key that the configuration gives it: nobody's fault but ours, and another may take its own.
    KeyRefused,
    /// Closed or reset before the first byte of an answer.
    EmptyResponse,
    /// No answer's head within `timeouts.first_byte`, or no content of a stream within `timeouts.first_content`.
    Timeout,
    /// An answer with this status.
    Status(u16),
}

/// `retry.when`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    pub connect_failure: bool,
    pub empty_response: bool,
    pub timeout: bool,
    statuses: [u64; 8],
}

impl When {
    /// Adds a status; outside 100..=599 it is ignored (the configuration's checks refuse it).
    pub fn with_status(mut self, status: u16) -> When {
        if let Some((word, bit)) = place(status)
            && let Some(word) = self.statuses.get_mut(word)
        {
            *word |= bit;
        }
        self
    }

    pub fn contains(&self, failure: Failure) -> bool {
        match failure {
            Failure::Connect | Failure::Refused => self.connect_failure,
            Failure::KeyRefused => true,
            Failure::EmptyResponse => self.empty_response,
            Failure::Timeout => self.timeout,
            Failure::Status(status) => place(status)
                .and_then(|(word, bit)| self.statuses.get(word).map(|word| word & bit != 0))
                .unwrap_or(false),
        }
    }
}

fn place(status: u16) -> Option<(usize, u64)> {
    let offset = status.checked_sub(100).filter(|offset| *offset < 500)?;
    Some((usize::from(offset / 64), 1 << (offset % 64)))
}

#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// All tries, the first included; 0 and 1 never retry.
    pub attempts: u32,
    pub when: When,
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// Retries as a share of requests, 0.0..=1.0; `None` is without a budget. Spent with [`Budget::take`].
    pub budget: Option<f64>,
}

impl Policy {
    /// Whether attempt number `attempt` (1 is the first), which ended in `failure`, may be followed by another one; the
    /// budget and the client's patience aside.
    ///
    /// `safe`: the request may be sent twice (an API path, or an idempotent method). A connect failure and a refused
    /// stream need no such promise: the server cannot have acted.
    pub fn should_retry(&self, attempt: u32, failure: Failure, safe: bool) -> bool {
        let untouched = matches!(failure, Failure::Connect | Failure::Refused | Failure::KeyRefused);
        attempt < self.attempts && self.when.contains(failure) && (safe || untouched)
    }

    /// How long to wait after attempt number `attempt` before the next. The first failover, to `another` server that was
    /// not tried yet, does not wait: nothing was asked of it, and failing over is the point. From then on between
    /// `backoff_min` and an upper end that doubles from twice `backoff_min` up to `backoff_max`, spread evenly over that
    /// span by `random` (0.0..=1.0), so that clients who failed together do not come back together.
    pub fn backoff(&self, attempt: u32, another: bool, random: f64) -> Duration {
        if attempt <= 1 && another {
            return Duration::ZERO;
        }
        let doubled = self.backoff_min.saturating_mul(2u32.saturating_pow(attempt.clamp(1, 31)));
        let span = doubled.min(self.backoff_max).saturating_sub(self.backoff_min);
        self.backoff_min + span.mul_f64(random.clamp(0.0, 1.0))
    }

    /// A server's Retry-After, if it is short enough to wait for: at most `backoff_max`.
    pub fn retry_after(&self, asked: Duration) -> Option<Duration> {
        (asked <= self.backoff_max).then_some(asked)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy() -> Policy {
        let when = When { connect_failure: true, empty_response: true, ..When::default() };
        Policy {
            attempts: 3,
            when: when.with_status(429).with_status(503),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(2),
            budget: Some(0.2),
        }
    }

    #[test]
    fn attempts_count_the_first_one() {
        let allowed = |attempt| policy().should_retry(attempt, Failure::Connect, true);
        assert_eq!([1, 2, 3, 4].map(allowed), [true, true, false, false]);
        assert!(!Policy { attempts: 0, ..policy() }.should_retry(1, Failure::Connect, true));
    }

    #[test]
    fn only_what_is_listed_is_retried() {
        let retried = |failure| policy().should_retry(1, failure, true);
        assert!(
            retried(Failure::EmptyResponse) && retried(Failure::Status(429)) && retried(Failure::Status(503))
        );
        assert!(
            !retried(Failure::Timeout) && !retried(Failure::Status(500)) && !retried(Failure::Status(428))
        );
        assert!(
            !retried(Failure::Status(99)) && !retried(Failure::Status(600)) && !retried(Failure::Status(0))
        );
    }

    #[test]
    fn an_unsafe_request_is_retried_only_when_the_server_cannot_have_acted() {
        assert!(policy().should_retry(1, Failure::Connect, false));
        assert!(policy().should_retry(1, Failure::Refused, false));
        assert!(!policy().should_retry(1, Failure::EmptyResponse, false));
        assert!(!policy().should_retry(1, Failure::Status(503), false));
    }

    #[test]
    fn every_status_has_its_own_bit() {
        for status in 100..600 {
            let when = When::default().with_status(status);
            assert_eq!(
                (100..600).filter(|s| when.contains(Failure::Status(*s))).collect::<Vec<_>>(),
                [status]
            );
        }
        assert_eq!(When::default().with_status(600).with_status(7), When::default());
    }

    #[test]
    fn the_first_failover_to_another_server_does_not_wait() {
        assert_eq!(policy().backoff(1, true, 1.0), Duration::ZERO);
        assert_eq!(policy().backoff(1, false, 0.0), Duration::from_millis(100));
        assert_eq!(policy().backoff(1, false, 1.0), Duration::from_millis(200));
        assert_eq!(policy().backoff(2, true, 1.0), Duration::from_millis(400));
        assert_eq!(policy().backoff(9, true, 1.0), Duration::from_secs(2));
    }

    #[test]
    fn a_retry_after_is_waited_for_when_it_is_short() {
        assert_eq!(policy().retry_after(Duration::from_secs(2)), Some(Duration::from_secs(2)));
        assert_eq!(policy().retry_after(Duration::from_millis(2001)), None);
    }

    proptest! {
        #[test]
        fn backoff_stays_between_its_ends(
            attempt in 0u32..100, random in 0.0f64..=1.0, min in 0u64..5000, more in 0u64..100_000
        ) {
            let (backoff_min, backoff_max) = (Duration::from_millis(min), Duration::from_millis(min + more));
            let policy = Policy { backoff_min, backoff_max, ..policy() };
            let wait = policy.backoff(attempt, attempt > 1, random);
            prop_assert!(backoff_min <= wait && wait <= backoff_max, "{wait:?}");
        }
    }
}
