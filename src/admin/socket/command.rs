//! One command: which one it is, what it answers, and the list of all of them for who asks.

use std::fmt::Write;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::admin::View;
use crate::admin::socket::{
    change, counters, errors, events, history, info, orders, servers, sessions, streams, table,
};
use crate::admin::stats_csv;
use crate::observe::csv::{Column, Row};
use crate::pool::server::Admin;
use crate::runtime::orders::Order;

/// What the connection does with a command.
#[derive(Debug)]
pub enum Reply {
    Answer(Answer),
    /// Something was changed, or was to be: what to answer when it was, and when it was not.
    Change(Result<String, String>),
    /// Is to be given, and takes its time.
    Order(Order),
    /// Stays open after this, or no longer.
    Prompt,
    Quit,
}

#[derive(Debug)]
pub enum Answer {
    Text(String),
    /// A table may be larger than what one wants in memory twice.
    Parts(mpsc::Receiver<String>),
}

/// Names, arguments and what it does, as `help` lists them.
const COMMANDS: &[(&str, &str)] = &[
    ("clear counters", "let the maxima of 'show stat' begin anew"),
    ("clear counters all", "let everything that 'show stat' counts begin anew"),
    (
        "clear table <table> [<filter>]",
        "remove entries from a table, all without a filter (filter: key <key> or data.<counter> <op> <n>)",
    ),
    ("drain", "ask for no new traffic: /ready says 503, connections end with their next answer"),
    ("disable server <backend>/<server>", "no traffic and no checks for a server (maintenance)"),
    ("enable server <backend>/<server>", "traffic and checks for a server again (state ready)"),
    ("kill stream <number|request-id>", "end a call or an event stream in flight"),
    (
        "set maxconn frontend <frontend> <N>",
        "set how many connections a frontend takes (0: what the file says)",
    ),
    ("set maxconn global <N>", "set how many connections the process takes (0: what the file says)"),
    ("set maxconn server <backend>/<server> <N>", "the same as set server max_concurrent"),
    (
        "set server <backend>/<server> addr <ip> [port <N>]|file",
        "set where a server is; file: back to what the file says",
    ),
    (
        "set server <backend>/<server> max_concurrent <N>",
        "set how many requests a server takes at once (0: no limit)",
    ),
    (
        "set server <backend>/<server> state <ready|drain|maint>",
        "set a server's state: drain lets requests in flight end, maint stops its checks too, ready ends both and \
         what failures brought (open breaker, ejection, cooldown, misconfigured)",
    ),
    (
        "set server <backend>/<server> weight <N|N%>",
        "set a server's weight, or a percentage of the configured one (100%: back to it)",
    ),
    ("set table <table> key <key> [data.<counter> <value>]*", "update or create a table entry's data"),
    ("reload", "read the configuration file again and put it in force, or say why not"),
    (
        "reload canary <share> [for <time>]",
        "the same for a share of the clients (5%), then for all of them or for none",
    ),
    (
        "reload guard <time>",
        "the same, and put back what was in force before if requests do worse within the time",
    ),
    (
        "rollback [<number>] [write]",
        "put an older configuration in force: the one before, or one of the history",
    ),
    ("show config [<number>]", "report a configuration of the history, or the newest one, without secrets"),
    ("show diff <number> [<number>]", "report what changed between two configurations of the history"),
    (
        "show errors [<frontend>|<backend>] [request|response]",
        "report the last requests and answers that were no HTTP",
    ),
    ("show events [<backend>]", "report what has changed lately, the newest first"),
    ("show history", "report the configurations that were in force, the newest first"),
    ("show info", "report information about the running process"),
    ("show servers [<backend>]", "report the state of every server in words"),
    ("show servers state [<backend>]", "report the state of every server in HAProxy's columns"),
    ("show sess [<number>]", "report the calls and event streams in flight in HAProxy's shape"),
    ("show stat [<iid|proxy> <type> <sid>]", "report counters of each proxy and server (CSV)"),
    ("show streams", "report the calls and event streams in flight: who, where, tokens and cost so far"),
    ("show table", "report the stick tables"),
    (
        "show table <table> [<filter>]",
        "report a table's entries (filter: key <key> or data.<counter> <op> <n>)",
    ),
    ("show version", "report the version"),
    ("shutdown session <number>", "end a call or an event stream in flight, as 'kill stream'"),
    ("shutdown sessions server <backend>/<server>", "end all calls and event streams on a server"),
    ("undrain", "take traffic again"),
    ("help [<command>]", "list matching or all commands"),
    ("prompt", "toggle interactive mode with prompt"),
    ("quit", "disconnect"),
];

