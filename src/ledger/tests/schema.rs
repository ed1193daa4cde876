//! Files of other versions.

use super::*;
use crate::ledger::schema;

#[test]
fn a_file_of_the_first_version_is_taken_over_with_all_that_it_has() {
    let dir = Dir::new("older");
    let old = dir.open();
    schema::make(&old, 1);
    old.execute_batch(
        "INSERT INTO totals VALUES (1795258800, 'mobile', 'premium', 'gpt-4.1', 'ai', 'one', 3, 1, 0, 900, 100, 50, 10, 77, 0);
         INSERT INTO totals VALUES (1795258800, 'web', '', 'gpt-4.1', 'ai', 'one', 1, 0, 0, 500, NULL, NULL, NULL, NULL, 1);
         INSERT INTO writers VALUES (5, 9, 0);",
    )
    .unwrap();
    drop(old);
    let now = Duration::from_secs(1_795_262_400);
    assert_eq!(Ledger::restore(&dir.0, now).unwrap().all, (77, 77), "before anybody brought it up to date");
    let (ledger, _told) = dir.start();
    ledger.record(Call { at: Duration::from_secs(1_795_258_900), server: "one".into(), ..call() });
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.ask("PRAGMA user_version"), schema::version());
    let row =
        "SELECT requests || ' ' || cost || ' ' || priced_prompt_tokens || ' ' || priced_completion_tokens
        || ' ' || priced_cached_tokens || ' ' || uncounted FROM totals WHERE client = ";
    let text = |client: &str| -> Option<String> {
        dir.open().query_row(&format!("{row}'{client}'"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(text("mobile").unwrap(), "4 84 1800 200 50 0");
    assert_eq!(text("web"), None, "its cost is unknown as before");
    assert_eq!(dir.ask("SELECT priced_prompt_tokens FROM totals WHERE client = 'web'"), 0);
    assert_eq!(dir.ask("SELECT last FROM writers WHERE id = 5"), 9);
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let dir = Dir::new("newer");
    let new = dir.open();
    new.execute_batch("CREATE TABLE calls (other); PRAGMA user_version = 99").unwrap();
    drop(new);
    let before = std::fs::read(dir.file()).unwrap();
    let (ledger, told) = dir.start();
    ledger.record(call());
    let why = degraded(&told);
    assert!(why.contains("was written by a newer tidegate: its schema is 99, this one knows 2"), "{why}");
    assert!(Ledger::restore(&dir.0, Duration::ZERO).unwrap_err().to_string().contains("newer tidegate"));
    assert_eq!(ledger.figures().pending, 1);
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(ledger.figures().lost, 1);
    assert!(std::fs::read(dir.file()).unwrap() == before, "not a byte of it was changed");
}

#[test]
fn views_say_what_the_tables_hold() {
    let dir = Dir::new("views");
    let (ledger, _told) = dir.start();
    let at = Duration::from_secs(1_795_262_400);
    ledger.record(Call { at, cost: Some(1_500_000), ..call() });
    ledger.record(Call { at, cost: Some(250_000), ..call() });
    ledger.flush_and_stop(PATIENCE);
    let text = |sql: &str| -> String { dir.open().query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(text("SELECT day || ' ' || client || ' ' || usd FROM usage_by_day"), "2026-11-21 mobile 1.75");
    assert_eq!(text("SELECT month || ' ' || requests FROM usage_by_month"), "2026-11 2");
    assert_eq!(text("SELECT hour || ' ' || prompt_tokens FROM usage_by_hour"), "2026-11-21T12:00Z 1800");
    assert_eq!(text("SELECT time || ' ' || usd FROM calls_in_words LIMIT 1"), "2026-11-21T12:00:00Z 1.5");
}
