//! What an operator changes of a server at run time: its state, its weight, its limit and where it is, in HAProxy's words
//! (management guide, 9.3). It holds until it is taken back, over reloads and not over a restart. Each change is one line in
//! the log.

mod limit;
mod place;

use std::fmt;

use log::info;

use crate::admin::View;
use crate::pool::server::Admin;
use crate::pool::{Change, Member};
use crate::runtime::events;
use crate::runtime::snapshot::{Backend, Snapshot};

pub use limit::{max_concurrent, max_connections, max_connections_of_all};

const USAGE: &str = "usage: set server <backend>/<server> addr | max_concurrent | state | weight\n";
const MOST: u16 = 256;

/// `set server <backend>/<server> ...`: empty when it is done, else what is wrong.
pub fn set(view: &View, server: &str, rest: &[&str]) -> String {
    let snapshot = view.store.load();
    let found = match find(&snapshot, server) {
        Ok(found) => found,
        Err(message) => return message.to_owned(),
    };
    match rest {
        ["state", "ready"] => found.state(view, Admin::Ready),
        ["state", "drain"] => found.state(view, Admin::Drain),
        ["state", "maint"] => found.state(view, Admin::Maint),
        ["state", ..] => {
            return "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n".to_owned();
        }
        ["addr", address @ ..] => return found.address(view, address),
        ["max_concurrent" | "maxconn", limit @ ..] => return found.limit(view, limit.first().copied()),
        ["weight", weight @ ..] => return found.weight(view, weight.first().copied()),
        _ => return USAGE.to_owned(),
    }
    String::new()
}

/// `enable server` and `disable server`.
pub fn put(view: &View, server: &str, admin: Admin) -> String {
    match find(&view.store.load(), server) {
        Ok(found) => {
            found.state(view, admin);
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

struct Found<'a> {
    backend: &'a Backend,
    member: &'a Member,
    /// The server's position.
    index: usize,
}

fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Result<Found<'a>, &'static str> {
    let (backend, server) = name.split_once('/').unwrap_or((name, ""));
    if server.is_empty() {
        return Err("Require 'backend/server'.\n");
    }
    let found = snapshot.backends.iter().find(|known| *known.name == *backend);
    let backend = found.ok_or("No such backend.\n")?;
    let mut members = backend.pool.members().iter().enumerate();
    let found = members.find(|(_, member)| member.server.name() == server);
    let (index, member) = found.ok_or("No such server.\n")?;
    Ok(Found { backend, member, index })
}

impl Found<'_> {
    fn state(&self, view: &View, admin: Admin) {
        let (before, change) = self.member.server.set_admin(admin, view.state.clock.now());
        let ended = change.as_ref().filter(|_| before == admin);
        if before != admin {
            self.tell(view, format_args!("{} (was {})", word(admin), word(before)));
        } else if let Some(ended) = ended {
            self.tell(view, format_args!("{} (it was {})", word(admin), events::in_words(ended.from)));
        }
        self.note(view, change.as_ref());
    }

    fn weight(&self, view: &View, text: Option<&str>) -> String {
        let configured = self.member.weight;
        let weight = match parse(text.unwrap_or_default(), configured) {
            Ok(weight) => weight,
            Err(message) => return message.to_owned(),
        };
        let (pool, before) = (&self.backend.pool, self.member.effective_weight());
        // Back at the configured one, it follows the file again.
        self.member.server.set_weight((weight != configured).then_some(weight));
        if weight == before {
            return String::new();
        }
        self.tell(view, format_args!("weight {weight} (was {before}, configured {configured})"));
        // Without a weight it drains: the pool sees that when it settles.
        for (index, change) in pool.settle(view.state.clock.now()) {
            if index == self.index {
                self.note(view, Some(&change));
            } else {
                events::server_changed(&view.state, self.backend, index, &change);
            }
        }
        self.note(view, None);
        String::new()
    }

    /// The line in the log that is an operator's.
    fn tell(&self, view: &View, change: fmt::Arguments<'_>) {
        let Backend { name, pool, .. } = self.backend;
        let now = view.state.clock.now();
        let (server, usable, all) = (&self.member.server, pool.usable_count(now), pool.members().len());
        let tier = pool.active_tier(now).map_or("none".to_owned(), |tier| tier.to_string());
        info!(
            "server {name}/{} is set to {change} on the runtime socket: {} in flight; {usable} of {all} servers usable, \
             active tier {tier}",
            server.name(),
            server.in_flight()
        );
    }

    /// The event, where it is one, and what it means for the tiers.
    fn note(&self, view: &View, change: Option<&Change>) {
        match change {
            Some(change) => events::server_ordered(&view.state, self.backend, self.index, change),
            None => events::tiers(&view.state, self.backend, Some(&"an order on the runtime socket")),
        }
    }
}

fn word(admin: Admin) -> &'static str {
    match admin {
        Admin::Ready => "ready",
        Admin::Drain => "drain",
        Admin::Maint => "maint",
    }
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
