use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::stick::counter::{Period, RateCounter};
use crate::stick::spec::CounterKind;

mod counters;

const PERIOD: Period = Period::MINUTE;
const RATE: usize = 0;
const CONN: usize = 1;
const ERRORS: usize = 2;
const COUNT: usize = 3;

fn table(size: usize, expire_ms: u64) -> Arc<Table> {
    Arc::new(Table::new(TableSpec {
        name: "by_ip".into(),
        size,
        expire: Duration::from_millis(expire_ms),
        counters: vec![
            CounterKind::HttpReqRate(PERIOD),
            CounterKind::ConnCur,
            CounterKind::HttpErrRate(PERIOD),
            CounterKind::HttpReqCnt,
        ],
    }))
}

fn key(n: u32) -> Key {
    Key::address(std::net::Ipv4Addr::from(n).into())
}

#[test]
fn above_n_admits_n() {
    let table = table(10, 1000);
    let readings: Vec<u64> = (0..4)
        .map(|_| {
            let tracked = table.track(key(1), Tick(5)).unwrap();
            tracked.request(Tick(5));
            tracked.read(RATE, Tick(5))
        })
        .collect();
    assert_eq!(readings, [1, 2, 3, 4]);
    assert_eq!(table.peek(&key(1), COUNT, Tick(5)), Some(4));
    assert_eq!(table.peek(&key(1), ERRORS, Tick(5)), Some(0));
    assert_eq!(table.peek(&key(1), 99, Tick(5)), Some(0));
}

#[test]
fn conn_cur_lasts_as_long_as_the_guards() {
    let table = table(10, 1000);
    let first = table.track(key(1), Tick(0));
    let second = table.track(key(1), Tick(0)).unwrap();
    assert_eq!(second.read(CONN, Tick(0)), 2);
    assert_eq!(second.until_below(CONN, 1, Tick(0)), Duration::from_secs(1));
    drop(first);
    assert_eq!(second.read(CONN, Tick(0)), 1);
    drop(second);
    assert_eq!(table.peek(&key(1), CONN, Tick(0)), Some(0));
}

#[test]
fn a_look_does_not_refresh_a_touch_does() {
    let table = table(10, 1000);
    drop(table.track(key(1), Tick(0)));
    assert!(table.peek(&key(1), RATE, Tick(999)).is_some());
    assert!(table.row(&key(1), Tick(999)).is_some());
    assert!(table.peek(&key(1), RATE, Tick(1000)).is_none());
    drop(table.track(key(1), Tick(1000)));
    drop(table.track(key(1), Tick(1900)));
    assert!(table.peek(&key(1), RATE, Tick(2800)).is_some());
}

#[test]
fn an_expired_entry_starts_anew_even_before_it_was_purged() {
    let table = table(10, 1000);
    for n in 2..8 {
        drop(table.track(key(n), Tick(0)));
    }
    table.track(key(1), Tick(0)).unwrap().request(Tick(0));
    let tracked = table.track(key(1), Tick(1000)).unwrap();
    assert_eq!(tracked.read(COUNT, Tick(1000)), 0);
}

#[test]
fn a_tracked_entry_neither_expires_nor_is_evicted() {
    let table = table(2, 1000);
    let tracked = table.track(key(1), Tick(0)).unwrap();
    tracked.request(Tick(0));
    for n in 2..50 {
        drop(table.track(key(n), Tick(5000)));
    }
    assert_eq!(table.evicted(), 47);
    assert_eq!(tracked.read(COUNT, Tick(9000)), 1);
    tracked.touch(Tick(9000));
    drop(tracked);
    assert_eq!(table.peek(&key(1), COUNT, Tick(9999)), Some(1), "it lives on from the end of its use");
    assert_eq!(table.peek(&key(1), COUNT, Tick(10_000)), None);
}

