//! Whatever happens in whatever order, no more is admitted than the caps allow and what single calls went over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Reserve { client: usize, estimate: u64 },
    Grow { call: usize, used: u64 },
    Stretch { call: usize, estimate: u64 },
    Settle { call: usize, truth: u64 },
    Keep { call: usize },
    Drop { call: usize },
    Wait { hours: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let call = 0..6usize;
    prop_oneof![
        5 => (0..2usize, prop_oneof![9 => 0..80u64, 1 => Just(u64::MAX)]).prop_map(|(client, estimate)| Step::Reserve { client, estimate }),
        2 => (call.clone(), 0..120u64).prop_map(|(call, used)| Step::Grow { call, used }),
        1 => (call.clone(), 0..400u64).prop_map(|(call, estimate)| Step::Stretch { call, estimate }),
        4 => (call.clone(), 0..120u64).prop_map(|(call, truth)| Step::Settle { call, truth }),
        1 => call.clone().prop_map(|call| Step::Keep { call }),
        1 => call.prop_map(|call| Step::Drop { call }),
        1 => (0..40u32).prop_map(|hours| Step::Wait { hours }),
    ]
}

/// One account, reckoned with naked arithmetic.
#[derive(Debug, Default)]
struct Model {
    spent: u64,
    over: u64,
    ends: Duration,
    alerts: u32,
    used_up: u32,
}

impl Model {
    fn turn(&mut self, cap: Cap, now: Duration) {
        if now >= self.ends {
            *self = Model { ends: cap.per.resets_at(now), ..Model::default() };
        }
    }

    fn note(&mut self, crossing: &Crossing) -> Result<(), TestCaseError> {
        prop_assert!(crossing.spent >= crossing.cap.mark(crossing.level), "told too soon: {crossing:?}");
        match crossing.level {
            Level::Alert => self.alerts += 1,
            Level::UsedUp => self.used_up += 1,
        }
        prop_assert!(self.alerts <= 1 && self.used_up <= 1, "told twice: {crossing:?}");
        Ok(())
    }
}

struct Call {
    client: usize,
    /// By place in the wallet.
    reserved: [u64; 2],
    wallet: Wallet,
}

/// What is neither spent nor reserved by others than a call that holds so much.
fn room(model: &Model, calls: &[Call], index: usize, cap: Cap, held: u64) -> u64 {
    let reserved = calls.iter().map(|call| match index {
        2 => call.reserved[1],
        _ if index == call.client => call.reserved[0],
        _ => 0,
    });
    cap.micro_dollars.saturating_sub(model.spent + reserved.sum::<u64>() - held)
}