pub fn run(line: &str, view: &Arc<View>, interactive: bool) -> Reply {
    let words: Vec<&str> = line.split_whitespace().collect();
    let text = match words.as_slice() {
        _ if let Some(order) = orders::parse(&words) => match order {
            Ok(order) => return Reply::Order(order),
            Err(message) => return Reply::Change(Err(message)),
        },
        ["prompt"] => return Reply::Prompt,
        ["quit"] => return Reply::Quit,
        // An empty line in a session is only somebody at the keyboard.
        [] if interactive => String::new(),
        ["help", rest @ ..] => help(&rest.join(" ")),
        ["clear", "counters", "all", ..] => return told(counters::clear(view, true)),
        ["clear", "counters"] => return told(counters::clear(view, false)),
        ["clear", "table", rest @ ..] => return told(table::clear(view, rest)),
        ["set", "maxconn", "frontend", name, rest @ ..] => {
            return told(change::max_connections(view, name, rest.first().copied()));
        }
        ["set", "maxconn", "frontend"] => return told(change::max_connections(view, "", None)),
        ["set", "maxconn", "global", rest @ ..] => {
            return told(change::max_connections_of_all(view, rest.first().copied()));
        }
        ["set", "maxconn", "server", server, rest @ ..] => {
            return told(change::max_concurrent(view, server, rest.first().copied()));
        }
        ["set", "maxconn", "server"] => return told(change::max_concurrent(view, "", None)),
        ["set", "table", rest @ ..] => return told(table::set(view, rest)),
        ["disable", "server", server, ..] => return told(change::put(view, server, Admin::Maint)),
        ["enable", "server", server, ..] => return told(change::put(view, server, Admin::Ready)),
        ["set", "server", server, rest @ ..] => return Reply::Change(change::set(view, server, rest)),
        ["disable" | "enable" | "set", "server"] => return told(change::put(view, "", Admin::Ready)),
        ["kill", "stream"] => return Reply::Change(streams::kill(view, "")),
        ["kill", "stream", id, ..] => return Reply::Change(streams::kill(view, id)),
        ["show", "history"] => history::list(view),
        ["show", "config"] => history::text(view, None),
        ["show", "config", number, ..] => history::text(view, Some(number)),
        ["show", "diff", from] => history::diff(view, from, None),
        ["show", "diff", from, to, ..] => history::diff(view, from, Some(to)),
        ["show", "version"] => format!("{}\n", env!("CARGO_PKG_VERSION")),
        ["show", "errors", rest @ ..] => errors::text(view, rest),
        ["show", "sess"] => sessions::list(view, None),
        ["show", "sess", number, ..] => sessions::list(view, Some(number)),
        ["shutdown", "session"] => return told(sessions::shutdown(view, "")),
        ["shutdown", "session", number, ..] => return told(sessions::shutdown(view, number)),
        ["shutdown", "sessions", "server"] => return told(sessions::shutdown_all(view, "")),
        ["shutdown", "sessions", "server", server, ..] => return told(sessions::shutdown_all(view, server)),
        ["show", "events"] => events::text(view, None),
        ["show", "events", backend] => events::text(view, Some(backend)),
        ["show", "info"] => info::text(view),
        ["show", "stat"] => stats_csv::text(view),
        ["show", "stat", filter @ ..] => stat(view, filter),
        ["show", "servers"] => servers::in_words(view, None),
        ["show", "servers", "state"] => servers::in_columns(view, None),
        ["show", "servers", "state", backend] => servers::in_columns(view, Some(backend)),
        ["show", "servers", backend] => servers::in_words(view, Some(backend)),
        ["show", "streams"] => streams::text(view),
        ["show", "table"] => table::list(view),
        ["show", "table", name, filter @ ..] => match table::entries(view, name, filter) {
            Ok(parts) => return Reply::Answer(Answer::Parts(parts)),
            Err(message) => message,
        },
        _ => unknown(line),
    };
    Reply::Answer(Answer::Text(text))
}

