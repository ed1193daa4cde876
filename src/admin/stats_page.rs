//! The stats page: one document that needs nothing else, rendered here so that it reads well without a script too. The
//! script fetches the page again every two seconds and puts the new content in the old one's place: there is one
//! renderer, and what it shows cannot disagree with itself.

mod backends;
mod budgets;
mod clients;
mod events;
mod frontends;
mod html;
mod models;
mod streams;
mod tables;

use std::fmt::Write;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::admin::attention::Severity;
use crate::admin::http::base64;
use crate::admin::report::{Node, Report};
use crate::admin::units;
use html::escape;

const STYLE: &str = include_str!("stats_page/style.css");
const SCRIPT: &str = include_str!("stats_page/script.js");

/// Only the style and the script of this very file may run, and nothing is fetched from elsewhere: a name that slipped
/// through the escaping could do no harm.
pub fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = |text: &str| format!("'sha256-{}'", base64::encode(&Sha256::digest(text)));
        format!(
            "default-src 'none'; connect-src 'self'; img-src data:; style-src {}; script-src {}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        )
    });
    &POLICY
}

/// The whole document.
pub fn render(report: &Report) -> String {
    let mut out = String::with_capacity(32 * 1024);
    let title = match report.attention.len() {
        0 => "tidegate".to_owned(),
        n => format!("({n}) tidegate"),
    };
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let _ = writeln!(out, "<title>{title}</title>");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str(
        "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n",
    );
    // Without a script the browser itself loads it again.
    out.push_str("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n");
    let _ = writeln!(out, "<style>{STYLE}</style>\n</head>\n<body>");
    out.push_str("<p id=\"stale\" role=\"alert\" hidden></p>\n<main>\n");
    header(&mut out, &report.node, report);
    attention(&mut out, report);
    frontends::render(&mut out, &report.frontends);
    backends::render(&mut out, &report.backends);
    models::render(&mut out, &report.models);
    clients::render(&mut out, &report.clients);
    budgets::render(&mut out, &report.budgets, report.ledger.as_ref(), report.node.at);
    streams::render(&mut out, &report.streams);
    events::render(&mut out, &report.events, report.node.at);
    tables::render(&mut out, &report.tables);
    footer(&mut out, &report.node);
    let _ = writeln!(out, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>");
    out
}

fn header(out: &mut String, node: &Node, report: &Report) {
    let class = if node.state == "ready" { "up" } else { "drain" };
    let _ = write!(
        out,
        "<header><h1>tidegate <small>{}</small></h1><p class=\"state {class}\">{}</p><dl>",
        node.version, node.state
    );
    let per_second: f64 = report.frontends.iter().map(|f| f.recent.requests_per_second).sum();
    let in_flight: u64 = report.frontends.iter().map(|f| f.requests_in_flight).sum();
    fact(out, "up for", &units::seconds(node.uptime_seconds));
    let connections = format!(
        "{} <i>of {}</i>",
        units::count(node.connections as u64),
        units::count(node.max_connections as u64)
    );
    fact(out, "connections", &connections);
    fact(out, "in flight", &units::count(in_flight));
    fact(out, "requests/s", &units::rate(per_second));
    fact(out, "at", &format!("<time>{}</time> <i>UTC</i>", time_of_day(node.at)));
    out.push_str("</dl></header>\n");
}

/// `value` is HTML.
fn fact(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
}

fn attention(out: &mut String, report: &Report) {
    if report.attention.is_empty() {
        out.push_str("<section class=\"attention calm\"><p>Nothing needs attention.</p></section>\n");
        return;
    }
    let worst = report.attention.iter().map(|notice| notice.severity).min();
    let class = if worst == Some(Severity::Critical) { "critical" } else { "warning" };
    let _ = write!(out, "<section class=\"attention {class}\"><h2>Needs attention</h2><ul>");
    for notice in &report.attention {
        let (class, word) = match notice.severity {
            Severity::Critical => ("critical", "critical"),
            Severity::Warning => ("warning", "warning"),
        };
        let _ = write!(out, "<li><b class=\"{class}\">{word}</b> {}</li>", escape(&notice.message));
    }
    out.push_str("</ul></section>\n");
}

fn footer(out: &mut String, node: &Node) {
    let _ = writeln!(
        out,
        "<footer><p>process {} &middot; {} access log lines dropped &middot; figures for machines: \
         <a href=\"/metrics\">metrics</a>, <a href=\"/stats;csv\">CSV</a>, <a href=\"/api/v1/status\">JSON</a>, \
         <a href=\"/api/v1/events\">events</a>, <a href=\"/api/v1/streams\">streams</a></p></footer>",
        node.pid,
        units::count(node.log_lines_dropped)
    );
}

fn time_of_day(unix: u64) -> String {
    format!("{:02}:{:02}:{:02}", unix / 3600 % 24, unix / 60 % 60, unix % 60)
}
