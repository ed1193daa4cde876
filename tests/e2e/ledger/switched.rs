//! `ai.ledger` decides at the start and in every reload whether calls are kept.

use crate::support::till::{Terms, Till, provider};
use crate::support::usage_db::UsageDb;
use crate::support::wait::until;

const OFF: Terms = Terms { app: "", plan: "", ai: "\n  ledger: off" };

#[test]
fn off_leaves_no_file() {
    let till = Till::new(&OFF);
    assert_eq!(till.spends("sk-app", 5).status(), 200);
    assert!(!till.edge.metrics().has("tidegate_ledger_durable", &[]));
    let directory = till.stop();
    assert!(!UsageDb::within(&directory).path.exists());
}

#[test]
fn a_reload_turns_it_on_and_off() {
    let till = Till::new(&OFF);
    let book = UsageDb::of(&till.edge);
    till.spends("sk-app", 1);
    till.reload(&Terms::default());
    until("it is open", || till.edge.metrics().sum("tidegate_ledger_durable", &[]) == 1.0);
    till.spends("sk-app", 20);
    // What is not on disk yet when it is turned off is written all the same.
    till.reload(&OFF);
    book.comes_to(1);
    till.spends("sk-app", 300);
    till.reload(&Terms { ai: "\n  ledger: {keep_calls: 1h}", ..Terms::default() });
    till.spends("sk-app", 4000);
    book.comes_to(2);
    till.reload(&Terms { ai: "\n  ledger: {keep_calls: 2h}", ..Terms::default() });
    till.spends("sk-app", 50000);
    book.comes_to(3);
    assert_eq!(book.number("SELECT sum(cost) FROM calls"), 54020);
    book.is_sound();
}

#[test]
fn another_start_goes_on_in_the_same_file() {
    let mut directory = None;
    for times in 1..=3 {
        let till = match directory.take() {
            None => Till::new(&Terms::default()),
            Some(directory) => Till::within(directory, &Terms::default(), provider()),
        };
        till.spends("sk-app", 10);
        let stopped = till.stop();
        let book = UsageDb::within(&stopped);
        assert_eq!(book.calls(), times, "a stop in good order loses nothing");
        assert_eq!(book.number("SELECT count(*) FROM writers"), times);
        book.is_sound();
        directory = Some(stopped);
    }
}

/// A file that the process does not know how to write is left as it is.
#[test]
fn a_newer_file_is_not_touched() {
    let till = Till::new(&Terms::default());
    till.spends("sk-app", 10);
    let directory = till.stop();
    let book = UsageDb::within(&directory);
    let version = rusqlite::Connection::open(&book.path).unwrap();
    version.pragma_update(None, "user_version", 99).unwrap();
    drop(version);
    let till = Till::within(directory, &Terms::default(), provider());
    until("it says so", || till.edge.metrics().has("tidegate_ledger_durable", &[]));
    assert_eq!(till.edge.metrics().sum("tidegate_ledger_durable", &[]), 0.0);
    assert_eq!(till.spends("sk-app", 10).status(), 200);
    let directory = till.stop();
    assert_eq!(UsageDb::within(&directory).calls(), 1);
}
