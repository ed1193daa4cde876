//! What a person who has just been woken should look at first, in words: read off a report, worst first.

use serde::Serialize;

use crate::admin::report::{Backend, Budget, Frontend, Ledger, Report, Server, Table};
use crate::admin::units;
use crate::pool::Status;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Clients are being failed.
    Critical,
    /// It still works, with less in reserve.
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    pub severity: Severity,
    pub message: String,
}

/// Answers in the last minute from which on a share of 5xx means something.
const ENOUGH_ANSWERS: u64 = 10;
/// Of a limit, from here on it is worth a word.
const NEARLY: f64 = 0.9;
/// Budgets of clients that have a notice each; of more of them one says how many.
const MOST_BUDGETS: usize = 5;

pub fn notices(report: &Report) -> Vec<Notice> {
    let mut notices = Vec::new();
    node(report, &mut notices);
    for backend in &report.backends {
        of_backend(backend, &mut notices);
    }
    for frontend in &report.frontends {
        of_frontend(frontend, &mut notices);
    }
    of_budgets(&report.budgets.list, report.node.at, &mut notices);
    if let Some(ledger) = &report.ledger {
        of_ledger(ledger, &mut notices);
    }
    for table in &report.tables {
        of_table(table, &mut notices);
    }
    notices.sort_by_key(|notice| notice.severity);
    notices
}

fn critical(notices: &mut Vec<Notice>, message: String) {
    notices.push(Notice { severity: Severity::Critical, message });
}

fn warning(notices: &mut Vec<Notice>, message: String) {
    notices.push(Notice { severity: Severity::Warning, message });
}

fn node(report: &Report, notices: &mut Vec<Notice>) {
    let node = &report.node;
    match node.state {
        "starting" => {
            warning(notices, "Starting: no traffic is taken before the first round of checks.".into())
        }
        "draining" => warning(
            notices,
            "Draining: a stop was ordered. No new connections; requests in flight may end.".into(),
        ),
        _ => {}
    }
    if node.connections >= node.max_connections {
        let text = "New clients wait: all global.max_connections are in use";
        critical(notices, format!("{text} ({} of {}).", node.connections, node.max_connections));
    } else if nearly(node.connections as f64, node.max_connections as f64) {
        let text = "Nearly all global.max_connections are in use";
        warning(notices, format!("{text} ({} of {}).", node.connections, node.max_connections));
    }
    if node.log_lines_dropped > 0 {
        let text = "access log lines were dropped since the start: the log's reader or disk is too slow";
        warning(notices, format!("{} {text}.", node.log_lines_dropped));
    }
}

fn of_backend(backend: &Backend, notices: &mut Vec<Notice>) {
    let name = &backend.name;
    if !backend.up {
        let back = backend.back_in_seconds.map_or(String::new(), |seconds| {
            format!(" The first comes back in {} by itself.", units::seconds(seconds.ceil() as u64))
        });
        critical(notices, format!("Backend {name} has no usable server: its requests get 503.{back}"));
    } else if let (Some(active), Some(first)) = (backend.active_tier, backend.first_tier)
        && active > first
    {
        warning(
            notices,
            format!("Backend {name} runs on tier {active}: no server of tier {first} is usable."),
        );
    }
    if let (Some(helping), Some(active)) = (backend.helping_tier, backend.active_tier) {
        let text = format!("tier {helping} helps out, because too few servers of tier {active} are usable");
        warning(notices, format!("Backend {name}: {text}."));
    }
    if backend.queue > 0 && backend.queue >= backend.queue_max {
        let text = "its queue is full, more requests get 503 overloaded";
        critical(notices, format!("Backend {name}: {text} ({} wait).", backend.queue));
    } else if backend.queue > 0 {
        let text = "requests wait, every usable server is at its max_concurrent";
        warning(notices, format!("Backend {name}: {} {text}.", backend.queue));
    }
    let recent = &backend.recent;
    if let Some(share) = failing(recent.responses.server_error, recent.requests) {
        warning(notices, format!("Backend {name}: {share:.0}% of the last minute's answers were 5xx."));
    }
    for server in &backend.servers {
        of_server(backend, server, notices);
    }
}

fn of_server(backend: &Backend, server: &Server, notices: &mut Vec<Notice>) {
    let name = format!("{}/{}", backend.name, server.name);
    let since = server.state_seconds.map_or(String::new(), |s| format!(" for {}", units::seconds(s)));
    let left = server.state_ends_seconds.map_or(String::new(), |s| format!(", {} more", units::seconds(s)));
    let why = server.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
    match server.state {
        Status::Down => {
            let reason = match &server.check {
                Some(check) => format!(": {} ({})", check.reason, check.code),
                None => why,
            };
            warning(notices, format!("Server {name} is down{since}{reason}."));
        }
        Status::NotChecked => warning(notices, format!("Server {name} is not checked yet, so not in use.")),
        Status::Unresolved => {
            let text = "has no address, so no traffic: its name does not resolve";
            warning(notices, format!("Server {name} {text}."));
        }
        Status::Misconfigured => misconfigured(backend, server, notices),
        Status::BreakerOpen => {
            warning(notices, format!("Server {name} is cut off by its circuit breaker{since}{left}{why}."));
        }
        Status::HalfOpen => {
            let text = "is on trial: its circuit breaker closes if a few requests succeed";
            warning(notices, format!("Server {name} {text}."));
        }
        Status::Ejected => {
            warning(notices, format!("Server {name} is ejected{since}{left}{why}."));
        }
        Status::Cooldown => {
            warning(notices, format!("Server {name} is in a cooldown{since}{left}{why}."));
        }
        Status::Slow => {
            warning(notices, format!("Server {name} is slow, so last in line{since}{why}."));
        }
        Status::Maint => warning(notices, format!("Server {name} is in maintenance.")),
        Status::Drain => warning(notices, format!("Server {name} is draining: it gets no new requests.")),
        Status::Up => {
            if let Some(check) = server.check.as_ref().filter(|check| !check.passed) {
                let text = format!("is up, but its last check failed: {} ({})", check.reason, check.code);
                warning(notices, format!("Server {name} {text}."));
            }
        }
    }
}

