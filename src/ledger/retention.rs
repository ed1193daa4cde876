//! What is deleted because of its age: in small steps between batches, and never because a clock went wrong.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::Keep;
use crate::base::clock::Tick;

/// Calls that one step deletes, at most: more than one batch adds, so that deleting keeps pace with writing.
const STEP: usize = 2000;

/// Until the next look, when nothing was left to delete.
const REST: Duration = Duration::from_secs(10);

/// The clock on the wall may go that much faster than the one inside, between two looks.
const JUMP: Duration = Duration::from_secs(3600);

/// Nothing is deleted for so long after the clock went ahead: time to see that it is wrong and to put it right.
const HOLD: Duration = Duration::from_secs(86_400);

#[derive(Debug)]
pub struct Retention {
    keep: Keep,
    next: Tick,
    held_until: Tick,
    /// The last look at both clocks.
    last: Option<(Tick, Duration)>,
}

/// Older rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Milliseconds since 1970.
    pub calls: i64,
    /// Seconds since 1970.
    pub totals: i64,
}

impl Retention {
    pub fn new(keep: Keep) -> Retention {
        Retention { keep, next: Tick(0), held_until: Tick(0), last: None }
    }

    /// A file was opened whose newest call is this old. Whether the clock may have gone ahead since.
    pub fn opened(&mut self, newest: Option<Duration>, now: Tick, unix: Duration) -> bool {
        let ahead = newest.is_some_and(|newest| unix > newest + HOLD);
        if ahead {
            self.held_until = now + HOLD;
        }
        ahead
    }

    /// Looks at the clocks: how far the one on the wall jumped ahead, if it did.
    pub fn look(&mut self, now: Tick, unix: Duration) -> Option<Duration> {
        let last = self.last.replace((now, unix));
        let (then, was) = last?;
        let jump = unix.saturating_sub(was + now.since(then));
        if jump <= JUMP {
            return None;
        }
        self.held_until = now + HOLD;
        Some(jump)
    }

    /// What may be deleted now.
    pub fn due(&self, now: Tick, unix: Duration) -> Option<Limits> {
        if now < self.next || now < self.held_until {
            return None;
        }
        let calls = unix.saturating_sub(self.keep.calls).as_millis();
        let totals = unix.saturating_sub(self.keep.totals).as_secs();
        Some(Limits { calls: i64::try_from(calls).ok()?, totals: i64::try_from(totals).ok()? })
    }

    /// A step is done; `more`: there is something left.
    pub fn done(&mut self, more: bool, now: Tick) {
        self.next = if more { now } else { now + REST };
    }
}

/// One step. Whether there is more to delete.
pub fn delete(connection: &Connection, limits: Limits) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE at < ?1 ORDER BY at LIMIT ?2)";
    let step = i64::try_from(STEP).unwrap_or(i64::MAX);
    let calls = connection.execute(sql, params![limits.calls, step])?;
    // One hour at a time; a whole hour has to be old.
    let sql = "DELETE FROM totals WHERE hour = (SELECT min(hour) FROM totals) AND hour <= ?1";
    let totals = connection.execute(sql, [limits.totals.saturating_sub(3600)])?;
    if calls == 0 && totals == 0 {
        connection.execute("DELETE FROM writers WHERE seen < ?1", [limits.calls.saturating_sub(WRITER)])?;
    }
    Ok(calls == STEP || totals > 0)
}

/// The number of a process that is long gone is kept so much longer than its calls, in milliseconds.
const WRITER: i64 = 31 * 86_400_000;

/// The time of the newest call in a file.
pub fn newest(connection: &Connection) -> rusqlite::Result<Option<Duration>> {
    let at: Option<i64> = connection.query_row("SELECT max(at) FROM calls", [], |row| row.get(0))?;
    Ok(at.and_then(|at| u64::try_from(at).ok()).map(Duration::from_millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOON: Duration = Duration::from_secs(1_795_305_600);

    fn retention() -> Retention {
        Retention::new(Keep { calls: DAY * 31, totals: DAY * 800 })
    }

    #[test]
    fn a_clock_that_jumps_ahead_deletes_nothing_for_a_day() {
        let mut retention = retention();
        assert_eq!(retention.look(Tick(0), NOON), None);
        assert!(retention.due(Tick(0), NOON).is_some());
        let later = Tick(1000);
        assert_eq!(retention.look(later, NOON + DAY * 4000), Some(DAY * 4000 - Duration::from_secs(1)));
        assert_eq!(retention.due(later, NOON + DAY * 4000), None);
        // It was put right.
        let right = later + Duration::from_secs(60);
        assert_eq!(retention.look(right, NOON + Duration::from_secs(61)), None);
        assert_eq!(retention.due(right, NOON), None, "it is still held");
        assert!(retention.due(later + DAY, NOON + DAY).is_some());
    }

    #[test]
    fn a_clock_that_goes_back_only_keeps_more() {
        let mut retention = retention();
        retention.look(Tick(0), NOON);
        assert_eq!(retention.look(Tick(1000), NOON - DAY * 100), None);
        let before = retention.due(Tick(1000), NOON).unwrap();
        assert!(retention.due(Tick(1000), NOON - DAY * 100).unwrap().calls < before.calls);
        assert_eq!(retention.due(Tick(1000), Duration::ZERO), Some(Limits { calls: 0, totals: 0 }));
    }

    #[test]
    fn a_file_that_is_old_when_it_is_opened_is_kept_for_a_day() {
        let mut retention = retention();
        assert!(!retention.opened(None, Tick(0), NOON));
        assert!(!retention.opened(Some(NOON - DAY / 2), Tick(0), NOON));
        assert!(!retention.opened(Some(NOON + DAY), Tick(0), NOON), "written while the clock was ahead");
        assert!(retention.due(Tick(0), NOON).is_some());
        assert!(retention.opened(Some(NOON - DAY * 60), Tick(0), NOON));
        assert_eq!(retention.due(Tick(0), NOON), None);
        assert!(retention.due(Tick(0) + DAY, NOON + DAY).is_some());
    }

    #[test]
    fn a_sleep_of_both_clocks_is_no_jump() {
        let mut retention = retention();
        retention.look(Tick(0), NOON);
        assert_eq!(retention.look(Tick(0) + DAY, NOON + DAY), None);
    }
}
