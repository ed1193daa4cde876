//! Processes that are killed, and two at once. The test runs itself once more as the process to kill.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::*;

/// Names the directory that the other process is to write to.
const VARIABLE: &str = "TIDEGATE_TEST_LEDGER";

/// Not a test: the other process. It records until it is killed, or `limit` calls, and says how many it recorded and
/// how many must be on disk.
#[test]
fn other_process() {
    let Ok(order) = std::env::var(VARIABLE) else { return };
    let (limit, dir) = order.split_once(':').unwrap();
    let limit: u64 = limit.parse().unwrap();
    let ledger = Ledger::start(dir.as_ref(), Keep::default(), |change| eprintln!("{change:?}"));
    let mut recorded = 0;
    while recorded < limit {
        for _ in 0..20 {
            ledger.record(call());
        }
        recorded += 20;
        writeln!(std::io::stdout(), "\n= {recorded} {}", ledger.figures().written).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    ledger.flush_and_stop(PATIENCE);
}

fn spawn(dir: &Dir, limit: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::tests::kill::other_process", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, format!("{limit}:{}", dir.0.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a kill may cost: a second, and a little for a machine that does much else.
const LOSS: Duration = Duration::from_millis(1500);

/// Reads what the process says until it ends: what it had recorded so long before that, and what was on disk by its
/// own word.
fn follow(child: &mut Child) -> (i64, i64) {
    let mut said: Vec<(std::time::Instant, i64)> = Vec::new();
    let mut durable = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        // A line may be cut by the kill.
        let numbers: Option<Vec<i64>> = line
            .strip_prefix("= ")
            .map(|numbers| numbers.split(' ').map_while(|number| number.parse().ok()).collect());
        if let Some([recorded, written]) = numbers.as_deref() {
            said.push((clock::instant(), *recorded));
            durable = durable.max(*written);
        }
    }
    let end = clock::instant();
    let before = said.iter().rev().find(|(when, _)| end.duration_since(*when) >= LOSS);
    (before.map_or(0, |(_, recorded)| *recorded), durable)
}

#[test]
fn a_kill_loses_at_most_a_second_and_counts_nothing_twice() {
    let dir = Dir::new("kill");
    let mut there = 0;
    let mut killed = Vec::new();
    for round in 0..24u64 {
        let mut child = spawn(&dir, u64::MAX);
        // Anywhere between two batches, in one, and while it is only opening; some live for longer than a second.
        let pause = if round % 8 == 7 { 2300 } else { 30 + round * 37 % 700 };
        let id = child.id();
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(pause));
            Command::new("kill").args(["-9", &id.to_string()]).status().unwrap()
        });
        let (recorded, durable) = follow(&mut child);
        assert!(killer.join().unwrap().success());
        child.wait().unwrap();
        if !dir.file().exists() {
            continue;
        }
        if std::fs::metadata(dir.file()).unwrap().len() == 0 {
            assert_eq!(durable, 0);
            continue;
        }
        // It opens even when the process died before it made the tables.
        let tables = dir.ask("SELECT count(*) FROM sqlite_master WHERE name = 'calls'");
        let now = if tables == 0 { 0 } else { dir.sound() };
        let new = now - there;
        assert!(new >= durable, "round {round}: {durable} were on disk, {new} are");
        assert!(new >= recorded, "round {round}: {recorded} were old enough, {new} are on disk");
        killed.push(new);
        there = now;
    }
    assert!(killed.iter().filter(|new| **new > 0).count() > 10, "{killed:?}");
    // And a process that is not killed goes on with the file.
    let mut last = spawn(&dir, 200);
    follow(&mut last);
    assert!(last.wait().unwrap().success());
    assert_eq!(dir.sound(), there + 200);
}

#[test]
fn two_processes_write_to_one_file() {
    let dir = Dir::new("two");
    let mut both = [spawn(&dir, 5000), spawn(&dir, 5000)];
    for child in &mut both {
        follow(child);
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(dir.sound(), 10_000);
    assert_eq!(dir.ask("SELECT count(*) FROM writers"), 2);
    assert_eq!(dir.ask("SELECT min(last) FROM writers"), 5000);
}
