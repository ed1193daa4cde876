//! What a backend affords in retries, so that a failing one is not finished off by them: a share of the requests of the
//! last ten seconds, at least ten.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::base::clock::Tick;

/// Survives a reload; the share is the policy's.
#[derive(Debug, Default)]
pub struct Budget {
    requests: Window,
    retries: Mutex<Window>,
}

const WINDOW_SECONDS: u64 = 10;
const AT_LEAST: u64 = 10;

impl Budget {
    /// Counts a request's first attempt. Lock-free.
    pub fn request(&self, now: Tick) {
        self.requests.add(now);
    }

    /// Takes one retry out of the budget, if there is one left. `share` `None` is without a budget.
    ///
    /// The window is made of whole seconds, the current one included, so it reaches back between nine and ten seconds.
    /// When granted, `retries <= max(10, share * requests)` holds over that window, whatever the number of threads.
    pub fn take(&self, share: Option<f64>, now: Tick) -> bool {
        let retries = self.retries.lock();
        if let Some(share) = share {
            let earned = share * self.requests.sum(now) as f64;
            if retries.sum(now) + 1 > AT_LEAST.max(earned as u64) {
                return false;
            }
        }
        retries.add(now);
        true
    }
}

/// Events of the last ten seconds, one cell a second: the upper half of a cell says which second, the lower counts.
#[derive(Debug, Default)]
struct Window {
    cells: [AtomicU64; 16],
}

impl Window {
    fn add(&self, now: Tick) {
        let second = now.0 / 1000;
        let Some(cell) = self.cells.get((second % 16) as usize) else { return };
        let mut seen = cell.load(Ordering::Relaxed);
        while seen >> 32 != stamp(second) {
            match cell.compare_exchange_weak(
                seen,
                stamp(second) << 32 | 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
        cell.fetch_add(1, Ordering::Relaxed);
    }

    fn sum(&self, now: Tick) -> u64 {
        let second = now.0 / 1000;
        let recent = |cell: &AtomicU64| {
            let seen = cell.load(Ordering::Relaxed);
            let age = stamp(second).wrapping_sub(seen >> 32) & 0xffff_ffff;
            if age < WINDOW_SECONDS { seen & 0xffff_ffff } else { 0 }
        };
        self.cells.iter().map(recent).sum()
    }
}

/// Never 0 in the first seconds, so that an untouched cell is not taken for second 0.
fn stamp(second: u64) -> u64 {
    (second + 16) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn granted(budget: &Budget, share: f64, now: Tick, tries: u32) -> usize {
        (0..tries).filter(|_| budget.take(Some(share), now)).count()
    }

    #[test]
    fn ten_retries_are_always_afforded() {
        let budget = Budget::default();
        assert_eq!(granted(&budget, 0.0, Tick(0), 50), 10);
        assert_eq!(granted(&budget, 0.2, Tick(9_999), 50), 0);
        assert_eq!(granted(&budget, 0.2, Tick(10_000), 50), 10);
    }

    #[test]
    fn a_busy_backend_affords_its_share() {
        let budget = Budget::default();
        (0..1000).for_each(|i| budget.request(Tick(i)));
        assert_eq!(granted(&budget, 0.2, Tick(1000), 1000), 200);
        assert!(budget.take(None, Tick(1000)));
        assert_eq!(granted(&budget, 0.2, Tick(20_000), 1000), 10);
    }

    #[test]
    fn threads_together_do_not_overspend() {
        let budget = Budget::default();
        let spent: usize = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(|| granted(&budget, 0.2, Tick(5), 200)));
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(spent, 10);
    }

    proptest! {
        /// Whatever comes when, a granted retry fits into the share of the ten seconds that end with it.
        #[test]
        fn retries_never_pass_the_share(
            share in 0.0f64..1.0,
            steps in prop::collection::vec((0u64..3000, 0u32..40, 0u32..40), 1..40),
        ) {
            let budget = Budget::default();
            let (mut now, mut requests, mut retries) = (0u64, Vec::new(), Vec::new());
            for (pause, asked, tries) in steps {
                now += pause;
                (0..asked).for_each(|_| {
                    budget.request(Tick(now));
                    requests.push(now / 1000);
                });
                for _ in 0..tries {
                    if budget.take(Some(share), Tick(now)) {
                        retries.push(now / 1000);
                        let count = |list: &[u64]| list.iter().filter(|s| now / 1000 - **s < 10).count() as f64;
                        prop_assert!(count(&retries) <= (share * count(&requests)).max(10.0));
                    }
                }
            }
        }
    }
}
