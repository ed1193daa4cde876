//! Tiers: the next one takes over when nobody of the first is left, helps when few are, and gives back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::edge::{Edge, server_of};
use crate::support::fickle::Fickle;
use crate::support::http::{Ask, answer, ok};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn sections(extra: &str, servers: &str) -> String {
    format!(
        "
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{retry: {{attempts: 1}}, {extra} servers: {{{servers}}}}}"
    )
}

/// Four servers `a0` to `a3` in tier 1 and one in tier 2.
struct Five {
    edge: Edge,
    _first: Vec<Upstream>,
    _spare: Upstream,
}

impl Five {
    fn new(extra: &str) -> Five {
        let names = ["a0", "a1", "a2", "a3"];
        let (first, spare) =
            (names.map(Upstream::named).into_iter().collect::<Vec<_>>(), Upstream::named("b"));
        let mut servers: Vec<String> = names
            .iter()
            .zip(&first)
            .map(|(name, server)| format!("{name}: {{url: {}}}", server.url()))
            .collect();
        servers.push(format!("b: {{url: {}, tier: 2}}", spare.url()));
        let edge = Edge::start(&sections(extra, &servers.join(", ")), &[]);
        Five { edge, _first: first, _spare: spare }
    }

    fn set(&self, servers: &[&str], state: &str) {
        for server in servers {
            assert_eq!(self.edge.command(&format!("set server ai/{server} state {state}")).trim(), "");
        }
    }

    /// How many of so many requests `b` gets.
    fn helped(&self, requests: usize) -> usize {
        self.edge.servers(requests).iter().filter(|server| *server == "b").count()
    }

    fn backend(&self, what: &str) -> Value {
        self.edge.status()["backends"][0][what].clone()
    }
}

/// The kinds of the events of tiers, with from and to.
fn switches(edge: &Edge) -> Vec<String> {
    let all = edge.events().into_iter().filter(|event| event["server"].is_null());
    all.map(|event| {
        let word = |key: &str| event[key].as_str().unwrap().to_owned();
        format!("{} {} {}", word("kind"), word("from"), word("to"))
    })
    .collect()
}

#[test]
fn next_tier_takes_over_when_nobody_is_left_and_gives_back() {
    let five = Five::new("");
    five.set(&["a0", "a1", "a2"], "maint");
    assert_eq!((five.helped(20), switches(&five.edge).len()), (0, 0), "one is enough");
    five.set(&["a3"], "drain");
    assert_eq!((five.helped(20), five.backend("active_tier")), (20, 2.into()));
    assert_eq!(switches(&five.edge), ["failover tier 1 tier 2"]);
    five.edge.says("backend ai: failover from tier 1 to tier 2");
    five.set(&["a1"], "ready");
    assert_eq!((five.helped(20), five.backend("active_tier")), (0, 1.into()));
    assert_eq!(switches(&five.edge), ["failover tier 1 tier 2", "failback tier 2 tier 1"]);
    five.edge.says("backend ai: failback from tier 2 to tier 1");
    for kind in ["failover", "failback"] {
        let labels = [("backend", "ai"), ("kind", kind)];
        assert_eq!(five.edge.metrics().sum("tidegate_tier_changes_total", &labels), 1.0, "{kind}");
    }
}

#[test]
fn nobody_left_in_any_tier_is_an_outage_and_then_a_recovery() {
    let five = Five::new("");
    five.set(&["a0", "a1", "a2", "a3"], "maint");
    five.set(&["b"], "maint");
    five.edge.ask(&Ask::chat(false)).is_error(503, "no_server_available");
    five.edge.says("backend ai has no usable server");
    five.set(&["b"], "ready");
    assert_eq!(five.helped(3), 3);
    five.edge.says("backend ai has a usable server again");
    five.set(&["a2"], "ready");
    assert_eq!(
        switches(&five.edge),
        ["failover tier 1 tier 2", "outage tier 2 none", "recovery none tier 2", "failback tier 2 tier 1"]
    );
}

