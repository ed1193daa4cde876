//! The client beside those that misbehave: what it asks for is answered, and about as quickly as when it is alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Site, Verdict};
use crate::support::http::{Ask, Connection};
use crate::support::wait::timed;

/// Asks for one thing after another, as long as `going_on` and at least `times` times; the median of how long it took.
pub fn median_while(site: &Site, times: usize, going_on: impl Fn() -> bool) -> Duration {
    let mut client = site.open();
    let mut took = Vec::new();
    while took.len() < times || going_on() {
        took.push(ask(&mut client));
    }
    took.sort();
    took[took.len() / 2]
}

/// Runs `work` in a thread of its own, and asks beside it until it is over.
pub fn beside<T: Send>(site: &Site, quiet: Duration, work: impl FnOnce() -> T + Send) -> (T, Verdict) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let done = work();
            over.store(true, Ordering::SeqCst);
            done
        });
        // A thread that panics is finished too.
        let took = median_while(site, 20, || !over.load(Ordering::SeqCst) && !working.is_finished());
        let verdict = not_slower(took, quiet);
        (working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), verdict)
    })
}

fn ask(client: &mut Connection) -> Duration {
    let (answer, took) = timed(|| client.ask(&Ask::get("/v1/models")));
    assert_eq!(answer.status(), 200, "to a client that does nothing wrong: {}", answer.text());
    took
}

fn not_slower(took: Duration, quiet: Duration) -> Verdict {
    if took > 10 * quiet + Duration::from_millis(50) {
        return Err(format!("the client beside it waits {took:?}, and {quiet:?} when it is alone"));
    }
    Ok(())
}
