//! The models: what was asked of them, and what it cost.

use std::fmt::Write;

use super::html::{self, UNKNOWN, escape};
use crate::admin::report::Model;

const HEAD: &str = "\
<section><h2>Models <small>since start</small></h2><div class=\"scroll\"><table class=\"narrow\">
<thead><tr><th>name</th><th>calls</th><th title=\"cached ones included\">prompt tokens</th><th>cached</th>\
<th title=\"those of reasoning included\">completion tokens</th><th>reasoning</th>\
<th title=\"of event streams, after the first\">p50 per token</th><th>p95</th><th>p99</th><th>cost</th></tr></thead>
<tbody>";

pub fn render(out: &mut String, models: &[Model]) {
    if models.is_empty() {
        return;
    }
    out.push_str(HEAD);
    for model in models {
        let _ = write!(out, "<tr><th>{}</th>", escape(&model.name));
        html::count(out, model.requests);
        html::count(out, model.prompt_tokens);
        html::count(out, model.cached_tokens);
        html::count(out, model.completion_tokens);
        html::count(out, model.reasoning_tokens);
        html::latencies(out, html::all(&model.output_token));
        match model.cost_usd {
            Some(cost) => {
                let class = if cost == 0.0 { " class=\"zero\"" } else { "" };
                // Cents are too coarse for the first calls.
                let digits = if cost < 1.0 { 4 } else { 2 };
                let _ = write!(out, "<td{class}>${cost:.digits$}</td>");
            }
            None => out.push_str(UNKNOWN),
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div></section>\n");
}