/// As HAProxy's, these answer nothing when they are done.
fn told(answer: String) -> Reply {
    Reply::Change(if answer.is_empty() { Ok(answer) } else { Err(answer) })
}

/// `show stat <iid|proxy> <type> <sid>`: -1 is any, `type` adds up 1 (frontends), 2 (backends) and 4 (servers).
fn stat(view: &View, filter: &[&str]) -> String {
    let [proxy, kind, sid] = *filter else {
        return "'show stat' takes no argument, or three: <iid|proxy> <type> <sid>; -1 is any.\n".to_owned();
    };
    let (Ok(kind), Ok(sid)) = (kind.parse::<i32>(), sid.parse::<i32>()) else {
        return "'show stat': <type> and <sid> are numbers, and -1 is any.\n".to_owned();
    };
    let of_proxy = |row: &Row| {
        proxy == "-1" || row.get(Column::Iid) == Some(proxy) || row.get(Column::Pxname) == Some(proxy)
    };
    let of_kind = |row: &Row| match row.get(Column::Type) {
        Some("0") => kind & 1 != 0,
        Some("1") => kind & 2 != 0,
        _ => kind & 4 != 0,
    };
    let of_sid = |row: &Row| sid == -1 || row.get(Column::Sid) == Some(sid.to_string().as_str());
    let mut rows = stats_csv::shown(view);
    rows.retain(|row| of_proxy(row) && of_kind(row) && of_sid(row));
    stats_csv::document(&rows)
}

fn help(about: &str) -> String {
    let matching: Vec<_> = COMMANDS.iter().filter(|(usage, _)| usage.starts_with(about)).collect();
    if matching.is_empty() {
        return unknown(about);
    }
    list("The following commands are valid at this level:\n", matching)
}

fn unknown(line: &str) -> String {
    let first = line.split_whitespace().next().unwrap_or_default();
    let near: Vec<_> = COMMANDS.iter().filter(|(usage, _)| usage.split(' ').next() == Some(first)).collect();
    if near.is_empty() {
        let heading = "Unknown command. Please enter one of the following commands only:\n";
        return list(heading, COMMANDS.iter().collect());
    }
    list("Unknown command, but maybe one of the following ones is a better match:\n", near)
}

fn list(heading: &str, commands: Vec<&(&str, &str)>) -> String {
    let mut out = heading.to_owned();
    for (usage, what) in commands {
        let _ = writeln!(out, "  {usage:<40}: {what}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_chapter_and_every_chapter_a_command() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/management.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (_, rest) = page.split_once("\n## The runtime socket\n").unwrap();
        let (chapter, _) = rest.split_once("\n## ").unwrap();
        let mut documented: Vec<&str> = chapter
            .lines()
            .filter_map(|line| line.strip_prefix("### `"))
            .map(|heading| heading.trim_end_matches('`'))
            .collect();
        documented.sort_unstable();
        let mut known: Vec<&str> = COMMANDS.iter().map(|(usage, _)| *usage).collect();
        known.sort_unstable();
        assert_eq!(documented, known);
    }
}
