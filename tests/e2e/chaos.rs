//! Providers that refuse, reset, stall, drip, lie and rate limit while clients ask: as long as one server per tier is
//! well, no client sees any of it, and afterwards nothing counts as there any more. `CHAOS_SECONDS` and `CHAOS_SEED` make
//! the load last longer and come differently.

use std::collections::HashSet;
use std::time::Duration;

use self::load::Load;
use self::site::Site;
use crate::support::chaos::Chaos;
use crate::support::chaos::schedule::{Fault, Schedule};
use crate::support::wait::now;

mod death;
mod failover;
mod load;
mod permits;
mod site;

const SEED: u64 = 4;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Two tiers, in each two servers that misbehave and one that is well.
struct Providers {
    all: Vec<Chaos>,
}

impl Providers {
    fn start(seed: u64, time: Duration) -> Providers {
        let bad = |number: u64| {
            let schedule = Schedule::new(seed * 10 + number, &Fault::HIDEABLE, time);
            Chaos::start(&format!("bad{number}"), schedule)
        };
        Providers { all: vec![bad(1), bad(2), Chaos::well("well1"), bad(3), bad(4), Chaos::well("well2")] }
    }

    /// Lines of `servers`; those of `without` are left out.
    fn lines(&self, without: &[&str]) -> String {
        let line = |(index, server): (usize, &Chaos)| {
            let tier = 1 + index / 3;
            format!("      {}: {{url: {}, tier: {tier}}}\n", server.name(), server.url())
        };
        let kept = self.all.iter().enumerate().filter(|(_, server)| !without.contains(&server.name()));
        kept.map(line).collect()
    }

    /// For the message of a test that failed.
    fn schedules(&self) -> String {
        self.all.iter().map(|server| format!("{}: {}\n", server.name(), server.schedule())).collect()
    }

    fn said(&self) -> String {
        let said = |server: &Chaos| {
            let faults: HashSet<Fault> = server.seen().iter().map(|seen| seen.fault).collect();
            let counts = (server.received(), server.connections(), server.others());
            format!(
                "{}: (requests, connections, checks) {counts:?}, faults met {}",
                server.name(),
                faults.len()
            )
        };
        self.all.iter().map(said).collect::<Vec<_>>().join("\n")
    }
}

const BACKEND: &str = "
    balance: random
    tiers: {help_below: 60%}
    breaker: {failures: 3, open_for: 700ms, trial_requests: 2}
    eject: {error_rate: 30%, over: 10, for: 500ms, up_to: 2s}
    check: {http: {path: /v1/models}, interval: 300ms, fast_interval: 100ms, timeout: 800ms}
    retry: {attempts: 5, backoff: 5ms..50ms, budget: 100%}
    timeouts: {connect: 800ms, first_byte: 800ms, first_content: 800ms, server: 2s, total: 15s}
";

fn backend(providers: &Providers, without: &[&str]) -> String {
    format!("{BACKEND}    servers:\n{}", providers.lines(without))
}

#[test]
fn clients_see_nothing_of_providers_that_misbehave() {
    let (seed, time) = (number("CHAOS_SEED", SEED), Duration::from_secs(number("CHAOS_SECONDS", 7)));
    let providers = Providers::start(seed, time);
    let site = Site::start(&backend(&providers, &[]));
    let load = Load { site: &site, seed, until: now() + time };
    let seen = load.run(|| {});
    eprintln!("seed {seed}: {} answers\n{}", seen.answers, providers.said());
    assert!(seen.failures.is_empty(), "{}\n{}", seen.failures.join("\n"), providers.schedules());
    assert!(providers.all.iter().all(|server| server.received() > 0), "{}", providers.said());
    site.is_at_rest();
}

#[test]
fn clients_see_nothing_of_reloads_and_operators_meanwhile() {
    let (seed, time) = (number("CHAOS_SEED", SEED) + 1000, Duration::from_secs(number("CHAOS_SECONDS", 5)));
    let providers = Providers::start(seed, time);
    let site = Site::start(&backend(&providers, &[]));
    let load = Load { site: &site, seed, until: now() + time };
    let mut turn = 0;
    let seen = load.run(|| {
        operate(&site, &providers, turn);
        turn += 1;
        std::thread::sleep(Duration::from_millis(200));
    });
    eprintln!("seed {seed}: {} answers, {turn} turns\n{}", seen.answers, providers.said());
    assert!(seen.failures.is_empty(), "{}\n{}", seen.failures.join("\n"), providers.schedules());
    site.is_at_rest();
}

/// Reloads that take servers away and bring them back, and commands: a well server stays in one of the tiers.
fn operate(site: &Site, providers: &Providers, turn: usize) {
    match turn % 3 {
        0 => site.reload(&backend(providers, &["bad1", "bad4"])),
        1 => site.reload(&backend(providers, &[])),
        _ => assert!(site.edge.hang_up()),
    }
    let commands: &[(&str, &str)] = match turn % 8 {
        0 => &[("bad2", "maint")],
        1 => &[("bad2", "ready"), ("bad3", "drain")],
        2 => &[("well2", "maint"), ("bad3", "ready")],
        3 => &[("well2", "ready"), ("well1", "drain")],
        4 => &[("bad1", "maint"), ("bad2", "maint"), ("well1", "maint")],
        5 => &[("well1", "ready"), ("bad1", "ready")],
        6 => &[("bad2", "ready"), ("bad3", "maint")],
        _ => &[("bad3", "ready"), ("bad2", "drain")],
    };
    for (server, state) in commands {
        let said = site.edge.command(&format!("set server ai/{server} state {state}"));
        let absent = turn.is_multiple_of(3) && *server == "bad1";
        assert!(said.trim().is_empty() || absent, "{server} {state}: {said}");
    }
}
