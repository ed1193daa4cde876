//! Where clients come in.

use std::fmt::Write;

use super::html::{self, escape};
use crate::admin::report::Frontend;
use crate::admin::units;

const HEAD: &str = "\
<section><h2>Frontends</h2><div class=\"scroll\"><table>
<thead><tr class=\"groups\"><td></td><th colspan=\"3\">now</th><th colspan=\"6\">last minute</th>\
<th colspan=\"8\">since start</th></tr>
<tr><th>name</th><th class=\"text\">state</th><th title=\"open connections and how many there may be\">connections</th>\
<th title=\"requests in progress\">in flight</th><th class=\"edge\">req/s</th><th>4xx</th><th>5xx</th>\
<th title=\"of whole requests, to the end of the answer\">p50</th><th>p95</th><th>p99</th>\
<th class=\"edge\">requests</th><th>2xx</th><th>3xx</th><th>4xx</th><th>5xx</th>\
<th title=\"refused before they reached a server\">denied</th><th>in</th><th>out</th></tr></thead>
<tbody>";

pub fn render(out: &mut String, frontends: &[Frontend]) {
    out.push_str(HEAD);
    frontends.iter().for_each(|frontend| row(out, frontend));
    out.push_str("</tbody></table></div></section>\n");
}

fn row(out: &mut String, frontend: &Frontend) {
    let (class, word) = match frontend.status {
        "OPEN" => ("up", "open"),
        "FULL" => ("down", "full"),
        _ => ("drain", "closed"),
    };
    let _ = write!(
        out,
        "<tr><th>{} <small>{}</small></th><td class=\"state {class}\">{word}</td>",
        escape(&frontend.name),
        escape(&frontend.addresses.join(", "))
    );
    html::of_limit(out, frontend.connections, Some(frontend.max_connections as u64));
    html::count(out, frontend.requests_in_flight);
    let recent = &frontend.recent;
    html::rate(out, recent);
    html::share(out, recent.responses.client_error, recent, "");
    html::share(out, recent.responses.server_error, recent, "bad");
    html::latencies(out, html::all(&recent.duration));
    html::count(out, frontend.requests_total);
    let responses = &frontend.responses;
    [responses.success, responses.redirection, responses.client_error, responses.server_error]
        .into_iter()
        .for_each(|n| html::count(out, n));
    denied(out, frontend);
    html::bytes(out, frontend.bytes_in);
    html::bytes(out, frontend.bytes_out);
    out.push_str("</tr>");
}

fn denied(out: &mut String, frontend: &Frontend) {
    let sum: u64 = frontend.denied.iter().map(|denied| denied.count).sum();
    if sum == 0 {
        return html::count(out, 0);
    }
    let reasons: Vec<String> =
        frontend.denied.iter().map(|denied| format!("{} {}", denied.count, denied.reason)).collect();
    let _ = write!(out, "<td title=\"{}\">{}</td>", escape(&reasons.join(", ")), units::count(sum));
}
