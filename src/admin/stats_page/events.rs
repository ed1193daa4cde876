//! What has changed lately, the newest first.

use std::fmt::Write;
use std::time::Duration;

use super::html::escape;
use crate::admin::report::{Event, Events};
use crate::admin::units;
use crate::observe::events::span;

/// Rows; `/api/v1/events` and `show events` have more.
const SHOWN: usize = 15;

const HEAD: &str = "\
<div class=\"scroll\"><table class=\"events\">
<thead><tr><th>when</th><th class=\"text\">which</th><th class=\"text\">change</th><th class=\"text\">why</th>\
<th title=\"it had been so for\">was so for</th><th title=\"it will be so for, where that is known\">expected for</th></tr></thead>
<tbody>";

/// `now` in seconds since 1970.
pub fn render(out: &mut String, events: &Events, now: u64) {
    if events.events.is_empty() {
        return;
    }
    let more = match events.total.saturating_sub(SHOWN as u64) {
        0 => String::new(),
        _ => format!(", the last of {}", units::count(events.total)),
    };
    let _ = write!(out, "<section><h2>Recent events <small>newest first{more}</small></h2>{HEAD}");
    events.events.iter().take(SHOWN).for_each(|event| row(out, event, now));
    out.push_str("</tbody></table></div></section>\n");
}

fn row(out: &mut String, event: &Event, now: u64) {
    let at = event.at as u64;
    let ago = units::seconds(now.saturating_sub(at));
    let _ = write!(out, "<tr><th><time>{}</time> <i>{ago} ago</i></th>", super::time_of_day(at));
    let _ = write!(out, "<td class=\"text\">{}</td>", escape(&event.subject));
    let class = match event.tone {
        "better" => "up",
        "worse" => "drain",
        _ => "down",
    };
    let kind = match event.kind {
        "server" => String::new(),
        kind => format!("{} ", kind.replace('_', " ")),
    };
    let (from, to) = (event.from.replace('_', " "), event.to.replace('_', " "));
    let _ = write!(
        out,
        "<td class=\"state {class}\">{kind}<i>{} &rarr;</i> {}</td><td class=\"text\" title=\"{2}\">{2}</td>",
        escape(&from),
        escape(&to),
        escape(&event.why)
    );
    time(out, event.lasted_seconds);
    time(out, event.expected_seconds);
    out.push_str("</tr>");
}

fn time(out: &mut String, seconds: Option<f64>) {
    match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(time) => {
            let _ = write!(out, "<td>{}</td>", span(time));
        }
        None => out.push_str(super::html::UNKNOWN),
    }
}
