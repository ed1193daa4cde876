//! `show servers`: every server's state, in words for a person or in HAProxy's columns for a script.

use std::fmt::Write;

use crate::admin::View;
use crate::admin::units;
use crate::pool::health::{State, Verdict};
use crate::pool::server::Admin;
use crate::pool::{Member, Status};
use crate::runtime::snapshot::{Backend, Server};

/// One line for each server: what it is, since when, and why.
pub fn in_words(view: &View, only: Option<&str>) -> String {
    let report = view.report();
    let mut out = String::new();
    for backend in report.backends.iter().filter(|backend| only.is_none_or(|name| backend.name == name)) {
        for server in &backend.servers {
            let name = format!("{}/{}", backend.name, server.name);
            let since = server.state_seconds.map_or("-".to_owned(), units::seconds);
            let max = server.max_concurrent.map_or("-".to_owned(), |max| max.to_string());
            let left =
                server.state_ends_seconds.map_or(String::new(), |s| format!(" ({} more)", units::seconds(s)));
            // Of these two the check says it.
            let why = server.why.as_ref().filter(|_| !matches!(server.state, Status::Up | Status::Down));
            let why = why.map_or(String::new(), |why| format!(" ({why})"));
            let check = server.check.as_ref().map_or("not checked".to_owned(), |check| {
                format!("{} {} ({} ago)", check.code, check.reason, units::seconds(check.seconds_ago))
            });
            let _ = writeln!(
                out,
                "{name} {} for {since}{left}{why}, tier {}{}, weight {}, in flight {}/{max}, {}, {check}",
                server.status,
                server.tier,
                if server.active { " (active)" } else { "" },
                server.weight,
                server.in_flight,
                server.address,
            );
        }
    }
    if out.is_empty() { no_such(only) } else { out }
}

const HEADING: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
    srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state \
    bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr \
    srv_agent_addr srv_agent_port\n";

/// Version 1 of HAProxy's state file. Ids are those of `show stat`.
pub fn in_columns(view: &View, only: Option<&str>) -> String {
    let snapshot = view.store.load();
    let mut out = HEADING.to_owned();
    let mut found = false;
    for (index, backend) in snapshot.backends.iter().enumerate() {
        if only.is_some_and(|name| *backend.name != *name) {
            continue;
        }
        found = true;
        let be_id = snapshot.frontends.len() + index + 1;
        for (position, (server, member)) in backend.servers.iter().zip(backend.pool.members()).enumerate() {
            let _ = write!(out, "{be_id} {} {} {} ", backend.name, position + 1, server.target.name);
            line(&mut out, view, backend, server, member);
        }
    }
    if found { out } else { no_such(only) }
}

fn line(out: &mut String, view: &View, backend: &Backend, server: &Server, member: &Member) {
    let maintained = member.server.admin() == Admin::Maint;
    let up = !maintained && (backend.pool.checks().is_none() || member.server.state() == State::Up);
    // 0 is stopped, 2 running.
    let operational = if up { 2 } else { 0 };
    let ordered = match member.server.admin() {
        Admin::Ready => 0,
        Admin::Maint => 0x01,
        Admin::Drain => 0x08,
    };
    let since = member.server.last_change().map_or(view.uptime(), |at| view.state.clock.now().since(at));
    let last = member.server.last_check();
    let status = last.as_ref().map_or(CHECK_UNKNOWN, |last| check_status(last.result.verdict));
    // Of the last check: 0 unknown, 2 failed, 3 passed. Its state: 6 is configured and enabled, 8 more is paused.
    let result = last.as_ref().map_or(0, |last| if last.result.passed() { 3 } else { 2 });
    let health = match backend.pool.checks() {
        Some(thresholds) if up => thresholds.rise + thresholds.fall - 1,
        _ => 0,
    };
    let checked = match backend.pool.checks() {
        Some(_) if maintained => 14,
        Some(_) => 6,
        None => 0,
    };
    let addresses = server.target.place();
    let ip = addresses.load().first().map_or("-".to_owned(), |address| address.ip().to_string());
    let name = if addresses.host == ip { "-" } else { &addresses.host };
    let weights = (member.effective_weight(), member.weight);
    let tls = u8::from(server.target.tls.is_some());
    let _ = writeln!(
        out,
        "{ip} {operational} {ordered} {} {} {} {status} {result} {health} {checked} 0 0 0 {name} {} - {tls} 0 - - 0",
        weights.0,
        weights.1,
        since.as_secs(),
        addresses.port,
    );
}

fn no_such(backend: Option<&str>) -> String {
    format!("No such backend: {}. 'show stat' lists them.\n", backend.unwrap_or("there is none"))
}

const CHECK_UNKNOWN: u8 = 0;

/// HAProxy's numbers for check results (`enum healthcheck_status`).
fn check_status(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::ConnectOk => 6,
        Verdict::ConnectTimeout => 7,
        Verdict::ConnectFailed => 8,
        Verdict::TlsTimeout => 10,
        Verdict::TlsFailed => 11,
        Verdict::AnswerTimeout => 12,
        Verdict::AnswerInvalid => 13,
        Verdict::AnswerOk => 15,
        Verdict::AnswerUnexpected => 17,
    }
}
