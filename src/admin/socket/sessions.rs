//! `show sess` and `shutdown session`: the calls and event streams in flight in the shape of HAProxy's, for scripts that
//! count and end sessions. What only says something of HAProxy's insides (`ts`, `lat`, `rq[..]`, `scf=[..]`) is left out.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use log::info;

use crate::admin::View;
use crate::admin::streams::word;
use crate::base::clock::Tick;
use crate::runtime::streams::Stream;

/// All of them, or one.
pub fn list(view: &View, only: Option<&str>) -> String {
    let only = match only.filter(|only| *only != "all") {
        None => None,
        Some(text) => match number(text) {
            Some(number) => Some(number),
            None => return POINTER.to_owned(),
        },
    };
    let now = view.state.clock.now();
    let mut out = String::new();
    for stream in view.state.streams.all().iter().filter(|at| only.is_none_or(|only| at.number == only)) {
        line(&mut out, stream, now);
    }
    if out.is_empty() && only.is_some() { NO_SUCH.to_owned() } else { out }
}

const POINTER: &str = "Session pointer expected (use 'show sess').\n";
const NO_SUCH: &str = "No such session (use 'show sess').\n";

fn line(out: &mut String, stream: &Stream, now: Tick) {
    let (way, beginning) = (stream.way(), &stream.beginning);
    let protocol = match beginning.src {
        IpAddr::V4(_) => "tcpv4",
        IpAddr::V6(_) => "tcpv6",
    };
    let (backend, server) =
        way.place.as_ref().map_or(("<NONE>", "<none>"), |(backend, server)| (&**backend, &**server));
    let _ = writeln!(
        out,
        "0x{:x}: proto={protocol} src={} fe={} be={backend} srv={server} age={} rc={} id={} client={} model={}",
        stream.number,
        beginning.src,
        beginning.frontend,
        age(now.since(beginning.at)),
        way.attempts.saturating_sub(1),
        word(Some(&beginning.request_id)),
        word(beginning.client.as_deref()),
        word(Some(&*way.model)),
    );
}

/// HAProxy's two largest units: `5s`, `1m5s`, `2h1m`, `3d2h`.
fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m{}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h{minutes}m"),
        (days, hours, _) => format!("{days}d{hours}h"),
    }
}

/// `0x1f`, as `show sess` has it, or `31`, as `show streams` does.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `shutdown session <number>`: empty when it is done.
pub fn shutdown(view: &View, id: &str) -> String {
    let Some(number) = number(id) else { return POINTER.to_owned() };
    // It is a number that it goes by; a request id that looks like one is somebody else's.
    if !view.state.streams.all().iter().any(|stream| stream.number == number) {
        return NO_SUCH.to_owned();
    }
    let _ = super::streams::kill(view, &number.to_string());
    String::new()
}

/// `shutdown sessions server <backend>/<server>`: those that are there now.
pub fn shutdown_all(view: &View, server: &str) -> String {
    let snapshot = view.store.load();
    if let Err(message) = super::change::check(&snapshot, server) {
        return message.to_owned();
    }
    let all = view.state.streams.all();
    let there = all.iter().filter(|stream| {
        stream.way().place.is_some_and(|(backend, name)| server.split_once('/') == Some((&*backend, &*name)))
    });
    let ended = there.filter(|stream| view.state.streams.kill(&stream.number.to_string()) > 0).count();
    info!("{ended} calls and event streams on {server} are ended by an order on the runtime socket");
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_numbers_are_written_as_haproxys() {
        let ages = [0, 59, 60, 3599, 3600, 86_399, 86_400, 200_000].map(|s| age(Duration::from_secs(s)));
        assert_eq!(ages, ["0s", "59s", "1m0s", "59m59s", "1h0m", "23h59m", "1d0h", "2d7h"]);
        assert_eq!(
            [number("0x1f"), number("31"), number("nope"), number("0x")],
            [Some(31), Some(31), None, None]
        );
    }
}