/// Nothing mends this but a person; when nothing else of its tier is usable, clients are likely to feel it.
fn misconfigured(backend: &Backend, server: &Server, notices: &mut Vec<Notice>) {
    let (tier, name) = (server.tier, format!("{}/{}", backend.name, server.name));
    let alone = !backend
        .servers
        .iter()
        .any(|other| other.tier == tier && other.usable && other.state != Status::Misconfigured);
    let also = if alone { format!(". No other server of tier {tier} is usable") } else { String::new() };
    let text = match &server.why {
        Some(why) => format!("is asked last: {why}"),
        None => "refuses our api_key, so it is asked last".to_owned(),
    };
    let severity = if alone { Severity::Critical } else { Severity::Warning };
    let message = format!("Server {name} {text}{also}. Put a good key in the file and reload.");
    notices.push(Notice { severity, message });
}

fn of_frontend(frontend: &Frontend, notices: &mut Vec<Notice>) {
    let name = &frontend.name;
    if frontend.status == "FULL" {
        let text = "new clients wait, all of its max_connections are in use";
        critical(notices, format!("Frontend {name}: {text} ({}).", frontend.max_connections));
    } else if nearly(frontend.connections as f64, frontend.max_connections as f64) {
        let (open, max) = (frontend.connections, frontend.max_connections);
        warning(notices, format!("Frontend {name}: {open} of {max} connections are in use."));
    }
    let recent = &frontend.recent;
    if let Some(share) = failing(recent.responses.server_error, recent.requests) {
        let text = "of the last minute's requests were answered with 5xx";
        critical(notices, format!("Frontend {name}: {share:.0}% {text}."));
    }
}

/// `now` in seconds since 1970. All and the plans each; of clients the first few.
fn of_budgets(budgets: &[Budget], now: u64, notices: &mut Vec<Notice>) {
    for state in ["used_up", "nearly_used_up"] {
        let (clients, shared): (Vec<&Budget>, Vec<&Budget>) = budgets
            .iter()
            .filter(|budget| budget.state == state)
            .partition(|budget| budget.scope == "client");
        for budget in shared.into_iter().chain(clients.iter().copied().take(MOST_BUDGETS)) {
            of_budget(budget, now, notices);
        }
        if let Some(more) = clients.len().checked_sub(MOST_BUDGETS).filter(|more| *more > 0) {
            let text = if state == "used_up" { "is used up" } else { "is nearly used up" };
            warning(notices, format!("The budget of {more} more clients {text}: see below."));
        }
    }
}

fn of_budget(budget: &Budget, now: u64, notices: &mut Vec<Notice>) {
    let whose = budget.whose();
    let period = if budget.period == "day" { "today" } else { "this month" };
    let (spent, of) = (units::money(budget.spent_usd), units::money(budget.budget_usd));
    let anew = units::seconds(budget.begins_anew_at.saturating_sub(now));
    if budget.state == "used_up" {
        let text = format!("is used up ({spent} of {of} {period}): calls get 429 insufficient_quota");
        let then = format!("It begins anew in {anew}; to let them through before, raise it and reload");
        let message = format!("The budget of {whose} {text}. {then}.");
        // One client's budget is between it and whoever gave it; the others hit everybody.
        let severity = if budget.scope == "client" { Severity::Warning } else { Severity::Critical };
        notices.push(Notice { severity, message });
    } else {
        let text = format!("is nearly used up: {spent} of {of} {period}. It begins anew in {anew}");
        warning(notices, format!("The budget of {whose} {text}."));
    }
}

fn of_ledger(ledger: &Ledger, notices: &mut Vec<Notice>) {
    let Ledger { file, pending, lost, .. } = ledger;
    if !ledger.durable {
        let text =
            format!("the disk takes no calls, {pending} wait in memory and would be lost with the process");
        let then =
            "Is there room, and may it be written? It is tried again by itself; the log says what is wrong";
        warning(notices, format!("Ledger {file}: {text}. {then}."));
    }
    if *lost > 0 {
        let text = "calls are in no ledger: the disk took none, and memory held no more. `tidegate usage` misses them";
        warning(notices, format!("Ledger {file}: {lost} {text}."));
    }
}

fn of_table(table: &Table, notices: &mut Vec<Notice>) {
    let name = &table.name;
    if table.full > 0 {
        let text = "requests were not tracked, so not limited: every entry was in use. Raise its size";
        warning(notices, format!("Table {name}: {} {text} ({}).", table.full, table.size));
    }
    if table.evicted > 0 && table.entries >= table.size {
        let text = "is full and forgets its oldest entries before their time. Raise its size";
        warning(notices, format!("Table {name} {text} ({}).", table.size));
    }
}

fn nearly(used: f64, limit: f64) -> bool {
    limit > 0.0 && used >= limit * NEARLY
}

/// The share of failures in percent, where there were enough answers to speak of and at least 5% failed.
fn failing(failed: u64, all: u64) -> Option<f64> {
    let share = 100.0 * failed as f64 / all.max(1) as f64;
    (all >= ENOUGH_ANSWERS && share >= 5.0).then_some(share.min(100.0))
}
