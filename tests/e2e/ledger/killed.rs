//! kill -9, again and again, under load: the book stays whole, loses no more than the last second, and has nothing twice.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::http::Connection;
use crate::support::scratch::Scratch;
use crate::support::till::{Terms, Till, exact, provider};
use crate::support::usage_db::UsageDb;
use crate::support::wait::now;

/// How long each process lives.
const LIVES: [u64; 10] = [200, 100, 1400, 50, 100, 150, 20, 1300, 50, 100];

/// What a kill may cost, and a little for a machine that does much else.
const LOSS: Duration = Duration::from_millis(1200);

const TERMS: Terms = Terms { app: "", plan: "", ai: "\n  budget: {usd: 1000}" };

#[test]
fn a_book_that_is_killed_ten_times_is_whole() {
    let (directory, memory) = (Scratch::new(), Memory::new());
    std::os::unix::fs::symlink(&memory.0, directory.path().join("state")).unwrap();
    let mut till = Till::within(directory, &TERMS, provider());
    let next = AtomicU64::new(0);
    let mut known: Vec<u64> = Vec::new();
    for life in LIVES {
        let answered = load(&till, Duration::from_millis(life), &next);
        till.edge.process.kill();
        let killed = now();
        let directory = till.edge.into_directory();
        let book = UsageDb::within(&directory);
        // Whoever opens it first after a crash puts it right.
        drop(rusqlite::Connection::open(&book.path).unwrap());
        book.is_sound();
        assert_eq!(
            book.number("SELECT count(*) - count(DISTINCT request_id) FROM calls"),
            0,
            "nothing twice"
        );
        let old = answered.iter().filter(|(_, at)| killed.saturating_duration_since(*at) > LOSS);
        known.extend(old.map(|(id, _)| id));
        let kept = book.rows("SELECT request_id FROM calls");
        let kept: std::collections::HashSet<u64> =
            kept.iter().map(|row| row[0].as_str().unwrap().parse().unwrap()).collect();
        let missing: Vec<&u64> = known.iter().filter(|id| !kept.contains(id)).collect();
        assert_eq!(missing, Vec::<&u64>::new(), "of a life of {life} ms");
        // What was on disk stays there.
        known = kept.into_iter().collect();
        till = Till::within(directory, &TERMS, provider());
        assert_eq!(till.spent("all", ""), book.number("SELECT sum(cost) FROM totals") as u64);
    }
    assert!(known.len() > 50, "it had something to do: {}", known.len());
}

/// A directory that no disk is behind where the system has such: how long another's writing keeps the disk busy is not what
/// is asked here.
struct Memory(PathBuf);

impl Memory {
    fn new() -> Memory {
        let shared = Path::new("/dev/shm");
        let within = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let path = within.join(format!("tidegate-killed-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Memory(path)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Calls with an id each, and when they were answered, until it is time.
fn load(till: &Till, time: Duration, next: &AtomicU64) -> Vec<(u64, Instant)> {
    let (answered, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            let (answered, over) = (&answered, &over);
            scope.spawn(move || {
                let mut connection = Connection::open(till.edge.address("web"));
                while !over.load(Ordering::SeqCst) {
                    let id = next.fetch_add(1, Ordering::SeqCst);
                    let ask = exact("sk-app", 1 + id % 7).header("x-request-id", &id.to_string());
                    assert_eq!(connection.ask(&ask).status(), 200);
                    answered.lock().unwrap().push((id, now()));
                }
            });
        }
        thread::sleep(time);
        over.store(true, Ordering::SeqCst);
    });
    answered.into_inner().unwrap()
}
