//! When a server is checked next.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::config::checked::Check;
use crate::pool::health::State;
use crate::pool::server::Server;

/// Of one server: its own row of random numbers, so that checks of many servers, and of many tidegates, spread out.
#[derive(Debug)]
pub struct Schedule(AtomicU64);

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule(AtomicU64::new(RandomState::new().hash_one(0u8)))
    }
}

impl Schedule {
    /// The time from the end of a check to the next.
    pub fn pause(&self, check: &Check, server: &Server) -> Duration {
        let calm = if server.state() == State::Down { check.down_interval } else { check.interval };
        spread(server.next_interval(calm, check.fast_interval), check.jitter, self.random())
    }

    /// 0.0..1.0. SplitMix64.
    fn random(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        f64::from(u32::try_from(z >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }
}

/// `interval`, at most `jitter` of it longer or shorter. `random`: 0.0..1.0.
fn spread(interval: Duration, jitter: f64, random: f64) -> Duration {
    interval.mul_f64((1.0 + jitter * (2.0 * random - 1.0)).max(0.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::clock::Tick;
    use crate::config::checked::CheckKind;
    use crate::pool::health::{CheckResult, Thresholds, Verdict};

    const SECOND: Duration = Duration::from_secs(1);

    fn check() -> Check {
        Check {
            kind: CheckKind::Tcp,
            interval: 5 * SECOND,
            jitter: 0.0,
            fast_interval: SECOND,
            down_interval: 20 * SECOND,
            timeout: 3 * SECOND,
            rise: 2,
            fall: 3,
            slow_above: None,
            down_above: None,
        }
    }

    #[test]
    fn a_change_is_followed_fast_and_a_dead_server_is_left_in_peace() {
        let (schedule, check) = (Schedule::default(), check());
        let server = Server::new("a", std::sync::Arc::default());
        let then = |results: &str| {
            for c in results.chars() {
                let verdict = if c == '+' { Verdict::ConnectOk } else { Verdict::ConnectFailed };
                let result = CheckResult { verdict, code: None, reason: "".into(), took: SECOND };
                let _ = server.report(result, Thresholds::default(), Tick(1));
            }
            schedule.pause(&check, &server)
        };
        assert_eq!(then(""), SECOND);
        assert_eq!(then("+"), 5 * SECOND);
        assert_eq!(then("-"), SECOND);
        assert_eq!(then("-"), SECOND);
        assert_eq!(then("-"), 20 * SECOND);
        assert_eq!(then("-"), 20 * SECOND);
        assert_eq!(then("+"), SECOND);
        assert_eq!(then("+"), 5 * SECOND);
    }

    #[test]
    fn a_server_that_becomes_slow_is_looked_at_soon() {
        let (schedule, check) = (Schedule::default(), check());
        let server = Server::new("a", std::sync::Arc::default());
        let thresholds = Thresholds { rise: 2, fall: 3, slow_above: Some(SECOND) };
        let after = |seconds: u32| {
            let took = seconds * SECOND;
            let result = CheckResult { verdict: Verdict::ConnectOk, code: None, reason: "".into(), took };
            let _ = server.report(result, thresholds, Tick(1));
            schedule.pause(&check, &server)
        };
        let pauses = [1, 2, 2, 2, 2, 1, 1, 1].map(|seconds| after(seconds).as_secs());
        assert_eq!(pauses, [5, 1, 1, 5, 5, 1, 5, 5]);
    }

    #[test]
    fn two_servers_have_two_rows_of_numbers_in_all_of_the_range() {
        let (a, b) = (Schedule::default(), Schedule::default());
        let row = |schedule: &Schedule| (0..200).map(|_| schedule.random()).collect::<Vec<f64>>();
        let (a, b) = (row(&a), row(&b));
        assert_ne!(a, b);
        assert!(a.iter().all(|random| (0.0..1.0).contains(random)));
        assert!(a.iter().any(|random| *random < 0.2) && a.iter().any(|random| *random > 0.8));
    }

    proptest! {
        #[test]
        fn jitter_is_what_the_file_says_either_way(jitter in 0.0..=0.5f64, random in 0.0..1.0f64) {
            let paused = spread(10 * SECOND, jitter, random).as_secs_f64();
            prop_assert!(paused >= 10.0 * (1.0 - jitter) - 1e-6 && paused <= 10.0 * (1.0 + jitter) + 1e-6);
            prop_assert_eq!(spread(10 * SECOND, 0.0, random), 10 * SECOND);
        }
    }
}
