//! Where requests go: for each backend a line about the whole and a row for each server.

use std::fmt::Write;

use super::html::{self, UNKNOWN, escape};
use crate::admin::report::{Backend, Failures, Recent, Server};
use crate::admin::units;
use crate::pool::Status;

const HEAD: &str = "\
<div class=\"scroll\"><table>
<thead><tr class=\"groups\"><td></td><th colspan=\"4\">now</th><th colspan=\"6\">last minute</th>\
<th colspan=\"7\">since start</th></tr>
<tr><th>server</th><th class=\"text\" title=\"and since when; below it why, and the last check\">state</th><th title=\"the lowest tier with a usable server is active\">tier</th>\
<th>weight</th><th title=\"requests on it now, and max_concurrent\">in flight</th>\
<th class=\"edge\" title=\"attempts\">req/s</th><th>5xx</th>\
<th title=\"attempts that failed by the server's fault; below them what most of it was\">failed</th>\
<th class=\"whole\" title=\"to the first byte of the answer; below it to the end of the answer\">first byte p50<br>total p50</th>\
<th>p95<br>p95</th><th>p99<br>p99</th>\
<th class=\"edge\" title=\"attempts\">requests</th><th>2xx</th><th>4xx</th><th>5xx</th>\
<th title=\"attempts that failed by the server's fault; below them what most of it was\">failed</th>\
<th title=\"attempts that failed here and were made again\">retried</th><th title=\"times it went down\">downs</th></tr></thead>
<tbody>";

pub fn render(out: &mut String, backends: &[Backend]) {
    for backend in backends {
        heading(out, backend);
        out.push_str(HEAD);
        backend.servers.iter().for_each(|server| row(out, backend, server));
        out.push_str("</tbody>");
        whole(out, backend);
        out.push_str("</table></div></section>\n");
    }
}

fn heading(out: &mut String, backend: &Backend) {
    let (class, word) = if backend.up { ("up", "up") } else { ("down", "down") };
    let _ = write!(
        out,
        "<section><h2>{} <small>backend</small> <span class=\"state {class}\">{word}</span></h2><p class=\"line\">",
        escape(&backend.name)
    );
    let _ = write!(out, "{} of {} servers usable", backend.usable_servers, backend.servers.len());
    let _ = write!(out, " &middot; {}", escape(&backend.balance));
    if let Some(tier) = backend.active_tier.filter(|_| tiers(backend) > 1) {
        let _ = write!(out, " &middot; tier {tier} active");
    }
    if let Some(tier) = backend.helping_tier {
        let _ = write!(out, ", <span class=\"bad\">tier {tier} helps out</span>");
    }
    let class = if backend.queue > 0 { "bad" } else { "" };
    let _ = write!(
        out,
        " &middot; <span class=\"{class}\">{} of {} waiting in the queue</span>",
        units::count(backend.queue as u64),
        units::count(backend.queue_max as u64)
    );
    if backend.queue_refusals > 0 {
        let refused = units::count(backend.queue_refusals);
        let _ = write!(out, ", {refused} refused since the start");
    }
    let _ = write!(out, " &middot; {} retries", units::count(backend.retries));
    if backend.retries_refused > 0 {
        let refused = units::count(backend.retries_refused);
        let _ = write!(out, ", {refused} refused by the budget");
    }
    if backend.hedges + backend.hedges_refused > 0 {
        let (hedges, won) = (units::count(backend.hedges), units::count(backend.hedges_won));
        let _ = write!(out, " &middot; {hedges} hedges, {won} won");
        if backend.hedges_refused > 0 {
            let _ = write!(out, ", {} refused by the budget", units::count(backend.hedges_refused));
        }
    }
    let (received, sent) = (units::bytes(backend.bytes_in), units::bytes(backend.bytes_out));
    let _ = writeln!(out, " &middot; {received} to the servers, {sent} from them</p>");
}

fn tiers(backend: &Backend) -> usize {
    let mut tiers: Vec<u32> = backend.servers.iter().map(|server| server.tier).collect();
    tiers.sort_unstable();
    tiers.dedup();
    tiers.len()
}

fn row(out: &mut String, backend: &Backend, server: &Server) {
    let class = if server.active || tiers(backend) < 2 { "" } else { " class=\"idle\"" };
    let _ = write!(
        out,
        "<tr{class}><th>{} <small>{}</small></th>",
        escape(&server.name),
        escape(&server.address)
    );
    state(out, server);
    if server.active && tiers(backend) > 1 {
        let _ = write!(out, "<td><b>{}</b> <i>active</i></td>", server.tier);
    } else {
        let _ = write!(out, "<td>{}</td>", server.tier);
    }
    let _ = write!(out, "<td>{}</td>", server.weight);
    html::of_limit(out, u64::from(server.in_flight), server.max_concurrent.map(u64::from));
    let recent = &server.recent;
    html::rate(out, recent);
    html::share(out, recent.responses.server_error, recent, "bad");
    failed(out, &recent.failures);
    latencies(out, recent);
    html::count(out, server.requests_total);
    html::count(out, server.responses.success);
    html::count(out, server.responses.client_error);
    html::count(out, server.responses.server_error);
    failed(out, &server.failures);
    html::count(out, server.retries);
    let title = format!("down for {} in all", units::seconds(server.down_seconds));
    let class = if server.times_down == 0 { "zero" } else { "" };
    let _ =
        write!(out, "<td class=\"{class}\" title=\"{title}\">{}</td></tr>", units::count(server.times_down));
}