#[test]
fn a_full_table_forgets_its_oldest() {
    let table = table(3, 100_000);
    for n in [1, 2, 3, 1] {
        drop(table.track(key(n), Tick(0)));
    }
    drop(table.track(key(4), Tick(0)));
    let known = |n| table.peek(&key(n), RATE, Tick(0)).is_some();
    assert_eq!([known(1), known(2), known(3), known(4)], [true, false, true, true]);
    assert_eq!((table.entries(), table.evicted(), table.full()), (3, 1, 0));
}

#[test]
fn a_table_of_one_holds_one() {
    let table = table(1, 100_000);
    let tracked = table.track(key(1), Tick(0));
    assert!(tracked.is_some());
    assert!(table.track(key(1), Tick(0)).is_some());
    assert!(table.track(key(2), Tick(0)).is_none());
    assert_eq!((table.entries(), table.full()), (1, 1));
    drop(tracked);
    assert!(table.track(key(2), Tick(0)).is_some());
    assert_eq!((table.entries(), table.evicted()), (1, 1));
}

#[test]
fn a_large_table_takes_exactly_its_size_of_tracked_entries() {
    let table = table(5000, 100_000);
    let guards: Vec<_> = (0..5000).map(|n| table.track(key(n), Tick(0)).unwrap()).collect();
    assert!(table.track(key(5001), Tick(0)).is_none());
    assert_eq!((table.entries(), table.full(), table.evicted()), (5000, 1, 0));
    drop(guards);
    for n in 10_000..30_000 {
        assert!(table.track(key(n), Tick(0)).is_some());
        assert!(table.entries() <= 5000);
    }
    assert_eq!(table.evicted(), 20_000);
}

#[test]
fn room_is_found_in_another_shard() {
    let table = table(1024, 100_000);
    let guards: Vec<_> = (0..1023).map(|n| table.track(key(n), Tick(0)).unwrap()).collect();
    for n in 2000..2100 {
        assert!(table.track(key(n), Tick(0)).is_some(), "the one entry that is not tracked makes room");
    }
    assert_eq!((table.entries(), table.full(), guards.len()), (1024, 0, 1023));
}

#[test]
fn an_idle_table_shrinks_step_by_step() {
    let table = table(100_000, 1000);
    for n in 0..50_000 {
        drop(table.track(key(n), Tick(0)));
    }
    assert_eq!(table.purge(Tick(999)), 0);
    let mut purged = 0;
    while table.entries() > 0 {
        let step = table.purge(Tick(1000));
        assert!(step > 0 && step <= PURGED_PER_CALL * MOST_SHARDS);
        purged += step;
    }
    assert_eq!(purged, 50_000);
    assert_eq!(table.evicted(), 0);
}

#[test]
fn keys_that_differ_after_32_bytes_are_two_entries() {
    let table = table(10, 1000);
    let text = "sk-0123456789abcdef0123456789abcdef0123";
    for last in ["a", "b"] {
        table.track(Key::text([text, last].concat().as_bytes()), Tick(0)).unwrap().request(Tick(0));
    }
    assert_eq!(table.entries(), 2);
    assert_eq!(table.peek(&Key::text([text, "a"].concat().as_bytes()), COUNT, Tick(0)), Some(1));
}

#[test]
fn a_refused_entry_is_not_held() {
    let table = table(10, 1000);
    let refused = table.track_if(key(1), Tick(0), |entry| {
        entry.request(Tick(0));
        Err::<(), _>(entry.in_flight())
    });
    assert!(matches!(refused, Some(Err(0))));
    assert_eq!(table.peek(&key(1), CONN, Tick(0)), Some(0));
    assert_eq!(table.peek(&key(1), COUNT, Tick(0)), Some(1));
}

