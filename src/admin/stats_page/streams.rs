//! The calls and event streams in flight: whose they are, where they are, and what they took so far.

use std::fmt::Write;

use super::html::{self, UNKNOWN, escape};
use crate::admin::report::{Listed, Stream};
use crate::admin::units;

const HEAD: &str = "\
<div class=\"scroll\"><table class=\"streams\">
<thead><tr><th title=\"what `kill stream` takes on the runtime socket\">number</th><th>age</th><th class=\"text\">client</th>\
<th class=\"text\">model</th><th class=\"text\">server</th><th>attempts</th>\
<th class=\"text\" title=\"whether the answer is an event stream\">answer</th>\
<th title=\"reckoned, where the provider has not told yet\">prompt tokens</th>\
<th title=\"so far; reckoned, where the provider has not told yet\">completion tokens</th>\
<th title=\"so far\">cost</th><th class=\"text\">request id</th></tr></thead>
<tbody>";

pub fn render(out: &mut String, streams: &Listed<Stream>) {
    if streams.list.is_empty() {
        return;
    }
    let rest = html::rest(streams, "the oldest; `show streams` has all");
    let _ = write!(
        out,
        "<section><h2>In flight <small>calls and event streams{}{rest}</small></h2>{HEAD}",
        comma(&rest)
    );
    streams.list.iter().for_each(|stream| row(out, stream));
    out.push_str("</tbody></table></div></section>\n");
}

fn comma(rest: &str) -> &'static str {
    if rest.is_empty() { "" } else { ": " }
}

fn row(out: &mut String, stream: &Stream) {
    let age = units::seconds(stream.age_seconds as u64);
    let _ = write!(out, "<tr><th>{}</th><td>{age}</td>", stream.number);
    match (&stream.client, &stream.plan) {
        (Some(client), Some(plan)) => {
            let (client, plan) = (escape(client), escape(plan));
            let _ = write!(out, "<td class=\"text\">{client} <i>{plan}</i></td>");
        }
        (client, _) => text(out, client.as_deref()),
    }
    text(out, stream.model.as_deref());
    match (&stream.backend, &stream.server) {
        (Some(backend), Some(server)) => text(out, Some(&format!("{backend}/{server}"))),
        _ => text(out, None),
    }
    html::count(out, u64::from(stream.attempts));
    text(out, stream.streamed.map(|streamed| if streamed { "stream" } else { "plain" }));
    for tokens in [stream.prompt_tokens, stream.completion_tokens] {
        match tokens {
            Some(tokens) => html::count(out, tokens),
            None => out.push_str(UNKNOWN),
        }
    }
    html::money(out, stream.cost_usd);
    text(out, Some(&stream.request_id));
    out.push_str("</tr>");
}

fn text(out: &mut String, text: Option<&str>) {
    let _ = match text {
        Some(text) => write!(out, "<td class=\"text\" title=\"{0}\">{0}</td>", escape(text)),
        None => write!(out, "<td class=\"text none\">&ndash;</td>"),
    };
}