proptest! {
    #[test]
    fn in_any_order_of_things_the_caps_hold_and_all_is_told_once(
        steps in prop::collection::vec(step(), 0..120),
        caps in (1..200u64, 1..300u64),
        by_month in any::<bool>(),
        alert_at in 0.01..1.0f64,
    ) {
        let of_client = Cap { alert_at, ..daily(caps.0) };
        let per = if by_month { Period::Month } else { Period::Day };
        let of_all = Cap { micro_dollars: caps.1, per, alert_at };
        // Purse 2 is everybody's.
        let purses = [purse(), purse(), purse()];
        let cap_of = |index: usize| if index == 2 { of_all } else { of_client };
        let mut models = [Model::default(), Model::default(), Model::default()];
        let mut calls: Vec<Call> = Vec::new();
        let mut now = NOON;
        for step in steps {
            let known = calls.len();
            let pick = |call: usize| (known > 0).then(|| call % known.max(1));
            for (index, model) in models.iter_mut().enumerate() {
                model.turn(cap_of(index), now);
            }
            match step {
                Step::Wait { hours } => now += hours * HOUR,
                Step::Reserve { client, estimate } => {
                    let accounts = [account(&purses[client], of_client), account(&purses[2], of_all)];
                    let places = [client, 2];
                    let left = places.map(|index| room(&models[index], &calls, index, cap_of(index), 0));
                    let amounts = left.map(|left| estimate.min(left));
                    let fits = estimate == 0 || left.iter().all(|left| *left > 0);
                    match Wallet::reserve(accounts, estimate, now) {
                        Ok(wallet) => {
                            prop_assert!(fits);
                            calls.push(Call { client, reserved: amounts, wallet });
                        }
                        Err(refusal) => {
                            prop_assert!(!fits);
                            let index = places[refusal.account];
                            prop_assert_eq!(refusal.spent, models[index].spent);
                            prop_assert_eq!(refusal.used_up, refusal.spent >= refusal.cap.micro_dollars);
                            prop_assert!(refusal.used_up || !refusal.first);
                            prop_assert!(refusal.resets_at > now);
                            if let Some(crossing) = refusal.crossing() {
                                models[index].note(&crossing)?;
                            }
                            prop_assert!(!refusal.used_up || models[index].used_up == 1);
                        }
                    }
                }
                Step::Grow { call, .. } | Step::Stretch { call, .. } => {
                    let Some(place) = pick(call) else { continue };
                    let Some(call) = calls.get(place) else { continue };
                    let (held, places) = (call.reserved, [call.client, 2]);
                    let left = [0, 1].map(|which| {
                        let index = places[which];
                        room(&models[index], &calls, index, cap_of(index), held[which])
                    });
                    let (raised, to, least) = match step {
                        Step::Grow { used, .. } => (call.wallet.grow(used, now), used, used),
                        Step::Stretch { estimate, .. } => (call.wallet.stretch(estimate, now), estimate, 1),
                        _ => continue,
                    };
                    let enough = [0, 1].map(|which| held[which] >= to || left[which] >= least);
                    prop_assert_eq!(raised, enough == [true; 2]);
                    if raised {
                        calls[place].reserved = [0, 1].map(|which| held[which].max(to.min(left[which])));
                    }
                }
                Step::Drop { call } => {
                    if let Some(call) = pick(call) {
                        calls.swap_remove(call);
                    }
                }
                Step::Settle { .. } | Step::Keep { .. } => {
                    let (call, truth) = match step {
                        Step::Settle { call, truth } => (call, Some(truth)),
                        Step::Keep { call } => (call, None),
                        _ => continue,
                    };
                    let Some(call) = pick(call).map(|call| calls.swap_remove(call)) else { continue };
                    let crossings = match truth {
                        Some(truth) => call.wallet.settle(truth, now),
                        None => call.wallet.keep(now),
                    };
                    let places = [call.client, 2];
                    for (index, reserved) in places.into_iter().zip(call.reserved) {
                        models[index].spent += truth.unwrap_or(reserved);
                        models[index].over += truth.unwrap_or(0).saturating_sub(reserved);
                    }
                    for crossing in crossings.iter() {
                        models[places[crossing.account]].note(crossing)?;
                        prop_assert_eq!(crossing.spent, models[places[crossing.account]].spent);
                    }
                    for index in places {
                        let (cap, model) = (cap_of(index), &models[index]);
                        let once = |level| u32::from(model.spent >= cap.mark(level));
                        prop_assert_eq!(model.used_up, once(Level::UsedUp));
                        if cap.mark(Level::Alert) < cap.micro_dollars {
                            prop_assert_eq!(model.alerts, once(Level::Alert));
                        }
                    }
                }
            }
            for (index, (purse, model)) in purses.iter().zip(&mut models).enumerate() {
                let cap = cap_of(index);
                model.turn(cap, now);
                let is = purse.spent(now);
                prop_assert_eq!(is.of(cap.per), model.spent);
                prop_assert!(is.of(cap.per) + is.reserved <= cap.micro_dollars + model.over);
            }
        }
        drop(calls);
        prop_assert!(purses.iter().all(|purse| purse.spent(now).reserved == 0));
    }

    #[test]
    fn no_clock_loses_a_reservation_or_counts_a_call_twice(
        times in prop::collection::vec((any::<u32>(), 0..50u64), 1..60),
    ) {
        let purse = purse();
        let mut calls: Vec<Wallet> = Vec::new();
        let mut truth = 0;
        for (seconds, amount) in times {
            let now = Duration::from_secs(seconds.into());
            calls.push(Wallet::reserve([uncapped(&purse)], amount, now).unwrap());
            if calls.len() > 3 {
                let call = calls.swap_remove(usize::try_from(amount).unwrap() % 4);
                call.settle(amount, now);
                truth += amount;
            }
            let is = purse.spent(now);
            prop_assert!(is.day <= truth && is.month <= truth);
        }
        drop(calls);
        prop_assert_eq!(purse.spent(NOON).reserved, 0);
    }
}

