//! The ledger against a real disk.

use super::*;

fn keep() -> Keep {
    Keep { calls: Duration::from_secs(31 * 86_400), totals: Duration::from_secs(800 * 86_400) }
}

#[test]
fn what_is_recorded_is_restored() {
    let dir = std::env::temp_dir().join(format!("tidegate-ledger-first-{}", std::process::id()));
    let ledger = Ledger::start(&dir, keep(), |_| {});
    let now = Duration::from_secs(1_795_300_000);
    let call = Call { at: now, client: "mobile".into(), status: Some(200), cost: Some(7), ..Call::default() };
    ledger.record(call.clone());
    ledger.record(call);
    ledger.flush_and_stop(Duration::from_secs(5));
    assert_eq!(ledger.figures(), Figures { pending: 0, lost: 0, written: 2, durable: true });
    let totals = Ledger::restore(&dir, now).unwrap();
    assert_eq!((totals.all, totals.clients["mobile"], totals.plans[""]), ((14, 14), (14, 14), (14, 14)));
    std::fs::remove_dir_all(&dir).unwrap();
}