fn state(out: &mut String, server: &Server) {
    let words = match server.state {
        Status::Up if server.status == "no check" => "up, not checked".to_owned(),
        // `UP 2/3` and `DOWN 1/2` say that it may change soon.
        Status::Up | Status::Down => server.status.to_lowercase(),
        Status::NotChecked => "not checked yet".to_owned(),
        Status::Slow => "slow".to_owned(),
        Status::HalfOpen => "on trial".to_owned(),
        Status::Cooldown => "cooldown".to_owned(),
        Status::Ejected => "ejected".to_owned(),
        Status::BreakerOpen => "breaker open".to_owned(),
        Status::Misconfigured => "refuses our key".to_owned(),
        Status::Unresolved => "no address".to_owned(),
        Status::Drain => "draining".to_owned(),
        Status::Maint => "maintenance".to_owned(),
    };
    let _ = write!(out, "<td class=\"state {}\">{}", class(server.state), escape(&words));
    if let Some(seconds) = server.state_seconds {
        let _ = write!(out, " <i>{}</i>", units::seconds(seconds));
    }
    if let Some(seconds) = server.state_ends_seconds {
        let _ = write!(out, "<i>, {} more</i>", units::seconds(seconds));
    }
    // Of these the check says why.
    let checked = matches!(server.state, Status::Up | Status::Down) && server.check.is_some();
    if let Some(why) = server.why.as_ref().filter(|_| !checked && server.state != Status::Up) {
        let _ = write!(out, "<small class=\"bad\" title=\"{0}\">{0}</small>", escape(why));
    }
    if let Some(check) = &server.check {
        let class = if check.passed { "" } else { " class=\"bad\"" };
        let _ = write!(
            out,
            "<small{class} title=\"took {} ms\">{} {} <i>{} ago</i></small>",
            check.took_ms,
            check.code,
            escape(&check.reason),
            units::seconds(check.seconds_ago)
        );
    }
    out.push_str("</td>");
}

/// How it is painted: well, in trouble, out, taken out.
fn class(state: Status) -> &'static str {
    match state {
        Status::Up => "up",
        Status::Slow | Status::HalfOpen | Status::Cooldown | Status::Drain => "drain",
        Status::Ejected
        | Status::BreakerOpen
        | Status::Misconfigured
        | Status::Down
        | Status::NotChecked
        | Status::Unresolved => "down",
        Status::Maint => "maint",
    }
}

/// How many attempts, and below it what most of them failed of; all of it in the title.
fn failed(out: &mut String, failures: &[Failures]) {
    let sum: u64 = failures.iter().map(|of| of.count).sum();
    if sum == 0 {
        return html::count(out, 0);
    }
    let words = |of: &Failures| format!("{} {}", units::count(of.count), of.kind.replace('_', " "));
    let all: Vec<String> = failures.iter().map(words).collect();
    let _ = write!(out, "<td class=\"bad\" title=\"{}\">{}", all.join(", "), units::count(sum));
    let most = failures.first().map_or(String::new(), |of| of.kind.replace('_', " "));
    let more = if all.len() > 1 { ", ..." } else { "" };
    let _ = write!(out, "<small>{most}{more}</small></td>");
}

/// To the first byte, and below it to the end.
fn latencies(out: &mut String, recent: &Recent) {
    for (first, total) in html::all(&recent.first_byte).into_iter().zip(html::all(&recent.duration)) {
        if first.is_none() && total.is_none() {
            out.push_str(UNKNOWN);
            continue;
        }
        let shown = |seconds: Option<f64>| seconds.map_or("&ndash;".to_owned(), units::latency);
        let _ = write!(out, "<td>{}<small>{}</small></td>", shown(first), shown(total));
    }
}

/// The backend as a whole: a request counts once, however many attempts it took.
fn whole(out: &mut String, backend: &Backend) {
    out.push_str("<tfoot><tr><th>all <small>requests, not attempts</small></th><td colspan=\"3\"></td>");
    html::count(out, backend.in_flight);
    let recent = &backend.recent;
    html::rate(out, recent);
    html::share(out, recent.responses.server_error, recent, "bad");
    failed(out, &recent.failures);
    latencies(out, recent);
    html::count(out, backend.requests_total);
    html::count(out, backend.responses.success);
    html::count(out, backend.responses.client_error);
    html::count(out, backend.responses.server_error);
    failed(out, &backend.failures);
    html::count(out, backend.retries);
    out.push_str("<td></td></tr></tfoot>");
}
