//! Events of the ring as facts for the engine, each with a whole sentence.

use std::borrow::Cow;

use serde_json::Value;

use crate::alert::{Fact, Stand, What};
use crate::observe::events::{Event, EventKind, span};

/// `None`: no alert is about it.
pub fn of(event: &Event) -> Option<Fact> {
    let (what, text) = match event.kind {
        EventKind::Server => server(event),
        EventKind::Failover | EventKind::Failback | EventKind::Outage | EventKind::Recovery => tiers(event),
        EventKind::Budget => budget(event),
        EventKind::Ledger => ledger(event),
        EventKind::Reload => reload(event),
        EventKind::Certificate => certificate(event),
        EventKind::Rollback => {
            let text = format!("the configuration was rolled back: {}", event.why);
            (What::RolledBack, text)
        }
        // Told to the engine by whoever found them, with the limit that was passed.
        EventKind::Latency | EventKind::Errors => return None,
        EventKind::HelpBegins | EventKind::HelpEnds => return None,
    };
    Some(Fact {
        at: event.at,
        what,
        subject: event.subject.clone().into_owned(),
        backend: event.backend.clone(),
        text,
        details: details(event),
    })
}

fn details(event: &Event) -> Vec<(&'static str, Value)> {
    let mut details: Vec<(&'static str, Value)> = vec![
        ("from", (&*event.from).into()),
        ("to", (&*event.to).into()),
        ("why", event.why.as_str().into()),
    ];
    if let Some(server) = &event.server {
        details.push(("server", (&**server).into()));
    }
    if let Some(lasted) = event.lasted {
        details.push(("lasted_seconds", lasted.as_secs_f64().into()));
    }
    if let Some(expected) = event.expected {
        details.push(("expected_seconds", expected.as_secs_f64().into()));
    }
    details.extend(event.figures.iter().map(|(name, value)| (*name, (*value).into())));
    details
}

fn server(event: &Event) -> (What, String) {
    let (of, why) = (&event.subject, event.why.as_str());
    let lasted = event.lasted.filter(|_| event.from != "not_checked");
    let was = lasted.map_or(String::new(), |lasted| {
        format!(" (was {} for {})", event.from.replace('_', " "), span(lasted))
    });
    let time = event.expected.map_or(String::new(), |time| format!(" for {}", span(time)));
    match &*event.to {
        "up" => (What::Server(Stand::Up), format!("server {of} is up: {why}{was}")),
        "slow" => (What::Server(Stand::Up), format!("server {of} is up, but slow: {why}{was}")),
        "down" => (What::Server(Stand::Down), format!("server {of} is down: {why}{was}")),
        "unresolved" => (What::Server(Stand::Down), format!("server {of} has no address: {why}{was}")),
        "misconfigured" => {
            let why = why.strip_suffix(": it refuses our api_key").unwrap_or(why);
            let place = of.replacen('/', ".servers.", 1);
            let text = format!(
                "server {of} refuses our api_key ({why}): it is asked last. Put a good key in backends.{place}.api_key and \
                 reload"
            );
            (What::Server(Stand::Down), text)
        }
        "breaker_open" => {
            let text = format!("server {of} is cut off by its circuit breaker{time}: {why}{was}");
            (What::Server(Stand::BreakerOpen), text)
        }
        "drain" | "maint" | "not_checked" => {
            let word = match &*event.to {
                "drain" => "draining",
                "maint" => "in maintenance",
                _ => "new, and not checked yet",
            };
            (What::Server(Stand::TakenOut), format!("server {of} is {word}: {why}"))
        }
        to => (What::Server(Stand::Passing), format!("server {of} is {}: {why}", to.replace('_', " "))),
    }
}

fn tiers(event: &Event) -> (What, String) {
    let number = |text: &Cow<'static, str>| text.strip_prefix("tier ").and_then(|number| number.parse().ok());
    let (from, to) = (number(&event.from), number(&event.to));
    let (of, why) = (&event.subject, &event.why);
    let been = event.lasted.map_or(String::new(), |lasted| format!(" after {}", span(lasted)));
    let text = match event.kind {
        EventKind::Failover => {
            format!("backend {of} fails over from {} to {}{been}: {why}", event.from, event.to)
        }
        EventKind::Failback => format!("backend {of} is back on {}{been}: {why}", event.to),
        EventKind::Recovery => {
            format!("backend {of} has a usable server again{been}, on {}: {why}", event.to)
        }
        _ => format!("backend {of} has no usable server, its requests get 503: {why}"),
    };
    (What::Tiers { from, to }, text)
}

fn budget(event: &Event) -> (What, String) {
    let used_up = event.to == "used_up";
    let then =
        if used_up { "calls are refused until then" } else { "with nothing left calls will be refused" };
    let text = format!("spent by {}: {}; {then}", event.subject, event.why);
    (What::Budget { used_up, anew: event.expected }, text)
}

fn ledger(event: &Event) -> (What, String) {
    let why = &event.why;
    match &*event.to {
        "durable" => (What::LedgerBack, format!("the ledger is written to disk again: {why}")),
        "calls_lost" => (What::CallsLost, format!("the ledger loses calls: {why}")),
        _ => (
            What::LedgerDegraded,
            format!("the ledger cannot be written to disk: {why}. Calls are kept in memory until it can"),
        ),
    }
}

fn reload(event: &Event) -> (What, String) {
    if event.to == "applied" {
        return (What::ReloadApplied, format!("a reload was applied: {}", event.why));
    }
    (What::ReloadRefused, format!("a reload was refused, nothing has changed: {}", event.why))
}

fn certificate(event: &Event) -> (What, String) {
    let what = match &*event.to {
        "renewed" => What::CertificateRenewed,
        to => What::Certificate { ended: to == "ended" },
    };
    (what, format!("certificate {}. Put a new one into the file and reload", event.why))
}
