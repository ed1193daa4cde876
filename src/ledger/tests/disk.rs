//! Disks that are full or may not be written. Such a one is mounted for the test, which takes root; without, SQLite's own
//! limit stands in for a full one.

use std::path::Path;
use std::process::Command;

use rusqlite::ErrorCode;

use super::*;
use crate::ledger::backlog::{Backlog, Block};
use crate::ledger::store::Store;

struct Mount(PathBuf);

impl Mount {
    fn new(dir: &Path, options: &str) -> Option<Mount> {
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], dir);
        if !mounted {
            eprintln!("not root: nothing is tested");
        }
        mounted.then(|| Mount(dir.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(options: &[&str], dir: &Path) -> bool {
    Command::new("mount").args(options).arg(dir).output().is_ok_and(|output| output.status.success())
}

fn block(backlog: &mut Backlog, calls: usize) -> Block {
    (0..calls).for_each(|_| assert_eq!(backlog.push(call()), 0));
    backlog.take().unwrap()
}

#[test]
fn a_batch_that_finds_no_room_leaves_nothing_and_can_be_written_later() {
    let dir = Dir::new("pages");
    let mut store = Store::open(&dir.0).unwrap();
    let mut backlog = Backlog::new(10_000);
    let first = block(&mut backlog, 1000);
    store.write(5, &first).unwrap();
    let pages: i64 = store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let limit = |store: &Store, pages: i64| {
        store.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&store, pages + 2);
    let second = block(&mut backlog, 1000);
    let error = store.write(5, &second).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert!(store.wrong(error).to_string().contains("the disk is full; make room"));
    assert_eq!(dir.sound(), 1000);
    limit(&store, pages * 100);
    assert_eq!(store.write(5, &second).unwrap(), 1000);
    assert_eq!(store.write(5, &second).unwrap(), 0, "it is there already");
    assert_eq!(store.write(5, &first).unwrap(), 0);
    assert_eq!(dir.sound(), 2000);
}

#[test]
fn a_full_disk_degrades_to_memory_and_recovers() {
    let dir = Dir::new("full");
    let Some(_mount) = Mount::new(&dir.0, "size=1m") else { return };
    let (ledger, told) = dir.start();
    until("made", || ledger.figures().durable);
    std::fs::write(dir.0.join("ballast"), vec![0; 600_000]).unwrap();
    let mut recorded = 0;
    until("full", || {
        (0..500).for_each(|_| ledger.record(call()));
        recorded += 500;
        !ledger.figures().durable
    });
    let why = degraded(&told);
    assert!(why.contains("the disk"), "{why}");
    let figures = ledger.figures();
    assert_eq!((figures.pending + figures.written, figures.lost), (recorded, 0));
    assert!(mount(&["-o", "remount,size=64m"], &dir.0));
    let kept = recovered(&told);
    assert!(kept > 0);
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(ledger.figures(), Figures { pending: 0, lost: 0, written: recorded, durable: true });
    assert_eq!(dir.sound(), i64::try_from(recorded).unwrap());
}

#[test]
fn a_disk_that_stays_full_keeps_the_newest_and_counts_the_rest() {
    let dir = Dir::new("fuller");
    let Some(_mount) = Mount::new(&dir.0, "size=64k") else { return };
    std::fs::write(dir.0.join("ballast"), vec![0; 60_000]).unwrap();
    let (ledger, told) = dir.start();
    degraded(&told);
    for _ in 0..MOST_WAITING + 500 {
        ledger.record(call());
    }
    let figures = ledger.figures();
    assert_eq!((figures.pending, figures.lost, figures.durable), (200_000, 500, false));
    let first = told.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(first, Change::Lost(1..=500)), "{first:?}");
    ledger.flush_and_stop(PATIENCE);
    let lost: u64 = told.iter().map(|change| if let Change::Lost(calls) = change { calls } else { 0 }).sum();
    let Change::Lost(first) = first else { return };
    assert_eq!(first + lost, 200_500);
    assert_eq!(ledger.figures(), Figures { pending: 0, lost: 200_500, written: 0, durable: false });
}

#[test]
fn a_read_only_disk_degrades_to_memory_and_recovers() {
    let dir = Dir::new("readonly");
    let Some(_mount) = Mount::new(&dir.0, "size=16m,ro") else { return };
    let (ledger, told) = dir.start();
    ledger.record(call());
    let why = degraded(&told);
    assert!(why.contains("it cannot be opened") || why.contains("may not be written"), "{why}");
    assert!(mount(&["-o", "remount,rw"], &dir.0));
    assert_eq!(recovered(&told), 1);
    ledger.flush_and_stop(PATIENCE);
    assert_eq!(dir.sound(), 1);
    // A file that is there already, on a disk that is read-only again.
    assert!(mount(&["-o", "remount,ro"], &dir.0));
    let (ledger, told) = dir.start();
    degraded(&told);
    assert_eq!(Ledger::restore(&dir.0, clock::unix_time()).unwrap().all, (7, 7), "it can still be read");
    assert!(mount(&["-o", "remount,rw"], &dir.0));
    recovered(&told);
    ledger.flush_and_stop(PATIENCE);
}
