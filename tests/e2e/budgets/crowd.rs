//! Many at once on little money.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::support::http::Message;
use crate::support::till::{Take, Terms, Till, chat, provider};

const CLIENTS: usize = 50;

/// Each asks until the budget is used up, again where only calls in flight are in the way. How many were answered.
fn crowd(till: &Till, most: u64, take: u64) -> u64 {
    let answered = AtomicU64::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (answered, key) = (&answered, if client % 2 == 0 { "sk-app" } else { "sk-other" });
            scope.spawn(move || {
                let mut connection = till.edge.open();
                let take = Take { completion: take, ..Take::default() };
                let ask = chat(key, "exact", client % 3 == 0, most, take);
                loop {
                    let answer = connection.ask(&ask);
                    match answer.status() {
                        200 => answered.fetch_add(1, Ordering::SeqCst),
                        429 if code(&answer) == "insufficient_quota" => return,
                        429 => continue,
                        _ => panic!("{answer:?}"),
                    };
                }
            });
        }
    });
    answered.into_inner()
}

fn code(answer: &Message) -> String {
    answer.json()["error"]["code"].as_str().unwrap().to_owned()
}

fn till() -> Till {
    Till::with(&Terms { plan: ", total_budget: {usd: 0.003}", ..Terms::default() }, provider())
}

#[test]
fn clients_at_once_spend_exactly_what_there_is() {
    let till = till();
    assert_eq!(crowd(&till, 100, 100), 30);
    till.comes_to("plan", "p", 3000);
    assert_eq!(till.one.count(), 30);
    // Told once each, whoever crossed it.
    let mark = |to: &str| ("plan p".to_owned(), to.to_owned());
    assert_eq!(till.awaits_marks(2), [mark("nearly_used_up"), mark("used_up")]);
}

#[test]
fn what_takes_less_than_it_might_leaves_room_for_others() {
    let till = till();
    let answered = crowd(&till, 100, 70);
    // The 43rd passes at 2940. What each of at most 30 gives back at the end may let in one more, that goes over.
    assert!((43..=73).contains(&answered), "{answered}");
    till.comes_to("plan", "p", answered * 70);
}

#[test]
fn clients_that_want_it_all_get_it_one_after_the_other() {
    let till = till();
    // Each holds all that is left, so nobody is beside it: the 43rd at 2940 is the only one that goes over.
    assert_eq!(crowd(&till, 100_000_000, 70), 43);
    till.comes_to("plan", "p", 43 * 70);
    let mark = |to: &str| ("plan p".to_owned(), to.to_owned());
    assert_eq!(till.awaits_marks(2), [mark("nearly_used_up"), mark("used_up")]);
}

#[test]
fn what_takes_more_than_it_may_is_all_that_is_overspent() {
    let till = till();
    let answered = crowd(&till, 100, 160);
    // At most 30 could be in flight at once, each 60 over its estimate.
    assert!((19..=30).contains(&answered), "{answered}");
    till.comes_to("plan", "p", answered * 160);
}
