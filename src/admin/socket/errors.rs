//! `show errors`: the last times that a client or a server broke the protocol, in HAProxy's shape.

use std::fmt::Write;
use std::time::Duration;

use crate::admin::View;
use crate::base::calendar::Civil;
use crate::base::clock;
use crate::observe::protocol_errors::{Culprit, ProtocolError};

/// Of everybody, or of one frontend or backend; `request` or `response`: of one side alone.
pub fn text(view: &View, words: &[&str]) -> String {
    let (proxy, side) = match *words {
        [] => (None, None),
        [side @ ("request" | "response")] => (None, Some(side)),
        [proxy] => (Some(proxy), None),
        [proxy, side @ ("request" | "response")] => (Some(proxy), Some(side)),
        _ => return "usage: show errors [<frontend>|<backend>] [request|response]\n".to_owned(),
    };
    let snapshot = view.store.load();
    let proxy = proxy.filter(|proxy| *proxy != "-1");
    let known = |name: &str| {
        snapshot.frontends.iter().any(|frontend| *frontend.name == *name)
            || snapshot.backends.iter().any(|backend| *backend.name == *name)
    };
    if proxy.is_some_and(|proxy| !known(proxy)) {
        return "No such proxy.\n".to_owned();
    }
    let (total, errors) = view.state.protocol_errors.read();
    let mut out = format!("Total events captured on [{}] : {total}\n", date(clock::unix_time()));
    for (number, error) in &errors {
        let (name, is) = match &error.who {
            Culprit::Client { frontend, .. } => (frontend, "request"),
            Culprit::Server { backend, .. } => (backend, "response"),
        };
        if proxy.is_none_or(|proxy| **name == *proxy) && side.is_none_or(|side| side == is) {
            one(&mut out, *number, error);
        }
    }
    out
}

fn one(out: &mut String, number: u64, error: &ProtocolError) {
    let at = date(error.at);
    let _ = match &error.who {
        Culprit::Client { frontend, src } => write!(
            out,
            " \n[{at}] frontend {frontend}: invalid request\n  backend <NONE>, server <NONE>, event #{number}, src {src}\n"
        ),
        Culprit::Server { backend, server } => {
            write!(out, " \n[{at}] backend {backend}: invalid response\n  server {server}, event #{number}\n")
        }
    };
    let _ = writeln!(out, "  {}: {}", error.reason, error.why);
    if error.sent.is_empty() {
        return;
    }
    out.push_str("  \n");
    for line in &error.sent {
        let _ = writeln!(out, "  {line}");
    }
}

/// `21/Nov/2026:23:56:23.250`, in UTC.
fn date(time: Duration) -> String {
    let (civil, mut text) = (Civil::from_unix(time), Vec::new());
    // Writing to memory does not fail.
    let _ = civil.write_haproxy(&mut text);
    format!("{}.{:03}", String::from_utf8_lossy(&text), civil.millisecond)
}
