//! What people and other programs do to the file.

use super::*;

#[test]
fn a_file_that_is_deleted_is_begun_anew_and_nothing_written_to_the_dead_one() {
    let dir = Dir::new("deleted");
    let (ledger, told) = dir.start();
    ledger.record(call());
    is_written(&ledger, 1);
    std::fs::remove_file(dir.file()).unwrap();
    for _ in 0..10 {
        ledger.record(call());
    }
    let why = degraded(&told);
    assert!(why.ends_with("was removed or replaced while it was open; a new one is begun"), "{why}");
    recovered(&told);
    is_written(&ledger, 11);
    assert_eq!(dir.sound(), 10, "what came after is all there");
    ledger.record(call());
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.sound(), 11);
}

#[test]
fn a_file_that_is_deleted_while_nothing_comes_is_there_again_within_a_second() {
    let dir = Dir::new("idle");
    let (ledger, told) = dir.start();
    until("made", || ledger.figures().durable);
    std::fs::remove_file(dir.file()).unwrap();
    degraded(&told);
    assert_eq!(recovered(&told), 0);
    assert_eq!(dir.sound(), 0);
    ledger.flush_and_stop(PATIENCE);
}

#[test]
fn a_file_that_is_replaced_is_written_to() {
    let (dir, other) = (Dir::new("replaced"), Dir::new("replacement"));
    let (ledger, _told) = other.start();
    ledger.record(call());
    ledger.flush_and_stop(PATIENCE);
    let (ledger, told) = dir.start();
    is_written(&ledger, 0);
    until("made", || ledger.figures().durable);
    std::fs::rename(other.file(), dir.file()).unwrap();
    degraded(&told);
    recovered(&told);
    ledger.record(call());
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.sound(), 2);
}

#[test]
fn a_file_that_is_renamed_keeps_what_was_written_to_it() {
    let (dir, other) = (Dir::new("renamed"), Dir::new("new-name"));
    let (ledger, told) = dir.start();
    for _ in 0..300 {
        ledger.record(call());
    }
    is_written(&ledger, 300);
    std::fs::rename(dir.file(), other.file()).unwrap();
    degraded(&told);
    recovered(&told);
    ledger.record(call());
    ledger.flush_and_stop(PATIENCE);
    assert_eq!((other.sound(), dir.sound()), (300, 1));
}

#[test]
fn a_directory_that_is_deleted_is_made_again() {
    let dir = Dir::new("directory");
    let (ledger, told) = dir.start();
    ledger.record(call());
    is_written(&ledger, 1);
    std::fs::remove_dir_all(&dir.0).unwrap();
    ledger.record(call());
    degraded(&told);
    recovered(&told);
    is_written(&ledger, 2);
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.sound(), 1);
}

#[test]
fn a_directory_that_cannot_be_made_is_waited_for() {
    let dir = Dir::new("blocked");
    let inner = dir.0.join("state");
    std::fs::write(&inner, "a file").unwrap();
    let (tell, told) = mpsc::channel();
    let ledger = Ledger::start(&inner, Keep::default(), move |change| tell.send(change).unwrap());
    for _ in 0..1500 {
        ledger.record(call());
    }
    let why = degraded(&told);
    assert!(why.starts_with("cannot make the directory"), "{why}");
    assert_eq!(ledger.figures(), Figures { pending: 1500, lost: 0, written: 0, durable: false });
    std::fs::remove_file(&inner).unwrap();
    assert_eq!(recovered(&told), 1500, "more than one batch");
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(ledger.figures(), Figures { pending: 0, lost: 0, written: 1500, durable: true });
}

#[test]
fn a_file_that_is_no_database_is_moved_aside() {
    let dir = Dir::new("garbage");
    let garbage = "this is no database, but somebody's notes. ".repeat(100);
    std::fs::write(dir.file(), &garbage).unwrap();
    assert!(Ledger::restore(&dir.0, Duration::ZERO).unwrap_err().to_string().contains("it is no database"));
    let (ledger, told) = dir.start();
    let why = degraded(&told);
    assert!(why.contains("it is no database") && why.contains("usage.db.damaged-"), "{why}");
    recovered(&told);
    ledger.record(call());
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.sound(), 1);
    let aside = std::fs::read_dir(&dir.0).unwrap().map(|entry| entry.unwrap().path());
    let aside = aside.filter(|path| path.to_string_lossy().contains("damaged")).collect::<Vec<_>>();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(std::fs::read_to_string(&aside[0]).unwrap(), garbage);
}

#[test]
fn a_file_that_is_damaged_while_it_is_open_is_moved_aside() {
    let dir = Dir::new("damaged");
    let (ledger, _told) = dir.start();
    for _ in 0..5000 {
        ledger.record(call());
    }
    ledger.flush_and_stop(PATIENCE);
    // All pages but the first.
    let length = std::fs::metadata(dir.file()).unwrap().len();
    let mut bytes = std::fs::read(dir.file()).unwrap();
    bytes[4096..].fill(0xaa);
    std::fs::write(dir.file(), &bytes).unwrap();
    assert!(length > 100_000);
    let (ledger, told) = dir.start();
    ledger.record(call());
    let why = degraded(&told);
    assert!(why.contains("it is damaged"), "{why}");
    recovered(&told);
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.sound(), 1);
}

#[test]
fn an_open_transaction_of_a_person_is_waited_for_in_memory() {
    let dir = Dir::new("locked");
    let (ledger, told) = dir.start();
    until("made", || ledger.figures().durable);
    let person = dir.open();
    person.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..3000 {
        ledger.record(call());
    }
    let why = degraded(&told);
    assert!(why.contains("another program has locked it; end its open transaction"), "{why}");
    let figures = ledger.figures();
    assert_eq!((figures.durable, figures.pending, figures.lost), (false, 3000, 0));
    person.execute_batch("COMMIT").unwrap();
    assert_eq!(recovered(&told), 3000);
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.sound(), 3000);
}

#[test]
fn the_journal_does_not_grow_behind_a_reader() {
    let dir = Dir::new("journal");
    let (ledger, _told) = dir.start();
    until("made", || ledger.figures().durable);
    let journal = dir.0.join("usage.db-wal");
    let size = || std::fs::metadata(&journal).map_or(0, |file| file.len());
    let reader = dir.open();
    reader.execute_batch("BEGIN; SELECT count(*) FROM calls").unwrap();
    for _ in 0..100_000 {
        ledger.record(call());
    }
    is_written(&ledger, 100_000);
    assert!(size() > 8 << 20, "the reader holds it: {}", size());
    assert!(ledger.figures().durable, "which harms nobody");
    reader.execute_batch("COMMIT").unwrap();
    until("emptied", || size() < 1 << 20);
    for _ in 0..100_000 {
        ledger.record(call());
    }
    ledger.flush_and_stop(PATIENCE);
    assert!(size() < 17 << 20);
    assert_eq!(dir.sound(), 200_000);
}