#[test]
fn first_tier_gets_nothing_back_before_rise() {
    let (well, checks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_well, passed) = (Arc::clone(&well), Arc::clone(&checks));
    let one = Upstream::replying(move |request| match request.head.target() {
        "/health" if is_well.load(Ordering::SeqCst) => {
            passed.fetch_add(1, Ordering::SeqCst);
            answer(200, &[], "")
        }
        "/health" => answer(500, &[], ""),
        // How many checks it had passed by then.
        _ => ok(format!(r#"{{"server":"one {}"}}"#, passed.load(Ordering::SeqCst))),
    });
    let two = Upstream::named("two");
    let check = "check: {http: {path: /health}, interval: 100ms, fast_interval: 100ms, timeout: 2s, rise: 4, fall: 1},";
    let servers = "one: {url: <one>}, two: {url: <two>, tier: 2}";
    let edge = Edge::start(&sections(check, servers), &[("one", &one.url()), ("two", &two.url())]);
    assert_eq!(edge.servers(2), ["two"; 2]);
    well.store(true, Ordering::SeqCst);
    let mut served = String::new();
    until("it gives back", || {
        served = edge.servers(1).remove(0);
        served != "two"
    });
    let passed: usize = served.trim_start_matches("one ").parse().unwrap();
    assert!(passed >= 4, "{served}");
    assert!(switches(&edge).contains(&"failback tier 2 tier 1".to_owned()));
}

#[test]
fn below_the_share_the_next_tier_gets_what_the_first_cannot_take() {
    let five = Five::new("tiers: {help_below: 100%}, ");
    assert_eq!((five.helped(40), five.backend("helping_tier")), (0, Value::Null));
    five.set(&["a0"], "maint");
    // Three of four are usable: three quarters stay. Wide: it is drawn.
    let helped = five.helped(800);
    assert!((100..=320).contains(&helped), "{helped} of 800, expected 200");
    assert_eq!((five.backend("active_tier"), five.backend("helping_tier")), (1.into(), 2.into()));
    five.set(&["a1", "a2"], "maint");
    let helped = five.helped(800);
    assert!((500..=690).contains(&helped), "{helped} of 800, expected 600");
    five.set(&["a0", "a1", "a2"], "ready");
    assert_eq!(five.helped(40), 0);
    assert_eq!(switches(&five.edge), ["help_begins none tier 2", "help_ends tier 2 none"]);
    five.edge.says("backend ai: tier 2 helps out");
    five.edge.says("backend ai: tier 2 no longer helps out");
}

#[test]
fn at_exactly_the_share_nobody_helps() {
    let five = Five::new("tiers: {help_below: 50%}, ");
    five.set(&["a0", "a1"], "maint");
    assert_eq!((five.helped(100), switches(&five.edge).len()), (0, 0));
    five.set(&["a2"], "maint");
    let helped = five.helped(400);
    assert!((120..=280).contains(&helped), "{helped} of 400, expected 200");
    five.set(&["a3"], "maint");
    assert_eq!(five.helped(50), 50);
}

#[test]
fn without_a_share_nobody_helps() {
    let five = Five::new("");
    five.set(&["a0", "a1", "a2"], "maint");
    assert_eq!((five.helped(100), switches(&five.edge).len()), (0, 0));
}

#[test]
fn share_that_helps_is_the_same_clients_each_time() {
    let five = Five::new("balance: hash(header(x-user)), tiers: {help_below: 100%}, ");
    five.set(&["a0", "a1"], "maint");
    let mut seen: HashMap<String, String> = HashMap::new();
    for user in (0..60).chain(0..60) {
        let user = format!("user-{user}");
        let served = server_of(&five.edge.ask(&Ask::get("/v1/models").header("x-user", &user)));
        let before = seen.insert(user.clone(), served.clone());
        assert!(before.is_none_or(|before| before == served), "{user} went elsewhere");
    }
    let helped = seen.values().filter(|server| *server == "b").count();
    assert!((8..=52).contains(&helped), "{helped} of 60, expected 30");
}

#[test]
fn breaker_that_opens_is_a_failover_and_clients_see_nothing() {
    let (one, two) = (Fickle::new("one"), Upstream::named("two"));
    let text = sections(
        "breaker: {failures: 3, open_for: 300ms, trial_requests: 1}, eject: off,",
        "one: {url: <one>}, two: {url: <two>, tier: 2}",
    )
    .replace("attempts: 1", "attempts: 2, budget: 100%");
    let edge = Edge::start(&text, &[("one", &one.url()), ("two", &two.url())]);
    one.fails(502);
    assert_eq!(edge.servers(20), ["two"; 20], "a retry crosses tiers");
    until("told", || switches(&edge).first().is_some_and(|switch| switch == "failover tier 1 tier 2"));
    one.recovers();
    until("it gives back", || edge.servers(1) == ["one"]);
    until("told", || switches(&edge).contains(&"failback tier 2 tier 1".to_owned()));
    assert!(edge.log().iter().all(|line| line["status"] == 200));
}

#[test]
fn order_of_tiers_is_that_of_their_numbers_and_gaps_are_nothing() {
    let all = ["x", "y", "z"].map(Upstream::named);
    let [x, y, z] = all.each_ref().map(Upstream::url);
    let servers = "x: {url: <x>, tier: 90}, y: {url: <y>, tier: 7}, z: {url: <z>, tier: 12}";
    let edge = Edge::start(&sections("", servers), &[("x", &x), ("y", &y), ("z", &z)]);
    for next in ["y", "z", "x"] {
        assert_eq!(edge.servers(4), [next; 4]);
        edge.command(&format!("set server ai/{next} state maint"));
    }
    assert_eq!(
        switches(&edge),
        ["failover tier 7 tier 12", "failover tier 12 tier 90", "outage tier 90 none"]
    );
}

#[test]
fn weight_of_zero_counts_neither_as_usable_nor_as_one_of_all() {
    let five = Five::new("tiers: {help_below: 100%}, ");
    for server in ["a0", "a1", "a2"] {
        five.edge.command(&format!("set server ai/{server} weight 0"));
    }
    assert_eq!(five.helped(60), 0, "one of one is usable");
    five.edge.command("set server ai/a3 weight 0");
    assert_eq!(five.helped(10), 10);
}
