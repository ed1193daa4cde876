//! The ledger against a real disk, and what happens to disks.

mod disk;
mod file;
mod keep;
mod kill;
mod query;
mod schema;
mod speed;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

use rusqlite::Connection;

use super::*;
use crate::base::clock;

/// A directory that is removed again.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("tidegate-ledger-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    fn start(&self) -> (Ledger, Receiver<Change>) {
        self.start_with(Keep::default())
    }

    fn start_with(&self, keep: Keep) -> (Ledger, Receiver<Change>) {
        let (tell, told) = mpsc::channel();
        let ledger = Ledger::start(&self.0, keep, move |change| {
            let _ = tell.send(change);
        });
        (ledger, told)
    }

    fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    fn open(&self) -> Connection {
        let connection = Connection::open(self.file()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    /// One number of the file.
    fn ask(&self, sql: &str) -> i64 {
        self.open().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// The file is whole, and its sums are those of its calls. How many it has.
    fn sound(&self) -> i64 {
        let connection = self.open();
        let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let whole: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
        for (sum, of_calls) in [
            ("requests", "count(*)"),
            ("cost", "sum(cost)"),
            ("prompt_tokens", "sum(prompt_tokens)"),
            ("completion_tokens", "sum(completion_tokens)"),
            ("failed", "sum(status IS NULL OR status >= 400)"),
        ] {
            let totals = ask(&format!("SELECT coalesce(sum({sum}), 0) FROM totals"));
            let calls = ask(&format!("SELECT coalesce({of_calls}, 0) FROM calls"));
            assert_eq!(totals, calls, "{sum}");
        }
        let calls = ask("SELECT count(*) FROM calls");
        assert_eq!(ask("SELECT count(*) FROM (SELECT DISTINCT writer, number FROM calls)"), calls, "twice");
        let behind = "SELECT count(*) FROM writers w WHERE last <> (SELECT max(number) FROM calls c WHERE c.writer = w.id)";
        assert_eq!(ask(behind), 0, "a process wrote another number than its last");
        calls
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A call of a thousand tokens for seven micro-dollars, now.
fn call() -> Call {
    Call {
        at: clock::unix_time(),
        request_id: "r-1".to_owned(),
        client: "mobile".into(),
        plan: "premium".into(),
        model: "gpt-4.1".into(),
        backend: "ai".into(),
        server: "primary".into(),
        status: Some(200),
        prompt: Some(900),
        completion: Some(100),
        cost: Some(7),
        attempts: 1,
        ..Call::default()
    }
}

/// Waits for something that happens soon.
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = clock::instant();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(20), "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_written(ledger: &Ledger, calls: u64) {
    until("written", || ledger.figures().written >= calls);
}

fn degraded(told: &Receiver<Change>) -> String {
    match told.recv_timeout(Duration::from_secs(10)) {
        Ok(Change::Degraded(why)) => why,
        other => panic!("not degraded: {other:?}"),
    }
}

fn recovered(told: &Receiver<Change>) -> u64 {
    match told.recv_timeout(Duration::from_secs(10)) {
        Ok(Change::Recovered { kept }) => kept,
        other => panic!("not recovered: {other:?}"),
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn what_is_recorded_is_restored() {
    let dir = Dir::new("first");
    assert_eq!(Ledger::restore(&dir.0, clock::unix_time()).unwrap(), Totals::default(), "no file yet");
    let (ledger, _told) = dir.start();
    // Noon of the 21st of November 2026, the day before, and the last of October.
    let noon = Duration::from_secs(1_795_262_400);
    let day = Duration::from_secs(86_400);
    for (at, client, plan, cost) in [
        (noon, "mobile", "premium", Some(7)),
        (noon, "web", "premium", Some(20)),
        (noon, "", "", None),
        (noon - day, "mobile", "free", Some(100)),
        (noon - day * 21, "mobile", "premium", Some(5000)),
    ] {
        ledger.record(Call { at, client: client.into(), plan: plan.into(), cost, ..call() });
    }
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(ledger.figures(), Figures { pending: 0, lost: 0, written: 5, durable: true });
    let totals = Ledger::restore(&dir.0, noon).unwrap();
    assert_eq!(totals.all, (27, 127));
    assert_eq!(totals.clients, HashMap::from([("mobile".into(), (7, 107)), ("web".into(), (20, 20))]));
    assert_eq!(totals.plans, HashMap::from([("premium".into(), (27, 27)), ("free".into(), (0, 100))]));
    assert_eq!(dir.sound(), 5);
}

#[test]
fn a_ledger_that_was_stopped_takes_nothing_more() {
    let dir = Dir::new("stopped");
    let (ledger, _told) = dir.start();
    ledger.flush_and_stop(PATIENCE);
    ledger.record(call());
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(ledger.figures(), Figures { pending: 0, lost: 1, written: 0, durable: true });
}

#[test]
fn what_a_provider_claims_cannot_break_the_sums() {
    let dir = Dir::new("claims");
    let (ledger, _told) = dir.start();
    for _ in 0..3 {
        let huge = Some(u64::MAX);
        ledger.record(Call { prompt: huge, completion: huge, cached: huge, cost: huge, ..call() });
    }
    ledger.record(Call { model: "x'); DROP TABLE calls; --".into(), ..call() });
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.sound(), 4);
    assert_eq!(dir.ask("SELECT max(cost) FROM totals"), 3_000_000_000_000);
}

#[test]
fn what_nobody_knows_stays_unknown() {
    let dir = Dir::new("unknown");
    let (ledger, _told) = dir.start();
    let nothing = Call { prompt: None, completion: None, cost: None, ..call() };
    ledger.record(nothing.clone());
    ledger.record(Call { status: Some(503), ..nothing });
    ledger.flush_and_stop(PATIENCE);
    let row = "SELECT requests || ' ' || failed || ' ' || unpriced || ' ' || uncounted || ' '
        || (prompt_tokens IS NULL) || (cost IS NULL) FROM totals";
    let row: String = dir.open().query_row(row, [], |row| row.get(0)).unwrap();
    assert_eq!(row, "2 1 1 1 11", "an error costs nothing, so nothing of it is missing");
}
