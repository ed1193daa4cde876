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
