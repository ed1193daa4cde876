//! The models: what is asked of them, how fast they are, and what it cost.

use std::fmt::Write;

use super::html::{self, escape};
use crate::admin::report::{Model, Quantiles};
use crate::admin::units;

const HEAD: &str = "\
<section><h2>Models</h2><div class=\"scroll\"><table>
<thead><tr class=\"groups\"><td></td><th colspan=\"2\">last minute</th><th colspan=\"11\">since start</th></tr>
<tr><th>name</th><th class=\"edge\">calls/s</th><th title=\"of prompt and completion, when their calls end\">tokens/s</th>\
<th class=\"edge\">calls</th><th title=\"cached ones included\">prompt tokens</th><th>cached</th>\
<th title=\"those of reasoning included\">completion tokens</th><th>reasoning</th>\
<th title=\"of event streams\">first content p50</th><th>p95</th>\
<th title=\"of event streams, after the first\">per token p50</th><th>p95</th><th>p99</th><th>cost</th></tr></thead>
<tbody>";

pub fn render(out: &mut String, models: &[Model]) {
    if models.is_empty() {
        return;
    }
    out.push_str(HEAD);
    for model in models {
        let _ = write!(out, "<tr><th>{}</th>", escape(&model.name));
        per_second(out, model.requests_per_second);
        per_second(out, model.tokens_per_second);
        html::count(out, model.requests);
        html::count(out, model.prompt_tokens);
        html::count(out, model.cached_tokens);
        html::count(out, model.completion_tokens);
        html::count(out, model.reasoning_tokens);
        let Quantiles { p50, p95, .. } = model.first_content;
        html::latencies(out, [p50, p95]);
        html::latencies(out, html::all(&model.output_token));
        html::money(out, model.cost_usd);
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div></section>\n");
}

fn per_second(out: &mut String, rate: f64) {
    let class = if rate < 0.005 { " class=\"zero\"" } else { "" };
    let _ = write!(out, "<td{class}>{}</td>", units::rate(rate));
}
