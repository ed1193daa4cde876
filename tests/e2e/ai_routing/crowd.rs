//! Many calls at once, and every way to choose among servers: none goes to a server that does not know its model.

use super::{asked, call, edge, is_of};
use crate::support::fickle::Fickle;
use crate::support::upstream::Upstream;

const AI: &str = "
  models: {alpha: {input: 2, output: 8}, beta: {input: 1, output: 1}, gamma: {input: 1, output: 1}}";

#[test]
fn every_way_to_choose_keeps_to_the_servers_that_know_the_model() {
    for balance in
        ["round_robin", "least_conn", "latency", "first", "random", "hash(src)", "hash(header(x-user))"]
    {
        let [one, two, three] = ["one", "two", "three"].map(Upstream::named);
        let servers = [
            ("one", &*one.url(), "models: [beta]"),
            ("two", &*two.url(), "models: [alpha, beta]"),
            ("three", &*three.url(), "models: [alpha]"),
        ];
        let edge = edge(AI, &format!("balance: {balance}"), &servers);
        let mut client = edge.open();
        for user in 0..20 {
            for model in ["alpha", "beta"] {
                let ask = call(model).header("x-user", &user.to_string());
                assert_eq!(client.ask(&ask).status(), 200, "{balance}");
            }
        }
        let has = |server: &Upstream, model: &str| asked(server).iter().any(|asked| asked == model);
        assert!(!has(&one, "alpha") && !has(&three, "beta"), "{balance}");
        assert_eq!(one.count() + two.count() + three.count(), 40);
    }
}

#[test]
fn tier_without_the_model_is_passed_over_however_well_it_is() {
    let [first, second] = ["first", "second"].map(Upstream::named);
    let servers = [
        ("first", &*first.url(), "models: [beta], tier: 1"),
        ("second", &*second.url(), "models: [alpha, beta], tier: 2"),
    ];
    let edge = edge(AI, "cooldown: off", &servers);
    for _ in 0..3 {
        is_of(&edge.ask(&call("alpha")), "second", "alpha");
        is_of(&edge.ask(&call("beta")), "first", "beta");
    }
}

#[test]
fn many_calls_at_once_each_find_their_model() {
    let (one, two, bad) = (Fickle::new("one"), Fickle::new("two"), Upstream::failing(500));
    let servers = [
        ("bad", &*bad.url(), "models: {alpha: a-bad, gamma: g-bad}, max_concurrent: 2"),
        ("one", &*one.url(), "models: {alpha: a-one, beta: b-one}, max_concurrent: 2"),
        ("two", &*two.url(), "models: {beta: b-two, gamma: g-two}, max_concurrent: 2"),
    ];
    let lines = "queue: {max: 1000}\n    retry: {attempts: 3, when: [500], backoff: 1ms..2ms, budget: 100%}";
    let edge = edge(AI, lines, &servers);
    std::thread::scope(|scope| {
        for number in 0..24 {
            let edge = &edge;
            scope.spawn(move || {
                let mut client = edge.open();
                for turn in 0..20 {
                    let model = ["alpha", "beta", "gamma"][(number + turn) % 3];
                    let answer = client.ask(&call(model));
                    assert_eq!(answer.status(), 200, "{model}: {}", answer.text());
                    assert_eq!(answer.header("x-tidegate-model"), Some(model));
                }
            });
        }
    });
    let only = |server: &Upstream, names: [&str; 2]| {
        assert!(asked(server).iter().all(|name| names.contains(&name.as_str())), "{:?}", asked(server));
    };
    only(&bad, ["a-bad", "g-bad"]);
    only(&one.upstream, ["a-one", "b-one"]);
    only(&two.upstream, ["b-two", "g-two"]);
    assert_eq!(one.count() + two.count(), 480);
}
