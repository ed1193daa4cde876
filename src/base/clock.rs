//! The one source of time. Engines never ask what time it is: they are given a [`Tick`]; the edges take it from a
//! [`Clock`], which a test can turn by hand.

use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point on the monotonic clock: whole milliseconds since the clock was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// Time from `earlier` to here; zero when `earlier` is in the future.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Tick;

    fn add(self, d: Duration) -> Tick {
        Tick(self.0.saturating_add(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Gives the time: the machine's, or one that a test moves.
#[derive(Clone, Debug)]
pub enum Clock {
    Real(Instant),
    Fake(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's monotonic clock, starting at tick 0 now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn real() -> Clock {
        Clock::Real(Instant::now())
    }

    /// A clock that stands at tick 0 until [`Clock::advance`] moves it.
    pub fn fake() -> Clock {
        Clock::Fake(Arc::new(AtomicU64::new(0)))
    }

    pub fn now(&self) -> Tick {
        match self {
            Clock::Real(start) => Tick(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)),
            Clock::Fake(ms) => Tick(ms.load(Ordering::Relaxed)),
        }
    }

    /// Moves a fake clock; a real one goes its own way.
    pub fn advance(&self, by: Duration) {
        if let Clock::Fake(ms) = self {
            ms.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

/// Now, for a duration that is measured finer than a [`Tick`] (latencies).
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Wall clock, as time since 1970-01-01 UTC; zero on a machine whose clock stands before that.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_clock_moves_only_when_told() {
        let clock = Clock::fake();
        let start = clock.now();
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now().since(start), Duration::from_millis(1500));
        assert_eq!(start.since(clock.now()), Duration::ZERO);
        assert_eq!(start + Duration::from_secs(2), Tick(2000));
    }
}