#[test]
fn every_entry_is_shown_once_and_a_visitor_may_stop() {
    let table = table(10_000, 1000);
    for n in 0..3000 {
        drop(table.track(key(n), Tick(0)));
    }
    let held = table.track(key(7), Tick(400)).unwrap();
    held.request(Tick(400));
    let mut seen = HashMap::new();
    table.for_each(Tick(500), |row| {
        // Without a lock: the visitor may use the table.
        assert!(table.peek(&row.key, RATE, Tick(500)).is_some());
        assert!(seen.insert(row.key, row.clone()).is_none());
        ControlFlow::Continue(())
    });
    assert_eq!(seen.len(), 3000);
    let row =
        Row { key: key(7), in_use: 1, expires_in: Duration::from_millis(900), values: vec![1, 1, 0, 1] };
    assert_eq!(seen[&key(7)], row);
    let mut visited = 0;
    table.for_each(Tick(500), |_| {
        visited += 1;
        if visited == 200 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(visited, 200);
    table.for_each(Tick(1000), |row| {
        assert_eq!(row.key, key(7), "expired entries are not shown");
        ControlFlow::Continue(())
    });
}

#[test]
fn clear_empties_what_it_cannot_remove() {
    let table = table(10_000, 1000);
    for n in 0..2000 {
        drop(table.track(key(n), Tick(0)));
    }
    let held = table.track(key(7), Tick(0)).unwrap();
    held.request(Tick(0));
    assert_eq!(table.clear(Some(&key(1))), 1);
    assert_eq!(table.clear(Some(&key(1))), 0);
    assert_eq!(table.entries(), 1999);
    assert_eq!(table.clear(None), 1999);
    assert_eq!(table.entries(), 1);
    assert_eq!((held.read(COUNT, Tick(0)), held.read(CONN, Tick(0))), (0, 1));
    assert_eq!(table.clear(Some(&key(7))), 1);
    assert_eq!(table.entries(), 1);
    drop(held);
    assert_eq!(table.peek(&key(7), CONN, Tick(0)), Some(0));
}

#[test]
fn a_table_of_the_same_description_may_go_on() {
    let table = table(10, 1000);
    let mut spec = table.spec().clone();
    assert!(table.compatible(&spec));
    spec.size = 11;
    assert!(!table.compatible(&spec));
}

#[test]
fn threads_lose_no_count_and_no_guard() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 5000;
    for size in [64, 4096] {
        let table = table(size, 60_000);
        let work = &|thread: u64| {
            let shared = table.track(key(1), Tick(0)).unwrap();
            for round in 0..ROUNDS {
                // A crowd of passing keys presses for room while the shared one is tracked.
                let passing = key(100 + (thread * ROUNDS + round) as u32 * 7);
                let passing = table.track(passing, Tick(round)).unwrap();
                passing.request(Tick(round));
                let again = table.track(key(1), Tick(round)).unwrap();
                again.request(Tick(round));
                again.error(Tick(round));
                assert!(table.entries() <= size);
            }
            shared
        };
        let shared: Vec<Tracked> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let total = THREADS * ROUNDS;
        for (counter, reading) in [(RATE, total), (ERRORS, total), (COUNT, total), (CONN, THREADS)] {
            assert_eq!(table.peek(&key(1), counter, Tick(ROUNDS)), Some(reading));
        }
        assert_eq!(table.entries() as u64, (size as u64).min(total + 1));
        drop(shared);
        table.for_each(Tick(ROUNDS), |row| {
            assert_eq!(row.in_use, 0);
            ControlFlow::Continue(())
        });
    }
}

/// What a table is, without any of its machinery: a list in the order of touch.
#[derive(Default)]
struct Model {
    entries: Vec<ModelEntry>,
    evicted: u64,
    full: u64,
}

#[derive(Clone)]
struct ModelEntry {
    key: u32,
    pins: u64,
    touched: u64,
    requests: RateCounter,
    errors: RateCounter,
    count: u64,
}

impl Model {
    fn at(&mut self, key: u32) -> Option<&mut ModelEntry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    fn expire(&mut self, now: u64, expire: u64) {
        self.entries.retain(|entry| entry.pins > 0 || now - entry.touched < expire);
    }

    fn touch(&mut self, key: u32, now: u64) {
        let at = self.entries.iter().position(|entry| entry.key == key).unwrap();
        let mut entry = self.entries.remove(at);
        entry.touched = now;
        self.entries.push(entry);
    }

    fn track(&mut self, key: u32, size: usize, now: u64) -> bool {
        if self.at(key).is_none() {
            if self.entries.len() == size {
                let Some(oldest) = self.entries.iter().position(|entry| entry.pins == 0) else {
                    self.full += 1;
                    return false;
                };
                self.entries.remove(oldest);
                self.evicted += 1;
            }
            let (requests, errors) = (RateCounter::default(), RateCounter::default());
            self.entries.push(ModelEntry { key, pins: 0, touched: now, requests, errors, count: 0 });
        }
        self.at(key).unwrap().pins += 1;
        self.touch(key, now);
        true
    }
}

#[derive(Clone, Debug)]
enum Step {
    Track(u32),
    Release(usize),
    Request(usize),
    Error(usize),
    Peek(u32),
    Clear(u32),
    Purge,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u32..12).prop_map(Step::Track),
        3 => any::<usize>().prop_map(Step::Release),
        3 => any::<usize>().prop_map(Step::Request),
        1 => any::<usize>().prop_map(Step::Error),
        2 => (0u32..12).prop_map(Step::Peek),
        1 => (0u32..12).prop_map(Step::Clear),
        1 => Just(Step::Purge),
        2 => (0u64..60).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn it_does_what_a_plain_list_would(
        size in 1usize..8,
        expire in 20u64..120,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let table = table(size, expire);
        let mut model = Model::default();
        let mut guards: Vec<(u32, Tracked)> = Vec::new();
        let mut ms = 1;
        for step in steps {
            // The table may remove expired entries late, but then never shows them nor counts them as evicted.
            model.expire(ms, expire);
            let now = Tick(ms);
            match step {
                Step::Wait(wait) => ms += wait,
                Step::Purge => {
                    table.purge(now);
                    prop_assert_eq!(table.entries(), model.entries.len());
                }
                Step::Track(n) => {
                    let tracked = table.track(key(n), now);
                    prop_assert_eq!(tracked.is_some(), model.track(n, size, ms));
                    guards.extend(tracked.map(|tracked| (n, tracked)));
                }
                Step::Release(at) if !guards.is_empty() => {
                    let (n, tracked) = guards.swap_remove(at % guards.len());
                    tracked.touch(now);
                    drop(tracked);
                    model.at(n).unwrap().pins -= 1;
                    model.touch(n, ms);
                }
                Step::Request(at) if !guards.is_empty() => {
                    let (n, tracked) = &guards[at % guards.len()];
                    tracked.request(now);
                    let entry = model.at(*n).unwrap();
                    entry.requests.add(1, PERIOD, now);
                    entry.count += 1;
                }
                Step::Error(at) if !guards.is_empty() => {
                    let (n, tracked) = &guards[at % guards.len()];
                    tracked.error(now);
                    model.at(*n).unwrap().errors.add(1, PERIOD, now);
                }
                Step::Peek(n) => {
                    let ours = table.row(&key(n), now).map(|row| row.values);
                    let theirs = model.at(n).map(|entry| {
                        vec![entry.requests.read(PERIOD, now), entry.pins, entry.errors.read(PERIOD, now), entry.count]
                    });
                    prop_assert_eq!(ours, theirs);
                }
                Step::Clear(n) => {
                    table.clear(Some(&key(n)));
                    if let Some(entry) = model.at(n).filter(|entry| entry.pins > 0) {
                        entry.requests = RateCounter::default();
                        entry.errors = RateCounter::default();
                        entry.count = 0;
                    } else {
                        model.entries.retain(|entry| entry.key != n);
                    }
                }
                Step::Release(_) | Step::Request(_) | Step::Error(_) => {}
            }
            prop_assert!(table.entries() <= size);
            prop_assert_eq!((table.evicted(), table.full()), (model.evicted, model.full));
        }
    }
}
