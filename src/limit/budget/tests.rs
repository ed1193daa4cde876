use super::*;

/// 2026-11-21 12:00:00 UTC.
const NOON: Duration = Duration::from_secs(20_778 * 86_400 + 43_200);

const HOUR: Duration = Duration::from_secs(3600);

fn cap(micro_dollars: u64) -> Cap {
    Cap { micro_dollars, per: Period::Day, alert_at: 0.8 }
}

#[test]
fn a_call_reserves_its_estimate_and_settles_with_the_truth() {
    let purse = std::sync::Arc::new(Purse::default());
    let accounts = || [Account { purse: purse.clone(), cap: Some(cap(100)) }];
    let wallet = Wallet::reserve(accounts(), 60, NOON).unwrap();
    assert_eq!(purse.spent(NOON), Spent { day: 0, month: 0, reserved: 60 });
    let refusal = Wallet::reserve(accounts(), 50, NOON).unwrap_err();
    assert!(!refusal.used_up);
    assert!(wallet.settle(20, NOON).is_empty());
    assert_eq!(purse.spent(NOON), Spent { day: 20, month: 20, reserved: 0 });
    assert_eq!(purse.spent(NOON + 12 * HOUR), Spent { day: 0, month: 20, reserved: 0 });
}
