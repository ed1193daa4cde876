//! What becomes too old.

use super::*;
use crate::ledger::retention::{self, Limits};
use crate::ledger::store::Store;

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn what_is_too_old_goes_in_small_steps_while_calls_are_written() {
    let dir = Dir::new("keep");
    let keep = Keep { calls: DAY * 2, totals: DAY * 10 };
    let now = clock::unix_time();
    let (ledger, _told) = dir.start_with(keep);
    until("made", || ledger.figures().durable);
    for _ in 0..9000 {
        ledger.record(Call { at: now - DAY * 3, ..call() });
    }
    ledger.record(Call { at: now - DAY * 12, ..call() });
    for _ in 0..100 {
        ledger.record(call());
    }
    until("deleted", || dir.ask("SELECT count(*) FROM calls") == 100);
    until("deleted too", || dir.ask("SELECT sum(requests) FROM totals") == 9100);
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.ask("SELECT count(*) FROM writers"), 1);
}

#[test]
fn no_step_deletes_more_than_a_little() {
    let dir = Dir::new("steps");
    let (ledger, _told) = dir.start_with(Keep { calls: DAY * 40_000, totals: DAY * 40_000 });
    for _ in 0..5000 {
        ledger.record(Call { at: Duration::from_secs(7200), ..call() });
    }
    ledger.flush_and_stop(PATIENCE);
    let store = Store::open(&dir.0).unwrap();
    let limits = Limits { calls: 8_000_000, totals: 8000 };
    let mut left = Vec::new();
    while retention::delete(&store.connection, limits).unwrap() {
        left.push(dir.ask("SELECT count(*) FROM calls"));
    }
    assert_eq!(left, [3000, 1000]);
    assert_eq!(dir.ask("SELECT count(*) FROM calls"), 0);
    assert_eq!(dir.ask("SELECT sum(requests) FROM totals"), 5000, "the hour is not wholly over");
    assert!(retention::delete(&store.connection, Limits { calls: 0, totals: 10_800 }).unwrap());
    assert_eq!(dir.ask("SELECT count(*) FROM totals"), 0);
}
