//! How long who records a call is kept. Loose bounds, so that a busy machine does not fail them; run it with optimisation
//! and `--nocapture` for the figures.

use super::*;

#[test]
fn a_call_in_memory_is_small() {
    // 200,000 of them may wait.
    assert!(size_of::<crate::ledger::backlog::Numbered>() <= 256);
}

#[test]
fn one_thread_that_records_waits_for_nothing() {
    const ROUNDS: usize = 40;
    let dir = Dir::new("speed-one");
    let (ledger, _told) = dir.start();
    until("made", || ledger.figures().durable);
    // The middle one of many rounds: what else runs on the machine is not what is measured.
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let calls: Vec<Call> = (0..500).map(|_| call()).collect();
            let start = clock::instant();
            calls.into_iter().for_each(|call| ledger.record(call));
            start.elapsed() / 500
        })
        .collect();
    rounds.sort();
    eprintln!("record: {:?} each, one thread", rounds[ROUNDS / 2]);
    assert!(rounds[ROUNDS / 2] < Duration::from_micros(20), "{rounds:?}");
    ledger.flush_and_stop(PATIENCE);
}

#[test]
fn recording_waits_for_nothing_and_the_thread_keeps_up() {
    const THREADS: usize = 4;
    const CALLS: usize = 25_000;
    let dir = Dir::new("speed");
    let (ledger, _told) = dir.start();
    until("made", || ledger.figures().durable);
    let one = call();
    let start = clock::instant();
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (ledger, one) = (ledger.clone(), one.clone());
            thread::spawn(move || {
                let calls: Vec<Call> = (0..CALLS).map(|_| one.clone()).collect();
                let mut slowest = Duration::ZERO;
                let start = clock::instant();
                for call in calls {
                    let before = clock::instant();
                    ledger.record(call);
                    slowest = slowest.max(before.elapsed());
                }
                (start.elapsed(), slowest)
            })
        })
        .collect();
    let took: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let total = u64::try_from(THREADS * CALLS).unwrap();
    is_written(&ledger, total);
    let written = start.elapsed();
    let each = took.iter().map(|(all, _)| *all).sum::<Duration>() / u32::try_from(total).unwrap();
    let slowest = took.iter().map(|(_, slowest)| *slowest).max().unwrap();
    let rate = total as f64 / written.as_secs_f64();
    eprintln!("record: {each:?} each with the clock, {slowest:?} the slowest; {rate:.0} calls/s written");
    assert!(each < Duration::from_micros(50), "{each:?}");
    assert!(rate > 3000.0, "{rate}");
    ledger.flush_and_stop(PATIENCE);
}
