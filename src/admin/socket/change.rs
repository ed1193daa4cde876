//! `set server`, `enable server` and `disable server`, in HAProxy's words (management guide, 9.3).

mod limit;
mod place;

use crate::admin::View;
use crate::admin::change::{self, Door, Found, MOST, Missing, from_word};
use crate::pool::server::Admin;
use crate::runtime::snapshot::Snapshot;

pub use limit::{max_concurrent, max_connections, max_connections_of_all};

const USAGE: &str = "usage: set server <backend>/<server> addr | max_concurrent | state | weight\n";
const DOOR: Door = "on the runtime socket";

/// `set server <backend>/<server> ...`: what to say when it is done, mostly nothing.
///
/// # Errors
/// What is wrong, to be answered.
pub fn set(view: &View, server: &str, rest: &[&str]) -> Result<String, String> {
    let snapshot = view.store.load();
    let found = find(&snapshot, server)?;
    match rest {
        ["state", state] if let Some(admin) = from_word(state) => found.set_state(view, admin, DOOR),
        ["state", ..] => {
            return Err("'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n".to_owned());
        }
        ["addr", address @ ..] => return found.address(view, address),
        ["max_concurrent" | "maxconn", limit @ ..] => found.limit(view, limit.first().copied())?,
        ["weight", weight @ ..] => {
            let weight = parse(weight.first().copied().unwrap_or_default(), found.member.weight)?;
            found.set_weight(view, weight, DOOR);
        }
        _ => return Err(USAGE.to_owned()),
    }
    Ok(String::new())
}

/// `enable server` and `disable server`: empty when it is done, else what is wrong.
pub fn put(view: &View, server: &str, admin: Admin) -> String {
    match find(&view.store.load(), server) {
        Ok(found) => {
            found.set_state(view, admin, DOOR);
            String::new()
        }
        Err(message) => message.to_owned(),
    }
}

/// Whether there is such a server.
///
/// # Errors
/// What is wrong with the name.
pub fn check(snapshot: &Snapshot, server: &str) -> Result<(), &'static str> {
    find(snapshot, server).map(|_| ())
}

fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Result<Found<'a>, &'static str> {
    let (backend, server) = name.split_once('/').unwrap_or((name, ""));
    if server.is_empty() {
        return Err("Require 'backend/server'.\n");
    }
    change::find(snapshot, backend, server).map_err(|missing| match missing {
        Missing::Backend => "No such backend.\n",
        Missing::Server => "No such server.\n",
    })
}

/// `50`, or `50%` of the configured weight; the messages are HAProxy's.
fn parse(text: &str, configured: u16) -> Result<u16, &'static str> {
    if text.is_empty() {
        return Err("Require <weight> or <weight%>.\n");
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let (number, end) = unsigned.split_at(digits);
    if number.is_empty() {
        return Err("Empty weight string empty or preceded by garbage\n");
    }
    let number = number.parse::<u64>().unwrap_or(u64::MAX);
    let negative = text.starts_with('-') && number > 0;
    match end {
        "%" if negative => Err("Relative weight must be positive.\n"),
        "%" => {
            let scaled = u64::from(configured) * number.min(25_600) / 100;
            Ok(u16::try_from(scaled).unwrap_or(MOST).min(MOST))
        }
        _ => match u16::try_from(number) {
            Ok(weight) if weight <= MOST && !negative => {
                if end.is_empty() {
                    Ok(weight)
                } else {
                    Err("Trailing garbage in weight string\n")
                }
            }
            _ => Err("Absolute weight can only be between 0 and 256 inclusive.\n"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn weights_are_absolute_or_relative_to_the_configured_one() {
        for (text, weight) in
            [("0", 0), ("256", 256), ("+7", 7), ("100%", 80), ("50%", 40), ("0%", 0), ("-0", 0)]
        {
            assert_eq!(parse(text, 80), Ok(weight), "{text}");
        }
        assert_eq!(parse("1000%", 80), Ok(256));
        assert_eq!(parse("99999999999999999999%", 256), Ok(256));
        assert_eq!(parse("1%", 80), Ok(0));
    }

    #[test]
    fn mistakes_have_haproxys_words() {
        for (text, start) in [
            ("", "Require <weight>"),
            ("heavy", "Empty weight string"),
            ("%", "Empty weight string"),
            ("-5%", "Relative weight must be positive."),
            ("-5", "Absolute weight"),
            ("257", "Absolute weight"),
            ("99999999999999999999", "Absolute weight"),
            ("5x", "Trailing garbage"),
        ] {
            let message = parse(text, 100).unwrap_err();
            assert!(message.starts_with(start) && message.ends_with('\n'), "{text}: {message}");
        }
    }
}
