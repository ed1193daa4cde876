//! Orders to the whole process: `reload`, `rollback`, `drain`, `undrain`. The answer begins as that of HAProxy's `reload`
//! does (management guide, 9.4): `Success=1` or `Success=0`, a line `--`, then what there is to say.

use std::time::Duration;

use crate::base::units::{parse_duration, parse_share};
use crate::runtime::orders::{Answer, Order};
use crate::runtime::store::ALL;

/// The order that a command is; `None`: another command. `Err`: what is wrong with it. The API orders in the
/// same words.
pub fn parse(words: &[&str]) -> Option<Result<Order, String>> {
    Some(match words {
        ["reload"] => Ok(Order::Reload),
        ["reload", "guard", time] => guard(time),
        ["reload", "canary", share] => canary(share, "60s"),
        ["reload", "canary", share, "for", time] => canary(share, time),
        ["drain"] => Ok(Order::Drain),
        ["undrain"] => Ok(Order::Undrain),
        ["rollback", rest @ ..] => rollback(rest),
        ["reload", "guard", ..] => Err("usage: reload guard <time>\n".to_owned()),
        ["reload", "canary", ..] => Err("usage: reload canary <share> [for <time>]\n".to_owned()),
        ["reload" | "drain" | "undrain", ..] => Err(format!("'{}' takes no argument.\n", words[0])),
        _ => return None,
    })
}

fn guard(time: &str) -> Result<Order, String> {
    watched(time).map(Order::GuardedReload)
}

fn canary(share: &str, time: &str) -> Result<Order, String> {
    let wrong = || format!("`{share}` is no share for a canary: 0.1% to 50%.\n");
    let share = parse_share(share).ok().filter(|share| (0.001..=0.5).contains(share)).ok_or_else(wrong)?;
    Ok(Order::Canary { share: (share * ALL as f64).round() as u64, time: watched(time)? })
}

/// How long a change is watched.
fn watched(time: &str) -> Result<Duration, String> {
    let time_of = parse_duration(time).ok().filter(|time| (SHORTEST..=LONGEST).contains(time));
    time_of.ok_or_else(|| format!("`{time}` is no time to watch a change for: 5s to 10m.\n"))
}

const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);

fn rollback(rest: &[&str]) -> Result<Order, String> {
    let (number, write) = match rest {
        [number @ .., "write"] => (number, true),
        number => (number, false),
    };
    let to =
        match number {
            [] => None,
            [number] => Some(number.parse().map_err(|_| {
                format!("`{number}` is no number of the history: 'show history' lists them.\n")
            })?),
            _ => return Err("usage: rollback [<number>] [write]\n".to_owned()),
        };
    Ok(Order::Rollback { to, write })
}

/// What is said of what came of it.
pub fn in_words(answer: &Answer) -> String {
    format!("Success={}\n--\n{}\n", u8::from(answer.done), answer.message.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_told_from_other_commands() {
        assert_eq!(parse(&["reload"]), Some(Ok(Order::Reload)));
        assert_eq!(parse(&["rollback"]), Some(Ok(Order::Rollback { to: None, write: false })));
        assert_eq!(
            parse(&["rollback", "7", "write"]),
            Some(Ok(Order::Rollback { to: Some(7), write: true }))
        );
        assert_eq!(parse(&["rollback", "write"]), Some(Ok(Order::Rollback { to: None, write: true })));
        assert_eq!(
            parse(&["reload", "guard", "1m"]),
            Some(Ok(Order::GuardedReload(Duration::from_secs(60))))
        );
        let canary = Order::Canary { share: 500, time: Duration::from_secs(60) };
        assert_eq!(parse(&["reload", "canary", "5%"]), Some(Ok(canary)));
        for wrong in [
            &["rollback", "x"][..],
            &["reload", "guard"],
            &["reload", "guard", "1h"],
            &["rollback", "1", "2"],
            &["reload", "now"],
            &["drain", "3"],
        ] {
            assert!(matches!(parse(wrong), Some(Err(_))), "{wrong:?}");
        }
        assert_eq!(parse(&["show", "info"]), None);
    }
}
