//! The clients: what each asks for against what its plan allows it, and what it costs.

use std::fmt::Write;

use super::html::{self, UNKNOWN, escape};
use crate::admin::report::{Client, Listed};
use crate::admin::units;

const HEAD: &str = "\
<div class=\"scroll\"><table>
<thead><tr class=\"groups\"><td></td><th colspan=\"3\">money</th><th>now</th><th colspan=\"3\">last minute</th>\
<th colspan=\"4\">since start</th></tr>
<tr><th>name</th><th class=\"edge\" title=\"the UTC day\">today</th><th title=\"the UTC month\">this month</th>\
<th title=\"of its budget: neither spent nor reserved by calls in flight\">left</th>\
<th class=\"edge\" title=\"requests in progress, and the plan's concurrent\">in flight</th>\
<th class=\"edge\">req/s</th><th title=\"and the plan's requests_per_minute\">requests</th>\
<th title=\"of prompt and completion, when their calls end, and the plan's tokens_per_minute\">tokens</th>\
<th class=\"edge\" title=\"refused ones included\">requests</th>\
<th title=\"for a limit of the plan, or for want of money\">refused</th>\
<th title=\"cached ones included\">prompt tokens</th><th title=\"those of reasoning included\">completion tokens</th></tr></thead>
<tbody>";

pub fn render(out: &mut String, clients: &Listed<Client>) {
    if clients.list.is_empty() {
        return;
    }
    let rest = html::rest(clients, "those that cost most");
    let _ = write!(out, "<section><h2>Clients <small>{rest}</small></h2>{HEAD}");
    clients.list.iter().for_each(|client| row(out, client));
    out.push_str("</tbody></table></div></section>\n");
}

fn row(out: &mut String, client: &Client) {
    let plan = client.plan.as_ref().map_or(String::new(), |plan| format!(" <small>{}</small>", escape(plan)));
    let seen = client.last_request_seconds_ago.map_or("no request since the start".to_owned(), |ago| {
        format!("latest request {} ago", units::seconds(ago))
    });
    let idle = if client.in_flight == 0 && client.requests_last_minute == 0 { " class=\"idle\"" } else { "" };
    let name = match &*client.name {
        "" => "<i>without a key</i>".into(),
        name => escape(name),
    };
    let _ = write!(out, "<tr{idle}><th title=\"{seen}\">{name}{plan}</th>");
    money(out, client);
    html::of_limit(out, client.in_flight, client.limits.concurrent);
    let class = if client.requests_last_minute == 0 { " class=\"zero\"" } else { "" };
    let _ = write!(out, "<td{class}>{}</td>", units::rate(client.requests_per_second));
    html::of_limit(out, client.requests_last_minute, client.limits.requests_per_minute);
    html::of_limit(out, client.tokens_last_minute, client.limits.tokens_per_minute);
    html::count(out, client.requests);
    html::count(out, client.refused);
    html::count(out, client.prompt_tokens);
    html::count(out, client.completion_tokens);
    out.push_str("</tr>");
}

fn money(out: &mut String, client: &Client) {
    match (client.cost_today_usd, client.cost_month_usd) {
        // It is not in the file: only what this process saw of it is known.
        (None, None) => {
            out.push_str(UNKNOWN);
            let cost = units::money(client.cost_usd);
            let _ = write!(out, "<td title=\"since the start\">{cost} <i>*</i></td>");
        }
        (today, month) => {
            html::money(out, today);
            html::money(out, month);
        }
    }
    match &client.budget {
        Some(budget) => {
            let class = match budget.state {
                "used_up" => "full",
                "nearly_used_up" => "near",
                _ => "",
            };
            let (left, of) = (units::money(budget.left_usd), units::money(budget.budget_usd));
            let _ = write!(out, "<td class=\"{class}\">{left}<i>/{of}</i></td>");
        }
        None => out.push_str(UNKNOWN),
    }
}
