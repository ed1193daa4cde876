//! Waiting: poll a condition until it holds or a deadline passes. No test sleeps and hopes.

use std::time::{Duration, Instant};

/// How long anything may take before the test gives up. Generous: it is only ever waited for in full by a test that fails.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The time, for deadlines of tests.
#[expect(clippy::disallowed_methods, reason = "a test watches the real clock of the process it looks at")]
pub fn now() -> Instant {
    Instant::now()
}

/// Calls `probe` until it returns something; panics with `what` after [`DEADLINE`].
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = now() + DEADLINE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(now() < end, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `holds` is true.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}

/// Runs `work` and says how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let value = work();
    (value, start.elapsed())
}
