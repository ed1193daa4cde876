//! A disk that is full, may not be written, or lost the file: requests go on, somebody is told, and it comes right by itself.

use crate::support::edge::Edge;
use crate::support::scratch::Scratch;
use crate::support::till::{Terms, Till, provider};
use crate::support::tmpfs::Tmpfs;
use crate::support::usage_db::UsageDb;
use crate::support::wait::until;

#[track_caller]
fn becomes(edge: &Edge, state: &str) {
    let last = || edge.events().into_iter().rfind(|event| event["kind"] == "ledger");
    until(&format!("the ledger is {state}"), || last().is_some_and(|event| event["to"] == state));
    let durable = if state == "durable" { 1.0 } else { 0.0 };
    until("the metric follows", || edge.metrics().sum("tidegate_ledger_durable", &[]) == durable);
}

/// Calls that pass whatever the disk does.
#[track_caller]
fn calls(till: &Till, times: u64) {
    let mut client = till.edge.open();
    for _ in 0..times {
        assert_eq!(client.ask(&crate::support::till::exact("sk-app", 10)).status(), 200);
    }
}

#[track_caller]
fn waiting(edge: &Edge) -> u64 {
    edge.metrics().sum("tidegate_ledger_pending", &[]) as u64
}

/// Another disk is where the file was, and may not be written; then the file is back.
#[test]
fn a_directory_that_may_not_be_written_is_told_and_caught_up_with() {
    let till = Till::new(&Terms { ai: "\n  budget: {usd: 1}", ..Terms::default() });
    let book = UsageDb::of(&till.edge);
    calls(&till, 3);
    book.comes_to(3);
    let Some(disk) = Tmpfs::mount(book.path.parent().unwrap(), 1 << 20) else { return };
    disk.set_writable(false);
    calls(&till, 20);
    becomes(&till.edge, "degraded");
    until("they wait in memory", || waiting(&till.edge) == 20);
    assert_eq!(till.spent("all", ""), 230, "budgets count all the same");
    // It must not keep an operator from changing what can be changed.
    till.reload(&Terms { ai: "\n  budget: {usd: 2}", ..Terms::default() });
    drop(disk);
    becomes(&till.edge, "durable");
    book.comes_to(23);
    calls(&till, 5);
    book.comes_to(28);
    book.is_sound();
    assert_eq!(till.edge.metrics().sum("tidegate_ledger_lost_total", &[]), 0.0);
    let told = till.edge.told("ledger: calls cannot be written to disk");
    assert_eq!(told, 1, "one line, not one for each try");
}

/// A restart changes nothing about that: it serves, and budgets know what was spent before.
#[test]
fn a_disk_that_is_read_only_before_the_start_is_told_and_caught_up_with() {
    let directory = Scratch::new();
    let Some(disk) = Tmpfs::mount(&directory.path().join("state"), 1 << 20) else { return };
    let terms = Terms { ai: "\n  budget: {usd: 1}", ..Terms::default() };
    let till = Till::within(directory, &terms, provider());
    calls(&till, 3);
    UsageDb::of(&till.edge).comes_to(3);
    let directory = till.stop();
    disk.set_writable(false);
    let till = Till::within(directory, &terms, provider());
    till.edge.says("warning: nothing can be kept in `state_dir`");
    let mut usage = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let asked = usage.args(["usage", "-c"]).arg(till.edge.directory.path().join("tidegate.yaml")).output();
    let asked = asked.unwrap();
    assert!(asked.status.success() && asked.stderr.is_empty(), "warnings are for the start: {asked:?}");
    assert_eq!(till.spent("all", ""), 30);
    calls(&till, 20);
    becomes(&till.edge, "degraded");
    till.reload(&Terms { ai: "\n  budget: {usd: 2}", ..terms });
    disk.set_writable(true);
    becomes(&till.edge, "durable");
    let book = UsageDb::of(&till.edge);
    book.comes_to(23);
    book.is_sound();
    till.stop();
    drop(disk);
}

#[test]
fn a_full_disk_is_told_and_caught_up_with() {
    let directory = Scratch::new();
    let Some(disk) = Tmpfs::mount(&directory.path().join("state"), 1 << 20) else { return };
    let till = Till::within(directory, &Terms::default(), provider());
    calls(&till, 20);
    let book = UsageDb::of(&till.edge);
    book.comes_to(20);
    let ballast = disk.fill();
    let mut asked = 20;
    until("the disk takes no more", || {
        calls(&till, 10);
        asked += 10;
        till.edge.metrics().sum("tidegate_ledger_durable", &[]) == 0.0
    });
    becomes(&till.edge, "degraded");
    calls(&till, 10);
    asked += 10;
    std::fs::remove_file(ballast).unwrap();
    becomes(&till.edge, "durable");
    book.comes_to(asked as i64);
    book.is_sound();
    assert_eq!(till.edge.metrics().sum("tidegate_ledger_lost_total", &[]), 0.0);
    till.stop();
    drop(disk);
}

#[test]
fn a_file_that_is_taken_away_is_begun_anew() {
    let till = Till::new(&Terms { ai: "\n  budget: {usd: 1}", ..Terms::default() });
    calls(&till, 3);
    let book = UsageDb::of(&till.edge);
    book.comes_to(3);
    std::fs::remove_dir_all(book.path.parent().unwrap()).unwrap();
    calls(&till, 2);
    book.comes_to(2);
    assert_eq!(till.spent("all", ""), 50, "the process knows better than the file");
    book.is_sound();
}

#[test]
fn what_is_no_book_is_put_aside() {
    let directory = Scratch::new();
    std::fs::create_dir_all(directory.path().join("state")).unwrap();
    directory.write("state/usage.db", &"this was a shopping list\n".repeat(500));
    let till = Till::within(directory, &Terms::default(), provider());
    calls(&till, 3);
    let book = UsageDb::of(&till.edge);
    book.comes_to(3);
    let names: Vec<String> = std::fs::read_dir(book.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().any(|name| name.starts_with("usage.db.damaged-")), "{names:?}");
    becomes(&till.edge, "durable");
}

/// Somebody looks into the book for long, or writes there.
#[test]
fn one_who_locks_the_file_holds_up_nobody() {
    let till = Till::new(&Terms::default());
    calls(&till, 1);
    let book = UsageDb::of(&till.edge);
    book.comes_to(1);
    let locker = rusqlite::Connection::open(&book.path).unwrap();
    locker.execute_batch("BEGIN EXCLUSIVE").unwrap();
    calls(&till, 50);
    until("they wait in memory", || waiting(&till.edge) == 50);
    locker.execute_batch("ROLLBACK").unwrap();
    book.comes_to(51);
    book.is_sound();
}