/// xorshift: seeded, so that a failure can be seen again.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn eight_threads_share_a_small_cap() {
    const CLIENTS: usize = 4;
    let clients: Vec<Arc<Purse>> = (0..CLIENTS).map(|_| purse()).collect();
    let (plan, all) = (purse(), purse());
    let (of_client, of_plan, of_all) = (daily(20_000), daily(50_000), monthly(60_000));
    let [over_plan, over_all, truths, alerts, used_up, admitted] = [const { AtomicU64::new(0) }; 6];
    thread::scope(|scope| {
        for thread in 0..8u64 {
            let (clients, plan, all) = (&clients, &plan, &all);
            let (over_plan, over_all, truths) = (&over_plan, &over_all, &truths);
            let (alerts, used_up, admitted) = (&alerts, &used_up, &admitted);
            scope.spawn(move || {
                let mut seed = 0x9E37_79B9 + thread;
                for _ in 0..4000 {
                    let client = &clients[usize::try_from(random(&mut seed)).unwrap() % CLIENTS];
                    let mut accounts =
                        [account(client, of_client), account(plan, of_plan), account(all, of_all)];
                    // In any order: nobody waits for anybody.
                    accounts.rotate_left(usize::try_from(random(&mut seed)).unwrap() % 3);
                    let estimate = random(&mut seed) % 60 + 1;
                    let wallet = match Wallet::reserve(accounts, estimate, NOON) {
                        Ok(wallet) => wallet,
                        Err(refusal) => {
                            if refusal.cap == of_all && refusal.first {
                                used_up.fetch_add(1, Ordering::Relaxed);
                            }
                            continue;
                        }
                    };
                    admitted.fetch_add(1, Ordering::Relaxed);
                    let used = random(&mut seed) % 90;
                    if used.is_multiple_of(2) {
                        wallet.grow(used, NOON);
                    } else {
                        wallet.stretch(used, NOON);
                    }
                    if random(&mut seed).is_multiple_of(8) {
                        continue;
                    }
                    let truth = random(&mut seed) % 90;
                    for (purse, over) in [(plan, over_plan), (all, over_all)] {
                        over.fetch_add(truth.saturating_sub(wallet.held(purse)), Ordering::Relaxed);
                    }
                    truths.fetch_add(truth, Ordering::Relaxed);
                    for crossing in wallet.settle(truth, NOON).iter().filter(|told| told.cap == of_all) {
                        let told = if crossing.level == Level::Alert { alerts } else { used_up };
                        told.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    for (purse, cap, over) in [(&plan, of_plan, over_plan), (&all, of_all, over_all)] {
        let (is, over) = (purse.spent(NOON), over.into_inner());
        assert_eq!((is.of(cap.per), is.reserved), (truths.load(Ordering::Relaxed), 0));
        assert!(is.of(cap.per) <= cap.micro_dollars + over, "{is:?}, over {over}");
    }
    let of_clients: u64 = clients.iter().map(|client| client.spent(NOON).day).sum();
    assert_eq!(of_clients, truths.into_inner());
    assert!(plan.spent(NOON).day >= of_plan.micro_dollars, "the cap was reached");
    assert!(admitted.into_inner() > 500);
    assert_eq!(alerts.into_inner(), u64::from(all.spent(NOON).month >= of_all.mark(Level::Alert)));
    assert!(used_up.into_inner() <= 1);
}

#[test]
fn of_eight_calls_at_once_only_as_many_pass_as_fit() {
    for _ in 0..200 {
        let purse = purse();
        let wallets: Vec<_> = thread::scope(|scope| {
            let call = || Wallet::reserve([account(&purse, daily(100))], 30, NOON);
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(wallets.iter().flatten().count(), 4, "the last one with what is left");
        assert!(wallets.iter().all(|wallet| wallet.as_ref().is_ok_and(|_| true)
            || wallet.as_ref().is_err_and(|refusal| !refusal.used_up)));
    }
}
