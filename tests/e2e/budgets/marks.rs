//! Who watches is told once where a budget nears its end, and once where it is used up.

use super::is_used_up;
use crate::support::till::{Take, Terms, Till, chat};

const EACH: Terms = Terms { app: "", plan: ", budget: {usd: 0.001, per: day}", ai: "" };

fn mark(subject: &str, to: &str) -> (String, String) {
    (subject.to_owned(), to.to_owned())
}

#[test]
fn marks_are_told_once_each() {
    let till = Till::new(&EACH);
    till.spends("sk-app", 799);
    till.comes_to("client", "app", 799);
    assert_eq!(till.marks(), []);
    for tokens in [1, 100, 50] {
        assert_eq!(till.spends("sk-app", tokens).status(), 200);
    }
    assert_eq!(till.awaits_marks(1), [mark("client app", "nearly_used_up")]);
    till.comes_to("client", "app", 950);
    assert_eq!(till.spends("sk-app", 50).status(), 200);
    let both = [mark("client app", "nearly_used_up"), mark("client app", "used_up")];
    assert_eq!(till.awaits_marks(2), both);
    for _ in 0..3 {
        is_used_up(&till.spends("sk-app", 1));
    }
    assert_eq!(till.marks(), both);
    assert_eq!(till.edge.told("budget: spent by client app: "), 2, "one line each");
    till.edge.says("$0.001 of the $0.001 for this day");

    let events = till.edge.events();
    let used_up = events.iter().find(|event| event["to"] == "used_up").unwrap();
    assert_eq!((&used_up["from"], &used_up["tone"]), (&"nearly_used_up".into(), &"alarm".into()));
    assert!((0.0..=86_400.0).contains(&used_up["expected_seconds"].as_f64().unwrap()), "{used_up}");
}

#[test]
fn while_something_is_left_nobody_hears_that_it_is_used_up() {
    let till = Till::new(&EACH);
    till.spends("sk-app", 950);
    till.comes_to("client", "app", 950);
    // Each wants more than there is, and takes less.
    for times in 1..=4 {
        let take = Take { completion: 10, ..Take::default() };
        assert_eq!(till.ask(&chat("sk-app", "exact", false, 100_000_000, take)).status(), 200);
        till.comes_to("client", "app", 950 + 10 * times);
    }
    assert_eq!(till.awaits_marks(1), [mark("client app", "nearly_used_up")]);
    till.spends("sk-app", 100);
    assert_eq!(till.awaits_marks(2)[1], mark("client app", "used_up"));
    till.edge.says("$0.00109 of the $0.001 for this day");
}

/// No call came to this mark: it is the budget that came down to what is spent.
#[test]
fn a_refusal_tells_that_it_is_used_up() {
    let till = Till::new(&EACH);
    till.spends("sk-app", 500);
    till.comes_to("client", "app", 500);
    till.reload(&Terms { plan: ", budget: {usd: 0.0004, per: day}", ..EACH });
    for _ in 0..3 {
        is_used_up(&till.spends("sk-app", 100));
    }
    assert_eq!(till.awaits_marks(1), [mark("client app", "used_up")]);
    assert_eq!(till.edge.told("budget: spent by client app: "), 1);
}

#[test]
fn each_payer_has_its_own_mark() {
    let till = Till::new(&Terms {
        app: "",
        plan: ", budget: {usd: 0.001, alert_at: 100%}, total_budget: {usd: 0.002, alert_at: 50%}",
        ai: "\n  budget: {usd: 0.01, alert_at: 10%}",
    });
    till.spends("sk-app", 1000);
    let mut marks = till.awaits_marks(3);
    marks.sort();
    let wanted = [
        mark("all clients", "nearly_used_up"),
        mark("client app", "used_up"),
        mark("plan p", "nearly_used_up"),
    ];
    assert_eq!(marks, wanted);
    let used_up = till.edge.events().into_iter().find(|event| event["to"] == "used_up").unwrap();
    assert_eq!(used_up["from"], "in_budget", "with alert_at: 100% nothing was told before");
}

#[test]
fn a_call_that_takes_all_at_once_tells_both() {
    let till = Till::new(&EACH);
    till.spends("sk-app", 1000);
    let marks = till.awaits_marks(2);
    assert_eq!(marks, [mark("client app", "nearly_used_up"), mark("client app", "used_up")]);
}
