//! A server that comes back is not given everything at once: its weight and its `max_concurrent` grow in even steps to
//! what they are.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::base::clock::Tick;

/// Steps from nothing to all; what a weight of 1 is to the balancers, so that it can grow too.
pub const STEPS: u32 = 16;

/// The step, 1..=[`STEPS`], of a server that came back at `since`.
pub fn step(since: Tick, now: Tick, slow_start: Duration) -> u32 {
    let (passed, whole) = (now.since(since).as_millis(), slow_start.as_millis());
    if passed >= whole {
        return STEPS;
    }
    u32::try_from(passed * u128::from(STEPS) / whole.max(1)).unwrap_or(STEPS).clamp(1, STEPS)
}

/// A weight in the unit of the balancers.
pub fn weight(weight: u16, step: u32) -> u32 {
    u32::from(weight) * step
}

/// Requests at once.
pub fn limit(max: NonZeroU32, step: u32) -> u32 {
    if step >= STEPS {
        return max.get();
    }
    let part = u64::from(max.get()) * u64::from(step) / u64::from(STEPS);
    u32::try_from(part).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Duration = Duration::from_secs(16);

    #[test]
    fn it_grows_in_even_steps_to_all() {
        let at = |seconds: u64| step(Tick(5000), Tick(5000 + seconds * 1000), WHOLE);
        assert_eq!([0, 1, 2, 8, 15, 16, 99].map(at), [1, 1, 2, 8, 15, 16, 16]);
        assert_eq!(step(Tick(5000), Tick(0), WHOLE), 1, "a clock that is behind");
        assert_eq!(step(Tick(0), Tick(0), Duration::ZERO), STEPS);
    }

    #[test]
    fn nothing_grows_from_nothing() {
        let one = NonZeroU32::MIN;
        assert_eq!([1, 8, 16].map(|step| limit(one, step)), [1, 1, 1]);
        let hundred = NonZeroU32::new(100).unwrap();
        assert_eq!([1, 8, 15, 16].map(|step| limit(hundred, step)), [6, 50, 93, 100]);
        assert_eq!([1, 16].map(|step| limit(NonZeroU32::MAX, step)), [u32::MAX / 16, u32::MAX]);
        assert_eq!([1, 16].map(|step| weight(256, step)), [256, 4096]);
    }
}
